//! Site tokens: how a fleet of workstations enrols without a person at each.
//!
//! A hospital gets from it that an image deployed to five hundred posts, or a desktop that forgets everything at each
//! boot, enrols by itself, within what the administrator allowed: so many host names, one zone, some networks, until a
//! date. A token that was lost lets in nobody beyond that, and every use stands in the audit trail (agent protocol,
//! section 9).
//!
//! As with an invitation the secret never travels, and the server's answer counts only by the key that the token names:
//! a TLS inspection box can take over neither side, nor can somebody who holds the token pose as the server. The key is
//! the token's own, because a token outlives the request keys.

use std::net::IpAddr;

use chrono::{DurationRound as _, TimeDelta};
use ipnet::IpNet;
use zeroize::Zeroizing;

use super::enrolment::{EnrolmentRefusal, lookup_hash, thumbprint};
use super::login::CardLogin;
use super::machine::{Machine, MachineRefusal};
use super::protocol::{CLOCK_TOLERANCE, EnrolmentRequest, Invitation, TYP_ENROLLED};
use crate::audit::{Caller, Event};
use crate::clock::Time;
use crate::crypto::jose;
use crate::crypto::keys::{Algorithm, SigningKey};
use crate::crypto::sealed::SealKey;
use crate::ids::{Random, SiteTokenId, WorkstationId};
use crate::store;
use crate::store::Db;
use crate::store::audit::NewRow;
use crate::store::site_token::{Admission, SiteToken};
use crate::store::workstation::Workstation;

/// How far a request may be dated ahead: until then it would bar its host name, since an older one does not replace it.
const AHEAD: TimeDelta = TimeDelta::seconds(60);

/// What a site token allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The site of its workstations, in the establishment's own words.
    pub site: String,
    /// Their network zone, in the words of the configuration.
    pub zone: String,
    /// How many host names may have a place at one time.
    pub places: u32,
    /// The networks that it may be used from; none: any.
    pub networks: Vec<IpNet>,
    /// Until when it may be used.
    pub until: Time,
    /// For how long a workstation is good, in whole seconds; none: until it is revoked.
    pub good_for: Option<TimeDelta>,
    /// Whether an administrator has to approve each workstation, and each new key of one.
    pub needs_approval: bool,
    /// Whether a workstation has to prove itself with a machine certificate besides.
    pub machine_certificate: bool,
    /// Whether several people use the workstations in turn.
    pub shared: bool,
}

/// Makes a site token. Yields its name and the text to put into the file of the fleet. `event` says who made it.
///
/// # Errors
/// [`EnrolmentRefusal::Keys`], [`EnrolmentRefusal::Seal`] or [`EnrolmentRefusal::Store`].
pub async fn create(
    db: &Db,
    seal: &SealKey,
    limits: &Limits,
    event: Event,
    now: Time,
    random: &dyn Random,
) -> Result<(SiteTokenId, Zeroizing<String>), EnrolmentRefusal> {
    let key = SigningKey::generate(Algorithm::Es256).map_err(|_| EnrolmentRefusal::Keys)?;
    let token = Invitation::site(thumbprint(&key).ok_or(EnrolmentRefusal::Keys)?, random);
    let code = token.to_code();
    let id = SiteTokenId::new(now, random);
    let private = key.to_pkcs8().map_err(|_| EnrolmentRefusal::Keys)?;
    let secrets = Zeroizing::new([code.as_bytes(), b"\0", &private].concat());
    let row = SiteToken {
        id,
        secret_hash: lookup_hash(&token.lookup()).ok_or(EnrolmentRefusal::Unknown)?,
        sealed: seal.seal(&SiteToken::seal_place(id), &secrets, random)?,
        site: limits.site.clone(),
        zone: limits.zone.clone(),
        places: limits.places.into(),
        networks: limits.networks.clone(),
        needs_approval: limits.needs_approval,
        machine_certificate: limits.machine_certificate,
        shared: limits.shared,
        good_for: limits.good_for.map(|good_for| good_for.num_seconds()),
        created_at: now,
        expires_at: limits.until,
        revoked_at: None,
        last_used_at: None,
    };
    let event = event.zone(&limits.zone).enrolment(&id.to_string()).note(&format!(
        "{}, {} places until {}",
        limits.site,
        limits.places,
        limits.until.format("%Y-%m-%d")
    ));
    store::site_token::add(db, &row, &NewRow::from(&event)).await?;
    Ok((id, code))
}

/// Why a workstation does not get in by a site token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause} (site token {token}, host {host})")]
pub struct SiteTokenRefusal {
    /// The one cause.
    pub cause: Cause,
    /// The token.
    pub token: SiteTokenId,
    /// The host name in the request.
    pub host: String,
}

/// See [`SiteTokenRefusal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// An administrator revoked it.
    #[error("the site token was revoked")]
    Revoked,
    /// Its date has passed.
    #[error("the site token has expired")]
    Expired,
    /// It is used from outside its zone.
    #[error("the site token may not be used from this network")]
    Network,
    /// All its places are taken.
    #[error("every place of the site token is taken")]
    Full,
    /// An administrator revoked the workstation of this host name.
    #[error("the workstation of this name was revoked; it can enrol by an invitation")]
    Barred,
    /// An older request than the last, the same once more, or another at the same moment.
    #[error("another request of this host came before")]
    Overtaken,
    /// It has to prove itself with a machine certificate, and does not.
    #[error(transparent)]
    Machine(#[from] MachineRefusal),
}

impl SiteTokenRefusal {
    /// The stable code of `docs/errors.md`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.cause {
            Cause::Machine(refusal) => refusal.code(),
            Cause::Revoked => "WS-020",
            Cause::Expired => "WS-021",
            Cause::Network => "WS-022",
            Cause::Full => "WS-023",
            Cause::Barred => "WS-024",
            Cause::Overtaken => "WS-025",
        }
    }

    /// Names token and host in the event of the refusal.
    pub(super) fn describe(&self, event: Event) -> Event {
        event.enrolment(&self.token.to_string()).note(&self.host)
    }
}

/// A site token that a request names and proves the secret of.
pub(super) struct Proven {
    row: SiteToken,
    key: SigningKey,
}

impl CardLogin {
    /// The site token that the request names; none where it names something else. Whoever does not prove the secret is
    /// not told more than that.
    pub(super) async fn site_token(
        &self,
        request: &EnrolmentRequest,
    ) -> Result<Option<Proven>, EnrolmentRefusal> {
        let hash = lookup_hash(&request.invitation).ok_or(EnrolmentRefusal::Unknown)?;
        let Some(row) = store::site_token::by_hash(&self.parts.db, &hash).await? else { return Ok(None) };
        let secrets = self.parts.seal.open(&SiteToken::seal_place(row.id), &row.sealed)?;
        let end = secrets.iter().position(|byte| *byte == 0).ok_or(EnrolmentRefusal::Unknown)?;
        let (code, private) = secrets.split_at(end);
        let code = std::str::from_utf8(code).ok().and_then(|code| Invitation::parse(code).ok());
        self.check_proof(&code.ok_or(EnrolmentRefusal::Unknown)?, request)?;
        let private = private.strip_prefix(b"\0").unwrap_or_default();
        let key = SigningKey::from_pkcs8(Algorithm::Es256, private).map_err(|_| EnrolmentRefusal::Keys)?;
        Ok(Some(Proven { row, key }))
    }

    /// Gives the workstation the place of its host name, if the token allows it here and now.
    pub(super) async fn admit(
        &self,
        token: &Proven,
        request: &EnrolmentRequest,
        caller: &Caller,
    ) -> Result<String, EnrolmentRefusal> {
        let (now, row) = (self.now(), &token.row);
        let host = request.host_name.to_lowercase();
        let refused = |cause| SiteTokenRefusal { cause, token: row.id, host: host.clone() };
        if row.revoked_at.is_some() {
            return Err(refused(Cause::Revoked).into());
        }
        if row.expires_at <= now {
            return Err(refused(Cause::Expired).into());
        }
        if !is_within(&row.networks, caller.address) {
            return Err(refused(Cause::Network).into());
        }
        // An invitation is used up by the first who comes; here a message that somebody kept must not count later.
        if (now - request.issued_at).abs() > CLOCK_TOLERANCE || request.issued_at > now + AHEAD {
            return Err(EnrolmentRefusal::Clock);
        }
        let machine = if row.machine_certificate {
            Some(self.machine(request).map_err(|refusal| refused(refusal.into()))?)
        } else {
            None
        };
        // A certificate names the computer in full; without one, its name is only claimed.
        let host = machine.as_ref().map_or(host.clone(), |machine| machine.host.clone());
        let former = store::site_token::place_of(&self.parts.db, row.id, &host).await?;
        if former.as_ref().is_some_and(|former| former.revoked_at.is_some()) {
            return Err(refused(Cause::Barred).into());
        }
        let second = |time: Time| time.duration_trunc(TimeDelta::seconds(1)).unwrap_or(time);
        let workstation = Workstation {
            id: former
                .as_ref()
                .map_or_else(|| WorkstationId::new(now, &*self.parts.random), |former| former.id),
            name: former.as_ref().map_or_else(|| request.host_name.clone(), |former| former.name.clone()),
            host_name: host.clone(),
            kid: request.key.kid().to_owned(),
            public_jwk: request.key.to_jwk(),
            site: row.site.clone(),
            zone: row.zone.clone(),
            agent_version: request.agent_version.to_string(),
            created_at: now,
            // A host name is only claimed: the approval of a key is not that of the next.
            approved_at: (!row.needs_approval).then_some(now),
            last_seen_at: None,
            revoked_at: None,
            site_token_id: Some(row.id),
            asked_at: Some(request.issued_at),
            good_until: row.good_for.map(|seconds| second(now) + TimeDelta::seconds(seconds)),
            shared: former.as_ref().map_or(row.shared, |former| former.shared),
            channel_since: former.as_ref().and_then(|former| former.channel_since),
        };
        let keys = self.parts.keys.keys().await;
        let grant = self.grant(&keys, &workstation, Some(token.key.public().clone()))?;
        let answer = jose::sign(&token.key, TYP_ENROLLED, &grant.to_payload())?;
        let event = self.enrolled(&workstation, caller).enrolment(&row.id.to_string());
        let again = if former.is_some() { ", again: its former key is forgotten" } else { "" };
        let proof = machine.map_or_else(String::new, |machine| {
            format!(", machine certificate {} of {}", machine.fingerprint, machine.host)
        });
        let event = event.note(&format!("{}{again}{proof}", workstation.name));
        let event = NewRow::from(&event);
        match store::site_token::admit(&self.parts.db, &workstation, former.as_ref(), &event, now).await? {
            Admission::Done => Ok(answer),
            Admission::Over => Err(refused(Cause::Revoked).into()),
            Admission::Full => Err(refused(Cause::Full).into()),
            Admission::Overtaken => Err(refused(Cause::Overtaken).into()),
        }
    }
}

impl CardLogin {
    fn machine(&self, request: &EnrolmentRequest) -> Result<Machine, MachineRefusal> {
        let authority = self.parts.machines.as_ref().ok_or(MachineRefusal::NotConfigured)?;
        authority.verify(request, self.verifier(), self.now())
    }
}

/// Whether a caller is in one of the networks. One whose address is not known is in none.
fn is_within(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    let address = address.map(|address| address.to_canonical());
    networks.is_empty()
        || address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_of_networks_holds_its_own_addresses_only() {
        let networks: Vec<IpNet> = vec!["10.1.0.0/16".parse().unwrap(), "fd00:1::/64".parse().unwrap()];
        let within = |address: &str| is_within(&networks, Some(address.parse().unwrap()));
        assert!(within("10.1.255.1") && within("fd00:1::9") && within("::ffff:10.1.2.3"));
        assert!(!within("10.2.0.1") && !within("fd00:2::9"));
        assert!(!is_within(&networks, None), "an unknown address is in no network");
        assert!(is_within(&[], None));
    }
}
