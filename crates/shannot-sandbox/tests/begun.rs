//! A box that is begun and never told what it shall hold leaves nothing behind.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shannot_policy::plan::Outline;
use shannot_policy::profile::{Network, Processes, Tier, View};
use shannot_sandbox::{Begun, Host, begin};

/// A box of the best tier that this user can have, all namespaces, or with the host's processes.
fn begun(processes: Processes) -> Begun {
    let host = Host::read();
    let tier = if host.uid == 0 { Tier::T1 } else { Tier::T2 };
    let network = if processes == Processes::Own { Network::None } else { Network::Tables };
    let outline = Outline::new(tier, View { processes, network }, false);
    begin(&outline, &host).unwrap().expect("a tier with namespaces has something to begin")
}

/// The children of this process, of all its threads.
fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap());
    lists
        .flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .filter(|pid| !pid.is_empty())
        .collect()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_box_that_is_dropped_leaves_no_process_and_no_descriptor() {
    let _alone = ALONE.lock();
    let before = descriptors();
    let mounts = fs::read("/proc/self/mountinfo").unwrap();
    for processes in [Processes::Own, Processes::Host] {
        // At once, and after it has done all that it can do alone.
        for wait in [0, 20] {
            let begun = begun(processes);
            std::thread::sleep(Duration::from_millis(wait));
            assert_eq!(children().len(), 1, "it is there");
            drop(begun);
            assert_eq!(children(), [""; 0], "it has ended");
            assert_eq!(descriptors(), before);
        }
    }
    assert_eq!(fs::read("/proc/self/mountinfo").unwrap(), mounts);
}

/// Both count children, and may run in one process.
static ALONE: Mutex<()> = Mutex::new(());

const HOLD: &str = "SHANNOT_TEST_HOLD_A_BOX";

#[test]
fn a_box_that_waits_ends_with_its_supervisor() {
    if std::env::var_os(HOLD).is_some() {
        let _begun = begun(Processes::Own);
        println!("\nholds {}", children().concat());
        loop {
            std::thread::park();
        }
    }
    let _alone = ALONE.lock();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "a_box_that_waits_ends_with_its_supervisor", "--nocapture"]);
    let mut supervisor = again.env(HOLD, "1").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let pid = lines.map_while(Result::ok).find_map(|l| l.strip_prefix("holds ").map(str::to_owned));
    let waits = Path::new("/proc").join(pid.expect("it tells the process"));
    // One that nobody has reaped yet has ended.
    let lives = || fs::read_to_string(waits.join("stat")).is_ok_and(|s| !s.contains(") Z "));
    // Time to come to where it waits.
    std::thread::sleep(Duration::from_millis(20));
    assert!(lives());
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(2);
    while lives() {
        assert!(Instant::now() < deadline, "{} lives on", waits.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}
