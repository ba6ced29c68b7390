// Being woken: once the person has touched it, the browser subscribes with its push service, and the server is told
// where. At each opening it is told again, for both may have lost it meanwhile.
const push = document.querySelector("[data-push]");
// A browser that reaches no push service may never say so.
const patience = 15_000;

function preparePush() {
  if (!push) return;
  push.querySelector("[data-push-on]").addEventListener("click", (event) => attempt(event, wantPush));
  push.querySelector("[data-push-again]").addEventListener("click", (event) => attempt(event, renewPush));
  push.querySelector("[data-push-off]").addEventListener("click", (event) => attempt(event, endPush));
}

let script = null;
let renewed = false;
async function showPush() {
  if (!push) return;
  if (!navigator.serviceWorker || !window.PushManager || !window.Notification) return pushIs("absent");
  if (Notification.permission === "denied") return pushIs("denied");
  if (Notification.permission !== "granted" || !(await recall("push"))) return pushIs("off");
  if (renewed) return;
  renewed = true;
  await renewPush();
}

async function wantPush() {
  const permission = await Notification.requestPermission();
  if (permission !== "granted") return pushIs(permission === "denied" ? "denied" : "off");
  await remember("push", true);
  await renewPush();
}

async function renewPush() {
  try {
    await tell(push.dataset.say, await subscription());
    pushIs("on");
  } catch (cause) {
    pushIs("failed");
    // What the server says of it is more than this page knows.
    if (cause?.state === "failed") throw cause;
  }
}

async function endPush() {
  await tell(push.dataset.say, null);
  await remember("push", null);
  const registration = await navigator.serviceWorker.getRegistration(push.dataset.scope);
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
  pushIs("off");
}

async function subscription() {
  const { worker, scope, key } = push.dataset;
  // Our own address and no other may become a worker of this page.
  const policy = script ? null : window.trustedTypes?.createPolicy("phone-worker", { createScriptURL: () => worker });
  script ??= policy?.createScriptURL("") ?? worker;
  await navigator.serviceWorker.register(script, { scope });
  const { pushManager } = await soon(navigator.serviceWorker.ready);
  let own = await pushManager.getSubscription();
  // The server has another key by now: the push service would take nothing of it.
  if (own && text(own.options.applicationServerKey) !== key) {
    await own.unsubscribe();
    own = null;
  }
  own ??= await soon(pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) }));
  const { endpoint, keys } = own.toJSON();
  return { endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth }, key };
}

async function tell(address, subscription) {
  const claims = { jti: crypto.randomUUID(), subscription };
  await ask(address, claims, "sceau-phone-push+jwt");
}

function soon(promise) {
  return Promise.race([promise, pause(patience).then(() => Promise.reject(new Error("not in time")))]);
}

function pushIs(state) {
  push.hidden = false;
  push.dataset.state = state;
  for (const part of push.querySelectorAll("[data-push-is]")) part.hidden = part.dataset.pushIs !== state;
}

// What was shown has been seen.
async function quietPush() {
  const registration = push && (await navigator.serviceWorker?.getRegistration(push.dataset.scope));
  for (const shown of (await registration?.getNotifications()) ?? []) shown.close();
}
