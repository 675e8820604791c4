//! One connection for many sessions of `ssh`, `ControlMaster` of ssh_config(5): for runs that each need a
//! shell.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, Command};

use super::command::SshTarget;
use super::connection::spawn;
use crate::event::Unreachable;

/// Nobody's words. It ends when its input does, which this process holds: so does the connection,
/// however this process ends.
const FAR_COMMAND: &str = "exec cat";
/// The longest path of a socket, unix(7), without what ssh adds to it while it makes it.
const LONGEST_PATH: usize = 108 - 20;
const LOOK: Duration = Duration::from_millis(5);

/// An `ssh` that others go through. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Master {
    child: Mutex<Child>,
    _stdin: ChildStdin,
    /// Only this user's.
    dir: PathBuf,
    pub(super) used: Mutex<Instant>,
}

impl Master {
    /// Connects, and waits until others can go through.
    ///
    /// # Errors
    /// Why they cannot. Each can still connect by itself.
    pub(super) async fn start(target: &SshTarget, sockets: &Path) -> Result<Self, Unreachable> {
        let failed = |what: String| Unreachable::new(&target.name, what, None);
        let dir = private_dir(sockets)
            .map_err(|error| failed(format!("cannot make a directory for a socket: {error}")))?;
        let path = socket(&dir);
        let mut command = Command::new("ssh");
        command.args(["-o", "ControlMaster=yes"]).args(options(&path));
        command.args(target.words(FAR_COMMAND));
        let spawned = match path.as_os_str().len() {
            0..=LONGEST_PATH => spawn(&mut command, target),
            _ => Err(failed(format!("`{}` is too long for a socket", path.display()))),
        };
        let (child, stdin, stdout, stderr) = spawned.inspect_err(|_| remove(&dir))?;
        drop((stdout, stderr));
        let used = Mutex::new(Instant::now());
        let master = Self { child: Mutex::new(child), _stdin: stdin, dir, used };
        let begun = Instant::now();
        while !path.exists() {
            if !master.is_there() || begun.elapsed() > target.connect_timeout {
                return Err(failed("no connection that others could share".to_owned()));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(master)
    }

    /// The options with which another `ssh` goes through.
    pub(super) fn options(&self) -> [String; 2] {
        options(&socket(&self.dir))
    }

    /// Whether it has not ended.
    pub(super) fn is_there(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // The child is killed when it is dropped, and cannot remove its socket.
        remove(&self.dir);
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("ssh")
}

fn options(path: &Path) -> [String; 2] {
    ["-o".to_owned(), format!("ControlPath=\"{}\"", path.display())]
}

/// A directory for this user alone: who can open the socket has the connection.
fn private_dir(above: &Path) -> std::io::Result<PathBuf> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(std::io::Error::other)?;
    let dir = above.join(format!("shannot-{:016x}", u64::from_ne_bytes(number)));
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&dir)?;
    Ok(dir)
}

fn remove(dir: &Path) {
    let _ = std::fs::remove_file(socket(dir));
    let _ = std::fs::remove_dir(dir);
}
