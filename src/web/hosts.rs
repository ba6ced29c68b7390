//! Two hosts on one address.
//!
//! What a hospital gets: the host on which services show a certificate needs no port of its own. The name that a client
//! asks for in the handshake decides whether it is asked for a certificate ([`super::tls`]), and a request for another
//! name than that of its handshake never comes this far ([`super::tls::Handshake::is_for`]); so the name of a request is
//! the name of its handshake, or there was no name, and then nobody was asked.

use axum::Router;
use axum::extract::Request;
use tower::ServiceExt as _;

use super::serve;

/// `own` for requests to the host `name`, `others` for every other.
pub fn apart(name: String, own: Router, others: Router) -> Router {
    Router::new().fallback(move |request: Request| {
        let is_own = serve::host(&request).is_some_and(|host| host.eq_ignore_ascii_case(&name));
        let router = if is_own { own.clone() } else { others.clone() };
        router.oneshot(request)
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http::header;

    use super::*;

    #[tokio::test]
    async fn each_host_has_its_own_addresses() {
        let says = |text: &'static str| Router::new().route("/", get(async move || text));
        let both = apart("mtls.example".into(), says("services"), says("pages"));
        let other = apart("mtls.example".into(), says("services"), Router::new());
        let ask = async |router: &Router, host: &str| {
            let request =
                Request::builder().header(header::HOST, host).body(Body::empty()).expect("a request");
            let answer = router.clone().oneshot(request).await.expect("an answer");
            let status = answer.status().as_u16();
            let body = axum::body::to_bytes(answer.into_body(), 100).await.expect("a body");
            (status, String::from_utf8_lossy(&body).into_owned())
        };
        for host in ["mtls.example", "MTLS.example", "mtls.example:8443"] {
            assert_eq!(ask(&both, host).await, (200, "services".into()), "{host}");
        }
        for host in ["id.example", "mtls.example.evil.example", "x.mtls.example", "192.0.2.1", ""] {
            assert_eq!(ask(&both, host).await, (200, "pages".into()), "{host}");
        }
        assert_eq!(ask(&other, "id.example").await.0, 404);
    }
}
