//! The mount table of a process, `proc_pid_mountinfo(5)`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::{mountinfo, proc};

/// One line of `/proc/<pid>/mountinfo`, `proc_pid_mountinfo(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountEntry {
    /// Its number, which no other mount has as long as it is mounted.
    pub(crate) id: u64,
    /// The file system, as its device number.
    pub(crate) device: String,
    /// Which directory of its file system is mounted.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) mount_point: PathBuf,
    /// Options of this mount.
    pub(crate) options: String,
    /// The file system's type.
    pub(crate) fstype: String,
    /// Options of the file system (not of the mount).
    pub(crate) super_options: String,
}

/// Reads the table of a process.
pub(crate) fn read(path: &str) -> io::Result<Vec<MountEntry>> {
    proc::read(path).map(|text| parse_mountinfo(&text))
}

/// Reads a mount table; a line that is not as the kernel writes it is passed over.
fn parse_mountinfo(text: &[u8]) -> Vec<MountEntry> {
    let owned = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    mountinfo::entries(text)
        .map(|entry| MountEntry {
            id: entry.id,
            device: owned(entry.device),
            root: path(entry.root),
            mount_point: path(entry.point),
            options: owned(entry.options),
            fstype: owned(entry.fstype),
            super_options: owned(entry.super_options),
        })
        .collect()
}

impl MountEntry {
    /// Whether the mount has an option such as `ro`.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|own| own == option)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_line_with_optional_fields_and_escapes_is_read() {
        let line = b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n";
        let want = MountEntry {
            id: 36,
            device: "98:0".into(),
            root: "/mnt1".into(),
            mount_point: "/mnt 2".into(),
            options: "rw,noatime".into(),
            fstype: "ext3".into(),
            super_options: "rw,errors=continue".into(),
        };
        assert_eq!(parse_mountinfo(line), [want]);
    }

    #[test]
    fn broken_mountinfo_lines_are_passed_over() {
        assert_eq!(parse_mountinfo(b"\n36 35\n36 35 98:0 / /x rw - ext4\n"), []);
    }
}
