//! Reads that take away what they read: they change what another reader sees.

use std::fs;
use std::path::PathBuf;

use crate::harness::*;

/// A trace of the kernel's of this test's own, gone with the value.
struct Trace(PathBuf);

impl Trace {
    fn new(column: Column) -> Option<Self> {
        let instances = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
            .map(|tracing| PathBuf::from(tracing).join("instances"));
        let instances = instances.into_iter().find(|dir| dir.is_dir())?;
        let dir = instances.join(format!("shannot-{}-{}", column.name(), std::process::id()));
        fs::create_dir(&dir).ok()?;
        Some(Self(dir))
    }

    fn file(&self, name: &str) -> String {
        word(&self.0.join(name)).to_owned()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).expect("the trace is removed");
    }
}

fn nothing_is_taken_from_a_trace(column: Column) {
    let Some(trace) = Trace::new(column) else {
        println!("no trace can be made here");
        return;
    };
    fs::write(trace.file("trace_marker"), "for another").expect("the marker");
    let own = trace.file("trace_pipe");
    // The machine's own, which may be empty: there it is enough that none of them opens.
    let all = trace.0.ancestors().nth(2).expect("the file system").to_owned();
    let shared = ["trace_pipe", "per_cpu/cpu0/trace_pipe", "per_cpu/cpu0/trace_pipe_raw"]
        .map(|name| word(&all.join(name)).to_owned());
    for profile in [Profile::default(), Profile::host_view()] {
        let ran =
            refused(column, &profile, &["read-each", &own, &shared[0], &shared[1], &shared[2]]);
        let answers: Vec<_> = ran.report.blocked.values().collect();
        assert!(answers.iter().all(|a| ["EACCES", "ENOENT"].contains(&a.as_str())), "{answers:?}");
    }
    let control = outside_as_root(&["read-each", &own]).expect("who made the trace is root");
    assert_eq!(control.escaped.len(), 1, "outside, it is read: {control:?}");
}

fn nothing_is_taken_from_the_kernels_log(column: Column) {
    let words = ["read-each", "/proc/kmsg"];
    for profile in [Profile::default(), Profile::host_view()] {
        let ran = refused(column, &profile, &words);
        let answer = &ran.report.blocked["read /proc/kmsg"];
        // Not for want of a line: it does not open.
        assert!(answer == "EACCES" || answer == "EPERM" || answer == "ENOENT", "{answer}");
    }
    if is_root() {
        fs::File::open("/proc/kmsg").expect("outside, root opens it");
    }
}

in_every_column! {
    traces_keep_their_lines => nothing_is_taken_from_a_trace;
    the_kernels_log_keeps_its_lines => nothing_is_taken_from_the_kernels_log;
}
