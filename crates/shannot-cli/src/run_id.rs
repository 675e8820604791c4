//! The names of runs.

use crate::error::Error;

/// 128 random bits: no two runs have the same, and nobody guesses another's.
pub(crate) fn run_id() -> Result<String, Error> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal("get random bytes", error))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
