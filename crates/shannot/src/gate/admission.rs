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

/// How much one caller is admitted at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// By all tools together.
    pub all: Rates,
    /// By any one tool. Where it is less, one tool that is asked over and over leaves something for
    /// the others.
    pub each_tool: Rates,
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

/// Who asks where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) caller: &'p str,
    pub(super) target: &'p str,
}

/// The caller, the target, and the tool or none for all of them.
type Key = (String, String, Option<String>);

/// The accounts of those who ask: each caller has one for each target, and one for each tool there.
#[derive(Debug)]
pub struct Admission {
    allowance: Allowance,
    accounts: Mutex<HashMap<Key, Account>>,
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
    keys: [Key; 2],
}

/// Accounts that are kept beyond this are those that still matter.
const MANY: usize = 1024;

impl Account {
    const fn new(now: Instant) -> Self {
        Self { even: now, running: 0 }
    }

    /// Whether one more may come now.
    fn check(&self, rates: Rates, now: Instant) -> Result<(), TooMuch> {
        if self.running >= rates.at_once.get() {
            return Err(TooMuch::AtOnce(rates.at_once));
        }
        let ahead = self.even.saturating_duration_since(now);
        let most_ahead = rates.each() * (rates.burst.get() - 1);
        if ahead > most_ahead {
            return Err(TooMuch::Rate { wait: ahead - most_ahead });
        }
        Ok(())
    }

    fn add(&mut self, rates: Rates, now: Instant) {
        self.even = self.even.max(now) + rates.each();
        self.running += 1;
    }
}

impl Rates {
    fn each(&self) -> Duration {
        Duration::from_secs(60) / self.per_minute.get()
    }
}

impl Admission {
    /// Accounts with nothing on them.
    pub fn new(allowance: Allowance) -> Arc<Self> {
        Arc::new(Self { allowance, accounts: Mutex::default() })
    }

    /// Admits a request now, or says why not; then it is on no account.
    ///
    /// # Errors
    /// Too much was asked for.
    pub(super) fn admit(
        self: &Arc<Self>,
        place: Place<'_>,
        tool: &str,
        now: Instant,
    ) -> Result<Admitted, TooMuch> {
        let key = |tool| (place.caller.to_owned(), place.target.to_owned(), tool);
        let keys = [key(None), key(Some(tool.to_owned()))];
        let rates = [self.allowance.all, self.allowance.each_tool];
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MANY {
            accounts.retain(|_, account| account.running > 0 || account.even > now);
        }
        for (key, rates) in keys.iter().zip(rates) {
            let account = accounts.get(key);
            account.map_or(Ok(()), |account| account.check(rates, now))?;
        }
        for (key, rates) in keys.iter().zip(rates) {
            accounts.entry(key.clone()).or_insert(Account::new(now)).add(rates, now);
        }
        Ok(Admitted { admission: Arc::clone(self), keys })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let accounts = &self.admission.accounts;
        let mut accounts = accounts.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(account) = accounts.get_mut(key) {
                account.running = account.running.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(per_minute: u32, burst: u32, at_once: u32) -> Rates {
        let [per_minute, burst, at_once] =
            [per_minute, burst, at_once].map(|n| NonZeroU32::new(n).unwrap());
        Rates { per_minute, burst, at_once }
    }

    fn admission(all: Rates) -> Arc<Admission> {
        Admission::new(Allowance { all, each_tool: rates(60_000, 10_000, 10_000) })
    }

    const A: Place<'_> = Place { caller: "a", target: "t" };
    const B: Place<'_> = Place { caller: "b", target: "t" };

    #[test]
    fn a_burst_is_admitted_and_then_an_even_rate() {
        let admission = admission(rates(60, 3, 100));
        let now = Instant::now();
        let at = |seconds: f64| admission.admit(A, "x", now + Duration::from_secs_f64(seconds));
        let held: Vec<_> = (0..3).map(|_| at(0.0).unwrap()).collect();
        assert_eq!(at(0.0).unwrap_err(), TooMuch::Rate { wait: Duration::from_secs(1) });
        assert!(at(0.9).is_err());
        assert!(at(1.0).is_ok());
        assert!(at(1.1).is_err());
        assert!((0..3).all(|_| at(100.0).is_ok()) && at(100.0).is_err());
        assert!(admission.admit(B, "x", now).is_ok(), "another's account");
        drop(held);
    }

    #[test]
    fn so_many_go_on_at_once() {
        let admission = admission(rates(60_000, 1000, 2));
        let now = Instant::now();
        let first = admission.admit(A, "x", now).unwrap();
        let _second = admission.admit(A, "y", now).unwrap();
        assert!(matches!(admission.admit(A, "z", now), Err(TooMuch::AtOnce(_))));
        drop(first);
        assert!(admission.admit(A, "x", now).is_ok());
    }

    #[test]
    fn one_tool_leaves_something_for_the_others() {
        let allowance = Allowance { all: rates(60, 4, 4), each_tool: rates(60, 3, 2) };
        let admission = Admission::new(allowance);
        let now = Instant::now();
        let _held = [admission.admit(A, "x", now).unwrap(), admission.admit(A, "x", now).unwrap()];
        assert!(matches!(admission.admit(A, "x", now), Err(TooMuch::AtOnce(_))));
        let other = admission.admit(A, "y", now).unwrap();
        // What was not admitted is on no account: there is room for one more of four.
        assert!(admission.admit(A, "y", now).is_ok());
        drop(other);
        assert!(matches!(admission.admit(A, "y", now), Err(TooMuch::Rate { .. })));
    }

    #[test]
    fn callers_by_chance_do_not_fill_the_memory() {
        let admission = admission(rates(60, 1, 1));
        let now = Instant::now();
        for n in 0..10 * MANY {
            let later = now + Duration::from_secs(2) * u32::try_from(n).unwrap();
            let caller = n.to_string();
            drop(admission.admit(Place { caller: &caller, target: "t" }, "x", later));
        }
        assert!(admission.accounts.lock().unwrap().len() <= MANY + 2);
    }
}
