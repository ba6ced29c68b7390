// The desk's side of a phone: pairs one from the page of means, and waits for one on the sign-in page. What the phone
// answered is judged by the server; this page draws a code, shows a number, and fetches its session when there is one.
const pairing = document.querySelector("[data-pair]");
if (pairing) startPairing(pairing);
const panel = document.querySelector("[data-wait]");
if (panel) startWaiting(panel);

function startPairing(section) {
  const { begin, status, confirm } = section.dataset;
  const start = section.querySelector("[data-start]");
  const form = section.querySelector("form");
  let current = null;
  start.disabled = false;
  start.addEventListener("click", async () => {
    start.disabled = true;
    try {
      const begun = await say(begin, {});
      if (begun.state === "failed") return fail(section, begun);
      current = begun.pairing;
      draw(section.querySelector("[data-qr]"), begun.code);
      show(section, "code");
      follow(current);
    } catch {
      show(section, "offline");
    } finally {
      start.disabled = false;
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const outcome = await say(confirm, { pairing: current, digits: form.elements.digits.value });
      if (outcome.state === "done") return location.reload();
      fail(section, outcome);
      form.elements.digits.value = "";
      // There are a few tries; then the code has to be asked for anew.
      if (outcome.code === "PHONE-007") form.hidden = false;
      form.elements.digits.focus();
    } catch {
      show(section, "offline");
    }
  });

  // One question a second, for the few minutes that it takes.
  async function follow(mine) {
    let shown = "code";
    while (mine === current) {
      await pause(1000);
      let step;
      try {
        step = await say(status, { pairing: mine });
      } catch {
        continue;
      }
      if (mine !== current) return;
      if (step.state === "failed") return fail(section, step);
      if (step.state === shown) continue;
      shown = step.state;
      show(section, shown);
      if (shown === "digits") {
        form.elements.digits.focus();
        return;
      }
    }
  }
}

function startWaiting(panel) {
  const { txn, ask, events, wait, finish, next } = panel.dataset;
  const form = panel.querySelector("form");
  const again = panel.querySelector("[data-again]");
  const drawing = panel.querySelector("[data-qr]");
  let source = null;
  let number = false;
  // What the page was told last, and of which waiting that was.
  let told = null;
  let turn = 0;
  // Something on the way keeps the events until there are more of them, or does not let them through.
  let blocked = false;
  let silence;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    stop();
    try {
      const asked = await say(ask, { txn, identifier: form.elements.identifier.value.trim() });
      if (asked.state === "failed") return over(asked);
      panel.querySelector("[data-number]").textContent = asked.number.replace(/(\d{3})(?=\d)/, "$1 ");
      panel.querySelector("[data-other]").open = false;
      number = true;
      show(panel, "number");
      listen(false);
    } catch {
      unreachable();
    }
  });
  again.querySelector("button").addEventListener("click", () => {
    number = false;
    listen(true);
  });
  listen(true);

  function listen(scan) {
    stop();
    again.hidden = true;
    told = null;
    if (blocked) return hold(scan);
    source = new EventSource(`${events}?txn=${encodeURIComponent(txn)}${scan ? "&scan=true" : ""}`);
    // It says how things stand at once, and that it is alive every ten seconds.
    expect(3000);
    source.addEventListener("message", ({ data }) => {
      expect(25000);
      settle(JSON.parse(data));
    });
    source.addEventListener("beat", () => expect(25000));
    source.addEventListener("error", () => {
      // The browser tries again by itself, unless it was told not to; why, an answer with words says.
      if (source?.readyState === EventSource.CLOSED) hold(scan);
    });

    function expect(milliseconds) {
      clearTimeout(silence);
      silence = setTimeout(() => {
        blocked = true;
        hold(scan);
      }, milliseconds);
    }
  }

  // The same by requests, each held by the server until there is something to tell.
  async function hold(scan) {
    stop();
    const mine = turn;
    let failures = 0;
    while (mine === turn) {
      try {
        const stand = await say(wait, { txn, scan, told });
        failures = 0;
        if (mine === turn) await settle(stand);
      } catch {
        if (mine !== turn) return;
        failures += 1;
        if (failures > 10) return unreachable();
        await pause(1000);
      }
    }
  }

  async function settle(stand) {
    told = stand.state;
    if (stand.state === "code") {
      draw(drawing, stand.qr);
      return show(panel, "code");
    }
    if (stand.state === "waiting") return number || show(panel, "waiting");
    stop();
    if (stand.state !== "approved") return over(stand);
    // It is approved for two minutes: a network that is lost for a moment loses nothing.
    for (let tries = 0; tries < 5; tries += 1) {
      try {
        const outcome = await say(finish, { txn });
        if (outcome.state !== "done") return over(outcome);
        show(panel, "done");
        return location.replace(next);
      } catch {
        await pause(1000);
      }
    }
    unreachable();
  }

  function unreachable() {
    stop();
    number = false;
    show(panel, "offline");
    again.hidden = false;
  }

  function over(outcome) {
    number = false;
    fail(panel, outcome);
    again.hidden = false;
  }

  function stop() {
    clearTimeout(silence);
    turn += 1;
    source?.close();
    source = null;
  }
}

// Dark modules as one path, with the quiet zone of four modules that the standard asks for.
function draw(svg, { size, modules }) {
  const quiet = 4;
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  let d = "";
  for (let at = 0; at < modules.length; at += 1) {
    if (modules[at] === "1") d += `M${quiet + (at % size)} ${quiet + Math.floor(at / size)}h1v1h-1z`;
  }
  path.setAttribute("d", d);
  svg.setAttribute("viewBox", `0 0 ${size + 2 * quiet} ${size + 2 * quiet}`);
  svg.replaceChildren(path);
}

function fail(section, outcome) {
  section.querySelector("[data-message]").textContent = outcome.message;
  section.querySelector("[data-action]").textContent = outcome.action;
  section.querySelector("[data-code]").textContent = outcome.code;
  show(section, "failed");
}

function show(section, step) {
  for (const part of section.querySelectorAll("[data-step]")) part.hidden = part.dataset.step !== step;
  section.dataset.shown = step;
}

async function say(address, words) {
  return (await post(address, words)).json();
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
