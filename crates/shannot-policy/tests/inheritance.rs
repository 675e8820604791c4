//! What a profile takes from those that it extends.

#![expect(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use std::sync::Arc;

use shannot_policy::Profile;
use shannot_policy::profile::{Component, Examples, PathPattern, Prefer, Tier};
use shannot_policy::text::TextError;
use shannot_policy::types::{AbsPath, ProfileName};

fn parse_over(parents: &[&Profile], text: &str) -> Result<Profile, TextError> {
    let text = format!("version = 1\nname = \"t\"\n{text}");
    Profile::parse(&text, "t.toml", Examples::Check, &|name: &ProfileName| {
        let found = parents.iter().find(|parent| parent.name == *name);
        found.map(|parent| Arc::new((*parent).clone())).ok_or(format!("`{name}` is unknown"))
    })
}

fn named(name: &str, text: &str) -> Profile {
    let text = format!("version = 1\nname = \"{name}\"\n{text}");
    Profile::parse(&text, "p.toml", Examples::Check, &|_| Err("none".to_owned())).unwrap()
}

fn path(text: &str) -> AbsPath {
    text.parse().unwrap()
}

fn hides(profile: &Profile, text: &str) -> bool {
    profile.paths.hide.iter().any(|pattern| pattern.as_str() == text)
}

#[test]
fn commands_are_inherited_by_key_and_replaced_whole() {
    let one =
        named("one", "[commands.a]\nabout = \"a of one\"\n[commands.b]\nabout = \"b of one\"");
    let two = named("two", "[commands.b]\nabout = \"b of two\"\n[commands.\"/z\"]\nabout = \"z\"");
    let child = parse_over(
        &[&one, &two],
        "extends = [\"one\", \"two\"]\nwithout = [\"/z\"]\n[commands.a]\nabout = \"own\"\nforks = true",
    )
    .unwrap();
    let told: Vec<(String, &str)> =
        child.commands.iter().map(|c| (c.pattern.to_string(), c.about.as_str())).collect();
    assert_eq!(told, [("a".to_owned(), "own"), ("b".to_owned(), "b of two")]);
}

#[test]
fn a_dropped_command_must_not_come_back_through_a_glob() {
    let parent = named(
        "p",
        "[commands.find]\nabout = \"x\"\n[commands.\"/usr/bin/*\"]\nabout = \"x\"\n\
         [commands.\"/opt/*\"]\nabout = \"x\"",
    );
    let error = parse_over(&[&parent], "extends = [\"p\"]\nwithout = [\"find\"]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.toml:4:12: `without`: without `find`, `/usr/bin/*` can still allow it"
    );
    let both = "extends = [\"p\"]\nwithout = [\"find\", \"/usr/bin/*\"]";
    assert_eq!(parse_over(&[&parent], both).unwrap().commands.len(), 1);
    let glob = "extends = [\"p\"]\nwithout = [\"/usr/bin/*\"]";
    assert_eq!(parse_over(&[&parent], glob).unwrap().commands.len(), 2);
}

#[test]
fn a_parent_that_only_brings_commands_changes_nothing_else() {
    let wide = named(
        "wide",
        "prefer = \"fidelity\"\nroot_reads = true\ntiers = [\"T1\"]\n[view]\nprocesses = \"host\"\n\
         [paths]\nread = [\"/var\"]\nscratch = [\"/tmp\"]\nhide_other_homes = false\n\
         [limits]\nwall = \"2m\"\n[env]\nA = \"1\"\nB = \"1\"",
    );
    let mixin =
        named("mixin", "[commands.a]\nabout = \"a\"\n[limits]\ncpu = \"5s\"\n[env]\nB = \"2\"");
    let child = parse_over(
        &[&wide, &mixin],
        "extends = [\"wide\", \"mixin\"]\nroot_reads = false\n[env]\nC = \"3\"",
    )
    .unwrap();
    assert_eq!((child.prefer, child.root_reads), (Prefer::Fidelity, false));
    assert_eq!(child.tiers, [Tier::T1].into());
    assert_eq!(child.paths.read, [path("/var")]);
    assert_eq!(child.paths.scratch, [path("/tmp")]);
    assert!(!child.paths.hide_other_homes);
    assert_eq!(
        (child.limits.wall.to_string(), child.limits.cpu.to_string()),
        ("2m".into(), "5s".into())
    );
    let env: Vec<(&str, &str)> = child.env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(env, [("A", "1"), ("B", "2"), ("C", "3")]);
    assert_eq!(child.description, "");
}

#[test]
fn hides_unite_and_what_one_parent_shows_another_still_hides() {
    let shows = named("shows", "[paths]\nshow = [\"/etc/ssl/private\"]\nhide = [\"/a\"]");
    let hides_it = named("hides", "[paths]\nhide = [\"/b\"]");
    let alone = parse_over(&[&shows], "extends = [\"shows\"]").unwrap();
    assert!(!hides(&alone, "/etc/ssl/private") && hides(&alone, "/a"));
    let both = parse_over(&[&shows, &hides_it], "extends = [\"shows\", \"hides\"]").unwrap();
    assert!(hides(&both, "/etc/ssl/private") && hides(&both, "/a") && hides(&both, "/b"));
    let again = parse_over(&[&shows], "extends = [\"shows\"]\n[paths]\nshow = [\"/a\"]").unwrap();
    assert!(!hides(&again, "/a"));
    let pattern: &PathPattern = both.paths.hide.last().unwrap();
    assert_eq!(*pattern.components(), [Component::Literal("b".into())]);
}
