//! On the page a person plans an upgrade of `kv`, is told what it would do, asks for it, watches it, and commits it or takes it
//! back, while clients write and lose nothing.

mod page;

use page::{KEYS, Store, browse, missing};

/// Whether what the bars came to show is one way up from all at version 1 to all at version 2, with everybody somewhere.
fn assert_one_way_up(recorded: &[Vec<u64>]) {
    assert_eq!(recorded.first(), Some(&vec![KEYS, 0, 0]));
    assert_eq!(recorded.last(), Some(&vec![0, KEYS, 0]));
    assert!(recorded.iter().all(|counts| counts.iter().sum::<u64>() == KEYS), "{recorded:?}");
    assert!(recorded.is_sorted_by(|before, after| before[1] <= after[1]), "{recorded:?}");
}

#[test]
fn an_upgrade_is_planned_and_watched_and_taken_back_under_load() {
    if missing() {
        return;
    }
    let store = Store::start(1);
    browse(async |page| {
        page.enter(&store.url, &store.tokens.operator).await;
        page.until_bars(&[KEYS, 0, 0]).await;
        assert_eq!(page.text("#line [aria-current] .number").await.as_deref(), Some("1"));
        assert_eq!(page.text("#line .permanent .standing").await.as_deref(), Some("permanent, runs"));

        // nothing can be asked for that was not planned
        page.click("#upgrade button").await;
        page.choose(2).await;
        page.click("#plan button").await;
        let plan = page.until("#planned", |plan| plan.contains("would be held back")).await;
        assert!(plan.starts_with("way1 → 2examined50,000 of 50,000 instances, in "), "{plan}");
        assert!(plan.contains("would be held back0would be lostnothingstates"), "{plan}");
        assert_eq!(store.status("epoch"), 1, "nothing was done yet");
        let note = page.text("#upgrade-note").await.expect("there");
        let would = "Steps run at version 2 at once, and 50,000 instances move there. A rollback goes to version 1, until version 2 is committed.";
        assert_eq!(note, would);

        page.record_bars().await;
        page.fill("#upgrade input[name=reason]", "keys may expire").await;
        page.until_it_says("#upgrade button", "Upgrade to version 2").await;
        page.click("#upgrade button").await;
        page.until_bars(&[0, KEYS, 0]).await;
        let settled = "upgrade 1 → 2: of 50,000, 50,000 moved, 0 held back, 0 gone. Settled.";
        page.until_it_says("#progress", settled).await;
        page.until_it_says("#news", settled).await;
        assert_one_way_up(&page.recorded_bars().await);
        page.until_it_says("#line .current .standing", "current").await;
        page.until("#audit", |audit| audit.contains("keys may expire") && audit.contains("by operator via tcp")).await;

        // back, which loses something: that is said, named, and agreed to first
        page.until("#rollback-note", |note| note.starts_with("Roll back: 50,000 instances go to version 1")).await;
        page.click("#back").await;
        let plan = page.until("#back-planned", |plan| plan.contains("would be lost")).await;
        assert!(plan.contains("way2 → 1") && plan.contains("would be lostexpiry, of 50,000 instances"), "{plan}");
        page.fill("#rollback input[name=reason]", "too early").await;
        page.until_it_says("#rollback button[type=submit]", "Roll back to version 1").await;
        page.click("#rollback button[type=submit]").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("409 loss-not-accepted")).await;
        assert!(refused.contains("expiry"), "{refused}");
        assert_eq!(store.status("version"), 2, "nothing was done");
        page.click("#rollback .consent input").await;
        page.click("#rollback button[type=submit]").await;
        page.until_bars(&[KEYS, 0, 0]).await;
        page.until_it_says("#line .old .standing", "old").await;
        page.until_it_says("#commit-note", "Version 1 is permanent: there is nothing to commit or to roll back.").await;
        page.assert_calm().await;
    });
    assert_eq!((store.status("version"), store.status("permanent"), store.status("live")), (1, 1, 50_000));
    store.end_with_all_there();
}

#[test]
fn who_is_held_back_is_named_with_the_reason_and_tried_again_or_left_behind() {
    if missing() {
        return;
    }
    let store = Store::start(3);
    let mut redis = store.client();
    redis::pipe().rpush("queue", "a").sadd("members", "b").exec(&mut redis).expect("version 3 has them");
    browse(async |page| {
        page.enter(&store.url, &store.tokens.operator).await;
        page.choose(2).await;
        page.click("#plan button").await;
        let plan = page.until("#planned", |plan| plan.contains("would be held back")).await;
        assert!(plan.contains("way3 → 2") && plan.contains("would be held back2"), "{plan}");
        assert!(plan.contains("queueversion 2 cannot hold a list"), "{plan}");
        assert!(plan.contains("membersversion 2 cannot hold a set"), "{plan}");
        page.click("#upgrade button").await;
        page.until_bars(&[0, KEYS, 2]).await;
        let settled = "upgrade 3 → 2: of 50,002, 50,000 moved, 2 held back, 0 gone. Settled.";
        page.until_it_says("#progress", settled).await;
        page.until_it_says("#held-h", "Held back: 2 instances").await;
        let held = page.text("#held").await.expect("there");
        assert!(held.contains("queuefleet, at version 3version 2 cannot hold a list"), "{held}");
        assert!(held.contains("membersfleet, at version 3version 2 cannot hold a set"), "{held}");

        // one is mended, and moves when it is tried again
        redis::cmd("SET").arg(&["queue", "text"]).exec(&mut store.client()).expect("version 3 takes it");
        page.click("#retry button").await;
        page.until_it_says("#held-h", "Held back: 1 instance").await;
        page.until_bars(&[0, KEYS + 1, 1]).await;

        // the other is left behind, which takes leave
        page.until_it_says("#commit button", "Commit version 2").await;
        page.until("#commit .consent", |leave| leave.starts_with("leave 1 instance held back")).await;
        page.click("#commit button").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("409 held-back")).await;
        assert!(refused.contains("members"), "{refused}");
        assert_eq!(store.status("permanent"), 3, "nothing was done");
        page.click("#commit .consent input").await;
        page.click("#commit button").await;
        page.until_it_says("#line .permanent .number", "2").await;
        page.until_it_says("#commit-note", "Version 2 is permanent: there is nothing to commit or to roll back.").await;
        page.assert_calm().await;
    });
    assert_eq!((store.status("version"), store.status("permanent"), store.status("held_back")), (2, 2, 1));
    store.end_with_all_there();
}
