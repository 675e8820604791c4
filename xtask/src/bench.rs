//! `cargo xtask bench`: what a box costs, as ratios to a plain spawn of the same command.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitCode, Stdio as Std};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shannot::policy::profile::{Examples, Network, Processes, Profile, Tier};
use shannot::policy::{Argv, Locale, Plan, Request, Stages, authorize};
use shannot::sandbox::{Host, Prepared, Stdio, prepare};

type Run = Box<dyn FnMut()>;

pub fn main(args: Vec<String>) -> ExitCode {
    let rounds: usize = args.first().and_then(|a| a.parse().ok()).unwrap_or(300);
    let host = Host::read().expect("host");
    let tier = if host.uid == 0 { Tier::T1 } else { Tier::T2 };
    let mut rows: Vec<(String, Run)> = vec![("posix_spawn".into(), Box::new(spawn))];
    let all = |name: &str, tier, f: &dyn Fn(&mut Profile)| {
        let p = ready(tier, &host, f);
        let run: Run = Box::new(move || run(&p));
        (format!("{name} {tier}"), run)
    };
    rows.push(all("bare", tier, &|p| {
        p.paths.hide.clear();
        p.paths.hide_other_homes = false;
        p.view.processes = Processes::Own;
        p.view.network = Network::Tables;
    }));
    rows.push(all("diagnostics", tier, &|_| {}));
    rows.push(all("diagnostics+netns", tier, &|p| p.view.network = Network::None));
    rows.push(all("L", Tier::L, &|_| {}));
    {
        let host = host.clone();
        rows.push((
            "diagnostics with prepare".into(),
            Box::new(move || run(&ready(tier, &host, &|_| {}))),
        ));
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); rows.len()];
    for round in 0..rounds + 5 {
        for (i, (_, f)) in rows.iter_mut().enumerate() {
            let t = Instant::now();
            f();
            if round >= 5 {
                times[i].push(t.elapsed());
            }
        }
    }
    let median = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    let floor = times[0].clone();
    for ((name, _), t) in rows.iter().zip(&times) {
        let us = median(t.iter().map(|d| d.as_secs_f64() * 1e6).collect());
        let ratio =
            median(t.iter().zip(&floor).map(|(a, b)| a.as_secs_f64() / b.as_secs_f64()).collect());
        println!("{name:30} {us:8.0} us  {ratio:5.2}");
    }
    ExitCode::SUCCESS
}

fn spawn() {
    Command::new("/bin/true")
        .stdin(Std::null())
        .stdout(Std::null())
        .stderr(Std::null())
        .status()
        .expect("true");
}

fn ready(tier: Tier, host: &Host, f: &dyn Fn(&mut Profile)) -> Prepared {
    let text = "version = 1\nname = \"b\"\ndescription = \"b\"\n[view]\nprocesses = \"host\"\nnetwork=\"tables\"\n[commands.true]\nabout = \"x\"\n";
    let mut profile =
        Profile::parse(text, "b", Examples::Trust, &|_| Err("none".into())).expect("profile");
    f(&mut profile);
    profile.tiers = BTreeSet::from([tier]);
    let request = Request {
        profile: profile.name.clone(),
        stages: Stages::new(vec![Argv::from_words(["true"]).expect("argv")]).expect("stages"),
        cwd: None,
        timeout: None,
        locale: Locale::default(),
    };
    let grant = authorize(&Arc::new(profile), request).expect("grant");
    prepare(&Plan::new(&grant, tier, &host.facts().expect("facts")), host).expect("prepared")
}

fn run(p: &Prepared) {
    let null = || -> OwnedFd {
        File::options().read(true).write(true).open("/dev/null").expect("null").into()
    };
    let mut child =
        p.start(Stdio { stdin: null(), stdout: null(), stderr: null() }).expect("start");
    while !child.try_wait().expect("wait") {
        let fd = child.wait_fd().expect("fd");
        let mut fds =
            [rustix::event::PollFd::from_borrowed_fd(fd.as_fd(), rustix::event::PollFlags::IN)];
        let _ = rustix::event::poll(&mut fds, None);
    }
}
