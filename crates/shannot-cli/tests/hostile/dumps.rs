//! The host's core handler: a program that the kernel starts as root for a process that crashes,
//! with that process's memory for its input. `core(5)`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::*;
use crate::host::*;

const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// The machine's one setting, changed. It is put back when this is dropped or when this process
/// ends in whatever way: by another, which waits for that.
struct Handler {
    keeper: Child,
    _lock: fs::File,
}

impl Handler {
    /// Has a program started for each crash on this machine.
    fn install(handler: &Path) -> Self {
        let lock = fs::File::create(place().join("core-pattern.lock")).expect("a lock file");
        lock.lock().expect("the lock");
        let before = fs::read_to_string(PATTERN).expect("the setting");
        let mut keeper = Command::new("setsid");
        keeper.args(["bash", "-c", "read -r; printf %s \"$1\" >\"$2\"", "keeper"]);
        keeper.args([before.trim_end(), PATTERN]).stdin(Stdio::piped());
        let keeper = keeper.spawn().expect("a keeper");
        // %E: the path of the program that crashed.
        fs::write(PATTERN, format!("|{} %E", word(handler))).expect("the setting");
        Self { keeper, _lock: lock }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("the setting is put back");
    }
}

/// A handler that notes of which program each crash was, where nobody but root writes.
fn handler(fixture: &Fixture) -> (PathBuf, PathBuf) {
    let (handler, log) = (fixture.path("handler"), fixture.path("crashes"));
    let script = format!("#!/bin/sh\necho \"$1\" >>{}\n", word(&log));
    install(&handler, script.as_bytes(), 0o755);
    fs::write(&log, "").expect("the log");
    (handler, log)
}

fn no_handler_is_started(column: Column) {
    if !is_root() {
        println!("the core handler is root's to set");
        return;
    }
    let fixture = Fixture::new(column, "core");
    let (handler, log) = handler(&fixture);
    // A program of this test's own, for others crash too.
    let program = fixture.path("crashing");
    copy_program(&probe(), &program, "755");
    // The kernel writes the path with `!` for each slash.
    let noted = || fs::read_to_string(&log).expect("the log").contains("!crashing");
    let installed = Handler::install(&handler);
    for case in ["crash", "crash-undumped"] {
        for profile in [Profile::default(), Profile::host_view().forks()] {
            let command = shannot(column, &profile, &["--json"], &[word(&program), case]);
            let ran = Ran::read(&{ command }.output().expect("shannot starts"));
            assert_eq!(ran.json["signal"], column.abort_signal(), "{:#}", ran.json);
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    let inside = noted();
    let mut control = as_runner(column, &program);
    control.arg("crash-undumped").stdin(Stdio::null()).status().expect("it starts");
    let outside = eventually(5, noted);
    drop(installed);
    assert!(!inside, "the host's core handler was started");
    assert!(outside, "outside, it is started, by a limit of 0 even");
}

in_every_column! {
    core_handlers_are_not_started => no_handler_is_started;
}
