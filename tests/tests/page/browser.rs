//! A headless Chromium with a page in it, driven as people do it: by clicks and keys.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::error::WebDriverError;
use thirtyfour::{By, DesiredCapabilities, Key, WebDriver, WebElement};

/// Longer than anything takes here, however slow the computer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps an account of what must not happen: what the policy refused, what was thrown, what moved under the reader's eyes.
const ACCOUNT: &str = r"
window.account = { refused: [], thrown: [], shifted: [] };
addEventListener('securitypolicyviolation', (e) => account.refused.push(`${e.violatedDirective} ${e.blockedURI}`));
addEventListener('error', (e) => account.thrown.push(String(e.message)));
addEventListener('unhandledrejection', (e) => account.thrown.push(String(e.reason)));
new PerformanceObserver((list) => {
  for (const { hadRecentInput, value, sources } of list.getEntries()) {
    const which = sources.map(({ node, previousRect, currentRect }) => {
      return `${node?.outerHTML?.slice(0, 60) ?? node?.data} ${JSON.stringify([previousRect, currentRect])}`;
    });
    if (!hadRecentInput) account.shifted.push(`${value}: ${which.join('; ')}`);
  }
}).observe({ type: 'layout-shift', buffered: true });
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

/// The program that drives the browser; it ends when this is dropped.
struct Driver {
    child: Child,
    port: u16,
    /// Closed, it would end the driver's own writing.
    _said: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Self {
        let mut command = Command::new("chromedriver");
        command
            .args(["--port=0", "--log-level=SEVERE"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the driver starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("text"), 0, "the driver says where it listens");
            let port = line.trim_end().trim_end_matches('.').rsplit_once("started successfully on port ");
            if let Some((_, port)) = port {
                break port.parse().expect("a port");
            }
        };
        Self { child, port, _said: said }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a browser, does this with it, and closes it, should it panic too.
pub(crate) fn browse(test: impl AsyncFnOnce(&Page)) {
    let driver = Driver::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let done = runtime.block_on(async {
        let mut wanted = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--window-size=1200,1000",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            // root has no sandbox, and the only page is ours
            "--no-sandbox",
        ] {
            wanted.add_arg(argument).expect("an argument");
        }
        let browser = WebDriver::new(format!("http://127.0.0.1:{}", driver.port), wanted).await.expect("a browser");
        let run = async |browser| {
            let page = Page { browser };
            page.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": ACCOUNT })).await;
            test(&page).await;
            Ok::<_, WebDriverError>(())
        };
        browser.run_and_quit(run).await
    });
    done.expect("the browser ends as it should");
}

/// A page in a browser.
pub(crate) struct Page {
    browser: WebDriver,
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

    /// A command to the browser itself.
    pub(crate) async fn command(&self, name: &str, with: Value) {
        self.browser.cdp().send_raw(name, with).await.expect("the browser does it");
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
        answer.convert().unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    async fn find(&self, css: &str) -> WebElement {
        self.browser.find(By::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"))
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
        self.browser.action_chain().send_keys(key).perform().await.expect("it is pressed");
    }

    pub(crate) async fn type_text(&self, text: &str) {
        self.browser.action_chain().send_keys(text).perform().await.expect("it is typed");
    }

    /// The text of an element, with single spaces; none if there is no such element.
    pub(crate) async fn text(&self, css: &str) -> Option<String> {
        let script = "return document.querySelector(arguments[0])?.textContent.replace(/\\s+/g, ' ').trim() ?? null";
        self.run(script, vec![css.into()]).await
    }

    /// Waits until the element says what is hoped for, and gives it.
    pub(crate) async fn until(&self, css: &str, hoped: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let text = self.text(css).await;
            match text {
                Some(text) if hoped(&text) => return text,
                text => assert!(began.elapsed() < PATIENCE, "{css} says {text:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn until_it_says(&self, css: &str, text: &str) {
        self.until(css, |said| said == text).await;
    }

    /// The bars: what each is called, how many it says, and how much of its track it fills, in whole percents.
    pub(crate) async fn bars(&self) -> Vec<(String, String, i64)> {
        let script = r"return [...document.querySelectorAll('#bars li')].map((bar) => {
            const [fill, track] = ['.fill', '.track'].map((part) => bar.querySelector(part).getBoundingClientRect().width);
            const text = (part) => bar.querySelector(part).textContent;
            return [text('.name'), text('.count'), Math.round(100 * fill / track)];
        })";
        self.run(script, vec![]).await
    }

    /// Waits until the bars stand like that.
    pub(crate) async fn until_bars(&self, hoped: &[(&str, &str, i64)]) {
        let hoped: Vec<_> = hoped.iter().map(|(name, count, fill)| ((*name).into(), (*count).into(), *fill)).collect();
        let began = Instant::now();
        loop {
            let bars: Vec<(String, String, i64)> = self.bars().await;
            if bars == hoped {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the bars are at {bars:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn picture(&self) -> Vec<u8> {
        self.browser.screenshot_as_png().await.expect("a picture")
    }

    /// Nothing was refused by the policy or thrown, and nothing moved that the reader had not touched.
    pub(crate) async fn assert_calm(&self) {
        let account: Value = self.run("return account", vec![]).await;
        assert_eq!(account, json!({ "refused": [], "thrown": [], "shifted": [] }));
    }
}
