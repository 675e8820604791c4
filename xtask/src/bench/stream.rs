//! How fast output passes, against bwrap and a pipe.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Row;

/// A file in memory-backed storage; removed with the value.
pub(super) struct Source(PathBuf);

impl Source {
    /// One of so many MiB. Not sparse: holes are read from one page that is always in the cache.
    pub(super) fn new(mib: usize) -> Result<Rc<Self>, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("/dev/shm/shannot-bench-{}-{number}", std::process::id());
        let source = Self(PathBuf::from(name));
        let chunk = vec![b'x'; 1 << 20];
        let written = File::create(&source.0)
            .and_then(|mut f| (0..mib).try_for_each(|_| f.write_all(&chunk)));
        written.map_err(|e| format!("cannot make `{}`: {e}", source.0.display()))?;
        Ok(Rc::new(source))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Nothing is left to do when it has gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn rows(shannot: &Path) -> Result<Vec<Row>, String> {
    let source = Source::new(1024)?;
    let row = |name: &str, mut producer: Command| -> Row {
        let source = Rc::clone(&source);
        producer.args(["cat".as_ref(), source.0.as_os_str()]);
        Row::new(name, move || through_pipe(&mut producer, &source))
    };
    let bwrap = bwrap();
    let mut run = Command::new(shannot);
    run.args(["run", "--profile", "minimal", "--timeout", "30s", "--"]);
    Ok(vec![
        row("bwrap … cat | cat", bwrap),
        row("shannot run -- cat | cat", run),
        row("cat | cat", Command::new("env")),
    ])
}

/// bwrap with the whole tree, for a command to follow.
pub(super) fn bwrap() -> Command {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--"]);
    bwrap
}

/// `producer | cat >/dev/null`
fn through_pipe(producer: &mut Command, _source: &Source) -> Result<(), String> {
    let failed = |e: std::io::Error| e.to_string();
    let mut writer = producer.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let pipe = writer.stdout.take().ok_or("no pipe")?;
    let mut reader = Command::new("cat");
    let read = reader.stdin(pipe).stdout(Stdio::null()).status().map_err(failed)?;
    let wrote = writer.wait().map_err(failed)?;
    if read.success() && wrote.success() {
        return Ok(());
    }
    Err(format!("{producer:?}: {wrote}"))
}
