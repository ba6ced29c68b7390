use std::net::Ipv4Addr;

use axum::{Extension, routing::get};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::*;
use crate::web::tls::Asks;
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
    connect_speaking(b"\x08http/1.1", address, name, own).await
}

async fn connect_speaking(
    protocols: &[u8],
    address: SocketAddr,
    name: &str,
    own: bool,
) -> tokio_openssl::SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a connector");
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_alpn_protos(protocols).expect("a protocol");
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
    let hosts = vec![
        tls_host(folder.path(), "id.example", Asks::Nothing),
        tls_host(folder.path(), "carte.example", Asks::Certificate),
    ];
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

    // Whoever names no host is at the pages, and is not asked: to the other host they come without a certificate.
    let stream = connect(running.address, "192.0.2.1", true).await;
    assert_eq!(subject(&stream), "id.example");
    let answer = ask(stream, "carte.example", "/").await;
    assert!(answer.ends_with("tls= asked=false certificates=0"), "{answer}");

    // A connection made for the pages is no way round the question.
    let answer = ask(connect(running.address, "id.example", true).await, "carte.example", "/").await;
    assert!(answer.starts_with("HTTP/1.1 421"), "{answer}");
    running.stop.cancel();
    running.task.await.expect("stopped");
}

#[tokio::test]
async fn http2_is_spoken_where_it_was_agreed_on_and_nowhere_else() {
    // RFC 9113 §3.4, and an empty SETTINGS frame (§6.5); a server that speaks it answers with its own.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    async fn is_settings<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> bool {
        stream.write_all(PREFACE).await.expect("sent");
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await.is_ok() && frame[3] == 4
    }
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = TlsHosts::read(vec![tls_host(folder.path(), "id.example", Asks::Nothing)]);
    let hosts = Transport::Tls(Arc::new(hosts.expect("a certificate")));
    let tls = start(Router::new(), hosts, Patience::default()).await;
    let both = connect_speaking(b"\x02h2\x08http/1.1", tls.address, "id.example", false).await;
    assert!(is_settings(both).await);
    let one = connect_speaking(b"\x08http/1.1", tls.address, "id.example", false).await;
    assert!(!is_settings(one).await);
    let clear = start(Router::new(), plain(), Patience::default()).await;
    assert!(!is_settings(TcpStream::connect(clear.address).await.expect("connected")).await);
    for running in [tls, clear] {
        running.stop.cancel();
        running.task.await.expect("stopped");
    }
}

#[tokio::test]
async fn a_certificate_is_changed_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = tls_host(folder.path(), "id.example", Asks::Nothing);
    let hosts = Arc::new(TlsHosts::read(vec![host.clone()]).expect("a certificate"));
    let running = start(Router::new(), Transport::Tls(hosts.clone()), Patience::default()).await;
    assert_eq!(subject(&connect(running.address, "id.example", false).await), "id.example");
    let next = tls_host(folder.path(), "next.example", Asks::Nothing);
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
    let hosts = Arc::new(
        TlsHosts::read(vec![tls_host(folder.path(), "id.example", Asks::Nothing)]).expect("a certificate"),
    );
    let running = start(Router::new().route("/", get(who)), Transport::Tls(hosts), Patience::default()).await;
    let _silent = TcpStream::connect(running.address).await.expect("connected");
    let answer = ask(connect(running.address, "id.example", false).await, "id.example", "/").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.stop.cancel();
}

/// What OpenSSL's own client says of a host that asks for `asks`.
async fn said_by_s_client(asks: Asks, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = TlsHosts::read(vec![tls_host(folder.path(), "carte.example", asks)]).expect("a certificate");
    let router = Router::new().route("/", get(who));
    let running = start(router, Transport::Tls(Arc::new(hosts)), Patience::default()).await;
    let output = tokio::process::Command::new("openssl")
        .args(["s_client", "-servername", "carte.example", "-connect", &running.address.to_string()])
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .expect("the openssl command");
    running.stop.cancel();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// facts: a CPS3 signs PKCS#1 v1.5 only, which neither TLS 1.3 nor RSA-PSS can use.
#[tokio::test]
async fn a_cps3_is_asked_for_what_it_can_do() {
    let said = said_by_s_client(Asks::CardCertificate, &["-alpn", "h2,http/1.1"]).await;
    assert!(said.contains("New, TLSv1.2"), "{said}");
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    let (_, asked) = said.split_once("Requested Signature Algorithms: ").expect("a certificate is asked for");
    let asked = asked.lines().next().unwrap_or_default();
    assert!(asked.contains("RSA+SHA256") && !asked.contains("PSS"), "{asked}");

    let said = said_by_s_client(Asks::CardCertificate, &["-tls1_3"]).await;
    assert!(said.contains("alert protocol version"), "{said}");
    let said = said_by_s_client(Asks::Certificate, &[]).await;
    assert!(said.contains("New, TLSv1.3") && said.contains("PSS"), "other certificates: {said}");
}

#[tokio::test]
async fn no_session_is_resumed_past_the_question() {
    let said = said_by_s_client(Asks::CardCertificate, &["-reconnect"]).await;
    assert!(said.matches("New, TLSv1.2").count() > 1 && !said.contains("Reused"), "{said}");
    assert!(!said.contains("TLS session ticket:"), "{said}");
    // The client does resume where it may.
    let said = said_by_s_client(Asks::Nothing, &["-reconnect", "-tls1_2"]).await;
    assert!(said.contains("Reused, TLSv1.2"), "{said}");
}

#[tokio::test]
async fn a_second_request_needs_a_second_handshake_where_that_is_asked() {
    let patience = Patience { keep_alive: false, ..Patience::default() };
    let running = start(Router::new().route("/", get(who)), plain(), patience).await;
    let mut stream = TcpStream::connect(running.address).await.expect("connected");
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.repeat(2).as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the end of the connection");
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    running.stop.cancel();
}
