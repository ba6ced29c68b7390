//! Front-Channel Logout 1.0: after the end of a session the browser loads, unseen, a page of each of its relying parties
//! that registered one, so that they forget their own cookies. Browsers that keep cookies of other sites from frames make
//! it less sure than the back channel, which is told besides.

use url::Url;

use super::Provider;
use super::with_parameters;
use crate::ids::SessionId;
use crate::store::client::Client;
use crate::store::{self, StoreError};
use crate::web::headers::form_target;
use crate::web::pages::session::LogoutFrame;

/// For the discovery documents.
pub const IS_SUPPORTED: bool = true;

/// The pages to load after the end of a session, one per relying party.
///
/// # Errors
/// [`StoreError`].
pub(in crate::oidc) async fn frames(
    provider: &Provider,
    session: SessionId,
) -> Result<Vec<LogoutFrame>, StoreError> {
    let clients = store::client::of_session(&provider.db, session).await?;
    let issuer = provider.settings.issuer.as_str();
    let served = clients.iter().filter(|client| client.disabled_at.is_none());
    Ok(served.filter_map(|client| frame(client, issuer, session)).collect())
}

/// Nothing where the address is not on the origin of one of the client's own (§2): a registration must not make browsers of
/// others load pages of somebody else.
fn frame(client: &Client, issuer: &str, session: SessionId) -> Option<LogoutFrame> {
    let address = client.metadata.frontchannel_logout_uri.as_deref()?;
    let url = Url::parse(address).ok()?;
    let is_own = |own: &String| Url::parse(own).is_ok_and(|own| own.origin() == url.origin());
    if !client.redirect_uris.iter().any(is_own) {
        return None;
    }
    let source = form_target(&url)?;
    let sid = session.to_string();
    // §3: the page recognises whose session it is, if the client registered that it wants to.
    let parameters = [("iss", issuer), ("sid", sid.as_str())];
    let told = if client.metadata.frontchannel_logout_session_required { &parameters[..] } else { &[] };
    Some(LogoutFrame { address: with_parameters(address, told.iter().copied()), source })
}
