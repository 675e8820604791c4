//! No mode, owner, time, attribute or flag changes, of files that the runner owns.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::harness::*;

fn attributes(path: &std::path::Path) -> Vec<u8> {
    let mut all = Command::new("getfattr");
    let mut seen = all.arg("-d").arg(path).output().map(|o| o.stdout).unwrap_or_default();
    let flags = Command::new("lsattr").arg(path).output().map(|o| o.stdout).unwrap_or_default();
    seen.extend(flags);
    seen
}

fn no_metadata_changes(tier: Tier) {
    let fixture = Fixture::new(tier, "metadata");
    let file = fixture.file(tier, "victim", "content");
    let before = (seen(&file), attributes(&file));
    let ran = inside(tier, &Profile::default(), &["metadata", word(&file)]);
    ran.report.assert_blocked();
    assert_eq!((seen(&file), attributes(&file)), before, "the host shows a change");
    let control = outside(tier, &["metadata", word(&file)]);
    assert_control(&ran.report, &control, &["chmod by x32"]);
}

/// The mounts of T1 and T2 are read-only, so a read leaves no trace; in L the host's own mounts
/// decide, which is a published difference (`atime`).
fn reading_leaves_no_access_time(tier: Tier) {
    let fixture = Fixture::new(tier, "atime");
    let file = fixture.file(tier, "read", "content");
    let touched = Command::new("touch").args(["-a", "-d", "2001-01-01"]).arg(&file).status();
    assert!(touched.expect("touch").success());
    let atime = || fs::metadata(&file).expect("stat").atime();
    let before = atime();
    let ran = inside(tier, &Profile::default(), &["read", word(&file)]);
    assert_eq!(ran.report.fact("read"), "7");
    if tier != Tier::L {
        assert_eq!(atime(), before);
        outside(tier, &["read", word(&file)]);
        assert_ne!(atime(), before, "a read outside updates it");
    }
}

in_every_tier! {
    metadata_stays => no_metadata_changes;
    access_times_stay => reading_leaves_no_access_time;
}
