//! Firefox as Debian ships it, driven by WebDriver BiDi over its own WebSocket: there is no driver program in between.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::bidi::Bidi;
use super::{Place, Settings, Window};
use crate::harness::program::Program;

/// A Firefox. Dropping it ends it.
#[derive(Debug)]
pub struct Firefox {
    bidi: Bidi,
    /// The window that is driven now.
    current: Mutex<String>,
    /// Whether pages may run scripts. Where they may not, neither can the test.
    scripts: bool,
    _program: Program,
}

impl Firefox {
    pub async fn start(settings: Settings, home: &Path) -> Self {
        let profile = home.join("firefox");
        std::fs::create_dir_all(&profile).unwrap();
        std::fs::write(profile.join("user.js"), preferences(settings)).unwrap();
        let mut command = Command::new("firefox-esr");
        command
            .args(["--headless", "--no-remote", "--new-instance", "--remote-debugging-port=0", "--profile"])
            .arg(&profile)
            .args(settings.arguments)
            .env("HOME", home);
        let mut program = Program::start("firefox-esr", &mut command);
        let port = program
            .said("its port", |log| {
                let (_, rest) = log.split_once("BiDi listening on ws://127.0.0.1:")?;
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                // The line may not be whole yet.
                rest.len().gt(&digits.len()).then(|| digits.parse::<u16>().ok())?
            })
            .await;
        let bidi = Bidi::connect(port).await;
        let scripts = settings.scripts;
        let firefox = Self { bidi, current: Mutex::default(), scripts, _program: program };
        let first = super::until("Firefox to have a window", async || firefox.windows().await.pop()).await;
        firefox.switch_to(&first).await;
        firefox
    }

    fn current(&self) -> String {
        self.current.lock().unwrap().clone()
    }

    /// A command whose parameters name the window that is driven now.
    async fn here(&self, method: &str, mut parameters: Value) -> Result<Value, String> {
        parameters["context"] = self.current().into();
        self.bidi.command(method, parameters).await
    }

    pub async fn open(&self, address: &str) -> Result<(), String> {
        self.here("browsingContext.navigate", json!({ "url": address, "wait": "interactive" }))
            .await
            .map(drop)
    }

    pub async fn address(&self) -> Option<String> {
        let tree =
            self.bidi.command("browsingContext.getTree", json!({ "root": self.current(), "maxDepth": 0 }));
        tree.await.ok()?["contexts"][0]["url"].as_str().map(str::to_owned)
    }

    pub async fn text(&self, css: &str) -> Option<String> {
        if !self.scripts {
            let found = self.located(&Place::Css(css), None).await?;
            return found.first().map(written);
        }
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        self.script(script, vec![css.into()]).await.ok()?.as_str().map(str::to_owned)
    }

    /// The elements there, with `depth` levels of what is in them, or all.
    async fn located(&self, place: &Place<'_>, depth: Option<u32>) -> Option<Vec<Value>> {
        let locator = match place {
            Place::Css(css) => json!({ "type": "css", "value": css }),
            Place::XPath(path) => json!({ "type": "xpath", "value": path }),
        };
        let asked = json!({ "locator": locator, "serializationOptions": { "maxDomDepth": depth } });
        let mut found = self.here("browsingContext.locateNodes", asked).await.ok()?;
        Some(found["nodes"].as_array_mut()?.drain(..).collect())
    }

    /// The first of the elements there that can be seen, by the browser's name for it.
    async fn shown(&self, place: &Place<'_>) -> Option<Value> {
        for node in self.located(place, Some(0)).await? {
            let reference = json!({ "sharedId": node["sharedId"] });
            // Where no script runs, nothing can be asked of an element, and nothing is hidden but by its attribute.
            let visible = if self.scripts {
                let is_visible =
                    "(element) => { element.scrollIntoView({ block: 'center', behavior: 'instant' });
                    return element.checkVisibility({ visibilityProperty: true }) }";
                let answer = self.call_in(&self.current(), is_visible, vec![reference.clone()]).await.ok()?;
                answer["value"] == true
            } else {
                node["value"]["attributes"].get("hidden").is_none()
            };
            if visible {
                return Some(reference);
            }
        }
        None
    }

    pub async fn is_shown(&self, place: &Place<'_>) -> bool {
        self.shown(place).await.is_some()
    }

    /// By a mouse, so that what a page does on it counts as a person's will.
    pub async fn click(&self, place: &Place<'_>) -> Option<()> {
        let element = self.shown(place).await?;
        let origin = json!({ "type": "element", "element": element });
        let mouse = json!({
            "type": "pointer",
            "id": "mouse",
            "parameters": { "pointerType": "mouse" },
            "actions": [
                { "type": "pointerMove", "x": 0, "y": 0, "origin": origin },
                { "type": "pointerDown", "button": 0 },
                { "type": "pointerUp", "button": 0 },
            ],
        });
        self.here("input.performActions", json!({ "actions": [mouse] })).await.ok().map(drop)
    }

    pub async fn write(&self, css: &str, text: &str) -> Option<()> {
        self.click(&Place::Css(css)).await?;
        let presses = text.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let keys = json!({ "type": "key", "id": "keys", "actions": presses.collect::<Vec<_>>() });
        self.here("input.performActions", json!({ "actions": [keys] })).await.ok().map(drop)
    }

    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Result<Value, String> {
        self.script_in(&self.current(), script, arguments).await
    }

    /// As [`Self::script`], in the window that Firefox itself is drawn in.
    pub async fn itself(&self, script: &str) -> Result<Value, String> {
        let asked = json!({ "moz:scope": "chrome", "maxDepth": 0 });
        let tree = self.bidi.command("browsingContext.getTree", asked).await?;
        let own = tree["contexts"][0]["context"].as_str().ok_or("Firefox has no window")?;
        self.script_in(own, script, Vec::new()).await
    }

    async fn script_in(&self, context: &str, script: &str, arguments: Vec<Value>) -> Result<Value, String> {
        // Values travel as JSON: BiDi has a notation of its own for them.
        let function = format!(
            "async (given) => {{
                const body = function () {{ {script} }};
                return JSON.stringify(await body.apply(null, JSON.parse(given)) ?? null);
            }}"
        );
        let given = json!({ "type": "string", "value": Value::from(arguments).to_string() });
        let answer = self.call_in(context, &function, vec![given]).await?;
        let text = answer["value"].as_str().ok_or_else(|| format!("{script}: {answer}"))?;
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    async fn call_in(&self, context: &str, function: &str, arguments: Vec<Value>) -> Result<Value, String> {
        let parameters = json!({
            "functionDeclaration": function,
            "arguments": arguments,
            "awaitPromise": true,
            "target": { "context": context },
        });
        let mut answer = self.bidi.command("script.callFunction", parameters).await?;
        if answer["type"] == "success" {
            Ok(answer["result"].take())
        } else {
            Err(answer["exceptionDetails"]["text"].to_string())
        }
    }

    pub async fn window(&self) -> Window {
        Window(self.current())
    }

    pub async fn windows(&self) -> Vec<Window> {
        let tree = self.bidi.command("browsingContext.getTree", json!({ "maxDepth": 0 })).await.unwrap();
        let name = |context: &Value| Window(context["context"].as_str().unwrap().to_owned());
        tree["contexts"].as_array().unwrap().iter().map(name).collect()
    }

    pub async fn switch_to(&self, window: &Window) {
        self.current.lock().unwrap().clone_from(&window.0);
        self.here("browsingContext.activate", json!({})).await.unwrap();
    }

    pub async fn new_tab(&self) -> Window {
        let tab = self.bidi.command("browsingContext.create", json!({ "type": "tab" })).await.unwrap();
        Window(tab["context"].as_str().unwrap().to_owned())
    }

    pub async fn close_window(&self) {
        self.here("browsingContext.close", json!({})).await.unwrap();
    }

    pub async fn back(&self) {
        self.here("browsingContext.traverseHistory", json!({ "delta": -1 })).await.unwrap();
    }

    pub async fn size(&self, (width, height): (u32, u32)) {
        let viewport = json!({ "viewport": { "width": width, "height": height }, "devicePixelRatio": 1 });
        self.here("browsingContext.setViewport", viewport).await.unwrap();
    }

    pub async fn on_every_page(&self, script: &str) {
        let function = json!({ "functionDeclaration": format!("() => {{ {script} }}") });
        self.bidi.command("script.addPreloadScript", function).await.unwrap();
    }

    /// A picture of the whole page: PNG in base64.
    pub async fn picture(&self) -> String {
        let taken = self.here("browsingContext.captureScreenshot", json!({ "origin": "document" })).await;
        taken.unwrap()["data"].as_str().unwrap().to_owned()
    }
}

/// All that is written in an element, by the browser's description of it.
fn written(node: &Value) -> String {
    if let Some(text) = node["value"]["nodeValue"].as_str() {
        return text.to_owned();
    }
    if node["value"]["localName"] == "style" {
        return String::new();
    }
    let children = node["value"]["children"].as_array();
    children.into_iter().flatten().map(written).collect::<Vec<_>>().join(" ")
}

/// The preferences of a person with this language; and nothing that looks for the Internet.
fn preferences(settings: Settings) -> String {
    let language = settings.language.tag();
    let preferences = [
        ("intl.accept_languages", json!(language)),
        ("javascript.enabled", json!(settings.scripts)),
        // A person's browser has its blocker on; one that is driven remotely has not, unless told.
        ("dom.disable_open_during_load", json!(true)),
        // A person is slower than the moment in which a new page takes no click.
        ("dom.input_events.security.minNumTicks", json!(0)),
        ("dom.input_events.security.minTimeElapsedInMS", json!(0)),
        ("app.normandy.enabled", json!(false)),
        ("app.update.disabledForTesting", json!(true)),
        ("browser.aboutwelcome.enabled", json!(false)),
        ("datareporting.policy.dataSubmissionEnabled", json!(false)),
        ("network.captive-portal-service.enabled", json!(false)),
        ("network.connectivity-service.enabled", json!(false)),
        ("services.settings.server", json!("data:,#remote-settings-dummy/v1")),
        ("toolkit.telemetry.enabled", json!(false)),
    ];
    preferences.iter().map(|(name, value)| format!("user_pref(\"{name}\", {value});\n")).collect()
}
