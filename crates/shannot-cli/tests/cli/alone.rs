//! Commands on a host that has nothing of ours: boxed by its bwrap, started by its shell.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shannot::{Helper, Io, Sha256Hex};

use crate::far::{block_on, gate_by, request, spawn, wait_for};
use crate::harness::*;
use crate::sshd::*;

/// A host without a helper; nobody is to put one there.
fn host(user: User) -> Sshd {
    host_with(user, "")
}

/// A host whose `sh` is this script.
fn host_with_sh(script: &str) -> Sshd {
    let sshd = host_with(ordinary(), "SetEnv PATH=%HOME%/../bin:/usr/bin:/bin");
    let sh = sshd.place.write("bin/sh", &format!("#!/bin/sh\n{script}\n"));
    set_mode(&sh, 0o755);
    sshd
}

fn host_with(user: User, lines: &str) -> Sshd {
    let sshd = Sshd::with_home(user, lines);
    sshd.configure("deploy = \"never\"\n");
    sshd
}

#[test]
fn a_command_runs_in_a_box_of_its_bwrap() {
    for user in everyone() {
        let sshd = host(user);
        let script = "echo out; echo err >&2; exit 3";
        let ended = end(&mut sshd.run(&[], &["sh", "-c", script]));
        assert_code(&ended, 3);
        assert_eq!((ended.text(), ended.stderr.as_str()), ("out\n", "err\n"));
        let told = end(&mut sshd.run(&["--json"], &["id", "-u"])).json();
        assert_eq!(told["stdout"], format!("{}\n", user.uid), "{told}");
        let enforcement = &told["enforcement"];
        for (key, value) in [("engine", "bwrap"), ("tier", "T3"), ("decided_by", "client")] {
            assert_eq!(enforcement[key], value, "{told}");
        }
        assert_code(&end(&mut sshd.run(&[], &["nosuch"])), 127);
        assert_code(&end(&mut sshd.run(&[], &["/etc/passwd"])), 126);
        assert_code(&end(&mut sshd.run(&["--cwd", "/nosuch"], &["true"])), 125);
        assert_code(&end(&mut sshd.run(&["--timeout", "300ms"], &["sleep", "60"])), 124);
        assert_code(&end(&mut sshd.run(&[], &["sh", "-c", "kill -9 $$"])), 137);
        let left: Vec<_> = fs::read_dir(sshd.home()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Reads are the user's own, without what the profile hides; writes are nobody's.
#[test]
fn the_box_hides_and_keeps() {
    for user in everyone() {
        let sshd = host(user);
        // The home that passwd(5) tells, not the one of the login.
        let secret = sshd.place.write("secret", "secret");
        let open = sshd.place.write("open", "open");
        [&secret, &open].iter().for_each(|path| own(user, path));
        let root = open.parent().unwrap();
        let text = fs::read_to_string(anything()).unwrap();
        let profile = sshd.place.write(
            "anything.toml",
            &format!("{text}\n[paths]\nscratch = []\nhide = [\"{}/sec*t\"]\n", root.display()),
        );
        let run = |words: &[&str]| {
            let profile = profile.to_str().unwrap();
            let words = [&["run", "--target", "far", "--profile", profile, "--"], words].concat();
            end(&mut sshd.shannot(&words))
        };
        let shown = run(&["cat", open.to_str().unwrap()]);
        assert_eq!(shown.text(), "open", "{shown:?}");
        let hidden = run(&["cat", secret.to_str().unwrap()]);
        assert!(hidden.stdout.is_empty(), "{hidden:?}");
        assert_code(&hidden, 1);
        let new = root.join("new");
        for words in [
            &["touch", new.to_str().unwrap()][..],
            &["rm", open.to_str().unwrap()],
            &["chmod", "0", open.to_str().unwrap()],
            &["sh", "-c", &format!("echo x > {}", open.display())],
        ] {
            assert!(!run(words).stderr.is_empty(), "{words:?}");
        }
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&open).unwrap(), "open");
    }
}

#[test]
fn bytes_pass_as_they_are() {
    let sshd = host(ordinary());
    for size in [0, 1, 300_000] {
        let bytes = noise(size);
        let ended = end_fed(&mut sshd.run(&[], &["cat"]), Some(bytes.clone()));
        assert_code(&ended, 0);
        assert!(ended.stdout == bytes, "{size} bytes came back as {}", ended.stdout.len());
    }
    let every: Vec<u8> = (1..=255).collect();
    for word in [every.as_slice(), b"", b"a \"'$(id)\\\n\xff", b"-n", b"$HOME `id` ~ *", b"a\n\n"] {
        let ended =
            end(sshd.run(&["-n"], &["printf", "%s"]).arg(std::ffi::OsStr::from_bytes(word)));
        assert_eq!(ended.stdout, word, "{}", word.escape_ascii());
    }
}

/// However the caller goes, its command goes too; and so does what fed it.
#[test]
fn nothing_outlives_the_caller() {
    for user in everyone() {
        let sshd = host(user);
        for signal in [Signal::KILL, Signal::INT] {
            let mark = marker();
            let mut child = spawn(&mut sshd.run(&["-n"], &["sleep", &mark]));
            wait(|| count(&mark) == 1);
            kill_process(Pid::from_child(&child), signal).unwrap();
            let code = child.wait().unwrap().code();
            assert_eq!(code, (signal == Signal::INT).then_some(130));
            wait(|| count(&mark) == 0);
        }
        let mark = marker();
        let run = ["--timeout", "2s", "-n"];
        assert_code(&end(&mut sshd.run(&run, &["sleep", &mark])), 124);
        assert_eq!(count(&mark), 0, "it is over before the answer");
        wait(|| shells_of(&sshd) == 0);
    }
}

/// Input that the command does not read must not keep anybody from noticing the end.
#[test]
fn nothing_outlives_the_caller_that_still_sends() {
    let sshd = host(ordinary());
    for (options, signal, code) in [
        (&[][..], Some(Signal::KILL), None),
        (&[], Some(Signal::INT), Some(130)),
        (&["--timeout", "1s"], None, Some(124)),
    ] {
        let mark = marker();
        let mut child = spawn(&mut sshd.run(options, &["sleep", &mark]));
        let mut stdin = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || {
            let _ = stdin.write_all(&vec![b'x'; 8 << 20]);
        });
        wait(|| count(&mark) == 1);
        // Until all that can be on its way is.
        std::thread::sleep(Duration::from_millis(500));
        if let Some(signal) = signal {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let begun = Instant::now();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), code, "{ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{ended:?}");
        wait(|| count(&mark) == 0);
        feeder.join().unwrap();
    }
}

/// bwrap ties itself to its parent late: a box that is ended while it is made must not go on without.
#[test]
fn a_box_that_is_ended_while_it_is_made_never_runs() {
    let sshd = host(ordinary());
    // Hundreds of mounts take their time.
    let hidden = sshd.place.path("hidden");
    fs::create_dir(&hidden).unwrap();
    for number in 0..400 {
        fs::write(hidden.join(number.to_string()), "").unwrap();
    }
    let text = fs::read_to_string(anything()).unwrap();
    let text = format!("{text}\n[paths]\nscratch = []\nhide = [\"{}/*\"]\n", hidden.display());
    let profile = sshd.place.write("anything.toml", &text);
    let profile = profile.to_str().unwrap();
    for milliseconds in [0, 10, 20, 40, 80, 160] {
        let mark = marker();
        let words = ["run", "--target", "far", "-n", "--profile", profile, "--", "sleep", &mark];
        let mut child = spawn(&mut sshd.shannot(&words));
        wait(|| boxes(&mark) > 0);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        wait(|| boxes(&mark) == 0);
    }
}

/// How many processes have that word among theirs: bwrap has the command's.
fn boxes(mark: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|p| fs::read(p.path().join("cmdline")).ok());
    let mark = format!("\0{mark}\0");
    let has = |line: &Vec<u8>| line.windows(mark.len()).any(|word| word == mark.as_bytes());
    let is_one =
        |line: &Vec<u8>| line.starts_with(b"/usr/bin/bwrap\0") || line.starts_with(b"sleep\0");
    lines.filter(|line| is_one(line) && has(line)).count()
}

/// Neither the command's nor that of the box's first process.
#[test]
fn the_environment_of_the_login_is_not_in_the_box() {
    let sshd = host_with_sh("FAR_SECRET=hunter2 exec /bin/sh \"$@\"");
    let text = fs::read_to_string(anything()).unwrap();
    for view in ["own", "host"] {
        let text = format!("{text}\n[view]\nprocesses = \"{view}\"\n");
        let profile = sshd.place.write("anything.toml", &text);
        let script = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; echo ended";
        let words = ["--profile", profile.to_str().unwrap(), "--", "sh", "-c", script];
        let words = [&["run", "--target", "far", "-n"], &words[..]].concat();
        let ended = end(&mut sshd.shannot(&words));
        assert!(ended.text().contains("PATH=") && ended.text().ends_with("ended\n"), "{ended:?}");
        for secret in ["FAR_SECRET", "SSH_CONNECTION", "hunter2"] {
            assert!(!ended.text().contains(secret), "{view}: {ended:?}");
        }
    }
}

/// One that nobody answers for would hold up every look at it.
#[test]
fn a_host_that_stands_still_is_given_up() {
    let sshd = host_with_sh("echo 'shannot: there is no helper'; exec sleep 30");
    sshd.configure("deploy = \"never\"\nconnect_timeout = \"2s\"\n");
    let ended = end(&mut sshd.run(&["-n"], &["true"]));
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("did not answer within 2s"), "{ended:?}");
    assert!(ended.time < Duration::from_secs(8), "{ended:?}");
}

/// How many processes there are of a login: they have its home in their environment.
fn shells_of(sshd: &Sshd) -> usize {
    let home = format!("HOME={}\0", sshd.home().display());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let environments = processes.filter_map(|p| fs::read(p.path().join("environ")).ok());
    environments.filter(|env| env.windows(home.len()).any(|w| w == home.as_bytes())).count()
}

#[test]
fn a_connection_that_is_cut_is_told() {
    let mut sshd = host(ordinary());
    let mark = marker();
    let child = spawn(&mut sshd.run(&["-n"], &["sleep", &mark]));
    wait(|| count(&mark) == 1);
    sshd.kill();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(125), "{said}");
    assert!(said.contains("far: the connection was lost"), "{said}");
    wait(|| count(&mark) == 0);
}

#[test]
fn a_reader_that_has_gone_ends_the_command() {
    let sshd = host(ordinary());
    let mut child = spawn(&mut sshd.run(&["-n"], &["yes", "a line of the command"]));
    wait_for(&mut child, b"a line");
    drop(child.stdout.take());
    let begun = Instant::now();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(141), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// Its input is read no further than the command reads, and ends when it ends.
#[test]
fn a_command_need_not_read_its_input() {
    let sshd = host(ordinary());
    let mut child = spawn(&mut sshd.run(&[], &["head", "-c", "5"]));
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let written = stdin.write_all(&vec![b'x'; 64 << 20]);
        assert!(written.is_err(), "64 MiB went somewhere");
    });
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((out.as_str(), child.wait().unwrap().code()), ("xxxxx", Some(0)));
    feeder.join().unwrap();
}

/// What tells the end of a run is known by a number that no command knows.
#[test]
fn a_command_cannot_tell_its_own_end() {
    let sshd = host(ordinary());
    let words = "0123456789abcdef0123456789abcdef 0 { \"exit-code\": 0 }";
    let script = format!("echo '{words}' >&2; exit 7");
    let ended = end(&mut sshd.run(&["-n"], &["sh", "-c", &script]));
    assert_code(&ended, 7);
    assert_eq!(ended.stderr, format!("{words}\n"));
    // Nor does it find it anywhere: of the words of all processes and its own descriptors.
    let script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | \
                  grep -E '(^mark=|^[0-9a-f]{32}$)'; ls -l /proc/self/fd | wc -l";
    let ended = end(&mut sshd.run(&["-n"], &["sh", "-c", script]));
    // A heading, the three streams, and the directory itself.
    assert_eq!(ended.text().trim(), "5", "{ended:?}");
}

#[test]
fn start_up_files_may_say_something() {
    let sshd = host_with_sh("echo Welcome; printf 'no line end'; echo x >&2; exec /bin/sh \"$@\"");
    let ended = end(&mut sshd.run(&["-n"], &["echo", "a"]));
    assert_code(&ended, 0);
    assert_eq!((ended.text(), ended.stderr.as_str()), ("a\n", ""));
}

/// A profile that wants more than a command line can say is not run with less.
#[test]
fn what_such_a_box_lacks_can_be_refused() {
    let sshd = host(ordinary());
    let text = fs::read_to_string(anything()).unwrap();
    for (line, why) in [
        ("require = [\"authorization\"]", "requires `authorization`, which is not_enforced"),
        ("require = [\"landlock\"]", "requires `landlock`, which is not_enforced"),
        ("tiers = [\"T1\", \"T2\"]", "the profile `anything` does not accept it"),
    ] {
        let text = text.replacen("version = 1\n", &format!("version = 1\n{line}\n"), 1);
        let profile = sshd.place.write("anything.toml", &text);
        let words =
            ["run", "--target", "far", "--profile", profile.to_str().unwrap(), "--", "true"];
        let ended = end(&mut sshd.shannot(&words));
        assert_code(&ended, 125);
        let said = ended.complaint();
        assert!(said.contains(why) && said.contains("shannot remote deploy far"), "{said}");
    }
    let words = ["run", "--target", "far", "--profile", anything().to_str().unwrap(), "--pipe"];
    let ended = end(&mut sshd.shannot(&[&words[..], &["--", "true", "|", "true"]].concat()));
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("several commands"), "{ended:?}");
}

/// Root takes bwrap away, too.
#[test]
fn a_host_that_has_neither_is_told_both_ways_out() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    for user in everyone() {
        let sshd = host_with(user, "#no-bwrap");
        let said = sshd.refusal();
        assert!(said.contains("there is no helper on the host"), "{said}");
        assert!(said.contains("there is no /usr/bin/bwrap"), "{said}");
        assert!(said.contains("`shannot remote deploy far` puts the helper there"), "{said}");
        assert!(said.contains("`bubblewrap`"), "{said}");
        let ended = end(&mut sshd.shannot(&["remote", "test", "far"]));
        assert_code(&ended, 1);
        assert!(ended.text().contains("first command   FAILED"), "{ended:?}");
        assert!(ended.text().contains("hint: `shannot remote deploy far`"), "{ended:?}");
    }
}

/// Each has an `ssh` of its own, and no more are started at once than a host takes.
#[test]
fn many_calls_wait_for_their_turn() {
    let sshd = host_with(ordinary(), "MaxSessions 1");
    let gate =
        gate_by(&sshd, Helper::Deployed(Sha256Hex::from_digest(&[0; 32])), &std::env::temp_dir());
    block_on(async {
        let ask = |number: usize| gate.run(request(&["echo", &number.to_string()]), Io::default());
        let runs: Vec<_> = (0..30).map(|number| ask(number).unwrap()).collect();
        for (number, run) in runs.into_iter().enumerate() {
            let done = run.collect().await;
            assert_eq!(done.stdout, format!("{number}\n").into_bytes(), "{:?}", done.outcome);
        }
    });
}

/// The shell of that host may be any that sh(1) means.
#[test]
fn every_shell_boxes_alike() {
    for shell in ["dash", "bash --posix", "busybox sh"] {
        let sshd = host_with_sh(&format!("touch $HOME/used; exec {shell} \"$@\""));
        let bytes = noise(100_000);
        let script = "sort -c /proc/self/comm; cat; exit 9";
        let ended = end_fed(&mut sshd.run(&[], &["sh", "-c", script]), Some(bytes.clone()));
        assert_code(&ended, 9);
        assert!(ended.stdout == bytes, "{shell}: {}", ended.stdout.len());
        assert_eq!(ended.stderr, "", "{shell}");
        let mark = marker();
        let mut child = spawn(&mut sshd.run(&["-n"], &["sleep", &mark]));
        wait(|| count(&mark) == 1);
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
        child.wait().unwrap();
        wait(|| count(&mark) == 0);
        assert!(sshd.home().join("used").exists());
    }
}

/// One login serves many runs, and goes with who asked for them.
#[test]
fn calls_share_a_connection() {
    let sshd = host(ordinary());
    let sockets = sshd.place.path("sockets");
    fs::create_dir(&sockets).unwrap();
    let gate = gate_by(&sshd, Helper::Deployed(Sha256Hex::from_digest(&[0; 32])), &sockets);
    block_on(async {
        for _ in 0..4 {
            let done = gate.run(request(&["cut", "-d.", "-f1", "/proc/uptime"]), Io::default());
            assert_eq!(done.unwrap().collect().await.outcome.stages.len(), 1);
        }
        assert_eq!(fs::read_dir(&sockets).unwrap().count(), 1);
        // Its `cat` is the only process there.
        wait(|| shells_of(&sshd) == 1);
        drop(gate);
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
    wait(|| shells_of(&sshd) == 0);
    assert_eq!(fs::read_dir(&sockets).unwrap().count(), 0);
}
