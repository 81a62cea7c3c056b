//! The page is in the program, whole: each of its files is served to anybody, says how it is to be treated, and needs nothing else.

use axum::http::Method;
use hotswap::remote::Api;
use hotswap_tests::remote::{Call, Reply, Server};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

fn open(server: &Server, path: &str) -> Reply {
    server.call(Call::get(path).by(None))
}

/// What a file names between these, as it names it.
fn named<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn all_that_it_names_is_there_and_under_the_policy() {
    let server = Server::new(Api::default());
    let page = open(&server, "/");
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let mut paths: Vec<String> = ["href=\"page/", "src=\"page/"]
        .iter()
        .flat_map(|before| named(&html, before).map(|name| format!("/page/{name}")))
        .collect();
    assert_eq!(paths, ["/page/icon.svg", "/page/style.css", "/page/main.js"]);
    let mut next = 0;
    while next < paths.len() {
        let reply = open(&server, &paths[next]);
        assert_eq!((reply.status, reply.header("content-security-policy")), (200, Some(POLICY)), "{}", paths[next]);
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        let kind = match paths[next].rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other}"),
        };
        assert_eq!(reply.header("content-type"), Some(kind));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        for name in named(&text, "from \"./") {
            let path = format!("/page/{name}");
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        next += 1;
    }
    assert!(paths.len() > 20, "{paths:?}");
    assert_eq!((page.status, page.header("content-security-policy")), (200, Some(POLICY)));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
}

#[test]
fn a_browser_that_has_it_is_told_so() {
    let server = Server::new(Api::default());
    for path in ["/", "/page/main.js"] {
        let first = open(&server, path);
        let tag = first.header("etag").expect("it has one").to_owned();
        assert_eq!(first.header("cache-control"), Some("no-cache"));
        let ask = |has: &str| server.call(Call::get(path).by(None).header("if-none-match", has));
        for has in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = ask(&has);
            assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(&*tag)), "{has}");
        }
        assert_eq!((ask("\"other\"").status, ask("\"other\"").body), (200, first.body));
        let head = server.call(Call::new(Method::HEAD, path).by(None));
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(&*tag)));
    }
    assert_ne!(open(&server, "/").header("etag"), open(&server, "/page/main.js").header("etag"));
}

#[test]
fn what_is_no_file_of_it_is_refused_as_anything_else_is() {
    let server = Server::new(Api::default());
    for path in ["/page/none.js", "/page/mod.rs", "/page/..%2Fmod.rs", "/page/", "/page", "/index.html", "/favicon.ico"]
    {
        assert_eq!(open(&server, path).problem(), (404, "no-route".to_owned()), "{path}");
    }
    let post = server.call(Call::post("/", &()).by(None));
    assert_eq!(post.problem(), (405, "no-method".to_owned()));
    assert_eq!(
        open(&server, "/v1/switches").problem(),
        (401, "unknown-caller".to_owned()),
        "its calls are not for anybody"
    );
}
