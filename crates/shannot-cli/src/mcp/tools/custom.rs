//! The tools that an operator has written into the configuration.

use rmcp::model::JsonObject;
use serde_json::{Map, Value};

use super::Told;
use super::name::Names;
use super::schema::{input, input_at};
use crate::mcp::arguments::Wrong;
use crate::mcp::ask::{Ask, Place};
use crate::mcp::hosts::Hosts;
use crate::targets::CustomTool;

/// What a model is told of it.
pub(super) fn told(tool: &CustomTool, hosts: &Hosts, names: &mut Names) -> Told {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, parameter) in &tool.parameters {
        properties.insert(name.to_string(), parameter.schema());
        if parameter.default.is_none() {
            required.push(name.as_str());
        }
    }
    let input = match tool.target {
        Some(_) => input(Value::Object(properties), &required),
        None => input_at(Value::Object(properties), &required, hosts),
    };
    let name = tool.name.value.as_str();
    let title = tool.title.as_deref().unwrap_or(name);
    Told { name: names.made_of(name), ..Told::new([name, title, &tool.description], input) }
}

/// What a call with these arguments asks for.
pub(super) fn ask(tool: &CustomTool, mut arguments: JsonObject) -> Result<Ask, Wrong> {
    let target = match &tool.target {
        Some(target) => Some(target.value.to_string()),
        None => match arguments.remove("target") {
            None => None,
            Some(Value::String(target)) => Some(target),
            Some(_) => return Err(Wrong("`target` is no string".to_owned())),
        },
    };
    if let Some(unknown) = arguments.keys().find(|key| !tool.parameters.contains_key(key.as_str()))
    {
        let known: Vec<_> = tool.parameters.keys().map(|name| format!("`{name}`")).collect();
        let unknown = unknown.escape_debug();
        return Err(Wrong(format!("there is no `{unknown}`; there are {}", known.join(", "))));
    }
    let stages = tool.command_lines(&arguments).map_err(Wrong)?;
    Ok(Ask {
        place: Place::at(target),
        profile: tool.profile.as_ref().map(ToString::to_string),
        stages,
        cwd: None,
        timeout: tool.timeout,
    })
}
