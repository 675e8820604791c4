//! The mounts, the root and the namespaces of the box cannot be changed.

use shannot::policy::profile::Tier;

use crate::harness::*;

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

in_every_column! {
    flags_are_set => mounts_have_their_flags;
    mounts_stay => mounts_cannot_be_changed;
    namespaces_stay => namespaces_cannot_be_made_or_entered;
    newer_mount_listings_are_absent => mount_listing_falls_back;
}
