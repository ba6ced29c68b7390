// A program without a browser that asks people on their phone (CIBA), by polling: what the library makes of each end that a
// question can have, with a secret in the profile of Pro Santé Connect, and by keys alone in that of FAPI.
import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import * as client from "openid-client";
import * as support from "./support.mjs";

const { ISSUER, provider, read, refusal, register, switches } = support;
const CIBA = "urn:openid:params:grant-type:ciba";
const DOCTOR = "899700366240";
const asks = { grant_types: [CIBA, "refresh_token"], backchannel_token_delivery_mode: "poll" };

const secret = await register("officine", "psc", asks);
const config = await provider("officine", {}, client.ClientSecretBasic(secret));
const question = (more = {}) => ({
  scope: "openid scope_all",
  acr_values: "eidas1",
  login_hint: DOCTOR,
  binding_message: "07",
  channel: "MOBILE",
  ...more,
});
const ask = (more) => client.initiateBackchannelAuthentication(config, question(more));
// The library gives up by itself when a question expires; here the provider is to say so.
const poll = (asked) =>
  client.pollBackchannelAuthenticationGrant(config, asked, undefined, { signal: AbortSignal.timeout(30_000) });
const said = { offered: config.serverMetadata().backchannel_token_delivery_modes_supported };

// --- yes: tokens, used and renewed; once -------------------------------------------------------------------------------
const asked = await ask();
const tokens = await poll(asked);
const { sub, SubjectNameID, authMode } = tokens.claims();
const info = await client.fetchUserInfo(config, tokens.access_token, sub);
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
said.approved = {
  expires_in: asked.expires_in,
  SubjectNameID,
  authMode,
  userinfo: info.SubjectNameID,
  renewed: renewed.access_token !== tokens.access_token,
  again: await refusal(poll(asked)),
};

// --- no, other digits, nobody there, nobody known ------------------------------------------------------------------------
for (const answer of ["refuse", "mistype"]) {
  await switches({ ciba: answer });
  said[answer] = await refusal(poll(await ask()));
}
await switches({ ciba: "silent" });
said.silent = await refusal(poll(await ask({ requested_expiry: "3" })));
await switches({ ciba: "approve" });
said.unknown = await refusal(poll(await ask({ login_hint: "899799999999", requested_expiry: "3" })));

// --- what is wrong with a question ---------------------------------------------------------------------------------------
said.withoutDigits = await refusal(ask({ binding_message: "" }));
said.withWords = await refusal(ask({ binding_message: "Oui ?" }));
const plain = await provider("autre", {}, client.ClientSecretBasic(await register("autre", "psc")));
said.notAllowed = await refusal(client.initiateBackchannelAuthentication(plain, question()));
const stolen = await ask();
const thief = await provider("voleur", {}, client.ClientSecretBasic(await register("voleur", "psc", asks)));
said.thief = await refusal(client.pollBackchannelAuthenticationGrant(thief, stolen));

// --- by keys alone: a signed question, tokens bound to a key ---------------------------------------------------------------
const key = await support.key();
const fapi = await register("fapi", "fapi2", {
  ...asks,
  token_endpoint_auth_method: "private_key_jwt",
  jwks: { keys: [key.jwk] },
}).then(() => provider("fapi", {}, client.PrivateKeyJwt(key.signing)));
const signed = (members) =>
  new SignJWT({ scope: "openid profile", login_hint: DOCTOR, binding_message: "042137", ...members })
    .setProtectedHeader({ alg: "ES256", kid: key.kid })
    .setIssuer("fapi")
    .setAudience(ISSUER)
    .setIssuedAt()
    .setNotBefore("0s")
    .setExpirationTime("60s")
    .setJti(randomUUID())
    .sign(key.privateKey);
const request = await signed();
const pending = await client.initiateBackchannelAuthentication(fapi, { request });
const DPoP = client.getDPoPHandle(fapi, await client.randomDPoPKeyPair("ES256"));
const bound = await client.pollBackchannelAuthenticationGrant(fapi, pending, undefined, { DPoP });
said.fapi = {
  type: bound.token_type,
  bound: Boolean(read(bound.access_token).cnf?.jkt),
  replayed: await refusal(client.initiateBackchannelAuthentication(fapi, { request })),
  unsigned: await refusal(
    client.initiateBackchannelAuthentication(fapi, { scope: "openid", login_hint: DOCTOR, binding_message: "042137" }),
  ),
};
console.log(JSON.stringify(said));
