//! A run as bytes, from a supervisor to the program that goes on inside a box that bwrap has made.
//!
//! Both are the same program, so there is one version of this form and nothing optional in it:
//! numbers of eight bytes in native order, and strings after their length.

use std::ffi::CString;
use std::sync::Arc;

use super::cgroup::Join;
use super::spec::{
    BoxSpec, CommandSpec, FilterSpec, HullSpec, IdentitySpec, OpenFiles, PlaceSpec, ProgramSpec,
    Rlimit, Ruleset, RunSpec, StageIo, StageSpec,
};
use super::strings::StringArray;
use super::sys::Fd;

/// A run, and where the first process listens.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) place: PlaceSpec,
    pub(super) run: RunSpec,
    pub(super) control: Fd,
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_ne_bytes());
    }

    fn fd(&mut self, fd: Fd) {
        self.number(u64::from(fd.cast_unsigned()));
    }

    fn string(&mut self, string: &CString) {
        self.number(string.as_bytes().len() as u64);
        self.0.extend(string.as_bytes());
    }

    fn list<'a, T: 'a>(
        &mut self,
        items: impl ExactSizeIterator<Item = &'a T>,
        each: impl Fn(&mut Self, &'a T),
    ) {
        self.number(items.len() as u64);
        items.for_each(|item| each(self, item));
    }
}

/// The bytes of a run.
pub(super) fn write(place: &PlaceSpec, run: &RunSpec, control: Fd) -> Vec<u8> {
    let mut w = Writer::default();
    let (spec, commands) = (&*place.spec, &*run.commands);
    w.fd(control);
    w.fd(place.status);
    w.fd(place.ruleset);
    match place.cgroup {
        None => w.number(0),
        Some(Join::Tasks(fd)) => {
            w.number(1);
            w.fd(fd);
        }
        Some(Join::Into(fd)) => {
            w.number(2);
            w.fd(fd);
        }
    }
    w.list(run.stage_io.iter(), |w, io| {
        w.fd(io.stdin);
        w.fd(io.stdout);
        w.fd(io.stderr);
    });
    w.list(run.keep.iter(), |w, fd| w.fd(*fd));
    w.list(spec.scratch_rules.iter(), Writer::string);
    w.number(spec.scratch_access);
    w.list(spec.rlimits.iter(), |w, limit| {
        w.number(u64::from(limit.resource));
        w.number(limit.soft);
        w.number(limit.hard);
    });
    w.number(spec.open_files.program);
    w.number(spec.open_files.command);
    w.string(&commands.cwd);
    w.number(u64::from(commands.cwd_or_root));
    w.list(commands.env.strings().iter(), Writer::string);
    w.list(commands.stages.iter(), stage);
    w.0
}

fn stage(w: &mut Writer, stage: &StageSpec) {
    let filter = match &stage.filter {
        FilterSpec::Install(filter) => &filter[..],
        // Nothing is made ahead of bwrap; whoever reads it fails.
        FilterSpec::InForce => &[],
    };
    w.list(filter.iter(), |w, insn| {
        let (code, jt, jf) = (u64::from(insn.code), u64::from(insn.jt), u64::from(insn.jf));
        w.number(code << 48 | jt << 40 | jf << 32 | u64::from(insn.k));
    });
    w.number(stage.ticket);
    w.number(u64::from(stage.exec_ruleset.is_some()));
    w.fd(stage.exec_ruleset.as_ref().map_or(0, Ruleset::fd));
    w.number(u64::from(stage.program.is_some()));
    if let Some(program) = &stage.program {
        w.string(&program.path);
        w.list(program.argv.strings().iter(), Writer::string);
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.number()? != 0)
    }

    fn fd(&mut self) -> Option<Fd> {
        Fd::try_from(self.number()?).ok()
    }

    fn string(&mut self) -> Option<CString> {
        let length = usize::try_from(self.number()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        CString::new(string).ok()
    }

    fn list<T>(&mut self, each: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number()?;
        (0..length).map(|_| each(self)).collect()
    }
}

/// Reads the bytes of a run; `None` for any that [`write()`] does not make.
pub(super) fn read(bytes: &[u8]) -> Option<Handover> {
    let r = &mut Reader(bytes);
    let (control, status, ruleset) = (r.fd()?, r.fd()?, r.fd()?);
    let cgroup = match r.number()? {
        0 => None,
        1 => Some(Join::Tasks(r.fd()?)),
        2 => Some(Join::Into(r.fd()?)),
        _ => return None,
    };
    let stage_io =
        r.list(|r| Some(StageIo { stdin: r.fd()?, stdout: r.fd()?, stderr: r.fd()? }))?;
    let keep = r.list(Reader::fd)?;
    let spec = BoxSpec {
        hull: Arc::new(HullSpec::nothing()),
        host_pids: false,
        mounts: Arc::new([]),
        mount_table: None,
        scratch_rules: r.list(Reader::string)?,
        scratch_access: r.number()?,
        identity: IdentitySpec { unused: None, keep: 0 },
        rlimits: r.list(|r| {
            let resource = u32::try_from(r.number()?).ok()?;
            Some(Rlimit { resource, soft: r.number()?, hard: r.number()? })
        })?,
        open_files: OpenFiles { program: r.number()?, command: r.number()? },
    };
    let commands = CommandSpec {
        init_domain: None,
        cwd: r.string()?,
        cwd_or_root: r.flag()?,
        env: StringArray::new(r.list(Reader::string)?),
        stages: r.list(read_stage)?,
    };
    let (spec, commands) = (Arc::new(spec), Arc::new(commands));
    let place = PlaceSpec { spec, status, ruleset, cgroup, ahead: None };
    let run = RunSpec::new(commands, stage_io, keep);
    r.0.is_empty().then_some(Handover { place, run, control })
}

fn read_stage(r: &mut Reader<'_>) -> Option<StageSpec> {
    let filter = r.list(|r| {
        let insn = r.number()?;
        let [k @ .., _, _, _, _] = insn.to_le_bytes();
        Some(libc::sock_filter {
            code: u16::try_from(insn >> 48).ok()?,
            jt: u8::try_from(insn >> 40 & 0xff).ok()?,
            jf: u8::try_from(insn >> 32 & 0xff).ok()?,
            k: u32::from_le_bytes(k),
        })
    })?;
    let ticket = r.number()?;
    let (has_ruleset, fd) = (r.flag()?, r.fd()?);
    let program = match r.flag()? {
        false => None,
        true => {
            Some(ProgramSpec { path: r.string()?, argv: StringArray::new(r.list(Reader::string)?) })
        }
    };
    let exec_ruleset = has_ruleset.then_some(Ruleset::Inherited(fd));
    let filter = FilterSpec::Install(filter);
    Some(StageSpec { program, filter, ticket, exec_ruleset })
}
