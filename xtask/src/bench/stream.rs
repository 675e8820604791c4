//! How fast output passes, against bwrap and a pipe.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Row;

const BYTES: u64 = 1 << 30;

/// A file in memory-backed storage; removed with the value.
struct Source(PathBuf);

impl Drop for Source {
    fn drop(&mut self) {
        // Nothing is left to do when it has gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn rows(shannot: &Path) -> Result<Vec<Row>, String> {
    let path = PathBuf::from(format!("/dev/shm/shannot-bench-{}", std::process::id()));
    // Not sparse: holes are read from one page that is always in the cache.
    let chunk = vec![b'x'; 1 << 20];
    let file = File::create(&path)
        .and_then(|mut f| (0..BYTES >> 20).try_for_each(|_| f.write_all(&chunk)));
    let source = std::rc::Rc::new(Source(path));
    file.map_err(|e| format!("cannot make `{}`: {e}", source.0.display()))?;
    let row = |name: &str, mut producer: Command| -> Row {
        let source = std::rc::Rc::clone(&source);
        producer.args(["cat".as_ref(), source.0.as_os_str()]);
        (name.to_owned(), Box::new(move || through_pipe(&mut producer, &source)))
    };
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--"]);
    let mut run = Command::new(shannot);
    run.args(["run", "--profile", "minimal", "--timeout", "30s", "--"]);
    Ok(vec![
        row("bwrap … cat | cat", bwrap),
        row("shannot run -- cat | cat", run),
        row("cat | cat", Command::new("env")),
    ])
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
