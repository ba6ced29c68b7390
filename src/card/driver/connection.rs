//! One connection to a card: the exclusive transaction, and building it anew when it is lost.
//!
//! What is lost before the PIN was sent is begun again; what is lost after is not. Other programs' resets (most end with
//! one), a service that powers cards down, and cards on their way out are told apart here.

use std::ffi::CString;
use std::time::{Duration, Instant};

use pcsc::{Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};

use super::card::PinState;
use super::error::ReaderError;
use super::reader::look;
use super::transport::{Control, Protocol, Transport};

/// How often a lost connection is rebuilt within one operation.
const ROUNDS: usize = 5;

/// How long the service may take to notice that a card which stopped answering is gone; it looks every 0.4 s.
const NOTICE: Duration = Duration::from_millis(800);

/// Between two attempts at a card that seems mute.
const PAUSE: Duration = Duration::from_millis(150);

/// Rebuilds the connection until `work` is done, or it must not be begun again. `claim` gives the work once a
/// transaction has begun, or nothing where nobody waits for it any more.
pub(super) fn rounds<T, W>(
    reader: &CString,
    deadline: Instant,
    claim: impl FnOnce() -> Option<W>,
) -> Result<T, ReaderError>
where
    W: FnMut(&mut Held) -> Result<T, ReaderError>,
{
    let mut work = Work::Unclaimed(claim);
    let mut first_count = None;
    for round in 1..=ROUNDS {
        let context = Context::establish(Scope::User).map_err(fault)?;
        let mut card = match connect(&context, reader, deadline) {
            // Where a round was begun before, there was a card.
            Err(ReaderError::NoCard) if first_count.is_some() => return Err(ReaderError::Removed),
            // A card that is just being powered down or up by the service may seem mute for a moment.
            Err(ReaderError::Mute | ReaderError::ConnectionLost) if round < ROUNDS => {
                pause(&context, reader)?;
                continue;
            }
            other => other?,
        };
        let ended = in_transaction(&mut card, &context, reader, &mut first_count, &mut work);
        release(card);
        match (ended.outcome, ended.pin) {
            (Err(ReaderError::ConnectionLost), pin) => {
                if !ended.was_reset && is_gone(&context, reader, first_count) {
                    return Err(ReaderError::Removed);
                }
                if pin == PinState::Sent {
                    return Err(ReaderError::Interrupted);
                }
            }
            // Another program may have reset the card without our being told: it no longer knows what was selected.
            (Err(ReaderError::Refused { .. }), PinState::NotSent) if round == 1 => {}
            (outcome, _) => return outcome,
        }
    }
    Err(ReaderError::ConnectionLost)
}

enum Work<C, W> {
    Unclaimed(C),
    Claimed(W),
    Abandoned,
}

impl<C: FnOnce() -> Option<W>, W> Work<C, W> {
    fn claim(&mut self) -> Option<&mut W> {
        *self = match std::mem::replace(self, Self::Abandoned) {
            Self::Unclaimed(claim) => claim().map_or(Self::Abandoned, Self::Claimed),
            other => other,
        };
        match self {
            Self::Claimed(work) => Some(work),
            Self::Unclaimed(_) | Self::Abandoned => None,
        }
    }
}

/// How a round ended.
struct Ended<T> {
    outcome: Result<T, ReaderError>,
    pin: PinState,
    /// The connection was lost by another program's reset: the card is still there.
    was_reset: bool,
}

impl<T> Ended<T> {
    fn before_work(error: ReaderError) -> Self {
        Self { outcome: Err(error), pin: PinState::NotSent, was_reset: false }
    }
}

fn in_transaction<T, C, W>(
    card: &mut pcsc::Card,
    context: &Context,
    reader: &CString,
    first_count: &mut Option<u32>,
    work: &mut Work<C, W>,
) -> Ended<T>
where
    C: FnOnce() -> Option<W>,
    W: FnMut(&mut Held) -> Result<T, ReaderError>,
{
    let transaction = match card.transaction() {
        Ok(transaction) => transaction,
        Err(error) => return Ended { was_reset: is_reset(error), ..Ended::before_work(fault(error)) },
    };
    let ended = match (work.claim(), Held::new(context, reader, &transaction)) {
        (None, _) => Ended::before_work(ReaderError::InUse),
        (_, Err(error)) => Ended::before_work(error),
        (Some(work), Ok(mut held)) => {
            let outcome = match first_count.replace(held.event_count) {
                Some(before) if before != held.event_count => Err(ReaderError::Removed),
                _ => work(&mut held),
            };
            Ended { outcome, pin: held.pin, was_reset: held.broke.is_some_and(is_reset) }
        }
    };
    leave(transaction, ended.pin);
    ended
}

fn is_reset(error: pcsc::Error) -> bool {
    matches!(error, pcsc::Error::ResetCard | pcsc::Error::ProtoMismatch)
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
            return Err(ReaderError::HeldExclusively);
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

/// Ends the transaction; once the PIN was sent, with a reset in the same step, so that nobody finds it presented.
fn leave(transaction: pcsc::Transaction<'_>, pin: PinState) {
    let disposition = match pin {
        PinState::NotSent => Disposition::LeaveCard,
        PinState::Sent => Disposition::ResetCard,
    };
    if let Err((transaction, _gone)) = transaction.end(disposition) {
        // A card that is out forgets the PIN by itself.
        drop(transaction);
    }
}

/// Closes the connection without a reset, which would hit another program in the middle of its transaction: pcscd does
/// not protect it. Dropping the connection would do just that.
fn release(card: pcsc::Card) {
    if let Err((card, _gone)) = card.disconnect(Disposition::LeaveCard) {
        drop(card);
    }
}

/// Waits for the reader's state to change, but not long.
fn pause(context: &Context, reader: &CString) -> Result<(), ReaderError> {
    let mut states = [ReaderState::new(reader.clone(), State::UNAWARE)];
    look(context, &mut states)?;
    for state in &mut states {
        state.sync_current_state();
    }
    match context.get_status_change(PAUSE, &mut states) {
        Ok(()) | Err(pcsc::Error::Timeout) => Ok(()),
        Err(error) => Err(fault(error)),
    }
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
pub(super) struct Held<'t> {
    card: &'t pcsc::Card,
    pub(super) atr: Vec<u8>,
    pub(super) protocol: Protocol,
    pub(super) event_count: u32,
    pub(super) pin: PinState,
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

    fn control(&mut self, request: Control, data: &[u8]) -> Result<Vec<u8>, ReaderError> {
        let code = match request {
            Control::Features => pcsc::ctl_code(3400),
            Control::Feature(code) => code.into(),
        };
        let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
        match self.card.control(code, data, &mut buffer) {
            Ok(answer) => Ok(answer.to_vec()),
            Err(error) => match fault(error) {
                lost @ (ReaderError::ConnectionLost | ReaderError::ReaderGone) => {
                    self.broke = Some(error);
                    Err(lost)
                }
                // Drivers say it in many ways.
                _ => Err(ReaderError::NoPad),
            },
        }
    }
}

/// What an error of PC/SC means here.
pub(super) fn fault(error: pcsc::Error) -> ReaderError {
    use pcsc::Error;
    match error {
        Error::NoService | Error::ServiceStopped => ReaderError::NoService,
        Error::NoReadersAvailable => ReaderError::NoReader,
        Error::UnknownReader | Error::ReaderUnavailable => ReaderError::ReaderGone,
        Error::NoSmartcard => ReaderError::NoCard,
        Error::SharingViolation => ReaderError::HeldExclusively,
        Error::UnresponsiveCard | Error::UnsupportedCard => ReaderError::Mute,
        // A mismatch is what pcscd says where another program's leaving reset the card within our transaction.
        Error::ProtoMismatch
        | Error::ResetCard
        | Error::RemovedCard
        | Error::UnpoweredCard
        | Error::NotTransacted
        | Error::CommError
        | Error::CommDataLost
        | Error::NotReady
        | Error::InvalidHandle => ReaderError::ConnectionLost,
        other => ReaderError::Service(other.to_string()),
    }
}
