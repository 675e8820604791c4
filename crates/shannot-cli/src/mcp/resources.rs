//! What can be read without a tool: profiles, targets, what hosts can enforce and what they are, and
//! output that was too long.

use rmcp::ErrorData;
use rmcp::model::{CacheScope, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde::Serialize;
use serde_json::json;
use shannot::policy::profile::Table;

use super::calls::Calls;
use super::facts;
use super::hosts::Hosts;
use super::offer::Offer;
use super::results::Results;

/// What the names of all begin with.
const SCHEME: &str = "shannot://";

/// What one is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Targets,
    Profile(String),
    Command { profile: String, command: String },
    Doctor(String),
    Facts(String),
    Result(String),
}

/// The templates of names: name, rest of the template, and what it is.
const TEMPLATES: [(&str, &str, &str); 5] = [
    ("profile", "profiles/{profile}", "A profile with all that it inherits, as TOML."),
    ("command", "commands/{profile}/{command}", "What a profile says of a command."),
    ("doctor", "doctor/{target}", "What a host can enforce, found by doing it."),
    ("facts", "facts/{target}", "A host's system, kernel, load and memory."),
    ("result", "results/{id}", "The whole of an output that was too long for an answer."),
];

/// The name of a kept result.
pub(super) fn uri_of_result(id: &str) -> String {
    format!("{SCHEME}results/{id}")
}

impl Name {
    fn parse(uri: &str) -> Option<Self> {
        let mut parts = uri.strip_prefix(SCHEME)?.split('/').map(decoded);
        let mut next = || parts.next();
        let name = match next()??.as_str() {
            "targets" => Self::Targets,
            "profiles" => Self::Profile(next()??),
            "commands" => {
                let profile = next()??;
                Self::Command { profile, command: next()?? }
            }
            "doctor" => Self::Doctor(next()??),
            "facts" => Self::Facts(next()??),
            "results" => Self::Result(next()??),
            _ => return None,
        };
        next().is_none().then_some(name)
    }
}

/// A part of a name without its percent signs (RFC 3986).
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// All that can be listed.
pub(super) fn all(offer: &Offer, results: &Results) -> Vec<Resource> {
    let resource = |rest: String, name: String, about: &str, mime: &str| {
        let resource = Resource::new(format!("{SCHEME}{rest}"), name);
        resource.with_description(about).with_mime_type(mime)
    };
    let about = |template: &str| TEMPLATES.iter().find(|(name, ..)| *name == template);
    let about = |template: &str| about(template).map_or("", |(_, _, about)| *about);
    let targets = "The hosts that can be looked at, and by which profiles.";
    let mut all =
        vec![resource("targets".to_owned(), "targets".to_owned(), targets, "application/json")];
    for name in offer.hosts.profiles().keys() {
        let rest = format!("profiles/{name}");
        all.push(resource(rest, name.clone(), about("profile"), "application/toml"));
    }
    for name in offer.hosts.names() {
        for kind in ["doctor", "facts"] {
            let shown = format!("{kind} of {name}");
            all.push(resource(format!("{kind}/{name}"), shown, about(kind), "application/json"));
        }
    }
    for (id, bytes) in results.names() {
        let kept = resource(format!("results/{id}"), id, about("result"), "text/plain");
        all.push(kept.with_size(u64::try_from(bytes).unwrap_or(u64::MAX)));
    }
    all
}

/// The templates of their names.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |(name, rest, about): (&str, &str, &str)| {
        ResourceTemplate::new(format!("{SCHEME}{rest}"), name).with_description(about)
    };
    TEMPLATES.map(template).into()
}

/// The host of every target, as JSON.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    default: bool,
    kind: &'static str,
    profiles: Vec<String>,
}

fn listed(hosts: &Hosts) -> Vec<Listed> {
    let all = hosts.all.iter().map(|(name, host)| Listed {
        name: name.to_string(),
        default: hosts.default.as_ref() == Some(name),
        kind: host.kind(),
        profiles: host.profiles.iter().map(|profile| profile.name.to_string()).collect(),
    });
    all.collect()
}

/// Reads one.
pub(super) async fn read(calls: &Calls, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let unknown = || {
        let data = json!({"uri": uri});
        ErrorData::resource_not_found("there is no such resource", Some(data))
    };
    let failed = |what: String| ErrorData::internal_error(what, Some(json!({"uri": uri})));
    let name = Name::parse(uri).ok_or_else(unknown)?;
    let offer = &calls.offer;
    let profile = |name: &str| offer.hosts.profiles().get(name).copied().cloned();
    let (text, mime) = match &name {
        Name::Targets => (pretty(&listed(&offer.hosts)), "application/json"),
        Name::Profile(name) => {
            (Table::new(profile(name).ok_or_else(unknown)?.as_ref()).to_toml(), "application/toml")
        }
        Name::Command { profile: of, command } => {
            let profile = profile(of).ok_or_else(unknown)?;
            let table = serde_json::to_value(Table::new(&profile)).unwrap_or_default();
            let entry = table["commands"].get(command).ok_or_else(unknown)?;
            (pretty(entry), "application/json")
        }
        Name::Doctor(target) => {
            let (_, host) = offer.hosts.find(Some(target)).ok_or_else(unknown)?;
            let report = host.doctor().await.map_err(|error| failed(error.chain()))?;
            (String::from_utf8_lossy(&report).into_owned(), "application/json")
        }
        Name::Facts(target) => {
            offer.hosts.find(Some(target)).ok_or_else(unknown)?;
            let facts = facts::of(calls, target).await.map_err(failed)?;
            (pretty(&facts), "application/json")
        }
        Name::Result(id) => {
            let text = calls.server.results().find(id).ok_or_else(unknown)?;
            (text.to_string(), "text/plain")
        }
    };
    let contents = ResourceContents::text(text, uri).with_mime_type(mime);
    let read = ReadResourceResult::new(vec![contents]);
    Ok(read.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_strictly() {
        assert_eq!(Name::parse("shannot://targets"), Some(Name::Targets));
        let command = Name::Command { profile: "a".to_owned(), command: "/bin/x".to_owned() };
        assert_eq!(Name::parse("shannot://commands/a/%2Fbin%2fx"), Some(command));
        for unknown in [
            "",
            "shannot://",
            "shannot://targets/",
            "shannot://targets/a",
            "shannot://profiles",
            "shannot://profiles/a/b",
            "shannot://results/%",
            "shannot://results/%ff",
            "file:///etc/passwd",
        ] {
            assert_eq!(Name::parse(unknown), None, "{unknown}");
        }
    }
}
