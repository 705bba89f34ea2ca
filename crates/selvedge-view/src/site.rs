//! What the server answers.

use selvedge_report::{Shown, assets, document, in_script};

use crate::request::{Refused, Request};
use crate::server::Response;
use crate::watched::{Watched, What};

const SCRIPT: &str = include_str!("assets/view.js");
const STYLE: &str = include_str!("assets/view.css");
/// The page may ask its own server.
const POLICY: &str = "; connect-src 'self'";

impl Watched<'_> {
    /// The answer to a request: the page; what has changed since the page was told last (`news`); a step of a tensor
    /// (`step`), or a row of all steps (`row`), as a picture.
    ///
    /// # Errors
    ///
    /// There is no such thing.
    pub fn answer(&self, request: &Request) -> Result<Response, Refused> {
        match &*request.name {
            "" => Ok(self.page()),
            "news" => Ok(self.told(request)),
            "step" => {
                let shown = match request.value("of") {
                    Some("change") => Shown::Change,
                    _ => Shown::Values,
                };
                self.picture(request, What::Step(request.number("step"), shown))
            }
            "row" => {
                let row = request.number("row").ok_or(Refused::NotFound)?;
                let from = request.number("from").unwrap_or(0);
                self.picture(request, What::Row(row, from))
            }
            _ => Err(Refused::NotFound),
        }
    }

    fn page(&self) -> Response {
        let news = self.news(0, &|_, _| true);
        let html = document(
            &self.title(),
            &in_script(&news),
            &assets(SCRIPT, STYLE),
            POLICY,
        );
        Response {
            kind: "text/html; charset=utf-8",
            body: html.into_bytes(),
            is_error: false,
        }
    }

    fn told(&self, request: &Request) -> Response {
        // Such as `0.3,1.3`: the tensor 3 of two files.
        let open = request.value("open").unwrap_or_default();
        let is_open = |file: usize, tensor: usize| {
            let wanted = format!("{file}.{tensor}");
            open.split(',').any(|found| found == wanted)
        };
        let news = self.news(request.number("since").unwrap_or(0), &is_open);
        Response {
            kind: "application/json",
            // Numbers and texts: that always is JSON.
            body: serde_json::to_vec(&news).unwrap_or_default(),
            is_error: false,
        }
    }

    /// The length of a head in four bytes, the head as JSON, and the cells as bfloat16.
    fn picture(&self, request: &Request, what: What) -> Result<Response, Refused> {
        let number = |name| usize::try_from(request.number(name)?).ok();
        let wanted = number("file").zip(number("tensor"));
        Ok(match self.slice(wanted.ok_or(Refused::NotFound)?, what) {
            Err(why) => Response {
                kind: "text/plain; charset=utf-8",
                body: why.into_bytes(),
                is_error: true,
            },
            Ok((number, slice)) => {
                let token = matches!(what, What::Row(..)).then(|| self.token(number));
                let head = serde_json::json!({
                    "number": number,
                    "token": token.flatten(),
                    "slice": &slice,
                });
                let head = head.to_string().into_bytes();
                let length = u32::try_from(head.len()).unwrap_or(0);
                let mut body = length.to_le_bytes().to_vec();
                body.extend(head);
                body.extend(slice.cells.iter().flat_map(|cell| cell.to_le_bytes()));
                Response {
                    kind: "application/octet-stream",
                    body,
                    is_error: false,
                }
            }
        })
    }
}
