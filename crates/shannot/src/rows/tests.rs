//! Rows of what real commands print, and of what hostile users of a host make them print.

use serde_json::json;

use super::*;

/// The rows that an attempt gives for this output.
fn rows<Q: Query>(query: &Q, attempt: usize, stdout: &str) -> Vec<Q::Row> {
    query.parse(&query.attempts()[attempt], stdout.as_bytes()).unwrap().rows
}

fn wrong<Q: Query<Row: std::fmt::Debug>>(query: &Q, attempt: usize, stdout: &str) -> String {
    query.parse(&query.attempts()[attempt], stdout.as_bytes()).unwrap_err().to_string()
}

fn line(query: &impl Query, attempt: usize) -> String {
    let stages = query.attempts()[attempt].stages().to_vec();
    stages.iter().map(|stage| stage.join(" ")).collect::<Vec<_>>().join(" | ")
}

fn options<Q: for<'de> Deserialize<'de>>(value: Value) -> Q {
    serde_json::from_value(value).unwrap()
}

const PS: &str = "\
    1     0 S  0.4 14076  45800   12899   14 root                                                             /sbin/init splash
    2     0 I  0.0     0      0   12899    1 root                                                             [kthreadd]
  977     1 S 12.5 20480  81920    3600    3 www-data                                                         nginx: worker  process
  978     1 Z  0.0     0      0      10    1 DOMAIN\\john doe                                                  [sh] <defunct>
";

#[test]
fn processes_of_procps() {
    let all = rows(&Processes::default(), 0, PS);
    assert_eq!(all[0].pid, 977);
    assert_eq!(all[0].command, "nginx: worker  process");
    assert_eq!((all[0].cpu_percent, all[0].rss_bytes), (Some(12.5), 20480 * 1024));
    assert_eq!((all[0].elapsed_seconds, all[0].threads), (Some(3600), Some(3)));
    let of_user = options::<Processes>(json!({"user": "DOMAIN\\john doe"}));
    assert_eq!(rows(&of_user, 0, PS)[0].command, "[sh] <defunct>");
    let by_memory = options::<Processes>(json!({"sort": "memory", "limit": 1, "contains": "in"}));
    let table = by_memory.parse(&by_memory.attempts()[0], PS.as_bytes()).unwrap();
    assert_eq!((table.rows.len(), table.total), (1, 2));
    assert_eq!(table.rows[0].pid, 977);
}

#[test]
fn processes_of_busybox() {
    let text = "    1     0 S<    13m  44m root     /sbin/init\n    \
                3     2 SW      0    0 root     [pool_workqueue_]\n   \
                70     1 R N   1.2g 1024 daemon   a  b\n";
    let by_pid = options::<Processes>(json!({"sort": "pid"}));
    let all = rows(&by_pid, 1, text);
    assert_eq!((all[0].state.as_str(), all[0].rss_bytes), ("S", 13 << 20));
    assert_eq!((all[1].rss_bytes, all[1].command.as_str()), (0, "[pool_workqueue_]"));
    assert_eq!((all[2].vsz_bytes, all[2].command.as_str()), (1 << 20, "a  b"));
    assert!(all[2].rss_bytes > 12 << 26 && all[2].cpu_percent.is_none());
}

#[test]
fn what_is_no_process_is_named_with_its_line() {
    let text = format!("{PS}  9 x\n");
    assert_eq!(
        wrong(&Processes::default(), 0, &text),
        "line 5: expected the parent's process id, found `x`"
    );
    assert!(wrong(&Processes::default(), 0, "\u{1b}[2J\n").contains(r"found `\u{1b}[2J`"));
}

#[test]
fn a_line_that_was_cut_is_no_row_and_is_told() {
    let query = Processes::default();
    let table = query.parse(&query.attempts()[0], &PS.as_bytes()[..PS.len() - 9]).unwrap();
    assert!(table.cut_short && table.total == 3);
}

const SS: &str = r#"udp UNCONN 0      0            *:4456       *:* users:(("python3",pid=31511,fd=4)) ino:4106176 sk:11cd cgroup:/ v6only:0 <->
udp UNCONN 0      0      127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=600,fd=13)) uid:101 ino:20 sk:2 cgroup:/system.slice/x uid:7 ino:9 <->
tcp LISTEN 0      128    0.0.0.0:2024 0.0.0.0:* ino:1597 sk:1167 cgroup:unreachable:1 <->$
tcp ESTAB 0      36      [fe80::1]%eth0:22    [fe80::2]:50514 users:(("sshd",pid=5,fd=4),("sshd",pid=3,fd=4),("sshd",pid=3,fd=5)) timer:(on,200ms,0) ino:77 sk:1 <->
tcp TIME-WAIT 0 0 192.0.2.2:58164 203.0.113.80:443 timer:(timewait,59sec,0) ino:0 sk:9
raw UNCONN 0      0      0.0.0.0:1    0.0.0.0:*
"#;

#[test]
fn sockets_of_the_network() {
    let all = rows(&Sockets::default(), 0, SS);
    assert_eq!(all.len(), 6);
    assert_eq!((all[0].local_address.as_str(), all[0].local_port), ("*", Some(4456)));
    assert_eq!(all[0].processes, [SocketProcess { name: "python3".into(), pid: 31511 }]);
    assert_eq!((all[0].uid, all[0].inode), (Some(0), Some(4_106_176)));
    assert_eq!(all[1].interface.as_deref(), Some("lo"));
    assert_eq!((all[1].uid, all[1].inode), (Some(101), Some(20)), "no control group speaks here");
    let both = (all[3].local_address.as_str(), all[3].peer_address.as_str());
    assert_eq!((both, all[3].interface.as_deref()), (("fe80::1", "fe80::2"), Some("eth0")));
    let of = |pid| SocketProcess { name: "sshd".into(), pid };
    assert_eq!((&all[3].processes[..], all[3].inode), (&[of(5), of(3)][..], Some(77)));
    assert_eq!((all[4].uid, all[4].inode), (None, None));
    assert_eq!((all[5].protocol.as_str(), all[5].local_port), ("raw", Some(1)));
    let tcp = options::<Sockets>(json!({"protocol": "tcp", "port": 443}));
    assert_eq!(rows(&tcp, 0, SS).len(), 1);
    assert_eq!(line(&tcp, 0), "ss -H -n -a -p -e -t -u");
}

#[test]
fn a_name_of_a_process_makes_no_other_process() {
    for name in ["\",pid=1,fd=1)) ", "\",pid=1,fd=1),(", "a\")) uid:0", "((\"\"))"] {
        let text =
            format!("tcp LISTEN 0 5 *:1 *:* users:((\"{name}\",pid=77,fd=3)) uid:5 ino:8 sk:1\n");
        let all = rows(&Sockets::default(), 0, &text);
        assert_eq!(all[0].processes, [SocketProcess { name: name.into(), pid: 77 }]);
        assert_eq!(all[0].uid, Some(5));
        let text = text.replace(",fd=3)", ",fd=3),(\"sshd\",pid=8,fd=4)");
        let names = rows(&Sockets::default(), 0, &text).remove(0).processes;
        assert_eq!(names.iter().map(|other| other.pid).collect::<Vec<_>>(), [77, 8]);
    }
}

#[test]
fn sockets_of_unix() {
    let text = "u_str LISTEN 0      128    /tmp/a b 4106177 * 0 users:((\"python3\",pid=31511,fd=5))\n\
                u_dgr UNCONN 0 0 * 9 * 10\n\
                u_seq ESTAB 0 0 @abs@tract 4106178 /run/x 7   \n";
    let unix = options::<Sockets>(json!({"protocol": "unix"}));
    let all = rows(&unix, 0, text);
    assert_eq!((all[0].local_address.as_str(), all[0].inode), ("/tmp/a b", Some(4_106_177)));
    assert_eq!(all[0].processes[0].pid, 31511);
    assert_eq!((all[1].protocol.as_str(), all[1].local_address.as_str()), ("unix_dgram", "*"));
    assert_eq!(all[2].peer_address, "/run/x");
    // A name may hold a line's end: what follows is no socket, and is not taken for one.
    assert!(wrong(&unix, 0, "u_str LISTEN 0 128 /tmp/a\nb 4106177 * 0\n").starts_with("line 1: "));
}

#[test]
fn sockets_of_netstat() {
    let text = "Active Internet connections (servers and established)\n\
                Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name    \n\
                tcp        0      0 0.0.0.0:22              0.0.0.0:*               LISTEN      812/sshd: /usr/sbin/sshd\n\
                tcp        0      0 192.0.2.2:22            192.0.2.9:50000         ESTABLISHED -\n\
                udp        0      0 :::123                  :::*                                55/ntpd\n";
    let all = rows(&Sockets::default(), 1, text);
    assert_eq!(all[0].processes[0].name, "sshd: /usr/sbin/sshd");
    assert_eq!((all[1].state.as_str(), all[1].peer_port), ("ESTAB", Some(50000)));
    assert_eq!((all[2].local_address.as_str(), all[2].local_port), ("::", Some(123)));
    assert_eq!((all[2].state.as_str(), all[2].processes[0].pid), ("UNCONN", 55));
}

const DF: &str = "\
Type        1B-blocks        Used       Avail Use%   Inodes  IUsed Filesystem              Mounted on
ext4     270553174016 39597707264 -7975042048  42% 16777216 488225 /dev/vda                /
cifs      12638248960           0 12638248960   0%        0      0 //host/my share         /mnt/my share
proc                -           -           -    -        -      - proc                    /proc
fuse.sshfs         10           5           5  50%        1      1 évil /x                 /home/u/m?n
";

#[test]
fn disks_of_coreutils() {
    let all = rows(&Disks::default(), 0, DF);
    assert_eq!((all[0].size_bytes, all[0].used_percent), (Some(270_553_174_016), Some(42)));
    assert_eq!((all[0].available_bytes, all[0].inodes_used), (Some(0), Some(488_225)));
    assert_eq!(all[1].source, "//host/my share");
    assert_eq!(all[1].mounted_on, "/mnt/my share");
    assert_eq!((all[2].size_bytes, all[2].used_percent), (None, None));
    assert_eq!((all[3].source.as_str(), all[3].mounted_on.as_str()), ("évil /x", "/home/u/m?n"));
}

#[test]
fn disks_of_busybox() {
    let text = "Filesystem           Type       1024-blocks    Used Available Capacity Mounted on\n\
                /dev/vda             ext4       264212084  38669636  56616252  41% /\n\
                a very long name of mine    tmpfs              4         0         4   0% /mnt/x y\n";
    let all = rows(&Disks::default(), 1, text);
    assert_eq!((all[0].used_bytes, all[0].inodes), (Some(38_669_636 * 1024), None));
    let names = (all[1].source.as_str(), all[1].mounted_on.as_str());
    assert_eq!(names, ("a very long name of mine", "/mnt/x y"));
    assert!(wrong(&Disks::default(), 1, "Filesystem\n/dev/vda ext4 x\n").starts_with("line 2: "));
}

#[test]
fn a_path_is_a_path() {
    let at = |path| serde_json::from_value::<Disks>(json!({"path": path}));
    assert!(line(&at("/srv").unwrap(), 1).ends_with(" /srv"));
    assert!(at("--output=x").is_err() && at("a\0b").is_err());
}

const UNITS: &str = "(standard input)\0ssh.service                            enabled  enabled
(standard input)\0sshd.service                           alias    -
(standard input)\0getty@.service                         enabled  enabled
(standard input)\0cron.service                           masked   enabled
/etc/systemd/system/ssh.service\0Description=Ours
/etc/systemd/system/ssh.service\0Description = Ours, a second time \\
/lib/systemd/system/ssh.service\0Description=OpenBSD Secure Shell server
/lib/systemd/system/getty@.service\0Description=Getty on %I
/lib/systemd/system/cron.service.d/10-a.conf\0Description=By a drop-in
/lib/systemd/system/cron.service\0Description=The file
/lib/systemd/system/cron.service\0foo.service bar
/sys/fs/cgroup/system.slice/ssh.service/cgroup.procs\x000
/sys/fs/cgroup/system.slice/ssh.service/deeper/x.service/cgroup.procs\x0012
/sys/fs/cgroup/system.slice/system-getty.slice/getty@tty1.service/cgroup.procs\x000
";

#[test]
fn services_of_systemd() {
    let all = rows(&Services::default(), 0, UNITS);
    let found: Vec<_> = all
        .iter()
        .map(|row| {
            let said = (row.description.as_deref(), row.state.as_deref());
            (row.unit.as_str(), said, row.processes)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("cron.service", (Some("By a drop-in"), Some("masked")), Some(0)),
            ("getty@.service", (Some("Getty on %I"), Some("enabled")), Some(0)),
            ("getty@tty1.service", (Some("Getty on %I"), None), Some(1)),
            ("ssh.service", (Some("Ours, a second time "), Some("enabled")), Some(2)),
            ("sshd.service", (None, Some("alias")), Some(0)),
        ]
    );
    let running = options::<Services>(json!({"name": "ssh", "running": true}));
    assert_eq!(rows(&running, 0, UNITS)[0].unit, "ssh.service");
}

#[test]
fn services_without_control_groups_or_a_list() {
    let (list, rest) = UNITS.split_at(UNITS.find("/etc").unwrap());
    assert_eq!(rows(&Services::default(), 0, list)[0].running, None);
    assert!(wrong(&Services::default(), 0, rest).contains("systemctl list-unit-files"));
}

#[test]
fn entries_of_the_journal() {
    let text = r#"{"_PID":"1","UNIT":"ssh.service","__REALTIME_TIMESTAMP":"1796000000000000","MESSAGE":"Started ssh.service.","_SYSTEMD_UNIT":"init.scope","SYSLOG_IDENTIFIER":"systemd","PRIORITY":"6"}
{"_PID":"42","PRIORITY":"3","UNIT":"ssh.service","MESSAGE":[116,119,111,10,27,91,109,255],"_SYSTEMD_UNIT":"nginx.service","__REALTIME_TIMESTAMP":"1796000000000001","_COMM":"nginx"}
{"MESSAGE":null,"PRIORITY":"9","__REALTIME_TIMESTAMP":"0","SYSLOG_IDENTIFIER":"kernel"}
{"MESSAGE":["a","b"],"__REALTIME_TIMESTAMP":"253402300799999999"}
-- No entries --
"#;
    let all = rows(&Journal::default(), 0, text);
    assert_eq!(all[0].time, "2026-11-30T00:53:20.000000Z");
    assert_eq!(
        (all[0].unit.as_deref(), all[0].priority),
        (Some("ssh.service"), Some(Priority::Info))
    );
    assert_eq!(
        all[1].unit.as_deref(),
        Some("nginx.service"),
        "a writer is not of the unit it names"
    );
    assert_eq!(all[1].message.as_deref(), Some("two\n\u{1b}[m\u{fffd}"));
    assert_eq!((all[1].identifier.as_deref(), all[1].pid), (Some("nginx"), Some(42)));
    assert_eq!((&all[2].message, all[2].priority), (&None, None));
    assert_eq!((all[3].message.as_deref(), all[3].time.get(..4)), (Some("a"), Some("9999")));
    let late = "{\"__REALTIME_TIMESTAMP\":\"253402300800000000\"}\n";
    assert!(wrong(&Journal::default(), 0, late).starts_with("line 1: "));
    assert!(wrong(&Journal::default(), 0, &format!("{}\n", "[".repeat(9000))).len() < 300);
    let long = format!("{{\"MESSAGE\":[0{}]}}\n", ",0".repeat(1 << 20));
    assert!(wrong(&Journal::default(), 0, &long).contains("no more than 1 MiB"));
}

#[test]
fn what_is_asked_of_the_journal_is_no_option() {
    let asked = options::<Journal>(json!({
        "unit": "--rotate", "since": "-1h", "priority": "warning", "grep": "-x", "limit": 7
    }));
    let attempt = &asked.attempts()[0];
    let words = &attempt.stages()[0];
    for word in ["--unit=--rotate", "--since=-1h", "--priority=warning", "--grep=-x", "--lines=7"] {
        assert!(words.iter().any(|other| other == word), "{words:?}");
    }
    assert!(attempt.answered(1, b"", b"") && !attempt.answered(1, b"", b"Failed to open"));
    assert!(attempt.answered(0, b"", b"Hint: x") && !attempt.answered(1, b"{}\n", b""));
}

#[test]
fn packages_of_four_managers() {
    let query = Packages::default();
    let dpkg =
        "libc6\t2.36-9\tamd64\tinstalled\nold\t1\tall\tconfig-files\nno\t\t\tnot-installed\n";
    let all = rows(&query, 0, dpkg);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].architecture.as_deref(), Some("amd64"));
    assert_eq!((&all[0].status, all[1].status.as_deref()), (&None, Some("config-files")));
    let rpm = rows(&query, 1, "rowsx\t2:1.0-3\tnoarch\tinstalled\nkey\t1-2\t(none)\tinstalled\n");
    assert_eq!((rpm[0].name.as_str(), &rpm[0].architecture), ("key", &None));
    assert_eq!(rpm[1].version, "2:1.0-3");
    let apk = "WARNING: opening from cache: No such file or directory\n\
               musl-utils-1.2.5-r9 x86_64 {musl} (MIT) [installed]\n";
    let apk = rows(&query, 2, apk);
    assert_eq!((apk[0].name.as_str(), apk[0].version.as_str()), ("musl-utils", "1.2.5-r9"));
    let named = options::<Packages>(json!({"name": "f*"}));
    assert_eq!(rows(&named, 3, "bar 2\nfoo 1:1.0-1\n")[0].version, "1:1.0-1");
    assert!(wrong(&query, 0, "a\tb\n").starts_with("line 1: expected name, version"));
    assert!(
        !query.attempts()[0].answered(0, b"", b""),
        "no package at all is another host's manager"
    );
}

#[test]
fn rows_are_bounded() {
    let long = format!("a {}\n", "é".repeat(5000));
    let version = rows(&Packages::default(), 3, &long)[0].version.clone();
    assert!(version.len() < 4200 && version.ends_with("… (5904 bytes more)"), "{}", version.len());
    let rows = Rows::Packages(Packages::default());
    let many: String = (0..500).map(|n| format!("p{n} 1\n")).collect();
    let mut table = rows.parse(&rows.attempts()[3], many.as_bytes()).unwrap();
    assert_eq!((table.rows.len(), table.total), (100, 500));
    let mut names: Vec<String> = (0..500).map(|n| format!("p{n}")).collect();
    names.sort();
    assert!(table.rows.iter().map(|row| row["name"].as_str().unwrap()).eq(&names[..100]));
    table.shorten(300);
    assert!(!table.rows.is_empty() && serde_json::to_string(&table.rows).unwrap().len() <= 301);
    for limit in [0, 1001] {
        let wrong = serde_json::from_value::<Packages>(json!({"limit": limit})).unwrap_err();
        assert!(wrong.to_string().contains("ask for 1 to 1000"), "{wrong}");
    }
    assert!(serde_json::from_value::<Sockets>(json!({"prot": "tcp"})).is_err());
}

/// Every prefix of real output, and every byte of it replaced, is rows or an error.
#[test]
fn nothing_that_is_printed_panics() {
    let all = [
        Rows::Processes(Processes::default()),
        Rows::Sockets(Sockets::default()),
        Rows::Sockets(options(json!({"protocol": "unix"}))),
        Rows::Disks(Disks::default()),
        Rows::Services(Services::default()),
        Rows::Journal(Journal::default()),
        Rows::Packages(Packages::default()),
    ];
    for query in all {
        for attempt in query.attempts() {
            for sample in [PS, SS, DF, UNITS, "{\"__REALTIME_TIMESTAMP\":\"1\"}\n"] {
                for at in 0..sample.len() {
                    let mut bytes = sample.as_bytes().to_vec();
                    bytes[at] = [b' ', b'\n', b'"', 0xff, b')', b'-'][at % 6];
                    let _ = query.parse(&attempt, &bytes);
                    let _ = query.parse(&attempt, &sample.as_bytes()[at..]);
                }
            }
        }
    }
}
