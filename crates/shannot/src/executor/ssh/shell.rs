//! A run on a host that has nothing of ours: its `sh` looks at it, and starts its bwrap.
//!
//! One `ssh` serves one run. The login shell gets a fixed line; all else follows as scripts for `sh`, each
//! with its length before it: first one that surveys the host, then, made from what it said, the box.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use shannot_policy::plan::HostFacts;
use shannot_policy::plan::seccomp::{Arch, Ticket};
use shannot_policy::profile::Tier;
use shannot_policy::{Grant, Plan};
use shannot_sandbox::{BwrapCall, Error, Survey, quoted, survey_script};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{Semaphore, mpsc};

use super::command::{Helper, SshTarget};
use super::diagnosis::{beginning, with};
use super::heard::{self, Heard, Told};
use crate::event::{
    End, Event, Failure, FailureKind, Outcome, OutputStream, StageEnd, Unreachable,
};
use crate::executor::far::{Readers, until, unwanted};
use crate::executor::io::{Sink, Source};
use crate::executor::{Input, Io, internal};
use crate::run::{Caller, Order};

/// What runs the box there.
const BOX: &str = include_str!("box.sh");
/// The most that a host may say when it is surveyed: a mount table of thousands of lines fits.
const MOST_SURVEYED: u64 = 8 << 20;
/// The last record of a survey.
const SURVEYED: &[u8] = b"end\0";
/// How long the other side may take to end what it was told to end, beside its own limit.
const PATIENCE: Duration = Duration::from_secs(10);
const CHUNK: usize = 64 << 10;
/// A frame of standard input: less than a pipe holds, pipe(7).
const FRAME: usize = 48 << 10;

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
    /// Until the output begins.
    readers: Option<Readers>,
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
    caller: &mut Caller,
) -> Result<Outcome, Failure> {
    let Caller { events, orders, unread } = caller;
    let (gone, readers) = Readers::of(unread);
    let mut course = Course { events, orders, readers: Some(readers) };
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
    let sink = Sink::new(io.output, events, &gone)?;
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
        self.stdin.write_all(&framed(script)).await
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

    /// Starts the box, and sees it to its end.
    async fn attend(
        self,
        target: &SshTarget,
        call: &BwrapCall,
        mark: &str,
        input: Input,
        sink: &Sink<'_>,
        course: &mut Course<'_>,
    ) -> Result<Outcome, Failure> {
        let Self { mut child, mut stdin, stdout, stderr } = self;
        let since = Instant::now();
        let script = framed(&script(call, mark));
        let fed = Arc::new(Semaphore::new(0));
        let credit = Arc::clone(&fed);
        // A host that does not read must not hold up who waits for it.
        let feeder = tokio::spawn(async move {
            if stdin.write_all(&script).await.is_ok() {
                feed(input, stdin, credit).await;
            }
        });
        let feeder = feeder.abort_handle();
        let (mut stdout_bytes, mut stderr_bytes) = (0, 0);
        let readers = course.readers.take();
        let (wanted, over) = {
            let output = async {
                let (heard, is_unread) = tokio::join!(
                    heard::listen(stderr, mark, sink, &fed, &mut stderr_bytes),
                    pass(stdout, sink, readers, &mut stdout_bytes)
                );
                let code = child.wait().await.ok().and_then(|status| status.code());
                Ended { heard, is_unread, code }
            };
            tokio::pin!(output);
            let deadline = tokio::time::sleep(call.wall);
            tokio::pin!(deadline);
            let (mut ended, mut patience) = (None, None);
            loop {
                tokio::select! {
                    biased;
                    over = &mut output => break (ended, Some(over)),
                    end = course.ordered(), if ended.is_none() => ended = Some(end),
                    () = &mut deadline, if ended.is_none() => ended = Some(End::TimedOut),
                    () = until(patience) => break (ended, None),
                }
                // The shell there notices that nobody sends any more, and ends the box.
                if patience.is_none() && ended.is_some() {
                    feeder.abort();
                    patience = Some(tokio::time::Instant::now() + PATIENCE);
                }
            }
        };
        feeder.abort();
        let over = over.unwrap_or_default();
        let lingering = !over.is_known();
        let end = match wanted {
            Some(end) => end,
            None => over.end(target)?,
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

/// What is known of a box when its `ssh` has ended.
#[derive(Debug, Default)]
struct Ended {
    heard: Heard,
    /// Whether its caller had stopped to read before.
    is_unread: bool,
    /// That of `ssh`, which is the far shell's; 255 of its own errors.
    code: Option<i32>,
}

impl Ended {
    /// The exit code that the far shell has passed on. It says 0 also where it never came to the box, and
    /// the line that tells more is lost only with the reader of what came before it.
    fn passed_on(&self) -> Option<i32> {
        self.code.filter(|code| self.is_unread && !matches!(code, 0 | 255))
    }

    /// Whether the box is known to have ended.
    fn is_known(&self) -> bool {
        self.heard.end.is_some() || self.passed_on().is_some()
    }

    fn end(self, target: &SshTarget) -> Result<End, Failure> {
        match (self.heard.end, self.passed_on(), self.code) {
            (Some(Told::Exited(code)), ..) | (None, Some(code), _) => Ok(End::Exited(code)),
            (Some(Told::Failed), ..) => Err(no_box(target, &self.heard.tail)),
            // What ssh(1) ends with of its own, also where it was killed.
            (None, None, Some(255) | None) => {
                Err(lost(target, with("the connection was lost", &beginning(&self.heard.tail))))
            }
            (None, None, Some(_)) => {
                let what = "its shell did not tell how the command ended, or whether it ran";
                Err(lost(target, with(what, &beginning(&self.heard.tail))))
            }
        }
    }
}

/// A script with its length before it.
fn framed(script: &[u8]) -> Vec<u8> {
    [format!("{}\n", script.len()).as_bytes(), script].concat()
}

/// Has the shell read another script.
const NEXT: &[u8] = b"next\n";

/// The script that makes the box.
fn script(call: &BwrapCall, mark: &str) -> Vec<u8> {
    // Should this side never say that it is over.
    let wall = (call.wall + PATIENCE).as_secs();
    let mut script = format!("mark={mark} wall={wall}\nfilter() {{ printf '").into_bytes();
    for byte in &call.filter {
        // Three digits, so that none that follows is read with it.
        script.extend_from_slice(format!("\\{byte:03o}").as_bytes());
    }
    script.extend_from_slice(b"'; }\nbox() {\n");
    for limit in &call.limits {
        // Fails where the limit is lower already.
        script.extend_from_slice(format!("ulimit {limit} 2> /dev/null\n").as_bytes());
    }
    // The first process of the box keeps the environment that bwrap is started with.
    script.extend_from_slice(b"exec env -i");
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

/// Sends standard input to its end, and then holds the line: its end ends the box. What was sent has
/// `fed` the command before more is: nothing may lie between this side and the one that notices its end.
async fn feed(input: Input, mut stdin: ChildStdin, fed: Arc<Semaphore>) {
    let mut source = Source::new(input);
    while let Some(source) = &mut source
        && let Some(bytes) = source.next().await
    {
        for frame in bytes.chunks(FRAME) {
            let sent = [format!("{}\n", frame.len()).as_bytes(), frame].concat();
            let Ok(()) = stdin.write_all(&sent).await else { return };
            let Ok(permit) = fed.acquire().await else { return };
            permit.forget();
        }
    }
    if stdin.write_all(b"0\n").await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Passes standard output on, as far as the caller reads: then `ssh` is told, and the command by its host.
/// Whether the caller stopped first.
async fn pass(
    mut stdout: BufReader<ChildStdout>,
    sink: &Sink<'_>,
    readers: Option<Readers>,
    count: &mut u64,
) -> bool {
    let gone = async {
        match readers {
            // Standard error has more to tell than what the command writes.
            Some(mut readers) => while readers.gone().await != OutputStream::Stdout {},
            None => std::future::pending().await,
        }
    };
    let all = async {
        loop {
            let mut buffer = BytesMut::with_capacity(CHUNK);
            let Ok(read @ 1..) = stdout.read_buf(&mut buffer).await else { return false };
            *count += read as u64;
            if sink.stdout(buffer.freeze()).await.is_err() {
                return true;
            }
        }
    };
    tokio::select! {
        () = gone => true,
        is_unread = all => is_unread,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> SshTarget {
        SshTarget {
            name: "far".to_owned(),
            destination: "far".parse().unwrap(),
            key_file: None,
            known_hosts: None,
            strict_host_key: true,
            connect_timeout: Duration::from_secs(1),
            helper: Helper::Absent,
            deploy: None,
            sockets: None,
        }
    }

    /// A shell that could start no process goes on to its end and exits with 0.
    #[test]
    fn a_box_of_which_nothing_was_told_has_not_ended_well() {
        let told = |end| Heard { end, tail: Vec::new() };
        for (end, is_unread, code, want) in [
            (Some(Told::Exited(3)), false, Some(3), Ok(3)),
            (Some(Told::Exited(0)), true, None, Ok(0)),
            (None, true, Some(141), Ok(141)),
            (None, true, Some(0), Err("did not tell")),
            (None, false, Some(0), Err("did not tell")),
            (None, false, Some(7), Err("did not tell")),
            (None, true, Some(255), Err("connection was lost")),
            (None, false, None, Err("connection was lost")),
            (Some(Told::Failed), false, Some(1), Err("made no box")),
        ] {
            let ended = Ended { heard: told(end), is_unread, code };
            match (ended.end(&target()), want) {
                (Ok(End::Exited(code)), Ok(want)) => assert_eq!(code, want),
                (Err(failure), Err(want)) => {
                    assert!(failure.to_string().contains(want), "{failure}")
                }
                (got, want) => panic!("{got:?}, not {want:?}"),
            }
        }
    }
}
