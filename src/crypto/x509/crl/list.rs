//! One revocation list, read in one pass (RFC 5280 §5).
//!
//! A list of a whole profession has hundreds of thousands of entries. OpenSSL's object of one takes some 400 bytes an
//! entry; here the bytes stream through the hash and only the serials stay, 21 bytes each, sorted. OpenSSL still
//! verifies the signature, over the digest of what was read. Nothing of a list is used before that.

use std::io::Read;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::Id;
use openssl::x509::{X509, X509Name};
use x509_parser::asn1_rs::{Any, FromDer, Oid, Tag, oid};

use super::super::signature::{WeakKey, accepted_algorithm, check_key, verifies};
use super::extensions::{Extensions, Scope};
use super::stream::{Element, Stream};
use crate::crypto::digest::sha256;

/// A serial number, big-endian, its sign carried on to the left. RFC 5280 §4.1.2.2 allows positive numbers of 20 bytes,
/// which take 21 if the first bit is set; negative ones exist, and are others than the positive ones of the same bytes.
pub(super) type Serial = [u8; 21];

/// Limits for single elements, far above what RFC 5280 makes of them.
const MAX_ALGORITHM: u64 = 256;
const MAX_NAME: u64 = 8 * 1024;
const MAX_TIME: u64 = 32;
const MAX_ENTRY: u64 = 4 * 1024;
const MAX_EXTENSIONS: u64 = 64 * 1024;
const MAX_SIGNATURE: u64 = 2 * 1024;

/// How long a list without `nextUpdate` counts. RFC 5280 §5.1.2.5 asks for one, so this is for others.
const DEFAULT_LIFE: TimeDelta = TimeDelta::days(7);

const REASON_CODE: Oid<'static> = oid!(2.5.29.21);
const INVALIDITY_DATE: Oid<'static> = oid!(2.5.29.24);
/// `removeFromCRL` (§5.3.1): in a delta list, an entry of the full list that no longer counts.
const REMOVE_FROM_CRL: u8 = 8;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is not a revocation list ({0}, at byte {1})")]
    Malformed(&'static str, u64),
    #[error("is signed with an algorithm or key that is too weak: {0}")]
    Weak(#[from] WeakKey),
    #[error("comes from {0}, which is not an installed authority")]
    UnknownIssuer(String),
    #[error("is not signed by the authority it names")]
    Signature,
    #[error("is a delta list without the number of the full list that it changes")]
    Delta,
    #[error("covers only part of what its authority issues ({0})")]
    Partial(&'static str),
    #[error("holds a critical extension that is not understood ({0})")]
    Critical(String),
    #[error("OpenSSL could not check it: {0}")]
    OpenSsl(#[from] ErrorStack),
    #[error("says that it was issued in the future ({0})")]
    FromTheFuture(DateTime<Utc>),
    #[error("is older ({new}) than the one in use ({current}), which stays in use")]
    Older { new: DateTime<Utc>, current: DateTime<Utc> },
    #[error("comes from another authority ({new}) than the one in use ({current}), which stays in use")]
    OtherIssuer { new: String, current: String },
    #[error("covers something else than the list in use, which stays in use")]
    OtherKind,
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
}

/// A list whose signature has been verified.
#[derive(Debug)]
pub(super) struct RevocationList {
    /// SHA-256 over name and public key of the authority that signed it.
    pub(super) issuer: IssuerId,
    pub(super) issuer_name: String,
    pub(super) this_update: DateTime<Utc>,
    next_update: Option<DateTime<Utc>>,
    pub(super) extensions: Extensions,
    /// Sorted.
    serials: Vec<Serial>,
    /// Sorted; in a delta list alone: what it takes off the full list.
    removed: Vec<Serial>,
}

/// SHA-256 over name and key together: an authority that was renewed with a new key has lists of its own.
pub type IssuerId = [u8; 32];

/// The [`IssuerId`] of an authority.
///
/// # Errors
/// Where OpenSSL cannot write its name or key.
pub fn issuer_id(authority: &X509) -> Result<IssuerId, ErrorStack> {
    let name = authority.subject_name().to_der()?;
    Ok(sha256(&[name, authority.public_key()?.public_key_to_der()?].concat()))
}

impl RevocationList {
    pub(super) fn contains(&self, serial: &Serial) -> bool {
        self.serials.binary_search(serial).is_ok()
    }

    pub(super) fn removes(&self, serial: &Serial) -> bool {
        self.removed.binary_search(serial).is_ok()
    }

    /// When it should be replaced.
    pub(super) fn until(&self) -> DateTime<Utc> {
        self.next_update.unwrap_or(self.this_update + DEFAULT_LIFE)
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.extensions.scope
    }

    /// Whether `newer` can take the place of this list: of the same authority, full or delta as this one, and of the same
    /// scope.
    pub(super) fn may_be_replaced_by(&self, newer: &Self) -> bool {
        self.issuer == newer.issuer && self.is_delta() == newer.is_delta() && self.scope() == newer.scope()
    }

    pub(super) fn is_delta(&self) -> bool {
        self.extensions.base.is_some()
    }

    /// Whether this delta list says what has changed since `full` (RFC 5280 §5.2.4): same issuer and scope, made of
    /// `full` or of an earlier list, and later than `full`.
    pub(super) fn updates(&self, full: &Self) -> bool {
        let (Some(base), Some(number), Some(known)) =
            (self.extensions.base, self.extensions.number, full.extensions.number)
        else {
            return false;
        };
        self.issuer == full.issuer && self.scope() == full.scope() && base <= known && known < number
    }

    pub(super) fn len(&self) -> usize {
        self.serials.len()
    }

    /// Reads `length` bytes of DER from `source` and verifies them with the key of one of `authorities`.
    pub(super) fn read(source: impl Read, length: u64, authorities: &[X509]) -> Result<Self, ListFault> {
        let mut stream = Stream::new(source);
        let outer = stream.header(0x30, length, "no sequence")?;
        if outer != length {
            return Err(stream.malformed("length does not match the file"));
        }
        stream.begin_digest();
        let end = stream.header(0x30, outer, "no list")?;

        let mut next = stream.element(end, MAX_ALGORITHM)?;
        if next.tag == 0x02 {
            if next.content() != [1] {
                return Err(stream.malformed("version"));
            }
            next = stream.element(end, MAX_ALGORITHM)?;
        }
        let algorithm = next;
        let (kind, hash) = signature_algorithm(&algorithm, stream.position)?;
        stream.hash_with(hash)?;

        let issuer = stream.element(end, MAX_NAME)?.expect(0x30, "issuer", stream.position)?;
        let this_update = stream.element(end, MAX_TIME)?.time(stream.position)?;
        let mut next_update = None;
        let mut entries = Entries::default();
        let mut extensions = Extensions::default();
        // What follows is optional, but its order is not.
        let mut stage = 0;
        while stream.position < end {
            let (tag, size) = stream.open(end)?;
            let reached = match tag {
                0x17 | 0x18 => 1,
                0x30 => 2,
                0xA0 => 3,
                _ => return Err(stream.malformed("unknown element")),
            };
            if reached <= stage {
                return Err(stream.malformed("element out of order"));
            }
            stage = reached;
            match tag {
                0x30 => entries = Entries::read(&mut stream, size)?,
                0xA0 => {
                    let element = stream.rest(tag, size, MAX_EXTENSIONS)?;
                    extensions = Extensions::read(&element, &issuer.bytes, stream.position)?;
                }
                _ => next_update = Some(stream.rest(tag, size, MAX_TIME)?.time(stream.position)?),
            }
        }
        let digest = stream.digest()?;
        if stream.element(outer, MAX_ALGORITHM)? != algorithm {
            return Err(stream.malformed("two signature algorithms"));
        }
        let signature = stream.element(outer, MAX_SIGNATURE)?.expect(0x03, "signature", stream.position)?;
        let Some(([0], signature)) = signature.content().split_first_chunk::<1>() else {
            return Err(stream.malformed("signature"));
        };
        if stream.position != outer {
            return Err(stream.malformed("bytes behind the signature"));
        }

        let signer = signed_by(authorities, &issuer.bytes, kind, hash, &digest, signature)?;
        let is_delta = extensions.base.is_some();
        let Entries { mut serials, mut removed } = entries;
        if !is_delta {
            // Only a delta list can take an entry off (§5.3.1); in a full one the entry stands there, and counts.
            serials.append(&mut removed);
        }
        for list in [&mut serials, &mut removed] {
            list.sort_unstable();
            list.dedup();
            list.shrink_to_fit();
        }
        Ok(Self {
            issuer: issuer_id(signer)?,
            issuer_name: super::super::anchors::common_name(signer),
            this_update,
            next_update,
            extensions,
            serials,
            removed,
        })
    }
}

/// The entries of a list.
#[derive(Debug, Default)]
struct Entries {
    serials: Vec<Serial>,
    removed: Vec<Serial>,
}

impl Entries {
    /// `revokedCertificates`, whose header has been read.
    fn read(stream: &mut Stream<impl Read>, size: u64) -> Result<Self, ListFault> {
        let end = stream.position + size;
        let mut entries = Self::default();
        let mut bytes = Vec::new();
        while stream.position < end {
            let (tag, size) = stream.open(end)?;
            if tag != 0x30 || size > MAX_ENTRY {
                return Err(stream.malformed("entry"));
            }
            bytes.resize(usize::try_from(size).unwrap_or(0), 0);
            stream.fill(&mut bytes)?;
            let entry = Entry::read(&bytes, stream.position)?;
            let list = if entry.is_removal { &mut entries.removed } else { &mut entries.serials };
            list.push(entry.serial);
        }
        Ok(entries)
    }
}

/// The kind of key that a signature algorithm asks for, and its hash.
fn signature_algorithm(element: &Element, position: u64) -> Result<(Id, MessageDigest), ListFault> {
    let malformed = || ListFault::Malformed("signature algorithm", position);
    if element.tag != 0x30 {
        return Err(malformed());
    }
    let (_, kind) = Oid::from_der(element.content()).map_err(|_| malformed())?;
    Ok(accepted_algorithm(&kind.to_id_string())?)
}

/// The authority of that name whose key made the signature.
fn signed_by<'a>(
    authorities: &'a [X509],
    issuer: &[u8],
    kind: Id,
    hash: MessageDigest,
    digest: &[u8],
    signature: &[u8],
) -> Result<&'a X509, ListFault> {
    let name = X509Name::from_der(issuer)?;
    let mut of_that_name = false;
    for authority in authorities {
        if !authority.subject_name().try_cmp(&name)?.is_eq() {
            continue;
        }
        of_that_name = true;
        let key = authority.public_key()?;
        check_key(&key)?;
        if key.id() == kind && may_sign_lists(authority) && verifies(&key, hash, digest, signature) {
            return Ok(authority);
        }
    }
    if of_that_name {
        Err(ListFault::Signature)
    } else {
        Err(ListFault::UnknownIssuer(format!("{:?}", &*name)))
    }
}

fn may_sign_lists(authority: &X509) -> bool {
    let Ok(der) = authority.to_der() else { return false };
    let Ok((_, parsed)) = x509_parser::certificate::X509Certificate::from_der(&der) else { return false };
    parsed.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.crl_sign()))
}

/// From the content of an INTEGER; `None` if it is empty or too long.
pub(super) fn serial(bytes: &[u8]) -> Option<Serial> {
    let sign = if bytes.first()? & 0x80 == 0 { 0x00 } else { 0xFF };
    let mut serial = [sign; 21];
    let start = serial.len().checked_sub(bytes.len())?;
    serial.get_mut(start..)?.copy_from_slice(bytes);
    Some(serial)
}

/// One entry of a list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) serial: Serial,
    /// It says `removeFromCRL`.
    pub(super) is_removal: bool,
}

impl Entry {
    /// From the content of its SEQUENCE; refuses what changes the meaning of others (`certificateIssuer` of indirect
    /// lists).
    pub(super) fn read(bytes: &[u8], position: u64) -> Result<Self, ListFault> {
        let malformed = |_| ListFault::Malformed("entry", position);
        let (rest, number) = Any::from_der(bytes).map_err(malformed)?;
        let (rest, date) = Any::from_der(rest).map_err(malformed)?;
        let is_time = matches!(date.tag(), Tag::UtcTime | Tag::GeneralizedTime);
        if number.tag() != Tag::Integer || number.data.is_empty() || !is_time {
            return Err(ListFault::Malformed("entry", position));
        }
        let mut is_removal = false;
        if !rest.is_empty() {
            let (behind, list) = Any::from_der(rest).map_err(malformed)?;
            if !behind.is_empty() || list.tag() != Tag::Sequence {
                return Err(ListFault::Malformed("entry", position));
            }
            let mut rest = list.data;
            while !rest.is_empty() {
                let (behind, extension) = Any::from_der(rest).map_err(malformed)?;
                rest = behind;
                let (value, kind) = Oid::from_der(extension.data).map_err(malformed)?;
                // Not by `Boolean` of `asn1-rs` 0.7, which indexes into one that is empty. Whatever is not FALSE is taken
                // for TRUE.
                let critical = Any::from_der(value).ok().filter(|(_, any)| any.tag() == Tag::Boolean);
                let is_critical = critical.as_ref().is_some_and(|(_, any)| any.data != [0]);
                if kind == REASON_CODE {
                    let value = critical.map_or(value, |(behind, _)| behind);
                    let (_, octets) = Any::from_der(value).map_err(malformed)?;
                    is_removal = octets.data == [0x0A, 1, REMOVE_FROM_CRL];
                } else if is_critical && kind != INVALIDITY_DATE {
                    return Err(ListFault::Critical(kind.to_id_string()));
                }
            }
        }
        let serial =
            serial(number.data).ok_or(ListFault::Malformed("serial longer than 20 bytes", position))?;
        Ok(Self { serial, is_removal })
    }
}
