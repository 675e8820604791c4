//! The MCP server, by messages as clients send them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::*;
use crate::sshd::{count, marker, wait};

/// A server, and its client's end.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    next: u64,
    pub(crate) place: Place,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(Self::place(), options)
    }

    /// A place whose records the ordinary user can write.
    pub(crate) fn place() -> Place {
        let place = Place::new();
        fs::create_dir(place.path("state")).unwrap();
        crate::sshd::own(ordinary(), &place.path("state"));
        place
    }

    /// With nothing but these options and this configuration, in the era of the handshake.
    pub(crate) fn start_bare(place: Place, options: &[&str]) -> Self {
        let mut server = Self::spawn_bare(place, options);
        server.initialize("2025-11-25");
        server
    }

    /// In the era of the handshake, with the profile that allows everything.
    pub(crate) fn start_in(place: Place, options: &[&str]) -> Self {
        let mut server = Self::spawn(place, options);
        let version = server.initialize("2025-06-18");
        assert_eq!(version, "2025-06-18");
        server
    }

    pub(crate) fn spawn(place: Place, options: &[&str]) -> Self {
        let profile = anything().to_str().unwrap();
        let all = [&["--profile", profile, "--target", "local"], options].concat();
        Self::spawn_bare(place, &all)
    }

    /// With nothing but these options, and a configuration of its own.
    pub(crate) fn spawn_bare(place: Place, options: &[&str]) -> Self {
        let mut command = shannot(ordinary());
        command.args(["mcp", "serve"]).args(options);
        command.env("XDG_STATE_HOME", place.path("state"));
        command.env("XDG_CONFIG_HOME", place.path("config"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout, next: 0, place }
    }

    pub(crate) fn initialize(&mut self, version: &str) -> String {
        let params = json!({"protocolVersion": version, "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}});
        let answer = self.ask("initialize", params);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer["result"]["protocolVersion"].as_str().unwrap().to_owned()
    }

    pub(crate) fn send(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    /// Sends a request, and does not wait for the answer.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    pub(crate) fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The next message that is no notification.
    pub(crate) fn answer(&mut self) -> Value {
        loop {
            let message = self.receive();
            if message.get("id").is_some() {
                return message;
            }
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// The result of a tool.
    pub(crate) fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({"name": name, "arguments": arguments}))["result"].clone()
    }

    pub(crate) fn run(&mut self, argv: &[&str]) -> Value {
        self.call("run_command", json!({"argv": argv}))
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.place.path("state/shannot/audit.jsonl")
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.audit()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn a_command_is_answered_as_text_and_as_data() {
    let mut server = Server::start(&[]);
    let result = server.run(&["sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!(text(&result), "out\n[stderr] err\n[end] exit code 3");
    assert_eq!(result["isError"], true);
    let data = &result["structuredContent"];
    for (key, value) in [
        ("outcome", json!("exited")),
        ("exit_code", json!(3)),
        ("stdout", json!("out\n")),
        ("stderr", json!("err\n")),
        ("target", json!("local")),
        ("profile", json!("anything")),
    ] {
        assert_eq!(data[key], value, "{data}");
    }
    let fine = server.run(&["echo", "a"]);
    assert_eq!((text(&fine), &fine["isError"]), ("a\n", &json!(false)));
    let piped = json!({"argv": ["printf", "b\\na\\n"], "pipe": [["sort"], ["head", "-n", "1"]]});
    assert_eq!(text(&server.call("run_command", piped)), "a\n");
    let late = server.call("run_command", json!({"argv": ["sleep", "60"], "timeout": 0.3}));
    assert_eq!(late["structuredContent"]["outcome"], "timed_out", "{late}");
}

#[test]
fn typed_tools_say_what_their_commands_say() {
    let mut server = Server::start(&[]);
    let file = server.place.write("lines", "one\ntwo\nthree\nfour\n");
    // `/tmp` is the box's own there.
    let _ = file;
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let lines: Vec<&str> = passwd.lines().collect();
    assert_eq!(text(&server.call("read_file", json!({"path": "/etc/passwd"}))), passwd);
    let range = json!({"path": "/etc/passwd", "first_line": 2, "last_line": 3});
    assert_eq!(text(&server.call("read_file", range)), format!("{}\n{}\n", lines[1], lines[2]));
    let tail = server.call("read_file", json!({"path": "/etc/passwd", "tail": 1}));
    assert_eq!(text(&tail), format!("{}\n", lines[lines.len() - 1]));
    let found = json!({"path": "/etc", "name": "passw?", "max_depth": 1});
    assert_eq!(text(&server.call("search_files", found)), "/etc/passwd\n");
    let grep = json!({"path": "/etc/passwd", "pattern": "^(root):"});
    assert_eq!(text(&server.call("grep_content", grep)), format!("/etc/passwd:1:{}\n", lines[0]));
    assert!(text(&server.call("list_directory", json!({"path": "/etc"}))).contains(" passwd\n"));
    assert!(text(&server.call("check_disk_usage", json!({"path": "/"}))).contains("Mounted on"));
    assert!(text(&server.call("check_memory", json!({}))).contains("Swap:"));
}

/// What a model can mend is told to the model; what no client should send is an error of the protocol.
#[test]
fn what_is_wrong_is_told() {
    let mut server = Server::start(&[]);
    for (name, arguments, why) in [
        ("run_command", json!({"argv": ["a/b"]}), "a/b"),
        ("run_command", json!({"argv": []}), "no command"),
        ("run_command", json!({"argv": ["true"], "shell": true}), "unknown field `shell`"),
        ("run_command", json!({"argv": "ls"}), "expected a sequence"),
        ("run_command", json!({"argv": ["true"], "timeout": -1}), "no number of seconds"),
        ("run_command", json!({"argv": ["true"], "target": "x"}), "there are local"),
        ("run_command", json!({"argv": ["a\u{0}b"]}), "NUL"),
        ("read_file", json!({"path": "/etc/passwd", "tail": 1, "last_line": 2}), "either"),
        ("search_files", json!({"path": "-delete", "name": "x"}), "not absolute"),
        ("run_command", json!({"argv": ["nosuch"]}), "not found"),
    ] {
        let result = server.call(name, arguments.clone());
        assert_eq!(result["isError"], true, "{arguments}: {result}");
        assert!(text(&result).contains(why), "{arguments}: {result}");
    }
    let unknown = server.ask("tools/call", json!({"name": "nosuch", "arguments": {}}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    assert_eq!(server.ask("no/such", json!({}))["error"]["code"], -32601);
    assert_eq!(text(&server.run(&["echo", "still there"])), "still there\n");
}

#[test]
fn the_list_of_tools_is_small_and_stays_the_same() {
    let lists: Vec<Value> =
        (0..2).map(|_| Server::start(&[]).ask("tools/list", json!({}))["result"].clone()).collect();
    assert_eq!(lists[0].to_string(), lists[1].to_string());
    assert!(lists[0].to_string().len() <= 8192, "{}", lists[0].to_string().len());
    for tool in lists[0]["tools"].as_array().unwrap() {
        for (hint, value) in [
            ("readOnlyHint", true),
            ("destructiveHint", false),
            ("idempotentHint", true),
            ("openWorldHint", true),
        ] {
            assert_eq!(tool["annotations"][hint], value, "{tool}");
        }
        assert!(tool["title"].is_string() && tool["outputSchema"].is_object(), "{tool}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
    }
}

#[test]
fn every_era_of_the_protocol_is_spoken() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let place = Place::new();
        fs::create_dir(place.path("state")).unwrap();
        crate::sshd::own(ordinary(), &place.path("state"));
        let mut server = Server::spawn(place, &[]);
        assert_eq!(server.initialize(version), version);
        assert_eq!(text(&server.run(&["echo", "a"])), "a\n");
    }
    let place = Place::new();
    fs::create_dir(place.path("state")).unwrap();
    crate::sshd::own(ordinary(), &place.path("state"));
    let mut server = Server::spawn(place, &[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = server.ask("server/discover", json!({"_meta": meta}));
    assert!(found["result"]["supportedVersions"].to_string().contains("2026-07-28"), "{found}");
    let call = json!({"name": "run_command", "arguments": {"argv": ["echo", "a"]}, "_meta": meta});
    let answer = server.ask("tools/call", call);
    assert_eq!(text(&answer["result"]), "a\n", "{answer}");
}

#[test]
fn the_server_ends_with_its_input() {
    let mut server = Server::start(&[]);
    let mark = marker();
    server.request(
        "tools/call",
        json!({"name": "run_command", "arguments": {"argv": ["sleep", mark]}}),
    );
    wait(|| count(&mark) == 1);
    drop(server.stdin.take());
    let begun = Instant::now();
    let status = server.child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(0));
    wait(|| count(&mark) == 0);
    let mut rest = String::new();
    server.stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{rest}");
}

#[test]
fn a_call_that_is_cancelled_ends_its_box() {
    let mut server = Server::start(&[]);
    let mark = marker();
    let arguments = json!({"argv": ["sleep", mark]});
    let id = server.request("tools/call", json!({"name": "run_command", "arguments": arguments}));
    wait(|| count(&mark) == 1);
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": id}});
    server.send(&cancelled);
    let begun = Instant::now();
    wait(|| count(&mark) == 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(text(&server.run(&["echo", "a"])), "a\n");
}

#[test]
fn calls_run_side_by_side() {
    let mut server = Server::start(&[]);
    let begun = Instant::now();
    let call = json!({"name": "run_command", "arguments": {"argv": ["sleep", "1"]}});
    let asked: Vec<u64> = (0..4).map(|_| server.request("tools/call", call.clone())).collect();
    for _ in &asked {
        assert_eq!(server.answer()["result"]["isError"], false);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn what_is_asked_and_what_comes_of_it_is_recorded() {
    let mut server = Server::start(&[]);
    server.run(&["sh", "-c", "exit 3"]);
    server.run(&["nosuch"]);
    let records = server.records();
    let events: Vec<_> = records.iter().map(|r| r["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["intent", "outcome", "intent", "outcome"]);
    assert_eq!(records[0]["argv"], json!([["sh", "-c", "exit 3"]]));
    assert_eq!(records[0]["verdict"], "allowed");
    assert_eq!(records[1]["end"], "exited 3");
    assert_eq!(records[0]["id"], records[1]["id"]);
    assert_ne!(records[0]["id"], records[2]["id"]);
    assert_eq!((&records[0]["caller"], &records[0]["target"]), (&json!("mcp"), &json!("local")));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(server.audit()).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// Words that never run must not fill the disk.
#[test]
fn a_record_has_a_bound() {
    let mut server = Server::start(&[]);
    let long = "ä".repeat(30_000);
    server.run(&["true", &long]);
    let many: Vec<&str> = std::iter::once("true").chain(std::iter::repeat_n("x", 9000)).collect();
    server.run(&many);
    let records = server.records();
    assert!(records.iter().all(|record| record.to_string().len() < 16 << 10));
    let word = records[0]["argv"][0][1].as_str().unwrap();
    assert!(word.starts_with("ää") && word.ends_with("… (60000 bytes)"), "{}", word.len());
}

/// A full disk must not let anything run unseen.
#[test]
fn what_is_not_recorded_does_not_run() {
    let place = Place::new();
    fs::create_dir_all(place.path("state/shannot")).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.path("state/shannot/audit.jsonl")).unwrap();
    let mut server = Server::start_in(place, &[]);
    let mark = marker();
    let result = server.run(&["sleep", &mark]);
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("what is not recorded does not run"), "{result}");
    assert_eq!(count(&mark), 0);
}

#[test]
fn a_caller_that_asks_too_fast_is_slowed_down() {
    let mut server = Server::start_bare(Server::place(), &["--profile", "minimal"]);
    // What is denied is on the account too, and comes faster.
    let results: Vec<Value> = (0..1300).map(|_| server.run(&["nosuch"])).collect();
    let is_refused = |result: &&Value| text(result).contains("too many requests");
    let refused: Vec<&Value> = results.iter().filter(is_refused).collect();
    assert!(!refused.is_empty() && refused.len() < 100, "{}", refused.len());
    assert!(text(refused[0]).contains("too many requests: wait "), "{}", refused[0]);
    assert!(server.records().iter().any(|record| record["verdict"] == "not_admitted"));
}

#[test]
fn secrets_do_not_reach_the_model() {
    let mut server = Server::start(&[]);
    let secret = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
    let result = server.run(&["echo", &format!("key {secret} DB_PASSWORD=hunter22 end")]);
    assert_eq!(text(&result), "key [REDACTED:aws-key] DB_PASSWORD=[REDACTED:password] end\n");
    assert_eq!(result["structuredContent"]["redactions"], 2);
    assert!(!result.to_string().contains("hunter22") && !result.to_string().contains(&secret));
}

/// What a client shows in a window of text must stay one.
#[test]
fn what_is_long_or_no_text_is_told() {
    let mut server = Server::start(&[]);
    let result = server.run(&["seq", "1", "100000"]);
    let shown = text(&result);
    assert!(shown.chars().count() < 51_000, "{}", shown.len());
    assert!(shown.starts_with("1\n2\n") && shown.contains("\n100000\n[kept] "));
    assert!(shown.contains(" lines left out, from byte "));
    let binary = server.run(&["head", "-c", "1000", "/bin/true"]);
    assert_eq!(text(&binary), "[binary: 1000 bytes, not shown]");
    let controls = server.run(&["printf", "\\033]0;title\\007"]);
    assert_eq!(text(&controls), "^[]0;title^G");
}

/// Whatever comes, the next call is answered.
#[test]
fn garbage_does_not_end_the_server() {
    let mut server = Server::start(&[]);
    let stdin = server.stdin.as_mut().unwrap();
    let deep = "[".repeat(100_000);
    let long = "x".repeat(20 << 20);
    for line in ["{", "null", "[]", "\"a\"", "{\"jsonrpc\":\"2.0\"}", &deep, &long] {
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    let answer = server.run(&["echo", "a"]);
    assert_eq!(text(&answer), "a\n");
}
