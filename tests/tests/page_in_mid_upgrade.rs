//! In the middle of an upgrade the page shows where everybody is, and afterwards how the steps did before and after it.
//!
//! With `HOTSWAP_PICTURE` it leaves a picture of the page in mid-upgrade there: `hotswap/doc/page.png` is one.

mod page;

use std::{env, fs};

use page::{Shop, Store, TILLS, browse, missing};

#[test]
fn the_bars_stand_where_the_census_does() {
    if missing() {
        return;
    }
    let mut shop = Shop::start();
    browse(async |page| {
        page.enter(&shop.url, &shop.tokens.operator).await;
        page.until_bars(&[TILLS, 0, 0]).await;
        page.until("#rates tr:last-child td:last-of-type", |p99| p99.starts_with("≤ ")).await;
        assert_eq!(page.text("#rates tr:first-child").await.as_deref(), Some("beforenot measurednot measured"));
        page.choose(2).await;
        page.click("#plan button").await;
        let plan = page.until("#planned", |plan| plan.contains("would be held back")).await;
        assert!(plan.contains("would be held back2would be lostnothingstates"), "{plan}");
        assert!(plan.contains("70007the drawer of till 70007 is open"), "{plan}");

        shop.shut_after(60_000);
        page.click("#upgrade button").await;
        // it stands in the middle, and the bars with it
        page.until_it_says("#news", "upgrade to version 2: 50 % reached.").await;
        let census = async || (page.bars().await, shop.census());
        let alike = |(bars, census): &(Vec<(String, u64, i64)>, [u64; 3])| {
            census[1] > 0 && bars.iter().map(|(_, count, _)| *count).eq(*census)
        };
        let (_, census) = page.wait_for("the bars and the census", census, alike).await;
        assert_eq!(census.iter().sum::<u64>(), TILLS);
        page.until_bars(&census).await;
        assert_eq!(page.text("#line .current").await.as_deref(), Some("2currentV2compiled inruns, on probation"));
        page.until("#progress", |progress| progress.ends_with("not reached. It goes on.")).await;
        page.until("#planned", |plan| plan.starts_with("way1 → 2, asked for")).await;
        if let Some(path) = env::var_os("HOTSWAP_PICTURE") {
            page.run::<Option<()>>("document.querySelector('main').scrollTop = 0", vec![]).await;
            fs::write(path, page.picture().await).expect("it is written");
        }
        shop.open();
        page.until_bars(&[2, TILLS - 2, 0]).await;
        let settled = "upgrade 1 → 2: of 100,000, 99,998 moved, 2 held back, 0 gone. Settled.";
        page.until_it_says("#progress", settled).await;
        page.until_it_says("#news", settled).await;
        page.until("#held", |held| held.contains("7fleet, at version 1the drawer of till 7 is open")).await;
        page.until("#rates tr:first-child", |before| {
            before.starts_with("before: 1") && !before.contains("not measured")
        })
        .await;
        page.until("#rates tr:last-child", |now| now.starts_with("now: 2") && !now.contains("not measured")).await;
        page.assert_calm().await;
    });
    let (sold, booked) = shop.close();
    assert_eq!(sold, booked, "every sale is in the tills");
    assert!(sold > 0);
}

/// Holds what the server says of its own accord until it is let go, and counts the looks.
const LATE: &str = r"
const real = window.fetch;
const held = new Promise((done) => { window.letGo = done; });
window.looks = 0;
window.flipHeard = false;
window.fetch = async (path, how) => {
  const response = await real(path, how);
  if (path !== 'v1/events') {
    window.looks += 1;
    return response;
  }
  const late = new TransformStream({
    async transform(chunk, to) {
      await held;
      to.enqueue(chunk);
      window.flipHeard ||= new TextDecoder().decode(chunk).includes('event: flip');
    },
  });
  return new Response(response.body.pipeThrough(late), response);
};
";

#[test]
fn what_is_heard_late_is_not_said_after_what_came_of_it() {
    if missing() {
        return;
    }
    let shop = Shop::start();
    browse(async |page| {
        page.run_first(LATE).await;
        page.enter(&shop.url, &shop.tokens.operator).await;
        page.choose(2).await;
        page.click("#plan button").await;
        page.until_it_says("#upgrade button", "Upgrade to version 2").await;
        shop.shut_after(60_000);
        page.click("#upgrade button").await;
        let half = "upgrade to version 2: 50 % reached.";
        page.until_it_says("#news", half).await;
        page.run::<Option<()>>("window.letGo()", vec![]).await;
        let heard = async || page.run::<bool>("return window.flipHeard", vec![]).await;
        page.wait_for("the flip", heard, |heard| *heard).await;
        // it is taken in before any look that begins after it
        let looks = async || page.run::<u64>("return window.looks", vec![]).await;
        let before = looks().await;
        page.wait_for("further looks", looks, |looks| *looks > before + 10).await;
        assert_eq!(page.text("#news").await.as_deref(), Some(half));
        shop.open();
        page.until("#news", |news| news.ends_with("2 held back, 0 gone. Settled.")).await;
        page.assert_calm().await;
    });
}

#[test]
fn what_a_program_measures_by_itself_is_shown_and_what_it_does_not_is_said_not_to_be() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.enter(&store.url, &store.tokens.viewer).await;
        page.until("#rates tr:last-child", |now| now.starts_with("now: 1") && !now.contains("not measured")).await;
        assert_eq!(page.text("#rates tr:first-child").await.as_deref(), Some("beforenot measurednot measured"));
        page.until_it_says("#rates-note", "While this page was open, of a few steps at a time.").await;
        page.until_it_says("#images", "this program takes in no images.").await;
        page.assert_calm().await;
    });
}
