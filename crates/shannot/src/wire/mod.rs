//! The agent API, version 1: what travels between an executor here and the agent on another host.
//!
//! It is HTTP. A run is one `POST /v1/runs`; dropping it ends the box. A caller that wants the output
//! as it comes, byte for byte, sends and accepts [`STREAM`]: frames of one kind each, in the form of
//! Docker's attach streams. The request's first frame is a control frame with a [`RunRequest`], and
//! standard input follows it, to the end of the body. The answer is frames of output, and last a control
//! frame with an [`OutcomeMessage`]. Its header [`RUN_ID`] names the run: `POST /v1/runs/{id}/signals`
//! passes a signal to it ([`SignalMessage`]), `DELETE /v1/runs/{id}/stdout` and `…/stderr` say that nobody
//! reads it any more, `DELETE /v1/runs/{id}` ends it.
//!
//! Only a request travels, and where the agent allows it a profile to hold it against; never a plan.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};

mod body;
mod frame;
mod outcome;
mod request;

pub use body::{Closed, FrameBody, FrameSender};
pub use frame::{Decoder, FrameError, FrameKind, HEADER, LARGEST_CONTROL, Piece, frame, header};
pub use outcome::{FailureMessage, OutcomeMessage, ProblemMessage};
pub use request::{
    DoctorRequest, LARGEST_REQUEST, ProfileChoice, ProfileKnown, ProfileText, RunRequest,
    SignalMessage, WireError, profile_digest,
};

/// The media type of frames.
pub const STREAM: &str = "application/vnd.shannot.multiplexed-stream";

/// The header of an answer that names the run.
pub const RUN_ID: &str = "shannot-run-id";

/// How long either side may hear nothing before it asks the other whether it is there.
pub const ASK_AFTER: Duration = Duration::from_secs(10);

/// How long either side may hear nothing before the other has gone: a link can go dead and tell nobody.
pub const GONE_AFTER: Duration = Duration::from_secs(30);

/// The version of the API, which is also in its paths.
pub const API: u32 = 1;

/// What an agent that speaks over standard streams says first, on a line of its own, so that nothing a
/// caller chose is ever sent to anything else: a shell that ignores its arguments would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The version of the API.
    pub api: u32,
    /// The version of the program.
    pub version: String,
    /// Whether the caller may only name profiles of the agent's.
    pub pinned: bool,
}

impl Greeting {
    const WORD: &str = "shannot-agent";

    /// Reads a line, without its end. `None` where it is none.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let words: Vec<&str> = std::str::from_utf8(line).ok()?.split(' ').collect();
        let [Self::WORD, api, version, pinned] = words[..] else { return None };
        let is_version = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
        let pinned = match pinned {
            "open" => false,
            "pinned" => true,
            _ => return None,
        };
        if version.is_empty() || version.len() > 64 || !version.chars().all(is_version) {
            return None;
        }
        Some(Self { api: api.parse().ok()?, version: version.to_owned(), pinned })
    }
}

impl fmt::Display for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { api, version, pinned } = self;
        let profiles = if *pinned { "pinned" } else { "open" };
        write!(f, "{} {api} {version} {profiles}", Self::WORD)
    }
}

/// Bytes in JSON: a string, or `{"base64": "…"}` where they are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(&self.0))?;
                map.end()
            }
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Data {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Data".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Bytes: a string, or in base64 where they are not UTF-8.",
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                    "required": ["base64"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Data;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an object with the key `base64`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Data, E> {
                Ok(Data(text.as_bytes().to_vec()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let Some(("base64", text)) = map.next_entry::<&str, String>()? else {
                    return Err(de::Error::custom("the only key is `base64`"));
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(de::Error::custom("the only key is `base64`"));
                }
                STANDARD.decode(text).map(Data).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_told_from_noise() {
        for pinned in [false, true] {
            let greeting = Greeting { api: API, version: "0.1.0".to_owned(), pinned };
            assert_eq!(Greeting::parse(greeting.to_string().as_bytes()), Some(greeting));
        }
        for noise in [
            "",
            "Welcome!",
            "shannot-agent",
            "shannot-agent 1 0.1.0",
            "shannot-agent x 0.1.0 open",
            "shannot-agent 1 0.1.0 closed",
            "shannot-agent 1 0.1.0 open ",
            "shannot-agent 1 a\tb open",
            "exec shannot-agent 1 0.1.0 open",
        ] {
            assert_eq!(Greeting::parse(noise.as_bytes()), None, "{noise}");
        }
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        for (bytes, json) in [(&b"a b"[..], r#""a b""#), (b"\xff", r#"{"base64":"/w=="}"#)] {
            assert_eq!(serde_json::to_string(&Data(bytes.to_vec())).unwrap(), json);
            assert_eq!(serde_json::from_str::<Data>(json).unwrap().0, bytes);
        }
        for wrong in ["1", "{}", r#"{"base64":"*"}"#, r#"{"hex":"ff"}"#] {
            assert!(serde_json::from_str::<Data>(wrong).is_err(), "{wrong}");
        }
    }
}
