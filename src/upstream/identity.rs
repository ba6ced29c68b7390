//! Who somebody is here whom a provider names.
//!
//! An identity there is `(issuer, subject)`; what it is linked to stays linked. The first time, the provider's word for a
//! national identifier makes the link where the configuration trusts it with that; never a mail address, and never a name.
//! Where provider and registry disagree, nobody is signed in, and the desk finds out who is right.
//!
//! A provider may call one person by several identifiers: Pro Santé Connect by an RPPS one day and by the UUID of Pro
//! Santé Identité the next, and then it lists all. One rule reads them. **Linked**: one of those that are told is the
//! person's, or none is told. **Not linked**, where the provider's word counts: exactly one person here has any of them,
//! or nobody has and the directory knows one. Either way nobody else has one of them, and nobody ends up with two of a kind
//! that is for life; then all are the person's from now on, and where they come from is kept. Anything else is a clash, and
//! changes nothing: two people are made one by hand alone.

use serde_json::{Map, Value};

use super::Upstreams;
use super::logout::place;
use super::provider::{Provider, Said};
use super::refusal::Refusal;
use crate::clock::Time;
use crate::config::{UpstreamLink, UpstreamProfile};
use crate::directory::{self, NationalId};
use crate::ids::PersonId;
use crate::session::{Acr, Amr, AuthMode, Authentication, Evidence};
use crate::store;
use crate::store::client::Audience;
use crate::store::upstream::ToldProfessional;
use crate::store::upstream_session::UpstreamSession;

impl Upstreams {
    /// The person here, admitted for `audience`; `subject` is who they are there for good.
    pub(super) async fn person(
        &self,
        provider: &Provider,
        said: &Said,
        subject: &str,
        audience: Audience,
        now: Time,
    ) -> Result<Known, Refusal> {
        let (parts, issuer) = (&self.parts, provider.settings.issuer.as_str());
        let told = told(provider, said);
        if let Some(person) = store::upstream::person_of(&parts.db, issuer, subject).await? {
            let own = directory::admitted(&parts.db, person, audience, now).await??.identifiers;
            // The provider now calls them somebody else: one of the two is wrong.
            if !told.is_empty() && !told.iter().any(|id| own.contains(id)) {
                return Err(Refusal::Clash);
            }
            let holders = store::person::holders(&parts.db, &told).await?;
            return Ok(Known::Linked(person, news(&told, &own, Some(person), &holders)?));
        }
        match provider.settings.link {
            UpstreamLink::Desk => return Err(Refusal::NotLinked),
            UpstreamLink::Confirmed => return Ok(Known::Unpaired),
            UpstreamLink::Automatic => {}
        }
        let first = told.first().ok_or(Refusal::NoIdentifier)?;
        let holders = store::person::holders(&parts.db, &told).await?;
        let holder = holders.first().map(|(_, holder)| *holder);
        let own = match holder {
            Some(holder) => store::person::identifiers(&parts.db, holder).await?,
            None => Vec::new(),
        };
        let news = news(&told, &own, holder, &holders)?;
        let by = match holder {
            Some(_) => told.iter().find(|id| own.contains(id)),
            None => self.in_directory(&told).await?,
        };
        let by = by.unwrap_or(first);
        let person = directory::sign_in(&parts.db, &parts.trail, by, audience, now, &*parts.random).await??;
        let other = store::upstream::subject_of(&parts.db, issuer, person).await?;
        match other {
            Some(other) if other != subject => Err(Refusal::Clash),
            _ => Ok(Known::Told(person, news)),
        }
    }

    /// The first of what is told that the directory knows, of somebody who has no row here.
    async fn in_directory<'a>(&self, told: &'a [NationalId]) -> Result<Option<&'a NationalId>, Refusal> {
        for id in told {
            if store::directory::entry(&self.parts.db, id.as_str()).await?.is_some() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Whether somebody of whom this is told is the one who was named: by one of the identifiers that are told, or by
    /// another of the same person here.
    pub(super) async fn was_named(
        &self,
        told: &[NationalId],
        named: &str,
        person: Option<PersonId>,
    ) -> Result<bool, Refusal> {
        if told.iter().any(|id| id.as_str() == named) {
            return Ok(true);
        }
        let Some(person) = person else { return Ok(false) };
        let own = store::person::identifiers(&self.parts.db, person).await?;
        Ok(told.iter().any(|id| own.contains(id)))
    }
}

/// Who somebody of a provider is here.
pub(super) enum Known {
    /// The person that the identity is linked to, and what is told that is not theirs yet.
    Linked(PersonId, Vec<NationalId>),
    /// The person whose identifier the provider tells, and the same: the sign-in makes the link.
    Told(PersonId, Vec<NationalId>),
    /// Nobody yet: they say it by another means.
    Unpaired,
}

/// What is told of a person and is not their own yet. `holders` have any of it.
///
/// # Errors
/// [`Refusal::Clash`], where somebody else has one of them, or the person would have two of a kind that is for life.
pub(super) fn news(
    told: &[NationalId],
    own: &[NationalId],
    person: Option<PersonId>,
    holders: &[(String, PersonId)],
) -> Result<Vec<NationalId>, Refusal> {
    if holders.iter().any(|(_, holder)| Some(*holder) != person) {
        return Err(Refusal::Clash);
    }
    let mut news: Vec<NationalId> = Vec::new();
    for id in told.iter().filter(|id| !own.contains(id)) {
        let is_second = |other: &NationalId| other.kind() == id.kind();
        if id.is_for_life() && own.iter().chain(&news).any(is_second) {
            return Err(Refusal::Clash);
        }
        news.push(id.clone());
    }
    Ok(news)
}

/// Who somebody is at a provider for good, if it is of the tenant that is configured. Both stand in the ID token, which is
/// signed; what UserInfo says counts for neither.
pub(super) fn stable_subject(provider: &Provider, said: &Said) -> Result<String, Refusal> {
    let settings = &provider.settings;
    if let Some(tenant) = &settings.tenant
        && text(&said.id_token, &settings.tenant_claim) != Some(tenant)
    {
        return Err(Refusal::OtherTenant);
    }
    match settings.subject_claim.as_str() {
        "sub" => Ok(said.subject.clone()),
        claim => {
            let told = text(&said.id_token, claim).filter(|told| told.len() <= LONGEST_SUBJECT);
            told.map(str::to_owned).ok_or(Refusal::NoSubject)
        }
    }
}

/// The longest name of somebody (OpenID Connect Core §2).
const LONGEST_SUBJECT: usize = 255;

/// The national identifiers that a provider tells, each once: that of the claim that is configured first. Where Pro Santé
/// Connect tells that one, all that its UserInfo lists; what another provider lists under the same names says nothing.
pub(super) fn told(provider: &Provider, said: &Said) -> Vec<NationalId> {
    let name = provider.settings.identifier_claim.as_deref();
    let first = name.and_then(|name| text(&said.userinfo, name).or_else(|| text(&said.id_token, name)));
    let mut told: Vec<NationalId> = first.and_then(NationalId::of_source).into_iter().collect();
    if provider.settings.profile == UpstreamProfile::Psc && !told.is_empty() {
        for id in directory::told::identifiers(&said.userinfo) {
            if !told.contains(&id) {
                told.push(id);
            }
        }
    }
    told
}

/// What Pro Santé Connect tells of a professional; of another provider nobody knows in what words it would.
pub(super) fn told_professional(provider: &Provider, said: &Said) -> ToldProfessional {
    let is_psc = provider.settings.profile == UpstreamProfile::Psc;
    if !is_psc || !said.userinfo.get("SubjectRefPro").is_some_and(Value::is_object) {
        return ToldProfessional::Silent;
    }
    match directory::told::professional(&said.userinfo) {
        Some(told) => ToldProfessional::Practices(told.to_text()),
        None => ToldProfessional::NoPractice,
    }
}

/// What a sign-in there proves here, of a level that is no higher than `highest`.
pub(super) fn authentication(
    provider: &Provider,
    said: &Said,
    person: PersonId,
    highest: Acr,
    now: Time,
) -> Authentication {
    let acr = text(&said.id_token, "acr").map(str::to_owned);
    let told: Vec<String> = match said.id_token.get("amr") {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(word)) => vec![word.clone()],
        _ => Vec::new(),
    };
    let mode = text(&said.access_token, "authMode").or_else(|| text(&said.id_token, "authMode"));
    let auth_mode = match mode {
        Some("CARD") => AuthMode::Card,
        Some("FIDO") => AuthMode::Fido,
        _ => AuthMode::Mobile,
    };
    Authentication {
        person,
        acr: level(acr.as_deref(), highest),
        amr: factors(provider.settings.profile, auth_mode, &told),
        auth_mode,
        at: signed_in_at(said, now).unwrap_or(now),
        evidence: Evidence::Upstream {
            provider: provider.name.clone(),
            issuer: provider.settings.issuer.clone(),
            subject: said.subject.clone(),
            sid: text(&said.id_token, "sid").map(str::to_owned),
            acr,
            amr: told,
            dated: signed_in_at(said, now).is_some(),
        },
    }
}

/// The level that a provider tells, no higher than `highest`; one that is absent or unknown is the lowest.
fn level(told: Option<&str>, highest: Acr) -> Acr {
    told.and_then(|acr| acr.parse().ok()).unwrap_or(Acr::Eidas1).min(highest)
}

impl Upstreams {
    /// The session there that one here comes from, its ID token sealed, and when that was issued.
    ///
    /// # Errors
    /// [`Refusal::Seal`].
    pub(super) fn there(
        &self,
        provider: &Provider,
        said: &Said,
        now: Time,
    ) -> Result<(UpstreamSession, Time), Refusal> {
        let mut there = UpstreamSession {
            provider: provider.name.clone(),
            issuer: provider.settings.issuer.clone(),
            subject: said.subject.clone(),
            sid: text(&said.id_token, "sid").map(str::to_owned),
            id_token: None,
        };
        let sealed = self.parts.seal.seal(&place(&there), said.raw.as_bytes(), &*self.parts.random)?;
        there.id_token = Some(sealed);
        let told = said.id_token.get("iat").and_then(Value::as_i64);
        let issued_at = told.and_then(|seconds| Time::from_timestamp(seconds, 0));
        Ok((there, issued_at.unwrap_or(now)))
    }
}

/// When the person signed in there, never after now; none where the provider does not tell (OpenID Connect Core §2: it need
/// not, unless it is asked).
pub(super) fn signed_in_at(said: &Said, now: Time) -> Option<Time> {
    let told = said.id_token.get("auth_time").and_then(Value::as_i64);
    told.and_then(|seconds| Time::from_timestamp(seconds, 0)).map(|told| told.min(now))
}

/// The factors in our words. Pro Santé Connect tells none, and is told by its means, each of which is two factors.
fn factors(profile: UpstreamProfile, mode: AuthMode, told: &[String]) -> Vec<Amr> {
    let known = told.iter().filter_map(|word| match word.as_str() {
        "sc" => Some(Amr::Sc),
        "pin" => Some(Amr::Pin),
        "hwk" => Some(Amr::Hwk),
        "swk" => Some(Amr::Swk),
        "user" | "face" | "fpt" | "iris" | "retina" | "vbm" => Some(Amr::User),
        "mfa" => Some(Amr::Mfa),
        _ => None,
    });
    let mut known: Vec<Amr> = known.collect();
    if known.is_empty() && profile == UpstreamProfile::Psc {
        known = match mode {
            AuthMode::Card => vec![Amr::Sc, Amr::Pin, Amr::Hwk, Amr::Mfa],
            AuthMode::Mobile | AuthMode::Fido => vec![Amr::Mfa],
        };
    }
    known.sort_by_key(|factor| factor.as_str());
    known.dedup();
    known
}

/// A claim that is a text, and not an empty one.
pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::{Clock as _, MockClock};

    fn said(auth_time: Value) -> Said {
        let mut id_token = Map::new();
        id_token.insert("auth_time".into(), auth_time);
        Said {
            subject: "s".into(),
            raw: String::new(),
            id_token,
            access_token: Map::new(),
            userinfo: Map::new(),
        }
    }

    #[test]
    fn a_level_that_is_unknown_or_not_told_is_the_lowest_and_none_is_higher_than_the_configuration_says() {
        for (told, highest, level_here) in [
            (None, Acr::Eidas3, Acr::Eidas1),
            (Some("urn:example:gold"), Acr::Eidas3, Acr::Eidas1),
            (Some("eidas4"), Acr::Eidas3, Acr::Eidas1),
            (Some("eidas2"), Acr::Eidas3, Acr::Eidas2),
            (Some("eidas3"), Acr::Eidas2, Acr::Eidas2),
        ] {
            assert_eq!(level(told, highest), level_here, "{told:?}");
        }
    }

    #[test]
    fn a_time_that_is_not_told_is_not_now_and_none_is_in_the_future() {
        let now = MockClock::default().now();
        let seconds = now.timestamp();
        assert_eq!(signed_in_at(&said(Value::Null), now), None);
        assert_eq!(signed_in_at(&said(json!("today")), now), None);
        let before = signed_in_at(&said(json!(seconds - 60)), now).unwrap();
        assert_eq!((now - before).num_seconds(), 60);
        assert_eq!(signed_in_at(&said(json!(seconds + 600)), now), Some(now));
    }
}
