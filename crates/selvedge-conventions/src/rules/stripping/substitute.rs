//! Programs of `perl` and `sed` that take outputs out by replacing text.

use std::sync::LazyLock;

use regex_lite::Regex;

/// A pattern with outputs in it, and behind it an empty list in their place.
static REPLACED: LazyLock<Regex> = LazyLock::new(|| {
    let text =
        r#"\bs([/|\#@,!{]).*outputs.*[/|\#@,!{](\$\{?1\}?|\$&|1)?("?outputs"?)?:?\[\][/|\#@,!}]"#;
    Regex::new(text).expect("it is an expression")
});

/// What the program does to notebooks, if that is to take outputs out: the tool, and whether it prints.
pub(super) fn stripping(name: &str, options: &[String]) -> Option<(&'static str, bool)> {
    let tool = if name == "perl" { "perl" } else { "sed" };
    let mut is_in_place = false;
    let mut programs = Vec::new();
    let mut words = options.iter();
    let mut is_first = true;
    while let Some(word) = words.next() {
        match word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            Some(long) if long.starts_with('-') => {
                is_in_place |= long.starts_with("-in-place");
                if let Some(program) = long.strip_prefix("-expression=") {
                    programs.push(program);
                }
            }
            Some(letters) => {
                // What stands behind `-i` is the end of a name, and behind `-M` a module.
                let flags = letters.split(['M', 'm', 'I']).next().unwrap_or_default();
                is_in_place |= flags
                    .split(['e', 'E'])
                    .next()
                    .unwrap_or_default()
                    .contains('i');
                let has_program = if tool == "perl" {
                    flags.ends_with(['e', 'E'])
                } else {
                    flags.ends_with('e')
                };
                if has_program {
                    programs.extend(words.next().map(String::as_str));
                }
            }
            // The first word of `sed` is its program, if no option has it.
            None if tool == "sed" && is_first && programs.is_empty() => {
                programs.push(word);
                is_first = false;
            }
            None => is_first = false,
        }
    }
    let takes = programs.iter().any(|program| takes_outputs(program));
    // One that opens a file for it.
    let writes = |program: &&str| {
        program.contains("open") && (program.contains("\">\"") || program.contains("'>'"))
    };
    is_in_place |= tool == "perl" && programs.iter().any(writes);
    takes.then_some((tool, !is_in_place))
}

/// Whether the program puts nothing in the place of outputs.
fn takes_outputs(program: &str) -> bool {
    // s/"outputs": \[.*?\]/"outputs": []/, and in the data of a module for JSON: $_->{outputs} = [].
    let plain: String = program
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\\')
        .collect();
    let behind_outputs =
        |at: usize| plain[at + "outputs".len()..].trim_start_matches(['"', '\'', '}', ':']);
    let places: Vec<usize> = plain.match_indices("outputs").map(|(at, _)| at).collect();
    let by_data = places.iter().any(|&at| {
        let before = &plain[..at];
        let is_key = before.trim_end_matches(['"', '\'']).ends_with('{');
        let deletes = before
            .rsplit([';', '{'])
            .nth(1)
            .is_some_and(|text| text.contains("delete"))
            || before.contains("delete$");
        is_key && (behind_outputs(at).starts_with("=[]") || deletes)
    });
    by_data || REPLACED.is_match(&plain)
}

#[cfg(test)]
mod tests {
    use super::stripping;

    #[track_caller]
    fn check(command: &str, expected: Option<(&'static str, bool)>) {
        let words = shlex::split(command).unwrap();
        assert_eq!(stripping(&words[0], &words[1..]), expected, "{command}");
    }

    #[test]
    fn outputs_that_are_replaced_are_found() {
        let replaced = r#"'s/"outputs":\s*\[.*?\n   \]/"outputs": []/gs'"#;
        check(
            &format!("perl -0777 -pi -e {replaced} a.ipynb"),
            Some(("perl", false)),
        );
        check(&format!("perl -0pe {replaced}"), Some(("perl", true)));
        let kept = r#"'s/("outputs": )\[.*?\]/$1[]/gs'"#;
        check(
            &format!("perl -0777 -i.bak -pe {kept} a"),
            Some(("perl", false)),
        );
        let kept = r#"'s/"outputs": \K\[.*?\]/[]/gs'"#;
        check(
            &format!("perl -0777 -i -pe {kept} a"),
            Some(("perl", false)),
        );
        check(
            "perl -MJSON::PP -0777 -ne '$n = decode_json($_); $_->{outputs} = [] for @{$n->{cells}}; print encode_json($n)'",
            Some(("perl", true)),
        );
        check(
            "perl -MJSON -0777 -ne 'delete $_->{\"outputs\"} for @{$n->{cells}}'",
            Some(("perl", true)),
        );
        check(
            r#"sed -i -E 's/"outputs": \[.+\]/"outputs": []/' a.ipynb"#,
            Some(("sed", false)),
        );
        for other in [
            r#"perl -pi -e 's/"execution_count": \d+/"execution_count": null/' a.ipynb"#,
            r#"perl -ne 'print if /"outputs": \[\]/' a.ipynb"#,
            "sed -i 's/inputs/outputs/' a.ipynb",
            "sed -n '/outputs/p' a.ipynb",
        ] {
            check(other, None);
        }
    }
}
