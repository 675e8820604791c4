//! The configuration, and the targets in it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::*;

/// A directory of configuration that a user may write to, and the file in it.
struct Home {
    place: Place,
    user: User,
}

impl Home {
    fn new(user: User) -> Self {
        let place = Place::new();
        let dir = place.path("shannot");
        fs::create_dir(&dir).unwrap();
        let home = Self { place, user };
        home.own(&dir);
        home.own(dir.parent().unwrap());
        home
    }

    fn own(&self, path: &Path) {
        if rustix::process::getuid().is_root() {
            chown(path, Some(self.user.uid), Some(self.user.gid)).unwrap();
        }
    }

    fn file(&self) -> PathBuf {
        self.place.path("shannot/config.toml")
    }

    fn write(&self, text: &str) {
        self.own(&self.place.write("shannot/config.toml", text));
        self.own(self.file().parent().unwrap());
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// What is beside the file, sorted.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.file().parent().unwrap()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn shannot(&self, words: &[&str]) -> Command {
        let mut command = shannot(self.user);
        command.env("XDG_CONFIG_HOME", self.place.path("")).args(words);
        command
    }

    fn end(&self, words: &[&str]) -> Ended {
        end(&mut self.shannot(words))
    }

    /// What is said; it must be refused, and nothing may be changed.
    #[track_caller]
    fn refusal(&self, words: &[&str]) -> String {
        let before = fs::read(self.file()).ok();
        let ended = self.end(words);
        assert_code(&ended, 125);
        assert_eq!(fs::read(self.file()).ok(), before);
        ended.complaint()
    }
}

const COMMENTED: &str = "\
# Mine.
default_executor = \"local\" # here

[executor.web1]  # the first
type = \"ssh\"
host = \"10.0.0.1\"

# Both.
[group]
web = [\"web1\", \"local\"] # two
one = [\"web1\"]
";

#[test]
fn a_target_is_added_listed_and_removed() {
    for user in everyone() {
        let home = Home::new(user);
        assert_code(&home.end(&["remote", "add", "prod", "--host", "prod.example.com"]), 0);
        assert_eq!(home.text(), "[executor.prod]\ntype = \"ssh\"\nhost = \"prod.example.com\"\n");
        let add = ["remote", "add", "root@db:2222", "--profile", "diagnostics"];
        assert_code(&home.end(&add), 0);
        let list = home.end(&["remote", "list", "--json"]).json();
        let told = |at: usize| {
            let told = ["name", "type", "address", "profile"].map(|key| list[at][key].clone());
            told.map(|value| value.as_str().unwrap_or("-").to_owned()).join(" ")
        };
        assert_eq!(told(0), "db ssh root@db:2222 diagnostics");
        assert_eq!(told(1), "local local - -");
        assert_eq!(told(2), "prod ssh prod.example.com -");
        assert_eq!(list[2]["line"], 1);
        assert!(home.end(&["remote", "list"]).text().contains("root@db:2222"));
        assert_code(&home.end(&["remote", "remove", "prod"]), 0);
        assert!(!home.text().contains("prod"), "{}", home.text());
        assert!(home.refusal(&["remote", "remove", "prod"]).contains("no target `prod`"));
    }
}

#[test]
fn comments_and_order_stay() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    assert_code(&home.end(&["remote", "add", "db", "--host", "db"]), 0);
    let text = home.text();
    let added = "\n[executor.db]\ntype = \"ssh\"\nhost = \"db\"\n";
    assert_eq!(text.replacen(added, "", 1), COMMENTED, "{text}");
    assert_code(&home.end(&["remote", "remove", "db"]), 0);
    assert_eq!(home.text(), COMMENTED);
    assert_code(&home.end(&["remote", "add", "web1", "other", "--force"]), 0);
    assert_eq!(home.text(), COMMENTED.replace("10.0.0.1", "other"));
    let ended = home.end(&["remote", "remove", "web1"]);
    assert!(ended.text().contains("from the groups web, one"), "{ended:?}");
    let left = "# Mine.\ndefault_executor = \"local\" # here\n\n# Both.\n[group]\n\
        web = [\"local\"] # two\n";
    assert_eq!(home.text(), left);
}

#[test]
fn a_comment_goes_with_what_it_is_about() {
    let home = Home::new(ordinary());
    let ssh = "type = \"ssh\"\nhost = \"h\" # its\n";
    let (top, end) = ("# The top.\n\n", "\n# The end.\n");
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("# {name}\n[executor.{name}]\n{ssh}"));
    home.write(&format!("{top}{a}\n{b}\n{c}{end}"));
    for (name, left) in [
        ("a", format!("{top}{b}\n{c}{end}")),
        ("c", format!("{top}{b}{end}")),
        ("b", format!("# The top.\n{end}")),
    ] {
        assert_code(&home.end(&["remote", "remove", name]), 0);
        assert_eq!(home.text(), left);
    }
    home.write(&format!("{a}# as asked\nport = 22 # the usual\nprofile = \"minimal\"\n"));
    assert_code(&home.end(&["remote", "add", "a", "g:23", "--force"]), 0);
    let left = "# a\n[executor.a]\ntype = \"ssh\"\nhost = \"g\" # its\n\
        # as asked\nport = 23 # the usual\n";
    assert_eq!(home.text(), left);
}

/// Whatever way of TOML's a table is written in.
#[test]
fn every_spelling_is_edited() {
    for text in [
        "executor = { a = { type = \"ssh\", host = \"h\" } }\n[group]\ng = [\"a\"]\n",
        "executor.a = { type = \"ssh\", host = \"h\" }\ngroup = { g = [\"a\"] }\n",
        "executor.a.type = \"ssh\"\nexecutor.a.host = \"h\"\ngroup.g = [\"a\"]\n",
        "[executor]\na = { type = \"ssh\", host = \"h\" }\n[group]\ng = [\n  \"a\", # it\n]\n",
        "[\"executor\".'a']\r\ntype = \"ssh\"\r\nhost = \"h\"\r\n[group]\r\ng = [\"a\"]\r\n",
    ] {
        let home = Home::new(ordinary());
        home.write(text);
        assert_code(&home.end(&["remote", "add", "b", "h"]), 0);
        assert_code(&home.end(&["remote", "add", "a", "other", "--force"]), 0);
        let list = home.end(&["remote", "list", "--json"]).json();
        assert_eq!((&list[0]["address"], &list[1]["name"]), (&"other".into(), &"b".into()));
        assert_eq!(list[0]["groups"][0], "g", "{}", home.text());
        assert_code(&home.end(&["remote", "remove", "a"]), 0);
        let list = home.end(&["remote", "list", "--json"]).json();
        assert_eq!(list.as_array().unwrap().len(), 2, "{}", home.text());
        assert!(!home.text().contains("\"a\""), "{}", home.text());
    }
}

#[test]
fn a_file_keeps_its_mode_and_group() {
    for user in everyone() {
        let home = Home::new(user);
        home.write(COMMENTED);
        for mode in [0o600, 0o640, 0o644] {
            set_mode(&home.file(), mode);
            if rustix::process::getuid().is_root() && user.uid == 0 {
                chown(home.file(), None, Some(33)).unwrap();
            }
            let group = fs::metadata(home.file()).unwrap().gid();
            let program = shannot(user).get_program().to_owned();
            let mut shell = shell(user, "umask 077; \"$1\" remote add db h --force");
            shell.env("XDG_CONFIG_HOME", home.place.path("")).arg("sh").arg(program);
            assert_code(&end(&mut shell), 0);
            let found = fs::metadata(home.file()).unwrap();
            assert_eq!((found.mode() & 0o777, found.gid()), (mode, group));
        }
    }
}

#[test]
fn what_cannot_be_a_target_is_refused() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    for (words, why) in [
        (&["prod", "--host", "-oProxyCommand=id"][..], "begins with `-`"),
        (&["prod", "--host=-oProxyCommand=id"], "begins with `-`"),
        (&["prod", "a b@host"], "contains ' '"),
        (&["prod", "--host", "h", "--user", "a b"], "contains ' '"),
        (&["prod", "--host", "h", "--user", "-l"], "begins with `-`"),
        (&["prod", "h", "--port", "0"], "`0` is not a port"),
        (&["prod", "h", "--port", "70000"], "`70000` is not a port"),
        (&["prod", "h:22", "--port", "23"], "given twice"),
        (&["prod", "a@h", "--user", "b"], "given twice"),
        (&["a,b", "h"], "no name for a target"),
        (&["@web", "h"], "no name for a target"),
        (&["::1"], "`shannot remote add NAME HOST`"),
        (&["web1", "h"], "there is a target `web1` already"),
        (&["local", "h"], "`local` is this machine"),
        (&["prod", "h", "--profile", "nosuch"], "no profile `nosuch`"),
        (&["prod", "--url", "http://edge.example.com"], "not encrypted"),
        (&["prod", "h", "--url", "https://edge"], "cannot be used with"),
        (&["prod", "h", "--key", "/nosuch/key"], "/nosuch/key"),
        (&["prod", "h", "--key", "/etc/passwd"], "chmod 600 /etc/passwd"),
    ] {
        let said = home.refusal(&[&["remote", "add"], words].concat());
        assert!(said.contains(why), "{words:?}: {said}");
    }
    assert!(home.refusal(&["remote", "remove", "local"]).contains("without configuration"));
    home.write("default_executor = \"a\"\n[executor.a]\ntype = \"ssh\"\nhost = \"h\"\n");
    assert!(home.refusal(&["remote", "remove", "a"]).contains("no executor `a`"));
}

#[test]
fn a_key_is_written_with_its_whole_path() {
    let home = Home::new(ordinary());
    let key = home.place.write("id", "secret");
    home.own(&key);
    let said = home.refusal(&["remote", "add", "x", "h", "--key", key.to_str().unwrap()]);
    assert!(said.contains("mode 0644"), "{said}");
    set_mode(&key, 0o600);
    let mut add = home.shannot(&["remote", "add", "x", "h", "--key", "id"]);
    assert_code(&end(add.current_dir(home.place.path(""))), 0);
    assert!(home.text().contains(&format!("key_file = \"{}\"", key.display())), "{}", home.text());
    assert_code(&home.end(&["config", "check"]), 0);
    set_mode(&key, 0o644);
    let checked = home.end(&["config", "check", "--json"]);
    assert_code(&checked, 1);
    let finding = &checked.json()[0];
    assert_eq!((&finding["line"], &finding["key"]), (&4.into(), &"executor.x.key_file".into()));
}

/// Each holds the lock while it reads, edits and writes.
#[test]
fn of_adds_at_once_none_is_lost() {
    for user in everyone() {
        let home = Home::new(user);
        let adds: Vec<_> = (0..24)
            .map(|n| home.shannot(&["remote", "add", &format!("t{n}"), "h"]).spawn().unwrap())
            .collect();
        for mut add in adds {
            assert!(add.wait().unwrap().success());
        }
        let list = home.end(&["remote", "list", "--json"]).json();
        assert_eq!(list.as_array().unwrap().len(), 25, "{}", home.text());
    }
}

#[test]
fn a_file_that_is_not_right_stays_as_it_is() {
    let home = Home::new(ordinary());
    for (text, place) in [("[executor.x\n", "1:12: "), ("hots = 1\n", "1:1: "), ("\u{0}", "1:2: ")]
    {
        home.write(text);
        let said = home.refusal(&["remote", "add", "prod", "h"]);
        assert!(said.contains(&format!("config.toml:{place}")), "{said}");
        assert!(home.refusal(&["run", "true"]).contains(&format!("config.toml:{place}")));
        let checked = home.end(&["config", "check", "--json"]);
        assert_code(&checked, 1);
        assert_eq!(checked.json()[0]["line"], 1);
    }
}

#[test]
fn a_file_that_is_none_or_anybodys_is_refused() {
    for user in everyone() {
        let home = Home::new(user);
        let add = ["remote", "add", "prod", "h"];
        symlink("config.toml", home.file()).unwrap();
        assert!(home.refusal(&add).contains("it is a symbolic link"));
        fs::remove_file(home.file()).unwrap();
        fs::create_dir(home.file()).unwrap();
        assert!(home.refusal(&add).contains("it is no regular file"));
        fs::remove_dir(home.file()).unwrap();
        home.write("");
        set_mode(&home.file(), 0o666);
        assert!(home.refusal(&add).contains("as configuration: others may write to it"));
        assert!(home.refusal(&["run", "true"]).contains("others may write to it"));
        set_mode(&home.file(), 0o644);
        assert_code(&home.end(&add), 0);
    }
}

/// Where anybody may put a file or take it away, neither the file nor that there is none says
/// anything; and nothing is left there.
#[test]
fn a_directory_that_anybody_may_write_to_is_refused() {
    for user in everyone() {
        let home = Home::new(user);
        set_mode(home.file().parent().unwrap(), 0o777);
        for words in [&["remote", "add", "prod", "h"][..], &["remote", "remove", "prod"]] {
            assert!(home.refusal(words).contains("anybody may replace it"));
        }
        assert!(home.refusal(&["run", "true"]).contains("anybody may replace it"));
        assert_eq!(home.left(), [""; 0]);
        set_mode(home.file().parent().unwrap(), 0o755);
        assert_code(&home.end(&["run", "true"]), 0);
    }
}

/// A lock of root's there would keep the user out from then on.
#[test]
fn root_leaves_nothing_in_the_directory_of_a_user() {
    if everyone().len() < 2 {
        return;
    }
    let home = Home::new(ordinary());
    let mut add = shannot(everyone()[0]);
    add.env("XDG_CONFIG_HOME", home.place.path("")).args(["remote", "add", "prod", "h"]);
    let ended = end(&mut add);
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("its directory belongs to uid"), "{ended:?}");
    assert_eq!(home.left(), [""; 0]);
    assert_code(&home.end(&["remote", "add", "prod", "h"]), 0);
}

#[test]
fn nothing_is_made_for_what_is_refused() {
    let home = Home::new(ordinary());
    let named = home.place.path("nosuch/config.toml");
    let words = ["--config", named.to_str().unwrap(), "remote", "add", "prod", "h"];
    assert!(home.refusal(&words).contains("No such file or directory"));
    assert!(!named.parent().unwrap().exists());
    assert!(home.refusal(&["remote", "remove", "prod"]).contains("no target `prod`"));
    assert_eq!(home.left(), [""; 0]);
}

/// The directory of the user's configuration is the user's alone.
#[test]
fn a_directory_that_is_made_is_closed_to_others() {
    let home = Home::new(ordinary());
    fs::remove_dir(home.file().parent().unwrap()).unwrap();
    let mut shell = shell(home.user, "umask 0; \"$@\" remote add prod h && \"$@\" remote list");
    let program = shannot(home.user).get_program().to_owned();
    shell.env("XDG_CONFIG_HOME", home.place.path("")).arg("sh").arg(program);
    assert_code(&end(&mut shell), 0);
    let mode = fs::metadata(home.file().parent().unwrap()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// As long as another one edits it, and not for ever.
#[test]
fn a_lock_that_is_held_is_told() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    let lock = home.place.write("shannot/.config.toml.lock", "");
    home.own(&lock);
    let held = fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    let said = home.refusal(&["remote", "add", "prod", "h"]);
    assert!(said.contains("another process has been editing it"), "{said}");
    drop(held);
    assert_code(&home.end(&["remote", "add", "prod", "h"]), 0);
}

/// It could not be read afterwards.
#[test]
fn a_file_does_not_grow_beyond_what_is_read() {
    let home = Home::new(ordinary());
    home.write(&format!("{COMMENTED}#{}\n", "x".repeat((1 << 20) - COMMENTED.len() - 40)));
    let said = home.refusal(&["remote", "add", "prod", "prod.example.com"]);
    assert!(said.contains("more than 1 MiB"), "{said}");
}

/// As editors on Windows save it.
#[test]
fn line_ends_and_the_byte_order_mark_stay() {
    let home = Home::new(ordinary());
    let text = format!("\u{feff}{}", COMMENTED.replace('\n', "\r\n"));
    home.write(&text);
    assert_code(&home.end(&["remote", "add", "db", "--host", "db"]), 0);
    assert!(home.text().contains("[executor.db]\r\ntype"), "{:?}", home.text());
    assert_code(&home.end(&["remote", "remove", "db"]), 0);
    assert_eq!(home.text(), text);
    home.write("\u{feff}hots = 1\n");
    assert!(home.refusal(&["remote", "list"]).contains("config.toml:1:1: "));
}

#[test]
fn comments_of_members_and_of_the_file_stay() {
    let home = Home::new(ordinary());
    let ssh = "type = \"ssh\"\nhost = \"h\"\n";
    let group = "[group]\ng = [\n  \"a\", # one\n  # of b\n  \"b\", # two\n  \"c\" # three\n]\n";
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("[executor.{name}]\n{ssh}"));
    home.write(&format!("#:schema config.schema.json\n{a}{b}{c}{group}"));
    for name in ["b", "a"] {
        assert_code(&home.end(&["remote", "remove", name]), 0);
        let text = home.text();
        assert!(text.starts_with("#:schema config.schema.json\n"), "{text}");
        for comment in ["# one", "# of b", "# two", "# three"] {
            assert!(text.contains(comment), "{comment}: {text}");
        }
        assert_code(&home.end(&["config", "check"]), 0);
    }
}

#[test]
fn what_is_lost_is_told() {
    let home = Home::new(ordinary());
    let keys = "port = 2222\nknown_hosts = \"/etc/hosts\"\n";
    home.write(&format!("[executor.a]\ntype = \"ssh\"\nhost = \"h\"\n{keys}"));
    let ended = home.end(&["remote", "add", "a", "g", "--force"]);
    assert!(ended.text().contains("without its port, known_hosts"), "{ended:?}");
    let ended = home.end(&["remote", "add", "a", "g", "--force"]);
    assert!(!ended.text().contains("without"), "{ended:?}");
}

#[test]
fn what_ssh_would_read_otherwise_is_refused() {
    let home = Home::new(ordinary());
    for (key, why) in [
        ("key_file = \"/k%h\"", "`ssh` reads `%`"),
        ("key_file = \"/${HOME}/k\"", "`ssh` reads `${`"),
        ("known_hosts = '/k\"'", "`ssh` reads `\"`"),
        ("known_hosts = '/k\\x'", "`ssh` reads `\\`"),
        ("helper_path = \"~/a b\"", "may have letters"),
        ("helper_path = \"/a/$(id)\"", "may have letters"),
        ("helper_path = \"~/../x\"", "no `..`"),
        ("port = 22.0", "a port, a whole number"),
        ("port = 99999999999999999999", "port"),
    ] {
        home.write(&format!("[executor.a]\ntype = \"ssh\"\nhost = \"h\"\n{key}\n"));
        let said = home.refusal(&["remote", "list"]);
        assert!(said.contains(why) && said.contains("config.toml:4:"), "{key}: {said}");
    }
    for (text, why) in [
        ("[executor.Local]\ntype = \"ssh\"\nhost = \"h\"\n", "`local` is this machine"),
        ("[[executor.a]]\ntype = \"ssh\"\nhost = \"h\"\n", "written `[executor.NAME]`"),
    ] {
        home.write(text);
        let said = home.refusal(&["remote", "list"]);
        assert!(said.contains(why), "{text}: {said}");
    }
}

/// What it says cannot be known, and might be that commands run elsewhere.
#[test]
fn a_file_that_cannot_be_read_is_not_passed_over() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    set_mode(&home.file(), 0o000);
    let ended = home.end(&["run", "true"]);
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("hint: let your user read it"), "{ended:?}");
}

#[test]
fn a_directory_that_cannot_be_written_to_is_told() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    set_mode(home.file().parent().unwrap(), 0o555);
    let said = home.refusal(&["remote", "add", "prod", "h"]);
    assert!(said.contains("cannot write") && said.contains("Permission denied"), "{said}");
}

/// With the umask of many distributions the group may write, and such a file is not trusted.
#[test]
fn what_was_added_is_trusted_whatever_the_umask() {
    let home = Home::new(ordinary());
    let mut shell = shell(home.user, "umask 002; \"$@\" remote add prod h && \"$@\" remote list");
    let program = shannot(home.user).get_program().to_owned();
    shell.env("XDG_CONFIG_HOME", home.place.path("")).arg("sh").arg(program);
    assert_code(&end(&mut shell), 0);
}

#[test]
fn every_value_is_shown_with_its_origin() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    let file = home.file();
    let shown = home.end(&["config", "show"]);
    let line = |text: &str| {
        let found = shown.text().lines().find(|line| line.starts_with(text));
        found.unwrap_or_else(|| panic!("{text}: {shown:?}")).to_owned()
    };
    assert!(line("default_executor = ").ends_with(&format!("# {}:2", file.display())));
    assert!(line("host = \"10.0.0.1\"").ends_with("config.toml:6"));
    assert!(line("deploy = \"ask\"").ends_with("# default"));
    assert!(line("web = [\"web1\", \"local\"]").ends_with("config.toml:10"));
    // What is shown is TOML and says the same.
    let again = home.place.write("again.toml", shown.text());
    let rows = |config: &Path| {
        let mut show = shannot(home.user);
        let ended = end(show.args(["config", "show", "--json", "--config"]).arg(config));
        let rows: Vec<_> = ended.json().as_array().unwrap().clone();
        rows.into_iter()
            .map(|row| (row["table"].clone(), row["key"].clone(), row["value"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&file), rows(&again));
    let path = home.end(&["config", "path"]);
    assert_eq!(path.text().trim_end(), file.to_str().unwrap());
}

#[test]
fn one_file_alone_is_read_where_it_is_named() {
    let home = Home::new(ordinary());
    home.write(COMMENTED);
    let other = home.place.write("other.toml", "[executor.x]\ntype = \"ssh\"\nhost = \"h\"\n");
    let names = |command: &mut Command| {
        let list = end(command.args(["remote", "list", "--json"])).json();
        let names = list.as_array().unwrap().iter().map(|entry| entry["name"].to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&mut home.shannot(&[])), r#""local" "web1""#);
    assert_eq!(names(home.shannot(&[]).arg("--config").arg(&other)), r#""local" "x""#);
    assert_eq!(names(home.shannot(&[]).env("SHANNOT_CONFIG", &other)), r#""local" "x""#);
    let missing = ["run", "--config", "/nosuch/config.toml", "true"];
    assert!(home.refusal(&missing).contains("/nosuch/config.toml"));
}

#[test]
fn a_command_runs_where_the_configuration_says_or_not_at_all() {
    for user in everyone() {
        let home = Home::new(user);
        home.write(
            "default_executor = \"far\"\n[executor.far]\ntype = \"ssh\"\nhost = \"h.invalid\"\n",
        );
        assert!(home.refusal(&["run", "true"]).contains("far: ssh failed"));
        let here = home.end(&["run", "--target", "local", "uname"]);
        assert_code(&here, 0);
        assert_eq!(here.text(), "Linux\n");
        assert!(home.refusal(&["run", "--target", "fra", "true"]).contains("no target `fra`"));
    }
}

#[test]
fn a_target_brings_its_profile() {
    let home = Home::new(ordinary());
    home.write("[executor.local]\ntype = \"local\"\nprofile = \"network\"\n");
    let profile = |command: &mut Command| {
        end(command.args(["run", "--json", "true"])).json()["profile"].clone()
    };
    assert_eq!(profile(&mut home.shannot(&[])), "network");
    assert_eq!(profile(home.shannot(&[]).env("SHANNOT_PROFILE", "readonly")), "readonly");
    assert_eq!(profile(&mut home.shannot(&["--profile", "minimal"])), "minimal");
}
