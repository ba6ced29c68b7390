// What the scenarios of `openid-client` share: a browser without a window, the control interface of the sandbox, requests
// that are written down, and refusals as the library reports them.
//
// A `send` does what `fetch` does; that of `tls.mjs` shows a certificate.
import { randomUUID } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import * as client from "openid-client";

export const { ISSUER, CONTROL } = process.env;
export const REDIRECT = "http://localhost:8084/callback";
export const SIGNED_OUT = "http://localhost:8084/signed-out";
export const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
export const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";

// Plain HTTP is the sandbox's, on this machine.
const insecure = new URL(ISSUER).protocol === "http:" ? [client.allowInsecureRequests] : [];

// The provider as one client sees it. Discovery is read each time: it belongs to what is tried.
export const provider = (id, metadata, authentication, send = fetch) =>
  client.discovery(new URL(ISSUER), id, metadata, authentication, {
    execute: [...insecure, client.enableNonRepudiationChecks],
    [client.customFetch]: send,
  });

// Follows redirects with its cookies, as a browser does, until it would leave the provider: then the address that it would
// go to, else the page that it is on.
export class Browser {
  #cookies = new Map();
  #send;

  constructor(send = fetch) {
    this.#send = send;
  }

  async visit(address, form) {
    for (let next = address; ; form = undefined) {
      const headers = { cookie: [...this.#cookies].map((pair) => pair.join("=")).join("; ") };
      if (form) headers.origin = new URL(next).origin;
      const method = form ? "POST" : "GET";
      const answer = await this.#send(next, { method, headers, body: form, redirect: "manual" });
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
        this.#cookies.set(name, value);
      }
      const location = answer.headers.get("location");
      if (!location) return { address: next, status: answer.status, text: await answer.text() };
      next = new URL(location, next).href;
      if (next.startsWith("http://localhost:8084/")) return new URL(next);
    }
  }
}

// Something that the sandbox's control interface is told.
async function tell(path, body, method = "POST") {
  const answer = await fetch(`${CONTROL}${path}`, { method, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
}

export const nextIs = (person) => tell("sign-ins", { person });
export const switches = (changes) => tell("switches", changes, "PATCH");

export async function register(id, profile, metadata = {}, more = {}) {
  const secret = randomUUID();
  await tell("clients", {
    client_id: id,
    client_secret: secret,
    redirect_uris: [REDIRECT],
    post_logout_redirect_uris: [SIGNED_OUT],
    profile,
    metadata,
    ...more,
  });
  return secret;
}

// A key of a client, made for this run: the pair, and what is registered of it.
export async function key(alg = "ES256") {
  const pair = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { ...pair, kid, jwk: { ...jwk, kid, alg, use: "sig" }, signing: { key: pair.privateKey, kid } };
}

export const thumbprint = async (pair) => calculateJwkThumbprint(await exportJWK(pair.publicKey));

// What the authorization request and its answer are held together by, and the parameters of both.
export async function request(more = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
  };
  const parameters = {
    redirect_uri: REDIRECT,
    scope: "openid profile scope_all",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: "S256",
    ...more,
  };
  return { checks, parameters };
}

// The code flow from its beginning: the answer's address, to be redeemed once, and what redeems it.
export async function answered(config, browser, more) {
  const { checks, parameters } = await request(more);
  const callback = await browser.visit(client.buildAuthorizationUrl(config, parameters).href);
  return { callback, checks };
}

// The claims of a token of the provider's, which whoever holds it may read but has not verified.
export const read = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

// Writes down what goes over the wire: the path, the proof and the form that went, what came back.
export function watched(config, send = fetch) {
  const seen = [];
  config[client.customFetch] = async (address, options) => {
    const answer = await send(address, options);
    const body = await answer.clone().text();
    const error = answer.status >= 400 ? JSON.parse(body || "{}").error : undefined;
    const headers = new Headers(options.headers);
    const form = Object.fromEntries(new URLSearchParams(options.body?.toString()));
    seen.push({ path: new URL(address).pathname.split("/").pop(), status: answer.status, error, form, headers });
    return answer;
  };
  return seen;
}

// Why the provider refused; that it did not is said as well.
export async function refusal(promise) {
  try {
    const got = await promise;
    return { accepted: got?.status ?? true };
  } catch (error) {
    // A challenge (401) is reported with its response, another refusal with what the response said.
    if (error instanceof client.WWWAuthenticateChallengeError) {
      const said = await error.response.json();
      return { error: error.cause[0].parameters.error ?? said.error, status: error.status };
    }
    if (!error.error) throw error;
    return { error: error.error, status: error.status };
  }
}
