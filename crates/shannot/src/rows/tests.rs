//! The shared parts.
