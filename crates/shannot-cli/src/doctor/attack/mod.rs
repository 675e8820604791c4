//! `shannot doctor --attack`: a hostile command in the profile's box, on this host, and the same one
//! outside, which proves that what was refused was refused by the box.

mod site;
mod text;
mod verdict;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use shannot::policy::profile::{Examples, Tier};
use shannot::policy::types::AbsPath;
use shannot::policy::{Argv, Cwd, Locale, Profile, Request, Stages};
use shannot::sandbox::Prepared;
use shannot::sandbox::attack::{ATTACK, attacks, read_answers};
use shannot::{End, Executor, Gate, Io, LocalExecutor};

use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::here;
use crate::profiles::Profiles;
use crate::render::{human, json};
use crate::surroundings::Surroundings;
use site::{Change, Site};
use verdict::{Row, Verdict};

/// What came of the attack.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    profile: String,
    blocked: usize,
    /// Of these, how many are refused outside the box too, for this user.
    blocked_everywhere: usize,
    /// Not held by the tier, which says so.
    unenforced: usize,
    escaped: usize,
    /// One for each kind of command that the profile has.
    boxes: Vec<Attacked>,
}

/// One box that was attacked.
#[derive(Debug, Serialize)]
pub(super) struct Attacked {
    kind: Kind,
    tier: &'static str,
    attacks: Vec<Row>,
}

/// What boxes of one profile differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Kind {
    /// Whether the command may have children.
    forks: bool,
    /// Whether it may execute listed programs.
    spawns: bool,
    /// Whether it may read the kernel's log.
    kernel_log: bool,
}

/// Attacks this host in the profile's boxes, and says what came of it.
pub(crate) fn run(global: &Global) -> ExitCode {
    let report = match attack(global) {
        Ok(report) => report,
        Err(error) => {
            human::complain_of(&error);
            return ExitCode::Usage;
        }
    };
    if global.json {
        json::print(&report);
    } else {
        human::print(&text::report(&report));
    }
    if report.escaped == 0 { ExitCode::Fine } else { ExitCode::Finding }
}

fn attack(global: &Global) -> Result<Report, Error> {
    let surroundings = Surroundings::read();
    let profile = Profiles::new(&surroundings).select(global.profile.as_deref())?.profile;
    let executor = Arc::new(here::executor());
    let mut boxes = Vec::new();
    for kind in kinds(&profile) {
        let site = Site::make(&profile)?;
        let boxed = Arc::new(boxed(&profile, kind, &site)?);
        // What is hidden is known when the box is made ready, and the attacker is told.
        site.tell_hidden(&hidden(&executor, &boxed, &site)?)?;
        boxes.push(attack_box(&executor, &boxed, kind, &site)?);
    }
    let count = |is: &dyn Fn(&Row) -> bool| {
        boxes.iter().flat_map(|attacked| &attacked.attacks).filter(|row| is(row)).count()
    };
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        profile: profile.name.to_string(),
        blocked: count(&|row| row.result == Verdict::Blocked),
        blocked_everywhere: count(&|row| row.result == Verdict::Blocked && !row.works_outside),
        unenforced: count(&|row| row.result == Verdict::Unenforced),
        escaped: count(&|row| row.result == Verdict::Escaped),
        boxes,
    })
}

/// The kinds of command that the profile has.
fn kinds(profile: &Profile) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for command in &profile.commands {
        let spawns = !command.spawns.is_empty();
        let forks = command.forks || spawns;
        let kind = Kind { forks, spawns, kernel_log: command.kernel_log };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// The profile with the attacker as its one command, of this kind.
fn boxed(profile: &Profile, kind: Kind, site: &Site) -> Result<Profile, Error> {
    let none = |_: &_| Err("it extends nothing".to_owned());
    // A program that is there, but not the one that is attempted.
    let spawns = if kind.spawns { "spawns = [\"/bin/true\"]\n" } else { "" };
    let text = format!(
        "version = 1\nname = \"attack\"\n[commands.{:?}]\nabout = \"Attacks.\"\n\
         forks = {}\nkernel_log = {}\n{spawns}",
        site.program(),
        kind.forks && !kind.spawns,
        kind.kernel_log
    );
    let commands = Profile::parse(&text, "<built in>", Examples::Trust, &none)?.commands;
    let mut profile = Profile { commands, ..profile.clone() };
    let path = |path: &Path| AbsPath::new(path.as_os_str().as_encoded_bytes()).ok();
    profile.paths.read.extend(path(site.dir()));
    Ok(profile)
}

fn request(profile: &Profile, site: &Site) -> Result<Request, Error> {
    Ok(Request {
        profile: profile.name.clone(),
        stages: Stages::new(vec![Argv::from_words([
            site.program().as_str(),
            ATTACK,
            &site.in_box.dir().to_string_lossy(),
        ])?])?,
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    })
}

fn hidden(
    executor: &LocalExecutor,
    profile: &Arc<Profile>,
    site: &Site,
) -> Result<Vec<std::path::PathBuf>, Error> {
    let grant = shannot::policy::authorize(profile, request(profile, site)?);
    let trials = executor.trials(&grant.map_err(Error::Denied)?)?;
    let best = trials.iter().find_map(|trial| trial.prepared.as_ref().ok());
    let hidden = best.into_iter().flat_map(Prepared::hidden);
    Ok(hidden.map(ToOwned::to_owned).collect())
}

fn attack_box(
    executor: &Arc<LocalExecutor>,
    profile: &Arc<Profile>,
    kind: Kind,
    site: &Site,
) -> Result<Attacked, Error> {
    let outside = site.attack_outside()?;
    let request = request(profile, site)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    let before = site.in_box.seen()?;
    let collected = runtime.block_on(async {
        let gate = Gate::new([Arc::clone(profile)], Arc::clone(executor) as Arc<dyn Executor>);
        Ok::<_, Error>(gate.run(request, Io::default())?.collect().await)
    })?;
    let changes = site.in_box.changes(&before)?;
    let outcome = collected.outcome;
    let (End::Exited(0), Some(enforcement)) = (&outcome.end, &outcome.enforcement) else {
        if let End::Failed(failure) = outcome.end {
            return Err(failure.into());
        }
        let said = String::from_utf8_lossy(&collected.stderr).into_owned();
        let source = std::io::Error::other(format!("{:?}: {said}", outcome.end));
        return Err(Error::internal("see the attack in the box to its end", source));
    };
    let inside = read_answers(&String::from_utf8_lossy(&collected.stdout));
    let inside = inside.ok_or_else(|| {
        let source = std::io::Error::other(format!("it does not show {}", site.dir().display()));
        Error::internal("attack in the box", source)
    })?;
    let tier = enforcement.tier;
    let answers = inside.into_iter().zip(outside.answers);
    let mut rows: Vec<Row> = attacks()
        .zip(answers)
        .filter(|(attack, _)| !attack.is_granted(profile))
        .map(|(attack, (inside, outside))| Row::of_attack(attack, tier, inside, outside))
        .collect();
    rows.extend(host_rows(tier, &changes, &outside.changes));
    Ok(Attacked { kind, tier: tier.as_str(), attacks: rows })
}

/// What an observer outside saw.
fn host_rows(tier: Tier, inside: &[Change], outside: &[Change]) -> Vec<Row> {
    const READS: &str = "tier L has no mount of its own that keeps access times";
    let gap = |change| (change == Change::AccessTimes && tier == Tier::L).then_some(READS);
    let row = |change: Change| {
        let [inside, outside] = [inside, outside].map(|all| all.contains(&change));
        Row::of_host(change.what(), gap(change), inside, outside)
    };
    Change::ALL.into_iter().map(row).collect()
}
