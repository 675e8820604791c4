use std::io::Write as _;
use std::process::{Command, Stdio};

use shannot_policy::plan::HostFacts;
use shannot_policy::plan::seccomp::{Arch, Ticket};
use shannot_policy::profile::Examples;
use shannot_policy::{Argv, Locale, Profile, Request, Stages, authorize};

use super::*;

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

fn plan(paths: &str, words: &[&str], cwd: Cwd) -> Plan {
    let program = words[0];
    let text = format!(
        "version = 1\nname = \"p\"\n[commands.{program}]\nabout = \"It.\"\n[paths]\n{paths}\n"
    );
    plan_of(&text, words, cwd)
}

fn plan_of(text: &str, words: &[&str], cwd: Cwd) -> Plan {
    let profile = Profile::parse(text, "p", Examples::Check, &|_| Err(String::new())).unwrap();
    let request = Request {
        profile: "p".parse().unwrap(),
        stages: Stages::new(vec![Argv::from_words(words.to_vec()).unwrap()]).unwrap(),
        cwd,
        timeout: None,
        locale: Locale::default(),
    };
    let facts =
        HostFacts { arch: Arch::X86_64, ticket: Ticket(0), landlock_abi: 0, log_groups: vec![] };
    Plan::new(&authorize(&profile.into(), request).unwrap(), Tier::T3, &facts)
}

fn say(shell: &[&str], script: &[u8]) -> Vec<u8> {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", "eval \"$(cat)\""]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{shell:?}: {e}"));
    child.stdin.take().unwrap().write_all(script).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{shell:?}");
    assert!(out.status.success(), "{shell:?}");
    out.stdout
}

fn survey(shell: &[&str], plan: &Plan) -> Survey {
    let said = say(shell, &survey_script(plan));
    Survey::read(said.strip_suffix(b"end\0").expect("an end")).unwrap()
}

/// By chance, so that each run tries others: every byte but NUL, alone and in company.
#[test]
fn words_are_read_as_they_are() {
    let mut state = u64::from(std::process::id()) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state % 255).unwrap() + 1
    };
    let special = b"'\"\\$`!*?[]{}()<>|&;#~ \t\n\r=%^-\x81\x88\xff\xc3\xa4";
    let mut words: Vec<Vec<u8>> = (1..=255).map(|b| vec![b]).collect();
    words.push(Vec::new());
    words.extend((0..400).map(|n| (0..n % 23).map(|_| byte()).collect()));
    words.extend(
        (0..400)
            .map(|n| (0..n % 11).map(|_| special[usize::from(byte()) % special.len()]).collect()),
    );
    let mut script = Script(b"say() { printf '%s\\0' \"$@\"; }\n".to_vec());
    words.iter().for_each(|word| script.call("say", [word.as_slice()]));
    let want: Vec<u8> = words.iter().flat_map(|word| [word.as_slice(), b"\0"].concat()).collect();
    for shell in SHELLS {
        let said = say(shell, &script.0);
        let differs = want.split(|b| *b == 0).zip(said.split(|b| *b == 0)).find(|(a, b)| a != b);
        assert!(said == want, "{shell:?}: {differs:?}");
    }
    assert_eq!(quoted(b"a\0b"), None);
}

struct Tree(std::path::PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("shannot {name} {}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_patterns_mean_is_found_and_nothing_else() {
    let tree = Tree::new("patterns");
    let meant = ["a/.k", "a/k1", "b c/k'2", "d\n/kä", "d\n/k\n"].map(|name| tree.file(name));
    let other = ["a/x", "k", "a/deep/k", "a/no"].map(|name| tree.file(name));
    std::os::unix::fs::symlink("../k", tree.0.join("a/k-link")).unwrap();
    let root = tree.0.to_str().unwrap();
    let hide = format!("hide = [\"{root}/*/*k*\", \"{root}/a/[!a-z][k]\", \"{root}/gone/k\"]");
    let plan = plan(&hide, &["df"], Cwd::Root);
    for shell in SHELLS {
        let survey = survey(shell, &plan);
        let hidden = survey.hidden(&plan.hide).unwrap();
        let hidden: Vec<String> = hidden.iter().map(|(path, _)| path.to_string()).collect();
        for path in &meant {
            assert!(hidden.contains(path), "{shell:?}: {path} of {hidden:?}");
        }
        // The link leads to the second.
        assert!(hidden.contains(&other[1]), "{shell:?}");
        for path in [&other[0], &other[2], &other[3]] {
            assert!(!hidden.contains(path), "{shell:?}: {path}");
        }
    }
}

/// The same host, seen by its own shell and by this program.
#[test]
fn a_survey_finds_what_is_hidden_here() {
    let plan = plan("", &["df", "-h"], Cwd::Root);
    let host = crate::Host::read();
    let here = crate::bwrap_call(&plan, &host).unwrap();
    for shell in SHELLS {
        let mut survey = survey(shell, &plan);
        if let Some(script) = survey.aliases_script(&plan).unwrap() {
            let said = say(shell, &[FUNCTIONS.as_bytes(), b"\n", &script].concat());
            survey.add(said.strip_suffix(b"end\0").unwrap()).unwrap();
        }
        let there = survey.call(&plan).unwrap();
        let shown = |call: &BwrapCall| String::from_utf8_lossy(&call.argv.join(&b' ')).into_owned();
        assert_eq!(shown(&there), shown(&here), "{shell:?}");
        assert_eq!(there.enforcement, here.enforcement);
    }
}

#[test]
fn programs_and_directories_are_looked_for() {
    let lost = plan("", &["no-such-program"], Cwd::Root);
    let cwd = Cwd::In("/no/such/directory".parse().unwrap());
    let astray = plan("", &["df"], cwd);
    let hidden = plan("", &["df"], Cwd::InOrRoot("/etc/ssl/private".parse().unwrap()));
    for shell in SHELLS {
        let error = |plan| survey(shell, plan).call(plan).unwrap_err();
        assert!(matches!(error(&lost), Error::NotFound { .. }), "{shell:?}");
        assert!(matches!(error(&astray), Error::Cwd { .. }), "{shell:?}");
        let call = survey(shell, &hidden).call(&hidden).unwrap();
        let at = call.argv.iter().position(|word| word == b"--chdir").unwrap();
        assert_eq!(call.argv[at + 1], b"/", "{shell:?}");
    }
}

#[test]
fn a_bwrap_that_others_can_change_is_not_trusted() {
    let fine = "drwxr-xr-x 18 0 0 4096 Jan  1 00:00 /\n\
                drwxr-xr-x 12 0 0 4096 Jan  1 00:00 /usr\n\
                drwxr-xr-x 12 0 0 4096 Jan  1 00:00 /usr/bin\n\
                -rwxr-xr-x 1 0 0 72000 Jan  1 00:00 /usr/bin/bwrap";
    assert_eq!(trusted("bubblewrap 0.8.0", fine), Ok(Version(0, 8)));
    for (from, to) in [
        (
            "drwxr-xr-x 12 0 0 4096 Jan  1 00:00 /usr\n",
            "drwxrwxr-x 12 0 0 4096 Jan  1 00:00 /usr\n",
        ),
        ("-rwxr-xr-x 1 0 0", "-rwxr-xrwx 1 0 0"),
        ("-rwxr-xr-x 1 0 0", "-rwxr-xr-x 1 1000 0"),
        ("-rwxr-xr-x 1 0 0", "lrwxr-xr-x 1 0 0"),
        ("drwxr-xr-x 18 0 0 4096 Jan  1 00:00 /\n", ""),
    ] {
        assert!(fine.contains(from));
        assert!(trusted("bubblewrap 0.8.0", &fine.replace(from, to)).is_err(), "{to}");
    }
    let none = trusted("", "drwxr-xr-x 18 0 0 4096 Jan  1 00:00 /").unwrap_err();
    assert!(none.contains("no /usr/bin/bwrap"), "{none}");
}

#[test]
fn answers_that_are_cut_or_mean_nothing_are_refused() {
    assert!(Survey::read(b"machine\0").is_err());
    assert!(Survey::read(b"found\0dir\0relative\0/x\0").is_err());
    assert!(Survey::read(b"user\0root\0").is_err());
    assert!(Survey::read(b"magic\0x\0").is_err());
}

/// A shell may go on where it could start no process, and a host may say what it likes.
#[test]
fn a_survey_that_is_not_whole_is_refused() {
    let plan = plan("", &["df"], Cwd::Root);
    let said = say(SHELLS[0], &survey_script(&plan));
    let said = said.strip_suffix(b"end\0").unwrap();
    assert!(Survey::read(said).unwrap().call(&plan).is_ok());
    let fields: Vec<&[u8]> = said.split(|byte| *byte == 0).collect();
    let without = |kind: &[u8], length: usize| {
        let at = fields.iter().position(|field| *field == kind).unwrap();
        let mut rest = fields.clone();
        rest.drain(at..=at + length);
        Survey::read(&rest.join(&0)).unwrap().call(&plan)
    };
    for (kind, length) in
        [(&b"machine"[..], 1), (b"bwrap", 2), (b"mounts", 1), (b"program", 3), (b"cwd", 3)]
    {
        assert!(without(kind, length).is_err(), "{}", text(kind));
    }
}

/// A host must not cost who asks it more than it says.
#[test]
fn a_survey_of_everything_is_refused_at_once() {
    let many = |record: &dyn Fn(usize) -> String, n| (0..n).map(record).collect::<String>();
    let found = many(&|n| format!("found\0dir\0/a{n}\0/a{n}\0"), MOST_FOUND + 1);
    assert!(Survey::read(found.as_bytes()).is_err());
    let begun = std::time::Instant::now();
    let mounts = many(&|n| format!("{n} 1 8:1 / /m{n} rw - ext4 /dev/x rw\n"), MOST_FOUND - 1);
    let homes = many(&|n| format!("home\0dir\0/h{n}\0/h{n}\0"), MOST_FOUND - 1);
    let said = format!("user\x000\0mounts\x001 1 8:1 / / rw - ext4 /dev/x rw\n{mounts}\0{homes}");
    let survey = Survey::read(said.as_bytes()).unwrap();
    let plan = plan("", &["df"], Cwd::Root);
    assert!(matches!(survey.aliases_script(&plan), Err(Error::Lacks { .. })));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Whether it is there, and what it is, would tell.
#[test]
fn programs_that_are_hidden_are_not_found() {
    let tree = Tree::new("hidden");
    let program = tree.file("secret");
    let hide = format!("hide = [\"{program}\"]");
    for path in [program.as_str(), "/proc/self/root/bin/true", "/proc/self/exe"] {
        let text = format!(
            "version = 1\nname = \"p\"\n[commands.\"/*\"]\nabout = \"It.\"\n[paths]\nscratch = []\n{hide}\n"
        );
        let plan = plan_of(&text, &[path], Cwd::Root);
        for shell in SHELLS {
            let error = survey(shell, &plan).call(&plan).unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{shell:?} {path}: {error:?}");
        }
    }
}

/// One of the two answers could be whole and the other not.
#[test]
fn what_an_answer_refuses_stays_refused() {
    let plan = plan("", &["df"], Cwd::Root);
    let said = say(SHELLS[0], &survey_script(&plan));
    let mut survey = Survey::read(said.strip_suffix(b"end\0").unwrap()).unwrap();
    survey.add(b"refused\0where a link leads\0").unwrap();
    survey.add(b"").unwrap();
    assert!(matches!(survey.call(&plan), Err(Error::Lacks { .. })));
}

#[test]
fn names_of_homes_may_have_slashes_too_many() {
    for (field, want) in [("/home//x/./y", "/home/x/y"), ("/", "/"), ("//", "/"), ("/a", "/a")] {
        assert_eq!(path(field.as_bytes()).unwrap().to_string(), want);
    }
    assert!(path(b"a").is_err() && path(b"").is_err() && path(b"/a/../b").is_err());
}
