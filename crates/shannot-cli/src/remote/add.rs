//! `shannot remote add`.

use std::path::Path;

use shannot::destination::Destination;
use toml_edit::Value;

use super::authorized_key::authorized_key;
use super::deploy;
use crate::args::{Global, RemoteAdd as Args};
use crate::config::check_secret;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::file::Existing;
use crate::profiles::Profiles;
use crate::render::human;
use crate::surroundings::Surroundings;
use crate::targets::{self, Entry, Files, TargetName, Targets};

/// Writes a target into the configuration.
pub(super) fn run(
    args: Args,
    global: &Global,
    files: &Files,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let (name, mut entry) = match &args.url {
        Some(url) => {
            let name = named(&args.name)?;
            (name, vec![("type", "http".into()), ("url", url.to_string().into())])
        }
        None => over_ssh(&args, surroundings)?,
    };
    if let Some(profile) = &global.profile {
        let found = Profiles::new(surroundings).select(Some(profile))?;
        let asked = profile.to_string_lossy();
        if asked != found.profile.name.as_str() {
            return Err(Error::Asked {
                what: format!("`{asked}` is the path of a profile, and a target needs a name"),
                hint: "put the profile into ~/.config/shannot/profiles".to_owned(),
            });
        }
        entry.push(("profile", asked.into_owned().into()));
    }
    let added = targets::add(files, surroundings, &name, entry, existing)?;
    let path = added.path.display();
    let mut text = match &added.replaced {
        Some(_) => format!("replaced `{name}` in {path}"),
        None => format!("added `{name}` in {path}"),
    };
    if let Some(dropped) = added.replaced.filter(|dropped| !dropped.is_empty()) {
        text.push_str(&format!(", without its {}", dropped.join(", ")));
    }
    if let Some(origin) = added.shadowed {
        text.push_str(&format!(", in the place of the one at {origin}"));
    }
    if !args.deploy && !args.print_authorized_key {
        human::print(&text);
        return Ok(ExitCode::Fine);
    }
    let targets = Targets::read(files, surroundings)?;
    let target = targets.targets.get(&name).ok_or_else(|| targets.no_target(&name))?;
    if args.print_authorized_key {
        // Standard output has the line and nothing else.
        human::complain(&text);
        human::print(&authorized_key(target, surroundings)?);
    } else {
        human::print(&text);
    }
    if args.deploy { deploy::run(&name, files, surroundings) } else { Ok(ExitCode::Fine) }
}

fn over_ssh(args: &Args, surroundings: &Surroundings) -> Result<(TargetName, Entry), Error> {
    let (name, asked) = match args.host.as_ref().or(args.destination.as_ref()) {
        Some(asked) => (named(&args.name)?, asked.clone()),
        // One word alone is the destination, and the host in it the name.
        None => {
            let asked: Destination = args.name.parse().map_err(|e| refused(&args.name, &e))?;
            (named(asked.host.as_str())?, asked)
        }
    };
    let twice = |what: &str| Error::Asked {
        what: format!("the {what} is given twice, in the address and as an option"),
        hint: "give it once".to_owned(),
    };
    if asked.user.is_some() && args.user.is_some() {
        return Err(twice("user"));
    }
    if asked.port.is_some() && args.port.is_some() {
        return Err(twice("port"));
    }
    let mut entry: Entry = vec![("type", "ssh".into()), ("host", asked.host.as_str().into())];
    if let Some(user) = asked.user.as_ref().or(args.user.as_ref()) {
        entry.push(("username", user.as_str().into()));
    }
    if let Some(port) = asked.port.or(args.port) {
        entry.push(("port", Value::from(i64::from(port.get()))));
    }
    if let Some(key) = &args.key {
        entry.push(("key_file", key_path(key, surroundings)?.into()));
    }
    Ok((name, entry))
}

/// The path of a key as the configuration has it: whole, for it is read in other directories too.
fn key_path(key: &Path, surroundings: &Surroundings) -> Result<String, Error> {
    let read = |source| Error::Read { path: key.to_owned(), source };
    let path = match (key.strip_prefix("~"), &surroundings.home) {
        (Ok(below), Some(home)) => home.join(below),
        _ => std::path::absolute(key).map_err(read)?,
    };
    check_secret(&path)?;
    let text = path.to_str().ok_or_else(|| Error::Asked {
        what: format!("the path `{}` is not UTF-8", path.display()),
        hint: "the configuration is; give the key another name".to_owned(),
    })?;
    Ok(text.to_owned())
}

fn named(text: &str) -> Result<TargetName, Error> {
    text.parse().map_err(|error: targets::NoTargetName| Error::Asked {
        what: error.to_string(),
        hint: "`shannot remote add NAME HOST` gives a host another name".to_owned(),
    })
}

fn refused(text: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Asked {
        what: format!("cannot take `{}` as a host: {error}", text.escape_debug()),
        hint: "write `[user@]host[:port]`".to_owned(),
    }
}
