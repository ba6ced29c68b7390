use std::net::Ipv4Addr;

use axum::{Extension, routing::get};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::*;
use crate::web::tls::tests::{certificate, host as tls_host};

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn start(router: Router, transport: Transport, patience: Patience) -> Running {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), transport).await.expect("a free port");
    let (address, stop) = (listener.address(), CancellationToken::new());
    let task = tokio::spawn(listener.serve(router, patience, stop.clone()));
    Running { address, stop, task }
}

fn plain() -> Transport {
    Transport::Plain { behind_proxy: false }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A TLS end without close_notify still brought the answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("UTF-8")
}

/// What the handler saw of the connection.
async fn who(Extension(peer): Extension<Peer>) -> String {
    let tls = peer.tls.map(|shake| {
        let name = shake.server_name.clone().unwrap_or_default();
        format!(
            "{name} asked={} certificates={}",
            shake.asked_for_certificate,
            shake.client_certificates.len()
        )
    });
    format!("from={} tls={}", peer.address.ip(), tls.as_deref().unwrap_or("none"))
}

#[tokio::test]
async fn answers_plain_requests_and_stops() {
    let running = start(Router::new().route("/", get(who)), plain(), Patience::default()).await;
    let answer = ask(TcpStream::connect(running.address).await.expect("connected"), "x", "/").await;
    assert!(answer.ends_with("from=127.0.0.1 tls=none"), "{answer}");
    running.stop.cancel();
    running.task.await.expect("stopped");
    assert!(TcpStream::connect(running.address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn plain_http_in_the_open_is_refused() {
    let open = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let refused = Listener::bind(open, plain()).await.expect_err("everybody could read it");
    assert_eq!(refused.code(), "WEB-021");
    assert!(Listener::bind(open, Transport::Plain { behind_proxy: true }).await.is_ok());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), plain()).await.expect("a free port");
    let refused = Listener::bind(taken.address(), plain()).await.expect_err("taken");
    assert!(refused.to_string().contains(&taken.address().to_string()), "{refused}");
}

#[tokio::test]
async fn a_running_request_ends_before_we_stop() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_entry, at_leave) = (entered.clone(), leave.clone());
    let slow = get(async move || {
        at_entry.notify_one();
        at_leave.notified().await;
        "finished"
    });
    let running = start(Router::new().route("/", slow), plain(), Patience::default()).await;
    let stream = TcpStream::connect(running.address).await.expect("connected");
    let request = tokio::spawn(async move { ask(stream, "x", "/").await });
    entered.notified().await;
    running.stop.cancel();
    leave.notify_one();
    assert!(request.await.expect("an answer").ends_with("finished"));
    running.task.await.expect("stopped");
}

#[tokio::test]
async fn a_stream_without_end_does_not_keep_us() {
    let entered = Arc::new(Notify::new());
    let at_entry = entered.clone();
    let endless = get(async move || {
        at_entry.notify_one();
        std::future::pending::<()>().await;
    });
    let patience = Patience { drain: Duration::from_millis(10), ..Patience::default() };
    let running = start(Router::new().route("/", endless), plain(), patience).await;
    let stream = TcpStream::connect(running.address).await.expect("connected");
    let request = tokio::spawn(async move { ask(stream, "x", "/").await });
    entered.notified().await;
    running.stop.cancel();
    running.task.await.expect("stopped");
    assert_eq!(request.await.expect("cut off"), "");
}

/// Shakes hands as `name`, with a certificate of its own if asked to.
async fn connect(address: SocketAddr, name: &str, own: bool) -> tokio_openssl::SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a connector");
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_alpn_protos(b"\x08http/1.1").expect("a protocol");
    if own {
        let (certificate, key) = certificate("client").expect("a certificate");
        connector.set_certificate(&certificate).expect("set");
        connector.set_private_key(&key).expect("set");
    }
    let mut configuration = connector.build().configure().expect("a configuration");
    configuration.set_verify_hostname(false);
    let ssl = configuration.into_ssl(name).expect("a session");
    let stream = TcpStream::connect(address).await.expect("connected");
    let mut stream = tokio_openssl::SslStream::new(ssl, stream).expect("a stream");
    std::pin::Pin::new(&mut stream).connect().await.expect("a handshake");
    stream
}

fn subject(stream: &tokio_openssl::SslStream<TcpStream>) -> String {
    let certificate = stream.ssl().peer_certificate().expect("a certificate");
    let entry = certificate.subject_name().entries().next().expect("a name");
    entry.data().to_string().expect("UTF-8")
}

#[tokio::test]
async fn only_the_card_host_asks_for_a_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts =
        vec![tls_host(folder.path(), "id.example", false), tls_host(folder.path(), "carte.example", true)];
    let hosts = Arc::new(TlsHosts::read(hosts).expect("certificates"));
    let router = Router::new().route("/", get(who));
    let running = start(router, Transport::Tls(hosts), Patience::default()).await;

    let stream = connect(running.address, "id.example", true).await;
    assert_eq!(subject(&stream), "id.example");
    let answer = ask(stream, "id.example", "/").await;
    assert!(answer.ends_with("tls=id.example asked=false certificates=0"), "{answer}");

    let stream = connect(running.address, "carte.example", true).await;
    assert_eq!(subject(&stream), "carte.example");
    let answer = ask(stream, "carte.example:8443", "/").await;
    assert!(answer.ends_with("tls=carte.example asked=true certificates=1"), "{answer}");

    // Without a certificate one still gets in, to be told so on a page.
    let answer = ask(connect(running.address, "carte.example", false).await, "carte.example", "/").await;
    assert!(answer.ends_with("tls=carte.example asked=true certificates=0"), "{answer}");

    // A connection made for the pages is no way round the question.
    let answer = ask(connect(running.address, "id.example", true).await, "carte.example", "/").await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    running.stop.cancel();
    running.task.await.expect("stopped");
}

#[tokio::test]
async fn a_certificate_is_changed_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = tls_host(folder.path(), "id.example", false);
    let hosts = Arc::new(TlsHosts::read(vec![host.clone()]).expect("a certificate"));
    let running = start(Router::new(), Transport::Tls(hosts.clone()), Patience::default()).await;
    assert_eq!(subject(&connect(running.address, "id.example", false).await), "id.example");
    let next = tls_host(folder.path(), "next.example", false);
    std::fs::copy(&next.certificate_file, &host.certificate_file).expect("copied");
    std::fs::copy(&next.key_file, &host.key_file).expect("copied");
    hosts.reload().expect("good files");
    assert_eq!(subject(&connect(running.address, "id.example", false).await), "next.example");
    running.stop.cancel();
    running.task.await.expect("stopped");
}

#[tokio::test]
async fn silence_at_the_handshake_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts =
        Arc::new(TlsHosts::read(vec![tls_host(folder.path(), "id.example", false)]).expect("a certificate"));
    let running = start(Router::new().route("/", get(who)), Transport::Tls(hosts), Patience::default()).await;
    let _silent = TcpStream::connect(running.address).await.expect("connected");
    let answer = ask(connect(running.address, "id.example", false).await, "id.example", "/").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.stop.cancel();
}
