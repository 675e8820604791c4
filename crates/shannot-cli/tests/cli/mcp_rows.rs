//! The tools of an MCP server that answer with rows.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::mcp::{Server, text};
use crate::sshd::marker;

fn server() -> Server {
    Server::start_bare(Server::place(), &["--profile", "diagnostics,systemd", "--target", "local"])
}

fn rows(server: &mut Server, tool: &str, arguments: Value) -> Vec<Value> {
    let result = server.call(tool, arguments);
    let rows = result["structuredContent"]["rows"].as_array();
    let rows = rows.unwrap_or_else(|| panic!("{tool}: {result}")).clone();
    // The text has the same, for clients that show no data.
    let lines: Vec<Value> = text(&result)
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, rows, "{tool}");
    rows
}

#[test]
fn rows_are_what_the_host_has() {
    let mut server = server();
    let disks = rows(&mut server, "list_disks", json!({"path": "/"}));
    let df = Command::new("df").args(["-B1", "--output=size,target", "/"]).output().unwrap();
    let df = String::from_utf8(df.stdout).unwrap();
    let size = df.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    assert_eq!((disks.len(), disks[0]["size_bytes"].to_string()), (1, size.to_owned()));
    assert_eq!(disks[0]["mounted_on"], "/");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sockets = rows(&mut server, "list_sockets", json!({"listening": true, "port": port}));
    assert_eq!((sockets.len(), &sockets[0]["local_address"]), (1, &json!("127.0.0.1")));

    let packages = rows(&mut server, "list_packages", json!({"name": "bash"}));
    let version = Command::new("dpkg-query").args(["-W", "-f", "${Version}", "bash"]).output();
    let version = String::from_utf8(version.unwrap().stdout).unwrap();
    assert_eq!((packages.len(), &packages[0]["version"]), (1, &json!(version)));

    let processes = rows(&mut server, "list_processes", json!({"sort": "pid", "limit": 1}));
    assert_eq!((processes.len(), &processes[0]["pid"]), (1, &json!(1)));
    let result = server.call("list_processes", json!({"limit": 1}));
    assert!(result["structuredContent"]["total"].as_u64().unwrap() > 3, "{result}");
}

/// What other programs were started with is their users' business.
#[test]
fn secrets_on_command_lines_are_taken_out_of_rows() {
    let mut server = server();
    let mark = marker();
    let waiting = Waiting::new(&[&mark, "--password", "hunter22", "\u{1b}[2J"]);
    let found = rows(&mut server, "list_processes", json!({"contains": mark}));
    let result = server.call("list_processes", json!({"contains": mark}));
    drop(waiting);
    assert_eq!(found.len(), 1, "{found:?}");
    let command = found[0]["command"].as_str().unwrap();
    assert!(command.contains("--password [REDACTED:password]"), "{command}");
    assert!(!result.to_string().contains("hunter22") && !command.contains('\u{1b}'), "{result}");
    assert!(result["structuredContent"]["redactions"].as_u64() >= Some(1), "{result}");
}

#[test]
fn what_rows_cannot_be_asked_for_is_told() {
    let mut server = server();
    for (tool, arguments, why) in [
        ("list_processes", json!({"limit": 0}), "ask for 1 to 1000"),
        ("list_processes", json!({"limit": 1_000_000}), "ask for 1 to 1000"),
        ("list_processes", json!({"sort": "age"}), "unknown variant `age`"),
        ("list_sockets", json!({"x": 1}), "unknown field `x`"),
        ("list_disks", json!({"path": "relative"}), "relative"),
        ("list_packages", json!({"target": "nosuch"}), "there are local"),
        ("list_packages", json!({"target": 1}), "`target` is no string"),
        ("list_disks", json!({"path": "/nosuch"}), "exit code 1"),
        ("read_journal", json!({"grep": "("}), "missing closing parenthesis"),
    ] {
        let result = server.call(tool, arguments);
        assert!(result["isError"] == true && text(&result).contains(why), "{tool} {why}: {result}");
    }
    // Without the command there is no answer, and what is allowed is told.
    let minimal = &["--profile", "minimal", "--target", "local"];
    let mut server = Server::start_bare(Server::place(), minimal);
    let result = server.call("list_processes", json!({}));
    assert_eq!(result["structuredContent"]["outcome"], "denied", "{result}");
}

/// Hosts differ in what they have: dpkg or rpm, ss or netstat.
#[test]
fn where_one_program_is_not_there_another_is_asked() {
    let place = Server::place();
    let without = "version = 1\nname = \"without\"\nextends = [\"diagnostics\"]\n\
        [commands.ss]\nabout = \"It is not there.\"\nprogram = \"/nosuch/ss\"\n";
    place.write("config/shannot/profiles/without.toml", without);
    let mut server = Server::start_bare(place, &["--profile", "without", "--target", "local"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let result = server.call("run_command", json!({"argv": ["ss"]}));
    assert!(text(&result).contains("not found in the box"), "{result}");
    let sockets = rows(&mut server, "list_sockets", json!({"listening": true, "port": port}));
    assert_eq!((sockets.len(), &sockets[0]["local_address"]), (1, &json!("127.0.0.1")));
}

/// Rows that do not fit are kept, all of them.
#[test]
fn rows_that_are_too_many_can_be_read_on() {
    let mut server = server();
    let mark = marker();
    let long = "x".repeat(60_000);
    let waiting: Vec<Waiting> = (0..30).map(|_| Waiting::new(&[&mark, &long])).collect();
    let result = server.call("list_processes", json!({"contains": mark}));
    drop(waiting);
    let data = &result["structuredContent"];
    let shown = data["rows"].as_array().unwrap().len();
    assert!(data["total"] == 30 && (1..30).contains(&shown), "{shown} of {}", data["total"]);
    let (mut kept, mut offset) = (String::new(), json!(0));
    while !offset.is_null() {
        let asked = json!({"id": data["kept"][0]["id"], "offset": offset});
        let piece = server.call("read_result", asked)["structuredContent"].clone();
        kept.push_str(piece["text"].as_str().unwrap());
        offset = piece["next_offset"].clone();
    }
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((kept.len(), &kept[..shown]), (30, &data["rows"].as_array().unwrap()[..]));
}

/// A process with these words on its command line, until it is dropped.
struct Waiting(Child);

impl Waiting {
    fn new(words: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "read line", "x"]).args(words).stdin(Stdio::piped());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
