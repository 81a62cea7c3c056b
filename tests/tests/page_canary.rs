//! A canary is begun on the page for a share of the keys of `kv`; the page says how both sides do while clients write, and takes all
//! keys along or lets the share go back.

mod page;

use page::{KEYS, Page, Store, browse, key, missing};
use xxhash_rust::xxh3::xxh3_64;

const PERCENT: u8 = 30;

/// How many keys a canary takes, as the documentation says.
fn taken() -> u64 {
    let goes = |n: &u64| xxh3_64(&postcard::to_allocvec(&key(*n)).expect("text")) % 100 < u64::from(PERCENT);
    (0..KEYS).filter(goes).count().try_into().expect("not that many")
}

/// As the page writes it.
fn number(n: u64) -> String {
    format!("{},{:03}", n / 1000, n % 1000)
}

/// Begins one, and waits until everybody is where they belong.
async fn begin(page: &Page, store: &Store) {
    page.enter(&store.url, &store.tokens.operator).await;
    page.until_it_says("#canary-note", "None runs: an upgrade may begin with a share of the keys.").await;
    page.choose(2).await;
    page.click("#plan button").await;
    page.until("#planned", |plan| plan.contains("way1 → 2")).await;
    page.fill("#upgrade input[name=share]", &PERCENT.to_string()).await;
    let would = "About 30 % of 50,000 instances move to version 2, the others stay. A rollback goes to version 1, until version 2 is committed.";
    page.until_it_says("#upgrade-note", would).await;
    page.fill("#upgrade input[name=reason]", "a few first").await;
    page.click("#upgrade button").await;
    page.until_bars(&[KEYS - taken(), taken(), 0]).await;
    let (moved, stayed) = (number(taken()), number(KEYS - taken()));
    let settled = format!("upgrade 1 → 2: of 50,000, {moved} moved, {stayed} stayed, 0 held back, 0 gone. Settled.");
    page.until_it_says("#progress", &settled).await;
    let note = "Version 2 for 30 % of the keys. Promote: all 50,000 go there, still on probation.";
    page.until_it_says("#canary-note", note).await;
}

/// What the table says of both sides, by row.
async fn sides(page: &Page) -> Vec<(String, String, String)> {
    let script = "return [...document.querySelectorAll('#sides tr')].map((row) =>
        [...row.children].map(({ textContent }) => textContent))";
    page.run(script, vec![]).await
}

fn row(name: &str, before: &str, canary: &str) -> (String, String, String) {
    (name.to_owned(), before.to_owned(), canary.to_owned())
}

#[test]
fn both_sides_are_reported_and_then_all_keys_go_along() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        begin(page, &store).await;
        let counted = |rows: &Vec<(String, String, String)>| {
            // clients write at all keys, so that there are steps on both sides, and one in eight is timed
            rows.len() == 7
                && rows.iter().skip(1).all(|(_, before, canary)| ![before, canary].contains(&&"not measured".into()))
        };
        let rows = page.wait_for("both sides", async || sides(page).await, counted).await;
        assert_eq!(rows[0], row("both sides", "version 1", "version 2"));
        assert_eq!(rows[1], row("instances", &number(KEYS - taken()), &number(taken())));
        assert_eq!(rows[2].0, "steps");
        assert!(rows[2].1 != "0" && rows[2].2 != "0", "{rows:?}");
        assert_eq!(rows[3..5], [row("failed", "0", "0"), row("panicked", "0", "0")]);
        assert_eq!([&*rows[5].0, &*rows[6].0], ["half within", "p99"]);

        // neither a commit nor another upgrade can be asked for meanwhile
        let note = "A canary runs: version 2 can be committed once it is promoted.";
        page.until_it_says("#commit-note", note).await;
        page.until_it_says("#upgrade-note", "A canary runs: promote it or roll it back first.").await;
        let off = "return [...document.querySelectorAll('#commit button, #upgrade button')]
            .map((button) => button.getAttribute('aria-disabled'))";
        assert_eq!(page.run::<Vec<String>>(off, vec![]).await, ["true", "true"]);

        page.fill("#promote input[name=reason]", "they do well").await;
        page.click("#promote button").await;
        page.until_bars(&[0, KEYS, 0]).await;
        page.until_it_says("#canary-note", "None runs: an upgrade may begin with a share of the keys.").await;
        assert_eq!(sides(page).await, []);
        page.until("#audit", |audit| audit.contains("a few first") && audit.contains("they do well")).await;
        page.until_it_says("#commit button", "Commit version 2").await;
        page.click("#commit button").await;
        page.until_it_says("#line .permanent .number", "2").await;
        page.assert_calm().await;
    });
    assert_eq!((store.status("version"), store.status("permanent")), (2, 2));
    store.end_with_all_there();
}

#[test]
fn the_share_goes_back_once_its_loss_is_accepted() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        begin(page, &store).await;
        page.click("#rollback button[type=submit]").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("409 loss-not-accepted")).await;
        assert!(refused.contains("expiry"), "{refused}");
        let lost = format!("expiry, of {} instances", number(taken()));
        page.until_it_says("#rollback .consent li", &lost).await;
        page.click("#rollback .consent input").await;
        page.click("#rollback button[type=submit]").await;
        page.until_bars(&[KEYS, 0, 0]).await;
        page.until_it_says("#canary-note", "None runs: an upgrade may begin with a share of the keys.").await;
        page.assert_calm().await;
    });
    assert_eq!((store.status("version"), store.status("permanent"), store.status("held_back")), (1, 1, 0));
    store.end_with_all_there();
}

#[test]
fn what_is_no_share_is_not_sent() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.enter(&store.url, &store.tokens.operator).await;
        page.choose(2).await;
        page.click("#plan button").await;
        page.until_it_says("#upgrade button", "Upgrade to version 2").await;
        for bad in ["0", "100", "1.5"] {
            let set = "document.querySelector('#upgrade [name=share]').value = arguments[0]";
            page.run::<Option<()>>(set, vec![bad.into()]).await;
            page.click("#upgrade button").await;
            let focused = "return document.activeElement.matches('#upgrade [name=share]:invalid')";
            assert!(page.run::<bool>(focused, vec![]).await, "{bad}: what is wrong is shown");
        }
        assert_eq!(store.status("epoch"), 1);
        page.assert_calm().await;
    });
}
