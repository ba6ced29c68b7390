//! What runs beside the requests, and how often.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::App;
use crate::audit::{self, Kind};
use crate::directory;
use crate::jobs::{Job, Outcome};
use crate::keyring;
use crate::notify;
use crate::oidc::ciba::ping;
use crate::oidc::logout::backchannel;
use crate::session::EndReason;
use crate::store::audit::NewRow;
use crate::store::{self, StoreError};
use crate::web::browser::REMEMBERED;

/// The promise is one second at most.
const SEAL: Duration = Duration::from_millis(500);
/// A desk goes on within half a second of an answer that another node took.
const HEAR: Duration = Duration::from_millis(200);
/// A relying party should hear of a sign-out at once.
const DELIVER: Duration = Duration::from_secs(1);
/// How often the age of the keys is looked at.
const ROTATION: Duration = Duration::from_secs(3_600);
/// A session whose workstation fell silent serves nobody at once; its event follows within this.
const LOCK: Duration = Duration::from_secs(10);
/// A model that was withdrawn is refused on every node within a minute of the first that hears of it.
const KEY_MODELS: Duration = Duration::from_secs(30);
/// A provider that answers again is offered again soon.
const LOOK: Duration = Duration::from_secs(10);
const CLEAN_UP: Duration = Duration::from_secs(60);
/// How often is looked whether a revocation list is due.
const FETCH: Duration = Duration::from_secs(30);
/// How often is looked whether a card is to be asked about: the answer should be there before the PIN.
const ASK: Duration = Duration::from_secs(1);
/// The promise is 60 s from the list or answer to the end of the session.
const END_REVOKED: Duration = Duration::from_secs(15);
/// How many rows of a kind one command deletes: a short transaction, then others get their turn.
const BATCH: i64 = 500;
/// Expired rows stay this long, so that a replay is recognised as one and a help desk still finds it.
const KEPT: TimeDelta = TimeDelta::days(1);
/// For how long a question at another provider is kept after its time: longer than any sign-in whose questions are counted.
const ASKED: TimeDelta = TimeDelta::hours(1);
/// Whose a card is is forgotten once the card has not signed for longer than a card lives.
const UNSEEN_CARDS: TimeDelta = TimeDelta::days(3 * 366);
/// Workstations of a site token whose time is over stay this long, so that a list still names them.
const WORKSTATIONS_KEPT: TimeDelta = TimeDelta::days(7);
/// Deliveries that were made or given up stay this long.
const DELIVERIES_KEPT: TimeDelta = TimeDelta::days(30);

impl App {
    /// The jobs of this node.
    pub(super) fn jobs(&self) -> Vec<Job> {
        let job = |name, every, run: fn(Self) -> BoxFuture<'static, Outcome>| {
            let app = self.clone();
            Job::new(name, every, move || run(app.clone()))
        };
        vec![
            job("seal-audit", SEAL, |app| app.seal_audit().boxed()),
            job("hear-answers", HEAR, |app| app.hear_answers().boxed()),
            job("deliver-logouts", DELIVER, |app| app.deliver_logouts().boxed()),
            job("deliver-pings", DELIVER, |app| app.deliver_pings().boxed()),
            job("deliver-notices", DELIVER, |app| app.deliver_notices().boxed()),
            job("read-authorities", self.reload_cards_every(), |app| app.reload_cards().boxed()),
            job("fetch-revocation-lists", FETCH, |app| app.fetch_lists().boxed()),
            job("ask-responders", ASK, |app| app.ask_responders().boxed()),
            job("end-revoked-sessions", END_REVOKED, |app| app.end_revoked_sessions().boxed()),
            job("learn-key-models", KEY_MODELS, |app| app.learn_key_models().boxed()),
            job("look-at-providers", LOOK, |app| app.look_at_providers().boxed()),
            job("read-tls", CLEAN_UP, |app| app.reload_tls().boxed()),
            job("rotate-keys", ROTATION, |app| app.rotate_keys().boxed()),
            job("lock-silent", LOCK, |app| app.lock_silent().boxed()),
            job("clean-up", CLEAN_UP, |app| app.clean_up().boxed()),
        ]
    }

    pub(super) async fn seal_audit(self) -> Outcome {
        audit::seal(&self.db, self.trail.node(), self.clock.now()).await.map(|_| ()).map_err(said)
    }

    /// Wakes whoever waits here for what another node has heard.
    async fn hear_answers(self) -> Outcome {
        self.answers.hear(&self.db).await.map_err(said)
    }

    /// Tells the relying parties of the sessions that ended.
    async fn deliver_logouts(self) -> Outcome {
        while backchannel::deliver_due(&self.provider, self.provider.outbound()).await.map_err(said)? > 0 {}
        Ok(())
    }

    /// Tells clients that somebody whom they asked has answered (CIBA).
    async fn deliver_pings(self) -> Outcome {
        while ping::deliver_due(&self.provider).await.map_err(said)? > 0 {}
        Ok(())
    }

    /// Sends the mails that tell people what happened to their means.
    async fn deliver_notices(self) -> Outcome {
        let Some(outbox) = &self.outbox else { return Ok(()) };
        while outbox.deliver_due().await.map_err(said)? > 0 {}
        Ok(())
    }

    /// Asks providers of others whether they answer again.
    async fn look_at_providers(self) -> Outcome {
        if let Some(upstreams) = &self.upstreams {
            upstreams.look().await;
        }
        Ok(())
    }

    fn reload_cards_every(&self) -> Duration {
        self.config.card.reload.to_std().unwrap_or(CLEAN_UP)
    }

    /// Looks at the authorities and revocation lists again.
    async fn reload_cards(self) -> Outcome {
        let (card, provider, now) = (self.card, self.provider, self.clock.now());
        let reloaded = tokio::task::spawn_blocking(move || {
            let services = provider.authorities_of_clients().map_or(Ok(()), |trust| trust.reload(now));
            card.reload(now).and(services)
        });
        reloaded.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Fetches the revocation lists that are due. A list that cannot be fetched is no failure of the job: each has its
    /// own pause.
    async fn fetch_lists(self) -> Outcome {
        if let Some(verifier) = self.card.verifier() {
            verifier.fetch_lists(&self.egress, self.clock.now()).await;
        }
        if let Some(trust) = self.provider.authorities_of_clients() {
            trust.fetch(&self.egress, self.clock.now()).await;
        }
        self.card.record_lists().await.map_err(said)
    }

    /// Asks responders about the cards that were shown.
    async fn ask_responders(self) -> Outcome {
        self.card.ask_responders(&self.egress).await.map(|_| ()).map_err(said)
    }

    /// Ends the sessions of cards that have been revoked, as this node or another has heard.
    async fn end_revoked_sessions(self) -> Outcome {
        self.card.recall_revoked().await.map_err(said)?;
        self.card.end_revoked_sessions().await.map(|_| ()).map_err(said)
    }

    /// Looks at the makers of security keys again, and for newer metadata of their models.
    async fn learn_key_models(self) -> Outcome {
        let Some(keys) = &self.keys else { return Ok(()) };
        let models = Arc::clone(keys.models());
        let reading = Arc::clone(&models);
        let reloaded = tokio::task::spawn_blocking(move || reading.reload()).await;
        let learnt = models.refresh(&self.db, &self.egress, self.clock.now()).await;
        reloaded.map_err(|error| error.to_string())?.map_err(|error| format!("{error} (CONF-028)"))?;
        learnt.map_err(|error| format!("{error} ({})", error.code()))
    }

    /// Reads the certificates of the listeners again: whoever renews them has nothing to restart.
    async fn reload_tls(self) -> Outcome {
        let certificates = self.certificates.clone();
        let reloaded = tokio::task::spawn_blocking(move || certificates.reload()).await;
        reloaded.map_err(|error| error.to_string())?.map_err(|error| format!("{error} ({})", error.code()))
    }

    /// Lets the next key sign where the current one has signed for long enough.
    async fn rotate_keys(self) -> Outcome {
        if !self.alone("rotate-keys", ROTATION).await? {
            return Ok(());
        }
        let Some(rotation) = self.config.keys.rotation else { return Ok(()) };
        let (db, now) = (&self.db, self.clock.now());
        let rotated = keyring::rotate_due(db, &self.vault, rotation, now, &*self.random, &self.trail).await;
        rotated.map(|_| ()).map_err(|error| format!("{error} ({})", error.code()))
    }

    /// Writes down which sessions are locked because their workstation fell silent.
    async fn lock_silent(self) -> Outcome {
        if !self.alone("lock-silent", LOCK).await? {
            return Ok(());
        }
        let full = usize::try_from(BATCH).unwrap_or(usize::MAX);
        while self.card.lock_lapsed(BATCH).await.map_err(said)? == full {}
        Ok(())
    }

    /// Ends the sessions that ran out, and deletes what nobody will ask for any more.
    async fn clean_up(self) -> Outcome {
        for limit in [&self.pages.limit, &self.channels.limit].into_iter().flatten() {
            limit.forget_idle();
        }
        self.provider.forget_idle();
        self.card.forget_idle();
        if let Some(phones) = &self.phones {
            phones.forget_idle();
        }
        if let Some(upstreams) = &self.upstreams {
            upstreams.forget_idle();
        }
        if !self.alone("clean-up", CLEAN_UP).await? {
            return Ok(());
        }
        let (db, now, full) = (&self.db, self.clock.now(), usize::try_from(BATCH).unwrap_or(usize::MAX));
        let expired = |session, person| {
            let event = self.trail.event(Kind::SessionEnded).person(person).session(session);
            NewRow::from(&event.note(EndReason::Expired.as_str()))
        };
        for group in super::policies::of(&self.config).idle_groups() {
            while store::session::end_expired(db, &group, BATCH, &expired, now, &*self.random)
                .await
                .map_err(said)?
                == full
            {}
        }
        while directory::end_due_links(db, &self.trail, now, &*self.random).await.map_err(said)? > 0 {}
        store::workstation::delete_expired_invites(db, now - KEPT).await.map_err(said)?;
        store::login_transaction::forget_certificates(db, now).await.map_err(said)?;
        store::channel::delete_silent(db, now - KEPT).await.map_err(said)?;
        let full = BATCH.unsigned_abs();
        while store::badge::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::terminal_login::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::used_proof::delete_expired(db, now, BATCH).await.map_err(said)? >= full {}
        while store::agent_notice::delete_old(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::revoked_certificate::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {
        }
        while store::identity_check::delete_expired(db, now, BATCH).await.map_err(said)? >= full {}
        while store::approval::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::upstream::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::upstream_question::delete_expired(db, now - ASKED, BATCH).await.map_err(said)? >= full {}
        while store::upstream_session::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        store::card_question::forget_unseen(db, now - UNSEEN_CARDS).await.map_err(said)?;
        while store::pairing::delete_expired(db, now, BATCH).await.map_err(said)? >= full {}
        while store::push_subscription::delete_expired(db, now, BATCH).await.map_err(said)? >= full {}
        while store::webauthn_ceremony::delete_expired(db, now, BATCH).await.map_err(said)? >= full {}
        while store::person_contact::delete_old_codes(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::known_browser::delete_old(db, now - REMEMBERED, BATCH).await.map_err(said)? >= full {}
        if self.outbox.is_none() {
            while notify::give_up_old(db, &self.trail, now).await.map_err(said)? > 0 {}
        }
        while store::pushed_request::delete_expired(db, now, BATCH).await.map_err(said)? >= full {}
        while store::login_transaction::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::grant::delete_expired(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        while store::session::delete_old(db, now - KEPT, BATCH).await.map_err(said)? >= full {}
        // After the sessions that were opened there.
        let long_gone = now - WORKSTATIONS_KEPT;
        while store::site_token::delete_expired_workstations(db, long_gone, BATCH).await.map_err(said)?
            >= full
        {}
        while store::logout_delivery::delete_old(db, now - DELIVERIES_KEPT, BATCH).await.map_err(said)?
            >= full
        {}
        Ok(())
    }

    /// Whether this node is the one that runs `job`. The lease outlives two turns, so that a node that stopped is
    /// replaced soon.
    async fn alone(&self, job: &'static str, every: Duration) -> Result<bool, String> {
        let now = self.clock.now();
        let lease = TimeDelta::from_std(every * 2).map_err(|error| error.to_string())?;
        store::job_lease::take(&self.db, job, self.trail.node(), now, now + lease).await.map_err(said)
    }
}

fn said(error: StoreError) -> String {
    format!("{error} ({})", error.code())
}
