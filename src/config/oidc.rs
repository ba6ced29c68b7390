//! `[oidc]`: tokens and claims, where an installation may differ from Pro Santé Connect.

use chrono::TimeDelta;
use uuid::Uuid;

use super::card::Card;
use super::oidc_mtls::OidcMtls;
use super::reader::Section;
use super::server::Server;
use super::tls::Tls;

/// Tokens and claims.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// The middle of `sub` (`f:{namespace}:{idNat}`); where it is not set, the one that `sceau init` made.
    pub namespace: Option<Uuid>,
    /// Access and ID token.
    pub access_token: TimeDelta,
    /// Refresh token.
    pub refresh_token: TimeDelta,
    /// From the consent to the end of what a client may do without the person (`offline_access`).
    pub offline_access: TimeDelta,
    /// For how long a refresh token that was used is answered again; zero: not at all.
    pub refresh_grace: TimeDelta,
    /// An access token that is given for another one (RFC 8693).
    pub exchanged_token: TimeDelta,
    /// Authorization code.
    pub code: TimeDelta,
    /// `auth_level` in the ID token of a card, as Pro Santé Connect added it in 2026; absent where it is not set.
    pub auth_level: Option<String>,
    /// Whether a redirect address may end with `*`, as in Pro Santé Connect's sandbox. Never in production.
    pub redirect_wildcards: bool,
    /// Whether services may register themselves with an initial access token (`sceau client registration-token`).
    pub registration: bool,
    /// The host on which services authenticate by a TLS certificate; none unless configured.
    pub mtls: Option<OidcMtls>,
}

impl Oidc {
    pub(super) fn read(
        section: &mut Section<'_>,
        server: Option<&Server>,
        tls: Option<&Tls>,
        card: &Card,
    ) -> Self {
        let namespace = |text: &str| Uuid::parse_str(text).map_err(|_| "must be a UUID".to_owned());
        let (second, minute) = (TimeDelta::seconds(1), TimeDelta::minutes(1));
        Self {
            namespace: section.text("namespace", namespace),
            access_token: section.span("access_token", second * 30..=minute * 10).unwrap_or(second * 120),
            refresh_token: section.span("refresh_token", minute..=minute * 240).unwrap_or(minute * 30),
            offline_access: section
                .span("offline_access", minute * 60..=TimeDelta::days(365))
                .unwrap_or(TimeDelta::days(30)),
            refresh_grace: section.span("refresh_grace", TimeDelta::zero()..=minute).unwrap_or(second * 10),
            exchanged_token: section
                .span("exchanged_token", second * 30..=minute * 240)
                .unwrap_or(second * 120),
            code: section.span("code", second * 10..=second * 60).unwrap_or(second * 60),
            auth_level: section.text("auth_level", auth_level),
            redirect_wildcards: section.flag("redirect_wildcards").unwrap_or(false),
            registration: section.flag("registration").unwrap_or(false),
            mtls: section
                .section("mtls", "oidc.mtls")
                .and_then(|mut section| OidcMtls::read(&mut section, server, tls, card)),
        }
    }
}

fn auth_level(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 16 || !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err("must be a short value such as \"1\"".into());
    }
    Ok(text.to_owned())
}
