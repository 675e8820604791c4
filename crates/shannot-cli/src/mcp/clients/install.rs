//! `shannot mcp install`.

use std::thread;
use std::time::{Duration, Instant};

use super::args::{McpInstall as Args, Scope};
use super::check::{Depth, works};
use super::diff::diff;
use super::entry::Launch;
use super::link::link;
use super::name::{ServerName, Wanted};
use super::own::OwnCommand;
use super::place;
use super::settings::{Settings, State};
use super::table::Client;
use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::surroundings::Surroundings;
use crate::targets::{Files, Selection, TargetName, Targets};

/// How long after its own command has ended a client may take to write its file.
const LATE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// One installation, for each client in turn.
struct Installation<'a> {
    name: ServerName,
    launch: Launch,
    scope: Scope,
    surroundings: &'a Surroundings,
}

/// What came of it for a client.
enum Done {
    /// It is there now.
    Installed(String),
    Already(String),
}

/// Does it.
///
/// # Errors
/// There is no such client, target or profile.
pub(crate) fn run(args: &Args, global: &Global) -> Result<ExitCode, Error> {
    let surroundings = Surroundings::read();
    let clients = Wanted::clients(&args.clients, |client| place::is_here(client, &surroundings));
    if clients.is_empty() {
        return Err(Error::Asked {
            what: "no client is found on this machine".to_owned(),
            hint: "name one: `--client NAME`".to_owned(),
        });
    }
    let installation = Installation {
        name: ServerName::of(args.name.as_ref(), global),
        launch: Launch::new(global, &args.tools, &surroundings)?,
        scope: args.scope,
        surroundings: &surroundings,
    };
    let targets =
        Targets::read(&Files::new(&surroundings, global.config.as_deref()), &surroundings)?;
    let depth =
        if args.print || args.dry_run || args.no_check { Depth::Names } else { Depth::Runs };
    if !works(&targets, depth, global, &surroundings)? {
        human::complain("not everything works, and nothing was changed");
        human::complain("hint: mend it, or give `--no-check`");
        return Ok(ExitCode::Finding);
    }
    let mut code = ExitCode::Fine;
    for client in clients {
        let done = if args.print {
            installation.print(client)
        } else if args.dry_run {
            installation.show(client)
        } else {
            installation.install(client).map(|done| tell(client, done, global))
        };
        if let Err(error) = done {
            human::complain(&format!("{}:", client.title));
            human::complain_of(&error);
            code = ExitCode::Failed;
        }
    }
    Ok(code)
}

/// Says what was done on stdout, and what is next on stderr.
fn tell(client: &Client, done: Done, global: &Global) {
    match done {
        Done::Already(text) => human::print(&text),
        Done::Installed(text) => {
            human::print(&text);
            let whose = match global.target.as_ref().and_then(Selection::only) {
                Some(target) if *target != TargetName::local() => format!(" of {target}"),
                _ => String::new(),
            };
            let next = client.next;
            human::complain(&format!("next: {next}, and ask: How full are the disks{whose}?"));
        }
    }
}

impl Installation<'_> {
    fn read(&self, client: &'static Client) -> Result<Settings, Error> {
        Settings::read(client, self.scope, self.surroundings)
    }

    /// What is there, unless that is something else's.
    fn state(&self, settings: &Settings) -> Result<State, Error> {
        match settings.state(self.name.as_str(), &self.launch) {
            State::Other => Err(Error::Asked {
                what: format!(
                    "`{}` has a server `{}` that is not Shannot",
                    settings.path().display(),
                    self.name
                ),
                hint: "`--name` gives this one another name".to_owned(),
            }),
            state => Ok(state),
        }
    }

    /// The client's own command, where nothing has the name yet: it would refuse otherwise.
    fn own(&self, client: &Client, state: State) -> Option<OwnCommand> {
        if state != State::Absent {
            return None;
        }
        OwnCommand::find(client, self.scope, self.name.as_str(), &self.launch)
    }

    fn install(&self, client: &'static Client) -> Result<Done, Error> {
        let settings = self.read(client)?;
        let (name, path) = (&self.name, settings.path().display());
        let state = self.state(&settings)?;
        if state == State::Same {
            return Ok(Done::Already(format!("already installed: `{name}` in {path}")));
        }
        if let Some(own) = self.own(client, state) {
            settings.keep()?;
            let shown = own.shown();
            match own.run()? {
                Ok(()) => {
                    self.wait(client, &shown)?;
                    return Ok(Done::Installed(format!(
                        "installed `{name}` in {path}, by `{shown}`"
                    )));
                }
                Err(why) => {
                    human::complain(&format!("`{shown}` failed ({why}); changing the file itself"));
                }
            }
        }
        // Read again: a command that has failed may have changed it.
        let settings = self.read(client)?;
        let state = self.state(&settings)?;
        settings.write(settings.with(name.as_str(), &self.launch)?)?;
        let word = if state == State::Otherwise { "changed" } else { "installed" };
        Ok(Done::Installed(format!("{word} `{name}` in {path}")))
    }

    /// Looks whether the client's own command did what it says.
    fn wait(&self, client: &'static Client, shown: &str) -> Result<(), Error> {
        let since = Instant::now();
        loop {
            let settings = self.read(client)?;
            if settings.state(self.name.as_str(), &self.launch) == State::Same {
                return Ok(());
            }
            if since.elapsed() > LATE {
                let path = settings.path().display();
                return Err(Error::Asked {
                    what: format!("`{shown}` has ended well, but `{path}` does not have it"),
                    hint: "look where the client has it, or paste what `--print` shows".to_owned(),
                });
            }
            thread::sleep(PAUSE);
        }
    }

    /// `--dry-run`.
    fn show(&self, client: &'static Client) -> Result<(), Error> {
        let settings = self.read(client)?;
        let path = settings.path().display();
        let state = self.state(&settings)?;
        if state == State::Same {
            human::print(&format!("already installed: `{}` in {path}", self.name));
        } else if let Some(own) = self.own(client, state) {
            let program = own.program().display();
            human::print(&format!("would run {program}, which changes {path}:\n{}", own.shown()));
        } else {
            let after = settings.with(self.name.as_str(), &self.launch)?;
            let change = diff(settings.text(), &after);
            human::print(&format!("would change {path}:\n{change}"));
        }
        Ok(())
    }

    /// `--print`.
    fn print(&self, client: &'static Client) -> Result<(), Error> {
        let path = place::file(client, self.scope, self.surroundings)?;
        let name = self.name.as_str();
        human::complain(&format!("{}: put this into {}", client.title, path.display()));
        human::print(&Settings::alone(client, name, &self.launch)?);
        if let Some(link) = link(client, name, &self.launch) {
            human::complain("or open this address:");
            human::print(&link);
        }
        Ok(())
    }
}
