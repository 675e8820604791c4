//! The fixtures as data: what is listed, and what never changes in what is answered.

use rmcp::model::{JsonObject, Tool};
use serde_json::{Value, json};

/// A red pixel.
pub(super) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
/// No samples at all.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// Tools without arguments.
const NAMES: [&str; 23] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_error_handling",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
];

/// All of them.
pub(super) fn all() -> Vec<Tool> {
    let text = |key: &str| json!({"type": "object", "properties": {key: {"type": "string"}}, "required": [key]});
    let plain = NAMES.map(|name| (name, json!({"type": "object", "properties": {}})));
    let others = [
        ("test_sampling", text("prompt")),
        ("test_elicitation", text("message")),
        ("json_schema_2020_12_tool", json_schema_2020_12()),
    ];
    let tool = |(name, schema): (&'static str, Value)| {
        Tool::new(name, format!("The suite's fixture `{name}`"), object(schema))
    };
    plain.into_iter().chain(others).map(tool).collect()
}

/// What is always answered.
pub(super) fn content(name: &str) -> Option<Value> {
    let text = |text: &str| json!({"type": "text", "text": text});
    let resource = |uri: &str, kind: &str, text: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}});
    let image = json!({"type": "image", "data": PNG, "mimeType": "image/png"});
    Some(match name {
        "test_simple_text" => json!([text("This is a simple text response for testing.")]),
        "test_image_content" => json!([image]),
        "test_audio_content" => json!([{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]),
        "test_embedded_resource" => {
            let words = "This is an embedded resource content.";
            json!([resource("test://embedded-resource", "text/plain", words)])
        }
        "test_multiple_content_types" => {
            let data = r#"{"test":"data","value":123}"#;
            let mixed = resource("test://mixed-content-resource", "application/json", data);
            json!([text("Multiple content types test:"), image, mixed])
        }
        "json_schema_2020_12_tool" => json!([text("called")]),
        _ => return None,
    })
}

/// What a form is made of that has a default for each kind of value.
pub(super) fn defaults() -> Value {
    json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    })
}

/// What a form is made of that has each kind of choice.
pub(super) fn choices() -> Value {
    let plain = ["option1", "option2", "option3"];
    let titled = |word: &str| {
        let choice = |(n, nth): (usize, &str)| json!({"const": format!("value{}", n + 1), "title": format!("{nth} {word}")});
        ["First", "Second", "Third"].into_iter().enumerate().map(choice).collect::<Vec<_>>()
    };
    json!({
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled("Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}},
    })
}

/// Words of JSON Schema that must come through unchanged.
fn json_schema_2020_12() -> Value {
    let text = json!({"type": "string"});
    let address = json!({
        "$anchor": "addressDef", "type": "object", "properties": {"street": text, "city": text},
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": address},
        "properties": {
            "name": text,
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": text,
            "email": text,
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// A value that was written as an object above.
pub(super) fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
