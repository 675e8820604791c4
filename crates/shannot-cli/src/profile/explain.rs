//! `shannot profile explain`.

use crate::args::{Global, ProfileExplain as Args};
use crate::config::Surroundings;
use crate::error::Error;
use crate::exit_code::ExitCode;
/// Says.
pub(super) fn run(
    args: Args,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    todo!()
}
