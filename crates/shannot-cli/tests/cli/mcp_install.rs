//! How clients come to start the program: their files, in a home of their own.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::*;
use crate::sshd::{Sshd, own};

/// The home of a user who has clients.
struct Home {
    place: Place,
    user: User,
}

impl Home {
    fn new(user: User) -> Self {
        let place = Place::new();
        fs::create_dir_all(place.path("home/project")).unwrap();
        for dir in ["home", "home/project"] {
            own(user, &place.path(dir));
        }
        Self { place, user }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path("home").join(name)
    }

    /// Writes a file of the user's, and the directories above it.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.place.write(&format!("home/{name}"), text);
        let home = self.place.path("home");
        for path in path.ancestors().take_while(|path| path.starts_with(&home)) {
            own(self.user, path);
        }
        path
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Every file below the home and what is in it, but for the record of calls.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn below(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with(".local") {
                    below(&path, found);
                } else if path.is_file() {
                    found.push((path.clone(), fs::read(&path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        below(&self.path(""), &mut found);
        found.sort();
        found
    }

    fn shannot(&self, words: &[&str]) -> Command {
        let mut command = shannot(self.user);
        command.env("HOME", self.path("")).current_dir(self.path("project"));
        command.arg("mcp").args(words);
        command
    }

    fn end(&self, words: &[&str]) -> Ended {
        end(&mut self.shannot(words))
    }

    fn install(&self, client: &str) -> Ended {
        self.end(&["install", "--no-check", "--client", client])
    }

    /// What is said; it must be refused, and nothing may be changed.
    #[track_caller]
    fn refusal(&self, words: &[&str]) -> String {
        let before = self.files();
        let ended = self.end(words);
        assert_code(&ended, 125);
        assert_eq!(self.files(), before);
        ended.complaint()
    }

    /// Where a client's own command would be looked for.
    fn command(&self, name: &str, script: &str) -> String {
        let path = self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        set_mode(&path, 0o755);
        format!("{}:/usr/bin:/bin", self.path("bin").display())
    }
}

const JSON: &str = "{\n  // of mine\n  \"theme\": \"dark\", // kept\n  \"KEY\": {\n    \
    \"other\": {\n      \"command\": \"other\",\n      \"odd\": [1, {}]\n    }\n  }\n}\n";
const TOML: &str =
    "# of mine\nmodel = \"x\" # kept\n\n[KEY.other]\ncommand = \"other\"\n\n# last\n";
const YAML: &str = "# of mine\nGOOSE_MODEL: x # kept\nKEY:\n  # about it\n  other:\n    \
    enabled: true\n    cmd: other\n    args: [a, 'b']\n# last\n";

/// Each client, its file of a user, its file of a project, the key in it, and what may be there.
const CLIENTS: [(&str, &str, Option<&str>, &str, &str); 12] = [
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", None, "mcpServers", JSON),
    ("claude-code", ".claude.json", Some(".mcp.json"), "mcpServers", JSON),
    ("codex", ".codex/config.toml", Some(".codex/config.toml"), "mcp_servers", TOML),
    ("cursor", ".cursor/mcp.json", Some(".cursor/mcp.json"), "mcpServers", JSON),
    ("vscode", ".config/Code/User/mcp.json", Some(".vscode/mcp.json"), "servers", JSON),
    ("windsurf", ".codeium/windsurf/mcp_config.json", None, "mcpServers", JSON),
    ("gemini", ".gemini/settings.json", Some(".gemini/settings.json"), "mcpServers", JSON),
    ("lm-studio", ".lmstudio/mcp.json", None, "mcpServers", JSON),
    ("zed", ".config/zed/settings.json", Some(".zed/settings.json"), "context_servers", JSON),
    ("goose", ".config/goose/config.yaml", None, "extensions", YAML),
    ("opencode", ".config/opencode/opencode.json", Some("opencode.json"), "mcp", JSON),
    ("copilot", ".copilot/mcp-config.json", Some(".mcp.json"), "mcpServers", JSON),
];

fn there(key: &str, text: &str) -> String {
    text.replace("KEY", key)
}

/// What `mcp list` knows of a client in a scope.
fn listed(home: &Home, client: &str, scope: &str) -> Value {
    let rows = home.end(&["list", "--json"]).json();
    let row = |row: &&Value| row["client"] == client && row["scope"] == scope;
    rows.as_array().unwrap().iter().find(row).cloned().unwrap_or_default()
}

#[test]
fn every_client_is_installed_into_and_given_back() {
    let home = Home::new(ordinary());
    for (client, file, _, key, text) in CLIENTS {
        for before in [None, Some(String::new()), Some(there(key, text))] {
            let path = match &before {
                Some(text) => home.write(file, text),
                None => home.path(file),
            };
            let was = home.files();
            let ended = home.install(client);
            assert_code(&ended, 0);
            let said = format!("installed `shannot` in {}\n", path.display());
            assert_eq!(ended.text(), said);
            assert!(ended.complaint().contains("next: "), "{ended:?}");
            let with = home.text(file);
            for line in before.iter().flat_map(|text| text.lines()) {
                // A comma may have come to its end.
                assert!(with.contains(line.trim_end_matches(',')), "{client}: {line}\n{with}");
            }
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(mode, if before.is_some() { 0o644 } else { 0o600 }, "{client}");
            let row = listed(&home, client, "user");
            assert_eq!(row["servers"][0]["name"], "shannot", "{row}");
            assert_eq!(row["servers"][0]["args"], json!(["mcp", "serve"]), "{row}");
            let command = row["servers"][0]["command"].as_str().unwrap();
            assert!(Path::new(command).is_absolute() && Path::new(command).exists(), "{row}");
            assert_eq!(row["found"], true, "{row}");
            // Twice is once.
            let ended = home.install(client);
            assert_code(&ended, 0);
            assert!(ended.text().starts_with("already installed: `shannot` in "), "{ended:?}");
            assert_eq!(home.text(file), with);
            assert_code(&home.end(&["uninstall", "--client", client]), 0);
            assert_eq!(home.files(), was, "{client}: {before:?}");
        }
        fs::remove_file(home.path(file)).unwrap();
    }
}

#[test]
fn a_project_has_servers_of_its_own() {
    let home = Home::new(ordinary());
    for (client, _, project, key, text) in CLIENTS {
        let words = ["install", "--no-check", "--scope", "project", "--client", client];
        let Some(file) = project else {
            let said = home.refusal(&words);
            assert!(said.contains("has no servers of a project"), "{said}");
            continue;
        };
        let before = there(key, text);
        home.write(&format!("project/{file}"), &before);
        assert_code(&home.end(&words), 0);
        assert_eq!(listed(&home, client, "project")["servers"][0]["name"], "shannot");
        let row = listed(&home, client, "user");
        assert_eq!(row["servers"], json!([]), "{row}");
        assert_code(&home.end(&["uninstall", "--scope", "project", "--client", client]), 0);
        assert_eq!(home.text(&format!("project/{file}")), before);
        fs::remove_file(home.path("project").join(file)).unwrap();
    }
}

#[test]
fn what_is_malformed_stays_and_is_told_with_its_place() {
    let home = Home::new(ordinary());
    for (client, file, _, key, text) in CLIENTS {
        let broken = match text {
            JSON => "{\n  \"a\": 1,\n  \"b\" 2\n}\n",
            TOML => "a = 1\nb = 2\nc = = 3\n",
            _ => "a: 1\nb: 2\nc: ]\n",
        };
        home.write(file, broken);
        let said = home.refusal(&["install", "--no-check", "--client", client]);
        assert!(said.contains(&format!("{file}:3:")), "{client}: {said}");
        let said = home.refusal(&["uninstall", "--client", client]);
        assert!(said.contains(&format!("{file}:3:")), "{client}: {said}");
        let listed = home.end(&["list", "--json"]);
        assert_code(&listed, 1);
        let wrong = match text {
            JSON => format!("{{\"{key}\": 1}}\n"),
            TOML => format!("{key} = 1\n"),
            _ => format!("{key}: 1\n"),
        };
        home.write(file, &wrong);
        let said = home.refusal(&["install", "--no-check", "--client", client]);
        assert!(said.contains(&format!("`{key}`: it has to be a table")), "{client}: {said}");
        fs::remove_file(home.path(file)).unwrap();
    }
}

#[test]
fn nothing_is_changed_by_looking() {
    let home = Home::new(ordinary());
    for (client, file, _, key, text) in CLIENTS {
        home.write(file, &there(key, text));
        let before = home.files();
        let shown = home.end(&["install", "--client", client, "--dry-run"]);
        assert_code(&shown, 0);
        assert!(shown.text().starts_with("would change "), "{shown:?}");
        let added = shown.text().lines().filter(|line| line.starts_with('+')).count();
        assert!(added > 2, "{shown:?}");
        let printed = home.end(&["install", "--client", client, "--print"]);
        assert_code(&printed, 0);
        assert!(printed.complaint().contains(file), "{printed:?}");
        assert_eq!(home.files(), before);
        // What is printed is what a file would have.
        let snippet = printed.text().lines().filter(|line| !line.contains("://"));
        let snippet: String =
            snippet.filter(|l| !l.starts_with("vscode:")).map(|l| format!("{l}\n")).collect();
        home.write(file, &snippet);
        let ended = home.install(client);
        assert!(ended.text().starts_with("already installed"), "{client}: {ended:?}");
        fs::remove_file(home.path(file)).unwrap();
    }
}

#[test]
fn links_lead_to_what_is_installed() {
    let home = Home::new(ordinary());
    for (client, start) in [
        ("cursor", "cursor://anysphere.cursor-deeplink/mcp/install?name=shannot&config="),
        ("vscode", "vscode:mcp/install?%7B%22"),
        ("lm-studio", "lmstudio://add_mcp?name=shannot&config="),
    ] {
        let printed = home.end(&["install", "--client", client, "--print"]);
        let link = printed.text().lines().find(|line| line.starts_with(start)).unwrap();
        let safe = |c: char| c.is_ascii_alphanumeric() || "-._~%:/?=&".contains(c);
        assert!(link.chars().all(safe), "{link}");
    }
}

#[test]
fn options_are_those_that_the_server_is_started_with() {
    let home = Home::new(ordinary());
    let config = home.write("shannot.toml", "[executor.web.1]\ntype = \"local\"\n");
    home.write("shannot.toml", "[executor.\"web.1\"]\ntype = \"ssh\"\nhost = \"h.invalid\"\n");
    let words = ["install", "--no-check", "--client", "cursor", "--target", "web.1", "--profile"];
    let words = [&words[..], &["diagnostics", "--tools", "core,rows"]].concat();
    let mut command = home.shannot(&words);
    // What the environment says here, the client's environment will not say.
    let ended = end(command.env("SHANNOT_CONFIG", &config));
    assert_code(&ended, 0);
    let row = listed(&home, "cursor", "user");
    let config = config.to_str().unwrap();
    let want = json!([
        "mcp",
        "serve",
        "--target",
        "web.1",
        "--profile",
        "diagnostics",
        "--config",
        config,
        "--tools",
        "core,rows"
    ]);
    assert_eq!(row["servers"][0]["args"], want);
    assert_eq!(row["servers"][0]["name"], "shannot-web-1");
    for (words, why) in [
        (&["--tools", "all,some"][..], "invalid value 'some'"),
        (&["--name", "a b"], "is no name for a server"),
        (&["--name", "1x"], "is no name for a server"),
        (&["--scope", "world"], "invalid value 'world'"),
        (&["--client", "emacs"], "invalid value 'emacs'"),
        (&["--profile", "nosuch"], "there is no profile `nosuch`"),
        (&["--target", "nosuch"], "there is no target `nosuch`"),
    ] {
        let said = home.refusal(&[&["install", "--client", "zed"], words].concat());
        assert!(said.contains(why), "{words:?}: {said}");
    }
}

#[test]
fn an_entry_that_is_there_is_changed_in_its_place() {
    let home = Home::new(ordinary());
    home.write(".cursor/mcp.json", &there("mcpServers", JSON));
    assert_code(&home.install("cursor"), 0);
    let own =
        home.text(".cursor/mcp.json").replace("\"args\"", "\"disabled\": true,\n      \"args\"");
    home.write(".cursor/mcp.json", &own);
    let words = ["install", "--no-check", "--client", "cursor", "--profile", "diagnostics"];
    let ended = home.end(&words);
    assert!(ended.text().starts_with("changed `shannot` in "), "{ended:?}");
    let text = home.text(".cursor/mcp.json");
    assert!(text.contains("\"disabled\": true") && text.contains("\"diagnostics\""), "{text}");
    // How it was before the first change is what is given back.
    assert_code(&home.end(&["uninstall", "--client", "cursor"]), 0);
    assert_eq!(home.text(".cursor/mcp.json"), there("mcpServers", JSON));
    assert!(!home.path(".cursor/mcp.json.shannot-backup").exists());
}

#[test]
fn what_else_has_changed_since_is_kept() {
    let home = Home::new(ordinary());
    let file = ".codex/config.toml";
    home.write(file, &there("mcp_servers", TOML));
    assert_code(&home.install("codex"), 0);
    let changed = home.text(file).replace("model = \"x\"", "model = \"y\"");
    home.write(file, &changed);
    assert_code(&home.end(&["uninstall", "--client", "codex"]), 0);
    assert_eq!(home.text(file), there("mcp_servers", TOML).replace("\"x\"", "\"y\""));
    let backup = home.text(".codex/config.toml.shannot-backup");
    assert_eq!(backup, there("mcp_servers", TOML));
}

#[test]
fn the_server_of_somebody_else_is_left_alone() {
    let home = Home::new(ordinary());
    home.write(".cursor/mcp.json", "{\"mcpServers\": {\"shannot\": {\"command\": \"other\"}}}\n");
    let said = home.refusal(&["install", "--no-check", "--client", "cursor"]);
    assert!(said.contains("that is not Shannot") && said.contains("--name"), "{said}");
    let said = home.refusal(&["uninstall", "--client", "cursor"]);
    assert!(said.contains("is not Shannot"), "{said}");
    let ended = home.end(&["install", "--no-check", "--client", "cursor", "--name", "mine"]);
    assert_code(&ended, 0);
    assert!(home.text(".cursor/mcp.json").contains("\"other\""));
    let said = home.refusal(&["uninstall", "--client", "zed"]);
    assert!(said.contains("there is no server `shannot`"), "{said}");
}

#[test]
fn all_are_those_of_this_machine() {
    let home = Home::new(ordinary());
    let said = home.refusal(&["install", "--no-check", "--client", "all"]);
    assert!(said.contains("no client is found"), "{said}");
    home.write(".cursor/x", "");
    home.write(".config/zed/settings.json", "// none\n{}\n");
    let ended = home.install("all");
    assert_code(&ended, 0);
    assert_eq!(ended.text().lines().count(), 2, "{ended:?}");
    let ended = home.end(&["uninstall", "--client", "all"]);
    assert_code(&ended, 0);
    assert_eq!(ended.text().lines().count(), 2, "{ended:?}");
    assert_eq!(home.text(".config/zed/settings.json"), "// none\n{}\n");
    let said = home.refusal(&["uninstall", "--client", "all"]);
    assert!(said.contains("no client has a server `shannot`"), "{said}");
}

#[test]
fn the_file_stays_where_a_link_leads() {
    let home = Home::new(ordinary());
    let real = home.write("dotfiles/cursor.json", "{}\n");
    set_mode(&real, 0o640);
    home.write(".cursor/x", "");
    symlink("../dotfiles/cursor.json", home.path(".cursor/mcp.json")).unwrap();
    assert_code(&home.install("cursor"), 0);
    assert!(home.path(".cursor/mcp.json").symlink_metadata().unwrap().is_symlink());
    assert!(home.text("dotfiles/cursor.json").contains("shannot"));
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    assert_code(&home.end(&["uninstall", "--client", "cursor"]), 0);
    assert_eq!(home.text(".cursor/mcp.json"), "{}\n");
    fs::remove_file(home.path(".cursor/mcp.json")).unwrap();
    symlink("../nowhere", home.path(".cursor/mcp.json")).unwrap();
    let said = home.refusal(&["install", "--no-check", "--client", "cursor"]);
    assert!(said.contains("a symbolic link to nothing"), "{said}");
}

/// Whoever wrote the project's files chose where the link leads.
#[test]
fn a_link_out_of_a_project_is_not_followed() {
    let home = Home::new(ordinary());
    home.write("private.json", "{}\n");
    symlink("../private.json", home.path("project/.mcp.json")).unwrap();
    let words = ["install", "--no-check", "--client", "claude-code", "--scope", "project"];
    let said = home.refusal(&words);
    assert!(said.contains("leads out of the project"), "{said}");
    assert_eq!(home.text("private.json"), "{}\n");
}

#[test]
fn what_is_no_file_of_ones_own_is_refused() {
    let home = Home::new(ordinary());
    let install = ["install", "--no-check", "--client", "cursor"];
    let file = home.write(".cursor/mcp.json", "{}\n");
    if everyone().len() > 1 {
        chown(&file, Some(0), None).unwrap();
        assert!(home.refusal(&install).contains("it belongs to uid 0"));
        // And root leaves nothing of its own in a user's home.
        own(home.user, &file);
        for client in ["cursor", "zed"] {
            let before = home.files();
            let mut command = shannot(everyone()[0]);
            command.env("HOME", home.path("")).args(["mcp", "install", "--no-check", "--client"]);
            let ended = end(command.arg(client));
            assert_code(&ended, 125);
            assert!(ended.complaint().contains("and you are uid 0"), "{ended:?}");
            assert_eq!(home.files(), before);
        }
        assert!(!home.path(".config").exists());
    }
    fs::write(&file, format!("{{\"a\": \"{}\"}}", "x".repeat(17 << 20))).unwrap();
    assert!(home.refusal(&install).contains("at most 16 MiB"));
    fs::write(&file, b"{\"a\": \"\xff\"}").unwrap();
    assert!(home.refusal(&install).contains("it is not UTF-8"));
    fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    own(home.user, &file);
    assert!(home.end(&install).complaint().contains("no regular file"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(home.refusal(&install).contains("no regular file"));
}

#[test]
fn a_directory_or_disk_that_takes_nothing_leaves_the_file() {
    let home = Home::new(ordinary());
    home.write(".cursor/mcp.json", "{}\n");
    set_mode(&home.path(".cursor"), 0o555);
    let install = ["install", "--no-check", "--client", "cursor"];
    let said = home.refusal(&install);
    assert!(said.contains("cannot write") && said.contains("Permission denied"), "{said}");
    set_mode(&home.path(".cursor"), 0o755);
    let before = home.files();
    let mut full = shell(home.user, "trap '' XFSZ; ulimit -f 0; exec \"$@\"");
    full.arg("sh").arg(shannot(home.user).get_program()).arg("mcp").args(install);
    full.env("HOME", home.path(""));
    let ended = end(&mut full);
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("cannot write"), "{ended:?}");
    assert_eq!(home.files(), before);
}

#[test]
fn line_ends_and_the_byte_order_mark_stay() {
    let home = Home::new(ordinary());
    for (client, file, _, key, text) in CLIENTS {
        let before = format!("\u{feff}{}", there(key, text).replace('\n', "\r\n"));
        home.write(file, &before);
        assert_code(&home.install(client), 0);
        let with = home.text(file);
        assert!(with.starts_with('\u{feff}') && !with[3..].contains('\u{feff}'), "{client}");
        assert_eq!(with.matches('\n').count(), with.matches("\r\n").count(), "{client}: {with:?}");
        assert_code(&home.end(&["uninstall", "--client", client]), 0);
        assert_eq!(home.text(file), before, "{client}");
        fs::remove_file(home.path(file)).unwrap();
    }
}

/// The client's own command is run where there is one, and not believed.
#[test]
fn what_a_clients_own_command_did_is_looked_at() {
    let home = Home::new(ordinary());
    let run = |path: &str| {
        let mut command = home.shannot(&["install", "--no-check", "--client", "codex"]);
        end(command.env("PATH", path))
    };
    let path = home.command("codex", "exit 0");
    let ended = run(&path);
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("has ended well, but"), "{ended:?}");
    home.command("codex", "echo broken >&2; exit 3");
    let ended = run(&path);
    assert_code(&ended, 0);
    assert!(ended.complaint().contains("broken); changing the file itself"), "{ended:?}");
    assert!(home.text(".codex/config.toml").contains("[mcp_servers.shannot]"));
    // Nobody is asked about what is there already.
    home.command("codex", "touch \"$HOME/asked\"");
    assert!(run(&path).text().starts_with("already installed"));
    assert!(!home.path("asked").exists());
    // A directory that is another one elsewhere is not searched.
    assert_code(&home.end(&["uninstall", "--client", "codex"]), 0);
    assert_code(&run("bin:../bin:/usr/bin:/bin"), 0);
    assert!(!home.path("asked").exists());
}

#[test]
fn a_target_that_does_not_work_is_not_installed() {
    let home = Home::new(ordinary());
    home.write(
        ".config/shannot/config.toml",
        "[executor.far]\ntype = \"ssh\"\nhost = \"127.0.0.1\"\nport = 1\n",
    );
    let before = home.files();
    let words = ["install", "--client", "cursor", "--target", "far"];
    let ended = home.end(&words);
    assert_code(&ended, 1);
    let said = ended.complaint();
    assert!(said.contains("FAILED") && said.contains("--no-check"), "{said}");
    assert_eq!(home.files(), before);
    let ended = home.end(&["install", "--client", "cursor", "--target", "far", "--no-check"]);
    assert_code(&ended, 0);
    let ended = home.end(&["install", "--client", "cursor", "--target", "local"]);
    assert_code(&ended, 0);
    assert!(ended.complaint().contains("local: boxed in tier "), "{ended:?}");
}

#[test]
fn what_is_installed_answers() {
    let sshd = Sshd::new(ordinary());
    let home = Home::new(ordinary());
    let config = sshd.place.path("config.toml");
    let config = config.to_str().unwrap();
    let words = ["--config", config, "install", "--client", "goose", "--target", "local,far"];
    let ended = home.end(&words);
    assert_code(&ended, 0);
    assert!(ended.complaint().contains("next command"), "{ended:?}");
    let tested = home.end(&["test", "--client", "goose", "--json"]);
    assert_code(&tested, 0);
    let steps = tested.json();
    let names: Vec<_> = steps.as_array().unwrap().iter().map(|step| &step["step"]).collect();
    assert_eq!(names, ["start", "initialize", "list tools", "call far", "call local", "end"]);
    assert!(steps.as_array().unwrap().iter().all(|step| step["works"] == true), "{steps}");
    let tested = home.end(&["test", "--target", "local", "--profile", "diagnostics"]);
    assert_code(&tested, 0);
    assert!(tested.text().contains("call            ok"), "{tested:?}");
}

#[test]
fn what_does_not_answer_is_told_and_ended() {
    let home = Home::new(ordinary());
    let said = home.refusal(&["test", "--client", "cursor"]);
    assert!(said.contains("is not installed in") && said.contains("mcp install"), "{said}");
    for (script, step, why) in [
        ("exit 3", "initialize", "ended"),
        ("echo hello; exec sleep 100", "initialize", "no message of the protocol: `hello`"),
        ("exec sleep 100", "initialize", "no answer to `initialize` within 10 seconds"),
    ] {
        let program = home.write("shannot", &format!("#!/bin/sh\n{script}\n"));
        set_mode(&program, 0o755);
        let server = json!({"command": program, "args": ["mcp", "serve"]});
        home.write(".cursor/mcp.json", &json!({"mcpServers": {"shannot": server}}).to_string());
        let tested = home.end(&["test", "--client", "cursor", "--json"]);
        assert_code(&tested, 1);
        let steps = tested.json();
        let last = steps.as_array().unwrap().last().unwrap();
        assert_eq!((&last["step"], &last["works"]), (&json!(step), &json!(false)));
        assert!(last["found"].as_str().unwrap().contains(why), "{steps}");
    }
    home.write(".cursor/mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"/nosuch\"}}}");
    let tested = home.end(&["test", "--client", "cursor", "--name", "a"]);
    assert_code(&tested, 1);
    assert!(tested.text().contains("cannot start `/nosuch`"), "{tested:?}");
}
