// A small application that signs its users in with Pro Santé Connect's protocol: at Sceau, at its sandbox, or at both and
// PSC. It does what a careful application does: state and nonce bound to the browser, PKCE, accounts found by national
// identifier and not by `sub`, failures of the provider told apart from refusals of the person.
import { randomUUID } from "node:crypto";
import http from "node:http";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT = "3000" } = process.env;
const own = `http://localhost:${PORT}`;
const redirect_uri = `${own}/callback`;

// Plain HTTP is for the sandbox on this machine; anywhere else the issuer is https.
const insecure = new URL(ISSUER).hostname === "localhost" ? [client.allowInsecureRequests] : [];
const issuer = await client.discovery(
  new URL(`${ISSUER}/.well-known/wallet-openid-configuration`),
  CLIENT_ID,
  {},
  client.ClientSecretBasic(CLIENT_SECRET),
  { execute: [...insecure, client.enableNonRepudiationChecks] },
);

// An application of several hospitals has one entry per issuer here. Accounts belong to people, whoever vouches for them:
// SubjectNameID is the same at every issuer, sub is not.
const accounts = new Map(); // SubjectNameID → account
const started = new Map(); // browser → what was asked
const sessions = new Map(); // browser → account

function accountOf(userinfo) {
  const id = userinfo.SubjectNameID;
  const known = accounts.get(id) ?? { id, signIns: 0 };
  accounts.set(id, known);
  known.signIns += 1;
  known.name = `${userinfo.given_name} ${userinfo.family_name}`;
  // Somebody with several professions chooses; somebody with none is an employee, or has a PSI account.
  const exercices = userinfo.SubjectRefPro?.exercices ?? [];
  known.professions = exercices.map((exercice) => exercice.codeProfession).filter((code) => code !== "");
  return known;
}

const routes = {
  "/login": async (_address, browser) => {
    const asked = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
    };
    started.set(browser, asked);
    const address = client.buildAuthorizationUrl(issuer, {
      redirect_uri,
      scope: "openid scope_all",
      acr_values: "eidas1",
      state: asked.expectedState,
      nonce: asked.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(asked.pkceCodeVerifier),
      code_challenge_method: "S256",
    });
    return { location: address.href };
  },
  "/callback": async (address, browser) => {
    const asked = started.get(browser);
    if (!asked) return { status: 400, json: { error: "this browser began no sign-in" } };
    started.delete(browser);
    const tokens = await client.authorizationCodeGrant(issuer, address, asked);
    const claims = tokens.claims();
    const userinfo = await client.fetchUserInfo(issuer, tokens.access_token, claims.sub);
    // The level is compared, and may be missing: what that means is this application's decision.
    const level = { eidas1: 1, eidas2: 2, eidas3: 3 }[claims.acr] ?? 0;
    sessions.set(browser, { account: accountOf(userinfo), level, idToken: tokens.id_token });
    return { location: "/me" };
  },
  "/me": async (_address, browser) => {
    const session = sessions.get(browser);
    if (!session) return { status: 401, json: { error: "nobody is signed in" } };
    return { json: { ...session.account, level: session.level } };
  },
  "/logout": async (_address, browser) => {
    const session = sessions.get(browser);
    sessions.delete(browser);
    const parameters = { id_token_hint: session?.idToken, post_logout_redirect_uri: `${own}/bye` };
    return { location: session ? client.buildEndSessionUrl(issuer, parameters).href : "/bye" };
  },
  "/bye": async () => ({ json: { bye: true } }),
};

function failed(error) {
  // The person said no: nothing is broken.
  if (error.error === "access_denied") return { status: 403, json: { error: "the person refused" } };
  console.error(error);
  return { status: 502, json: { error: "the identity provider does not answer as it should; try again" } };
}

const server = http.createServer(async (request, response) => {
  const address = new URL(request.url, own);
  const known = /(?:^|; )app=([0-9a-f-]{36})/.exec(request.headers.cookie ?? "")?.[1];
  const browser = known ?? randomUUID();
  const route = routes[address.pathname] ?? (async () => ({ status: 404, json: { error: "no such page" } }));
  const { location, status, json } = await route(address, browser).catch(failed);
  const headers = known ? {} : { "set-cookie": `app=${browser}; Path=/; HttpOnly; SameSite=Lax` };
  if (location) return response.writeHead(303, { ...headers, location }).end();
  headers["content-type"] = "application/json";
  response.writeHead(status ?? 200, headers).end(`${JSON.stringify(json)}\n`);
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on ${own}`));
