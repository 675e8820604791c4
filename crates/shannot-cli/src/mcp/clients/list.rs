//! `shannot mcp list`.

use serde::Serialize;

use super::args::Scope;
use super::place;
use super::settings::Settings;
use super::table::{CLIENTS, Client};
use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::{human, json};
use crate::surroundings::Surroundings;

/// A file of a client.
#[derive(Debug, Serialize)]
struct Row {
    client: &'static str,
    found: bool,
    scope: &'static str,
    file: String,
    servers: Vec<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// This program in it.
#[derive(Debug, Serialize)]
struct Server {
    name: String,
    command: String,
    args: Vec<String>,
    #[serde(skip)]
    shown: String,
}

/// Does it.
///
/// # Errors
/// This user has no home.
pub(crate) fn run(global: &Global) -> Result<ExitCode, Error> {
    let surroundings = Surroundings::read();
    let mut rows = Vec::new();
    for client in &CLIENTS {
        let user = row(client, Scope::User, &surroundings)?;
        if !client.project.is_empty() {
            let project = row(client, Scope::Project, &surroundings)?;
            let says_something = !project.servers.is_empty() || project.error.is_some();
            // In the user's home both are one file.
            rows.extend((says_something && project.file != user.file).then_some(project));
        }
        rows.push(user);
    }
    if global.json {
        json::print(&rows);
    } else {
        human::print(&table(&rows));
    }
    let failed = rows.iter().any(|row| row.error.is_some());
    Ok(if failed { ExitCode::Finding } else { ExitCode::Fine })
}

fn row(client: &'static Client, scope: Scope, surroundings: &Surroundings) -> Result<Row, Error> {
    let file = place::file(client, scope, surroundings)?;
    let (servers, error) = match Settings::read(client, scope, surroundings) {
        Ok(settings) => {
            let servers = settings.ours().map(|(name, launch)| Server {
                name: name.to_owned(),
                shown: launch.shown(),
                command: launch.program,
                args: launch.args,
            });
            (servers.collect(), None)
        }
        Err(error) => (Vec::new(), Some(error.chain())),
    };
    Ok(Row {
        client: client.id,
        found: place::is_here(client, surroundings),
        scope: scope.as_str(),
        file: file.display().to_string(),
        servers,
        error,
    })
}

fn table(rows: &[Row]) -> String {
    let mut lines = vec![["client", "found", "scope", "file", "server"].map(str::to_owned)];
    for row in rows {
        let found = if row.found { "yes" } else { "no" };
        let line = |server: String| {
            [
                row.client.to_owned(),
                found.to_owned(),
                row.scope.to_owned(),
                row.file.clone(),
                server,
            ]
        };
        match &row.error {
            Some(error) => lines.push(line(format!("cannot be read: {error}"))),
            None if row.servers.is_empty() => lines.push(line("-".to_owned())),
            None => lines.extend(
                row.servers.iter().map(|server| line(format!("{}: {}", server.name, server.shown))),
            ),
        }
    }
    human::columns(&lines)
}
