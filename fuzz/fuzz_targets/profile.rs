//! The readers of profiles: an error has a place and a reason, a profile keeps what the format
//! promises, is written out and read back as the same, and one of the working directory only tightens.
//!
//! The input is a profile: JSON of Shannot 0.3 if it begins with `{`, else TOML. After a line `---`
//! may follow the text of one that tightens it. What is shipped may be extended.
#![no_main]

use std::cell::Cell;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use shannot_fuzz::{ask, is_obeyed};
use shannot_policy::profile::{
    Command, CommandPattern, Examples, HIDDEN_BY_DEFAULT, LANDLOCK_ABI, LARGEST_PROFILE,
    MOST_COMMANDS, MOST_OPEN_FILES, PathPattern, Prefer, Stated, Table, tighten,
};
use shannot_policy::text::TextError;
use shannot_policy::types::ProfileName;
use shannot_policy::{Argv, Profile};

const SHIPPED: [(&str, &str); 5] = [
    ("diagnostics", include_str!("../../profiles/diagnostics.toml")),
    ("minimal", include_str!("../../profiles/minimal.toml")),
    ("network", include_str!("../../profiles/network.toml")),
    ("readonly", include_str!("../../profiles/readonly.toml")),
    ("systemd", include_str!("../../profiles/systemd.toml")),
];

/// What is shipped, read once.
static READ: LazyLock<Vec<Arc<Profile>>> = LazyLock::new(|| {
    let read = |(name, _): &(&str, &str)| shipped(&name.parse().expect("it is a name"));
    SHIPPED.iter().map(|one| read(one).expect("what is shipped can be read")).collect()
});

fuzz_target!(|text: &str| {
    if text.trim_start().starts_with('{') {
        return legacy(text);
    }
    let (text, local) = match text.split_once("\n---\n") {
        Some((text, local)) => (text, Some(local)),
        None => (text, None),
    };
    let Some(profile) = today(text) else { return };
    if let Some(local) = local {
        narrowed(&profile, local);
    }
});

fn shipped(name: &ProfileName) -> Result<Arc<Profile>, String> {
    let found = SHIPPED.iter().find(|(own, _)| *own == name.as_str());
    let (_, text) = found.ok_or_else(|| format!("`{name}` is not there"))?;
    let profile = Profile::parse(text, name.as_str(), Examples::Check, &shipped);
    profile.map(Arc::new).map_err(|error| error.to_string())
}

fn today(text: &str) -> Option<Profile> {
    let extended = Cell::new(false);
    let lookup = |name: &ProfileName| {
        extended.set(true);
        let found = READ.iter().find(|profile| profile.name == *name);
        found.cloned().ok_or_else(|| format!("`{name}` is not there"))
    };
    let profile = Profile::parse(text, "t.toml", Examples::Check, &lookup);
    let trusted = Profile::parse(text, "t.toml", Examples::Trust, &lookup);
    let profile = match profile {
        Ok(profile) => profile,
        Err(error) => {
            check_error(&error, text);
            return None;
        }
    };
    assert_eq!(trusted.as_ref(), Ok(&profile), "checking examples changes nothing");
    check_bounds(&profile);
    check_examples(&profile);
    if !extended.get() {
        check_stated(&profile, text);
    }
    check_shown(&profile);
    Some(profile)
}

/// An error has a place inside the text and a reason.
fn check_error(error: &TextError, text: &str) {
    assert_eq!(error.origin(), "t.toml");
    assert!(!error.message().trim().is_empty(), "{error}");
    assert!(error.key().is_none_or(|key| !key.is_empty()), "{error}");
    // The end of a text that ends with a line end is the start of one more.
    let line = text.split('\n').nth(error.line() - 1);
    let line = line.unwrap_or_else(|| panic!("{error}: there is no such line"));
    let most = line.chars().count() + 1;
    assert!((1..=most).contains(&error.column()), "{error}: the line has {most} columns");
}

/// What holds for every profile, whatever it says.
fn check_bounds(profile: &Profile) {
    let Profile { limits, paths, .. } = profile;
    assert!(!profile.tiers.is_empty(), "it could run nowhere");
    assert!((1..=LANDLOCK_ABI).contains(&profile.landlock_abi));
    assert!((1..=4096).contains(&limits.processes));
    assert!((8..=MOST_OPEN_FILES).contains(&limits.open_files));
    assert!((16 << 20..=1 << 40).contains(&limits.memory.0));
    assert!((4 << 10..=1 << 36).contains(&limits.scratch.0));
    assert!((1 << 10..=1 << 30).contains(&limits.output.0));
    for (at, dir) in paths.scratch.iter().enumerate() {
        let others = paths.scratch.iter().skip(at + 1);
        assert!(others.into_iter().all(|other| !other.is_within(dir) && !dir.is_within(other)));
    }
    for (name, value) in &profile.env {
        let name = name.as_str();
        assert!(!name.starts_with("LD_") && name != "BASH_ENV" && !value.contains('\0'), "{name}");
    }
    let group = |pattern: &CommandPattern| match pattern {
        CommandPattern::Bare(_) => 0,
        CommandPattern::Absolute(_) => 1,
        CommandPattern::Glob(_) => 2,
    };
    let order = |p: &CommandPattern| (group(p), p.to_string());
    let in_order = |a: &Command, b: &Command| order(&a.pattern) < order(&b.pattern);
    assert!(profile.commands.is_sorted_by(in_order), "a name comes after a glob, or twice");
    for command in &profile.commands {
        let why = command.rules.iter().map(|rule| rule.why.as_str());
        for line in why.chain([command.about.as_str()]) {
            assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
        }
    }
    let argv = Argv::from_words(["no-such-program"]).expect("it is a command");
    let profile = Arc::new(profile.clone());
    if profile.commands.is_empty() {
        assert!(ask(&profile, argv).is_err(), "an empty list allows nothing");
    }
}

/// The examples that were checked turn out as they say, asked as a caller asks.
fn check_examples(profile: &Profile) {
    let profile = Arc::new(profile.clone());
    for command in &profile.commands {
        for rule in &command.rules {
            for example in &rule.allow {
                let argv = example.argv().expect("it was read before");
                let grant = ask(&profile, argv).expect("it was checked before");
                assert_eq!(grant.stages()[0].command(), command, "{example:?}");
            }
            for example in &rule.deny {
                let argv = example.argv().expect("it was read before");
                let denial = ask(&profile, argv).expect_err("it was checked before");
                assert!(!denial.to_string().contains(is_obeyed), "{denial:?}");
            }
        }
    }
}

/// Nothing that is stated gets lost on the way. Only of a text that extends none.
fn check_stated(profile: &Profile, text: &str) {
    let stated: toml::Table = toml::from_str(text).expect("it was read before");
    let commands = stated.get("commands").and_then(|commands| commands.as_table());
    assert_eq!(profile.commands.len(), commands.map_or(0, toml::Table::len), "commands are lost");
    let paths = stated.get("paths").and_then(|paths| paths.as_table());
    let list = |key: &str| -> Vec<&str> {
        let list = paths.and_then(|paths| paths.get(key)).and_then(|list| list.as_array());
        list.into_iter().flatten().filter_map(|item| item.as_str()).collect()
    };
    let is_hidden = |pattern: &&str| profile.paths.hide.iter().any(|own| own.as_str() == *pattern);
    let (hide, show) = (list("hide"), list("show"));
    assert!(hide.iter().all(is_hidden), "{hide:?} is not hidden");
    let kept = HIDDEN_BY_DEFAULT.iter().filter(|pattern| !show.contains(pattern));
    kept.for_each(|pattern| assert!(is_hidden(pattern), "`{pattern}` is not hidden"));
}

/// `shannot profile show` prints a profile that reads back as the same.
fn check_shown(profile: &Profile) {
    let text = toml::to_string_pretty(&Table::new(profile)).expect("a profile is TOML");
    if text.len() > LARGEST_PROFILE || profile.commands.len() > MOST_COMMANDS {
        return;
    }
    let none = |_: &ProfileName| Err("it extends nothing".to_owned());
    let mut back = Profile::parse(&text, "shown.toml", Examples::Check, &none)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut want = profile.clone();
    for hide in [&mut back.paths.hide, &mut want.paths.hide] {
        hide.sort_by_key(PathPattern::to_string);
    }
    assert_eq!(back, want, "\n{text}");
}

/// A profile of the working directory only takes away.
fn narrowed(base: &Profile, local: &str) {
    let narrow =
        Stated::parse(local, "t.toml").and_then(|stated| tighten(base, &stated, Examples::Check));
    let narrow = match narrow {
        Ok(narrow) => narrow,
        Err(error) => return check_error(&error, local),
    };
    check_bounds(&narrow);
    check_examples(&narrow);
    narrower_paths(base, &narrow);
    assert_eq!((&narrow.name, &narrow.env), (&base.name, &base.env));
    assert!(narrow.tiers.is_subset(&base.tiers) && narrow.require.is_superset(&base.require));
    assert!(narrow.view.processes <= base.view.processes);
    assert!(narrow.view.network <= base.view.network);
    assert!(narrow.landlock_abi >= base.landlock_abi && narrow.root_reads <= base.root_reads);
    assert!(narrow.prefer == base.prefer || narrow.prefer == Prefer::Isolation);
    let (less, most) = (&narrow.limits, &base.limits);
    assert!(less.wall <= most.wall && less.cpu <= most.cpu && less.memory <= most.memory);
    assert!(less.processes <= most.processes && less.open_files <= most.open_files);
    assert!(less.scratch <= most.scratch && less.output <= most.output);
    for command in &narrow.commands {
        let wide = base.commands.iter().find(|wide| wide.pattern == command.pattern);
        let wide = wide.unwrap_or_else(|| panic!("`{}` is added", command.pattern));
        assert!(command.rules.starts_with(&wide.rules), "a rule of `{}` is gone", wide.pattern);
        assert!(command.spawns.iter().all(|program| wide.spawns.contains(program)));
        assert!(command.forks <= wide.forks && command.kernel_log <= wide.kernel_log);
        let reads = |c: &Command| (c.syntax, c.program.clone(), c.valued.clone(), c.flags.clone());
        assert_eq!(reads(command), reads(wide));
    }
    allows_no_more(base, &narrow);
}

fn narrower_paths(base: &Profile, narrow: &Profile) {
    let (paths, wide) = (&narrow.paths, &base.paths);
    assert!(paths.read.iter().all(|path| wide.read.iter().any(|tree| path.is_within(tree))));
    assert!(wide.hide.iter().all(|pattern| paths.hide.contains(pattern)), "something shows");
    assert!(paths.hide_other_homes >= wide.hide_other_homes);
    assert!(paths.network_filesystems <= wide.network_filesystems);
    for dir in &paths.scratch {
        assert!(wide.scratch.contains(dir), "`{dir}` is added");
    }
    for dir in wide.scratch.iter().filter(|dir| !paths.scratch.contains(dir)) {
        let hidden = PathPattern::literal(dir).expect("it was made before");
        assert!(paths.hide.contains(&hidden), "the host's own `{dir}` shows");
    }
}

/// What the wide profile denies, the narrow one denies.
fn allows_no_more(base: &Profile, narrow: &Profile) {
    let (base, narrow) = (Arc::new(base.clone()), Arc::new(narrow.clone()));
    let held = |argv: Argv| {
        if ask(&narrow, argv.clone()).is_ok() {
            assert!(ask(&base, argv.clone()).is_ok(), "{argv:?} was denied before");
        }
    };
    for command in narrow.commands.iter().chain(&base.commands) {
        let key = command.pattern.to_string();
        let name = key.rsplit('/').next().unwrap_or_default();
        let paths = ["/usr/bin/", "/bin/", "/opt/"].map(|dir| format!("{dir}{name}"));
        let program = command.program.iter().map(ToString::to_string);
        let lines = lines_for(command);
        for program in paths.into_iter().chain(program).chain([name.to_owned(), key.clone()]) {
            for line in &lines {
                let words = [program.as_bytes()].into_iter().chain(line.iter().map(Vec::as_slice));
                Argv::from_words(words).into_iter().for_each(held);
            }
        }
    }
}

/// Arguments that the rules of a command have an opinion on, and some that they may not have.
fn lines_for(command: &Command) -> Vec<Vec<Vec<u8>>> {
    let some: [&[&str]; 4] = [&[], &["-x"], &["x"], &["--x", "x"]];
    let some = some.iter().map(|words| words.iter().map(|word| word.as_bytes().to_vec()).collect());
    let rules = command.rules.iter();
    let options = rules.clone().flat_map(|rule| rule.matcher.options());
    let options = options.map(|name| vec![name.as_str().as_bytes().to_vec()]);
    let examples = rules.flat_map(|rule| rule.allow.iter().chain(&rule.deny));
    let examples = examples.filter_map(|example| example.argv().ok());
    let examples =
        examples.map(|argv| argv.args.iter().map(|arg| arg.as_bytes().to_vec()).collect());
    some.chain(options).chain(examples).collect()
}

/// A profile of Shannot 0.3 is carried over as it is written, or refused at a place.
fn legacy(text: &str) {
    let converted = match Profile::parse_legacy(text, "t.toml") {
        Ok(converted) => converted,
        Err(error) => return check_error(&error, text),
    };
    let again = today(&converted.toml);
    assert_eq!(again.as_ref(), Some(&converted.profile), "\n{}", converted.toml);
    assert!(converted.notes.iter().all(|note| !note.field.is_empty() && !note.note.is_empty()));
    let old: serde_json::Value = serde_json::from_str(text).expect("it was read before");
    let names = old["allowed_commands"].as_array().expect("without it nothing is carried over");
    let names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).collect();
    let profile = Arc::new(converted.profile);
    assert!(!names.is_empty() && !profile.commands.is_empty(), "all was allowed, or nothing is");
    assert!(profile.commands.len() <= names.len(), "more is allowed than was");
    for name in names.iter().filter(|name| !name.contains(['*', '?', '['])) {
        let argv = Argv::from_words([*name]).expect("it was read before");
        assert!(ask(&profile, argv).is_ok(), "`{name}` was allowed");
    }
}
