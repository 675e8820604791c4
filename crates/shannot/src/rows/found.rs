//! The rows that are kept of those that are found.

use std::cmp::Ordering;

use super::RowLimit;

/// Which of two rows comes first.
pub(super) type Compare<R> = fn(&R, &R) -> Ordering;

/// The first rows of all, in an order. A row takes more memory than the few bytes that a hostile host
/// prints for it, so no more are held than about twice those that are asked for.
#[derive(Debug)]
pub struct Found<R> {
    rows: Vec<R>,
    total: u64,
    limit: usize,
    order: Option<Compare<R>>,
}

impl<R> Found<R> {
    /// None yet.
    pub(super) fn new(limit: RowLimit, order: Option<Compare<R>>) -> Self {
        Self { rows: Vec::new(), total: 0, limit: limit.rows(), order }
    }

    /// One more.
    pub(super) fn push(&mut self, row: R) {
        self.total += 1;
        match self.order {
            Some(_) => {
                self.rows.push(row);
                if self.rows.len() >= self.limit.saturating_mul(2) {
                    self.shrink();
                }
            }
            None if self.rows.len() < self.limit => self.rows.push(row),
            None => {}
        }
    }

    /// The first, and how many there were.
    pub(super) fn finish(mut self) -> (Vec<R>, u64) {
        self.shrink();
        (self.rows, self.total)
    }

    /// Of equal rows, those that were found first stay.
    fn shrink(&mut self) {
        if let Some(order) = self.order {
            self.rows.sort_by(order);
        }
        self.rows.truncate(self.limit);
    }
}
