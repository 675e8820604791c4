//! Chores of this repository. `cargo xtask help` lists them.

mod bench;
mod clients;
mod conformance;
mod fuzz;
mod mcpb;
mod mutants;
mod oracle;
mod setup;
mod soak;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
Chores of this repository.

  cargo xtask test [ARG…]     set up what the tests need, then run all of them;
                              ARGs go to `cargo nextest run`
  cargo xtask bench [ROUNDS]  what a box costs, as ratios to a plain spawn and to bwrap,
                              interleaved in one run (default 200 rounds)
  cargo xtask bench ssh [ROUNDS]
                              what a call over SSH costs (default 100 rounds)
  cargo xtask mcpb [--validate]
                              build the static program into a bundle for MCP clients, and what
                              the MCP registry is told of it; `--validate` asks the bundle's makers
                              (`npx @anthropic-ai/mcpb`)
  cargo xtask mutants [WORD…] break each layer of the box in turn, or those that a WORD names,
                              and see that the tests notice (an hour)
  cargo xtask fuzz [TARGET…] [--seconds N]
                              hold what is promised of inputs against a fuzzer: every target of
                              `fuzz/`, N seconds each (default 15; 0: only the known inputs)
  cargo xtask conformance     hold `mcp serve --http` against the official suite of MCP, in both eras
  cargo xtask clients         have the MCP clients of others talk to `mcp serve`
  cargo xtask oracle [COMMANDS]
                              run commands by chance, diagnostics and attacks, in every tier,
                              and compare the host before and after (default 10000 commands)
  cargo xtask soak [RUNS]     keep boxes warm for so many runs of five profiles, amid kills, cancels,
                              edits and mounts, and see that nothing is left (default 100000 runs)
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chore = args.next();
    let rest: Vec<String> = args.collect();
    let done = match chore.as_deref() {
        Some("test") => test::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("clients") => clients::run(),
        Some("conformance") => conformance::run(),
        Some("fuzz") => fuzz::run(&rest),
        Some("mcpb") => mcpb::run(&rest),
        Some("mutants") => mutants::run(&rest),
        Some("oracle") => oracle::run(&rest),
        Some("soak") => soak::run(&rest),
        Some("help" | "--help" | "-h") => {
            say(HELP);
            Ok(())
        }
        other => Err(format!("no chore `{}`\n{HELP}", other.unwrap_or_default())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&format!("xtask: {message}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a chore's output")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a chore's complaints")]
fn complain(text: &str) {
    eprintln!("{text}");
}
