//! What a run costs a program that lives for long and keeps its boxes warm.

use std::cell::RefCell;
use std::hint::black_box;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use shannot::policy::profile::{Examples, Profile, Tier};
use shannot::policy::{Argv, Cwd, Locale, Plan, Request, Stages};
use shannot::sandbox::{Child, Host, Warm};
use shannot::{End, Event, Gate, Io, LocalExecutor};

use super::stream::{self, Source};
use super::{Row, in_process, median, program, table};
use crate::say;

/// A box that is kept, and what is left of its last run.
struct Kept {
    plan: Plan,
    warm: Warm,
    ended: RefCell<Option<Child>>,
}

impl Kept {
    fn new() -> Result<Self, String> {
        let host = Arc::new(Host::read());
        let plan = in_process::plan(tier(&host), &host, |_| {})?;
        let warm = Warm::new(&plan, &host).map_err(|e| e.to_string())?;
        Ok(Self { plan, warm, ended: RefCell::default() })
    }

    /// As an executor does, when nobody waits any more.
    fn tidy(&self, ready: usize) -> Result<(), String> {
        drop(self.ended.take());
        self.warm.refill(ready).map_err(|e| e.to_string())
    }

    /// From the call to the end of all that the run could do.
    fn run(&self) -> Result<(), String> {
        if !self.warm.serves(&self.plan) {
            return Err("the host has changed meanwhile".into());
        }
        let started = self.warm.start(&self.plan, in_process::nothing()?);
        self.ended.replace(Some(end(started.map_err(|e| format!("{e:?}"))?.0)?));
        Ok(())
    }
}

fn tier(host: &Host) -> Tier {
    if host.uid == 0 { Tier::T1 } else { Tier::T2 }
}

fn end(mut child: Child) -> Result<Child, String> {
    while !child.try_end().map_err(|e| e.to_string())? {
        let fds = [child.wait_fd(), child.status_fd()].into_iter().flatten();
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // Interrupted or not: the loop looks again.
        let _ = poll(&mut fds, None);
    }
    Ok(child)
}

fn kept_rows() -> Result<Vec<Row>, String> {
    let row = |name: &str, ready: usize| -> Result<Row, String> {
        let kept = Rc::new(Kept::new()?);
        let before = Rc::clone(&kept);
        Ok(Row::new(name, move || kept.run()).after(move || before.tidy(ready)))
    };
    Ok(vec![
        Row::new("posix_spawn", in_process::spawn),
        row("warm, a box is ready", 1)?,
        row("warm, none is ready", 0)?,
    ])
}

pub(super) fn rows() -> Result<Vec<Row>, String> {
    let host = Host::read();
    let prepared = in_process::ready(tier(&host), &host, |_| {})?;
    let mut bwrap = program::bwrap(prepared.hidden(), &["/bin/true"]);
    let mut rows = kept_rows()?;
    rows.push(Row::new("bwrap, same mounts and namespaces", move || in_process::quiet(&mut bwrap)));
    Ok(rows)
}

/// The same in a process that holds 1 GiB.
pub(super) fn beside_memory(rounds: usize) -> Result<(), String> {
    let held = black_box(vec![1u8; 1 << 30]);
    table("the same with 1 GiB resident in this process", rounds, kept_rows()?)?;
    drop(held);
    Ok(())
}

/// What two threads do again and again.
type Shared<'a> = &'a (dyn Fn() -> Result<(), String> + Sync);

/// Runs a second, two at once.
pub(super) fn sustained() -> Result<(), String> {
    const ROUNDS: usize = 7;
    let host = Host::read();
    let prepared = in_process::ready(tier(&host), &host, |_| {})?;
    let hidden: Vec<_> = prepared.hidden().collect();
    let kept = Kept::new()?;
    let Kept { plan, warm, .. } = &kept;
    let runs: [(&str, Shared<'_>); 3] = [
        ("posix_spawn", &in_process::spawn),
        ("warm", &|| {
            if !warm.serves(plan) {
                return Err("the host has changed meanwhile".into());
            }
            let started = warm.start(plan, in_process::nothing()?);
            in_process::wait(started.map_err(|e| format!("{e:?}"))?.0)
        }),
        ("bwrap, same mounts and namespaces", &|| {
            in_process::quiet(&mut program::bwrap(hidden.iter().copied(), &["/bin/true"]))
        }),
    ];
    let mut rates = vec![Vec::new(); runs.len()];
    for _ in 0..ROUNDS {
        for ((_, run), rates) in runs.iter().zip(&mut rates) {
            rates.push(rate(*run)?);
        }
    }
    say("\ntwo at once, runs a second");
    let base = rates.first().cloned().unwrap_or_default();
    for ((name, _), rates) in runs.iter().zip(&rates) {
        let ratios = rates.iter().zip(&base).map(|(a, b)| a / b).collect();
        say(&format!("  {name:<44} {:>9.0} /s  {:>6.2} ×", median(rates.clone()), median(ratios)));
    }
    Ok(())
}

/// How often two threads do it in a second.
fn rate(run: Shared<'_>) -> Result<f64, String> {
    const WINDOW: Duration = Duration::from_millis(600);
    let done = AtomicU32::new(0);
    let begun = Instant::now();
    std::thread::scope(|threads| {
        let worker = || -> Result<(), String> {
            while begun.elapsed() < WINDOW {
                run()?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let workers = [threads.spawn(worker), threads.spawn(worker)];
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|_| Err("it panicked".into())))
    })?;
    Ok(f64::from(done.into_inner()) / begun.elapsed().as_secs_f64())
}

/// Output as events of a run, against what bwrap's pipe gives who reads it.
pub(super) fn output_rows() -> Result<Vec<Row>, String> {
    let source = Source::new(256)?;
    let (of_bwrap, of_run) = (Rc::clone(&source), source);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let text = in_process::PROFILE.replace("commands.true", "commands.cat");
    let profile = Profile::parse(&text, "bench", Examples::Trust, &|_| Err("none".into()));
    let profile = Arc::new(profile.map_err(|e| e.to_string())?);
    let executor = LocalExecutor::new(None).map_err(|e| e.to_string())?;
    let name = profile.name.clone();
    let gate = Gate::new([profile], Arc::new(executor));
    let path = of_run.path().to_string_lossy().into_owned();
    let argv = Argv::from_words(["cat", &path]).map_err(|e| e.to_string())?;
    let request = Request {
        profile: name,
        stages: Stages::new(vec![argv]).map_err(|e| e.to_string())?,
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    Ok(vec![
        Row::new("bwrap … cat, read from its pipe", move || through_bwrap(&of_bwrap)),
        Row::new("cat as a run's events", move || {
            // The file is there as long as this.
            let _ = &of_run;
            runtime.block_on(to_events(&gate, request.clone()))
        }),
    ])
}

fn through_bwrap(source: &Source) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut bwrap = stream::bwrap();
    bwrap.arg("cat").arg(source.path()).stdout(Stdio::piped());
    let mut child = bwrap.spawn().map_err(failed)?;
    let mut pipe = child.stdout.take().ok_or("no pipe")?;
    let mut buffer = vec![0u8; 64 << 10];
    while std::io::Read::read(&mut pipe, &mut buffer).map_err(failed)? > 0 {}
    let ended = child.wait().map_err(failed)?;
    if ended.success() { Ok(()) } else { Err(format!("{bwrap:?}: {ended}")) }
}

async fn to_events(gate: &Gate, request: Request) -> Result<(), String> {
    let mut run = gate.run(request, Io::default()).map_err(|e| e.to_string())?;
    let mut bytes = 0;
    loop {
        match run.next().await {
            Some(Event::Stdout(chunk)) => bytes += chunk.len(),
            Some(Event::Stderr(_)) => {}
            Some(Event::Ended(outcome)) => match outcome.end {
                End::Exited(0) if bytes == 256 << 20 => return Ok(()),
                end => return Err(format!("{bytes} bytes, then {end:?}")),
            },
            None => return Err("no end".into()),
        }
    }
}
