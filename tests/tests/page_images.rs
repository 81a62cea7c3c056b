//! A version that comes as an image is on the page: as one of the line, with who uses its image, and as one to go to.

mod page;

use hotswap::load::Images;
use hotswap::remote::{Address, Options, serve};
use hotswap_image_tally::tally::{Add, Cell, V1};
use hotswap_tests::images::{alone, built, signed, trusted};
use page::{Tokens, browse, missing};

#[test]
fn an_image_comes_and_is_used_and_its_version_is_gone_to() {
    if missing() {
        return;
    }
    let _alone = alone();
    let (key, trust) = trusted();
    let image = signed(&built("three"), &key, 7);
    let (images, tokens) = (Images::new(trust), Tokens::new());
    let cell = Cell::new(V1 { total: 1, label: "till".to_owned() });
    let door = Options::default().without_socket().tcp(([127, 0, 0, 1], 0).into());
    let remote = serve(door.tokens(tokens.file()).images(images.clone())).expect("it serves");
    let [Address::Http(address)] = remote.addresses() else { panic!("one port") };
    let label = cell.admin().status().label;
    browse(async |page| {
        page.enter(&format!("http://{address}/"), &tokens.operator).await;
        page.until_it_says("#images", "None: every version is compiled in.").await;
        page.until_bars(&[1, 0]).await;
        // it hears of the image by itself
        let id = images.load_bytes(&image).expect("it is trusted").id;
        page.until_bars(&[1, 0, 0]).await;
        let third = page.until("#line .available:last-child", |third| third.starts_with('3')).await;
        assert_eq!(third, format!("3availableV3loaded: {id}has not run yet"));
        let listed = page.until("#images", |listed| listed.starts_with(&id)).await;
        let plain = format!("{id}serial 7has {label} 1, 2, 3used by nobodySHA-256 ");
        assert!(listed.starts_with(&plain), "{listed}");
        page.until("#audit", |audit| audit.contains(&format!("load {id}: version 3 available"))).await;

        page.choose(3).await;
        page.click("#plan button").await;
        page.until("#planned", |plan| plan.contains("way1 → 2 → 3")).await;
        page.click("#upgrade button").await;
        page.until_bars(&[0, 0, 1]).await;
        let used = format!("used by {label} 3 (runs, 1 instance)");
        page.until("#images", |listed| listed.contains(&used)).await;
        assert_eq!(cell.step(Add(1)).expect("it serves"), 101, "by version 3");
        // one more version takes one more bar, and room for it
        page.assert_clean().await;
    });
}
