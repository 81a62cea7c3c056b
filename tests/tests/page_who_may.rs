//! The page shows nothing to whom the server does not know, does no more than their role may, and commands nothing that its user
//! has not seen.

mod page;

use page::{KEYS, Store, browse, missing};

#[test]
fn without_a_token_nothing_is_shown_and_with_a_wrong_one_neither() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.open(&store.url).await;
        page.until_it_says("#token[open] .refusal strong", "the call does not say who makes it").await;
        assert!(page.run::<bool>("return document.getElementById('main').hidden", vec![]).await);
        page.fill("#token input", "hst_0000").await;
        page.click("#token button[type=submit]").await;
        page.until_it_says("#token[open] .refusal strong", "this token is not one that is known here").await;
        assert_eq!(page.text("#label").await.as_deref(), Some(""));
        assert_eq!(page.text("#link").await.as_deref(), Some("not let in"));

        page.fill("#token input", &store.tokens.operator).await;
        page.click("#token button[type=submit]").await;
        page.until_it_says("#label", "kv").await;
        // kept by the tab alone, and until it is forgotten
        let kept = "return [sessionStorage.length, localStorage.length, document.cookie]";
        assert_eq!(page.run::<(u8, u8, String)>(kept, vec![]).await, (1, 0, String::new()));
        page.click("#token-open").await;
        page.click("#token-forget").await;
        page.until_it_says("#token[open] .refusal strong", "the call does not say who makes it").await;
        assert_eq!(page.run::<u8>("return sessionStorage.length", vec![]).await, 0);
        page.assert_calm().await;
    });
}

#[test]
fn a_viewer_looks_and_is_told_what_more_it_takes() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.enter(&store.url, &store.tokens.viewer).await;
        page.until_bars(&[KEYS, 0, 0]).await;
        page.click("#plan button").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("403 forbidden")).await;
        assert!(refused.starts_with("this takes the role `operator`, and the caller's is `viewer`"), "{refused}");
        assert!(refused.ends_with("needsoperatorhasviewer"), "{refused}");
        page.assert_calm().await;
    });
    assert_eq!(store.status("version"), 1);
}

#[test]
fn what_changed_since_it_was_looked_at_is_not_commanded() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.enter(&store.url, &store.tokens.operator).await;
        page.choose(2).await;
        page.click("#plan button").await;
        page.until("#planned", |plan| plan.contains("way1 → 2")).await;
        // another operator is quicker, and this page hears nothing of it: its looks fail, and only what it commands goes out
        let deaf = "const real = window.fetch;
            window.fetch = (path, how) => how.method === 'POST' ? real(path, how) : Promise.reject(new TypeError('deaf'));
            window.hears = () => { window.fetch = real; };";
        page.run::<Option<()>>(deaf, vec![]).await;
        page.until_it_says("#link", "no connection").await;
        store.hotswap(&["UPGRADE", "3", "quicker"]);
        store.hotswap(&["COMMIT"]);
        page.click("#upgrade button").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("412 stale")).await;
        assert!(refused.contains("Nothing was done. Here is how it stands now"), "{refused}");
        assert!(refused.ends_with("expected1present3"), "{refused}");
        assert_eq!(store.status("epoch"), 3, "nothing was done");
        page.run::<Option<()>>("window.hears()", vec![]).await;
        page.until("#facts", |facts| facts.starts_with("machine kv: version 3, permanent; epoch 3 of run ")).await;
        page.until_it_says("#planned", "The release has changed since: plan again.").await;
        page.assert_calm().await;
    });
}
