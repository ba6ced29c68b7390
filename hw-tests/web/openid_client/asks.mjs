// One question of a program without a browser to a whole provider (CIBA), whose answer somebody gives on a phone meanwhile:
// asked, waited for, and what came of it. With `PORT` the program does not look again and again: it listens there until it is
// told (ping), and fetches its tokens once.
import { randomUUID } from "node:crypto";
import http from "node:http";
import * as client from "openid-client";
import { provider, refusal, watched } from "./support.mjs";

const { CLIENT_ID, CLIENT_SECRET, QUESTION, PORT } = process.env;
const bearer = randomUUID();
const told = PORT && listen();
const config = await provider(CLIENT_ID, {}, client.ClientSecretBasic(CLIENT_SECRET));
const seen = watched(config);
const token = PORT ? { client_notification_token: bearer } : {};
const asked = await client.initiateBackchannelAuthentication(config, { ...JSON.parse(QUESTION), ...token });
const said = { expires_in: asked.expires_in };
if (told) {
  const { headers, body, method } = await told;
  said.told = {
    method,
    bearer: headers.authorization === `Bearer ${bearer}`,
    type: headers["content-type"],
    body: Object.keys(body),
    same: body.auth_req_id === asked.auth_req_id,
  };
}
const answered = client.pollBackchannelAuthenticationGrant(config, asked, undefined, {
  signal: AbortSignal.timeout(60_000),
});
// Its fate is asked for twice: as tokens, and as a refusal.
said.refused = await refusal(answered);
if (said.refused.accepted) {
  const tokens = await answered;
  const { sub, SubjectNameID, authMode, acr } = tokens.claims();
  const info = await client.fetchUserInfo(config, tokens.access_token, sub);
  said.refused = null;
  said.tokens = { SubjectNameID, authMode, acr, userinfo: info.SubjectNameID };
}
said.looks = seen.filter(({ path }) => path === "token").length;
console.log(JSON.stringify(said));

// The first request at `PORT`. The server ends with it.
function listen() {
  return new Promise((resolve, reject) => {
    const server = http.createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      response.writeHead(204).end();
      server.close();
      const { method, headers } = request;
      resolve({ method, headers, body: JSON.parse(Buffer.concat(chunks)) });
    });
    server.on("error", reject).listen(Number(PORT), "127.0.0.1");
  });
}
