//! What an observer sees of the host at one moment, as a flat table that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What differs. The order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Type, mode, owner, size, links, times of change, number and content of a file.
    File,
    /// Extended attributes and flags of a file.
    Attribute,
    /// The time of the last read of a file.
    Atime,
    Mount,
    Sysctl,
    /// Shared memory, semaphores and message queues.
    Ipc,
    Key,
    Lock,
    Socket,
    /// Addresses, routes, rules and neighbours.
    Network,
    Process,
    /// What has reached a process of the oracle's: signals, connections, bytes, priorities.
    Victim,
    Cgroup,
    /// The clock, swap, modules, taint, the kernel log.
    Machine,
    /// The caller's own limits and terminal.
    Caller,
}

/// In place of a value that is another test's doing for a moment: equal to any.
pub(crate) const ANOTHERS: &str = "(another test's)";

/// One moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot(BTreeMap<(Kind, String), String>);

impl Snapshot {
    /// Notes one thing.
    pub(crate) fn note(&mut self, kind: Kind, what: impl Into<String>, is: impl Into<String>) {
        self.0.insert((kind, what.into()), is.into());
    }

    /// Notes each line of a listing, by itself and by how often it is there.
    pub(crate) fn note_lines<'a>(&mut self, kind: Kind, lines: impl IntoIterator<Item = &'a str>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines {
            *counts.entry(line).or_default() += 1;
        }
        for (line, count) in counts {
            self.note(kind, line, count.to_string());
        }
    }

    /// How many things are seen.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Everything that is not the same in a later one.
    pub(crate) fn differences(&self, after: &Self) -> Vec<Difference> {
        let names: BTreeSet<_> = self.0.keys().chain(after.0.keys()).collect();
        let anothers = |value: Option<&String>| value.is_some_and(|v| v == ANOTHERS);
        let differs = names.into_iter().filter(|name| {
            let (before, after) = (self.0.get(*name), after.0.get(*name));
            before != after && !anothers(before) && !anothers(after)
        });
        differs
            .map(|name| Difference {
                kind: name.0,
                what: name.1.clone(),
                before: self.0.get(name).cloned(),
                after: after.0.get(name).cloned(),
            })
            .collect()
    }
}

/// One thing that is not as it was.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    pub(crate) what: String,
    before: Option<String>,
    after: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
        let (before, after) = (side(&self.before), side(&self.after));
        write!(f, "{:?} {}\n    before {before}\n    after  {after}", self.kind, self.what)
    }
}
