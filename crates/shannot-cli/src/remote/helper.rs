//! The program that answers on another host: this one.

use std::sync::OnceLock;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use shannot::Sha256Hex;

use crate::error::Error;
use crate::here;

/// This program, to be put on another host.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) bytes: Bytes,
    pub(super) sha256: Sha256Hex,
}

impl Program {
    /// # Errors
    /// It cannot be read, or does not run on another host.
    pub(super) fn own() -> Result<Self, Error> {
        // It is read once for all hosts of a command.
        static OWN: OnceLock<Program> = OnceLock::new();
        if let Some(own) = OWN.get() {
            return Ok(own.clone());
        }
        let bytes: Bytes = here::program()?.into();
        let sha256 = Sha256Hex::from_digest(&Sha256::digest(&bytes).into());
        Ok(OWN.get_or_init(|| Self { bytes, sha256 }).clone())
    }
}
