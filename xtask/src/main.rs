//! Chores of this repository. `cargo xtask help` lists them.

mod bench;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("bench") => bench::main(args.collect()),
        _ => ExitCode::from(2),
    }
}
