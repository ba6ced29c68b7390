//! Style, scripts and icon, compiled in.
//!
//! Each is served under a name that holds a hash of its content, so browsers keep it for a year and a new release is
//! seen at once. Scripts are ES modules without imports: a page loads the one it needs, and what several need stands in
//! `shared/` and is joined to each.

use std::sync::LazyLock;

use axum::{Router, extract::Path, response::IntoResponse, routing::get};
use http::{HeaderValue, StatusCode, header};

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Its address, from the root of the site.
    pub path: String,
    media_type: &'static str,
    content: &'static str,
}

/// The one style sheet of all pages, joined from a file per subject; what stands later goes before.
const SHEET: &str = concat!(
    include_str!("style/base.css"),
    include_str!("style/frame.css"),
    include_str!("style/sign_in.css"),
    include_str!("style/controls.css"),
    include_str!("style/sandbox.css"),
    include_str!("style/notices.css"),
    include_str!("style/lists.css"),
    include_str!("style/phone.css"),
    include_str!("style/agent.css"),
    include_str!("style/demonstration.css"),
    include_str!("style/forced_colors.css"),
);

pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("sceau", "css", "text/css; charset=utf-8", SHEET));
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("icon.svg")));
/// The sign-in page: opens the agent, notices that it does not answer, waits for the end.
pub static SIGN_IN: LazyLock<Asset> = LazyLock::new(|| Asset::script("sign-in", include_str!("sign-in.js")));
/// Security keys: signs in with one, and registers one.
pub static KEY: LazyLock<Asset> = LazyLock::new(|| {
    Asset::script(
        "key",
        concat!(include_str!("shared/post.js"), include_str!("shared/webauthn.js"), include_str!("key.js")),
    )
});
/// Pairs a phone from the page of means, and waits for one on the sign-in page.
pub static PHONE_DESK: LazyLock<Asset> = LazyLock::new(|| {
    Asset::script("phone-desk", concat!(include_str!("shared/post.js"), include_str!("phone-desk.js")))
});
/// The application of a provider of others: asks somebody there from the sign-in page, and waits.
pub static APPLICATION: LazyLock<Asset> = LazyLock::new(|| {
    Asset::script("application", concat!(include_str!("shared/post.js"), include_str!("application.js")))
});
/// The application of the phone.
pub static PHONE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::script(
        "phone",
        concat!(
            include_str!("shared/post.js"),
            include_str!("shared/webauthn.js"),
            include_str!("phone-push.js"),
            include_str!("phone.js"),
        ),
    )
});
/// The worker of that application, without the words that go before it.
pub const PHONE_WORKER: &str = include_str!("phone-worker.js");
/// jsQR 1.4.0 (Apache-2.0), as published: reads QR codes where the browser does not.
pub static JSQR: LazyLock<Asset> =
    LazyLock::new(|| Asset::script("jsqr", include_str!("vendor/jsqr/jsQR.js")));
/// Sends the page's only form, once.
pub static SUBMIT: LazyLock<Asset> = LazyLock::new(|| Asset::script("submit", include_str!("submit.js")));
/// Tells the waiting page how it ended, then closes the popup or goes on.
pub static FINISH: LazyLock<Asset> = LazyLock::new(|| Asset::script("finish", include_str!("finish.js")));

/// Loads the pages by which relying parties sign out, then goes on.
pub static SIGNED_OUT: LazyLock<Asset> =
    LazyLock::new(|| Asset::script("signed-out", include_str!("signed-out.js")));

static ALL: [&LazyLock<Asset>; 11] =
    [&STYLE, &ICON, &SIGN_IN, &KEY, &PHONE_DESK, &APPLICATION, &PHONE, &JSQR, &SUBMIT, &FINISH, &SIGNED_OUT];

impl Asset {
    fn new(name: &str, end: &str, media_type: &'static str, content: &'static str) -> Self {
        let path = format!("/assets/{name}.{:016x}.{end}", fingerprint(content.as_bytes()));
        Self { path, media_type, content }
    }

    fn script(name: &str, content: &'static str) -> Self {
        Self::new(name, "js", "text/javascript; charset=utf-8", content)
    }
}

/// FNV-1a. It tells releases apart for caches; nothing is trusted because of it.
fn fingerprint(content: &[u8]) -> u64 {
    content.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// `GET /assets/{name}`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(async |Path(name): Path<String>| serve(&name)))
}

/// The file with this hashed name (the last segment of its path), or 404.
pub fn serve(name: &str) -> axum::response::Response {
    let Some(asset) = ALL.iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // An icon opened by itself is a document: it too gets a policy.
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    ];
    (headers, asset.content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_served_for_ever_and_only_that_name() {
        let name = STYLE.path.strip_prefix("/assets/").expect("below /assets");
        let response = serve(name);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
        assert!(response.headers()["cache-control"].to_str().expect("ASCII").contains("immutable"));
        for other in ["sceau.css", "", "../sceau.css", "sceau.0000000000000000.css"] {
            assert_eq!(serve(other).status(), StatusCode::NOT_FOUND, "{other}");
        }
    }

    #[test]
    fn what_was_taken_over_is_as_it_was_published() {
        let hash = hex::encode(crate::crypto::digest::sha256(JSQR.content.as_bytes()));
        assert!(include_str!("vendor/jsqr/README.md").contains(&hash), "{hash}");
    }
}
