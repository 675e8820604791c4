//! Changes to a configuration file, with all that a person wrote left as it is.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value as Edited};

use super::stated::Stated;
use super::{Files, TargetName, Targets};
use crate::error::Error;
use crate::file::{self, Existing, Role};
use crate::surroundings::Surroundings;

/// An executor to be written: the keys of its table, in order.
pub(crate) type Entry = Vec<(&'static str, Edited)>;

/// What was added.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) path: PathBuf,
    /// Whether another one of the name was there.
    pub(crate) replaced: bool,
}

/// What was removed.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) path: PathBuf,
    /// The groups that it was taken out of.
    pub(crate) groups: Vec<String>,
}

/// A configuration file that nobody else edits meanwhile.
struct Open<'a> {
    files: &'a Files,
    surroundings: &'a Surroundings,
    path: &'a Path,
    document: DocumentMut,
    _lock: File,
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
    let before = open.check(&open.document.to_string())?;
    let known = before.targets.get(name).filter(|known| known.name.origin.file().is_some());
    if let (Some(known), Existing::Keep) = (known, existing) {
        let (name, place) = (name.to_string(), known.name.origin.to_string());
        return Err(Error::TargetExists { name, place });
    }
    let executors = open.table("executor")?;
    match executors.get_mut(name.as_str()).and_then(Item::as_table_like_mut) {
        Some(table) => replace(table, entry),
        None => {
            let mut table = Table::new();
            replace(&mut table, entry);
            executors.insert(name.as_str(), Item::Table(table));
        }
    }
    let replaced = known.is_some();
    open.write().map(|path| Added { path, replaced })
}

/// Puts an entry into a table, with the comments of the keys that stay.
fn replace(table: &mut dyn TableLike, entry: Entry) {
    let before: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in before.iter().filter(|key| !entry.iter().any(|(stays, _)| stays == key)) {
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
    let mut open = Open::new(files, surroundings)?;
    let before = open.check(&open.document.to_string())?;
    let Some(removed) = open.table("executor")?.remove(name.as_str()) else {
        let Some(known) = before.targets.get(name) else { return Err(before.no_target(name)) };
        return Err(match known.name.origin.file() {
            Some(path) => Error::ElsewhereStated {
                name: name.to_string(),
                path: path.to_owned(),
                edited: open.path.to_owned(),
            },
            None => Error::Asked {
                what: format!("`{name}` is there without configuration"),
                hint: "another one can be the default: `default_executor`".to_owned(),
            },
        });
    };
    if let Item::Table(table) = &removed {
        keep_comments(&mut open.document, table);
    }
    let mut groups = Vec::new();
    // Another file may have one of the name too, which stands for it from now on.
    let others = open.check("").ok().filter(|others| others.targets.contains_key(name));
    if others.is_none()
        && let Some(table) = open.document.get_mut("group").and_then(Item::as_table_like_mut)
    {
        let names: Vec<String> = table.iter().map(|(group, _)| group.to_owned()).collect();
        for group in names {
            let Some(members) = table.get_mut(&group).and_then(Item::as_array_mut) else {
                continue;
            };
            let is_it = |member: &Edited| member.as_str() == Some(name.as_str());
            let Some(at) = members.iter().position(is_it) else { continue };
            members.remove(at);
            // What stood between a comma and the next name stands at the beginning now.
            if let Some(first) = members.get_mut(0).filter(|_| at == 0)
                && first.decor().prefix().and_then(|prefix| prefix.as_str()) == Some(" ")
            {
                first.decor_mut().set_prefix("");
            }
            if members.is_empty() {
                table.remove(&group);
            }
            groups.push(group);
        }
    }
    open.write().map(|path| Removed { path, groups })
}

/// What stands above a table, with a blank line between, is not about it: it goes to what follows.
fn keep_comments(document: &mut DocumentMut, removed: &Table) {
    let prefix = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let lines: Vec<&str> = prefix.split_inclusive('\n').collect();
    let Some(blank) = lines.iter().rposition(|line| line.trim().is_empty()) else { return };
    let kept = lines[..blank].concat();
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
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let name =
            path.file_name().ok_or_else(|| failed(std::io::ErrorKind::IsADirectory.into()))?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(failed)?;
        // Not the file itself, which is another one after it was written.
        let mut lock = std::ffi::OsString::from(".");
        lock.push(name);
        lock.push(".lock");
        let mut options = File::options();
        // Where others can put something in its place, it is nothing that they choose.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.create(true).append(true).mode(0o600).custom_flags(flags.bits().cast_signed());
        let lock = options.open(dir.join(lock));
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(failed)?;
        let text = file::read_trusted(Role::Config, path)?.map(|text| text.text);
        let text = text.unwrap_or_default();
        // First by our own reader, which says what is wrong, and where.
        Stated::parse(&text, &Arc::from(path), surroundings.home.as_deref())?;
        let document = text.parse().map_err(|e| failed(std::io::Error::other(e)))?;
        Ok(Self { files, surroundings, path, document, _lock: lock })
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
        let text = self.document.to_string();
        self.check(&text)?;
        file::write(self.path, &text, Existing::Replace)?;
        Ok(self.path.to_owned())
    }
}
