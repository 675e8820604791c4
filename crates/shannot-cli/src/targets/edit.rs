//! Changes to a configuration file, with all that a person wrote left as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::{Array, DocumentMut, Item, RawString, Table, TableLike, Value as Edited};

use super::stated::Stated;
use super::{Files, Origin, TargetName, Targets};
use crate::error::Error;
use crate::file::{self, Existing, Lock, Role, Spelling, Version};
use crate::surroundings::Surroundings;
use crate::system;

/// An executor to be written: the keys of its table, in order.
pub(crate) type Entry = Vec<(&'static str, Edited)>;

/// What was added.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) path: PathBuf,
    /// What the one of the name had that was in the file, and the new one has not; `None` where
    /// there was none.
    pub(crate) replaced: Option<Vec<String>>,
    /// Where the one of the name is that does not count any more: in a file that is read before.
    pub(crate) shadowed: Option<Origin>,
}

/// What was removed.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) path: PathBuf,
    /// The groups that it was taken out of.
    pub(crate) groups: Vec<String>,
    /// Where the one is that has the name now.
    pub(crate) still: Option<Origin>,
}

/// A configuration file that nobody else edits meanwhile.
struct Open<'a> {
    files: &'a Files,
    surroundings: &'a Surroundings,
    path: &'a Path,
    document: DocumentMut,
    spelling: Spelling,
    /// The file that was read; `None` where there is none.
    version: Option<Version>,
    _lock: Lock,
}

/// Adds an executor.
///
/// # Errors
/// There is one of that name and it shall be kept; the file cannot be read, is not right before or
/// would not be after, or cannot be written. It is as it was then.
pub(crate) fn add(
    files: &Files,
    surroundings: &Surroundings,
    name: &TargetName,
    entry: Entry,
    existing: Existing,
) -> Result<Added, Error> {
    let mut open = Open::new(files, surroundings)?;
    let before = open.check(&open.text())?;
    let known = before.targets.get(name).map(|known| &known.name.origin);
    let known = known.filter(|origin| origin.file().is_some());
    if let (Some(known), Existing::Keep) = (known, existing) {
        return Err(Error::TargetExists { name: name.to_string(), place: known.to_string() });
    }
    let shadowed = known.filter(|known| known.file() != Some(open.path)).cloned();
    let executors = open.table("executor")?;
    let replaced = match executors.get_mut(name.as_str()).and_then(Item::as_table_like_mut) {
        Some(table) => Some(replace(table, entry)),
        None => {
            let mut table = Table::new();
            replace(&mut table, entry);
            executors.insert(name.as_str(), Item::Table(table));
            None
        }
    };
    open.write().map(|path| Added { path, replaced, shadowed })
}

/// Puts an entry into a table, with the comments of the keys that stay. Returns those that do not.
fn replace(table: &mut dyn TableLike, entry: Entry) -> Vec<String> {
    let before = table.iter().map(|(key, _)| key.to_owned());
    let dropped: Vec<String> =
        before.filter(|key| !entry.iter().any(|(stays, _)| stays == key)).collect();
    for key in &dropped {
        table.remove(key);
    }
    for (key, mut value) in entry {
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => drop(table.insert(key, value.into())),
        }
    }
    dropped
}

/// Removes an executor, also from the groups of the same file.
///
/// # Errors
/// There is none of that name in the file, or as for [`add`].
pub(crate) fn remove(
    files: &Files,
    surroundings: &Surroundings,
    name: &TargetName,
) -> Result<Removed, Error> {
    let edited = files.edited.as_deref().ok_or(Error::NoHome)?;
    // Where there is nothing to edit, no lock is left behind.
    if file::read_trusted(Role::Config, edited)?.is_none() {
        return Err(not_stated(&Targets::read(files, surroundings)?, name, edited));
    }
    let mut open = Open::new(files, surroundings)?;
    let before = open.check(&open.text())?;
    let Some(removed) = open.table("executor")?.remove(name.as_str()) else {
        return Err(not_stated(&before, name, edited));
    };
    if let Item::Table(table) = &removed {
        keep_comments(&mut open.document, table);
    }
    // Another file may have one of the name too, which stands for it from now on.
    let still = open.elsewhere(name)?;
    let groups = match open.document.get_mut("group").and_then(Item::as_table_like_mut) {
        Some(groups) if still.is_none() => remove_member(groups, name),
        _ => Vec::new(),
    };
    open.write().map(|path| Removed { path, groups, still })
}

/// That the edited file states no such target, and who does.
fn not_stated(targets: &Targets, name: &TargetName, edited: &Path) -> Error {
    let Some(known) = targets.targets.get(name) else { return targets.no_target(name) };
    match known.name.origin.file() {
        Some(path) => Error::ElsewhereStated {
            name: name.to_string(),
            path: path.to_owned(),
            edited: edited.to_owned(),
        },
        None => Error::Asked {
            what: format!("`{name}` is there without configuration"),
            hint: "another one can be the default: `default_executor`".to_owned(),
        },
    }
}

/// Takes a target out of all groups, and those away that have no other. Returns their names.
fn remove_member(groups: &mut dyn TableLike, name: &TargetName) -> Vec<String> {
    let names: Vec<String> = groups.iter().map(|(group, _)| group.to_owned()).collect();
    let mut changed = Vec::new();
    for group in names {
        let Some(members) = groups.get_mut(&group).and_then(Item::as_array_mut) else { continue };
        let is_it = |member: &Edited| member.as_str() == Some(name.as_str());
        let Some(at) = members.iter().position(is_it) else { continue };
        let removed = members.remove(at);
        keep_member_comments(members, at, &removed);
        if members.is_empty() {
            groups.remove(&group);
        }
        changed.push(group);
    }
    changed
}

/// What stood before a member and after it, up to the comma, stands before what follows.
fn keep_member_comments(members: &mut Array, at: usize, removed: &Edited) {
    let text = |raw: Option<&RawString>| raw.and_then(|r| r.as_str()).unwrap_or("").to_owned();
    let own = text(removed.decor().prefix()) + &text(removed.decor().suffix());
    let has_comment = own.contains('#');
    match members.get_mut(at) {
        Some(next) => {
            let prefix = text(next.decor().prefix());
            if has_comment {
                next.decor_mut().set_prefix(own + &prefix);
            } else if at == 0 && prefix == " " {
                // What stood between a comma and the next name stands at the beginning now.
                next.decor_mut().set_prefix("");
            }
        }
        None if has_comment => {
            let trailing = text(Some(members.trailing()));
            members.set_trailing(own + &trailing);
        }
        None => {}
    }
}

/// What stands above a table, with a blank line between, is not about it: it goes to what follows.
/// Nor is a line such as `#:schema …`, which tells editors about the whole file.
pub(crate) fn keep_comments(document: &mut DocumentMut, removed: &Table) {
    let prefix = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let lines: Vec<&str> = prefix.split_inclusive('\n').collect();
    let kept = match lines.iter().rposition(|line| line.trim().is_empty()) {
        Some(blank) => lines[..blank].concat(),
        None => lines.into_iter().filter(|line| line.starts_with("#:")).collect(),
    };
    if !kept.contains('#') {
        return;
    }
    let mut follows = None;
    for table in tables(document.as_table_mut()) {
        let is_nearer = |than: &&mut Table| table.position() < than.position();
        if table.position() > removed.position() && follows.as_ref().is_none_or(is_nearer) {
            follows = Some(table);
        }
    }
    match follows {
        Some(table) => {
            let prefix = table.decor().prefix().and_then(|prefix| prefix.as_str());
            let prefix = kept + prefix.unwrap_or_default();
            table.decor_mut().set_prefix(prefix);
        }
        None => {
            let trailing = document.trailing().as_str().unwrap_or_default();
            document.set_trailing(kept + trailing);
        }
    }
}

/// The tables with a line of their own.
fn tables(table: &mut Table) -> Vec<&mut Table> {
    let mut found = Vec::new();
    for (_, item) in table.iter_mut() {
        if let Item::Table(table) = item {
            if table.is_implicit() || table.is_dotted() {
                found.extend(tables(table));
            } else {
                found.push(table);
            }
        }
    }
    found
}

impl<'a> Open<'a> {
    fn new(files: &'a Files, surroundings: &'a Surroundings) -> Result<Self, Error> {
        let path = files.edited.as_deref().ok_or(Error::NoHome)?;
        // Before anything is made beside it.
        let is_there = file::read_trusted(Role::Config, path)?.is_some();
        if let Some(dir) = path.parent().filter(|_| !is_there && !files.named) {
            system::make_own_dir(dir)
                .map_err(|source| Error::Write { path: dir.to_owned(), source })?;
        }
        let lock = Lock::take(Role::Config, path)?;
        let read = file::read_trusted(Role::Config, path)?;
        let (text, version) = read.map(|read| (read.text, read.version)).unzip();
        let text = text.unwrap_or_default();
        // First by our own reader, which says what is wrong, and where.
        Stated::parse(&text, &Arc::from(path), surroundings.home.as_deref())?;
        let document = text.parse().map_err(|e| Error::Write {
            path: path.to_owned(),
            source: std::io::Error::other(e),
        })?;
        let spelling = Spelling::of(&text);
        Ok(Self { files, surroundings, path, document, spelling, version, _lock: lock })
    }

    fn text(&self) -> String {
        self.spelling.spell(self.document.to_string())
    }

    /// Where another file has a target of a name: the one that is read last.
    fn elsewhere(&self, name: &TargetName) -> Result<Option<Origin>, Error> {
        let mut found = None;
        for path in self.files.read.iter().filter(|path| *path != self.path) {
            let Some(read) = file::read_trusted(Role::Config, path)? else { continue };
            let home = self.surroundings.home.as_deref();
            let stated = Stated::parse(&read.text, &Arc::from(path.as_path()), home)?;
            found = stated.targets.get(name).map(|known| known.name.origin.clone()).or(found);
        }
        Ok(found)
    }

    /// The table of that name, made where there is none.
    fn table(&mut self, name: &str) -> Result<&mut dyn TableLike, Error> {
        let mut table = Table::new();
        // Its name alone on a line would say nothing.
        table.set_implicit(true);
        let item = self.document.entry(name).or_insert(Item::Table(table));
        item.as_table_like_mut().ok_or_else(|| Error::Write {
            path: self.path.to_owned(),
            source: std::io::Error::other(format!("`{name}` is no table")),
        })
    }

    /// All of the configuration, with this text in the file.
    fn check(&self, text: &str) -> Result<Targets, Error> {
        Targets::read_with(self.files, self.surroundings, Some((self.path, text)))
    }

    /// Writes the file, if all is right with it.
    fn write(self) -> Result<PathBuf, Error> {
        let text = self.text();
        self.check(&text)?;
        file::write(self.path, &text, Existing::ReplaceThis(self.version))?;
        Ok(self.path.to_owned())
    }
}
