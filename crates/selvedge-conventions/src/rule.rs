//! What a rule is, and its manual page.

use crate::{Artifact, Context, Diagnosis, Severity, TreePath};

/// A rule of the conventions.
///
/// A rule looks at facts and says what it finds. What is done with that, and at which severity, is
/// none of its business: see [`Checker`](crate::Checker).
pub trait Rule: Sync {
    /// What is known of the rule without running it.
    fn metadata(&self) -> &'static Metadata;

    /// Checks one file. Files are independent of each other, so they may be checked in parallel.
    fn check(&self, artifact: &Artifact, context: &Context<'_>) -> Vec<Diagnosis> {
        let _ = (artifact, context);
        Vec::new()
    }

    /// Checks what is not in one file.
    fn check_tree(&self, context: &Context<'_>) -> Vec<(TreePath, Diagnosis)> {
        let _ = context;
        Vec::new()
    }

    /// The code: the letters of its group and a number. Codes are never used again.
    fn code(&self) -> &'static str {
        self.metadata().code
    }

    /// The name, in lower case with hyphens.
    fn name(&self) -> &'static str {
        self.metadata().name
    }

    /// The severity that its findings have unless the configuration says otherwise.
    fn severity(&self) -> Severity {
        self.metadata().severity
    }

    /// Whether the rule holds where the configuration says nothing.
    fn is_on_by_default(&self) -> bool {
        self.metadata().on_by_default
    }

    /// Whether the rule needs more than headers: the bytes of whole files. Such rules are off by
    /// default.
    fn reads_contents(&self) -> bool {
        self.metadata().reads_contents
    }
}

/// What is known of a rule without running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    code: &'static str,
    name: &'static str,
    severity: Severity,
    on_by_default: bool,
    reads_contents: bool,
    /// The text of the rule's file: the documentation at its top is the manual page.
    source: &'static str,
}

impl Metadata {
    pub(crate) const fn new(
        code: &'static str,
        name: &'static str,
        severity: Severity,
        source: &'static str,
    ) -> Self {
        Self {
            code,
            name,
            severity,
            on_by_default: true,
            reads_contents: false,
            source,
        }
    }

    pub(crate) const fn off_by_default(mut self) -> Self {
        self.on_by_default = false;
        self
    }

    /// Reading whole files takes long, so a rule that does is off by default.
    pub(crate) const fn reads_contents(mut self) -> Self {
        self.reads_contents = true;
        self.off_by_default()
    }
}

impl dyn Rule {
    /// The first sentence of the manual page.
    #[must_use]
    pub fn summary(&self) -> String {
        let lines: Vec<_> = self
            .documentation()
            .take_while(|line| !line.is_empty())
            .collect();
        lines.join(" ")
    }

    /// The manual page, in Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = format!("# {} ({})\n", self.name(), self.code());
        page.push_str(match (self.is_on_by_default(), self.reads_contents()) {
            (true, _) => "",
            (false, false) => "\nThis rule is off by default.\n",
            (false, true) => {
                "\nThis rule is off by default, because it reads whole files and not just their \
                 headers.\n"
            }
        });
        page.push('\n');
        for line in self.documentation() {
            page.push_str(line);
            page.push('\n');
        }
        page
    }

    /// The text of one section of the manual page, such as `Example`.
    #[must_use]
    pub fn section(&self, title: &str) -> Option<String> {
        let heading = format!("## {title}");
        let lines: Vec<_> = self
            .documentation()
            .skip_while(|line| *line != heading)
            .skip(1)
            .take_while(|line| !line.starts_with("## "))
            .collect();
        let text = lines.join("\n").trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The documentation at the top of the rule's file, which is the one source of its page.
    fn documentation(&self) -> impl Iterator<Item = &'static str> {
        self.metadata()
            .source
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
    }
}
