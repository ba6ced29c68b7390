// The server of an API that wants to know how well, and when, a person proved who they are (RFC 9470). It introspects each
// token, and tells a client whose person has proved too little what to ask the authorization server for.
import http from "node:http";

const ORDER = ["eidas1", "eidas2", "eidas3"];

// `introspect`: a token's introspection. `audience`: what tokens for this API are for. `wants`: by path, `acr_values` of which
// one has to be reached, and `anew` where each request wants a sign-in of its own. Yields its address and what closes it.
export async function resourceServer({ introspect, audience, wants }) {
  // Who was asked to sign in anew for what, and since when; a sign-in is good for one request.
  const asked = new Map();

  async function answer(request) {
    const token = /^Bearer ([\w.~+/-]+=*)$/.exec(request.headers.authorization ?? "")?.[1];
    if (!token) return { status: 401, challenge: {} };
    const { active, aud, acr, auth_time, sub, jti } = await introspect(token);
    if (!active || ![aud].flat().includes(audience)) return { status: 401, challenge: { error: "invalid_token" } };

    const wanted = wants[request.url] ?? {};
    const challenge = { error: "insufficient_user_authentication" };
    // A higher level holds what a lower one asks for; a level that is not known holds nothing.
    const reached = ORDER.indexOf(acr);
    const levels = wanted.acr_values?.split(" ") ?? [];
    if (levels.length && !levels.some((level) => ORDER.indexOf(level) <= reached)) {
      challenge.acr_values = wanted.acr_values;
    }
    if (wanted.anew) {
      const key = `${sub} ${request.url}`;
      const since = asked.get(key);
      const isNew = since && auth_time >= since.at && jti !== since.jti;
      if (isNew) asked.delete(key);
      else {
        asked.set(key, { at: Math.floor(Date.now() / 1000), jti });
        challenge.max_age = "0";
      }
    }
    const isEnough = !challenge.acr_values && !challenge.max_age;
    return isEnough ? { status: 200, json: { by: sub, acr } } : { status: 401, challenge };
  }

  const server = http.createServer(async (request, response) => {
    const { status, challenge, json } = await answer(request);
    if (!challenge) {
      return response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
    }
    const members = Object.entries({ realm: "api", ...challenge }).map(([name, value]) => `${name}="${value}"`);
    return response.writeHead(status, { "www-authenticate": `Bearer ${members.join(", ")}` }).end();
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
