//! Guessing secrets, and what it must not do to others.

use std::net::IpAddr;

use axum::body::Body;
use http::Request;

use crate::tests::spec::stand::{Answer, Stand, TOKEN, secret_of};
use crate::web::proxy::ClientAddress;

async fn guess(stand: &Stand, client: &str, secret: &str, address: [u8; 4]) -> Answer {
    let form = format!("grant_type=unheard-of&client_id={client}&client_secret={secret}");
    let mut request = Request::post(TOKEN)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .unwrap();
    request.extensions_mut().insert(ClientAddress(IpAddr::from(address)));
    stand.send(request).await
}

#[tokio::test]
async fn guessing_is_slow_and_locks_nobody_out() {
    const EVIL: [u8; 4] = [203, 0, 113, 9];
    Stand::on_both(async |stand| {
        for _ in 0..30 {
            assert_eq!(guess(&stand, "rp", "wrong", EVIL).await.status, 401);
        }
        let answer = guess(&stand, "rp", "wrong", EVIL).await;
        assert_eq!(answer.status, 429);
        let wait: i64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
        for _ in 0..20 {
            guess(&stand, "rp", "wrong", EVIL).await;
        }
        let refused = stand.events().await.iter().filter(|event| event.starts_with("client.refused")).count();
        assert_eq!(refused, 30, "the audit is not filled");

        // The service itself is let in, from the same address and from its own.
        for address in [EVIL, [192, 0, 2, 1]] {
            let answer = guess(&stand, "rp", &secret_of("rp"), address).await;
            assert_eq!(answer.error(), "unsupported_grant_type", "{address:?}");
        }
        // Whoever mistypes elsewhere, or is another client here, is told as ever.
        assert_eq!(guess(&stand, "rp", "wrong", [192, 0, 2, 1]).await.status, 401);
        assert_eq!(guess(&stand, "other", "wrong", EVIL).await.status, 401);
        stand.advance(60);
        assert_eq!(guess(&stand, "rp", "wrong", EVIL).await.status, 401);
    })
    .await;
}

/// Invented names share one count: memory does not grow with them, and they are told nothing else than a wrong secret.
#[tokio::test]
async fn invented_clients_are_refused_alike() {
    const EVIL: [u8; 4] = [203, 0, 113, 10];
    Stand::on_both(async |stand| {
        let wrong = guess(&stand, "rp", "wrong", EVIL).await;
        for number in 0..30 {
            let answer = guess(&stand, &format!("invented-{number}"), "x", EVIL).await;
            assert_eq!((answer.status, &answer.body), (wrong.status, &wrong.body));
        }
        assert_eq!(guess(&stand, "invented-30", "x", EVIL).await.status, 429);
        assert_eq!(guess(&stand, "rp", "wrong", EVIL).await.status, 401);
    })
    .await;
}
