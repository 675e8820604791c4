//! Descriptors that a box's first process has opened in the table that it shares with its parent.
//!
//! It may be killed at any time, and what it has open then stays open in its parent. So it notes
//! what it opens, and its parent closes what is left. A number is never closed twice, for it may
//! be somebody else's by then: who closes it takes the note away first, and a descriptor that is
//! lost in between stays open, which is the lesser evil.

use std::sync::atomic::{AtomicI32, Ordering};

use super::sys::{self, Fd};

const NONE: Fd = -1;

/// A note of one descriptor, if there is one.
#[derive(Debug)]
pub(crate) struct Slot(AtomicI32);

impl Slot {
    pub(super) const fn empty() -> Self {
        Self(AtomicI32::new(NONE))
    }

    /// Notes a descriptor just opened.
    pub(super) fn note(&self, fd: Fd) -> Fd {
        self.0.store(fd, Ordering::Release);
        fd
    }

    /// The descriptor, if one is noted.
    pub(super) fn get(&self) -> Option<Fd> {
        Some(self.0.load(Ordering::Acquire)).filter(|fd| *fd != NONE)
    }

    /// Closes it, if one is noted.
    pub(super) fn close(&self) {
        let fd = self.0.swap(NONE, Ordering::AcqRel);
        if fd != NONE {
            sys::close(fd);
        }
    }
}

/// All that is ever lent at one time.
#[derive(Debug)]
pub(crate) struct Lent {
    /// The root of the box, once its tree is its own.
    pub(super) root: Slot,
    /// The box's mount table.
    pub(super) mount_table: Slot,
    /// The host's `/proc`, where the box covers it with its own.
    pub(super) host_proc: Slot,
    /// A `/proc` of its own that can be written, for the boxes that a zygote starts.
    pub(super) writable_proc: Slot,
    /// What hidden directories show.
    pub(super) mask_dir: Slot,
    /// What hidden files show.
    pub(super) mask_file: Slot,
    /// What is closed again by the step that opens it.
    pub(super) brief: Slot,
}

impl Lent {
    pub(super) const fn nothing() -> Self {
        Self {
            root: Slot::empty(),
            mount_table: Slot::empty(),
            host_proc: Slot::empty(),
            writable_proc: Slot::empty(),
            mask_dir: Slot::empty(),
            mask_file: Slot::empty(),
            brief: Slot::empty(),
        }
    }

    /// Closes whatever is noted.
    pub(super) fn close(&self) {
        let Self { root, mount_table, host_proc, writable_proc, mask_dir, mask_file, brief } = self;
        for slot in [root, mount_table, host_proc, writable_proc, mask_dir, mask_file, brief] {
            slot.close();
        }
    }
}
