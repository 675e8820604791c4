//! One command on several targets: this machine by several names, and hosts that are not there.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::*;
use crate::sshd::*;

/// Targets `a`, `b` and `c` of one host, and `silent` of one that never answers.
struct Fleet {
    sshd: Sshd,
    _silent: TcpListener,
}

impl Fleet {
    fn new() -> Self {
        let sshd = Sshd::new(ordinary());
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut text = String::from(
            "[group]\nall = [\"a\", \"b\", \"silent\", \"c\"]\nown = [\"c\", \"a\"]\n",
        );
        let own = std::fs::read_to_string(sshd.place.path("config.toml")).unwrap();
        let own = own.split_once("far]\n").unwrap().1.to_owned()
            + &format!("helper_path = \"{}\"\n", helper().display());
        let own: BTreeSet<&str> = own.lines().collect();
        let own: Vec<&str> = own.into_iter().collect();
        for name in ["a", "b", "c"] {
            text.push_str(&format!("[executor.{name}]\n{}\n", own.join("\n")));
        }
        let port = silent.local_addr().unwrap().port();
        text.push_str(&format!(
            "[executor.silent]\ntype = \"ssh\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             connect_timeout = \"3s\"\n"
        ));
        sshd.place.write("config.toml", &text);
        Self { sshd, _silent: silent }
    }

    fn run(&self, target: &str, options: &[&str], command: &[&str]) -> std::process::Command {
        let profile = anything().to_str().unwrap();
        let words = [&["--target", target, "run", "--profile", profile], options, &["--"], command];
        self.sshd.shannot(&words.concat())
    }
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn each_line_has_its_target() {
    let fleet = Fleet::new();
    let script = "echo one; echo two >&2; printf three; exit 4";
    let ended = end(&mut fleet.run("@own,b,local,a", &[], &["sh", "-c", script]));
    assert_code(&ended, 4);
    let of = |text: &[&str]| -> Vec<String> {
        let each = ["a", "b", "c", "local"].into_iter();
        each.flat_map(|name| text.iter().map(move |line| line.replace('@', name))).collect()
    };
    assert_eq!(lines(ended.text()), of(&["@: one", "@: three"]));
    assert_eq!(lines(&ended.stderr), {
        let mut wanted = of(&["@: two", "shannot: @: exit code 4"]);
        wanted.sort();
        wanted
    });
    // A group of one is told like any other.
    assert_eq!(end(&mut fleet.run("a,a", &[], &["echo", "x"])).text(), "a: x\n");
}

/// One that does not answer holds up nobody, and shows in the exit code.
#[test]
fn answers_come_as_they_come() {
    let fleet = Fleet::new();
    let ended = end(&mut fleet.run("@all", &["--json"], &["echo", "x"]));
    assert_code(&ended, 125);
    let objects: Vec<serde_json::Value> =
        ended.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, others) = objects.split_last().unwrap();
    assert_eq!((&last["target"], &last["exit_code"]), (&"silent".into(), &125.into()));
    assert!(last["error"].as_str().unwrap().starts_with("silent: "), "{last}");
    let names: BTreeSet<_> = others.iter().map(|one| one["target"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["a", "b", "c"]));
    assert!(others.iter().all(|one| one["stdout"] == "x\n"), "{others:?}");
    let ids: BTreeSet<_> = objects.iter().map(|one| one["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_signal_ends_all() {
    let fleet = Fleet::new();
    let mark = marker();
    let mut command = fleet.run("@own,b", &[], &["sleep", &mark]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(|| count(&mark) == 3);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    wait(|| count(&mark) == 0);
}

#[test]
fn no_target_has_input() {
    let fleet = Fleet::new();
    let ended = end(&mut fleet.run("@own", &["--timeout", "10s"], &["cat"]));
    assert_code(&ended, 0);
    assert!(ended.time < Duration::from_secs(5), "{ended:?}");
}

#[test]
fn a_reader_that_has_gone_ends_all() {
    let fleet = Fleet::new();
    let mut command = fleet.run("@own", &[], &["yes"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(141));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// A pipe that nobody reads holds up what is printed, and nothing else.
#[test]
fn a_reader_that_does_not_read_holds_up_no_signal() {
    let fleet = Fleet::new();
    let mut command = fleet.run("@own", &["--timeout", "60s"], &["yes"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    for _ in 0..2 {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let begun = Instant::now();
    let ended = wait_without_reading(child);
    assert_eq!(ended, Some(143));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

fn wait_without_reading(mut child: std::process::Child) -> Option<i32> {
    child.wait().unwrap().code()
}

#[test]
fn what_is_no_target_is_refused_before_anything_runs() {
    let fleet = Fleet::new();
    for (target, what) in
        [("@nosuch", "there is no target `@nosuch`"), ("a,nosuch", "there is no target `nosuch`")]
    {
        let ended = end(&mut fleet.run(target, &[], &["echo", "x"]));
        assert_code(&ended, 125);
        assert_eq!(ended.text(), "");
        assert!(ended.complaint().contains(what), "{ended:?}");
    }
    for target in ["", "a,,b", "@", "a b"] {
        assert_code(&end(&mut fleet.run(target, &[], &["true"])), 125);
    }
    assert_code(&end(&mut fleet.sshd.shannot(&["--target", "a", "profile", "list"])), 2);
}
