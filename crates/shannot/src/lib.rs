//! Runs diagnostic commands in a read-only box that the kernel enforces.
//!
//! A [`Gate`] holds the profiles and an [`Executor`]. Every request passes [`Gate::run`]; what
//! comes back is a [`Run`]: its [`Event`]s as they happen, then its [`Outcome`]. Dropping a `Run`
//! ends the box.
//!
//! ```no_run
//! use std::sync::Arc;
//! use shannot::policy::{Argv, Cwd, Locale, Profile, Request, Stages, profile::Examples};
//! use shannot::{Gate, Io, LocalExecutor};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     version = 1
//!     name = "disks"
//!     [commands.df]
//!     about = "Show free space."
//! "#;
//! let profile = Profile::parse(text, "disks.toml", Examples::Check, &|_| Err("none".into()))?;
//! let gate = Gate::new([Arc::new(profile)], Arc::new(LocalExecutor::new(None)?));
//! let request = Request {
//!     profile: "disks".parse()?,
//!     stages: Stages::new(vec![Argv::from_words(["df", "-h"])?])?,
//!     cwd: Cwd::Root,
//!     timeout: None,
//!     locale: Locale::default(),
//! };
//! let output = gate.run(request, Io::default())?.collect().await;
//! println!("{}", String::from_utf8_lossy(&output.stdout));
//! # Ok(())
//! # }
//! ```
//!
//! Boxes are made on Linux. On other systems there is no `LocalExecutor`, and all else is the same:
//! commands run on other hosts.
//!
//! This crate reads no configuration, environment or home directory, prints nothing, and knows
//! neither MCP nor a command line.
#![forbid(unsafe_code)]

/// What may run, and in which box.
pub use shannot_policy as policy;
/// Engines and what they enforce.
pub use shannot_sandbox as sandbox;

pub mod destination;
pub mod redact;
pub mod rows;
pub mod wire;

mod event;
mod executor;
mod gate;
mod run;

pub use event::{
    End, Event, Failure, FailureKind, Limit, Outcome, OutputStream, StageEnd, Unreachable,
};
pub use executor::{
    Answer, Deployed, Executor, FarPath, Helper, Input, Io, Output, Reader, Sha256Hex, SshExecutor,
    SshTarget, Step, Writer, deploy, probe,
};
#[cfg(boxes)]
pub use executor::{LocalExecutor, TierTrial};
pub use gate::{
    Admission, Admitted, Allowance, Audit, AuditFile, Gate, Guard, Rates, Record, Refusal, TooMuch,
    What,
};
pub use run::{Collected, Control, Run};
