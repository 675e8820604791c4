//! The Debian packages of the commands in the table. `packages.txt` is the list to install.

use std::collections::BTreeSet;
use std::path::Path;

use shannot::policy::plan::BOX_PATH;

use crate::row::Row;

const PACKAGES: &str = include_str!("packages.txt");

/// Where a command's package has not the command's name.
const OF: &[(&str, &[&str])] = &[
    ("acl", &["getfacl"]),
    ("apt", &["apt-cache", "apt-config", "apt-mark"]),
    ("binutils", &["readelf", "strings"]),
    (
        "coreutils",
        &[
            "arch",
            "b2sum",
            "cat",
            "cksum",
            "cut",
            "date",
            "df",
            "du",
            "groups",
            "head",
            "id",
            "ls",
            "md5sum",
            "nproc",
            "od",
            "readlink",
            "realpath",
            "sha256sum",
            "sort",
            "stat",
            "tail",
            "test",
            "uname",
            "uniq",
            "users",
            "wc",
            "who",
            "whoami",
        ],
    ),
    ("debianutils", &["which"]),
    ("diffutils", &["diff"]),
    ("dpkg", &["dpkg-query", "update-alternatives"]),
    ("e2fsprogs", &["lsattr"]),
    ("findutils", &["find"]),
    ("gawk", &["awk"]),
    ("gzip", &["zcat", "zgrep"]),
    ("iproute2", &["ip", "ss"]),
    ("kmod", &["lsmod", "modinfo"]),
    ("libc-bin", &["getconf", "getent", "ldconfig", "ldd", "locale"]),
    ("libcap2-bin", &["getcap"]),
    ("mount", &["losetup", "swapon"]),
    ("numactl", &["numastat"]),
    ("passwd", &["useradd"]),
    ("pciutils", &["lspci"]),
    ("procps", &["free", "pgrep", "ps", "slabtop", "sysctl", "top", "uptime", "vmstat", "w"]),
    ("psmisc", &["pstree"]),
    ("sysstat", &["iostat", "mpstat", "pidstat"]),
    ("systemd", &["journalctl"]),
    ("sysvinit-utils", &["pidof"]),
    ("usbutils", &["lsusb"]),
    (
        "util-linux",
        &[
            "blkid",
            "chrt",
            "dmesg",
            "findmnt",
            "ionice",
            "ipcs",
            "last",
            "lsblk",
            "lscpu",
            "lsipc",
            "lslocks",
            "lslogins",
            "lsmem",
            "lsns",
            "mountpoint",
            "namei",
            "setpriv",
            "setsid",
            "taskset",
        ],
    ),
    ("util-linux-extra", &["lsirq"]),
];

fn of(command: &str) -> &str {
    OF.iter().find(|(_, commands)| commands.contains(&command)).map_or(command, |(name, _)| name)
}

/// The packages of the commands that this host lacks.
pub(crate) fn missing(rows: &[Row]) -> BTreeSet<String> {
    let is_here =
        |command: &str| BOX_PATH.split(':').any(|dir| Path::new(dir).join(command).exists());
    commands(rows).into_iter().filter(|c| !is_here(c)).map(|c| of(&c).to_owned()).collect()
}

fn commands(rows: &[Row]) -> BTreeSet<String> {
    let own = ["setsid", "setpriv", "useradd", "gzip"].map(str::to_owned);
    rows.iter().map(|row| row.words("/").remove(0)).chain(own).collect()
}

#[test]
fn every_command_of_the_table_is_in_a_listed_package() {
    let rows: Vec<Row> = crate::table::areas().into_iter().flat_map(|(_, rows)| rows).collect();
    let needed: BTreeSet<String> = commands(&rows).iter().map(|c| of(c).to_owned()).collect();
    let listed: BTreeSet<String> = PACKAGES.lines().map(str::to_owned).collect();
    assert_eq!(needed, listed);
}
