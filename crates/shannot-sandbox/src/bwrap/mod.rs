//! Bubblewrap as the maker of a box's mounts and namespaces, where this process may make none: a
//! host can allow them to `/usr/bin/bwrap` alone.
//!
//! [`render`] writes a plan as one command line and touches nothing. [`program`] finds a `bwrap`
//! that only root can have put there. [`alone`] is for hosts that have nothing of ours.

pub(crate) mod alone;
#[cfg(boxes)]
pub(crate) mod program;
pub(crate) mod render;
pub(crate) mod survey;
pub(crate) mod version;
