// `fetch` over TLS that shows a certificate, for the provider's own listeners. Every host is this machine, whatever the
// machine's own resolver says of names below `localhost`; whose server answers is what its certificate says.
import https from "node:https";

const lookup = (_host, { all }, found) =>
  all ? found(null, [{ address: "127.0.0.1", family: 4 }]) : found(null, "127.0.0.1", 4);

// `credentials`: `ca`, and `cert` with `key` for whoever has them, as PEM.
export const sender = (credentials) => (address, options) =>
  new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(options.headers));
    const body = options.body?.toString();
    if (body !== undefined) headers["content-type"] ??= "application/x-www-form-urlencoded";
    const request = https.request(
      address,
      { ...credentials, lookup, agent: false, method: options.method, headers },
      (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const fields = new Headers();
          for (const [name, values] of Object.entries(answer.headersDistinct)) {
            for (const value of values) fields.append(name, value);
          }
          const text = chunks.length ? Buffer.concat(chunks) : null;
          resolve(new Response(text, { status: answer.statusCode, headers: fields }));
        });
      },
    );
    request.on("error", reject).end(body);
  });
