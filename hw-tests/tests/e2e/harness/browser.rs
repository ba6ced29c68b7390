//! A real Chromium of its own, driven through chromedriver.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use sceau::web::language::Language;
use serde_json::{Value, json};

use super::program::Program;
use super::{until, within};

/// A desk: the size of an old screen in a ward.
pub const DESK: (u32, u32) = (1280, 800);
/// A phone held upright.
pub const PHONE: (u32, u32) = (390, 844);

/// What kind of browser.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The language of its user.
    pub language: Language,
    /// Whether pages may run scripts.
    pub scripts: bool,
    /// Whether pages may open windows.
    pub popups: bool,
    /// Further arguments of Chromium.
    pub arguments: &'static [&'static str],
}

pub const FRENCH: Settings =
    Settings { language: Language::French, scripts: true, popups: true, arguments: &[] };
pub const ENGLISH: Settings = Settings { language: Language::English, ..FRENCH };

/// A browser. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    language: Language,
    client: Client,
    _driver: Program,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium with an empty profile and the size of a desk.
    pub async fn start(settings: Settings) -> Self {
        Self::at_home(settings, |_| {}).await
    }

    /// As [`Self::start`], after `prepare` has put something into the home of its user.
    pub async fn at_home(settings: Settings, prepare: impl FnOnce(&Path)) -> Self {
        let profile = tempfile::tempdir().unwrap();
        prepare(profile.path());
        let mut driver = Program::start(
            "chromedriver (package chromium-driver)",
            Command::new("chromedriver").arg("--port=0").env("HOME", profile.path()),
        );
        let port = driver
            .said("its port", |log| {
                log.split("successfully on port ").nth(1)?.split('.').next()?.parse::<u16>().ok()
            })
            .await;
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let capabilities = capabilities(settings, profile.path());
        let client = ClientBuilder::new(connector)
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}; run `make setup`"));
        let browser = Self { language: settings.language, client, _driver: driver, _profile: profile };
        if !settings.popups {
            // What a popup blocker does, seen from a page.
            browser.on_every_page("window.open = () => null;").await;
        }
        browser.on_every_page(WATCH).await;
        browser.size(DESK).await;
        browser
    }

    /// What a browser's driver offers beyond what is here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub async fn open(&self, address: &str) {
        self.client.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    pub async fn address(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// What a person sees of the page.
    pub async fn text(&self) -> String {
        let text = match self.client.find(Locator::Css("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        plain(&text)
    }

    /// Waits for the first element that `css` selects and that can be seen.
    pub async fn element(&self, css: &str) -> Element {
        let found = within(super::PATIENCE, async || {
            for element in self.client.find_all(Locator::Css(css)).await.ok()? {
                if element.is_displayed().await.ok()? {
                    return Some(element);
                }
            }
            None
        })
        .await;
        match found {
            Some(element) => element,
            None => self.fail(&format!("there is no {css}")).await,
        }
    }

    /// Waits until it is there, and clicks it. A page that is being replaced meanwhile is asked again.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        if let Err(error) = element.click().await {
            self.fail(&format!("{css} cannot be clicked: {error}")).await;
        }
    }

    /// Clicks the link or button that says `text`.
    pub async fn click_text(&self, text: &str) {
        let path = format!("//*[self::a or self::button][contains(., \"{text}\")]");
        let found = within(super::PATIENCE, async || {
            for element in self.client.find_all(Locator::XPath(&path)).await.ok()? {
                if element.is_displayed().await.ok()? {
                    return element.click().await.ok();
                }
            }
            None
        })
        .await;
        if found.is_none() {
            self.fail(&format!("nothing says “{text}”")).await;
        }
    }

    pub async fn write(&self, css: &str, text: &str) {
        self.element(css).await.send_keys(text).await.unwrap();
    }

    /// Waits until the page shows `text`.
    pub async fn shows(&self, text: &str) {
        let shown = within(super::PATIENCE, async || self.text().await.contains(text).then_some(())).await;
        if shown.is_none() {
            self.fail(&format!("the page does not show “{text}”")).await;
        }
    }

    /// Waits until the address begins with `beginning`.
    pub async fn is_at(&self, beginning: &str) {
        let there = within(super::PATIENCE, async || {
            self.client.current_url().await.ok()?.as_str().starts_with(beginning).then_some(())
        })
        .await;
        if there.is_none() {
            self.fail(&format!("the browser is not at {beginning}")).await;
        }
    }

    /// Waits until the page says in its user's language what the error `code` is and what to do, and shows the code.
    pub async fn shows_error(&self, code: &str) {
        let texts = self.language.texts();
        let (message, action) = texts.error(code, &[]).unwrap_or_else(|| panic!("{code} has no text"));
        self.shows(&plain(&message)).await;
        self.shows(&plain(&action)).await;
        self.shows(code).await;
    }

    /// Waits until the page shows the text called `id`, in its user's language.
    pub async fn says(&self, id: &str) {
        self.shows(&plain(&self.language.texts().text(id))).await;
    }

    /// Clicks the link or button that says the text called `id`, in its user's language.
    pub async fn press(&self, id: &str) {
        self.click_text(&self.language.texts().text(id)).await;
    }

    /// How long after the last click the sign-in page came to `state`, by the page's own clock: the driver's would also
    /// measure how busy this machine is.
    pub async fn took_to_show(&self, state: &str) -> Duration {
        let took = self.script(&format!("return shownAt['{state}'] - clickedAt")).await;
        Duration::from_secs_f64(took.as_f64().unwrap_or_else(|| panic!("{state} was not shown")) / 1000.0)
    }

    pub async fn script(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The window that is driven now.
    pub async fn window(&self) -> WindowHandle {
        self.client.window().await.unwrap()
    }

    pub async fn windows(&self) -> Vec<WindowHandle> {
        self.client.windows().await.unwrap()
    }

    pub async fn switch_to(&self, window: &WindowHandle) {
        self.client.switch_to_window(window.clone()).await.unwrap();
    }

    /// Waits for a second window beside `first`, and drives it from now on.
    pub async fn follow_popup(&self, first: &WindowHandle) {
        let popup =
            until("a popup", async || self.windows().await.into_iter().find(|window| window != first)).await;
        self.switch_to(&popup).await;
    }

    /// Waits until `first` is the only window, and drives it from now on.
    pub async fn popup_closed(&self, first: &WindowHandle) {
        until("the popup to close", async || (self.windows().await == [first.clone()]).then_some(())).await;
        self.switch_to(first).await;
    }

    /// Opens an empty tab, and drives it from now on.
    pub async fn new_tab(&self) -> WindowHandle {
        let tab = self.client.new_window(true).await.unwrap().handle;
        self.switch_to(&tab).await;
        tab
    }

    /// Makes the visible part of the page that large.
    pub async fn size(&self, (width, height): (u32, u32)) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Runs `script` on every page before the page's own scripts.
    pub async fn on_every_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// A command of the developer tools' protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        self.client.issue_cmd(Devtools(body)).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Writes a picture of the whole page, at the present width, to `target/screenshots/<name>.png`.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let asked = json!({ "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", asked).await;
        let png = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            answer["data"].as_str().unwrap(),
        )
        .unwrap();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{name}.png"));
        std::fs::write(&path, png).unwrap();
        path
    }

    /// [`Self::picture`] at the size of a desk and of a phone.
    pub async fn pictures(&self, name: &str) {
        self.size(PHONE).await;
        self.picture(&format!("{name}-phone")).await;
        self.size(DESK).await;
        self.picture(&format!("{name}-desk")).await;
    }

    /// What the accessibility checker (axe-core) finds against WCAG 2.2 AA on the page, one line each.
    pub async fn accessibility_faults(&self) -> Vec<String> {
        let axe = tools().join("web/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .unwrap_or_else(|error| panic!("{}: {error}; run `make setup`", axe.display()));
        let run = "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
            .then(({ violations }) => JSON.stringify(violations.flatMap(({ id, nodes }) =>
                nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`))))";
        // By the developer tools, since the pages' own policy rightly lets no such script in.
        let asked =
            json!({ "expression": format!("{axe};{run}"), "awaitPromise": true, "returnByValue": true });
        let answer = self.devtools("Runtime.evaluate", asked).await;
        let found = answer["result"]["value"].as_str().unwrap_or_else(|| panic!("axe-core: {answer}"));
        serde_json::from_str(found).unwrap()
    }

    /// Fails the test with what the browser shows.
    async fn fail(&self, why: &str) -> ! {
        let address = self.client.current_url().await.map_or_else(|error| error.to_string(), String::from);
        panic!("{why}\n--- at {address}\n{}\n---", self.text().await);
    }
}

/// Notes when somebody clicked, and when the sign-in page came to which state since.
const WATCH: &str = "
    addEventListener('click', ({ timeStamp }) => { window.clickedAt = timeStamp; window.shownAt = {}; }, true);
    new MutationObserver((changes) => {
        window.shownAt ??= {};
        for (const { target } of changes) window.shownAt[target.dataset.shown] ??= performance.now();
    }).observe(document, { subtree: true, attributeFilter: ['data-shown'] });
";

/// Without the spaces that must not break, and without those of the layout.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `make setup` has put there.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools")
}

fn capabilities(settings: Settings, profile: &Path) -> Value {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--force-color-profile=srgb".to_owned(),
        format!("--user-data-dir={}", profile.join("chromium").display()),
        format!("--lang={}", settings.language.tag()),
        format!("--accept-lang={}", settings.language.tag()),
    ];
    arguments.extend(settings.arguments.iter().map(|argument| (*argument).to_owned()));
    let mut preferences = json!({ "intl.accept_languages": settings.language.tag() });
    if !settings.scripts {
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    json!({
        "browserName": "chrome",
        "pageLoadStrategy": "eager",
        "unhandledPromptBehavior": "ignore",
        "goog:chromeOptions": {
            "binary": "/usr/bin/chromium",
            "args": arguments,
            "prefs": preferences,
            // A person's browser has its blocker on.
            "excludeSwitches": ["disable-popup-blocking"],
        },
    })
}

/// chromedriver's own command for the developer tools' protocol.
#[derive(Debug)]
struct Devtools(String);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _address: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.clone()))
    }
}

/// How soon the page has to notice that no agent answers.
pub const NOTICED: Duration = Duration::from_secs(3);
