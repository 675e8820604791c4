//! A socket for a stream: descriptors can travel in messages, SCM_RIGHTS, in either direction.

use std::fs;
use std::process::Command;

use crate::harness::*;
use crate::host::*;

fn no_descriptor_passes(column: Column) {
    let fixture = Fixture::new(column, "smuggle");
    let log = fixture.file(column, "log", "");
    let file = fixture.file(column, "file", "content");
    let probe = probe();
    // The command's stdin and stderr are one socket, in which a descriptor waits.
    let beside = |command: &Command| {
        let mut all = as_runner(column, &probe);
        all.arg("with-socket").args([&log, &file]);
        all.arg(command.get_program()).args(command.get_args());
        all.env("PROBE_CONTROL", "1");
        all
    };
    let logged = || fs::read_to_string(&log).expect("the log");
    for profile in [Profile::default(), Profile::host_view(), Profile::default().forks()] {
        let words = [word(&probe), "pass-descriptors"];
        // The runner's own words would change the user a second time.
        let mut command = Command::new("env");
        let shannot = shannot(column, &profile, &["--json"], &words);
        let own = shannot.get_args().skip_while(|a| *a != "run");
        command.arg(client(column)).args(own);
        let ran = Ran::read(&beside(&command).output().expect("it starts"));
        ran.assert_tier(column);
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        ran.report.assert_blocked();
        assert!(!eventually(0, || !logged().is_empty()), "a descriptor came out of the box");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "content");
        let mut control = Command::new(&probe);
        control.arg("pass-descriptors");
        let out = beside(&control).output().expect("it starts");
        let outside = Report::read(&String::from_utf8_lossy(&out.stdout));
        assert_control(&ran.report, &outside, &["send one by netlink"]);
        assert!(eventually(2, || logged().lines().count() == 2), "outside, two come out");
        assert_eq!(fs::read_to_string(&file).expect("the file"), "contentx");
        fs::write(&log, "").expect("the log");
        fs::write(&file, "content").expect("the file");
    }
}

in_every_column! {
    descriptors_do_not_travel => no_descriptor_passes, in_every_tier;
}
