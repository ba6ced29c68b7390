//! The public keys (RFC 7517 §5): of each algorithm in use the one that signs, the next one long before it does, and the
//! last ones a day after; and the one that request objects are encrypted to.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::{Provider, discovery};

#[derive(Serialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// `GET {iss}/protocol/openid-connect/certs`
pub(super) async fn answer(State(provider): State<Arc<Provider>>) -> Response {
    let (token_keys, now) = (provider.token_keys.keys().await, provider.now());
    let request_object_keys = provider.request_object_keys.keys().await;
    let signing = token_keys.published(now).map(|key| key.to_jwk());
    let keys = signing.chain(request_object_keys.published(now).map(|key| key.to_jwk())).collect();
    discovery::public(KeySet { keys })
}
