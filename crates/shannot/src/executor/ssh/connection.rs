//! A connection to the agent on another host, over the standard streams of one `ssh`.

use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, ReadBuf,
};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::command::{SHELL, SshTarget};
use super::diagnosis::{beginning, diagnose, text_of, with};
use super::master::Master;
use super::shell::Shell;
use crate::event::Unreachable;
use crate::wire::{API, ASK_AFTER, FrameBody, GONE_AFTER, Greeting};

/// The most that a host may say before its agent greets: the output of its shells' start-up files.
const MOST_NOISE: usize = 64 << 10;
/// What is kept of standard error, the latest.
const MOST_STDERR: usize = 4 << 10;
/// How much of a run's output may be on its way: as much as its caller would hold anyway.
const STREAM_WINDOW: u32 = 4 << 20;
/// The most that RFC 9113 knows: runs that nobody reads hold up no others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const FRAME: u32 = 256 << 10;

/// A connection. Dropping all clones of [`Connection::send`] and this ends it, `ssh` and the agent.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) send: SendRequest<FrameBody>,
    pub(super) greeting: Greeting,
    /// Ends `ssh` when it is dropped.
    stderr: Arc<Mutex<Vec<u8>>>,
    last: Last,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Starts `ssh` and waits for the agent's greeting, or what the shell says in its place.
    ///
    /// # Errors
    /// Why there is neither, and what to do about it.
    pub(super) async fn open(
        target: &SshTarget,
        master: Option<&Master>,
    ) -> Result<Opened, Unreachable> {
        let unreachable = |what: String, hint: Option<&str>| {
            Unreachable::new(&target.name, what, hint.map(str::to_owned))
        };
        let Ssh { mut child, stdin, stdout, heard, listener } =
            Ssh::start(target, &target.helper.far_command(), master)?;
        let mut stdout = BufReader::with_capacity(MOST_NOISE, stdout);
        let mut noise = Vec::new();
        let greeted = greeting(&mut stdout, &mut noise);
        let greeting = match tokio::time::timeout(target.connect_timeout, greeted).await {
            Ok(Some(Answered::Agent(greeting))) => greeting,
            Ok(Some(Answered::Shell)) => {
                let stderr = listener.stop().await;
                let stderr =
                    stderr.ok_or_else(|| unreachable("its streams have ended".into(), None))?;
                let shell = Shell { child, stdin, stdout, stderr };
                return Ok(Opened::Shell(Box::new(shell)));
            }
            Ok(None) => {
                if noise.len() >= MOST_NOISE {
                    let _ = child.start_kill();
                }
                let status = last_words(&mut child, listener).await;
                return Err(diagnose(target, status, &text_of(&heard), &noise));
            }
            Err(_) => {
                let mut what = format!("no agent answered within {:?}", target.connect_timeout);
                if !noise.is_empty() {
                    what.push_str(&format!("; it said `{}`", beginning(&noise)));
                }
                let hint = "is the host up? `connect_timeout` gives it longer";
                return Err(unreachable(with(&what, &text_of(&heard)), Some(hint)));
            }
        };
        if greeting.api != API {
            let (theirs, version) = (greeting.api, &greeting.version);
            let what = format!(
                "its agent, shannot {version}, speaks version {theirs} of the API, and this one {API}"
            );
            let hint = match theirs > API {
                true => "update shannot here",
                false => "update shannot there",
            };
            return Err(unreachable(what, Some(hint)));
        }
        let last = Last(Arc::new(Mutex::new(Instant::now())));
        let stdout = Heard { stdout, last: last.clone() };
        let streams = TokioIo::new(tokio::io::join(stdout, stdin));
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .max_header_list_size(16 << 10)
            .keep_alive_interval(ASK_AFTER)
            .keep_alive_timeout(GONE_AFTER - ASK_AFTER)
            .handshake(streams);
        let (send, driver) = handshake
            .await
            .map_err(|error| unreachable(format!("it speaks no HTTP/2: {error}"), None))?;
        let driver = tokio::spawn(async move {
            // Its end is told to every run by its own stream.
            let _ = driver.await;
            end(child).await;
        });
        Ok(Opened::Agent(Self { send, greeting, stderr: heard, last, driver }))
    }

    /// Whether it is known to have ended.
    pub(super) fn is_closed(&self) -> bool {
        self.send.is_closed() || self.driver.is_finished()
    }

    /// Whether it has been so silent for so long that it counts as dead. A link can end and tell nobody.
    pub(super) fn is_silent(&self) -> bool {
        // Its last question was asked of what had been heard then, a little later.
        self.last.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
            > GONE_AFTER - Duration::from_secs(1)
    }

    /// What `ssh` and the agent have said lately.
    pub(super) fn said(&self) -> String {
        text_of(&self.stderr)
    }
}

/// What answers on a host.
#[derive(Debug)]
pub(super) enum Opened {
    /// An agent.
    Agent(Connection),
    /// A shell, where there is no helper.
    Shell(Box<Shell>),
}

/// When something came last.
#[derive(Debug, Clone)]
struct Last(Arc<Mutex<Instant>>);

/// What the agent says, and a note of when.
struct Heard {
    stdout: BufReader<ChildStdout>,
    last: Last,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.stdout).poll_read(context, buffer);
        if read.is_ready() {
            *self.last.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        read
    }
}

/// An `ssh` that runs, and its streams.
#[derive(Debug)]
pub(super) struct Ssh {
    /// Killed when it is dropped.
    pub(super) child: Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    /// What it and the far side say on standard error.
    pub(super) heard: Arc<Mutex<Vec<u8>>>,
    pub(super) listener: Listener,
}

impl Ssh {
    /// Has a line read by the login shell there, by a connection of its own or a shared one.
    pub(super) fn start(
        target: &SshTarget,
        far_command: &str,
        master: Option<&Master>,
    ) -> Result<Self, Unreachable> {
        let mut command = Command::new("ssh");
        command.args(master.map(Master::options).into_iter().flatten());
        command.args(target.words(far_command));
        let (child, stdin, stdout, stderr) = spawn(&mut command, target)?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Listener::new(stderr, Arc::clone(&heard));
        Ok(Self { child, stdin, stdout, heard, listener })
    }
}

/// Starts an `ssh`, which is killed when it is dropped.
pub(super) fn spawn(
    command: &mut Command,
    target: &SshTarget,
) -> Result<(Child, ChildStdin, ChildStdout, ChildStderr), Unreachable> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A Ctrl-C at the terminal is for the command, which is told of it.
    #[cfg(unix)]
    command.process_group(0);
    // The same: CREATE_NEW_PROCESS_GROUP.
    #[cfg(windows)]
    command.creation_flags(0x200);
    let failed = |error: std::io::Error| {
        let hint = "install the OpenSSH client".to_owned();
        Unreachable::new(&target.name, format!("cannot start `ssh`: {error}"), Some(hint))
    };
    let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok((child, stdin, stdout, stderr)),
        _ => Err(failed(std::io::Error::other("it has no streams"))),
    }
}

/// Waits until it has ended and what it said on its way out is there. Its exit code.
pub(super) async fn last_words(child: &mut Child, listener: Listener) -> Option<i32> {
    let ended = tokio::time::timeout(Duration::from_secs(2), child.wait()).await;
    let _ = tokio::time::timeout(Duration::from_millis(500), listener.task).await;
    ended.ok()?.ok()?.code()
}

/// Its standard input is closed, which ends it; one that does not end is killed.
async fn end(mut child: Child) {
    if tokio::time::timeout(Duration::from_secs(2), child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Who has answered.
enum Answered {
    Agent(Greeting),
    Shell,
}

/// Reads to the agent's greeting, or the shell's; `None` where there is none. What came before it is noise.
async fn greeting(stdout: &mut BufReader<ChildStdout>, noise: &mut Vec<u8>) -> Option<Answered> {
    loop {
        let start = noise.len();
        let left = MOST_NOISE.saturating_sub(start);
        if left == 0 || read_line(stdout, noise, left).await == 0 {
            return None;
        }
        let line = noise[start..].strip_suffix(b"\n").unwrap_or(&noise[start..]);
        if let Some(greeting) = Greeting::parse(line) {
            return Some(Answered::Agent(greeting));
        }
        if line == SHELL.as_bytes() {
            return Some(Answered::Shell);
        }
    }
}

/// Reads to the end of a line, or so many bytes. Returns how many.
async fn read_line(from: &mut (impl AsyncBufRead + Unpin), to: &mut Vec<u8>, most: usize) -> usize {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    from.take(most).read_until(b'\n', to).await.unwrap_or(0)
}

/// Keeps the latest that comes on standard error.
#[derive(Debug)]
pub(super) struct Listener {
    task: JoinHandle<Option<ChildStderr>>,
    /// Tells it to stop.
    going: oneshot::Sender<()>,
}

impl Listener {
    fn new(stderr: ChildStderr, heard: Arc<Mutex<Vec<u8>>>) -> Self {
        let (going, stop) = oneshot::channel();
        Self { task: tokio::spawn(listen(stderr, heard, stop)), going }
    }

    /// Stops, and gives the stream back if it has not ended.
    async fn stop(self) -> Option<ChildStderr> {
        let _ = self.going.send(());
        self.task.await.ok().flatten()
    }
}

async fn listen(
    mut stderr: ChildStderr,
    heard: Arc<Mutex<Vec<u8>>>,
    stop: oneshot::Receiver<()>,
) -> Option<ChildStderr> {
    let mut buffer = vec![0; MOST_STDERR];
    // One that is dropped, and not told to stop, goes on.
    let stop = async {
        if stop.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(stop);
    loop {
        let read = tokio::select! {
            biased;
            read = stderr.read(&mut buffer) => read,
            () = &mut stop => return Some(stderr),
        };
        let Ok(read @ 1..) = read else { return None };
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend_from_slice(&buffer[..read]);
        let old = heard.len().saturating_sub(MOST_STDERR);
        heard.drain(..old);
    }
}
