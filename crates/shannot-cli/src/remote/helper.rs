//! The program that answers on another host: this one.

use std::fs;
use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use shannot::Sha256Hex;

use crate::error::Error;

/// This program, to be put on another host.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) bytes: Bytes,
    pub(super) sha256: Sha256Hex,
}

impl Program {
    /// # Errors
    /// It cannot be read.
    pub(super) fn own() -> Result<Self, Error> {
        // It is read once for all hosts of a command.
        static OWN: OnceLock<Program> = OnceLock::new();
        if let Some(own) = OWN.get() {
            return Ok(own.clone());
        }
        let failed = |source| Error::internal("read this program", source);
        let bytes: Bytes = fs::read("/proc/self/exe").map_err(failed)?.into();
        let sha256 = Sha256Hex::from_digest(&Sha256::digest(&bytes).into());
        Ok(OWN.get_or_init(|| Self { bytes, sha256 }).clone())
    }
}
