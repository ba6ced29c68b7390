//! The card: authorities, request keys and addresses become the card tab of the sign-in page and what stands behind it.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::Made;
use super::StartError;
use crate::card::login::{CardLogin, Parts};
use crate::card::machine::MachineAuthority;
use crate::card::protocol::{AGENT_PORT, AgentVersion, WebOrigin};
use crate::card::revocation::Sources;
use crate::card::tls_login::CertificateLogin;
use crate::card::verify::{CardPolicy, CardVerifier};
use crate::clock::Time;
use crate::config::{self, CardAcr};
use crate::crypto::x509::anchors::AnchorsError;
use crate::crypto::x509::crl::fetch::Fetcher;
use crate::crypto::x509::ocsp::{Answers, OcspSettings};
use crate::crypto::x509::profile::CardType;
use crate::crypto::x509::revocation::{Fallback, RevocationPolicy};
use crate::keyring::Keyring;
use crate::oidc::authorize;
use crate::oidc::authorize::means::{CardMeans, Later};
use crate::session::{Acr, Session};
use crate::store::login_transaction::LoginTransaction;
use crate::web::pages::RelyingParty;
use crate::web::pages::sign_in::CardPanel;

/// The server's side of a card sign-in. Without installed authorities it exists all the same, so that workstations can
/// enrol and a person reads why no card is accepted.
pub(super) fn open(made: Made<'_>, keys: Arc<Keyring>) -> Result<Arc<CardLogin>, StartError> {
    let Made { config, db, clock, random, trail, seal, site, answers, .. } = made;
    let origin = config.server.front_url.origin().ascii_serialization();
    let front = WebOrigin::parse(&origin).map_err(|_| StartError::FrontUrl(origin))?;
    let verifier = match &config.card.anchors_dir {
        Some(anchors) => Some(Arc::new(verifier(&config.card, anchors, clock.now())?)),
        None => None,
    };
    let machines = match &config.workstations.machine_certificates {
        Some(machines) => {
            let (anchors, lists) = (&machines.anchors_dir, machines.crl_dir.as_deref());
            Some(Arc::new(MachineAuthority::open(anchors, lists, clock.now())?))
        }
        None => None,
    };
    // The configuration has looked at its form.
    let minimum_agent = config.card.minimum_agent_version.as_deref();
    let minimum_agent = minimum_agent.and_then(|version| AgentVersion::parse(version).ok());
    let display_name = match config.establishment.name.as_str() {
        "" => front.as_str().to_owned(),
        name => name.to_owned(),
    };
    Ok(CardLogin::new(Parts {
        db: db.clone(),
        clock: clock.clone(),
        random: random.clone(),
        trail: trail.clone(),
        keys,
        seal: seal.clone(),
        front,
        display_name,
        agent_port: AGENT_PORT,
        minimum_agent: Some(minimum_agent.unwrap_or(AgentVersion::this().one_behind())),
        verifier,
        machines,
        certificate: config.card.tls.as_ref().map(|tls| CertificateLogin {
            host: tls.url.clone(),
            acr: level(tls.acr),
            networks: tls.networks.clone(),
            fresh: tls.fresh,
        }),
        policies: super::policies::of(config),
        site: site.clone(),
        waits: super::policies::waits(config),
        next: authorize::resume::path,
        wants_fresh_proof: authorize::resume::wants_fresh_proof,
        is_content_with_badge: authorize::resume::is_content_with_badge,
        // As on a phone: what is away from whoever asks does not resist phishing.
        asked_level: level(config.phone.level),
        answers: Arc::clone(answers),
    }))
}

/// A level as the configuration names it.
pub(super) fn level(acr: CardAcr) -> Acr {
    match acr {
        CardAcr::Eidas1 => Acr::Eidas1,
        CardAcr::Eidas2 => Acr::Eidas2,
        CardAcr::Eidas3 => Acr::Eidas3,
    }
}

/// What judges cards, as the configuration says, with the authorities in `anchors`.
///
/// # Errors
/// [`AnchorsError`] if there is no authority to trust.
pub fn verifier(card: &config::Card, anchors: &Path, now: Time) -> Result<CardVerifier, AnchorsError> {
    let policy = CardPolicy {
        accept_test_cards: card.accept_test_cards,
        card_types: card.types.iter().copied().map(card_type).collect(),
        require_smartcard_logon: card.require_smartcard_logon,
        policies: card.certificate_policies.clone(),
        revocation: revocation_policy(&card.fallback),
    };
    let ocsp =
        OcspSettings { enabled: card.ocsp, address: card.ocsp_url.clone(), max_age: card.ocsp_max_age };
    let sources = Sources {
        fetches: card.crl_fetch,
        addresses: card.crl_urls.clone(),
        fetcher: Fetcher::new(card.crl_refresh),
        answers: Answers::new(ocsp),
    };
    Ok(CardVerifier::open(anchors, card.crl_dir.as_deref(), policy, now)?.with_sources(sources))
}

/// The rule for what nothing in its time is known of.
pub(super) fn fallback(configured: config::Fallback) -> Fallback {
    match configured {
        config::Fallback::Refuse => Fallback::Refuse,
        config::Fallback::Younger(age) => Fallback::Younger(age),
        config::Fallback::Overdue(grace) => Fallback::Overdue(grace),
        config::Fallback::Accept => Fallback::Accept,
    }
}

fn revocation_policy(configured: &config::CardFallback) -> RevocationPolicy {
    let kinds = [
        (CardType::Cps, configured.cps),
        (CardType::Cpf, configured.cpf),
        (CardType::Cpe, configured.cpe),
        (CardType::Cpa, configured.cpa),
    ];
    let kinds =
        kinds.into_iter().filter_map(|(kind, fallback)| Some((kind, self::fallback(fallback?)))).collect();
    RevocationPolicy { fallback: fallback(configured.all), kinds }
}

/// The card tab of the sign-in page.
#[derive(Debug)]
pub(super) struct CardTab(pub(super) Arc<CardLogin>);

impl CardMeans for CardTab {
    fn panel<'a>(
        &'a self,
        transaction: &'a LoginTransaction,
        relying_party: &'a RelyingParty,
        next: String,
        session: Option<&'a Session>,
    ) -> Later<'a, CardPanel> {
        async move {
            self.0
                .panel(transaction, relying_party, next, session)
                .await
                .map_err(|refusal| refusal.to_string())
        }
        .boxed()
    }
}

fn card_type(configured: config::CardType) -> CardType {
    match configured {
        config::CardType::Cps => CardType::Cps,
        config::CardType::Cpf => CardType::Cpf,
        config::CardType::Cpe => CardType::Cpe,
        config::CardType::Cpa => CardType::Cpa,
    }
}
