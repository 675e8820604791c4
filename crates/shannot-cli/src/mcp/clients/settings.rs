//! The file of a client with what it says, and its changes.

use std::collections::BTreeMap;
use std::path::Path;

use shannot::policy::text::Source;

use super::args::Scope;
use super::entry::Launch;
use super::format::Servers;
use super::place;
use super::table::Client;
use crate::error::Error;
use crate::file::{Foreign, Spelling};
use crate::surroundings::Surroundings;

/// The file of a client, which could be read.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) client: &'static Client,
    file: Foreign,
    source: Source,
    spelling: Spelling,
    servers: Servers,
}

/// What a file has under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    /// What shall be there.
    Same,
    /// This program, started otherwise.
    Otherwise,
    /// Something else.
    Other,
}

impl Settings {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read; it is not written as the client's files are.
    pub(super) fn read(
        client: &'static Client,
        scope: Scope,
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let path = place::file(client, scope, surroundings)?;
        let file = place::read(&path, scope, surroundings)?;
        let (source, spelling) = plain(&path, file.text().unwrap_or_default());
        let servers = client.format.servers(&source, client.key)?;
        Ok(Self { client, file, source, spelling, servers })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Its text without byte order mark and carriage returns.
    pub(super) fn text(&self) -> &str {
        &self.source.text
    }

    /// The servers that are this program, by their names.
    pub(super) fn ours(&self) -> impl Iterator<Item = (&str, Launch)> {
        self.servers.iter().filter_map(|(name, entry)| {
            let launch = self.client.shape.launch(entry)?;
            launch.is_ours().then_some((name.as_str(), launch))
        })
    }

    /// The program of a server.
    pub(super) fn launch(&self, name: &str) -> Option<Launch> {
        self.client.shape.launch(self.servers.get(name)?)
    }

    /// The environment that a server is given, with the client's own.
    pub(super) fn env(&self, name: &str) -> Option<BTreeMap<String, String>> {
        Some(self.client.shape.env(self.servers.get(name)?))
    }

    /// What is under a name, where this launch shall be.
    pub(super) fn state(&self, name: &str, launch: &Launch) -> State {
        let Some(entry) = self.servers.get(name) else { return State::Absent };
        let fields = self.client.shape.fields(name, launch);
        let same =
            entry.is_object() && !fields.iter().any(|field| field.is_to_be_set(entry.as_object()));
        if same {
            return State::Same;
        }
        match self.client.shape.launch(entry) {
            Some(launch) if launch.is_ours() => State::Otherwise,
            _ => State::Other,
        }
    }

    /// The text with a server.
    ///
    /// # Errors
    /// It is written in a way that cannot be changed.
    pub(super) fn with(&self, name: &str, launch: &Launch) -> Result<String, Error> {
        let fields = self.client.shape.fields(name, launch);
        Ok(self.client.format.with(&self.source, self.client.key, name, &fields)?)
    }

    /// Writes a changed text.
    ///
    /// # Errors
    /// It cannot be written; the file is as it was then.
    pub(super) fn write(&self, text: String) -> Result<(), Error> {
        let is_kept = self.keep()?;
        let written = self.file.replace(&self.spelling.spell(text));
        if written.is_err() && is_kept {
            self.file.forget_backup()?;
        }
        written
    }

    /// Keeps how it is, if nothing of ours is in it: that is what a person wants to have back. Says
    /// whether it did.
    ///
    /// # Errors
    /// The copy cannot be written, or not by this user.
    pub(super) fn keep(&self) -> Result<bool, Error> {
        self.file.is_in_own_place()?;
        if self.ours().next().is_some() {
            return Ok(false);
        }
        match self.file.text() {
            Some(_) => self.file.back_up().map(|()| true),
            // An older copy is of another file.
            None => self.file.forget_backup().map(|()| false),
        }
    }

    /// Takes a server out. The file is again what was kept, byte by byte, if it says the same; one that
    /// was made for it goes.
    ///
    /// # Errors
    /// It cannot be written; the file is as it was then.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let Client { format, key, .. } = self.client;
        let text = format.without(&self.source, key, name)?;
        if let Some(backup) = self.file.backup()? {
            let (before, _) = plain(&self.file.backup_path(), &backup);
            let after = Source { origin: self.source.origin.clone(), text: text.clone() };
            if format.says_the_same(&after, &before, key) {
                self.file.replace(&backup)?;
                return self.file.forget_backup();
            }
        } else if says_nothing(&text, key) {
            return self.file.remove_or(&text);
        }
        self.file.replace(&self.spelling.spell(text))
    }

    /// A server as it is written into a file that has nothing else.
    ///
    /// # Errors
    /// Never, unless the table of clients is wrong.
    pub(super) fn alone(client: &Client, name: &str, launch: &Launch) -> Result<String, Error> {
        let source = Source { origin: client.title.to_owned(), text: String::new() };
        let fields = client.shape.fields(name, launch);
        Ok(client.format.with(&source, client.key, name, &fields)?)
    }
}

fn plain(path: &Path, text: &str) -> (Source, Spelling) {
    let spelling = Spelling::of(text);
    let source = Source { origin: path.display().to_string(), text: spelling.plain(text) };
    (source, spelling)
}

/// Whether nothing is left of a file but brackets.
fn says_nothing(text: &str, key: &str) -> bool {
    let words: String = text.split_whitespace().collect();
    let empty =
        [String::new(), "{}".to_owned(), format!("{{\"{key}\":{{}}}}"), format!("{key}:{{}}")];
    empty.contains(&words)
}
