//! "What did I allow?": the services that a person let have something of them, and the way to take it back.
//!
//! What is taken back ends at once: the consent is forgotten, and whatever the service was granted for this person is
//! revoked, also what it might have done after they had left (`offline_access`). It asks anew the next time. The form names a
//! service, never a person: whose consent it is, the session says.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method};
use url::Url;

use super::{ROUTE, SessionsError, Visit};
use crate::audit::{Caller, Kind};
use crate::ids::PersonId;
use crate::oidc::Provider;
use crate::oidc::authorize::answer::see_other;
use crate::oidc::parameters::{Parameters, UnreadableForm};
use crate::store::consent::{self, Consented};
use crate::store::{self, StoreError};
use crate::web::csrf::{self, OwnOrigin};
use crate::web::pages::session::ConsentRow;

/// Takes the consent back that the person gave to `client_id`.
pub(in crate::oidc) const WITHDRAW_ROUTE: &str = "/consents/withdraw";

/// `POST /consents/withdraw`
pub(in crate::oidc) async fn withdraw(
    State(provider): State<Arc<Provider>>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Parameters, UnreadableForm>,
) -> Response {
    let form = match form {
        Ok(form) => form,
        Err(unreadable) => return unreadable.into_response(),
    };
    let visit = Visit::new(&provider, &caller, &headers, None);
    visit.withdraw(&form).await.unwrap_or_else(|error| visit.fail(&error))
}

impl Visit<'_> {
    /// What the person allowed, for the page.
    pub(super) async fn consents(&self, person: PersonId) -> Result<Vec<ConsentRow>, StoreError> {
        let allowed = consent::of_person(&self.provider.db, person, self.provider.now()).await?;
        Ok(allowed.into_iter().map(row).collect())
    }

    async fn withdraw(&self, form: &Parameters) -> Result<Response, SessionsError> {
        let provider = self.provider;
        OwnOrigin::of(&provider.settings.front_url).check(&Method::POST, self.headers)?;
        let Some((here, cookie)) = self.session().await? else { return Ok(see_other(ROUTE, Method::POST)) };
        csrf::check_token(&cookie, form.first(csrf::FIELD).unwrap_or_default())?;
        let client = form.first("client_id").unwrap_or_default();
        let event = provider.trail.event(Kind::ConsentWithdrawn).person(here.person_id).client(client);
        let event = (&event.session(here.id).caller(self.caller)).into();
        store::consent::withdraw(&provider.db, here.person_id, client, provider.now(), &event).await?;
        Ok(see_other(ROUTE, Method::POST))
    }
}

fn row(allowed: Consented) -> ConsentRow {
    let Consented { client_id, name, scopes, since, offline } = allowed;
    let mut row =
        ConsentRow { client_id, name, since, offline, scopes: vec![], claims: vec![], resources: vec![] };
    for word in scopes {
        if let Some(claim) = word.strip_prefix("claim:") {
            row.claims.push(claim.to_owned());
        } else if Url::parse(&word).is_ok() {
            row.resources.push(word);
        } else {
            row.scopes.push(word);
        }
    }
    row
}
