//! How much one caller may ask for: so many requests in a time, so many at once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

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
    at_once: NonZeroU32,
    rates: RateLimiter<String, HashMapStateStore<String>, DefaultClock>,
    running: Mutex<HashMap<String, u32>>,
}

/// The right to go on. Dropped, it is given back.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    key: String,
}

/// Beyond so many accounts, those on which nothing stands are dropped.
const MANY: usize = 1024;

impl Admission {
    /// An account with nothing on it.
    pub fn new(rates: Rates) -> Arc<Self> {
        let quota = Quota::per_minute(rates.per_minute).allow_burst(rates.burst);
        Arc::new(Self {
            at_once: rates.at_once,
            rates: RateLimiter::hashmap(quota),
            running: Mutex::default(),
        })
    }

    /// Admits a request now, or says why not.
    ///
    /// # Errors
    /// Too much was asked for under this key.
    pub fn admit(self: &Arc<Self>, key: &str) -> Result<Admitted, TooMuch> {
        let key = key.to_owned();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(&key).is_some_and(|count| *count >= self.at_once.get()) {
            return Err(TooMuch::AtOnce(self.at_once));
        }
        if self.rates.len() >= MANY {
            self.rates.retain_recent();
        }
        self.rates.check_key(&key).map_err(|until| TooMuch::Rate {
            wait: until.wait_time_from(self.rates.clock().now()),
        })?;
        *running.entry(key.clone()).or_default() += 1;
        Ok(Admitted { admission: Arc::clone(self), key })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut running = self.admission.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.key);
            }
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
        let admission = admission(600, 3, 100);
        assert!((0..3).all(|_| admission.admit("a").is_ok()));
        let Err(TooMuch::Rate { wait }) = admission.admit("a") else { panic!("it was admitted") };
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert!(admission.admit("b").is_ok(), "another's account");
        std::thread::sleep(wait + Duration::from_millis(5));
        assert!(admission.admit("a").is_ok());
    }

    #[test]
    fn so_many_go_on_at_once() {
        let admission = admission(60_000, 1000, 2);
        let first = admission.admit("a").unwrap();
        let _second = admission.admit("a").unwrap();
        assert!(matches!(admission.admit("a"), Err(TooMuch::AtOnce(_))));
        drop(first);
        assert!(admission.admit("a").is_ok());
    }

    #[test]
    fn callers_by_chance_do_not_fill_the_memory() {
        let admission = admission(60_000_000, 1, 1);
        for n in 0..10 * MANY {
            drop(admission.admit(&n.to_string()));
        }
        assert!(admission.rates.len() <= 2 * MANY, "{}", admission.rates.len());
        assert!(admission.running.lock().unwrap().is_empty());
    }
}
