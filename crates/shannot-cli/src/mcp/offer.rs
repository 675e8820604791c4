//! What a server offers at one time. A new one takes its place when the configuration or a profile has
//! changed.

use std::sync::Arc;

use super::hosts::Hosts;
use super::settings::Settings;
use super::tools::Tools;
use crate::error::Error;
use crate::targets::Targets;

/// The hosts, and the tools for them.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) hosts: Arc<Hosts>,
    pub(super) tools: Arc<Tools>,
    /// What could not be read as it is now: it is as it was.
    pub(super) problems: Vec<String>,
}

impl Offer {
    /// Reads the configuration and the profiles.
    ///
    /// # Errors
    /// Something in them is wrong.
    pub(super) fn read(settings: &Settings) -> Result<Self, Error> {
        let targets = Targets::read(&settings.files, &settings.surroundings)?;
        Self::of(targets, settings, None)
    }

    fn of(mut targets: Targets, settings: &Settings, old: Option<&Self>) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let custom = std::mem::take(&mut targets.tools);
        let hosts =
            Hosts::new(targets, settings, old.map(|old| old.hosts.as_ref()), &mut problems)?;
        let tools = Tools::new(&hosts, settings, custom.into_values());
        Ok(Self { hosts: Arc::new(hosts), tools: Arc::new(tools), problems })
    }

    /// Reads them again. What is wrong now stays as it was, and is told with every answer.
    ///
    /// # Errors
    /// The configuration cannot be read: all stays as it was.
    pub(super) fn again(settings: &Settings, old: &Self) -> Result<Self, Error> {
        let targets = Targets::read(&settings.files, &settings.surroundings)?;
        Self::of(targets, settings, Some(old))
    }

    /// The same, with something that could not be read.
    pub(super) fn with_problem(&self, problem: String) -> Self {
        let (hosts, tools) = (Arc::clone(&self.hosts), Arc::clone(&self.tools));
        Self { hosts, tools, problems: vec![problem] }
    }
}
