//! Which programs a profile lets run, and what a caller is told otherwise.
#![expect(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use std::sync::Arc;

use shannot_policy::profile::Examples;
use shannot_policy::{
    Argv, Cwd, Denial, Grant, Locale, MOST_STAGES, Profile, Program, Request, RequestError, Stages,
    authorize,
};

fn profile(commands: &str) -> Arc<Profile> {
    let text = format!("version = 1\nname = \"minimal\"\n{commands}");
    Arc::new(Profile::parse(&text, "t", Examples::Check, &|_| Err(String::new())).unwrap())
}

fn ask_as(name: &str, profile: &Arc<Profile>, lines: &[&str]) -> Result<Grant, Denial> {
    let stages =
        lines.iter().map(|line| Argv::from_words(shlex::split(line).unwrap()).unwrap()).collect();
    let request = Request {
        profile: name.parse().unwrap(),
        stages: Stages::new(stages).unwrap(),
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    authorize(profile, request)
}

fn ask(profile: &Arc<Profile>, lines: &[&str]) -> Result<Grant, Denial> {
    ask_as("minimal", profile, lines)
}

fn usual() -> Arc<Profile> {
    profile(
        r#"
        [commands.ls]
        about = "List."
        [commands.find]
        about = "Find."
        syntax = "find"
        rules = [{ deny_options = ["-exec"], why = "it starts other programs" }]
        [commands.awk]
        about = "Awk."
        program = "/usr/bin/mawk"
        [commands."/opt/tool"]
        about = "Ours."
        [commands."/opt/bin/*"]
        about = "Ours too."
        "#,
    )
}

#[test]
fn programs_match_by_name_by_the_box_path_or_as_written() {
    let profile = usual();
    for (program, key) in [
        ("ls", Some("ls")),
        ("/usr/bin/ls", Some("ls")),
        ("/bin/ls", Some("ls")),
        ("/usr/local/sbin/ls", Some("ls")),
        ("/tmp/ls", None),
        ("/usr/bin/x/ls", None),
        ("/ls", None),
        ("LS", None),
        ("l*", None),
        ("awk", Some("awk")),
        ("/usr/bin/mawk", Some("awk")),
        ("/usr/bin/awk", None),
        ("mawk", None),
        ("tool", None),
        ("/opt/tool", Some("/opt/tool")),
        ("/opt/bin/a/b", Some("/opt/bin/*")),
        ("/opt/bin", None),
    ] {
        let granted = ask(&profile, &[program]).ok().map(|grant| grant.stages()[0].key());
        assert_eq!(granted.as_deref(), key, "{program}");
    }
}

#[test]
fn a_grant_names_the_command_and_the_program_of_each_stage() {
    let profile = usual();
    let grant = ask(&profile, &["awk 1 /etc/hosts", "ls -l"]).unwrap();
    assert_eq!(grant.request().stages.as_slice().len(), 2);
    assert_eq!(grant.profile().name.as_str(), "minimal");
    let [awk, ls] = grant.stages() else { panic!("two stages") };
    assert_eq!((awk.key().as_str(), awk.command().about.as_str()), ("awk", "Awk."));
    assert_eq!(awk.program(), Program::new("/usr/bin/mawk").unwrap());
    assert_eq!(awk.argv().program, Program::new("awk").unwrap());
    assert_eq!(ls.program(), Program::new("ls").unwrap());
}

#[test]
fn a_denial_says_what_why_and_where() {
    let profile = usual();
    for (lines, told, hint) in [
        (
            &["find / -exec id ;"] as &[&str],
            "`find` may not be given `-exec`: it starts other programs \
             (profile `minimal`, commands.find.rules[0])",
            None,
        ),
        (
            &["/usr/bin/find / -exec id ;"],
            "`/usr/bin/find` may not be given `-exec`: it starts other programs \
             (profile `minimal`, commands.find.rules[0])",
            None,
        ),
        (
            &["fnid /"],
            "`fnid` may not run: no command allows it (profile `minimal`, commands)",
            Some("did you mean `find`?"),
        ),
        (
            &["/tmp/ls"],
            "`/tmp/ls` may not run: no command allows it (profile `minimal`, commands)",
            Some("`ls` is allowed by that name"),
        ),
        (
            &["tool"],
            "`tool` may not run: no command allows it (profile `minimal`, commands)",
            Some("`/opt/tool` is allowed"),
        ),
        (
            &["python3"],
            "`python3` may not run: no command allows it (profile `minimal`, commands)",
            Some("allowed are `awk`, `find`, `ls`, `/opt/tool`, `/opt/bin/*`"),
        ),
    ] {
        let denial = ask(&profile, lines).unwrap_err();
        assert_eq!((denial.to_string().as_str(), denial.hint.as_deref()), (told, hint));
    }
    let empty = self::profile("");
    let denial = ask(&empty, &["ls"]).unwrap_err();
    assert_eq!(denial.hint.as_deref(), Some("this profile allows no command"));
}

#[test]
fn every_stage_must_pass_and_the_first_that_does_not_is_named() {
    let profile = usual();
    let denial = ask(&profile, &["ls", "awk 1", "sh -c x", "rm"]).unwrap_err();
    assert_eq!((denial.stage, &*denial.program), (2, "sh"));
}

#[test]
fn a_request_for_another_profile_is_denied() {
    let denial = ask_as("diagnostics", &usual(), &["ls"]).unwrap_err();
    assert_eq!(
        denial.to_string(),
        "`ls` may not run: the request names the profile `diagnostics` (profile `minimal`, name)"
    );
}

#[test]
fn what_a_names_own_entry_denies_no_glob_allows() {
    let profile = profile(
        r#"
        [commands.find]
        about = "Find."
        rules = [{ allow_operands = [""], why = "w" }]
        [commands."*"]
        about = "All."
        "#,
    );
    assert!(ask(&profile, &["ls x"]).is_ok() && ask(&profile, &["find"]).is_ok());
    assert!(ask(&profile, &["find x"]).is_err() && ask(&profile, &["/bin/find x"]).is_err());
}

#[test]
fn words_that_no_program_can_get_make_no_request() {
    let words = |words: &[&[u8]]| Argv::from_words(words.iter().map(|word| word.to_vec()));
    assert!(words(&[b"ls", b"a\0b"]).is_err());
    assert!(words(&[b"ls", &vec![b'x'; 131_072]]).is_err());
    assert!(words(&[b"ls", &vec![b'x'; 131_071]]).is_ok());
    assert!(words(&[b"ls\0"]).is_err() && words(&[b"\xff"]).is_err() && words(&[b""]).is_err());
    assert!(words(&[b"./ls"]).is_err() && words(&[b"/bin/../ls"]).is_err());
    assert_eq!(words(&[]), Err(RequestError::NoCommand));
    let one = words(&[b"ls"]).unwrap();
    assert!(Stages::new(vec![one.clone(); MOST_STAGES]).is_ok());
    assert!(Stages::new(vec![one; MOST_STAGES + 1]).is_err());
    // Newlines, dashes and bytes that are not text are for the rules to judge.
    assert!(words(&[b"ls", b"-\xff\n", b"", b"--"]).is_ok());
}
