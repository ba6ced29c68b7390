// The application of the phone. It keeps the key of this installation in the browser's database, which does not give it
// away; takes the code of a pairing from its own address; scans the code of a waiting page with its own camera; and signs what
// its person decides: the key of the installation signs what was shown, with the challenge that the passkey signs.
const root = document.querySelector("[data-phone]");
const views = root.querySelectorAll("[data-view]");
const { server } = root.dataset;
// How far the clock of this phone is from the server's, in milliseconds.
let offset = 0;
let phone = null;
let opened = null;
let camera = null;
let detects = "BarcodeDetector" in window;

start();

async function start() {
  if (!window.PublicKeyCredential || !window.indexedDB || !crypto.subtle) return view("unsupported");
  for (const back of root.querySelectorAll("[data-back]")) back.addEventListener("click", home);
  one("home", "[data-scan]").addEventListener("click", scan);
  one("pair", "form").addEventListener("submit", (event) => attempt(event, bring));
  one("question", "form").addEventListener("submit", (event) => attempt(event, approve));
  one("question", "[data-refuse]").addEventListener("click", (event) => attempt(event, () => deny("refuse", "refused")));
  one("question", "[data-not-me]").addEventListener("click", (event) => attempt(event, () => deny("not-me", "guarded")));
  preparePush();
  document.addEventListener("visibilitychange", () => document.hidden || Promise.all([look(), quietPush()]));
  phone = await recall("this");
  const code = new URLSearchParams(location.hash.slice(1)).get("pair");
  if (code) {
    // It is good once, and nobody reads it off the address later.
    history.replaceState(null, "", location.pathname);
    return attempt(null, () => take(code));
  }
  if (await recall("next")) return attempt(null, confirmed);
  await home();
}

// Pairing.

let pairing = null;

async function take(code) {
  pairing = await say(root.dataset.take, { code });
  for (const name of root.querySelectorAll("[data-person]")) name.textContent = pairing.person;
  view("pair");
}

async function bring() {
  const credential = await navigator.credentials.create({ publicKey: forCreate(pairing.options) });
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  const proof = { aud: server, handle: pairing.handle, jwk: { kty, crv, x, y } };
  const installation = await sign(keys.privateKey, "sceau-phone-pairing+jwt", undefined, proof);
  const label = one("pair", "form").elements.label.value;
  const words = { handle: pairing.handle, credential: created(credential), installation, label };
  const { digits } = await say(root.dataset.bring, words);
  const waits = { handle: pairing.handle, credential: credential.id };
  await remember("next", { waits, digits, key: keys.privateKey });
  return confirmed();
}

// The digits are typed within minutes; meanwhile this phone may be put away, or lose its network.
async function confirmed() {
  const { waits, digits, key } = await recall("next");
  one("digits", "[data-digits]").textContent = digits.replace(/(\d{3})(?=\d)/, "$1 ");
  view("digits");
  notice("");
  for (;;) {
    await pause(1000);
    let step;
    try {
      step = await say(root.dataset.brought, waits);
    } catch (cause) {
      if (cause?.state !== "failed") continue;
      await remember("next", null);
      throw cause;
    }
    if (step.state !== "done") continue;
    phone = { id: step.phone, key };
    await remember("this", phone);
    await remember("next", null);
    return home();
  }
}

// What waits.

async function home() {
  stopCamera();
  opened = null;
  if (!phone) return view("unpaired");
  view("home");
  await look();
  follow();
  await quietPush();
  await showPush();
}

// While it is open, it looks every few seconds.
let following = 0;
async function follow() {
  const mine = ++following;
  while (mine === following && shown() === "home") {
    await pause(2000);
    if (mine === following && shown() === "home" && !document.hidden) await look();
  }
}

async function look() {
  if (!phone || shown() !== "home") return;
  try {
    const listed = await ask(root.dataset.list, {});
    for (const name of root.querySelectorAll("[data-person]")) name.textContent = listed.person;
    const list = one("home", "[data-waiting]");
    const rows = listed.waiting.map(({ question, application }) => {
      const [row, button] = [document.createElement("li"), document.createElement("button")];
      button.type = "button";
      button.textContent = application;
      button.dataset.open = question;
      button.addEventListener("click", (event) => attempt(event, () => open({ question })));
      row.append(button);
      return row;
    });
    const same = [...list.querySelectorAll("[data-open]")].map((button) => button.dataset.open).join();
    if (same !== listed.waiting.map(({ question }) => question).join()) list.replaceChildren(...rows);
    one("home", "[data-nothing]").hidden = listed.waiting.length > 0;
    // What was said of something else stays.
    if (root.dataset.notice === "offline") notice("");
  } catch (cause) {
    complain(cause);
  }
}

async function open(what) {
  opened = await ask(root.dataset.question, what);
  const { application, is_inside, is_program, browser, is_new_browser, digits } = JSON.parse(opened.context);
  one("question", "[data-application]").textContent = application;
  one("question", "[data-inside]").hidden = !is_inside;
  one("question", "[data-outside]").hidden = is_inside || is_program;
  one("question", "[data-anywhere]").hidden = !is_program;
  one("question", "[data-browser]").textContent = browser;
  one("question", "[data-program]").hidden = !is_program;
  one("question", "[data-new]").hidden = !is_new_browser;
  one("question", "[data-type]").hidden = digits === 0;
  const field = one("question", "form").elements.digits;
  field.value = "";
  field.required = digits > 0;
  view("question");
  if (digits > 0) field.focus();
}

// What the person says.

async function approve() {
  const publicKey = forGet(opened.options);
  const credential = await navigator.credentials.get({ publicKey });
  const digits = one("question", "form").elements.digits.value.replaceAll(/\D/g, "");
  const message = await answer("approve", { challenge: opened.options.challenge, ...(digits ? { digits } : {}) });
  await say(root.dataset.answer, { message, handle: opened.handle, credential: signed(credential) });
  opened = null;
  view("approved");
}

async function deny(decision, then) {
  await say(root.dataset.answer, { message: await answer(decision, {}) });
  opened = null;
  view(then);
}

async function answer(decision, more) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(opened.context));
  const words = { aud: server, question: opened.question, decision, context: text(hash), ...more };
  return sign(phone.key, "sceau-phone-answer+jwt", phone.id, words);
}

// The camera.

async function scan() {
  view("camera");
  notice("");
  const video = one("camera", "video");
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    view("home");
    return notice("no-camera");
  }
  // The person may have gone back while the browser asked them.
  if (shown() !== "camera") return stopCamera();
  video.srcObject = camera;
  await video.play().catch(() => {});
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const mine = camera;
  while (camera === mine) {
    await pause(150);
    if (!video.videoWidth || camera !== mine) continue;
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    context.drawImage(video, 0, 0);
    const code = await read(canvas, context);
    if (!code?.startsWith("SCEAU1.")) continue;
    stopCamera();
    return attempt(null, () => open({ code }), true);
  }
}

async function read(canvas, context) {
  if (detects) {
    try {
      const found = await new window.BarcodeDetector({ formats: ["qr_code"] }).detect(canvas);
      return found[0]?.rawValue;
    } catch {
      // Some have it and cannot use it.
      detects = false;
    }
  }
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return window.jsQR(data, width, height, { inversionAttempts: "dontInvert" })?.data;
}

function stopCamera() {
  for (const track of camera?.getTracks() ?? []) track.stop();
  camera = null;
}

// Messages.

async function ask(address, words, typ = "sceau-phone-ask+jwt") {
  for (const last of [false, true]) {
    const iat = Math.floor((Date.now() + offset) / 1000);
    const message = await sign(phone.key, typ, phone.id, { aud: server, iat, ...words });
    try {
      return await say(address, { message });
    } catch (cause) {
      // The clock of this phone is off: by how much is known now.
      if (last || cause.code !== "PHONE-003") throw cause;
    }
  }
}

async function sign(key, typ, kid, claims) {
  const encoder = new TextEncoder();
  const part = (value) => text(encoder.encode(JSON.stringify(value)));
  const header = kid ? { alg: "ES256", typ, kid } : { alg: "ES256", typ };
  const signed = `${part(header)}.${part(claims)}`;
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  return `${signed}.${text(await crypto.subtle.sign(algorithm, key, encoder.encode(signed)))}`;
}

async function say(address, words) {
  const answer = await post(address, words);
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (!Number.isNaN(date)) offset = date - Date.now();
  const said = await answer.json();
  if (said.state === "failed") throw said;
  return said;
}

// What is shown.

async function attempt(event, act, then) {
  event?.preventDefault();
  const button = event?.submitter ?? event?.currentTarget;
  notice("waiting");
  if (button instanceof HTMLButtonElement) button.disabled = true;
  try {
    await act();
    notice("");
  } catch (cause) {
    const kept = shown();
    // What was asked is over, or never was: the list says what still waits.
    const isOver = cause?.state === "failed" && kept === "question";
    if (isOver || then || !kept || kept === "digits") await home();
    complain(cause);
  } finally {
    if (button instanceof HTMLButtonElement) button.disabled = false;
  }
}

function complain(cause) {
  if (cause?.state === "failed") {
    for (const [name, words] of [["message", cause.message], ["action", cause.action], ["code", cause.code]]) {
      root.querySelector(`[data-${name}]`).textContent = words;
    }
    // The server knows this phone no more: it is paired anew.
    if (cause.code === "PHONE-004") {
      phone = null;
      view("unpaired");
    }
    return notice("failed");
  }
  notice(cause?.name === "TypeError" ? "offline" : "cancelled");
}

function notice(name) {
  for (const part of root.querySelectorAll("[data-notice]")) part.hidden = part.dataset.notice !== name;
  root.dataset.notice = name;
}

function view(name) {
  for (const part of views) part.hidden = part.dataset.view !== name;
  root.dataset.shown = name;
}

function shown() {
  return root.dataset.shown;
}

function one(name, what) {
  return root.querySelector(`[data-view="${name}"] ${what}`);
}

// The database of the browser: this phone, once it is paired.

function database() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("sceau-phone", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("phone");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

async function remember(name, value) {
  const db = await database();
  await finished(db.transaction("phone", "readwrite").objectStore("phone").put(value, name));
  await navigator.storage?.persist?.();
}

async function recall(name) {
  const db = await database();
  return (await finished(db.transaction("phone").objectStore("phone").get(name))) ?? null;
}

function finished(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
