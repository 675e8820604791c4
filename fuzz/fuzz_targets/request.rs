//! Words to a request: what is accepted can be executed and says what was asked, what is refused is
//! refused for a reason, and a caller's variables name no file.
//!
//! Requests have no JSON form yet; a front makes them from words, as here. The input is text, a line
//! each: profile, directory, time, then variables up to an empty line, then words, where `|` alone
//! joins two stages.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use shannot_fuzz::{bare_command, bare_profile};
use shannot_policy::profile::{Command, CommandPattern, Syntax};
use shannot_policy::types::{AbsPath, ByteSize, EnvName, LONGEST_ARG, ProfileName, Timeout};
use shannot_policy::{
    Argv, Cwd, Locale, MOST_ARGV_BYTES, MOST_STAGES, Profile, Program, Request, Stages, authorize,
};

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (name, dir, time) = (line(), line(), line());
    let variables: Vec<&[u8]> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let words: Vec<&[u8]> = lines.collect();

    let profile = name_of(&String::from_utf8_lossy(name));
    let cwd = path_of(dir);
    let timeout = time_of(&String::from_utf8_lossy(time));
    size_of(&String::from_utf8_lossy(time));
    let locale = locale_of(&variables);
    let Some(stages) = stages_of(&words) else { return };
    let request = Request {
        profile: profile.unwrap_or_else(|| bare_profile().name),
        stages,
        cwd: cwd.map_or(Cwd::Root, Cwd::In),
        timeout,
        locale,
    };
    granted(request);
});

/// A name is also a file's name, and reads back.
fn name_of(text: &str) -> Option<ProfileName> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let name: Result<ProfileName, _> = text.parse();
    let name = match name {
        Ok(name) => name,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    assert!((1..=64).contains(&text.len()) && text.chars().all(plain), "{text:?}");
    assert!(!text.starts_with(['.', '-']), "{text:?} is hidden, or an option");
    assert_eq!(name.to_string(), text);
    Some(name)
}

fn path_of(bytes: &[u8]) -> Option<AbsPath> {
    let path = AbsPath::new(bytes).ok()?;
    let text = path.as_bytes();
    assert!(text.starts_with(b"/") && !text.contains(&0) && text.len() <= LONGEST_ARG);
    if text != b"/" {
        let mut parts = text[1..].split(|byte| *byte == b'/');
        assert!(parts.all(|part| !matches!(part, b"" | b"." | b"..")), "{path} leads elsewhere");
    }
    assert!(bytes == text || bytes.strip_suffix(b"/") == Some(text), "{path} is another path");
    assert_eq!(AbsPath::new(text), Ok(path.clone()), "{path} reads back");
    let parent = path.parent();
    assert!(path.is_within(&parent) && path.is_within(&path));
    assert!(parent == path || !parent.is_within(&path));
    assert!(!path.file_name().contains(&b'/'));
    Some(path)
}

fn time_of(text: &str) -> Option<Timeout> {
    let time: Timeout = text.parse().ok()?;
    let ms = time.as_duration().as_millis();
    assert!((1..=86_400_000).contains(&ms), "{time}");
    assert_eq!(time.to_string().parse(), Ok(time), "{time} reads back");
    Some(time)
}

fn size_of(text: &str) {
    let Ok(size) = text.parse::<ByteSize>() else { return };
    assert_eq!(size.to_string().parse(), Ok(size), "{size} reads back");
}

/// What C libraries make a file's name of has no way out of their directories: `locale(7)`,
/// `tzset(3)`, `terminfo(5)`.
fn locale_of(variables: &[&[u8]]) -> Locale {
    let text: Vec<String> =
        variables.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let pairs: Vec<(&str, &str)> = text.iter().filter_map(|line| line.split_once('=')).collect();
    let locale = Locale::from_env(pairs.iter().copied());
    for (at, (name, value)) in locale.iter().enumerate() {
        assert!(name.starts_with("LC_") || Locale::NAMES.contains(&name), "{name}");
        assert!(name.parse::<EnvName>().is_ok() && (1..=64).contains(&value.len()));
        assert!(!value.starts_with(['/', ':']) || name != "TZ", "{name}={value}");
        assert!(!value.starts_with('.') || name != "TERM", "{name}={value}");
        assert!(!value.contains('/') || name == "TZ", "{name}={value}");
        assert!(!value.contains("../") && !value.contains("/.."), "{name}={value}");
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{name}={value:?}");
        let last = pairs.iter().rev().find(|(own, v)| *own == name && *v == value);
        assert!(last.is_some(), "{name}={value} is not what was given");
        assert!(locale.iter().skip(at + 1).all(|(other, _)| other != name), "{name} twice");
    }
    assert_eq!(Locale::from_env(locale.iter()), locale, "what is plain stays");
    locale
}

fn stages_of(words: &[&[u8]]) -> Option<Stages> {
    let stages: Vec<&[&[u8]]> = words.split(|word| *word == b"|").collect();
    let read: Result<Vec<Argv>, _> = stages.iter().map(|words| argv_of(words)).collect();
    let read = read.ok()?;
    let count = read.len();
    let stages = Stages::new(read.clone());
    assert_eq!(stages.is_ok(), (1..=MOST_STAGES).contains(&count));
    let stages = stages.ok()?;
    assert_eq!(stages.as_slice(), read);
    Some(stages)
}

/// A command line of these words, the same word for word, if and only if `execve(2)` can have them
/// and the first is a program's name.
fn argv_of(words: &[&[u8]]) -> Result<Argv, ()> {
    let argv = Argv::from_words(words.iter().copied());
    let Some((first, args)) = words.split_first() else {
        assert!(argv.is_err(), "no words are no command");
        return Err(());
    };
    let is_word = |word: &[u8]| !word.contains(&0) && word.len() <= LONGEST_ARG;
    let bytes: usize = args.iter().map(|arg| arg.len() + 1).sum();
    let program = Program::new(*first);
    let fits = args.iter().all(|arg| is_word(arg)) && bytes <= MOST_ARGV_BYTES;
    assert_eq!(argv.is_ok(), fits && program.is_ok(), "{argv:?}");
    let argv = argv.map_err(|error| assert!(!error.to_string().is_empty()))?;
    let same = argv.args.iter().map(|arg| arg.as_bytes()).eq(args.iter().copied());
    assert!(same, "{argv:?} is not what was asked");
    match &argv.program {
        Program::Bare(name) => {
            assert!(is_word(name.as_bytes()) && !name.contains('/'));
            assert!(!matches!(name.as_str(), "" | "." | ".."));
            assert_eq!(name.as_bytes(), *first);
        }
        Program::Absolute(path) => assert_eq!(Some(path), path_of(first).as_ref()),
    }
    assert_eq!(argv.program.to_string().parse(), Ok(argv.program.clone()));
    Ok(argv)
}

/// A grant is of what was asked, and of no more time than either side wants.
fn granted(request: Request) {
    let mut profile = bare_profile();
    let refused = authorize(&Arc::new(profile.clone()), request.clone());
    assert!(refused.is_err(), "an empty list allows nothing");
    profile.commands = vec![everything()];
    let named = Profile { name: request.profile.clone(), ..profile };
    let wall = named.limits.wall;
    let grant = authorize(&Arc::new(named), request.clone()).expect("`*` allows every program");
    assert_eq!(grant.request(), &request);
    let asked: Vec<&Argv> = request.stages.as_slice().iter().collect();
    assert_eq!(grant.stages().iter().map(|stage| stage.argv()).collect::<Vec<_>>(), asked);
    assert!(grant.wall() <= wall && request.timeout.is_none_or(|wish| grant.wall() <= wish));
    let other = Profile { name: "other".parse().expect("it is a name"), ..bare_profile() };
    assert!(authorize(&Arc::new(other), request).is_err());
}

fn everything() -> Command {
    bare_command("*".parse::<CommandPattern>().expect("it is a glob"), Syntax::Plain)
}
