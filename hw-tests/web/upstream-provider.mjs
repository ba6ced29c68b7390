// The npm package `oidc-provider` as a provider of others, by which people sign in at a hospital: the code flow with its own
// development pages, introspection, and CIBA in poll mode, whose people answer as `/test/answer?says=…` was told: approve, refuse or silent.
// Keys are made for each run.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import Provider, { errors } from "oidc-provider";

const { PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, IDENTIFIER } = process.env;
const CIBA = "urn:openid:params:grant-type:ciba";
// Its subjects are its own; the national identifier is a claim.
const people = new Map([["groupe-17", IDENTIFIER]]);
let says = "approve";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [REDIRECT_URI],
      response_types: ["code"],
      grant_types: ["authorization_code", CIBA],
      backchannel_token_delivery_mode: "poll",
      token_endpoint_auth_method: "client_secret_basic",
    },
    // Software that brings what it was given here to an API of the hospital.
    {
      client_id: "logiciel",
      client_secret: CLIENT_SECRET,
      redirect_uris: [],
      response_types: [],
      grant_types: [CIBA],
      backchannel_token_delivery_mode: "poll",
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "groupe" }] },
  cookies: { keys: [randomUUID()] },
  claims: { openid: ["sub"], profile: ["rpps"] },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, rpps: people.get(id) }) }),
  features: {
    devInteractions: { enabled: true },
    // Whoever is a client is told of every token, as at Pro Santé Connect.
    introspection: { enabled: true, allowedPolicy: () => true },
    ciba: {
      enabled: true,
      deliveryModes: ["poll"],
      processLoginHint: (_ctx, hint) => [...people].find(([, identifier]) => identifier === hint)?.[0],
      validateBindingMessage: (_ctx, message) => {
        if (!/^[0-9]{2}$/.test(message ?? "")) throw new errors.InvalidBindingMessage("two digits");
      },
      validateRequestContext: () => {},
      verifyUserCode: () => {},
      triggerAuthenticationDevice: answer,
    },
  },
});

async function answer(_ctx, request, account, client) {
  if (says === "silent") return;
  if (says === "refuse") return provider.backchannelResult(request, new errors.AccessDenied("said no"));
  const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  grant.addOIDCScope(request.scope);
  await grant.save();
  await provider.backchannelResult(request, grant, { authTime: Math.floor(Date.now() / 1000) });
}

const handle = provider.callback();
createServer((request, response) => {
  const address = new URL(request.url, `http://127.0.0.1:${PORT}`);
  if (address.pathname !== "/test/answer") return handle(request, response);
  says = address.searchParams.get("says");
  response.end(says);
}).listen(Number(PORT), "127.0.0.1");
