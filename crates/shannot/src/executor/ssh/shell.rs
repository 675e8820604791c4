//! A run on a host that has nothing of ours: its `sh` looks at it, and starts its bwrap.
//!
//! One `ssh` serves one run. The login shell gets a fixed line; all else follows as scripts for `sh`, each
//! with its length before it: first one that surveys the host, then, made from what it said, the box.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use shannot_policy::plan::HostFacts;
use shannot_policy::plan::seccomp::{Arch, Ticket};
use shannot_policy::profile::Tier;
use shannot_policy::{Grant, Plan};
use shannot_sandbox::{BwrapCall, Error, Survey, quoted, survey_script};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::command::{Helper, SshTarget};
use super::diagnosis::beginning;
use crate::event::{End, Event, Failure, FailureKind, Outcome, StageEnd, Unreachable};
use crate::executor::far::{until, unwanted};
use crate::executor::io::{Sink, Source};
use crate::executor::{Input, Io, internal};
use crate::run::Order;

/// What runs the box there.
const BOX: &str = include_str!("box.sh");
/// The most that a host may say when it is surveyed: a mount table of thousands of lines fits.
const MOST_SURVEYED: u64 = 8 << 20;
/// The last record of a survey.
const SURVEYED: &[u8] = b"end\0";
/// How long the other side may take to end what it was told to end, beside its own limit.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line in which the end is told.
const LONGEST_END: usize = 1 << 10;
/// What is kept of standard error for a box that could not be made.
const MOST_STDERR: usize = 2 << 10;
const CHUNK: usize = 64 << 10;

/// The `sh` of a host, which reads scripts.
#[derive(Debug)]
pub(super) struct Shell {
    /// Killed when it is dropped.
    pub(super) child: Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: BufReader<ChildStdout>,
    pub(super) stderr: ChildStderr,
}

/// What of a run goes on beside its output.
struct Course<'o> {
    events: &'o mpsc::Sender<Event>,
    orders: &'o mut mpsc::UnboundedReceiver<Order>,
}

/// Runs what was granted, by its shell alone.
///
/// # Errors
/// What the outcome is instead of a command's.
pub(super) async fn conduct(
    shell: Shell,
    target: &SshTarget,
    grant: &Grant,
    io: Io,
    events: &mpsc::Sender<Event>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<Outcome, Failure> {
    let mut course = Course { events, orders };
    let mut shell = shell;
    let call = {
        let surveyed = tokio::time::timeout(target.connect_timeout, shell.survey(target, grant));
        tokio::select! {
            biased;
            surveyed = surveyed => surveyed.map_err(|_| {
                let within = target.connect_timeout;
                lost(target, format!("its shell did not answer within {within:?}"))
            })??,
            () = course.unwanted() => return Ok(Outcome::never(End::Cancelled)),
        }
    };
    let mark = mark()?;
    let script = script(&call, &mark);
    shell.send(&script).await.map_err(|error| lost(target, error.to_string()))?;
    let sink = Sink::new(io.output, events)?;
    let cwd = call.cwd.clone();
    let mut outcome = shell.attend(target, &call, &mark, io.stdin, &sink, &mut course).await;
    // What has come is passed on, also of a run that failed.
    let passed = tokio::select! {
        biased;
        passed = sink.finish() => passed,
        () = unwanted(course.orders) => Ok(()),
    };
    if let Ok(outcome) = &mut outcome {
        passed?;
        outcome.cwd = Some(cwd);
    }
    outcome
}

impl Course<'_> {
    /// Waits until nobody wants the run any more.
    async fn unwanted(&mut self) {
        tokio::select! {
            () = unwanted(self.orders) => {}
            () = self.events.closed() => {}
        }
    }

    /// Waits until the run is to end, and returns how.
    async fn ordered(&mut self) -> End {
        tokio::select! {
            order = self.orders.recv() => match order {
                // Nobody there could pass it to the command: it ends, as it would by most.
                Some(Order::Signal(signal)) => End::Signaled(signal),
                Some(Order::Cancel) | None => End::Cancelled,
            },
            () = self.events.closed() => End::Cancelled,
        }
    }
}

impl Shell {
    /// Has a script read, which leaves standard input to the next or to what it starts.
    async fn send(&mut self, script: &[u8]) -> std::io::Result<()> {
        let mut sent = format!("{}\n", script.len()).into_bytes();
        sent.extend_from_slice(script);
        self.stdin.write_all(&sent).await
    }

    /// What a survey has said, to its end.
    async fn surveyed(&mut self, target: &SshTarget) -> Result<Vec<u8>, Failure> {
        let mut said = Vec::new();
        loop {
            let left = MOST_SURVEYED.saturating_sub(said.len() as u64);
            let read = (&mut self.stdout).take(left).read_until(0, &mut said).await;
            if !matches!(read, Ok(1..)) {
                let said = beginning(&said);
                return Err(lost(target, format!("its shell did not survey it; it said `{said}`")));
            }
            let is_end = said.ends_with(SURVEYED)
                && matches!(
                    said.len().checked_sub(SURVEYED.len() + 1).map(|at| said[at]),
                    None | Some(0)
                );
            if is_end {
                said.truncate(said.len() - SURVEYED.len());
                return Ok(said);
            }
        }
    }

    /// Looks at the host, and describes the box for it.
    async fn survey(&mut self, target: &SshTarget, grant: &Grant) -> Result<BwrapCall, Failure> {
        let refused = |error: Error| refused(target, &error);
        let profile = grant.profile();
        if !profile.tiers.contains(&Tier::T3) {
            let lacks = format!("the profile `{}` does not accept it", profile.name);
            return Err(refused(Error::Lacks { tier: Tier::T3, lacks }));
        }
        // Without Landlock, and with a filter that knows no ticket.
        let facts = HostFacts {
            arch: Arch::X86_64,
            ticket: Ticket(0),
            landlock_abi: 0,
            log_groups: Vec::new(),
        };
        let plan = Plan::new(grant, Tier::T3, &facts);
        let garbled = |why: String| lost(target, why);
        let broken = |error: std::io::Error| lost(target, error.to_string());
        self.send(&[survey_script(&plan).as_slice(), NEXT].concat()).await.map_err(broken)?;
        let mut survey = Survey::read(&self.surveyed(target).await?).map_err(garbled)?;
        if let Some(script) = survey.aliases_script(&plan).map_err(refused)? {
            self.send(&[script.as_slice(), NEXT].concat()).await.map_err(broken)?;
            survey.add(&self.surveyed(target).await?).map_err(garbled)?;
        }
        if let Some(why) = survey.lacks_bwrap() {
            let helper = match target.helper {
                Helper::Absent => "install shannot there, and name it by `helper_path`".to_owned(),
                Helper::At(_) | Helper::Deployed(_) => {
                    format!("`shannot remote deploy {}` puts the helper there", target.name)
                }
            };
            return Err(Failure::Unreachable(Box::new(Unreachable {
                lacks_helper: true,
                ..Unreachable::new(
                    &target.name,
                    format!("there is no helper on the host, and {why}"),
                    Some(format!("{helper}; its package `bubblewrap` would do, too")),
                )
            })));
        }
        survey.call(&plan).map_err(refused)
    }

    /// Sees the box to its end.
    async fn attend(
        self,
        target: &SshTarget,
        call: &BwrapCall,
        mark: &str,
        input: Input,
        sink: &Sink<'_>,
        course: &mut Course<'_>,
    ) -> Result<Outcome, Failure> {
        let Self { mut child, stdin, stdout, stderr } = self;
        let since = Instant::now();
        let stdin = tokio::spawn(feed(input, stdin));
        let abort = stdin.abort_handle();
        let (mut stdout_bytes, mut stderr_bytes) = (0, 0);
        let ended = {
            let output = async {
                let (told, ()) = tokio::join!(
                    listen(stderr, mark, sink, &mut stderr_bytes),
                    pass(stdout, sink, &mut stdout_bytes)
                );
                let _ = child.wait().await;
                told
            };
            tokio::pin!(output);
            let deadline = tokio::time::sleep(call.wall);
            tokio::pin!(deadline);
            let mut ended = None;
            let mut patience = None;
            loop {
                tokio::select! {
                    biased;
                    told = &mut output => break (ended, Some(told)),
                    end = course.ordered(), if ended.is_none() => ended = Some(end),
                    () = &mut deadline, if ended.is_none() => ended = Some(End::TimedOut),
                    () = until(patience) => break (ended, None),
                }
                // The shell there notices that nobody sends any more, and ends the box.
                if patience.is_none() && ended.is_some() {
                    abort.abort();
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                }
            }
        };
        abort.abort();
        let (wanted, told) = ended;
        let lingering = told.is_none();
        let told = told.unwrap_or_default();
        let end = match (wanted, told.end) {
            (Some(end), _) => end,
            (None, Some(Told::Exited(code))) => End::Exited(code),
            (None, Some(Told::Failed)) => return Err(no_box(target, &told.tail)),
            (None, None) => {
                let said = beginning(&told.tail);
                return Err(lost(target, format!("the connection was lost: {said}")));
            }
        };
        let stage = match end {
            End::Exited(code) => Some(StageEnd::Exited(code)),
            _ => None,
        };
        Ok(Outcome {
            stages: vec![stage],
            stdout_bytes,
            stderr_bytes,
            duration: since.elapsed(),
            enforcement: Some(call.enforcement.clone()),
            lingering,
            ..Outcome::never(end)
        })
    }
}

/// Has the shell read another script.
const NEXT: &[u8] = b"next\n";

/// The script that makes the box.
fn script(call: &BwrapCall, mark: &str) -> Vec<u8> {
    let mut script = format!("mark={mark}\nfilter() {{ printf '").into_bytes();
    for byte in &call.filter {
        // Three digits, so that none that follows is read with it.
        script.extend_from_slice(format!("\\{byte:03o}").as_bytes());
    }
    script.extend_from_slice(b"'; }\nbox() {\n");
    for limit in &call.limits {
        // Fails where the limit is lower already.
        script.extend_from_slice(format!("ulimit {limit} 2> /dev/null\n").as_bytes());
    }
    // Should this side never say that it is over.
    let wall = (call.wall + PATIENCE).as_secs_f64().ceil();
    script.extend_from_slice(format!("exec timeout -s KILL {wall}").as_bytes());
    let [program, args @ ..] = &call.argv[..] else { return Vec::new() };
    for word in [program.as_slice(), b"--json-status-fd", b"7"]
        .into_iter()
        .chain(args.iter().map(Vec::as_slice))
    {
        script.push(b' ');
        // No word of a request or of a path holds a NUL.
        script.extend(quoted(word).unwrap_or_default());
    }
    script.extend_from_slice(b"\n}\n");
    script.extend_from_slice(BOX.as_bytes());
    script
}

/// By what the words that tell the end are known; no command can guess it.
fn mark() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| internal("get random bytes", std::io::Error::other(error)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Sends standard input to its end, and then holds the line: its end ends the box.
async fn feed(input: Input, mut stdin: ChildStdin) {
    let mut source = Source::new(input);
    while let Some(source) = &mut source
        && let Some(chunk) = source.next().await
    {
        if frames(&chunk, &mut stdin).await.is_err() {
            return;
        }
    }
    if stdin.write_all(b"0\n").await.is_ok() {
        std::future::pending::<()>().await;
    }
}

async fn frames(bytes: &[u8], stdin: &mut ChildStdin) -> std::io::Result<()> {
    for chunk in bytes.chunks(CHUNK) {
        stdin.write_all(format!("{}\n", chunk.len()).as_bytes()).await?;
        stdin.write_all(chunk).await?;
    }
    Ok(())
}

/// Passes standard output on, as far as the caller reads.
async fn pass(mut stdout: BufReader<ChildStdout>, sink: &Sink<'_>, count: &mut u64) {
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let Ok(read @ 1..) = stdout.read_buf(&mut buffer).await else { return };
        *count += read as u64;
        if sink.stdout(buffer.freeze()).await.is_err() {
            // `ssh` is told, and the command by its host.
            return;
        }
    }
}

/// What was heard on standard error beside the command's own.
#[derive(Debug, Default)]
struct Heard {
    end: Option<Told>,
    tail: Vec<u8>,
}

/// How a box has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The command, with this exit code; 128 and more may stand for a signal.
    Exited(i32),
    /// It never came to a command.
    Failed,
}

/// Passes standard error on, but for the line that tells the end.
async fn listen(mut stderr: ChildStderr, mark: &str, sink: &Sink<'_>, count: &mut u64) -> Heard {
    let mut heard = Heard::default();
    let mut held = BytesMut::new();
    let mut told: Option<Vec<u8>> = None;
    let mut is_read = true;
    loop {
        let at_end = !matches!(stderr.read_buf(&mut held).await, Ok(1..));
        if let Some(line) = &mut told {
            let room = LONGEST_END.saturating_sub(line.len()).min(held.len());
            line.extend_from_slice(&held[..room]);
            held.clear();
        } else {
            let (own, line) = split(&held, mark.as_bytes(), at_end);
            told = line.map(<[u8]>::to_vec);
            let own: Bytes = held.split_to(own).freeze();
            if told.is_some() {
                held.clear();
            }
            *count += own.len() as u64;
            heard.tail.extend_from_slice(&own);
            let old = heard.tail.len().saturating_sub(MOST_STDERR);
            heard.tail.drain(..old);
            if is_read && !own.is_empty() {
                is_read = sink.stderr(own).await.is_ok();
            }
        }
        if at_end {
            heard.end = told.as_deref().and_then(end);
            return heard;
        }
    }
}

/// How much of what was read is the command's, and what follows the mark.
fn split<'b>(bytes: &'b [u8], mark: &[u8], at_end: bool) -> (usize, Option<&'b [u8]>) {
    if let Some(at) = bytes.windows(mark.len()).position(|window| window == mark) {
        return (at, Some(&bytes[at + mark.len()..]));
    }
    let may_be_begun = |held: &usize| mark.starts_with(&bytes[bytes.len() - held..]);
    let held = (1..mark.len().min(bytes.len() + 1)).rev().find(may_be_begun).unwrap_or(0);
    (if at_end { bytes.len() } else { bytes.len() - held }, None)
}

/// Reads ` 0 {"child-pid": 7, …}{"exit-code": 0 }`.
fn end(line: &[u8]) -> Option<Told> {
    let line = String::from_utf8_lossy(line);
    let line = line.strip_prefix(' ')?.lines().next()?;
    let (code, status) = line.split_once(' ')?;
    let code: i32 = code.parse().ok()?;
    // bwrap writes it when the command that it executed has ended, and only then.
    Some(if status.contains("\"exit-code\"") { Told::Exited(code) } else { Told::Failed })
}

fn lost(target: &SshTarget, what: impl Into<String>) -> Failure {
    Failure::Unreachable(Box::new(Unreachable::new(&target.name, what, None)))
}

/// That a box cannot be had there, and what would help.
fn refused(target: &SshTarget, error: &Error) -> Failure {
    let host = target.name.clone();
    let kind = match error {
        Error::NotFound { .. } => FailureKind::NotFound,
        Error::NotExecutable { .. } => FailureKind::NotExecutable,
        Error::Cwd { .. } => FailureKind::Cwd,
        _ => FailureKind::NoTier,
    };
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        message.push_str(&format!(": {source}"));
    }
    if kind == FailureKind::NoTier {
        message.push_str(&format!(
            " (the host has no helper, only bwrap; `shannot remote deploy {host}` puts one there)"
        ));
    }
    Failure::Far { host, kind, message }
}

/// That bwrap has made no box, or not executed the command, by its own words.
fn no_box(target: &SshTarget, tail: &[u8]) -> Failure {
    let host = target.name.clone();
    let message = format!("bwrap made no box there: {}", beginning(tail));
    Failure::Far { host, kind: FailureKind::NoTier, message }
}
