//! The outbound channel to each server: numbered, signed reports of what is in the readers (agent protocol, section 13).
//!
//! A hospital gets from it that a card which is pulled takes its session along, through any proxy that lets HTTPS out:
//! a report is a POST that is answered when the server has something to say, after 20 s at the latest, and followed by
//! the next one. A card that was out for a moment is first reported as gone, and that report is repeated until the server
//! has answered it.
//!
//! The channel proves nothing about a person and never asks for a PIN. The one order that it takes is a badge request, which
//! lets a card on a contactless reader sign for that purpose and leaves every other card alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::badge::Taps;
use super::checks::Refusal;
use super::enrolments::{Enrolment, Enrolments};
use super::name::OwnName;
use super::presence::{CardWatch, Present, PresentCard};
use super::question::{Questions, Surroundings};
use super::{AgentError, AgentOptions, enrol};
use crate::card::protocol::{
    Accepts, AgentName, AgentVersion, CHANNEL_MALFORMED, CHANNEL_NOT_OPEN, CHANNEL_OPENING_PATH,
    CHANNEL_PATH, ChannelAnswer, ChannelOpening, ChannelReport, MAX_CARDS, MAX_WAIT, TYP_CHANNEL_ANSWER,
    TYP_CHANNEL_OPENING, TYP_CHANNEL_REPORT,
};
use crate::clock::SharedClock;
use crate::crypto::jose;
use crate::ids::{ChannelId, Random, SharedRandom};

/// How often the list of servers is read again: a workstation is enrolled while its agent runs.
const LOOK: Duration = Duration::from_secs(10);
/// The longest pause while a server does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The pause after a refusal that only an administrator can change.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// The pause after an answer that is none of the channel: a server of the version before.
const STRANGE_PAUSE: Duration = Duration::from_secs(300);

/// Keeps a channel to every server that this workstation is enrolled with, until `shutdown`.
pub(super) async fn keep_all(
    options: &AgentOptions,
    store: &Enrolments,
    name: &OwnName,
    at_the_card: &Arc<Mutex<()>>,
    shutdown: &CancellationToken,
) {
    let Some(cards) = options.cards.watch() else { return };
    let tasks = TaskTracker::new();
    // By key: a workstation that enrols anew keeps its name and has another key.
    let mut kept: HashMap<String, CancellationToken> = HashMap::new();
    loop {
        // A file that is being replaced, or damaged: the channels that there are go on.
        if let Ok(servers) = store.read() {
            let servers: Vec<_> =
                servers.into_iter().filter(|server| options.managed.allows(&server.origin)).collect();
            kept.retain(|kid, stop| {
                let stays = servers.iter().any(|server| server.key.kid() == kid);
                if !stays {
                    stop.cancel();
                }
                stays
            });
            for server in servers {
                kept.entry(server.key.kid().to_owned()).or_insert_with(|| {
                    let stop = shutdown.child_token();
                    let channel = Channel::new(server, store.clone(), name, options, &cards, at_the_card);
                    let ends = stop.clone();
                    tasks.spawn(async move { ends.run_until_cancelled(channel.keep()).await });
                    stop
                });
            }
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            break;
        }
    }
    tasks.close();
    tasks.wait().await;
}

/// The channel to one server.
struct Channel {
    server: Enrolment,
    store: Enrolments,
    clock: SharedClock,
    random: SharedRandom,
    present: watch::Receiver<Present>,
    told: Told,
    /// Which agent of this workstation this is.
    agent: AgentName,
    /// The badge requests that come over it.
    taps: Taps,
    /// The questions of other programs that come over it.
    questions: Questions,
    /// A certificate that the server has asked for, for the next report.
    certificate: Option<Vec<u8>>,
    /// Whether the server is of a version that sends card requests.
    sends_requests: bool,
    /// Its connections, made at the first message and made anew after an error.
    client: Option<reqwest::Client>,
    /// How often in a row it failed.
    failures: u32,
}

/// What the server has been told of cards, as far as it matters for what it is told next.
#[derive(Debug, Default)]
struct Told {
    /// The cards of the last report.
    sent: Vec<PresentCard>,
    /// Cards that were out since they were reported: the server has to answer a report without them first.
    owed: BTreeSet<[u8; 32]>,
}

impl Told {
    /// The cards to report, of those that are there.
    fn next(&mut self, present: &[PresentCard]) -> Vec<PresentCard> {
        let was_out = |sent: &&PresentCard| !present.contains(sent);
        self.owed.extend(self.sent.iter().filter(was_out).map(|card| card.certificate));
        self.sent = present
            .iter()
            .filter(|card| !self.owed.contains(&card.certificate))
            .copied()
            .take(MAX_CARDS)
            .collect();
        self.sent.clone()
    }

    /// The server has answered the last report.
    fn answered(&mut self) {
        self.owed.clear();
    }
}

impl Channel {
    fn new(
        server: Enrolment,
        store: Enrolments,
        name: &OwnName,
        options: &AgentOptions,
        cards: &CardWatch,
        at_the_card: &Arc<Mutex<()>>,
    ) -> Self {
        Self {
            agent: name.at(server.workstation),
            server,
            store,
            clock: options.clock.clone(),
            random: options.random.clone(),
            present: cards.present(),
            taps: Taps::new(Arc::clone(&options.cards), options.clock.clone(), cards.present()),
            questions: Questions::new(Surroundings {
                cards: Arc::clone(&options.cards),
                window: options.window.clone(),
                clock: options.clock.clone(),
                present: cards.present(),
                at_the_card: Arc::clone(at_the_card),
            }),
            certificate: None,
            sends_requests: true,
            told: Told::default(),
            client: None,
            failures: 0,
        }
    }

    /// Opens it, reports, and begins again whatever happens.
    async fn keep(mut self) {
        loop {
            let Err(error) = self.talk().await else { return };
            self.client = None;
            if self.failures == 0 {
                let server = self.server.origin.as_str();
                tracing::warn!(code = error.code(), server, "the channel is interrupted: {error}");
            }
            let pause = pause_after(&error, self.failures) + jitter(&*self.random);
            self.failures = self.failures.saturating_add(1);
            tokio::time::sleep(pause).await;
        }
    }

    /// Reports over one channel for as long as it goes well. Ends without an error once nobody watches the cards.
    async fn talk(&mut self) -> Result<(), AgentError> {
        // Until somebody has looked, a card that is there would be reported as gone.
        if self.present.wait_for(Option::is_some).await.is_err() {
            return Ok(());
        }
        let channel = self.open().await?;
        let mut number: u32 = 0;
        // Until the first answer, which comes at once, neither end knows that the other one hears it.
        let mut heard = false;
        loop {
            let present = self.present.borrow_and_update().clone().unwrap_or_default();
            let cards = self.told.next(&present);
            let may_wait = heard && self.told.owed.is_empty();
            number =
                number.checked_add(1).ok_or_else(|| AgentError::Key("the channel is used up".to_owned()))?;
            let report = ChannelReport {
                audience: self.server.origin.clone(),
                workstation: self.server.workstation,
                channel,
                number,
                cards: cards.iter().map(|card| card.certificate).collect(),
                wait: if may_wait { MAX_WAIT } else { Duration::ZERO },
                badge: self.taps.heard().filter(|_| self.sends_requests),
                question: self.questions.heard().filter(|_| self.sends_requests),
                certificate: self.certificate.take(),
                issued_at: self.clock.now(),
            };
            let mut present = self.present.clone();
            tokio::select! {
                answered = self.send(&report) => {
                    self.hear(answered?).await?;
                    self.told.answered();
                    self.failures = 0;
                    if !std::mem::replace(&mut heard, true) {
                        tracing::info!(server = self.server.origin.as_str(), "the channel is open");
                    }
                }
                // The report has arrived, or a newer one takes its place.
                changed = present.changed(), if may_wait => if changed.is_err() { return Ok(()) },
            }
        }
    }

    async fn open(&mut self) -> Result<ChannelId, AgentError> {
        self.sends_requests = true;
        let answer = match self.ask_for_channel().await {
            // A server of the version before does not know what the opening says of card requests.
            Err(AgentError::Refused { code, .. }) if code == CHANNEL_MALFORMED => {
                self.sends_requests = false;
                self.ask_for_channel().await?
            }
            answer => answer?,
        };
        if answer.number != 0 {
            return Err(strange("the answer to another message"));
        }
        Ok(answer.channel)
    }

    async fn ask_for_channel(&mut self) -> Result<ChannelAnswer, AgentError> {
        let opening = ChannelOpening {
            audience: self.server.origin.clone(),
            workstation: self.server.workstation,
            agent: self.agent.clone(),
            agent_version: AgentVersion::this(),
            accepts: if self.sends_requests { Accepts::ALL } else { Accepts::default() },
            issued_at: self.clock.now(),
        };
        self.exchange(CHANNEL_OPENING_PATH, TYP_CHANNEL_OPENING, &opening.to_payload(), Duration::ZERO).await
    }

    /// Does what the answer to a report says.
    async fn hear(&mut self, answer: ChannelAnswer) -> Result<(), AgentError> {
        if let Some(request) = answer.request {
            let taken = match self.taps.take(request.clone(), &self.server) {
                Err(Refusal::Purpose) => self.questions.take(request, &self.server),
                taken => taken,
            };
            taken.map_err(|refusal| strange(&refusal.to_string()))?;
        }
        if let Some(card) =
            answer.whose.filter(|card| self.told.sent.iter().any(|sent| sent.certificate == *card))
        {
            self.certificate = self.questions.certificate(card).await;
        }
        Ok(())
    }

    /// Sends a report.
    async fn send(&mut self, report: &ChannelReport) -> Result<ChannelAnswer, AgentError> {
        let answer =
            self.exchange(CHANNEL_PATH, TYP_CHANNEL_REPORT, &report.to_payload(), report.wait).await?;
        if (answer.channel, answer.number) != (report.channel, report.number) {
            return Err(strange("the answer to another message"));
        }
        Ok(answer)
    }

    /// Sends a message and reads the answer, if the server that was enrolled signed it, for this workstation.
    async fn exchange(
        &mut self,
        path: &str,
        typ: &str,
        message: &serde_json::Value,
        wait: Duration,
    ) -> Result<ChannelAnswer, AgentError> {
        let origin = self.server.origin.clone();
        let jws =
            jose::sign(&self.server.key, typ, message).map_err(|error| AgentError::Key(error.to_string()))?;
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(enrol::client(&origin)?).clone(),
        };
        let request =
            client.post(origin.join(path)).timeout(wait + enrol::PATIENCE).json(&json!({ "jws": jws }));
        let answer = enrol::exchange(&origin, request).await?;
        let payload = match self.verified(&answer) {
            Some(payload) => payload,
            None => {
                // The server may sign with a key that it has published since.
                if let Some(keys) = enrol::newer_keys(&self.server).await? {
                    self.store.set_keys(&keys)?;
                    self.server.keys = keys;
                }
                self.verified(&answer).ok_or(AgentError::ServerKey)?
            }
        };
        let answer = ChannelAnswer::from_payload(&payload).map_err(|error| strange(&error.to_string()))?;
        if answer.issuer != origin || answer.workstation != self.server.workstation {
            return Err(strange("the answer is for somebody else"));
        }
        Ok(answer)
    }

    fn verified(&self, jws: &str) -> Option<Vec<u8>> {
        let keys = &self.server.keys;
        jose::verify_payload(jws, enrol::expected(TYP_CHANNEL_ANSWER), |kid| {
            kid.and_then(|kid| keys.find(kid))
        })
        .ok()
    }
}

fn strange(what: &str) -> AgentError {
    AgentError::ServerAnswer(what.to_owned())
}

/// How long to wait after an error, the `failures`th in a row.
fn pause_after(error: &AgentError, failures: u32) -> Duration {
    let doubled = Duration::from_secs(1).saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    match error {
        AgentError::Refused { code, .. } if code == CHANNEL_NOT_OPEN => doubled,
        AgentError::Refused { code, .. } if code.starts_with("WS-") => REFUSED_PAUSE,
        AgentError::ServerAnswer(_) => STRANGE_PAUSE,
        _ => doubled,
    }
}

/// Up to half a second, so that a thousand workstations do not come back at the same moment.
fn jitter(random: &dyn Random) -> Duration {
    let mut byte = [0];
    random.fill(&mut byte);
    Duration::from_millis(u64::from(byte[0]) * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::protocol::WebOrigin;

    fn card(name: u8, insertion: u64) -> PresentCard {
        PresentCard { certificate: [name; 32], insertion }
    }

    #[test]
    fn a_card_that_was_out_for_a_moment_is_first_reported_as_gone_until_that_is_answered() {
        let mut told = Told::default();
        assert_eq!(told.next(&[card(1, 1), card(2, 2)]), [card(1, 1), card(2, 2)]);
        told.answered();
        // Out and in again between two looks: only the insertion differs.
        assert_eq!(told.next(&[card(1, 3), card(2, 2)]), [card(2, 2)]);
        // No answer came: again.
        assert_eq!(told.next(&[card(1, 3), card(2, 2)]), [card(2, 2)]);
        told.answered();
        assert_eq!(told.next(&[card(1, 3), card(2, 2)]), [card(1, 3), card(2, 2)]);
        assert!(told.owed.is_empty());
    }

    #[test]
    fn a_report_that_may_have_arrived_counts_as_sent() {
        let mut told = Told::default();
        told.next(&[card(1, 1)]);
        // The report was given up for a newer one, which never learned of the card's absence.
        assert_eq!(told.next(&[card(1, 2)]), []);
        assert!(!told.owed.is_empty());
    }

    #[test]
    fn no_more_cards_than_a_message_holds() {
        let many: Vec<_> = (0..40).map(|n| card(n, 1)).collect();
        assert_eq!(Told::default().next(&many).len(), MAX_CARDS);
    }

    #[test]
    fn pauses_grow_and_know_what_only_an_administrator_can_change() {
        let unreachable = AgentError::Key(String::new());
        let seconds = |error: &AgentError, failures: u32| pause_after(error, failures).as_secs();
        assert_eq!([0, 1, 2, 5, 60].map(|n| seconds(&unreachable, n)), [1, 2, 4, 30, 30]);
        let refused = |code: &str| AgentError::Refused { code: code.into(), message: String::new() };
        assert_eq!(seconds(&refused(CHANNEL_NOT_OPEN), 0), 1);
        assert_eq!(seconds(&refused("WS-032"), 0), 60);
        assert_eq!(seconds(&refused("STORE-001"), 0), 1);
        assert_eq!(seconds(&AgentError::ServerAnswer(String::new()), 0), 300);
        // What a proxy says while the server starts: no longer than a lease can bear.
        let server = WebOrigin::parse("https://sceau.chu.example").unwrap();
        let passing = AgentError::Unreachable { server, detail: "status 502 Bad Gateway".into() };
        assert_eq!([0, 1, 60].map(|n| seconds(&passing, n)), [1, 2, 30]);
    }
}
