//! What was really in force for one run.
//!
//! Every entry is made from what the box was built from; a step that fails ends the box before
//! the command, so what is listed as enforced was applied.

use std::borrow::Cow;

use shannot_policy::profile::Tier;

/// The layers in force for one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    /// Who realised the plan.
    pub engine: Engine,
    /// The tier.
    pub tier: Tier,
    /// Who held the request against a profile.
    pub decided_by: Decider,
    /// The layers, in the order in which the box applies them.
    pub layers: Vec<Layer>,
    /// Better tiers that the profile accepts and this host did not let be had.
    pub passed_over: Vec<PassedOver>,
}

/// A tier that could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The tier.
    pub tier: Tier,
    /// What failed, with the kernel's answer.
    pub why: String,
}

/// Who realises a plan on a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// This program, by system calls of its own.
    Native,
    /// bwrap makes the mounts and namespaces, this program the rest.
    Bwrap,
}

impl Engine {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Bwrap => "bwrap",
        }
    }
}

/// Who held the request against a profile last, before the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// The host on which the box is.
    Host,
    /// The caller's side alone: the host has nothing of ours.
    Client,
}

impl Decider {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Client => "client",
        }
    }
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name, which scripts may rely on.
    pub name: Cow<'static, str>,
    /// Whether it holds.
    pub status: Status,
    /// What exactly, or what is missing and why.
    pub detail: String,
}

/// Whether a layer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The kernel enforces it.
    Enforced,
    /// The supervisor sees to it, and can be late.
    Supervised,
    /// It is not in force, and the profile accepts a tier without it.
    NotEnforced,
}

impl Status {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Supervised => "supervised",
            Self::NotEnforced => "not_enforced",
        }
    }
}

impl Layer {
    /// One that the kernel enforces.
    pub fn enforced(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name: Cow::Borrowed(name), status: Status::Enforced, detail: detail.into() }
    }

    /// One that is not in force.
    pub fn not_enforced(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name: Cow::Borrowed(name), status: Status::NotEnforced, detail: detail.into() }
    }

    /// One that the supervisor sees to.
    pub fn supervised(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name: Cow::Borrowed(name), status: Status::Supervised, detail: detail.into() }
    }
}
