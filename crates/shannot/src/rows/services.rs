//! Services of systemd, without its manager: `systemctl` reads the unit files, and `grep` what stands
//! in them and which control groups have processes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::found::Found;
use super::text::{Line, Lines, kept};
use super::{Ending, NamePattern, ParseError, Query, RowLimit, Silence, words};

/// What to ask of services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// Only those of such a name, with or without `.service`.
    pub name: Option<NamePattern>,
    /// Only those that are `enabled`, `disabled`, `static`, `masked` and the like.
    pub state: Option<String>,
    /// Only those that have processes, or only those that have none.
    pub running: Option<bool>,
    /// The most rows.
    pub limit: RowLimit,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Service {
    /// Its name, with `.service`; `name@.service` is a template of several.
    pub unit: String,
    /// What its file says that it is; `%i` stands for the part behind the `@`.
    pub description: Option<String>,
    /// Whether it is `enabled`, `disabled`, `static`, `masked` and the like: systemctl(1), `is-enabled`.
    /// None where there is only a control group, as of an instance of a template.
    pub state: Option<String>,
    /// Whether it is enabled where nobody decides. None where that means nothing, or is not told.
    pub preset: Option<String>,
    /// Whether its control group has processes. None where the host's control groups do not show that,
    /// as of version 1.
    pub running: Option<bool>,
    /// How many processes its control group has.
    pub processes: Option<u64>,
}

/// What tells of services.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// systemd's files.
    Systemd,
}

/// Where unit files are, from those that count most: systemd.unit(5). A link of `/lib` or of `/usr/lib`
/// only says the same twice.
const UNIT_DIRECTORIES: [&str; 9] = [
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// Where services have their control groups, by how the host mounts them. Version 1 shows no box the
/// processes outside: cgroups(7).
const CONTROL_GROUPS: [&str; 2] =
    ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/unified/system.slice"];

/// What grep calls its standard input, which no file can be called.
const LIST: &str = "(standard input)";

impl Query for Services {
    type Row = Service;
    type Dialect = Dialect;
    const DIALECTS: &'static [Dialect] = &[Dialect::Systemd];

    fn stages(&self, dialect: Dialect) -> Vec<Vec<String>> {
        match dialect {
            Dialect::Systemd => {
                let list = words([
                    "systemctl",
                    "list-unit-files",
                    "--type=service",
                    "--no-legend",
                    "--no-pager",
                    "--plain",
                ]);
                // One grep reads the list, the files and the control groups: the three are of one moment.
                let mut read = words([
                    "grep",
                    "-r",
                    "-s",
                    "-H",
                    "-Z",
                    "-E",
                    "--include=*.service",
                    "--include=*.conf",
                    "--include=cgroup.procs",
                    "-e",
                    r"^[[:space:]]*Description[[:space:]]*=|^[0-9]+$|^[^ ]+\.service +[a-z]",
                    "-",
                ]);
                let directories = UNIT_DIRECTORIES.iter().chain(&CONTROL_GROUPS);
                read.extend(directories.map(|directory| (*directory).to_owned()));
                vec![list, read]
            }
        }
    }

    fn ending(dialect: Dialect) -> Ending {
        match dialect {
            // 2: not every directory is there.
            Dialect::Systemd => Ending { most_code: 2, silence: Silence::SaysNothing },
        }
    }

    fn rows(
        &self,
        dialect: Dialect,
        lines: Lines<'_>,
        found: &mut Found<Service>,
    ) -> Result<(), ParseError> {
        let mut told = Told::default();
        match dialect {
            Dialect::Systemd => {
                for line in lines {
                    told.add(line)?;
                }
            }
        }
        if told.states.is_empty() {
            let expected = "a service of `systemctl list-unit-files`, which lists none here";
            return Err(ParseError::at(1, expected, ""));
        }
        told.services().filter(|service| self.wants(service)).for_each(|row| found.push(row));
        Ok(())
    }

    fn limit(&self) -> RowLimit {
        self.limit
    }
}

impl Services {
    fn wants(&self, service: &Service) -> bool {
        let short = service.unit.strip_suffix(".service").unwrap_or(&service.unit);
        self.name.as_ref().is_none_or(|name| name.matches(&service.unit) || name.matches(short))
            && self.state.as_ref().is_none_or(|state| service.state.as_ref() == Some(state))
            && self.running.is_none_or(|running| service.running == Some(running))
    }
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Told<'a> {
    /// State and preset, by unit.
    states: BTreeMap<&'a str, (&'a str, Option<&'a str>)>,
    /// Descriptions by unit, with the weight of the file that each is from.
    descriptions: BTreeMap<&'a str, (Weight<'a>, &'a str)>,
    /// Processes, by unit.
    processes: BTreeMap<&'a str, u64>,
    /// Whether any process has been seen in a control group.
    control_groups: bool,
}

/// What a file counts against others: drop-ins more than the file, of them the last by name; then the
/// directory.
type Weight<'a> = (Option<&'a str>, std::cmp::Reverse<usize>);

impl<'a> Told<'a> {
    fn add(&mut self, line: Line<'a>) -> Result<(), ParseError> {
        let Some((file, content)) = line.whole().split_once('\0') else {
            return Err(line.error("a file's name, NUL, and a line of the file"));
        };
        if file == LIST {
            let mut columns = content.split_ascii_whitespace();
            let (Some(unit), Some(state)) = (columns.next(), columns.next()) else {
                return Err(line.error("a unit and its state"));
            };
            let preset = columns.next().filter(|preset| *preset != "-");
            self.states.insert(unit, (state, preset));
            return Ok(());
        }
        let group = CONTROL_GROUPS.iter().find_map(|directory| file.strip_prefix(*directory));
        if let Some(path) = group {
            self.control_groups = true;
            // A service may divide its own control group further.
            if let Some(unit) = path.split('/').find(|part| part.ends_with(".service")) {
                *self.processes.entry(unit).or_default() += 1;
            }
            return Ok(());
        }
        let directory = UNIT_DIRECTORIES.iter().enumerate().find_map(|(nth, directory)| {
            Some((nth, file.strip_prefix(*directory)?.strip_prefix('/')?))
        });
        if let Some((nth, path)) = directory
            && let Some((key, text)) = content.split_once('=')
            && key.trim() == "Description"
        {
            self.describe(nth, path, text.trim().trim_end_matches('\\'));
        }
        Ok(())
    }

    fn describe(&mut self, nth: usize, path: &'a str, text: &'a str) {
        let (unit, drop_in) = match path.split_once('/') {
            None => (path, None),
            Some((directory, file)) => match directory.strip_suffix(".d") {
                Some(unit) => (unit, Some(file)),
                None => return,
            },
        };
        let weight = (drop_in, std::cmp::Reverse(nth));
        match self.descriptions.get(unit) {
            // The last of a file's lines counts.
            Some((other, _)) if *other > weight => {}
            _ => {
                self.descriptions.insert(unit, (weight, text));
            }
        }
    }

    fn services(&self) -> impl Iterator<Item = Service> {
        let mut units: Vec<&str> = self.states.keys().copied().collect();
        units.extend(self.processes.keys().filter(|unit| !self.states.contains_key(*unit)));
        units.sort_unstable();
        units.into_iter().map(|unit| self.service(unit))
    }

    fn service(&self, unit: &str) -> Service {
        let (state, preset) = self.states.get(unit).copied().unzip();
        let described = |unit: &str| self.descriptions.get(unit).map(|(_, text)| *text);
        let description = described(unit).or_else(|| {
            let (name, _) = unit.split_once('@')?;
            described(&format!("{name}@.service"))
        });
        let processes = self.processes.get(unit).copied().or(self.control_groups.then_some(0));
        Service {
            unit: kept(unit),
            description: description.filter(|text| !text.is_empty()).map(kept),
            state: state.map(kept),
            preset: preset.flatten().map(kept),
            running: processes.map(|count| count > 0),
            processes,
        }
    }
}
