//! Every format: what is added is there, all else stays, and what is removed leaves nothing.

use super::super::entry::{Launch, Shape};
use super::*;

const FORMATS: [(Format, &str); 3] =
    [(Format::Json, "mcpServers"), (Format::Toml, "mcp_servers"), (Format::Yaml, "extensions")];

fn source(text: &str) -> Source {
    Source { origin: "file".to_owned(), text: text.to_owned() }
}

fn launch(words: &[&str]) -> Launch {
    let args = words.iter().map(|word| (*word).to_owned()).collect();
    Launch { program: "/opt/shannot".to_owned(), args }
}

fn shape(format: Format) -> Shape {
    if format == Format::Yaml { Shape::Goose } else { Shape::Plain }
}

fn add(format: Format, key: &str, text: &str, words: &[&str]) -> Result<String, TextError> {
    let fields = shape(format).fields("shannot", &launch(words));
    format.with(&source(text), key, "shannot", &fields)
}

/// Adds, changes and removes; returns the text with the server.
fn there_and_back(format: Format, key: &str, text: &str) -> String {
    let with = add(format, key, text, &["mcp", "serve"]).unwrap_or_else(|e| panic!("{e}: {text}"));
    let servers = format.servers(&source(&with), key).unwrap();
    let found = shape(format).launch(&servers["shannot"]);
    assert_eq!(found, Some(launch(&["mcp", "serve"])), "{with}");
    // Every line that was there is there.
    let mut lines = with.lines();
    for line in text.lines().filter(|line| line.trim_start().starts_with(['#', '/'])) {
        assert!(lines.any(|with| with == line), "{line} of\n{text}\nin\n{with}");
    }
    assert_eq!(add(format, key, &with, &["mcp", "serve"]).unwrap(), with, "twice is once");
    let other = add(format, key, &with, &["mcp", "serve", "--target", "a\"b"]).unwrap();
    let servers = format.servers(&source(&other), key).unwrap();
    let found = shape(format).launch(&servers["shannot"]).unwrap();
    assert_eq!(found.args[3], "a\"b", "{other}");
    let without = format.without(&source(&with), key, "shannot").unwrap();
    assert!(format.says_the_same(&source(&without), &source(text), key), "{text}\n{without}");
    with
}

#[test]
fn nothing_becomes_a_file_and_back() {
    for (format, key) in FORMATS {
        for text in ["", "\n"] {
            there_and_back(format, key, text);
        }
    }
    let text = there_and_back(Format::Json, "mcpServers", "");
    let want = "{\n  \"mcpServers\": {\n    \"shannot\": {\n      \"command\": \"/opt/shannot\",\n      \"args\": [\"mcp\", \"serve\"]\n    }\n  }\n}\n";
    assert_eq!(text, want);
    let text = there_and_back(Format::Toml, "mcp_servers", "");
    let want = "[mcp_servers.shannot]\ncommand = \"/opt/shannot\"\nargs = [\"mcp\", \"serve\"]\n";
    assert_eq!(text, want);
}

#[test]
fn json_keeps_comments_and_its_look() {
    for text in [
        "{}",
        "{ }\n",
        "// first\n{\n\t// of a\n\t\"a\": 1, // one\n\t\"mcpServers\": {\n\t\t\"x\": {\"command\": \"x\"} // x\n\t}\n\t// last\n}\n",
        "{\"mcpServers\":{\"x\":{\"command\":\"x\",\"env\":{\"A\":\"b\"}}},\"z\":[1,2,{}]}",
        "{\"mcpServers\": {}, \"a\": 12345678901234567890}",
        "{\n  \"mcpServers\": null\n}\n",
        "{\n  \"mcpServers\": {\n    \"x\": {\n      \"command\": \"x\",\n    },\n  },\n}\n",
    ] {
        there_and_back(Format::Json, "mcpServers", text);
    }
}

#[test]
fn toml_keeps_comments_and_its_look() {
    for text in [
        "model = \"x\"\n\n# of x\n[mcp_servers.x] # here\ncommand = \"x\"\n\n# last\n",
        "[mcp_servers]\nx = { command = \"x\" } # one\n",
        "mcp_servers = { x = { command = \"x\" } }\n",
        "mcp_servers.x.command = \"x\"\n",
        "[mcp_servers.x]\ncommand = \"x\"\n[mcp_servers.x.env]\nA = \"b\"\n[[other]]\na = 1979-05-27\n",
    ] {
        there_and_back(Format::Toml, "mcp_servers", text);
    }
}

#[test]
fn yaml_keeps_comments_and_its_look() {
    for text in [
        "# nothing\n",
        "GOOSE_MODEL: x # here\n",
        "a: 1\nextensions:\n",
        "extensions: {}\nz: 1\n",
        "extensions: ~ # none\nz: [1, {a: b}]\n",
        "extensions: # all\n  # of x\n  x:\n    enabled: true\n    args:\n    - a\n    - 'b # c'\n    note: |\n      many\n\n      lines\n  # last\n\nz: >-\n  folded\n  text\n",
        "extensions:\n    x: {enabled: true, args: [\"a\"]}\n    y:\n        env: &e {A: b}\n        again: *e\n",
        "---\nextensions: {x: {enabled: true}}\n",
        "{\"extensions\": {\"x\": {\"enabled\": true}}, \"z\": null}\n",
        "{}\n",
        "a: 1\nextensions:\n  x:\n    enabled: true",
        "\"extensions\":\n  'x': {a: 0x1F, b: 1.5, c: -3}\n",
        "a:\n- b\n- c: d\nextensions:\n  x:\n    cmd: x\n",
    ] {
        there_and_back(Format::Yaml, "extensions", text);
    }
}

/// A person's own values in an entry stay when what is ours changes.
#[test]
fn what_a_person_has_set_stays() {
    for (format, key) in FORMATS {
        let with = add(format, key, "", &["mcp", "serve"]).unwrap();
        let (old, new) = match format {
            Format::Json => ("\"command\":", "\"disabled\": true,\n      \"command\":"),
            Format::Toml => ("command =", "startup_timeout_sec = 30\ncommand ="),
            Format::Yaml => ("enabled: true", "enabled: false"),
        };
        let own = with.replacen(old, new, 1);
        assert_ne!(own, with);
        let after = add(format, key, &own, &["mcp", "serve", "--target", "a"]).unwrap();
        let entry = &format.servers(&source(&after), key).unwrap()["shannot"];
        let kept = match format {
            Format::Json => entry["disabled"] == true,
            Format::Toml => entry["startup_timeout_sec"] == 30,
            Format::Yaml => entry["enabled"] == false,
        };
        assert!(kept, "{after}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (format, key, text, line) in [
        (Format::Json, "mcpServers", "{\n  \"a\": 1\n  \"b\": 2\n}", 2),
        (Format::Json, "mcpServers", "{\n  \"mcpServers\": [],\n}", 1),
        (Format::Json, "mcpServers", "[]", 1),
        (Format::Json, "mcpServers", "{'a': 1}", 1),
        (Format::Toml, "mcp_servers", "a = 1\nb = \n", 2),
        (Format::Toml, "mcp_servers", "mcp_servers = 1\n", 1),
        (Format::Yaml, "extensions", "a: 1\nb: [1\n", 3),
        (Format::Yaml, "extensions", "extensions: x\n", 1),
        (Format::Yaml, "extensions", "a: 1\n---\nb: 1\n", 2),
        (Format::Yaml, "extensions", "- a\n", 1),
    ] {
        let error = add(format, key, text, &[]).expect_err(text);
        assert_eq!(error.line(), line, "{text}: {error}");
    }
}

/// An editor that takes the wrong one of two would not be noticed by anybody.
#[test]
fn what_is_ambiguous_is_refused() {
    let twice = "{\"mcpServers\": {}, \"mcpServers\": {\"x\": {\"command\": \"x\"}}}";
    let error = add(Format::Json, "mcpServers", twice, &[]).expect_err("twice");
    assert!(error.to_string().contains("safely"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--print")));
    let merged = "base: &b {y: {cmd: y}}\nextensions:\n  <<: *b\n";
    there_and_back(Format::Yaml, "extensions", merged);
}

#[test]
fn what_lies_too_deep_is_refused() {
    let deep = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(add(Format::Yaml, "extensions", &deep, &[]).is_err());
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(add(Format::Json, "mcpServers", &deep, &[]).is_err());
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(add(Format::Toml, "mcp_servers", &deep, &[]).is_err());
}
