//! What is oversized, nested, doubled, or meant to be read by something else: logs, headers, another parser.

use crate::audit;
use crate::store::client::{Metadata, ProfileName};
use crate::tests::spec::browser::of;
use crate::tests::spec::par::PUSH;
use crate::tests::spec::stand::{INTROSPECT, LOGOUT, NewRp, REVOKE, Stand, TOKEN, USERINFO, basic, query};

/// JSON from a stranger: as deep as a request is long, with members twice under any spelling, or endless numbers.
#[tokio::test]
async fn json_that_is_deep_long_or_double_is_refused_wherever_it_is_read() {
    Stand::on_both(async |stand| {
        let metadata = Metadata { authorization_details_types: vec!["t".into()], ..Metadata::default() };
        stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named("std") }).await;
        let browser = stand.sign_in().await;
        let nested = |open: &str, close: &str| format!("{}{}", open.repeat(900), close.repeat(900));
        let documents = [
            nested("[", "]"),
            nested("{\"userinfo\":", "1").replace("1111", "}"),
            format!("{{\"userinfo\":{}}}", nested("[", "]")),
            r#"{"userinfo":{"name":null},"userinfo":{"sub":null}}"#.to_owned(),
            r#"{"userinfo":{"name":null},"userinf\u006f":{"sub":null}}"#.to_owned(),
            r#"{"id_token":{"sub":{"value":"a","value":"b"}}}"#.to_owned(),
            format!("{{\"id_token\":{{\"acr\":{{\"value\":{}}}}}}}", "9".repeat(1_500)),
            "{\"userinfo\":{}} trailing".to_owned(),
            "\u{feff}{}".to_owned(),
            "nul".to_owned(),
        ];
        for document in &documents {
            let asked = of("std", "https://std.example/cb", &[("claims", document)]);
            let answer = stand.authorize(&asked, &browser.cookie).await;
            assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"), "{document:.60}");
            let asked = of("std", "https://std.example/cb", &[("authorization_details", document)]);
            let error = stand.authorize(&asked, &browser.cookie).await.parameter("error");
            let error = error.unwrap_or_default();
            assert!(
                ["invalid_authorization_details", "invalid_request"].contains(&error.as_str()),
                "{error} {document:.60}"
            );
        }
    })
    .await;
}

/// RFC 6749 §3.1: whichever endpoint, a parameter that is there twice is refused, also where both say the same.
#[tokio::test]
async fn a_parameter_that_is_there_twice_is_refused_at_every_endpoint() {
    Stand::on_both(async |stand| {
        let rp = basic("rp");
        let secret = [("authorization", rp.as_str())];
        for (path, form) in [
            (TOKEN, "grant_type=authorization_code&grant_type=refresh_token&code=x"),
            (TOKEN, "grant_type=authorization_code&code=a&code=a"),
            (TOKEN, "grant_type=refresh_token&refresh_token=a&refresh_token=b"),
            (TOKEN, "grant_type=authorization_code&code=a&redirect_uri=x&redirect_uri=y"),
            (TOKEN, "grant_type=authorization_code&code=a&code_verifier=x&code_verifier=x"),
            (TOKEN, "grant_type=authorization_code&code=a&client_id=rp&client_id=rp"),
            (INTROSPECT, "token=a&token=b"),
            (REVOKE, "token=a&token=b"),
            (PUSH, &format!("{}&scope=openid", query(&[]))),
            (PUSH, &format!("{}&redirect_uri=https://rp.example/cb", query(&[]))),
        ] {
            let answer = stand.post(path, form, &secret).await;
            assert_eq!(
                (answer.status.as_u16(), answer.error().as_str()),
                (400, "invalid_request"),
                "{path} {form}"
            );
        }
        for doubled in ["client_id=rp", "redirect_uri=https://rp.example/cb"] {
            let page = stand.get(&format!("/auth?{}&{doubled}", query(&[])), &[]).await;
            assert!(page.status == 400 && !page.headers.contains_key("location"), "{doubled}");
        }
        let page = stand.get(&format!("{LOGOUT}?client_id=rp&client_id=rp"), &[]).await;
        assert_eq!(page.status, 400);
        // One in the form and one in the address are two places, of which one is read.
        let both = stand.post(&format!("{TOKEN}?grant_type=refresh_token"), "code=x", &secret).await;
        assert_eq!(both.error(), "invalid_request");
    })
    .await;
}

/// What a stranger sends ends in no header of ours, and in the audit as data.
#[tokio::test]
async fn nothing_of_a_request_becomes_a_header_or_a_line_of_the_audit() {
    Stand::on_both(async |stand| {
        let hostile = "x\r\nSet-Cookie: __Host-session=evil\r\n\r\n<html>\u{2028}\u{1b}[2J";
        let encoded: String = form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        let browser = stand.sign_in().await;
        let before = stand.events().await.len();
        let rp = basic("rp");
        let secret = [("authorization", rp.as_str())];
        let answers = [
            stand.authorize(&[("state", hostile)], &browser.cookie).await,
            stand.authorize(&[("client_id", hostile)], "").await,
            stand.authorize(&[("scope", hostile)], "").await,
            stand.get(&format!("{LOGOUT}?id_token_hint={encoded}&state={encoded}"), &[]).await,
            stand.post(TOKEN, &format!("grant_type={encoded}"), &secret).await,
            stand.post(TOKEN, &format!("grant_type=x&client_id={encoded}&client_secret=x"), &[]).await,
            stand.post(INTROSPECT, &format!("token={encoded}"), &secret).await,
            stand.get(USERINFO, &[("authorization", "Bearer a\u{9}b,c\"d")]).await,
        ];
        for answer in &answers {
            for (name, value) in &answer.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(!value.contains(['\r', '\n', '\u{1b}']), "{name}: {value}");
                assert!(name != "set-cookie" || !value.contains("evil"), "{value}");
            }
            assert!(!answer.body.contains("<html>\u{2028}"), "{}", answer.body);
        }
        // An export has an event a line, whatever stands in it.
        let events = stand.events().await.len();
        assert!(events > before, "the refusals are recorded");
        let mut export = Vec::new();
        audit::export(&stand.db, None, None, &mut export).await.unwrap();
        let export = String::from_utf8(export).unwrap();
        assert_eq!(export.lines().count(), events);
        for line in export.lines() {
            assert!(line.starts_with("{\"hash\":") && !line.contains(char::is_control), "{line}");
        }
    })
    .await;
}
