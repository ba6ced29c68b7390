// Posts words to our own server, and yields its answer where it is one of ours.
async function post(address, words) {
  const headers = { "content-type": "application/json", accept: "application/json" };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(words), cache: "no-store" });
  if (!answer.headers.get("content-type")?.startsWith("application/json")) throw new TypeError("no answer of ours");
  return answer;
}
