//! Why a host cannot be reached, and what to do about it.

use std::sync::{Mutex, PoisonError};

use super::command::{CHANGED, Helper, SshTarget};
use crate::event::Unreachable;

/// Fit to be shown: a far host's words must not move a cursor.
pub(super) fn text_of(heard: &Mutex<Vec<u8>>) -> String {
    shown(&heard.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Enough to see what it is.
pub(super) fn beginning(noise: &[u8]) -> String {
    shown(&noise[..noise.len().min(200)])
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>();
    let lines: Vec<String> =
        text.lines().map(plain).filter(|line| !line.trim().is_empty()).collect();
    lines.join("; ")
}

pub(super) fn with(what: &str, said: &str) -> String {
    if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") }
}

/// Why there was no greeting.
pub(super) fn diagnose(
    target: &SshTarget,
    status: Option<i32>,
    said: &str,
    noise: &[u8],
) -> Unreachable {
    let name = &target.name;
    let deploy = format!("`shannot remote deploy {name}` puts it there");
    let (what, hint) = match status {
        // What ssh(1) says of its own errors.
        Some(255) => (with("ssh failed", said), hint_of(said, target)),
        Some(126) if said.contains(CHANGED) => {
            let what = "the helper on the host is not the one that was deployed".to_owned();
            (what, Some(format!("find out who changed it; then {deploy}")))
        }
        Some(126 | 127) => {
            let what = match &target.helper {
                Helper::At(path) => format!("cannot start `{path}` there"),
                Helper::Deployed(_) => "cannot start the helper there".to_owned(),
                Helper::Absent => "cannot start `sh` there".to_owned(),
            };
            (with(&what, said), Some("is the home mounted noexec, or the CPU another?".to_owned()))
        }
        _ => {
            let first = beginning(noise);
            let what = match first.is_empty() {
                true => with("the host answered nothing", said),
                false => with(&format!("what answered is no agent: it said `{first}`"), said),
            };
            let hint = format!("what does `{} true` say?", by_hand(target));
            (what, Some(hint))
        }
    };
    Unreachable::new(name, what, hint)
}

/// How a person would go there with ssh(1).
fn by_hand(target: &SshTarget) -> String {
    let mut line = String::from("ssh ");
    if let Some(path) = &target.known_hosts {
        line.push_str(&format!("-o UserKnownHostsFile={} ", path.display()));
    }
    if let Some(path) = &target.key_file {
        line.push_str(&format!("-i {} ", path.display()));
    }
    if let Some(port) = target.destination.port {
        line.push_str(&format!("-p {port} "));
    }
    if let Some(user) = &target.destination.user {
        line.push_str(&format!("{user}@"));
    }
    line.push_str(target.destination.host.as_str());
    line
}

/// What to do about an error of ssh's.
pub(super) fn hint_of(said: &str, target: &SshTarget) -> Option<String> {
    let line = by_hand(target);
    let hint = if said.contains("IDENTIFICATION HAS CHANGED") {
        "its host key is another than the known one: somebody may be listening. Ask whoever runs it; if \
         the key was changed on purpose, remove the old one with `ssh-keygen -R`"
            .to_owned()
    } else if said.contains("Host key verification failed") || said.contains("host key is known") {
        format!("its host key is not known: `{line}` shows its fingerprint and accepts it")
    } else if said.contains("Permission denied") {
        format!(
            "no key was accepted: does `{line}` work? `key_file` names another, `ssh-add` offers it"
        )
    } else if said.contains("Could not resolve hostname") {
        "is the name right? `host` may be an alias of ssh_config, too".to_owned()
    } else if said.contains("Connection refused") {
        "no sshd listens there: are host and `port` right?".to_owned()
    } else if said.contains("timed out") || said.contains("No route to host") {
        "is the host up, and is there a firewall or a jump host between?".to_owned()
    } else {
        return None;
    };
    Some(hint)
}
