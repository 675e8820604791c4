//! Answers a command line that clap did not take: help, version, or what is wrong with it.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;

use crate::exit_code::ExitCode;

/// Prints the answer. What is wrong goes to stderr, and its exit code 125 where the
/// subcommand is `run`, since 2 could be the command's, or `remote` or `mcp`, which tell all failures so.
pub(crate) fn answer(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let text = error.render();
    if !error.use_stderr() {
        // A closed pipe is no error, and for another nobody is left to tell.
        let _ = write!(std::io::stdout().lock(), "{text}");
        return ExitCode::Fine;
    }
    let text = text.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    crate::render::human::complain(text);
    match subcommand(words) {
        Some(word) if word == "run" || word == "remote" || word == "mcp" => ExitCode::Failed,
        _ => ExitCode::Usage,
    }
}

/// The first word that is neither an option nor the value of one.
fn subcommand(words: &[OsString]) -> Option<&OsStr> {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if word == "--profile" || word == "--config" || word == "--target" {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"-") {
            return Some(word);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, want: Option<&str>) {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        assert_eq!(subcommand(&words), want.map(OsStr::new), "{line}");
    }

    #[test]
    fn subcommand_is_found_behind_global_options() {
        check("shannot run ls", Some("run"));
        check("shannot --json -v run", Some("run"));
        check("shannot --profile run doctor", Some("doctor"));
        check("shannot --profile=x run", Some("run"));
        check("shannot --config run remote", Some("remote"));
        check("shannot --target run doctor", Some("doctor"));
        check("shannot --json", None);
    }
}
