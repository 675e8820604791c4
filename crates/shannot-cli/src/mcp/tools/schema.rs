//! JSON schemas of arguments, as short as they can be: a model reads every word of them in each
//! conversation.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::mcp::hosts::Hosts;

/// The schema of a tool's arguments, of which some must be given. Others than these are refused when a
/// tool is called, which need not stand here.
pub(super) fn input(properties: Value, required: &[&str]) -> JsonObject {
    let mut schema = object(json!({"type": "object", "properties": properties}));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// The same with the target, where there is a choice.
pub(super) fn input_at(mut properties: Value, required: &[&str], hosts: &Hosts) -> JsonObject {
    if hosts.all.len() > 1
        && let Some(properties) = properties.as_object_mut()
    {
        let names: Vec<String> = hosts.names().collect();
        let default = hosts.default.as_ref().map(|name| format!("{name} by default"));
        let target = json!({"type": "string", "enum": names, "description": default});
        properties.insert("target".to_owned(), target);
    }
    input(properties, required)
}

/// An object.
pub(super) fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

/// A text.
pub(super) fn text(about: &str) -> Value {
    json!({"type": "string", "description": about})
}

/// A number that counts something.
pub(super) fn count(about: &str) -> Value {
    json!({"type": "integer", "description": about})
}

/// One of some words.
pub(super) fn one_of(words: &[&str]) -> Value {
    // Not every client takes an enumeration without a type.
    json!({"type": "string", "enum": words})
}

/// Yes or no.
pub(super) fn flag(about: &str) -> Value {
    json!({"type": "boolean", "description": about})
}

/// The words of a command.
fn words(about: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "description": about})
}

/// A command line, or several joined by pipes.
pub(super) fn command_line() -> Value {
    json!({
        "argv": words("Program and arguments, one word each"),
        "pipe": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}},
            "description": "Further commands, each reading the one before",
        },
        "cwd": text("/ by default"),
        "timeout": {"type": "number", "description": "Seconds"},
    })
}
