//! Guessing secrets, and what it must not do to others.

use std::net::IpAddr;

use axum::body::Body;
use http::Request;

use crate::tests::spec::stand::{Answer, Stand, TOKEN, secret_of};
use crate::web::proxy::ClientAddress;

const EVIL: [u8; 4] = [203, 0, 113, 9];
const OWN: [u8; 4] = [192, 0, 2, 1];

async fn guess(stand: &Stand, client: &str, secret: &str, address: [u8; 4]) -> Answer {
    let form = format!("grant_type=unheard-of&client_id={client}&client_secret={secret}");
    let mut request = Request::post(TOKEN)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .unwrap();
    request.extensions_mut().insert(ClientAddress(IpAddr::from(address)));
    stand.send(request).await
}

/// Whether the right secret is known for right.
async fn is_let_in(stand: &Stand, client: &str, address: [u8; 4]) -> bool {
    guess(stand, client, &secret_of(client), address).await.error() == "unsupported_grant_type"
}

fn wait(answer: &Answer) -> i64 {
    assert_eq!(answer.status, 429, "{}", answer.body);
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

async fn refusals(stand: &Stand) -> usize {
    stand.events().await.iter().filter(|event| event.starts_with("client.refused")).count()
}

#[tokio::test]
async fn guessing_is_slower_each_time_and_fills_no_audit() {
    Stand::on_both(async |stand| {
        assert!(is_let_in(&stand, "rp", OWN).await);
        for _ in 0..30 {
            assert_eq!(guess(&stand, "rp", "wrong", EVIL).await.status, 401);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let answer = guess(&stand, "rp", "wrong", EVIL).await;
            assert!((seconds..=seconds + 1).contains(&wait(&answer)), "{seconds}");
            for _ in 0..5 {
                guess(&stand, "rp", "wrong", EVIL).await;
            }
            // Nobody learns from an address like that that a secret is right before the time is over.
            wait(&guess(&stand, "rp", &secret_of("rp"), EVIL).await);
            stand.advance(seconds);
            assert_eq!(guess(&stand, "rp", "wrong", EVIL).await.status, 401, "one, and then a longer wait");
        }
        assert_eq!(refusals(&stand).await, 41, "what was told in time, and nothing else");
        stand.advance(300);
        assert!(is_let_in(&stand, "rp", EVIL).await, "its time is over");
        assert_eq!(guess(&stand, "rp", "wrong", EVIL).await.status, 401, "and all is forgiven");
    })
    .await;
}

/// The stranger's aim is not the secret but that the service be kept out.
#[tokio::test]
async fn nobody_locks_a_service_out_by_guessing_its_secret() {
    Stand::on_both(async |stand| {
        let exhaust = async |client: &str, address| {
            while guess(&stand, client, "wrong", address).await.status == 401 {}
        };
        // From an address of the stranger's own.
        exhaust("rp", EVIL).await;
        assert!(is_let_in(&stand, "rp", OWN).await);
        assert_eq!(guess(&stand, "rp", "wrong", OWN).await.status, 401, "who mistypes there is told as ever");
        // From behind the service's own proxy: it has used this address well.
        exhaust("rp", OWN).await;
        assert!(is_let_in(&stand, "rp", OWN).await);
        // From there as well, and first, before the service has come at all since the start.
        exhaust("other", OWN).await;
        assert!(is_let_in(&stand, "other", OWN).await);
        // And on and on, whatever the wait has grown to.
        for _ in 0..12 {
            exhaust("rp", OWN).await;
            stand.advance(300);
            guess(&stand, "rp", "wrong", OWN).await;
            assert!(is_let_in(&stand, "rp", OWN).await);
        }
    })
    .await;
}

/// What an invented name is told, a real one is told, as long as nobody proves it: the first, the last and the one
/// after.
#[tokio::test]
async fn invented_clients_are_refused_alike() {
    Stand::on_both(async |stand| {
        let told = async |client: &str, address| {
            let mut told = Vec::new();
            for _ in 0..33 {
                let answer = guess(&stand, client, "wrong", address).await;
                told.push((answer.status.as_u16(), answer.body));
            }
            told
        };
        assert_eq!(told("rp", [203, 0, 113, 1]).await, told("invented", [203, 0, 113, 2]).await);
        // Many names from one address: after so many refusals no more is told of any, nor recorded.
        let before = refusals(&stand).await;
        for number in 0..400 {
            guess(&stand, &format!("invented-{number}"), "x", EVIL).await;
        }
        assert_eq!(refusals(&stand).await - before, 120);
        wait(&guess(&stand, "invented-401", "x", EVIL).await);
        wait(&guess(&stand, "rp", "wrong", EVIL).await);
        assert!(is_let_in(&stand, "rp", EVIL).await, "a service behind that address is let in all the same");
    })
    .await;
}
