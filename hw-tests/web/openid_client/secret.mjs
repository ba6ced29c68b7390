// A client with a secret, and those around it: code, userinfo, refresh, introspection by itself and by others, exchange at
// the server of an API, revocation, sign-out; and what a thief of each would try.
import * as client from "openid-client";
import * as support from "./support.mjs";

const API = "https://api.hopital.example/dossiers";
const { Browser, answered, nextIs, provider, read, refusal, register } = support;

const secret = await register("application", "standard", { resources: [API] });
const others = {
  // The server of an API: it may look at every token, and exchange those that are for its API.
  api: [{ grant_types: [support.EXCHANGE], resources: [API], scope: "dossier.lire" }, { may_introspect: true }],
  stranger: [{}, {}],
};
for (const [id, [metadata, more]] of Object.entries(others)) {
  const own = await register(id, "standard", metadata, more);
  others[id] = await provider(id, {}, client.ClientSecretBasic(own));
}
const config = await provider("application", {}, client.ClientSecretBasic(secret));
const redeem = ({ callback, checks }) => client.authorizationCodeGrant(config, callback, checks);
const said = {};

// --- code, userinfo, refresh -------------------------------------------------------------------------------------------
await nextIs("doctor");
const browser = new Browser();
const first = await redeem(await answered(config, browser));
const { sub, acr, amr } = first.claims();
const { SubjectNameID } = await client.fetchUserInfo(config, first.access_token, sub);
said.signIn = { acr, amr, SubjectNameID, audience: read(first.access_token).aud };
const second = await client.refreshTokenGrant(config, first.refresh_token);
said.refresh = {
  rotated: second.refresh_token !== first.refresh_token,
  same: second.claims().sub === sub,
  renewed: second.access_token !== first.access_token,
};

// --- introspection -----------------------------------------------------------------------------------------------------
const seenBy = async (by, token) => {
  const { active, client_id, username, scope } = await client.tokenIntrospection(by, token);
  return { active, client_id, username, scope };
};
said.introspection = {
  own: await seenBy(config, second.access_token),
  refreshToken: (await seenBy(config, second.refresh_token)).active,
  api: await seenBy(others.api, second.access_token),
  stranger: await client.tokenIntrospection(others.stranger, second.access_token),
};

// --- exchange ----------------------------------------------------------------------------------------------------------
const forApi = await redeem(await answered(config, browser, { resource: API }));
const exchange = (by, token, more) =>
  client.genericGrantRequest(by, support.EXCHANGE, {
    subject_token: token,
    subject_token_type: support.ACCESS_TOKEN,
    ...more,
  });
const exchanged = await exchange(others.api, forApi.access_token, { audience: API, scope: "dossier.lire" });
const { aud, act, scope, client_id } = read(exchanged.access_token);
const looked = await client.tokenIntrospection(others.api, exchanged.access_token);
said.exchange = {
  token: { aud, act, scope, client_id, same: read(exchanged.access_token).sub === sub },
  response: { issued_token_type: exchanged.issued_token_type, refresh: "refresh_token" in exchanged },
  introspected: { active: looked.active, act: looked.act },
  // A token for the API alone is none for userinfo.
  atUserinfo: await refusal(client.fetchUserInfo(config, forApi.access_token, sub)),
  elsewhere: await refusal(exchange(others.api, forApi.access_token, { audience: "https://autre.example" })),
  // Meant for userinfo and not for the API.
  notForIt: await refusal(exchange(others.api, second.access_token, { audience: API })),
  byStranger: await refusal(exchange(others.stranger, forApi.access_token, { audience: API })),
};

// --- revocation --------------------------------------------------------------------------------------------------------
await client.tokenRevocation(config, second.refresh_token);
said.revoked = {
  active: (await seenBy(config, second.access_token)).active,
  refresh: await refusal(client.refreshTokenGrant(config, second.refresh_token)),
  userinfo: await refusal(client.fetchUserInfo(config, second.access_token, sub)),
};

// --- what a thief would try --------------------------------------------------------------------------------------------
const intercepted = await answered(config, browser);
const rightful = await redeem(intercepted);
said.replay = {
  code: await refusal(redeem(intercepted)),
  // Whoever had it first loses what it gave.
  before: (await seenBy(config, rightful.access_token)).active,
};
const wrong = await provider("application", {}, client.ClientSecretBasic("not the secret"));
const { callback, checks } = await answered(config, browser);
said.thief = {
  secret: await refusal(client.authorizationCodeGrant(wrong, callback, checks)),
  client: await refusal(client.authorizationCodeGrant(others.stranger, callback, checks)),
};
const bare = await answered(config, browser);
bare.checks.pkceCodeVerifier = client.randomPKCECodeVerifier();
said.thief.verifier = await refusal(redeem(bare));

// --- sign-out ----------------------------------------------------------------------------------------------------------
const last = await redeem(await answered(config, browser));
const leave = client.buildEndSessionUrl(config, {
  id_token_hint: last.id_token,
  post_logout_redirect_uri: support.SIGNED_OUT,
  state: "a-state-of-logout",
});
const left = await browser.visit(leave.href);
const silent = await answered(config, browser, { prompt: "none" });
said.signOut = {
  backAt: left.pathname,
  state: left.searchParams.get("state"),
  refresh: await refusal(client.refreshTokenGrant(config, last.refresh_token)),
  silently: await refusal(redeem(silent)),
};

console.log(JSON.stringify(said));
