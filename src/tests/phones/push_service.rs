//! A push service on this machine, by TLS: it keeps what it is sent, and answers as its address says. And a browser
//! that reads it: written from RFC 8291, with nothing of the code that writes.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use http::{HeaderMap, StatusCode};
use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt_aead};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::web::serve::{Listener, Patience, Transport};
use crate::web::tls::{Asks, TlsHosts, tests::host};

/// A message that arrived.
#[derive(Debug)]
pub(super) struct Received {
    /// The last part of the address: which subscription.
    pub(super) which: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A push service. Dropping it ends it.
pub(super) struct PushService {
    pub(super) port: u16,
    /// The authority of its certificate: itself.
    pub(super) authority: reqwest::Certificate,
    arrived: UnboundedReceiver<Received>,
    _stop: DropGuard,
}

impl PushService {
    pub(super) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let named = host(dir.path(), "localhost", Asks::Nothing);
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&named.certificate_file).unwrap());
        let transport = Transport::Tls(Arc::new(TlsHosts::read(vec![named]).unwrap()));
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), transport).await.unwrap();
        let port = listener.address().port();
        let (arrives, arrived) = unbounded_channel();
        let routes = Router::new().route("/{how}/{which}", post(take)).with_state(arrives);
        let stop = CancellationToken::new();
        tokio::spawn(listener.serve(routes, Patience::default(), stop.clone()));
        Self { port, authority: authority.unwrap(), arrived, _stop: stop.drop_guard() }
    }

    /// The address of a subscription, which says how its messages are answered.
    pub(super) fn endpoint(&self, how: &str, which: &str) -> String {
        format!("https://localhost:{}/{how}/{which}", self.port)
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.arrived.recv());
        next.await.expect("a message").expect("the service runs")
    }

    /// What has arrived and was not asked for.
    pub(super) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).map(|received| received.which).collect()
    }
}

async fn take(
    State(arrives): State<UnboundedSender<Received>>,
    Path((how, which)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    arrives.send(Received { which, headers, body }).unwrap();
    match how.as_str() {
        "ok" => StatusCode::CREATED.into_response(),
        "gone" => StatusCode::GONE.into_response(),
        "unknown" => StatusCode::NOT_FOUND.into_response(),
        "busy" => StatusCode::TOO_MANY_REQUESTS.into_response(),
        "broken" => StatusCode::BAD_GATEWAY.into_response(),
        "redirect" => Redirect::temporary("/ok/redirected").into_response(),
        // Both without end.
        "giant" => Body::from_stream(stream::repeat(Ok::<_, std::convert::Infallible>(vec![b'x'; 65_536])))
            .into_response(),
        "slow" => std::future::pending().await,
        other => panic!("{other}"),
    }
}

/// A browser with a subscription.
pub(super) struct Receiver {
    key: EcKey<Private>,
    secret: Vec<u8>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        let mut secret = vec![0; 16];
        openssl::rand::rand_bytes(&mut secret).unwrap();
        Self { key: EcKey::generate(&group()).unwrap(), secret }
    }

    fn point(&self) -> Vec<u8> {
        let form = PointConversionForm::UNCOMPRESSED;
        self.key.public_key().to_bytes(&group(), form, &mut BigNumContext::new().unwrap()).unwrap()
    }

    /// What its application sends: `toJSON()` of the subscription, and the key that it subscribed with.
    pub(super) fn subscription(&self, endpoint: &str, key: &str) -> Value {
        let keys = json!({
            "p256dh": URL_SAFE_NO_PAD.encode(self.point()), "auth": URL_SAFE_NO_PAD.encode(&self.secret),
        });
        json!({"endpoint": endpoint, "keys": keys, "key": key})
    }

    /// What a message says (RFC 8188 §2.1, RFC 8291 §3.4).
    pub(super) fn read(&self, body: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(16);
        let (size, rest) = rest.split_at(4);
        let (length, rest) = rest.split_at(1);
        let (sender, sealed) = rest.split_at(usize::from(length[0]));
        let size = u32::from_be_bytes(size.try_into().unwrap());
        assert!(sealed.len() <= usize::try_from(size).unwrap(), "one record");
        let mut numbers = BigNumContext::new().unwrap();
        let point = EcPoint::from_bytes(&group(), sender, &mut numbers).unwrap();
        let theirs = PKey::from_ec_key(EcKey::from_public_key(&group(), &point).unwrap()).unwrap();
        let own = PKey::from_ec_key(self.key.clone()).unwrap();
        let mut deriver = Deriver::new(&own).unwrap();
        deriver.set_peer(&theirs).unwrap();
        let shared = deriver.derive_to_vec().unwrap();
        let info = [b"WebPush: info\0".as_slice(), &self.point(), sender, &[1]].concat();
        let ikm = hmac(&hmac(&self.secret, &shared), &info);
        let prk = hmac(salt, &ikm);
        let key = &hmac(&prk, b"Content-Encoding: aes128gcm\0\x01")[..16];
        let nonce = &hmac(&prk, b"Content-Encoding: nonce\0\x01")[..12];
        let (sealed, tag) = sealed.split_at(sealed.len() - 16);
        let mut plain = decrypt_aead(Cipher::aes_128_gcm(), key, Some(nonce), &[], sealed, tag).unwrap();
        // The last record ends in 2, and zeros behind it.
        while plain.last() == Some(&0) {
            plain.pop();
        }
        assert_eq!(plain.pop(), Some(2));
        plain
    }
}

fn group() -> EcGroup {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = PKey::hmac(key).unwrap();
    Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(data).unwrap()
}

/// RFC 8291 appendix A.
#[test]
fn the_browser_of_the_test_reads_the_message_of_the_rfc() {
    let hex = |text: &str| hex::decode(text).unwrap();
    let point = hex(
        "042571b2becdfde360551aaf1ed0f4cd366c11cebe555f89bcb7b186a53339173168ece2ebe018597bd30479b86e3c8f8e\
                     ced577ca59187e9246990db682008b0e",
    );
    let number =
        BigNum::from_slice(&hex("ab5757a70dd4a53e553a6bbf71ffefea2874ec07a6b379e3c48f895a02dc33de")).unwrap();
    let point = EcPoint::from_bytes(&group(), &point, &mut BigNumContext::new().unwrap()).unwrap();
    let key = EcKey::from_private_components(&group(), &number, &point).unwrap();
    let browser = Receiver { key, secret: hex("05305932a1c7eabe13b6cec9fda48882") };
    let body = hex(
        "0c6bfaadad67958803092d454676f397000010004104fe33f4ab0dea71914db55823f73b54948f41306d920732dbb9a59a53\
                    286482200e597a7b7bc260ba1c227998580992e93973002f3012a28ae8f06bbb78e5ec0ff297de5b429bba7153d3a4ae0ca\
                    a091fd425f3b4b5414add8ab37a19c1bbb05cf5cb5b2a2e0562d558635641ec52812c6c8ff42e95ccb86be7cd",
    );
    assert_eq!(browser.read(&body), b"When I grow up, I want to be a watermelon");
}
