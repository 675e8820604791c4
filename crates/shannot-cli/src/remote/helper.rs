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
    /// `None` where it is not one for Linux.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn own() -> Result<Option<Self>, Error> {
        // It is read once for all hosts of a command.
        static OWN: OnceLock<Program> = OnceLock::new();
        if let Some(own) = OWN.get() {
            return Ok(Some(own.clone()));
        }
        let Some(bytes) = here::program()? else { return Ok(None) };
        let bytes = Bytes::from(bytes);
        let sha256 = Sha256Hex::from_digest(&Sha256::digest(&bytes).into());
        Ok(Some(OWN.get_or_init(|| Self { bytes, sha256 }).clone()))
    }

    /// The same for who cannot do without.
    ///
    /// # Errors
    /// It cannot be read, or is not one for Linux.
    pub(super) fn needed() -> Result<Self, Error> {
        Self::own()?.ok_or_else(|| Error::Asked {
            what: "this program is not one for Linux, and cannot be put on another host".to_owned(),
            hint: "install shannot there, and name it by `helper_path`".to_owned(),
        })
    }
}
