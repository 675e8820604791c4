//! Runs what a call asks for, through the gate of its host.

use std::sync::Arc;

use rmcp::model::CallToolResult;
use rmcp::service::{RequestContext, RoleServer};
use shannot::policy::{Profile, Request, authorize};
use shannot::rows::Attempt;
use shannot::{Collected, End, FailureKind, Io, Refusal};
use tokio::task::JoinSet;

use super::answer::{Answer, Asked};
use super::arguments::Wrong;
use super::ask::{Ask, Place};
use super::course;
use super::hosts::Host;
use super::offer::Offer;
use super::server::Server;
use super::tools::AskRows;
use crate::targets::TargetName;

/// Output that is worth a thread of its own to look for secrets in, in bytes.
const LONG: usize = 256 << 10;

/// One call, and by which tool it came.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) server: Server,
    pub(super) offer: Arc<Offer>,
    pub(super) tool: String,
    pub(super) context: RequestContext<RoleServer>,
}

impl Calls {
    /// Runs a command where it is to run, and answers.
    pub(super) async fn answer(&self, ask: Ask) -> CallToolResult {
        let answer = match &ask.place {
            Place::Several(targets) => self.on_several(targets.clone(), &ask).await,
            Place::One(target) => self.on(Some(target), ask.clone()).await,
            Place::Default => self.on(None, ask).await,
        };
        answer.with_notices(&self.offer.problems).into_result()
    }

    /// Runs one command after another until one has answered with rows.
    pub(super) async fn answer_rows(&self, ask: &AskRows) -> CallToolResult {
        let mut unanswered: Option<(Standing, Answer)> = None;
        for (attempt, command) in ask.attempts() {
            match self.attempt(ask, &attempt, command).await {
                (Standing::Final, answer) => {
                    return answer.with_notices(&self.offer.problems).into_result();
                }
                // Of those that have not answered, the first one that says most is told.
                (standing, answer) => {
                    if unanswered.as_ref().is_none_or(|(known, _)| standing > *known) {
                        unanswered = Some((standing, answer));
                    }
                }
            }
        }
        let none = || Answer::refused("there is no way to ask for this");
        let answer = unanswered.map_or_else(none, |(_, answer)| answer);
        answer.with_notices(&self.offer.problems).into_result()
    }

    /// Runs one of these commands, and says how much its answer is worth.
    async fn attempt(&self, ask: &AskRows, attempt: &Attempt, command: Ask) -> (Standing, Answer) {
        let target = match &command.place {
            Place::One(target) => Some(target.clone()),
            Place::Default | Place::Several(_) => None,
        };
        let (asked, run) = match self.run(target.as_deref(), command).await {
            Ok((asked, Ok(run))) => (asked, run),
            Ok((asked, Err(Denied { refusal, otherwise }))) => {
                let standing = match &refusal {
                    Refusal::Denied(_) => Standing::NotAllowed,
                    _ => Standing::Final,
                };
                return (standing, Answer::of_refusal(asked, &refusal, otherwise.as_deref()));
            }
            Err(Wrong(why)) => return (Standing::Final, Answer::refused(&why)),
        };
        let standing = match &run.outcome.end {
            End::Exited(code) if attempt.answered(*code, &run.stdout, &run.stderr) => {
                let answer = match ask.rows.parse(attempt, &run.stdout) {
                    Ok(table) => Answer::of_rows(asked, table, &run, self.server.results()),
                    Err(error) => {
                        let why = format!("these are no rows that are known: {error}");
                        self.answer_of(asked, run).await.with_notices(&[why])
                    }
                };
                return (Standing::Final, answer);
            }
            End::Exited(_) => Standing::Failed,
            End::Failed(failure) if failure.kind() == FailureKind::NotFound => Standing::NotThere,
            // Another command would meet the same limit, or the same silence of the host.
            _ => Standing::Final,
        };
        (standing, self.answer_of(asked, run).await)
    }

    async fn on_several(&self, targets: Vec<String>, ask: &Ask) -> Answer {
        let mut runs = JoinSet::new();
        for target in targets {
            let (calls, ask) = (self.clone(), ask.clone());
            runs.spawn(async move {
                let answer = calls.on(Some(&target), ask).await.at(&target);
                (target, answer)
            });
        }
        let mut answers = runs.join_all().await;
        answers.sort_by(|(one, _), (two, _)| one.cmp(two));
        Answer::of_several(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn on(&self, target: Option<&str>, ask: Ask) -> Answer {
        match self.run(target, ask).await {
            Ok((asked, Ok(run))) => self.answer_of(asked, run).await,
            Ok((asked, Err(Denied { refusal, otherwise }))) => {
                Answer::of_refusal(asked, &refusal, otherwise.as_deref())
            }
            Err(Wrong(why)) => Answer::refused(&why),
        }
    }

    async fn answer_of(&self, asked: Asked, run: Collected) -> Answer {
        if run.stdout.len() + run.stderr.len() < LONG {
            return Answer::of_run(asked, &run, self.server.results());
        }
        let server = self.server.clone();
        let answer =
            tokio::task::spawn_blocking(move || Answer::of_run(asked, &run, server.results()));
        answer.await.unwrap_or_else(|_| Answer::refused("the output could not be looked through"))
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// There is no such target or profile, or it is no command that could be asked for.
    pub(super) async fn run(
        &self,
        target: Option<&str>,
        ask: Ask,
    ) -> Result<(Asked, Result<Collected, Denied>), Wrong> {
        let (name, host) = self.host(target)?;
        let profile = profile_of(host, &ask)?;
        let asked = Asked { target: name.to_string(), profile: profile.name.to_string() };
        let request = ask.request(profile.name.clone(), self.server.locale())?;
        let run = match host.gate.run_by(&self.tool, request.clone(), Io::default()) {
            Ok(run) => run,
            Err(refusal) => {
                let otherwise = match &refusal {
                    Refusal::Denied(_) => another(host, profile, request),
                    _ => None,
                };
                return Ok((asked, Err(Denied { refusal, otherwise })));
            }
        };
        Ok((asked, Ok(course::see(run, &self.context).await)))
    }

    fn host(&self, target: Option<&str>) -> Result<(&TargetName, &Host), Wrong> {
        self.offer.hosts.find(target).ok_or_else(|| {
            let known: Vec<_> = self.offer.hosts.names().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Wrong(format!("there is no such target; there are {known}"))
        })
    }
}

/// How much the answer of one of several commands is worth, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// The host has no such program.
    NotThere,
    /// The profile does not have it.
    NotAllowed,
    /// It has failed, and another may not.
    Failed,
    /// It is the answer.
    Final,
}

/// What did not run, and which other way would.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) refusal: Refusal,
    pub(super) otherwise: Option<String>,
}

/// The profile that a call names, or else the first that has its command.
pub(super) fn profile_of<'h>(host: &'h Host, ask: &Ask) -> Result<&'h Arc<Profile>, Wrong> {
    let found = match &ask.profile {
        None => host.profile_for(ask.program().as_ref()),
        Some(name) => host.profiles.iter().find(|profile| profile.name.as_str() == name),
    };
    found.ok_or_else(|| {
        let known: Vec<_> = host.profiles.iter().map(|profile| profile.name.to_string()).collect();
        Wrong(format!("there is no such profile here; there are {}", known.join(", ")))
    })
}

/// Says that another profile of the host would allow this, if one does.
fn another(host: &Host, denied: &Profile, request: Request) -> Option<String> {
    let others = host.profiles.iter().filter(|profile| profile.name != denied.name);
    let mut allowing = others.filter(|profile| {
        let request = Request { profile: profile.name.clone(), ..request.clone() };
        authorize(profile, request).is_ok()
    });
    allowing.next().map(|profile| format!("the profile `{}` allows it", profile.name))
}
