//! `shannot profile convert`.

use shannot::policy::Profile;

use crate::args::ProfileConvert as Args;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::file::{self, Existing, Role};
use crate::render::human;

/// Rewrites a JSON profile of Shannot 0.3; what is not carried over word for word is said on
/// stderr.
pub(super) fn run(args: &Args) -> Result<ExitCode, Error> {
    let text = file::read_any(Role::Profile, &args.file)?.ok_or_else(|| Error::Read {
        path: args.file.clone(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    let converted = Profile::parse_legacy(&text.text, &text.origin)?;
    for note in &converted.notes {
        human::complain(&format!("note: {}: {}", note.field, note.note));
    }
    match &args.output {
        None => human::print(&converted.toml),
        Some(path) => {
            let existing = if args.force { Existing::Replace } else { Existing::Keep };
            file::write(path, &converted.toml, existing)?;
        }
    }
    Ok(ExitCode::Fine)
}
