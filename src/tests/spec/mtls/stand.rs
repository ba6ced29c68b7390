//! A host that asks for certificates, the authorities of services, and services that have one.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::{Router, middleware};
use chrono::TimeDelta;
use http::Request;
use openssl::pkey::{PKey, Private};
use sceau_certs::Template;
use sceau_certs::certificate::years;
use sceau_certs::crl::{CrlTemplate, Revocation};
use sceau_certs::extension::{CLIENT_AUTH, Extension, SUBJECT_ALT_NAME, Usage};
use sceau_certs::name::{Attribute, COMMON_NAME, COUNTRY, Name, ORGANIZATION, Rdn};
use tempfile::TempDir;
use tower::ServiceExt as _;
use url::Url;

use crate::crypto::x509::revocation::Fallback;
use crate::crypto::x509::test_pki::{now, pki};
use crate::crypto::x509::trust::{Trust, TrustDirs};
use crate::oidc;
use crate::oidc::mtls::Mtls;
use crate::store::client::{AuthMethod, Metadata, ProfileName};
use crate::tests::spec::stand::{Answer, NewRp, Stand};
use crate::web::client_certificate::{CertificateHost, Source, name_certificate};
use crate::web::proxy::TrustedProxies;
use crate::web::serve::Peer;
use crate::web::tls::Handshake;

pub(super) const HOST: &str = "mtls.example";
/// The subject of the establishment's certificate, as an administrator writes it.
pub(crate) const SUBJECT: &str =
    "CN=client.hopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR";

/// The authorities of services, with their lists.
pub(crate) struct Authorities {
    pub dir: TempDir,
}

impl Authorities {
    /// Installed, with a list that revokes the certificates with these serial numbers.
    pub(crate) fn installed(revoked: &[Vec<u8>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let anchors = dir.path().join("anchors");
        std::fs::create_dir(&anchors).unwrap();
        std::fs::create_dir(dir.path().join("crl")).unwrap();
        for (name, authority) in [("root.pem", &pki().root), ("organisations.pem", &pki().organisations)] {
            std::fs::write(anchors.join(name), authority.certificate.to_pem().unwrap()).unwrap();
        }
        let authorities = Self { dir };
        authorities.publish(1, revoked);
        authorities
    }

    /// Publishes a list.
    pub(super) fn publish(&self, number: u64, revoked: &[Vec<u8>]) {
        let at = now() + TimeDelta::seconds(i64::try_from(number).unwrap());
        let list = || CrlTemplate::new(number, at, at + TimeDelta::days(7));
        let with = revoked.iter().fold(list(), |list, serial| {
            list.revoke(Revocation { serial: serial.clone(), at: now(), reason: Some(1) })
        });
        let crls = self.dir.path().join("crl");
        std::fs::write(crls.join("root.crl"), pki().root.issue_crl(&list()).unwrap()).unwrap();
        std::fs::write(crls.join("organisations.crl"), pki().organisations.issue_crl(&with).unwrap())
            .unwrap();
    }

    pub(super) fn mtls(&self) -> Mtls {
        self.mtls_with(Some(self.dir.path().join("crl").as_path()))
    }

    pub(super) fn mtls_with(&self, crls: Option<&Path>) -> Mtls {
        self.mtls_at(&url(), crls)
    }

    /// Of a host at this address.
    pub(crate) fn mtls_at(&self, url: &Url, crls: Option<&Path>) -> Mtls {
        let dirs = TrustDirs {
            anchors: self.dir.path().join("anchors"),
            crls: crls.map(Path::to_owned),
            fetch: false,
            fallback: Fallback::Refuse,
        };
        Mtls::new(url, Some(Trust::open(dirs, now()).unwrap()))
    }
}

pub(super) fn url() -> Url {
    Url::parse("https://mtls.example:8444/").unwrap()
}

/// The certificate of the establishment.
pub(crate) fn establishment() -> Vec<u8> {
    pki().organisation("client").unwrap().pair.certificate.to_der().unwrap()
}

/// A certificate of the authority of services.
pub(super) fn issue(template: &Template) -> Vec<u8> {
    pki().organisations.issue_unchecked(template, &key()).unwrap()
}

pub(crate) fn key() -> PKey<Private> {
    pki().organisation("client").unwrap().pair.key.clone()
}

/// A good certificate for authentication, of somebody with this common name.
pub(super) fn template(common_name: &str) -> Template {
    let subject = Name(vec![
        Rdn::one(Attribute::printable(COUNTRY, "FR")),
        Rdn::one(Attribute::utf8(ORGANIZATION, "EDITEUR")),
        Rdn::one(Attribute::utf8(COMMON_NAME, common_name)),
    ]);
    Template::new(subject, now() - TimeDelta::days(1), now() + years(1))
        .with(Extension::end_entity())
        .with(Extension::key_usage(&[Usage::DigitalSignature]))
        .with(Extension::extended_key_usage(&[CLIENT_AUTH]))
}

/// The same with alternative names.
pub(super) fn with_alternatives(common_name: &str, names: &[(u8, &[u8])]) -> Vec<u8> {
    use sceau_certs::der::{context_primitive, sequence};
    let names: Vec<Vec<u8>> = names.iter().map(|(kind, name)| context_primitive(*kind, name)).collect();
    issue(&template(common_name).with(Extension::new(SUBJECT_ALT_NAME, sequence(&names))))
}

/// Runs `test` on a stand of each engine with a host that asks for certificates.
pub(super) async fn on_both(authorities: &Authorities, test: impl AsyncFn(Stand)) {
    Stand::on_both_asking(|| Some(Arc::new(authorities.mtls())), test).await;
}

/// Registers a service that authenticates by certificate.
pub(super) async fn register(stand: &Stand, id: &'static str, metadata: Metadata) {
    let method = metadata.token_endpoint_auth_method.unwrap_or(AuthMethod::TlsClientAuth);
    let metadata = Metadata { token_endpoint_auth_method: Some(method), ..metadata };
    stand.add_rp(NewRp { profile: ProfileName::Standard, metadata, ..NewRp::named(id) }).await;
}

/// What answers on the host that asks.
pub(super) fn host(stand: &Stand, source: Source) -> Router {
    let host = CertificateHost { name: HOST.into(), source };
    oidc::client_routes(&stand.provider).layer(middleware::from_fn_with_state(host, name_certificate))
}

/// Asks on a connection with this certificate, in a handshake of ours.
pub(super) async fn ask(stand: &Stand, certificate: Option<&[u8]>, request: Request<Body>) -> Answer {
    let mut shake = Handshake::default();
    shake.client_certificates = certificate.map(<[u8]>::to_vec).into_iter().collect();
    let peer = Peer { address: ([192, 0, 2, 1], 4000).into(), tls: Some(Arc::new(shake)) };
    send(host(stand, Source::Handshake), peer, request).await
}

/// Asks through a proxy at this address, which says what certificate it saw.
pub(super) async fn ask_behind(stand: &Stand, address: [u8; 4], request: Request<Body>) -> Answer {
    let proxies = TrustedProxies::new(&["10.0.0.0/24".parse().unwrap()]);
    let peer = Peer { address: (address, 4000).into(), tls: None };
    send(host(stand, Source::Proxies(proxies)), peer, request).await
}

async fn send(router: Router, peer: Peer, mut request: Request<Body>) -> Answer {
    request.extensions_mut().insert(peer);
    if !request.headers().contains_key("host") {
        request.headers_mut().insert("host", http::HeaderValue::from_static("mtls.example:8444"));
    }
    let response = router.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A request with a form.
pub(super) fn post(path: &str, form: &[(&str, &str)]) -> Request<Body> {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .unwrap()
}

/// What became of a client that shows this certificate: let in, or the code of the refusal in the audit.
pub(super) async fn outcome(stand: &Stand, client: &str, certificate: Option<&[u8]>) -> String {
    let before = stand.events().await.len();
    let form = [("grant_type", "unheard-of"), ("client_id", client)];
    let answer = ask(stand, certificate, post(crate::tests::spec::stand::TOKEN, &form)).await;
    if answer.error() == "unsupported_grant_type" {
        return "let in".to_owned();
    }
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"), "{}", answer.body);
    let events = stand.events().await;
    let [event] = &events[before..] else { panic!("{:?}", &events[before..]) };
    event.strip_prefix("client.refused ").unwrap().to_owned()
}
