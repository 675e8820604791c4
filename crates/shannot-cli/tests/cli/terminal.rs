use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::*;

/// A terminal: the side of who looks, and the side of programs.
fn terminal() -> (File, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).unwrap();
    (File::from(master), slave)
}

/// What a terminal is shown on the stream that `connect` chooses, after its own line ends.
pub(crate) fn shown(mut command: Command, connect: fn(&mut Command, OwnedFd)) -> String {
    let (mut master, slave) = terminal();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    connect(&mut command, slave);
    let mut child = command.spawn().unwrap();
    // Our copy of the other side, so that the end shows.
    drop(command);
    let mut bytes = Vec::new();
    // A terminal whose programs have gone answers EIO.
    let _ = master.read_to_end(&mut bytes);
    child.wait().unwrap();
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

pub(crate) fn to_stdout(command: &mut Command, slave: OwnedFd) {
    command.stdout(slave);
}

fn to_stderr(command: &mut Command, slave: OwnedFd) {
    command.stderr(slave);
}

const WORDS: &str = "\\033]0;title\\007\\033[31mred\\033[0m\\033[2J\\n";

#[test]
fn terminal_is_shown_nothing_that_it_obeys() {
    for user in everyone() {
        let text = shown(run(user, &[], &["printf", WORDS]), to_stdout);
        assert_eq!(text, "^[]0;title^G\u{1b}[31mred\u{1b}[0m^[[2J\n");
    }
}

#[test]
fn terminal_is_shown_everything_where_asked_for() {
    for user in everyone() {
        let text = shown(run(user, &["--raw"], &["printf", WORDS]), to_stdout);
        assert_eq!(text, "\u{1b}]0;title\u{7}\u{1b}[31mred\u{1b}[0m\u{1b}[2J\n");
    }
}

#[test]
fn errors_on_a_terminal_are_harmless_too() {
    for user in everyone() {
        let script = format!("printf '{WORDS}' >&2");
        let text = shown(run(user, &[], &["sh", "-c", &script]), to_stderr);
        assert_eq!(text, "^[]0;title^G\u{1b}[31mred\u{1b}[0m^[[2J\n");
    }
}

/// What a log file can hold: a clipboard's new content, a report that a terminal would type, a
/// device's string, controls of eight bits, text that runs backwards.
const HOSTILE: &str =
    "\\033]52;c;AAAA\\007 \\033[21t \\033P$q\\033\\\\ \\302\\2332J \\342\\200\\256x \\015y\\n";
const HOSTILE_BYTES: &str =
    "\u{1b}]52;c;AAAA\u{7} \u{1b}[21t \u{1b}P$q\u{1b}\\ \u{9b}2J \u{202e}x \ry\n";

#[test]
fn hostile_log_is_inert_on_a_terminal() {
    for user in everyone() {
        let text = shown(run(user, &[], &["printf", HOSTILE]), to_stdout);
        assert_eq!(text, "^[]52;c;AAAA^G ^[[21t ^[P$q^[\\ <U+009B>2J <U+202E>x ^My\n");
    }
}

#[test]
fn pipe_is_given_every_byte() {
    for user in everyone() {
        let out = run(user, &[], &["printf", HOSTILE]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8(out.stdout).unwrap(), HOSTILE_BYTES);
    }
}

#[test]
fn json_holds_nothing_that_a_terminal_obeys() {
    for user in everyone() {
        let out = run(user, &["--json"], &["printf", HOSTILE]).stdin(Stdio::null()).output();
        let text = String::from_utf8(out.unwrap().stdout).unwrap();
        let obeyed = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!text.trim_end_matches('\n').contains(obeyed), "{text:?}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["stdout"], HOSTILE_BYTES);
    }
}

/// The name of a program is the caller's own text.
#[test]
fn own_messages_are_harmless() {
    for user in everyone() {
        let text = shown(run(user, &[], &["\u{1b}]0;title\u{7}"]), to_stderr);
        assert!(text.starts_with("shannot: `") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn width_of_the_terminal_is_told() {
    for user in everyone() {
        let text =
            shown(run(user, &[], &["sh", "-c", "echo ${COLUMNS-none}"]), |command, slave| {
                let size = rustix::termios::Winsize {
                    ws_row: 24,
                    ws_col: 132,
                    ws_xpixel: 0,
                    ws_ypixel: 0,
                };
                rustix::termios::tcsetwinsize(&slave, size).unwrap();
                command.stdout(slave);
            });
        assert_eq!(text, "132\n");
    }
}

#[test]
fn much_output_arrives_whole() {
    for user in everyone() {
        let text = shown(run(user, &[], &["seq", "20000"]), to_stdout);
        assert!(text.lines().map(|line| line.parse::<u32>().unwrap()).eq(1..=20000));
    }
}
