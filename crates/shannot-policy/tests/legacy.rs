//! JSON profiles of Shannot 0.3: each field is honoured, or refused by name.

use std::sync::Arc;

use shannot_policy::profile::{CommandPattern, Converted, Examples, Network, Processes};
use shannot_policy::text::TextError;
use shannot_policy::{Argv, Cwd, Locale, Profile, Request, Stages, authorize};

fn convert(fields: &str) -> Result<Converted, TextError> {
    Profile::parse_legacy(&format!("{{\"name\": \"old\", {fields}}}"), "old.json")
}

const COMMANDS: &str = "\"allowed_commands\": [\"ls\"]";

#[test]
fn a_usual_profile_is_carried_over() {
    let converted = Profile::parse_legacy(
        r#"{
            "name": "diagnostics",
            "allowed_commands": ["ls", "/usr/bin/ls", "/bin/ls", "/opt/x", "systemd-*", "/usr/sbin/*"],
            "binds": [
                {"source": "/usr", "target": "/usr", "read_only": true, "create_target": false},
                {"source": "/etc/", "target": "/etc"},
                {"source": "/proc", "target": "/proc", "read_only": false}
            ],
            "tmpfs_paths": ["/tmp", "/var/tmp", "/run", "/home/agent", "/tmp/x"],
            "environment": {"HOME": "/home/agent", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            "network_isolation": true,
            "user_namespace_isolation": true,
            "seccomp_profile": null,
            "additional_args": ["--hostname", "box", "--chdir", "/home/agent", "--dir", "/var/cache",
                "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
                "--proc", "/proc", "--dev", "/dev", "--setenv", "TERM", "dumb",
                "--ro-bind", "/var/log", "/var/log", "--tmpfs", "/dev/shm"]
        }"#,
        "diagnostics.json",
    )
    .unwrap();
    let profile = &converted.profile;
    let keys: Vec<String> = profile.commands.iter().map(|c| c.pattern.to_string()).collect();
    assert_eq!(keys, ["ls", "/opt/x", "/usr/sbin/*", "systemd-*"]);
    let read: Vec<String> = profile.paths.read.iter().map(ToString::to_string).collect();
    assert_eq!(read, ["/usr", "/etc", "/var/log"]);
    let scratch: Vec<String> = profile.paths.scratch.iter().map(ToString::to_string).collect();
    assert_eq!(scratch, ["/tmp", "/var/tmp", "/dev/shm"]);
    assert_eq!(profile.view.processes, Processes::Host);
    assert_eq!(profile.view.network, Network::None);
    assert_eq!(profile.env.len(), 4);
    let noted: Vec<&str> = converted.notes.iter().map(|note| note.field.as_str()).collect();
    for field in ["allowed_commands", "binds[2].source", "tmpfs_paths[2]", "additional_args"] {
        assert!(noted.contains(&field), "{field} is not in {noted:?}");
    }
    let again = Profile::parse(&converted.toml, "t", Examples::Check, &|_| Err(String::new()));
    assert_eq!(again.unwrap(), *profile, "{}", converted.toml);
}

#[test]
fn odd_names_survive_the_way_through_toml() {
    let text = r#"{"name": "a.b", "allowed_commands": ["we\"ird", "a\\*b", "x y", "tab\there"],
                   "binds": [{"source": "/a \"b\\c", "target": "/a \"b\\c"}],
                   "environment": {"A": "q\"\\\n\u0001ä"}}"#;
    let converted = Profile::parse_legacy(text, "o").unwrap();
    let again = Profile::parse(&converted.toml, "t", Examples::Check, &|_| Err(String::new()));
    assert_eq!(again.unwrap(), converted.profile, "{}", converted.toml);
    let globs = converted.profile.commands.iter().filter_map(|command| match &command.pattern {
        CommandPattern::Glob(glob) => Some(glob.matches("a\\xb")),
        CommandPattern::Bare(_) | CommandPattern::Absolute(_) => None,
    });
    // To fnmatch the backslash was itself.
    assert_eq!(globs.collect::<Vec<_>>(), [true]);
}

#[test]
fn what_no_box_can_honour_is_refused_by_name() {
    let args = |args: &str| format!("{COMMANDS}, \"additional_args\": [{args}]");
    let fields = |fields: &str| format!("{COMMANDS}, {fields}");
    for (text, key, told) in [
        ("\"binds\": []".to_owned(), "allowed_commands", "allowed every command"),
        ("\"allowed_commands\": []".to_owned(), "allowed_commands", "allowed every command"),
        ("\"allowed_commands\": [\"ls\", \"a/b\"]".to_owned(), "allowed_commands[1]", "relative"),
        ("\"allowed_commands\": [\"[a\"]".to_owned(), "allowed_commands[0]", "bracket"),
        (
            fields("\"binds\": [{\"source\": \"/x\", \"target\": \"/x\", \"read_only\": false}]"),
            "binds[0].read_only",
            "writable",
        ),
        (
            fields("\"binds\": [{\"source\": \"/x\", \"target\": \"/y\"}]"),
            "binds[0].target",
            "`/y`",
        ),
        (
            fields("\"binds\": [{\"source\": \"x\", \"target\": \"x\"}]"),
            "binds[0].source",
            "absolute",
        ),
        (fields("\"tmpfs_paths\": [\"/etc\"]"), "tmpfs_paths[0]", "cannot be scratch"),
        (fields("\"tmpfs_paths\": [\"/\"]"), "tmpfs_paths[0]", "cannot be scratch"),
        (fields("\"environment\": {\"LD_PRELOAD\": \"x\"}"), "environment.LD_PRELOAD", "refused"),
        (fields("\"environment\": {\"A B\": \"x\"}"), "environment", "not a name"),
        (fields("\"seccomp_profile\": \"/x.bpf\""), "seccomp_profile", "a filter of its own"),
        (args("\"--bind\", \"/\", \"/\""), "additional_args", "`--bind`"),
        (args("\"--dev-bind\", \"/dev\", \"/dev\""), "additional_args", "`--dev-bind`"),
        (args("\"--ro-bind\", \"/a\", \"/b\""), "additional_args", "`--ro-bind /a /b`"),
        (args("\"--ro-bind\", \"/a\""), "additional_args", "lacks its value"),
        (args("\"--cap-add\", \"ALL\""), "additional_args", "`--cap-add`"),
        (args("\"--proc\", \"/x\""), "additional_args", "`--proc /x`"),
        (args("\"--setenv\", \"LD_AUDIT\", \"x\""), "additional_args.LD_AUDIT", "refused"),
        (args("\"--overlay-src\", \"/\""), "additional_args", "`--overlay-src`"),
        (args("\"--\", \"sh\""), "additional_args", "`--`"),
        (args("\"sh\""), "additional_args", "`sh`"),
    ] {
        let error = convert(&text).expect_err(&text);
        assert_eq!(error.key(), Some(key), "{text}: {error}");
        assert!(error.message().contains(told), "{text}: {error}");
        assert!(error.hint().is_some(), "{text}: {error}");
    }
}

#[test]
fn json_mistakes_are_told_with_their_place() {
    for (text, told) in [
        ("", "o:1:1: EOF while parsing a value"),
        ("[]", "o:1:"),
        ("{\n  \"nam\": \"x\"}", "o:2:7: unknown field `nam`"),
        ("{\"name\": 3}", "o:1:10: invalid type: integer `3`"),
        ("{\"name\": \"x\",\n \"binds\": [{\"source\": \"/\"}]}", "o:2:26: missing field `target`"),
        ("{\"name\": \"x\",\n \"binds\": [{\"from\": \"/\"}]}", "o:2:18: unknown field `from`"),
        (
            "{\"name\": \"Not A Name\", \"allowed_commands\": [\"ls\"]}",
            "o:1:2: `name`: `Not A Name`",
        ),
        ("{\"name\": \"x\",\n \"allowed_commands\": []}", "o:2:2: `allowed_commands`: empty"),
    ] {
        let error = Profile::parse_legacy(text, "o").expect_err(text);
        assert!(error.to_string().starts_with(told), "{text:?}\n  is {error}\n  not {told}");
    }
    assert_eq!(convert("\"bind\": []").unwrap_err().hint(), Some("did you mean `binds`?"));
    assert!(Profile::parse_legacy(&"[".repeat(100_000), "o").is_err());
}

#[test]
fn an_open_network_becomes_its_tables() {
    let open = convert(&format!("{COMMANDS}, \"network_isolation\": false")).unwrap();
    assert_eq!(open.profile.view.network, Network::Tables);
    assert!(open.notes.iter().any(|note| note.field == "network_isolation"));
    let args = "\"network_isolation\": false, \"additional_args\": [\"--unshare-net\"]";
    let closed = convert(&format!("{COMMANDS}, {args}")).unwrap();
    assert_eq!(closed.profile.view.network, Network::None);
}

#[test]
fn globs_match_the_program_as_it_was_given() {
    let all = "\"allowed_commands\": [\"systemd-*\", \"/usr/bin/[ab]*\"]";
    let profile = Arc::new(convert(all).unwrap().profile);
    for (program, expected) in [
        ("systemd-cgls", true),
        ("/usr/bin/systemd-cgls", false),
        ("/usr/bin/awk", true),
        ("awk", false),
        ("/usr/bin/cat", false),
    ] {
        let request = Request {
            profile: "old".parse().unwrap(),
            stages: Stages::new(vec![Argv::from_words([program]).unwrap()]).unwrap(),
            cwd: Cwd::Root,
            timeout: None,
            locale: Locale::default(),
        };
        assert_eq!(authorize(&profile, request).is_ok(), expected, "{program}");
    }
}

#[test]
fn columns_of_json_count_characters_as_those_of_toml_do() {
    let text = "{\n\"name\": \"ööö\", \"x\": 1}";
    let error = Profile::parse_legacy(text, "o").unwrap_err();
    assert_eq!((error.line(), error.column()), (2, 18), "{error}");
    let error = Profile::parse_legacy("\"日本語", "o").unwrap_err();
    assert_eq!((error.line(), error.column()), (1, 4), "{error}");
}
