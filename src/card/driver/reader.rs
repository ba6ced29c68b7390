//! Readers and cards through PC/SC.
//!
//! Every operation has a connection of its own and runs in one exclusive transaction, so that nothing depends on what
//! another program, a new pcscd or a pulled plug left behind. A connection that is lost before the PIN was sent is
//! rebuilt and the operation begun again; once VERIFY has left, nothing is repeated, and the card is reset when the
//! transaction ends.

use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pcsc::{Context, ReaderState, Scope, State};

use super::apdu::Channel;
use super::card::{self, CardSignature, Consent, LastTry, PinState, PresentedCard};
use super::connection::{Held, fault, rounds};
use super::cps::{Interface, Recognised};
use super::error::ReaderError;
use super::pin::Pin;
use super::trace::Trace;
use crate::card::proof::Proof;

/// A reader and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The name PC/SC gives it.
    pub name: String,
    pub slot: Slot,
    /// Insertions and removals the service has seen: tells a card that was out for a moment from one that stayed.
    pub event_count: u32,
}

/// What is in a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    Empty,
    /// A card that does not answer: the wrong way round, dirty or broken.
    Mute,
    Card {
        atr: Vec<u8>,
        recognised: Recognised,
        /// Another program holds it exclusively.
        exclusive: bool,
    },
}

/// How likely it is that a slot holds the card that is looked for, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Promise {
    /// Nothing in it.
    #[default]
    None,
    /// A card of another kind, or one that does not answer; to look at it closely says more.
    Little,
    Contactless,
    Contact,
}

impl Slot {
    fn promise(&self) -> Promise {
        match self {
            Self::Empty => Promise::None,
            Self::Card { recognised: Recognised::As(_, Interface::Contact), .. } => Promise::Contact,
            Self::Card { recognised: Recognised::As(_, Interface::Contactless), .. } => Promise::Contactless,
            Self::Mute | Self::Card { .. } => Promise::Little,
        }
    }
}

/// The readers of this workstation.
#[derive(Debug, Clone, Copy)]
pub struct Readers {
    patience: Duration,
}

impl Default for Readers {
    /// Waits 10 s for another program to be done with a card.
    fn default() -> Self {
        Self::waiting(Duration::from_secs(10))
    }
}

impl Readers {
    /// Readers whose cards are waited for, when another program holds them, up to `patience`.
    #[must_use]
    pub fn waiting(patience: Duration) -> Self {
        Self { patience }
    }

    /// All readers; none is no error.
    ///
    /// # Errors
    /// [`ReaderError::NoService`]
    pub fn list(&self) -> Result<Vec<Reader>, ReaderError> {
        let context = Context::establish(Scope::User).map_err(fault)?;
        let mut states = states(&context)?;
        look(&context, &mut states)
    }

    /// The reader that has the one health professional's card there is.
    ///
    /// Readers of practices often take two cards, and the other is the patient's: where one card is recognised, cards of
    /// other kinds do not count. A card that lies on an antenna does not count either where one stands in a slot.
    ///
    /// # Errors
    /// [`ReaderError::NoReader`], [`ReaderError::NoCard`], [`ReaderError::SeveralCards`].
    pub fn only_card(&self) -> Result<String, ReaderError> {
        let mut candidates = self.candidates()?.into_iter();
        match (candidates.next(), candidates.next()) {
            (None, _) => Err(ReaderError::NoCard),
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(ReaderError::SeveralCards),
        }
    }

    /// The readers whose card may be the one that is looked for, by the rules of [`Self::only_card`]: at least one.
    ///
    /// # Errors
    /// [`ReaderError::NoReader`], [`ReaderError::NoCard`].
    pub fn candidates(&self) -> Result<Vec<String>, ReaderError> {
        let readers = self.list()?;
        if readers.is_empty() {
            return Err(ReaderError::NoReader);
        }
        let best = readers.iter().map(|reader| reader.slot.promise()).max().unwrap_or_default();
        if best == Promise::None {
            return Err(ReaderError::NoCard);
        }
        Ok(readers
            .into_iter()
            .filter(|reader| reader.slot.promise() == best)
            .map(|reader| reader.name)
            .collect())
    }

    /// The reader on whose antenna the one health professional's card lies.
    ///
    /// # Errors
    /// [`ReaderError::NoCard`], [`ReaderError::SeveralCards`].
    pub fn only_tapped(&self) -> Result<String, ReaderError> {
        let lies_there = |reader: &Reader| reader.slot.promise() == Promise::Contactless;
        let mut tapped = self.list()?.into_iter().filter(lies_there).map(|reader| reader.name);
        match (tapped.next(), tapped.next()) {
            (None, _) => Err(ReaderError::NoCard),
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(ReaderError::SeveralCards),
        }
    }

    /// Reads the card in `reader`. No PIN, and nothing on the card changes.
    ///
    /// # Errors
    /// See [`ReaderError`].
    pub fn read(&self, reader: &str) -> Result<PresentedCard, ReaderError> {
        let name = reader.to_owned();
        self.hold(reader, move |held| {
            let (atr, count) = (held.atr.clone(), held.event_count);
            card::read(&mut Channel::new(held), &atr, &name, count)
        })
    }

    /// Lets the card that was `shown` sign `proof`. The PIN is presented at most once and wiped; the card is reset.
    ///
    /// # Errors
    /// See [`ReaderError`]. [`ReaderError::Exchanged`] and [`ReaderError::Removed`] when the card was moved since it was
    /// shown, even if it is back.
    pub fn sign(
        &self,
        shown: &PresentedCard,
        pin: Pin,
        proof: &Proof,
        last_try: LastTry,
    ) -> Result<CardSignature, ReaderError> {
        self.sign_with(shown, Consent::Pin(pin), proof, last_try)
    }

    /// As [`Self::sign`], with any consent. [`Consent::Pad`] waits for the holder to type; [`Consent::Tap`] is for the
    /// contactless side and the purpose `badge` alone.
    ///
    /// # Errors
    /// As [`Self::sign`]; and [`ReaderError::ContactNeeded`], [`ReaderError::TapNeeded`] where consent, purpose and side of
    /// the card do not belong together.
    pub fn sign_with(
        &self,
        shown: &PresentedCard,
        consent: Consent,
        proof: &Proof,
        last_try: LastTry,
    ) -> Result<CardSignature, ReaderError> {
        if !proof.is_for(&shown.certificate_der) {
            return Err(ReaderError::Exchanged);
        }
        let (shown, proof) = (shown.clone(), proof.clone());
        let reader = shown.reader.clone();
        let signed = self.hold(&reader, move |held| {
            if held.event_count != shown.event_count {
                return Err(ReaderError::Exchanged);
            }
            let atr = held.atr.clone();
            let mut state = PinState::NotSent;
            let outcome = {
                let mut channel = Channel::new(held);
                card::sign(&mut channel, &atr, &shown, &consent, &proof, last_try, &mut state)
            };
            held.pin = state;
            outcome
        });
        match signed {
            // There was a card: it was shown.
            Err(ReaderError::NoCard) => Err(ReaderError::Removed),
            other => other,
        }
    }

    /// The trace of reading the card in `reader`, for a bug report: no PIN, name or number in it.
    ///
    /// # Errors
    /// Only what keeps the card from being reached at all; what goes wrong with it stands in the trace.
    pub fn report(&self, reader: &str) -> Result<Vec<String>, ReaderError> {
        self.hold(reader, |held| {
            let (atr, count, protocol) = (held.atr.clone(), held.event_count, held.protocol);
            let mut channel = Channel::traced(held, Trace::on());
            let recognised = Recognised::from_atr(&atr);
            channel.trace().note(format!("ATR {}, {protocol:?}, {recognised:?}", hex::encode_upper(&atr)));
            let outcome = card::read(&mut channel, &atr, "", count);
            let trace = std::mem::take(channel.trace());
            let ending = match outcome {
                Ok(card) => {
                    format!("read: {}, tries left {:?}, {:?}", card.generation, card.tries_left, card.pin)
                }
                Err(error) => format!("ended: {} {error}", error.code()),
            };
            let mut lines = trace.into_lines();
            lines.push(ending);
            Ok(lines)
        })
    }

    /// Runs `work` in an exclusive transaction with the card in `reader`.
    ///
    /// Waiting for a transaction of another program cannot be cancelled in PC/SC, so it happens in a thread of its own.
    /// Who gives up takes `work` away first, and with it the PIN: the thread then finds nothing to do.
    fn hold<T, W>(&self, reader: &str, work: W) -> Result<T, ReaderError>
    where
        T: Send + 'static,
        W: FnMut(&mut Held) -> Result<T, ReaderError> + Send + 'static,
    {
        let name = reader.to_owned();
        let reader = CString::new(reader).map_err(|_| ReaderError::ReaderGone)?;
        let deadline = Instant::now() + self.patience;
        let work = Arc::new(Mutex::new(Some(work)));
        let (begun, has_begun) = mpsc::channel();
        let (done, is_done) = mpsc::channel();
        let theirs = Arc::clone(&work);
        let claim = move || {
            let _waiter_gone = begun.send(());
            theirs.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        thread::Builder::new()
            .name("card".into())
            .spawn(move || {
                let _waiter_gone = done.send(rounds(&reader, deadline, claim));
            })
            .map_err(|error| ReaderError::Service(error.to_string()))?;
        if has_begun.recv_timeout(self.patience) == Err(mpsc::RecvTimeoutError::Timeout)
            && work.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
        {
            return Err(self.held_by_another(&name));
        }
        is_done.recv().unwrap_or_else(|_| Err(ReaderError::ConnectionLost))
    }

    /// In which way another program keeps us from the card.
    fn held_by_another(&self, reader: &str) -> ReaderError {
        let exclusive = self
            .list()
            .unwrap_or_default()
            .into_iter()
            .any(|seen| seen.name == reader && matches!(seen.slot, Slot::Card { exclusive: true, .. }));
        if exclusive { ReaderError::HeldExclusively } else { ReaderError::InUse }
    }
}

/// The states of all readers, not looked at yet.
pub(super) fn states(context: &Context) -> Result<Vec<ReaderState>, ReaderError> {
    let names = match context.list_readers_owned() {
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        other => other.map_err(fault)?,
    };
    Ok(names.into_iter().map(|name| ReaderState::new(name, State::UNAWARE)).collect())
}

/// Looks at `states` as they are now, without waiting.
pub(super) fn look(context: &Context, states: &mut [ReaderState]) -> Result<Vec<Reader>, ReaderError> {
    if states.is_empty() {
        return Ok(Vec::new());
    }
    match context.get_status_change(Duration::ZERO, states) {
        Ok(()) | Err(pcsc::Error::Timeout) => {}
        Err(error) => return Err(fault(error)),
    }
    Ok(states.iter().map(seen).collect())
}

fn seen(state: &ReaderState) -> Reader {
    let flags = state.event_state();
    let slot = match () {
        () if !flags.contains(State::PRESENT) => Slot::Empty,
        () if flags.contains(State::MUTE) => Slot::Mute,
        () => Slot::Card {
            atr: state.atr().to_vec(),
            recognised: Recognised::from_atr(state.atr()),
            exclusive: flags.contains(State::EXCLUSIVE),
        },
    };
    Reader { name: state.name().to_string_lossy().into_owned(), slot, event_count: state.event_count() }
}
