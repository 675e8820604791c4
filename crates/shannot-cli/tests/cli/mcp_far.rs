//! An MCP server whose targets are other hosts: a real sshd, and the helper behind it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::*;
use crate::mcp::{Server, text};
use crate::sshd::{Sshd, count, marker, wait};

/// A server for this machine and for a host behind SSH, with these options besides.
fn server(sshd: &Sshd, options: &[&str]) -> Server {
    let config = sshd.place.path("config.toml");
    let profile = anything().to_str().unwrap();
    let own = ["--config", config.to_str().unwrap(), "--profile", profile];
    Server::start_bare(Server::place(), &[&own, options].concat())
}

#[test]
fn several_hosts_are_asked_at_once() {
    let sshd = Sshd::new(ordinary());
    let mut server = server(&sshd, &["--target", "local,far"]);
    let arguments = json!({"argv": ["echo", "a"], "targets": ["local", "far", "nosuch", "far"]});
    let result = server.call("run_command", arguments);
    let results = result["structuredContent"]["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|one| (&one["target"], &one["outcome"])).collect();
    let [far, local, nosuch] = ["far", "local", "nosuch"].map(|name| json!(name));
    let [exited, failed] = ["exited", "failed"].map(|end| json!(end));
    assert_eq!(told, [(&far, &exited), (&local, &exited), (&nosuch, &failed)]);
    assert_eq!(result["isError"], true, "one of them has failed");
    assert!(text(&result).starts_with("[far] \na\n[local] \na\n[nosuch] \n"), "{result}");
    let both = json!({"argv": ["sleep", "1"], "targets": ["local", "far"]});
    let begun = Instant::now();
    assert_eq!(server.call("run_command", both)["isError"], false);
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
    for (arguments, why) in [
        (json!({"argv": ["true"], "targets": []}), "`targets` is empty"),
        (json!({"argv": ["true"], "targets": ["far"], "target": "far"}), "either"),
    ] {
        assert!(text(&server.call("run_command", arguments)).contains(why));
    }
}

#[test]
fn a_call_that_is_cancelled_ends_its_box_on_the_host() {
    let sshd = Sshd::new(ordinary());
    let mut server = server(&sshd, &["--target", "far"]);
    assert_eq!(text(&server.run(&["echo", "a"])), "a\n");
    let mark = marker();
    let call = json!({"name": "run_command", "arguments": {"argv": ["sleep", mark]}});
    let id = server.request("tools/call", call);
    wait(|| count(&mark) == 1);
    server.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": id}}));
    let begun = Instant::now();
    wait(|| count(&mark) == 0);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// Every tool and resource is there for a host behind SSH as it is here.
#[test]
fn a_host_behind_ssh_is_offered_as_this_machine_is() {
    let sshd = Sshd::new(ordinary());
    let mut server = server(&sshd, &["--target", "far,local", "--tools", "all"]);
    let list = server.ask("tools/list", json!({}))["result"]["tools"].clone();
    let named = |name: &str| list.as_array().unwrap().iter().any(|tool| tool["name"] == name);
    assert!(named("sandbox_far_anything") && named("sandbox_anything"), "{list}");
    let result = server.call("sandbox_far_anything", json!({"argv": ["echo", "a"]}));
    assert_eq!((text(&result), &result["structuredContent"]["target"]), ("a\n", &json!("far")));
    let disks = server.call("list_disks", json!({"target": "far", "path": "/"}));
    assert_eq!(disks["structuredContent"]["rows"][0]["mounted_on"], "/", "{disks}");
    let mut read = |rest: &str| -> Value {
        let answer = server.ask("resources/read", json!({"uri": format!("shannot://{rest}")}));
        let text = answer["result"]["contents"][0]["text"].as_str();
        serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap()
    };
    assert!(read("facts/far")["memory_bytes"].as_u64() > Some(1 << 20));
    assert_eq!(read("doctor/far")["profile"], "anything");
    let params = json!({"ref": {"type": "ref/prompt", "name": "disk_usage"},
        "argument": {"name": "path", "value": "/etc/os-rel"},
        "context": {"arguments": {"target": "far"}}});
    let completed = server.ask("completion/complete", params);
    assert_eq!(completed["result"]["completion"]["values"], json!(["/etc/os-release"]));
}

/// A host that has gone is told, and the others answer.
#[test]
fn a_host_that_is_gone_is_told() {
    let mut sshd = Sshd::new(ordinary());
    let mut server = server(&sshd, &["--target", "far,local"]);
    assert_eq!(
        text(&server.call("run_command", json!({"argv": ["echo", "a"], "target": "far"}))),
        "a\n"
    );
    sshd.kill();
    let result = server.call("run_command", json!({"argv": ["echo", "a"], "target": "far"}));
    assert!(result["isError"] == true && text(&result).contains("far"), "{result}");
    let here = server.call("run_command", json!({"argv": ["echo", "b"], "target": "local"}));
    assert_eq!(text(&here), "b\n");
}
