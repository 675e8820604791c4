//! The kernel's other doors are closed, and the machine is as it was.

use std::fs;
use std::path::Path;

use shannot::policy::profile::Tier;

use crate::harness::*;

fn doors_of_every_user_are_closed(column: Column) {
    for profile in [Profile::default(), Profile::host_view()] {
        let ran = refused(column, &profile, &["kernel", "/etc/passwd"]);
        let control = outside(column, &["kernel", "/etc/passwd"]);
        // Off by a setting or a missing option on many kernels.
        let off = |setting: &str| {
            fs::read_to_string(Path::new("/proc/sys").join(setting)).is_ok_and(|s| s.trim() != "0")
        };
        let mut except = vec!["modify_ldt", "landlock"];
        if off("kernel/io_uring_disabled") {
            except.push("io_uring_setup");
        }
        assert_control(&ran.report, &control, &except);
    }
}

fn the_machine_is_out_of_reach(column: Column) {
    let state = || {
        let files = ["/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/swaps"];
        files.map(|f| fs::read(f).unwrap_or_default())
    };
    let before = state();
    let ran = refused(column, &Profile::host_view(), &["machine", "/etc/passwd"]);
    assert_eq!(state(), before);
    if let Some(control) = outside_as_root(&["machine", "/etc/passwd"]) {
        assert_control(&ran.report, &control, &[]);
    }
}

fn unknown_and_foreign_calls_do_not_exist(column: Column) {
    let ran = inside(column, &Profile::host_view(), &["unknown-calls"]);
    assert_eq!(ran.report.fact("answered"), "0");
}

fn only_harmless_devices_open(column: Column) {
    let fixture = Fixture::new(column, "devices");
    let node = fixture.path("zero");
    let mut words = vec!["devices".to_owned()];
    if is_root() {
        // One that does no harm, and that only its place makes different from /dev/zero.
        let mut mknod = std::process::Command::new("mknod");
        mknod.args(["-m", "666", word(&node), "c", "1", "5"]);
        assert!(mknod.status().expect("mknod").success());
        words.push(word(&node).to_owned());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = if column.tier == Tier::L && is_root() {
        let ran = inside(column, &Profile::host_view(), &words);
        ran.report.assert_known_gap("a device node outside `/dev`");
        assert_eq!(ran.report.escaped, [format!("read {}", node.display())]);
        ran
    } else {
        refused(column, &Profile::host_view(), &words)
    };
    for name in ["null", "zero", "full", "random", "urandom"] {
        assert_eq!(ran.report.fact(&format!("/dev/{name}")), "open");
    }
}

in_every_column! {
    kernel_doors_are_closed => doors_of_every_user_are_closed, in_every_tier;
    the_machine_stays => the_machine_is_out_of_reach;
    foreign_calls_are_absent => unknown_and_foreign_calls_do_not_exist;
    devices_are_closed => only_harmless_devices_open, in_every_tier;
}
