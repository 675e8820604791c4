//! What a host is: its system, kernel, processors, memory and load, as files of `/proc` and `/etc` have
//! them.

use serde::Serialize;

use super::arguments::Wrong;
use super::ask::Ask;
use super::calls::{Calls, Denied};
use super::excerpt;
use crate::error::chain;

/// The files; each line is told with the name of its own.
const FILES: [&str; 7] = [
    "/etc/os-release",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/osrelease",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/meminfo",
    "/sys/devices/system/cpu/online",
];

/// What a host is. What it does not tell is left out.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    /// Those that are on, as `0-3,8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    processors: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_average: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_available_bytes: Option<u64>,
}

/// Asks a target.
///
/// # Errors
/// The profile does not let these files be read, or the host cannot be reached.
pub(super) async fn of(calls: &Calls, target: &str) -> Result<Facts, String> {
    let words = ["grep", "-sH", ""].into_iter().chain(FILES).map(str::to_owned);
    let ask = Ask::one(None, words.collect());
    match calls.run(Some(target), ask).await {
        Ok((_, Ok(run))) if run.stdout.is_empty() => match &run.outcome.end {
            shannot::End::Failed(failure) => Err(chain(failure)),
            _ => Err("the host told nothing".to_owned()),
        },
        Ok((_, Ok(run))) => Ok(Facts::read(&excerpt::of(&run.stdout, usize::MAX).text)),
        Ok((_, Err(Denied { refusal, .. }))) => Err(chain(&refusal)),
        Err(Wrong(why)) => Err(why),
    }
}

impl Facts {
    fn read(text: &str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let Some((file, line)) = line.split_once(':') else { continue };
            match file {
                "/etc/os-release" => {
                    if let Some(name) = line.strip_prefix("PRETTY_NAME=") {
                        facts.system = Some(name.trim_matches(['"', '\'']).to_owned());
                    }
                }
                "/proc/sys/kernel/hostname" => facts.hostname = Some(line.to_owned()),
                "/proc/sys/kernel/osrelease" => facts.kernel = Some(line.to_owned()),
                "/sys/devices/system/cpu/online" => facts.processors = Some(line.to_owned()),
                "/proc/loadavg" => {
                    let numbers: Vec<f64> =
                        line.split(' ').take(3).filter_map(|word| word.parse().ok()).collect();
                    facts.load_average = numbers.try_into().ok();
                }
                "/proc/uptime" => {
                    facts.uptime_seconds = line.split(' ').next().and_then(|w| w.parse().ok());
                }
                "/proc/meminfo" => {
                    let kibibytes = line.split_whitespace().nth(1).and_then(|w| w.parse().ok());
                    let bytes = kibibytes.and_then(|n: u64| n.checked_mul(1024));
                    if line.starts_with("MemTotal:") {
                        facts.memory_bytes = bytes;
                    } else if line.starts_with("MemAvailable:") {
                        facts.memory_available_bytes = bytes;
                    }
                }
                _ => {}
            }
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_what_is_missing_is_left_out() {
        let text = "/etc/os-release:PRETTY_NAME=\"Debian GNU/Linux 12\"\n\
            /proc/loadavg:0.50 1.25 2.00 1/100 7\n/proc/uptime:3600.5 7000.0\n\
            /proc/meminfo:MemTotal:       1024 kB\n/proc/meminfo:MemAvailable: 18446744073709551615 kB\n";
        let facts = Facts::read(text);
        assert_eq!(facts.system.as_deref(), Some("Debian GNU/Linux 12"));
        assert_eq!(facts.load_average, Some([0.5, 1.25, 2.0]));
        assert_eq!((facts.uptime_seconds, facts.memory_bytes), (Some(3600.5), Some(1 << 20)));
        assert_eq!(facts.memory_available_bytes, None);
        assert_eq!(Facts::read("x\n:\n/proc/loadavg:\n"), Facts::default());
    }
}
