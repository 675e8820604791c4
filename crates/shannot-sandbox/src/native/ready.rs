//! A box made ahead of its run: its first command's process is there, and waits to be told what to
//! execute. It serves one run.

use std::io;
use std::sync::Arc;

use shannot_policy::plan::seccomp::Filter;
use shannot_policy::profile::Tier;

use super::base::Base;
use super::error::Error;
use super::hull::Hull;
use super::place::Place;
use super::run::keep_dumpable;
use super::spec::{Ahead, PlaceSpec};
use super::step::Record;
use super::sys::Errno;

/// A box that waits for its run. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) hull: Hull,
    pub(super) place: Place,
    pub(super) spec: Arc<PlaceSpec>,
    /// The filter that is in force there.
    pub(super) filter: Option<Filter>,
}

impl Ready {
    /// Makes one, and waits until it is ready.
    pub(super) fn new(
        tier: Tier,
        base: &Base,
        hull: Hull,
        filter: Option<Filter>,
    ) -> Result<Self, Error> {
        let place = Place::new(base)?;
        let ahead = match &filter {
            None => Ahead::Confined,
            Some(filter) => Ahead::Filtered(base.filters.compiled(filter)),
        };
        let spec = Arc::new(place.spec(base, hull.status(), Some(ahead)));
        let answer = keep_dumpable(&base.spec, || {
            hull.tell_place(&spec);
            hull.next_but_apart()
        });
        let failed = match answer {
            Ok(Record::Ready) => return Ok(Self { hull, place, spec, filter }),
            Ok(Record::Failed { step, errno, .. }) => Error::step(tier, step, Errno(errno), "", ""),
            Ok(_) => Error::host("make a box ready", io::Error::other("it gave a wrong answer")),
            Err(source) => Error::host("make a box ready", source),
        };
        // Before the place, whose descriptors it may still use.
        drop(hull);
        Err(failed)
    }
}
