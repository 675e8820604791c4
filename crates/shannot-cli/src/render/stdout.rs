//! Standard output. What it cannot take is said, and shows in the exit code: a result that a full
//! disk swallowed must not look like one that was given.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use super::human;

static LOST: AtomicBool = AtomicBool::new(false);
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes bytes. A closed pipe is no error: its reader has had enough.
pub(super) fn write(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            LOST.store(true, Ordering::Relaxed);
            human::complain(&format!("failed to write the output: {e}"));
        }
        Ok(()) => {}
        Err(_) => CLOSED.store(true, Ordering::Relaxed),
    }
}

/// Whether its reader has had enough.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Whether something could not be written.
pub(crate) fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
