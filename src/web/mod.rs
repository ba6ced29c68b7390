//! Serving HTTP, and the pages.
//!
//! What a hospital gets: pages in French and English that work with a keyboard, a screen reader and a phone; strict
//! response headers on every one of them; and the plumbing of an HTTP server (TLS, client address, request limits).
//! The pages know no store and no session: whoever mounts a route fills a plain struct of [`pages`] and renders it.
//!
//! `page`, `pages`, `i18n`, `language`, `headers`, `assets` and `error_page` also serve the workstation program, and
//! use nothing that only the server has. Nothing here ever puts script or style inline, or loads anything from
//! another host.

#[cfg(feature = "server")]
pub mod answers;
#[cfg(feature = "server")]
pub mod asker;
pub mod assets;
#[cfg(feature = "server")]
pub mod browser;
#[cfg(feature = "server")]
pub mod caller;
#[cfg(feature = "server")]
pub mod client_certificate;
#[cfg(feature = "server")]
pub mod cookies;
#[cfg(feature = "server")]
pub mod csrf;
#[cfg(feature = "server")]
pub mod delays;
pub mod error_page;
pub mod headers;
#[cfg(feature = "server")]
pub mod hosts;
pub mod i18n;
pub mod language;
#[cfg(feature = "server")]
pub mod limits;
#[cfg(feature = "server")]
pub mod middleware;
#[cfg(feature = "server")]
pub mod moves;
#[cfg(feature = "server")]
pub mod new_session;
pub mod page;
pub mod pages;
#[cfg(feature = "server")]
pub mod places;
#[cfg(feature = "server")]
pub mod proxy;
#[cfg(feature = "server")]
pub mod qr;
#[cfg(feature = "server")]
pub mod repeats;
#[cfg(feature = "server")]
pub mod samples;
#[cfg(feature = "server")]
pub mod serve;
pub mod text;
#[cfg(feature = "server")]
pub mod tls;
