//! `cargo xtask bench`: what a box costs.
//!
//! Every table is one run in which its rows take turns, in an order by chance, and every figure a
//! median of ratios to the row above all others in the same round: machines drift, ratios do less.
//! Nothing here passes or fails.

mod in_process;
mod mcp;
mod program;
mod ssh;
mod stream;
mod warm;

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{say, setup};

/// Something to do.
type Work = Box<dyn FnMut() -> Result<(), String>>;

/// One row of a table.
pub(crate) struct Row {
    name: String,
    /// What is done before each time, and not timed.
    before: Option<Work>,
    timed: Work,
}

impl Row {
    pub(crate) fn new(
        name: impl Into<String>,
        timed: impl FnMut() -> Result<(), String> + 'static,
    ) -> Self {
        Self { name: name.into(), before: None, timed: Box::new(timed) }
    }

    pub(crate) fn after(self, before: impl FnMut() -> Result<(), String> + 'static) -> Self {
        Self { before: Some(Box::new(before)), ..self }
    }
}

/// Builds the release programs, then prints all tables, as root and as an ordinary user; or those of
/// calls over SSH or of an MCP server, as root, who needs no password for an sshd.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if let [first, rest @ ..] = args
        && first == "ssh"
    {
        return over_ssh(rest);
    }
    if let [first, rest @ ..] = args
        && first == "mcp"
    {
        return of_mcp(rest);
    }
    let rounds = match args {
        [] => 200,
        [n] | [n, ..] => n.parse().map_err(|_| format!("`{n}` is not a number of rounds"))?,
    };
    if let [_, shannot] = args {
        return tables(rounds, Path::new(shannot));
    }
    setup::packages(&["bubblewrap", "coreutils", "util-linux"])?;
    setup::user()?;
    let shared = Shared::new()?;
    let shannot = shared.build("shannot-cli", "shannot", "-Ctarget-feature=+crt-static")?;
    // This one is not optimized, and embeds the library that is measured.
    let xtask = shared.build("xtask", "xtask", "")?;
    let measure = |command: &mut Command| {
        setup::run(command.args(["bench", &rounds.to_string()]).arg(&shannot).current_dir("/"))
    };
    measure(&mut Command::new(&xtask))?;
    if rustix::process::geteuid().is_root() {
        let mut again = Command::new("setpriv");
        again.args(["--reuid", setup::USER, "--regid", setup::USER, "--init-groups", "--"]);
        again.arg(&xtask).env("HOME", format!("/home/{}", setup::USER));
        measure(&mut again)?;
    }
    Ok(())
}

fn over_ssh(args: &[String]) -> Result<(), String> {
    let rounds = args.first().map_or(Ok(100), |n| n.parse());
    let rounds = rounds.map_err(|_| "the number of rounds is no number".to_owned())?;
    if let [_, shannot] = args {
        return ssh::tables(rounds, Path::new(shannot));
    }
    setup::packages(&["bubblewrap", "openssh-client", "openssh-server"])?;
    let shared = Shared::new()?;
    let shannot = shared.build("shannot-cli", "shannot", "-Ctarget-feature=+crt-static")?;
    let xtask = shared.build("xtask", "xtask", "")?;
    let mut measure = Command::new(&xtask);
    setup::run(measure.args(["bench", "ssh", &rounds.to_string()]).arg(&shannot).current_dir("/"))
}

fn of_mcp(args: &[String]) -> Result<(), String> {
    let rounds = args.first().map_or(Ok(100), |n| n.parse());
    let rounds = rounds.map_err(|_| "the number of rounds is no number".to_owned())?;
    let packages = ["bubblewrap", "openssh-client", "openssh-server", "procps", "python3-venv"];
    setup::packages(&packages)?;
    let shared = Shared::new()?;
    let shannot = shared.build("shannot-cli", "shannot", "-Ctarget-feature=+crt-static")?;
    mcp::tables(rounds, &shannot)
}

/// A directory from which every user can run programs; removed with the value.
struct Shared(PathBuf);

impl Shared {
    fn new() -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("shannot-bench-{}", std::process::id()));
        let shared = Self(dir);
        fs::create_dir_all(&shared.0)
            .and_then(|()| fs::set_permissions(&shared.0, fs::Permissions::from_mode(0o755)))
            .map_err(|e| format!("cannot make `{}`: {e}", shared.0.display()))?;
        Ok(shared)
    }

    /// Builds a program for release, and copies it here.
    fn build(&self, package: &str, program: &str, rustflags: &str) -> Result<PathBuf, String> {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--release", "--package", package, "--target", TARGET]);
        setup::run(cargo.env("RUSTFLAGS", rustflags))?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let (built, copy) =
            (target.join(TARGET).join("release").join(program), self.0.join(program));
        fs::copy(&built, &copy).map_err(|e| format!("cannot copy `{}`: {e}", built.display()))?;
        Ok(copy)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nothing is left to do when it has gone already.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tables(rounds: usize, shannot: &Path) -> Result<(), String> {
    let uid = rustix::process::geteuid().as_raw();
    say(&format!("as uid {uid}, {rounds} rounds"));
    table("in process: /bin/true, started and reaped", rounds, in_process::rows()?)?;
    table("warm, in process: /bin/true, from the call to its end", rounds, warm::rows()?)?;
    warm::beside_memory(rounds)?;
    warm::sustained()?;
    table("256 MiB of output to the caller, in process", 31, warm::output_rows()?)?;
    table("whole process: ls /etc/hostname", rounds, program::rows(shannot)?)?;
    table("1 GiB of output through a pipe", 7, stream::rows(shannot)?)
}

/// Times the rows in turns and prints medians. Each round has an order of its own, by chance: what one
/// row leaves to the kernel to do would otherwise always be the same other one's cost.
fn table(title: &str, rounds: usize, mut rows: Vec<Row>) -> Result<(), String> {
    const WARM_UP: usize = 2;
    let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(rounds); rows.len()];
    let chance = RandomState::new();
    for round in 0..rounds + WARM_UP {
        let mut turns: Vec<_> = rows.iter_mut().zip(&mut times).enumerate().collect();
        turns.sort_by_cached_key(|(row, _)| chance.hash_one((round, row)));
        for (_, (row, times)) in turns {
            row.before.as_mut().map_or(Ok(()), |before| before())?;
            let begun = Instant::now();
            (row.timed)()?;
            if round >= WARM_UP {
                times.push(begun.elapsed());
            }
        }
    }
    say(&format!("\n{title}"));
    let base = times.first().cloned().unwrap_or_default();
    for (Row { name, .. }, times) in rows.iter().zip(&times) {
        let ratios = times.iter().zip(&base).map(|(a, b)| a.as_secs_f64() / b.as_secs_f64());
        let ms = median(times.iter().map(|t| t.as_secs_f64() * 1e3).collect());
        say(&format!("  {name:<44} {ms:>9.3} ms  {:>6.2} ×", median(ratios.collect())));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
