//! Boxes that are kept warm: what their runs share, what they do not, and when they go.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio as Std};
use std::time::Duration;

use shannot_policy::Plan;
use shannot_policy::profile::Tier;

use crate::changed::{Dir, mount};
use crate::harness::*;

const ECHO: &[&str] = &["echo", "well"];

fn hides(pattern: &Path) -> String {
    format!("[paths]\nhide = [{pattern:?}]")
}

fn echo(lines: &str) -> Plan {
    plan(tier(), lines, ECHO)
}

/// Runs of each kind: from a zygote alone, and in boxes that are ready.
#[test]
fn runs_leave_nothing() {
    let _alone = alone();
    let plan = echo("[view]\nprocesses = \"host\"");
    let mounts = fs::read("/proc/self/mountinfo").unwrap();
    let (before, groups) = (descriptors(), groups());
    let warm = warm(&plan);
    for round in 0..40 {
        if round % 2 == 0 {
            warm.refill(2).unwrap();
            assert_eq!(warm.ready(), 2);
        }
        assert!(warm.serves(&plan));
        assert_eq!(run_in(&warm, &plan).unwrap().text(), "well\n");
        // It, and at most two that are ready.
        assert!(children().len() <= 3, "{:?}", children());
    }
    drop(warm);
    assert_eq!(children(), [""; 0], "all have ended");
    assert_eq!(descriptors(), before);
    assert_eq!(crate::harness::groups(), groups);
    assert_eq!(fs::read("/proc/self/mountinfo").unwrap(), mounts);
}

#[test]
fn many_threads_start_runs_at_once() {
    let _alone = alone();
    let before = descriptors();
    let plan = echo("");
    let warm = warm(&plan);
    warm.refill(4).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let warm = &warm;
            threads.spawn(move || {
                for round in 0..15 {
                    let word = format!("{thread}-{round}");
                    let plan = crate::harness::plan(tier(), "", &["echo", &word]);
                    assert_eq!(run_in(warm, &plan).unwrap().text(), format!("{word}\n"));
                }
            });
        }
    });
    drop(warm);
    assert_eq!((children(), descriptors()), (Vec::new(), before));
}

#[test]
fn another_profile_is_another_box_and_another_command_is_not() {
    let _alone = alone();
    let warm = warm(&echo(""));
    assert!(warm.serves(&plan(tier(), "", &["cat", "/etc/hostname"])));
    for lines in [
        "[view]\nprocesses = \"host\"",
        "[view]\nnetwork = \"tables\"",
        "[limits]\nmemory = \"100MiB\"",
        "[paths]\nhide = [\"/srv\"]",
        "[paths]\nscratch = [\"/tmp\"]",
        "[paths]\nread = [\"/usr\"]",
        "require = [\"seccomp\"]",
    ] {
        assert!(!warm.serves(&echo(lines)), "{lines}");
    }
}

/// In tiers with mounts and in the one without: what is hidden is what was so when the run starts.
#[test]
fn a_change_of_what_is_hidden_is_noticed() {
    let _alone = alone();
    for tier in [tier(), Tier::L] {
        let dir = Dir::new("warm-hidden");
        let path = |name: &str| dir.0.join(name);
        fs::write(path("b_key"), "old").unwrap();
        std::os::unix::fs::symlink("secret", path("link")).unwrap();
        let lines = format!("[paths]\nhide = [{:?}, {:?}]", path("*_key"), path("link/key"));
        let plan = |name: &str| plan(tier, &lines, &["cat", path(name).to_str().unwrap()]);
        let changes: [(&str, &dyn Fn()); 4] = [
            ("a_key", &|| fs::write(path("a_key"), "TOP SECRET").unwrap()),
            ("b_key", &|| {
                fs::write(path("new"), "TOP SECRET").unwrap();
                fs::rename(path("new"), path("b_key")).unwrap();
            }),
            ("other/key", &|| {
                fs::create_dir(path("other")).unwrap();
                fs::write(path("other/key"), "TOP SECRET").unwrap();
                fs::remove_file(path("link")).unwrap();
                std::os::unix::fs::symlink("other", path("link")).unwrap();
            }),
            ("c_key", &|| fs::hard_link(path("a_key"), path("c_key")).unwrap()),
        ];
        for (name, change) in changes {
            let warm = warm(&plan(name));
            warm.refill(1).unwrap();
            assert!(warm.serves(&plan(name)));
            change();
            assert!(!warm.serves(&plan(name)), "{tier}: {name}");
            assert!(!warm.is_fresh(), "and stays so");
            let warm = crate::harness::warm(&plan(name));
            assert_eq!(run_in(&warm, &plan(name)).unwrap().text(), "", "{tier}: {name}");
        }
    }
}

#[test]
fn what_else_happens_beside_hidden_files_changes_nothing() {
    let _alone = alone();
    let dir = Dir::new("warm-beside");
    let plan = echo(&hides(&dir.0.join("*_key")));
    let warm = warm(&plan);
    warm.refill(1).unwrap();
    for name in ["a", "b"] {
        fs::write(dir.0.join(name), "").unwrap();
        assert!(warm.serves(&plan));
    }
    fs::remove_file(dir.0.join("a")).unwrap();
    assert!(warm.serves(&plan));
    assert_eq!(warm.ready(), 1);
}

/// A box that waits shows the mounts of its time, and keeps their file systems from being let go.
#[test]
fn what_waits_ends_when_the_hosts_mounts_change() {
    let test = "warm::what_waits_ends_when_the_hosts_mounts_change";
    let _alone = alone();
    if !again_below_unshare(test, &["--mount"]) {
        return;
    }
    let dir = Dir::new("warm-mounts");
    let at = dir.0.join("alias").to_string_lossy().into_owned();
    let plan = echo("");
    for change in [["mount", "-t", "tmpfs", "tmpfs"].as_slice(), &["umount"]] {
        let warm = warm(&plan);
        warm.refill(2).unwrap();
        assert!(warm.serves(&plan));
        let waiting = children();
        assert_eq!(waiting.len(), 3, "a zygote and two boxes");
        let status = Command::new(change[0]).args(&change[1..]).arg(&at).status();
        assert!(status.unwrap().success());
        assert!(eventually(|| !waiting.iter().any(|pid| lives(pid))), "{change:?}");
        assert!(!warm.serves(&plan));
    }
    // In tier L nothing waits, and what was found is as old.
    let without = crate::harness::plan(Tier::L, "", ECHO);
    let found = warm(&without);
    assert!(found.serves(&without));
    mount(&["-t", "tmpfs", "tmpfs", &at]);
    assert!(!found.serves(&without));
    let file = dir.0.join("alias/file");
    fs::write(&file, "content").unwrap();
    let plan = crate::harness::plan(tier(), "", &["cat", file.to_str().unwrap()]);
    assert_eq!(run_in(&warm(&plan), &plan).unwrap().text(), "content");
}

const HOLD: &str = "SHANNOT_TEST_KEEP_A_BOX_WARM";

#[test]
fn what_waits_ends_with_its_supervisor() {
    if std::env::var_os(HOLD).is_some() {
        let warm = warm(&echo(""));
        warm.refill(2).unwrap();
        println!("\nholds {}", children().join(" "));
        loop {
            std::thread::park();
        }
    }
    let _alone = alone();
    let mut again = Command::new(std::env::current_exe().unwrap());
    let name = "warm::what_waits_ends_with_its_supervisor";
    again.args(["--exact", name, "--nocapture"]).env(HOLD, "1");
    let mut supervisor = again.stdout(Std::piped()).spawn().unwrap();
    let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let pids =
        lines.map_while(Result::ok).find_map(|l| l.strip_prefix("holds ").map(str::to_owned));
    let pids: Vec<_> = pids.expect("it tells them").split(' ').map(str::to_owned).collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| lives(pid)));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert!(eventually(|| !pids.iter().any(|pid| lives(pid))), "{pids:?}");
}

#[test]
fn what_died_waiting_is_passed_over() {
    let _alone = alone();
    let plan = echo("");
    let warm = warm(&plan);
    let zygote = children().concat();
    warm.refill(2).unwrap();
    for pid in children().iter().filter(|pid| **pid != zygote) {
        send("-KILL", pid);
        assert!(eventually(|| !lives(pid)));
    }
    assert!(warm.serves(&plan));
    assert_eq!(run_in(&warm, &plan).unwrap().text(), "well\n");
    send("-KILL", &zygote);
    assert!(eventually(|| !lives(&zygote)));
    assert!(!warm.serves(&plan), "it is to be made anew");
    assert!(is_gone(&warm, &plan));
}

/// The first command's process has ended, and the box's first process, which is held up, does not know
/// when it is told a run: that the process has ended well must not pass for the command's end.
#[test]
fn a_command_whose_process_died_waiting_has_not_run() {
    let _alone = alone();
    let plan = echo("");
    let warm = warm(&plan);
    let zygote = children().concat();
    warm.refill(1).unwrap();
    let ready = children().into_iter().find(|pid| *pid != zygote).unwrap();
    let waiting = fs::read_to_string(format!("/proc/{ready}/task/{ready}/children")).unwrap();
    send("-STOP", &ready);
    send("-KILL", waiting.trim());
    assert!(eventually(|| !lives(waiting.trim())));
    let going_on = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        send("-CONT", &ready);
    });
    assert!(warm.serves(&plan));
    assert_eq!(run_in(&warm, &plan).unwrap().text(), "well\n");
    going_on.join().unwrap();
}

/// A zygote that is held up for longer than anybody waits for an answer: what it then starts is nobody's
/// and does nothing, and its late answer is not taken for one to another question.
#[test]
fn a_late_answer_is_nobodys() {
    let _alone = alone();
    let plan = echo("");
    let warm = warm(&plan);
    let zygote = children().concat();
    let before = descriptors();
    send("-STOP", &zygote);
    assert!(is_gone(&warm, &plan), "to be started otherwise");
    send("-CONT", &zygote);
    assert!(eventually(|| !lives(&zygote)), "nobody asks it any more");
    assert!(warm.refill(1).is_err(), "there is nobody to ask");
    assert!(!warm.serves(&plan), "it is to be made anew");
    drop(warm);
    assert!(eventually(|| children().iter().all(|pid| !lives(pid))), "{:?}", children());
    // Left open for the process that might yet have come, once.
    assert!(descriptors() <= before + 4, "{} and {before}", descriptors());
}

/// Two runs of one box at once: neither sees the other's files and processes, nor is it held to a
/// limit by what the other does.
#[test]
fn two_runs_share_nothing() {
    let _alone = alone();
    let lines =
        "[paths]\nscratch = [\"/tmp\"]\n[limits]\nprocesses = 8\n[view]\nprocesses = \"own\"";
    let script = "echo $1 > /tmp/$1; for i in 1 2 3 4 5; do (kill -STOP $BASHPID) & done; \
                  echo /tmp/* /proc/[0-9]*; read line";
    let plan = |name: &str| plan(tier(), lines, &["bash", "-c", script, "bash", name]);
    let warm = warm(&plan("any"));
    for ready in [0, 2] {
        warm.refill(ready).unwrap();
        let mut runs = ["first", "second"].map(|name| run_in(&warm, &plan(name)).unwrap());
        let said = runs.each_mut().map(|run| {
            let mut line = String::new();
            BufReader::new(&run.stdout).read_line(&mut line).unwrap();
            line
        });
        for (said, name) in said.iter().zip(["first", "second"]) {
            let (files, processes): (Vec<_>, Vec<_>) =
                said.split_whitespace().partition(|path| path.starts_with("/tmp"));
            assert_eq!(files, [format!("/tmp/{name}")], "{said}");
            // The first process, the shell and what it has started.
            assert_eq!(processes.len(), 7, "{said}");
        }
        for run in &mut runs {
            run.stdin.write_all(b"\n").unwrap();
        }
        for run in runs {
            assert_eq!(run.text(), "");
        }
    }
}
