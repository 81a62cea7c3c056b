//! The page for browsers: its files as they are, with the headers that keep anything else out of it.
//!
//! The files are for everybody; what they show comes from the API, which asks who looks. Nothing is built, and nothing comes
//! from elsewhere: `main.js` puts it together, and each file beside it has one duty, which is its first line.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use xxhash_rust::xxh3::xxh3_128;

use super::problem::{NO_ROUTE, Refused};

/// A file of the page: its name, what it is, and what is in it.
type File = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

const INDEX: File = ("index.html", HTML, include_str!("index.html"));

macro_rules! scripts {
    ($($name:literal),* $(,)?) => { [$(($name, SCRIPT, include_str!($name))),*] };
}

const STATIC: [File; 2] =
    [("style.css", STYLE, include_str!("style.css")), ("icon.svg", IMAGE, include_str!("icon.svg"))];

const SCRIPTS: &[File] = &scripts![
    "api.js",
    "audit.js",
    "bars.js",
    "canary.js",
    "commands.js",
    "consent.js",
    "dom.js",
    "events.js",
    "form.js",
    "held.js",
    "images.js",
    "line.js",
    "main.js",
    "news.js",
    "planned.js",
    "problem.js",
    "rates.js",
    "steps.js",
    "token.js",
    "watch.js",
    "words.js",
];

/// Only the page's own files are run, shown or asked, in no frame of another page's, and no text ever becomes HTML or code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // it is asked each time whether it is still the same, as the program may be another one by then
    (CACHE_CONTROL, "no-cache"),
];

/// The page at `/`, and its files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(async |headers: HeaderMap| answer(INDEX, &headers))).route("/page/{file}", get(file))
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let file = STATIC.iter().chain(SCRIPTS).find(|(each, ..)| *each == name);
    file.map(|file| answer(*file, &headers)).ok_or_else(|| Refused::new(NO_ROUTE, "the page has no such file"))
}

fn answer((_, kind, text): File, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:032x}\"", xxh3_128(text.as_bytes()));
    let has = headers.get_all(IF_NONE_MATCH).iter().filter_map(|has| has.to_str().ok());
    // a proxy that changed the coding has made the tag a weak one: it is of the same text
    let same = |has: &str| has == "*" || has.strip_prefix("W/").unwrap_or(has) == tag;
    let same = has.flat_map(|has| has.split(',')).any(|has| same(has.trim()));
    if same {
        return (StatusCode::NOT_MODIFIED, HEADERS, [(ETAG, tag)]).into_response();
    }
    (HEADERS, [(CONTENT_TYPE, kind)], [(ETAG, tag.as_str())], text).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served_and_says_what_it_is_for() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/remote/page");
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<_> = files.filter(|name| name != "mod.rs").collect();
        let all = STATIC.iter().chain(SCRIPTS).chain([&INDEX]);
        assert_eq!(all.map(|(name, ..)| (*name).to_owned()).collect::<BTreeSet<_>>(), there);
        for (name, _, text) in SCRIPTS {
            assert!(text.starts_with("// ") && text.lines().next().unwrap().ends_with('.'), "{name}");
        }
    }

    #[test]
    fn nothing_in_it_comes_from_elsewhere_or_is_made_html() {
        for (name, _, text) in STATIC.iter().chain(SCRIPTS).chain([&INDEX]) {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for bad in [
                "http:",
                "https:",
                "//cdn",
                "innerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "onclick",
                "style=",
            ] {
                assert!(!text.contains(bad), "{name}: {bad}");
            }
        }
    }
}
