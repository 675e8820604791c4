//! Says `boxes` where this crate makes them, in the one place that says where that is.

fn main() {
    cfg_aliases::cfg_aliases! {
        // The second condition lets Linux check what other systems get; see CONTRIBUTING.md.
        boxes: { all(target_os = "linux", not(shannot_elsewhere)) },
    }
}
