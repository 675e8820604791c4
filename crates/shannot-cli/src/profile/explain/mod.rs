//! `shannot profile explain`: the verdict and the boxes, from the same functions that `run`
//! goes through.

use serde::Serialize;
use shannot::policy::profile::Table;
use shannot::policy::{Denial, Grant, authorize};

use crate::args::{Global, ProfileExplain as Args};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::here::{self, TierBox};
use crate::profiles::{Found, Profiles};
use crate::render::{human, json};
use crate::request::Asked;
use crate::surroundings::Surroundings;

mod text;

/// What becomes of a command.
#[derive(Debug, Serialize)]
struct Explanation {
    profile: String,
    origin: String,
    narrowed_by: Option<String>,
    allowed: bool,
    /// What allows each stage; none where the command is denied.
    stages: Vec<Allowed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<json::Denial>,
    /// The boxes that would be tried, in order.
    tiers: Vec<TierBox>,
}

/// What allows a stage.
#[derive(Debug, Serialize)]
struct Allowed {
    argv: Vec<String>,
    /// The key in the profile's `[commands]`.
    command: String,
    about: String,
    /// Why the rules that it passed are there.
    rules: Vec<String>,
}

/// Explains a command, or else the profile.
pub(super) fn run(
    args: Args,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let found = Profiles::new(surroundings).select(global.profile.as_deref())?;
    if args.command.is_empty() {
        if global.json {
            json::print(&Table::new(&found.profile));
        } else {
            human::print(&text::profile(&found));
        }
        return Ok(ExitCode::Fine);
    }
    let asked = Asked::new(args.command, args.pipe);
    let request = asked.request(
        asked.stages()?,
        &found.profile,
        surroundings.cwd.as_deref(),
        &surroundings.locale,
    )?;
    let verdict = authorize(&found.profile, request);
    if args.bwrap {
        return here::print_bwrap(verdict.map_err(Error::Denied)?, global);
    }
    let tiers = match &verdict {
        Ok(grant) => here::boxes(grant)?,
        Err(_) => Vec::new(),
    };
    let explanation = Explanation::new(&found, &asked, &verdict, tiers);
    if global.json {
        json::print(&explanation);
    } else {
        human::print(&text::command(&explanation, verdict.as_ref().err()));
    }
    Ok(if verdict.is_ok() { ExitCode::Fine } else { ExitCode::Finding })
}

impl Explanation {
    fn new(
        found: &Found,
        asked: &Asked,
        verdict: &Result<Grant, Denial>,
        tiers: Vec<TierBox>,
    ) -> Self {
        let stages = verdict.as_ref().map(Grant::stages).unwrap_or_default();
        Self {
            profile: found.profile.name.to_string(),
            origin: found.origin.to_string(),
            narrowed_by: found.narrowed_by.as_ref().map(|path| path.display().to_string()),
            allowed: verdict.is_ok(),
            stages: asked
                .shown()
                .into_iter()
                .zip(stages)
                .map(|(argv, stage)| Allowed {
                    argv,
                    command: stage.key(),
                    about: stage.command().about.clone(),
                    rules: stage.command().rules.iter().map(|rule| rule.why.clone()).collect(),
                })
                .collect(),
            denial: verdict.as_ref().err().map(Into::into),
            tiers,
        }
    }
}
