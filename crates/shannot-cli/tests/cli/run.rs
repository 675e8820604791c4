use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::*;

#[track_caller]
fn check(arguments: &[&str], want: i32) {
    for user in everyone() {
        let ended = end(shannot(user).args(arguments));
        assert_eq!(ended.code, Some(want), "{arguments:?} as {user:?}: {ended:?}");
    }
}

#[test]
fn exit_code_is_the_commands_own() {
    check(&["run", "true"], 0);
    check(&["run", "false"], 1);
    check(&["run", "--", "test", "-e", "/nosuch"], 1);
    for user in everyone() {
        assert_code(&end(&mut run(user, &[], &["sh", "-c", "exit 7"])), 7);
        assert_code(&end(&mut run(user, &[], &["sh", "-c", "exit 255"])), 255);
        assert_code(&end(&mut run(user, &[], &["sh", "-c", "kill -9 $$"])), 137);
        assert_code(&end(&mut run(user, &[], &["sh", "-c", "kill -TERM $$"])), 143);
    }
}

#[test]
fn exit_code_tells_whose_fault_it_is() {
    check(&["run", "rm", "-rf", "/"], 126);
    check(&["run", "ls/", "x"], 125);
    check(&["run", "--profile", "nosuch", "ls"], 125);
    check(&["run", "--nosuch", "ls"], 125);
    check(&["run"], 125);
    check(&["--json", "run"], 125);
    check(&["run", "--pipe", "ls", "|"], 125);
    check(&["nosuch"], 2);
    check(&["profile", "nosuch"], 2);
    check(&["profile", "show", "nosuch"], 2);
    check(&["--help"], 0);
    check(&["run", "--help"], 0);
    for user in everyone() {
        assert_code(&end(&mut run(user, &[], &["nosuch"])), 127);
        assert_code(&end(&mut run(user, &[], &["/nosuch/x"])), 127);
        assert_code(&end(&mut run(user, &[], &["/etc/passwd"])), 126);
        assert_code(&end(&mut run(user, &[], &["/etc"])), 126);
    }
}

#[test]
fn wall_limit_ends_the_command() {
    for user in everyone() {
        let ended = end(&mut run(user, &["--timeout", "200ms"], &["sleep", "30"]));
        assert_code(&ended, 124);
        assert_eq!(ended.complaint(), "timed out after 200ms");
        assert!(ended.time < Duration::from_secs(10), "{ended:?}");
    }
}

#[test]
fn time_that_is_none_is_refused() {
    for time in ["0", "0s", "-1", "-5s", "25h", "99999999999999999999", "1x", "", "1.5s"] {
        check(&["run", "--timeout", time, "true"], 125);
    }
    check(&["run", "--timeout", "24h", "true"], 0);
}

#[test]
fn output_is_untouched() {
    let bytes = noise(8 << 20);
    for user in everyone() {
        let ended = end_fed(&mut run(user, &[], &["cat"]), Some(bytes.clone()));
        assert_code(&ended, 0);
        assert!(ended.stdout == bytes, "{} bytes came back", ended.stdout.len());
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn output_is_untouched_on_its_way_from_file_to_file() {
    let bytes = noise(3 << 20);
    for user in everyone() {
        for append in [false, true] {
            let place = Place::new();
            std::fs::write(place.path("in"), &bytes).unwrap();
            let out =
                File::options().create(true).append(append).write(true).open(place.path("out"));
            let mut command = run(user, &[], &["cat"]);
            command.stdin(File::open(place.path("in")).unwrap()).stdout(out.unwrap());
            assert!(command.status().unwrap().success());
            assert!(std::fs::read(place.path("out")).unwrap() == bytes, "append: {append}");
        }
    }
}

#[test]
fn stdout_and_stderr_are_apart() {
    for user in everyone() {
        let ended = end(&mut run(user, &[], &["sh", "-c", "echo out; echo err >&2"]));
        assert_eq!((ended.text(), ended.stderr.as_str()), ("out\n", "err\n"));
    }
}

#[test]
fn no_stdin_is_an_empty_one() {
    for user in everyone() {
        let mut command = run(user, &["-n"], &["wc", "-c"]);
        assert_eq!(end_fed(&mut command, Some(b"words".to_vec())).text(), "0\n");
    }
}

#[test]
fn closed_stdin_is_an_empty_one() {
    for user in everyone() {
        let run = run(user, &[], &["wc", "-c"]);
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "exec \"$0\" \"$@\" <&-"]).arg(run.get_program()).args(run.get_args());
        let ended = end(&mut shell);
        assert_code(&ended, 0);
        assert_eq!(ended.text(), "0\n");
    }
}

#[test]
fn stdin_that_never_ends_holds_nothing_up() {
    for user in everyone() {
        let (_writer_stays_open, reader) = {
            let (reader, writer) = std::io::pipe().unwrap();
            (writer, reader)
        };
        let ended = end(run(user, &[], &["true"]).stdin(reader));
        assert_code(&ended, 0);
        assert!(ended.time < Duration::from_secs(10), "{ended:?}");
        let zero = File::open("/dev/zero").unwrap();
        let ended = end(run(user, &[], &["head", "-c", "5"]).stdin(zero));
        assert_eq!(ended.stdout, [0; 5]);
    }
}

#[test]
fn stdout_closed_early_is_a_quiet_end() {
    for user in everyone() {
        let mut command = run(user, &["--timeout", "20s"], &["yes"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 2];
        child.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(141));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

/// The words that a command is given, by a command that prints them.
fn words_of(user: User, words: &[&OsStr]) -> Vec<Vec<u8>> {
    let mut command = shannot(user);
    command.args(["run", "--profile"]).arg(anything()).args(["printf", "%s\\0"]).args(words);
    let ended = end(&mut command);
    assert_code(&ended, 0);
    let mut words: Vec<Vec<u8>> = ended.stdout.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
    assert_eq!(words.pop(), Some(Vec::new()));
    words
}

#[test]
fn words_arrive_as_they_are() {
    let long = "x".repeat(32 * 4096 - 1);
    for user in everyone() {
        for words in [
            ["a b", "c\nd", "-e"],
            ["--json", "-v", "--profile"],
            ["--", "", "--"],
            ["--help", "run", "|"],
            ["'", "\"", "$HOME"],
            ["é", "\u{202e}", long.as_str()],
        ] {
            let words = words.map(OsStr::new);
            assert_eq!(words_of(user, &words), words.map(|w| w.as_bytes().to_vec()));
        }
        let bytes = OsStr::from_bytes(b"\xff\xfe\x1b");
        assert_eq!(words_of(user, &[bytes]), [bytes.as_bytes()]);
    }
}

#[test]
fn program_that_is_none_is_refused() {
    for program in ["", ".", "..", "./ls", "bin/ls", "../ls", "/usr/../bin/ls", "/usr//bin/ls"] {
        for user in everyone() {
            let ended = end(&mut run(user, &[], &[program]));
            assert_code(&ended, 125);
            assert!(ended.complaint().contains(&format!("`{program}`")), "{ended:?}");
        }
    }
}

#[test]
fn global_options_stand_before_or_after_the_subcommand() {
    for arguments in [
        ["--json", "--profile", "readonly", "run", "true"],
        ["--profile", "readonly", "run", "--json", "true"],
        ["run", "--json", "--profile", "readonly", "true"],
        ["--json", "run", "--profile=readonly", "--", "true"],
    ] {
        let ended = end(shannot(ordinary()).args(arguments));
        assert_eq!(ended.json()["profile"], "readonly", "{arguments:?}");
    }
}

#[test]
fn stages_are_joined_by_pipes_where_asked_for() {
    for user in everyone() {
        let stages = ["seq", "100", "|", "grep", "7", "|", "wc", "-l"];
        assert_eq!(end(&mut run(user, &["--pipe"], &stages)).text(), "19\n");
        assert_eq!(end(&mut run(user, &[], &["echo", "a", "|", "b"])).text(), "a | b\n");
        for bad in [&["|", "cat"][..], &["cat", "|"], &["cat", "|", "|", "cat"]] {
            assert_code(&end(&mut run(user, &["--pipe"], bad)), 125);
        }
    }
}

#[test]
fn command_starts_where_the_caller_is() {
    for user in everyone() {
        assert_eq!(end(run(user, &[], &["pwd"]).current_dir("/usr/share")).text(), "/usr/share\n");
        assert_eq!(end(&mut run(user, &["--cwd", "/etc"], &["pwd"])).text(), "/etc\n");
        let mut command = run(user, &["--cwd", "share"], &["pwd"]);
        assert_eq!(end(command.current_dir("/usr")).text(), "/usr/share\n");
        assert_code(&end(&mut run(user, &["--cwd", "/nosuch"], &["pwd"])), 125);
        assert_code(&end(&mut run(user, &["--cwd", "/usr/../etc"], &["pwd"])), 125);
    }
}

/// Every home is hidden from root's box.
#[test]
fn command_starts_at_the_root_where_the_caller_is_hidden() {
    for user in everyone() {
        let hidden = if user.uid == 0 { "/root" } else { "/" };
        let ended = end(run(user, &[], &["pwd"]).current_dir(hidden));
        assert_eq!((ended.text(), ended.stderr.as_str()), ("/\n", ""));
    }
}

#[test]
fn environment_of_the_caller_stays_outside() {
    for user in everyone() {
        let mut command = run(user, &[], &["env"]);
        let command = command.env("SECRET", "x").env("LANG", "C.UTF-8").env("TZ", "/etc/shadow");
        let ended = end(command);
        let names: Vec<_> = ended.text().lines().map(|l| l.split('=').next().unwrap()).collect();
        assert!(names.contains(&"LANG"), "{names:?}");
        for name in ["SECRET", "TZ", "SHANNOT_PROFILE"] {
            assert!(!names.contains(&name), "{names:?}");
        }
    }
}

#[test]
fn denial_names_the_rule_and_the_way_out() {
    for user in everyone() {
        let ended = end(shannot(user).args(["run", "rm", "x"]));
        let complaint = ended.complaint();
        assert!(complaint.starts_with("`rm` may not run: "), "{complaint}");
        assert!(complaint.contains("(profile `minimal`, commands)\nhint: "), "{complaint}");
        let ended = end(shannot(user).args(["run", "find", "/", "-delete"]));
        let complaint = ended.complaint();
        assert_code(&ended, 126);
        assert!(complaint.starts_with("`find` may not be given `-delete`: "), "{complaint}");
        assert!(complaint.contains("commands.find.rules["), "{complaint}");
    }
}

#[test]
fn enforcement_is_told_on_one_line() {
    for user in everyone() {
        let ended = end(shannot(user).args(["run", "-v", "true"]));
        let complaint = ended.complaint();
        assert!(complaint.starts_with("tier ") && complaint.contains("enforced: "), "{complaint}");
        assert_eq!(complaint.lines().count(), 1);
    }
}

/// The full disk: whatever was lost must show in the exit code.
#[test]
fn output_that_is_lost_is_told() {
    for user in everyone() {
        for options in [&[][..], &["--json"]] {
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let mut command = run(user, options, &["cat", "/etc/passwd"]);
            let child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(125), "{options:?}: {stderr}");
            assert!(stderr.contains("No space left on device"), "{options:?}: {stderr}");
        }
    }
}
