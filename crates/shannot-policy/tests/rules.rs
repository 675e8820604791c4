//! Attempts to get arguments past rules. Each table says what passes and what is refused.
#![expect(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use std::sync::Arc;

use shannot_policy::profile::Examples;
use shannot_policy::text::TextError;
use shannot_policy::types::ProfileName;
use shannot_policy::{Argv, Cwd, Denial, Locale, Profile, Request, Stages, authorize};

fn parse(commands: &str) -> Result<Profile, TextError> {
    let text = format!("version = 1\nname = \"t\"\n{commands}");
    Profile::parse(&text, "t.toml", Examples::Check, &|name: &ProfileName| {
        Err(format!("`{name}` is unknown"))
    })
}

fn ask<W: Into<Vec<u8>>>(profile: &Profile, words: Vec<W>) -> Result<(), Denial> {
    let request = Request {
        profile: "t".parse().unwrap(),
        stages: Stages::new(vec![Argv::from_words(words).unwrap()]).unwrap(),
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    authorize(&Arc::new(profile.clone()), request).map(|_| ())
}

/// Holds each command line against one command. The first list passes, the second is refused
/// with the word that stands before the colon, or with none.
fn check(command: &str, passes: &[&str], refused: &[(&str, &str)]) {
    let profile = parse(command).unwrap_or_else(|e| panic!("{e}\n{command}"));
    let words = |line: &str| shlex::split(line).unwrap();
    for line in passes {
        if let Err(denial) = ask(&profile, words(line)) {
            panic!("`{line}` should pass: {denial}");
        }
    }
    for (word, line) in refused {
        match ask(&profile, words(line)) {
            Ok(()) => panic!("`{line}` should be refused for `{word}`"),
            Err(denial) => assert_eq!(denial.word.as_deref().unwrap_or(""), *word, "{line}"),
        }
    }
}

#[test]
fn denied_options_are_found_wherever_getopt_finds_them() {
    check(
        r#"
        [commands.sort]
        about = "Sort lines."
        valued = ["-k", "-t", "-S", "--key", "--field-separator"]
        flags = ["-r", "-n"]
        rules = [{ deny_options = ["-o", "--output", "--compress-program", "-T"], why = "w" }]
        "#,
        &[
            "sort",
            "sort -rn -k 2 file",
            "sort -k2 file",
            "sort -t o file",
            "sort -to file",
            "sort -k -o",
            "sort --key -o",
            "sort --key=-o",
            "sort -- -o",
            "sort -r -- -o x --compress-program=sh",
            "sort -",
            "sort - file",
            "sort o output",
            "sort --reverse",
            "sort ''",
        ],
        &[
            ("-o", "sort -o x"),
            ("-o", "sort -ox"),
            ("-o", "sort -rno x"),
            ("-o", "sort -nrox"),
            ("-o", "sort file -o x"),
            ("-o", "sort - -o x"),
            ("-o", "sort -k 2 -o x"),
            ("-o", "sort -rk 2 -o x"),
            ("--output", "sort --output=x"),
            ("--output", "sort --output x"),
            ("--outp", "sort --outp=x"),
            ("--o", "sort --o=x"),
            ("--c", "sort --c=sh"),
            ("--comp", "sort --comp sh"),
            ("--comp", "sort --comp=sh"),
            ("--compress-program", "sort file --compress-program=sh"),
            ("-T", "sort -nT/tmp"),
            ("--", "sort --=x"),
        ],
    );
}

#[test]
fn what_looks_like_the_end_of_options_may_be_the_value_of_an_unknown_one() {
    check(
        r#"
        [commands.grep]
        about = "Search."
        valued = ["-e", "--regexp", "-m"]
        flags = ["-n", "--count"]
        rules = [{ deny_options = ["-f", "--file"], why = "w" }]
        "#,
        &["grep -n -- -f", "grep -e -- -- -f", "grep -e -f x", "grep --count -- -f", "grep -e-- x"],
        &[
            // `-A` takes a value that the profile does not know of: here it is `--`.
            ("-f", "grep -A -- -f/etc/x"),
            ("-f", "grep --context -- -f x"),
            // `-A` takes `-e`, so `-f` is an option after all.
            ("-f", "grep -A -e -f x"),
            ("-f", "grep --context -m -f x"),
            // The value of `-A` ends in what would be a valued option.
            ("-f", "grep -A1e -f x"),
            // An abbreviated `--regexp` takes `-m`.
            ("-f", "grep --reg -m -f x"),
            ("-f", "grep -e -- -f x"),
        ],
    );
}

#[test]
fn an_exact_option_that_the_command_names_is_no_abbreviation() {
    check(
        r#"
        [commands.tar]
        about = "List archives."
        flags = ["--compress"]
        rules = [{ deny_options = ["--compress-program"], why = "w" }]
        "#,
        &["tar --compress", "tar --compress=x", "tar --compressed"],
        &[("--compres", "tar --compres"), ("--compress-", "tar --compress-=x")],
    );
}

#[test]
fn allowed_options_are_written_in_full_and_all_others_are_refused() {
    check(
        r#"
        [commands.head]
        about = "Show the start."
        valued = ["-n", "-c", "--lines"]
        rules = [{ allow_options = ["-n", "--lines", "-q", "-1", "-0"], why = "w" }]
        "#,
        &[
            "head",
            "head -n 5 x",
            "head -n5 x",
            "head -q -n -5 x",
            "head -qn5",
            "head -10 x",
            "head --lines=3",
            "head --lines -x",
            "head -- -x",
        ],
        &[
            ("-v", "head -v"),
            ("-v", "head -qv"),
            ("-c", "head -c 5"),
            ("--line", "head --line=3"),
            ("--lin", "head --lin 3"),
            ("-5", "head -5"),
            ("-2", "head -12"),
            ("-\u{fffd}", "head -\u{fffd}"),
        ],
    );
    check(
        r#"
        [commands.uptime]
        about = "Tell the load."
        rules = [{ allow_options = [], why = "w" }]
        "#,
        &["uptime", "uptime x"],
        &[("-p", "uptime -p"), ("--pretty", "uptime --pretty")],
    );
}

#[test]
fn posix_options_end_at_the_first_operand() {
    check(
        r#"
        [commands.nice]
        about = "x"
        syntax = "posix"
        valued = ["-n"]
        flags = ["-q"]
        rules = [{ deny_options = ["-x"], why = "w" }]
        "#,
        &["nice -n 5 cmd -x", "nice cmd -x", "nice -- -x", "nice -q cmd -x", "nice - -x"],
        &[
            ("-x", "nice -x cmd"),
            ("-x", "nice -n 5 -x cmd"),
            // `-u` may take `root`, and then `-x` is an option.
            ("-x", "nice -u root -x"),
            ("-x", "nice -qx cmd"),
        ],
    );
}

/// A program of this kind may have both, and mean something else by each.
#[test]
fn one_dash_is_not_allowed_where_two_are() {
    check(
        r#"
        [commands.x]
        about = "Has -u and --u, -v VALUE and --v."
        syntax = "find"
        flags = ["--v"]
        [[commands.x.rules]]
        allow_options = ["--u", "--v", "-v"]
        why = "w"
        [[commands.x.rules]]
        deny_options = ["--d"]
        why = "w"
        "#,
        &["x --u a", "x --v a", "x -v a"],
        &[("-u", "x -u a"), ("-d", "x -d a"), ("--d", "x --d a")],
    );
    // Whether -v takes a value is not known: that --v takes none says nothing of it.
    check(
        r#"
        [commands.x]
        about = "Has -v VALUE and --v."
        syntax = "find"
        flags = ["--v"]
        [[commands.x.rules]]
        allow_operands = ["a"]
        why = "w"
        "#,
        &["x --v a"],
        &[("", "x -v a")],
    );
}

#[test]
fn find_expressions_are_single_words() {
    check(
        r#"
        [commands.find]
        about = "Find files."
        syntax = "find"
        valued = ["-name", "-type", "-maxdepth"]
        [[commands.find.rules]]
        deny_options = ["-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint", "-fls"]
        why = "starts other programs or writes"
        examples = { allow = ["find / -name x"], deny = ["find / -exec id ;", "find / -delete"] }
        "#,
        &[
            "find",
            "find / ( -name a -o ! -name b ) , -print",
            "find / -name -exec",
            "find / -name -delete -print",
            "find exec delete",
            "find / -executable",
            "find / -exe",
            "find / -xdev -type f -mount -not -name x -not -path y -o -newer z -a -true -false",
        ],
        &[
            ("-exec", "find / -exec id ;"),
            ("-exec", "find -- / -exec id ;"),
            ("-exec", "find / -- -exec id ;"),
            ("-exec", "find / ( -exec id ; )"),
            ("-exec", "find / -name x -exec id ;"),
            ("-exec", "find / -xdev -name -exec -exec id ;"),
            ("-exec", "find / -xtype -name -exec id ;"),
            ("--exec", "find / --exec id ;"),
            ("-exec", "find / -exec=id"),
            ("-delete", "find / -not -delete"),
        ],
    );
}

#[test]
fn operand_sequences_hold_in_every_reading() {
    check(
        r#"
        [commands.systemctl]
        about = "x"
        valued = ["-n", "--lines"]
        flags = ["--no-pager"]
        [[commands.systemctl.rules]]
        allow_operands = ["", "status **", "list-units", "show * *.service", "is-*"]
        why = "only looks"
        "#,
        &[
            "systemctl",
            "systemctl --no-pager",
            "systemctl status",
            "systemctl status a b c",
            "systemctl --no-pager status a",
            "systemctl -n 5 status a",
            "systemctl -n restart status a",
            "systemctl status -x a",
            "systemctl status --full",
            "systemctl list-units",
            "systemctl show x nginx.service",
            "systemctl is-active",
            "systemctl -- status",
        ],
        &[
            ("restart", "systemctl restart"),
            ("restart", "systemctl -n 5 restart"),
            ("restart", "systemctl --lines=5 restart"),
            ("restart", "systemctl -- restart"),
            // `-o` may take `status`; then `restart` is the verb.
            ("restart", "systemctl -o status restart"),
            ("a", "systemctl --lin status a"),
            ("x", "systemctl list-units x"),
            ("", "systemctl show x"),
            ("y", "systemctl show x y"),
            ("STATUS", "systemctl STATUS"),
        ],
    );
    check(
        r#"
        [commands.ip]
        about = "x"
        syntax = "plain"
        rules = [{ deny_operands = ["* add **", "netns **", "-b *", ""], why = "w" }]
        "#,
        &["ip addr", "ip addr show", "ip -b", "ip --"],
        &[("addr", "ip addr add 1.2.3.4"), ("netns", "ip netns"), ("-b", "ip -b file"), ("", "ip")],
    );
}

#[test]
fn denied_words_are_found_in_any_role() {
    check(
        r#"
        [commands.cat]
        about = "x"
        valued = ["-x"]
        rules = [{ deny_words = ["*secret*", "@*"], why = "w" }]
        "#,
        &["cat a", "cat -- a@"],
        &[
            ("a/secret", "cat a/secret"),
            ("--file=secret", "cat --file=secret"),
            ("secret", "cat -x secret"),
            ("@x", "cat -- @x"),
            ("a\\nsecret", "cat 'a\nsecret'"),
        ],
    );
}

#[test]
fn plain_syntax_has_no_options() {
    check(
        r#"
        [commands.echo]
        about = "x"
        syntax = "plain"
        rules = [{ allow_operands = ["-n *", "--"], why = "w" }]
        "#,
        &["echo -n x", "echo --"],
        &[("-e", "echo -e x"), ("x", "echo -- x"), ("", "echo -n")],
    );
}

#[test]
fn words_that_are_not_text_are_held_against_rules_too() {
    let profile = parse(
        r#"
        [commands.cat]
        about = "x"
        rules = [
            { deny_options = ["-x", "--long"], why = "w" },
            { deny_words = ["*secret*"], why = "w" },
        ]
        "#,
    )
    .unwrap();
    let refused: &[&[u8]] = &[b"-\xffx", b"--long=\xff", b"--lo", b"\xffsecret\xfe", b"-\xe2\x28x"];
    for word in refused {
        assert!(ask(&profile, vec![b"cat", *word]).is_err(), "{}", word.escape_ascii());
    }
    for word in [b"\xff\xfe".as_slice(), b"-\xff", b"--\xff"] {
        assert!(ask(&profile, vec![b"cat", word]).is_ok(), "{}", word.escape_ascii());
    }
}

#[test]
fn a_denial_shows_hostile_words_short_and_inert() {
    let profile =
        parse("[commands.cat]\nabout = \"x\"\nrules = [{ allow_operands = [\"\"], why = \"w\" }]")
            .unwrap();
    let word = format!("\x1b]0;pwned\x07\u{202e}{}", "x".repeat(131_000));
    let denial = ask(&profile, vec!["cat".to_owned(), word]).unwrap_err();
    let shown = denial.to_string();
    assert!(shown.len() < 300 && shown.chars().all(|c| !c.is_control()), "{shown:?}");
    assert!(!shown.contains('\u{202e}'), "{shown:?}");
}

#[test]
fn long_command_lines_are_read_in_linear_time() {
    let profile = parse(
        r#"
        [commands.x]
        about = "x"
        valued = ["-v"]
        rules = [
            { deny_options = ["--denied"], why = "w" },
            { deny_operands = ["a b c d", "* * * e **"], why = "w" },
        ]
        "#,
    )
    .unwrap();
    let started = std::time::Instant::now();
    for unit in [["-u", "o"], ["-u", "-v"], ["--", "--"], ["o", "o"], ["--d", "-v"]] {
        let mut words = vec!["x"];
        words.extend(unit.iter().cycle().take(200_000));
        let _verdict = ask(&profile, words);
    }
    let cluster = format!("-{}", "u".repeat(131_000));
    let _verdict = ask(&profile, vec!["x", &cluster]);
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn all_rules_must_pass_and_the_first_that_does_not_is_named() {
    let profile = parse(
        r#"
        [commands.x]
        about = "x"
        [[commands.x.rules]]
        deny_options = ["-a"]
        why = "first"
        [[commands.x.rules]]
        deny_words = ["b"]
        why = "second"
        "#,
    )
    .unwrap();
    assert_eq!(&*ask(&profile, vec!["x", "b", "-a"]).unwrap_err().rule, "commands.x.rules[0]");
    let denial = ask(&profile, vec!["x", "b"]).unwrap_err();
    assert_eq!(
        denial.to_string(),
        "`x` may not be given `b`: second (profile `t`, commands.x.rules[1])"
    );
}
