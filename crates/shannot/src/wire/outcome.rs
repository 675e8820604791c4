//! How a run ended, and why one was refused.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shannot_policy::Denial;
use shannot_policy::profile::Tier;
use shannot_policy::types::AbsPath;
use shannot_sandbox::{Decider, Enforcement, Engine, Layer, PassedOver, Status};

use super::{Data, WireError};
use crate::event::{End, Failure, FailureKind, Limit, Outcome, StageEnd};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutcomeMessage {
    end: EndMessage,
    stages: Vec<Option<StageMessage>>,
    cwd: Option<Data>,
    limits_hit: Vec<String>,
    stdout_bytes: u64,
    stderr_bytes: u64,
    duration_us: u64,
    enforcement: Option<EnforcementMessage>,
    lingering: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum EndMessage {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    LimitReached(String),
    Cancelled,
    Failed(FailureMessage),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum StageMessage {
    Exited(i32),
    Signaled(i32),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct EnforcementMessage {
    engine: String,
    tier: String,
    layers: Vec<LayerMessage>,
    passed_over: Vec<PassedOverMessage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct LayerMessage {
    name: String,
    status: String,
    detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct PassedOverMessage {
    tier: String,
    why: String,
}

/// Why a run never started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailureMessage {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What failed, on which object, with its causes.
    pub message: String,
    /// The denial, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    denial: Option<Box<DenialMessage>>,
}

/// The body of an answer that is no run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProblemMessage {
    /// Why.
    pub error: FailureMessage,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct DenialMessage {
    stage: usize,
    program: String,
    word: Option<String>,
    profile: String,
    rule: String,
    why: String,
    hint: Option<String>,
}

impl FailureMessage {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), denial: None }
    }

    /// The failure as one of a run on that host.
    pub fn failure(self, host: &str) -> Failure {
        let Self { kind, message, denial } = self;
        let message = one_line(&message);
        match denial {
            Some(denial) => {
                Failure::Denied { host: host.to_owned(), denial: Box::new((*denial).into()) }
            }
            None => Failure::Far { host: host.to_owned(), kind, message },
        }
    }
}

impl From<&Failure> for FailureMessage {
    fn from(failure: &Failure) -> Self {
        let mut message = failure.to_string();
        let mut source = std::error::Error::source(failure);
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        let denial = match failure {
            Failure::Denied { denial, .. } => Some(Box::new((&**denial).into())),
            _ => None,
        };
        Self { kind: failure.kind(), message, denial }
    }
}

impl From<&Denial> for FailureMessage {
    fn from(denial: &Denial) -> Self {
        let (kind, message) = (FailureKind::Denied, denial.to_string());
        Self { kind, message, denial: Some(Box::new(denial.into())) }
    }
}

impl From<&Denial> for DenialMessage {
    fn from(denial: &Denial) -> Self {
        let Denial { stage, program, word, profile, rule, why, hint } = denial;
        Self {
            stage: *stage,
            program: program.to_string(),
            word: word.as_deref().map(str::to_owned),
            profile: profile.to_string(),
            rule: rule.to_string(),
            why: why.to_string(),
            hint: hint.as_deref().map(str::to_owned),
        }
    }
}

impl From<DenialMessage> for Denial {
    fn from(message: DenialMessage) -> Self {
        let DenialMessage { stage, program, word, profile, rule, why, hint } = message;
        let shown = |text: String| one_line(&text).into_boxed_str();
        Self {
            stage,
            program: shown(program),
            word: word.map(shown),
            profile: shown(profile),
            rule: shown(rule),
            why: shown(why),
            hint: hint.map(shown),
        }
    }
}

impl From<&Outcome> for OutcomeMessage {
    fn from(outcome: &Outcome) -> Self {
        let stage = |end: &StageEnd| match end {
            StageEnd::Exited(code) => StageMessage::Exited(*code),
            StageEnd::Signaled(signal) => StageMessage::Signaled(*signal),
        };
        Self {
            end: match &outcome.end {
                End::Exited(code) => EndMessage::Exited(*code),
                End::Signaled(signal) => EndMessage::Signaled(*signal),
                End::TimedOut => EndMessage::TimedOut,
                End::LimitReached(limit) => EndMessage::LimitReached(limit.as_str().to_owned()),
                End::Cancelled => EndMessage::Cancelled,
                End::Failed(failure) => EndMessage::Failed(failure.into()),
            },
            stages: outcome.stages.iter().map(|end| end.as_ref().map(stage)).collect(),
            cwd: outcome.cwd.as_ref().map(|path| Data(path.as_bytes().to_vec())),
            limits_hit: outcome.limits_hit.iter().map(|l| l.as_str().to_owned()).collect(),
            stdout_bytes: outcome.stdout_bytes,
            stderr_bytes: outcome.stderr_bytes,
            duration_us: u64::try_from(outcome.duration.as_micros()).unwrap_or(u64::MAX),
            enforcement: outcome.enforcement.as_ref().map(Into::into),
            lingering: outcome.lingering,
        }
    }
}

impl From<&Enforcement> for EnforcementMessage {
    fn from(enforcement: &Enforcement) -> Self {
        let layer = |layer: &Layer| LayerMessage {
            name: layer.name.to_string(),
            status: layer.status.as_str().to_owned(),
            detail: layer.detail.clone(),
        };
        let passed = |passed: &PassedOver| PassedOverMessage {
            tier: passed.tier.as_str().to_owned(),
            why: passed.why.clone(),
        };
        Self {
            engine: enforcement.engine.as_str().to_owned(),
            tier: enforcement.tier.as_str().to_owned(),
            layers: enforcement.layers.iter().map(layer).collect(),
            passed_over: enforcement.passed_over.iter().map(passed).collect(),
        }
    }
}

impl OutcomeMessage {
    /// The outcome of a run on that host.
    ///
    /// # Errors
    /// A word that this version does not know: what is in force must not be guessed.
    pub fn outcome(self, host: &str) -> Result<Outcome, WireError> {
        let limit = |name: &String| {
            let all = [Limit::Wall, Limit::Cpu, Limit::Memory, Limit::Output, Limit::Processes];
            known("limit", &all, Limit::as_str, name)
        };
        let stage = |stage: StageMessage| match stage {
            StageMessage::Exited(code) => StageEnd::Exited(code),
            StageMessage::Signaled(signal) => StageEnd::Signaled(signal),
        };
        Ok(Outcome {
            end: match self.end {
                EndMessage::Exited(code) => End::Exited(code),
                EndMessage::Signaled(signal) => End::Signaled(signal),
                EndMessage::TimedOut => End::TimedOut,
                EndMessage::LimitReached(name) => End::LimitReached(limit(&name)?),
                EndMessage::Cancelled => End::Cancelled,
                EndMessage::Failed(failure) => End::Failed(failure.failure(host)),
            },
            stages: self.stages.into_iter().map(|end| end.map(stage)).collect(),
            cwd: self.cwd.map(|Data(path)| AbsPath::new(path)).transpose()?,
            limits_hit: self.limits_hit.iter().map(limit).collect::<Result<_, _>>()?,
            stdout_bytes: self.stdout_bytes,
            stderr_bytes: self.stderr_bytes,
            duration: Duration::from_micros(self.duration_us),
            enforcement: self.enforcement.map(EnforcementMessage::enforcement).transpose()?,
            lingering: self.lingering,
        })
    }
}

impl EnforcementMessage {
    fn enforcement(self) -> Result<Enforcement, WireError> {
        let tier = |name: &str| known("tier", &Tier::ALL, Tier::as_str, name);
        let layer = |layer: LayerMessage| {
            let all = [Status::Enforced, Status::Supervised, Status::NotEnforced];
            let status = known("status", &all, Status::as_str, &layer.status)?;
            let (name, detail) = (one_line(&layer.name).into(), one_line(&layer.detail));
            Ok(Layer { name, status, detail })
        };
        let passed = |passed: PassedOverMessage| {
            Ok(PassedOver { tier: tier(&passed.tier)?, why: one_line(&passed.why) })
        };
        let engines = [Engine::Native, Engine::Bwrap];
        Ok(Enforcement {
            engine: known("engine", &engines, Engine::as_str, &self.engine)?,
            tier: tier(&self.tier)?,
            // It comes from an agent, which holds every request against a profile of its own.
            decided_by: Decider::Host,
            layers: self.layers.into_iter().map(layer).collect::<Result<_, WireError>>()?,
            passed_over: self
                .passed_over
                .into_iter()
                .map(passed)
                .collect::<Result<_, WireError>>()?,
        })
    }
}

/// A far host's words on one line of bounded length: another line would pass for one of ours.
fn one_line(text: &str) -> String {
    const MOST: usize = 4096;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    let joined = lines.fold(first, |text, line| text + "; " + line);
    joined.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(MOST).collect()
}

fn known<T: Copy>(
    what: &'static str,
    all: &[T],
    name: fn(T) -> &'static str,
    found: &str,
) -> Result<T, WireError> {
    let of_name = all.iter().copied().find(|known| name(*known) == found);
    of_name.ok_or_else(|| WireError::Unknown { what, found: found.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: End) -> Outcome {
        let layer = |name: &'static str, status| Layer {
            name: name.into(),
            status,
            detail: "a b".to_owned(),
        };
        Outcome {
            end,
            stages: vec![Some(StageEnd::Exited(1)), None, Some(StageEnd::Signaled(9))],
            cwd: Some("/var/log".parse().unwrap()),
            limits_hit: vec![Limit::Memory],
            stdout_bytes: 1 << 40,
            stderr_bytes: 0,
            duration: Duration::from_micros(1_234_567),
            enforcement: Some(Enforcement {
                engine: Engine::Bwrap,
                tier: Tier::L,
                decided_by: Decider::Host,
                layers: vec![layer("a", Status::Enforced), layer("b", Status::NotEnforced)],
                passed_over: vec![PassedOver { tier: Tier::T2, why: "no".to_owned() }],
            }),
            lingering: true,
        }
    }

    #[test]
    fn outcomes_arrive_as_they_were_sent() {
        for end in [
            End::Exited(3),
            End::Signaled(15),
            End::TimedOut,
            End::LimitReached(Limit::Output),
            End::Cancelled,
        ] {
            let sent = outcome(end);
            let json = serde_json::to_string(&OutcomeMessage::from(&sent)).unwrap();
            let back: OutcomeMessage = serde_json::from_str(&json).unwrap();
            let back = back.outcome("prod").unwrap();
            assert_eq!(format!("{back:?}"), format!("{sent:?}"), "{json}");
        }
    }

    #[test]
    fn failures_keep_their_kind_and_causes() {
        let source = std::io::Error::other("the cause");
        let sent = outcome(End::Failed(Failure::Internal { what: "do it", source }));
        let back = OutcomeMessage::from(&sent).outcome("prod").unwrap();
        let End::Failed(failure) = back.end else { panic!("{back:?}") };
        assert_eq!(failure.kind(), FailureKind::Internal);
        assert_eq!(failure.to_string(), "prod: failed to do it: the cause");
    }

    /// A far host must not say something in our name.
    #[test]
    fn what_a_host_says_is_one_line() {
        let said = "no\nshannot: web2: all fine\r\n\u{1b}[2J";
        let failure = FailureMessage::new(FailureKind::Internal, said).failure("web1");
        assert_eq!(failure.to_string(), "web1: no; shannot: web2: all fine; \u{fffd}[2J");
    }

    /// A status that is not known might be one that does not hold.
    #[test]
    fn what_is_in_force_is_not_guessed() {
        let json = serde_json::to_string(&OutcomeMessage::from(&outcome(End::TimedOut))).unwrap();
        for (from, to) in [("not_enforced", "maybe"), ("\"L\"", "\"T9\""), ("bwrap", "magic")] {
            let changed: OutcomeMessage = serde_json::from_str(&json.replace(from, to)).unwrap();
            let refused = changed.outcome("prod").unwrap_err();
            assert!(matches!(refused, WireError::Unknown { .. }), "{refused:?}");
        }
    }
}
