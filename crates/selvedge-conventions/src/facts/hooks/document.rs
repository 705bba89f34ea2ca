//! A file of settings, YAML or TOML, as a tree of texts that know their lines.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value, with the lines of its texts, from 1. Numbers and the like are texts, too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text { text: String, line: usize },
    List(Vec<Value>),
    Table(Vec<(String, Value)>),
}

impl Value {
    /// Reads YAML, if it is that: the first document of it.
    pub(crate) fn of_yaml(text: &str) -> Option<Self> {
        let mut built = Builder::default();
        for event in Parser::new_from_str(text) {
            let (event, span) = event.ok()?;
            if let Some(whole) = built.add(event, span.start.line())? {
                return Some(whole);
            }
        }
        None
    }

    /// Reads JSON, if it is that: YAML has it in it, but for tabs.
    pub(crate) fn of_json(text: &str) -> Option<Self> {
        Self::of_yaml(&text.replace('\t', " "))
    }

    /// Reads TOML, if it is that.
    pub(crate) fn of_toml(text: &str) -> Option<Self> {
        let table = DeTable::parse(text).ok()?;
        Some(of_table(table.get_ref(), text))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Table(entries) = self else {
            return None;
        };
        entries
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn line(&self) -> Option<usize> {
        match self {
            Self::Text { line, .. } => Some(*line),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// The texts of a list, or the one of a text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let one = self.text().into_iter();
        one.chain(self.items().iter().filter_map(Self::text))
    }

    /// The number of texts in it.
    fn size(&self) -> usize {
        match self {
            Self::Text { .. } => 1,
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Table(entries) => entries.iter().map(|(_, value)| value.size() + 1).sum(),
        }
    }
}

fn of_table(table: &DeTable<'_>, text: &str) -> Value {
    let entries = table.iter();
    Value::Table(
        entries
            .map(|(key, value)| (key.get_ref().to_string(), of_value(value, text)))
            .collect(),
    )
}

fn of_value(value: &Spanned<DeValue<'_>>, text: &str) -> Value {
    match value.get_ref() {
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| of_value(item, text)).collect())
        }
        DeValue::Table(table) => of_table(table, text),
        other => {
            let span = value.span();
            let written = text.get(span.clone()).unwrap_or_default();
            Value::Text {
                text: other.as_str().unwrap_or(written).to_owned(),
                line: text[..span.start].matches('\n').count() + 1,
            }
        }
    }
}

/// What is not complete yet of a document.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    /// Texts that aliases have repeated.
    repeated: usize,
}

/// A list or a table that goes on, with its anchor, which is 0 if it has none.
enum Open {
    List(Vec<Value>, usize),
    Table(Vec<(String, Value)>, Option<String>, usize),
}

impl Builder {
    /// Takes the next part; the whole value, when it is complete. None if there is too much of it.
    fn add(&mut self, event: Event<'_>, line: usize) -> Option<Option<Value>> {
        let (value, anchor) = match event {
            Event::Scalar(text, _, anchor, _) => {
                let text = text.into_owned();
                (Value::Text { text, line }, anchor)
            }
            Event::Alias(anchor) => {
                // An alias of aliases of aliases is a small file and a large tree.
                const MOST: usize = 10_000;
                let value = self.anchors.get(&anchor)?.clone();
                self.repeated += value.size();
                if self.repeated > MOST {
                    return None;
                }
                (value, 0)
            }
            Event::SequenceStart(anchor, _) => {
                self.open.push(Open::List(Vec::new(), anchor));
                return Some(None);
            }
            Event::MappingStart(anchor, _) => {
                self.open.push(Open::Table(Vec::new(), None, anchor));
                return Some(None);
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop()? {
                Open::List(items, anchor) => (Value::List(items), anchor),
                Open::Table(entries, _, anchor) => (Value::Table(entries), anchor),
            },
            _ => return Some(None),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            None => return Some(Some(value)),
            Some(Open::List(items, _)) => items.push(value),
            Some(Open::Table(entries, key @ None, _)) => {
                *key = Some(value.text().unwrap_or_default().to_owned());
                let _ = entries;
            }
            Some(Open::Table(entries, key, _)) => {
                let key = key.take().unwrap_or_default();
                match value {
                    // A merge of another table into this one.
                    Value::Table(others) if key == "<<" => entries.extend(others),
                    value => entries.push((key, value)),
                }
            }
        }
        Some(None)
    }
}
