//! No file of the host is made, changed, removed or locked.

use std::fs;
use std::process::Command;

use shannot::policy::profile::Tier;

use crate::harness::*;
use crate::host::*;

/// Directories that users write to on every host.
fn usual_directories(column: Column) -> Vec<String> {
    let home = if column.by_root() { "/root" } else { word(&user().home) };
    let all = ["/", "/etc", "/tmp", "/var/tmp", "/var/log", "/dev", "/dev/shm", "/run", home];
    all.into_iter().filter(|d| fs::metadata(d).is_ok()).map(str::to_owned).collect()
}

fn nothing_is_created_anywhere(column: Column) {
    let fixture = Fixture::new(column, "create");
    let open = fixture.sub(column, "open");
    let before = seen(&open);
    let usual = usual_directories(column);
    let words: Vec<&str> =
        ["create", word(&open)].into_iter().chain(usual.iter().map(String::as_str)).collect();
    refused(column, &Profile::default(), &words);
    assert_eq!(seen(&open), before, "the directory shows a change");

    let here = inside(column, &Profile::default(), &["create", word(&open)]);
    assert_control(&here.report, &outside(column, &["create", word(&open)]), &[]);
}

fn nothing_is_changed_by_path(column: Column) {
    let fixture = Fixture::new(column, "change");
    for name in ["victim", "other"] {
        fixture.file(column, name, "content");
    }
    fixture.sub(column, "sub");
    let observe = || ["victim", "other", "sub"].map(|name| seen(&fixture.path(name)));
    let before = observe();
    let words = ["change", word(&fixture.dir)];
    let ran = refused(column, &Profile::default(), &words);
    assert_eq!(observe(), before, "the host shows a change");
    assert_control(&ran.report, &outside(column, &words), &[]);
}

fn nothing_is_changed_on_a_submount(column: Column) {
    if !is_root() {
        println!("a mount below a fixture takes root");
        return;
    }
    let fixture = Fixture::new(column, "submount");
    let mount = fixture.sub(column, "mount");
    // In a mount namespace of its own, so that nothing can be left mounted.
    let run = |command: &Command, prepare: &str| {
        let script = format!(
            "mount -t tmpfs -o mode=0777 tmpfs {0} && cd {0} && mkdir sub && echo x > victim && \
             echo y > other && chmod 666 victim other && chmod 777 sub && {prepare} SHANNOT && \
             ls {0} >&2 && cat victim >&2",
            word(&mount)
        );
        among_own_mounts(&script, command).output().expect("unshare starts")
    };
    for words in [["change", word(&mount)], ["create", word(&mount)]] {
        let all: Vec<_> = [word(&probe())].into_iter().chain(words).map(str::to_owned).collect();
        let out = run(&shannot(column, &Profile::default(), &["--json"], &all), "");
        let ran = Ran::read(&out);
        ran.report.assert_blocked();
        assert_eq!(String::from_utf8_lossy(&out.stderr), "other\nsub\nvictim\nx\n");
        let mut control = Command::new(probe());
        control.args(words);
        let out = run(&control, "PROBE_CONTROL=1");
        let outside = Report::read(&String::from_utf8_lossy(&out.stdout));
        assert_control(&ran.report, &outside, &[]);
    }
}

fn locks_do_not_hold_up_the_host(column: Column) {
    let fixture = Fixture::new(column, "locks");
    let file = fixture.file(column, "locked", "content");
    let words = [word(&probe()).to_owned(), "hold-locks".into(), word(&file).to_owned()];
    // The kinds do not know of each other: `flock(2)`, and `fcntl(2)` with its OFD locks.
    let free = || {
        use rustix::fs::FlockOperation::NonBlockingLockExclusive;
        let open = || fs::File::options().read(true).write(true).open(&file).expect("the file");
        let flock = rustix::fs::flock(open(), NonBlockingLockExclusive).is_ok();
        let posix = rustix::fs::fcntl_lock(open(), NonBlockingLockExclusive).is_ok();
        (flock, posix)
    };
    let mut box_command = shannot(column, &Profile::default(), &[], &words);
    let mut held = Held::start(&mut box_command);
    assert_eq!(free(), (true, true), "the host waits for a lock of the box");
    let report = held.finish();
    assert_eq!(report.blocked.get("lease").map(String::as_str), Some("EPERM"), "{report:?}");
    let mut control = as_runner(column, probe());
    control.env("PROBE_CONTROL", "1").args(&words[1..]);
    let mut held = Held::start(&mut control);
    assert_eq!(free(), (false, false), "outside, the locks are really taken");
    held.finish();
}

fn leases_do_not_hold_up_the_host(column: Column) {
    let fixture = Fixture::new(column, "lease");
    let file = fixture.file(column, "leased", "content");
    // Who must not wait is told so at once.
    let free = || {
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        rustix::fs::open(&file, flags, rustix::fs::Mode::empty()).is_ok()
    };
    let words = [word(&probe()).to_owned(), "hold-lease".into(), word(&file).to_owned()];
    let mut held = Held::start(&mut shannot(column, &Profile::default(), &[], &words));
    assert!(free(), "the host waits for a lease of the box");
    let report = held.finish();
    report.assert_blocked();
    let mut control = as_runner(column, probe());
    let mut held = Held::start(control.env("PROBE_CONTROL", "1").args(&words[1..]));
    assert!(!free(), "outside, the lease is really taken");
    assert_control(&report, &held.finish(), &[]);
}

/// The kernel itself signals the owner of a descriptor, on behalf of who named the owner.
fn news_of_a_file_signal_nobody(column: Column) {
    let fixture = Fixture::new(column, "owner");
    let fifo = fixture.path("fifo");
    let made = Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    fs::set_permissions(&fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("chmod");
    let mut writer = fs::File::options().read(true).write(true).open(&fifo).expect("the fifo");
    let mut attack = |victim: &Victim, command: &dyn Fn(&[&str]) -> Command| {
        let (probe, pid) = (probe(), victim.pid());
        let mut held =
            Held::start(&mut command(&[word(&probe), "signal-owner", &pid, word(&fifo)]));
        std::io::Write::write_all(&mut writer, b"news").expect("write");
        std::thread::sleep(std::time::Duration::from_millis(100));
        held.finish()
    };
    let mut victim = Victim::sleeping(column);
    let report = attack(&victim, &|words| shannot(column, &Profile::host_view(), &[], words));
    report.assert_blocked();
    victim.assert_unharmed();
    let control = attack(&victim, &|words| {
        let mut command = as_runner(column, words[0]);
        command.env("PROBE_CONTROL", "1").args(&words[1..]);
        command
    });
    assert_control(&report, &control, &[]);
    assert!(victim.0.try_wait().expect("wait").is_some(), "outside, the signal comes");
}

fn no_watch_is_set(column: Column) {
    let fixture = Fixture::new(column, "watch");
    let ran = refused(column, &Profile::default(), &["notify", word(&fixture.dir)]);
    assert_control(&ran.report, &outside(column, &["notify", word(&fixture.dir)]), &[]);
}

fn nothing_is_written_to_a_fifo(column: Column) {
    let fixture = Fixture::new(column, "fifo");
    let fifo = fixture.path("fifo");
    assert!(
        Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status().expect("mkfifo").success()
    );
    fs::set_permissions(&fifo, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("chmod");
    // Open for both, so that neither side waits.
    let reader = fs::File::options().read(true).write(true).open(&fifo).expect("the fifo");
    let ran = refused(column, &Profile::default(), &["write-fifo", word(&fifo)]);
    assert_eq!(waiting_bytes(&reader), 0, "bytes came through");
    assert_control(&ran.report, &outside(column, &["write-fifo", word(&fifo)]), &[]);
    assert_ne!(waiting_bytes(&reader), 0);
}

/// A reader takes what a host's writer meant for another: no layer can hold this, for reading is
/// what a box is for. Only the kernel's own permissions stand before a FIFO.
fn a_fifo_that_is_closed_to_others_stays_closed(column: Column) {
    if column.tier != Tier::T1 {
        return;
    }
    let fixture = Fixture::new(column, "own-fifo");
    let fifo = fixture.path("fifo");
    assert!(
        Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status().expect("mkfifo").success()
    );
    let mut writer = fs::File::options().read(true).write(true).open(&fifo).expect("the fifo");
    std::io::Write::write_all(&mut writer, b"for another").expect("write");
    refused(column, &Profile::default(), &["read-fifo", word(&fifo)]);
    assert_eq!(waiting_bytes(&writer), 11, "the box took bytes");
}

fn waiting_bytes(fifo: &fs::File) -> u64 {
    rustix::io::ioctl_fionread(fifo).expect("FIONREAD")
}

in_every_column! {
    nothing_is_created => nothing_is_created_anywhere, in_every_tier;
    nothing_is_changed => nothing_is_changed_by_path;
    submounts_are_read_only_too => nothing_is_changed_on_a_submount;
    locks_are_not_taken => locks_do_not_hold_up_the_host;
    leases_are_not_taken => leases_do_not_hold_up_the_host;
    files_signal_nobody => news_of_a_file_signal_nobody;
    watches_are_refused => no_watch_is_set;
    fifos_take_nothing => nothing_is_written_to_a_fifo, in_every_tier;
    closed_fifos_keep_their_content => a_fifo_that_is_closed_to_others_stays_closed;
}
