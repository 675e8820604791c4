//! TOML.

use serde_json::Value;
use shannot::policy::text::{Source, TextError};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value as Edited};

use super::super::entry::Field;
use crate::targets::keep_comments;

/// All that it says.
pub(super) fn value(source: &Source) -> Result<Value, TextError> {
    Ok(of_item(parse(source)?.as_item()))
}

fn of_item(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => of_value(value),
        Item::Table(table) => of_table(table),
        Item::ArrayOfTables(all) => all.iter().map(|table| of_table(table)).collect(),
    }
}

fn of_table(table: &dyn TableLike) -> Value {
    Value::Object(table.iter().map(|(key, item)| (key.to_owned(), of_item(item))).collect())
}

fn of_value(value: &Edited) -> Value {
    match value {
        Edited::String(text) => text.value().as_str().into(),
        Edited::Integer(whole) => (*whole.value()).into(),
        // JSON has no infinity, and nothing of ours is one of these.
        Edited::Float(number) => format!("{:?}", number.value()).into(),
        Edited::Boolean(value) => (*value.value()).into(),
        Edited::Datetime(time) => time.value().to_string().into(),
        Edited::Array(all) => all.iter().map(of_value).collect(),
        Edited::InlineTable(table) => of_table(table),
    }
}

fn parse(source: &Source) -> Result<DocumentMut, TextError> {
    source.text.parse().map_err(|error: toml_edit::TomlError| {
        let at = error.span().map_or(0, |span| span.start);
        source.error(at, None, error.message())
    })
}

/// As [`super::Format::with`].
pub(super) fn with(
    source: &Source,
    key: &str,
    name: &str,
    fields: &[&Field],
) -> Result<String, TextError> {
    let mut document = parse(source)?;
    let mut implicit = Table::new();
    // Its name alone on a line would say nothing.
    implicit.set_implicit(true);
    let servers = document.entry(key).or_insert(Item::Table(implicit));
    let is_inline = servers.is_inline_table();
    let servers = servers
        .as_table_like_mut()
        .ok_or_else(|| source.error(0, Some(key), "it has to be a table"))?;
    match servers.get_mut(name).and_then(Item::as_table_like_mut) {
        Some(entry) => set(entry, fields),
        None => {
            let mut table = Table::new();
            set(&mut table, fields);
            let entry = match is_inline {
                true => Item::Value(table.into_inline_table().into()),
                false => Item::Table(table),
            };
            servers.insert(name, entry);
        }
    }
    Ok(document.to_string())
}

fn set(entry: &mut dyn TableLike, fields: &[&Field]) {
    for field in fields {
        let mut value = edited(&field.value);
        match entry.get_mut(field.key).and_then(Item::as_value_mut) {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => drop(entry.insert(field.key, Item::Value(value))),
        }
    }
}

fn edited(value: &Value) -> Edited {
    match value {
        Value::Null => "".into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(all) => all.iter().map(edited).collect::<Array>().into(),
        Value::Object(all) => {
            let pairs = all.iter().map(|(key, value)| (key.as_str(), edited(value)));
            pairs.collect::<InlineTable>().into()
        }
    }
}

/// As [`super::Format::without`].
pub(super) fn without(source: &Source, key: &str, name: &str) -> Result<String, TextError> {
    let mut document = parse(source)?;
    let servers = document.get_mut(key).and_then(Item::as_table_like_mut);
    if let Some(Item::Table(removed)) = servers.and_then(|servers| servers.remove(name)) {
        keep_comments(&mut document, &removed);
    }
    Ok(document.to_string())
}
