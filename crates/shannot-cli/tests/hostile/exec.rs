//! One program is executed, and nothing after it; what is listed, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use shannot::policy::profile::Tier;

use crate::harness::*;

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

fn nothing_is_executed_again(column: Column) {
    let mut words = vec!["exec"];
    words.extend(Path::new(LOADER).exists().then_some(LOADER));
    let ran = refused(column, &Profile::host_view(), &words);
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
    assert_control(&ran.report, &outside(column, &words), &inside_only);
    // With processes of its own, it still executes nothing more.
    let ran = inside(column, &Profile::host_view().forks(), &words);
    assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
    let mut escaped = ran.report.escaped;
    escaped.retain(|what| !matches!(what.as_str(), "fork" | "vfork"));
    assert_eq!(escaped, [""; 0]);
}

fn scratch_holds_no_programs(column: Column) {
    if column.tier == Tier::L {
        return scratch_is_absent();
    }
    let fixture = Fixture::new(column, "exec-scratch");
    let dir = fixture.sub(column, "scratch");
    let scratch = |p: Profile| p.path(&format!("scratch = [{:?}]", word(&dir)));
    let words = ["exec-scratch", word(&dir)];
    // Where the profile lists programs, what lies in scratch is none of them.
    let mut listed = scratch(Profile::default());
    listed.command.push_str("spawns = [\"/bin/sh\"]\n");
    for profile in [scratch(Profile::default()), listed] {
        let mut ran = inside(column, &profile, &words);
        if column.tier == Tier::T3 {
            ran.report.assert_known_gap("In tier T3, a file of a scratch directory can be mapped");
            assert_eq!(ran.report.escaped, ["map a program"]);
            ran.report.escaped.clear();
        }
        ran.report.assert_blocked();
        assert_control(&ran.report, &outside(column, &words), &[]);
    }
}

/// Tier L has no mounts, so no scratch: nothing at all can be written.
fn scratch_is_absent() {
    let fixture = Fixture::new(Column::USER_L, "exec-scratch-l");
    let dir = fixture.sub(Column::USER_L, "scratch");
    let profile = Profile::default().path(&format!("scratch = [{:?}]", word(&dir)));
    refused(Column::USER_L, &profile, &["create", word(&dir)]);
}

fn only_listed_programs_are_executed(column: Column) {
    let fixture = Fixture::new(column, "listed");
    for name in ["listed", "unlisted"] {
        copy_program(&probe(), &fixture.path(name), "755");
    }
    let [listed, unlisted] = ["listed", "unlisted"].map(|n| fixture.path(n));
    let mut profile = Profile::default();
    profile.command.push_str(&format!("spawns = [{:?}]\n", word(&listed)));
    let words = ["exec-listed", word(&listed), word(&unlisted), "/bin/true", "/proc/self/exe"];
    let ran = refused(column, &profile, &words);
    assert_eq!(ran.report.fact("exec-0"), "ran");
    assert_eq!(ran.report.fact("exec-1"), "EACCES");
    assert_eq!(ran.report.fact("exec-2"), "EACCES");
    let outside = outside(column, &words);
    assert_eq!((outside.fact("exec-1"), outside.fact("exec-2")), ("ran", "ran"));
}

/// A loader is a program that runs any file it can read: in the same box, and that is all.
fn a_loader_stays_in_the_box(column: Column) {
    if !Path::new(LOADER).exists() {
        println!("this host has no {LOADER}");
        return;
    }
    let fixture = Fixture::new(column, "loader");
    let file = fixture.file(column, "file", "content");
    let mut listed = Profile::host_view();
    listed.command.push_str(&format!("spawns = [{LOADER:?}]\n"));
    for profile in [Profile::default(), listed] {
        let run = |words: &[&str]| {
            let words = [&[LOADER], words, &[word(&file)]].concat();
            let out = shannot(column, &profile, &["--json"], &words).output();
            Ran::read(&out.expect("shannot starts")).json
        };
        assert_eq!(run(&["/usr/bin/cat"])["stdout"], "content", "it loads programs");
        let before = seen(&file);
        assert_eq!(run(&["/usr/bin/truncate", "--size", "0"])["exit_code"], 1);
        assert_eq!(seen(&file), before);
        // Nor does the loaded program start one.
        let json = run(&["/usr/bin/env", "/usr/bin/cat"]);
        assert_eq!((&json["exit_code"], &json["stdout"]), (&126.into(), &"".into()), "{json:#}");
    }
    let mut control = as_runner(column, LOADER);
    control.args(["/usr/bin/truncate", "--size", "0", word(&file)]);
    assert!(control.status().expect("the loader").success());
    assert_eq!(fs::read(&file).expect("the file"), b"", "outside, it is changed");
}

fn set_uid_programs_gain_nothing(column: Column) {
    if !is_root() {
        println!("a set-uid program takes root to make");
        return;
    }
    let fixture = Fixture::new(column, "setuid");
    let copy = fixture.path("copy");
    copy_program(&probe(), &copy, "755");
    // Somebody else's, who is root where the caller is not.
    let owner = if column.by_root() { user().uid } else { 0 };
    std::os::unix::fs::chown(&copy, Some(owner), None).expect("chown");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).expect("chmod");
    let all = [word(&copy), "identity"];
    for profile in [Profile::default(), Profile::host_view().forks()] {
        let out = shannot(column, &profile, &["--json"], &all).output().expect("shannot starts");
        let ran = Ran::read(&out);
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        ran.report.assert_blocked();
        let uids = ran.report.fact("uids").to_owned();
        let (first, rest) = uids.split_once(' ').expect("three");
        assert!(first != owner.to_string() && rest == format!("{first} {first}"), "{uids}");
    }
    let mut user = as_runner(column, &copy);
    let out = user.arg("identity").env("PROBE_CONTROL", "1").output().expect("the probe starts");
    let outside = Report::read(&String::from_utf8_lossy(&out.stdout));
    assert!(
        outside.fact("uids").ends_with(&format!(" {owner} {owner}")),
        "outside, it gains: {outside:?}"
    );
}

in_every_column! {
    exec_is_once => nothing_is_executed_again, in_every_tier;
    scratch_is_no_place_for_programs => scratch_holds_no_programs;
    exec_is_listed => only_listed_programs_are_executed, in_every_tier;
    loaders_gain_nothing => a_loader_stays_in_the_box;
    set_uid_gains_nothing => set_uid_programs_gain_nothing;
}
