//! How a box begins and ends, seen from the process that supervises it: nothing of it is left
//! behind, whatever goes wrong and whoever is killed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
#![cfg(target_os = "linux")]

mod harness;

mod begun;
mod changed;
mod ended;
mod warm;
