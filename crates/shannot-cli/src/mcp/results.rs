//! Output that was too long for an answer, kept for a while so that it can be read in pieces.
//!
//! It is kept as a model may see it: without the secrets that are known by their looks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::run_id::run_id;

/// The most bytes that are kept, and for how long.
const MOST: usize = 32 << 20;
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What is kept, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Results(Mutex<VecDeque<Kept>>);

/// One text.
#[derive(Debug)]
struct Kept {
    /// Nobody can guess it. Who is served by the same server, the same user that is, can list it.
    id: String,
    text: Arc<str>,
    until: Instant,
}

impl Results {
    /// Keeps a text, and says under which name. What would not fit is not kept.
    ///
    /// # Errors
    /// The kernel gave no random bytes.
    pub(super) fn keep(&self, text: String) -> Result<Option<String>, Error> {
        if text.len() > MOST {
            return Ok(None);
        }
        let id = run_id()?;
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.until > now);
        let mut total: usize = all.iter().map(|kept| kept.text.len()).sum();
        while total + text.len() > MOST {
            total -= all.pop_front().map_or(total, |oldest| oldest.text.len());
        }
        all.push_back(Kept { id: id.clone(), text: text.into(), until: now + LIFETIME });
        Ok(Some(id))
    }

    /// The text of that name, while it is kept.
    pub(super) fn find(&self, id: &str) -> Option<Arc<str>> {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.until > now);
        all.iter().find(|kept| kept.id == id).map(|kept| Arc::clone(&kept.text))
    }

    /// The names of all that is kept, with their lengths in bytes.
    pub(super) fn names(&self) -> Vec<(String, usize)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|kept| (kept.id.clone(), kept.text.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_until_newer_ones_need_the_room() {
        let results = Results::default();
        let keep = |length: usize| results.keep("x".repeat(length)).unwrap();
        let first = keep(MOST / 2).unwrap();
        let second = keep(MOST / 2).unwrap();
        assert_eq!(results.find(&first).unwrap().len(), MOST / 2);
        assert!(results.find("0").is_none());
        let third = keep(1).unwrap();
        assert!(results.find(&first).is_none(), "the oldest had to go");
        assert!(results.find(&second).is_some() && results.find(&third).is_some());
        assert_eq!(keep(MOST + 1), None);
    }
}
