use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::targets::Targets;

fn parse(text: &str) -> Result<Stated, TextError> {
    Stated::parse(text, &Arc::from(Path::new("config.toml")), Some(Path::new("/home/me")))
}

/// What the roadmap of 2025 shows.
const ROADMAP: &str = r#"
default_executor = "local"

[executor.local]
type = "local"

[executor.prod]
type = "ssh"
host = "prod-server.example.com"
username = "admin"
key_file = "~/.ssh/id_ed25519"
port = 22
profile = "diagnostics"

[executor.edge]
type = "http"
url = "https://edge.example.com:7443"
token_file = "~/.config/shannot/edge.token"
"#;

#[test]
fn the_configuration_of_the_roadmap_is_read() {
    let targets = Targets::new(vec![parse(ROADMAP).unwrap()]).unwrap();
    let prod = targets.targets.get(&"prod".parse().unwrap()).unwrap();
    let Executor::Ssh(ssh) = &prod.executor else { panic!("{prod:?}") };
    assert_eq!(ssh.destination().to_string(), "admin@prod-server.example.com:22");
    let key = ssh.key_file.as_ref().unwrap();
    assert_eq!(key.value, Path::new("/home/me/.ssh/id_ed25519"));
    assert_eq!(key.origin.to_string(), "config.toml:11");
    assert_eq!(prod.profile.as_ref().unwrap().value.as_str(), "diagnostics");
    assert!(ssh.strict_host_key.value && ssh.strict_host_key.origin == Origin::Default);
    assert_eq!((ssh.connect_timeout.value, ssh.deploy.value), (Timeout::secs(10), Deploy::Ask));
    let edge = targets.targets.get(&"edge".parse().unwrap()).unwrap();
    let Executor::Http(http) = &edge.executor else { panic!("{edge:?}") };
    assert_eq!(http.url.value.to_string(), "https://edge.example.com:7443");
}

#[test]
fn a_later_file_replaces_entries_whole() {
    let system = "default_executor = \"a\"\n[executor.a]\ntype = \"ssh\"\nhost = \"x\"\nport = 7\n\
        [executor.b]\ntype = \"ssh\"\nhost = \"y\"\n[group]\nall = [\"a\", \"b\"]\n";
    let user = "[executor.a]\ntype = \"ssh\"\nhost = \"z\"\n";
    let targets = Targets::new(vec![parse(system).unwrap(), parse(user).unwrap()]).unwrap();
    assert_eq!(targets.default.value.as_str(), "a");
    let Executor::Ssh(a) = &targets.targets[&"a".parse().unwrap()].executor else { panic!() };
    assert_eq!(a.destination().to_string(), "z");
    assert_eq!(targets.groups.len(), 1);
    assert_eq!(targets.targets.len(), 3, "and `local` always");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let ssh = "[executor.x]\ntype = \"ssh\"\nhost = \"h\"\n";
    let with = |key: &str| format!("{ssh}{key}\n");
    for (text, place, message, hint) in [
        ("defalt_executor = \"x\"".to_owned(), "1:1", "unknown field", "`default_executor`"),
        ("default_executor = \"x\"".to_owned(), "1:20", "no executor `x`", "there are `local`"),
        (with("prot = 22"), "4:1", "unknown field", "did you mean `port`?"),
        (with("port = 0"), "4:8", "`0` is not a port", ""),
        (with("port = 70000"), "4:8", "`70000` is not a port", ""),
        (with("port = \"22\""), "4:8", "expected", ""),
        (with("username = \"a b\""), "4:12", "contains ' '", ""),
        (with("key_file = \"id\""), "4:12", "neither absolute", ""),
        (with("key_file = \"$HOME/id\""), "4:12", "neither absolute", ""),
        (with("deploy = \"always\""), "4:10", "unknown variant", ""),
        (with("connect_timeout = \"0s\""), "4:19", "not a duration", ""),
        (with("url = \"https://h\""), "4:7", "is a key of the type `http`", ""),
        (with("type = \"ssh\""), "4:1", "duplicate key", ""),
        ("[executor.x]\ntype = \"ssh\"".to_owned(), "1:11", "needs `host`", ""),
        ("[executor.x]\nhost = \"h\"".to_owned(), "1:1", "missing field `type`", ""),
        ("[executor.x]\ntype = \"http\"".to_owned(), "1:11", "needs `url`", ""),
        ("[executor.x]\ntype = \"shs\"".to_owned(), "2:8", "unknown variant", "`ssh`"),
        ("[executor.x]\ntype = \"local\"".to_owned(), "1:11", "no other name", ""),
        ("[executor.local]\ntype = \"ssh\"\nhost = \"h\"".to_owned(), "1:11", "this machine", ""),
        ("[executor.\"-x\"]\ntype = \"ssh\"".to_owned(), "1:11", "no name for a target", ""),
        ("[executor.\"a,b\"]\ntype = \"ssh\"".to_owned(), "1:11", "no name for a target", ""),
        ("[group]\nweb = []".to_owned(), "2:7", "without targets", ""),
        ("[group]\nweb = [\"local\", \"local\"]".to_owned(), "2:17", "there already", ""),
        ("[group]\nweb = [\"nosuch\"]".to_owned(), "2:8", "no executor `nosuch`", ""),
        ("[executor.x\n".to_owned(), "1:12", "", ""),
        // Between the parentheses that are put around it, it would match anything.
        (
            "[tool.t]\ndescription = \"\"\ncommand = [\"echo\", \"{p}\"]\n\
             parameters.p = { type = \"string\", pattern = \"a)|(?:b\" }"
                .to_owned(),
            "4:45",
            "unopened group",
            "",
        ),
    ] {
        let read = parse(&text).and_then(|stated| Targets::new(vec![stated]).map(drop));
        let error = read.map(drop).expect_err(&text);
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("config.toml:{place}: ")), "{text}\n{shown}");
        assert!(shown.contains(message), "{text}\n{shown}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{text}\n{:?}", error.hint());
    }
}

/// The host's name goes to `ssh`: what [`HostName`] refuses, the file may not state.
#[test]
fn a_host_is_no_option_of_ssh() {
    let text = "[executor.x]\ntype = \"ssh\"\nhost = \"-oProxyCommand=id\"\n";
    assert!(parse(text).unwrap_err().to_string().contains("begins with `-`"));
}

#[test]
fn the_published_schema_is_that_of_the_reader() {
    let schema = schemars::generate::SchemaSettings::draft07().into_generator();
    let mut schema = schema.into_root_schema_for::<File>();
    schema.insert("title".to_owned(), "The configuration of Shannot".into());
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.schema.json");
    if std::env::var_os("SHANNOT_CONFIG_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap();
    assert!(
        published == text,
        "docs/config.schema.json is not what the reader takes; write it with SHANNOT_CONFIG_SCHEMA=1"
    );
}
