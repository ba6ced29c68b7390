// Web Authentication: what the server says with its byte strings in base64url, and what it is answered.
function forCreate(options) {
  const known = (options.excludeCredentials ?? []).map((key) => ({ ...key, id: bytes(key.id) }));
  const user = { ...options.user, id: bytes(options.user.id) };
  return { ...options, challenge: bytes(options.challenge), user, excludeCredentials: known };
}

function created(credential) {
  const { response } = credential;
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: {
      attestationObject: text(response.attestationObject),
      clientDataJSON: text(response.clientDataJSON),
    },
    clientExtensionResults: {},
  };
}

function forGet(options) {
  const allowed = (options.allowCredentials ?? []).map((key) => ({ ...key, id: bytes(key.id) }));
  return { ...options, challenge: bytes(options.challenge), allowCredentials: allowed };
}

function signed(credential) {
  const { response } = credential;
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    },
    clientExtensionResults: {},
  };
}

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
