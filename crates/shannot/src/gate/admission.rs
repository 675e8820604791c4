//! How much one caller may ask for: so many requests in a time, so many at once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests in a minute, in the long run.
    pub per_minute: NonZeroU32,
    /// Requests that may come at once after a pause.
    pub burst: NonZeroU32,
    /// Runs at once.
    pub at_once: NonZeroU32,
}

/// Why a request was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// Requests come too fast.
    #[error("too many requests: wait {:.1} s", .wait.as_secs_f32())]
    Rate {
        /// When the next one will be admitted.
        wait: Duration,
    },
    /// Too many runs go on.
    #[error("{0} runs go on already, which is the most at once: wait for one to end")]
    AtOnce(NonZeroU32),
}

/// The account of those who ask, each by its key: a caller, or a caller and what it asks.
#[derive(Debug)]
pub struct Admission {
    rates: Rates,
    accounts: Mutex<HashMap<String, Account>>,
}

/// The generic cell rate algorithm, ITU-T I.371: the time at which all that was admitted would have come,
/// had it come evenly.
#[derive(Debug)]
struct Account {
    even: Instant,
    running: u32,
}

/// The right to go on. Dropped, it is given back.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    key: String,
}

/// Accounts that are kept beyond this are those that still matter.
const MANY: usize = 1024;

impl Admission {
    /// An account with nothing on it.
    pub fn new(rates: Rates) -> Arc<Self> {
        Arc::new(Self { rates, accounts: Mutex::default() })
    }

    /// Admits a request now, or says why not.
    ///
    /// # Errors
    /// Too much was asked for under this key.
    pub fn admit(self: &Arc<Self>, key: &str, now: Instant) -> Result<Admitted, TooMuch> {
        let Rates { per_minute, burst, at_once } = self.rates;
        let each = Duration::from_secs(60) / per_minute.get();
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MANY {
            accounts.retain(|_, account| account.running > 0 || account.even > now);
        }
        let account = accounts.entry(key.to_owned()).or_insert(Account { even: now, running: 0 });
        if account.running >= at_once.get() {
            return Err(TooMuch::AtOnce(at_once));
        }
        let ahead = account.even.saturating_duration_since(now);
        let most_ahead = each * (burst.get() - 1);
        if ahead > most_ahead {
            return Err(TooMuch::Rate { wait: ahead - most_ahead });
        }
        account.even = account.even.max(now) + each;
        account.running += 1;
        Ok(Admitted { admission: Arc::clone(self), key: key.to_owned() })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let accounts = &self.admission.accounts;
        let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(&self.key) {
            account.running = account.running.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(per_minute: u32, burst: u32, at_once: u32) -> Arc<Admission> {
        let [per_minute, burst, at_once] =
            [per_minute, burst, at_once].map(|n| NonZeroU32::new(n).unwrap());
        Admission::new(Rates { per_minute, burst, at_once })
    }

    #[test]
    fn a_burst_is_admitted_and_then_an_even_rate() {
        let admission = admission(60, 3, 100);
        let now = Instant::now();
        let at = |seconds: f64| admission.admit("a", now + Duration::from_secs_f64(seconds));
        let held: Vec<_> = (0..3).map(|_| at(0.0).unwrap()).collect();
        assert_eq!(at(0.0).unwrap_err(), TooMuch::Rate { wait: Duration::from_secs(1) });
        assert!(at(0.9).is_err());
        assert!(at(1.0).is_ok());
        assert!(at(1.1).is_err());
        assert!((0..3).all(|_| at(100.0).is_ok()) && at(100.0).is_err());
        assert!(admission.admit("b", now).is_ok(), "another's account");
        drop(held);
    }

    #[test]
    fn so_many_go_on_at_once() {
        let admission = admission(60_000, 1000, 2);
        let now = Instant::now();
        let first = admission.admit("a", now).unwrap();
        let _second = admission.admit("a", now).unwrap();
        assert!(matches!(admission.admit("a", now), Err(TooMuch::AtOnce(_))));
        drop(first);
        assert!(admission.admit("a", now).is_ok());
    }

    #[test]
    fn callers_by_chance_do_not_fill_the_memory() {
        let admission = admission(60, 1, 1);
        let now = Instant::now();
        for n in 0..10 * MANY {
            let later = now + Duration::from_secs(2) * u32::try_from(n).unwrap();
            drop(admission.admit(&n.to_string(), later));
        }
        assert!(admission.accounts.lock().unwrap().len() <= MANY);
    }
}
