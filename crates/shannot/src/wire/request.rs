//! What a caller asks of an agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shannot_policy::types::{AbsPath, ProfileName, TypeError};
use shannot_policy::{Argv, Cwd, Locale, Request, RequestError, Stages};

use super::Data;

/// The most bytes of a request in JSON: every word that a request may have, in base64, with room for a
/// profile.
pub const LARGEST_REQUEST: usize = 4 << 20;

/// A request, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// What it is held against.
    pub profile: ProfileChoice,
    /// The words of the only command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<Data>>,
    /// The words of each command, joined by pipes in this order, in the place of `argv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<Vec<Data>>>,
    /// Where the commands start; by default `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Data>,
    /// Whether they start at `/` where they cannot start there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_root: bool,
    /// A time such as `30s`, to end the run sooner than the profile does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The caller's language, time zone and terminal. What else is in it is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Standard input, in a request that is not sent as frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Data>,
}

/// The profile that a caller wants to be held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ProfileChoice {
    /// One that lives where the agent is.
    Name(String),
    /// One that travels along, for callers who could open a shell there.
    Text(ProfileText),
    /// One that has travelled before, on the same connection.
    Known(ProfileKnown),
}

/// The text of a profile that extends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProfileText {
    /// As in its file.
    pub toml: String,
}

/// A profile whose text is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProfileKnown {
    /// The digest of its text, [`profile_digest`].
    pub sha256: String,
}

/// The digest that stands for a profile's text: SHA-256 in hexadecimal.
pub fn profile_digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body of `POST /v1/doctor`: what can the host enforce for a profile?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DoctorRequest {
    /// The profile whose boxes are made.
    pub profile: ProfileChoice,
}

/// The body of `POST /v1/runs/{id}/signals`: passes a signal to the commands of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignalMessage {
    /// Its number, signal(7).
    pub signal: i32,
}

/// Why a message means nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A request that could not be made here either.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A value that is none of its key's.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Neither or both of `argv` and `stages`.
    #[error("it needs either `argv` or `stages`")]
    Commands,
    /// A word that this version does not know.
    #[error("`{found}` is no {what} that this version knows")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// The word.
        found: String,
    },
}

impl RunRequest {
    /// A request to be held against a profile there, without standard input.
    pub fn new(request: &Request, profile: ProfileChoice) -> Self {
        let words = |argv: &Argv| {
            let program = Data(argv.program.to_string().into_bytes());
            let args = argv.args.iter().map(|arg| Data(arg.as_bytes().to_vec()));
            std::iter::once(program).chain(args).collect::<Vec<_>>()
        };
        let mut stages: Vec<_> = request.stages.as_slice().iter().map(words).collect();
        let (argv, stages) = match stages.len() {
            1 => (stages.pop(), None),
            _ => (None, Some(stages)),
        };
        let (cwd, or_root) = match &request.cwd {
            Cwd::Root => (None, false),
            Cwd::In(path) => (Some(path), false),
            Cwd::InOrRoot(path) => (Some(path), true),
        };
        let env = request.locale.iter();
        Self {
            profile,
            argv,
            stages,
            cwd: cwd.map(|path| Data(path.as_bytes().to_vec())),
            or_root,
            timeout: request.timeout.map(|timeout| timeout.to_string()),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            stdin: None,
        }
    }

    /// The request to the profile of that name.
    ///
    /// # Errors
    /// What no request can be, and values that are none.
    pub fn request(&self, profile: ProfileName) -> Result<Request, WireError> {
        let words = |words: &Vec<Data>| Argv::from_words(words.iter().map(|word| word.0.clone()));
        let stages = match (&self.argv, &self.stages) {
            (Some(argv), None) => vec![words(argv)?],
            (None, Some(stages)) => stages.iter().map(words).collect::<Result<_, _>>()?,
            _ => return Err(WireError::Commands),
        };
        let cwd = match &self.cwd {
            None => Cwd::Root,
            Some(Data(path)) => match (AbsPath::new(path.clone())?, self.or_root) {
                (path, true) => Cwd::InOrRoot(path),
                (path, false) => Cwd::In(path),
            },
        };
        let pairs = self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(Request {
            profile,
            stages: Stages::new(stages)?,
            cwd,
            timeout: self.timeout.as_deref().map(str::parse).transpose()?,
            locale: Locale::from_env(pairs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_arrive_as_they_were_sent() {
        let argv = |words: &[&[u8]]| Argv::from_words(words.iter().copied()).unwrap();
        let one = vec![argv(&[b"df", b"-h", b"\xff\x01"])];
        let two = vec![argv(&[b"/usr/bin/ps", b""]), argv(&[b"wc", b"-l"])];
        let path: AbsPath = "/var/log".parse().unwrap();
        for (stages, cwd) in
            [(one.clone(), Cwd::Root), (two, Cwd::In(path.clone())), (one, Cwd::InOrRoot(path))]
        {
            let request = Request {
                profile: "minimal".parse().unwrap(),
                stages: Stages::new(stages).unwrap(),
                cwd,
                timeout: Some("1500ms".parse().unwrap()),
                locale: Locale::from_env([("COLUMNS", "80"), ("LANG", "C.UTF-8")]),
            };
            let sent = RunRequest::new(&request, ProfileChoice::Name("minimal".to_owned()));
            let json = serde_json::to_string(&sent).unwrap();
            let back: RunRequest = serde_json::from_str(&json).unwrap();
            assert_eq!(back.request("minimal".parse().unwrap()).unwrap(), request, "{json}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for json in [
            r#"{"profile": "p"}"#,
            r#"{"profile": "p", "argv": ["a"], "stages": [["a"]]}"#,
            r#"{"profile": "p", "argv": []}"#,
            r#"{"profile": "p", "argv": ["a/b"]}"#,
            r#"{"profile": "p", "argv": ["a", "\u0000"]}"#,
            r#"{"profile": "p", "argv": ["a"], "cwd": "x"}"#,
            r#"{"profile": "p", "argv": ["a"], "timeout": "soon"}"#,
        ] {
            let read: RunRequest = serde_json::from_str(json).unwrap();
            assert!(read.request("p".parse().unwrap()).is_err(), "{json}");
        }
        for json in [
            r#"{"argv": ["a"]}"#,
            r#"{"profile": "p", "argv": ["a"], "user": "root"}"#,
            r#"{"profile": {"toml": "", "sha256": ""}, "argv": ["a"]}"#,
        ] {
            assert!(serde_json::from_str::<RunRequest>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(profile_digest(""), digest);
    }
}
