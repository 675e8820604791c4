//! The MCP server over HTTP, by requests as they are on the wire.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::*;
use crate::sshd::{count, marker, own, wait};

/// A server, by default of this user, who alone may talk to it.
struct Server {
    child: Child,
    address: SocketAddr,
    place: Place,
}

impl Server {
    fn start() -> Self {
        Self::start_as(everyone()[0], "127.0.0.1:0")
    }

    fn start_as(user: User, address: &str) -> Self {
        let place = Place::new();
        fs::create_dir(place.path("state")).unwrap();
        own(user, &place.path("state"));
        let mut command = shannot(user);
        let profile = anything().to_str().unwrap();
        command.args(["mcp", "serve", "--profile", profile, "--target", "local"]);
        command.args(["--http", address]).env("XDG_STATE_HOME", place.path("state"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.strip_prefix("shannot: listening on http://").unwrap_or_else(|| panic!("{line}"));
        let address = url.trim_end().strip_suffix("/mcp").unwrap().parse().unwrap();
        Self { child, address, place }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends a request, and does not wait for the answer.
    fn ask(&self, headers: &[&str], body: &str) -> TcpStream {
        let mut stream = self.connect();
        let address = self.address;
        let host = format!("Host: {address}");
        let has_host = headers.iter().any(|header| header.starts_with("Host"));
        let host = if has_host { "X-Own-Host: yes" } else { &host };
        let length = body.len();
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{host}\r\n{}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n",
            if headers.is_empty() { "X-More: no".to_owned() } else { headers.join("\r\n") },
        );
        stream.write_all(head.as_bytes()).unwrap();
        // It may be refused before it is read.
        let _ = stream.write_all(body.as_bytes());
        stream
    }

    fn post(&self, headers: &[&str], message: &Value) -> Answer {
        Answer::read(self.ask(headers, &message.to_string()))
    }

    /// The session's header, in the era of the handshake.
    fn session(&self) -> String {
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"}});
        let answer = self.post(&[], &request("initialize", params));
        assert_eq!(answer.message()["result"]["protocolVersion"], "2025-06-18");
        let id = answer.header("mcp-session-id").expect("a session");
        let session = format!("Mcp-Session-Id: {id}");
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(&[&session], &done).status, 202);
        session
    }

    /// Ends it by a signal; how it ended, and how long that took.
    fn end(&mut self, signal: Signal) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), begun.elapsed())
    }

    fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.place.path("state/shannot/audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // What was not read when it closed makes a reset of its end.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The last message, of a stream or alone.
    fn message(&self) -> Value {
        let data = self.body.lines().rev().find_map(|line| line.strip_prefix("data: "));
        let text = data.unwrap_or(&self.body);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn run(argv: &[&str]) -> Value {
    request("tools/call", json!({"name": "run_command", "arguments": {"argv": argv}}))
}

/// The headers of a call in the era without a handshake.
const MODERN: [&str; 3] =
    ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: run_command"];

fn modern(mut message: Value) -> Value {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    message
}

fn text(answer: &Answer) -> String {
    answer.message()["result"]["content"][0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn every_era_of_the_protocol_is_spoken() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let server = Server::start_as(everyone()[0], address);
        let session = server.session();
        assert_eq!(text(&server.post(&[&session], &run(&["echo", "a"]))), "a\n");
        assert_eq!(text(&server.post(&MODERN, &modern(run(&["echo", "b"])))), "b\n");
        let denied = server.post(&MODERN, &modern(run(&["nosuch"]))).message();
        assert_eq!(denied["result"]["isError"], true, "{denied}");
        let headers = [MODERN[0], "Mcp-Method: server/discover"];
        let found = server.post(&headers, &modern(request("server/discover", json!({}))));
        assert!(found.message()["result"]["supportedVersions"].is_array(), "{found:?}");
        assert_eq!(server.records().len(), 6);
    }
}

/// A page whose name was made to point to this machine sends its own name.
#[test]
fn only_requests_for_this_server_are_answered() {
    let server = Server::start();
    let port = server.address.port();
    let call = run(&["true"]);
    for (header, status) in [
        ("Host: evil.example".to_owned(), 403),
        (format!("Host: evil.example:{port}"), 403),
        (format!("Host: 127.0.0.1.evil.example:{port}"), 403),
        ("Host: 127.0.0.1".to_owned(), 403),
        ("Host: 127.0.0.1:1".to_owned(), 403),
        (format!("Host: 127.0.0.1:{port}@evil.example"), 403),
        ("Origin: http://evil.example".to_owned(), 403),
        (format!("Origin: http://evil.example:{port}"), 403),
        (format!("Origin: https://localhost:{port}"), 403),
        ("Origin: http://localhost:1".to_owned(), 403),
        ("Origin: null".to_owned(), 403),
        (format!("Host: localhost:{port}"), 200),
        (format!("Host: LOCALHOST:{port}"), 200),
        (format!("Host: [::1]:{port}"), 200),
        (format!("Origin: http://127.0.0.1:{port}"), 200),
        (format!("Origin: http://localhost:{port}"), 200),
    ] {
        let headers = [MODERN.as_slice(), &[&header]].concat();
        let answer = server.post(&headers, &modern(call.clone()));
        assert_eq!(answer.status, status, "{header}: {answer:?}");
    }
    assert_eq!(server.records().iter().filter(|record| record["event"] == "intent").count(), 5);
}

/// Every user of the machine can connect.
#[test]
fn only_the_user_who_runs_it_is_answered() {
    let why = "this server answers only the user who runs it";
    let [own, other] = everyone()[..] else {
        // Nobody else can be had: it answers this one.
        let server = Server::start();
        assert_eq!(text(&server.post(&MODERN, &modern(run(&["echo", "a"])))), "a\n");
        return;
    };
    let server = Server::start_as(other, "127.0.0.1:0");
    let mut heard = String::new();
    let _ = server.connect().read_to_string(&mut heard);
    assert!(heard.starts_with("HTTP/1.1 403 ") && heard.contains(why), "{heard:?}");
    let server = Server::start_as(own, "127.0.0.1:0");
    let port = server.address.port();
    let script = format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3'");
    let ended = end(&mut shell(other, &script));
    assert!(ended.text().contains(why), "{ended:?}");
    // By IPv6, where the kernel has it, to the same port.
    let script = format!("exec bash -c 'exec 3<>/dev/tcp/::ffff:127.0.0.1/{port}; cat <&3'");
    let ended = end(&mut shell(other, &script));
    assert!(ended.text().contains(why), "{ended:?}");
    let mapped = (Ipv6Addr::from_bits(0xffff_7f00_0001), port);
    let mut stream = TcpStream::connect(mapped).unwrap();
    stream.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(Answer::read(stream).status, 404);
}

#[test]
fn other_machines_are_not_served() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "localhost:0", "127.0.0.1", "80"] {
        let ended = end(shannot(ordinary()).args(["mcp", "serve", "--http", address]));
        assert_code(&ended, 125);
        assert!(ended.stderr.contains("give 127.0.0.1:PORT or [::1]:PORT"), "{ended:?}");
    }
    let server = Server::start();
    let taken = server.address.to_string();
    let mut command = shannot(everyone()[0]);
    command
        .args(["mcp", "serve", "--http", &taken])
        .env("XDG_STATE_HOME", server.place.path("state"));
    let ended = end(&mut command);
    assert_code(&ended, 125);
    let complaint = ended.complaint();
    assert!(complaint.contains(&format!("cannot listen on `{taken}`")), "{complaint}");
    assert!(complaint.contains("hint: port 0 takes one that is free"), "{complaint}");
}

#[test]
fn a_client_that_goes_away_ends_its_run() {
    let server = Server::start();
    let session = server.session();
    for is_modern in [false, true] {
        for progress in [None, Some(7)] {
            let mark = marker();
            let mut call = run(&["sleep", &mark]);
            if is_modern {
                call = modern(call);
            }
            if let Some(token) = progress {
                call["params"]["_meta"]["progressToken"] = token.into();
            }
            let headers: &[&str] = if is_modern { &MODERN } else { &[&session] };
            let stream = server.ask(headers, &call.to_string());
            wait(|| count(&mark) == 1);
            drop(stream);
            let begun = Instant::now();
            wait(|| count(&mark) == 0);
            assert!(begun.elapsed() < Duration::from_secs(1), "{is_modern}: {:?}", begun.elapsed());
        }
    }
    wait(|| server.records().iter().filter(|record| record["end"] == "cancelled").count() == 4);
    assert_eq!(text(&server.post(&[&session], &run(&["echo", "a"]))), "a\n");
}

#[test]
fn a_call_that_is_cancelled_ends_its_box() {
    let server = Server::start();
    let session = server.session();
    let mark = marker();
    let _stream = server.ask(&[&session], &run(&["sleep", &mark]).to_string());
    wait(|| count(&mark) == 1);
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 1}});
    let begun = Instant::now();
    assert_eq!(server.post(&[&session], &cancelled).status, 202);
    wait(|| count(&mark) == 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_request_is_refused() {
    let server = Server::start();
    let broken = Answer::read(server.ask(&[], r#"{"jsonrpc": "2.0", "#));
    assert_eq!((broken.status, &broken.message()["error"]["code"]), (400, &json!(-32700)));
    let deep = "[".repeat(100_000);
    assert_eq!(Answer::read(server.ask(&[], &deep)).status, 400);
    let long = "x".repeat((1 << 20) + 1);
    let long = Answer::read(server.ask(&MODERN, &modern(run(&["echo", &long])).to_string()));
    assert_eq!(long.status, 413, "{long:?}");
    assert_eq!(server.post(&[], &json!({"a": 1})).status, 415);
    assert_eq!(server.post(&["Mcp-Session-Id: nosuch"], &run(&["true"])).status, 404);
    let mut stream = server.connect();
    stream.write_all(b"\x16\x03\x01 not HTTP at all\r\n\r\n").unwrap();
    assert_eq!(Answer::read(stream).status, 400);
    assert!(server.records().is_empty());
}

#[test]
fn a_request_that_does_not_arrive_is_given_up() {
    let server = Server::start();
    let mut stream = server.connect();
    let host = server.address;
    let head = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10\r\n\r\n[");
    stream.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    assert_eq!(Answer::read(stream).status, 408);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn sessions_are_bounded_and_one_in_use_stays() {
    let server = Server::start();
    let used = server.session();
    let mark = marker();
    let stream = server.ask(&[&used], &run(&["sleep", &mark]).to_string());
    wait(|| count(&mark) == 1);
    let first = server.session();
    let others: Vec<String> = (0..31).map(|_| server.session()).collect();
    let mut list = request("tools/list", json!({}));
    // One call of that number goes on: which of two would be cancelled?
    let double = server.post(&[&used], &list);
    assert!(double.status == 500 && double.body.contains("the same id"), "{double:?}");
    list["id"] = 2.into();
    assert_eq!(server.post(&[&first], &list).status, 404);
    for session in [&others[0], &others[30], &used] {
        assert_eq!(server.post(&[session], &list).status, 200);
    }
    assert_eq!(count(&mark), 1);
    drop(stream);
    wait(|| count(&mark) == 0);
}

#[test]
fn a_session_that_is_ended_ends_its_runs() {
    let server = Server::start();
    let session = server.session();
    let mark = marker();
    let _stream = server.ask(&[&session], &run(&["sleep", &mark]).to_string());
    wait(|| count(&mark) == 1);
    let mut stream = server.connect();
    let host = server.address;
    let head =
        format!("DELETE /mcp HTTP/1.1\r\nHost: {host}\r\n{session}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let begun = Instant::now();
    assert_eq!(Answer::read(stream).status, 202);
    wait(|| count(&mark) == 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.post(&[&session], &run(&["true"])).status, 404);
}

#[test]
fn a_signal_ends_it_and_what_goes_on() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        let session = server.session();
        let marks = [marker(), marker()];
        let _streams = [
            server.ask(&[&session], &run(&["sleep", &marks[0]]).to_string()),
            server.ask(&MODERN, &modern(run(&["sleep", &marks[1]])).to_string()),
        ];
        // One that says nothing.
        let _idle = server.connect();
        wait(|| marks.iter().all(|mark| count(mark) == 1));
        let (code, time) = server.end(signal);
        assert_eq!(code, Some(0));
        assert!(time < Duration::from_secs(2), "{time:?}");
        wait(|| marks.iter().all(|mark| count(mark) == 0));
        let records = server.records();
        let ends = records.iter().filter(|record| record["event"] != "intent");
        assert_eq!((records.len(), ends.count()), (4, 2), "{records:?}");
    }
}
