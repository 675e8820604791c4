//! What the box gives to its program: pipes, no capability, default signals, no terminal.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::OpenptFlags;

use shannot::policy::profile::Tier;

use crate::harness::*;
use crate::host::*;

/// A test's own descriptor that programs it starts inherit.
fn inheritable(fd: impl AsFd) {
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).expect("F_SETFD");
}

fn only_pipes_are_open(column: Column) {
    let fixture = Fixture::new(column, "fds");
    let file = std::fs::File::options().read(true).write(true).open(fixture.file(column, "f", "x"));
    let file = file.expect("a file");
    let dir = std::fs::File::open("/").expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let socket = TcpStream::connect(listener.local_addr().expect("a port")).expect("a connection");
    let own = rustix::process::getpid();
    let pidfd = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty());
    let pidfd: OwnedFd = pidfd.expect("a pidfd");
    inheritable(&file);
    inheritable(&dir);
    inheritable(&socket);
    inheritable(&pidfd);
    let probe = probe();
    let words = [word(&probe), "descriptors"];
    // An ssh passes none of these on: whoever starts the agent has his own.
    let lines = "exec 3</ 4</dev/null 5<>/dev/null";
    for profile in [Profile::default(), Profile::host_view().forks()] {
        let mut command = shannot_with(column, &profile, &["--json"], &words, lines);
        let ran = Ran::read(&command.output().expect("shannot starts"));
        ran.assert_tier(column);
        let facts = &ran.report.facts;
        let names: Vec<_> = facts.keys().map(String::as_str).collect();
        assert_eq!(names, ["fd-0", "fd-1", "fd-2"], "{facts:?}");
        assert!(facts.values().all(|v| v.starts_with("pipe pipe:")), "{facts:?}");
    }
    let leaked = outside(column, &["descriptors"]).facts.len();
    assert!(leaked >= 7, "outside, all are inherited: {leaked}");
}

/// `run`'s three streams are a caller's own files, and a file may be read and written: the
/// command gets pipes all the same.
fn streams_are_pipes_of_our_own(column: Column) {
    let fixture = Fixture::new(column, "streams");
    let path = fixture.file(column, "out", "");
    let probe = probe();
    let mut command = shannot(column, &Profile::default(), &[], &[word(&probe), "descriptors"]);
    let open = || std::fs::File::options().read(true).append(true).open(&path).expect("the file");
    command.stdin(open()).stdout(open()).stderr(open());
    command.status().expect("shannot starts");
    let text = std::fs::read_to_string(&path).expect("the file");
    let report = Report::read(&text);
    assert!(report.facts.values().all(|v| v.starts_with("pipe pipe:")), "{text}");
    assert_eq!(report.facts.len(), 3, "{text}");
    refused(column, &Profile::default(), &["own-pipes"]);
}

fn no_privilege_is_left(column: Column) {
    for profile in [Profile::default(), Profile::host_view().forks()] {
        let ran = inside(column, &profile, &["status"]);
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(ran.report.fact(set), "0000000000000000", "{set}");
        }
        if column.tier != Tier::L {
            // Taking from this set takes a capability that the user of tier L does not have.
            assert_eq!(ran.report.fact("CapBnd"), "0000000000000000");
        }
        assert_eq!(ran.report.fact("NoNewPrivs"), "1");
        assert_eq!(ran.report.fact("Seccomp"), "2");
        // Otherwise a signal to its process group, 0, goes to the caller's processes.
        assert_eq!(ran.report.fact("session"), "1", "its session is of the box's own making");
        // RLIMIT_CORE: at 0 a piped handler is started all the same.
        assert_eq!(ran.report.fact("rlimit-4"), "1 1");
    }
}

/// The ids of `proc_pid_status(5)`: real, effective, saved and of the file system.
fn identity_is_of_nobody_or_the_caller(column: Column) {
    let probe = probe();
    let shannot = shannot(column, &Profile::default(), &["--json"], &[word(&probe), "status"]);
    let ran = if column.by_root() && column.landlock.is_none() {
        // As who has logged in: with groups that open files.
        let mut setpriv = std::process::Command::new("setpriv");
        setpriv.args(["--groups", "0,7,1234"]).arg(shannot.get_program()).args(shannot.get_args());
        setpriv.stdin(std::process::Stdio::null());
        Ran::read(&setpriv.output().expect("setpriv starts"))
    } else {
        inside(column, &Profile::default(), &["status"])
    };
    let ids = |name: &str| -> Vec<u32> {
        let fact = ran.report.fact(name);
        fact.split_whitespace().map(|id| id.parse().expect("an id")).collect()
    };
    if column.tier != Tier::T1 {
        let caller = if column.by_root() { (0, 0) } else { (user().uid, user().gid) };
        assert_eq!((ids("Uid"), ids("Gid")), (vec![caller.0; 4], vec![caller.1; 4]));
        return;
    }
    let unused = ids("Uid")[0];
    assert!(unused >= 1_900_000_000, "{unused}");
    assert_eq!((ids("Uid"), ids("Gid")), (vec![unused; 4], vec![unused; 4]));
    // The two that own logs, and none of root's.
    let groups = std::fs::read_to_string("/etc/group").expect("/etc/group");
    let logs =
        groups.lines().filter(|l| l.starts_with("adm:") || l.starts_with("systemd-journal:"));
    let mut logs: Vec<u32> =
        logs.map(|l| l.split(':').nth(2).expect("an id").parse().expect("an id")).collect();
    logs.sort_unstable();
    assert_eq!(ids("Groups"), logs);
}

fn signals_start_as_defaults(column: Column) {
    let probe = probe();
    let lines = "trap '' HUP INT QUIT TERM PIPE USR1 CHLD";
    let words = [word(&probe), "status"];
    let mut command = shannot_after(lines, column, &Profile::default(), &["--json"], &words);
    let out = command.output().expect("shannot starts");
    if column.is_without_scopes() {
        refused_for_landlock(&out, "that ignores SIGCHLD needs Landlock ABI 6");
    }
    let ran = Ran::read(&out);
    assert_eq!(ran.report.fact("odd-signals"), "0");
    assert_eq!(ran.report.fact("SigIgn"), "0000000000000000");
    assert_eq!(ran.report.fact("SigBlk"), "0000000000000000");
}

fn no_terminal_is_reachable(column: Column) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = rustix::pty::openpt(flags).expect("a terminal");
    rustix::pty::grantpt(&master).expect("grantpt");
    rustix::pty::unlockpt(&master).expect("unlockpt");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("ptsname");
    let name = name.to_str().expect("a plain name").to_owned();
    if is_root() {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&name, open).expect("chmod");
    }
    let probe = probe();
    let mut reports = Vec::new();
    for profile in [Profile::default(), Profile::host_view()] {
        let command = shannot(column, &profile, &["--json"], &[word(&probe), "terminal", &name]);
        // A session whose controlling terminal this is, as the caller's would be.
        let mut session = std::process::Command::new("setsid");
        session.args(["--ctty", "bash", "-c"]);
        let shell = in_shell("SHANNOT", &command);
        session.arg(shell.get_args().last().expect("a script"));
        session.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let slave =
            std::fs::File::options().read(true).write(true).open(&name).expect("the terminal");
        let ran = Ran::read(&session.stdin(slave).output().expect("setsid starts"));
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        ran.report.assert_blocked();
        assert_eq!(ran.report.fact("controlling"), "0", "the session is the caller's");
        let waiting = rustix::io::ioctl_fionread(&master).expect("FIONREAD");
        assert_eq!(waiting, 0, "the terminal got bytes");
        reports.push(ran.report);
    }
    // Outside, a program of that session types into its terminal, which shows it.
    let mut control = std::process::Command::new("setsid");
    control.args(["--ctty", word(&probe), "terminal", &name]).env("PROBE_CONTROL", "1");
    let open = || std::fs::File::options().read(true).write(true).open(&name).expect("it opens");
    let out = control.stdin(open()).output().expect("setsid starts");
    let control = Report::read(&String::from_utf8_lossy(&out.stdout));
    for call in ["isatty", "TIOCSETD", "/dev/tty", "open the terminal for writing"] {
        assert!(control.escaped.iter().any(|e| e == call), "outside, {call} works: {control:?}");
    }
    assert_ne!(control.fact("controlling"), "0", "outside, there is a controlling terminal");
    let typing = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    if typing.is_ok_and(|setting| setting.trim() == "1") {
        for call in ["TIOCSTI on 0", "TIOCSTI with high bits", "TIOCSTI with other high bits"] {
            assert!(control.escaped.iter().any(|e| e == call), "outside, {call} works");
            assert!(reports.iter().all(|inside| inside.blocked.contains_key(call)));
        }
        let typed = || rustix::io::ioctl_fionread(&master).expect("FIONREAD") != 0;
        assert!(eventually(2, typed), "outside, the terminal gets bytes");
    }
}

in_every_column! {
    descriptors_are_three_pipes => only_pipes_are_open, in_every_tier;
    streams_are_pipes => streams_are_pipes_of_our_own, in_every_tier;
    identities_are_set => identity_is_of_nobody_or_the_caller, in_every_tier;
    privileges_are_gone => no_privilege_is_left, in_every_tier;
    signals_are_default => signals_start_as_defaults, in_every_tier;
    terminals_are_out_of_reach => no_terminal_is_reachable;
}
