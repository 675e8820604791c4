//! The compiler of the filter against an interpreter of BPF: for every filter that a plan can ask
//! for, and for decisions of any shape, a program that the kernel accepts says what the decision says.
//!
//! The input is bytes: first what is compiled, then the calls that are tried.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use shannot_policy::plan::seccomp::interpreter::{assert_accepted, run};
use shannot_policy::plan::seccomp::tree::Tree;
use shannot_policy::plan::seccomp::{
    Action, Arch, Errno, Exec, Filter, Program, SeccompData, Ticket, Unheld, table,
};
use shannot_policy::profile::Network;

/// How many choices a decision has, so that no program is longer than the kernel takes.
const MOST_CASES: u32 = 400;
const DEEPEST: u32 = 6;

/// The numbers of the table.
static KNOWN: LazyLock<[Vec<u32>; 2]> =
    LazyLock::new(|| Arch::ALL.map(|arch| table().filter_map(|call| call.number(arch)).collect()));

fuzz_target!(|bytes: &[u8]| {
    // Bytes that are missing count as zeros.
    let _ = case(&mut Unstructured::new(bytes));
});

fn case(u: &mut Unstructured<'_>) -> Result<()> {
    if u.arbitrary::<u8>()? & 1 == 0 {
        let filter = filter(u)?;
        let program = filter.compile();
        let tree = Tree::of(&filter);
        assert!(program == tree.compile());
        assert_accepted(&program);
        check_bytes(&program);
        let edges = tree.edges();
        for _ in 0..16 {
            let data = call(u, &edges, Some(&filter))?;
            let answer = run(&program, &data).0;
            assert_eq!(answer, tree.verdict(&data), "{data:x?} under {filter:?}");
            assert_eq!(answer, filter.verdict(&data), "{data:x?} under {filter:?}");
            check_promises(&filter, &data, answer);
        }
    } else {
        let tree = tree(u, &mut 0, 0)?;
        let program = tree.compile();
        assert_accepted(&program);
        check_bytes(&program);
        let edges = tree.edges();
        for _ in 0..64 {
            let data = call(u, &edges, None)?;
            assert_eq!(run(&program, &data).0, tree.verdict(&data), "{data:x?}");
        }
    }
    Ok(())
}

fn filter(u: &mut Unstructured<'_>) -> Result<Filter> {
    let bits: u8 = u.arbitrary()?;
    let bit = |place: u8| bits >> place & 1 == 1;
    let exec = match u.arbitrary::<u8>()? % 3 {
        0 => Exec::Once { fd: u.arbitrary()?, ticket: Ticket(u.arbitrary()?) },
        1 => Exec::Listed,
        _ => Exec::ByAnother,
    };
    Ok(Filter {
        arch: if bit(0) { Arch::Aarch64 } else { Arch::X86_64 },
        exec,
        network: if bit(1) { Network::Tables } else { Network::None },
        forks: bit(2),
        kernel_log: bit(3),
        unheld: match bits >> 4 & 3 {
            0 | 3 => Unheld::Nothing,
            1 => Unheld::Signals,
            _ => Unheld::SignalsAndTruncation,
        },
    })
}

fn tree(u: &mut Unstructured<'_>, cases: &mut u32, depth: u32) -> Result<Tree> {
    let kind: u8 = u.arbitrary()?;
    if kind < 64 || depth >= DEEPEST || *cases >= MOST_CASES {
        return Ok(Tree::answer(action(kind)));
    }
    let word = u.arbitrary()?;
    // Nearly always all bits count.
    let mask = if kind & 7 == 7 { u.arbitrary()? } else { u32::MAX };
    let mut ranges = Vec::new();
    let mut from: u32 = 0;
    for _ in 0..u.arbitrary::<u8>()? {
        if *cases >= MOST_CASES {
            break;
        }
        *cases += 1;
        let shape: u8 = u.arbitrary()?;
        let gap = if shape & 1 == 0 { u32::from(shape >> 4) } else { u.arbitrary()? };
        let width = if shape & 2 == 0 { 0 } else { u32::from(u.arbitrary::<u16>()?) };
        let start = from.saturating_add(gap);
        let end = start.saturating_add(width);
        let then =
            if shape & 12 == 0 { tree(u, cases, depth + 1)? } else { Tree::answer(action(shape)) };
        ranges.push((start..=end, then));
        from = end.saturating_add(1);
    }
    let otherwise = tree(u, cases, depth + 1)?;
    Ok(Tree::choice(word, mask, ranges, otherwise))
}

fn action(kind: u8) -> Action {
    match kind % 5 {
        0 => Action::Allow,
        1 => Action::Pretend,
        2 => Action::Errno(Errno::EPERM),
        3 => Action::Errno(Errno::ENOSYS),
        _ => Action::Errno(Errno(u16::from(kind) + 1)),
    }
}

/// A call near the numbers that are compared with; under a filter, mostly one of the table.
fn call(u: &mut Unstructured<'_>, edges: &[u32], filter: Option<&Filter>) -> Result<SeccompData> {
    let pick = |u: &mut Unstructured<'_>| -> Result<u32> {
        let at: u16 = u.arbitrary()?;
        match edges.get(usize::from(at) % edges.len().max(1)) {
            Some(edge) if at < 0xF000 => Ok(*edge),
            _ => u.arbitrary(),
        }
    };
    let shape: u8 = u.arbitrary()?;
    let (nr, arch) = match filter {
        Some(filter) if shape & 7 != 0 => {
            let known = &KNOWN[usize::from(filter.arch == Arch::X86_64)];
            let nr = known[usize::from(u.arbitrary::<u16>()?) % known.len()];
            (if shape & 56 == 56 { nr | 0x4000_0000 } else { nr }, filter.arch.audit())
        }
        Some(filter) if shape & 8 == 0 => (pick(u)?, filter.arch.audit()),
        Some(_) | None => (pick(u)?, pick(u)?),
    };
    let mut args = [0; 6];
    for arg in &mut args {
        let (low, high) = (u64::from(pick(u)?), u64::from(pick(u)?));
        *arg = if shape & 64 == 0 { low } else { high << 32 | low };
    }
    if let Some(Exec::Once { fd, ticket }) = filter.map(|filter| filter.exec)
        && shape & 128 != 0
    {
        // The one call that executes, or a near miss of it.
        args[0] = (args[0] & !0xFFFF_FFFF) | u64::from(fd);
        args[4] = (args[4] & !0xFFFF_FFFF) | 0x1000;
        args[5] = ticket.0 ^ (args[3] & 1);
    }
    Ok(SeccompData { nr, arch, args })
}

/// What `ARCHITECTURE.md` and the module promise, without the table.
fn check_promises(filter: &Filter, data: &SeccompData, answer: Action) {
    let foreign = data.arch != filter.arch.audit();
    let x32 = filter.arch == Arch::X86_64 && data.nr & 0x4000_0000 != 0;
    if foreign || x32 {
        assert_eq!(answer, Action::Errno(Errno::ENOSYS), "{data:x?}");
        return;
    }
    let (execve, execveat) = match filter.arch {
        Arch::Aarch64 => (221, 281),
        Arch::X86_64 => (59, 322),
    };
    if let Exec::Once { fd, ticket } = filter.exec
        && answer == Action::Allow
    {
        assert_ne!(data.nr, execve, "an exec without a ticket");
        let low = |arg: u64| arg & 0xFFFF_FFFF;
        let is_the_one = low(data.args[0]) == u64::from(fd)
            && low(data.args[4]) == 0x1000
            && data.args[5] == ticket.0;
        assert!(data.nr != execveat || is_the_one, "{data:x?}");
    }
}

/// The kernel reads what the interpreter has run.
fn check_bytes(program: &Program) {
    let bytes = program.to_bytes();
    let insns = program.insns();
    assert_eq!(bytes.len(), 8 * insns.len());
    for (raw, insn) in bytes.chunks_exact(8).zip(insns) {
        assert_eq!(u16::from_le_bytes([raw[0], raw[1]]), insn.code);
        assert_eq!([raw[2], raw[3]], [insn.jt, insn.jf]);
        assert_eq!(u32::from_le_bytes([raw[4], raw[5], raw[6], raw[7]]), insn.k);
    }
}
