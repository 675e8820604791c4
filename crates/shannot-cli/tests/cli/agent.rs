//! The agent's API, as a program asks that is none of ours.

use std::process::Stdio;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::harness::*;

/// Asks an agent of an ordinary user.
struct Client {
    send: SendRequest<Full<Bytes>>,
    _agent: Option<tokio::process::Child>,
}

impl Client {
    async fn new(words: &[&str]) -> Self {
        let mut command = shannot(ordinary());
        command.args(["agent", "stdio"]).args(words);
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut agent = command.spawn().unwrap();
        let mut stdout = BufReader::new(agent.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("shannot-agent 1 ") {
            line.clear();
            assert!(stdout.read_line(&mut line).await.unwrap() > 0, "no greeting");
        }
        let streams = TokioIo::new(tokio::io::join(stdout, agent.stdin.take().unwrap()));
        let (send, connection) = handshake(TokioExecutor::new(), streams).await.unwrap();
        tokio::spawn(connection);
        Self { send, _agent: Some(agent) }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://agent{path}"))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        let response = self.send.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn run(&mut self, request: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, "/v1/runs", request).await
    }
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn json_is_answered_with_json() {
    block_on(async {
        let mut client = Client::new(&[]).await;
        let text = std::fs::read_to_string(anything()).unwrap();
        let profile = json!({ "toml": text });
        let argv = json!(["sh", "-c", "read x; printf %s \"$x\"; echo err >&2; exit 3"]);
        let (status, result) =
            client.run(json!({ "profile": profile, "argv": argv, "stdin": "in\n" })).await;
        assert_eq!(status, 200, "{result}");
        assert_eq!((&result["stdout"], &result["stderr"]), (&json!("in"), &json!("err\n")));
        assert_eq!((&result["exit_code"], &result["outcome"]), (&json!(3), &json!("exited")));
        assert!(result["enforcement"]["tier"].is_string(), "{result}");
        let stages = json!([["printf", { "base64": "/w==" }], ["cat"]]);
        let (_, result) = client.run(json!({ "profile": profile, "stages": stages })).await;
        assert_eq!(result["stdout_base64"], "/w==", "{result}");
        // A profile of the host's.
        let (_, result) = client.run(json!({ "profile": "minimal", "argv": ["echo", "a"] })).await;
        assert_eq!(result["stdout"], "a\n", "{result}");
    });
}

#[test]
fn what_is_wrong_is_a_problem() {
    block_on(async {
        let mut client = Client::new(&[]).await;
        for (request, status, kind) in [
            (json!({ "profile": "minimal", "argv": ["rm", "x"] }), 403, "denied"),
            (json!({ "profile": "nosuch", "argv": ["true"] }), 403, "profile"),
            (json!({ "profile": "../x", "argv": ["true"] }), 403, "profile"),
            (json!({ "profile": { "toml": "hots = 1" }, "argv": ["true"] }), 403, "profile"),
            (json!({ "profile": "minimal", "argv": [] }), 400, "request"),
            (json!({ "profile": "minimal", "argv": ["true"], "user": "root" }), 400, "request"),
            (json!("x"), 400, "request"),
            (json!({ "profile": "x".repeat(5 << 20), "argv": ["true"] }), 413, "request"),
        ] {
            let (got, problem) = client.run(request.clone()).await;
            let shown = &request.to_string()[..request.to_string().len().min(100)];
            assert_eq!(
                (got.as_u16(), &problem["error"]["kind"]),
                (status, &json!(kind)),
                "{shown}"
            );
            assert!(problem["error"]["message"].is_string(), "{shown}: {problem}");
        }
        let (status, problem) = client.ask(Method::GET, "/v1/nosuch", Value::Null).await;
        assert_eq!((status.as_u16(), &problem["error"]["kind"]), (404, &json!("request")));
        let id = "0".repeat(32);
        let (status, _) = client.ask(Method::DELETE, &format!("/v1/runs/{id}"), Value::Null).await;
        assert_eq!(status, 404);
        for stream in ["stdout", "stderr"] {
            let path = format!("/v1/runs/{id}/{stream}");
            let (status, problem) = client.ask(Method::DELETE, &path, Value::Null).await;
            assert_eq!(status, 404);
            assert!(problem["error"]["message"].as_str().unwrap().contains("no such run"));
        }
        let (status, _) = client
            .ask(Method::POST, &format!("/v1/runs/{id}/signals"), json!({ "signal": 15 }))
            .await;
        assert_eq!(status, 404);
    });
}

/// Of each stream no more is held than its bound, which is not the profile's; and so many can be.
#[test]
fn answers_in_one_piece_are_bounded_and_many() {
    block_on(async {
        let client = Client::new(&[]).await;
        let text = std::fs::read_to_string(anything()).unwrap();
        let run = |argv: &[&str]| {
            let body = json!({ "profile": { "toml": text }, "argv": argv });
            let mut client = Client { send: client.send.clone(), _agent: None };
            async move { client.run(body).await.1 }
        };
        let result = run(&["yes"]).await;
        assert_eq!(result["stdout"].as_str().unwrap().len(), 1 << 20);
        assert_eq!(
            (&result["truncated"], &result["limits_hit"]),
            (&json!(true), &json!(["output"]))
        );
        let result = run(&["head", "-c", "1048576", "/dev/zero"]).await;
        assert_eq!((&result["truncated"], &result["exit_code"]), (&json!(false), &json!(0)));
        let begun = std::time::Instant::now();
        let mut waiting = tokio::task::JoinSet::new();
        (0..16).for_each(|_| drop(waiting.spawn(run(&["sleep", "1"]))));
        for result in waiting.join_all().await {
            assert_eq!(result["exit_code"], 0, "{result}");
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_pinned_agent_takes_no_profile() {
    block_on(async {
        let mut client = Client::new(&["--pin", "minimal,readonly"]).await;
        let (status, _) = client.run(json!({ "profile": "readonly", "argv": ["true"] })).await;
        assert_eq!(status, 200);
        let text = std::fs::read_to_string(anything()).unwrap();
        let digest = shannot::wire::profile_digest(&text);
        for profile in
            [json!("diagnostics"), json!({ "toml": text }), json!({ "sha256": digest }), json!("")]
        {
            let (status, problem) = client.run(json!({ "profile": profile, "argv": ["id"] })).await;
            assert_eq!((status.as_u16(), &problem["error"]["kind"]), (403, &json!("profile")));
        }
    });
}

#[test]
fn it_describes_itself() {
    block_on(async {
        let mut client = Client::new(&[]).await;
        let (_, version) = client.ask(Method::GET, "/v1/version", Value::Null).await;
        assert_eq!(version["api"], 1);
        let (_, document) = client.ask(Method::GET, "/openapi.json", Value::Null).await;
        let published = include_str!("../../../../docs/openapi.json");
        assert_eq!(document, serde_json::from_str::<Value>(published).unwrap());
    });
}
