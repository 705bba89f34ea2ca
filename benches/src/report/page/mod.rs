//! The report as one page: HTML and inline SVG, without scripts and without anything from the network.
//!
//! What is text is HTML, so that it keeps its size on a narrow screen; the plots beside it are SVG that is stretched.

mod axis;
mod bars;
mod latency;
mod scatter;

use std::fmt::Write as _;

use super::{Group, Report, conclusions, docs, markdown, requirements};

const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Selvedge: benchmarks</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    head(&mut html, report);
    for section in report.sections() {
        let _ = write!(
            html,
            "<section id=\"{section}\">\n<h2>{}</h2>\n",
            escape(docs::title(section))
        );
        if section == "compress" || section == "encode" {
            html.push_str(
                "<p class=\"quiet\">Best is at the top right: small, and written fast.</p>\n",
            );
            html.push_str(&scatter::plots(report.of_section(section)));
        }
        for group in report.of_section(section) {
            card(&mut html, group);
        }
        html.push_str("</section>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn head(html: &mut String, report: &Report) {
    html.push_str("<header>\n<h1>Selvedge, measured</h1>\n");
    for note in &report.notes {
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", inline(note));
    }
    for (group, row, why) in report.failures() {
        let (name, why) = (escape(&row.name), escape(why));
        let _ = writeln!(
            html,
            "<p class=\"warning\"><b>{group}: {name} failed:</b> {why}</p>"
        );
    }
    html.push_str("<ul class=\"conclusions\">\n");
    for sentence in conclusions(report) {
        let _ = writeln!(html, "<li>{}</li>", inline(&sentence));
    }
    html.push_str("</ul>\n<nav>");
    for section in report.sections() {
        let _ = write!(
            html,
            "<a href=\"#{section}\">{}</a>",
            escape(docs::title(section))
        );
    }
    html.push_str("</nav>\n");
    let _ = writeln!(
        html,
        "<p class=\"legend\"><span><i class=\"key ours\"></i>Selvedge</span><span><i class=\"key plain\"></i>the least \
         that the work takes</span><span><i class=\"key peer\"></i>others</span><span><i class=\"key noise\"></i>noise: \
         this run does not tell who is faster</span></p>\n<p class=\"quiet\">{}</p>",
        inline(&docs::how_to_read(report))
    );
    html.push_str("<details><summary>The machine, and the versions</summary>\n<dl>\n");
    for (what, value) in docs::facts(report) {
        let _ = writeln!(
            html,
            "<dt>{}</dt><dd>{}</dd>",
            escape(&what),
            escape(&value)
        );
    }
    html.push_str("</dl></details>\n");
    let required = requirements::requirements(report);
    if !required.is_empty() {
        html.push_str("<details><summary>What the project asks of itself</summary>\n<div class=\"scroll\"><table>\n");
        html.push_str("<tr><th>speed of</th><th>asked</th><th>this run</th></tr>\n");
        for (name, asked, found) in required {
            let _ = writeln!(
                html,
                "<tr><td>{}</td><td>{asked}</td><td>{found}</td></tr>",
                escape(&name)
            );
        }
        html.push_str("</table></div></details>\n");
    }
    html.push_str("</header>\n");
}

/// A group: its plots, its notes, and all its figures behind a click.
fn card(html: &mut String, group: &Group) {
    let _ = write!(
        html,
        "<article id=\"{}\">\n<h3>{}</h3>\n<p class=\"quiet\">{}</p>\n",
        group.name.replace('/', "-"),
        inline(&group.title),
        inline(&group.what)
    );
    html.push_str(&bars::plot(group));
    html.push_str(&latency::plot(group));
    for note in markdown::notes(group) {
        let _ = writeln!(html, "<p class=\"quiet\">{}</p>", inline(&note));
    }
    let (columns, rows) = markdown::cells(group);
    html.push_str("<details><summary>All figures</summary>\n<div class=\"scroll\"><table>\n<tr>");
    for column in columns {
        let _ = write!(html, "<th>{}</th>", escape(&column));
    }
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        for cell in row {
            let _ = write!(html, "<td>{}</td>", escape(&cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div></details>\n</article>\n");
}

/// Text in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Text of the report in HTML, with its `code` and **what is strong**.
fn inline(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            let _ = write!(html, "<code>{}</code>", escape(part));
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            let _ = match index % 2 {
                1 => write!(html, "<b>{}</b>", escape(part)),
                _ => write!(html, "{}", escape(part)),
            };
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn text_is_escaped_and_keeps_its_code() {
        assert_eq!(
            inline("`d[:] < 1` is **not** a \"tag\" <b>"),
            "<code>d[:] &lt; 1</code> is <b>not</b> a &quot;tag&quot; &lt;b&gt;"
        );
    }
}
