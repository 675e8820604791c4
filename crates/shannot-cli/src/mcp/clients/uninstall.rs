//! `shannot mcp uninstall`. The client's own command is not asked: only the file can be given back as it
//! was.

use super::args::McpUninstall as Args;
use super::name::{ServerName, Wanted};
use super::settings::Settings;
use super::table::Client;
use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;

/// Does it.
///
/// # Errors
/// No client has it.
pub(crate) fn run(args: &Args, global: &Global) -> Result<ExitCode, Error> {
    let surroundings = Surroundings::read();
    let name = ServerName::of(args.name.as_ref(), global);
    let is_asked = |client: &Client| {
        args.clients.iter().any(|wanted| matches!(wanted, Wanted::One(one) if one.id == client.id))
    };
    let mut code = ExitCode::Fine;
    let mut removed = 0;
    for client in Wanted::clients(&args.clients, |_| true) {
        let done = Settings::read(client, args.scope, &surroundings)
            .and_then(|settings| remove(&settings, &name));
        match done {
            Ok(Some(text)) => {
                human::print(&text);
                removed += 1;
            }
            // Of all, most have none.
            Ok(None) if !is_asked(client) => {}
            Err(Error::Asked { .. }) if !is_asked(client) => {}
            Ok(None) => {
                human::complain(&format!("{}: there is no server `{name}`", client.title));
                human::complain("hint: `shannot mcp list` tells what is where; see `--name`");
                code = ExitCode::Failed;
            }
            Err(error) => {
                human::complain(&format!("{}:", client.title));
                human::complain_of(&error);
                code = ExitCode::Failed;
            }
        }
    }
    if removed == 0 && code == ExitCode::Fine {
        return Err(Error::Asked {
            what: format!("no client has a server `{name}`"),
            hint: "`shannot mcp list` tells what is where; see `--name` and `--scope`".to_owned(),
        });
    }
    Ok(code)
}

/// What was removed, or nothing where there was none.
fn remove(settings: &Settings, name: &ServerName) -> Result<Option<String>, Error> {
    let path = settings.path().display();
    let Some(launch) = settings.launch(name.as_str()) else { return Ok(None) };
    if !launch.is_ours() {
        return Err(Error::Asked {
            what: format!("the server `{name}` in `{path}` is not Shannot"),
            hint: "what is somebody else's stays".to_owned(),
        });
    }
    settings.remove(name.as_str())?;
    Ok(Some(format!("removed `{name}` from {path}")))
}
