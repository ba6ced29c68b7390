//! Commands and answers (ISO/IEC 7816-4 §5.3), and the fetching that T=0 needs (ISO/IEC 7816-3 §10.3).

use zeroize::Zeroizing;

use super::error::ReaderError;
use super::trace::Trace;
use super::transport::{Control, Protocol, Transport};

/// More than any file of a card; an answer that does not end is cut there.
const MAX_ANSWER: usize = 0x1_0000;

/// More exchanges than reading a whole card takes, some two hundred: a card that gives a byte at a time, or asks for ever
/// to be asked again, would hold up whoever stands before it.
const MOST_EXCHANGES: u32 = 4_000;

/// What the official library asks GET RESPONSE for at most; some readers take no more.
const FETCH: usize = 0xE7;

/// Most data that a short command carries.
const MAX_DATA: usize = 0xFF;

/// The bits of a class byte that name the logical channel (ISO/IEC 7816-4 §5.4.1).
const CHANNEL: u8 = 0x03;

/// A short command. Its bytes are wiped when it is dropped, since one of them carries the PIN.
pub struct Command {
    name: &'static str,
    header: [u8; 4],
    data: Zeroizing<Vec<u8>>,
    expected: Option<usize>,
    open: bool,
    once: bool,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl Command {
    /// A command without data. `name` is what errors and traces call it.
    #[must_use]
    pub fn new(name: &'static str, header: [u8; 4]) -> Self {
        Self { name, header, data: Zeroizing::new(Vec::new()), expected: None, open: false, once: false }
    }

    /// With a data field of at most 255 bytes; what is longer is cut, and the card refuses it.
    #[must_use]
    pub fn data(self, data: &[u8]) -> Self {
        let short = data.iter().copied().take(MAX_DATA).collect();
        Self { data: Zeroizing::new(short), ..self }
    }

    /// Expects `length` bytes (1 to 256).
    #[must_use]
    pub fn expecting(self, length: usize) -> Self {
        Self { expected: Some(length.clamp(1, 256)), ..self }
    }

    /// Its data and answer may stand in a trace. Without this they never do: what may be seen is the exception.
    #[must_use]
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Is transmitted once, whatever the card or the reader answers.
    #[must_use]
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// What errors and traces call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The bytes on the wire. Under T=0 a command with data has no length of the answer.
    fn encode(&self, protocol: Protocol) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + 1 + self.data.len() + 1));
        bytes.extend_from_slice(&self.header);
        if !self.data.is_empty() {
            bytes.push(self.data.len() as u8);
            bytes.extend_from_slice(&self.data);
        }
        match (self.expected, protocol) {
            // 256 is written 0.
            (Some(length), _) if self.data.is_empty() => bytes.push(length as u8),
            (Some(length), Protocol::T1) => bytes.push(length as u8),
            (None, Protocol::T0) if self.data.is_empty() => bytes.push(0),
            _ => {}
        }
        bytes
    }
}

/// A status word (ISO/IEC 7816-4 §5.3.4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const OK: Self = Self(0x9000);
    pub const SECURITY_NOT_SATISFIED: Self = Self(0x6982);
    pub const BLOCKED: Self = Self(0x6983);
    pub const REFERENCE_INVALIDATED: Self = Self(0x6984);
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    pub const NO_CHANNEL: Self = Self(0x6881);
    pub const NO_FILE: Self = Self(0x6A82);
    pub const WRONG_P1_P2: Self = Self(0x6A86);
    pub const WRONG_OFFSET: Self = Self(0x6B00);
    pub const WRONG_CLASS: Self = Self(0x6E00);

    /// `63Cx`: the tries left.
    #[must_use]
    pub fn tries_left(self) -> Option<u8> {
        (self.0 & 0xFFF0 == 0x63C0).then_some((self.0 & 0x0F) as u8)
    }

    /// `61xx`: bytes that wait to be fetched, 256 or more being 256.
    fn waiting(self) -> Option<usize> {
        (self.0 >> 8 == 0x61).then(|| length(self.0))
    }

    /// `6Cxx`: the length that should have been expected.
    fn right_length(self) -> Option<usize> {
        (self.0 >> 8 == 0x6C).then(|| length(self.0))
    }
}

fn length(status: u16) -> usize {
    match status & 0xFF {
        0 => 256,
        length => usize::from(length),
    }
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// An answer, all of it fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub data: Vec<u8>,
    pub status: Status,
}

impl Response {
    fn split(mut bytes: Vec<u8>) -> Result<Self, ReaderError> {
        let low = bytes.pop();
        let high = bytes.pop();
        match (high, low) {
            (Some(high), Some(low)) => {
                Ok(Self { data: bytes, status: Status(u16::from_be_bytes([high, low])) })
            }
            // What pcscd gives where the card is gone before it answered.
            _ => Err(ReaderError::ConnectionLost),
        }
    }

    /// The data of an answer `9000`.
    ///
    /// # Errors
    /// [`ReaderError::Refused`] for any other status word.
    pub fn accepted(self, command: &'static str) -> Result<Vec<u8>, ReaderError> {
        match self.status {
            Status::OK => Ok(self.data),
            Status(status) => Err(ReaderError::Refused { command, status }),
        }
    }
}

/// A card that takes commands and gives whole answers, and remembers what a report may show of them.
pub struct Channel<'t> {
    transport: &'t mut dyn Transport,
    trace: Trace,
    exchanges_left: u32,
}

impl std::fmt::Debug for Channel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl<'t> Channel<'t> {
    /// A channel without a trace.
    #[must_use]
    pub fn new(transport: &'t mut dyn Transport) -> Self {
        Self::traced(transport, Trace::off())
    }

    /// A channel that writes to `trace`.
    #[must_use]
    pub fn traced(transport: &'t mut dyn Transport, trace: Trace) -> Self {
        Self { transport, trace, exchanges_left: MOST_EXCHANGES }
    }

    /// What was traced so far.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Sends `command`, fetches the whole answer (`61xx`), and repeats with the right length where the card asks for it
    /// (`6Cxx`).
    ///
    /// # Errors
    /// Those of the transport, [`ReaderError::ConnectionLost`] for an answer without a status word, and
    /// [`ReaderError::Endless`] for a card that never comes to an end.
    pub fn send(&mut self, command: &Command) -> Result<Response, ReaderError> {
        let mut response = self.exchange(command, &command.encode(self.transport.protocol()))?;
        if command.once {
            return Ok(response);
        }
        if let (Some(length), true) = (response.status.right_length(), command.data.is_empty()) {
            let [cla, ins, p1, p2] = command.header;
            response = self.exchange(command, &[cla, ins, p1, p2, length as u8])?;
        }
        while let Some(waiting) = response.status.waiting() {
            let next = self.fetch(command, waiting.min(FETCH))?;
            response.data.extend_from_slice(&next.data);
            response.status = next.status;
            if next.data.is_empty() || response.data.len() > MAX_ANSWER {
                break;
            }
        }
        Ok(response)
    }

    /// Sends `data`, of any length, in as many commands as that takes (command chaining, ISO/IEC 7816-4 §5.3.3), and
    /// gives the whole answer: to the last command, or to the first that the card does not accept.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_chain(
        &mut self,
        name: &'static str,
        [cla, ins, p1, p2]: [u8; 4],
        data: &[u8],
    ) -> Result<Response, ReaderError> {
        const MORE_FOLLOWS: u8 = 0x10;
        let mut pieces = data.chunks(MAX_DATA).peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return self.send(&Command::new(name, [cla, ins, p1, p2]).data(piece).expecting(256));
            }
            let response = self.send(&Command::new(name, [cla | MORE_FOLLOWS, ins, p1, p2]).data(piece))?;
            if response.status != Status::OK {
                return Ok(response);
            }
        }
        self.send(&Command::new(name, [cla, ins, p1, p2]).expecting(256))
    }

    /// Asks for what waits, on the logical channel of the command that made it.
    fn fetch(&mut self, command: &Command, wanted: usize) -> Result<Response, ReaderError> {
        let [cla, ..] = command.header;
        let get_response = |length: usize| [cla & CHANNEL, 0xC0, 0x00, 0x00, length as u8];
        let response = self.exchange(command, &get_response(wanted))?;
        match response.status.right_length() {
            Some(length) => self.exchange(command, &get_response(length)),
            None => Ok(response),
        }
    }

    /// Asks the reader itself. Of the answer, a trace shows the length.
    ///
    /// # Errors
    /// Those of the transport.
    pub(super) fn control(
        &mut self,
        name: &'static str,
        request: Control,
        data: &[u8],
    ) -> Result<Vec<u8>, ReaderError> {
        let answer = self.transport.control(request, data);
        self.trace.note(match &answer {
            Ok(answer) => format!("{name}: [{}]", answer.len()),
            Err(error) => format!("{name}: {}", error.code()),
        });
        answer
    }

    fn exchange(&mut self, command: &Command, bytes: &[u8]) -> Result<Response, ReaderError> {
        self.exchanges_left = self.exchanges_left.checked_sub(1).ok_or(ReaderError::Endless)?;
        let answer = self.transport.transmit(bytes).and_then(Response::split);
        self.trace.exchange(command.name, command.open, bytes, &answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Answers in order, and keeps what it was sent.
    struct Script {
        answers: Vec<Vec<u8>>,
        sent: Vec<Vec<u8>>,
        protocol: Protocol,
    }

    impl Script {
        fn new(answers: &[&[u8]]) -> Self {
            let answers = answers.iter().rev().map(|answer| answer.to_vec()).collect();
            Self { answers, sent: Vec::new(), protocol: Protocol::T0 }
        }
    }

    impl Transport for Script {
        fn protocol(&self) -> Protocol {
            self.protocol
        }

        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
            self.sent.push(command.to_vec());
            self.answers.pop().ok_or(ReaderError::ConnectionLost)
        }
    }

    #[test]
    fn fetches_a_long_answer_in_pieces_as_the_official_library_does() {
        let first = [&[7; 0xE7][..], &[0x61, 0x19]].concat();
        let second = [&[8; 0x19][..], &[0x90, 0x00]].concat();
        let mut script = Script::new(&[&[0x61, 0x00], &first, &second]);
        let response = Channel::new(&mut script)
            .send(&Command::new("INTERNAL AUTHENTICATE", [0x00, 0x88, 0, 0]).data(&[1, 2]).expecting(256))
            .unwrap();
        assert_eq!((response.data.len(), response.status), (256, Status::OK));
        assert_eq!(script.sent[0], [0x00, 0x88, 0x00, 0x00, 0x02, 1, 2]);
        assert_eq!(script.sent[1..], [[0x00, 0xC0, 0, 0, 0xE7], [0x00, 0xC0, 0, 0, 0x19]]);
    }

    #[test]
    fn repeats_with_the_length_the_card_names() {
        let mut script = Script::new(&[&[0x6C, 0x02], &[0xAA, 0xBB, 0x90, 0x00]]);
        let read = Command::new("READ BINARY", [0x00, 0xB0, 0, 0]).expecting(0xE7);
        assert_eq!(Channel::new(&mut script).send(&read).unwrap().data, [0xAA, 0xBB]);
        assert_eq!(script.sent, [[0x00, 0xB0, 0, 0, 0xE7], [0x00, 0xB0, 0, 0, 0x02]]);
    }

    #[test]
    fn sends_once_what_must_be_sent_once() {
        for answer in [[0x6C, 0x08], [0x61, 0x08], [0x6E, 0x00], [0x63, 0xC2]] {
            let mut script = Script::new(&[&answer, &[0x90, 0x00]]);
            let verify = Command::new("VERIFY", [0x00, 0x20, 0, 1]).data(&[0x31; 8]).once();
            let response = Channel::new(&mut script).send(&verify).unwrap();
            assert_eq!(response.status, Status(u16::from_be_bytes(answer)));
            assert_eq!(script.sent.len(), 1);
        }
    }

    #[test]
    fn blocks_carry_data_and_length() {
        let mut script = Script { protocol: Protocol::T1, ..Script::new(&[&[0x90, 0x00]]) };
        let select = Command::new("SELECT", [0x00, 0xA4, 0x04, 0x04]).data(&[0xE8]).expecting(256);
        Channel::new(&mut script).send(&select).unwrap();
        assert_eq!(script.sent[0], [0x00, 0xA4, 0x04, 0x04, 0x01, 0xE8, 0x00]);
    }

    #[test]
    fn a_long_block_goes_in_a_chain_on_its_channel() {
        let answer = [&[9; 256][..], &[0x90, 0x00]].concat();
        let mut script = Script::new(&[&[0x90, 0x00], &[0x61, 0x00], &answer]);
        let response =
            Channel::new(&mut script).send_chain("PSO", [0x01, 0x2A, 0x80, 0x86], &[7; 256]).unwrap();
        assert_eq!((response.data.len(), response.status), (256, Status::OK));
        assert_eq!(script.sent[0][..6], [0x11, 0x2A, 0x80, 0x86, 0xFF, 7]);
        assert_eq!(script.sent[1], [0x01, 0x2A, 0x80, 0x86, 0x01, 7]);
        assert_eq!(script.sent[2], [0x01, 0xC0, 0x00, 0x00, 0xE7], "asked on the same channel");
    }

    #[test]
    fn a_chain_ends_where_the_card_refuses() {
        let mut script = Script::new(&[&[0x69, 0x82], &[0x90, 0x00]]);
        let response = Channel::new(&mut script).send_chain("PSO", [0x01, 0x2A, 0x80, 0x86], &[7; 256]);
        assert_eq!(response.unwrap().status, Status::SECURITY_NOT_SATISFIED);
        assert_eq!(script.sent.len(), 1);
    }

    #[test]
    fn an_answer_without_a_status_word_is_no_answer() {
        let mut script = Script::new(&[&[0x90]]);
        let command = Command::new("SELECT", [0x00, 0xA4, 0x04, 0x04]);
        assert_eq!(Channel::new(&mut script).send(&command), Err(ReaderError::ConnectionLost));
    }

    #[test]
    fn reads_tries() {
        assert_eq!(Status(0x63C2).tries_left(), Some(2));
        assert_eq!(Status(0x6983).tries_left(), None);
        assert_eq!(Status(0x6300).tries_left(), None);
    }

    /// Gives one byte and says that more waits, for ever.
    struct OneByteAtATime(u32);

    impl Transport for OneByteAtATime {
        fn protocol(&self) -> Protocol {
            Protocol::T0
        }

        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, ReaderError> {
            self.0 += 1;
            Ok(vec![0xAA, 0x61, 0x01])
        }
    }

    #[test]
    fn a_card_without_end_is_left() {
        let mut card = OneByteAtATime(0);
        let read = Command::new("READ BINARY", [0x00, 0xB0, 0, 0]).expecting(0xE7);
        assert_eq!(Channel::new(&mut card).send(&read), Err(ReaderError::Endless));
        assert_eq!(card.0, MOST_EXCHANGES);
    }

    proptest! {
        /// Whatever a card answers, the driver ends: no endless fetching, no panic.
        #[test]
        fn ends_whatever_the_card_answers(answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..260), 0..20)) {
            let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
            let mut script = Script::new(&answers);
            let _outcome = Channel::new(&mut script).send(&Command::new("READ BINARY", [0x00, 0xB0, 0, 0]).expecting(0xE7));
        }
    }
}
