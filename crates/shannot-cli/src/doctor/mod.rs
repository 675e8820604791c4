//! `shannot doctor`: what this host can enforce, found by doing it, and how to get what is
//! missing without weakening the host.

use shannot::policy::Profile;
use shannot::policy::profile::Tier;

use crate::args::Global;
use crate::error::{Error, chain};
use crate::exit_code::ExitCode;
use crate::here;
use crate::profiles::Profiles;
use crate::render::doctor::{self, Report, TierReport};
use crate::request::grant_for_nothing;
use crate::surroundings::Surroundings;

mod advice;
pub(crate) mod attack;
mod facts;

/// Makes the profile's box in every tier and says what came of it.
pub(crate) fn run(global: &Global) -> Result<ExitCode, Error> {
    let surroundings = Surroundings::read();
    let profile = Profiles::new(&surroundings).select(global.profile.as_deref())?.profile;
    Ok(doctor::tell(&examine(&profile)?, global))
}

/// Makes the profile's box in every tier, from a thread that outlives the call.
///
/// # Errors
/// The kernel gave no random bytes.
pub(crate) fn examine(profile: &Profile) -> Result<Report, Error> {
    let grant = grant_for_nothing(profile)?;
    let executor = here::executor();
    let mut tiers = Vec::new();
    let mut failures = Vec::new();
    for tier in Tier::ALL {
        let probed = executor.probe(&grant, tier);
        tiers.push(TierReport {
            tier: tier.as_str().into(),
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
    let facts = facts::read(executor.host(), used);
    let enforcement = used.and_then(|trial| trial.prepared.as_ref().ok());
    let enforcement = enforcement.map(|prepared| prepared.enforcement());
    let advice = advice::all(&failures, &facts, enforcement);
    Ok(Report {
        version: env!("CARGO_PKG_VERSION").into(),
        profile: profile.name.to_string(),
        runs_in: used.map(|trial| trial.tier.as_str().to_owned()),
        tiers,
        facts,
        advice: advice.into_iter().map(str::to_owned).collect(),
    })
}
