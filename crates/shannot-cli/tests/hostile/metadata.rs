//! No mode, owner, time, attribute or flag changes, of files that the runner owns.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use shannot::policy::profile::Tier;

use crate::harness::*;

fn attributes(path: &std::path::Path) -> Vec<u8> {
    let mut all = Command::new("getfattr");
    let mut seen = all.arg("-d").arg(path).output().map(|o| o.stdout).unwrap_or_default();
    let flags = Command::new("lsattr").arg(path).output().map(|o| o.stdout).unwrap_or_default();
    seen.extend(flags);
    seen
}

fn no_metadata_changes(column: Column) {
    let fixture = Fixture::new(column, "metadata");
    let file = fixture.file(column, "victim", "content");
    let before = (seen(&file), attributes(&file));
    let ran = refused(column, &Profile::default(), &["metadata", word(&file)]);
    assert_eq!((seen(&file), attributes(&file)), before, "the host shows a change");
    let control = outside(column, &["metadata", word(&file)]);
    assert_control(&ran.report, &control, &["chmod by x32"]);
}

/// The mounts of T1 and T2 are read-only, so a read leaves no trace; in L the host's own mounts
/// decide, which is a published difference (`atime`).
fn reading_leaves_no_access_time(column: Column) {
    let fixture = Fixture::new(column, "atime");
    let file = fixture.file(column, "read", "content");
    let touched = Command::new("touch").args(["-a", "-d", "2001-01-01"]).arg(&file).status();
    assert!(touched.expect("touch").success());
    let atime = || fs::metadata(&file).expect("stat").atime();
    let before = atime();
    let ran = inside(column, &Profile::default(), &["read", word(&file)]);
    assert_eq!(ran.report.fact("read"), "7");
    if column.tier != Tier::L {
        assert_eq!(atime(), before);
        outside(column, &["read", word(&file)]);
        assert_ne!(atime(), before, "a read outside updates it");
    }
}

in_every_column! {
    metadata_stays => no_metadata_changes, in_every_tier;
    access_times_stay => reading_leaves_no_access_time;
}
