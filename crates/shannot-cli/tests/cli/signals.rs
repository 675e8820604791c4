use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::*;

/// Starts a shell in the box and waits until it has said that it is there.
fn start(user: User, script: &str) -> Child {
    let script = format!("{script}\necho there; while :; do :; done");
    let mut command = run(user, &["--timeout", "20s"], &["sh", "-c", &script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut there = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut there).unwrap();
    assert_eq!(&there, b"there\n");
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn code_of(mut child: Child) -> (Option<i32>, Duration) {
    let begun = Instant::now();
    (child.wait().unwrap().code(), begun.elapsed())
}

#[test]
fn signals_reach_the_command() {
    for user in everyone() {
        for (signal, code) in
            [(Signal::HUP, 129), (Signal::INT, 130), (Signal::QUIT, 131), (Signal::TERM, 143)]
        {
            let child = start(user, "");
            send(&child, signal);
            let (got, time) = code_of(child);
            assert_eq!(got, Some(code), "{signal:?} as {user:?}");
            assert!(time < Duration::from_millis(1900), "{time:?}");
        }
    }
}

#[test]
fn command_may_answer_a_signal() {
    for user in everyone() {
        let mut child = start(user, "trap 'echo answered; exit 5' TERM");
        send(&child, Signal::TERM);
        let mut text = String::new();
        child.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), code_of(child).0), ("answered\n", Some(5)));
    }
}

#[test]
fn command_that_answers_no_signal_is_ended_after_a_grace() {
    for user in everyone() {
        let child = start(user, "trap '' INT TERM HUP QUIT");
        send(&child, Signal::INT);
        let (code, time) = code_of(child);
        assert_eq!(code, Some(130));
        assert!(time > Duration::from_millis(1500) && time < Duration::from_secs(6), "{time:?}");
    }
}

#[test]
fn second_signal_ends_at_once() {
    for user in everyone() {
        let child = start(user, "trap '' INT TERM HUP QUIT");
        send(&child, Signal::INT);
        std::thread::sleep(Duration::from_millis(200));
        send(&child, Signal::TERM);
        let (code, time) = code_of(child);
        assert_eq!(code, Some(143));
        assert!(time < Duration::from_millis(1500), "{time:?}");
    }
}

/// As `nohup` starts it.
#[test]
fn ignored_signal_stays_ignored() {
    for user in everyone() {
        let script = "echo there; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let run = run(user, &[], &["sh", "-c", script]);
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
        shell.arg(run.get_program()).args(run.get_args()).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut there = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut there).unwrap();
        send(&child, Signal::HUP);
        assert_eq!(code_of(child).0, Some(0));
    }
}

#[test]
fn held_run_is_ended_by_a_signal_too() {
    for user in everyone() {
        let mut command = run(user, &["--json"], &["sleep", "15"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        send(&child, Signal::TERM);
        let mut text = String::new();
        child.stdout.as_mut().unwrap().read_to_string(&mut text).unwrap();
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(result["outcome"], "signaled");
        assert_eq!(code_of(child).0, Some(143));
    }
}

/// The command ends by the signal, and what it wrote still lies before a reader that does not read.
#[test]
fn reader_that_stops_does_not_hold_the_program() {
    for user in everyone() {
        let mut command = run(user, &["-n"], &["head", "-c", "3000000", "/dev/zero"]);
        let (unread, full) = std::io::pipe().unwrap();
        let mut child = command.stdout(full).stderr(Stdio::null()).spawn().unwrap();
        drop(command);
        std::thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        send(&child, Signal::TERM);
        child.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        drop(unread);
    }
}
