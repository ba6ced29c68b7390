//! "May this service have …?" (OpenID Connect Core §3.1.2.4).
//!
//! The services of a hospital are its own, and are chosen for its staff: nobody is asked for what the work needs. People are
//! asked where a service says so (`prompt=consent`), where it is registered so (`consent_required`), where it wants to act
//! for them after they have left (`offline_access`, §11), and where it asks for something in detail (RFC 9396).
//!
//! What was allowed is remembered per person and service, but for details, which are of one occasion. A wider request is
//! asked for anew.

use super::{Asked, Failed, Visit, resume};
use crate::ids::Secret;
use crate::oidc::profile::{self, Extension};
use crate::session::Session;
use crate::store::consent::NewConsent;
use crate::store::login_transaction::LoginTransaction;
use crate::store::{self, StoreError};
use crate::web::csrf;
use crate::web::pages::session::{Consent as Page, Detail};
use axum::response::Response;

/// What a person agreed to.
pub(super) struct Consent {
    /// For the audit.
    pub in_words: String,
    /// For the next time.
    pub remembered: Option<NewConsent>,
}

impl Asked {
    /// The consent of whoever has this session to everything that is asked for.
    pub(super) fn consent(&self, session: &Session) -> Consent {
        let details = &self.request.authorization_details;
        let scopes = self.scopes_to_allow();
        let types = details.iter().filter_map(|detail| detail.get("type")?.as_str());
        let in_words: Vec<&str> = scopes.iter().map(String::as_str).chain(types).collect();
        let in_words = in_words.join(" ");
        let remembered = details.is_empty().then(|| NewConsent {
            person_id: session.person_id,
            client_id: self.client.id.clone(),
            scopes,
        });
        Consent { in_words, remembered }
    }

    /// The scopes asked for, the resources and the claims, each as one word.
    fn scopes_to_allow(&self) -> Vec<String> {
        let request = &self.request;
        let scopes = request.scope.split(' ').map(str::to_owned);
        let claims = request.claims.iter().flat_map(|claims| claims.names());
        let claims = claims.map(|name| format!("claim:{name}"));
        scopes.chain(request.resources.iter().cloned()).chain(claims).collect()
    }
}

impl Visit<'_> {
    /// Whether the person has to be asked.
    pub(super) async fn needs_consent(&self, asked: &Asked, session: &Session) -> Result<bool, StoreError> {
        let Asked { request, client } = asked;
        if !profile::of(client).rules().honours(Extension::Consent) {
            return Ok(false);
        }
        if request.consent || !request.authorization_details.is_empty() {
            return Ok(true);
        }
        if !client.metadata.consent_required && !request.is_offline() {
            return Ok(false);
        }
        let allowed = store::consent::scopes(&self.provider.db, session.person_id, &client.id).await?;
        Ok(!asked.scopes_to_allow().iter().all(|scope| allowed.contains(scope)))
    }

    /// The page that asks.
    pub(super) async fn consent_page(
        &self,
        transaction: &LoginTransaction,
        asked: &Asked,
        session: &Session,
        cookie: &Secret,
    ) -> Result<Response, Failed> {
        let subject = self.provider.subject(session.person_id, &asked.client).await?;
        let (relying_party, form_targets) = asked.shown();
        let here = resume::path(transaction.id);
        let in_detail = |detail: &serde_json::Value| Detail {
            of_type: detail.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned(),
            text: serde_json::to_string_pretty(detail).unwrap_or_default(),
        };
        let page = Page {
            name: format!("{} {}", subject.given_name, subject.family_name),
            relying_party,
            unvouched: asked.client.self_registered,
            scopes: asked.request.scope.split(' ').map(str::to_owned).collect(),
            claims: asked
                .request
                .claims
                .iter()
                .flat_map(|claims| claims.names())
                .map(str::to_owned)
                .collect(),
            resources: asked.request.resources.clone(),
            details: asked.request.authorization_details.iter().map(in_detail).collect(),
            allow: format!("{here}/allow"),
            refuse: format!("{here}/refuse"),
            not_me: format!("{here}/not-me"),
            csrf: csrf::token(cookie),
            form_targets,
        };
        Ok(page.render(&self.provider.site.frame(self.language)))
    }
}
