//! Installed packages, of whichever package manager the host has.

use serde::{Deserialize, Serialize};

use super::found::{Compare, Found};
use super::text::{Line, Lines, kept};
use super::{Ending, NamePattern, ParseError, Query, RowLimit, Silence, words};

/// What to ask of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Packages {
    /// Only those of such a name.
    pub name: Option<NamePattern>,
    /// The most rows.
    pub limit: RowLimit,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, with epoch and release as the package manager writes them.
    pub version: String,
    /// The architecture that it is for. pacman does not tell.
    pub architecture: Option<String>,
    /// What it is if not wholly installed, such as `config-files`, as dpkg names it.
    pub status: Option<String>,
}

/// Whose packages they are.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// Debian's.
    Dpkg,
    /// RPM's.
    Rpm,
    /// Alpine's.
    Apk,
    /// Arch's.
    Pacman,
}

impl Query for Packages {
    type Row = Package;
    type Dialect = Dialect;
    /// A host may have rpm or apk for other than its own packages: then it lists none, which is no
    /// answer.
    const DIALECTS: &'static [Dialect] =
        &[Dialect::Dpkg, Dialect::Rpm, Dialect::Apk, Dialect::Pacman];

    fn stages(&self, dialect: Dialect) -> Vec<Vec<String>> {
        vec![match dialect {
            Dialect::Dpkg => words([
                "dpkg-query",
                "-W",
                r"-f=${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n",
            ]),
            Dialect::Rpm => words([
                "rpm",
                "-qa",
                "--qf",
                r"%{NAME}\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\t%{ARCH}\tinstalled\n",
            ]),
            Dialect::Apk => words(["apk", "list", "--installed"]),
            Dialect::Pacman => words(["pacman", "-Q"]),
        }]
    }

    fn ending(dialect: Dialect) -> Ending {
        match dialect {
            Dialect::Dpkg | Dialect::Rpm | Dialect::Apk | Dialect::Pacman => {
                Ending { most_code: 0, silence: Silence::SaysNothing }
            }
        }
    }

    fn rows(
        &self,
        dialect: Dialect,
        lines: Lines<'_>,
        found: &mut Found<Package>,
    ) -> Result<(), ParseError> {
        for line in lines {
            let package = match dialect {
                Dialect::Dpkg | Dialect::Rpm => columns(line)?,
                // What apk has to say of itself stands among them.
                Dialect::Apk if line.whole().starts_with("WARNING: ") => continue,
                Dialect::Apk => apk(line)?,
                Dialect::Pacman => pacman(line)?,
            };
            // dpkg also knows names of packages that only others name.
            let absent = package.status.as_deref() == Some("not-installed");
            if !absent && self.name.as_ref().is_none_or(|name| name.matches(&package.name)) {
                found.push(package);
            }
        }
        Ok(())
    }

    fn order(&self) -> Option<Compare<Package>> {
        Some(Package::cmp)
    }

    fn limit(&self) -> RowLimit {
        self.limit
    }
}

fn columns(line: Line<'_>) -> Result<Package, ParseError> {
    let columns: Vec<&str> = line.whole().splitn(5, '\t').collect();
    let [name, version, architecture, status] = columns[..] else {
        return Err(line.error("name, version, architecture and status with tabs between"));
    };
    if name.is_empty() {
        return Err(line.error("a package's name"));
    }
    let architecture = Some(architecture).filter(|text| !text.is_empty() && *text != "(none)");
    Ok(Package {
        name: kept(name),
        version: kept(version),
        architecture: architecture.map(kept),
        status: Some(status).filter(|status| *status != "installed").map(kept),
    })
}

/// `musl-utils-1.2.5-r9 x86_64 {musl} (MIT) [installed]`
fn apk(mut line: Line<'_>) -> Result<Package, ParseError> {
    let expected = "a package as NAME-VERSION-rRELEASE, and its architecture";
    let full = line.word(expected)?;
    let architecture = line.word(expected)?;
    let mut dashes = full.rmatch_indices('-').map(|(at, _)| at);
    let (release, version) = (dashes.next(), dashes.next());
    let Some((at, version)) = release.zip(version).map(|(_, at)| (at, &full[at + 1..])) else {
        return Err(line.error(expected));
    };
    Ok(Package {
        name: kept(&full[..at]),
        version: kept(version),
        architecture: Some(kept(architecture)),
        status: None,
    })
}

fn pacman(mut line: Line<'_>) -> Result<Package, ParseError> {
    let expected = "a package's name and version";
    let (name, version) = (line.word(expected)?, line.word(expected)?);
    Ok(Package { name: kept(name), version: kept(version), architecture: None, status: None })
}
