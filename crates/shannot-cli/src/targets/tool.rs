//! A tool that an operator has written: a command with parameters, each of which becomes a part of one
//! word and nothing else. There is no shell.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde_json::{Map, Value as Json, json};
use shannot::policy::types::{ProfileName, Timeout};

use super::{TargetName, Value};

/// A tool of the configuration.
#[derive(Debug)]
pub(crate) struct CustomTool {
    pub(crate) name: Value<ToolName>,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    /// The command and those that it is piped through.
    pub(crate) stages: Vec<Vec<Template>>,
    pub(crate) parameters: BTreeMap<ToolName, Parameter>,
    /// Where it runs; else as each call says.
    pub(crate) target: Option<Value<TargetName>>,
    pub(crate) profile: Option<ProfileName>,
    pub(crate) timeout: Option<Timeout>,
}

/// The name of a tool or of a parameter: `a-z`, `0-9` and `_`, up to 40, the first a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ToolName(String);

impl ToolName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for ToolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ToolName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        match all && first && text.len() <= 40 {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "`{}` is no name: letters `a-z`, digits and `_`, up to 40, the first a letter",
                text.escape_debug()
            )),
        }
    }
}

/// A word of a command, with places for parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Of(ToolName),
}

impl Template {
    /// `{name}` is a place; any other brace is itself.
    pub(super) fn new(word: &str) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = word;
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            let inside = rest[at + 1..].split_once('}');
            match inside.and_then(|(name, after)| Some((name.parse().ok()?, after))) {
                Some((name, after)) => {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Of(name));
                    rest = after;
                }
                None => {
                    text.push('{');
                    rest = &rest[at + 1..];
                }
            }
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        parts.retain(|part| *part != Part::Text(String::new()));
        Self(parts)
    }

    /// The parameters that have a place in it.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &ToolName> {
        self.0.iter().filter_map(|part| match part {
            Part::Of(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// The word with these values. A value must not become an option where the operator wrote none.
    fn word(&self, values: &BTreeMap<&str, String>) -> Result<String, String> {
        let mut word = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => word.push_str(text),
                Part::Of(name) => {
                    let value = values.get(name.as_str()).map(String::as_str).unwrap_or_default();
                    if word.is_empty() && value.starts_with('-') {
                        return Err(format!("`{name}` begins with a dash"));
                    }
                    word.push_str(value);
                }
            }
        }
        Ok(word)
    }
}

/// What a call gives.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) description: Option<String>,
    pub(crate) default: Option<String>,
    pub(crate) kind: ParameterKind,
}

/// The values that a parameter can have.
#[derive(Debug)]
pub(crate) enum ParameterKind {
    /// A whole number from the first to the last.
    Integer { minimum: i64, maximum: i64 },
    /// One of these.
    OneOf(Vec<String>),
    /// A text that is matched from its beginning to its end, up to so many bytes.
    Text { pattern: Option<Regex>, max_length: usize },
}

impl Parameter {
    /// Its JSON schema.
    pub(crate) fn schema(&self) -> Json {
        let mut schema = match &self.kind {
            ParameterKind::Integer { minimum, maximum } => {
                let mut schema = json!({"type": "integer"});
                if *minimum != i64::MIN {
                    schema["minimum"] = json!(minimum);
                }
                if *maximum != i64::MAX {
                    schema["maximum"] = json!(maximum);
                }
                schema
            }
            ParameterKind::OneOf(values) => json!({"type": "string", "enum": values}),
            ParameterKind::Text { pattern, max_length } => {
                let mut schema = json!({"type": "string", "maxLength": max_length});
                if let Some(pattern) = pattern {
                    schema["pattern"] = json!(pattern.as_str());
                }
                schema
            }
        };
        if let Some(description) = &self.description {
            schema["description"] = json!(description);
        }
        if let Some(default) = &self.default {
            schema["default"] = match &self.kind {
                ParameterKind::Integer { .. } => json!(default.parse::<i64>().ok()),
                _ => json!(default),
            };
        }
        schema
    }

    /// The text of a value, if it is one that it can have.
    ///
    /// # Errors
    /// Which ones it can have.
    pub(super) fn text(&self, value: &Json) -> Result<String, String> {
        match (&self.kind, value) {
            (ParameterKind::Integer { minimum, maximum }, Json::Number(number)) => {
                let number = number.as_i64().filter(|n| (minimum..=maximum).contains(&n));
                number
                    .map(|n| n.to_string())
                    .ok_or_else(|| format!("is no whole number from {minimum} to {maximum}"))
            }
            (ParameterKind::Integer { .. }, _) => Err("is no whole number".to_owned()),
            (_, Json::String(text)) => self.check(text).map(|()| text.clone()),
            _ => Err("is no string".to_owned()),
        }
    }

    fn check(&self, text: &str) -> Result<(), String> {
        match &self.kind {
            ParameterKind::OneOf(values) if !values.iter().any(|value| value == text) => {
                Err(format!("is none of {}", values.join(", ")))
            }
            ParameterKind::Text { max_length, .. } if text.len() > *max_length => {
                Err(format!("is longer than {max_length} bytes"))
            }
            ParameterKind::Text { pattern: Some(pattern), .. } if !pattern.is_match(text) => {
                Err(format!("does not match {pattern}"))
            }
            _ => Ok(()),
        }
    }
}

impl CustomTool {
    /// The command lines for the arguments of a call.
    ///
    /// # Errors
    /// One is missing or has another value than it can have.
    pub(crate) fn command_lines(
        &self,
        arguments: &Map<String, Json>,
    ) -> Result<Vec<Vec<String>>, String> {
        let mut values = BTreeMap::new();
        for (name, parameter) in &self.parameters {
            let given = match arguments.get(name.as_str()) {
                Some(value) => parameter.text(value).map_err(|why| format!("`{name}` {why}"))?,
                None => parameter.default.clone().ok_or_else(|| format!("`{name}` is missing"))?,
            };
            values.insert(name.as_str(), given);
        }
        let line = |words: &Vec<Template>| words.iter().map(|word| word.word(&values)).collect();
        self.stages.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_braces_are_places() {
        let values = BTreeMap::from([("a", "x y".to_owned()), ("b", "-v".to_owned())]);
        for (word, wanted) in [
            ("{a}", "x y"),
            ("--f={b}", "--f=-v"),
            ("{ print $1 }", "{ print $1 }"),
            ("{a}{b}", "x y-v"),
            ("{{a}", "{x y"),
            ("{A}{", "{A}{"),
            ("", ""),
        ] {
            assert_eq!(Template::new(word).word(&values).as_deref(), Ok(wanted), "{word}");
        }
        assert!(Template::new("{b}").word(&values).is_err(), "it would be an option");
        assert!(Template::new("{b}{a}").word(&values).is_err());
    }
}
