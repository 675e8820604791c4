//! The tools that answer with rows: what the host's own commands print, read.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shannot::rows::{Attempt, Rows};

use super::Told;
use super::schema::{count, flag, input_at, one_of, text};
use crate::mcp::arguments::{self, Wrong};
use crate::mcp::ask::{Ask, Place};
use crate::mcp::hosts::Hosts;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Processes,
    Sockets,
    Disks,
    Services,
    Journal,
    Packages,
}

/// Rows that are asked for, and where.
#[derive(Debug, Clone)]
pub(in crate::mcp) struct AskRows {
    pub(in crate::mcp) place: Place,
    pub(in crate::mcp) rows: Rows,
}

impl AskRows {
    /// The commands to try, one after another.
    pub(in crate::mcp) fn attempts(&self) -> Vec<(Attempt, Ask)> {
        let ask = |attempt: Attempt| {
            let stages = attempt.stages().to_vec();
            let ask = Ask { place: self.place.clone(), stages, ..Ask::default() };
            (attempt, ask)
        };
        self.rows.attempts().into_iter().map(ask).collect()
    }
}

impl Table {
    pub(super) const ALL: [Self; 6] = [
        Self::Processes,
        Self::Sockets,
        Self::Disks,
        Self::Services,
        Self::Journal,
        Self::Packages,
    ];

    /// What a model is told of it.
    pub(super) fn told(self, hosts: &Hosts) -> Told {
        let (told, mut properties) = match self {
            Self::Processes => (
                ["list_processes", "List processes", "With CPU, memory, age, command."],
                json!({
                    "sort": one_of(&["cpu", "memory", "pid"]),
                    "user": {"type": "string"},
                    "contains": text("Part of the command"),
                }),
            ),
            Self::Sockets => (
                ["list_sockets", "List sockets", "With state, addresses, queues, processes."],
                json!({
                    "listening": flag("Only those that do"),
                    "protocol": one_of(&["tcp", "udp", "raw", "unix"]),
                    "port": {"type": "integer"},
                }),
            ),
            Self::Disks => (
                ["list_disks", "List file systems", "With space and inodes."],
                json!({"path": text("Only the one that has it")}),
            ),
            Self::Services => (
                ["list_services", "List services", "systemd's: enabled, running, description."],
                json!({
                    "name": text("With * ? []"),
                    "state": text("enabled, disabled, masked, …"),
                    "running": {"type": "boolean"},
                }),
            ),
            Self::Journal => (
                ["read_journal", "Read the journal", "The last entries of systemd's journal."],
                json!({
                    "unit": {"type": "string"},
                    "since": text("-1h, today, 2026-01-31 12:00"),
                    "until": {"type": "string"},
                    "priority": one_of(&["emerg", "alert", "crit", "err", "warning", "notice",
                        "info", "debug"]),
                    "grep": text("Regular expression"),
                }),
            ),
            Self::Packages => (
                ["list_packages", "List packages", "Installed, with version."],
                json!({"name": text("With * ? []")}),
            ),
        };
        properties["limit"] = count("Rows; 100");
        Told::new(told, input_at(properties, &[], hosts))
    }

    /// What a call with these arguments asks for.
    pub(super) fn ask(self, mut arguments: JsonObject) -> Result<AskRows, Wrong> {
        let target = match arguments.remove("target") {
            None => None,
            Some(Value::String(target)) => Some(target),
            Some(_) => return Err(Wrong("`target` is no string".to_owned())),
        };
        let rows = match self {
            Self::Processes => Rows::Processes(query(arguments)?),
            Self::Sockets => Rows::Sockets(query(arguments)?),
            Self::Disks => Rows::Disks(query(arguments)?),
            Self::Services => Rows::Services(query(arguments)?),
            Self::Journal => Rows::Journal(query(arguments)?),
            Self::Packages => Rows::Packages(query(arguments)?),
        };
        Ok(AskRows { place: Place::at(target), rows })
    }
}

fn query<Q: DeserializeOwned>(arguments: JsonObject) -> Result<Q, Wrong> {
    arguments::read(arguments)
}
