//! The compiled programs against the table, and the table against the kernel's own numbers.

mod exhaustive;
mod intent;
mod numbers;

use super::*;

const ONCE: Exec = Exec::Once { fd: 1000, ticket: Ticket(0x0123_4567_89AB_CDEF) };

/// Every filter that a plan can ask for, with one ticket.
fn filters() -> impl Iterator<Item = Filter> {
    (0..192).map(|bits: u32| {
        let by_another = bits >= 96;
        let bits = bits % 96;
        let bit = |place: u32| bits >> place & 1 == 1;
        Filter {
            arch: if bit(0) { Arch::Aarch64 } else { Arch::X86_64 },
            exec: match (bit(1), by_another) {
                (true, false) => Exec::Listed,
                (false, false) => ONCE,
                (_, true) => Exec::ByAnother,
            },
            network: if bit(2) { Network::Tables } else { Network::None },
            forks: bit(3),
            kernel_log: bit(4),
            unheld: match bits >> 5 {
                0 => Unheld::Nothing,
                1 => Unheld::Signals,
                _ => Unheld::SignalsAndTruncation,
            },
        }
    })
}
