// The desk's side of the application of a provider of others: asks somebody there, shows two digits, and waits. What was
// answered is judged by the server; this page fetches its session when there is one.
const panel = document.querySelector("[data-application]");
if (panel) start(panel);

function start(panel) {
  const { application, txn, ask, wait, finish, next } = panel.dataset;
  const form = panel.querySelector("form");
  const again = panel.querySelector("[data-again]");
  // Which question the page waits for: what comes of another is not shown.
  let turn = 0;
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  form.elements.identifier.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const channel = (event.submitter ?? form.querySelector("button")).value;
    turn += 1;
    const mine = turn;
    show("asking");
    again.hidden = true;
    try {
      const identifier = form.elements.identifier.value;
      const asked = await say(ask, { txn, provider: application, identifier, channel });
      if (mine !== turn) return;
      if (asked.state === "failed") return over(asked);
      panel.querySelector("[data-number]").textContent = asked.number;
      for (const part of panel.querySelectorAll("[data-channel]")) part.hidden = part.dataset.channel !== channel;
      show("number");
      again.hidden = false;
      await follow(mine, asked.question);
    } catch {
      if (mine === turn) unreachable();
    }
  });
  again.querySelector("button").addEventListener("click", () => {
    turn += 1;
    again.hidden = true;
    show("form");
    form.elements.identifier.focus();
  });

  // Each request is held by the server until there is something to tell.
  async function follow(mine, question) {
    let failures = 0;
    while (mine === turn) {
      let stand;
      try {
        stand = await insist(wait, { txn, question });
        failures = 0;
      } catch {
        failures += 1;
        if (failures > 20) return mine === turn && unreachable();
        await pause(1000);
        continue;
      }
      if (mine !== turn || stand.state === "waiting") continue;
      return stand.state === "approved" ? enter(question) : over(stand);
    }
  }

  // It is approved for two minutes: a server that is out of order for a moment loses nothing. Where its answer was lost on the
  // way, the sign-in may be over, and the next page says how it stands: the session is there, or one signs in anew.
  async function enter(question) {
    again.hidden = true;
    for (let tries = 0; tries < 5; tries += 1) {
      try {
        const outcome = await insist(finish, { txn, question });
        const was = tries > 0 && outcome.code === "UPSTREAM-003";
        if (outcome.state !== "done" && !was) return over(outcome);
        show("done");
        return location.replace(next);
      } catch {
        await pause(1000);
      }
    }
    unreachable();
  }

  function unreachable() {
    turn += 1;
    show("offline");
    again.hidden = false;
  }

  function over(outcome) {
    turn += 1;
    panel.querySelector("[data-message]").textContent = outcome.message;
    panel.querySelector("[data-action]").textContent = outcome.action;
    panel.querySelector("[data-code]").textContent = outcome.code;
    show("failed");
    again.hidden = false;
  }

  function show(step) {
    for (const part of panel.querySelectorAll("[data-step]")) part.hidden = part.dataset.step !== step;
    panel.dataset.shown = step;
  }
}

async function say(address, words) {
  return (await post(address, words)).json();
}

// The same, where a server that fails is no answer: it is waited for as long as it says, half a minute at most.
async function insist(address, words) {
  const answer = await post(address, words);
  if (answer.status < 500) return answer.json();
  const seconds = Number(answer.headers.get("retry-after"));
  await pause(1000 * Math.min(seconds || 0, 30));
  throw new TypeError("no answer for now");
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
