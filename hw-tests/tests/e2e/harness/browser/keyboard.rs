//! A person who has a keyboard and nothing else. Keys go in as the developer tools' events do, which the browser takes for
//! those of a real keyboard: what Tab skips cannot be reached, and what Enter does not do is not done.

use serde::Deserialize;
use serde_json::json;

use super::{Browser, plain};
use crate::harness::until;

/// More stops than any page has: a page on which Tab goes on for longer is a trap.
const MOST_STOPS: usize = 80;

/// Where the keyboard is on a page.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Stop {
    /// What a person reads there: the words of the button or link, or those of a field's label.
    pub name: String,
    /// The element, as far as that tells it from others.
    pub element: String,
    /// How far the ring around it stands out from what is behind, 1 to 21; 0 where there is none.
    contrast: f64,
    /// Its upper and left edge on the page, in pixels.
    top: f64,
    left: f64,
    /// Whether all of it, or a screenful, is in sight; of what only scrolls, a part (WCAG 2.2, 2.4.11).
    in_sight: bool,
}

impl Browser {
    async fn key(&self, key: &str, code: u32, text: &str, modifiers: u32) {
        let mut event = json!({
            "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers,
        });
        if !text.is_empty() {
            event["text"] = text.into();
        }
        self.devtools("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = "keyUp".into();
        // The first half may have closed the window.
        let _ = self.chromium().try_devtools("Input.dispatchKeyEvent", event).await;
    }

    pub async fn tab(&self) {
        self.key("Tab", 9, "", 0).await;
    }

    pub async fn shift_tab(&self) {
        self.key("Tab", 9, "", 8).await;
    }

    pub async fn enter(&self) {
        self.key("Enter", 13, "\r", 0).await;
    }

    pub async fn space(&self) {
        self.key(" ", 32, " ", 0).await;
    }

    /// Chooses all that stands in a field, to be typed over.
    pub async fn select_all(&self) {
        let event = json!({ "type": "keyDown", "key": "a", "modifiers": 2, "commands": ["selectAll"] });
        self.devtools("Input.dispatchKeyEvent", event).await;
    }

    /// Down in a list of choices.
    pub async fn arrow_down(&self) {
        self.key("ArrowDown", 40, "", 0).await;
    }

    /// Types into whatever has the keyboard.
    pub async fn types(&self, text: &str) {
        self.devtools("Input.insertText", json!({ "text": text })).await;
    }

    /// Where the keyboard is; nowhere at the beginning of a page.
    pub async fn stop(&self) -> Option<Stop> {
        serde_json::from_value(self.script(WHERE).await).unwrap()
    }

    /// Waits until the page has put the keyboard on what is called as the text `id` is in its user's language.
    pub async fn keyboard_is_on(&self, id: &str) {
        let name = plain(&self.language.texts().text(id));
        until(&format!("the keyboard to be on “{name}”"), async || {
            self.stop().await.filter(|stop| stop.name == name)
        })
        .await;
    }

    /// Goes forward by Tab alone to what is called as the text `id` is.
    pub async fn tab_to(&self, id: &str) {
        self.tab_to_name(&plain(&self.language.texts().text(id))).await;
    }

    /// Goes forward by Tab alone to what is called `name`.
    pub async fn tab_to_name(&self, name: &str) {
        self.walk_to(name, async || self.tab().await).await;
    }

    /// Goes back by Shift and Tab alone to what is called as the text `id` is.
    pub async fn shift_tab_to(&self, id: &str) {
        self.walk_to(&plain(&self.language.texts().text(id)), async || self.shift_tab().await).await;
    }

    async fn walk_to(&self, name: &str, step: impl AsyncFn()) {
        let mut passed = Vec::new();
        for _ in 0..MOST_STOPS {
            step().await;
            let Some(stop) = self.stop().await else { continue };
            if stop.name == name {
                return;
            }
            passed.push(stop.name);
        }
        self.fail(&format!("the keyboard does not reach “{name}”, only {passed:?}")).await;
    }

    /// What is wrong with this page for whoever has a keyboard alone, one line each: what cannot be reached, where it is not
    /// seen where the keyboard is, what comes in an order that is not that of the page, where there is no way on.
    pub async fn keyboard_faults(&self) -> Vec<String> {
        let controls: Vec<String> = serde_json::from_value(self.script(CONTROLS).await).unwrap();
        self.script("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)").await;
        // The page begins where nothing was chosen yet.
        self.devtools("Runtime.evaluate", json!({ "expression": BEGINNING })).await;
        let mut stops: Vec<Stop> = Vec::new();
        let mut faults = Vec::new();
        loop {
            self.tab().await;
            let Some(stop) = self.stop().await else { break };
            if stops.first().is_some_and(|first| first.element == stop.element) {
                break;
            }
            if stops.len() > MOST_STOPS || stops.iter().any(|known| known.element == stop.element) {
                faults.push(format!("Tab turns in circles at {}", stop.element));
                break;
            }
            stops.push(stop);
        }
        let reached: Vec<_> = stops.iter().map(|stop| stop.element.clone()).collect();
        faults.extend(
            controls
                .iter()
                .filter(|control| !reached.contains(control))
                .map(|control| format!("not reached: {control}")),
        );
        for stop in &stops {
            let Stop { name, element, contrast, in_sight, .. } = stop;
            if *contrast < 3.0 {
                faults.push(format!("the ring of {element} is not seen: {contrast:.1}"));
            }
            if !in_sight {
                faults.push(format!("{element} is not in sight"));
            }
            if name.is_empty() {
                faults.push(format!("{element} has no name"));
            }
        }
        for pair in stops.windows(2) {
            if let [before, after] = pair
                && (after.top + 4.0 < before.top
                    || ((after.top - before.top).abs() <= 4.0 && after.left < before.left))
            {
                faults
                    .push(format!("{} comes after {}, and stands before it", after.element, before.element));
            }
        }
        faults
    }
}

/// The beginning of the page, for the next Tab.
const BEGINNING: &str = "
    document.body.tabIndex = -1; document.body.focus({ preventScroll: true }); document.body.blur();
    document.body.removeAttribute('tabindex');
";

/// What has the keyboard, as a [`Stop`].
const WHERE: &str = r#"
    const element = document.activeElement;
    if (!element || element === document.body || element === document.documentElement) return null;
    const words = (node) => (node?.innerText ?? '').replace(/\s+/g, ' ').trim();
    const labelled = (element.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => words(document.getElementById(id)));
    const name = element.labels?.length ? words(element.labels[0]) : labelled.join(' ').trim() || words(element);
    const order = [...document.querySelectorAll('*')].indexOf(element);
    const parse = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
    let behind = element.parentElement, paper = [255, 255, 255, 0];
    while (behind) {
        paper = parse(getComputedStyle(behind).backgroundColor);
        if ((paper[3] ?? 1) === 1) break;
        behind = behind.parentElement;
    }
    const style = getComputedStyle(element);
    const ring = style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2 && parse(style.outlineColor);
    const [high, low] = ring ? [light(ring), light(paper)].sort((a, b) => b - a) : [0, 0];
    const box = element.getBoundingClientRect();
    const shown = Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
    return {
        name, element: `${element.localName} ${order} “${name}”`,
        contrast: ring ? (high + 0.05) / (low + 0.05) : 0,
        top: box.top + scrollY, left: box.left + scrollX,
        in_sight: shown >= (element.localName === 'pre' ? 24 : Math.min(box.height, innerHeight) - 1) && box.left >= -1 && box.right <= innerWidth + 1,
    };
"#;

/// Everything that can be operated and is seen, in the words of a [`Stop`]; of a group of choices the chosen one.
const CONTROLS: &str = r#"
    const words = (node) => (node?.innerText ?? '').replace(/\s+/g, ' ').trim();
    const all = [...document.querySelectorAll('*')];
    return [...document.querySelectorAll('a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary')]
        .filter((element) => element.type !== 'hidden' && element.checkVisibility())
        .filter((element) => element.type !== 'radio' || element.checked)
        .map((element) => {
            const name = element.labels?.length ? words(element.labels[0]) : words(element);
            return `${element.localName} ${all.indexOf(element)} “${name}”`;
        });
"#;
