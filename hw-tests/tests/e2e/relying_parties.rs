//! Relying parties of other hands, set up as for Pro Santé Connect.

use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation::isolated;
use serde_json::Value;

use crate::harness::apache::{self, Apache, Registration};
use crate::harness::browser::{Browser, FRENCH};
use crate::harness::hospital::{FRONT, Hospital, ISSUER, Setup};
use crate::harness::node::{self, RelyingParty};
use crate::harness::run;
use crate::sign_in::{to_popup, type_pin};

async fn sign_in(browser: &Browser) {
    browser.is_at(FRONT).await;
    let first = to_popup(browser).await;
    type_pin(browser, PIN).await;
    browser.popup_closed(&first).await;
}

/// Debian's mod_auth_openidc, with the directives that its users of Pro Santé Connect write.
#[test]
fn apache_protects_a_page() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let client_secret = hospital.register(
                "apache",
                "Page protégée",
                &apache::redirect_uri(),
                &apache::signed_out(),
                &[],
            );
            let registration =
                Registration { issuer: ISSUER.to_owned(), client_id: "apache".to_owned(), client_secret };
            let _apache = Apache::start(&registration).await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&format!("{}/protege/", apache::address())).await;
            sign_in(&browser).await;
            browser.is_at(&format!("{}/protege/", apache::address())).await;
            for (id, value) in [
                ("user", "899700366240"),
                ("given-name", "KIT"),
                ("family-name", "DOC0036624"),
                ("id-nat", "899700366240"),
                ("acr", "eidas1"),
            ] {
                assert_eq!(browser.text_of(&format!("#{id}")).await, value, "{id}");
            }

            // The module's own sign-out: it ends its session, then the provider's.
            let signed_out = apache::signed_out();
            let leave = url::form_urlencoded::byte_serialize(signed_out.as_bytes()).collect::<String>();
            browser.open(&format!("{}?logout={leave}", apache::redirect_uri())).await;
            browser.is_at(&signed_out).await;
            browser.open(&format!("{}/protege/", apache::address())).await;
            browser.is_at(FRONT).await;
            browser.says("card-insert").await;
        });
    });
}

/// What the page of `relying-party.mjs` shows.
async fn received(browser: &Browser) -> Value {
    let text = browser.script("return document.body.innerText").await;
    let json: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert!(json.get("failed").is_none(), "{json:#}");
    json
}

#[test]
fn openid_client_signs_in_refreshes_and_signs_out() {
    isolated(|| {
        run(async {
            let hospital = Hospital::open(Setup::default()).await;
            let secret = hospital.register(
                "openid-client",
                "Client npm",
                &node::redirect_uri(),
                &node::signed_out(),
                &[],
            );
            let _party = RelyingParty::start(ISSUER, "openid-client", &secret).await;
            let browser = Browser::start(FRENCH).await;
            browser.open(&node::address()).await;
            sign_in(&browser).await;
            browser.is_at(&node::redirect_uri()).await;
            let first = received(&browser).await;
            assert_eq!(first["claims"]["acr"], "eidas1");
            assert_eq!(first["claims"]["preferred_username"], "899700366240");
            assert_eq!(first["userinfo"]["SubjectNameID"], "899700366240");
            assert_eq!(first["userinfo"]["family_name"], "DOC0036624");
            assert_eq!(first["response"]["expires_in"], 120);

            browser.open(&format!("{}/refresh", node::address())).await;
            let second = received(&browser).await;
            assert_eq!(second["rotated"], true);
            assert_eq!(second["claims"]["sub"], first["claims"]["sub"]);
            assert_eq!(second["claims"]["auth_time"], first["claims"]["auth_time"]);
            assert_eq!(second["userinfo"], first["userinfo"]);

            // A refresh token that was used before is in two hands: both lose it.
            let stolen = first["response"]["refresh_token"].as_str().unwrap();
            for token in [stolen, ""] {
                let address = match token {
                    "" => format!("{}/refresh", node::address()),
                    token => format!("{}/replay?token={token}", node::address()),
                };
                browser.open(&address).await;
                let text = browser.script("return document.body.innerText").await;
                assert!(text.as_str().unwrap().contains("invalid_grant"), "{text}");
            }

            browser.open(&format!("{}/logout", node::address())).await;
            browser.is_at(&node::signed_out()).await;
            assert_eq!(received(&browser).await["signed_out"]["state"], "a-state-of-logout");
            browser.open(&node::address()).await;
            browser.is_at(FRONT).await;
            browser.says("card-insert").await;
        });
    });
}
