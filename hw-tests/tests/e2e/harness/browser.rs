//! A real browser of its own: Chromium, or Firefox as Debian ships it. A test says which in its [`Settings`], and goes on
//! the same way in both.

mod authenticator;
mod bidi;
mod chromium;
mod firefox;
mod keyboard;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sceau::web::language::Language;
use serde_json::{Value, json};

use self::chromium::Chromium;
use self::firefox::Firefox;
use super::{until, within};

/// A desk: the size of an old screen in a ward.
pub const DESK: (u32, u32) = (1280, 800);
/// A phone held upright.
pub const PHONE: (u32, u32) = (390, 844);

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Chromium,
    Firefox,
}

/// What kind of browser.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub engine: Engine,
    /// The language of its user.
    pub language: Language,
    /// Whether pages may run scripts.
    pub scripts: bool,
    /// Whether pages may open windows.
    pub popups: bool,
    /// Further arguments of the program.
    pub arguments: &'static [&'static str],
}

impl Settings {
    /// The same in Firefox.
    pub const fn in_firefox(self) -> Self {
        Self { engine: Engine::Firefox, ..self }
    }
}

pub const FRENCH: Settings = Settings {
    engine: Engine::Chromium,
    language: Language::French,
    scripts: true,
    popups: true,
    arguments: &[],
};
pub const ENGLISH: Settings = Settings { language: Language::English, ..FRENCH };

/// A window or tab, by the name that its browser gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window(String);

/// Where an element is on a page.
#[derive(Debug)]
enum Place<'a> {
    Css(&'a str),
    XPath(&'a str),
}

#[derive(Debug)]
enum Driver {
    Chromium(Chromium),
    Firefox(Box<Firefox>),
}

/// The same call of whichever driver it is.
macro_rules! driven {
    ($browser:expr, $method:ident($($argument:expr),*)) => {
        match &$browser.driver {
            Driver::Chromium(driver) => driver.$method($($argument),*).await,
            Driver::Firefox(driver) => driver.$method($($argument),*).await,
        }
    };
}

/// A browser. Dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    language: Language,
    driver: Driver,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with an empty profile and the size of a desk.
    pub async fn start(settings: Settings) -> Self {
        Self::at_home(settings, |_| {}).await
    }

    /// As [`Self::start`], after `prepare` has put something into the home of its user.
    pub async fn at_home(settings: Settings, prepare: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        prepare(home.path());
        let driver = match settings.engine {
            Engine::Chromium => Driver::Chromium(Chromium::start(settings, home.path()).await),
            Engine::Firefox => Driver::Firefox(Box::new(Firefox::start(settings, home.path()).await)),
        };
        let browser = Self { language: settings.language, driver, _home: home };
        if !settings.popups {
            // What a popup blocker does, seen from a page.
            browser.on_every_page("window.open = () => null;").await;
        }
        browser.on_every_page(WATCH).await;
        browser.size(DESK).await;
        browser
    }

    /// What Chromium's driver offers beyond what is here.
    pub fn client(&self) -> &fantoccini::Client {
        self.chromium().client()
    }

    fn chromium(&self) -> &Chromium {
        match &self.driver {
            Driver::Chromium(chromium) => chromium,
            Driver::Firefox(_) => panic!("this is for Chromium only"),
        }
    }

    pub async fn open(&self, address: &str) {
        driven!(self, open(address)).unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    pub async fn address(&self) -> String {
        until("an address", async || driven!(self, address())).await
    }

    /// What a person sees of the page.
    pub async fn text(&self) -> String {
        plain(&driven!(self, text("body")).unwrap_or_default())
    }

    /// What a person sees of the first element that `css` selects.
    pub async fn text_of(&self, css: &str) -> String {
        self.element(css).await;
        driven!(self, text(css)).unwrap_or_default()
    }

    /// Waits for the first element that `css` selects and that can be seen.
    pub async fn element(&self, css: &str) {
        let place = Place::Css(css);
        let found = within(super::PATIENCE, async || driven!(self, is_shown(&place)).then_some(())).await;
        if found.is_none() {
            self.fail(&format!("there is no {css}")).await;
        }
    }

    /// Waits until it is there, and clicks it. A page that is being replaced meanwhile is asked again.
    pub async fn click(&self, css: &str) {
        self.click_at(&Place::Css(css), &format!("{css} cannot be clicked")).await;
    }

    /// Clicks the link or button that says `text`.
    pub async fn click_text(&self, text: &str) {
        let path = format!("//*[self::a or self::button][contains(., \"{text}\")]");
        self.click_at(&Place::XPath(&path), &format!("nothing says “{text}”")).await;
    }

    async fn click_at(&self, place: &Place<'_>, complaint: &str) {
        if within(super::PATIENCE, async || driven!(self, click(place))).await.is_none() {
            self.fail(complaint).await;
        }
    }

    /// Types `text` into the field that `css` selects, once it is there.
    pub async fn write(&self, css: &str, text: &str) {
        self.element(css).await;
        if driven!(self, write(css, text)).is_none() {
            self.fail(&format!("nothing can be typed into {css}")).await;
        }
    }

    /// Waits until the page shows `text`.
    pub async fn shows(&self, text: &str) {
        let shown = within(super::PATIENCE, async || self.text().await.contains(text).then_some(())).await;
        if shown.is_none() {
            self.fail(&format!("the page does not show “{text}”")).await;
        }
    }

    /// Waits until the page shows `text` no more.
    pub async fn gone(&self, text: &str) {
        let gone = within(super::PATIENCE, async || (!self.text().await.contains(text)).then_some(())).await;
        if gone.is_none() {
            self.fail(&format!("the page still shows “{text}”")).await;
        }
    }

    /// Waits until the address begins with `beginning`.
    pub async fn is_at(&self, beginning: &str) {
        let there =
            within(super::PATIENCE, async || driven!(self, address())?.starts_with(beginning).then_some(()))
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

    /// Unfolds what the text called `id` stands on, in its user's language.
    pub async fn unfold(&self, id: &str) {
        let text = self.language.texts().text(id);
        let path = format!("//summary[contains(., \"{text}\")]");
        self.click_at(&Place::XPath(&path), &format!("nothing to unfold says “{text}”")).await;
    }

    /// Chooses `value` in the list that `css` selects.
    pub async fn choose(&self, css: &str, value: &str) {
        self.click(&format!("{css} option[value=\"{value}\"]")).await;
    }

    /// How long after the last click the sign-in page came to `state`, by the page's own clock: the driver's would also
    /// measure how busy this machine is.
    pub async fn took_to_show(&self, state: &str) -> Duration {
        let took = self.script(&format!("return shownAt['{state}'] - clickedAt")).await;
        Duration::from_secs_f64(took.as_f64().unwrap_or_else(|| panic!("{state} was not shown")) / 1000.0)
    }

    pub async fn script(&self, script: &str) -> Value {
        self.script_with(script, Vec::new()).await
    }

    /// Runs `script` as the body of a function; what it returns.
    pub async fn script_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        driven!(self, script(script, arguments)).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The window that is driven now.
    pub async fn window(&self) -> Window {
        driven!(self, window())
    }

    pub async fn windows(&self) -> Vec<Window> {
        driven!(self, windows())
    }

    pub async fn switch_to(&self, window: &Window) {
        driven!(self, switch_to(window));
    }

    /// Waits for a second window beside `first`, and drives it from now on.
    pub async fn follow_popup(&self, first: &Window) {
        let popup =
            until("a popup", async || self.windows().await.into_iter().find(|window| window != first)).await;
        self.switch_to(&popup).await;
    }

    /// Waits until `first` is the only window, and drives it from now on.
    pub async fn popup_closed(&self, first: &Window) {
        until("the popup to close", async || (self.windows().await == [first.clone()]).then_some(())).await;
        self.switch_to(first).await;
    }

    /// Opens an empty tab, and drives it from now on.
    pub async fn new_tab(&self) -> Window {
        let tab = driven!(self, new_tab());
        self.switch_to(&tab).await;
        tab
    }

    /// Closes the window that is driven now; switch to another one then.
    pub async fn close_window(&self) {
        driven!(self, close_window());
    }

    /// Goes back, as a person does by the browser's own button.
    pub async fn back(&self) {
        driven!(self, back());
    }

    /// Makes the visible part of the page that large.
    pub async fn size(&self, size: (u32, u32)) {
        driven!(self, size(size));
    }

    /// Runs `script` on every page before the page's own scripts.
    pub async fn on_every_page(&self, script: &str) {
        driven!(self, on_every_page(script));
    }

    /// A command of the protocol of Chromium's developer tools.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.chromium().devtools(command, parameters).await
    }

    /// What Firefox itself answers to a script in its own window, with all of its powers. It has to be started with
    /// `--remote-allow-system-access`.
    pub async fn firefox_itself(&self, script: &str) -> Value {
        match &self.driver {
            Driver::Firefox(firefox) => firefox.itself(script).await.unwrap(),
            Driver::Chromium(_) => panic!("this is for Firefox only"),
        }
    }

    /// Writes a picture of the whole page, at the present width, to `target/screenshots/<name>.png`.
    pub async fn picture(&self, name: &str) -> PathBuf {
        let picture = driven!(self, picture());
        let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, picture).unwrap();
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
        let address = driven!(self, address()).unwrap_or_default();
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

/// How soon the page has to notice that no agent answers.
pub const NOTICED: Duration = Duration::from_secs(3);
