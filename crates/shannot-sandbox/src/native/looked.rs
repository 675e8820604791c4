//! Where it was looked for what is hidden.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The directories whose changes could change what is hidden.
#[derive(Debug, Default)]
pub(super) struct Looked {
    directories: BTreeSet<PathBuf>,
    /// Whether more can change than what is told of them.
    pub(super) unseen: bool,
}

impl Looked {
    /// The directories, without links in their paths.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.directories.iter().map(|path| &**path)
    }

    /// Adds every directory through which a path leads, and those of the links on the way.
    pub(super) fn add(&mut self, path: &Path, is_distant: impl Fn(&Path) -> bool) {
        /// As many as the kernel follows, path_resolution(7).
        const MOST_LINKS: usize = 40;
        let mut rest = path.to_owned();
        for _ in 0..MOST_LINKS {
            let Some(next) = self.add_to_link(&rest, &is_distant) else { return };
            rest = next;
        }
    }

    /// The same up to the first link; what it leads to.
    fn add_to_link(&mut self, path: &Path, is_distant: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let mut at = PathBuf::from("/");
        let mut components = path.components();
        while let Some(component) = components.next() {
            match component {
                Component::ParentDir => {
                    at.pop();
                }
                Component::Normal(name) => {
                    if is_distant(&at) {
                        return None;
                    }
                    self.directories.insert(at.clone());
                    let next = at.join(name);
                    // Not through what could wait for somebody else's server.
                    match (!is_distant(&next)).then(|| std::fs::read_link(&next)) {
                        Some(Ok(target)) => {
                            return Some(at.join(target).join(components.as_path()));
                        }
                        Some(Err(_)) => at = next,
                        None => return None,
                    }
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_on_the_way_is_noted_and_those_of_links() {
        let dir = std::env::temp_dir().join(format!("shannot-looked-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("real/deep")).expect("a fixture");
        std::os::unix::fs::symlink("real/deep", dir.join("link")).expect("a link");
        std::os::unix::fs::symlink("link/../other", dir.join("up")).expect("a link");
        let noted = |path: &str| {
            let mut looked = Looked::default();
            looked.add(&dir.join(path), |_| false);
            let below = looked
                .directories
                .into_iter()
                .filter_map(|d| d.strip_prefix(&dir).map(Into::into).ok());
            below.collect::<Vec<PathBuf>>()
        };
        let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(noted("real/deep/key"), paths(&["", "real", "real/deep"]));
        assert_eq!(noted("link/key"), paths(&["", "real", "real/deep"]));
        assert_eq!(noted("up/key"), paths(&["", "real", "real/other"]));
        assert_eq!(noted("missing/key"), paths(&["", "missing"]));
        let mut looked = Looked::default();
        looked.add(&dir.join("real/deep/key"), |path| path.ends_with("real"));
        assert!(
            !looked.directories.contains(&dir.join("real")),
            "what may never answer is not walked into"
        );
        std::fs::remove_dir_all(&dir).expect("the fixture");
    }
}
