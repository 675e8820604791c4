//! `shannot doctor`: what this host can enforce, found by doing it, and how to get what is
//! missing without weakening the host.

use serde::Serialize;
use shannot::policy::profile::Tier;

use crate::args::Global;
use crate::error::{Error, chain};
use crate::exit_code::ExitCode;
use crate::here;
use crate::profiles::Profiles;
use crate::render::json::Enforcement;
use crate::render::{human, json};
use crate::request::grant_for_nothing;
use crate::surroundings::Surroundings;
use facts::Facts;

mod advice;
pub(crate) mod attack;
mod facts;
mod text;

/// What this host can enforce.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    profile: String,
    /// The tier that `run` would use for the profile.
    runs_in: Option<&'static str>,
    tiers: Vec<TierReport>,
    facts: Facts,
    advice: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct TierReport {
    tier: &'static str,
    works: bool,
    /// Whether the profile accepts it.
    accepted: bool,
    error: Option<String>,
    enforcement: Option<Enforcement>,
}

/// Makes the profile's box in every tier and says what came of it.
pub(crate) fn run(global: &Global) -> ExitCode {
    let report = match examine(global) {
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
    if report.runs_in.is_some() { ExitCode::Fine } else { ExitCode::Finding }
}

fn examine(global: &Global) -> Result<Report, Error> {
    let surroundings = Surroundings::read();
    let profile = Profiles::new(&surroundings).select(global.profile.as_deref())?.profile;
    let grant = grant_for_nothing(&profile)?;
    let executor = here::executor();
    let mut tiers = Vec::new();
    let mut failures = Vec::new();
    for tier in Tier::ALL {
        let probed = executor.probe(&grant, tier);
        tiers.push(TierReport {
            tier: tier.as_str(),
            works: probed.is_ok(),
            accepted: profile.tiers.contains(&tier),
            error: probed.as_ref().err().map(|failure| chain(failure)),
            enforcement: probed.as_ref().ok().map(Into::into),
        });
        failures.extend(probed.err().map(|failure| (tier, failure)));
    }
    // In the order in which `run` would try them.
    let trials = executor.trials(&grant)?;
    let works =
        |tier: Tier| tiers.iter().any(|report| report.tier == tier.as_str() && report.works);
    let used = trials.iter().find(|trial| works(trial.tier));
    let facts = Facts::read(executor.host(), used);
    let enforcement = used.and_then(|trial| trial.prepared.as_ref().ok());
    let enforcement = enforcement.map(|prepared| prepared.enforcement());
    let advice = advice::all(&failures, &facts, enforcement);
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        profile: profile.name.to_string(),
        runs_in: used.map(|trial| trial.tier.as_str()),
        tiers,
        facts,
        advice,
    })
}
