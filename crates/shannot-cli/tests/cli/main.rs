//! Drives the program itself, as root also as an ordinary user.

mod doctor;
mod explain;
mod harness;
mod json;
mod profiles;
mod run;
mod signals;
mod terminal;
