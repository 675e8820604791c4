//! A host before and after: random diagnostics and random attacks change nothing on it that an
//! observer can see.
//!
//! `the_host_stays` runs commands by chance, a hundred in each column or as many as
//! `SHANNOT_ORACLE_COMMANDS` says; `SHANNOT_ORACLE_SEED` repeats a run. `cargo xtask oracle` runs
//! ten thousand and prints a table. `what_is_compared` proves that the observer has eyes: each kind
//! of change, made outside any box, must show.
//!
//! In tier L reads update access times, which each result says; nothing else may differ there.

#![expect(clippy::print_stdout, reason = "a test's output says what was run and what was not")]

mod bait;
mod chance;
#[macro_use]
#[path = "../hostile/column.rs"]
#[expect(dead_code, reason = "shared with the hostile cases, which use all of it")]
mod column;
mod commands;
#[path = "../fidelity/compare.rs"]
mod compare;
mod controls;
mod dangerous;
#[path = "../hostile/far.rs"]
mod far;
mod files;
#[path = "../hostile/harness.rs"]
#[expect(dead_code, reason = "shared with the hostile cases, which use all of it")]
mod harness;
mod host;
mod kept;
mod machine;
mod rounds;
#[path = "../fidelity/row.rs"]
#[expect(dead_code, reason = "what its rows promise is not used")]
mod row;
mod snapshot;
#[path = "../fidelity/table.rs"]
mod table;
mod victims;

use harness::Column;

fn the_host_is_equal_before_and_after(column: Column) {
    machine::watched("the_host_stays", column, rounds::run);
}

fn each_kind_of_change_is_seen(column: Column) {
    machine::watched("what_is_compared", column, controls::each_is_seen);
}

in_every_column_here! {
    the_host_stays => the_host_is_equal_before_and_after;
}

/// The observer is the same in all columns, but for who owns the bait: root, or a user.
mod what_is_compared {
    use super::{Column, each_kind_of_change_is_seen};

    #[test]
    fn root_t1() {
        crate::harness::in_column(Column::ROOT_T1, each_kind_of_change_is_seen);
    }

    #[test]
    fn user_l() {
        crate::harness::in_column(Column::USER_L, each_kind_of_change_is_seen);
    }
}
