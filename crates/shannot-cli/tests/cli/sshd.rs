//! A real sshd on the loopback interface, with keys and a configuration of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::*;

/// A host that a user of this machine may log in to, and what that user needs for it.
pub(crate) struct Sshd {
    pub(crate) place: Place,
    pub(crate) user: User,
    pub(crate) port: u16,
    lines: String,
    daemon: Child,
}

impl Sshd {
    pub(crate) fn new(user: User) -> Self {
        Self::with(user, "", "")
    }

    /// With a home of its own there, without a helper.
    pub(crate) fn with_home(user: User, lines: &str) -> Self {
        // Only the first such line counts.
        let lines = match lines.split_once("SetEnv ") {
            Some((before, env)) => format!("{before}SetEnv HOME=%HOME% {env}"),
            None => format!("{lines}\nSetEnv HOME=%HOME%"),
        };
        let sshd = Self::with(user, &lines, "");
        own(user, &sshd.home());
        sshd.configure("");
        sshd
    }

    /// With a home of its own there, and this login shell: in an /etc/passwd that this daemon alone sees.
    pub(crate) fn with_shell(user: User, shell: &str) -> Self {
        Self::with_home(user, &format!("#shell {} {shell}", name_of(user)))
    }

    /// Has a line read by the login shell there.
    pub(crate) fn ssh(&self, line: &str) -> Command {
        let known = self.place.path("known").display().to_string();
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o"]);
        ssh.arg(format!("UserKnownHostsFile={known}")).arg("-i").arg(self.place.path("id"));
        ssh.args(["-p", &self.port.to_string(), "-l", &name_of(self.user), "127.0.0.1", line]);
        ssh.stdin(Stdio::null());
        ssh
    }

    /// The user's home there.
    pub(crate) fn home(&self) -> PathBuf {
        self.place.path("home")
    }

    /// With more lines of sshd_config(5), and options before the key in authorized_keys.
    pub(crate) fn with(user: User, lines: &str, options: &str) -> Self {
        let place = Place::new();
        for name in ["host", "id", "other"] {
            keygen(&place.path(name));
        }
        for name in ["id", "other"] {
            own(user, &place.path(name));
        }
        let key = fs::read_to_string(place.path("id.pub")).unwrap();
        place.write("authorized", &format!("{options} {key}"));
        let home = place.path("home");
        fs::create_dir(&home).unwrap();
        let lines = lines.replace("%HOME%", home.to_str().unwrap());
        let (port, daemon) = start(&place, &lines, None);
        let sshd = Self { place, user, port, lines, daemon };
        let key = fs::read_to_string(sshd.place.path("host.pub")).unwrap();
        sshd.place.write("known", &format!("[127.0.0.1]:{port} {key}"));
        sshd.configure(&format!("helper_path = \"{}\"\n", helper().display()));
        sshd
    }

    /// The configuration of the target `far`, with these keys besides.
    pub(crate) fn configure(&self, keys: &str) {
        let path = |name| self.place.path(name).display().to_string();
        let (key, known, port) = (path("id"), path("known"), self.port);
        let own = |key: &str| keys.contains(&format!("{key} ="));
        let mut text = String::from("[executor.far]\ntype = \"ssh\"\nhost = \"127.0.0.1\"\n");
        text.push_str(&format!("username = \"{}\"\n", name_of(self.user)));
        for (name, line) in [
            ("port", format!("port = {port}\n")),
            ("key_file", format!("key_file = \"{key}\"\n")),
            ("known_hosts", format!("known_hosts = \"{known}\"\n")),
        ] {
            if !own(name) {
                text.push_str(&line);
            }
        }
        text.push_str(keys);
        self.place.write("config.toml", &text);
    }

    /// The program, with that configuration.
    pub(crate) fn shannot(&self, words: &[&str]) -> Command {
        let mut command = shannot(self.user);
        command.arg("--config").arg(self.place.path("config.toml")).args(words);
        command
    }

    /// `run` there, with the profile that allows everything.
    pub(crate) fn run(&self, options: &[&str], command: &[&str]) -> Command {
        let profile = anything().to_str().unwrap();
        let words = [&["run", "--target", "far", "--profile", profile], options, &["--"], command];
        self.shannot(&words.concat())
    }

    /// What is said of a command that cannot run there.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let ended = end(&mut self.run(&[], &["true"]));
        assert_code(&ended, 125);
        ended.complaint()
    }

    /// Starts the daemon again, where it was.
    pub(crate) fn restart(&mut self) {
        self.daemon = start(&self.place, &self.lines, Some(self.port)).1;
    }

    /// Ends the daemon and every session of it.
    pub(crate) fn kill(&mut self) {
        // Sessions are its children's children, and in sessions of their own.
        let mut pids = vec![self.daemon.id()];
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            // Only sshd: what it has started is told by the end of its streams.
            pids.extend(
                children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()).filter(
                    |pid| {
                        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c == "sshd\n")
                    },
                ),
            );
            next += 1;
        }
        for pid in pids.into_iter().skip(1) {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The program as it is named to the far side.
pub(crate) fn helper() -> PathBuf {
    PathBuf::from(shannot(ordinary()).get_program())
}

pub(crate) fn own(user: User, path: &Path) {
    if rustix::process::getuid().is_root() {
        chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
}

fn keygen(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path);
    assert!(keygen.status().expect("the package openssh-client").success());
}

pub(crate) fn name_of(user: User) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&user.uid.to_string()));
    line.unwrap().split(':').next().unwrap().to_owned()
}

fn start(place: &Place, lines: &str, port: Option<u16>) -> (u16, Child) {
    if rustix::process::getuid().is_root() {
        // Where an unprivileged part of sshd is shut in; its package makes it when it is started.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let path = |name| place.path(name).display().to_string();
    let (host, keys) = (path("host"), path("authorized"));
    // Without it, sshd refuses users that have no password.
    let pam = if rustix::process::getuid().is_root() { "yes" } else { "no" };
    // Another process may take a port before sshd does.
    for _ in 0..10 {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let port = port.unwrap_or_else(|| free().port());
        let config = place.write(
            "sshd_config",
            &format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {keys}\n\
                 StrictModes no\nUsePAM {pam}\nPidFile none\nPermitRootLogin yes\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n\
                 LogLevel VERBOSE\n{lines}\n"
            ),
        );
        let mounts = own_mounts(place, lines);
        let mut daemon = Command::new(if mounts.is_empty() { "/bin/sh" } else { "unshare" });
        if !mounts.is_empty() {
            daemon.args(["--mount", "/bin/sh"]);
        }
        let script = format!("{mounts}exec /usr/sbin/sshd \"$@\"");
        daemon
            .args(["-c", &script, "sh", "-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut daemon = daemon.process_group(0).spawn().expect("the package openssh-server");
        let mut log = BufReader::new(daemon.stderr.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 && !line.contains("Server listening") {
            line.clear();
        }
        if line.is_empty() {
            daemon.wait().unwrap();
            continue;
        }
        // It must not wait for whoever reads its log.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "sshd does not answer");
        }
        return (port, daemon);
    }
    panic!("sshd does not start: {}", fs::read_to_string(place.path("sshd_config")).unwrap());
}

/// What a shell does to mount for a daemon alone what goes with it.
fn own_mounts(place: &Place, lines: &str) -> String {
    let words = |key| Some(lines.split_once(key)?.1.lines().next().unwrap());
    let path = |name| place.path(name).display().to_string();
    let mut script = String::new();
    if let Some(options) = words("#mount ") {
        script.push_str(&format!("mount -t tmpfs -o {options} tmpfs {} && ", path("home")));
    }
    if words("#no-bwrap").is_some() {
        let without = path("without");
        script.push_str(&format!(
            "mkdir -p {without} && rm -f {without}/bwrap && mknod {without}/bwrap c 0 0 && \
             mount -t overlay -o lowerdir={without}:/usr/bin overlay /usr/bin && "
        ));
    }
    if let Some((user, shell)) = words("#shell ").and_then(|words| words.split_once(' ')) {
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let line = |line: &str| match line.strip_prefix(&format!("{user}:")) {
            Some(_) => format!("{}:{shell}\n", line.rsplit_once(':').unwrap().0),
            None => format!("{line}\n"),
        };
        let own = place.write("passwd", &passwd.lines().map(line).collect::<String>());
        script.push_str(&format!("mount --bind {} /etc/passwd && ", own.display()));
    }
    script
}

/// A way to a host that can go dead without a word: nothing passes any more, and no end is told.
pub(crate) struct Relay {
    pub(crate) port: u16,
    dead: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let dead = Arc::new(AtomicBool::new(false));
        let is_dead = Arc::clone(&dead);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let is_dead = Arc::clone(&is_dead);
                    std::thread::spawn(move || pass_on(from, to, &is_dead));
                }
            }
        });
        Self { port: own, dead }
    }

    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, is_dead: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        while is_dead.load(Ordering::Relaxed) {
            std::thread::park();
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            // The other side may have told it already.
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
    }
}

/// A number of seconds that no other process sleeps for.
pub(crate) fn marker() -> String {
    format!("{}.{}", 1000 + std::process::id(), u32::from_ne_bytes(noise(4).try_into().unwrap()))
}

/// How many processes sleep for that long.
pub(crate) fn count(mark: &str) -> usize {
    count_of("sleep", mark)
}

/// How many processes of a program have this for their one word.
pub(crate) fn count_of(program: &str, mark: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|p| fs::read(p.path().join("cmdline")).ok());
    let wanted = format!("{program}\0{mark}\0");
    lines.filter(|line| line == wanted.as_bytes()).count()
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait(until: impl Fn() -> bool) {
    let begun = Instant::now();
    while !until() {
        assert!(begun.elapsed() < Duration::from_secs(10), "in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
