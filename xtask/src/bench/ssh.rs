//! What a call over SSH costs: an sshd of our own on the loopback interface, also behind a delay.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use shannot::policy::profile::{Examples, Profile};
use shannot::policy::{Argv, Cwd, Locale, Request, Stages};
use shannot::sandbox::Host;
use shannot::{End, Executor, Gate, Helper, Io, LocalExecutor, SshExecutor, SshTarget};

use super::stream::Source;
use super::{Row, in_process, median, program, table};
use crate::say;

/// Each way, so that a round trip takes 20 ms.
const DELAY: Duration = Duration::from_millis(10);
/// Calls at once.
const CALLS: usize = 100;
/// Targets at once.
const TARGETS: usize = 50;

/// The Python clients, each with one connection that stays and bwrap on the host.
const PEER: &str = include_str!("ssh_peer.py");

pub(super) fn tables(rounds: usize, shannot: &Path) -> Result<(), String> {
    let sshd = Sshd::new(shannot)?;
    table(
        "ssh: /bin/true in a warm box, from the call to its end",
        rounds,
        sshd.calls(sshd.port)?,
    )?;
    let few = rounds.div_ceil(5);
    let delayed = delay(sshd.port)?;
    table("ssh, 20 ms away: the same", few, sshd.calls(delayed)?)?;
    table("ssh: a first call", few, sshd.first_calls(sshd.port)?)?;
    table("ssh, 20 ms away: a first call", few.div_ceil(2), sshd.first_calls(delayed)?)?;
    table("ssh: 256 MiB of output", 15, sshd.output()?)?;
    table(&format!("ssh: {CALLS} calls at once"), 15, sshd.at_once()?)?;
    sshd.fleet()
}

pub(super) struct Sshd {
    dir: PathBuf,
    port: u16,
    shannot: PathBuf,
    daemon: Child,
    runtime: Rc<tokio::runtime::Runtime>,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Nothing is left to do when they have gone already.
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("control-") {
                let mut exit = Command::new("ssh");
                exit.arg("-o").arg(format!("ControlPath={}", entry.path().display()));
                exit.args(["-O", "exit", "127.0.0.1"]).stderr(Stdio::null());
                let _ = exit.status();
            }
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Sshd {
    pub(super) fn new(shannot: &Path) -> Result<Self, String> {
        let failed = |what: &str, e: std::io::Error| format!("cannot {what}: {e}");
        let dir = std::env::temp_dir().join(format!("shannot-bench-ssh-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| failed("make a directory", e))?;
        fs::create_dir_all("/run/sshd").map_err(|e| failed("make /run/sshd", e))?;
        for name in ["host", "id"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(name));
            crate::setup::run(&mut keygen)?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
        let port = port.map_err(|e| failed("find a port", e))?.port();
        let key = fs::read_to_string(dir.join("host.pub")).map_err(|e| failed("read a key", e))?;
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/id.pub\n\
             StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nMaxStartups 200\n\
             SetEnv HOME={0}\n",
            dir.display()
        );
        fs::write(dir.join("known"), format!("* {key}"))
            .and_then(|()| fs::write(dir.join("config"), config))
            .map_err(|e| failed("write its files", e))?;
        // What every user's shell reads first, and no more.
        let _ = fs::copy("/etc/skel/.bashrc", dir.join(".bashrc"));
        let mut daemon = Command::new("/usr/sbin/sshd");
        daemon.args(["-D", "-f"]).arg(dir.join("config")).stderr(Stdio::null());
        let daemon = daemon.spawn().map_err(|e| failed("start sshd", e))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = Rc::new(runtime.map_err(|e| failed("start the runtime", e))?);
        let sshd = Self { dir, port, shannot: shannot.to_owned(), daemon, runtime };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err("sshd does not answer".into());
            }
        }
        Ok(sshd)
    }

    /// A configuration with this host as the target `far`.
    pub(super) fn as_target(&self) -> String {
        let (dir, port, shannot) = (self.dir.display(), self.port, self.shannot.display());
        format!(
            "[executor.far]\ntype = \"ssh\"\nhost = \"127.0.0.1\"\nusername = \"root\"\n\
             port = {port}\nkey_file = \"{dir}/id\"\nknown_hosts = \"{dir}/known\"\n\
             helper_path = \"{shannot}\"\n"
        )
    }

    fn target(&self, port: u16) -> Result<SshTarget, String> {
        Ok(SshTarget {
            name: "far".to_owned(),
            destination: format!("root@127.0.0.1:{port}").parse().map_err(|e| format!("{e}"))?,
            key_file: Some(self.dir.join("id")),
            known_hosts: Some(self.dir.join("known")),
            strict_host_key: true,
            connect_timeout: Duration::from_secs(20),
            helper: Helper::At(self.shannot.display().to_string().parse()?),
            deploy: None,
            sockets: None,
        })
    }

    fn ssh(&self, port: u16, words: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"])
            .arg(self.dir.join("id"));
        ssh.arg("-o").arg(format!("UserKnownHostsFile={}", self.dir.join("known").display()));
        ssh.args(["-o", "LogLevel=ERROR", "-p", &port.to_string(), "-l", "root"]);
        ssh.stdin(Stdio::null());
        ssh.arg("127.0.0.1").args(words);
        ssh
    }

    fn calls(&self, port: u16) -> Result<Vec<Row>, String> {
        let there = gate(Arc::new(SshExecutor::new(self.target(port)?)))?;
        let runtime = Rc::clone(&self.runtime);
        let call = move || runtime.block_on(nothing(&there));
        call()?;
        let control = self.dir.join(format!("control-{port}"));
        let option = format!("ControlPath={}", control.display());
        let master = ["-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", &option];
        let mut ssh = self.ssh(port, &["true"]);
        let words: Vec<_> = ssh.get_args().map(ToOwned::to_owned).collect();
        ssh = Command::new("ssh");
        ssh.args(master).args(words).stdin(Stdio::null());
        let here = LocalExecutor::new(None).map_err(|e| e.to_string())?;
        let here = gate(Arc::new(here))?;
        let runtime = Rc::clone(&self.runtime);
        let mut rows = vec![
            Row::new("posix_spawn here", in_process::spawn),
            Row::new("here, in a warm box", move || runtime.block_on(nothing(&here))),
            Row::new("there, in a warm box", call),
            Row::new("ssh with ControlMaster, no box", move || in_process::quiet(&mut ssh)),
        ];
        for client in ["asyncssh", "paramiko"] {
            match Peer::new(client, port, &self.dir) {
                Ok(peer) => {
                    let name = format!("{client}, a connection that stays, bwrap there");
                    rows.push(Row::new(name, move || peer.call()));
                }
                Err(why) => say(&format!("{client} is left out: {why}")),
            }
        }
        Ok(rows)
    }

    fn first_calls(&self, port: u16) -> Result<Vec<Row>, String> {
        let mut ssh = self.ssh(port, &["true"]);
        let mut run = self.shannot(port, &["true"])?;
        Ok(vec![
            Row::new("ssh host true", move || in_process::quiet(&mut ssh)),
            Row::new("shannot run --target host true", move || in_process::quiet(&mut run)),
        ])
    }

    /// The program, with the host as its target.
    fn shannot(&self, port: u16, command: &[&str]) -> Result<Command, String> {
        let config = self.dir.join(format!("config-{port}.toml"));
        self.configure(&config, &[("far", port)])?;
        let mut run = Command::new(&self.shannot);
        run.arg("--config").arg(config).args([
            "--target",
            "far",
            "run",
            "-n",
            "--timeout",
            "30s",
            "--",
        ]);
        run.args(command).stdin(Stdio::null());
        Ok(run)
    }

    fn configure(&self, path: &Path, targets: &[(&str, u16)]) -> Result<(), String> {
        let mut text = String::new();
        for (name, port) in targets {
            text.push_str(&format!(
                "[executor.{name}]\ntype = \"ssh\"\nhost = \"127.0.0.1\"\nport = {port}\n\
                 username = \"root\"\nkey_file = \"{0}/id\"\nknown_hosts = \"{0}/known\"\n\
                 connect_timeout = \"20s\"\nhelper_path = \"{1}\"\n",
                self.dir.display(),
                self.shannot.display()
            ));
        }
        fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn output(&self) -> Result<Vec<Row>, String> {
        let source = Source::new(256)?;
        let path = source.path().display().to_string();
        let mut ssh = self.ssh(self.port, &["cat", &path]);
        let mut run = self.shannot(self.port, &["cat", &path])?;
        let keep = Rc::clone(&source);
        Ok(vec![
            Row::new("ssh host cat", move || through_pipe(&mut ssh, &source)),
            Row::new("shannot run --target host cat", move || through_pipe(&mut run, &keep)),
        ])
    }

    fn at_once(&self) -> Result<Vec<Row>, String> {
        let far = Arc::new(gate(Arc::new(SshExecutor::new(self.target(self.port)?)))?);
        let here = LocalExecutor::new(None).map_err(|e| e.to_string())?;
        let here = Arc::new(gate(Arc::new(here))?);
        let row = |name: &str, gate: Arc<Gate>| {
            let runtime = Rc::clone(&self.runtime);
            Row::new(name, move || {
                runtime.block_on(async {
                    let mut all = tokio::task::JoinSet::new();
                    for _ in 0..CALLS {
                        let gate = Arc::clone(&gate);
                        all.spawn(async move { nothing(&gate).await });
                    }
                    all.join_all().await.into_iter().collect()
                })
            })
        };
        Ok(vec![row("here, warm boxes", here), row("there, one connection", far)])
    }

    /// How long the others take beside one that is slow.
    fn fleet(&self) -> Result<(), String> {
        let slow = slow(self.port, Duration::from_secs(5))?;
        let names: Vec<String> = (0..TARGETS).map(|i| format!("t{i}")).collect();
        let targets: Vec<(&str, u16)> = names
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str(), if i == 0 { slow } else { self.port }))
            .collect();
        let config = self.dir.join("fleet.toml");
        self.configure(&config, &targets)?;
        let mut one = self.shannot(self.port, &["true"])?;
        let begun = Instant::now();
        in_process::quiet(&mut one)?;
        let alone = begun.elapsed();
        let mut run = Command::new(&self.shannot);
        run.arg("--config").arg(&config).args(["--json", "--target", &names.join(",")]);
        run.args(["run", "--", "true"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let begun = Instant::now();
        let mut child = run.spawn().map_err(|e| e.to_string())?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let times: Vec<f64> = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .map(|_| begun.elapsed().as_secs_f64() * 1e3)
            .collect();
        child.wait().map_err(|e| e.to_string())?;
        say(&format!("\nssh: {TARGETS} targets, each a first call, one slow by 5 s"));
        let last = times.iter().rev().nth(1).copied().unwrap_or(f64::NAN);
        say(&format!("  one target alone        {:>9.0} ms", alone.as_secs_f64() * 1e3));
        say(&format!("  the median of the others {:>8.0} ms", median(times.clone())));
        say(&format!("  the last of the others  {last:>9.0} ms"));
        say(&format!("  the slow one            {:>9.0} ms", times.last().unwrap_or(&f64::NAN)));
        Ok(())
    }
}

fn gate(executor: Arc<dyn Executor>) -> Result<Gate, String> {
    let text = "version = 1\nname = \"bench\"\n[commands.true]\nabout = \"Does nothing.\"\n";
    let profile = Profile::parse(text, "bench", Examples::Trust, &|_| Err(String::new()));
    Ok(Gate::new([Arc::new(profile.map_err(|e| e.to_string())?)], executor))
}

async fn nothing(gate: &Gate) -> Result<(), String> {
    let request = Request {
        profile: "bench".parse().map_err(|_| "no name")?,
        stages: Stages::new(vec![Argv::from_words(["true"]).map_err(|e| e.to_string())?])
            .map_err(|e| e.to_string())?,
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    let run = gate.run(request, Io::default()).map_err(|e| e.to_string())?;
    match run.collect().await.outcome.end {
        End::Exited(0) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn through_pipe(command: &mut Command, source: &Source) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    let wanted = fs::metadata(source.path()).map_err(failed)?.len();
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut stdout = child.stdout.take().ok_or("no stdout")?;
    let (mut buffer, mut read) = (vec![0; 1 << 20], 0);
    loop {
        match stdout.read(&mut buffer).map_err(failed)? {
            0 => break,
            n => read += n as u64,
        }
    }
    child.wait().map_err(failed)?;
    if read == wanted { Ok(()) } else { Err(format!("{read} of {wanted} bytes came")) }
}

/// A Python client that makes a call for each line that it gets.
struct Peer {
    child: RefCell<Child>,
    streams: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Peer {
    fn new(client: &str, port: u16, dir: &Path) -> Result<Self, String> {
        let prepared =
            in_process::ready(shannot::policy::profile::Tier::T1, &Host::read(), |_| {})?;
        let bwrap = program::bwrap(prepared.hidden(), &["/bin/true"]);
        let words = std::iter::once(bwrap.get_program()).chain(bwrap.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let mut python = Command::new("python3");
        python.args(["-c", PEER, client, &port.to_string()]).arg(dir).arg(line);
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = python.spawn().map_err(|e| format!("python3: {e}"))?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or("no streams")?;
        let streams = RefCell::new((stdin, BufReader::new(stdout)));
        let peer = Self { child: RefCell::new(child), streams };
        peer.answer().map_err(|_| format!("`pip install {client}` installs it"))?;
        Ok(peer)
    }

    fn call(&self) -> Result<(), String> {
        self.streams.borrow_mut().0.write_all(b"\n").map_err(|e| e.to_string())?;
        self.answer()
    }

    fn answer(&self) -> Result<(), String> {
        let mut line = String::new();
        self.streams.borrow_mut().1.read_line(&mut line).map_err(|e| e.to_string())?;
        if line == "0\n" { Ok(()) } else { Err(format!("it answered {line:?}")) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.get_mut().kill();
        let _ = self.child.get_mut().wait();
    }
}

/// A port that leads to another, [`DELAY`] later each way.
fn delay(port: u16) -> Result<u16, String> {
    relay(port, Duration::ZERO, DELAY)
}

/// A port that answers only after some time.
fn slow(port: u16, by: Duration) -> Result<u16, String> {
    relay(port, by, Duration::ZERO)
}

fn relay(port: u16, accept: Duration, each_way: Duration) -> Result<u16, String> {
    let failed = |e: std::io::Error| format!("cannot relay: {e}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let own = listener.local_addr().map_err(failed)?.port();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            std::thread::spawn(move || {
                std::thread::sleep(accept);
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
                for stream in [&near, &far] {
                    stream.set_nodelay(true)?;
                }
                let there = (near.try_clone()?, far.try_clone()?);
                std::thread::spawn(move || pass(there.0, there.1, each_way));
                pass(far, near, each_way);
                std::io::Result::Ok(())
            });
        }
    });
    Ok(own)
}

/// Passes bytes on, each so much later than it came.
fn pass(mut from: TcpStream, mut to: TcpStream, later: Duration) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = std::thread::spawn(move || {
        for (due, bytes) in receive {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        // Whoever reads there may have gone.
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let due = Instant::now() + later;
        if send.send((due, buffer.get(..read).unwrap_or_default().to_vec())).is_err() {
            break;
        }
    }
    drop(send);
    // It has only bytes left to pass on.
    let _ = writer.join();
}
