//! YAML, changed by lines: no editor of it keeps comments. A parser says where a key stands.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Value};
use shannot::policy::text::{Source, TextError};

use super::super::entry::Field;

/// How deep collections may lie in each other.
const DEEPEST: usize = 64;

/// What stands at a place.
#[derive(Debug)]
struct Node {
    /// From its first byte to its last, without the comments after it.
    span: Range<usize>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar { text: String, is_plain: bool },
    Alias(usize),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, is_plain: true } => plain(text),
            Kind::Scalar { text, is_plain: false } => Value::String(text.clone()),
            // The same for the same anchor, which is all that is asked of it.
            Kind::Alias(anchor) => Value::String(format!("*{anchor}")),
            Kind::Sequence(all) => all.iter().map(Self::value).collect(),
            Kind::Mapping(all) => {
                let key = |key: &Self| match key.value() {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                let pairs = all.iter().map(|(name, value)| (key(name), value.value()));
                Value::Object(pairs.collect())
            }
        }
    }

    fn is_named(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Scalar { text, .. } if text == name)
    }

    fn mapping(&self) -> Option<&[(Self, Self)]> {
        match &self.kind {
            Kind::Mapping(all) => Some(all),
            _ => None,
        }
    }
}

/// What a scalar without quotes says, by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => whole.into(),
            (_, Ok(number)) if number.is_finite() => number.into(),
            _ => text.into(),
        },
    }
}

/// Reads a text: a node, or nothing where there are only comments.
struct Reader<'s> {
    source: &'s Source,
    parser: Parser<'s, StrInput<'s>>,
    /// Where the characters begin, by their numbers.
    starts: Vec<usize>,
}

impl<'s> Reader<'s> {
    fn read(source: &'s Source) -> Result<Option<Node>, TextError> {
        let mut starts: Vec<usize> = source.text.char_indices().map(|(at, _)| at).collect();
        starts.push(source.text.len());
        let mut reader = Self { source, parser: Parser::new_from_str(&source.text), starts };
        let mut found = None;
        loop {
            let (event, span) = reader.next()?;
            match event {
                Event::StreamEnd => return Ok(found),
                Event::DocumentStart(_) if found.is_some() => {
                    let what = "there is more than one document in it";
                    return Err(source.error(reader.at(span).start, None, what));
                }
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                event => found = Some(reader.node(event, span, 0)?),
            }
        }
    }

    fn at(&self, span: Span) -> Range<usize> {
        let start =
            |index: usize| self.starts.get(index).copied().unwrap_or(self.source.text.len());
        start(span.start.index())..start(span.end.index())
    }

    fn next(&mut self) -> Result<(Event<'s>, Span), TextError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let place = error.marker();
                Err(self.source.at(place.line(), place.col() + 1, None, error.info()))
            }
            None => Err(self.source.error(self.source.text.len(), None, "it ends too soon")),
        }
    }

    fn node(&mut self, event: Event<'s>, span: Span, depth: usize) -> Result<Node, TextError> {
        let mut at = self.at(span);
        if depth > DEEPEST {
            let what = format!("more than {DEEPEST} collections lie in each other");
            return Err(self.source.error(at.start, None, what));
        }
        let kind = match event {
            Event::Alias(anchor) => Kind::Alias(anchor),
            Event::Scalar(text, style, ..) => {
                Kind::Scalar { text: text.into_owned(), is_plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                let mut all = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => {
                            let end = self.at(end);
                            at.end = last(at.end, all.last(), end);
                            break Kind::Sequence(all);
                        }
                        (event, span) => all.push(self.node(event, span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut all: Vec<(Node, Node)> = Vec::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, end) => {
                            let end = self.at(end);
                            at.end = last(at.end, all.last().map(|(_, value)| value), end);
                            break Kind::Mapping(all);
                        }
                        (event, span) => {
                            let key = self.node(event, span, depth + 1)?;
                            let (event, span) = self.next()?;
                            let mut value = self.node(event, span, depth + 1)?;
                            // Nothing after a colon stands where the parser has gone on to.
                            if value.span.is_empty() {
                                value.span = key.span.end..key.span.end;
                            }
                            all.push((key, value));
                        }
                    }
                }
            }
            _ => return Err(self.source.error(at.start, None, "it ends too soon")),
        };
        Ok(Node { span: at, kind })
    }
}

/// Where a collection ends: at its bracket, or, without one, with what is last in it.
fn last(start: usize, last: Option<&Node>, end: Range<usize>) -> usize {
    if end.is_empty() { last.map_or(start, |last| last.span.end) } else { end.end }
}

/// All that it says.
pub(super) fn value(source: &Source) -> Result<Value, TextError> {
    Ok(Reader::read(source)?.map_or(Value::Null, |node| node.value()))
}

/// As [`super::Format::with`]; `entry` is all of the server.
pub(super) fn with(
    source: &Source,
    key: &str,
    name: &str,
    fields: &[&Field],
    entry: &Map<String, Value>,
) -> Result<String, TextError> {
    let root = Reader::read(source)?;
    let servers = root.as_ref().and_then(|root| below(root, key)).map(|(_, servers)| servers);
    let Some((own, old)) = servers.and_then(|servers| below(servers, name)) else {
        let pairs: Vec<_> = fields.iter().map(|field| (field.key, &field.value)).collect();
        return add(source, key, name, &pairs);
    };
    // In its place, without the comments in it.
    let pairs: Vec<_> = entry.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let mut text = source.text.clone();
    if servers.is_some_and(|servers| is_flow(source, servers)) {
        text.replace_range(own.span.start..old.span.end, &flow(name, &pairs));
    } else {
        let indent = column(source, own.span.start);
        text.replace_range(lines(&text, own, old), &block(indent, name, &pairs));
    }
    Ok(text)
}

fn add(
    source: &Source,
    key: &str,
    name: &str,
    pairs: &[(&str, &Value)],
) -> Result<String, TextError> {
    let mut text = source.text.clone();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let root = Reader::read(source)?;
    let Some(root) = root.filter(|root| root.value() != Value::Null) else {
        text.push_str(&format!("{key}:\n{}", block(2, name, pairs)));
        return Ok(text);
    };
    let found = below(&root, key);
    match found {
        None if is_flow(source, &root) => {
            let servers = flow(name, pairs);
            put_first(&mut text, &root, &format!("{}: {{{servers}}}", quoted(key)));
        }
        None => {
            let indent = column(source, root.span.start);
            let pad = " ".repeat(indent);
            text.push_str(&format!("{pad}{key}:\n{}", block(indent + 2, name, pairs)));
        }
        Some((_, servers)) if is_flow(source, servers) => {
            put_first(&mut text, servers, &flow(name, pairs));
        }
        Some((own, servers)) => {
            let indent = match servers.mapping().and_then(<[_]>::first) {
                Some((first, _)) => column(source, first.span.start),
                None => column(source, own.span.start) + 2,
            };
            let at = next_line(&text, own.span.end);
            text.insert_str(at, &block(indent, name, pairs));
            // `~` or `null` after the key.
            if servers.mapping().is_none() {
                text.replace_range(servers.span.clone(), "");
            }
        }
    }
    Ok(text)
}

/// As [`super::Format::without`].
pub(super) fn without(source: &Source, key: &str, name: &str) -> Result<String, TextError> {
    let mut text = source.text.clone();
    let root = Reader::read(source)?;
    let found = root.as_ref().and_then(|root| below(root, key));
    let Some((own, servers)) = found else { return Ok(text) };
    let all = servers.mapping().unwrap_or_default();
    let Some(at) = all.iter().position(|(key, _)| key.is_named(name)) else { return Ok(text) };
    let (first, last) = &all[at];
    if is_flow(source, servers) {
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        let span = match (all.get(at + 1), before) {
            (Some((next, _)), _) => first.span.start..next.span.start,
            (None, Some((_, before))) => before.span.end..last.span.end,
            (None, None) => first.span.start..last.span.end,
        };
        text.replace_range(span, "");
        return Ok(text);
    }
    text.replace_range(lines(&text, first, last), "");
    if all.len() == 1
        && let Some(colon) = text[own.span.end..].find(':')
    {
        text.insert_str(own.span.end + colon + 1, " {}");
    }
    Ok(text)
}

/// All lines of a key and its value.
fn lines(text: &str, key: &Node, value: &Node) -> Range<usize> {
    let start = text[..key.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = value.span.end.max(key.span.end);
    // A text of several lines ends where the next line begins.
    start..if text[..end].ends_with('\n') { end } else { next_line(text, end) }
}

/// A key of a mapping, and what is below it.
fn below<'n>(node: &'n Node, key: &str) -> Option<(&'n Node, &'n Node)> {
    let pair = node.mapping()?.iter().find(|(own, _)| own.is_named(key));
    pair.map(|(own, value)| (own, value))
}

/// Whether a mapping is written with brackets.
fn is_flow(source: &Source, node: &Node) -> bool {
    node.mapping().is_some() && source.text[node.span.start..].starts_with('{')
}

fn put_first(text: &mut String, mapping: &Node, pair: &str) {
    let comma = if mapping.mapping().is_some_and(|all| all.is_empty()) { "" } else { ", " };
    text.insert_str(mapping.span.start + 1, &format!("{pair}{comma}"));
}

fn column(source: &Source, at: usize) -> usize {
    source.place(at).1 - 1
}

fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// A text in the quotes of JSON, which YAML reads too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A server between brackets.
fn flow(name: &str, pairs: &[(&str, &Value)]) -> String {
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{}: {value}", quoted(key))).collect();
    format!("{}: {{{}}}", quoted(name), pairs.join(", "))
}

/// A server on lines of its own.
fn block(indent: usize, name: &str, pairs: &[(&str, &Value)]) -> String {
    let pad = " ".repeat(indent);
    // Others might be read as a number, or as yes or no.
    let name = if name.starts_with("shannot") { name.to_owned() } else { quoted(name) };
    let mut text = format!("{pad}{name}:\n");
    for (key, value) in pairs {
        let is_plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let key = if is_plain { (*key).to_owned() } else { quoted(key) };
        match value.as_array().filter(|all| !all.is_empty()) {
            Some(all) => {
                text.push_str(&format!("{pad}  {key}:\n"));
                for value in all {
                    text.push_str(&format!("{pad}    - {value}\n"));
                }
            }
            None => text.push_str(&format!("{pad}  {key}: {value}\n")),
        }
    }
    text
}
