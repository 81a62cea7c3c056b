//! A headless Chromium with a page in it, driven as people do it: by clicks and keys.

use std::env;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use axum::http::Method;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hotswap_tests::folder::Folder;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// Longer than anything takes here, however slow the computer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps an account of what must not happen: what the policy refused, what came from elsewhere, what was thrown, what moved under
/// the reader's eyes.
const ACCOUNT: &str = r"
window.account = { refused: [], fetched: 0, elsewhere: [], thrown: [], shifted: [] };
addEventListener('securitypolicyviolation', (e) => account.refused.push(`${e.violatedDirective} ${e.blockedURI}`));
addEventListener('error', (e) => account.thrown.push(String(e.message)));
addEventListener('unhandledrejection', (e) => account.thrown.push(String(e.reason)));
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    // the footer opens for what was refused, and the way past the header for who tabs to it; nothing makes room for them
    if (sources.every(({ node }) => node?.matches?.('footer, .skip'))) continue;
    const which = sources.map(({ node, previousRect, currentRect }) => {
      return `${node?.outerHTML?.slice(0, 60) ?? node?.data} ${JSON.stringify([previousRect, currentRect])}`;
    });
    account.shifted.push(`${value}: ${which.join('; ')}`);
  }
}).observe({ type: 'layout-shift', buffered: true });
new PerformanceObserver((list) => {
  const names = list.getEntries().map(({ name }) => name);
  account.fetched += names.length;
  account.elsewhere.push(...names.filter((name) => new URL(name).origin !== location.origin));
}).observe({ type: 'resource', buffered: true });
";

/// Whether the browser is missing; in CI that is a failure.
pub(crate) fn missing() -> bool {
    let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    let there = there("chromium") && there("chromedriver");
    if !there {
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "chromium or its driver is missing");
        println!("SKIPPED: chromium or its driver is missing");
    }
    !there
}

/// So often the driver may find its port taken.
const TRIES: usize = 20;

/// The program that drives the browser; it ends when this is dropped.
struct Driver {
    child: Child,
    port: u16,
    /// Closed, it would end the driver's own writing.
    said: BufReader<ChildStdout>,
}

impl Driver {
    /// It takes a port that is free for IPv4, and ends if that is not free for IPv6 as well: the next time it is another one.
    fn start() -> Self {
        (0..TRIES).find_map(|_| Self::try_start()).expect("the driver says where it listens")
    }

    fn try_start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the driver starts");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let mut driver = Self { child, port: 0, said };
        let mut line = String::new();
        while driver.said.read_line(&mut line).expect("text") > 0 {
            let port = line.trim_end().trim_end_matches('.').rsplit_once("started successfully on port ");
            if let Some((_, port)) = port {
                driver.port = port.parse().expect("a port");
                return Some(driver);
            }
            line.clear();
        }
        None
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the browser is started with: of this profile, and with nothing to do but for its page.
fn capabilities(profile: &Folder) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.path("profile").display());
    let arguments = [
        "--headless=new",
        // root has no sandbox, and the only page is ours
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=1200,1000",
        &profile,
    ];
    let Value::Object(capabilities) = json!({ "goog:chromeOptions": { "args": arguments } }) else { unreachable!() };
    capabilities
}

/// Opens a browser, does this with it, and closes it, should it panic too.
pub(crate) fn browse(test: impl AsyncFnOnce(&Page)) {
    let (driver, profile) = (Driver::start(), Folder::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let page = runtime.block_on(async {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&profile));
        let driver = format!("http://127.0.0.1:{}", driver.port);
        let page = Page { browser: builder.connect(&driver).await.expect("a browser") };
        page.run_first(ACCOUNT).await;
        page
    });
    let done = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test(&page))));
    let closed = runtime.block_on(page.browser.close());
    if let Err(panic) = done {
        resume_unwind(panic);
    }
    closed.expect("it ends as it should");
}

/// A command to the browser itself, past what is the same for all browsers.
#[derive(Debug)]
struct ToTheBrowser {
    name: String,
    with: Value,
}

impl WebDriverCompatibleCommand for ToTheBrowser {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.name, "params": self.with }).to_string()))
    }
}

/// A page in a browser.
pub(crate) struct Page {
    browser: Client,
}

impl Page {
    pub(crate) async fn open(&self, url: &str) {
        self.browser.goto(url).await.expect("it opens");
    }

    /// Opens it and shows it a token.
    pub(crate) async fn enter(&self, url: &str, token: &str) {
        self.open(url).await;
        self.until("#token[open] .refusal strong", |_| true).await;
        self.fill("#token input", token).await;
        self.click("#token button[type=submit]").await;
        self.until("#main:not([hidden]) #label", |label| !label.is_empty()).await;
    }

    /// Runs a script in every page that is opened from now on, before its own.
    pub(crate) async fn run_first(&self, script: &str) {
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    async fn command(&self, name: &str, with: Value) {
        let command = ToTheBrowser { name: name.to_owned(), with };
        self.browser.issue_cmd(command).await.expect("the browser does it");
    }

    /// How wide the window is, and how high.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let with = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", with).await;
    }

    /// What the user prefers, as style sheets ask for it.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let with = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", with).await;
    }

    /// What a function body of JavaScript returns.
    pub(crate) async fn run<T: DeserializeOwned>(&self, script: &str, with: Vec<Value>) -> T {
        let answer = self.browser.execute(script, with).await.unwrap_or_else(|error| panic!("{script}: {error}"));
        serde_json::from_value(answer).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    async fn find(&self, css: &str) -> Element {
        self.browser.find(Locator::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Chooses a version to go to.
    pub(crate) async fn choose(&self, version: u32) {
        self.click(&format!("#to option[value='{version}']")).await;
    }

    /// Presses a key, wherever the focus is.
    pub(crate) async fn press(&self, key: Key) {
        self.press_all([key.into()]).await;
    }

    pub(crate) async fn type_text(&self, text: &str) {
        self.press_all(text.chars()).await;
    }

    async fn press_all(&self, keys: impl IntoIterator<Item = char>) {
        let strokes = keys.into_iter().flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]);
        let strokes = strokes.fold(KeyActions::new("keyboard".to_owned()), KeyActions::then);
        self.browser.perform_actions(strokes).await.expect("they are pressed");
    }

    /// The text of an element, with single spaces; none if there is no such element.
    pub(crate) async fn text(&self, css: &str) -> Option<String> {
        let script = "return document.querySelector(arguments[0])?.textContent.replace(/\\s+/g, ' ').trim() ?? null";
        self.run(script, vec![css.into()]).await
    }

    /// Waits until the element says what is hoped for, and gives it.
    pub(crate) async fn until(&self, css: &str, hoped: impl Fn(&str) -> bool) -> String {
        let look = async || self.text(css).await;
        let said = self.wait_for(css, look, |text| text.as_deref().is_some_and(&hoped)).await;
        said.expect("it was hoped for")
    }

    pub(crate) async fn until_it_says(&self, css: &str, text: &str) {
        self.until(css, |said| said == text).await;
    }

    /// Looks until it sees what is hoped for, and gives that.
    pub(crate) async fn wait_for<T: std::fmt::Debug>(
        &self,
        what: &str,
        look: impl AsyncFn() -> T,
        hoped: impl Fn(&T) -> bool,
    ) -> T {
        let began = Instant::now();
        loop {
            let seen = look().await;
            if hoped(&seen) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The bars: what each is called, how many it says, and how much of its track it fills, in whole percents.
    pub(crate) async fn bars(&self) -> Vec<(String, u64, i64)> {
        let script = r"return [...document.querySelectorAll('#bars li')].map((bar) => {
            const [fill, track] = ['.fill', '.track'].map((part) => bar.querySelector(part).getBoundingClientRect().width);
            const text = (part) => bar.querySelector(part).textContent;
            return [text('.name'), Number(text('.count').replaceAll(',', '')), Math.round(100 * fill / track)];
        })";
        self.run(script, vec![]).await
    }

    /// Waits until versions 1 and up have so many, and each bar fills its part of the track.
    pub(crate) async fn until_bars(&self, counts: &[u64]) {
        let all: u64 = counts.iter().sum();
        let percent = |count: u64| i64::try_from((200 * count + all) / (2 * all.max(1))).expect("a percentage");
        let named = counts.iter().zip(1..).map(|(count, n)| (format!("version {n}"), *count, percent(*count)));
        let hoped: Vec<_> = named.collect();
        self.wait_for("the bars", async || self.bars().await, |bars| *bars == hoped).await;
    }

    /// Has the page write down every count that the bars come to show from now on.
    pub(crate) async fn record_bars(&self) {
        let script = "const counts = () => [...document.querySelectorAll('#bars .count')].map(({ textContent }) =>
                Number(textContent.replaceAll(',', '')));
            window.recorded = [counts()];
            new MutationObserver(() => recorded.push(counts())).observe(document.getElementById('bars'),
                { subtree: true, childList: true, characterData: true });";
        self.run::<Option<()>>(script, vec![]).await;
    }

    /// What was written down.
    pub(crate) async fn recorded_bars(&self) -> Vec<Vec<u64>> {
        self.run("return recorded", vec![]).await
    }

    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.browser.screenshot().await.expect("a picture")
    }

    /// Nothing was refused by the policy or thrown, and of all that was fetched nothing came from elsewhere.
    pub(crate) async fn assert_clean(&self) {
        assert!(self.run::<u32>("return account.fetched", vec![]).await > 20, "the page has more files than that");
        let account = "const { refused, elsewhere, thrown } = account; return { refused, elsewhere, thrown }";
        let account: Value = self.run(account, vec![]).await;
        assert_eq!(account, json!({ "refused": [], "elsewhere": [], "thrown": [] }));
    }

    /// Nor did anything move by itself.
    pub(crate) async fn assert_calm(&self) {
        self.assert_clean().await;
        assert_eq!(self.run::<Vec<String>>("return account.shifted", vec![]).await, Vec::<String>::new());
    }
}
