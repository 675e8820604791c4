//! The TOML format: what it means, and how each mistake is told.
#![expect(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use std::sync::Arc;

use shannot_policy::Profile;
use shannot_policy::profile::{
    Examples, HIDDEN_BY_DEFAULT, Limits, MOST_COMMANDS, Network, Prefer, Processes, Stated, Tier,
};
use shannot_policy::text::TextError;
use shannot_policy::types::{AbsPath, ByteSize, ProfileName};

fn parse_over(parents: &[&Profile], text: &str) -> Result<Profile, TextError> {
    let text = format!("version = 1\nname = \"t\"\n{text}");
    Profile::parse(&text, "t.toml", Examples::Check, &|name: &ProfileName| {
        let found = parents.iter().find(|parent| parent.name == *name);
        found.map(|parent| Arc::new((*parent).clone())).ok_or(format!("`{name}` is unknown"))
    })
}

fn parse(text: &str) -> Result<Profile, TextError> {
    parse_over(&[], text)
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
fn a_profile_that_says_nothing_runs_nothing_and_hides_the_defaults() {
    let profile = parse("").unwrap();
    assert!(profile.commands.is_empty() && profile.env.is_empty());
    assert_eq!(profile.limits, Limits::DEFAULT);
    assert_eq!(profile.prefer, Prefer::Isolation);
    assert_eq!(profile.tiers, Tier::ALL.into());
    assert_eq!(profile.paths.read, [AbsPath::root()]);
    assert_eq!(profile.paths.hide.len(), HIDDEN_BY_DEFAULT.len());
    assert!(profile.paths.scratch.is_empty() && profile.paths.hide_other_homes);
    assert!(!profile.paths.network_filesystems && !profile.root_reads);
    assert_eq!((profile.view.processes, profile.view.network), (Processes::Own, Network::None));
}

#[test]
fn every_key_is_read() {
    let profile = parse(
        r#"
        description = "All of it."
        prefer = "fidelity"
        tiers = ["L", "T1"]
        root_reads = true
        [view]
        processes = "host"
        network = "tables"
        [paths]
        read = ["/var/log", "/etc", "/etc"]
        hide = ["/srv/secret", "~/.foo"]
        show = ["/etc/ssl/private"]
        scratch = ["/tmp", "/dev/shm/x"]
        hide_other_homes = false
        network_filesystems = true
        [env]
        LANG = "C.UTF-8"
        PATH = "/usr/bin:/bin"
        PAGER = "cat"
        [limits]
        wall = "1m"
        cpu = "500ms"
        processes = 4096
        open_files = 8
        memory = "16MiB"
        scratch = "4KiB"
        output = "1GiB"
        [commands.dpkg]
        about = "Packages."
        program = "/usr/bin/dpkg"
        syntax = "posix"
        valued = ["-D", "--root"]
        flags = ["-l"]
        spawns = ["dpkg-query", "/usr/bin/less"]
        forks = true
        kernel_log = true
        [commands."/opt/*"]
        about = "Ours."
        "#,
    )
    .unwrap();
    assert_eq!(profile.tiers, [Tier::T1, Tier::L].into());
    assert_eq!(profile.paths.read, [path("/var/log"), path("/etc")]);
    assert!(hides(&profile, "/srv/secret") && hides(&profile, "~/.foo"));
    assert!(!hides(&profile, "/etc/ssl/private") && hides(&profile, "/etc/shadow"));
    assert_eq!(profile.paths.scratch, [path("/tmp"), path("/dev/shm/x")]);
    assert_eq!(profile.limits.memory, ByteSize::mib(16));
    assert_eq!(profile.limits.wall.to_string(), "1m");
    assert_eq!(profile.env.len(), 3);
    let dpkg = &profile.commands[0];
    assert_eq!((dpkg.spawns.len(), dpkg.forks, dpkg.kernel_log), (2, true, true));
    assert_eq!(profile.commands[1].pattern.to_string(), "/opt/*");
}

/// The profile's lines start at line 3 of the text.
#[test]
fn mistakes_are_told_with_key_and_place() {
    for (text, told) in [
        ("comands = 1", "t.toml:3:1: unknown field `comands`"),
        ("[limits]\nwal = \"3s\"", "t.toml:4:1: `limits`: unknown field `wal`"),
        ("[view]\nservices = []", "t.toml:4:12: `view.services`: reserved for a later version"),
        ("tiers = []", "t.toml:3:9: `tiers`: without a tier the profile could run nowhere"),
        ("tiers = [\"T4\"]", "t.toml:3:10: `tiers`: unknown variant `T4`"),
        ("prefer = \"speed\"", "t.toml:3:10: `prefer`: unknown variant `speed`"),
        ("root_reads = 1", "t.toml:3:14: `root_reads`: invalid type: integer `1`"),
        ("description = \"a\\nb\"", "t.toml:3:15: `description`: the text must be one line"),
        ("extends = [\"x\"]", "t.toml:3:12: `extends`: `x` is unknown"),
        ("extends = [\"t\"]", "t.toml:3:12: `extends`: `t` extends itself"),
        ("extends = [\"../x\"]", "t.toml:3:12: `extends`: `../x` is not a profile name"),
        ("without = [\"x\"]", "t.toml:3:12: `without`: `x` is not inherited"),
        ("x", "t.toml:3:2: key with no value"),
        ("limits = 3", "t.toml:3:10: `limits`: invalid type: integer `3`"),
        ("[paths]\nread = [\"etc\"]", "t.toml:4:9: `paths.read`: the path `etc` is not absolute"),
        ("[paths]\nread = \"/etc\"", "t.toml:4:8: `paths.read`: invalid type: string"),
        ("[paths]\nread = [\"/a/../b\"]", "t.toml:4:9: `paths.read`: the path `/a/../b` contains"),
        ("[paths]\nread = [\"/a/*\"]", "t.toml:4:9: `paths.read`: `/a/*` is a pattern"),
        (
            "[paths]\nread = [\"/a\\u0000\"]",
            "t.toml:4:9: `paths.read`: the word `/a\\x00` contains",
        ),
        ("[paths]\nhide = [\"/a/**\"]", "t.toml:4:9: `paths.hide`: `**` in `/a/**` cannot be"),
        ("[paths]\nhide = [\"/\"]", "t.toml:4:9: `paths.hide`: `/` is the whole tree"),
        ("[paths]\nshow = [\"/etc\"]", "t.toml:4:9: `paths.show`: `/etc` is not a pattern that"),
        ("[paths]\nscratch = [\"/\"]", "t.toml:4:12: `paths.scratch`: `/` cannot be scratch"),
        ("[paths]\nscratch = [\"/etc/x\"]", "t.toml:4:12: `paths.scratch`: `/etc/x` cannot be"),
        ("[paths]\nscratch = [\"/lib64\"]", "t.toml:4:12: `paths.scratch`: `/lib64` cannot be"),
        ("[paths]\nscratch = [\"/dev\"]", "t.toml:4:12: `paths.scratch`: `/dev` cannot be"),
        (
            "[paths]\nscratch = [\"/t\", \"/t/x\"]",
            "t.toml:4:18: `paths.scratch`: `/t/x` and `/t` over",
        ),
        ("[env]\nLD_PRELOAD = \"x\"", "t.toml:4:14: `env.LD_PRELOAD`: `LD_PRELOAD` is refused"),
        ("[env]\nBASH_ENV = \"\"", "t.toml:4:12: `env.BASH_ENV`: `BASH_ENV` is refused"),
        ("[env]\nPYTHONPATH = \"\"", "t.toml:4:14: `env.PYTHONPATH`: `PYTHONPATH` is refused"),
        ("[env]\nPAGER = \"less\"", "t.toml:4:9: `env.PAGER`: `PAGER` is refused but for"),
        ("[env]\nPATH = \"/bin:\"", "t.toml:4:8: `env.PATH`: `` is not an absolute directory"),
        ("[env]\nPATH = \"bin\"", "t.toml:4:8: `env.PATH`: `bin` is not an absolute directory"),
        ("[env]\n\"A-B\" = \"x\"", "t.toml:4:1: `env`: `A-B` is not a name"),
        ("[env]\nA = 1", "t.toml:4:5: `env.A`: invalid type: integer `1`"),
        ("[env]\nA = \"\\u0000\"", "t.toml:4:5: `env.A`: the value contains a NUL byte"),
        ("require = [\"walls\"]", "t.toml:3:12: `require`: `walls` is not a layer; there are"),
        ("landlock_abi = 7", "t.toml:3:16: `landlock_abi`: "),
        ("landlock_abi = 0", "t.toml:3:16: `landlock_abi`: "),
        ("[limits]\nwall = \"0s\"", "t.toml:4:8: `limits.wall`: `0s` is not a duration"),
        ("[limits]\nwall = \"-1s\"", "t.toml:4:8: `limits.wall`: `-1s` is not a duration"),
        ("[limits]\nwall = \"25h\"", "t.toml:4:8: `limits.wall`: `25h` is not a duration"),
        ("[limits]\nwall = \"99999999999999999999s\"", "t.toml:4:8: `limits.wall`: `9999"),
        ("[limits]\nwall = \"1.5s\"", "t.toml:4:8: `limits.wall`: `1.5s` is not a duration"),
        (
            "[limits]\nwall = 30",
            "t.toml:4:8: `limits.wall`: invalid type: integer `30`, expected a string such as \"30s\"",
        ),
        (
            "[limits]\nprocesses = 0",
            "t.toml:4:13: `limits.processes`: 0 is not a number from 1 to 4096",
        ),
        ("[limits]\nprocesses = -5", "t.toml:4:13: `limits.processes`: -5 is not a number"),
        (
            "[limits]\nopen_files = 1001",
            "t.toml:4:14: `limits.open_files`: 1001 is not a number from 8",
        ),
        (
            "[limits]\nopen_files = 9223372036854775808",
            "t.toml:4:14: `limits.open_files`: invalid ",
        ),
        ("[limits]\nopen_files = 1e3", "t.toml:4:14: `limits.open_files`: invalid type: floating"),
        (
            "[limits]\nmemory = \"15MiB\"",
            "t.toml:4:10: `limits.memory`: 15MiB is not a size from 16MiB",
        ),
        (
            "[limits]\nmemory = \"99999999GiB\"",
            "t.toml:4:10: `limits.memory`: 99999999GiB is not a",
        ),
        ("[limits]\nmemory = \"lots\"", "t.toml:4:10: `limits.memory`: `lots` is not a size"),
        ("[limits]\nscratch = \"1B\"", "t.toml:4:11: `limits.scratch`: 1B is not a size from 4KiB"),
        ("[limits]\noutput = \"0\"", "t.toml:4:10: `limits.output`: 0B is not a size from 1KiB"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.to_string().starts_with(told), "{text:?}\n  is {error}\n  not {told}");
    }
}

#[test]
fn a_command_that_is_stated_in_two_spellings_is_refused() {
    // The rules of one of the two would be lost, and nothing would say which.
    let error = parse("[commands.\"/x\"]\nabout = \"x\"\n[commands.\"/x/\"]\nabout = \"y\"");
    let told = "t.toml:3:11: `commands.\"/x\"`: the command is stated again, in another spelling";
    assert_eq!(error.unwrap_err().to_string(), told);
}

#[test]
fn mistakes_in_commands_are_told_with_key_and_place() {
    for (text, told) in [
        ("[commands.x]", "t.toml:3:11: `commands.x`: `about` is missing"),
        ("[commands.\"bin/x\"]\nabout = \"x\"", "t.toml:3:11: `commands`: cannot run the program"),
        (
            "[commands.\"bin/*\"]\nabout = \"x\"",
            "t.toml:3:11: `commands`: `bin/*` matches no program",
        ),
        ("[commands.\"[a\"]\nabout = \"x\"", "t.toml:3:11: `commands`: the bracket in `[a`"),
        ("[commands.\"\"]\nabout = \"x\"", "t.toml:3:11: `commands`: cannot run the program ``"),
        ("[commands.x]\nabout = \"\"", "t.toml:4:9: `commands.x.about`: the text is empty"),
        (
            "[commands.x]\nabout = \"x\"\nsyntax = \"gnu\"",
            "t.toml:5:10: `commands.x.syntax`: unknown",
        ),
        (
            "[commands.x]\nabout = \"x\"\nprogram = \"x\"",
            "t.toml:5:11: `commands.x.program`: the path",
        ),
        (
            "[commands.\"/x\"]\nabout = \"x\"\nprogram = \"/y\"",
            "t.toml:5:11: `commands.\"/x\".program`: only",
        ),
        (
            "[commands.x]\nabout = \"x\"\nvalued = [\"x\"]",
            "t.toml:5:11: `commands.x.valued`: `x` is not an",
        ),
        (
            "[commands.x]\nabout = \"x\"\nvalued = [\"-exec\"]",
            "t.toml:5:11: `commands.x.valued`: `-exec`: is a",
        ),
        (
            "[commands.x]\nabout = \"x\"\nsyntax = \"plain\"\nflags = [\"-x\"]",
            "t.toml:6:10: `commands.x.flags`: ",
        ),
        (
            "[commands.x]\nabout = \"x\"\nspawns = [\"a/b\"]",
            "t.toml:5:11: `commands.x.spawns`: cannot run",
        ),
        (
            "[commands.x]\nabout = \"x\"\nforks = \"no\"",
            "t.toml:5:9: `commands.x.forks`: invalid type",
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.to_string().starts_with(told), "{text:?}\n  is {error}\n  not {told}");
    }
    let rules = |rules: &str| format!("[commands.x]\nabout = \"x\"\nrules = [{rules}]");
    for (rule, told) in [
        ("{ deny_words = [\"x\"] }", "5:10: `commands.x.rules`: missing field `why`"),
        ("{ why = \"w\" }", "5:10: `commands.x.rules[0]`: a rule has exactly one of"),
        (
            "{ why = \"w\", deny_words = [\"x\"], allow_options = [] }",
            "5:10: `commands.x.rules[0]`: a rule",
        ),
        (
            "{ why = \"w\", deny_words = [] }",
            "5:10: `commands.x.rules[0]`: the rule's list is empty",
        ),
        (
            "{ why = \"w\", deny_options = [] }",
            "5:10: `commands.x.rules[0]`: the rule's list is empty",
        ),
        (
            "{ why = \"w\", allow_operands = [] }",
            "5:10: `commands.x.rules[0]`: an empty `allow_operands`",
        ),
        (
            "{ why = \"w\", deny_options = [\"--a=b\"] }",
            "5:39: `commands.x.rules.deny_options`: `--a=b` is",
        ),
        (
            "{ why = \"w\", deny_operands = [\"** x\"] }",
            "5:40: `commands.x.rules.deny_operands`: `**` may",
        ),
        (
            "{ why = \"w\", deny_words = [\"[\"] }",
            "5:37: `commands.x.rules.deny_words`: the bracket in `[`",
        ),
        (
            "{ why = \"w\", deny_word = [\"x\"] }",
            "5:23: `commands.x.rules`: unknown field `deny_word`",
        ),
        (
            "{ why = \"w\", deny_words = [\"x\"], examples = { deny = [\"x y\"] } }",
            "5:64: `commands.x.rules[0].examples.deny`: `x y` should be denied by this rule, but it",
        ),
        (
            "{ why = \"w\", deny_words = [\"x\"], examples = { deny = [\"y x\"] } }",
            "5:64: `commands.x.rules[0].examples.deny`: `y x` is not for the command `x`",
        ),
        (
            "{ why = \"w\", deny_words = [\"x\"], examples = { allow = [\"x x\"] } }",
            "5:65: `commands.x.rules[0].examples.allow`: `x x` should be allowed, but `x` may not",
        ),
        (
            "{ why = \"w\", deny_words = [\"x\"], examples = { allow = [\"x 'y\"] } }",
            "5:65: `commands.x.rules[0].examples.allow`: `x 'y`: no command given",
        ),
    ] {
        let text = rules(rule);
        let error = parse(&text).expect_err(rule);
        assert!(
            error.to_string().starts_with(&format!("t.toml:{told}")),
            "{rule}\n  is {error}\n  not {told}"
        );
    }
}

#[test]
fn an_allow_example_must_pass_the_whole_command_and_a_deny_example_its_own_rule() {
    let two = |examples: &str| {
        parse(&format!(
            "[commands.x]\nabout = \"x\"\n[[commands.x.rules]]\ndeny_words = [\"a\"]\nwhy = \"w\"\n\
             [[commands.x.rules]]\ndeny_words = [\"b\"]\nwhy = \"w\"\nexamples = {{ {examples} }}"
        ))
    };
    assert!(two("allow = [\"x c\"], deny = [\"x b\", \"x a b\"]").is_ok());
    assert!(two("deny = [\"x a\"]").is_err());
    assert!(two("allow = [\"x a\"]").is_err());
    let text = "version = 1\nname = \"t\"\n[commands.x]\nabout = \"x\"\n\
                rules = [{ deny_words = [\"a\"], why = \"w\", examples = { deny = [\"x\"] } }]";
    let trusted = Profile::parse(text, "t", Examples::Trust, &|_| Err(String::new()));
    assert!(trusted.is_ok());
}

#[test]
fn hints_name_what_was_probably_meant() {
    let parent = named("p", "[commands.awk]\nabout = \"x\"");
    for (text, hint) in [
        ("comands = 1", "did you mean `commands`?"),
        ("[paths]\nhde = []", "did you mean `hide`?"),
        ("prefer = \"fidelty\"", "did you mean `fidelity`?"),
        ("[paths]\nshow = [\"/etc/shdow\"]", "did you mean `/etc/shadow`?"),
        ("extends = [\"p\"]\nwithout = [\"awc\"]", "did you mean `awk`?"),
    ] {
        let error = parse_over(&[&parent], text).expect_err(text);
        assert_eq!(error.hint(), Some(hint), "{text}: {error}");
    }
    assert_eq!(parse("environment = 1").unwrap_err().hint(), None);
}

#[test]
fn version_and_name_are_required_and_another_version_is_told_first() {
    let parse = |text: &str| {
        Profile::parse(text, "t", Examples::Check, &|_| Err(String::new())).unwrap_err().to_string()
    };
    assert!(parse("name = \"t\"").contains("missing field `version`"));
    assert!(parse("version = 1").contains("missing field `name`"));
    assert_eq!(
        parse("version = 2\nnew_key = 1"),
        "t:1:11: `version`: 2 is not a version that is known"
    );
    assert!(parse("version = \"1\"").contains("invalid type: string"));
    assert!(
        parse("version = 1\nname = \"A b\"").starts_with("t:2:8: `name`: `A b` is not a profile")
    );
    assert!(parse("\u{feff}\u{0}").starts_with("t:1:"));
}

#[test]
fn oversized_texts_are_refused() {
    let parse = |text: &str| Stated::parse(text, "t").unwrap_err().to_string();
    assert!(parse(&"#".repeat((1 << 20) + 1)).contains("1048577 bytes are more than"));
    let commands: String =
        (0..=MOST_COMMANDS).map(|n| format!("[commands.c{n}]\nabout = \"x\"\n")).collect();
    let text = format!("version = 1\nname = \"t\"\n{commands}");
    assert!(parse(&text).contains("more than 2000 commands"));
    assert!(Stated::parse(&format!("x = {}", "[".repeat(500_000)), "t").is_err());
}
