//! `cargo xtask test`: all tests, after setting up what they need.

use std::process::Command;

use crate::setup;

/// What the tests use beside the commands that they compare; those are listed where they are.
const PACKAGES: [&str; 12] = [
    "bubblewrap",
    "busybox",
    "fish",
    "gcc",
    "libc6-dev",
    "net-tools",
    "openssh-client",
    "openssh-server",
    "passwd",
    "procps",
    "tcsh",
    "util-linux",
];
const COMPARED: &str = include_str!("../../crates/shannot-cli/tests/fidelity/packages.txt");

/// Sets up what the tests need.
pub(crate) fn set_up() -> Result<(), String> {
    let compared = COMPARED.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let packages: Vec<&str> = PACKAGES.into_iter().chain(compared).collect();
    setup::packages(&packages)?;
    setup::user()
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    set_up()?;
    if cargo().args(["nextest", "--version"]).output().is_ok_and(|o| !o.status.success()) {
        crate::say("installing cargo-nextest");
        setup::run(cargo().args(["install", "--locked", "cargo-nextest"]))?;
    }
    setup::run(cargo().args(["test", "--quiet", "--workspace", "--doc"]))?;
    setup::run(cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]).args(args))
}
