//! Chromium, driven through chromedriver.

use std::path::Path;
use std::process::Command;

use fantoccini::elements::Element;
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use super::{Place, Settings, Window};
use crate::harness::program::Program;

/// A Chromium. Dropping it ends it.
#[derive(Debug)]
pub struct Chromium {
    client: Client,
    _driver: Program,
}

impl Chromium {
    pub async fn start(settings: Settings, home: &Path) -> Self {
        let mut driver = Program::start(
            "chromedriver (package chromium-driver)",
            Command::new("chromedriver").arg("--port=0").env("HOME", home),
        );
        let port = driver
            .said("its port", |log| {
                log.split("successfully on port ").nth(1)?.split('.').next()?.parse::<u16>().ok()
            })
            .await;
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let capabilities = capabilities(settings, home);
        let client = ClientBuilder::new(connector)
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}; run `make setup`"));
        Self { client, _driver: driver }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub async fn open(&self, address: &str) -> Result<(), String> {
        self.client.goto(address).await.map_err(|error| error.to_string())
    }

    pub async fn address(&self) -> Option<String> {
        self.client.current_url().await.ok().map(String::from)
    }

    pub async fn text(&self, css: &str) -> Option<String> {
        self.client.find(Locator::Css(css)).await.ok()?.text().await.ok()
    }

    async fn shown(&self, place: &Place<'_>) -> Option<Element> {
        let locator = match place {
            Place::Css(css) => Locator::Css(css),
            Place::XPath(path) => Locator::XPath(path),
        };
        for element in self.client.find_all(locator).await.ok()? {
            if element.is_displayed().await.ok()? {
                return Some(element);
            }
        }
        None
    }

    pub async fn is_shown(&self, place: &Place<'_>) -> bool {
        self.shown(place).await.is_some()
    }

    pub async fn click(&self, place: &Place<'_>) -> Option<()> {
        let element = self.shown(place).await?;
        // A button that still waits for the script of its page would swallow the click.
        if !element.is_enabled().await.ok()? {
            return None;
        }
        element.click().await.ok()
    }

    pub async fn write(&self, css: &str, text: &str) -> Option<()> {
        self.shown(&Place::Css(css)).await?.send_keys(text).await.ok()
    }

    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Result<Value, String> {
        self.client.execute(script, arguments).await.map_err(|error| error.to_string())
    }

    pub async fn window(&self) -> Window {
        Window(String::from(self.client.window().await.unwrap()))
    }

    pub async fn windows(&self) -> Vec<Window> {
        self.client.windows().await.unwrap().into_iter().map(|window| Window(String::from(window))).collect()
    }

    pub async fn switch_to(&self, window: &Window) {
        let handle = WindowHandle::try_from(window.0.clone()).unwrap();
        self.client.switch_to_window(handle).await.unwrap();
    }

    pub async fn new_tab(&self) -> Window {
        Window(String::from(self.client.new_window(true).await.unwrap().handle))
    }

    pub async fn close_window(&self) {
        self.client.close_window().await.unwrap();
    }

    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    pub async fn size(&self, (width, height): (u32, u32)) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub async fn on_every_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// A picture of the whole page: PNG in base64.
    pub async fn picture(&self) -> String {
        let asked = json!({ "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", asked).await;
        answer["data"].as_str().unwrap().to_owned()
    }

    /// A command of the developer tools' protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.try_devtools(command, parameters).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The same, where the window may have closed itself.
    pub async fn try_devtools(&self, command: &str, parameters: Value) -> Result<Value, String> {
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        self.client.issue_cmd(Devtools(body)).await.map_err(|error| error.to_string())
    }
}

fn capabilities(settings: Settings, home: &Path) -> Value {
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
        format!("--user-data-dir={}", home.join("chromium").display()),
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
