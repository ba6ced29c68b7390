// A client of the profile `fapi2`: requests signed (JAR) and pushed (PAR), `private_key_jwt`, tokens bound to a key (DPoP)
// with the provider's nonces; refresh, introspection, exchange, revocation; and what a thief of each of them would try.
import * as client from "openid-client";
import * as support from "./support.mjs";

const API = "https://api.hopital.example/dossiers";
const { Browser, key, nextIs, provider, read, refusal, register, thumbprint, watched } = support;

const [own, others, apis] = [await key("PS256"), await key("PS256"), await key("ES256")];
await register("fapi", "fapi2", {
  token_endpoint_auth_method: "private_key_jwt",
  jwks: { keys: [own.jwk] },
  require_signed_request_object: true,
  dpop_bound_access_tokens: true,
  resources: [API],
});
await register(
  "api",
  "fapi2",
  {
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [apis.jwk] },
    grant_types: [support.EXCHANGE],
    resources: [API],
    scope: "dossier.lire",
  },
  { may_introspect: true },
);
// The provider signs with PS256 for this profile; whoever does not say so is told an algorithm that it does not expect.
const signed = { id_token_signed_response_alg: "PS256" };
const config = await provider("fapi", signed, client.PrivateKeyJwt(own.signing));
const api = await provider("api", {}, client.PrivateKeyJwt(apis.signing));
const seen = watched(config);
const said = {};

const pair = await client.randomDPoPKeyPair("ES256");
const DPoP = client.getDPoPHandle(config, pair);
// Another key, of somebody who has the tokens and not the key.
const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));

const pushed = async (more, signing = own.signing) => {
  const { checks, parameters } = await support.request(more);
  const object = await client.buildAuthorizationUrlWithJAR(config, parameters, signing);
  const address = await client.buildAuthorizationUrlWithPAR(config, object.searchParams, { DPoP });
  return { address, checks, object };
};
const redeem = ({ callback, checks }, proof = DPoP) =>
  client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP: proof });
const answered = async (browser, more) => {
  const { address, checks } = await pushed(more);
  return { callback: await browser.visit(address.href), checks };
};

// --- a request, signed and pushed; the code, with the key ----------------------------------------------------------------
await nextIs("nurse");
const browser = new Browser();
const { address, checks, object } = await pushed();
said.request = {
  // Nothing of it stands in the address that the browser is given.
  address: [...address.searchParams.keys()].sort(),
  replayed: await refusal(client.buildAuthorizationUrlWithPAR(config, object.searchParams, { DPoP })),
  ofAnotherKey: await refusal(pushed({}, others.signing)),
  unsigned: await refusal(
    client.buildAuthorizationUrlWithPAR(config, (await support.request()).parameters, { DPoP }),
  ),
};
const callback = await browser.visit(address.href);
const handleAgain = await browser.visit(address.href);
said.request.handleAgain = handleAgain.status;
said.withoutKey = await refusal(client.authorizationCodeGrant(config, callback, checks));
said.withThiefsKey = await refusal(redeem({ callback, checks }, thief));
// A code that was tried with the wrong key stays its holder's: nothing was issued for it.
const tokens = await redeem({ callback, checks });
const claims = tokens.claims();
said.tokens = {
  type: tokens.token_type,
  bound: read(tokens.access_token).cnf?.jkt === (await thumbprint(pair)),
  alg: JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url")).alg,
};

// --- nonces: the first proof has none, is told one and comes again --------------------------------------------------------
said.firstPush = seen.slice(0, 2).map(({ path, status, error }) => ({ path, status, error }));

// --- at userinfo -----------------------------------------------------------------------------------------------------------
const ask = (options) => client.fetchUserInfo(config, tokens.access_token, claims.sub, options);
const { SubjectNameID } = await ask({ DPoP });
const { headers } = seen.findLast(({ path, status }) => path === "userinfo" && status === 200);
const replay = await fetch(config.serverMetadata().userinfo_endpoint, {
  headers: { authorization: headers.get("authorization"), dpop: headers.get("dpop") },
});
said.userinfo = {
  SubjectNameID,
  asBearer: await refusal(ask()),
  withThiefsKey: await refusal(ask({ DPoP: thief })),
  replay: { status: replay.status, error: (await replay.json()).error },
};

// --- assertions of the client ----------------------------------------------------------------------------------------------
const impostor = await provider("fapi", signed, client.PrivateKeyJwt(others.signing));
const { form } = seen.findLast(({ path, status }) => path === "request" && status === 201);
const again = await fetch(config.serverMetadata().introspection_endpoint, {
  method: "POST",
  body: new URLSearchParams({
    token: tokens.access_token,
    client_assertion: form.client_assertion,
    client_assertion_type: form.client_assertion_type,
  }),
});
said.assertion = {
  ofAnotherKey: await refusal(client.tokenIntrospection(impostor, tokens.access_token)),
  replayed: { status: again.status, error: (await again.json()).error },
};

// --- refresh ---------------------------------------------------------------------------------------------------------------
// Bound to the client, which proves who it is, and not to the key of a proof (RFC 9449 section 5).
const refresh = (by, token) => client.refreshTokenGrant(by, token, undefined, { DPoP });
const byImpostor = await refusal(refresh(impostor, tokens.refresh_token));
const refreshed = await refresh(config, tokens.refresh_token);
said.refresh = {
  byImpostor,
  type: refreshed.token_type,
  bound: read(refreshed.access_token).cnf?.jkt === (await thumbprint(pair)),
};

// --- introspection and exchange at the server of an API ----------------------------------------------------------------------
const forApi = await redeem(await answered(browser, { resource: API }));
const looked = await client.tokenIntrospection(api, forApi.access_token);
said.introspection = {
  active: looked.active,
  type: looked.token_type,
  bound: looked.cnf?.jkt === (await thumbprint(pair)),
  aud: looked.aud,
};
const apisPair = await client.randomDPoPKeyPair("ES256");
const apisDPoP = client.getDPoPHandle(api, apisPair);
const exchange = (options) =>
  client.genericGrantRequest(
    api,
    support.EXCHANGE,
    { subject_token: forApi.access_token, subject_token_type: support.ACCESS_TOKEN, audience: API },
    options,
  );
const exchanged = await exchange({ DPoP: apisDPoP });
const { cnf, act, aud } = read(exchanged.access_token);
said.exchange = {
  type: exchanged.token_type,
  // To the key of who acts, and not to that of whose token it was.
  bound: cnf?.jkt === (await thumbprint(apisPair)),
  act,
  aud,
  unbound: await refusal(exchange()),
};

// --- revocation ------------------------------------------------------------------------------------------------------------
await client.tokenRevocation(config, refreshed.refresh_token);
said.revoked = {
  active: (await client.tokenIntrospection(api, refreshed.access_token)).active,
  refresh: await refusal(refresh(config, refreshed.refresh_token)),
};

// --- through the browser: request and answer as signed documents (JAR by value, JARM) ----------------------------------------
await register("signer", "standard", {
  token_endpoint_auth_method: "private_key_jwt",
  jwks: { keys: [own.jwk] },
  require_signed_request_object: true,
});
const signer = await provider("signer", {}, client.PrivateKeyJwt(own.signing));
client.useJwtResponseMode(signer);
const inBrowser = async (signing) => {
  const { checks, parameters } = await support.request();
  const { href } = await client.buildAuthorizationUrlWithJAR(signer, parameters, signing);
  // What somebody writes beside the signed request is not read.
  return { answer: await browser.visit(`${href}&scope=openid&redirect_uri=https%3A%2F%2Fevil.example`), checks };
};
const good = await inBrowser(own.signing);
const byBrowser = await client.authorizationCodeGrant(signer, good.answer, good.checks);
said.byBrowser = {
  answer: [...good.answer.searchParams.keys()],
  scope: byBrowser.scope,
  ofAnotherKey: (await inBrowser(others.signing)).answer.status,
  unsigned: await refusal(
    (async () => {
      const { checks, parameters } = await support.request();
      const answer = await browser.visit(client.buildAuthorizationUrl(signer, parameters).href);
      return client.authorizationCodeGrant(signer, answer, checks);
    })(),
  ),
};

console.log(JSON.stringify(said));
