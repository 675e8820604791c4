//! What several targets say, each line with the name of its target.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use shannot::Outcome;
use shannot::policy::types::Timeout;

use super::human;
use super::stdout;
use super::terminal::Filter;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::targets::Target;

/// The longest line that is waited for; a longer one is told in parts.
const LONGEST_LINE: usize = 64 << 10;

/// Which of a command's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// The output of several targets, a line at a time; on a terminal, also which are not done.
#[derive(Debug)]
pub(crate) struct Labelled {
    targets: Vec<One>,
    progress: MultiProgress,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

/// One target's unfinished lines.
#[derive(Debug)]
struct One {
    name: String,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    bar: Option<ProgressBar>,
}

impl Labelled {
    pub(crate) fn new(targets: &[&Target]) -> Self {
        let one = |target: &&Target| One {
            name: target.name.value.to_string(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            bar: None,
        };
        let stderr_is_terminal = std::io::stderr().is_terminal();
        // Nothing where nobody looks.
        let draw = match stderr_is_terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Self {
            targets: targets.iter().map(one).collect(),
            progress: MultiProgress::with_draw_target(draw),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal,
        }
    }

    /// A target is asked.
    pub(crate) fn begun(&mut self, at: usize) {
        let Some(one) = self.targets.get_mut(at).filter(|_| self.stderr_is_terminal) else {
            return;
        };
        let bar = self.progress.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_prefix(one.name.clone());
        bar.enable_steady_tick(TICK);
        one.bar = Some(bar);
    }

    /// A target says something.
    pub(crate) fn push(&mut self, at: usize, stream: Stream, bytes: &[u8]) {
        let Some(one) = self.targets.get_mut(at) else { return };
        let held = match stream {
            Stream::Stdout => &mut one.stdout,
            Stream::Stderr => &mut one.stderr,
        };
        held.extend_from_slice(bytes);
        let whole = match held.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None if held.len() >= LONGEST_LINE => held.len(),
            None => return,
        };
        let lines: Vec<u8> = held.drain(..whole).collect();
        self.write(at, stream, &lines);
    }

    /// A target has ended.
    pub(crate) fn ended(
        &mut self,
        at: usize,
        outcome: &Outcome,
        code: ExitCode,
        wall: Timeout,
        verbose: bool,
    ) {
        self.done(at);
        let mut lines = human::of_end(outcome, wall);
        if lines.is_empty() && code.as_u8() != 0 {
            lines.push(format!("exit code {}", code.as_u8()));
        }
        if verbose {
            lines.extend(human::of_enforcement(outcome));
        }
        self.complain(at, lines);
    }

    /// A target was not asked, or has no answer.
    pub(crate) fn failed(&mut self, at: usize, error: &Error) {
        self.done(at);
        self.complain(at, human::of_error(error));
    }

    /// All have ended.
    pub(crate) fn finish(&mut self) {
        (0..self.targets.len()).for_each(|at| self.done(at));
    }

    fn done(&mut self, at: usize) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(one) = self.targets.get_mut(at) else { return };
            let held = match stream {
                Stream::Stdout => std::mem::take(&mut one.stdout),
                Stream::Stderr => std::mem::take(&mut one.stderr),
            };
            if !held.is_empty() {
                self.write(at, stream, &held);
            }
        }
        if let Some(bar) = self.targets.get_mut(at).and_then(|one| one.bar.take()) {
            bar.finish_and_clear();
            self.progress.remove(&bar);
        }
    }

    fn complain(&self, at: usize, lines: Vec<String>) {
        let Some(one) = self.targets.get(at) else { return };
        let label = format!("{}: ", one.name);
        self.progress.suspend(|| {
            for line in lines {
                // What is said of another host names it already.
                let text = line.strip_prefix(&label).unwrap_or(&line);
                human::complain(&format!("{label}{text}"));
            }
        });
    }

    /// Writes lines, the last of which may lack its end.
    fn write(&self, at: usize, stream: Stream, lines: &[u8]) {
        let Some(one) = self.targets.get(at) else { return };
        let is_terminal = match stream {
            Stream::Stdout => self.stdout_is_terminal,
            Stream::Stderr => self.stderr_is_terminal,
        };
        let mut text = Vec::with_capacity(lines.len() + 64);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            text.extend_from_slice(one.name.as_bytes());
            text.extend_from_slice(b": ");
            if is_terminal {
                // Each for itself: what one line sets must not colour another host's.
                let mut filter = Filter::default();
                filter.push(line, &mut text);
                filter.finish(&mut text);
            } else {
                text.extend_from_slice(line);
            }
            text.push(b'\n');
        }
        self.progress.suspend(|| match stream {
            Stream::Stdout => stdout::write(&text),
            // With stderr closed nobody is left to tell.
            Stream::Stderr => drop(std::io::stderr().lock().write_all(&text)),
        });
    }
}

/// How often progress is drawn.
const TICK: Duration = Duration::from_millis(100);
