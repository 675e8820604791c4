//! What the engine costs a program that embeds it, against `posix_spawn` of the same command.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio as Null};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use shannot::policy::profile::{Examples, Network, Processes, Profile, Tier};
use shannot::policy::{Argv, Cwd, Locale, Plan, Request, Stages, authorize};
use shannot::sandbox::{Child, Host, Prepared, Stdio, prepare};

use super::{Row, program};

pub(super) const PROFILE: &str = r#"
version = 1
name = "bench"
description = "What diagnostics has, for one command."
[view]
processes = "host"
network = "tables"
[commands.true]
about = "Do nothing."
"#;

pub(super) fn rows() -> Result<Vec<Row>, String> {
    let host = Arc::new(Host::read());
    let full = if host.uid == 0 { Tier::T1 } else { Tier::T2 };
    let hidden = ready(full, &host, |_| {})?;
    let row = |name: &str, tier, change: fn(&mut Profile)| -> Result<Row, String> {
        let prepared = ready(tier, &host, change)?;
        Ok(Row::new(format!("{name}, {tier}"), move || start(&prepared)))
    };
    let again = Arc::clone(&host);
    let mut bwrap = program::bwrap(hidden.hidden(), &["/bin/true"]);
    Ok(vec![
        Row::new("posix_spawn", spawn),
        row("bare layers", full, bare)?,
        row("diagnostics", full, |_| {})?,
        row("diagnostics, own network namespace", full, |p| p.view.network = Network::None)?,
        row("diagnostics, prepared before", Tier::L, |_| {})?,
        Row::new(format!("diagnostics, read and prepared each time, {full}"), move || {
            start_once(full, &again)
        }),
        Row::new("bwrap, same mounts and namespaces", move || quiet(&mut bwrap)),
    ])
}

/// No hides and no host view: the layers alone.
fn bare(profile: &mut Profile) {
    profile.paths.hide.clear();
    profile.paths.hide_other_homes = false;
    profile.view.processes = Processes::Own;
}

pub(super) fn spawn() -> Result<(), String> {
    quiet(&mut Command::new("/bin/true"))
}

/// Runs a command with nothing on its standard streams. std uses `posix_spawn` here.
pub(super) fn quiet(command: &mut Command) -> Result<(), String> {
    let done = command.stdin(Null::null()).stdout(Null::null()).stderr(Null::null()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// A box for `true`, made ready.
pub(super) fn ready(tier: Tier, host: &Host, change: fn(&mut Profile)) -> Result<Prepared, String> {
    let plan = plan(tier, host, change)?;
    prepare(&plan, host).map_err(|e| format!("{tier}: {e}"))
}

pub(super) fn plan(tier: Tier, host: &Host, change: fn(&mut Profile)) -> Result<Plan, String> {
    let profile = Profile::parse(PROFILE, "bench", Examples::Trust, &|_| Err("none".into()));
    let mut profile = profile.map_err(|e| e.to_string())?;
    change(&mut profile);
    profile.tiers = BTreeSet::from([tier]);
    let argv = Argv::from_words(["true"]).map_err(|e| e.to_string())?;
    let request = Request {
        profile: profile.name.clone(),
        stages: Stages::new(vec![argv]).map_err(|e| e.to_string())?,
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    let grant = authorize(&Arc::new(profile), request).map_err(|e| e.to_string())?;
    let facts = host.facts().map_err(|e| e.to_string())?;
    Ok(Plan::new(&grant, tier, &facts))
}

/// Starts a run and waits for its end.
fn start(prepared: &Prepared) -> Result<(), String> {
    wait(prepared.start(nothing()?).map_err(|e| e.to_string())?)
}

/// From the profile to the end of a run, without anything made ready before.
fn start_once(tier: Tier, host: &Host) -> Result<(), String> {
    let plan = plan(tier, host, |_| {})?;
    let started = shannot::sandbox::start(&plan, host, None, nothing()?);
    wait(started.map_err(|e| e.to_string())?.0)
}

pub(super) fn nothing() -> Result<Stdio, String> {
    let null = || -> Result<OwnedFd, String> {
        let file = File::options().read(true).write(true).open("/dev/null");
        file.map(Into::into).map_err(|e| e.to_string())
    };
    Ok(Stdio { stdin: null()?, stdout: null()?, stderr: null()? })
}

pub(super) fn wait(mut child: Child) -> Result<(), String> {
    while !child.try_wait().map_err(|e| e.to_string())? {
        if let Some(fd) = child.wait_fd() {
            // Interrupted or not: the loop looks again.
            let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], None);
        }
    }
    Ok(())
}
