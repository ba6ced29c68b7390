// Clients that authenticate by a TLS certificate, of an authority (`tls_client_auth`) and of their own making
// (`self_signed_tls_client_auth`), at a whole `sceau serve` with TLS of its own. The person signs in by the certificate of a
// card. Tokens are bound to the client's certificate; what a thief of them would try is tried.
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as client from "openid-client";
import * as support from "./support.mjs";
import { sender } from "./tls.mjs";

const { CA, KEYS, API_SECRET } = process.env;
const ca = readFileSync(CA);
const pair = (name) => ({
  ca,
  cert: readFileSync(`${KEYS}/${name}.pem`),
  key: readFileSync(`${KEYS}/${name}.key`),
});
const [nothing, thief] = [sender({ ca }), sender(pair("thief"))];
const { Browser, provider, read, refusal } = support;

const unescaped = (text) => text.replaceAll(/&(?:amp|#38);/g, "&");
const found = (page, pattern) => unescaped((pattern.exec(page.text) ?? [])[1] ?? `no ${pattern} in ${page.text}`);

// From the sign-in page, with the card's certificate, past the page that names its holder.
async function signIn(address) {
  const browser = new Browser(sender(pair("card")));
  const begun = await browser.visit(address);
  const holder = await browser.visit(found(begun, /href="(https:\/\/carte[^"]*)"/));
  const form = new URLSearchParams(["txn", "handle"].map((name) => [
    name,
    found(holder, new RegExp(`name="${name}" value="([^"]*)"`)),
  ]));
  const action = new URL(found(holder, /<form method="post" action="([^"]*)"/), holder.address);
  await browser.visit(action.href, form);
  return browser.visit(begun.address);
}

async function asClient(id, name) {
  const { cert } = pair(name);
  const send = sender(pair(name));
  // What is told where certificates are shown, and what its profile signs with.
  const metadata = {
    use_mtls_endpoint_aliases: true,
    ...(id === "own" && { id_token_signed_response_alg: "PS256" }),
  };
  const config = await provider(id, metadata, client.TlsClientAuth(), send);
  const by = async (other) => provider(id, metadata, client.TlsClientAuth(), other);
  const api = await provider("api", {}, client.ClientSecretBasic(API_SECRET), nothing);
  const aliases = config.serverMetadata().mtls_endpoint_aliases;
  const said = {};

  const { checks, parameters } = await support.request();
  const push = async (by) => (await client.buildAuthorizationUrlWithPAR(by, parameters)).href;
  if (id === "own") said.push = await refusal(push(await by(thief)));
  const address = id === "own" ? await push(config) : client.buildAuthorizationUrl(config, parameters).href;
  const callback = await signIn(address);
  const redeem = (by) => client.authorizationCodeGrant(by, callback, checks);
  said.code = { withNothing: await refusal(redeem(await by(nothing))), byThief: await refusal(redeem(await by(thief))) };
  const tokens = await redeem(config);
  const { sub, acr } = tokens.claims();
  const thumbprint = createHash("sha256").update(new X509Certificate(cert).raw).digest("base64url");
  const bound = (cnf) => cnf?.["x5t#S256"] === thumbprint;
  said.tokens = { acr, type: tokens.token_type, bound: bound(read(tokens.access_token).cnf) };

  const ask = (by) => client.fetchUserInfo(by, tokens.access_token, sub);
  // The same token with the same certificate, where no certificate is asked for.
  const front = await provider(id, {}, client.TlsClientAuth(), send);
  said.userinfo = {
    SubjectNameID: (await ask(config)).SubjectNameID,
    withNothing: await refusal(ask(await by(nothing))),
    byThief: await refusal(ask(await by(thief))),
    onTheFront: await refusal(ask(front)),
  };
  const looked = await client.tokenIntrospection(api, tokens.access_token);
  said.introspected = { active: looked.active, bound: bound(looked.cnf) };

  const refresh = (by) => client.refreshTokenGrant(by, tokens.refresh_token);
  said.refresh = { byThief: await refusal(refresh(await by(thief))) };
  const refreshed = await refresh(config);
  said.refresh.bound = bound(read(refreshed.access_token).cnf);
  await client.tokenRevocation(config, refreshed.refresh_token);
  said.revoked = await refusal(ask(config));

  // Somebody who says whose certificate it is, instead of having its key.
  const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: "x", client_id: id });
  const claimed = `:${new X509Certificate(cert).raw.toString("base64")}:`;
  const forged = await nothing(aliases.token_endpoint, {
    method: "POST",
    headers: { "client-cert": claimed },
    body: form,
  });
  said.forged = forged.status === 401 ? { error: (await forged.json()).error, status: 401 } : { status: forged.status };
  return said;
}

const config = await provider("api", {}, client.ClientSecretBasic(API_SECRET), nothing);
const { authorization_endpoint, mtls_endpoint_aliases, token_endpoint } = config.serverMetadata();
const host = new URL(mtls_endpoint_aliases.token_endpoint).origin;
const page = await nothing(host + new URL(authorization_endpoint).pathname, { method: "GET" });
const said = {
  hosts: { tokens: new URL(token_endpoint).origin, certificates: host },
  // Nothing that a person would see is there.
  pages: page.status,
  byAuthority: await asClient("authority", "client"),
  byOwn: await asClient("own", "own"),
};
console.log(JSON.stringify(said));
