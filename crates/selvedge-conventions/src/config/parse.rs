//! Reading `selvedge.toml`: every key is known, every value checked, every mistake has a line.

use std::path::Path;

use super::rule_levels::Level;
use super::{Config, Limits, Patterns, PerFileIgnore, ReadPattern, RuleLevels};
use crate::document::{self, Document, Entry, each};
use crate::units::parse_size;
use crate::{Error, IdPattern, Selector};
use selvedge_base::{did_you_mean, nearest};

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and what [`parse`](Self::parse) returns.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::parse(&document::read(path)?, path)
    }

    /// Reads the text of a configuration file; the path is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`], [`Error::UnknownKey`] and [`Error::InvalidValue`], each with the line.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, Error> {
        parse(text, path.as_ref())
    }
}

fn parse(text: &str, path: &Path) -> Result<Config, Error> {
    let document = Document { text, path };
    let root = document.parse()?;
    let mut config = Config::default();
    const KEYS: &[&str] = &[
        "roots",
        "exclude",
        "tensors",
        "notebooks",
        "trajectories",
        "limits",
        "rules",
        "per-file-ignores",
    ];
    each(document, "", root.get_ref(), KEYS, |key, entry| {
        match key {
            "roots" => config.roots = roots(&entry)?,
            "exclude" => config.exclude = patterns(&entry, Patterns::of_paths)?,
            "tensors" => tensors(&entry, &mut config)?,
            "notebooks" => notebooks(&entry, &mut config)?,
            "trajectories" => trajectories(&entry, &mut config)?,
            "limits" => config.limits = limits(&entry)?,
            "rules" => config.rules = rules(&entry)?,
            _ => config.per_file_ignores = per_file_ignores(&entry)?,
        }
        Ok(())
    })?;
    Ok(config)
}

fn roots(entry: &Entry<'_, '_>) -> Result<Vec<String>, Error> {
    let roots = entry.strings()?;
    if let Some((_, entry)) = roots.iter().find(|(root, _)| root.trim().is_empty()) {
        return Err(entry.expected("a folder, such as `.` or `box_3`"));
    }
    Ok(roots.into_iter().map(|(root, _)| root.to_owned()).collect())
}

fn patterns(
    entry: &Entry<'_, '_>,
    make: fn(Vec<String>) -> Result<Patterns, Error>,
) -> Result<Patterns, Error> {
    let mut globs = Vec::new();
    for (glob, entry) in entry.strings()? {
        // One at a time, so that the message has the line of the one that is wrong.
        if let Err(Error::Glob { reason, .. }) = make(vec![glob.to_owned()]) {
            return Err(entry.expected(format!("a glob, and {reason}")));
        }
        globs.push(glob.to_owned());
    }
    make(globs)
}

fn tensors(entry: &Entry<'_, '_>, config: &mut Config) -> Result<(), Error> {
    const KEYS: &[&str] = &["directories", "models"];
    each(
        entry.document,
        "tensors",
        entry.table()?,
        KEYS,
        |key, entry| {
            match key {
                "directories" => config.tensors.directories = patterns(&entry, Patterns::of_paths)?,
                _ => config.tensors.models = patterns(&entry, Patterns::of_names)?,
            }
            Ok(())
        },
    )
}

fn notebooks(entry: &Entry<'_, '_>, config: &mut Config) -> Result<(), Error> {
    const KEYS: &[&str] = &["directories", "id-pattern"];
    each(
        entry.document,
        "notebooks",
        entry.table()?,
        KEYS,
        |key, entry| {
            match key {
                "directories" => {
                    config.notebooks.directories = patterns(&entry, Patterns::of_paths)?;
                }
                _ => {
                    config.notebooks.id_pattern =
                        IdPattern::new(entry.string()?).map_err(|error| match error {
                            Error::IdPattern { reason, .. } => {
                                entry.expected(format!("a pattern for ids, and {reason}"))
                            }
                            other => other,
                        })?;
                }
            }
            Ok(())
        },
    )
}

fn trajectories(entry: &Entry<'_, '_>, config: &mut Config) -> Result<(), Error> {
    const KEYS: &[&str] = &["read-pattern"];
    each(
        entry.document,
        "trajectories",
        entry.table()?,
        KEYS,
        |_, entry| {
            config.trajectories.read_pattern = one_of(&entry, &ReadPattern::ALL)?;
            Ok(())
        },
    )
}

fn limits(entry: &Entry<'_, '_>) -> Result<Limits, Error> {
    const KEYS: &[&str] = &["safetensors-size", "memory", "chunk-size", "tail-waste"];
    let mut limits = Limits::default();
    let mut safetensors_size = None;
    each(
        entry.document,
        "limits",
        entry.table()?,
        KEYS,
        |key, entry| {
            match key {
                "safetensors-size" => safetensors_size = Some(size(&entry)?),
                "memory" => limits.memory = size(&entry)?,
                "chunk-size" => limits.chunk_size = size(&entry)?,
                _ => {
                    limits.tail_waste = entry
                        .number()
                        .filter(|share| (0.0..=1.0).contains(share))
                        .ok_or_else(|| entry.expected("a share from 0.0 to 1.0, such as 0.05"))?;
                }
            }
            Ok(())
        },
    )?;
    limits.safetensors_size = safetensors_size.unwrap_or(limits.memory);
    Ok(limits)
}

fn size(entry: &Entry<'_, '_>) -> Result<u64, Error> {
    let size = match entry.value.get_ref().as_str() {
        Some(text) => parse_size(text),
        None => entry.whole_number(),
    };
    size.filter(|bytes| *bytes > 0)
        .ok_or_else(|| entry.expected("a size, such as \"24 GB\", \"2 GiB\" or a number of bytes"))
}

fn one_of<T: Copy>(entry: &Entry<'_, '_>, values: &[(&'static str, T)]) -> Result<T, Error> {
    let given = entry.string()?;
    let found = values.iter().find(|(name, _)| *name == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
        let nearest = did_you_mean(nearest(given, names.iter().copied()));
        entry.expected(format!("one of {}{nearest}", names.join(", ")))
    })
}

fn rules(entry: &Entry<'_, '_>) -> Result<RuleLevels, Error> {
    let mut levels = Vec::new();
    for (key, value) in entry.table()? {
        let selector = selector(entry.document, key.span(), "rules", key.get_ref())?;
        let entry = Entry {
            document: entry.document,
            key: format!("rules.{}", key.get_ref()),
            value,
        };
        let level = match value.get_ref().as_bool() {
            Some(false) => Level::Off,
            Some(true) => Level::On,
            None => one_of(&entry, &Level::ALL)?,
        };
        levels.push((selector, level));
    }
    Ok(RuleLevels::new(&levels))
}

fn per_file_ignores(entry: &Entry<'_, '_>) -> Result<Vec<PerFileIgnore>, Error> {
    let mut ignores = Vec::new();
    for (glob, value) in entry.table()? {
        let document = entry.document;
        let files = Patterns::of_paths([glob.get_ref().to_string()]).map_err(|error| {
            let reason = match error {
                Error::Glob { reason, .. } => reason,
                other => other.to_string(),
            };
            let found = format!("`{}`", glob.get_ref());
            document.invalid(
                glob.span(),
                "per-file-ignores",
                format!("a glob, and {reason}"),
                found,
            )
        })?;
        let key = format!("per-file-ignores.{}", glob.get_ref());
        let entry = Entry {
            document,
            key,
            value,
        };
        let rules = entry
            .strings()?
            .into_iter()
            .map(|(text, one)| selector(document, one.value.span(), &entry.key, text))
            .collect::<Result<_, _>>()?;
        ignores.push(PerFileIgnore { files, rules });
    }
    Ok(ignores)
}

/// The selector `text`, which stands at `span`.
fn selector(
    document: Document<'_>,
    span: std::ops::Range<usize>,
    key: &str,
    text: &str,
) -> Result<Selector, Error> {
    text.parse().map_err(|error| {
        let nearest = match error {
            Error::UnknownRule { nearest, .. } => nearest,
            _ => None,
        };
        document.invalid(
            span,
            key,
            format!(
                "rules, by a code such as NAM001, the start of some, a name, or ALL{}",
                did_you_mean(nearest.as_deref())
            ),
            format!("for `{text}`"),
        )
    })
}
