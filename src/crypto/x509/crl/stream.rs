//! DER elements, one after the other, from a source that is too large to hold, hashed as they pass.
//!
//! Definite lengths only. No element is allocated before its length has been held against what contains it and against
//! a limit of its own.

use std::io::{ErrorKind, Read};

use chrono::{DateTime, Utc};
use openssl::hash::{Hasher, MessageDigest};
use x509_parser::asn1_rs::FromDer;
use x509_parser::time::ASN1Time;

use super::list::ListFault;

/// One whole DER element.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) tag: u8,
    /// Header and content; the header may be longer than it was.
    pub(super) bytes: Vec<u8>,
    content_at: usize,
}

impl Element {
    pub(super) fn content(&self) -> &[u8] {
        self.bytes.get(self.content_at..).unwrap_or_default()
    }

    pub(super) fn expect(self, tag: u8, what: &'static str, position: u64) -> Result<Self, ListFault> {
        if self.tag == tag { Ok(self) } else { Err(ListFault::Malformed(what, position)) }
    }

    pub(super) fn time(&self, position: u64) -> Result<DateTime<Utc>, ListFault> {
        let malformed = ListFault::Malformed("date", position);
        match ASN1Time::from_der(&self.bytes) {
            Ok(([], time)) => DateTime::from_timestamp(time.timestamp(), 0).ok_or(malformed),
            _ => Err(malformed),
        }
    }
}

/// Where the bytes of the to-be-signed part go.
enum Sink {
    Nowhere,
    /// Until the algorithm is known.
    Kept(Vec<u8>),
    Hashed(Box<Hasher>),
}

/// A reader that knows where it is and hashes what passes.
pub(super) struct Stream<R> {
    source: R,
    pub(super) position: u64,
    sink: Sink,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, position: 0, sink: Sink::Nowhere }
    }

    pub(super) fn malformed(&self, what: &'static str) -> ListFault {
        ListFault::Malformed(what, self.position)
    }

    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ListFault> {
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ListFault::Malformed("cut off", self.position),
            _ => ListFault::Io(error),
        })?;
        self.position += buffer.len() as u64;
        match &mut self.sink {
            Sink::Nowhere => {}
            Sink::Kept(kept) => kept.extend_from_slice(buffer),
            Sink::Hashed(hasher) => hasher.update(buffer)?,
        }
        Ok(())
    }

    /// Tag and length of the element that begins here and ends at `end` at the latest; its content is next.
    pub(super) fn open(&mut self, end: u64) -> Result<(u8, u64), ListFault> {
        let mut head = [0; 2];
        self.fill(&mut head)?;
        let [tag, first] = head;
        let size = match first {
            0x00..=0x7F => u64::from(first),
            0x81..=0x84 => {
                let mut bytes = [0; 8];
                let count = usize::from(first & 0x0F);
                let start = bytes.len() - count;
                if let Some(tail) = bytes.get_mut(start..) {
                    self.fill(tail)?;
                }
                u64::from_be_bytes(bytes)
            }
            _ => return Err(self.malformed("length")),
        };
        if self.position + size > end {
            return Err(self.malformed("element longer than what holds it"));
        }
        Ok((tag, size))
    }

    /// As [`Stream::open`], for a tag that has to be there; returns where the element ends.
    pub(super) fn header(&mut self, tag: u8, end: u64, what: &'static str) -> Result<u64, ListFault> {
        match self.open(end)? {
            (found, size) if found == tag => Ok(self.position + size),
            _ => Err(self.malformed(what)),
        }
    }

    pub(super) fn element(&mut self, end: u64, limit: u64) -> Result<Element, ListFault> {
        let (tag, size) = self.open(end)?;
        self.rest(tag, size, limit)
    }

    /// The content of an element whose header has been read, put together with a header again.
    pub(super) fn rest(&mut self, tag: u8, size: u64, limit: u64) -> Result<Element, ListFault> {
        if size > limit {
            return Err(self.malformed("element too long"));
        }
        let mut bytes = vec![tag];
        match size {
            0..=0x7F => bytes.push(size.to_be_bytes()[7]),
            _ => bytes.extend([&[0x84], &size.to_be_bytes()[4..]].concat()),
        }
        let content_at = bytes.len();
        bytes.resize(content_at + usize::try_from(size).unwrap_or(0), 0);
        if let Some(content) = bytes.get_mut(content_at..) {
            self.fill(content)?;
        }
        Ok(Element { tag, bytes, content_at })
    }

    /// From here on, bytes count for the digest.
    pub(super) fn begin_digest(&mut self) {
        self.sink = Sink::Kept(Vec::new());
    }

    /// Names the hash, once it is known; what has passed since [`Stream::begin_digest`] is made up for.
    pub(super) fn hash_with(&mut self, hash: MessageDigest) -> Result<(), ListFault> {
        let mut hasher = Hasher::new(hash)?;
        if let Sink::Kept(kept) = &self.sink {
            hasher.update(kept)?;
        }
        self.sink = Sink::Hashed(Box::new(hasher));
        Ok(())
    }

    /// Digest of what has passed; hashing ends.
    pub(super) fn digest(&mut self) -> Result<Vec<u8>, ListFault> {
        match std::mem::replace(&mut self.sink, Sink::Nowhere) {
            Sink::Hashed(mut hasher) => Ok(hasher.finish()?.to_vec()),
            _ => Err(self.malformed("no signature algorithm")),
        }
    }
}
