//! On the page a person plans an upgrade, is told what it would do, asks for it, watches it, and takes it back, while the program
//! is under load and loses nothing.
//!
//! With `HOTSWAP_PICTURE` it leaves a picture of the page in mid-upgrade there: `hotswap/doc/page.png` is one.

mod page;

use std::{env, fs};

use page::{Metrics, Program, browse, missing};

#[test]
fn plan_upgrade_watch_and_roll_back_under_load() {
    if missing() {
        return;
    }
    let mut program = Program::start();
    browse(async |page| {
        page.enter(&program.url, program.operator()).await;
        page.until_bars(&[("version 1", "100,000", 100), ("version 2", "0", 0), ("version 3", "0", 0)]).await;
        assert_eq!(page.text("#line [aria-current] .number").await.as_deref(), Some("1"));
        assert_eq!(page.text("#line .permanent .standing").await.as_deref(), Some("permanent, runs"));
        page.until("#rates tr:last-child td:last-of-type", |p99| p99.starts_with("≤ ")).await;
        assert_eq!(page.text("#rates tr:first-child").await.as_deref(), Some("beforenot measurednot measured"));

        // nothing can be asked for that was not planned
        page.click("#upgrade button").await;
        page.choose(2).await;
        page.click("#plan button").await;
        let plan = page.until("#planned", |plan| plan.contains("would be held back")).await;
        assert!(plan.starts_with("way1 → 2examined100,000 of 100,000 instances, in "), "{plan}");
        assert!(plan.contains("would be held back2would be lostnothingstates"), "{plan}");
        assert!(plan.contains("70007the drawer of till 70007 is open"), "{plan}");
        assert_eq!(program.admin.status().epoch, 1, "nothing was done yet");

        program.shut_after(50_000);
        page.fill("#upgrade input[name=reason]", "discounts <i>now</i>").await;
        page.until_it_says("#upgrade button", "Upgrade to version 2").await;
        page.click("#upgrade button").await;
        // it stands in the middle, and the bars with it
        page.until_bars(&[("version 1", "50,000", 50), ("version 2", "50,000", 50), ("version 3", "0", 0)]).await;
        assert_eq!(page.text("#line .current").await.as_deref(), Some("2currentV2compiled inruns, on probation"));
        page.until("#progress", |progress| progress.ends_with("not reached. It goes on.")).await;
        page.until("#planned", |plan| plan.starts_with("way1 → 2, asked for")).await;
        page.until_it_says("#news", "upgrade to version 2: 50 % reached.").await;
        if let Some(path) = env::var_os("HOTSWAP_PICTURE") {
            page.run::<Option<()>>("document.querySelector('main').scrollTop = 0", vec![]).await;
            fs::write(path, page.picture().await).expect("it is written");
        }
        program.open();
        page.until_bars(&[("version 1", "2", 0), ("version 2", "99,998", 100), ("version 3", "0", 0)]).await;
        let settled = "upgrade 1 → 2: of 100,000, 99,998 moved, 2 held back, 0 gone. Settled.";
        page.until_it_says("#progress", settled).await;
        page.until_it_says("#news", settled).await;
        page.until("#held", |held| held.contains("7fleet, at version 1the drawer of till 7 is open")).await;
        assert_eq!(page.text("#held-h").await.as_deref(), Some("Held back: 2 instances"));
        page.until("#rates tr:first-child", |before| {
            before.starts_with("before: 1") && !before.contains("not measured")
        })
        .await;
        page.until("#rates tr:last-child", |now| now.starts_with("now: 2") && !now.contains("not measured")).await;
        page.until("#audit", |audit| audit.contains("discounts <i>now</i>") && audit.contains("by operator via tcp"))
            .await;

        // back, which loses something: that is said, named, and agreed to first
        page.click("#back").await;
        let plan = page.until("#back-planned", |plan| plan.contains("would be lost")).await;
        assert!(plan.contains("way2 → 1") && plan.contains("would be lostdiscounts, of 99,998 instances"), "{plan}");
        page.fill("#rollback input[name=reason]", "too dear").await;
        page.until_it_says("#rollback button[type=submit]", "Roll back to version 1").await;
        page.click("#rollback button[type=submit]").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("409 loss-not-accepted")).await;
        assert!(refused.contains("discounts"), "{refused}");
        assert_eq!(program.admin.status().version, 2, "nothing was done");
        page.click("#rollback .consent input").await;
        page.click("#rollback button[type=submit]").await;
        page.until_bars(&[("version 1", "100,000", 100), ("version 2", "0", 0), ("version 3", "0", 0)]).await;
        page.until_it_says("#line .old .standing", "old").await;
        page.until_it_says("#held", "Nobody.").await;
        page.assert_calm().await;
    });
    let status = program.admin.status();
    assert_eq!((status.version, status.permanent, status.held_back, status.live), (1, 1, 0, page::TILLS));
    let (sold, booked) = program.close();
    assert_eq!(sold, booked, "every sale is in the tills");
    assert!(sold > 0);
}

#[test]
fn what_is_committed_stays_and_going_down_needs_a_consent_that_names_the_loss() {
    if missing() {
        return;
    }
    let program = Program::start_with(Metrics::None);
    browse(async |page| {
        page.enter(&program.url, program.operator()).await;
        page.until("#rates-note", |note| note == "Not measured: this program was not told how to render metrics.")
            .await;
        assert_eq!(page.text("#rates tr:last-child").await.as_deref(), Some("now: 1not measurednot measured"));
        page.until_it_says("#images", "this program takes in no images.").await;
        page.click("#plan button").await;
        page.until("#planned", |plan| plan.contains("way1 → 2")).await;
        page.click("#upgrade button").await;
        page.until("#progress", |progress| progress.ends_with("Settled.") && progress.starts_with("upgrade 1 → 2"))
            .await;

        // two are held back, and to leave them takes leave
        page.until_it_says("#commit button", "Commit version 2").await;
        page.until("#commit .consent", |leave| leave.starts_with("leave 2 instances held back")).await;
        page.click("#commit button").await;
        let refused = page.until("#refusal .refusal", |refused| refused.contains("409 held-back")).await;
        assert!(refused.contains("count2") && refused.contains("named"), "{refused}");
        page.click("#commit .consent input").await;
        page.click("#commit button").await;
        page.until_it_says("#line .permanent .number", "2").await;
        page.until_it_says("#commit-note", "Version 2 is permanent: there is nothing to commit or to roll back.").await;

        page.choose(1).await;
        page.click("#plan button").await;
        page.until_it_says("#upgrade .consent li", "discounts, of 99,998 instances").await;
        page.click("#upgrade button").await;
        page.until("#refusal .refusal", |refused| refused.contains("409 loss-not-accepted")).await;
        assert_eq!(program.admin.status().version, 2, "nothing was done");
        page.click("#upgrade .consent input").await;
        page.click("#upgrade button").await;
        page.until_it_says("#bars li:first-child .count", "100,000").await;
        page.until_it_says("#line .current .number", "1").await;
        page.assert_calm().await;
    });
    assert_eq!(program.admin.status().version, 1);
}

#[test]
fn what_the_program_does_not_measure_is_said_not_to_be() {
    if missing() {
        return;
    }
    let program = Program::start_with(Metrics::Times);
    browse(async |page| {
        page.enter(&program.url, program.viewer()).await;
        page.until("#rates tr:last-child", |now| now.starts_with("now: 1not measured≤ ")).await;
        let note = "While this page was open; the p99 is of sampled steps. The metrics do not count all of them, so there is no rate.";
        page.until_it_says("#rates-note", note).await;
        page.assert_calm().await;
    });
}
