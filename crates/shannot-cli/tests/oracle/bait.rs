//! What the commands are aimed at: files of every kind, a terminal, and the victims. All of it is
//! the oracle's own, so that a box that does not hold harms nothing else.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::XattrFlags;

use crate::chance::Chance;
use crate::files::{self, Look};
use crate::harness::{Column, Fixture, is_root, place, word};
use crate::machine::Machine;
use crate::snapshot::{Kind, Snapshot};
use crate::victims::Victim;

const FILES: [&str; 8] =
    ["victim", "other", "hard", "script", "set-uid", "closed", "sub/inner", "logs/app.log"];
const DIRECTORIES: [&str; 4] = [".", "sub", "sub/deep", "sticky"];
/// None leads out: what is written through it must stay here too.
const LINKS: [&str; 3] = ["link", "dangling", "to-directory"];

/// Where users and root usually write. A new name there has the oracle's mark in it.
pub(crate) const USUAL: [&str; 14] = [
    "/",
    "/etc",
    "/root",
    "/home",
    "/run",
    "/var/log",
    "/var/lib",
    "/usr/local/bin",
    "/dev",
    "/opt",
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/sys/fs/cgroup",
];

/// Everything that is there to be harmed.
#[derive(Debug)]
pub(crate) struct Bait {
    fixture: Fixture,
    pub(crate) victims: Vec<Victim>,
    /// In the name of everything that commands make.
    pub(crate) mark: String,
    terminal: OwnedFd,
    terminal_name: String,
    pub(crate) machine: Machine,
}

impl Bait {
    /// Makes it, owned by who runs the boxes of the column.
    pub(crate) fn new(column: Column, machine: &Machine, name: &str) -> Self {
        let fixture = Fixture::new(column, name);
        let mark = format!("{name}-{}", column.name());
        for dir in ["sub", "sub/deep", "sticky", "logs", "of-root", "of-user"] {
            fixture.sub(column, dir);
        }
        for file in FILES.into_iter().filter(|f| *f != "hard") {
            fixture.file(column, file, &format!("2026-01-03 error: content of {file}\n").repeat(9));
        }
        for dir in ["of-root", "of-user"] {
            fixture.file(column, &format!("{dir}/flocked"), "");
            fixture.file(column, &format!("{dir}/locked"), "");
            run(&["mkfifo", "-m", "666", word(&fixture.path(&format!("{dir}/fifo")))]);
        }
        let path = |name: &str| fixture.path(name);
        fs::hard_link(path("victim"), path("hard")).expect("a hard link");
        for (link, to) in LINKS.into_iter().zip(["victim", "nowhere", "sub"]) {
            symlink(to, path(link)).expect("a symbolic link");
        }
        run(&["sh", "-c", "gzip -k \"$0\" && chmod 666 \"$0.gz\"", word(&path("logs/app.log"))]);
        run(&["mv", word(&path("logs/app.log.gz")), word(&path("logs/app.log.1.gz"))]);
        run(&["truncate", "-s", "1M", word(&path("image"))]);
        if is_root() {
            // One that does no harm, and that only its place makes different from /dev/zero.
            run(&["mknod", "-m", "666", word(&path("node")), "c", "1", "5"]);
        }
        let modes = [("script", 0o777), ("set-uid", 0o6777), ("closed", 0), ("sticky", 0o1777)];
        for (name, mode) in modes.into_iter().chain([("image", 0o666)]) {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("chmod");
        }
        let attribute =
            rustix::fs::setxattr(path("victim"), "user.kept", b"kept", XattrFlags::empty());
        if let Err(error) = attribute {
            println!("this file system has no attributes of users ({error})");
        }
        let (terminal, terminal_name) = terminal();
        let victims = Victim::all(&fixture.dir, &mark);
        Self { fixture, victims, mark, terminal, terminal_name, machine: machine.clone() }
    }

    /// A path below it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.fixture.path(name)
    }

    /// Makes every time of a read older than that of the last change, so that each first read
    /// shows, also on a `relatime` mount.
    pub(crate) fn forget_reads(&self) {
        let script = "find \"$0\" -exec touch -h -a -d 2001-01-01 {} +";
        run(&["sh", "-c", script, word(&self.fixture.dir)]);
    }

    /// What a name in braces stands for this time; `None` for braces that mean themselves.
    pub(crate) fn stands_for(&self, name: &str, chance: &mut Chance) -> Option<String> {
        let victim = &self.victims[chance.below(self.victims.len())];
        let of_victim = |name: &str| victim.dir.join(name);
        let path = match name {
            "file" => self.path(chance.pick(&FILES)),
            "dir" => self.path(chance.pick(&DIRECTORIES)),
            "link" => self.path(chance.pick(&LINKS)),
            "any" => match chance.below(10) {
                0..5 => self.path(chance.pick(&FILES)),
                5..7 => self.path(chance.pick(&DIRECTORIES)),
                7 => self.path(chance.pick(&LINKS)),
                // A FIFO holds up whoever opens it, so it comes seldom.
                8 => of_victim(chance.pick(&["stream", "datagram", "stream", "datagram", "fifo"])),
                _ => self.path(chance.pick(&["image", "logs/app.log.1.gz", "node"])),
            },
            "root" => self.fixture.dir.clone(),
            "logs" => self.path("logs"),
            "image" => self.path("image"),
            "node" => self.path("node"),
            "fifo" | "stream" | "datagram" | "flocked" | "locked" => of_victim(name),
            "new" => self.new_name(chance),
            "group" => match &self.machine {
                Machine::Own { group: Some(group) } => group.clone(),
                _ => self.path("sub"),
            },
            "queues" => place().join("mqueue"),
            "pts" => PathBuf::from(&self.terminal_name),
            "pid" | "tcp" | "udp" | "shm" | "sem" | "msg" | "key" => {
                return Some(victim.number(name).to_owned());
            }
            "abstract" => return Some(format!("@{}", victim.mark)),
            "mark" => return Some(format!("{}-{}", self.mark, chance.below(1000))),
            _ => return None,
        };
        Some(word(&path).to_owned())
    }

    fn new_name(&self, chance: &mut Chance) -> PathBuf {
        let name = format!("{}-{}", self.mark, chance.below(1000));
        if chance.below(2) == 0 {
            self.path(chance.pick(&DIRECTORIES)).join(name)
        } else {
            Path::new(chance.pick(&USUAL)).join(name)
        }
    }

    /// Notes all of it, and the names with its mark elsewhere.
    pub(crate) fn note(&mut self, seen: &mut Snapshot) {
        files::tree(seen, &self.fixture.dir, 9, Look::Own);
        for victim in &mut self.victims {
            victim.note(seen);
        }
        for dir in self.places() {
            for name in files::names(&dir) {
                if name.to_string_lossy().contains(&self.mark) {
                    files::tree(seen, &dir.join(name), 2, Look::Metadata);
                }
            }
        }
        let set = rustix::termios::tcgetattr(&self.terminal).expect("a terminal");
        let waiting = rustix::io::ioctl_fionread(&self.terminal).expect("FIONREAD");
        seen.note(Kind::Caller, "terminal", format!("{set:?}, {waiting} bytes"));
    }

    /// Where a command may have made something; what others make there has not the mark.
    fn places(&self) -> Vec<PathBuf> {
        let cgroups = files::names(Path::new("/sys/fs/cgroup")).into_iter();
        let cgroups = cgroups.map(|name| Path::new("/sys/fs/cgroup").join(name));
        USUAL.into_iter().map(PathBuf::from).chain(cgroups.filter(|dir| dir.is_dir())).collect()
    }

    /// Removes what was made outside the fixture, by a control or by a box that does not hold.
    fn tidy(&self) {
        for dir in self.places() {
            for name in files::names(&dir) {
                if name.to_string_lossy().contains(&self.mark) {
                    let path = dir.join(name);
                    // A cgroup can only be removed as a directory.
                    if fs::remove_dir(&path).is_err() {
                        run(&["rm", "-rf", "--", word(&path)]);
                    }
                }
            }
        }
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        // What a box that does not hold has mounted in there must not be removed with the bait.
        let dir = format!(" {}/", self.fixture.dir.display());
        let mounted = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        if mounted.lines().any(|line| line.contains(&dir)) {
            println!("something is mounted in {dir}: all is left as it is");
            std::process::abort();
        }
        self.tidy();
    }
}

/// A terminal of the caller's: its master side and its name.
fn terminal() -> (OwnedFd, String) {
    use rustix::pty::OpenptFlags;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::grantpt(&master).expect("grantpt");
    rustix::pty::unlockpt(&master).expect("unlockpt");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("ptsname");
    let name = name.to_str().expect("a plain name").to_owned();
    if is_root() {
        fs::set_permissions(&name, fs::Permissions::from_mode(0o666)).expect("chmod");
    }
    (master, name)
}

/// A helper's command, which must succeed.
pub(crate) fn run(words: &[&str]) {
    let out = Command::new(words[0]).args(&words[1..]).output().expect("a usual program");
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
}
