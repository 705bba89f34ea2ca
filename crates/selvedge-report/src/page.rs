//! The page: one HTML file with all that it needs, and nothing from anywhere else.
//!
//! What it shows are names and texts of files that a stranger may have made. So the data is JSON in which no
//! character ends a script or a line of it, the script writes text and never HTML, and the policy of the page
//! lets run only the one script whose hash it names, and nothing load from anywhere.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::model::TensorReport;
use crate::report::Measurements;
use crate::spread::LEVELS;

const UPLOT_SCRIPT: &str = include_str!("../vendor/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("../vendor/uplot/uPlot.min.css");
const STYLE: &str = include_str!("assets/page.css");
/// What draws a run, wherever its data come from.
const SHARED: [&str; 4] = [
    include_str!("assets/data.js"),
    include_str!("assets/charts.js"),
    include_str!("assets/heat.js"),
    include_str!("assets/cards.js"),
];
const PAGE: &str = include_str!("assets/page.js");

/// Characters of a text at most; longer ones lose their end.
const LONGEST: usize = 200;
/// Characters of why something is not there.
const LONGEST_WHY: usize = 600;
/// Characters of what the program tells of all files.
const LONGEST_TOLD: usize = 100_000;

/// A page about one file, or about several beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// What made it: a name and a version.
    pub made_by: String,
    /// The files.
    pub files: Vec<File>,
    /// The shares that belong to the quantiles.
    levels: [f64; LEVELS.len()],
    /// For the rows that are named, their tokens.
    tokens: HashMap<u64, String>,
}

/// A file of the page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct File {
    /// Its name, as people may see it.
    pub name: String,
    /// What it is, in a few short texts: how large, how many steps, how it ended.
    pub lines: Vec<String>,
    /// What the program tells of it.
    pub told: String,
    /// Whether some steps stand for all.
    pub is_sampled: bool,
    /// Tensors that it has beside those of the page.
    pub left_out: u64,
    /// Its tensors.
    pub tensors: Vec<TensorReport>,
}

impl File {
    /// A file with what was measured of it.
    #[must_use]
    pub fn new(name: &str, lines: &[String], told: &str, measured: Measurements) -> Self {
        let mut tensors = measured.tensors;
        for tensor in &mut tensors {
            tensor.name = cut(&tensor.name, LONGEST);
            for why in [&mut tensor.unread, &mut tensor.partly] {
                *why = why.as_deref().map(|why| cut(why, LONGEST_WHY));
            }
            if let Some(heat) = &mut tensor.heat {
                let masks = heat.masks.iter_mut().chain(&mut heat.unsplit);
                masks.for_each(|mask| *mask = cut(mask, LONGEST));
            }
        }
        Self {
            name: cut(name, LONGEST),
            lines: lines.iter().map(|line| cut(line, LONGEST)).collect(),
            told: told.to_owned(),
            is_sampled: measured.is_sampled,
            left_out: measured.left_out,
            tensors,
        }
    }
}

/// The first characters of a text.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a vocabulary is.
const EXPECTED: &str =
    "expected a token in each line, a JSON list of tokens, or a JSON object with the row of each";

/// The tokens of a vocabulary, by their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary(HashMap<u64, String>);

impl Vocabulary {
    /// Reads a vocabulary: JSON with the row of each token (`vocab.json`), a `tokenizer.json`, a list of tokens as
    /// JSON, or a token in each line; a text that `is_json` by its name has no lines of tokens.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn read(text: &str, is_json: bool) -> Result<Self, String> {
        // Some editors write a mark of the encoding, which is no part of the first token.
        let read = Self::parse(text.strip_prefix('\u{feff}').unwrap_or(text), is_json)?;
        match read.0.is_empty() {
            true => Err(format!("it has no tokens; {EXPECTED}")),
            false => Ok(read),
        }
    }

    fn parse(text: &str, is_json: bool) -> Result<Self, String> {
        use serde_json::Value;
        if text.contains('\0') {
            return Err(format!("it is no text; {EXPECTED}"));
        }
        let first = text.trim_start().chars().next();
        if !is_json && !matches!(first, Some('{' | '[')) {
            let lines = text.lines().map(str::to_owned);
            return Ok(Self((0..).zip(lines).collect()));
        }
        let parsed: Value = match serde_json::from_str(text) {
            Ok(parsed) => parsed,
            // What is cut off is no list of lines.
            Err(error) if error.is_eof() => return Err(format!("its JSON has no end: {error}")),
            Err(error) if is_json => return Err(format!("it is no JSON: {error}")),
            // A line may begin so, too.
            Err(_) => {
                let lines = text.lines().map(str::to_owned);
                return Ok(Self((0..).zip(lines).collect()));
            }
        };
        let vocabulary = parsed.pointer("/model/vocab").unwrap_or(&parsed);
        let tokens: Option<HashMap<u64, String>> = match vocabulary {
            Value::Object(rows) => {
                let tokens = rows
                    .iter()
                    .map(|(token, row)| Some((row.as_u64()?, token.clone())));
                tokens.collect()
            }
            Value::Array(tokens) => {
                let token = |token: &Value| match token {
                    Value::String(token) => Some(token.clone()),
                    // A token with its score, as unigram models have them.
                    Value::Array(pair) => Some(pair.first()?.as_str()?.to_owned()),
                    _ => None,
                };
                (0..)
                    .zip(tokens)
                    .map(|(row, found)| Some((row, token(found)?)))
                    .collect()
            }
            _ => None,
        };
        let mut tokens = tokens.ok_or(EXPECTED)?;
        // Those of a tokenizer that are in no text have rows behind the others, or in the place of some.
        let added = parsed.get("added_tokens").and_then(Value::as_array);
        tokens.extend(added.into_iter().flatten().filter_map(|token| {
            let content = token.get("content")?.as_str()?;
            Some((token.get("id")?.as_u64()?, content.to_owned()))
        }));
        Ok(Self(tokens))
    }

    /// The number of rows that it is made for: one more than the last that has a token.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let last = self.0.keys().max();
        last.map_or(0, |last| last.saturating_add(1))
    }

    /// The tokens of the rows that these tensors name.
    pub fn tokens<'a>(
        &self,
        tensors: impl IntoIterator<Item = &'a TensorReport>,
    ) -> HashMap<u64, String> {
        let heats = tensors
            .into_iter()
            .filter_map(|tensor| tensor.heat.as_ref());
        let named = heats.filter(|heat| heat.unit == 1).flat_map(|heat| {
            let pictures = [&heat.in_order, &heat.sorted].into_iter();
            let best =
                pictures.flat_map(|picture| picture.best.0.iter().map(|&row| u64::from(row)));
            best.chain(heat.top.iter().copied())
        });
        let tokens = named.filter_map(|row| Some((row, self.token(row)?)));
        tokens.collect()
    }

    /// The token of a row, as people may see it.
    #[must_use]
    pub fn token(&self, row: u64) -> Option<String> {
        let token = self.0.get(&row)?;
        Some(selvedge_base::text::shown(&cut(token, 60)).to_string())
    }
}

impl Page {
    /// A page about these files.
    #[must_use]
    pub fn new(made_by: &str, mut files: Vec<File>, vocabulary: &Vocabulary) -> Self {
        let longest = LONGEST_TOLD / files.len().max(1);
        for file in &mut files {
            file.told = cut(&file.told, longest);
        }
        Self {
            made_by: made_by.to_owned(),
            levels: LEVELS,
            tokens: vocabulary.tokens(files.iter().flat_map(|file| &file.tensors)),
            files,
        }
    }

    /// The HTML of it.
    #[must_use]
    pub fn html(&self) -> String {
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        document(&names.join(", "), &in_script(self), &assets(PAGE, ""), "")
    }
}

/// The script and the style of a page: those of all, which draw a run, and what is its own.
#[must_use]
pub fn assets(script: &str, style: &str) -> [String; 2] {
    let script = [&[UPLOT_SCRIPT], &SHARED[..], &[script]].concat();
    [script.join("\n"), [UPLOT_STYLE, STYLE, style].join("\n")]
}

/// What each page begins with, whatever it is about.
pub const BEGINNING: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-";

/// A page as HTML, with data that is JSON within a script, and of which nothing runs but this script. `more` is added
/// to the policy of what it may do.
#[must_use]
pub fn document(title: &str, data: &str, [script, style]: &[String; 2], more: &str) -> String {
    let title = escaped(title);
    let [script_hash, style_hash] =
        [script, style].map(|text| STANDARD.encode(Sha256::digest(text)));
    format!(
        "{BEGINNING}{script_hash}'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'{more}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n\
         <noscript>The charts of this page are drawn by a script, which this browser does not run.</noscript>\n\
         <main id=\"page\"></main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script>{script}</script>\n</body>\n</html>\n"
    )
}

/// JSON that is safe within a script: no character of it ends the script, begins a comment or a tag, ends a line, or
/// turns the direction of the text.
pub fn in_script(data: &impl Serialize) -> String {
    // Numbers and texts: that always is JSON.
    let json = serde_json::to_string(data).unwrap_or_default();
    let json = selvedge_base::text::json(&json);
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            c => safe.push(c),
        }
    }
    safe
}

/// Text within HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_ends_the_script_or_a_tag() {
        let hostile = "</script><script>alert(1)</script><!--\u{2028}\"'&\u{202e}]]>";
        let tensor = TensorReport {
            name: hostile.to_owned(),
            unread: Some(hostile.to_owned()),
            ..TensorReport::default()
        };
        let measured = Measurements {
            tensors: vec![tensor],
            ..Measurements::default()
        };
        let file = File::new(hostile, &[hostile.to_owned()], hostile, measured);
        let html = Page::new("selvedge", vec![file], &Vocabulary::default()).html();
        let (_, data) = html.split_once("id=\"data\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let parsed: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(parsed["files"][0]["tensors"][0]["name"], hostile);
        for c in ['<', '>', '&', '\u{2028}', '\u{202e}'] {
            assert!(!data.contains(c), "{c:?}");
        }
        let head = html.split_once("<style>").unwrap().0;
        assert!(
            !head.contains("<script") && head.contains("&lt;/script&gt;"),
            "{head}"
        );
        assert_eq!(
            html.matches("<script").count(),
            2 + html.matches("\"<script").count()
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let long = "ü".repeat(400);
        let file = File::new(&long, &[], "", Measurements::default());
        assert_eq!(file.name.chars().count(), 201);
    }

    /// Rows 18 and 19, which begin and end a text, had no tokens.
    #[test]
    fn tokens_that_a_tokenizer_adds_have_rows() {
        let tokenizer = r#"{
            "added_tokens": [{"id": 2, "content": "<|bos|>"}, {"id": 0, "content": "<unk>"}],
            "model": {"vocab": {"a": 0, "b": 1}}}"#;
        let read = Vocabulary::read(tokenizer, true).unwrap();
        let tokens = [0, 1, 2].map(|row| read.token(row).unwrap());
        assert_eq!(
            (read.rows(), tokens),
            (3, ["<unk>", "b", "<|bos|>"].map(String::from))
        );
    }

    /// JSON of one line that cannot be read was a vocabulary of one token.
    #[test]
    fn json_that_cannot_be_read_is_no_list_of_lines() {
        for text in [r#"["\ud800", "b"]"#, r#"{"a": 0,, "b": 1}"#, "a\nb"] {
            let error = Vocabulary::read(text, true).unwrap_err();
            assert!(error.starts_with("it is no JSON: "), "{text}: {error}");
        }
        let lines = Vocabulary::read("[PAD]\n[UNK]\n", false).unwrap();
        assert_eq!(lines.token(1).as_deref(), Some("[UNK]"));
    }

    #[test]
    fn vocabularies_are_read() {
        let expected: HashMap<u64, String> = [(0, "a".to_owned()), (1, "{b".to_owned())].into();
        for text in [
            "a\n{b\n",
            r#"["a", "{b"]"#,
            r#"{"{b": 1, "a": 0}"#,
            r#"[["a", -1.5], ["{b", -2]]"#,
        ] {
            assert_eq!(Vocabulary::read(text, false).unwrap().0, expected, "{text}");
        }
        let tokenizer =
            r#"{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "{b": 1}}}"#;
        assert_eq!(Vocabulary::read(tokenizer, true).unwrap().0, expected);
        let marked = Vocabulary::read("\u{feff}a\n{b\n", false);
        assert_eq!(marked.unwrap().0, expected);
        for (text, rows) in [("a\nb", 2), (r#"{"a": 6}"#, 7)] {
            assert_eq!(Vocabulary::read(text, false).unwrap().rows(), rows);
        }
        for wrong in [
            r#"{"a": "b"}"#,
            r#"{"a": 1, "b"#,
            "",
            "{}",
            "a\0b",
            "[1, 2]",
        ] {
            assert!(Vocabulary::read(wrong, false).is_err(), "{wrong:?}");
        }
    }
}
