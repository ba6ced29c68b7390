// The browser's side of the card protocol. The form already works without this script, in the same tab; this opens the
// agent in a popup, notices when no agent answers, and goes on when the card has been read.
const panel = document.querySelector("[data-card]");
if (panel) start(panel);

function start(panel) {
  const { txn, request, status, events, noticed, next } = panel.dataset;
  const form = panel.querySelector("form");
  const query = `?txn=${encodeURIComponent(txn)}`;
  const left = `sceau-left-${txn}`;
  const channel = new BroadcastChannel("sceau-card");

  // A card request lives 120 s, and an agent takes each one once.
  const FRESH = 90_000;
  let madeAt = Date.now();
  let used = false;
  let attempt = 0;
  let told = 0;
  let popup = null;
  let source = null;
  let poll = 0;
  let over = false;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    inPopup();
  });
  const badge = panel.querySelector("[data-badge]");
  if (badge) {
    badge.hidden = false;
    for (const also of document.querySelectorAll("[data-with-badge]")) also.hidden = false;
    badge.querySelector("button").addEventListener("click", () => tap(badge.dataset));
  }
  panel.querySelector("[data-same-tab]")?.addEventListener("click", () => inThisTab());
  channel.addEventListener("message", ({ data }) => {
    if (data?.txn !== txn) return;
    if (data.state === "done" || data.state === "cancelled") {
      channel.postMessage({ txn, state: "heard" });
      settle(data, true);
    }
  });
  window.addEventListener("pageshow", () => {
    if (sessionStorage.getItem(left)) cameBack();
  });

  async function inPopup() {
    const mine = ++attempt;
    closePopup();
    // First of all, while the click still counts: browsers block a popup that is opened later.
    popup = window.open("", "sceau-card", placed(480, 700));
    if (!popup) return inThisTab();
    show("opening");
    try {
      await renew();
    } catch (cause) {
      closePopup();
      return show(cause.state ?? "offline");
    }
    if (mine !== attempt) return;
    used = true;
    form.target = "sceau-card";
    form.submit();
    watch(popup, mine);
    listen();
  }

  async function inThisTab() {
    attempt += 1;
    closePopup();
    show("opening");
    try {
      await renew();
    } catch (cause) {
      return show(cause.state ?? "offline");
    }
    used = true;
    sessionStorage.setItem(left, "1");
    form.target = "_self";
    form.submit();
  }

  // The card is tapped after this click, and what comes of it comes back in answer to these questions alone: with the
  // session's cookie, in this browser.
  async function tap({ ask, wait }) {
    const mine = ++attempt;
    closePopup();
    hush();
    show("badge-asking");
    try {
      let outcome = await say(ask, { txn });
      while (mine === attempt && outcome.state === "open") {
        show("badge-waiting");
        outcome = await say(wait, { txn, wait: 20 });
      }
      if (mine === attempt) settle(outcome, true);
    } catch {
      if (mine === attempt) show("offline");
    }
  }

  async function say(address, words) {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(words), cache: "no-store" });
    if (answer.status === 403 || answer.status === 409) return { state: "expired" };
    if (!answer.ok) throw answer.status;
    return answer.json();
  }

  // The agent's pages carry Cross-Origin-Opener-Policy: once one of them is there, the popup looks closed from here.
  // A browser's own "cannot connect" page leaves it open, but no longer ours to look into.
  function watch(popup, mine) {
    const since = Date.now();
    let strange = 0;
    const timer = setInterval(() => {
      if (mine !== attempt || over) return clearInterval(timer);
      const waited = Date.now() - since;
      strange = looksInto(popup) ? 0 : strange + 1;
      if (popup.closed) {
        clearInterval(timer);
        show("waiting");
      } else if (strange > 5 || waited > 10_000) {
        clearInterval(timer);
        closePopup();
        hush();
        noAgent(mine);
      } else if (waited > 2000 && panel.dataset.shown === "opening") {
        // Said in time, but a slow workstation may still answer.
        noAgent(mine);
      }
    }, 100);
  }

  function noAgent(mine) {
    show("no-agent");
    if (told !== mine) tell("WEB-010");
    told = mine;
  }

  // For the audit trail: the server cannot see that no agent answered.
  function tell(code) {
    const body = JSON.stringify({ txn, code });
    fetch(noticed, { method: "POST", headers: { "content-type": "application/json" }, body, keepalive: true }).catch(() => {});
  }

  function looksInto(popup) {
    try {
      return typeof popup.location.href === "string";
    } catch {
      return false;
    }
  }

  async function renew() {
    if (!used && Date.now() - madeAt < FRESH) return;
    const answer = await fetch(request + query, { cache: "no-store", headers: { accept: "application/json" } });
    if (answer.status === 404 || answer.status === 410) throw { state: "expired" };
    if (!answer.ok) throw { state: "offline" };
    form.elements.request.value = (await answer.json()).request;
    madeAt = Date.now();
    used = false;
  }

  function listen() {
    hush();
    source = new EventSource(events + query);
    source.addEventListener("message", ({ data }) => settle(JSON.parse(data)));
    source.addEventListener("error", () => {
      hush();
      poll = setInterval(ask, 2000);
    });
  }

  async function ask() {
    try {
      const answer = await fetch(status + query, { cache: "no-store", headers: { accept: "application/json" } });
      if (answer.status === 404 || answer.status === 410) settle({ state: "expired" });
      else if (answer.ok) settle(await answer.json());
    } catch {
      // The network may come back; the next turn asks again.
    }
  }

  function hush() {
    source?.close();
    source = null;
    clearInterval(poll);
  }

  function settle(outcome, fromPopup = false) {
    if (over && fromPopup) goOn();
    if (over || outcome.state === "open") return;
    sessionStorage.removeItem(left);
    attempt += 1;
    hush();
    if (outcome.state === "failed") {
      panel.querySelector("[data-message]").textContent = outcome.message;
      panel.querySelector("[data-action]").textContent = outcome.action;
      panel.querySelector("[data-code]").textContent = outcome.code;
    }
    show(outcome.state);
    if (outcome.state === "done") {
      over = true;
      // The server says it a moment before the popup has the session's cookie, and the popup closes once it has heard
      // that somebody waits. It speaks soon, unless the person has closed it.
      if (fromPopup) goOn();
      else setTimeout(goOn, 3000);
    }
  }

  // Asked for with the session's cookie: a browser that did not sign in gets nothing there.
  function goOn() {
    location.replace(next);
  }

  async function cameBack() {
    sessionStorage.removeItem(left);
    used = true;
    show("came-back");
    tell("WEB-011");
    await ask();
  }

  function closePopup() {
    if (popup && !popup.closed) popup.close();
    popup = null;
  }

  function show(state) {
    for (const notice of panel.querySelectorAll("[data-state]")) notice.hidden = notice.dataset.state !== state;
    const again = state === "waiting";
    for (const label of panel.querySelectorAll("[data-label]")) {
      label.hidden = (label.dataset.label === "again") !== again;
    }
    panel.dataset.shown = state;
  }

  function placed(width, height) {
    const x = Math.round(window.screenX + Math.max(0, (window.outerWidth - width) / 2));
    const y = Math.round(window.screenY + Math.max(0, (window.outerHeight - height) / 3));
    return `popup,width=${width},height=${height},left=${x},top=${y}`;
  }
}
