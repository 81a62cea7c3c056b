//! Whatever a program or a caller writes into labels, names and reasons, the page shows as the text that it is: it becomes no
//! element, and nothing of it runs.

mod page;

use hotswap::remote::{Address, Options, serve};
use page::{Tokens, browse, missing};

const BAD: &str = r#"<img src=x onerror="window.bad=1"><script>window.bad=1</script>&lt;b&gt;"#;

/// A guest who does not want to go to version 2, and says so.
#[hotswap::machine(name = "guest", derive(Debug, Clone))]
mod guest {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Greet;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub willing: bool,
    }

    #[machine(version = 1)]
    fn greet_1(_: &V1, _: Greet) {}

    #[machine(version = 2, migrates_from = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2;

    #[machine(migrate)]
    fn up(old: &V1) -> Result<V2, String> {
        if old.willing { Ok(V2) } else { Err(format!("{} by migration", super::BAD)) }
    }

    #[machine(migrate, loses = r#"<img src=x onerror="window.bad=1">"#)]
    fn down(_: &V2) -> V1 {
        V1 { willing: true }
    }

    #[machine(version = 2)]
    fn greet_2(_: &V2, _: Greet) {}
}

#[test]
fn of_labels_names_losses_and_reasons() {
    if missing() {
        return;
    }
    let label = format!("{BAD} by label");
    let switch = guest::Switch::builder().label(&*label).starting_at(1).build().expect("one to run");
    let _unwilling = switch.named_cell(format!("{BAD} by name"), guest::V1 { willing: false }).expect("enters");
    let _willing = switch.named_cell("willing", guest::V1 { willing: true }).expect("enters");
    let tokens = Tokens::new();
    let door = Options::default().without_socket().tcp(([127, 0, 0, 1], 0).into()).tokens(tokens.file());
    let remote = serve(door).expect("it serves");
    let [Address::Http(address)] = remote.addresses() else { panic!("one port") };
    browse(async |page| {
        page.enter(&format!("http://{address}/"), &tokens.operator).await;
        page.until_it_says("#label", &label).await;
        page.until_it_says("nav [aria-current]", &label).await;
        assert_eq!(page.run::<String>("return document.title", vec![]).await, format!("{label} – hotswap"));

        page.click("#plan button").await;
        let held = format!("{BAD} by name{BAD} by migration");
        page.until("#planned", |plan| plan.contains(&held)).await;
        page.fill("#upgrade input[name=reason]", &format!("{BAD} by hand")).await;
        page.click("#upgrade button").await;
        page.until_bars(&[1, 1]).await;
        page.until("#held", |said| said.starts_with(&format!("{BAD} by name")) && said.ends_with("by migration")).await;
        page.until("#audit", |audit| audit.contains(&format!("{BAD} by hand"))).await;
        page.until("#commit .consent", |leave| leave.contains(&format!("{BAD} by name"))).await;
        page.click("#commit button").await;
        page.until("#refusal .refusal", |refused| refused.contains(&format!("{BAD} by name"))).await;
        page.click("#back").await;
        let lost = r#"<img src=x onerror="window.bad=1">, of 1 instance"#;
        page.until_it_says("#rollback .consent li", lost).await;

        let made = "return [...document.querySelectorAll('img, b, script:not([src=\"page/main.js\"])')].length";
        assert_eq!(page.run::<u32>(made, vec![]).await, 0);
        assert!(page.run::<bool>("return window.bad === undefined", vec![]).await);
        page.assert_calm().await;
    });
}
