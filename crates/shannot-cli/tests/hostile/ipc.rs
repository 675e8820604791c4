//! What outlives its maker: the host's System V objects and queues, and the user's keys.

use std::fs;

use crate::harness::*;
use crate::host::*;

/// A process of the host's with an object of each kind that everyone may use.
fn objects(column: Column, queue: &str) -> (Held, String) {
    let mut maker = as_runner(column, probe());
    let held = Held::start(maker.args(["ipc-make", queue]));
    let ids = Report::read(held.text()).fact("ids").to_owned();
    (held, ids)
}

/// With the host's processes in view the box has the host's IPC namespace too, so that `ipcs` tells
/// the truth.
fn objects_of_the_host_are_not_used(column: Column) {
    for (profile, view) in [(Profile::default(), "own"), (Profile::host_view(), "host")] {
        let queue = format!("/shannot-{view}-{}-{}", column.name(), std::process::id());
        let (mut maker, ids) = objects(column, &queue);
        let words: Vec<&str> = ["ipc-attack"].into_iter().chain(ids.split(' ')).collect();
        let words = [words, vec![&queue]].concat();
        let ran = refused(column, &profile, &words);
        assert_eq!(maker.finish().fact("state"), "untouched 0 1 1", "{:?}", ran.report);
        let (mut maker, ids) = objects(column, &queue);
        let words: Vec<&str> = ["ipc-attack"].into_iter().chain(ids.split(' ')).collect();
        let control = outside(column, &[words, vec![&queue]].concat());
        assert_control(&ran.report, &control, &[]);
        assert!(maker.finish().fact("state").starts_with("touched "), "outside, it is used");
    }
}

fn keys_of_the_user_are_not_used(column: Column) {
    let name = format!("shannot-{}-{}", column.name(), std::process::id());
    let run = |profile| refused(column, &profile, &["keyrings", &name]);
    let rans = [Profile::default(), Profile::host_view()].map(run);
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    assert!(!keys.contains(&name), "the key is there: {keys}");
    let control = outside(column, &["keyrings", &name]);
    rans.iter().for_each(|ran| assert_control(&ran.report, &control, &[]));
}

in_every_column! {
    host_objects_are_left_alone => objects_of_the_host_are_not_used;
    keyrings_are_closed => keys_of_the_user_are_not_used;
}
