//! The public keys (RFC 7517 §5): the one that signs, the next one long before it does, and the last ones a day after.

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
    let keys = provider.token_keys.keys().await;
    let keys = keys.published(provider.now()).map(|key| key.to_jwk()).collect();
    discovery::public(KeySet { keys })
}
