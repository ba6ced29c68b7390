"""A relying party made with the PyPI package authlib, for the tests: code flow with PKCE and nonce, claims validated against
the provider's keys, userinfo, refresh, revocation. The browser is `requests`; who signs in is scripted in
the sandbox. Prints what it received as JSON."""

import json
import os
import secrets
import sys
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken

issuer, client_id, client_secret = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))
# The sandbox speaks plain HTTP on this machine, which authlib takes nowhere else.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
redirect_uri = "http://localhost:8087/callback"

metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
assert metadata["issuer"] == issuer, metadata["issuer"]
client = OAuth2Session(
    client_id, client_secret, scope="openid scope_all", redirect_uri=redirect_uri, code_challenge_method="S256"
)
nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
address, state = client.create_authorization_url(
    metadata["authorization_endpoint"], nonce=nonce, code_verifier=verifier, acr_values="eidas1"
)

# `requests` sends cookies that are marked Secure over https alone; browsers count localhost as safe.
cookies = {}
while not address.startswith(redirect_uri):
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    answer = requests.get(address, headers={"Cookie": sent}, allow_redirects=False, timeout=10)
    assert answer.is_redirect, (answer.status_code, answer.text[:2000])
    cookies.update(answer.cookies.get_dict())
    address = requests.compat.urljoin(address, answer.headers["location"])

query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
assert query["state"] == state and query["iss"] == issuer, query
if "error" in query:
    print(json.dumps({"error": query["error"]}))
    sys.exit()

tokens = client.fetch_token(metadata["token_endpoint"], authorization_response=address, code_verifier=verifier)
keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
claims = JsonWebToken(["RS256"]).decode(
    tokens["id_token"],
    keys,
    claims_cls=CodeIDToken,
    claims_options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}},
    claims_params={"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]},
)
claims.validate(leeway=5)


def ask_userinfo():
    answer = client.get(metadata["userinfo_endpoint"])
    answer.raise_for_status()
    if answer.headers["content-type"].startswith("application/jwt"):
        signed = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
        said = JsonWebToken(["RS256"]).decode(answer.text, keys, claims_options=signed)
        said.validate(leeway=5)
        return {name: value for name, value in said.items() if name not in ("iss", "aud", "iat", "exp")}, True
    return answer.json(), False


userinfo, signed = ask_userinfo()
assert userinfo["sub"] == claims["sub"]
refreshed = client.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
rotated = refreshed["refresh_token"] != tokens["refresh_token"]
again, _ = ask_userinfo()
revoked = None
if "revocation_endpoint" in metadata:
    client.revoke_token(metadata["revocation_endpoint"], refreshed["refresh_token"]).raise_for_status()
    revoked = client.get(metadata["userinfo_endpoint"]).status_code
said = {"claims": dict(claims), "userinfo": userinfo, "signed": signed, "same": again == userinfo, "rotated": rotated}
print(json.dumps({**said, "after_revocation": revoked}))
