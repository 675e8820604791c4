//! A profile found in a working directory may only take away.
#![expect(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use std::sync::Arc;

use shannot_policy::profile::{Examples, Prefer, Stated, Tier, tighten};
use shannot_policy::text::TextError;
use shannot_policy::types::ByteSize;
use shannot_policy::{Argv, Cwd, Locale, Profile, Request, Stages, authorize};

const BASE: &str = r#"
version = 1
name = "d"
description = "Base."
prefer = "isolation"
tiers = ["T1", "T2"]
require = ["exec"]
[view]
processes = "host"
[paths]
read = ["/var", "/etc"]
scratch = ["/tmp", "/var/t\\p"]
[env]
A = "1"
[limits]
wall = "10s"
memory = "64MiB"
[commands.find]
about = "Find files."
syntax = "find"
valued = ["-name"]
spawns = ["a", "b"]
forks = true
[[commands.find.rules]]
deny_options = ["-exec"]
why = "starts other programs"
[commands.tar]
about = "List archives."
[[commands.tar.rules]]
deny_options = ["--compress-program"]
why = "starts other programs"
[[commands.tar.rules]]
allow_operands = ["list **"]
why = "only lists"
[commands."/usr/bin/*"]
about = "Anything."
"#;

fn base() -> Profile {
    Profile::parse(BASE, "base.toml", Examples::Check, &|_| Err(String::new())).unwrap()
}

fn narrow(text: &str) -> Result<Profile, TextError> {
    let text = format!("version = 1\nname = \"d\"\n{text}");
    tighten(&base(), &Stated::parse(&text, "l.toml")?, Examples::Check)
}

fn allows(profile: &Profile, line: &str) -> bool {
    let request = Request {
        profile: "d".parse().unwrap(),
        stages: Stages::new(vec![Argv::from_words(shlex::split(line).unwrap()).unwrap()]).unwrap(),
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    authorize(&Arc::new(profile.clone()), request).is_ok()
}

#[test]
fn what_is_not_stated_stays_as_it_is() {
    assert_eq!(narrow("").unwrap(), base());
    assert_eq!(narrow("extends = [\"d\"]").unwrap(), base());
}

#[test]
fn what_is_stated_narrows() {
    let profile = narrow(
        r#"
        description = "Ours."
        tiers = ["T1"]
        require = ["memory"]
        [view]
        processes = "own"
        [paths]
        read = ["/var/log"]
        hide = ["/var/log/private"]
        scratch = ["/tmp"]
        hide_other_homes = true
        [env]
        A = "1"
        [limits]
        wall = "5s"
        memory = "64MiB"
        "#,
    )
    .unwrap();
    assert_eq!(profile.tiers, [Tier::T1].into());
    let required: Vec<_> = profile.require.iter().map(|layer| layer.as_str()).collect();
    assert_eq!(required, ["exec", "memory"]);
    assert_eq!(profile.prefer, Prefer::Isolation);
    assert_eq!(profile.paths.read, ["/var/log".parse().unwrap()]);
    assert_eq!(profile.limits.wall.to_string(), "5s");
    assert_eq!(profile.limits.memory, ByteSize::mib(64));
    assert_eq!(profile.commands, base().commands);
    assert_eq!(profile.description, "Ours.");
    let last: Vec<&str> = profile.paths.hide.iter().rev().take(2).map(|p| p.as_str()).collect();
    // The scratch directory that goes must not show the host's own.
    assert_eq!(last, ["/var/t\\\\p", "/var/log/private"]);
}

#[test]
fn what_would_widen_is_refused_by_key() {
    for (text, key) in [
        ("prefer = \"fidelity\"", "prefer"),
        ("tiers = [\"T1\", \"L\"]", "tiers"),
        ("tiers = []", "tiers"),
        ("root_reads = true", "root_reads"),
        ("landlock_abi = 5", "landlock_abi"),
        ("extends = [\"other\"]", "extends"),
        ("without = [\"nothing\"]", "without"),
        ("[view]\nnetwork = \"tables\"", "view.network"),
        ("[paths]\nread = [\"/\"]", "paths.read"),
        ("[paths]\nread = [\"/var\", \"/vari\"]", "paths.read"),
        ("[paths]\nshow = [\"/etc/shadow\"]", "paths.show"),
        ("[paths]\nscratch = [\"/tmp/x\"]", "paths.scratch"),
        ("[paths]\nhide_other_homes = false", "paths.hide_other_homes"),
        ("[paths]\nnetwork_filesystems = true", "paths.network_filesystems"),
        ("[env]\nA = \"2\"", "env.A"),
        ("[env]\nB = \"1\"", "env.B"),
        ("[limits]\nwall = \"11s\"", "limits.wall"),
        ("[limits]\ncpu = \"31s\"", "limits.cpu"),
        ("[limits]\nprocesses = 65", "limits.processes"),
        ("[limits]\nmemory = \"65MiB\"", "limits.memory"),
        ("[limits]\nscratch = \"65MiB\"", "limits.scratch"),
        ("[limits]\noutput = \"17MiB\"", "limits.output"),
        ("[commands.awk]\nabout = \"x\"", "commands.awk"),
        ("[commands.\"/usr/*\"]\nabout = \"x\"", "commands.\"/usr/*\""),
        ("[commands.find]\nprogram = \"/x\"", "commands.find.program"),
        ("[commands.find]\nsyntax = \"plain\"", "commands.find.syntax"),
        ("[commands.find]\nvalued = [\"-name\", \"-exec\"]", "commands.find.valued"),
        ("[commands.find]\nvalued = []", "commands.find.valued"),
        ("[commands.find]\nflags = [\"-exec\"]", "commands.find.flags"),
        ("[commands.find]\nspawns = [\"a\", \"c\"]", "commands.find.spawns"),
        ("[commands.find]\nkernel_log = true", "commands.find.kernel_log"),
        ("[commands.tar]\nforks = true", "commands.tar.forks"),
    ] {
        let error = narrow(text).expect_err(text);
        assert_eq!(error.key(), Some(key), "{text}: {error}");
        assert!(error.line() >= 3, "{text}: {error}");
    }
    let other = Stated::parse("version = 1\nname = \"e\"", "l.toml").unwrap();
    assert_eq!(tighten(&base(), &other, Examples::Check).unwrap_err().key(), Some("name"));
}

#[test]
fn listed_commands_remain_with_the_rules_of_both() {
    let profile = narrow(
        r#"
        [commands.find]
        spawns = ["b"]
        forks = false
        [[commands.find.rules]]
        deny_options = ["-newer"]
        why = "slow"
        examples = { allow = ["find / -name -newer"], deny = ["find / -newer x"] }
        [commands.tar]
        "#,
    )
    .unwrap();
    let keys: Vec<String> = profile.commands.iter().map(|c| c.pattern.to_string()).collect();
    assert_eq!(keys, ["find", "tar"]);
    let find = &profile.commands[0];
    assert_eq!((find.rules.len(), find.spawns.len(), find.forks), (2, 1, false));
    assert_eq!(find.about, "Find files.");
    assert!(allows(&profile, "find / -name x"));
    assert!(!allows(&profile, "find / -exec id ;") && !allows(&profile, "find / -newer x"));
    assert!(!allows(&profile, "/usr/bin/ls"));
}

#[test]
fn extending_itself_keeps_the_other_commands() {
    let text = "extends = [\"d\"]\nwithout = [\"/usr/bin/*\"]\n[commands.tar]\nabout = \"Ours.\"";
    let profile = narrow(text).unwrap();
    assert_eq!(profile.commands.len(), 2);
    assert_eq!(profile.commands[1].about, "Ours.");
}

#[test]
fn a_command_that_goes_must_not_lose_its_rules_to_a_glob() {
    for text in [
        "without = [\"find\"]",
        "[commands.\"/usr/bin/*\"]",
        "extends = [\"d\"]\nwithout = [\"find\"]",
        "[commands.\"/usr/bin/*\"]\n[commands.tar]",
    ] {
        let error = narrow(text).expect_err(text).to_string();
        assert!(error.contains("can still allow it"), "{error}");
    }
    assert!(narrow("without = [\"/usr/bin/*\"]").is_ok());
    assert!(narrow("without = [\"find\", \"/usr/bin/*\"]").is_ok());
    assert!(narrow("[commands.find]").is_ok());
}

#[test]
fn what_added_rules_name_does_not_change_how_the_others_read() {
    let profile = narrow(
        r#"
        [commands.tar]
        [[commands.tar.rules]]
        allow_options = ["--compress", "-x"]
        why = "w"
        "#,
    )
    .unwrap();
    for line in ["tar --compress=sh list", "tar --compress list", "tar -x list create"] {
        assert!(!allows(&base(), line), "{line}");
        assert!(!allows(&profile, line), "{line}");
    }
    assert!(allows(&profile, "tar list") && allows(&profile, "tar list -x"));
    assert!(allows(&base(), "tar list -y") && !allows(&profile, "tar list -y"));
    // A second narrowing cannot do to the first what the first could not do to the base.
    let text = "version = 1\nname = \"d\"\n[commands.tar]\n\
                rules = [{ deny_words = [\"z\"], why = \"w\" }]";
    let twice = tighten(&profile, &Stated::parse(text, "l").unwrap(), Examples::Check).unwrap();
    assert_eq!(twice.commands[0].rules.last().unwrap().layer, 2);
}

#[test]
fn examples_of_added_rules_are_checked() {
    let error = narrow(
        "[commands.find]\nrules = [{ deny_options = [\"-newer\"], why = \"w\", \
         examples = { deny = [\"find / -exec x\"] } }]",
    )
    .unwrap_err();
    assert_eq!(error.key(), Some("commands.find.rules[0].examples.deny"));
}
