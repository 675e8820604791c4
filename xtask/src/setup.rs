//! What tests and benchmarks need of this machine: Debian packages and an ordinary user.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::say;

/// The ordinary user as whom tiers T2 and L are tested.
pub(crate) const USER: &str = "shannot-test";

/// Installs the packages that are missing, where that is possible here, and says which.
///
/// # Errors
/// apt failed. Where there is no apt or no root, it only says what to install.
pub(crate) fn packages(wanted: &[&str]) -> Result<(), String> {
    let installed = |package: &&str| {
        let output =
            Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]).output();
        output.is_ok_and(|o| o.stdout == b"installed")
    };
    let missing: Vec<&str> = wanted.iter().copied().filter(|p| !installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() || !rustix::process::geteuid().is_root() {
        say(&format!("the tests need these Debian packages: {list}"));
        return Ok(());
    }
    say(&format!("installing Debian packages: {list}"));
    run(Command::new("apt-get").args(["-qq", "update"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install
        .args(["-qq", "-y", "--no-install-recommends", "install"])
        .args(missing)
        .stdout(Stdio::null()))
}

/// Makes the ordinary user, if this is root and it is not there.
///
/// # Errors
/// useradd failed.
pub(crate) fn user() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() || user_id().is_some() {
        return Ok(());
    }
    say(&format!("making the user {USER}"));
    let home = format!("/home/{USER}");
    run(Command::new("useradd").args(["--system", "--create-home", "--home-dir", &home, USER]))
}

/// Whether the ordinary user is there.
pub(crate) fn user_id() -> Option<u32> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = passwd.lines().find(|l| l.starts_with(&format!("{USER}:")))?.split(':');
    fields.nth(2)?.parse().ok()
}

/// Runs a command to its end.
///
/// # Errors
/// It could not be started, or did not succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
