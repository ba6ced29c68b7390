//! RFC 9700 and the browser: attacks on the authorization endpoint that belong to no single parameter.

mod codes;
mod input;
mod pages;
mod redirects;
mod ssrf;
mod stored;
mod tokens;

use super::browser::{Page, of};
use super::par::PUSH;
use super::stand::{ISSUER, NewRp, REALM, Stand, basic, new_client, query};
use crate::store::client::{Metadata, NewClient, ProfileName};

/// RFC 9700 §4.1: every way to write an address that is nearly the client's.
#[tokio::test]
async fn an_address_that_is_nearly_the_clients_is_nobodys() {
    Stand::on_both(async |stand| {
        let registered = "https://xn--hpital-0wa.example/cb?a=1";
        let client = NewClient {
            profile: ProfileName::Standard,
            redirect_uris: vec![registered.into()],
            ..new_client("idn")
        };
        stand.add_client(&client).await;
        let browser = stand.sign_in().await;
        let good = stand.authorize(&of("idn", registered, &[]), &browser.cookie).await;
        assert!(good.location().starts_with(&format!("{registered}&code=")), "{}", good.location());
        for asked in [
            "https://hôpital.example/cb?a=1",
            "https://XN--HPITAL-0WA.example/cb?a=1",
            "https://xn--hpital-0wa.example./cb?a=1",
            "https://xn--hpital-0wa.example:443/cb?a=1",
            "https://xn--hpital-0wa.example:8443/cb?a=1",
            "HTTPS://xn--hpital-0wa.example/cb?a=1",
            "http://xn--hpital-0wa.example/cb?a=1",
            "https://xn--hpital-0wa.example/CB?a=1",
            "https://xn--hpital-0wa.example/%63b?a=1",
            "https://xn--hpital-0wa.example/cb%3Fa=1",
            "https://xn--hpital-0wa.example/cb/../cb?a=1",
            "https://xn--hpital-0wa.example/./cb?a=1",
            "https://xn--hpital-0wa.example//cb?a=1",
            "https://xn--hpital-0wa.example\\cb?a=1",
            "https://xn--hpital-0wa.example/cb?a=1&b=2",
            "https://xn--hpital-0wa.example/cb?a=1#x",
            "https://xn--hpital-0wa.example/cb?a=1%00",
            "https://xn--hpital-0wa.example/cb?a=1\u{0}",
            "https://xn--hpital-0wa.example/cb?a=1\t",
            " https://xn--hpital-0wa.example/cb?a=1",
            "https://user@xn--hpital-0wa.example/cb?a=1",
            "https://xn--hpital-0wa.example@evil.example/cb?a=1",
            "https://evil.example/https://xn--hpital-0wa.example/cb?a=1",
            "https://xn--hpital-0wa.example.evil.example/cb?a=1",
            "//xn--hpital-0wa.example/cb?a=1",
            "/cb?a=1",
        ] {
            let answer = stand.authorize(&of("idn", asked, &[]), &browser.cookie).await;
            assert_eq!(answer.status, 400, "{asked:?}");
            assert!(!answer.headers.contains_key("location"), "{asked:?}");
        }
    })
    .await;
}

/// RFC 8252 §7.3, §8.3: the port of a native application, and nothing but the port.
#[tokio::test]
async fn a_native_application_listens_on_any_port_of_its_machine_and_nowhere_else() {
    Stand::on_both(async |stand| {
        let native = Metadata { application_type: Some("native".into()), ..Metadata::default() };
        let addresses = ["http://127.0.0.1/cb", "http://[::1]:4000/cb", "http://localhost:4000/cb"];
        let register = async |id, profile, metadata| {
            let redirect_uris = addresses.map(str::to_owned).into();
            stand.add_client(&NewClient { profile, metadata, redirect_uris, ..new_client(id) }).await;
        };
        register("native", ProfileName::Standard, native.clone()).await;
        register("web", ProfileName::Standard, Metadata::default()).await;
        register("psc", ProfileName::Psc, native.clone()).await;
        register("fapi", ProfileName::Fapi2, native).await;
        let browser = stand.sign_in().await;
        let status = async |client, asked| {
            stand.authorize(&of(client, asked, &[]), &browser.cookie).await.status.as_u16()
        };
        for good in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://[::1]:51004/cb"] {
            assert_eq!(status("native", good).await, 302, "{good}");
        }
        for bad in [
            "http://localhost:51004/cb",
            "http://127.0.0.2:51004/cb",
            "http://127.0.0.1:51004/evil",
            "http://127.0.0.1:51004@evil.example/cb",
            "https://127.0.0.1:51004/cb",
        ] {
            assert_eq!(status("native", bad).await, 400, "{bad}");
        }
        for other in ["web", "psc", "fapi"] {
            assert_eq!(status(other, "http://127.0.0.1:51004/cb").await, 400, "{other}");
        }
    })
    .await;
}

/// RFC 9207, RFC 9700 §4.4: the client of another issuer is told whose answer it has, also of every error.
#[tokio::test]
async fn every_answer_says_who_gave_it() {
    let stand = Stand::new().await;
    let browser = stand.sign_in().await;
    for (changes, error) in [
        (&[][..], None),
        (&[("max_age", "soon")], Some("invalid_request")),
        (&[("scope", "x")], Some("invalid_scope")),
        (&[("request", "x")], Some("invalid_request_object")),
        (&[("response_type", "token")], Some("unsupported_response_type")),
    ] {
        let answer = stand.authorize(changes, &browser.cookie).await;
        assert!(answer.location().starts_with("https://rp.example/cb?"), "{changes:?}");
        assert_eq!(answer.parameter("error").as_deref(), error, "{changes:?}");
        assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER), "{changes:?}");
    }
    let begun = stand.authorize(&[("prompt", "login")], "").await;
    let given_up = stand.get(&format!("{}/cancel", begun.location()), &[("cookie", &begun.cookie())]).await;
    assert_eq!(given_up.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(given_up.parameter("iss").as_deref(), Some(ISSUER));
}

/// The name that a request is sent to is nothing that an answer is built from.
#[tokio::test]
async fn a_made_up_host_leads_nowhere() {
    let stand = Stand::new().await;
    let forged = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-for", "192.0.2.1, evil.example"),
        ("forwarded", "host=evil.example;proto=gopher"),
        ("x-original-url", "/evil.example"),
    ];
    let begun = stand.get(&format!("/auth?{}", query(&[])), &forged).await;
    assert!(begun.location().starts_with("/login/"), "{}", begun.location());
    let mut headers = forged.to_vec();
    let cookie = begun.cookie();
    headers.push(("cookie", &cookie));
    let page = stand.get(&begun.location(), &headers).await;
    assert!(page.status == 200 && !page.body.contains("evil.example"), "{}", page.body);
    let secret = basic("rp");
    let pushed = [forged.as_slice(), &[("authorization", secret.as_str())]].concat();
    let answer = stand.post(PUSH, &query(&[]), &pushed).await;
    assert!(answer.status == 201 && !answer.body.contains("evil.example"), "{}", answer.body);
    let document = stand.get(&format!("{REALM}/.well-known/openid-configuration"), &forged).await;
    assert!(!document.body.contains("evil.example"));
    assert_eq!(document.json()["issuer"], ISSUER);
}

/// Session fixation and cookie tossing: a session that somebody else put into the browser.
#[tokio::test]
async fn a_session_cookie_that_is_made_up_or_there_twice_is_none() {
    Stand::on_both(async |stand| {
        let victim = stand.sign_in().await;
        let attacker = stand.sign_in_as(super::stand::STRANGER).await;
        for cookies in [
            "__Host-session=chosen-by-the-attacker".to_owned(),
            format!("{}; {}", attacker.cookie, victim.cookie),
            format!("{}; {}", victim.cookie, attacker.cookie),
            victim.cookie.replace("__Host-", ""),
            victim.cookie.replace("__Host-", "__host-"),
            victim.cookie.replace("__Host-session", "__Host-session "),
        ] {
            let begun = stand.authorize(&[], &cookies).await;
            assert!(begun.location().starts_with("/login/"), "{cookies}: {}", begun.location());
            let set: Vec<_> =
                begun.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
            assert!(set.iter().all(|line| line.starts_with("__Host-txn-")), "no session is adopted: {set:?}");
        }
    })
    .await;
}

/// Clickjacking, and pages kept by somebody on the way.
#[tokio::test]
async fn no_page_can_be_framed_or_kept() {
    let stand = Stand::new().await;
    stand.add_rp(NewRp { profile: ProfileName::Standard, ..NewRp::named("std") }).await;
    let browser = stand.sign_in().await;
    let begun = stand.authorize(&[("prompt", "login")], "").await;
    let cb = "https://std.example/cb";
    let pages = [
        stand.get(&begun.location(), &[("cookie", &begun.cookie())]).await,
        Page::of(&stand, &of("std", cb, &[("prompt", "consent")]), &browser).await.shown,
        Page::of(&stand, &of("std", cb, &[("prompt", "select_account")]), &browser).await.shown,
        stand.authorize(&[("response_mode", "form_post")], &browser.cookie).await,
        stand.authorize(&[("client_id", "nobody")], "").await,
        stand.get("/login/nonsense", &[]).await,
    ];
    for page in pages {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{policy}"
        );
        assert!(policy.contains("base-uri 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
    }
}

/// What a link holds must not become part of a page, whichever parameter it stands in.
#[tokio::test]
async fn no_page_echoes_what_a_link_holds() {
    let stand = Stand::new().await;
    let hostile = "\"'><img src=x onerror=alert(1)>Appelez le 06";
    for name in [
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "state",
        "nonce",
        "prompt",
        "max_age",
        "acr_values",
        "ui_locales",
        "login_hint",
        "id_token_hint",
        "claims",
        "display",
        "request",
        "request_uri",
        "registration",
        "resource",
        "authorization_details",
        "code_challenge",
        "unheard_of",
    ] {
        let answer = stand.authorize(&[(name, hostile)], "").await;
        if answer.status == 200 || answer.status == 400 {
            assert!(!answer.body.contains("onerror") && !answer.body.contains("Appelez"), "{name}");
        } else if answer.location().starts_with("/login/") {
            let page = stand.get(&answer.location(), &[("cookie", &answer.cookie())]).await;
            assert!(!page.body.contains("onerror") && !page.body.contains("Appelez"), "{name}");
        } else {
            assert!(!answer.location().contains(['<', '>', '"', ' ']), "{name}: {}", answer.location());
        }
    }
}

/// More than any request needs, by the browser and by the relying party.
#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let stand = Stand::new().await;
    let large = format!("{}&state={}", query(&[("state", "")]), "x".repeat(70_000));
    for path in [PUSH, "/auth"] {
        let answer = stand.post(path, &large, &[("authorization", &basic("rp"))]).await;
        assert_eq!(answer.status, 413, "{path}");
    }
    let many: String = (0..5_000).map(|n| format!("&x{n}=1")).collect();
    let answer = stand.post(PUSH, &format!("{}{many}", query(&[])), &[("authorization", &basic("rp"))]).await;
    assert_eq!(answer.status, 201, "what nobody reads is not kept: {}", answer.body);
}

/// Names of clients are not told by how an unknown one is refused at the push.
#[tokio::test]
async fn an_unknown_client_is_refused_like_a_wrong_secret() {
    let stand = Stand::new().await;
    let refused = async |client: &str| {
        let token =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{client}:wrong"));
        let answer =
            stand.post(PUSH, "response_type=code", &[("authorization", &format!("Basic {token}"))]).await;
        (answer.status, answer.body)
    };
    assert_eq!(refused("rp").await, refused("nobody").await);
}
