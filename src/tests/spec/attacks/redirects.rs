//! RFC 9700 §4.11, §4.12 and the redirect of a logout: the provider sends browsers to addresses that it trusts, and
//! sends nothing with them.

use crate::store::client::{NewClient, ProfileName};
use crate::tests::sources::rust;
use crate::tests::spec::browser::{ORIGIN, Page, of};
use crate::tests::spec::stand::{LOGOUT, NewRp, STRANGER, Stand, new_client, query};

const EVIL: &str = "https://evil.example/";

/// §4.12: what a person or a relying party posted stays here.
#[tokio::test]
async fn no_form_is_sent_on_by_a_redirect() {
    Stand::on_both(async |stand| {
        stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
        let cb = "https://std.example/cb";
        let browser = stand.sign_in().await;
        let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        let consent = async || Page::of(&stand, &of("std", cb, &[("prompt", "consent")]), &browser).await;
        let name = Page::of(&stand, &of("std", cb, &[("prompt", "select_account")]), &browser).await;
        let logout = format!("id_token_hint={hint}&post_logout_redirect_uri=https://rp.example/bye");
        let answers = [
            ("a request", stand.post("/auth", &query(&[]), &[]).await),
            ("a wrong request", stand.post("/auth", &query(&[("scope", "x")]), &[]).await),
            ("a refusal", consent().await.press(&stand, "refuse").await),
            ("a consent", consent().await.press(&stand, "allow").await),
            ("a name", name.press(&stand, "continue").await),
            ("a logout", stand.post(LOGOUT, &logout, &[ORIGIN]).await),
        ];
        for (what, answer) in answers {
            assert_eq!(answer.status, 303, "{what}: {}", answer.body);
        }
    })
    .await;
}

/// The statuses by which a browser posts a form again, to wherever it is sent.
#[test]
fn no_source_names_a_redirect_that_keeps_the_method() {
    for source in rust() {
        for name in ["TEMPORARY_REDIRECT", "PERMANENT_REDIRECT", "Redirect::temporary", "Redirect::permanent"]
        {
            assert!(!source.text.contains(name), "{}: {name}", source.file.display());
        }
    }
}

/// §4.11.2: no parameter, whatever its name, is an address to go to unless it is a registered one.
#[tokio::test]
async fn no_endpoint_forwards_to_an_address_of_a_parameter() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let begun = stand.authorize(&[("prompt", "login")], "").await;
        let cookies = format!("{}; {}", browser.cookie, begun.cookie());
        let places = [
            "/auth".to_owned(),
            begun.location(),
            format!("{}/cancel", begun.location()),
            LOGOUT.to_owned(),
            "/logout".to_owned(),
            "/".to_owned(),
        ];
        let names = [
            "next",
            "url",
            "return_to",
            "continue",
            "redirect",
            "redirect_uri",
            "post_logout_redirect_uri",
            "target_link_uri",
            "goto",
            "service",
            "RelayState",
            "initiate_login_uri",
        ];
        let evil = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect::<String>();
        for place in &places {
            for name in names {
                let asked = format!("{place}?{name}={evil}");
                let answer = stand.get(&asked, &[("cookie", &cookies)]).await;
                let leads = answer.headers.get("location").map(|to| to.to_str().unwrap().to_owned());
                assert!(leads.is_none_or(|to| !to.contains("evil")), "{asked}");
                assert!(!answer.body.contains("evil.example"), "{asked}");
                assert!(!answer.headers.contains_key("refresh"), "{asked}");
            }
        }
    })
    .await;
}

/// §4.11.2: a stranger registers a client, and makes links to us that lead to their site by themselves.
#[tokio::test]
async fn a_link_to_us_does_not_lead_to_a_strangers_site_by_itself() {
    Stand::on_both(async |stand| {
        let register = |id| NewClient { profile: ProfileName::Standard, ..new_client(id) };
        stand.add_stranger(&register("phish")).await;
        stand.add_client(&register("known")).await;
        let wrong = [
            ("scope", "none-of-ours"),
            ("response_type", "token"),
            ("max_age", "soon"),
            ("prompt", "none login"),
            ("request", "eyJhbGciOiJub25lIn0.e30."),
        ];
        let anybody = stand.sign_in_as(STRANGER).await;
        for change in wrong {
            let asked = |client: &'static str, redirect| of(client, redirect, &[change]);
            let answer = stand.authorize(&asked("phish", "https://phish.example/cb"), "").await;
            assert_eq!((answer.status.as_u16(), answer.headers.get("location")), (400, None), "{change:?}");
            assert!(answer.body.contains("OIDC-170"), "{}", answer.body);
            assert!(answer.body.contains("phish.example"), "the person reads where it would lead");
            // Whoever is signed in has been asked who they are, and a client that somebody here registered is trusted.
            let signed_in =
                stand.authorize(&asked("phish", "https://phish.example/cb"), &anybody.cookie).await;
            assert!(signed_in.location().starts_with("https://phish.example/cb?error="), "{change:?}");
            let known = stand.authorize(&asked("known", "https://known.example/cb"), "").await;
            assert!(known.location().starts_with("https://known.example/cb?error="), "{change:?}");
        }
        // A form that would post itself does no more than a redirect.
        let by_form =
            of("phish", "https://phish.example/cb", &[("scope", "x"), ("response_mode", "form_post")]);
        let answer = stand.authorize(&by_form, "").await;
        assert!(answer.status == 400 && !answer.body.contains("<form"), "{}", answer.body);
        // A session that is over is nobody's.
        stand.advance(5 * 3_600);
        let asked = of("phish", "https://phish.example/cb", &[wrong[0]]);
        assert_eq!(stand.authorize(&asked, &anybody.cookie).await.status, 400);
        // A question in the background is answered (OpenID Connect Core §3.1.2.6), as the RFC has it.
        let silent = of("phish", "https://phish.example/cb", &[("prompt", "none")]);
        assert_eq!(stand.authorize(&silent, "").await.parameter("error").as_deref(), Some("login_required"));
    })
    .await;
}

/// Open redirect in logout: nothing but an address of the client that the hint or `client_id` names.
#[tokio::test]
async fn a_logout_leads_to_registered_addresses_alone() {
    Stand::on_both(async |stand| {
        let browser = stand.sign_in().await;
        let hint = stand.tokens(&browser).await["id_token"].as_str().unwrap().to_owned();
        for address in [
            EVIL,
            "https://rp.example/bye/",
            "https://rp.example/bye?x=1",
            "https://rp.example/BYE",
            "https://RP.example/bye",
            "https://rp.example:443/bye",
            "https://rp.example/bye#x",
            "https://user@rp.example/bye",
            "https://rp.example@evil.example/bye",
            "https://rp.example.evil.example/bye",
            "https://rp.example/%62ye",
            "https://rp.example/x/../bye",
            "http://rp.example/bye",
            "//rp.example/bye",
            "\\\\rp.example/bye",
            "javascript:alert(1)",
            "https://other.example/bye",
            // One to sign in with is none to sign out with.
            "https://rp.example/cb",
        ] {
            for named in [("id_token_hint", hint.as_str()), ("client_id", "rp")] {
                let asked = [named, ("post_logout_redirect_uri", address)];
                let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
                for cookie in [browser.cookie.as_str(), "a=b"] {
                    let answer = stand.get(&format!("{LOGOUT}?{form}"), &[("cookie", cookie)]).await;
                    assert_eq!(answer.status, 400, "{asked:?}");
                    assert!(!answer.headers.contains_key("location"), "{address}");
                    assert!(
                        answer.body.contains("OIDC-031") && !answer.body.contains("evil"),
                        "{}",
                        answer.body
                    );
                }
            }
        }
        assert!(stand.authorize(&[("prompt", "none")], &browser.cookie).await.parameter("code").is_some());
    })
    .await;
}
