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

use pcsc::{Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};

use super::apdu::Channel;
use super::card::{self, CardSignature, LastTry, PinState, PresentedCard};
use super::cps::Recognised;
use super::error::ReaderError;
use super::pin::Pin;
use super::trace::Trace;
use super::transport::{Protocol, Transport};
use crate::card::proof::Proof;

/// How often a lost connection is rebuilt within one operation.
const ROUNDS: usize = 5;

/// How long the service may take to notice that a card which stopped answering is gone; it looks every 0.4 s.
const NOTICE: Duration = Duration::from_millis(800);

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

    /// The reader that has the one card there is.
    ///
    /// # Errors
    /// [`ReaderError::NoReader`], [`ReaderError::NoCard`], [`ReaderError::SeveralCards`].
    pub fn only_card(&self) -> Result<String, ReaderError> {
        let readers = self.list()?;
        let mut with_card = readers.iter().filter(|reader| reader.slot != Slot::Empty);
        match (readers.len(), with_card.next(), with_card.next()) {
            (0, ..) => Err(ReaderError::NoReader),
            (_, None, _) => Err(ReaderError::NoCard),
            (_, Some(only), None) => Ok(only.name.clone()),
            (_, Some(_), Some(_)) => Err(ReaderError::SeveralCards),
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
                card::sign(&mut channel, &atr, &shown, &pin, &proof, last_try, &mut state)
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
            return Err(ReaderError::InUse);
        }
        is_done.recv().unwrap_or_else(|_| Err(ReaderError::ConnectionLost))
    }
}

/// Rebuilds the connection until `work` is done, or it must not be begun again.
fn rounds<T, W>(
    reader: &CString,
    deadline: Instant,
    claim: impl FnOnce() -> Option<W>,
) -> Result<T, ReaderError>
where
    W: FnMut(&mut Held) -> Result<T, ReaderError>,
{
    let mut claim = Some(claim);
    let mut work = None;
    let mut first_count = None;
    for _ in 0..ROUNDS {
        let context = Context::establish(Scope::User).map_err(fault)?;
        let mut card = match connect(&context, reader, deadline) {
            // Where a round was begun before, there was a card.
            Err(ReaderError::NoCard) if first_count.is_some() => return Err(ReaderError::Removed),
            other => other?,
        };
        let Some(transaction) = begin(&mut card)? else { continue };
        if let Some(claim) = claim.take() {
            work = claim();
        }
        let Some(work) = work.as_mut() else { return Err(ReaderError::InUse) };
        let (outcome, pin, broke) = match Held::new(&context, reader, &transaction) {
            Ok(mut held) => {
                let count = held.event_count;
                let outcome = match first_count.replace(count) {
                    Some(before) if before != count => Err(ReaderError::Removed),
                    _ => work(&mut held),
                };
                (outcome, held.pin, held.broke)
            }
            Err(error) => (Err(error), PinState::NotSent, None),
        };
        leave(transaction, pin);
        release(card, pin);
        match outcome {
            Err(ReaderError::ConnectionLost) => {}
            other => return other,
        }
        // Another program's reset is over at once; anything else may be a card on its way out.
        if broke != Some(pcsc::Error::ResetCard) && is_gone(&context, reader, first_count) {
            return Err(ReaderError::Removed);
        }
        if pin == PinState::Sent {
            return Err(ReaderError::Interrupted);
        }
    }
    Err(ReaderError::ConnectionLost)
}

/// Connects, waiting until `deadline` where another program holds the card exclusively.
fn connect(context: &Context, reader: &CString, deadline: Instant) -> Result<pcsc::Card, ReaderError> {
    loop {
        match context.connect(reader, ShareMode::Shared, Protocols::ANY) {
            Err(pcsc::Error::SharingViolation) => {}
            other => return other.map_err(fault),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ReaderError::InUse);
        }
        let mut states = [ReaderState::new(reader.clone(), State::UNAWARE)];
        look(context, &mut states)?;
        let exclusive = states.iter().any(|state| state.event_state().contains(State::EXCLUSIVE));
        for state in states.iter_mut().filter(|_| exclusive) {
            state.sync_current_state();
        }
        match context.get_status_change(left, &mut states) {
            Ok(()) | Err(pcsc::Error::Timeout) => {}
            Err(error) => return Err(fault(error)),
        }
    }
}

/// Begins the transaction; `None` when the connection was lost meanwhile and has to be made again.
fn begin(card: &mut pcsc::Card) -> Result<Option<pcsc::Transaction<'_>>, ReaderError> {
    match card.transaction() {
        Ok(transaction) => Ok(Some(transaction)),
        Err(error) => match fault(error) {
            ReaderError::ConnectionLost | ReaderError::Removed => Ok(None),
            other => Err(other),
        },
    }
}

/// Ends the transaction; once the PIN was sent, with a reset in the same step, so that nobody finds it presented.
fn leave(transaction: pcsc::Transaction<'_>, pin: PinState) {
    let disposition = match pin {
        PinState::NotSent => Disposition::LeaveCard,
        PinState::Sent => Disposition::ResetCard,
    };
    // A card that is gone cannot be reset, and need not be.
    let _ended = transaction.end(disposition);
}

fn release(card: pcsc::Card, pin: PinState) {
    let disposition = match pin {
        PinState::NotSent => Disposition::LeaveCard,
        PinState::Sent => Disposition::ResetCard,
    };
    let _released = card.disconnect(disposition);
}

/// Whether the card that answered as `count` is out, once the service had time to notice.
fn is_gone(context: &Context, reader: &CString, count: Option<u32>) -> bool {
    let mut states = [ReaderState::new(reader.clone(), State::UNAWARE)];
    let gone = |states: &[ReaderState]| {
        states.iter().any(|state| {
            !state.event_state().contains(State::PRESENT)
                || count.is_some_and(|count| count != state.event_count())
        })
    };
    let deadline = Instant::now() + NOTICE;
    loop {
        if look(context, &mut states).is_err() || gone(&states) {
            return true;
        }
        for state in &mut states {
            state.sync_current_state();
        }
        // Our own leaving changes the state too, so one change is not the end of waiting.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || context.get_status_change(left, &mut states).is_err() {
            return gone(&states);
        }
    }
}

/// A card within a transaction.
struct Held<'t> {
    card: &'t pcsc::Card,
    atr: Vec<u8>,
    protocol: Protocol,
    event_count: u32,
    pin: PinState,
    /// Why the connection was lost.
    broke: Option<pcsc::Error>,
}

impl<'t> Held<'t> {
    fn new(context: &Context, reader: &CString, card: &'t pcsc::Card) -> Result<Self, ReaderError> {
        let status = card.status2_owned().map_err(fault)?;
        let mut states = [ReaderState::new(reader.clone(), State::UNAWARE)];
        look(context, &mut states)?;
        let protocol = match status.protocol2() {
            Some(pcsc::Protocol::T1) => Protocol::T1,
            _ => Protocol::T0,
        };
        let event_count = states.iter().map(ReaderState::event_count).next().unwrap_or_default();
        Ok(Self {
            card,
            atr: status.atr().to_vec(),
            protocol,
            event_count,
            pin: PinState::NotSent,
            broke: None,
        })
    }
}

impl Transport for Held<'_> {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
        match self.card.transmit(command, &mut buffer) {
            Ok(answer) => Ok(answer.to_vec()),
            Err(error) => {
                self.broke = Some(error);
                Err(fault(error))
            }
        }
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

/// What an error of PC/SC means here.
pub(super) fn fault(error: pcsc::Error) -> ReaderError {
    use pcsc::Error;
    match error {
        Error::NoService | Error::ServiceStopped => ReaderError::NoService,
        Error::NoReadersAvailable => ReaderError::NoReader,
        Error::UnknownReader | Error::ReaderUnavailable => ReaderError::ReaderGone,
        Error::NoSmartcard => ReaderError::NoCard,
        Error::SharingViolation => ReaderError::InUse,
        Error::UnresponsiveCard | Error::UnsupportedCard | Error::ProtoMismatch => ReaderError::Mute,
        Error::ResetCard
        | Error::RemovedCard
        | Error::UnpoweredCard
        | Error::NotTransacted
        | Error::CommError
        | Error::NotReady
        | Error::InvalidHandle => ReaderError::ConnectionLost,
        other => ReaderError::Service(other.to_string()),
    }
}
