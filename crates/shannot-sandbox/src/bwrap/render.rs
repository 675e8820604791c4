//! A plan as a command line of bubblewrap: a pure function of the plan and of what is hidden on the
//! host.
//!
//! What the command line cannot say is left to whoever it starts: Landlock, the exact filter, the
//! limits, the host's mount table.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use shannot_policy::plan::{Mount, Namespace, Outline};
use shannot_policy::types::AbsPath;

use super::program::Version;

/// What covers a hidden path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    /// An empty directory.
    Directory,
    /// The null device, which cannot be opened there.
    File,
}

/// `--perms` came with this version: before it, hidden directories have mode 755.
const PERMS: Version = Version(0, 5);
/// `--size` came with this version.
pub(crate) const SIZE: Version = Version(0, 7);

/// The words that make a box, without `bwrap` before them and the command after them.
pub(crate) fn words<'h>(
    outline: &Outline,
    mounts: &[Mount],
    hidden: impl Iterator<Item = (&'h Path, Cover)> + Clone,
    version: Version,
) -> Vec<OsString> {
    let mut words = Words(Vec::new());
    words.add(["--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    for namespace in &outline.namespaces {
        words.0.extend(unshare(*namespace).map(Into::into));
    }
    words.add(["--ro-bind", "/", "/"]);
    for mount in outline.mounts().iter().chain(mounts) {
        match mount {
            // Bound above, with all that is mounted below it.
            Mount::ReadOnlyTree => {}
            Mount::Device(path) => words.add([os("--dev-bind-try"), of(path), of(path)]),
            Mount::OwnProc => words.add(["--proc", "/proc", "--remount-ro", "/proc"]),
            Mount::Hides => {
                for (path, cover) in hidden.clone() {
                    words.cover(path, cover, version);
                }
            }
            Mount::Scratch(path, size) => {
                if version >= PERMS {
                    words.add(["--perms", "1777"]);
                }
                if version >= SIZE {
                    words.add([os("--size"), os(&size.0.to_string())]);
                }
                words.add([os("--tmpfs"), of(path)]);
            }
            // It belongs to one process, which is not there yet.
            Mount::HostMountTable => {}
        }
    }
    words.0
}

fn unshare(namespace: Namespace) -> Option<&'static str> {
    match namespace {
        Namespace::Cgroup => Some("--unshare-cgroup"),
        Namespace::Ipc => Some("--unshare-ipc"),
        // It always has one.
        Namespace::Mount => None,
        Namespace::Network => Some("--unshare-net"),
        Namespace::Pid => Some("--unshare-pid"),
        Namespace::User => Some("--unshare-user"),
        Namespace::Uts => Some("--unshare-uts"),
    }
}

fn os(word: &str) -> OsString {
    OsString::from(word)
}

fn of(path: &AbsPath) -> OsString {
    OsString::from_vec(path.as_bytes().to_vec())
}

struct Words(Vec<OsString>);

impl Words {
    fn add<const N: usize>(&mut self, words: [impl Into<OsString>; N]) {
        self.0.extend(words.map(Into::into));
    }

    fn cover(&mut self, path: &Path, cover: Cover, version: Version) {
        match cover {
            Cover::File => self.add(["--ro-bind".as_ref(), "/dev/null".as_ref(), path.as_os_str()]),
            Cover::Directory => {
                if version >= PERMS {
                    self.add(["--perms", "0000"]);
                }
                self.add(["--tmpfs".as_ref(), path.as_os_str()]);
                self.add(["--remount-ro".as_ref(), path.as_os_str()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shannot_policy::profile::{Network, Processes, Tier, View};
    use shannot_policy::types::ByteSize;

    use super::*;

    fn line(version: Version) -> String {
        let view = View { processes: Processes::Own, network: Network::None };
        let outline = Outline::new(Tier::T3, view, false);
        let scratch = Mount::Scratch(AbsPath::new("/tmp").unwrap(), ByteSize(4096));
        let hidden =
            [(Path::new("/etc/shadow"), Cover::File), (Path::new("/root/a b"), Cover::Directory)];
        let words = words(&outline, &[Mount::Hides, scratch], hidden.into_iter(), version);
        words.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn a_box_is_one_command_line() {
        assert_eq!(
            line(Version(0, 8)),
            "--die-with-parent --new-session --cap-drop ALL --unshare-cgroup --unshare-ipc \
             --unshare-net --unshare-pid --unshare-user --unshare-uts \
             --ro-bind / / --dev-bind-try /dev/null /dev/null --dev-bind-try /dev/zero /dev/zero \
             --dev-bind-try /dev/full /dev/full --dev-bind-try /dev/random /dev/random \
             --dev-bind-try /dev/urandom /dev/urandom --proc /proc --remount-ro /proc \
             --ro-bind /dev/null /etc/shadow --perms 0000 --tmpfs /root/a b --remount-ro /root/a b \
             --perms 1777 --size 4096 --tmpfs /tmp"
        );
    }

    #[test]
    fn old_versions_are_given_no_option_that_they_lack() {
        let old = line(Version(0, 4));
        assert!(!old.contains("--perms") && !old.contains("--size"), "{old}");
        assert!(old.contains("--tmpfs /root/a b --remount-ro /root/a b"), "{old}");
    }
}
