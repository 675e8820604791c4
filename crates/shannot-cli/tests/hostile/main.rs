//! A hostile program in the box, and an observer outside.
//!
//! Each case runs `probe/`, a program made to attack, as a command of the real `shannot`, in
//! every tier that this machine has, as root and as an ordinary user, here and through an `ssh` on a
//! far host. A case holds
//! when every attempt is refused inside, the same attempts work outside (else they prove
//! nothing), and the host shows no change.

#![expect(clippy::print_stdout, reason = "a test's output says what it could not attack, and why")]

#[macro_use]
mod column;
mod far;
mod harness;
mod host;

mod attack;
mod bwrap;
mod consume;
mod dumps;
mod exec;
mod files;
mod forced;
mod hidden;
mod hung;
mod ipc;
mod kernel;
mod lifetime;
mod limits;
mod metadata;
mod mounts;
mod network;
mod own;
mod proc;
mod processes;
mod smuggle;
