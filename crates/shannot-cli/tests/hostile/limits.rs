//! A box ends at its limits, says which, and the host goes on.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use shannot::policy::profile::Tier;

use crate::harness::*;

/// The kernel has no such limit for root, and in tier L none of a run. Somebody looks every 50 ms,
/// and the result says no more than that.
fn processes_are_supervised(column: Column) -> bool {
    column.tier == Tier::L || (column.by_root() && column.tier != Tier::T1)
}

fn processes_are_bounded(column: Column) {
    let ran =
        inside(column, &Profile::default().forks().limit("processes = 20"), &["fork-many", "200"]);
    if processes_are_supervised(column) {
        assert_eq!(ran.layer("process_limit"), "supervised");
        return;
    }
    assert_eq!(ran.layer("process_limit"), "enforced");
    let made: u32 = ran.report.facts.get("made").map_or(200, |n| n.parse().expect("a number"));
    assert!(made <= 20, "{made} processes were made");
}

/// Threads are processes to the kernel's tables, with a kernel stack each.
fn threads_are_bounded(column: Column) {
    let ran = inside(column, &Profile::default().limit("processes = 20"), &["thread-many", "2000"]);
    if processes_are_supervised(column) {
        assert_eq!(ran.limits_hit(), ["processes"], "{:#}", ran.json);
        return;
    }
    let made: u32 = ran.report.facts.get("made").map_or(0, |n| n.parse().expect("a number"));
    assert!(made <= 20, "{made} threads were made");
}

fn memory_is_bounded(column: Column) {
    let ran = inside(column, &Profile::default().limit("memory = \"64MiB\""), &["memory", "4096"]);
    let mib = ran.report.facts.get("mib").map_or(0, |n| n.parse::<u32>().expect("a number"));
    assert!(mib <= 64, "{mib} MiB were had: {:#}", ran.json);
    let refused = mib > 0;
    assert!(refused || ran.limits_hit() == ["memory"], "{:#}", ran.json);
}

/// The supervisor finds every process of the run, whichever thread made it.
fn memory_of_all_processes_is_counted(column: Column) {
    let profile = Profile::default().forks().limit("memory = \"128MiB\"");
    let ran = inside(column, &profile, &["memory-of-thread", "64"]);
    assert_eq!(ran.limits_hit(), ["memory"], "{:?}", ran.report);
}

fn cpu_time_is_bounded(column: Column) {
    for case in ["spin", "spin-on"] {
        let begun = Instant::now();
        let ran = inside(column, &Profile::default().limit("cpu = \"1s\""), &[case]);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(ran.limits_hit(), ["cpu"], "{case}: {}", ran.json["outcome"]);
    }
}

fn wall_clock_time_is_bounded(column: Column) {
    for words in [&["sleep-long"][..], &["sleep-long", "closed"]] {
        let begun = Instant::now();
        let ran = inside(column, &Profile::default().limit("wall = \"1s\""), words);
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        assert_eq!(ran.limits_hit(), ["wall"], "{:#}", ran.json);
    }
}

/// A caller says one byte and stays: whoever then waits for more must not be who holds the limits.
fn open_input_holds_up_no_limit(column: Column) {
    let begun = Instant::now();
    let probe = probe();
    let profile = Profile::default().limit("wall = \"1s\"");
    let mut command = shannot(column, &profile, &["--json"], &[word(&probe), "sleep-long"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("shannot starts");
    let mut input = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, b"x").expect("write");
    let ended = crate::host::eventually(6, || {
        // Its own result is not taken away by a look.
        fs::read_to_string(format!("/proc/{}/stat", child.id())).is_ok_and(|s| s.contains(") Z "))
    });
    drop(input);
    let ran = Ran::read(&child.wait_with_output().expect("its end"));
    assert!(ended, "it ended with its input, after {:?}", begun.elapsed());
    assert_eq!(ran.limits_hit(), ["wall"], "{:#}", ran.json);
}

fn open_files_are_bounded(column: Column) {
    let ran = inside(column, &Profile::default().limit("open_files = 100"), &["open-many"]);
    assert_eq!(ran.report.fact("made"), "97");
    let ran = inside(column, &Profile::default(), &["open-many"]);
    assert_eq!(ran.report.fact("made"), "997");
}

fn output_is_bounded(column: Column) {
    let ran = inside(column, &Profile::default().limit("output = \"1MiB\""), &["flood"]);
    assert_eq!(ran.limits_hit(), ["output"]);
    assert_eq!(ran.json["truncated"], true);
    assert_eq!(ran.json["stdout"].as_str().expect("text").len(), 1 << 20);
}

fn crashes_leave_nothing(column: Column) {
    let fixture = Fixture::new(column, "crash");
    for (case, signal) in [("crash", column.abort_signal()), ("recurse", 11)] {
        let ran = inside(column, &Profile::default(), &[case]);
        assert_eq!(ran.json["signal"], signal, "{:#}", ran.json);
    }
    assert!(fs::read_dir(&fixture.dir).expect("the directory").next().is_none());
    let dumps = fs::read_dir("/var/lib/systemd/coredump").into_iter().flatten().flatten();
    let ours = dumps.filter(|e| e.file_name().to_string_lossy().contains("probe-")).count();
    assert_eq!(ours, 0, "the host's core handler was started");
}

/// The kernel counts queued signals, and so timers, for each user and not for each process.
fn timers_of_the_user_are_left(column: Column) {
    let ran = inside(column, &Profile::default(), &["timers"]);
    let made: u32 = ran.report.fact("made").parse().expect("a number");
    assert!(made < 2000, "{made} timers of the user's share were taken");
}

fn scratch_is_bounded_and_private(column: Column) {
    if column.tier == Tier::L {
        println!(
            "tier L has no scratch: `scratch_is_no_place_for_programs` shows that nothing is written"
        );
        return;
    }
    let fixture = Fixture::new(column, "scratch");
    let dir = fixture.sub(column, "dir");
    fixture.file(column, "dir/host-file", "content");
    let before = seen(&dir);
    let profile = Profile::default().limit("scratch = \"8MiB\"");
    let profile = profile.path(&format!("scratch = [{:?}]", word(&dir)));
    let ran = refused(column, &profile, &["scratch", word(&dir)]);
    for worked in ["create", "mkdir", "rename", "unlink"] {
        assert_eq!(ran.report.fact(worked), "1", "{worked}");
    }
    assert_eq!(ran.report.fact("names_left"), "0", "the host's files are covered");
    let written: u64 = ran.report.fact("written").parse().expect("a number");
    assert!((1..=8 << 20).contains(&written), "{written}");
    assert_eq!(seen(&dir), before, "the host shows a change");
    let names: Vec<_> =
        fs::read_dir(&dir).expect("dir").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names, ["host-file"]);
}

in_every_column! {
    processes_have_a_limit => processes_are_bounded, in_every_tier;
    threads_have_a_limit => threads_are_bounded;
    memory_has_a_limit => memory_is_bounded, in_every_tier;
    memory_of_children_counts => memory_of_all_processes_is_counted;
    cpu_time_has_a_limit => cpu_time_is_bounded;
    wall_clock_time_has_a_limit => wall_clock_time_is_bounded;
    limits_hold_while_input_is_open => open_input_holds_up_no_limit;
    open_files_have_a_limit => open_files_are_bounded;
    output_has_a_limit => output_is_bounded;
    crashes_leave_no_core => crashes_leave_nothing;
    timers_have_a_limit => timers_of_the_user_are_left;
    scratch_has_a_limit => scratch_is_bounded_and_private;
}
