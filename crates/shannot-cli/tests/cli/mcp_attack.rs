//! What a hostile or broken client, or what a host shows, must not bring about in an MCP server.

use serde_json::json;

use crate::mcp::{Server, text};

#[test]
fn parameters_of_a_wrong_type_are_no_unknown_method() {
    let mut server = Server::start(&[]);
    for (method, params, code) in [
        ("tools/call", json!({"name": 5}), -32602),
        ("tools/call", json!({"name": "run_command", "arguments": []}), -32602),
        ("tools/cull", json!({"name": "run_command"}), -32601),
    ] {
        let answer = server.ask(method, params);
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    assert_eq!(text(&server.run(&["echo", "a"])), "a\n");
}

/// The record has the words of every call, with the secrets in them.
#[test]
fn the_record_is_hidden_from_those_whom_it_is_about() {
    let mut server = Server::start(&[]);
    let path = server.audit().display().to_string();
    server.run(&["echo", "canary"]);
    let shown = std::fs::read_to_string(&path).unwrap();
    assert!(shown.contains("canary"), "outside: {shown}");
    let result = server.call("read_file", json!({"path": path}));
    assert!(result["isError"] == true && !result.to_string().contains("canary"), "{result}");
    let found = json!({"path": "/tmp", "name": "audit.jsonl"});
    assert_eq!(text(&server.call("search_files", found)).lines().filter(|l| *l == path).count(), 0);
}

/// Each would be told of each change.
#[test]
fn a_client_that_begins_over_and_over_is_told_no_more() {
    let place = Server::place();
    let text = "version = 1\nname = \"own\"\n[commands.echo]\nabout = \"Says.\"\n";
    let file = place.write("config/shannot/profiles/own.toml", text);
    let mut server = Server::start_bare(place, &["--profile", "own"]);
    for _ in 0..1000 {
        server.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }
    server.run(&["echo", "a"]);
    std::fs::write(&file, format!("{text}# again\n")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let id = server.request("ping", json!({}));
    let mut told = 0;
    while server.receive()["id"] != id {
        told += 1;
    }
    assert!((1..=3 * 64).contains(&told), "{told}");
}
