//! What a command sees inside the box that it would not see outside, tier by tier, with the
//! reason: part of the product. `profile explain` prints it, `docs/fidelity.md` is checked
//! against it, and a fidelity test may only excuse itself by an entry.

use crate::profile::{Network, Processes, Tier};

/// One thing that differs from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// A short name, by which tests and documents refer to it.
    pub id: &'static str,
    /// In which tiers.
    pub tiers: &'static [Tier],
    /// In which view.
    pub view: Seen,
    /// What differs, with the commands that show it.
    pub what: &'static str,
    /// Why it cannot or must not be the same.
    pub why: &'static str,
}

/// In which view a difference shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// In every view.
    Always,
    /// Where the box has its own processes.
    OwnProcesses,
    /// Where the host's processes show.
    HostProcesses,
    /// Without the host's network tables.
    NoNetwork,
    /// With the host's network tables.
    NetworkTables,
}

const ALL: &[Tier] = &Tier::ALL;
const MOUNTED: &[Tier] = &[Tier::T1, Tier::T2, Tier::T3];
const USER: &[Tier] = &[Tier::T2, Tier::T3];

/// Everything that differs, in the order of the documents.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "identity",
        tiers: &[Tier::T1],
        view: Seen::Always,
        what: "`id`, `whoami`, `groups` name an unused uid in the groups adm and systemd-journal",
        why: "the kernel's own file permissions are one more wall, and limits hold for one uid a box",
    },
    Difference {
        id: "root-files",
        tiers: &[Tier::T1],
        view: Seen::Always,
        what: "files that only root may read are refused (`lastb`, `dmidecode`, `slabtop`, capabilities in `lspci -v`, mode 0600 logs)",
        why: "the box has no root; `root_reads = true` in a profile gives the reading back, hidden paths excepted",
    },
    Difference {
        id: "nobody",
        tiers: USER,
        view: Seen::Always,
        what: "files and processes of other users belong to `nobody`",
        why: "no unprivileged user namespace can map them; `prefer = \"fidelity\"` uses tier L instead",
    },
    Difference {
        id: "hidden",
        tiers: MOUNTED,
        view: Seen::Always,
        what: "hidden files and directories show empty, with mode 000",
        why: "they hold secrets; `profile explain` lists those of this host",
    },
    Difference {
        id: "hidden-contents",
        tiers: &[Tier::L],
        view: Seen::Always,
        what: "hidden files cannot be read, their names show; files made later beside them cannot be read either",
        why: "Landlock cannot take a right back below a directory that has it",
    },
    Difference {
        id: "devices",
        tiers: ALL,
        view: Seen::Always,
        what: "device nodes but null, zero, full, random and urandom cannot be opened (`fdisk -l`, `smartctl`, `dmesg` by /dev/kmsg, `blkid` probing)",
        why: "reading some devices changes them, and disks hold every secret",
    },
    Difference {
        id: "temporary-files",
        tiers: ALL,
        view: Seen::Always,
        what: "programs that must make a temporary file fail where the profile has no scratch directory (`apt list` on hosts that keep no package cache, `sort` of more than fits in memory)",
        why: "nothing can be written, and a scratch directory would hide what the host has there",
    },
    Difference {
        id: "terminal",
        tiers: ALL,
        view: Seen::Always,
        what: "there is no controlling terminal: `tty` says so, `ps` without options shows nothing of the caller's",
        why: "input could be pushed into the caller's terminal",
    },
    Difference {
        id: "stdio",
        tiers: ALL,
        view: Seen::Always,
        what: "standard input, output and error are pipes",
        why: "a descriptor of the caller's could be changed through",
    },
    Difference {
        id: "scratch",
        tiers: MOUNTED,
        view: Seen::Always,
        what: "scratch directories of the profile show empty",
        why: "they are private to the run",
    },
    Difference {
        id: "mount-table",
        tiers: &[Tier::T3],
        view: Seen::Always,
        what: "`mount`, `findmnt`, `df`, `/proc/self/mounts` show the box's mounts, read-only, with those that cover hidden paths",
        why: "bwrap gives the box no right to bind the host's table",
    },
    Difference {
        id: "mount-table-of-children",
        tiers: &[Tier::T1, Tier::T2],
        view: Seen::Always,
        what: "programs started by a listed command see the box's mount table (`sh -c 'cat /proc/self/mountinfo'`)",
        why: "the host's table is bound over a stage's own /proc entries, which belong to that process",
    },
    Difference {
        id: "own-processes",
        tiers: MOUNTED,
        view: Seen::OwnProcesses,
        what: "`ps`, `/proc` show the box's processes only, `ipcs` its IPC objects; `/proc/self/cgroup` and the roots of cgroup mounts count from the box's own cgroup",
        why: "the profile asks for it",
    },
    Difference {
        id: "process-numbers",
        tiers: MOUNTED,
        view: Seen::HostProcesses,
        what: "`chrt -p`, `taskset -p`, `ionice -p`, `prlimit -p` find no other process, and at 1 the box's own first",
        why: "calls that take a process number, as kill does, count in the box's own pid namespace",
    },
    Difference {
        id: "sockets-of-processes",
        tiers: ALL,
        view: Seen::HostProcesses,
        what: "`ss -p`, `lsof`, `fuser`, `lsns`, `pwdx`, the exe, cwd, root, fd and wchan of processes are missing",
        why: "the same permission opens their environment and memory",
    },
    Difference {
        id: "socket-cgroups",
        tiers: ALL,
        view: Seen::NetworkTables,
        what: "`ss -e` does not name the control group of a socket",
        why: "it finds the name by a file handle, which would open files past every hidden path",
    },
    Difference {
        id: "kernel-log",
        tiers: ALL,
        view: Seen::Always,
        what: "`dmesg` is refused where `kernel.dmesg_restrict` is 1",
        why: "it needs CAP_SYSLOG, which can also clear the log",
    },
    Difference {
        id: "firewall",
        tiers: ALL,
        view: Seen::NetworkTables,
        what: "`iptables`, `nft`, `ipset`, `conntrack` cannot list",
        why: "the kernel asks for CAP_NET_ADMIN, which can also change the rules",
    },
    Difference {
        id: "ioctl-network-tools",
        tiers: ALL,
        view: Seen::NetworkTables,
        what: "`ifconfig`, `arp`, `netstat -i`, `ethtool`, `iwconfig`, `lsof -i` fail",
        why: "they need an AF_INET socket, through which data could leave; `ip` and `ss` answer the same by netlink",
    },
    Difference {
        id: "network",
        tiers: MOUNTED,
        view: Seen::NoNetwork,
        what: "`/proc/net` shows an empty network",
        why: "the box has its own network namespace; profiles with `network = \"tables\"` show the host's",
    },
    Difference {
        id: "d-bus",
        tiers: ALL,
        view: Seen::Always,
        what: "`systemctl status`, `loginctl`, `timedatectl`, `hostnamectl`, `resolvectl`, `docker`, `nscd` lookups cannot reach their daemon",
        why: "a daemon's socket takes orders; no host socket can be connected to",
    },
    Difference {
        id: "names",
        tiers: ALL,
        view: Seen::Always,
        what: "users and hosts that only a network service or its daemon knows (LDAP, sssd, DNS) show as numbers",
        why: "no host socket can be connected to, and no packet leaves",
    },
    Difference {
        id: "kernel-pointers",
        tiers: ALL,
        view: Seen::Always,
        what: "`/proc/kallsyms`, `/proc/modules` and the like show addresses as zero",
        why: "the kernel shows them to privileged readers only",
    },
    Difference {
        id: "automounts",
        tiers: MOUNTED,
        view: Seen::Always,
        what: "automount points and, unless the profile says otherwise, network and FUSE file systems show empty",
        why: "a look into one mounts something on the host, sends packets, or may never return",
    },
    Difference {
        id: "inotify",
        tiers: ALL,
        view: Seen::Always,
        what: "`tail -f` says that it polls",
        why: "watches are refused: they wake and count on the host",
    },
    Difference {
        id: "locks",
        tiers: ALL,
        view: Seen::Always,
        what: "locks are granted and not taken",
        why: "a lock would hold up the host's writers, a refusal would break readers such as sqlite",
    },
    Difference {
        id: "cpu-and-limits",
        tiers: ALL,
        view: Seen::Always,
        what: "`ulimit`, `prlimit`, `nice` show the box's limits",
        why: "the box is bounded",
    },
    Difference {
        id: "atime",
        tiers: &[Tier::L],
        view: Seen::Always,
        what: "reading a file updates its access time as the mount's options say",
        why: "without a mount namespace the mounts are the host's own",
    },
];

impl Difference {
    /// Whether it shows in a tier with this view.
    pub fn applies(&self, tier: Tier, processes: Processes, network: Network) -> bool {
        self.tiers.contains(&tier)
            && match self.view {
                Seen::Always => true,
                Seen::OwnProcesses => processes == Processes::Own,
                Seen::HostProcesses => processes == Processes::Host,
                Seen::NoNetwork => network == Network::None,
                Seen::NetworkTables => network == Network::Tables,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_has_its_own_name_and_a_tier() {
        for (at, difference) in DIFFERENCES.iter().enumerate() {
            assert!(!difference.tiers.is_empty(), "{}", difference.id);
            let same = |other: &Difference| other.id == difference.id;
            assert!(!DIFFERENCES[..at].iter().any(same), "{} stands twice", difference.id);
        }
    }
}
