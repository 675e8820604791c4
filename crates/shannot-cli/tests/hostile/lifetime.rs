//! Nothing outlives the call: no process, no cgroup, no mount.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use shannot::policy::profile::Tier;

use crate::harness::*;
use crate::host::*;

/// A word that no other test's processes carry.
fn marker(column: Column, case: &str) -> String {
    format!("marker-{case}-{}-{}", column.by_root(), std::process::id())
}

/// The processes whose command line or environment holds a word.
fn alive(marker: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|e| {
        let read = |name| fs::read(e.path().join(name)).unwrap_or_default();
        let [line, environ] = ["cmdline", "environ"]
            .map(|name| String::from_utf8_lossy(&read(name)).replace('\0', " "));
        let holds = line.contains(marker) || environ.contains(marker);
        holds.then(|| format!("{} {line}", e.file_name().to_string_lossy()))
    });
    lines.collect()
}

/// Ends what is left of a test.
fn end_all(processes: &[String]) {
    for process in processes {
        let pid = process.split(' ').next().expect("a pid");
        // One that has just ended needs none.
        let _ = std::process::Command::new("kill").args(["-9", pid]).status();
    }
}

/// The cgroups that a supervisor made.
fn groups_of(pid: u32, below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with(&format!("shannot-{pid}-")) {
                found.push(entry.path());
            }
            found.extend(groups_of(pid, &entry.path()));
        }
    }
    found
}

fn daemons_end_with_the_run(column: Column) {
    let marker = marker(column, "daemon");
    for profile in [Profile::default().forks(), Profile::host_view().forks()] {
        let before = fs::read("/proc/self/mountinfo").expect("mountinfo");
        let ran = inside(column, &profile, &["daemonize", &marker]);
        assert_eq!(ran.report.fact("daemon"), "1", "{:#}", ran.json);
        assert!(eventually(2, || alive(&marker).is_empty()), "left: {:#?}", alive(&marker));
        assert_eq!(fs::read("/proc/self/mountinfo").expect("mountinfo"), before);
        let profile = profile.limit("wall = \"1s\"");
        let ran = inside(column, &profile, &["daemonize-and-stay", &marker]);
        assert_eq!(ran.limits_hit(), ["wall"]);
        assert!(eventually(2, || alive(&marker).is_empty()), "left: {:#?}", alive(&marker));
    }
    assert!(alive(&marker).is_empty());
}

/// The supervisor is killed in mid-run, and cannot clean up.
fn assert_dies_with_supervisor(column: Column, profile: &Profile, program: &Path, words: &[&str]) {
    if column.far {
        // The other two end the agent, which then is what a supervisor is here.
        let others: &[_] = if profile.may_fork() { &[] } else { &["shannot", "ssh"] };
        let victims = others.iter().chain(&["agent"]);
        return victims.for_each(|who| assert_dies_with(who, column, profile, program, words));
    }
    let all: Vec<&str> = [word(program)].into_iter().chain(words.iter().copied()).collect();
    let mut held = Held::start(&mut shannot(column, profile, &[], &all));
    let marker = words.last().expect("a marker");
    // Started by this test or, on a host that has less, by what makes it so.
    let supervisor = |p: &String| p.contains(" run ") && p.contains(" --profile ");
    let running: Vec<String> =
        alive(marker).into_iter().filter(|p| !p.contains(" force ")).collect();
    assert!(running.len() >= 2, "the supervisor and its command run: {running:#?}");
    let pid = running.iter().find(|p| supervisor(p)).and_then(|p| p.split(' ').next());
    let pid = pid.expect("the supervisor").parse().expect("a pid");
    let killed = std::process::Command::new("kill").args(["-9", &format!("{pid}")]).status();
    assert!(killed.expect("kill").success());
    held.child.wait().expect("its end");
    let gone = eventually(2, || alive(marker).is_empty());
    let left = alive(marker);
    end_all(&left);
    assert!(gone, "the supervisor was killed and these live on: {left:#?}");
    // Nobody was left to remove the run's empty cgroup, so the next run does.
    inside(column, profile, &["status"]);
    assert_eq!(groups_of(pid, Path::new("/sys/fs/cgroup")), [""; 0].map(PathBuf::from));
}

/// A process, and those that have started it, with their names.
fn ancestors(mut pid: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    while let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status"))
        && pid > 1
    {
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a field").trim().to_owned()
        };
        found.push((pid, field("Name:")));
        pid = field("PPid:").parse().expect("a pid");
    }
    found
}

/// On a far host: of the caller, the `ssh` and the agent, one is killed in mid-run, and cannot tell the
/// others.
fn assert_dies_with(
    victim: &str,
    column: Column,
    profile: &Profile,
    program: &Path,
    words: &[&str],
) {
    let marker = format!("{}-{victim}", words.last().expect("a marker"));
    let all = [&[word(program)], &words[..words.len() - 1], &[&marker]].concat();
    let note = Note::new(column);
    // What the agent starts is known by its environment, and a command by its words.
    let lines = format!("export MARK={marker}\n{}", note.lines());
    let mut held = Held::start(&mut shannot_with(column, profile, &[], &all, &lines));
    let agent = note.pid();
    let line = ancestors(agent);
    let named = |name: &str| line.iter().position(|(_, own)| own == name);
    let ssh = named("ssh").unwrap_or_else(|| panic!("an ssh has started it: {line:?}"));
    let (between, [_, (client, name), ..]) = line.split_at(ssh) else { panic!("{line:?}") };
    assert_eq!(name, "shannot", "{line:?}");
    assert!(between.iter().any(|(_, name)| name.starts_with("sshd")), "{line:?}");
    let pid = match victim {
        "shannot" => *client,
        "ssh" => line[ssh].0,
        _ => agent,
    };
    let ours = || {
        // One that has ended, and that nobody has waited for yet, has no program.
        let runs = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        let between = between.iter().filter(|(pid, _)| runs(*pid)).map(|p| format!("{p:?}"));
        alive(&marker).into_iter().chain(between).collect::<Vec<_>>()
    };
    // The agent, seen in both ways; its command; and the sshd between.
    assert!(ours().len() >= 4, "not all of it runs: {:#?}", ours());
    let killed = std::process::Command::new("kill").args(["-9", &format!("{pid}")]).status();
    assert!(killed.expect("kill").success());
    let ended = eventually(5, || held.has_ended()) && eventually(5, || ours().is_empty());
    let left = ours();
    end_all(&alive(&marker));
    assert!(ended, "the {victim} was killed and these live on: {left:#?}");
    // As of a supervisor here, a later run removes the empty cgroup: once somebody has waited for the agent.
    let removed = eventually(5, || {
        inside(column, profile, &["status"]);
        groups_of(agent, Path::new("/sys/fs/cgroup")).is_empty()
    });
    assert!(removed, "{:?}", groups_of(agent, Path::new("/sys/fs/cgroup")));
}

fn commands_die_with_the_supervisor(column: Column) {
    let marker = marker(column, "killed");
    for profile in [Profile::default(), Profile::host_view(), Profile::default().forks()] {
        // Once the output is closed too, nothing of the caller's is touched any more.
        assert_dies_with_supervisor(column, &profile, &probe(), &["sleep-long", &marker]);
    }
}

/// `prctl(2)`: "the parent-death signal setting is cleared upon execve of a set-user-ID,
/// set-group-ID or a binary that has associated capabilities".
fn programs_with_capabilities_die_with_the_supervisor(column: Column) {
    if !is_root() {
        println!("a program with capabilities takes root to make");
        return;
    }
    let fixture = Fixture::new(column, "filecaps");
    let copy = fixture.path("copy");
    copy_program(&probe(), &copy, "755");
    // struct vfs_cap_data: revision 2, effective; CAP_NET_RAW permitted, as ping has.
    let mut value = Vec::new();
    for word in [0x0200_0001u32, 1 << 13, 0, 0, 0] {
        value.extend(word.to_le_bytes());
    }
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&copy, "security.capability", &value, flags).expect("setxattr");
    if column.is_without_scopes() {
        let out = shannot(column, &Profile::default(), &[], &[word(&copy), "identity"]).output();
        let why = "a program with file capabilities needs Landlock ABI 6";
        refused_for_landlock(&out.expect("shannot starts"), why);
    }
    if column.by_root() && column.tier == Tier::L {
        // What root can never have again, the program insists on: it does not start at all.
        let out = shannot(column, &Profile::default(), &[], &[word(&copy), "identity"]).output();
        let text = String::from_utf8(out.expect("shannot starts").stderr).expect("text");
        assert!(text.contains("Operation not permitted"), "{text}");
        return;
    }
    let marker = marker(column, "filecaps");
    for profile in [Profile::default(), Profile::default().forks()] {
        assert_dies_with_supervisor(column, &profile, &copy, &["sleep-long", &marker]);
    }
}

/// Nobody reads what a command writes, and whoever waits for that must not be who holds the limits.
fn unread_output_holds_up_no_limit(column: Column) {
    let marker = marker(column, "unread");
    let program = probe();
    let commands = || {
        let of_probe = |l: &String| l.split(' ').nth(1) == Some(word(&program));
        let of_command = |l: &String| of_probe(l) && !l.contains(" force ");
        alive(&marker).into_iter().filter(of_command).count()
    };
    let (socket, _unread) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let (_terminal, [shown, raw]) = stopped_terminal();
    let profile = Profile::default().limit("wall = \"1s\"");
    for (flags, out) in [(&[][..], socket.into()), (&[], shown), (&["--raw"], raw)] {
        let words = [word(&program), "flood", &marker];
        let mut command = shannot(column, &profile, flags, &words);
        command.stdout(out).stderr(std::process::Stdio::null());
        let mut supervisor = command.spawn().expect("shannot starts");
        assert!(eventually(5, || commands() == 1), "it runs");
        let ended = eventually(5, || commands() == 0);
        // It may well wait for a reader of what is left.
        supervisor.kill().expect("SIGKILL");
        supervisor.wait().expect("its end");
        // Where it was started by what takes layers away, that was ended, and it waits on.
        end_all(&alive(&marker));
        assert!(ended, "the command outlives its limit");
    }
}

/// Two descriptors of a terminal that takes no more, and its other side.
fn stopped_terminal() -> (OwnedFd, [OwnedFd; 2]) {
    use rustix::pty::OpenptFlags;
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::grantpt(&master).expect("grantpt");
    rustix::pty::unlockpt(&master).expect("unlockpt");
    let name = rustix::pty::ptsname(&master, Vec::new()).expect("ptsname");
    let name = Path::new(name.to_str().expect("a plain name"));
    if is_root() {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        fs::set_permissions(name, open).expect("chmod");
    }
    let open = || fs::File::options().read(true).write(true).open(name).expect("the terminal");
    (master, [open().into(), open().into()])
}

in_every_column! {
    daemons_are_ended => daemons_end_with_the_run;
    a_killed_supervisor_leaves_nothing => commands_die_with_the_supervisor, in_every_tier;
    limits_hold_while_nobody_reads => unread_output_holds_up_no_limit;
    file_capabilities_change_nothing => programs_with_capabilities_die_with_the_supervisor;
}
