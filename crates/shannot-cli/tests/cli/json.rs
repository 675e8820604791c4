use serde_json::{Value, json};

use crate::harness::*;

/// The names of an object's members.
fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

const ALWAYS: [&str; 20] = [
    "argv",
    "cwd",
    "duration_ms",
    "enforcement",
    "exit_code",
    "limits_hit",
    "outcome",
    "profile",
    "redactions",
    "run_id",
    "signal",
    "stages",
    "stderr",
    "stderr_bytes",
    "stdout",
    "stdout_bytes",
    "target",
    "truncated",
    "denial",
    "error",
];

#[test]
fn result_is_one_object_of_known_shape() {
    for user in everyone() {
        let ended =
            end(&mut run(user, &["--json"], &["sh", "-c", "echo out; echo err >&2; exit 3"]));
        assert_code(&ended, 3);
        assert_eq!(ended.stderr, "");
        let result = ended.json();
        let mut got = names(&result);
        let mut want = ALWAYS[..18].to_vec();
        got.sort_unstable();
        want.sort_unstable();
        assert_eq!(got, want);
        let words = json!(["sh", "-c", "echo out; echo err >&2; exit 3"]);
        for (name, value) in [
            ("target", json!("local")),
            ("profile", json!("anything")),
            ("argv", words.clone()),
            ("cwd", json!("/")),
            ("outcome", json!("exited")),
            ("exit_code", json!(3)),
            ("signal", Value::Null),
            ("stdout", json!("out\n")),
            ("stderr", json!("err\n")),
            ("stdout_bytes", json!(4)),
            ("stderr_bytes", json!(4)),
            ("truncated", json!(false)),
            ("redactions", json!(0)),
            ("limits_hit", json!([])),
            ("stages", json!([{"argv": words, "exit_code": 3, "signal": null}])),
        ] {
            assert_eq!(result[name], value, "{name}");
        }
        assert!(result["duration_ms"].is_u64());
        let id = result["run_id"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        let enforcement = &result["enforcement"];
        assert_eq!(names(enforcement), ["decided_by", "engine", "layers", "passed_over", "tier"]);
        let layer = &enforcement["layers"][0];
        assert_eq!(names(layer), ["detail", "name", "status"]);
    }
}

#[test]
fn bytes_that_are_no_text_come_as_base64() {
    for user in everyone() {
        let result = end(&mut run(user, &["--json"], &["printf", "\\377\\000"])).json();
        assert_eq!(result["stdout"], Value::Null);
        assert_eq!(result["stdout_base64"], "/wA=");
        assert_eq!(result["stderr"], "");
    }
}

#[test]
fn every_stage_tells_its_own_end() {
    for user in everyone() {
        let stages = ["sh", "-c", "exit 4", "|", "sh", "-c", "kill -9 $$", "|", "cat"];
        let result = end(&mut run(user, &["--json", "--pipe"], &stages)).json();
        assert_eq!((&result["argv"], &result["exit_code"]), (&Value::Null, &json!(0)));
        assert_eq!(
            result["stages"],
            json!([
                {"argv": ["sh", "-c", "exit 4"], "exit_code": 4, "signal": null},
                {"argv": ["sh", "-c", "kill -9 $$"], "exit_code": null, "signal": 9},
                {"argv": ["cat"], "exit_code": 0, "signal": null},
            ])
        );
    }
}

#[test]
fn outcomes_have_names() {
    for user in everyone() {
        let outcome = |options: &[&str], command: &[&str]| {
            let options = [&["--json"], options].concat();
            let ended = end(&mut run(user, &options, command));
            let result = ended.json();
            assert_eq!(Some(result["exit_code"].as_i64().unwrap()), ended.code.map(i64::from));
            (result["outcome"].as_str().unwrap().to_owned(), ended.code.unwrap())
        };
        let want = |name: &str, code| (name.to_owned(), code);
        assert_eq!(outcome(&[], &["true"]), want("exited", 0));
        assert_eq!(outcome(&[], &["sh", "-c", "kill -9 $$"]), want("signaled", 137));
        assert_eq!(outcome(&["--timeout", "100ms"], &["sleep", "9"]), want("timed_out", 124));
        assert_eq!(outcome(&[], &["nosuch"]), want("failed", 127));
        assert_eq!(outcome(&[], &["./x"]), want("failed", 125));
        assert_eq!(outcome(&["--cwd", "/nosuch"], &["true"]), want("failed", 125));
    }
}

#[test]
fn denial_is_an_object() {
    for user in everyone() {
        let ended = end(shannot(user).args(["run", "--json", "find", "/", "-delete"]));
        assert_code(&ended, 126);
        assert_eq!(ended.stderr, "");
        let result = ended.json();
        assert_eq!(result["outcome"], "denied");
        assert_eq!(result["enforcement"], Value::Null);
        let denial = &result["denial"];
        assert_eq!(names(denial), ["hint", "rule", "stage", "why", "word"]);
        assert!(denial["rule"].as_str().unwrap().starts_with("commands.find.rules["));
        assert!(!denial["why"].as_str().unwrap().is_empty());
    }
}

#[test]
fn failure_is_an_object_too() {
    for user in everyone() {
        let ended = end(shannot(user).args(["run", "--json", "--profile", "nosuch", "ls"]));
        assert_code(&ended, 125);
        let result = ended.json();
        assert_eq!(result["error"], "there is no profile `nosuch`");
        assert_eq!(result["argv"], json!(["ls"]));
    }
}

#[test]
fn output_is_held_up_to_the_profiles_limit() {
    let place = Place::new();
    let text = "version = 1\nname = \"small\"\n[limits]\noutput = \"1KiB\"\n\
        [commands.yes]\nabout = \"y\"\n[commands.head]\nabout = \"h\"\n";
    let path = place.write("small.toml", text);
    for user in everyone() {
        let run = |words: &[&str]| {
            let mut command = shannot(user);
            end(command.args(["run", "--json", "--profile"]).arg(&path).args(words))
        };
        let ended = run(&["yes", "né"]);
        assert_code(&ended, 125);
        let result = ended.json();
        assert_eq!((&result["outcome"], &result["truncated"]), (&json!("limit"), &json!(true)));
        assert_eq!(result["limits_hit"], json!(["output"]));
        let held = result["stdout"].as_str().unwrap().len();
        assert!((1023..=1024).contains(&held), "{held}");
        let result = run(&["head", "-c", "1024", "/dev/zero"]).json();
        assert_eq!((&result["outcome"], &result["truncated"]), (&json!("exited"), &json!(false)));
    }
}

#[test]
fn limit_on_cpu_time_is_told() {
    let place = Place::new();
    let text = "version = 1\nname = \"small\"\n[limits]\ncpu = \"1s\"\n\
        [commands.sh]\nabout = \"s\"\nsyntax = \"plain\"\n";
    let path = place.write("small.toml", text);
    for user in everyone() {
        let mut command = shannot(user);
        command.args(["run", "--json", "--profile"]).arg(&path);
        let ended = end(command.args(["sh", "-c", "while :; do :; done"]));
        assert_code(&ended, 125);
        let result = ended.json();
        assert_eq!(result["outcome"], "limit");
        assert_eq!(result["limits_hit"], json!(["cpu"]));
    }
}
