//! Every compiled program is run on every call number and on many arguments, and must say what
//! the table says; and every program must be one that the kernel accepts.

use super::super::bpf::JA;
use super::super::interpreter::{assert_accepted, run};
use super::super::*;
use super::filters;

/// A small generator of numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn pick(&mut self, from: &[u64]) -> u64 {
        from[usize::try_from(self.next() % from.len() as u64).unwrap()]
    }
}

/// 64-bit arguments made of `edges`: as they are, with bits above, and in the upper half.
fn arguments(edges: &[u32]) -> Vec<u64> {
    let always = [0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, u32::MAX];
    let mut all: Vec<u64> = Vec::new();
    for low in edges.iter().chain(&always).map(|edge| u64::from(*edge)) {
        all.extend([low, low | 1 << 32, low | 0xFFFF_FFFF << 32, low << 32]);
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn check(filter: &Filter, program: &Program, data: SeccompData) {
    let (compiled, _) = run(program, &data);
    assert_eq!(compiled, filter.verdict(&data), "{data:x?} under {filter:?}");
}

#[test]
fn every_number_gets_the_answer_of_the_table() {
    for filter in filters() {
        let program = filter.compile();
        let arch = filter.arch.audit();
        for nr in (0..=1024).flat_map(|nr| [nr, X32_BIT | nr, 1 << 31 | nr]).chain([u32::MAX]) {
            for args in [[0; 6], [u64::MAX; 6], [1 << 32; 6]] {
                check(&filter, &program, SeccompData { nr, arch, args });
            }
        }
    }
}

#[test]
fn no_number_means_anything_under_another_arch() {
    // i386, ARM, x86-64 without its 64-bit mark, the other machine, and nonsense.
    let foreign = [0x4000_0003, 0x4000_0028, 0x4000_003E, 0, u32::MAX];
    for filter in filters() {
        let program = filter.compile();
        let others = Arch::ALL.into_iter().filter(|arch| *arch != filter.arch).map(Arch::audit);
        for arch in others.chain(foreign) {
            for nr in 0..=512 {
                let data = SeccompData { nr, arch, args: [0; 6] };
                assert_eq!(run(&program, &data).0, UNKNOWN);
                assert_eq!(filter.verdict(&data), UNKNOWN);
            }
        }
    }
}

#[test]
fn every_argument_gets_the_answer_of_the_table() {
    let mut random = Random(0x5EED);
    for filter in filters() {
        let program = filter.compile();
        let arch = filter.arch.audit();
        for call in table().filter(|call| matches!(call.treatment, Treatment::Check(_))) {
            let Some(nr) = call.number(filter.arch) else {
                continue;
            };
            let mut found = Vec::new();
            call.treatment.decision(&filter).edges(&mut found);
            let values = arguments(&found);
            for (place, value) in (0..6).flat_map(|place| values.iter().map(move |v| (place, *v))) {
                let mut args = [0; 6];
                args[place] = value;
                check(&filter, &program, SeccompData { nr, arch, args });
            }
            for _ in 0..400 {
                let args = [0; 6].map(|_| random.pick(&values));
                check(&filter, &program, SeccompData { nr, arch, args });
                let args = [0; 6].map(|_| random.next());
                check(&filter, &program, SeccompData { nr, arch, args });
            }
        }
    }
}

#[test]
fn every_program_is_one_the_kernel_accepts() {
    for filter in filters() {
        assert_accepted(&filter.compile());
    }
}

#[test]
fn programs_stay_small_and_shallow() {
    for filter in filters() {
        let program = filter.compile();
        let size = program.insns().len();
        let most = if filter.unheld == Unheld::Nothing { 235 } else { 250 };
        assert!(size <= most, "{size} instructions under {filter:?}");
        for call in table().filter(|call| call.treatment == Treatment::Allow) {
            let Some(nr) = call.number(filter.arch) else {
                continue;
            };
            let data = SeccompData { nr, arch: filter.arch.audit(), args: [0; 6] };
            let (_, steps) = run(&program, &data);
            // Two loads, the arch, the answer, and at most nine comparisons of the number.
            assert!(steps <= 13, "{} takes {steps} steps", call.name);
        }
    }
}

#[test]
fn a_jump_too_far_for_eight_bits_still_arrives() {
    // Each value leads to a tree of its own, so the whole is longer than a jump can reach.
    let leaf = |n: u32| {
        let errno = |value: u32| Action::Errno(Errno(u16::try_from(n * 16 + value + 1).unwrap()));
        let cases = (0..16).fold(switch(Word::Low(0)), |cases, v| cases.is(&[2 * v], errno(v)));
        cases.otherwise(Action::Allow)
    };
    let cases = (0..60).fold(switch(Word::Number), |cases, n| cases.is(&[3 * n], leaf(n)));
    let decision = cases.otherwise(Action::Pretend);
    let program = Program::compile(&decision);
    assert!(program.insns().iter().any(|insn| insn.code == JA));
    for nr in 0..200 {
        for arg in 0..40 {
            let data = SeccompData { nr, arch: 0, args: [arg; 6] };
            assert_eq!(run(&program, &data).0, decision.answer(&data), "{nr} {arg}");
        }
    }
}

#[test]
fn another_ticket_is_as_if_compiled_with_it() {
    let mut random = Random(5);
    for filter in filters() {
        let halves = [0, 1, 0x1000, u64::from(u32::MAX), random.next() >> 32];
        for (high, low) in halves.iter().flat_map(|high| halves.map(|low| (high, low))) {
            let ticket = Ticket(high << 32 | low);
            let compiled = filter.with_ticket(ticket).unwrap_or(filter).compile();
            assert_eq!(filter.compile().with_ticket(ticket), compiled, "{filter:?} {ticket:?}");
        }
    }
}
