// A client of the API in `resource_server.mjs`: where the API asks for more than the person has proved, it sends them to sign in
// with what the API asked for, and tries again (RFC 9470). And what does not pass for a step-up.
import * as client from "openid-client";
import * as support from "./support.mjs";
import { resourceServer } from "./resource_server.mjs";

const API = "https://api.hopital.example/ordonnances";
const { Browser, answered, provider, read, refusal, register } = support;

const secret = await register("application", "standard", { resources: [API] });
const own = await register("api", "standard", {}, { may_introspect: true });
const config = await provider("application", {}, client.ClientSecretBasic(secret));
const api = await provider("api", {}, client.ClientSecretBasic(own));
const server = await resourceServer({
  introspect: (token) => client.tokenIntrospection(api, token),
  audience: API,
  wants: { "/lire": {}, "/prescrire": { acr_values: "eidas3 eidas2" }, "/signer": { anew: true } },
});
const ask = (path, { access_token }) =>
  client.fetchProtectedResource(config, access_token, new URL(path, server.address), "GET");

// What the API answers: its status, and what it asks for.
async function outcome(path, tokens) {
  try {
    return { status: (await ask(path, tokens)).status };
  } catch (error) {
    if (!(error instanceof client.WWWAuthenticateChallengeError)) throw error;
    const { realm, ...challenge } = error.cause[0].parameters;
    return { status: error.status, ...challenge };
  }
}

const browser = new Browser();
const signIn = async (more) => {
  const { callback, checks } = await answered(config, browser, { resource: API, ...more });
  return client.authorizationCodeGrant(config, callback, checks);
};
// Exactly what the API asked for, and nothing of the client's own.
const steppedUp = ({ acr_values, max_age }) => signIn({ ...(acr_values && { acr_values }), ...(max_age && { max_age }) });
const said = {};

// --- a level ---------------------------------------------------------------------------------------------------------------
await support.nextIs("doctor");
const low = await signIn();
said.low = { acr: read(low.access_token).acr, read: await outcome("/lire", low) };
const asked = await outcome("/prescrire", low);
said.asked = asked;
// Without asking the person it cannot be had.
said.silently = await refusal(signIn({ acr_values: asked.acr_values, prompt: "none" }));
await support.switches({ acr: "eidas2" });
await support.nextIs("doctor");
const high = await steppedUp(asked);
said.high = { acr: read(high.access_token).acr, prescribe: await outcome("/prescrire", high) };
// The token from before says what it said.
said.before = await outcome("/prescrire", low);
said.introspected = Object.fromEntries(
  Object.entries(await client.tokenIntrospection(api, high.access_token)).filter(([name]) =>
    ["acr", "auth_time"].includes(name),
  ),
);
said.introspected.auth_time = said.introspected.auth_time === high.claims().auth_time;

// --- a sign-in for each request ----------------------------------------------------------------------------------------------
said.anew = await outcome("/signer", high);
said.again = await outcome("/signer", high);
await support.nextIs("doctor");
const fresh = await steppedUp(said.anew);
said.signed = await outcome("/signer", fresh);
said.signedTwice = await outcome("/signer", fresh);

// --- what does not pass --------------------------------------------------------------------------------------------------------
// Somebody who proves no more than before: a wish is not fulfilled, and where it is essential there is no token at all.
await support.switches({ acr: "eidas1" });
const other = new Browser();
const by = async (more) => answered(config, other, { resource: API, ...more });
await support.nextIs("nurse");
const wish = await by({ acr_values: asked.acr_values });
const less = await client.authorizationCodeGrant(config, wish.callback, wish.checks);
said.less = { acr: read(less.access_token).acr, prescribe: await outcome("/prescrire", less) };
await support.nextIs("nurse");
const acr = { essential: true, values: asked.acr_values.split(" ") };
const essential = await by({ claims: JSON.stringify({ id_token: { acr } }) });
said.essential = await refusal(client.authorizationCodeGrant(config, essential.callback, essential.checks));
// A token for userinfo, one that is none, and none.
const { callback, checks } = await answered(config, browser);
said.elsewhere = await outcome("/lire", await client.authorizationCodeGrant(config, callback, checks));
said.nonsense = await outcome("/lire", { access_token: "nonsense" });
said.without = (await fetch(`${server.address}/lire`)).status;

server.close();
console.log(JSON.stringify(said));
