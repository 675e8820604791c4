//! Runs a command in a box that was made before it was asked for, as a program does that lives for
//! long. Without `--json` the output goes where this program's own goes.
//!
//! ```console
//! $ cargo run --example warm -- run --json --profile profiles/diagnostics.toml -- df -h
//! ```

use std::error::Error;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use shannot::policy::profile::Examples;
use shannot::policy::types::AbsPath;
use shannot::policy::{Argv, Cwd, Locale, Profile, Request, Stages, authorize};
use shannot::sandbox::{self, Enforcement, StageStatus};
use shannot::{Collected, End, Failure, Gate, Input, Io, LocalExecutor, Output};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<_> = std::env::args_os().collect();
    // First of all: this may be the program inside a box of bwrap's making.
    shannot::sandbox::stage_two(&words)?;
    let words = words.into_iter().map(|word| word.into_string().map_err(|_| "no UTF-8"));
    let words = words.collect::<Result<Vec<_>, _>>()?;
    let (options, command) = match words.iter().position(|word| word == "--") {
        Some(at) => (&words[..at], &words[at + 1..]),
        None => return Err("usage: warm run [--json] [--cwd DIR] --profile FILE -- COMMAND".into()),
    };
    let value = |name: &str| options.iter().skip_while(|word| *word != name).nth(1);
    let file = value("--profile").ok_or("no profile")?;
    let cwd = match value("--cwd") {
        Some(path) => Cwd::In(AbsPath::new(path.as_str())?),
        None => Cwd::InOrRoot(AbsPath::new(std::env::current_dir()?.to_str().ok_or("no UTF-8")?)?),
    };
    let text = std::fs::read_to_string(file)?;
    let profile = Profile::parse(&text, file, Examples::Trust, &|_| Err("none".into()))?;
    let as_json = options.iter().any(|word| word == "--json");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let request = Request {
        profile: profile.name.clone(),
        stages: Stages::new(vec![Argv::from_words(command.iter().map(String::as_str))?])?,
        cwd,
        timeout: None,
        locale: Locale::default(),
    };
    runtime.block_on(run(Arc::new(profile), request, as_json))
}

async fn run(
    profile: Arc<Profile>,
    request: Request,
    as_json: bool,
) -> Result<ExitCode, Box<dyn Error>> {
    let executor = Arc::new(LocalExecutor::new(Some("/proc/self/exe".into()))?);
    // What a server does for the profiles that it serves, before anybody asks.
    executor.warm(&authorize(&profile, request.clone())?)?;
    let gate = Gate::new([profile], executor);
    let stdin = Input::Fd(std::io::stdin().as_fd().try_clone_to_owned()?);
    let output = if as_json {
        Output::Events
    } else {
        Output::Fds {
            stdout: std::io::stdout().as_fd().try_clone_to_owned()?,
            stderr: std::io::stderr().as_fd().try_clone_to_owned()?,
        }
    };
    let collected = gate.run(request, Io { stdin, output })?.collect().await;
    let code = exit_code(&collected);
    if as_json {
        writeln!(std::io::stdout(), "{}", result(&collected, code))?;
    } else if let End::Failed(failure) = &collected.outcome.end {
        writeln!(std::io::stderr(), "shannot: {failure}")?;
    }
    Ok(ExitCode::from(code))
}

/// As `shannot run` answers; `docs/exit-codes.md`.
fn exit_code(collected: &Collected) -> u8 {
    match &collected.outcome.end {
        End::Exited(code) => u8::try_from(*code).unwrap_or(255),
        End::Signaled(signal) => u8::try_from(128 + signal).unwrap_or(255),
        End::TimedOut | End::LimitReached(_) => 124,
        End::Cancelled => 130,
        End::Failed(Failure::Start(sandbox::Error::NotFound { .. })) => 127,
        End::Failed(Failure::Start(sandbox::Error::NotExecutable { .. })) => 126,
        End::Failed(_) => 125,
    }
}

fn result(collected: &Collected, code: u8) -> Value {
    let outcome = &collected.outcome;
    let signal = match outcome.stages.last() {
        Some(Some(StageStatus::Signaled(signal))) => Some(signal),
        _ => None,
    };
    json!({
        "outcome": match &outcome.end {
            End::Exited(_) => "exited",
            End::Signaled(_) => "signaled",
            End::TimedOut => "timed_out",
            End::LimitReached(_) => "limit_reached",
            End::Cancelled => "cancelled",
            End::Failed(_) => "failed",
        },
        "exit_code": code,
        "signal": signal,
        "stdout": String::from_utf8_lossy(&collected.stdout),
        "stderr": String::from_utf8_lossy(&collected.stderr),
        "truncated": collected.truncated,
        "limits_hit": outcome.limits_hit.iter().map(|limit| limit.as_str()).collect::<Vec<_>>(),
        "enforcement": outcome.enforcement.as_ref().map(enforcement),
        "error": match &outcome.end { End::Failed(failure) => Some(failure.to_string()), _ => None },
    })
}

fn enforcement(enforcement: &Enforcement) -> Value {
    let layers = enforcement.layers.iter().map(|layer| {
        json!({ "name": layer.name, "status": layer.status.as_str(), "detail": layer.detail })
    });
    let passed_over = enforcement.passed_over.iter();
    json!({
        "tier": enforcement.tier.as_str(),
        "layers": layers.collect::<Vec<_>>(),
        "passed_over": passed_over.map(|tier| tier.why.clone()).collect::<Vec<_>>(),
    })
}
