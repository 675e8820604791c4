//! The tools of a server: their names, what models are told of them, and what a call means.
//!
//! Names, order and texts are made from the configuration and the profiles alone, so that what clients
//! keep of them stays right.

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::json;

use super::answer;
use super::arguments::{self, Wrong};
use super::ask::Ask;
use super::hosts::Hosts;
use super::piece::{self, Piece};
use super::settings::Settings;
use crate::args::ToolSet;
use crate::targets::CustomTool;
use core::Core;
use name::Names;
pub(super) use rows::AskRows;
use rows::Table;
use schema::{count, input, object, text};

mod command;
mod core;
mod custom;
mod name;
mod profile;
mod rows;
mod schema;

/// The tools that are served, always in the same order.
#[derive(Debug)]
pub(super) struct Tools(Vec<Served>);

/// One tool.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) shown: Tool,
    does: Does,
}

/// What a tool does.
#[derive(Debug)]
enum Does {
    Core(Core),
    Rows(Table),
    Profile(profile::Fixed),
    Command(command::Preset),
    Custom(Box<CustomTool>),
    ReadResult,
}

/// What a call means.
#[derive(Debug)]
pub(super) enum Call {
    /// That a command runs.
    Run(Ask),
    /// That commands run until one has answered with rows.
    Rows(AskRows),
    /// A piece of what was left out of an answer.
    Read(Piece),
}

impl Call {
    /// The commands that may run for it.
    pub(super) fn asks(self) -> Vec<Ask> {
        match self {
            Self::Run(ask) => vec![ask],
            Self::Rows(ask) => ask.attempts().into_iter().map(|(_, ask)| ask).collect(),
            Self::Read(_) => Vec::new(),
        }
    }
}

/// What a model is told of a tool.
struct Told {
    name: String,
    title: String,
    about: String,
    input: JsonObject,
}

impl Told {
    fn new([name, title, about]: [&str; 3], input: JsonObject) -> Self {
        let [name, title, about] = [name, title, about].map(str::to_owned);
        Self { name, title, about, input }
    }

    fn tool(self, output: JsonObject) -> Tool {
        let mut tool = Tool::new(self.name, self.about, self.input);
        tool.title = Some(self.title);
        tool.output_schema = Some(Arc::new(output));
        let hints = ToolAnnotations::new().read_only(true).destructive(false);
        tool.annotations = Some(hints.idempotent(true).open_world(true));
        tool
    }
}

impl Tools {
    /// The tools for these hosts.
    pub(super) fn new(
        hosts: &Hosts,
        settings: &Settings,
        custom: impl Iterator<Item = CustomTool>,
    ) -> Self {
        let mut served = Vec::new();
        let mut names = Names::default();
        let mut add = |told: Told, does: Does| {
            let output = match does {
                Does::ReadResult => piece::schema(),
                Does::Rows(_) => answer::schema_of_rows(),
                _ => answer::schema(),
            };
            let output = object(output);
            served.push(Served { shown: told.tool(output), does });
        };
        if settings.offers(ToolSet::Core) {
            for kind in Core::ALL {
                let told = kind.told(hosts);
                names.take(&told.name);
                add(told, Does::Core(kind));
            }
        }
        if settings.offers(ToolSet::Rows) {
            for table in Table::ALL {
                let told = table.told(hosts);
                names.take(&told.name);
                add(told, Does::Rows(table));
            }
        }
        let told = read_result();
        names.take(&told.name);
        add(told, Does::ReadResult);
        // The operator's own before those that are made.
        for tool in custom {
            let told = custom::told(&tool, hosts, &mut names);
            add(told, Does::Custom(Box::new(tool)));
        }
        if settings.offers(ToolSet::Commands) {
            for preset in command::all(hosts) {
                add(preset.told(hosts, &mut names), Does::Command(preset));
            }
        }
        if settings.offers(ToolSet::Profiles) {
            for (fixed, profile) in profile::all(hosts) {
                add(fixed.told(profile, &mut names), Does::Profile(fixed));
            }
        }
        Self(served)
    }

    /// What clients are told of all.
    pub(super) fn shown(&self) -> Vec<Tool> {
        self.0.iter().map(|served| served.shown.clone()).collect()
    }

    /// The tool of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Served> {
        self.0.iter().find(|served| served.shown.name == name)
    }

    /// The call of a tool by which this is asked, if there is one: its name and its arguments.
    pub(super) fn call_for(&self, ask: &Ask) -> Option<(&str, JsonObject)> {
        let mut calls = self.0.iter().filter_map(|served| {
            let arguments = match &served.does {
                Does::Core(Core::RunCommand) => core::arguments(ask),
                Does::Profile(fixed) => fixed.arguments(ask),
                Does::Command(preset) => preset.arguments(ask),
                _ => None,
            };
            Some((served.shown.name.as_ref(), arguments?))
        });
        calls.next()
    }
}

impl Served {
    /// What a call with these arguments means.
    ///
    /// # Errors
    /// They are not what the tool takes.
    pub(super) fn call(&self, arguments: JsonObject) -> Result<Call, Wrong> {
        match &self.does {
            Does::Core(kind) => kind.ask(arguments).map(Call::Run),
            Does::Rows(table) => table.ask(arguments).map(Call::Rows),
            Does::Profile(fixed) => fixed.ask(arguments).map(Call::Run),
            Does::Command(preset) => preset.ask(arguments).map(Call::Run),
            Does::Custom(tool) => custom::ask(tool, arguments).map(Call::Run),
            Does::ReadResult => arguments::read(arguments).map(Call::Read),
        }
    }
}

fn read_result() -> Told {
    let properties = json!({
        "id": text("As the answer has it"),
        "offset": count("Bytes before the piece"),
    });
    let about = "Read on in output that was too long for an answer.";
    Told::new(["read_result", "Read more of a result", about], input(properties, &["id"]))
}
