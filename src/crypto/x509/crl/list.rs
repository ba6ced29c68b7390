//! One revocation list, read in one pass (RFC 5280 §5).
//!
//! A list of a whole profession has hundreds of thousands of entries. OpenSSL's object of one takes some 400 bytes an
//! entry; here the bytes stream through the hash and only the serials stay, 21 bytes each, sorted. OpenSSL still
//! verifies the signature, over the digest of what was read. Nothing of a list is used before that.

use std::io::Read;

use chrono::{DateTime, Utc};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::x509::{X509, X509Name};
use x509_parser::asn1_rs::{Any, Boolean, Class, FromDer, Oid, Tag, oid};
use x509_parser::extensions::{GeneralName, X509Extension};

use super::super::signature::{WeakKey, accepted_hash, check_key};
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

const REASON_CODE: Oid<'static> = oid!(2.5.29.21);
const INVALIDITY_DATE: Oid<'static> = oid!(2.5.29.24);
const DELTA_INDICATOR: Oid<'static> = oid!(2.5.29.27);
const ISSUING_DISTRIBUTION_POINT: Oid<'static> = oid!(2.5.29.28);

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
    #[error("is a delta list; only full lists are used")]
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
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
}

/// What a list covers, if not everything its authority issues (RFC 5280 §5.2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) only_people: bool,
    pub(super) only_authorities: bool,
    /// Addresses; a certificate is covered if it names one of them. Empty: all are covered.
    pub(super) points: Vec<String>,
}

/// A list whose signature has been verified.
#[derive(Debug)]
pub(super) struct RevocationList {
    /// SHA-256 over name and public key of the authority that signed it.
    pub(super) issuer: IssuerId,
    pub(super) issuer_name: String,
    pub(super) this_update: DateTime<Utc>,
    pub(super) next_update: Option<DateTime<Utc>>,
    pub(super) scope: Scope,
    /// Sorted.
    serials: Vec<Serial>,
}

/// Name and key together: an authority that was renewed with a new key has lists of its own.
pub(super) type IssuerId = [u8; 32];

pub(super) fn issuer_id(authority: &X509) -> Result<IssuerId, ErrorStack> {
    let name = authority.subject_name().to_der()?;
    Ok(sha256(&[name, authority.public_key()?.public_key_to_der()?].concat()))
}

impl RevocationList {
    pub(super) fn contains(&self, serial: &Serial) -> bool {
        self.serials.binary_search(serial).is_ok()
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
        let mut serials = Vec::new();
        let mut scope = Scope::default();
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
                0x30 => serials = entries(&mut stream, size)?,
                0xA0 => scope = extensions(&stream.rest(tag, size, MAX_EXTENSIONS)?, stream.position)?,
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
        serials.sort_unstable();
        serials.dedup();
        serials.shrink_to_fit();
        Ok(Self {
            issuer: issuer_id(signer)?,
            issuer_name: super::super::anchors::common_name(signer),
            this_update,
            next_update,
            scope,
            serials,
        })
    }
}

/// The serials of `revokedCertificates`, whose header has been read.
fn entries(stream: &mut Stream<impl Read>, size: u64) -> Result<Vec<Serial>, ListFault> {
    let end = stream.position + size;
    let mut serials = Vec::new();
    let mut entry = Vec::new();
    while stream.position < end {
        let (tag, size) = stream.open(end)?;
        if tag != 0x30 || size > MAX_ENTRY {
            return Err(stream.malformed("entry"));
        }
        entry.resize(usize::try_from(size).unwrap_or(0), 0);
        stream.fill(&mut entry)?;
        serials.push(entry_serial(&entry, stream.position)?);
    }
    Ok(serials)
}

/// The kind of key that a signature algorithm asks for, and its hash.
fn signature_algorithm(element: &Element, position: u64) -> Result<(Id, MessageDigest), ListFault> {
    let malformed = || ListFault::Malformed("signature algorithm", position);
    if element.tag != 0x30 {
        return Err(malformed());
    }
    let (_, kind) = Oid::from_der(element.content()).map_err(|_| malformed())?;
    let dotted = kind.to_id_string();
    let known = openssl::asn1::Asn1Object::from_str(&dotted).map_or(Nid::UNDEF, |object| object.nid());
    if known == Nid::UNDEF {
        return Err(ListFault::Weak(WeakKey::Algorithm(dotted)));
    }
    let hash = accepted_hash(known)?;
    let is_ecdsa = matches!(known, Nid::ECDSA_WITH_SHA256 | Nid::ECDSA_WITH_SHA384 | Nid::ECDSA_WITH_SHA512);
    Ok((if is_ecdsa { Id::EC } else { Id::RSA }, hash))
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

fn verifies(key: &PKeyRef<Public>, hash: MessageDigest, digest: &[u8], signature: &[u8]) -> bool {
    let verdict = || -> Result<bool, ErrorStack> {
        let mut context = PkeyCtx::new(key)?;
        context.verify_init()?;
        if key.id() == Id::RSA {
            context.set_rsa_padding(Padding::PKCS1)?;
        }
        let hash = Md::from_nid(hash.type_()).ok_or_else(ErrorStack::get)?;
        context.set_signature_md(hash)?;
        context.verify(digest, signature)
    };
    verdict().unwrap_or(false)
}

/// The extensions of the list. One that is critical and not understood forbids using the list at all (§5.2).
fn extensions(element: &Element, position: u64) -> Result<Scope, ListFault> {
    let malformed = || ListFault::Malformed("extensions", position);
    let (_, list) = Any::from_der(element.content()).map_err(|_| malformed())?;
    let mut scope = Scope::default();
    let mut seen = Vec::new();
    let mut rest = list.data;
    while !rest.is_empty() {
        let (behind, extension) = X509Extension::from_der(rest).map_err(|_| malformed())?;
        rest = behind;
        if seen.contains(&extension.oid) {
            return Err(ListFault::Malformed("extension twice", position));
        }
        seen.push(extension.oid.clone());
        if extension.oid == DELTA_INDICATOR {
            return Err(ListFault::Delta);
        }
        if extension.oid == ISSUING_DISTRIBUTION_POINT {
            scope = distribution_scope(extension.value, position)?;
        } else if extension.critical {
            return Err(ListFault::Critical(extension.oid.to_id_string()));
        }
    }
    Ok(scope)
}

/// `issuingDistributionPoint` (§5.2.5), read here member by member: what is not understood has to refuse the list, while
/// x509-parser leaves a distribution point out that is given relative to its issuer.
fn distribution_scope(value: &[u8], position: u64) -> Result<Scope, ListFault> {
    let malformed = || ListFault::Malformed("issuing distribution point", position);
    let is_true = |member: &Any<'_>| match member.data {
        [0x00] => Ok(false),
        [_] => Ok(true),
        _ => Err(malformed()),
    };
    let mut scope = Scope::default();
    for member in members(value).ok_or_else(malformed)? {
        if member.class() != Class::ContextSpecific {
            return Err(malformed());
        }
        match member.tag().0 {
            0 => scope.points = addresses(&member)?,
            1 => scope.only_people = is_true(&member)?,
            2 => scope.only_authorities = is_true(&member)?,
            3 => return Err(ListFault::Partial("some reasons only")),
            4 if is_true(&member)? => return Err(ListFault::Partial("indirect list")),
            5 if is_true(&member)? => return Err(ListFault::Partial("attribute certificates only")),
            4 | 5 => {}
            _ => return Err(malformed()),
        }
    }
    Ok(scope)
}

/// The addresses of a `DistributionPointName`, of which there has to be one.
fn addresses(point: &Any<'_>) -> Result<Vec<String>, ListFault> {
    let partial = || ListFault::Partial("a distribution point without address");
    let (_, name) = Any::from_der(point.data).map_err(|_| partial())?;
    if name.tag().0 != 0 {
        return Err(ListFault::Partial("a distribution point relative to its issuer"));
    }
    let mut addresses = Vec::new();
    let mut rest = name.data;
    while !rest.is_empty() {
        let (behind, name) = GeneralName::from_der(rest).map_err(|_| partial())?;
        addresses.extend(address(&name));
        rest = behind;
    }
    if addresses.is_empty() { Err(partial()) } else { Ok(addresses) }
}

/// The members of the one SEQUENCE that these bytes are.
fn members(value: &[u8]) -> Option<Vec<Any<'_>>> {
    let ([], sequence) = Any::from_der(value).ok()? else { return None };
    if sequence.tag() != Tag::Sequence {
        return None;
    }
    let mut members = Vec::new();
    let mut rest = sequence.data;
    while !rest.is_empty() {
        let (behind, member) = Any::from_der(rest).ok()?;
        members.push(member);
        rest = behind;
    }
    Some(members)
}

pub(super) fn address(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(address) => Some((*address).to_owned()),
        _ => None,
    }
}

/// From the content of an INTEGER; `None` if it is empty or too long.
pub(super) fn serial(bytes: &[u8]) -> Option<Serial> {
    let sign = if bytes.first()? & 0x80 == 0 { 0x00 } else { 0xFF };
    let mut serial = [sign; 21];
    let start = serial.len().checked_sub(bytes.len())?;
    serial.get_mut(start..)?.copy_from_slice(bytes);
    Some(serial)
}

/// Serial of an entry; refuses entries that change the meaning of others (`certificateIssuer` of indirect lists).
pub(super) fn entry_serial(entry: &[u8], position: u64) -> Result<Serial, ListFault> {
    let malformed = |_| ListFault::Malformed("entry", position);
    let (rest, number) = Any::from_der(entry).map_err(malformed)?;
    let (rest, date) = Any::from_der(rest).map_err(malformed)?;
    let is_time = matches!(date.tag(), Tag::UtcTime | Tag::GeneralizedTime);
    if number.tag() != Tag::Integer || number.data.is_empty() || !is_time {
        return Err(ListFault::Malformed("entry", position));
    }
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
            let is_critical = Boolean::from_der(value).is_ok_and(|(_, critical)| critical.bool());
            if is_critical && kind != REASON_CODE && kind != INVALIDITY_DATE {
                return Err(ListFault::Critical(kind.to_id_string()));
            }
        }
    }
    serial(number.data).ok_or(ListFault::Malformed("serial longer than 20 bytes", position))
}
