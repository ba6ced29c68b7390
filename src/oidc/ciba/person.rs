//! Who is asked (CIBA Core §7.1): by a national identifier or a `sub` of ours, by an ID token, or by a token of the client's
//! own.
//!
//! Nobody learns here who exists: a name that nobody has, somebody who is disabled and somebody who may be asked are one and
//! the same to the client. Only what is no token of ours, or of the client, is told as that.

use serde::Deserialize;
use uuid::Uuid;

use super::check::{BackchannelFault, Hint as Asked};
use crate::crypto::jose::Expected;
use crate::directory;
use crate::ids::PersonId;
use crate::oidc::authorize::error::AuthorizationError;
use crate::oidc::id_token_hint::Hint;
use crate::oidc::proof::jwt::{Audience, NumericDate, SKEW};
use crate::oidc::{Provider, profile};
use crate::store::client::Client;
use crate::store::{self, StoreError};

/// The longest `login_hint_token`, in bytes.
const LONGEST: usize = 2048;

/// Somebody who may be asked, or nobody.
pub(super) struct Named {
    /// The words that stand for them, for counting: the same for whoever exists and for whoever does not.
    pub words: String,
    /// Who they are, if they may be asked.
    pub person: Option<PersonId>,
}

/// A token of the client's own about somebody: a JWT that it signs, with a subject identifier of RFC 9493.
#[derive(Deserialize)]
struct LoginHintToken {
    iss: String,
    aud: Audience,
    exp: NumericDate,
    sub_id: SubjectId,
}

#[derive(Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
enum SubjectId {
    /// RFC 9493 §3.2.4: a national identifier.
    Opaque { id: String },
    /// RFC 9493 §3.2.3: a `sub` of ours.
    IssSub { iss: String, sub: String },
}

/// Whom the hint of a question names.
///
/// # Errors
/// Where a token is not ours, not the client's, or over.
pub(super) async fn named(
    provider: &Provider,
    client: &Client,
    hint: &Asked,
) -> Result<Named, AuthorizationError> {
    let (words, person) = match hint {
        Asked::Login(words) => (words.clone(), by_words(provider, words).await?),
        Asked::IdToken(token) => {
            let hint = Hint::of(provider, token).await.filter(|hint| hint.client_id == client.id);
            let hint = hint.ok_or(BackchannelFault::IdTokenHint)?;
            let person = hint.person(&provider.db).await?;
            (hint.id_nat, person)
        }
        Asked::LoginToken(token) => {
            let words = words_of_token(provider, client, token).await?;
            let person = by_words(provider, &words).await?;
            (words, person)
        }
    };
    let person = match person {
        Some(person) => {
            let (db, now) = (&provider.db, provider.now());
            let is_admitted = directory::admitted(db, person, client.audience, now).await?.is_ok();
            // Whoever said "it was not me" is left alone for a while.
            let is_guarded = store::phone::is_guarded(db, person, now).await?;
            (is_admitted && !is_guarded).then_some(person)
        }
        None => None,
    };
    Ok(Named { words, person })
}

/// A national identifier, or the `sub` that is made of one.
async fn by_words(provider: &Provider, words: &str) -> Result<Option<PersonId>, StoreError> {
    let ours = of_sub(words, provider.settings.namespace).unwrap_or(words);
    Ok(store::person::by_identifier(&provider.db, ours).await?.map(|person| person.id))
}

fn of_sub(words: &str, namespace: Uuid) -> Option<&str> {
    words.strip_prefix("f:")?.strip_prefix(&namespace.to_string())?.strip_prefix(':')
}

async fn words_of_token(
    provider: &Provider,
    client: &Client,
    token: &str,
) -> Result<String, BackchannelFault> {
    let algorithms = profile::of(client).rules().signing_algorithms;
    let expected = Expected { typ: None, algorithms, max_len: LONGEST };
    let verified: Result<LoginHintToken, _> = provider.client_keys.verify(client, token, expected).await;
    let issuer = provider.settings.issuer.as_str();
    let read = verified.map_err(|error| {
        tracing::warn!(client = client.id, %error, "a login_hint_token was refused");
        BackchannelFault::LoginHintToken
    })?;
    if read.iss != client.id || !read.aud.is_only(|one| one == issuer) {
        return Err(BackchannelFault::LoginHintToken);
    }
    if read.exp.0 + SKEW <= provider.now() {
        return Err(BackchannelFault::ExpiredLoginHintToken);
    }
    match read.sub_id {
        SubjectId::Opaque { id } => Ok(id),
        SubjectId::IssSub { iss, sub } if iss == issuer => Ok(sub),
        SubjectId::IssSub { .. } => Err(BackchannelFault::LoginHintToken),
    }
}
