//! A box that is begun and never told what it shall hold.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use shannot_policy::profile::{Processes, Tier};
use shannot_sandbox::Error;

use crate::harness::*;

#[test]
fn a_box_that_is_dropped_leaves_no_process_and_no_descriptor() {
    let _alone = alone();
    let before = descriptors();
    let mounts = fs::read("/proc/self/mountinfo").unwrap();
    for processes in [Processes::Own, Processes::Host] {
        // At once, and after it has done all that it can do alone.
        for wait in [0, 20] {
            let begun = begun(tier(), processes);
            std::thread::sleep(Duration::from_millis(wait));
            assert_eq!(children().len(), 1, "it is there");
            drop(begun);
            assert_eq!(children(), [""; 0], "it has ended");
            assert_eq!(descriptors(), before);
        }
    }
    assert_eq!(fs::read("/proc/self/mountinfo").unwrap(), mounts);
}

const HOLD: &str = "SHANNOT_TEST_HOLD_A_BOX";

#[test]
fn a_box_that_waits_ends_with_its_supervisor() {
    if std::env::var_os(HOLD).is_some() {
        let _begun = begun(tier(), Processes::Own);
        println!("\nholds {}", children().concat());
        loop {
            std::thread::park();
        }
    }
    let _alone = alone();
    let mut again = Command::new(std::env::current_exe().unwrap());
    let name = "begun::a_box_that_waits_ends_with_its_supervisor";
    again.args(["--exact", name, "--nocapture"]).env(HOLD, "1");
    let mut supervisor = again.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let pid = lines.map_while(Result::ok).find_map(|l| l.strip_prefix("holds ").map(str::to_owned));
    let pid = pid.expect("it tells the process");
    // Time to come to where it waits.
    std::thread::sleep(Duration::from_millis(20));
    assert!(lives(&pid));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert!(eventually(|| !lives(&pid)), "{pid} lives on");
}

#[test]
fn a_box_that_died_waiting_is_begun_anew() {
    let _alone = alone();
    let begun = begun(tier(), Processes::Own);
    let pid = children().concat();
    send("-KILL", &pid);
    assert!(eventually(|| !lives(&pid)));
    let ran = run(&plan(tier(), "", &["echo", "well"]), Some(begun)).unwrap();
    assert_eq!(ran.text(), "well\n");
}

#[test]
fn a_box_that_waited_long_is_begun_anew() {
    let _alone = alone();
    let begun = begun(tier(), Processes::Own);
    let old = children().concat();
    std::thread::sleep(Duration::from_millis(1100));
    let ran = run(&plan(tier(), "", &["echo", "well"]), Some(begun)).unwrap();
    assert!(!lives(&old), "it shows the mounts of another time");
    assert_eq!(ran.text(), "well\n");
}

#[test]
fn a_box_begun_for_another_view_is_not_used() {
    let _alone = alone();
    let begun = begun(tier(), Processes::Host);
    let ran = run(&plan(tier(), "", &["ls", "/proc/1/root"]), Some(begun)).unwrap();
    drop(ran);
    assert_eq!(children(), [""; 0]);
}

#[test]
fn a_tier_that_is_not_to_be_had_is_refused_whatever_was_begun() {
    let _alone = alone();
    let begun = begun(Tier::T2, Processes::Own);
    let refused = run(&plan(Tier::T3, "", &["true"]), Some(begun)).err().unwrap();
    assert!(matches!(refused, Error::Lacks { tier: Tier::T3, .. }), "{refused}");
    assert_eq!(children(), [""; 0]);
}
