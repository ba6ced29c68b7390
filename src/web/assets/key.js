// Security keys and passkeys: registers one ("Mes moyens d'identification"), and signs in with one, at a click, after an
// identifier, from the browser's own suggestions, or after a badge. What a browser or key made of a challenge goes to the
// server as it is: nothing is judged here.
const REGISTERED = "sceau-key-registered";
const registration = document.querySelector("[data-keys]");
if (registration) startRegistration(registration);
const registered = document.querySelector("[data-registered]");
if (registered && sessionStorage.getItem(REGISTERED)) sayRegistered();
// A challenge is good for five minutes.
const RENEWED = 4 * 60_000;
const panel = document.querySelector("[data-key]");
if (panel) startSignIn(panel);
for (const touch of document.querySelectorAll("[data-touch]")) startTouch(touch);

function startRegistration(section) {
  const form = section.querySelector("form");
  const button = form.querySelector("button");
  if (!window.PublicKeyCredential) return without(section, form);
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    register();
  });

  async function register() {
    button.disabled = true;
    show(section, "waiting");
    try {
      const second_factor = form.elements.second_factor?.checked ?? false;
      const asked = await say(section.dataset.options, { second_factor });
      if (asked.state === "failed") return settle(asked);
      const credential = await navigator.credentials.create({ publicKey: forCreate(asked.options) });
      const label = form.elements.label.value;
      const { handle } = asked;
      settle(await say(section.dataset.answer, { handle, label, second_factor, credential: created(credential) }));
    } catch (cause) {
      show(section, named(cause));
    } finally {
      enable(button);
    }
  }

  function settle(outcome) {
    if (outcome.state !== "done") return fail(section, outcome);
    sessionStorage.setItem(REGISTERED, "1");
    location.reload();
  }
}

// The page was loaded again to show the new key. Who works by keyboard or listens begins with it.
function sayRegistered() {
  sessionStorage.removeItem(REGISTERED);
  registered.hidden = false;
  registered.focus();
}

function startSignIn(panel) {
  const { txn, options, answer, next } = panel.dataset;
  const form = panel.querySelector("form");
  const button = form.querySelector("button");
  let suggestion = null;
  if (!window.PublicKeyCredential) return without(panel, form);
  enable(button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    atClick();
  });
  suggest();

  // The browser offers a passkey in the field of the identifier, without a click (conditional mediation).
  async function suggest() {
    if (!(await window.PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    suggestion = new AbortController();
    const { signal } = suggestion;
    let chosen;
    try {
      const asked = await say(options, { txn });
      if (asked.state === "failed") return;
      // Before its challenge is too old, another takes its place.
      const renew = setTimeout(() => signal.aborted || suggestAgain(), RENEWED);
      signal.addEventListener("abort", () => clearTimeout(renew));
      const publicKey = forGet(asked.options);
      const credential = await navigator.credentials.get({ publicKey, mediation: "conditional", signal });
      clearTimeout(renew);
      chosen = { handle: asked.handle, credential };
    } catch {
      // Nobody chose one, or a click took its place.
      return;
    }
    try {
      await bring(chosen.handle, chosen.credential);
    } catch (cause) {
      show(panel, named(cause));
    }
  }

  function suggestAgain() {
    suggestion?.abort();
    suggest();
  }

  async function atClick() {
    suggestion?.abort();
    button.disabled = true;
    show(panel, "waiting");
    try {
      const identifier = form.elements.identifier.value.trim();
      const asked = await say(options, identifier ? { txn, identifier } : { txn });
      if (asked.state === "failed") return settle(asked);
      await bring(asked.handle, await navigator.credentials.get({ publicKey: forGet(asked.options) }));
    } catch (cause) {
      show(panel, named(cause));
      suggestAgain();
    } finally {
      enable(button);
    }
  }

  async function bring(handle, credential) {
    show(panel, "waiting");
    settle(await say(answer, { txn, handle, credential: signed(credential) }));
  }

  function settle(outcome) {
    goOn(panel, outcome, next);
    // What was refused took the browser's own suggestion with it.
    if (outcome.state !== "done") suggestAgain();
  }
}

// A key is touched after a badge, or to be renewed: nothing is typed, and nothing is suggested.
function startTouch(panel) {
  const { txn, options, answer, next } = panel.dataset;
  const form = panel.querySelector("form");
  const button = form.querySelector("button");
  if (!window.PublicKeyCredential) return without(panel, form);
  enable(button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    show(panel, "waiting");
    try {
      const asked = await say(options, { txn });
      if (asked.state === "failed") return fail(panel, asked);
      const credential = await navigator.credentials.get({ publicKey: forGet(asked.options) });
      goOn(panel, await say(answer, { txn, handle: asked.handle, credential: signed(credential) }), next);
    } catch (cause) {
      show(panel, named(cause));
    } finally {
      enable(button);
    }
  });
}

function goOn(panel, outcome, next) {
  if (outcome.state !== "done") return fail(panel, outcome);
  show(panel, "done");
  location.replace(next);
}

// A browser without Web Authentication: there is nothing to press.
function without(section, form) {
  form.hidden = true;
  show(section, "unsupported");
}

// A button loses the focus when it is disabled: Enter asks again where nobody has gone elsewhere meanwhile.
function enable(button) {
  button.disabled = false;
  if (document.activeElement === document.body) button.focus();
}

function fail(section, outcome) {
  section.querySelector("[data-message]").textContent = outcome.message;
  section.querySelector("[data-action]").textContent = outcome.action;
  section.querySelector("[data-code]").textContent = outcome.code;
  show(section, "failed");
}

function show(section, state) {
  for (const notice of section.querySelectorAll("[data-state]")) notice.hidden = notice.dataset.state !== state;
  section.dataset.shown = state;
}

async function say(address, words) {
  return (await post(address, words)).json();
}

// What went wrong in the browser, by the names of Web Authentication §5.1.
function named(cause) {
  if (cause?.name === "InvalidStateError") return "known";
  if (cause?.name === "SecurityError") return "origin";
  if (cause?.name === "NotSupportedError") return "unsupported";
  if (cause?.name === "TypeError") return "offline";
  return "cancelled";
}
