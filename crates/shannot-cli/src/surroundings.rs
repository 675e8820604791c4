//! What this process was started with: the only reader of the environment, the home and the
//! working directory. Nothing here is handed to a box but [`Surroundings::locale`].

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use shannot::policy::Locale;

use crate::system;

/// What this process was started with.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// `$SHANNOT_PROFILE`.
    pub(crate) profile: Option<OsString>,
    /// `$SHANNOT_CONFIG`.
    pub(crate) config: Option<PathBuf>,
    /// The user's home, where it is absolute.
    pub(crate) home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME/shannot`, by default `~/.config/shannot`.
    pub(crate) config_dir: Option<PathBuf>,
    /// `$XDG_STATE_HOME/shannot/audit.jsonl`, by default below `~/.local/state`.
    pub(crate) audit_file: Option<PathBuf>,
    /// The working directory, where it has a name.
    pub(crate) cwd: Option<PathBuf>,
    /// The language, time zone and terminal.
    pub(crate) locale: Locale,
}

impl Surroundings {
    /// Reads them.
    pub(crate) fn read() -> Self {
        let own = Locale::NAMES.into_iter().filter_map(|name| Some((name, env::var(name).ok()?)));
        let variables: Vec<(&str, String)> = own.chain(terminal_size()).collect();
        let pairs = variables.iter().map(|(name, value)| (*name, value.as_str()));
        Self {
            profile: env::var_os("SHANNOT_PROFILE").filter(|name| !name.is_empty()),
            config: env::var_os("SHANNOT_CONFIG").filter(|p| !p.is_empty()).map(PathBuf::from),
            home: home(),
            config_dir: config_dir(),
            audit_file: state_dir().map(|dir| dir.join("audit.jsonl")),
            cwd: env::current_dir().ok(),
            locale: Locale::from_env(pairs),
        }
    }

    /// The directory that a variable names, where it is absolute.
    pub(crate) fn directory(name: &str) -> Option<PathBuf> {
        absolute(name)
    }

    /// The directories in which this user's programs are looked for.
    pub(crate) fn search_path() -> Vec<PathBuf> {
        env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
    }

    /// Where this user's programs make sockets: `$XDG_RUNTIME_DIR`, or that of temporary files.
    pub(crate) fn sockets() -> Option<PathBuf> {
        system::SSH_SHARES.then(|| absolute("XDG_RUNTIME_DIR").unwrap_or_else(env::temp_dir))
    }
}

fn absolute(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn home() -> Option<PathBuf> {
    absolute("HOME").or_else(|| absolute(system::HOME))
}

fn state_dir() -> Option<PathBuf> {
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    base.map(|base| base.join("shannot"))
}

/// The XDG base directory specification: "all paths must be absolute. If an implementation
/// encounters a relative path it should ignore it."
fn config_dir() -> Option<PathBuf> {
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(home()?.join(".config")));
    base.map(|base| base.join("shannot"))
}

/// Shells keep `COLUMNS` to themselves, and a command in the box writes to a pipe: without this,
/// `ps` would cut its lines at 80.
fn terminal_size() -> impl Iterator<Item = (&'static str, String)> {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.into_iter().flat_map(|(width, height)| {
        [("COLUMNS", width.0), ("LINES", height.0)].map(|(name, n)| (name, n.to_string()))
    })
}
