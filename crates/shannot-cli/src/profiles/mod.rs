//! Finds and reads profiles. With [`crate::surroundings`] the only reader of files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf, is_separator};
use std::sync::Arc;

use shannot::policy::Profile;
use shannot::policy::profile::{Examples, Stated, tighten};
use shannot::policy::types::ProfileName;

use crate::error::Error;
use crate::file::{self, Role, Stamp, Text};
use crate::surroundings::Surroundings;
use crate::system;

mod built_in;

pub(crate) use built_in::BuiltIn;

/// The profile of a caller who names none.
const DEFAULT: &str = "minimal";
/// The directory of a project whose profiles narrow others.
const LOCAL: &str = ".shannot";
/// The longest chain of profiles that extend each other.
const DEEPEST: usize = 16;

/// A profile and where it is from.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) profile: Arc<Profile>,
    pub(crate) origin: Origin,
    /// The file of the working directory that narrowed it.
    pub(crate) narrowed_by: Option<PathBuf>,
}

/// Where a profile is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    BuiltIn,
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The places where profiles are, the first first.
#[derive(Debug)]
pub(crate) struct Profiles<'s> {
    surroundings: &'s Surroundings,
    places: Vec<PathBuf>,
    /// Profiles that others extend, each read once.
    parents: RefCell<BTreeMap<ProfileName, Arc<Profile>>>,
}

/// The names on the way to a profile that is being read.
#[derive(Debug, Clone, Copy)]
struct Chain<'c> {
    name: &'c ProfileName,
    child: Option<&'c Chain<'c>>,
}

impl Chain<'_> {
    fn names(&self) -> Vec<&ProfileName> {
        let mut names = vec![self.name];
        let mut link = self.child;
        while let Some(chain) = link {
            names.push(chain.name);
            link = chain.child;
        }
        names.reverse();
        names
    }
}

impl<'s> Profiles<'s> {
    pub(crate) fn new(surroundings: &'s Surroundings) -> Self {
        let host = system::CONFIG.map(Path::new);
        let dirs = surroundings.config_dir.as_deref().into_iter().chain(host);
        let places = dirs.map(|dir| dir.join("profiles")).collect();
        Self { surroundings, places, parents: RefCell::default() }
    }

    /// The profile to use: what was asked for, or `$SHANNOT_PROFILE`, or the default.
    pub(crate) fn select(&self, asked: Option<&OsStr>) -> Result<Found, Error> {
        let asked = self.asked(asked);
        if is_path(asked) {
            let path = Path::new(asked);
            let text = file::read_trusted(Role::Profile, path)?.ok_or_else(|| Error::Read {
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            })?;
            let profile = self.parse(&text, Examples::Check, None)?;
            let origin = Origin::File(path.to_owned());
            return Ok(Found { profile: Arc::new(profile), origin, narrowed_by: None });
        }
        let name: ProfileName = asked.to_string_lossy().parse().map_err(Error::ProfileName)?;
        self.by_name(&name)
    }

    /// The built-in profile to use, if the one to use is built in and no file changes it.
    pub(crate) fn built_in(&self, asked: Option<&OsStr>) -> Option<&'static BuiltIn> {
        let named = self.asked(asked);
        let name = named.to_str().filter(|_| !is_path(named))?.parse().ok()?;
        let changed = self.local(&name).is_some() || self.is_in_a_place(&name);
        BuiltIn::named(&name).filter(|_| !changed)
    }

    fn asked<'a>(&'a self, asked: Option<&'a OsStr>) -> &'a OsStr {
        asked.or(self.surroundings.profile.as_deref()).unwrap_or(OsStr::new(DEFAULT))
    }

    /// The profile of a name, narrowed by the working directory's of the same name.
    pub(crate) fn by_name(&self, name: &ProfileName) -> Result<Found, Error> {
        let found = self.own(name, None)?;
        let local = self.local(name);
        let Some(found) = found else { return Err(self.no_profile(name, local.is_some())) };
        let Some(path) = local else { return Ok(found) };
        // It has gone since.
        let Some(text) = file::read_any(Role::Profile, &path)? else { return Ok(found) };
        let stated = Stated::parse(&text.text, &text.origin)?;
        let profile = Arc::new(tighten(&found.profile, &stated, Examples::Check)?);
        Ok(Found { profile, narrowed_by: Some(path), ..found })
    }

    /// Every name that can be asked for.
    pub(crate) fn names(&self) -> Vec<ProfileName> {
        let mut names: Vec<ProfileName> =
            built_in::ALL.iter().filter_map(|own| own.name.parse().ok()).collect();
        for place in &self.places {
            for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
                let path = PathBuf::from(entry.file_name());
                let known = path.extension().is_some_and(|e| e == "toml" || e == "json");
                let name = path.file_stem().and_then(OsStr::to_str).and_then(|n| n.parse().ok());
                names.extend(name.filter(|_| known));
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Adds how the files look from which profiles are read: those in all places, and those that
    /// are asked for by a path.
    pub(crate) fn stamp<'a>(&self, asked: impl Iterator<Item = &'a OsStr>, stamp: &mut Stamp) {
        let local = self.surroundings.cwd.as_ref().map(|cwd| cwd.join(LOCAL));
        self.places.iter().chain(&local).for_each(|place| stamp.add_dir(place));
        asked.filter(|asked| is_path(asked)).for_each(|path| stamp.add(Path::new(path)));
    }

    /// Reads a text as a profile, whatever kind it is.
    pub(crate) fn parse_text(&self, text: &Text, examples: Examples) -> Result<Profile, Error> {
        self.parse(text, examples, None)
    }

    /// The file of the working directory that would narrow a profile.
    fn local(&self, name: &ProfileName) -> Option<PathBuf> {
        let path = self.surroundings.cwd.as_ref()?.join(LOCAL).join(format!("{name}.toml"));
        is_there(&path).then_some(path)
    }

    /// Whether the user or the host has a file for a name, whatever is in it.
    fn is_in_a_place(&self, name: &ProfileName) -> bool {
        let files = self.places.iter().flat_map(|place| files(place, name));
        files.into_iter().any(|path| is_there(&path))
    }

    /// The user's, the host's or the built-in profile of a name.
    fn own(&self, name: &ProfileName, child: Option<&Chain<'_>>) -> Result<Option<Found>, Error> {
        for place in &self.places {
            for path in files(place, name) {
                let Some(text) = file::read_trusted(Role::Profile, &path)? else { continue };
                let chain = Chain { name, child };
                let profile = self.parse(&text, Examples::Check, Some(&chain))?;
                if profile.name != *name {
                    return Err(Error::Misnamed {
                        path,
                        holds: profile.name.to_string(),
                        wanted: name.to_string(),
                    });
                }
                let origin = Origin::File(path);
                return Ok(Some(Found { profile: Arc::new(profile), origin, narrowed_by: None }));
            }
        }
        let built_in = built_in::find(name, Examples::Trust)?;
        Ok(built_in.map(|profile| Found { profile, origin: Origin::BuiltIn, narrowed_by: None }))
    }

    fn parse(
        &self,
        text: &Text,
        examples: Examples,
        chain: Option<&Chain<'_>>,
    ) -> Result<Profile, Error> {
        if text.is_legacy() {
            return Ok(Profile::parse_legacy(&text.text, &text.origin)?.profile);
        }
        let stated = Stated::parse(&text.text, &text.origin)?;
        let own = stated.name().clone();
        let own = Chain { name: &own, child: None };
        let chain = chain.unwrap_or(&own);
        Ok(stated.resolve(examples, &|name| self.parent(name, chain))?)
    }

    /// The profile that one of the chain extends.
    fn parent(&self, name: &ProfileName, chain: &Chain<'_>) -> Result<Arc<Profile>, String> {
        if let Some(profile) = self.parents.borrow().get(name) {
            return Ok(Arc::clone(profile));
        }
        let names = chain.names();
        if names.contains(&name) {
            let mut path: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            path.push(format!("`{name}`"));
            return Err(format!("these profiles extend each other: {}", path.join(" -> ")));
        }
        if names.len() >= DEEPEST {
            return Err(format!("more than {DEEPEST} profiles extend each other in a chain"));
        }
        match self.own(name, Some(chain)) {
            Ok(Some(found)) => {
                self.parents.borrow_mut().insert(name.clone(), Arc::clone(&found.profile));
                Ok(found.profile)
            }
            Ok(None) => Err(format!("there is no profile `{name}`")),
            Err(error) => Err(error.chain()),
        }
    }

    fn no_profile(&self, name: &ProfileName, is_local: bool) -> Error {
        let hint = if is_local {
            format!("`{LOCAL}/{name}.toml` only narrows a profile of that name, and there is none")
        } else {
            let names: Vec<_> = self.names().iter().map(|name| format!("`{name}`")).collect();
            format!("there are {}; a path needs a slash", names.join(", "))
        };
        Error::NoProfile { name: name.to_string(), hint }
    }
}

/// The files that can hold the profile of a name, the first first.
fn files(place: &Path, name: &ProfileName) -> [PathBuf; 2] {
    ["toml", "json"].map(|kind| place.join(format!("{name}.{kind}")))
}

/// Whatever is there counts, also what cannot be looked at: silence would widen.
fn is_there(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    path.symlink_metadata().map_or_else(|e| !matches!(e.kind(), NotFound | NotADirectory), |_| true)
}

/// `./x`, `/etc/x.toml` and `x.json` are paths, `x` is a name.
pub(crate) fn is_path(asked: &OsStr) -> bool {
    let bytes = asked.as_encoded_bytes();
    bytes.iter().any(|byte| is_separator(char::from(*byte)))
        || bytes.ends_with(b".toml")
        || bytes.ends_with(b".json")
}
