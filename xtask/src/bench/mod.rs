//! `cargo xtask bench`: what a box costs.
//!
//! Every table is one run in which its rows take turns, and every figure a median of ratios to
//! the row above all others in the same round: machines drift, ratios do less. Nothing here
//! passes or fails.

mod in_process;
mod program;
mod stream;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{say, setup};

/// One row of a table: a name and what is timed.
pub(crate) type Row = (String, Box<dyn FnMut() -> Result<(), String>>);

/// Builds the release programs, then prints all tables, as root and as an ordinary user.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let rounds = match args {
        [] => 200,
        [n] | [n, ..] => n.parse().map_err(|_| format!("`{n}` is not a number of rounds"))?,
    };
    if let [_, shannot] = args {
        return tables(rounds, Path::new(shannot));
    }
    setup::packages(&["bubblewrap", "coreutils", "util-linux"])?;
    setup::user()?;
    let shannot = build()?;
    tables(rounds, &shannot)?;
    if rustix::process::geteuid().is_root() {
        as_user(rounds, &shannot)?;
    }
    Ok(())
}

/// The static release program, where every user can run it.
fn build() -> Result<PathBuf, String> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", "shannot-cli", "--target", TARGET]);
    setup::run(cargo.env("RUSTFLAGS", "-Ctarget-feature=+crt-static"))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    share(&target.join(TARGET).join("release/shannot"), "shannot")
}

/// Copies a program to where every user can run it.
fn share(program: &Path, name: &str) -> Result<PathBuf, String> {
    let dir = std::env::temp_dir().join(format!("shannot-bench-{}", std::process::id()));
    let copy = dir.join(name);
    let copied = fs::create_dir_all(&dir)
        .and_then(|()| fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)))
        .and_then(|()| fs::copy(program, &copy));
    copied.map_err(|e| format!("cannot copy `{}`: {e}", program.display()))?;
    Ok(copy)
}

/// The same tables again, by this program, as the ordinary user.
fn as_user(rounds: usize, shannot: &Path) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let own = share(&own, "xtask")?;
    let mut again = Command::new("setpriv");
    again.args(["--reuid", setup::USER, "--regid", setup::USER, "--init-groups", "--"]);
    again.arg(own).args(["bench", &rounds.to_string()]).arg(shannot);
    again.current_dir("/").env("HOME", format!("/home/{}", setup::USER));
    setup::run(&mut again)
}

fn tables(rounds: usize, shannot: &Path) -> Result<(), String> {
    let uid = rustix::process::geteuid().as_raw();
    say(&format!("as uid {uid}, {rounds} rounds"));
    table("in process: /bin/true, started and reaped", rounds, in_process::rows()?)?;
    table("whole process: ls /etc/hostname", rounds, program::rows(shannot)?)?;
    table("1 GiB of output through a pipe", 7, stream::rows(shannot)?)
}

/// Times the rows in turns and prints medians.
fn table(title: &str, rounds: usize, mut rows: Vec<Row>) -> Result<(), String> {
    const WARM_UP: usize = 2;
    let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(rounds); rows.len()];
    for round in 0..rounds + WARM_UP {
        for ((_, run), times) in rows.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            run()?;
            if round >= WARM_UP {
                times.push(begun.elapsed());
            }
        }
    }
    say(&format!("\n{title}"));
    let base = times.first().cloned().unwrap_or_default();
    for ((name, _), times) in rows.iter().zip(&times) {
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
