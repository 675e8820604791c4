//! The mounts, the root and the namespaces of the box cannot be changed.

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

in_every_column! {
    mounts_stay => mounts_cannot_be_changed;
    namespaces_stay => namespaces_cannot_be_made_or_entered;
    newer_mount_listings_are_absent => mount_listing_falls_back;
}
