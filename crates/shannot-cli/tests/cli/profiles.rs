use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

use crate::harness::*;

const LS: &str = "[commands.ls]\nabout = \"l\"\n";

fn profile(name: &str, rest: &str) -> String {
    format!("version = 1\nname = \"{name}\"\n{rest}")
}

/// What `run` says about a profile's file; it must refuse it.
#[track_caller]
fn refusal(user: User, path: &Path) -> String {
    let ended = end(shannot(user).args(["run", "--profile"]).arg(path).arg("ls"));
    assert_code(&ended, 125);
    ended.complaint()
}

#[test]
fn mistake_is_told_with_its_place() {
    let place = Place::new();
    let path = place.write("x.toml", &profile("x", "[limits]\nwal = \"3s\"\n[commands]\n"));
    for user in everyone() {
        let complaint = refusal(user, &path);
        assert!(complaint.contains("x.toml:4:1: "), "{complaint}");
        assert!(complaint.contains("hint: did you mean `wall`?"), "{complaint}");
        let ended = end(shannot(user).args(["profile", "check"]).arg(&path));
        assert_code(&ended, 1);
        assert!(ended.text().contains("x.toml:4:1: "), "{ended:?}");
        let report = end(shannot(user).args(["profile", "check", "--json"]).arg(&path)).json();
        assert_eq!((&report[0]["line"], &report[0]["ok"]), (&4.into(), &false.into()));
    }
}

#[test]
fn example_that_fails_is_a_mistake() {
    let place = Place::new();
    let rest = "[commands.ls]\nabout = \"l\"\nrules = [{ deny_options = [\"-R\"], why = \"w\", \
        examples = { deny = [\"ls -l\"] } }]\n";
    let path = place.write("x.toml", &profile("x", rest));
    let ended = end(shannot(ordinary()).args(["profile", "check"]).arg(&path));
    assert_code(&ended, 1);
    assert!(ended.text().contains("ls -l"), "{ended:?}");
}

#[test]
fn file_that_others_can_change_is_refused() {
    let place = Place::new();
    for (mode, why) in [(0o666, "mode 0666"), (0o664, "mode 0664"), (0o646, "mode 0646")] {
        let path = place.write("x.toml", &profile("x", LS));
        set_mode(&path, mode);
        for user in everyone() {
            let complaint = refusal(user, &path);
            assert!(complaint.contains(why) && complaint.contains("chmod go-w"), "{complaint}");
        }
    }
    let path = place.write("open/x.toml", &profile("x", LS));
    set_mode(path.parent().unwrap(), 0o777);
    for user in everyone() {
        assert!(refusal(user, &path).contains("anybody may replace it"));
    }
    set_mode(path.parent().unwrap(), 0o1777);
    for user in everyone() {
        assert_code(&end(shannot(user).args(["run", "--profile"]).arg(&path).arg("ls")), 0);
    }
}

#[test]
fn file_that_is_no_plain_file_is_refused() {
    let place = Place::new();
    let path = place.write("x.toml", &profile("x", LS));
    let link = place.path("link.toml");
    symlink(&path, &link).unwrap();
    let pipe = place.path("pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let dir = place.path("dir.toml");
    std::fs::create_dir(&dir).unwrap();
    let long = place.write("long.toml", &"#".repeat((1 << 20) + 1));
    let binary = place.path("binary.toml");
    std::fs::write(&binary, b"\xff").unwrap();
    set_mode(&binary, 0o644);
    for user in everyone() {
        for (path, why) in [
            (&link, "symbolic link"),
            (&pipe, "no regular file"),
            (&dir, "no regular file"),
            (&long, "too long"),
            (&binary, "not UTF-8"),
        ] {
            let complaint = refusal(user, path);
            assert!(complaint.contains(why), "{complaint}");
        }
        assert!(refusal(user, &place.path("none.toml")).contains("cannot read"));
    }
}

#[test]
fn file_of_another_user_is_refused() {
    let place = Place::new();
    let path = place.write("x.toml", &profile("x", LS));
    for user in everyone() {
        // Root can give the file away; for an ordinary user a stranger's is one of root's choice.
        if user.uid == 0 {
            chown(&path, Some(ordinary().uid), None).unwrap();
            let complaint = refusal(user, &path);
            assert!(complaint.contains("belongs to uid"), "{complaint}");
            chown(&path, Some(0), None).unwrap();
            set_mode(&path, 0o600);
            assert!(refusal(ordinary(), &path).contains("cannot read"));
            set_mode(&path, 0o644);
        }
        assert_code(&end(shannot(user).args(["run", "--profile"]).arg(&path).arg("ls")), 0);
    }
}

/// The user's own profiles.
fn with_config(user: User, place: &Place) -> Command {
    let mut command = shannot(user);
    command.env("XDG_CONFIG_HOME", place.path("config"));
    command
}

#[test]
fn names_are_looked_up_in_the_users_directory_first() {
    let place = Place::new();
    place.write("config/shannot/profiles/mine.toml", &profile("mine", "extends = [\"minimal\"]\n"));
    place.write("config/shannot/profiles/readonly.toml", &profile("readonly", LS));
    place.write("config/shannot/profiles/other.toml", &profile("another", LS));
    for user in everyone() {
        let run = |name: &str, words: &[&str]| {
            end(with_config(user, &place).args(["run", "--profile", name]).args(words))
        };
        assert_code(&run("mine", &["cat", "/etc/hostname"]), 0);
        assert_code(&run("readonly", &["ls"]), 0);
        assert_code(&run("readonly", &["cat", "/etc/hostname"]), 126);
        let ended = run("other", &["ls"]);
        assert_code(&ended, 125);
        assert!(ended.complaint().contains("holds the profile `another`, not `other`"));
        let mut command = with_config(user, &place);
        let ended = end(command.env("SHANNOT_PROFILE", "mine").args(["run", "--json", "true"]));
        assert_eq!(ended.json()["profile"], "mine");
        let ended = end(with_config(user, &place).args(["profile", "list"]));
        assert_code(&ended, 1);
        for name in ["minimal", "mine", "diagnostics", "systemd", "network"] {
            assert!(ended.text().contains(name), "{ended:?}");
        }
    }
}

#[test]
fn profiles_cannot_extend_each_other_in_a_circle() {
    let place = Place::new();
    for (name, parent) in [("a", "b"), ("b", "c"), ("c", "a"), ("self", "self")] {
        let file = format!("config/shannot/profiles/{name}.toml");
        place.write(&file, &profile(name, &format!("extends = [\"{parent}\"]\n")));
    }
    for n in 0..20 {
        let file = format!("config/shannot/profiles/p{n}.toml");
        place.write(&file, &profile(&format!("p{n}"), &format!("extends = [\"p{}\"]\n", n + 1)));
    }
    for user in everyone() {
        let complaint = |name: &str| {
            let ended = end(with_config(user, &place).args(["run", "--profile", name, "ls"]));
            assert_code(&ended, 125);
            ended.complaint()
        };
        assert!(complaint("a").contains("`a` -> `b` -> `c` -> `a`"), "{}", complaint("a"));
        assert!(complaint("self").contains("`self` extends itself"), "{}", complaint("self"));
        assert!(complaint("p0").contains("more than 16 profiles"), "{}", complaint("p0"));
        assert!(complaint("p5").contains("there is no profile `p20`"), "{}", complaint("p5"));
    }
}

#[test]
fn profile_of_the_working_directory_only_narrows() {
    let place = Place::new();
    place.write("narrow/.shannot/minimal.toml", &profile("minimal", LS));
    place.write("narrow/.shannot/new.toml", &profile("new", LS));
    let wide = "[commands.ls]\nabout = \"l\"\n[commands.rm]\nabout = \"r\"\n";
    place.write("wide/.shannot/minimal.toml", &profile("minimal", wide));
    place.write("broken/.shannot/minimal.toml", "nonsense");
    for user in everyone() {
        let run = |dir: &str, words: &[&str]| {
            end(shannot(user).current_dir(place.path(dir)).arg("run").args(words))
        };
        assert_code(&run("narrow", &["ls"]), 0);
        let ended = run("narrow", &["cat", "/etc/hostname"]);
        assert_code(&ended, 126);
        assert!(ended.complaint().contains("hint: allowed are `ls`"), "{ended:?}");
        let ended = run("wide", &["ls"]);
        assert_code(&ended, 125);
        assert!(ended.complaint().contains("wider than `minimal` is"), "{ended:?}");
        assert_code(&run("broken", &["ls"]), 125);
        let ended = run("narrow", &["--profile", "new", "ls"]);
        assert_code(&ended, 125);
        assert!(ended.complaint().contains("only narrows"), "{ended:?}");
        // Another profile, and another directory, are not touched.
        assert_code(&run("narrow", &["--profile", "readonly", "cat", "/etc/hostname"]), 0);
        let mut command = shannot(user);
        let ended = end(command.current_dir(place.path("narrow")).args(["profile", "show"]));
        assert!(ended.text().contains("# Narrowed by "), "{}", ended.text());
    }
}

#[test]
fn shown_profile_is_one_that_loads() {
    let place = Place::new();
    for name in ["minimal", "readonly", "diagnostics", "systemd", "network"] {
        let shown = end(shannot(ordinary()).args(["profile", "show", name]));
        let path = place.write(&format!("{name}.toml"), shown.text());
        assert_code(&end(shannot(ordinary()).args(["profile", "check"]).arg(&path)), 0);
    }
}

const OLD: &str = r#"{"name": "old", "allowed_commands": ["ls", "/usr/bin/cat"],
    "binds": [{"source": "/usr", "target": "/usr", "read_only": true}],
    "tmpfs_paths": ["/tmp"], "network_isolation": true}"#;

#[test]
fn old_profile_is_loaded_and_converted() {
    let place = Place::new();
    let old = place.write("old.json", OLD);
    for user in everyone() {
        let run =
            |words: &[&str]| end(shannot(user).args(["run", "--profile"]).arg(&old).args(words));
        assert_code(&run(&["ls", "/usr"]), 0);
        assert_code(&run(&["rm", "/usr"]), 126);
    }
    let owner = everyone()[0];
    let new = place.path("old.toml");
    let convert = |more: &[&str]| {
        let mut command = shannot(owner);
        end(command.args(["profile", "convert"]).arg(&old).arg("-o").arg(&new).args(more))
    };
    let ended = convert(&[]);
    assert_code(&ended, 0);
    assert!(ended.complaint().contains("note: "), "{ended:?}");
    assert_code(&end(shannot(owner).args(["profile", "check"]).arg(&new)), 0);
    std::fs::write(&new, "mine").unwrap();
    let ended = convert(&[]);
    assert_code(&ended, 2);
    assert!(ended.complaint().contains("hint: `--force`"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "mine");
    assert_code(&convert(&["--force"]), 0);
    assert!(std::fs::read_to_string(&new).unwrap().contains("name = \"old\""));
    let left = std::fs::read_dir(place.path("")).unwrap().count();
    assert_eq!(left, 2, "a draft was left behind");
}
