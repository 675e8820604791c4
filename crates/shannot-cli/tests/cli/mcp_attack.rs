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
