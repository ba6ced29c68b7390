//! A web site of somebody else, on this machine: every path shows the page that the test gave it.

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse as _};
use axum::routing::get;
use tokio::task::JoinHandle;

/// A running site. Dropping it frees its port.
#[derive(Debug)]
pub struct Site {
    address: String,
    serving: JoinHandle<()>,
}

impl Site {
    /// Shows `html` at every path but `/worker.js`, which is `worker`; listens on `port`, or on any where it is 0.
    pub async fn open(port: u16, html: impl Into<String>, worker: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let html: String = html.into();
        let router =
            Router::new()
                .route(
                    "/worker.js",
                    get(move || async move {
                        ([(header::CONTENT_TYPE, "text/javascript")], worker).into_response()
                    }),
                )
                .fallback(move || async move { Html(html.clone()) });
        let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, serving }
    }

    /// Its origin.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes it, and waits until its port is free.
    pub async fn close(mut self) {
        self.serving.abort();
        let _cancelled = (&mut self.serving).await;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
