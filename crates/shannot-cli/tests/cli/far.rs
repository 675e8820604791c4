//! Commands on another host: this one, through a real sshd.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shannot::policy::profile::Examples;
use shannot::policy::{Argv, Cwd, Locale, Profile, Request, Stages};
use shannot::{End, Failure, Gate, Helper, Input, Io, SshExecutor, SshTarget};

use crate::harness::*;
use crate::sshd::*;

#[test]
fn a_command_runs_there_as_it_would_here() {
    for user in everyone() {
        let sshd = Sshd::new(user);
        let script = "echo out; echo err >&2; exit 3";
        let ended = end(&mut sshd.run(&[], &["sh", "-c", script]));
        assert_code(&ended, 3);
        assert_eq!((ended.text(), ended.stderr.as_str()), ("out\n", "err\n"));
        let here = end(&mut run(user, &["--json"], &["uname", "-a"])).json();
        let there = end(&mut sshd.run(&["--json"], &["uname", "-a"])).json();
        for key in ["stdout", "exit_code", "outcome", "enforcement", "argv", "limits_hit"] {
            assert_eq!(here[key], there[key], "{key}");
        }
        assert_eq!(there["target"], "far");
        assert_code(&end(&mut sshd.run(&[], &["nosuch"])), 127);
        assert_code(&end(&mut sshd.run(&[], &["/etc/passwd"])), 126);
        assert_code(&end(&mut sshd.run(&["--timeout", "300ms"], &["sleep", "60"])), 124);
        assert_code(&end(&mut sshd.run(&[], &["sh", "-c", "kill -9 $$"])), 137);
    }
}

/// Neither host's words are another's: this one's directory and variables mean nothing there.
#[test]
fn nothing_of_this_machine_travels() {
    let sshd = Sshd::new(ordinary());
    let ended = end(sshd.run(&[], &["env"]).env("SECRET", "x").env("TZ", "UTC"));
    assert_code(&ended, 0);
    assert!(ended.text().contains("TZ=UTC\n"), "{ended:?}");
    assert!(!ended.text().contains("SECRET"), "{ended:?}");
    assert_eq!(end(sshd.run(&[], &["pwd"]).current_dir("/usr")).text(), "/\n");
    let ended = end(&mut sshd.run(&["--cwd", "/usr"], &["pwd"]));
    assert_eq!(ended.text(), "/usr\n");
}

#[test]
fn bytes_pass_as_they_are() {
    let sshd = Sshd::new(ordinary());
    for size in [0, 1, 5_000_000] {
        let bytes = noise(size);
        let ended = end_fed(&mut sshd.run(&[], &["cat"]), Some(bytes.clone()));
        assert_code(&ended, 0);
        assert!(ended.stdout == bytes, "{size} bytes came back as {}", ended.stdout.len());
    }
    let word = b"a \"'$(id)\\\n\xff".as_slice();
    let word = std::os::unix::ffi::OsStrExt::from_bytes(word);
    let ended = end(sshd.run(&[], &["printf", "%s"]).arg::<&std::ffi::OsStr>(word));
    assert_eq!(ended.stdout, b"a \"'$(id)\\\n\xff");
}

#[test]
fn no_input_is_the_end_of_the_file() {
    let sshd = Sshd::new(ordinary());
    let ended = end(&mut sshd.run(&["--no-stdin", "--timeout", "10s"], &["cat"]));
    assert_code(&ended, 0);
    assert!(ended.time < Duration::from_secs(5), "{ended:?}");
}

/// What had come before a host was lost is not lost with it.
#[test]
fn output_of_a_run_that_failed_is_passed_on() {
    let mut sshd = Sshd::new(ordinary());
    let script = "i=0; while [ $i -lt 40000 ]; do echo 0123456789012345678901234567890123456789; \
                  i=$((i+1)); done; while :; do :; done";
    let mut child = spawn(&mut sshd.run(&["-n"], &["sh", "-c", script]));
    std::thread::sleep(Duration::from_secs(3));
    sshd.kill();
    std::thread::sleep(Duration::from_secs(1));
    let mut bytes = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len(), child.wait().unwrap().code()), (40_000 * 41, Some(125)));
}

/// A command that does not read its input is told of a signal all the same.
#[test]
fn signals_reach_the_command_past_its_input() {
    for user in everyone() {
        let sshd = Sshd::new(user);
        let script = "trap 'echo answered; exit 5' TERM; echo there; while :; do :; done";
        let mut child = spawn(&mut sshd.run(&[], &["sh", "-c", script]));
        let mut stdin = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || {
            let _ = stdin.write_all(&vec![0; 32 << 20]);
        });
        wait_for(&mut child, b"there\n");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let mut rest = String::new();
        child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("answered\n", Some(5)));
        feeder.join().unwrap();
    }
}

#[test]
fn a_reader_that_has_gone_ends_the_command() {
    let sshd = Sshd::new(ordinary());
    let mut child = spawn(&mut sshd.run(&["-n"], &["yes", "a line of the command"]));
    wait_for(&mut child, b"a line");
    drop(child.stdout.take());
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(141));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// One that ignores SIGPIPE sees its writes fail, as it does here: of either stream, and also where it
/// writes seldom.
#[test]
fn what_nobody_reads_fails_to_be_written() {
    let sshd = Sshd::new(ordinary());
    for script in [
        "while echo a; do :; done; exit 7",
        "while echo a >&2; do :; done; exit 7",
        "echo a; read x; echo b || exit 7",
        "echo a >&2; read x; echo b >&2 || exit 7",
    ] {
        let script = format!("trap '' PIPE; {script}");
        let options = ["--timeout", "5s"];
        for mut shannot in [
            run(ordinary(), &options, &["sh", "-c", &script]),
            sshd.run(&options, &["sh", "-c", &script]),
        ] {
            let mut child = spawn(&mut shannot);
            match script.contains(">&2") {
                true => drop(child.stderr.take()),
                false => drop(child.stdout.take()),
            }
            // Until what was written first was seen to be read by nobody.
            std::thread::sleep(Duration::from_millis(700));
            // The first two have ended.
            let _ = child.stdin.take().unwrap().write_all(b"\n");
            let ended = child.wait_with_output().unwrap();
            assert_eq!(ended.status.code(), Some(7), "{shannot:?}: {ended:?}");
        }
    }
}

/// The time that a reader takes is not the host's.
#[test]
fn a_slow_reader_does_not_make_a_host_slow() {
    let sshd = Sshd::new(ordinary());
    let mut child = spawn(&mut sshd.run(&["-n", "--timeout", "300ms"], &["yes"]));
    // Longer than a host may take to end a run after its time.
    std::thread::sleep(Duration::from_secs(11));
    let ended = child.stdout.take().map(|mut stdout| {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes.len())
    });
    assert!(ended.unwrap().unwrap() > 1 << 20);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(124), "{ended:?}");
}

/// However the caller goes, its command goes too.
#[test]
fn nothing_outlives_the_caller() {
    for user in everyone() {
        let sshd = Sshd::new(user);
        for signal in [Signal::KILL, Signal::INT] {
            let mark = marker();
            let mut child = spawn(&mut sshd.run(&["-n"], &["sleep", &mark]));
            wait(|| count(&mark) == 1);
            kill_process(Pid::from_child(&child), signal).unwrap();
            child.wait().unwrap();
            wait(|| count(&mark) == 0);
        }
    }
}

/// A host that is lost is told, and its command ends.
#[test]
fn a_connection_that_is_cut_is_told() {
    let mut sshd = Sshd::new(ordinary());
    let mark = marker();
    let child = spawn(&mut sshd.run(&["-n"], &["sleep", &mark]));
    wait(|| count(&mark) == 1);
    sshd.kill();
    let begun = Instant::now();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(125), "{said}");
    assert!(said.contains("far: the connection was lost"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    wait(|| count(&mark) == 0);
}

/// A link that goes dead tells neither side: each asks, and gives up. Half a minute.
#[test]
fn a_link_that_goes_dead_is_noticed_on_both_sides() {
    let sshd = Sshd::new(ordinary());
    let relay = Relay::to(sshd.port);
    let key = fs::read_to_string(sshd.place.path("host.pub")).unwrap();
    let known = sshd.place.write("known-relay", &format!("[127.0.0.1]:{} {key}", relay.port));
    let (port, known, helper) = (relay.port, known.display(), helper());
    sshd.configure(&format!(
        "port = {port}\nknown_hosts = \"{known}\"\nhelper_path = \"{}\"\n",
        helper.display()
    ));
    let (quiet, loud) = (marker(), marker());
    // By their own limit they would run for longer than all this takes.
    let profile = format!("{}limits.wall = \"5m\"\n", "version = 1\nname = \"long\"\n")
        + "[commands.sleep]\nabout = \"Wait.\"\n[commands.yes]\nabout = \"Talk.\"\n";
    let profile = sshd.place.write("long.toml", &profile).display().to_string();
    let run = |program, mark: &str| {
        let words = ["run", "--target", "far", "--profile", &profile, "-n", "--", program, mark];
        spawn(&mut sshd.shannot(&words))
    };
    let mut children = [run("sleep", &quiet), run("yes", &loud)];
    wait_for(&mut children[1], loud.as_bytes());
    wait(|| count(&quiet) == 1 && count_of("yes", &loud) == 1);
    relay.die();
    let begun = Instant::now();
    let ended = children.map(|child| std::thread::spawn(|| child.wait_with_output().unwrap()));
    for ended in ended {
        let ended = ended.join().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(125), "{said}");
        assert!(said.contains("far: nothing has come from it for 30s"), "{said}");
    }
    let here = begun.elapsed();
    assert!(Duration::from_secs(20) < here && here < Duration::from_secs(34), "{here:?}");
    assert!(
        count(&quiet) == 1 && count_of("yes", &loud) == 1,
        "the control: nobody has told there"
    );
    wait(|| count(&quiet) == 0 && count_of("yes", &loud) == 0);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn a_pinned_login_holds_the_policy() {
    let pin = format!("restrict,command=\"{} agent stdio --pin minimal\"", helper().display());
    let sshd = Sshd::with(ordinary(), "", &pin);
    let run = |profile: &str, command: &[&str]| {
        let words = [&["run", "--target", "far", "--profile", profile, "--"], command].concat();
        end(&mut sshd.shannot(&words))
    };
    assert_eq!(run("minimal", &["echo", "a"]).text(), "a\n");
    let ended = run("diagnostics", &["ps"]);
    assert_code(&ended, 125);
    let said = ended.complaint();
    assert!(said.contains("this login allows the profiles `minimal`, not `diagnostics`"), "{said}");
    // A profile of the caller's that has the name of the host's.
    let own = "version = 1\nname = \"minimal\"\n[commands.sleep]\nabout = \"Wait.\"\n";
    let path = sshd.place.write("minimal.toml", own);
    let ended = run(path.to_str().unwrap(), &["sleep", "0"]);
    assert_code(&ended, 126);
    let said = ended.complaint();
    assert!(said.contains("far: `sleep` may not run: no command allows it"), "{said}");
    let json = end(&mut sshd.shannot(&[
        "--json",
        "run",
        "--target",
        "far",
        "--profile",
        path.to_str().unwrap(),
        "--",
        "sleep",
        "0",
    ]));
    let json = json.json();
    assert_eq!((&json["outcome"], &json["exit_code"]), (&"denied".into(), &126.into()), "{json}");
    assert!(json["denial"]["why"].is_string(), "{json}");
    // The caller's own limit holds where the host's would let more pass.
    let own = format!(
        "version = 1\nname = \"minimal\"\nlimits.wall = \"1s\"\n{}",
        "[commands.tail]\nabout = \"End.\"\n"
    );
    let path = sshd.place.write("minimal.toml", &own);
    let ended = run(path.to_str().unwrap(), &["tail", "-f", "/etc/passwd"]);
    assert_code(&ended, 124);
    // Nor is any other word of the caller's obeyed.
    let said = sshd.ssh("id").output().unwrap().stdout;
    assert!(!String::from_utf8_lossy(&said).contains("uid="), "{said:?}");
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let sshd = Sshd::new(ordinary());
    let helper = format!("helper_path = \"{}\"\n", helper().display());
    let path = |name: &str| sshd.place.path(name).display().to_string();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent = listener.local_addr().unwrap().port();
    let free = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let changed = fs::read_to_string(sshd.place.path("other.pub")).unwrap();
    sshd.place.write("changed", &format!("[127.0.0.1]:{} {changed}", sshd.port));
    sshd.place.write("empty", "");
    for (keys, what, hint) in [
        (format!("known_hosts = \"{}\"\n", path("empty")), "No ED25519 host key", "accepts it"),
        (format!("known_hosts = \"{}\"\n", path("changed")), "HAS CHANGED", "ssh-keygen -R"),
        (format!("key_file = \"{}\"\n", path("other")), "Permission denied", "key_file"),
        (format!("port = {free}\n"), "Connection refused", "port"),
        (
            format!("port = {silent}\nconnect_timeout = \"1s\"\n"),
            "no agent answered within 1s",
            "is the host up",
        ),
        ("helper_path = \"/nosuch/shannot\"\n".to_owned(), "cannot start `/nosuch/shannot`", "CPU"),
        ("helper_path = \"/bin/echo\"\n".to_owned(), "it said `agent stdio`", "ssh "),
        ("helper_path = \"/usr/bin/yes\"\n".to_owned(), "it said `agent stdio; ", "ssh "),
        ("helper_path = \"/bin/true\"\n".to_owned(), "answered nothing", "ssh "),
    ] {
        let helper = if keys.contains("helper_path") { "" } else { &helper };
        sshd.configure(&format!("{helper}{keys}"));
        let said = sshd.refusal();
        assert!(said.contains("far: ") && said.contains(what), "{keys}: {said}");
        assert!(said.contains("hint: ") && said.contains(hint), "{keys}: {said}");
    }
    drop(listener);
}

/// A host that is not known is only accepted where the configuration says so, and then remembered.
#[test]
fn a_new_host_is_accepted_once_where_that_is_asked_for() {
    let sshd = Sshd::new(ordinary());
    let known = sshd.place.write("new/known", "");
    for path in [known.as_path(), known.parent().unwrap()] {
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::chown(path, Some(sshd.user.uid), Some(sshd.user.gid)).unwrap();
        }
    }
    let keys = format!(
        "helper_path = \"{}\"\nknown_hosts = \"{}\"\nstrict_host_key = false\n",
        helper().display(),
        known.display()
    );
    sshd.configure(&keys);
    assert_code(&end(&mut sshd.run(&[], &["true"])), 0);
    assert!(fs::read_to_string(&known).unwrap().contains("ssh-ed25519"));
    let other = fs::read_to_string(sshd.place.path("other.pub")).unwrap();
    fs::write(&known, format!("[127.0.0.1]:{} {other}", sshd.port)).unwrap();
    assert!(sshd.refusal().contains("HAS CHANGED"));
}

/// What answers in an agent's place is not believed, and nothing of a caller's is sent to it first.
#[test]
fn what_is_no_agent_gets_nothing() {
    let sshd = Sshd::new(ordinary());
    let heard = sshd.place.path("heard");
    for (name, greeting, what) in [
        ("newer", "shannot-agent 2 9.0.0 open", "speaks version 2 of the API"),
        ("garbage", "shannot-agent 1 0.1.0 open\\nHTTP/1.1 200 OK\\n\\n", "far: "),
        ("shell", "shannot-agent-1 0.1.0 open", "it said `shannot-agent-1"),
    ] {
        let script =
            format!("#!/bin/sh\nprintf '{greeting}\\n'\nhead -c 100 > {}\n", heard.display());
        let path = sshd.place.write(name, &script);
        set_mode(&path, 0o755);
        let _ = fs::remove_file(&heard);
        fs::write(&heard, "").unwrap();
        set_mode(&heard, 0o666);
        sshd.configure(&format!(
            "helper_path = \"{}\"\nconnect_timeout = \"2s\"\n",
            path.display()
        ));
        let said = sshd.refusal();
        assert!(said.contains(what), "{name}: {said}");
        if name != "garbage" {
            assert_eq!(fs::read(&heard).unwrap(), b"", "{name}");
        }
    }
}

#[test]
fn start_up_files_may_say_something() {
    let sshd = Sshd::new(ordinary());
    let script = format!(
        "#!/bin/sh\nfor i in 1 2 3; do echo \"Welcome $i\"; done\nprintf 'no line end'\n\
         echo warning >&2\nexec {} \"$@\"\n",
        helper().display()
    );
    let path = sshd.place.write("noisy", &script);
    set_mode(&path, 0o755);
    sshd.configure(&format!("helper_path = \"{}\"\n", path.display()));
    let ended = end(&mut sshd.run(&[], &["echo", "a"]));
    assert_code(&ended, 0);
    assert_eq!((ended.text(), ended.stderr.as_str()), ("a\n", ""));
}

/// A gate before a host, for programs that live for long.
fn gate(sshd: &Sshd) -> Gate {
    gate_by(sshd, Helper::At(helper().to_str().unwrap().parse().unwrap()), &std::env::temp_dir())
}

pub(crate) fn gate_by(sshd: &Sshd, helper: Helper, sockets: &Path) -> Gate {
    let path = |name| Some(sshd.place.path(name));
    let target = SshTarget {
        name: "far".to_owned(),
        destination: format!("{}@127.0.0.1:{}", name_of(sshd.user), sshd.port).parse().unwrap(),
        key_file: path("id"),
        known_hosts: path("known"),
        strict_host_key: true,
        connect_timeout: Duration::from_secs(10),
        helper,
        deploy: None,
        sockets: Some(sockets.to_owned()),
    };
    let text = fs::read_to_string(anything()).unwrap();
    let profile = Profile::parse(&text, "p.toml", Examples::Check, &|_| Err(String::new()));
    Gate::new([Arc::new(profile.unwrap())], Arc::new(SshExecutor::new(target)))
}

pub(crate) fn request(words: &[&str]) -> Request {
    Request {
        profile: "anything".parse().unwrap(),
        stages: Stages::new(vec![Argv::from_words(words.iter().copied()).unwrap()]).unwrap(),
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    }
}

pub(crate) fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

/// All calls are streams of one session, and sshd may allow no second.
#[test]
fn many_calls_share_one_session() {
    let sshd = Sshd::with(ordinary(), "MaxSessions 1", "");
    let gate = gate(&sshd);
    block_on(async {
        let ask = |number: usize| gate.run(request(&["echo", &number.to_string()]), Io::default());
        let runs: Vec<_> = (0..200).map(|number| ask(number).unwrap()).collect();
        for (number, run) in runs.into_iter().enumerate() {
            let done = run.collect().await;
            assert_eq!(done.stdout, format!("{number}\n").into_bytes(), "{:?}", done.outcome);
        }
    });
}

/// Neither those whose output nobody reads, nor those that do not read their input.
#[test]
fn runs_that_stand_still_hold_up_no_others() {
    let sshd = Sshd::new(ordinary());
    let gate = gate(&sshd);
    block_on(async {
        let io = || Io { stdin: Input::Bytes(vec![0; 8 << 20].into()), ..Io::default() };
        let mut still: Vec<_> =
            (0..12).map(|_| gate.run(request(&["yes"]), Io::default()).unwrap()).collect();
        still.extend((0..12).map(|_| gate.run(request(&["sleep", "20"]), io()).unwrap()));
        // Until each has as much on its way as it may.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let next = gate.run(request(&["echo", "a"]), Io::default()).unwrap().collect();
        let done = tokio::time::timeout(Duration::from_secs(5), next).await.expect("an answer");
        assert_eq!(done.stdout, b"a\n", "{:?}", done.outcome);
    });
}

/// A host that was lost is reached again, and one that cannot be is not asked each time.
#[test]
fn a_lost_host_is_reached_again() {
    let mut sshd = Sshd::new(ordinary());
    let gate = gate(&sshd);
    block_on(async {
        let run = || gate.run(request(&["echo", "a"]), Io::default()).unwrap().collect();
        assert_eq!(run().await.stdout, b"a\n");
        sshd.kill();
        let unreachable = |done: shannot::Collected| match done.outcome.end {
            End::Failed(Failure::Unreachable(why)) => why.to_string(),
            other => panic!("{other:?}"),
        };
        // Whether the loss is known already or only found now.
        unreachable(run().await);
        let begun = Instant::now();
        while !unreachable(run().await).contains("(next try in ") {
            assert!(begun.elapsed() < Duration::from_secs(10), "each call has tried");
        }
        sshd.restart();
        let begun = Instant::now();
        while run().await.stdout != b"a\n" {
            assert!(begun.elapsed() < Duration::from_secs(20), "it was not tried again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// By an alias of ssh_config, and through another host.
#[test]
fn the_ways_of_ssh_config_are_taken() {
    let (sshd, jump) = (Sshd::new(ordinary()), Sshd::new(ordinary()));
    let dir = Path::new("/home/shannot-test/.ssh");
    if !rustix::process::getuid().is_root() {
        // Only the home of the user that the tests have made is theirs to write to.
        return;
    }
    // One that was killed has left it.
    let _ = fs::remove_dir_all(dir);
    fs::create_dir(dir).unwrap();
    let host = |name: &str, sshd: &Sshd, more: &str| {
        let place = |file| sshd.place.path(file).display().to_string();
        format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n{more}",
            sshd.port,
            place("id"),
            place("known")
        )
    };
    let text =
        host("shannot-far", &sshd, "  ProxyJump shannot-jump\n") + &host("shannot-jump", &jump, "");
    fs::write(dir.join("config"), text).unwrap();
    for path in [dir, &dir.join("config")] {
        own(sshd.user, path);
        set_mode(path, 0o700);
    }
    let config = format!(
        "[executor.far]\ntype = \"ssh\"\nhost = \"shannot-far\"\nhelper_path = \"{}\"\n",
        helper().display()
    );
    sshd.place.write("config.toml", &config);
    let ended = end(sshd.run(&[], &["echo", "a"]).env("PATH", "/usr/bin:/bin"));
    let test = end(&mut sshd.shannot(&["remote", "test", "far", "--json"]));
    fs::remove_dir_all(dir).unwrap();
    assert_eq!((ended.text(), ended.stderr.as_str()), ("a\n", ""));
    assert_code(&test, 0);
}

/// Whatever is sent to it, an agent answers in its form, or ends.
#[test]
fn an_agent_that_hears_garbage_ends() {
    for bytes in
        [b"".to_vec(), b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 1 << 20], noise(1 << 16)]
    {
        let mut agent = shannot(ordinary());
        let ended = end_fed(agent.args(["agent", "stdio"]), Some(bytes));
        assert!(ended.time < Duration::from_secs(5), "{ended:?}");
        assert!(ended.stdout.starts_with(b"\nshannot-agent 1 "), "{ended:?}");
    }
    let mut agent = shannot(ordinary());
    let ended = end(agent.args(["agent", "stdio", "--pin", "nosuch"]));
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("no profile `nosuch`"), "{ended:?}");
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

pub(crate) fn wait_for(child: &mut Child, text: &[u8]) {
    let mut there = vec![0; text.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut there).unwrap();
    assert_eq!(there, text);
}
