//! The application of the phone: its page and its manifest. Neither knows anything about anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use serde_json::json;

use super::Phones;
use crate::web::language::Language;
use crate::web::pages::phone::{PHONE_PATH, render};

/// `GET /phone`
pub(super) async fn show(State(phones): State<Arc<Phones>>, language: Language) -> Response {
    let mut frame = phones.parts.site.frame(language);
    frame.switch = Some(format!("{PHONE_PATH}?ui_locales={}", frame.other().tag()));
    let key = match &phones.parts.push {
        Some(push) => push.public_key().await,
        None => None,
    };
    render(&frame, phones.parts.own.as_str(), key.as_deref())
}

/// `GET /phone/manifest.webmanifest`
pub(super) async fn manifest(State(phones): State<Arc<Phones>>, language: Language) -> Response {
    let frame = phones.parts.site.frame(language);
    let name = match frame.establishment.is_empty() {
        true => "Sceau".to_owned(),
        false => format!("Sceau – {}", frame.establishment),
    };
    let manifest = json!({
        "id": PHONE_PATH,
        "name": name,
        "short_name": "Sceau",
        "lang": frame.lang(),
        "start_url": PHONE_PATH,
        "scope": PHONE_PATH,
        "display": "standalone",
        "icons": [{ "src": frame.icon(), "type": "image/svg+xml", "sizes": "any" }],
    });
    let kind = HeaderValue::from_static("application/manifest+json");
    ([(header::CONTENT_TYPE, kind)], Json(manifest)).into_response()
}
