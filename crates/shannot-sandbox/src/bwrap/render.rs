//! A plan as a command line of bubblewrap: a pure function of the plan and of what is hidden on the
//! host.
//!
//! What the command line cannot say is left to whoever it starts: Landlock, the exact filter, the
//! limits, the host's mount table.

use shannot_policy::plan::{Mount, Namespace, Outline};
use shannot_policy::types::AbsPath;

use super::version::Version;

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
    hidden: impl Iterator<Item = (&'h AbsPath, Cover)> + Clone,
    version: Version,
) -> Vec<Vec<u8>> {
    let mut words = Words(Vec::new());
    words.add(["--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    for namespace in &outline.namespaces {
        words.add(unshare(*namespace));
    }
    words.add(["--ro-bind", "/", "/"]);
    for mount in outline.mounts().iter().chain(mounts) {
        match mount {
            // Bound above, with all that is mounted below it.
            Mount::ReadOnlyTree => {}
            Mount::Device(path) => words.with("--dev-bind-try", [path, path]),
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
                    words.add(["--size", &size.0.to_string()]);
                }
                words.with("--tmpfs", [path]);
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

struct Words(Vec<Vec<u8>>);

impl Words {
    fn add<'w>(&mut self, words: impl IntoIterator<Item = &'w str>) {
        self.0.extend(words.into_iter().map(|word| word.as_bytes().to_vec()));
    }

    fn with<const N: usize>(&mut self, option: &str, paths: [&AbsPath; N]) {
        self.add([option]);
        self.0.extend(paths.map(|path| path.as_bytes().to_vec()));
    }

    fn cover(&mut self, path: &AbsPath, cover: Cover, version: Version) {
        match cover {
            Cover::File => {
                self.add(["--ro-bind", "/dev/null"]);
                self.0.push(path.as_bytes().to_vec());
            }
            Cover::Directory => {
                if version >= PERMS {
                    self.add(["--perms", "0000"]);
                }
                self.with("--tmpfs", [path]);
                self.with("--remount-ro", [path]);
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
        let hidden = [("/etc/shadow", Cover::File), ("/root/a b", Cover::Directory)];
        let hidden = hidden.map(|(path, cover)| (AbsPath::new(path).unwrap(), cover));
        let hidden = hidden.iter().map(|(path, cover)| (path, *cover));
        let words = words(&outline, &[Mount::Hides, scratch], hidden, version);
        String::from_utf8(words.join(&b' ')).unwrap()
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
