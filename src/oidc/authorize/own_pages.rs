//! Signing in to pages of our own, which no relying party sends anybody to: `GET /sign-in/{page}`.
//!
//! A person gets from it the same sign-in page, by the same rules, as for any service; it ends on the page instead of in a
//! code. The service of such a sign-in is [`client::own_pages`], which is registered nowhere: no authorization request,
//! token request or logout can name it.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};

use super::answer::see_other;
use super::request::{AuthorizationRequest, Prompt};
use super::{Asked, Failed, Seen, Visit, accept_language};
use crate::audit::Caller;
use crate::oidc::Provider;
use crate::session::MOMENT_OF_ROLE;
use crate::store::client;
use crate::web::error_page::ErrorPage;
use crate::web::language::Language;
use crate::web::pages::desk::DESK_PATH;
use crate::web::pages::means::{FRESH, MEANS_PATH};

/// Where a sign-in to one of our pages begins.
pub const ROUTE: &str = "/sign-in/{page}";

/// A page of our own that somebody has to be signed in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnPage {
    Home,
    Means,
    Desk,
}

impl OwnPage {
    fn named(name: &str) -> Option<Self> {
        match name {
            "home" => Some(Self::Home),
            "means" => Some(Self::Means),
            "desk" => Some(Self::Desk),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Means => MEANS_PATH,
            Self::Desk => DESK_PATH,
        }
    }

    /// How old the sign-in may be.
    fn max_age(self) -> Option<u32> {
        match self {
            Self::Desk => u32::try_from(MOMENT_OF_ROLE.num_seconds()).ok(),
            Self::Home | Self::Means => None,
        }
    }
}

/// `GET /sign-in/{page}`
pub async fn answer(
    State(provider): State<Arc<Provider>>,
    Path(page): Path<String>,
    RawQuery(query): RawQuery,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let language = Language::of_query(query.as_deref());
    let language = language.unwrap_or_else(|| Language::choose(None, accept_language(&headers)));
    let visit =
        Visit { provider: &provider, caller: &caller, headers: &headers, language, method: Method::GET };
    // A picture or a frame of another site begins no sign-in: each leaves a row here and a cookie there.
    let goes_there = headers.get("sec-fetch-dest").is_none_or(|wanted| wanted == "document");
    let is_fresh = query.as_deref().is_some_and(|query| query.split('&').any(|pair| pair == FRESH));
    let Some(page) = OwnPage::named(&page).filter(|_| goes_there) else {
        let operation = caller.operation.map(|id| id.to_string()).unwrap_or_default();
        let frame = provider.site.frame(language);
        return ErrorPage::new(StatusCode::NOT_FOUND, "WEB-003", operation).render(&frame);
    };
    match visit.sign_in_to(page, is_fresh).await {
        Ok(response) => response,
        Err(failed) => visit.fail(failed, None).await,
    }
}

impl Visit<'_> {
    async fn sign_in_to(&self, page: OwnPage, fresh: bool) -> Result<Response, Failed> {
        let asked = Asked {
            request: AuthorizationRequest {
                client_id: client::OWN_PAGES.to_owned(),
                redirect_uri: self.provider.settings.front_address(page.path()),
                max_age: page.max_age(),
                // However young the present one is: the page has just said that it is not enough.
                prompt: if fresh { Prompt::Login } else { Prompt::Auto },
                ..AuthorizationRequest::default()
            },
            client: client::own_pages(),
        };
        if let Some(session) = self.session(&asked.client).await?.and_then(Seen::alive)
            && asked.request.is_satisfied_by(&session, None, self.provider.now())
        {
            return Ok(see_other(page.path(), Method::GET));
        }
        self.begin_transaction(&asked).await
    }
}

/// Whether a sign-in is to one of our own pages, and where that is.
pub(super) fn of(asked: &Asked, provider: &Provider) -> Option<&'static str> {
    let mut pages = [OwnPage::Home, OwnPage::Means, OwnPage::Desk].into_iter().map(OwnPage::path);
    let is_there = |path: &&str| asked.request.redirect_uri == provider.settings.front_address(path);
    asked.client.is_own_pages().then(|| pages.find(is_there).unwrap_or("/"))
}
