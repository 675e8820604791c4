//! Puts the helper on a host.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::ChildStdout;

use super::command::{GO, NO_START, PUT, READY, Sha256Hex, SshTarget, THERE, deploy_command};
use super::connection::{Ssh, last_words};
use super::diagnosis::{hint_of, text_of, with};
use crate::event::Unreachable;

/// The longest line that the script says, with what start-up files say before it.
const LONGEST_LINE: u64 = 4 << 10;
/// The most lines of theirs.
const MOST_LINES: usize = 1000;
/// How long a program may take to travel.
const TRAVEL: Duration = Duration::from_secs(300);

/// What became of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployed {
    /// The program was put there.
    Put,
    /// It was there already.
    There,
}

/// Puts a program where a host's helper is looked for: below the user's `~/.cache/shannot/bin`, by the
/// name of its digest, for this user alone. It is there whole, and has been started once, or not at all.
///
/// # Errors
/// The host cannot be reached, has another CPU, or cannot keep or start the program.
pub async fn deploy(
    target: &SshTarget,
    program: Bytes,
    sha256: &Sha256Hex,
) -> Result<Deployed, Unreachable> {
    let Ssh { mut child, mut stdin, stdout, heard, listener } =
        Ssh::start(target, &deploy_command(sha256), None)?;
    let mut stdout = BufReader::new(stdout);
    let failed = |what: String, hint: Option<String>| Unreachable::new(&target.name, what, hint);
    let first = tokio::time::timeout(target.connect_timeout, said(&mut stdout)).await;
    let machine = match first {
        Ok(Some(Said::There)) => return Ok(Deployed::There),
        Ok(Some(Said::Ready(machine))) => machine,
        Err(_) => {
            let what = format!("no answer within {:?}", target.connect_timeout);
            return Err(failed(with(&what, &text_of(&heard)), None));
        }
        Ok(Some(Said::Put) | None) => {
            let status = last_words(&mut child, listener).await;
            let said = text_of(&heard);
            let what = if status == Some(255) { "ssh failed" } else { "its shell did not answer" };
            return Err(failed(with(what, &said), hint_of(&said, target)));
        }
    };
    if machine != std::env::consts::ARCH {
        let own = std::env::consts::ARCH;
        let what = format!("its CPU is {machine}, and this program is for {own}");
        let hint = format!("install shannot for {machine} there, and name it by `helper_path`");
        return Err(failed(what, Some(hint)));
    }
    let put = async {
        // A far side that has ended early says why.
        let _ = stdin.write_all(GO).await;
        let _ = stdin.write_all(&program).await;
        let _ = stdin.shutdown().await;
        drop(stdin);
        said(&mut stdout).await
    };
    let put = tokio::time::timeout(TRAVEL, put).await;
    if let Ok(Some(Said::Put)) = put {
        return Ok(Deployed::Put);
    }
    let status = last_words(&mut child, listener).await;
    let said = text_of(&heard);
    Err(match status {
        Some(NO_START) => failed(
            with("the program does not start there", &said),
            Some("is the home mounted noexec? `helper_path` names another place".to_owned()),
        ),
        _ => failed(with("cannot put the program there", &said), None),
    })
}

/// What the script has said.
enum Said {
    There,
    Ready(String),
    Put,
}

/// The next line of the script's, whatever start-up files say before it.
async fn said(stdout: &mut BufReader<ChildStdout>) -> Option<Said> {
    for _ in 0..MOST_LINES {
        let mut line = Vec::new();
        let read = stdout.take(LONGEST_LINE).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        match line.trim_end() {
            THERE => return Some(Said::There),
            PUT => return Some(Said::Put),
            line => {
                let machine = line.strip_prefix(READY).and_then(|rest| rest.strip_prefix(' '));
                let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if let Some(machine) = machine.filter(|name| name.chars().all(is_plain)) {
                    return Some(Said::Ready(machine.to_owned()));
                }
            }
        }
    }
    None
}
