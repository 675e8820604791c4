//! Where the file of a client is on this machine, and whether the client is here.

use std::path::{Path, PathBuf};

use super::args::Scope;
use super::table::{Base, Client};
use crate::error::Error;
use crate::file::Foreign;
use crate::surroundings::Surroundings;

/// The systems that keep their users' files in other places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    MacOs,
    Windows,
    Other,
}

impl System {
    fn here() -> Self {
        match std::env::consts::OS {
            "macos" => Self::MacOs,
            "windows" => Self::Windows,
            _ => Self::Other,
        }
    }
}

impl Base {
    /// Where it is; `None` where there is none on this system.
    fn dir(self, system: System, surroundings: &Surroundings) -> Option<PathBuf> {
        let home = || surroundings.home.clone();
        let variable = Surroundings::directory;
        match (self, system) {
            (Self::Home, _) => home(),
            (Self::AppData, System::MacOs) => Some(home()?.join("Library/Application Support")),
            (Self::AppData | Self::Roaming, System::Windows) => variable("APPDATA"),
            (Self::Roaming, _) => None,
            (Self::Config | Self::AppData, _) => {
                variable("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")))
            }
            (Self::Variable(name, below), _) => {
                variable(name).or_else(|| Some(home()?.join(below)))
            }
        }
    }
}

/// The file of a client: one that is there before one that might be.
///
/// # Errors
/// The client has none in that scope, or this user no home.
pub(super) fn file(
    client: &Client,
    scope: Scope,
    surroundings: &Surroundings,
) -> Result<PathBuf, Error> {
    let places: Vec<PathBuf> = match scope {
        Scope::User => {
            let system = System::here();
            let places = client.user.iter();
            let path = |dir: PathBuf, below: &str| dir.join(below.split('/').collect::<PathBuf>());
            places.filter_map(|p| Some(path(p.base.dir(system, surroundings)?, p.path))).collect()
        }
        Scope::Project if client.project.is_empty() => {
            return Err(Error::Asked {
                what: format!("{} has no servers of a project", client.title),
                hint: "`--scope user` is for all of yours".to_owned(),
            });
        }
        Scope::Project => {
            let cwd = surroundings.cwd.as_deref().ok_or_else(|| Error::Asked {
                what: "the working directory has no name".to_owned(),
                hint: "start this in the project's directory".to_owned(),
            })?;
            client.project.iter().map(|below| cwd.join(below)).collect()
        }
    };
    let there = |path: &&PathBuf| path.symlink_metadata().is_ok();
    let above = |path: &&PathBuf| path.parent().is_some_and(Path::is_dir);
    let found = places.iter().find(there).or_else(|| places.iter().find(above));
    found.or(places.first()).cloned().ok_or(Error::NoHome)
}

/// Reads the file of a client. That of a project stays in the project: who wrote a link there may be
/// somebody else.
///
/// # Errors
/// As of [`Foreign::read`].
pub(super) fn read(
    path: &Path,
    scope: Scope,
    surroundings: &Surroundings,
) -> Result<Foreign, Error> {
    let file = Foreign::read(path)?;
    let cwd = surroundings.cwd.as_deref().and_then(|cwd| cwd.canonicalize().ok());
    match (scope, cwd) {
        (Scope::Project, Some(cwd)) if file.text().is_some() && !file.path().starts_with(&cwd) => {
            Err(Error::Asked {
                what: format!("`{}` is a link that leads out of the project", path.display()),
                hint: "look at where it leads, and remove it or use `--scope user`".to_owned(),
            })
        }
        _ => Ok(file),
    }
}

/// Whether a client is on this machine, as far as its file and its program tell.
pub(super) fn is_here(client: &Client, surroundings: &Surroundings) -> bool {
    let on_path = client.program.is_some_and(|program| on_path(program).is_some());
    let has_file = file(client, Scope::User, surroundings).is_ok_and(|path| {
        let above = path.parent().filter(|above| Some(*above) != surroundings.home.as_deref());
        path.exists() || above.is_some_and(Path::is_dir)
    });
    on_path || has_file
}

/// Where a program is on `$PATH`. A directory there that is not absolute is another one tomorrow, and
/// could be anybody's.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let endings: &[&str] = match System::here() {
        System::Windows => &[".exe", ".cmd"],
        System::MacOs | System::Other => &[""],
    };
    let dirs = Surroundings::search_path().into_iter().filter(|dir| dir.is_absolute());
    let mut all = dirs
        .flat_map(|dir| endings.iter().map(move |ending| dir.join(format!("{program}{ending}"))));
    all.find(|path| crate::system::is_program(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::clients::table::CLIENTS;

    fn surroundings() -> Surroundings {
        Surroundings { home: Some("/home/a".into()), ..Surroundings::read() }
    }

    #[test]
    fn every_client_has_a_place_on_every_system() {
        for client in &CLIENTS {
            for system in [System::MacOs, System::Other] {
                let dirs = client.user.iter().filter_map(|p| p.base.dir(system, &surroundings()));
                assert_ne!(dirs.count(), 0, "{}: {system:?}", client.id);
            }
        }
    }

    #[test]
    fn data_of_programs_on_macos_is_in_the_library() {
        let dir = Base::AppData.dir(System::MacOs, &surroundings()).unwrap();
        assert_eq!(dir, Path::new("/home/a/Library/Application Support"));
        assert!(Base::Roaming.dir(System::MacOs, &surroundings()).is_none());
    }
}
