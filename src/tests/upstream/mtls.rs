//! RFC 8705: the provider knows the hospital by a certificate in the handshake, on a host of its own.

use std::sync::Arc;

use axum::middleware;
use openssl::x509::X509;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{FRONT, Hospital, Psc, this_machine};
use crate::config::{Upstream, UpstreamCredential};
use crate::crypto::egress::{Egress, EgressError};
use crate::oidc;
use crate::store::client::{AuthMethod, Metadata, NewClient};
use crate::tests::spec::mtls::stand::{Authorities, SUBJECT, establishment, key};
use crate::tests::spec::stand::new_client;
use crate::upstream::callback_address;
use crate::web::client_certificate::{CertificateHost, Source, name_certificate};
use crate::web::serve::{Listener, Patience, Transport};
use crate::web::tls::{Asks, TlsHosts, tests};

fn certificate() -> String {
    let own = X509::from_der(&establishment()).unwrap();
    String::from_utf8(own.to_pem().unwrap()).unwrap()
}

fn private_key() -> SecretString {
    // As OpenSSL writes keys of this kind by default, which the client does not read as it stands.
    let pem = match key().rsa() {
        Ok(rsa) => rsa.private_key_to_pem().unwrap(),
        Err(_) => key().ec_key().unwrap().private_key_to_pem().unwrap(),
    };
    SecretString::from(String::from_utf8(pem).unwrap())
}

/// Runs `test` with a provider that asks for certificates, a hospital's settings for it, and what its calls believe.
async fn with_provider(test: impl AsyncFn(&Psc, &Upstream, &reqwest::Certificate)) {
    let folder = tempfile::tempdir().unwrap();
    let host = tests::host(folder.path(), "localhost", Asks::Certificate);
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&host.certificate_file).unwrap()).unwrap();
    let transport = Transport::Tls(Arc::new(TlsHosts::read(vec![host]).unwrap()));
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), transport).await.unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", listener.address().port())).unwrap();
    let authorities = Authorities::installed(&[]);
    let lists = authorities.dir.path().join("crl");
    let psc = Psc::asking(Some(Arc::new(authorities.mtls_at(&url, Some(&lists))))).await;
    let callback = callback_address(&Url::parse(FRONT).unwrap(), "psc");
    let metadata = Metadata {
        token_endpoint_auth_method: Some(AuthMethod::TlsClientAuth),
        tls_client_auth_subject_dn: Some(SUBJECT.into()),
        ..Metadata::default()
    };
    let client = NewClient {
        redirect_uris: vec![callback],
        metadata,
        secret_hash: None,
        ..new_client("hopital-mtls")
    };
    psc.stand.add_client(&client).await;
    let host = CertificateHost { name: "localhost".into(), source: Source::Handshake };
    let router = oidc::client_routes(&psc.stand.provider)
        .layer(middleware::from_fn_with_state(host, name_certificate));
    let stop = CancellationToken::new();
    let served = tokio::spawn(listener.serve(router, Patience::default(), stop.clone()));
    let credential = UpstreamCredential::Certificate { certificate: certificate(), key: private_key() };
    let settings = Upstream { client_id: "hopital-mtls".into(), credential, ..psc.settings() };
    test(&psc, &settings, &authority).await;
    stop.cancel();
    served.await.unwrap();
}

#[tokio::test]
async fn the_certificate_of_the_establishment_opens_the_session_where_there_is_no_secret() {
    with_provider(async |psc, settings, authority| {
        let allow = this_machine();
        let egress = Egress::showing_to(&allow, authority.clone(), &certificate(), &private_key()).unwrap();
        Hospital::calling(settings, &egress, async |hospital| {
            let begun = hospital.begin(&[]).await;
            let answer = hospital.by(psc, &begun, &psc.stand.sign_in().await).await;
            assert!(hospital.is_in(&begun, &answer), "{} {}", answer.status, answer.body);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_in_by_a_call_that_shows_no_certificate() {
    with_provider(async |psc, settings, authority| {
        let egress = Egress::trusting(&this_machine(), Some(authority.clone())).unwrap();
        Hospital::calling(settings, &egress, async |hospital| {
            let begun = hospital.begin(&[]).await;
            let answer = hospital.by(psc, &begun, &psc.stand.sign_in().await).await;
            assert!(!hospital.is_in(&begun, &answer), "{}", answer.body);
            assert!(hospital.notice(&begun).await.contains("UPSTREAM-008"));
        })
        .await;
    })
    .await;
}

#[test]
fn a_certificate_and_the_key_of_another_are_no_pair() {
    let (_, other) = tests::certificate("other").unwrap();
    let other = String::from_utf8(other.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let showing = |certificate: &str, key: &str| {
        Egress::showing(&this_machine(), certificate, &SecretString::from(key))
    };
    for (certificate, key, said) in [
        (certificate(), other.as_str(), "the client key is not that of the client certificate"),
        ("none".to_owned(), other.as_str(), "the client key is not that of the client certificate"),
        (certificate(), "none", "the client key: "),
    ] {
        let refused = showing(&certificate, key).unwrap_err();
        assert!(matches!(&refused, EgressError::Client(why) if why.contains(said)), "{refused}");
        assert!(!refused.to_string().contains("BEGIN"), "no key in an error");
    }
}
