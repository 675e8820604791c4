//! What the kernel does with a compiled program: its checks before it takes one, and its
//! interpreter. The tests and the fuzz target hold the compiler against this; no other build has it.
//!
//! It must never share code with the compiler, or both could be wrong together.

use super::bpf::{AND_K, Insn, JA, JEQ_K, JGE_K, LD_W_ABS, RET_ALLOW, RET_ERRNO, RET_K};
use super::{Action, Errno, Program, SeccompData};

/// `BPF_MAXINSNS`.
const MOST_INSTRUCTIONS: usize = 4096;

/// The size of `struct seccomp_data`.
const DATA_BYTES: u32 = 64;

/// What the kernel's interpreter does with a program, and in how many steps.
///
/// # Panics
/// The program is one that the kernel does not accept.
pub fn run(program: &Program, data: &SeccompData) -> (Action, usize) {
    let mut words = vec![data.nr, data.arch, 0, 0];
    for arg in data.args {
        let half = |shift: u32| u32::try_from(arg >> shift & 0xFFFF_FFFF).expect("it is 32 bits");
        words.extend([half(0), half(32)]);
    }
    let (mut at, mut a, mut steps) = (0, 0, 0);
    loop {
        let Insn { code, jt, jf, k } = program.insns()[at];
        at += 1;
        steps += 1;
        match code {
            LD_W_ABS => a = words[k as usize / 4],
            AND_K => a &= k,
            JA => at += k as usize,
            JEQ_K => at += usize::from(if a == k { jt } else { jf }),
            JGE_K => at += usize::from(if a >= k { jt } else { jf }),
            RET_K if k == RET_ALLOW => return (Action::Allow, steps),
            RET_K if k == RET_ERRNO => return (Action::Pretend, steps),
            RET_K => {
                let errno = u16::try_from(k - RET_ERRNO).expect("only errnos are returned besides");
                return (Action::Errno(Errno(errno)), steps);
            }
            _ => panic!("instruction {at} has the unknown code {code:#x}"),
        }
    }
}

/// The rules of the kernel's `bpf_check_classic` and `seccomp_check_filter`, as far as these
/// programs can break them.
///
/// # Panics
/// The program breaks one.
pub fn assert_accepted(program: &Program) {
    let insns = program.insns();
    assert!((1..=MOST_INSTRUCTIONS).contains(&insns.len()), "{} instructions", insns.len());
    assert_eq!(insns.last().map(|insn| insn.code), Some(RET_K), "the last one must return");
    for (at, insn) in insns.iter().enumerate() {
        let after = insns.len() - at - 1;
        match insn.code {
            LD_W_ABS => assert!(insn.k.is_multiple_of(4) && insn.k < DATA_BYTES, "load {at}"),
            JA => assert!((insn.k as usize) < after, "jump {at} leads outside"),
            JEQ_K | JGE_K => assert!(
                usize::from(insn.jt) < after && usize::from(insn.jf) < after,
                "jump {at} leads outside"
            ),
            AND_K | RET_K => {}
            code => panic!("instruction {at} has the unknown code {code:#x}"),
        }
    }
}
