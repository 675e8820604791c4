//! Which profiles requests are held against.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use shannot::FailureKind;
use shannot::policy::Profile;
use shannot::policy::profile::Examples;
use shannot::policy::types::ProfileName;
use shannot::wire::{FailureMessage, ProfileChoice, profile_digest};

use crate::error::Error;
use crate::profiles::Profiles;
use crate::surroundings::Surroundings;

/// The most profiles that are kept of those that a connection brings.
const MOST_BROUGHT: usize = 1024;

/// Which profiles requests are held against.
#[derive(Debug)]
pub(super) enum Policy {
    /// These, which were read when the agent was started, and no other.
    Pinned(BTreeMap<ProfileName, Arc<Profile>>),
    /// Those of this host, and any that a caller brings along: who may start this program may write
    /// a profile too.
    Open { surroundings: Box<Surroundings>, brought: Mutex<HashMap<String, Arc<Profile>>> },
}

impl Policy {
    /// These profiles, in the place of all others.
    ///
    /// # Errors
    /// One is not there or not right.
    pub(super) fn pinned(
        names: &[ProfileName],
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let profiles = Profiles::new(surroundings);
        let find = |name: &ProfileName| Ok((name.clone(), profiles.by_name(name)?.profile));
        names.iter().map(find).collect::<Result<_, Error>>().map(Self::Pinned)
    }

    pub(super) fn open(surroundings: Surroundings) -> Self {
        Self::Open { surroundings: Box::new(surroundings), brought: Mutex::default() }
    }

    /// The profile that a caller wants.
    pub(super) fn choose(&self, choice: &ProfileChoice) -> Result<Arc<Profile>, FailureMessage> {
        let no = |message: String| Err(FailureMessage::new(FailureKind::Profile, message));
        match (self, choice) {
            (Self::Pinned(profiles), ProfileChoice::Name(name)) => {
                let known = name.parse().ok().and_then(|name: ProfileName| profiles.get(&name));
                let names: Vec<_> = profiles.keys().map(|name| format!("`{name}`")).collect();
                let names = names.join(", ");
                known.cloned().ok_or_else(|| {
                    let name = name.escape_debug();
                    let message = format!("this login allows the profiles {names}, not `{name}`");
                    FailureMessage::new(FailureKind::Profile, message)
                })
            }
            (Self::Pinned(_), _) => {
                no("this login allows profiles of the host only, and none to be brought".to_owned())
            }
            (Self::Open { surroundings, .. }, ProfileChoice::Name(name)) => {
                let found = name
                    .parse()
                    .map_err(Error::ProfileName)
                    .and_then(|name| Profiles::new(surroundings).by_name(&name));
                found.map(|found| found.profile).or_else(|error| no(error.chain()))
            }
            (Self::Open { brought, .. }, ProfileChoice::Known(known)) => {
                let brought = brought.lock().unwrap_or_else(PoisonError::into_inner);
                let known = brought.get(&known.sha256).cloned();
                known.map_or_else(|| no("no such profile was brought".to_owned()), Ok)
            }
            (Self::Open { brought, .. }, ProfileChoice::Text(text)) => {
                let digest = profile_digest(&text.toml);
                let mut brought = brought.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(known) = brought.get(&digest) {
                    return Ok(Arc::clone(known));
                }
                let none =
                    |_: &ProfileName| Err("a profile that is brought extends none".to_owned());
                let read = Profile::parse(&text.toml, "<brought>", Examples::Trust, &none);
                let profile = read.map(Arc::new).or_else(|error| no(error.to_string()))?;
                if brought.len() < MOST_BROUGHT {
                    brought.insert(digest, Arc::clone(&profile));
                }
                Ok(profile)
            }
        }
    }
}
