//! The executor of a program that lives for long, through the gate.

#![expect(clippy::unwrap_used, reason = "a test")]
#![cfg(boxes)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shannot::policy::profile::Examples;
use shannot::policy::types::Timeout;
use shannot::policy::{Argv, Cwd, Locale, Profile, Request, Stages, authorize};
use shannot::{
    Collected, End, Event, Gate, Input, Io, Limit, LocalExecutor, Output, Reader, Run, Writer,
};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

const PROFILE: &str = r#"
version = 1
name = "test"
[commands."*"]
about = "Anything."
"#;

struct Server {
    gate: Gate,
    executor: Arc<LocalExecutor>,
    profile: Arc<Profile>,
}

fn server(runs: usize) -> Server {
    let none = |_: &_| Err("none".into());
    let profile = Arc::new(Profile::parse(PROFILE, "test", Examples::Trust, &none).unwrap());
    let executor = Arc::new(LocalExecutor::new(None).unwrap().with_concurrency(runs));
    let gate = Gate::new([Arc::clone(&profile)], Arc::clone(&executor) as _);
    Server { gate, executor, profile }
}

fn request(words: &[&str], time: Option<&str>) -> Request {
    Request {
        profile: "test".parse().unwrap(),
        stages: Stages::new(vec![Argv::from_words(words.iter().copied()).unwrap()]).unwrap(),
        cwd: Cwd::Root,
        timeout: time.map(|time| time.parse::<Timeout>().unwrap()),
        locale: Locale::default(),
    }
}

impl Server {
    fn start(&self, words: &[&str]) -> Run {
        self.gate.run(request(words, None), Io::default()).unwrap()
    }

    /// A run that ends when the writing end goes.
    fn hold(&self) -> (Run, std::os::fd::OwnedFd) {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let io = Io { stdin: Input::Fd(read), output: Output::Events };
        (self.gate.run(request(&["cat"], None), io).unwrap(), write)
    }
}

fn text(collected: &Collected) -> &str {
    std::str::from_utf8(&collected.stdout).unwrap()
}

/// The children of this process, of all its threads.
fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.map(|t| std::fs::read_to_string(t.path().join("children")).unwrap());
    lists.map(|list| list.split_whitespace().count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_are_kept_for_the_runs_that_follow() {
    let server = server(8);
    server.executor.warm(&authorize(&server.profile, request(&["true"], None)).unwrap()).unwrap();
    let kept = children();
    assert!(kept >= 2, "a zygote and what is ready: {kept}");
    for round in 0..20 {
        let word = round.to_string();
        let collected = server.start(&["echo", &word]).collect().await;
        assert!(matches!(collected.outcome.end, End::Exited(0)), "{:?}", collected.outcome);
        assert_eq!(text(&collected), format!("{word}\n"));
    }
    let Server { gate, executor, .. } = server;
    drop((gate, executor));
    let deadline = Instant::now() + Duration::from_secs(5);
    while children() > 0 {
        assert!(Instant::now() < deadline, "they end with the executor: {}", children());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_of_commands_run_in_boxes_that_are_ready() {
    let server = server(8);
    let words = [["echo", "a\nb"].as_slice(), &["tr", "a-z", "A-Z"], &["cat"]];
    let stages = words.map(|words| Argv::from_words(words.iter().copied()).unwrap());
    let piped =
        Request { stages: Stages::new(stages.to_vec()).unwrap(), ..request(&["true"], None) };
    server.executor.warm(&authorize(&server.profile, piped.clone()).unwrap()).unwrap();
    for _ in 0..5 {
        let collected = server.gate.run(piped.clone(), Io::default()).unwrap().collect().await;
        assert!(matches!(collected.outcome.end, End::Exited(0)), "{:?}", collected.outcome);
        assert_eq!(collected.outcome.stages.len(), 3);
        assert_eq!(text(&collected), "A\nB\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_runs_at_once_each_get_their_own_output() {
    let server = server(16);
    let runs = (0..300).map(|n| (n, server.start(&["echo", &n.to_string()])));
    for (n, run) in runs.collect::<Vec<_>>() {
        let collected = timeout(Duration::from_secs(60), run.collect()).await.unwrap();
        assert_eq!(text(&collected), format!("{n}\n"), "{:?}", collected.outcome);
    }
}

#[tokio::test]
async fn what_is_beyond_the_limit_waits_in_its_order() {
    let server = server(1);
    let (first, input) = server.hold();
    let (order, mut ended) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..5 {
        let (run, order) = (server.start(&["true"]), order.clone());
        tokio::spawn(async move {
            run.collect().await;
            order.send(n).unwrap();
        });
        // In the order of these calls.
        tokio::task::yield_now().await;
    }
    assert!(timeout(Duration::from_millis(300), ended.recv()).await.is_err(), "there is no room");
    drop(input);
    first.collect().await;
    for n in 0..5 {
        assert_eq!(timeout(Duration::from_secs(10), ended.recv()).await.unwrap(), Some(n));
    }
}

#[tokio::test]
async fn time_runs_while_a_run_waits() {
    let server = server(1);
    let (first, input) = server.hold();
    let begun = Instant::now();
    let waiting = server.gate.run(request(&["true"], Some("1s")), Io::default()).unwrap();
    let outcome = timeout(Duration::from_secs(5), waiting.collect()).await.unwrap().outcome;
    assert!(matches!(outcome.end, End::TimedOut), "{outcome:?}");
    assert_eq!(outcome.limits_hit, [Limit::Wall]);
    assert!(outcome.enforcement.is_none(), "nothing has run");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    drop(input);
    assert!(matches!(first.collect().await.outcome.end, End::Exited(0)));
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_or_dropped_and_takes_no_room() {
    let server = server(1);
    let (first, input) = server.hold();
    let cancelled = server.start(&["true"]);
    let dropped = server.start(&["true"]);
    let last = server.start(&["echo", "well"]);
    cancelled.cancel();
    let outcome = timeout(Duration::from_secs(5), cancelled.collect()).await.unwrap().outcome;
    assert!(matches!(outcome.end, End::Cancelled), "{outcome:?}");
    drop(dropped);
    drop(input);
    first.collect().await;
    let last = timeout(Duration::from_secs(10), last.collect()).await.unwrap();
    assert_eq!(text(&last), "well\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_does_not_read_holds_the_command_up_and_no_memory() {
    let server = server(8);
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let mut run = server.start(&["cat", "/dev/zero"]);
    assert!(matches!(run.next().await, Some(Event::Stdout(_))));
    let before = resident();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes are held for a caller who does not read");
    run.cancel();
    while let Some(event) = timeout(Duration::from_secs(5), run.next()).await.unwrap() {
        if let Event::Ended(outcome) = event {
            assert!(matches!(outcome.end, End::Cancelled), "{outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fed_comes_back_whole() {
    let server = server(8);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let io = Io { stdin: Input::Bytes(Bytes::from(bytes.clone())), output: Output::Events };
    let collected = server.gate.run(request(&["cat"], None), io).unwrap().collect().await;
    assert!(matches!(collected.outcome.end, End::Exited(0)), "{:?}", collected.outcome);
    assert!(collected.stdout == bytes, "{} bytes", collected.stdout.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_writers_serve_in_the_place_of_descriptors() {
    let server = server(8);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let (to, mut out) = tokio::io::duplex(4096);
    let stdin = Input::Reader(Reader::new(std::io::Cursor::new(bytes.clone())));
    let output =
        Output::Writers { stdout: Writer::new(to), stderr: Writer::new(tokio::io::sink()) };
    let run = server.gate.run(request(&["cat"], None), Io { stdin, output }).unwrap();
    let mut back = Vec::new();
    let (read, collected) = tokio::join!(out.read_to_end(&mut back), run.collect());
    assert!(matches!(collected.outcome.end, End::Exited(0)), "{:?}", collected.outcome);
    assert_eq!((read.unwrap(), collected.outcome.stdout_bytes), (bytes.len(), 3_000_000));
    assert!(back == bytes && collected.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_has_gone_ends_the_command() {
    let server = server(8);
    let (to, out) = tokio::io::duplex(4096);
    drop(out);
    let output =
        Output::Writers { stdout: Writer::new(to), stderr: Writer::new(tokio::io::sink()) };
    let io = Io { stdin: Input::Empty, output };
    let collected = server.gate.run(request(&["yes"], None), io).unwrap().collect().await;
    assert!(matches!(collected.outcome.end, End::Signaled(13)), "{:?}", collected.outcome);
}
