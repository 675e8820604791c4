//! No process of the host's is signalled, traced, read, or held up.

use std::fs;

use crate::harness::*;
use crate::host::*;

/// A box that is told the pids of a host's process of the same user and of its own supervisor.
fn against_processes(column: Column, profile: &Profile, case: &[&str]) -> Report {
    let mut victim = Victim::sleeping(column);
    let pid = victim.pid();
    let note = Note::new(column);
    let probe = probe();
    let words: Vec<&str> = [word(&probe)]
        .into_iter()
        .chain(case.iter().copied())
        .chain([pid.as_str(), note.word()])
        .collect();
    let mut command = shannot_after(&note.lines(), column, profile, &["--json"], &words);
    let out = command.output().expect("shannot starts");
    let ran = Ran::read(&out);
    assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
    ran.report.assert_blocked();
    victim.assert_unharmed();
    ran.report
}

fn yama_restricts() -> bool {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|s| s.trim() != "0")
}

fn both_views() -> [Profile; 2] {
    [Profile::default(), Profile::host_view()]
}

fn signals_stay_in_the_box(column: Column) {
    for profile in both_views() {
        let report = against_processes(column, &profile, &["signals"]);
        let victims = [Victim::sleeping(column), Victim::sleeping(column)];
        let pids = victims.each_ref().map(Victim::pid);
        let control = outside(column, &["signals", &pids[0], &pids[1]]);
        assert_control(&report, &control, &[]);
    }
}

fn signals_to_everything_stay_in_the_box(column: Column) {
    for profile in both_views().into_iter().chain([Profile::default().forks()]) {
        let mut victim = Victim::sleeping(column);
        let ran = inside(column, &profile, &["signal-all"]);
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        victim.assert_unharmed();
    }
}

fn tracing_is_refused(column: Column) {
    let mut standing = Held::start(as_runner(column, probe()).arg("stand"));
    let pid = standing.child.id().to_string();
    refused(column, &Profile::host_view(), &["trace", &pid]);
    assert_eq!(standing.finish().fact("page"), "untouched");
    for profile in both_views() {
        let report = against_processes(column, &profile, &["trace"]);
        let mut victims = [(); 2].map(|()| Held::start(as_runner(column, probe()).arg("stand")));
        let pids = victims.each_ref().map(|v| v.child.id().to_string());
        let control = outside(column, &["trace", &pids[0], &pids[1]]);
        let yama = ["ptrace", "pidfd_getfd", "kcmp", "process_", "move_pages", "migrate_pages"];
        let mut except = if yama_restricts() { yama.to_vec() } else { Vec::new() };
        if !is_root() || !column.by_root() {
            // Not of another process without CAP_SYS_NICE, wherever.
            except.push("process_madvise");
        }
        assert_control(&report, &control, &except);
        if !yama_restricts() {
            assert!(victims[0].finish().fact("page").starts_with("touched"), "outside, it writes");
        }
    }
}

fn living_on_is_refused(column: Column) {
    let ran = refused(column, &Profile::default(), &["outlive"]);
    assert_control(&ran.report, &outside(column, &["outlive"]), &["fork"]);
}

/// A futex in a file is shared by everyone who can read the file. One that is requeued takes the
/// host's waiters away from the word that their waker knows: they sleep for ever.
fn futexes_of_the_host_keep_their_waiters(column: Column) {
    let fixture = Fixture::new(column, "futex");
    let file = fixture.file(column, "shared", &"\0".repeat(4096));
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("chmod");
    let attack = |requeue: &dyn Fn() -> Report| {
        let mut waiter = std::process::Command::new(probe());
        waiter.args(["futex-wait", word(&file)]).stdin(std::process::Stdio::null());
        let mut waiter = Victim::start(&mut waiter);
        let report = requeue();
        // Outside the box the file's owner wakes; as root, for the file may be the user's.
        let woke = run_as_root_or_self(&["futex-wake", word(&file)]);
        let ended = woke.fact("woke") == "1" && eventually_ended(&mut waiter);
        (report, ended)
    };
    let (report, woken) =
        attack(&|| inside(column, &Profile::default(), &["futex-requeue", word(&file)]).report);
    assert!(woken, "the host's waiter is lost: {report:?}");
    report.assert_blocked();
    let (_, woken) = attack(&|| outside(column, &["futex-requeue", word(&file)]));
    assert!(!woken, "outside, the waiter is taken away");
}

/// Who waits at a futex first is woken first. A wake for one, as `sem_post(3)` sends it, can go to
/// a box that may only read the file: `pthread_join(3)` needs the same call.
fn wakes_may_go_to_a_reader(column: Column) {
    let fixture = Fixture::new(column, "futex-steal");
    let file = fixture.file(column, "shared", &"\0".repeat(4096));
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("chmod");
    let probe = probe();
    let words = [word(&probe), "futex-steal", word(&file)];
    let mut thief = Held::start(&mut shannot(column, &Profile::default(), &[], &words));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut waiter = std::process::Command::new(&probe);
    waiter.args(["futex-wait", word(&file)]).stdin(std::process::Stdio::null());
    let mut waiter = Victim::start(&mut waiter);
    run_as_root_or_self(&["futex-wake", word(&file), "1"]);
    let woken = eventually_ended(&mut waiter);
    let report = thief.finish();
    let page = include_str!("../../../../SECURITY.md");
    assert!(page.contains("take a wake"), "SECURITY.md says so");
    assert!(!woken, "no gap by now: {report:?}");
}

fn run_as_root_or_self(words: &[&str]) -> Report {
    let out = std::process::Command::new(probe()).args(words).output().expect("the probe starts");
    Report::read(&String::from_utf8_lossy(&out.stdout))
}

fn eventually_ended(victim: &mut Victim) -> bool {
    (0..250).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        victim.0.try_wait().expect("wait").is_some()
    })
}

in_every_column! {
    signals_are_contained => signals_stay_in_the_box, in_every_tier;
    signals_to_all_are_contained => signals_to_everything_stay_in_the_box;
    tracing_is_closed => tracing_is_refused, in_every_tier;
    no_process_can_ask_to_live_on => living_on_is_refused;
    wakes_of_shared_futexes_are_a_known_gap => wakes_may_go_to_a_reader;
    host_futexes_keep_their_waiters => futexes_of_the_host_keep_their_waiters;
}
