//! The description of the agent's API, OpenAPI 3.1.

/// As it is published and served. A test makes it of the types that are read and written.
pub(super) const DOCUMENT: &str = include_str!("../../../../docs/openapi.json");

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};
    use shannot::wire::{
        DoctorRequest, OutcomeMessage, ProblemMessage, RUN_ID, RunRequest, STREAM, SignalMessage,
    };

    use crate::agent::service::Version;
    use crate::render::doctor::Report;
    use crate::render::json::RunResult;

    fn document() -> Value {
        let settings = SchemaSettings::draft2020_12();
        let mut settings = settings.with(|own| own.definitions_path = "/components/schemas".into());
        settings.meta_schema = None;
        let mut schemas = settings.into_generator();
        schemas.subschema_for::<RunRequest>();
        schemas.subschema_for::<RunResult>();
        schemas.subschema_for::<OutcomeMessage>();
        schemas.subschema_for::<ProblemMessage>();
        schemas.subschema_for::<SignalMessage>();
        schemas.subschema_for::<DoctorRequest>();
        schemas.subschema_for::<Report>();
        schemas.subschema_for::<Version>();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "The agent of Shannot",
                "version": "1",
                "description": "Runs diagnostic commands in a read-only box that the kernel enforces.",
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "paths": paths(),
            "components": { "schemas": schemas.take_definitions(true) },
        })
    }

    fn of_json(name: &str) -> Value {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        json!({ "application/json": { "schema": schema } })
    }

    fn problem(why: &str) -> Value {
        json!({ "description": why, "content": of_json("ProblemMessage") })
    }

    /// As one JSON object, or as frames.
    fn both(name: &str, what: &str) -> Value {
        let frames = "Frames of 8 bytes of header (kind, 0, 0, 0, length as 32 bits, the highest byte \
            first) and a payload. Kinds: 0 standard input, 1 standard output, 2 standard error, 3 JSON.";
        let description = format!("{frames} {what}");
        let stream = json!({ "schema": { "type": "string", "format": "binary",
            "description": description } });
        let mut all = of_json(name);
        all.as_object_mut().unwrap().insert(STREAM.to_owned(), stream);
        all
    }

    fn paths() -> Value {
        let id = json!([{ "name": "id", "in": "path", "required": true,
            "schema": { "type": "string" }, "description": "As the run's answer names it." }]);
        let close = |name: &str, stream: &str| {
            json!({ "parameters": id.clone(), "delete": {
                "operationId": format!("close{name}"),
                "summary": format!("Reads a run's {stream} no more: what its commands write there fails \
                    from now on, as to any pipe that nobody reads."),
                "responses": { "202": { "description": "It is closed." },
                    "404": problem("There is no such run, or it has ended.") },
            } })
        };
        json!({
            "/v1/runs": { "post": {
                "operationId": "run",
                "summary": "Runs a command. Dropping the request ends it.",
                "requestBody": { "required": true, "content": both("RunRequest",
                    "The first frame is a RunRequest as JSON; standard input follows, to the end \
                     of the body.") },
                "responses": {
                    "200": {
                        "description": "It was started, and this is what came of it.",
                        "headers": { RUN_ID: { "schema": { "type": "string" },
                            "description": "The run's name, where the answer is frames." } },
                        "content": both("RunResult", "The last frame is an OutcomeMessage as JSON."),
                    },
                    "400": problem("The request means nothing."),
                    "403": problem("The profile denies it, or there is no such profile."),
                    "413": problem("The request is too long."),
                    "415": problem("Neither both JSON nor both frames."),
                    "503": problem("The agent could not start it."),
                },
            } },
            "/v1/runs/{id}": { "parameters": id.clone(), "delete": {
                "operationId": "cancel",
                "summary": "Ends a run, whose own answer tells how it has ended.",
                "responses": { "202": { "description": "It is told to end." },
                    "404": problem("There is no such run, or it has ended.") },
            } },
            "/v1/runs/{id}/stdout": close("Stdout", "standard output"),
            "/v1/runs/{id}/stderr": close("Stderr", "standard error"),
            "/v1/runs/{id}/signals": { "parameters": id, "post": {
                "operationId": "signal",
                "summary": "Passes a signal to every command of a run.",
                "requestBody": { "required": true, "content": of_json("SignalMessage") },
                "responses": { "202": { "description": "It is passed on." },
                    "400": problem("The request means nothing."),
                    "404": problem("There is no such run, or it has ended.") },
            } },
            "/v1/doctor": { "post": {
                "operationId": "doctor",
                "summary": "Makes a profile's box in every tier, and tells what can be enforced.",
                "requestBody": { "required": true, "content": of_json("DoctorRequest") },
                "responses": { "200": { "description": "It is this.", "content": of_json("Report") },
                    "400": problem("The request means nothing."),
                    "403": problem("There is no such profile, or it may not be brought."),
                    "413": problem("The request is too long."),
                    "503": problem("The agent could not look.") },
            } },
            "/v1/version": { "get": {
                "operationId": "version",
                "summary": "The versions of the API and of the program.",
                "responses": { "200": { "description": "They are these.",
                    "content": of_json("Version") } },
            } },
            "/openapi.json": { "get": {
                "operationId": "openapi",
                "summary": "This document.",
                "responses": { "200": { "description": "It is this.",
                    "content": { "application/json": {} } } },
            } },
        })
    }

    #[test]
    fn the_published_document_is_that_of_the_agent() {
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        if std::env::var_os("SHANNOT_OPENAPI").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let published = std::fs::read_to_string(&path).unwrap();
        assert!(
            published == text,
            "docs/openapi.json is not what the agent takes; write it with SHANNOT_OPENAPI=1"
        );
    }
}
