//! OpenID Connect Core §8.1, Registration §5: nobody joins a sector by naming it.

use axum::routing::get;
use http::StatusCode;

use crate::audit::Kind;
use crate::clock::Clock as _;
use crate::config;
use crate::crypto::egress::Egress;
use crate::crypto::random::SystemRandom;
use crate::oidc::client::registration::{Allowed, ClientFault, Registration, change, register};
use crate::oidc::client::sector::{self, SectorFault};
use crate::store;
use crate::store::client::{Audience, AuthMethod, Metadata, ProfileName, SubjectType};
use crate::tests::spec::stand::Stand;

/// Serves one document on this machine, and yields its address.
async fn serve(status: StatusCode, document: &str) -> String {
    let document = document.to_owned();
    let answer = get(move || async move { (status, document) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/sector.json", listener.local_addr().unwrap());
    let routes = axum::Router::new().route("/sector.json", answer);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    address
}

fn open() -> Egress {
    let allow = vec![config::Destination::Network("127.0.0.0/8".parse().unwrap())];
    Egress::new(&config::Egress { allow }).unwrap()
}

#[tokio::test]
async fn a_client_is_of_a_sector_whose_list_has_every_address_of_it() {
    let redirect_uris = ["https://one.example/cb".to_owned(), "https://two.example/cb".to_owned()];
    let verdict = async |status: StatusCode, document: &str| {
        let address = serve(status, document).await;
        match sector::check(&open(), &address, &redirect_uris).await {
            Ok(()) => "of the sector",
            Err(SectorFault::Fetch(_)) => "no answer",
            Err(SectorFault::Status(_)) => "another status",
            Err(SectorFault::Json(_)) => "no list",
            Err(SectorFault::NoAddresses) => "no addresses",
            Err(SectorFault::Unlisted(_)) => "not in the list",
        }
    };
    let (one, two) = (&redirect_uris[0], &redirect_uris[1]);
    let long = format!("[{}]", vec![r#""https://one.example/cb""#; 20_000].join(","));
    for (document, expected) in [
        (format!(r#"["https://other.example/", "{two}", "{one}"]"#), "of the sector"),
        (format!(r#"["{one}"]"#), "not in the list"),
        (format!(r#"["{one}", "{two}/"]"#), "not in the list"),
        (format!(r#"["{one}", "{}"]"#, two.to_uppercase()), "not in the list"),
        (format!(r#"["{one}", "https://two.example/*"]"#), "not in the list"),
        (format!(r#"["{one}", ["{two}"]]"#), "no addresses"),
        (format!(r#"["{one}", "{two}", null]"#), "no addresses"),
        ("[]".into(), "not in the list"),
        (format!(r#"{{"redirect_uris": ["{one}", "{two}"]}}"#), "no list"),
        (format!(r#""{one} {two}""#), "no list"),
        (format!(r#"["{one}", "{two}"] []"#), "no list"),
        ("<html></html>".into(), "no list"),
        (String::new(), "no list"),
        (long, "no answer"),
    ] {
        assert_eq!(
            verdict(StatusCode::OK, &document).await,
            expected,
            "{}",
            document.get(..80).unwrap_or(&document)
        );
    }
    let good = format!(r#"["{one}", "{two}"]"#);
    for status in [StatusCode::CREATED, StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY] {
        assert_eq!(verdict(status, &good).await, "another status", "{status}");
    }
}

/// The list is looked at before anything is kept, when the client is registered and when it is changed.
#[tokio::test]
async fn a_client_whose_sector_does_not_answer_for_it_is_not_registered() {
    Stand::on_both(async |stand| {
        let allowed = Allowed { wildcards: false, methods: AuthMethod::ALL.to_vec() };
        let registration = |sector: Option<&str>| Registration {
            id: "member".into(),
            name: "Service".into(),
            redirect_uris: vec!["https://one.example/cb".into(), "https://two.example/cb".into()],
            post_logout_redirect_uris: vec![],
            backchannel_logout_uri: None,
            audience: Audience::Affiliated,
            may_introspect: false,
            profile: ProfileName::Standard,
            metadata: Metadata {
                subject_type: sector.map(|_| SubjectType::Pairwise),
                sector_identifier_uri: sector.map(str::to_owned),
                ..Metadata::default()
            },
        };
        let (now, egress) = (stand.clock.now(), Egress::new(&config::Egress::default()).unwrap());
        let known = async || store::client::by_id(&stand.db, "member").await.unwrap();
        let add = async |registration: &Registration| {
            let event = stand.some_event(Kind::ClientAdded);
            register(&stand.db, registration, &allowed, &egress, &event, now, &SystemRandom).await
        };
        let inside = registration(Some("https://127.0.0.1:1/sector.json"));
        let fault = add(&inside).await.unwrap_err();
        assert!(matches!(&fault, ClientFault::Sector(SectorFault::Fetch(why)) if why.code() == "OIDC-035"));
        assert_eq!(fault.code(), "OIDC-165");
        let unprotected = add(&registration(Some("http://one.example/sector.json"))).await.unwrap_err();
        assert_eq!(unprotected.code(), "OIDC-152");
        assert!(known().await.is_none(), "nothing was kept");

        add(&registration(None)).await.unwrap();
        let event = stand.some_event(Kind::ClientChanged);
        let fault = change(&stand.db, &inside, &allowed, &egress, &event, now).await.unwrap_err();
        assert_eq!(fault.code(), "OIDC-165");
        assert_eq!(known().await.unwrap().metadata.sector_identifier_uri, None, "it stays as it was");
    })
    .await;
}
