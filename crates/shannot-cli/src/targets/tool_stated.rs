//! A `[tool.NAME]` of the configuration as it is written.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Deserialize;
use shannot::policy::text::TextError;
use shannot::policy::types::{ProfileName, Timeout};
use toml::Spanned;

use super::stated::{Name, Reader, Word};
use super::tool::{CustomTool, Parameter, ParameterKind, Template, ToolName};

/// The longest text of a parameter that states no other length, in bytes.
const MAX_LENGTH: usize = 256;

/// A name of a tool or a parameter, and its place.
pub(super) type ToolKey = Spanned<Word<ToolName>>;

/// A tool: a command that a model can call by a name of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct ToolKeys {
    /// What a model is told of it.
    #[cfg_attr(test, schemars(with = "String"))]
    description: Spanned<String>,
    /// What a person is shown. Default: its name.
    title: Option<String>,
    /// The program and its arguments, one word each, without a shell. `{NAME}` stands for a parameter.
    #[cfg_attr(test, schemars(with = "Vec<String>", length(min = 1)))]
    command: Spanned<Vec<String>>,
    /// Further commands, each of which reads what the one before writes.
    #[serde(default)]
    pipe: Vec<Vec<String>>,
    /// What a call gives.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, ParameterKeys>"))]
    parameters: BTreeMap<ToolKey, Spanned<ParameterKeys>>,
    /// The target that it runs on. Default: the one that a call names.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    target: Option<Name>,
    /// The profile that has to allow it. Default: the first that has the command.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    profile: Option<Word<ProfileName>>,
    /// How long it may take, such as `10s`. Default: as the profile says.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    timeout: Option<Word<Timeout>>,
}

/// A parameter of a tool.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ParameterKeys {
    /// What it is.
    #[cfg_attr(test, schemars(with = "ParameterType"))]
    r#type: Spanned<ParameterType>,
    /// What a model is told of it.
    description: Option<String>,
    /// What it is where a call does not give it. Default: a call must.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    default: Option<Spanned<toml::Value>>,
    /// string: the only values that it can have.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    r#enum: Option<Spanned<Vec<String>>>,
    /// string: a regular expression for the whole of it.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pattern: Option<Spanned<String>>,
    /// string: the most bytes that it can have. Default: 256.
    #[cfg_attr(test, schemars(with = "Option<usize>"))]
    max_length: Option<Spanned<usize>>,
    /// integer: the least that it can be.
    #[cfg_attr(test, schemars(with = "Option<i64>"))]
    minimum: Option<Spanned<i64>>,
    /// integer: the most that it can be.
    #[cfg_attr(test, schemars(with = "Option<i64>"))]
    maximum: Option<Spanned<i64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum ParameterType {
    String,
    Integer,
}

impl ToolKeys {
    /// The tool.
    ///
    /// # Errors
    /// Its command is empty, names a parameter that is not there or leaves one out; a value that a
    /// parameter cannot have.
    pub(super) fn read(self, name: ToolKey, reader: &Reader<'_>) -> Result<CustomTool, TextError> {
        let name = reader.value(name).map(|Word(name)| name);
        let table = format!("tool.{}", name.value);
        let refuse = |at: usize, key: &str, message: String| {
            reader.error(at, &format!("{table}.{key}"), message)
        };
        let at = self.command.span().start;
        let mut stages = vec![self.command.into_inner()];
        stages.extend(self.pipe);
        if stages.iter().any(|words| words.first().is_none_or(|program| program.is_empty())) {
            return Err(refuse(at, "command", "a command needs a program".to_owned()));
        }
        let template = |words: Vec<String>| words.iter().map(|word| Template::new(word)).collect();
        let stages: Vec<Vec<Template>> = stages.into_iter().map(template).collect();
        let mut parameters = BTreeMap::new();
        for (key, keys) in self.parameters {
            let Word(key) = key.into_inner();
            let at = keys.span().start;
            let parameter = keys.into_inner().read(reader, &format!("{table}.parameters.{key}"))?;
            let used = stages.iter().flatten().flat_map(Template::parameters);
            if !used.into_iter().any(|used| *used == key) {
                let message = format!("no word of the command has `{{{key}}}`");
                return Err(refuse(at, &format!("parameters.{key}"), message));
            }
            parameters.insert(key, parameter);
        }
        let used: BTreeSet<_> = stages.iter().flatten().flat_map(Template::parameters).collect();
        if let Some(unknown) = used.into_iter().find(|used| !parameters.contains_key(*used)) {
            let message = format!("there is no parameter `{unknown}`");
            let hint =
                format!("state `[{table}.parameters.{unknown}]`, or write `{{ {unknown} }}`");
            return Err(refuse(at, "command", message).or_hint(hint));
        }
        // The program is the operator's choice, and a model has none in it.
        if stages.iter().any(|words| words.first().is_some_and(|w| w.parameters().count() > 0)) {
            return Err(refuse(at, "command", "a parameter cannot be the program".to_owned()));
        }
        Ok(CustomTool {
            name,
            title: self.title,
            description: self.description.into_inner(),
            stages,
            parameters,
            target: reader.word(self.target),
            profile: self.profile.map(|Word(profile)| profile),
            timeout: self.timeout.map(|Word(timeout)| timeout),
        })
    }
}

impl ParameterKeys {
    fn read(self, reader: &Reader<'_>, table: &str) -> Result<Parameter, TextError> {
        let refuse = |at: usize, key: &str, message: String| {
            reader.error(at, &format!("{table}.{key}"), message)
        };
        let kind = self.kind(&refuse)?;
        let mut parameter = Parameter { description: self.description, default: None, kind };
        if let Some(default) = self.default {
            let at = default.span().start;
            let value = serde_json::to_value(default.into_inner());
            let value = value.map_err(|error| refuse(at, "default", error.to_string()))?;
            let text = parameter.text(&value);
            parameter.default = Some(text.map_err(|why| refuse(at, "default", why))?);
        }
        Ok(parameter)
    }

    fn kind(
        &self,
        refuse: &dyn Fn(usize, &str, String) -> TextError,
    ) -> Result<ParameterKind, TextError> {
        fn at<T>(value: &Option<Spanned<T>>) -> Option<usize> {
            value.as_ref().map(|value| value.span().start)
        }
        let strings = [
            ("enum", at(&self.r#enum)),
            ("pattern", at(&self.pattern)),
            ("max_length", at(&self.max_length)),
        ];
        let integers = [("minimum", at(&self.minimum)), ("maximum", at(&self.maximum))];
        let (others, other): (&[_], _) = match self.r#type.get_ref() {
            ParameterType::Integer => (&strings, "string"),
            ParameterType::String => (&integers, "integer"),
        };
        if let Some((key, at)) = others.iter().find_map(|(key, at)| Some((*key, (*at)?))) {
            return Err(refuse(at, key, format!("is a key of the type `{other}`")));
        }
        let number =
            |value: &Option<Spanned<i64>>, none| value.as_ref().map_or(none, |n| *n.get_ref());
        if *self.r#type.get_ref() == ParameterType::Integer {
            let (minimum, maximum) =
                (number(&self.minimum, i64::MIN), number(&self.maximum, i64::MAX));
            if minimum > maximum {
                let at = at(&self.maximum).unwrap_or_default();
                return Err(refuse(at, "maximum", "is less than `minimum`".to_owned()));
            }
            return Ok(ParameterKind::Integer { minimum, maximum });
        }
        if let Some(values) = &self.r#enum {
            if values.get_ref().is_empty() {
                return Err(refuse(values.span().start, "enum", "has no value".to_owned()));
            }
            return Ok(ParameterKind::OneOf(values.get_ref().clone()));
        }
        let pattern = self.pattern.as_ref().map(|pattern| {
            // Alone first: `a)|(?:b` would be one only between our own parentheses, and match anything.
            let text = pattern.get_ref();
            let whole = Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$")));
            whole.map_err(|error| refuse(pattern.span().start, "pattern", error.to_string()))
        });
        Ok(ParameterKind::Text {
            pattern: pattern.transpose()?,
            max_length: self.max_length.as_ref().map_or(MAX_LENGTH, |length| *length.get_ref()),
        })
    }
}
