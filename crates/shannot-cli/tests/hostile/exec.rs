//! One program is executed, and nothing after it; what is listed, and nothing else.

use std::path::Path;

use crate::harness::*;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn nothing_is_executed_again(tier: Tier) {
    let mut words = vec!["exec"];
    words.extend(Path::new(LOADER).exists().then_some(LOADER));
    let ran = refused(tier, &Profile::host_view(), &words);
    let inside_only = [
        "raise",
        "descriptor",
        "execveat 1000",
        "random",
        "execve by",
        "execveat by",
        "fork",
        "vfork",
        "memfd_secret",
    ];
    assert_control(&ran.report, &outside(tier, &words), &inside_only);
    // With processes of its own, it still executes nothing more.
    let ran = inside(tier, &Profile::host_view().forks(), &words);
    assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
    let mut escaped = ran.report.escaped;
    escaped.retain(|what| !matches!(what.as_str(), "fork" | "vfork"));
    assert_eq!(escaped, [""; 0]);
}

fn scratch_holds_no_programs(tier: Tier) {
    if tier == Tier::L {
        return scratch_is_absent();
    }
    let fixture = Fixture::new(tier, "exec-scratch");
    let dir = fixture.sub(tier, "scratch");
    let scratch = |p: Profile| p.path(&format!("scratch = [{:?}]", word(&dir)));
    let words = ["exec-scratch", word(&dir)];
    let ran = refused(tier, &scratch(Profile::default()), &words);
    assert_control(&ran.report, &outside(tier, &words), &[]);
    // Where the profile lists programs, what lies in scratch is none of them.
    let mut listed = scratch(Profile::default());
    listed.command.push_str("spawns = [\"/bin/sh\"]\n");
    let ran = refused(tier, &listed, &words);
    assert_control(&ran.report, &outside(tier, &words), &[]);
}

/// Tier L has no mounts, so no scratch: nothing at all can be written.
fn scratch_is_absent() {
    let fixture = Fixture::new(Tier::L, "exec-scratch-l");
    let dir = fixture.sub(Tier::L, "scratch");
    let profile = Profile::default().path(&format!("scratch = [{:?}]", word(&dir)));
    refused(Tier::L, &profile, &["create", word(&dir)]);
}

fn only_listed_programs_are_executed(tier: Tier) {
    let fixture = Fixture::new(tier, "listed");
    for name in ["listed", "unlisted"] {
        copy_program(&probe(), &fixture.path(name), "755");
    }
    let [listed, unlisted] = ["listed", "unlisted"].map(|n| fixture.path(n));
    let mut profile = Profile::default();
    profile.command.push_str(&format!("spawns = [{:?}]\n", word(&listed)));
    let words = ["exec-listed", word(&listed), word(&unlisted), "/bin/true", "/proc/self/exe"];
    let ran = refused(tier, &profile, &words);
    assert_eq!(ran.report.fact("exec-0"), "ran");
    assert_eq!(ran.report.fact("exec-1"), "EACCES");
    assert_eq!(ran.report.fact("exec-2"), "EACCES");
    let outside = outside(tier, &words);
    assert_eq!((outside.fact("exec-1"), outside.fact("exec-2")), ("ran", "ran"));
}

fn set_uid_programs_gain_nothing(tier: Tier) {
    if !is_root() {
        println!("a set-uid program takes root to make");
        return;
    }
    let fixture = Fixture::new(tier, "setuid");
    let copy = fixture.path("copy");
    copy_program(&probe(), &copy, "4755");
    let all = [word(&copy), "identity"];
    for profile in [Profile::default(), Profile::host_view().forks()] {
        let out = shannot(tier, &profile, &["--json"], &all).output().expect("shannot starts");
        let ran = Ran::read(&out);
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        ran.report.assert_blocked();
        let uids = ran.report.fact("uids").to_owned();
        let (first, rest) = uids.split_once(' ').expect("three");
        assert!(first != "0" && rest == format!("{first} {first}"), "{uids}");
    }
    let mut user = as_runner(Tier::L, &copy);
    let out = user.arg("identity").env("PROBE_CONTROL", "1").output().expect("the probe starts");
    let outside = Report::read(&String::from_utf8_lossy(&out.stdout));
    assert!(outside.fact("uids").ends_with(" 0 0"), "outside, it gains: {outside:?}");
}

in_every_tier! {
    exec_is_once => nothing_is_executed_again;
    scratch_is_no_place_for_programs => scratch_holds_no_programs;
    exec_is_listed => only_listed_programs_are_executed;
    set_uid_gains_nothing => set_uid_programs_gain_nothing;
}
