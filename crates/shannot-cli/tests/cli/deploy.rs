//! The helper on another host, which this program is itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::*;
use crate::sshd::*;

fn deploy(sshd: &Sshd) -> Ended {
    end(&mut sshd.shannot(&["remote", "deploy", "far"]))
}

fn programs(sshd: &Sshd) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(sshd.home().join(".cache/shannot/bin"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_person_puts_the_helper_there() {
    for user in everyone() {
        let sshd = Sshd::with_home(user, "");
        assert_code(&end(&mut sshd.run(&[], &["true"])), 0);
        assert!(programs(&sshd).is_empty(), "a call has put something there");
        assert!(deploy(&sshd).text().starts_with("put "));
        let run = end(&mut sshd.run(&["--json"], &["true"])).json();
        assert_eq!(run["enforcement"]["decided_by"], "host", "{run}");
        assert!(deploy(&sshd).text().contains("has it already"));
        let [program] = &programs(&sshd)[..] else { panic!("{:?}", programs(&sshd)) };
        assert_eq!(program.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    }
}

/// Step by step, to the first that fails.
#[test]
fn the_way_to_a_host_is_told() {
    let sshd = Sshd::with_home(ordinary(), "");
    let test = |code| {
        let ended = end(&mut sshd.shannot(&["remote", "test", "far", "--json"]));
        assert_code(&ended, code);
        let json = ended.json();
        let steps = json.as_array().unwrap();
        let told = steps.iter().map(|step| step["step"].as_str().unwrap().to_owned());
        (told.collect::<Vec<_>>(), steps.last().unwrap().clone())
    };
    let login = ["name", "tcp", "host key", "authentication"];
    let all = [&login[..], &["helper", "first command", "next command"]].concat();
    let (steps, last) = test(0);
    assert_eq!(steps, all);
    assert!(last["found"].as_str().unwrap().contains("authorization not_enforced"), "{last}");
    assert_code(&deploy(&sshd), 0);
    let (steps, last) = test(0);
    assert_eq!(steps, all);
    let found = last["found"].as_str().unwrap();
    assert!(found.starts_with("boxed in tier ") && !found.contains("authorization"), "{last}");
    let ended = end(&mut sshd.shannot(&["remote", "test", "far"]));
    assert_eq!(ended.text().lines().count(), 7, "{ended:?}");
    for (keys, steps, what) in [
        ("known_hosts = \"/dev/null\"\n", 3, "it showed ssh-ed25519 SHA256:"),
        ("key_file = \"/dev/null\"\n", 4, "there was no key to try"),
        ("port = 1\n", 2, "Connection refused"),
    ] {
        sshd.configure(keys);
        let (told, last) = test(1);
        assert_eq!(told, login[..steps], "{keys}");
        assert!(last["found"].as_str().unwrap().contains(what), "{keys}: {last}");
        assert!(last["hint"].is_string(), "{keys}: {last}");
    }
}

#[test]
fn a_helper_that_was_changed_is_not_started() {
    let sshd = Sshd::with_home(ordinary(), "");
    assert_code(&deploy(&sshd), 0);
    let [program] = &programs(&sshd)[..] else { panic!("{:?}", programs(&sshd)) };
    let mark = sshd.home().join("started");
    fs::write(program, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    let said = sshd.refusal();
    assert!(said.contains("is not the one that was deployed"), "{said}");
    assert!(!mark.exists());
    assert!(deploy(&sshd).text().starts_with("put "));
    assert_code(&end(&mut sshd.run(&[], &["true"])), 0);
}

/// Those that read a line otherwise than sh, with start-up files that say something.
#[test]
fn login_shells_of_other_kinds_do_what_is_meant() {
    if !rustix::process::getuid().is_root() {
        // An account's shell is root's to set.
        return;
    }
    let user = ordinary();
    for (shell, file, version) in [
        ("/usr/bin/fish", ".config/fish/config.fish", "echo $FISH_VERSION"),
        ("/usr/bin/tcsh", ".cshrc", "echo $version"),
    ] {
        let sshd = Sshd::with_shell(user, shell);
        sshd.place.write(&format!("home/{file}"), "echo Welcome\n");
        own(user, &sshd.home());
        let said = sshd.ssh(version).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("Welcome\n") && said.contains('.'), "{shell}: {said}");
        // A machine that is busy logs nobody in at once.
        sshd.configure("connect_timeout = \"30s\"\n");
        let told = || end(&mut sshd.run(&["--json"], &["true"])).json();
        // Without a helper it is the host's bwrap that makes the box.
        let run = told();
        assert_eq!(run["enforcement"]["engine"], "bwrap", "{shell}: {run}");
        assert!(deploy(&sshd).text().starts_with("put "), "{shell}");
        let run = told();
        assert_eq!(run["enforcement"]["engine"], "native", "{shell}: {run}");
        assert!(deploy(&sshd).text().contains("has it already"), "{shell}");
        assert_code(&end(&mut sshd.shannot(&["remote", "test", "far"])), 0);
        let words = ["printf", "%s", "a 'b' \"$HOME\" !1 \\ `id`"];
        let ended = end(&mut sshd.run(&[], &words));
        assert_eq!((ended.code, ended.text()), (Some(0), words[2]), "{shell}: {ended:?}");
        let ended = end_fed(&mut sshd.run(&[], &["cat"]), Some(noise(100_000)));
        assert_eq!((ended.code, ended.stdout.len()), (Some(0), 100_000), "{shell}");
        // One that is named by its path, too.
        sshd.configure(&format!("helper_path = \"{}\"\n", helper().display()));
        assert_code(&end(&mut sshd.run(&[], &["sh", "-c", "exit 3"])), 3);
    }
}

/// From nothing to a host that answers, and to one that holds the policy.
#[test]
fn a_host_is_added_deployed_and_pinned() {
    let sshd = Sshd::with_home(ordinary(), "");
    let key = sshd.place.path("id").display().to_string();
    let host = format!("{}@127.0.0.1:{}", name_of(sshd.user), sshd.port);
    let config = sshd.place.path("own");
    fs::create_dir(&config).unwrap();
    own(sshd.user, &config);
    let config = config.join("config.toml");
    let shannot = |words: &[&str]| {
        let mut command = shannot(sshd.user);
        end(command.arg("--config").arg(&config).args(words))
    };
    let add = ["remote", "add", "prod", &host, "--key", &key, "--print-authorized-key"];
    let ended = shannot(&add);
    assert_code(&ended, 0);
    assert!(ended.complaint().contains("added `prod`"), "{ended:?}");
    let line = ended.text().to_owned();
    assert!(line.starts_with("restrict,command=\"exec ~/.cache/shannot/bin/shannot-"), "{line}");
    assert!(line.contains(" agent stdio --pin minimal\" ssh-ed25519 "), "{line}");
    // The host's key is not known to ssh yet: nothing is put there, and the target stays.
    let ended = shannot(&[&add[..6], &["--force", "--deploy"]].concat());
    assert_code(&ended, 125);
    assert!(ended.stderr.contains("accepts it"), "{ended:?}");
    let known = format!("known_hosts = \"{}\"\n", sshd.place.path("known").display());
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + &known).unwrap();
    assert_code(&shannot(&["remote", "deploy", "prod"]), 0);
    assert_eq!(shannot(&["--target", "prod", "run", "echo", "a"]).text(), "a\n");
    fs::write(sshd.place.path("authorized"), line).unwrap();
    assert_eq!(shannot(&["--target", "prod", "run", "echo", "a"]).text(), "a\n");
    let ended = shannot(&["--target", "prod", "--profile", "diagnostics", "run", "ps"]);
    assert!(ended.complaint().contains("this login allows"), "{ended:?}");
}

#[test]
fn deployments_at_once_do_not_disturb_each_other() {
    let sshd = Sshd::with_home(ordinary(), "");
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| deploy(&sshd))).collect();
        all.into_iter().for_each(|one| assert_code(&one.join().unwrap(), 0));
    });
    assert_eq!(programs(&sshd).len(), 1, "{:?}", programs(&sshd));
}

#[test]
fn only_where_it_is_asked_for_does_a_call_put_it_there() {
    let sshd = Sshd::with_home(ordinary(), "");
    sshd.configure("deploy = \"never\"\n");
    let ended = deploy(&sshd);
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("nothing is put on `far`"), "{ended:?}");
    assert_code(&end(&mut sshd.run(&[], &["true"])), 0);
    assert!(programs(&sshd).is_empty());
    sshd.configure("deploy = \"auto\"\n");
    assert_code(&end(&mut sshd.run(&[], &["true"])), 0);
    assert_eq!(programs(&sshd).len(), 1);
}

#[test]
fn a_host_that_cannot_have_it_is_told() {
    let sshd = Sshd::with_home(ordinary(), "SetEnv PATH=%HOME%/../bin:/usr/bin:/bin");
    let uname = sshd.place.write("bin/uname", "#!/bin/sh\necho riscv64\n");
    set_mode(&uname, 0o755);
    let ended = deploy(&sshd);
    assert_code(&ended, 125);
    let said = ended.complaint();
    assert!(said.contains("its CPU is riscv64") && said.contains("helper_path"), "{said}");
    assert!(!sshd.home().join(".cache").exists());
}

/// Root mounts homes that are full and homes that start nothing.
#[test]
fn a_home_that_cannot_keep_or_start_it_is_told() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    for (options, what) in [
        ("size=1m,mode=777", "No space left on device"),
        ("ro", "Read-only file system"),
        ("noexec,mode=777", "the home mounted noexec"),
    ] {
        let sshd = Sshd::with_home(ordinary(), &format!("#mount {options}"));
        let ended = deploy(&sshd);
        assert_code(&ended, 125);
        assert!(ended.complaint().contains(what), "{options}: {ended:?}");
        // It is not needed there.
        assert_code(&end(&mut sshd.run(&[], &["true"])), 0);
    }
}
