//! One line of the table: a command, how it is compared, and what excuses it where it differs.

use shannot::policy::plan::differences::{DIFFERENCES, Difference};
use shannot::policy::profile::{Network, Processes, Tier};

use crate::compare::Compare;

/// The tiers the suite looks at, in the order of the document.
pub(crate) const TIERS: [Tier; 3] = [Tier::T1, Tier::L, Tier::T2];

/// A diagnostic command.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The command line; `LOGS` stands for the directory of made logs.
    pub(crate) line: &'static str,
    pub(crate) compare: Compare,
    /// Whether standard error is held against the host's too.
    pub(crate) stderr: bool,
    excuses: Vec<Excuse>,
}

#[derive(Debug, Clone)]
struct Excuse {
    tiers: &'static [Tier],
    id: &'static str,
    when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    OnSomeHosts,
}

/// What a row promises in one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The host's answer.
    Same,
    /// Another, for the reason of this entry of the list.
    Differs(&'static str),
    /// Another on some hosts, for the reason of this entry of the list.
    MayDiffer(&'static str),
}

/// A command whose answer does not change from run to run.
pub(crate) fn same(line: &'static str) -> Row {
    Row { line, compare: Compare::Bytes, stderr: false, excuses: Vec::new() }
}

/// A command whose numbers change with time.
pub(crate) fn numbers(line: &'static str) -> Row {
    Row { compare: Compare::Numbers, ..same(line) }
}

/// A command that counts the box's own processes, files, sockets or memory among the host's.
pub(crate) fn counts(line: &'static str) -> Row {
    Row { compare: Compare::Counts, ..same(line) }
}

/// A command of whose lines some change with time.
pub(crate) fn steady(line: &'static str) -> Row {
    Row { compare: Compare::SteadyLines, ..same(line) }
}

impl Row {
    /// It differs in these tiers, for the reason of an entry of the published list.
    pub(crate) fn differs(self, tiers: &'static [Tier], id: &'static str) -> Self {
        self.excused(tiers, id, When::Always)
    }

    /// On some hosts it differs in these tiers, for the reason of an entry of the list.
    pub(crate) fn may_differ(self, tiers: &'static [Tier], id: &'static str) -> Self {
        self.excused(tiers, id, When::OnSomeHosts)
    }

    /// Standard error must be the same as well.
    pub(crate) fn and_stderr(mut self) -> Self {
        self.stderr = true;
        self
    }

    fn excused(mut self, tiers: &'static [Tier], id: &'static str, when: When) -> Self {
        self.excuses.push(Excuse { tiers, id, when });
        self
    }

    /// What it promises in a tier.
    pub(crate) fn promise(&self, tier: Tier) -> Promise {
        match self.excuses.iter().find(|e| e.tiers.contains(&tier)) {
            None => Promise::Same,
            Some(Excuse { id, when: When::Always, .. }) => Promise::Differs(id),
            Some(Excuse { id, when: When::OnSomeHosts, .. }) => Promise::MayDiffer(id),
        }
    }

    /// The words of the command line.
    pub(crate) fn words(&self, logs: &str) -> Vec<String> {
        shlex::split(&self.line.replace("LOGS", logs)).expect("a well quoted line")
    }

    /// What is wrong with its excuses.
    pub(crate) fn bad_excuses(&self) -> Vec<String> {
        let mut bad = Vec::new();
        for excuse in &self.excuses {
            let Some(entry) = DIFFERENCES.iter().find(|d| d.id == excuse.id) else {
                bad.push(format!("`{}`: no entry `{}` in the list", self.line, excuse.id));
                continue;
            };
            for tier in excuse.tiers.iter().filter(|tier| !applies(entry, **tier)) {
                bad.push(format!("`{}`: `{}` does not apply to {tier}", self.line, excuse.id));
            }
        }
        bad
    }
}

/// Whether an entry applies to the profile `diagnostics` in a tier.
fn applies(entry: &Difference, tier: Tier) -> bool {
    entry.applies(tier, Processes::Host, Network::Tables)
}
