//! A real TLS handshake with the host of services: on our own listener, with an optional certificate, in TLS 1.2 and 1.3.

use std::pin::Pin;
use std::sync::Arc;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::stand::{Authorities, HOST, SUBJECT, establishment, host, key, on_both, register};
use crate::store::client::Metadata;
use crate::tests::spec::stand::TOKEN;
use crate::web::client_certificate::Source;
use crate::web::serve::{Listener, Patience, Transport};
use crate::web::tls::{Asks, TlsHosts, tests};

/// Status line and body of a token request of `dpi` over a connection of this version, with the certificate or without.
async fn ask(address: std::net::SocketAddr, version: SslVersion, certificate: Option<&X509>) -> String {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_max_proto_version(Some(version)).unwrap();
    if let Some(certificate) = certificate {
        connector.set_certificate(certificate).unwrap();
        connector.set_private_key(&key()).unwrap();
    }
    let mut configuration = connector.build().configure().unwrap();
    configuration.set_verify_hostname(false);
    let ssl = configuration.into_ssl(HOST).unwrap();
    let mut stream = tokio_openssl::SslStream::new(ssl, TcpStream::connect(address).await.unwrap()).unwrap();
    Pin::new(&mut stream).connect().await.unwrap();
    let form = "grant_type=unheard-of&client_id=dpi";
    let request = format!(
        "POST {TOKEN} HTTP/1.1\r\nhost: {HOST}:8444\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_certificate_of_the_handshake_is_the_one_that_counts() {
    let authorities = Authorities::installed(&[]);
    on_both(&authorities, async |stand| {
        let metadata = Metadata { tls_client_auth_subject_dn: Some(SUBJECT.into()), ..Metadata::default() };
        register(&stand, "dpi", metadata).await;
        let folder = tempfile::tempdir().unwrap();
        let hosts = TlsHosts::read(vec![tests::host(folder.path(), HOST, Asks::Certificate)]).unwrap();
        let tls = Transport::Tls(Arc::new(hosts));
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), tls).await.unwrap();
        let address = listener.address();
        let stop = CancellationToken::new();
        let router = host(&stand, Source::Handshake);
        let served = tokio::spawn(listener.serve(router, Patience::default(), stop.clone()));
        let own = X509::from_der(&establishment()).unwrap();
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let answer = ask(address, version, Some(&own)).await;
            assert!(answer.contains("unsupported_grant_type"), "{answer}");
            // Whoever has none gets in, and is told so by the protocol.
            let answer = ask(address, version, None).await;
            assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_client"), "{answer}");
        }
        stop.cancel();
        served.await.unwrap();
    })
    .await;
}
