//! A card that answers anything: identified, read, asked for its tries.
//!
//! The input is the answer to reset and then the answers, each behind its length; when they are used up they begin anew,
//! so that a driver which trusts a card to come to an end never does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::card::driver::ReaderError;
use sceau::card::driver::apdu::Channel;
use sceau::card::driver::cps::identify;
use sceau::card::driver::transport::{Protocol, Transport};

/// More exchanges than any use of a card takes.
const MANY: usize = 20_000;

struct Answers<'a> {
    answers: Vec<&'a [u8]>,
    given: usize,
}

impl Transport for Answers<'_> {
    fn protocol(&self) -> Protocol {
        Protocol::T0
    }

    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, ReaderError> {
        assert!(self.given < MANY, "the driver never leaves this card");
        let answer = self.answers.get(self.given % self.answers.len().max(1));
        self.given += 1;
        answer.map(|answer| answer.to_vec()).ok_or(ReaderError::ConnectionLost)
    }
}

/// Pieces of `input`, each behind a byte that says its length.
fn pieces(mut input: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let [length, rest @ ..] = input {
        let (piece, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        pieces.push(piece);
        input = behind;
    }
    pieces
}

fuzz_target!(|input: &[u8]| {
    let mut answers = pieces(input);
    if answers.is_empty() {
        return;
    }
    let atr = answers.remove(0);
    let mut card = Answers { answers, given: 0 };
    let mut channel = Channel::new(&mut card);
    let Ok(health_card) = identify(&mut channel, atr) else { return };
    let _updated = health_card.last_update(&mut channel);
    let Ok(contents) = health_card.contents(&mut channel) else { return };
    if let Some(pin) = &contents.pin {
        let _header = health_card.verify_header(pin);
        let _tries = health_card.tries_left(&mut channel, pin);
    }
});
