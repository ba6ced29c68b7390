// A relying party made with the npm package `openid-client`, for the tests: code flow with PKCE, userinfo, refresh and
// sign-out against the provider's PSC discovery document. It shows what it received as JSON, for the test to read.
import http from "node:http";
import * as client from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT } = process.env;
const own = `http://127.0.0.1:${PORT}`;
const redirect_uri = `${own}/callback`;

const config = await client.discovery(
  new URL(`${ISSUER}/.well-known/wallet-openid-configuration`),
  CLIENT_ID,
  {},
  client.ClientSecretBasic(CLIENT_SECRET),
  { execute: [client.allowInsecureRequests] },
);

let pending = null;
let tokens = null;

const routes = {
  "/": async () => {
    pending = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
    };
    const address = client.buildAuthorizationUrl(config, {
      redirect_uri,
      scope: "openid scope_all",
      acr_values: "eidas1",
      state: pending.expectedState,
      nonce: pending.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pending.pkceCodeVerifier),
      code_challenge_method: "S256",
    });
    return { location: address.href };
  },
  "/callback": async (address) => {
    tokens = await client.authorizationCodeGrant(config, address, pending);
    const claims = tokens.claims();
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    return { json: { claims, userinfo, response: { ...tokens, id_token: undefined } } };
  },
  "/refresh": async () => {
    const before = tokens;
    tokens = await client.refreshTokenGrant(config, before.refresh_token);
    const userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    const rotated = tokens.refresh_token !== before.refresh_token;
    return { json: { claims: tokens.claims(), userinfo, rotated } };
  },
  "/replay": async (address) => {
    // What a thief of the last refresh token would do.
    const refresh_token = address.searchParams.get("token");
    return { json: await client.refreshTokenGrant(config, refresh_token) };
  },
  "/logout": async () => {
    const parameters = {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: `${own}/signed-out`,
      state: "a-state-of-logout",
    };
    return { location: client.buildEndSessionUrl(config, parameters).href };
  },
  "/signed-out": async (address) => ({ json: { signed_out: Object.fromEntries(address.searchParams) } }),
};

const server = http.createServer(async (request, response) => {
  const address = new URL(request.url, own);
  const route = routes[address.pathname];
  if (!route) return response.writeHead(404).end();
  try {
    const { location, json } = await route(address);
    if (location) return response.writeHead(303, { location }).end();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json));
  } catch (error) {
    const { code, error: oauth, error_description, cause } = error;
    const said = { failed: { message: error.message, code, error: oauth, error_description, cause: String(cause) } };
    response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify(said));
  }
});
server.listen(Number(PORT), "127.0.0.1");
