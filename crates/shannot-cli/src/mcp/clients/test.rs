//! `shannot mcp test`: what a client would start, asked as a client would ask.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::McpTest as Args;
use super::entry::Launch;
use super::name::ServerName;
use super::settings::Settings;
use super::table::Client;
use super::talk::Talk;
use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::human;
use crate::render::steps::{Listener, Step, Told};
use crate::surroundings::Surroundings;

/// How long it may take to start, and to answer what needs no host.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How long a host may take, with its connection.
const CALL: Duration = Duration::from_secs(60);
/// How long it may take to end.
const END: Duration = Duration::from_secs(5);
/// Commands that do no harm, of which a profile allows one, if any.
const HARMLESS: [&[&str]; 5] =
    [&["uname", "-s"], &["uptime"], &["df", "-h"], &["ls", "/"], &["true"]];

/// What is to be started.
struct Subject {
    launch: Launch,
    env: BTreeMap<String, String>,
}

/// Does it.
///
/// # Errors
/// There is nothing to start.
pub(crate) fn run(args: &Args, global: &Global) -> Result<ExitCode, Error> {
    let surroundings = Surroundings::read();
    let subject = match args.client {
        Some(client) => of_client(client, args, &surroundings)?,
        None => {
            let launch = Launch::new(global, &args.tools, &surroundings)?;
            Subject { launch, env: BTreeMap::new() }
        }
    };
    let listener = if global.json { Listener::Program } else { Listener::Person };
    let mut told = Told::new(listener);
    human::complain(&format!("starting `{}`", subject.launch.shown()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::internal("start the runtime", source))?;
    let works = runtime.block_on(take(&subject, &mut told));
    told.finish();
    Ok(if works { ExitCode::Fine } else { ExitCode::Finding })
}

/// What a client has in its file.
fn of_client(
    client: &'static Client,
    args: &Args,
    surroundings: &Surroundings,
) -> Result<Subject, Error> {
    let settings = Settings::read(client, args.scope, surroundings)?;
    let path = settings.path().display();
    let ours: Vec<String> = settings.ours().map(|(name, _)| name.to_owned()).collect();
    let name = match (args.name.as_ref().map(ServerName::as_str), &ours[..]) {
        (Some(name), _) => name,
        (None, [name]) => name,
        (None, []) => {
            return Err(Error::Asked {
                what: format!("Shannot is not installed in `{path}`"),
                hint: format!("`shannot mcp install --client {}` does it", client.id),
            });
        }
        (None, names) => {
            return Err(Error::Asked {
                what: format!("there is more than one in `{path}`: {}", names.join(", ")),
                hint: "give one as `--name`".to_owned(),
            });
        }
    };
    let (launch, env) =
        settings.launch(name).zip(settings.env(name)).ok_or_else(|| Error::Asked {
            what: format!("`{path}` has no server `{name}` that starts a program"),
            hint: "`shannot mcp list` tells what is where".to_owned(),
        })?;
    Ok(Subject { launch, env })
}

/// Takes the steps until one fails.
async fn take(subject: &Subject, told: &mut Told) -> bool {
    let since = Instant::now();
    let mut talk = match Talk::start(&subject.launch, &subject.env) {
        Ok(talk) => talk,
        Err(error) => return told.tell(Step::new("start", since.elapsed(), Err(&error))),
    };
    told.tell(Step::new("start", since.elapsed(), Ok("started".to_owned())));
    let since = Instant::now();
    let found = talk.initialize(AT_ONCE).await;
    if !told.tell(Step::new("initialize", since.elapsed(), found.as_ref().map(Clone::clone))) {
        return false;
    }
    let since = Instant::now();
    let tools = match tools(&mut talk).await {
        Ok(tools) => tools,
        Err(error) => return told.tell(Step::new("list tools", since.elapsed(), Err(&error))),
    };
    let names: Vec<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let found = format!("{}: {}", names.len(), names.join(", "));
    told.tell(Step::new("list tools", since.elapsed(), Ok(found)));
    let mut works = true;
    for target in targets(&tools) {
        let step = target.as_ref().map_or("call".to_owned(), |target| format!("call {target}"));
        let since = Instant::now();
        let found = call(&mut talk, &names, target.as_deref()).await;
        works &= told.tell(Step::new(step, since.elapsed(), found.as_ref().map(Clone::clone)));
    }
    let since = Instant::now();
    let ended = talk.end(END).await.and_then(|status| match status.success() {
        true => Ok("ended when its client had gone".to_owned()),
        false => Err(Error::Asked {
            what: format!("it ended with {status}"),
            hint: "see what it wrote to standard error".to_owned(),
        }),
    });
    told.tell(Step::new("end", since.elapsed(), ended.as_ref().map(Clone::clone))) && works
}

/// Every tool, over all pages.
async fn tools(talk: &mut Talk) -> Result<Vec<Value>, Error> {
    /// More than any server has.
    const PAGES: usize = 64;
    let mut tools = Vec::new();
    let mut params = json!({});
    for _ in 0..PAGES {
        let mut page = talk.ask("tools/list", params, AT_ONCE).await?;
        tools.extend(page["tools"].as_array_mut().map(std::mem::take).unwrap_or_default());
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return Ok(tools),
        }
    }
    Ok(tools)
}

/// The targets that a call may name, or one call that names none.
fn targets(tools: &[Value]) -> Vec<Option<String>> {
    let named = |tool: &Value| -> Option<Vec<Option<String>>> {
        let names = tool.pointer("/inputSchema/properties/target/enum")?.as_array()?;
        Some(names.iter().map(|name| name.as_str().map(str::to_owned)).collect())
    };
    tools.iter().find_map(named).filter(|all| !all.is_empty()).unwrap_or_else(|| vec![None])
}

/// Calls a tool that only looks. What a profile denies is an answer, but says nothing of the host.
async fn call(talk: &mut Talk, tools: &[&str], target: Option<&str>) -> Result<String, Error> {
    let disk = tools.contains(&"check_disk_usage").then(|| ("check_disk_usage", json!({})));
    let run = tools.contains(&"run_command");
    let commands = HARMLESS.iter().filter(|_| run);
    let commands = commands.map(|argv| ("run_command", json!({ "argv": argv })));
    let mut denied = None;
    for (name, mut arguments) in commands.chain(disk) {
        if let Some(target) = target {
            arguments["target"] = target.into();
        }
        let call = json!({ "name": name, "arguments": arguments });
        let answer = talk.ask("tools/call", call, CALL).await?;
        let text = answer["content"][0]["text"].as_str().unwrap_or_default();
        let first = text.lines().next().unwrap_or_default().to_owned();
        if answer["isError"] != true {
            let what = arguments["argv"].as_array().map_or(name.to_owned(), |argv| {
                argv.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            });
            return Ok(format!("`{what}` says: {first}"));
        }
        let wrong = Error::Asked { what: first, hint: hint(target) };
        if answer["structuredContent"]["outcome"] != "denied" {
            return Err(wrong);
        }
        denied = Some(wrong);
    }
    Err(denied.unwrap_or_else(|| Error::Asked {
        what: "no tool of these can be called without knowing the host".to_owned(),
        hint: "`--tools core` has one".to_owned(),
    }))
}

fn hint(target: Option<&str>) -> String {
    match target {
        Some(target) if target != "local" => format!("`shannot remote test {target}` tells more"),
        _ => "`shannot doctor` tells more".to_owned(),
    }
}
