//! The mounts, the root and the namespaces of the box cannot be changed.

use std::path::Path;
use std::process::Command;

use shannot::policy::profile::Tier;

use crate::harness::*;
use crate::host::*;

fn mounts_cannot_be_changed(column: Column) {
    let fixture = Fixture::new(column, "mounts");
    let before = std::fs::read("/proc/self/mountinfo").expect("mountinfo");
    let ran = refused(column, &Profile::default(), &["mounts", word(&fixture.dir)]);
    assert_eq!(std::fs::read("/proc/self/mountinfo").expect("mountinfo"), before);
    if let Some(control) = outside_as_root(&["mounts", word(&fixture.dir)]) {
        assert_control(&ran.report, &control, &[]);
    }
}

fn namespaces_cannot_be_made_or_entered(column: Column) {
    for profile in [Profile::default(), Profile::host_view(), Profile::default().forks()] {
        let mut ran = inside(column, &profile, &["namespaces"]);
        // A plain child is what `forks` lets be.
        ran.report.assert_blocked();
        let expected = Some("ENOSYS");
        for call in ["clone3", "clone3 user"] {
            assert_eq!(ran.report.blocked.remove(call).as_deref(), expected, "libc falls back");
        }
        let control = if user_namespaces() { Some(outside(column, &["namespaces"])) } else { None };
        if let Some(control) = control {
            assert_control(&ran.report, &control, &[]);
        }
    }
}

/// Both would show the box's own read-only mounts; tools then read the host's mountinfo.
fn mount_listing_falls_back(column: Column) {
    let ran = refused(column, &Profile::host_view(), &["mount-info"]);
    assert!(ran.report.blocked.values().all(|e| e == "ENOSYS"), "{:?}", ran.report);
}

/// Other layers hold too where a flag is missing, so they are looked at one by one.
fn mounts_have_their_flags(column: Column) {
    if column.tier == Tier::L {
        // It has no mounts of its own.
        return;
    }
    let fixture = Fixture::new(column, "flags");
    let [scratch, hidden] = ["scratch", "hidden"].map(|name| fixture.sub(column, name));
    let file = fixture.file(column, "file", "secret");
    let profile = Profile::default()
        .path(&format!("scratch = [{:?}]", word(&scratch)))
        .path(&format!("hide = [{:?}, {:?}]", word(&hidden), word(&file)));
    let tree = ["/", "/etc", "/sys", word(&fixture.dir), "/proc"];
    let words =
        ["mount-flags"].into_iter().chain(tree).chain([&hidden, &file, &scratch].map(|p| word(p)));
    let words: Vec<_> = words.collect();
    let report = inside(column, &profile, &words).report;
    assert_eq!(report.errors, [""; 0]);
    for (at, path) in words.iter().skip(1).enumerate() {
        let flags: Vec<_> = report.fact(&format!("flags-{at}")).split(' ').collect();
        let is_scratch = *path == word(&scratch);
        assert_eq!(flags[0], if is_scratch { "rw" } else { "ro" }, "{path}");
        // bwrap covers a file with the null device, whose mount needs none of these.
        let is_null = column.tier == Tier::T3 && *path == word(&file);
        assert!(flags.contains(&"nosuid"), "{path}: {flags:?}");
        assert!(is_null || flags.contains(&"nodev"), "{path}: {flags:?}");
        let own = is_scratch || *path == "/proc";
        assert!(!own || column.tier == Tier::T3 || flags.contains(&"noexec"), "{path}: {flags:?}");
    }
    assert!(outside(column, &words).fact("flags-0").starts_with("rw"), "outside, / is writable");
}

/// A mount that follows the host's would bring in, unseen and with the host's flags, what the host
/// mounts while a box runs.
fn later_mounts_stay_out(column: Column) {
    if column.tier == Tier::L {
        // It lives among the host's mounts.
        return;
    }
    if !is_root() {
        println!("a mount takes root");
        return;
    }
    let fixture = Fixture::new(column, "later");
    let shared = fixture.sub(column, "shared");
    let below = fixture.sub(column, "shared/below");
    let file = below.join("file");
    let held = |command: &Command| {
        let script = format!(
            "mount --bind {0} {0} && mount --make-shared {0} && exec SHANNOT",
            word(&shared)
        );
        let mut held = Held::start(&mut among_own_mounts(&script, command));
        mount_beside(held.child.id(), &below, &file);
        held.finish()
    };
    let probe = probe();
    let words = [word(&probe), "mounted-later", word(&file)];
    let mut report = held(&shannot(column, &Profile::default(), &[], &words));
    if column.tier == Tier::T3 {
        report.assert_known_gap("mounts while a box of tier T3 runs");
        let read = format!("read {}", word(&file));
        assert_eq!(std::mem::take(&mut report.escaped), [read], "Landlock refuses the rest");
        let ran = inside(column, &Profile::default(), &["status"]);
        assert_eq!(ran.layer("mount_points"), "not_enforced");
    }
    report.assert_blocked();
    let mut control = as_runner(column, &probe);
    control.args(&words[1..]);
    assert_eq!(held(&control).escaped.len(), 4, "outside, it comes");
}

/// Mounts a file system with one file that everyone may change, where a process sees it.
fn mount_beside(pid: u32, at: &Path, file: &Path) {
    let mut command = Command::new("nsenter");
    let script = "mount -t tmpfs -o mode=777 shannot-later \"$1\" && echo content > \"$2\" && chmod 666 \"$2\"";
    command.args(["--mount", "--target", &pid.to_string(), "sh", "-c", script, "sh"]);
    let mounted = command.args([at, file]).status().expect("nsenter starts");
    assert!(mounted.success());
}

in_every_column! {
    host_mounts_stay_out => later_mounts_stay_out;
    flags_are_set => mounts_have_their_flags, in_every_tier;
    mounts_stay => mounts_cannot_be_changed;
    namespaces_stay => namespaces_cannot_be_made_or_entered, in_every_tier;
    newer_mount_listings_are_absent => mount_listing_falls_back;
}
