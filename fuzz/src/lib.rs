//! What several fuzz targets need: asking a profile, and models of what programs do with words.
//!
//! The models are written from the manuals and share no code with what they are held against.
#![forbid(unsafe_code)]

use std::sync::Arc;

use shannot_policy::profile::{Command, CommandPattern, Syntax};
use shannot_policy::types::ProfileName;
use shannot_policy::{Argv, Cwd, Denial, Grant, Locale, Profile, Request, Stages, authorize};

pub mod case;
pub mod getopt;
pub mod glob;

/// Holds one command line against a profile.
///
/// # Errors
/// What the profile denies.
pub fn ask(profile: &Arc<Profile>, argv: Argv) -> Result<Grant, Denial> {
    let stages = Stages::new(vec![argv]).expect("one stage is a request");
    let request = Request {
        profile: profile.name.clone(),
        stages,
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    authorize(profile, request)
}

/// A profile without any command, to be filled.
pub fn bare_profile() -> Profile {
    let none = |name: &ProfileName| Err(format!("`{name}` is not there"));
    let text = "version = 1\nname = \"t\"";
    Profile::parse(text, "t.toml", shannot_policy::profile::Examples::Check, &none)
        .expect("a profile may say no more")
}

/// A command without rules.
pub fn bare_command(pattern: CommandPattern, syntax: Syntax) -> Command {
    Command {
        pattern,
        about: "Anything.".to_owned(),
        program: None,
        syntax,
        valued: Vec::new(),
        flags: Vec::new(),
        spawns: Vec::new(),
        forks: false,
        kernel_log: false,
        rules: Vec::new(),
    }
}

/// Whether a character in a message would be obeyed by a terminal, or changes the order or place of
/// what is shown around it.
pub fn is_obeyed(c: char) -> bool {
    let reorders = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'].contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c);
    c.is_control() || reorders || ('\u{e0000}'..='\u{e007f}').contains(&c)
}
