//! The filters of a box's commands in the kernel's form.

use std::sync::{Mutex, PoisonError};

use shannot_policy::plan::seccomp::{Exec, Filter, Program};

/// Compiles each filter once: those of one box are few, and from run to run only the ticket differs.
#[derive(Debug, Default)]
pub(super) struct Filters(Mutex<Vec<(Filter, Program)>>);

impl Filters {
    /// The filter in the kernel's form.
    pub(super) fn compiled(&self, filter: &Filter) -> Vec<libc::sock_filter> {
        let program = self.without_ticket(filter.without_ticket());
        let program = match filter.exec {
            Exec::Once { ticket, .. } => program.with_ticket(ticket),
            Exec::Listed | Exec::ByAnother => program,
        };
        let insns = program.insns().iter();
        insns.map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
    }

    fn without_ticket(&self, filter: Filter) -> Program {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, program)) = known.iter().find(|(of, _)| *of == filter) {
            return program.clone();
        }
        let program = filter.compile();
        known.push((filter, program.clone()));
        program
    }
}
