//! How a command ended.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStatus {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
}
