//! JSON, with comments.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstRootNode};
use serde_json::Value;
use shannot::policy::text::{Source, TextError};

use super::super::entry::Field;

/// No other liberties: what a client would not read either is told, not mended.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn parse(source: &Source) -> Result<CstRootNode, TextError> {
    CstRootNode::parse(&source.text, &options()).map_err(|error| {
        let what = error.kind().to_string();
        let mut letters = what.chars();
        let what = match letters.next() {
            Some(first) => first.to_lowercase().chain(letters).collect(),
            None => what,
        };
        source.at(error.line_display(), error.column_display(), None, what)
    })
}

/// All that it says.
pub(super) fn value(source: &Source) -> Result<Value, TextError> {
    Ok(parse(source)?.to_serde_value().unwrap_or(Value::Null))
}

/// As [`super::Format::with`].
pub(super) fn with(
    source: &Source,
    key: &str,
    name: &str,
    fields: &[&Field],
) -> Result<String, TextError> {
    let no_table = |key| source.error(0, key, "it has to be a table");
    let root = parse(source)?;
    let all = root.object_value_or_create().ok_or_else(|| no_table(None))?;
    if all.get(key).is_some_and(|property| property.to_serde_value() == Some(Value::Null)) {
        all.object_value_or_set(key);
    }
    let servers = all.object_value_or_create(key).ok_or_else(|| no_table(Some(key)))?;
    match servers.object_value(name) {
        Some(entry) => fields.iter().for_each(|field| set(&entry, field)),
        None => {
            let entry = fields.iter().map(|field| (field.key.to_owned(), input(&field.value)));
            let entry = CstInputValue::Object(entry.collect());
            match servers.get(name) {
                Some(property) => property.set_value(entry),
                None => drop(servers.append(name, entry)),
            }
        }
    }
    Ok(root.to_string())
}

fn set(entry: &CstObject, field: &Field) {
    match entry.get(field.key) {
        Some(property) => property.set_value(input(&field.value)),
        None => drop(entry.append(field.key, input(&field.value))),
    }
}

/// As [`super::Format::without`].
pub(super) fn without(source: &Source, key: &str, name: &str) -> Result<String, TextError> {
    let root = parse(source)?;
    let property = root.object_value().and_then(|all| all.object_value(key)?.get(name));
    if let Some(property) = property {
        property.remove();
    }
    Ok(root.to_string())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(all) => CstInputValue::Array(all.iter().map(input).collect()),
        Value::Object(all) => {
            let pairs = all.iter().map(|(key, value)| (key.clone(), input(value)));
            CstInputValue::Object(pairs.collect())
        }
    }
}
