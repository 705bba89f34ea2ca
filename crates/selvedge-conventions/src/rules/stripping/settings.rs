//! Files in which tools look for what their command line does not say.

use std::collections::BTreeMap;

use crate::facts::Value;

/// What these files say of outputs, as far as they say anything.
#[derive(Default)]
pub(super) struct Settings {
    /// That databooks takes outputs out.
    pub(super) databooks: Option<bool>,
    /// That nbwipers takes outputs out.
    pub(super) nbwipers: Option<bool>,
    /// That nbdev takes outputs out.
    pub(super) nbdev: Option<bool>,
}

/// Whether the file is one of settings.
pub(super) fn is_settings(path: &str) -> bool {
    matches!(
        path.rsplit('/').next().unwrap_or(path),
        "pyproject.toml" | "settings.ini" | "nbwipers.toml" | ".nbwipers.toml"
    )
}

impl Settings {
    pub(super) fn of(scripts: &BTreeMap<String, String>) -> Self {
        let read = |name: &str| Value::of_toml(scripts.get(name)?);
        let project = read("pyproject.toml");
        let tool = |name: &str| project.as_ref()?.get("tool")?.get(name);
        let is = |table: Option<&Value>, names: &[&str]| {
            let mut values = names.iter().filter_map(|name| table?.get(name)?.text());
            let value = values.next()?;
            matches!(value, "true" | "false").then(|| value == "true")
        };
        let own = [".nbwipers.toml", "nbwipers.toml"];
        let own = own.iter().find_map(|name| read(name));
        let nbwipers = own.as_ref().or_else(|| tool("nbwipers"));
        let clears_all = scripts.get("settings.ini").and_then(|text| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = lines.find(|(key, _)| key.trim() == "clear_all")?;
            let value = value.trim().to_ascii_lowercase();
            Some(matches!(&*value, "true" | "1" | "yes" | "on"))
        });
        Self {
            databooks: is(
                tool("databooks").and_then(|table| table.get("meta")),
                &["rm-outs", "rm_outs"],
            ),
            nbwipers: is(nbwipers, &["drop-output"]),
            nbdev: clears_all.or_else(|| is(tool("nbdev"), &["clear_all"])),
        }
    }
}
