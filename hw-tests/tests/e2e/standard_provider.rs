//! A provider that we did not write, `oidc-provider` from npm, by which people sign in at the hospital in a real Chromium: by its
//! own pages, and in its application (CIBA); and whose access tokens the server of an API exchanges.

use std::process::Command;

use sceau_hw_tests::isolation::isolated;
use serde_json::{Value, json};

use crate::ecps::identify;
use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, ISSUER, RECORDS, Setup};
use crate::harness::node::UpstreamProvider;
use crate::harness::run;
use crate::phones::DOCTOR;
use crate::security_keys::forget_sessions;

const SECRET: &str = "a secret of its own: 100 % & more";

async fn hospital() -> Hospital {
    let mut hospital = Hospital::open(Setup::default()).await;
    let section = format!(
        "\n[phone]\nnetworks = [\"127.0.0.0/8\"]\n\n[upstream.groupe]\nprofile = \"standard\"\nlabel = \"Groupement\"\n\
         issuer = \"{}\"\nclient_id = \"hopital\"\nclient_secret = \"{SECRET}\"\nidentifier_claim = \"rpps\"\n\
         link = \"automatic\"\nciba = true\n\n[upstream.groupe.exchange]\nimagerie = [\"logiciel\"]\n",
        UpstreamProvider::ISSUER
    );
    hospital.configure(&section).await;
    hospital
}

async fn to_tab(desk: &Browser, tab: &str) {
    desk.open(RECORDS).await;
    desk.press("demo-sign-in").await;
    desk.is_at(FRONT).await;
    desk.click_text(tab).await;
}

/// What the answer to a form says, posted with curl.
fn posted(address: &str, form: &[(&str, &str)]) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", address]);
    for (name, value) in form {
        curl.arg("--data-urlencode").arg(format!("{name}={value}"));
    }
    let output = curl.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The access token that software gets for a person of the provider, who approves in its application.
fn token_of_software() -> String {
    let at = |path: &str| format!("{}/{path}", UpstreamProvider::ISSUER);
    let own = [("client_id", "logiciel"), ("client_secret", SECRET)];
    let asked = [("scope", "openid profile"), ("login_hint", DOCTOR), ("binding_message", "42")];
    let asked = posted(&at("backchannel"), &[&own[..], &asked].concat());
    let handle = asked["auth_req_id"].as_str().unwrap_or_else(|| panic!("{asked}"));
    let grant = [("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", handle)];
    let given = posted(&at("token"), &[&own[..], &grant].concat());
    given["access_token"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned()
}

/// The last sign-in of the audit.
fn last_sign_in(hospital: &Hospital) -> Value {
    let events = hospital.audit();
    let signed_in = events.iter().rfind(|event| event["kind"] == "sign-in" && event["outcome"] == "success");
    signed_in.expect("a sign-in").clone()
}

#[test]
fn people_come_by_the_pages_of_oidc_provider_and_by_its_application() {
    isolated(|| {
        run(async {
            let back = format!("{FRONT}/login/provider/groupe/callback");
            let provider = UpstreamProvider::start(SECRET, &back, DOCTOR).await;
            let hospital = hospital().await;
            let desk = Browser::start(FRENCH).await;

            // The code flow, by its own pages: who, then consent.
            to_tab(&desk, "Groupement").await;
            desk.click_text("Continuer avec Groupement").await;
            desk.is_at(UpstreamProvider::ISSUER).await;
            desk.write("input[name=login]", "groupe-17").await;
            desk.write("input[name=password]", "any").await;
            desk.click("button[type=submit]").await;
            desk.shows("Authorize").await;
            desk.click("button[type=submit]").await;
            desk.is_at(RECORDS).await;
            desk.shows("KIT DOC0036624").await;
            assert_eq!(last_sign_in(&hospital)["detail"]["acr"], "eidas1");

            // In its application: refused, then approved.
            forget_sessions(&desk).await;
            to_tab(&desk, "Application Groupement").await;
            desk.pictures("standard-1-application-fr").await;
            for (says, code) in [("refuse", Some("UPSTREAM-015")), ("approve", None)] {
                provider.says(says);
                identify(&desk, DOCTOR).await;
                desk.click("[data-application] button[value=mobile]").await;
                match code {
                    Some(code) => {
                        desk.shows_error(code).await;
                        desk.press("phone-again").await;
                    }
                    None => desk.is_at(RECORDS).await,
                }
            }
            desk.shows("KIT DOC0036624").await;
            hospital.assert_audited("UPSTREAM-015");
            assert_eq!(last_sign_in(&hospital)["detail"]["means"], "upstream");

            // Whom it does not know is told nothing.
            forget_sessions(&desk).await;
            to_tab(&desk, "Application Groupement").await;
            identify(&desk, "899700427885").await;
            desk.click("[data-application] button[value=mobile]").await;
            desk.shows("Tapez ce nombre").await;

            // What software was given there, the server of an API exchanges for a token of ours.
            provider.says("approve");
            let token = token_of_software();
            let api = hospital.register_api("imagerie", "images.lire");
            let form = [
                ("client_id", "imagerie"),
                ("client_secret", api.as_str()),
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("subject_token", token.as_str()),
                ("subject_issuer", "groupe"),
            ];
            let endpoint = format!("{ISSUER}/protocol/openid-connect/token");
            let answer = posted(&endpoint, &form);
            assert_eq!(
                (&answer["token_type"], &answer["scope"]),
                (&json!("Bearer"), &json!("images.lire")),
                "{answer}"
            );
            let asked = [&form[..2], &[("token", answer["access_token"].as_str().unwrap())]].concat();
            let seen = posted(&format!("{endpoint}/introspect"), &asked);
            assert_eq!((&seen["active"], &seen["act"]["sub"]), (&json!(true), &json!("imagerie")), "{seen}");
            let sign_in = last_sign_in(&hospital);
            assert_eq!(
                (&sign_in["detail"]["acr"], &sign_in["detail"]["note"]),
                (&json!("eidas1"), &json!("token-exchange"))
            );
            // A token that it never gave.
            let forged = posted(&endpoint, &[&form[..4], &[("subject_token", "made-up"), form[5]]].concat());
            assert_eq!(forged["error"], "invalid_request");
            hospital.assert_audited("UPSTREAM-051");
        });
    });
}
