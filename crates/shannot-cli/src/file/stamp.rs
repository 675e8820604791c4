//! How files looked at a time, to find out whether any of them has changed since.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::system;

/// What is known of files and of those in directories without reading them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stamp(Vec<(PathBuf, Option<Look>)>);

/// How one file looks: every way to change it changes one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    length: u64,
    modified: Option<SystemTime>,
    /// The inode and the time of its last change, where there are such.
    identity: Option<(u64, i64, i64)>,
}

impl Stamp {
    /// Adds a file, whether it is there or not.
    pub(crate) fn add(&mut self, path: &Path) {
        let look = path.metadata().ok().map(|found| Look {
            length: found.len(),
            modified: found.modified().ok(),
            identity: system::identity(&found),
        });
        self.0.push((path.to_owned(), look));
    }

    /// Adds what is in a directory.
    pub(crate) fn add_dir(&mut self, dir: &Path) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort_unstable();
        paths.iter().for_each(|path| self.add(path));
    }
}
