//! Reports as text: for people, for scripts, for GitHub and GitLab, and for readers of JUnit's files and of SARIF.

mod concise;
mod full;
mod github;
mod gitlab;
mod json;
mod junit;
mod sarif;

use std::fmt::{self, Write as _};
use std::str::FromStr;

use selvedge_base::text::shown;

use crate::{Error, Finding, Place, Report};
use selvedge_base::nearest;

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Some lines for each finding, with what to do.
    #[default]
    Full,
    /// A line for each finding.
    Concise,
    /// One JSON object.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// GitLab's Code Quality.
    Gitlab,
    /// XML of JUnit, which build servers show as the results of tests.
    Junit,
    /// SARIF 2.1.0, which code scanning reads.
    Sarif,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Full,
        Self::Concise,
        Self::Json,
        Self::Github,
        Self::Gitlab,
        Self::Junit,
        Self::Sarif,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Concise => "concise",
            Self::Json => "json",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
        }
    }

    /// Whether a program reads this, so that nothing else may be printed beside it.
    #[must_use]
    pub const fn is_for_programs(self) -> bool {
        matches!(self, Self::Json | Self::Gitlab | Self::Junit | Self::Sarif)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| Error::UnknownFormat {
            given: text.to_owned(),
            nearest: nearest(text, Self::ALL.map(Self::as_str)).map(str::to_owned),
        })
    }
}

impl Report {
    /// How many findings there are of each rule, as text of JSON, which ends with a line break.
    #[must_use]
    pub fn statistics_json(&self) -> String {
        json::statistics(self)
    }

    /// The whole report as text of the format, which ends with a line break.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Full => full::render(self),
            Format::Concise => concise::render(self),
            Format::Json => json::render(self),
            Format::Github => github::render(self),
            Format::Gitlab => gitlab::render(self),
            Format::Junit => junit::render(self),
            Format::Sarif => sarif::render(self),
        }
    }
}

/// The lines of a report for people, in which nothing steers a terminal or a build server, whatever
/// the names and texts of the files that it is about.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn push(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{}", shown(&line.to_string()));
    }
}

/// What is wrong, with the tensor or the cell: for formats that have no place for these.
fn placed_message(finding: &Finding) -> String {
    let message = &finding.message;
    match &finding.place {
        Place::File | Place::Line(_) => message.clone(),
        Place::Tensor(name) => format!("tensor `{name}`: {message}"),
        Place::Cell { number, line: None } => format!("cell {number}: {message}"),
        Place::Cell {
            number,
            line: Some(line),
        } => format!("cell {number}, line {line}: {message}"),
    }
}

/// What people are told about a stale entry of the baseline.
fn stale(entry: &crate::StaleEntry) -> String {
    format!(
        "the baseline allows {} of {} here, found {}: write it again",
        entry.allowed, entry.code, entry.found
    )
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn all_formats_are_named_to_who_names_another() {
        let told = "xml".parse::<Format>().unwrap_err().to_string();
        for format in Format::ALL {
            assert!(told.contains(&format!("`{format}`")), "{told}");
        }
    }
}
