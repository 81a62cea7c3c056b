//! The page can be read and used by anybody: by keyboard alone, on a phone, in the dark and in the light.

mod page;

use fantoccini::key::Key;
use page::{KEYS, Page, Shop, Store, browse, missing, till};
use serde_json::Value;

/// Tabs to an element; on the way, every stop can be seen to have the focus.
async fn tab_to(page: &Page, css: &str) {
    let script = "const at = document.activeElement, { outlineStyle, outlineWidth } = getComputedStyle(at);
        return [at.matches(arguments[0]), at.outerHTML.slice(0, 80), outlineStyle, parseFloat(outlineWidth)]";
    for _ in 0..60 {
        page.press(Key::Tab).await;
        let (there, what, style, width): (bool, String, String, f64) = page.run(script, vec![css.into()]).await;
        assert!(style == "solid" && width >= 2.0, "{what} does not show that it has the focus: {style} {width}");
        if there {
            return;
        }
    }
    panic!("{css} is not come to");
}

#[test]
fn it_is_used_by_keyboard_alone() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.open(&store.url).await;
        page.until("#token[open] .refusal strong", |_| true).await;
        // the dialog has the focus, and its field is the first in it
        page.type_text(&store.tokens.operator).await;
        page.press(Key::Enter).await;
        page.until_it_says("#label", "kv").await;

        tab_to(page, "#to").await;
        page.type_text("2").await;
        tab_to(page, "#plan button").await;
        page.press(Key::Enter).await;
        page.until("#planned", |plan| plan.contains("way1 → 2")).await;
        tab_to(page, "#upgrade button").await;
        page.press(Key::Space).await;
        page.until("#progress", |progress| progress.starts_with("upgrade 1 → 2") && progress.ends_with("Settled."))
            .await;
        // the button is off now, and has the focus still: nobody has lost their place
        let at = "return document.activeElement.textContent";
        assert_eq!(page.run::<String>(at, vec![]).await, "Upgrade");
        page.until_it_says("#rollback button[type=submit]", "Roll back to version 1").await;
        tab_to(page, "#back").await;
        page.press(Key::Enter).await;
        page.until("#back-planned", |plan| plan.contains("way2 → 1")).await;
        tab_to(page, "#rollback .consent input").await;
        page.press(Key::Space).await;
        tab_to(page, "#rollback button[type=submit]").await;
        page.press(Key::Enter).await;
        page.until_bars(&[KEYS, 0, 0]).await;

        // those who hear it are told what is what
        let unnamed = "return [...document.querySelectorAll('button, input, select, section, nav, [role=region]')]
            .filter((each) => !(each.labels?.length || each.getAttribute('aria-label') || each.textContent.trim()))
            .map((each) => each.outerHTML)";
        assert_eq!(page.run::<Vec<String>>(unnamed, vec![]).await, Vec::<String>::new());
        let landmarks = "return ['header', 'nav', 'main', 'footer', 'h1', '[aria-live=polite]', '[lang=en]']
            .filter((each) => document.querySelector(each) === null)";
        assert_eq!(page.run::<Vec<String>>(landmarks, vec![]).await, Vec::<String>::new());
        page.assert_calm().await;
    });
    assert_eq!(store.status("version"), 1);
    store.end_with_all_there();
}

#[test]
fn each_switch_has_its_page_whatever_it_is_called() {
    if missing() {
        return;
    }
    let shop = Shop::start();
    let label = "<b>a/b</b> %zz #2";
    let other = till::Switch::builder().label(label).starting_at(3).build().expect("one to run");
    let _cell = other.named_cell("<i>one</i>", till::V3 { sold: 0 }).expect("enters");
    browse(async |page| {
        page.enter(&format!("{}#/till", shop.url), &shop.tokens.viewer).await;
        page.until_it_says("#label", "till").await;
        page.click("nav a:not([aria-current])").await;
        page.until_it_says("#label", label).await;
        page.until_bars(&[0, 0, 1]).await;
        assert_eq!(page.text("nav [aria-current]").await.as_deref(), Some(label));
        assert_eq!(page.text("#progress").await.as_deref(), Some("1 instance."));
        // what the address says after all is no switch
        page.open(&format!("{}#/%zz", shop.url)).await;
        page.until("#label", |shown| !shown.is_empty()).await;
        page.assert_calm().await;
    });
}

/// What sticks out of the window to the right.
async fn sticks_out(page: &Page) -> Vec<String> {
    let script = "const wide = document.documentElement.clientWidth;
        const out = [...document.querySelectorAll('body *')].filter((each) => each.getBoundingClientRect().right > wide + .5);
        const named = out.map((each) => `${each.outerHTML.slice(0, 80)} ${each.getBoundingClientRect().right}`);
        return document.documentElement.scrollWidth > wide ? ['the page', ...named] : named";
    page.run(script, vec![]).await
}

/// Texts that stand out too little from what is behind them.
async fn pale(page: &Page) -> Value {
    page.run(include_str!("page/contrast.js"), vec![]).await
}

/// Takes the page through everything that it can show, and checks each.
async fn through_all(shop: &Shop, page: &Page, check: impl AsyncFn(&Page, &str)) {
    page.open(&shop.url).await;
    page.until("#token[open] .refusal strong", |_| true).await;
    check(page, "the token").await;
    page.fill("#token input", &shop.tokens.operator).await;
    page.click("#token button[type=submit]").await;
    page.until_it_says("#label", "till").await;
    check(page, "nothing planned").await;
    page.choose(2).await;
    page.click("#plan button").await;
    page.until("#planned", |plan| plan.contains("way1 → 2")).await;
    check(page, "planned").await;
    shop.shut_after(30_000);
    page.fill("#upgrade input[name=reason]", &"a-long-reason-without-a-space".repeat(8)).await;
    page.click("#upgrade button").await;
    page.wait_for("the bars", async || page.bars().await, |bars| bars[1].1 > 0).await;
    page.until("#progress", |progress| progress.ends_with("not reached. It goes on.")).await;
    check(page, "in the middle").await;
    shop.open();
    page.until("#progress", |progress| progress.ends_with("Settled.")).await;
    page.until_it_says("#commit button", "Commit version 2").await;
    page.click("#commit button").await;
    page.until("#refusal .refusal", |refused| refused.contains("held-back")).await;
    page.click("#back").await;
    page.until("#back-planned", |plan| plan.contains("way2 → 1")).await;
    page.click("#rollback button[type=submit]").await;
    page.until("#refusal .refusal", |refused| refused.contains("loss-not-accepted")).await;
    page.until("#audit", |audit| audit.contains("a-long-reason") && audit.contains("refused")).await;
    check(page, "refused").await;
    page.assert_calm().await;
}

#[test]
fn on_a_phone_nothing_sticks_out_and_nothing_jumps() {
    if missing() {
        return;
    }
    let shop = Shop::start();
    browse(async |page| {
        page.size(360, 740).await;
        through_all(&shop, page, async |page, when| {
            assert_eq!(sticks_out(page).await, Vec::<String>::new(), "{when}");
        })
        .await;
    });
}

#[test]
fn in_the_dark_and_in_the_light_every_text_stands_out() {
    if missing() {
        return;
    }
    let shop = Shop::start();
    browse(async |page| {
        through_all(&shop, page, async |page, when| {
            for scheme in ["light", "dark"] {
                page.prefer(scheme).await;
                let dark = page.run::<bool>("return matchMedia('(prefers-color-scheme: dark)').matches", vec![]).await;
                assert_eq!(dark, scheme == "dark");
                let found = pale(page).await;
                assert_eq!(found["pale"], Value::Array(Vec::new()), "{when}, {scheme}");
                assert!(found["texts"].as_u64() > Some(5), "{when}: {found}");
            }
        })
        .await;
    });
}
