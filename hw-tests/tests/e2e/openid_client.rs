//! The npm package `openid-client` in depth (`hw-tests/web/openid_client`), against the sandbox: what a relying party does
//! with it, and what a thief of a code, a token, a proof or a handle would try. Keys are made for each run. No browser.

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::harness::node;
use crate::harness::run;
use crate::harness::sandbox::Sandbox;

const API: &str = "https://api.hopital.example/dossiers";

/// What a scenario says of a sandbox that was just started, and the issuer.
async fn scenario(name: &str) -> (Value, String) {
    let sandbox = Sandbox::start("unused", "a secret", &["--redirect-uri", "http://localhost:8084/*"]).await;
    let said = node::scenario(name, &[("ISSUER", &sandbox.issuer), ("CONTROL", &sandbox.control)]);
    (said, sandbox.issuer.clone())
}

fn refused(error: &str, status: u16) -> Value {
    json!({ "error": error, "status": status })
}

#[test]
fn with_a_secret_from_the_code_to_the_sign_out() {
    isolated(|| {
        run(async {
            let (said, issuer) = scenario("secret").await;
            let signed_in = json!({
                "acr": "eidas1", "amr": [], "SubjectNameID": "899700366240", "audience": issuer,
            });
            assert_eq!(said["signIn"], signed_in);
            assert_eq!(said["refresh"], json!({ "rotated": true, "same": true, "renewed": true }));

            // Its own, and those of others for the server of an API alone.
            let seen = json!({
                "active": true, "client_id": "application", "username": "899700366240",
                "scope": "openid profile scope_all",
            });
            let introspection = json!({
                "own": seen, "refreshToken": true, "api": seen, "stranger": { "active": false },
            });
            assert_eq!(said["introspection"], introspection);

            let exchange = json!({
                "token": {
                    "aud": API, "act": { "sub": "api" }, "scope": "dossier.lire", "client_id": "api", "same": true,
                },
                "response": {
                    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "refresh": false,
                },
                "introspected": { "active": true, "act": { "sub": "api" } },
                "atUserinfo": refused("invalid_token", 401),
                "elsewhere": refused("invalid_target", 400),
                "notForIt": refused("invalid_request", 400),
                "byStranger": refused("unauthorized_client", 400),
            });
            assert_eq!(said["exchange"], exchange);

            let revoked = json!({
                "active": false,
                "refresh": refused("invalid_grant", 400),
                "userinfo": refused("invalid_token", 401),
            });
            assert_eq!(said["revoked"], revoked);
            assert_eq!(said["replay"], json!({ "code": refused("invalid_grant", 400), "before": false }));
            let thief = json!({
                "secret": refused("invalid_client", 401),
                "client": refused("invalid_grant", 400),
                "verifier": refused("invalid_grant", 400),
            });
            assert_eq!(said["thief"], thief);

            let signed_out = json!({
                "backAt": "/signed-out",
                "state": "a-state-of-logout",
                "refresh": refused("invalid_grant", 400),
                "silently": { "error": "login_required" },
            });
            assert_eq!(said["signOut"], signed_out);
        });
    });
}

#[test]
fn by_keys_alone_with_requests_signed_and_pushed_and_tokens_bound() {
    isolated(|| {
        run(async {
            let (said, _) = scenario("fapi").await;
            let request = json!({
                "address": ["client_id", "request_uri"],
                "replayed": refused("invalid_request_object", 400),
                "ofAnotherKey": refused("invalid_request_object", 400),
                "unsigned": refused("invalid_request", 400),
                "handleAgain": 400,
            });
            assert_eq!(said["request"], request);
            // RFC 9449 section 8: the library learns of nonces by the first answer.
            let first_push = json!([
                { "path": "request", "status": 400, "error": "use_dpop_nonce" },
                { "path": "request", "status": 201 },
            ]);
            assert_eq!(said["firstPush"], first_push);

            assert_eq!(said["withoutKey"], refused("invalid_dpop_proof", 400));
            assert_eq!(said["withThiefsKey"], refused("invalid_grant", 400));
            assert_eq!(said["tokens"], json!({ "type": "dpop", "bound": true, "alg": "PS256" }));
            let userinfo = json!({
                "SubjectNameID": "899700300017",
                "asBearer": refused("invalid_token", 401),
                "withThiefsKey": refused("invalid_token", 401),
                "replay": refused("invalid_dpop_proof", 401),
            });
            assert_eq!(said["userinfo"], userinfo);

            let assertion = json!({
                "ofAnotherKey": refused("invalid_client", 401),
                "replayed": refused("invalid_client", 401),
            });
            assert_eq!(said["assertion"], assertion);
            let refresh =
                json!({ "byImpostor": refused("invalid_client", 401), "type": "dpop", "bound": true });
            assert_eq!(said["refresh"], refresh);
            let introspection = json!({ "active": true, "type": "DPoP", "bound": true, "aud": API });
            assert_eq!(said["introspection"], introspection);
            let exchange = json!({
                "type": "dpop", "bound": true, "act": { "sub": "api" }, "aud": API,
                "unbound": refused("invalid_request", 400),
            });
            assert_eq!(said["exchange"], exchange);
            let revoked = json!({ "active": false, "refresh": refused("invalid_grant", 400) });
            assert_eq!(said["revoked"], revoked);
            let by_browser = json!({
                "answer": ["response"], "scope": "openid profile scope_all", "ofAnotherKey": 400,
                "unsigned": { "error": "invalid_request" },
            });
            assert_eq!(said["byBrowser"], by_browser);
        });
    });
}

/// CIBA: a program asks, and a test person answers as the switch of the sandbox says.
#[test]
fn a_program_asks_people_on_their_phone_and_polls() {
    isolated(|| {
        run(async {
            let (said, _) = scenario("ciba").await;
            assert_eq!(said["offered"], json!(["poll", "ping"]));
            let approved = json!({
                "expires_in": 120, "SubjectNameID": "899700366240", "authMode": "MOBILE", "userinfo": "899700366240",
                "renewed": true, "again": refused("invalid_grant", 400),
            });
            assert_eq!(said["approved"], approved);
            let denied = refused("access_denied", 400);
            assert_eq!((&said["refuse"], &said["mistype"]), (&denied, &denied));
            let expired = refused("expired_token", 400);
            assert_eq!(
                (&said["silent"], &said["unknown"]),
                (&expired, &expired),
                "one cannot be told from the other"
            );
            let without = refused("invalid_binding_message", 400);
            assert_eq!((&said["withoutDigits"], &said["withWords"]), (&without, &without));
            assert_eq!(said["notAllowed"], refused("unauthorized_client", 400));
            assert_eq!(said["thief"], refused("invalid_grant", 400));
            let fapi = json!({
                "type": "dpop", "bound": true,
                "replayed": refused("invalid_request", 400), "unsigned": refused("invalid_request", 400),
            });
            assert_eq!(said["fapi"], fapi);
        });
    });
}

/// RFC 9470: the server of an API asks for a level, or for a sign-in of its own; the client sends the person to sign in with
/// what it asked for, and passes.
#[test]
fn a_client_steps_up_where_the_server_of_an_api_asks_for_more() {
    isolated(|| {
        run(async {
            let (said, _) = scenario("step_up").await;
            let level = json!({
                "status": 401, "error": "insufficient_user_authentication", "acr_values": "eidas3 eidas2",
            });
            assert_eq!(said["low"], json!({ "acr": "eidas1", "read": { "status": 200 } }));
            assert_eq!(said["asked"], level);
            assert_eq!(said["silently"], json!({ "error": "login_required" }));
            assert_eq!(said["high"], json!({ "acr": "eidas2", "prescribe": { "status": 200 } }));
            assert_eq!(said["before"], level, "the token from before is no better than it was");
            assert_eq!(said["introspected"], json!({ "acr": "eidas2", "auth_time": true }));

            let anew = json!({
                "status": 401, "error": "insufficient_user_authentication", "max_age": "0",
            });
            assert_eq!((&said["anew"], &said["again"]), (&anew, &anew));
            assert_eq!((&said["signed"], &said["signedTwice"]), (&json!({ "status": 200 }), &anew));

            assert_eq!(said["less"], json!({ "acr": "eidas1", "prescribe": level }));
            assert_eq!(said["essential"], json!({ "error": "unmet_authentication_requirements" }));
            let not_for_it = json!({ "status": 401, "error": "invalid_token" });
            assert_eq!((&said["elsewhere"], &said["nonsense"]), (&not_for_it, &not_for_it));
            assert_eq!(said["without"], 401);
        });
    });
}
