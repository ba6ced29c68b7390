//! What a responder answered (RFC 6960 §4.2), taken apart and verified.
//!
//! An answer counts only if it is about the certificate that was asked for, was signed by that certificate's own issuer
//! or by a responder that this very issuer has charged with it (`id-kp-OCSPSigning`), and is in its time. Answers that
//! could be read in two ways are refused. The bytes may be anything: size is bounded before they come here, and nothing
//! is allocated beyond them.

use chrono::{DateTime, TimeDelta, Utc};
use openssl::hash::hash;
use openssl::sha::sha1;
use openssl::x509::X509;
use x509_parser::asn1_rs::{Any, Class, FromDer, Oid, Tag, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

use super::super::crl::CLOCK_SKEW;
use super::super::der::{elements, members};
use super::super::signature::{WeakKey, accepted_algorithm, check_key, verifies};
use super::question::Question;

const BASIC: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1.1);
/// Extensions that are understood, or may be passed over even if marked critical: nonce (none was sent), archive cutoff,
/// references to lists.
const KNOWN: [Oid<'static>; 1] = [oid!(1.3.6.1.5.5.7.48.1.2)];
/// Certificates that an answer may bring along; one is usual.
const MOST_CERTIFICATES: usize = 8;
/// Answers about several certificates at once; we ask about one.
const MOST_ANSWERS: usize = 64;

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFault {
    #[error("is no OCSP response ({0})")]
    Malformed(&'static str),
    #[error("says that there is no answer ({0})")]
    NoAnswer(Refusal),
    #[error("is about another certificate")]
    OtherCertificate,
    #[error("answers twice")]
    Twice,
    #[error("is not signed by the authority or by somebody it has charged with answering ({0})")]
    Responder(&'static str),
    #[error("has a signature that does not verify")]
    Signature,
    #[error("is signed with an algorithm or key that is too weak: {0}")]
    Weak(#[from] WeakKey),
    #[error("holds a critical extension that is not understood ({0})")]
    Critical(String),
    #[error("says that it was issued in the future ({0})")]
    FromTheFuture(DateTime<Utc>),
    #[error("was good until {0} only")]
    Stale(DateTime<Utc>),
}

/// `OCSPResponseStatus` but for `successful`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("malformedRequest")]
    MalformedRequest,
    #[error("internalError")]
    InternalError,
    #[error("tryLater")]
    TryLater,
    #[error("sigRequired")]
    SignatureRequired,
    #[error("unauthorized")]
    Unauthorized,
    #[error("status {0}")]
    Other(u8),
}

/// What is known of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Good,
    /// For good, or for a time (`certificateHold`).
    Revoked {
        on_hold: bool,
    },
    /// The responder does not know the certificate: no answer.
    Unknown,
}

/// An answer that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    /// When this was known to be so.
    pub this_update: DateTime<Utc>,
    /// How long it counts.
    pub until: DateTime<Utc>,
}

/// Judges a response to `question`. An answer counts until its `nextUpdate`, and for `max_age` at most. `revoked` says
/// whether the question's issuer has revoked the certificate with that serial number: it is asked about the responder's.
///
/// # Errors
/// [`ResponseFault`]: the first check that fails.
pub fn read(
    der: &[u8],
    question: &Question,
    max_age: TimeDelta,
    revoked: &dyn Fn(&[u8]) -> bool,
    now: DateTime<Utc>,
) -> Result<Answer, ResponseFault> {
    let basic = basic_response(der)?;
    let parsed = Basic::read(&basic)?;
    parsed.verify(question, revoked, now)?;
    let answer = parsed.answer(question, max_age)?;
    if answer.this_update > now + CLOCK_SKEW {
        return Err(ResponseFault::FromTheFuture(answer.this_update));
    }
    if answer.until < now {
        return Err(ResponseFault::Stale(answer.until));
    }
    Ok(answer)
}

/// The `BasicOCSPResponse` in an `OCSPResponse`.
fn basic_response(der: &[u8]) -> Result<Vec<u8>, ResponseFault> {
    let malformed = ResponseFault::Malformed;
    let outer = members(der).ok_or(malformed("no sequence"))?;
    let mut outer = outer.iter();
    let status = outer.next().filter(|status| status.tag() == Tag::Enumerated);
    match status.map(|status| status.data) {
        Some([0]) => {}
        Some([number]) => {
            return Err(ResponseFault::NoAnswer(match number {
                1 => Refusal::MalformedRequest,
                2 => Refusal::InternalError,
                3 => Refusal::TryLater,
                5 => Refusal::SignatureRequired,
                6 => Refusal::Unauthorized,
                other => Refusal::Other(*other),
            }));
        }
        _ => return Err(malformed("status")),
    }
    let (Some(bytes), None) = (outer.next(), outer.next()) else { return Err(malformed("no bytes")) };
    if bytes.class() != Class::ContextSpecific || bytes.tag().0 != 0 {
        return Err(malformed("bytes"));
    }
    let bytes = members(bytes.data).ok_or(malformed("bytes"))?;
    let [kind, content] = bytes.as_slice() else { return Err(malformed("bytes")) };
    let is_basic = kind.clone().oid().is_ok_and(|kind| kind == BASIC);
    if !is_basic || content.tag() != Tag::OctetString {
        return Err(malformed("no basic response"));
    }
    Ok(content.data.to_vec())
}

/// A `BasicOCSPResponse`, taken apart.
struct Basic<'a> {
    /// `tbsResponseData` as it was signed.
    signed: &'a [u8],
    responder: Responder<'a>,
    answers: Vec<Any<'a>>,
    algorithm: String,
    signature: &'a [u8],
    certificates: Vec<X509>,
}

enum Responder<'a> {
    /// DER of the name.
    Name(&'a [u8]),
    /// SHA-1 of the key.
    Key(&'a [u8]),
}

impl<'a> Basic<'a> {
    fn read(der: &'a [u8]) -> Result<Self, ResponseFault> {
        let malformed = ResponseFault::Malformed;
        let ([], whole) = Any::from_der(der).map_err(|_| malformed("basic response"))? else {
            return Err(malformed("bytes behind the basic response"));
        };
        if whole.tag() != Tag::Sequence {
            return Err(malformed("basic response"));
        }
        let (rest, data) = Any::from_der(whole.data).map_err(|_| malformed("response data"))?;
        let signed = whole.data.get(..whole.data.len() - rest.len()).unwrap_or_default();
        if data.tag() != Tag::Sequence {
            return Err(malformed("response data"));
        }
        let parts = elements(rest).ok_or(malformed("signature"))?;
        let (algorithm, signature, certificates) = match parts.as_slice() {
            [algorithm, signature] => (algorithm, signature, Vec::new()),
            [algorithm, signature, certificates]
                if certificates.class() == Class::ContextSpecific && certificates.tag().0 == 0 =>
            {
                (algorithm, signature, read_certificates(certificates.data)?)
            }
            _ => return Err(malformed("signature")),
        };
        let algorithm = elements(algorithm.data).unwrap_or_default();
        let algorithm = algorithm.first().and_then(|kind| kind.clone().oid().ok());
        let algorithm = algorithm.ok_or(malformed("signature algorithm"))?.to_id_string();
        let signature = match (signature.tag(), signature.data.split_first()) {
            (Tag::BitString, Some((0, signature))) => signature,
            _ => return Err(malformed("signature")),
        };
        let (responder, answers) = response_data(data.data)?;
        Ok(Self { signed, responder, answers, algorithm, signature, certificates })
    }

    /// Signature, and the right of whoever made it (RFC 6960 §4.2.2.2).
    fn verify(
        &self,
        question: &Question,
        revoked: &dyn Fn(&[u8]) -> bool,
        now: DateTime<Utc>,
    ) -> Result<(), ResponseFault> {
        let unreadable = |_| ResponseFault::Responder("its certificate cannot be read");
        let signer = std::iter::once(&question.issuer)
            .chain(&self.certificates)
            .find(|candidate| self.responder.is(candidate))
            .ok_or(ResponseFault::Responder("nobody of that name or key is at hand"))?;
        if signer.to_der().map_err(unreadable)? != question.issuer.to_der().map_err(unreadable)? {
            check_charge(signer, &question.issuer, revoked, now)?;
        }
        let key = signer.public_key().map_err(unreadable)?;
        check_key(&key)?;
        let (kind, digest) = accepted_algorithm(&self.algorithm)?;
        let signed = hash(digest, self.signed).map_err(unreadable)?;
        if key.id() == kind && verifies(&key, digest, &signed, self.signature) {
            Ok(())
        } else {
            Err(ResponseFault::Signature)
        }
    }

    /// The one answer about the certificate that was asked for.
    fn answer(&self, question: &Question, max_age: TimeDelta) -> Result<Answer, ResponseFault> {
        let mut found = None;
        for single in &self.answers {
            if let Some(answer) = single_answer(single, question, max_age)?
                && found.replace(answer).is_some()
            {
                return Err(ResponseFault::Twice);
            }
        }
        found.ok_or(ResponseFault::OtherCertificate)
    }
}

impl Responder<'_> {
    fn is(&self, certificate: &X509) -> bool {
        let Ok(der) = certificate.to_der() else { return false };
        let Ok((_, parsed)) = X509Certificate::from_der(&der) else { return false };
        match self {
            Self::Name(name) => parsed.subject().as_raw() == *name,
            Self::Key(key) => sha1(&parsed.public_key().subject_public_key.data) == *key,
        }
    }
}

/// Whether `issuer` itself has charged the holder of this certificate with answering for it.
fn check_charge(
    responder: &X509,
    issuer: &X509,
    revoked: &dyn Fn(&[u8]) -> bool,
    now: DateTime<Utc>,
) -> Result<(), ResponseFault> {
    let refused = |why| Err(ResponseFault::Responder(why));
    let unreadable = ResponseFault::Responder("its certificate cannot be read");
    let (Ok(der), Ok(issuer_key)) = (responder.to_der(), issuer.public_key()) else { return Err(unreadable) };
    let Ok((_, parsed)) = X509Certificate::from_der(&der) else { return Err(unreadable) };
    accepted_algorithm(&parsed.signature_algorithm.algorithm.to_id_string())?;
    let is_named =
        responder.issuer_name().try_cmp(issuer.subject_name()).is_ok_and(std::cmp::Ordering::is_eq);
    if !is_named || !responder.verify(&issuer_key).unwrap_or(false) {
        return refused("its certificate is another authority's");
    }
    let may_answer =
        parsed.extended_key_usage().is_ok_and(|usage| usage.is_some_and(|usage| usage.value.ocsp_signing));
    if !may_answer {
        return refused("its certificate is not for OCSP");
    }
    let may_sign =
        parsed.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.digital_signature()));
    if !may_sign {
        return refused("its key may not sign");
    }
    let (from, until) = (parsed.validity().not_before.timestamp(), parsed.validity().not_after.timestamp());
    if !(from..=until).contains(&now.timestamp()) {
        return refused("its certificate is not in its time");
    }
    // Whatever `id-pkix-ocsp-nocheck` says: the list is at hand, and looking costs nothing.
    if revoked(parsed.raw_serial()) {
        return refused("its certificate has been revoked");
    }
    Ok(())
}

fn read_certificates(list: &[u8]) -> Result<Vec<X509>, ResponseFault> {
    let malformed = ResponseFault::Malformed("certificates");
    let ([], list) = Any::from_der(list).map_err(|_| malformed.clone())? else { return Err(malformed) };
    let mut certificates = Vec::new();
    let mut rest = list.data;
    while !rest.is_empty() {
        let (behind, _) = Any::from_der(rest).map_err(|_| malformed.clone())?;
        let one = rest.get(..rest.len() - behind.len()).unwrap_or_default();
        if certificates.len() == MOST_CERTIFICATES {
            return Err(malformed);
        }
        certificates.push(X509::from_der(one).map_err(|_| malformed.clone())?);
        rest = behind;
    }
    Ok(certificates)
}

/// Responder and answers of a `ResponseData`.
fn response_data(data: &[u8]) -> Result<(Responder<'_>, Vec<Any<'_>>), ResponseFault> {
    let malformed = ResponseFault::Malformed;
    let mut parts = elements(data).ok_or(malformed("response data"))?.into_iter().peekable();
    let is = |part: &Any<'_>, number| part.class() == Class::ContextSpecific && part.tag().0 == number;
    if let Some(version) = parts.next_if(|part| is(part, 0))
        && version.data != [0x02, 1, 0]
    {
        return Err(malformed("version"));
    }
    let responder = match parts.next() {
        Some(part) if is(&part, 1) => Responder::Name(part.data),
        Some(part) if is(&part, 2) => match elements(part.data).as_deref() {
            Some([key]) if key.tag() == Tag::OctetString => Responder::Key(key.data),
            _ => return Err(malformed("responder")),
        },
        _ => return Err(malformed("responder")),
    };
    let produced = parts.next().filter(|part| part.tag() == Tag::GeneralizedTime);
    produced.ok_or(malformed("producedAt"))?;
    let answers = parts.next().filter(|part| part.tag() == Tag::Sequence);
    let answers = elements(answers.ok_or(malformed("answers"))?.data).ok_or(malformed("answers"))?;
    if answers.len() > MOST_ANSWERS {
        return Err(malformed("too many answers"));
    }
    if let Some(extensions) = parts.next() {
        if !is(&extensions, 1) {
            return Err(malformed("response data"));
        }
        check_extensions(extensions.data)?;
    }
    match parts.next() {
        None => Ok((responder, answers)),
        Some(_) => Err(malformed("response data")),
    }
}

/// A `SingleResponse`, if it is about the certificate that was asked for.
fn single_answer(
    single: &Any<'_>,
    question: &Question,
    max_age: TimeDelta,
) -> Result<Option<Answer>, ResponseFault> {
    let malformed = ResponseFault::Malformed;
    let is = |part: &Any<'_>, number| part.class() == Class::ContextSpecific && part.tag().0 == number;
    let mut parts = elements(single.data).ok_or(malformed("answer"))?.into_iter().peekable();
    let id = parts.next().ok_or(malformed("answer"))?;
    if !is_about(&id, question)? {
        return Ok(None);
    }
    let status = parts.next().filter(|part| part.class() == Class::ContextSpecific);
    let status = status.ok_or(malformed("certificate status"))?;
    let status = match status.tag().0 {
        0 if status.data.is_empty() => Status::Good,
        1 => Status::Revoked { on_hold: is_on_hold(status.data)? },
        2 => Status::Unknown,
        _ => return Err(malformed("certificate status")),
    };
    let this_update = time(&parts.next().ok_or(malformed("thisUpdate"))?)?;
    let latest = this_update + max_age;
    let until = match parts.next_if(|part| is(part, 0)) {
        Some(next) => {
            let [next] =
                elements(next.data).and_then(|parts| parts.try_into().ok()).ok_or(malformed("nextUpdate"))?;
            time(&next)?.min(latest)
        }
        None => latest,
    };
    if until < this_update {
        return Err(malformed("nextUpdate before thisUpdate"));
    }
    if let Some(extensions) = parts.next_if(|part| is(part, 1)) {
        check_extensions(extensions.data)?;
    }
    match parts.next() {
        None => Ok(Some(Answer { status, this_update, until })),
        Some(_) => Err(malformed("answer")),
    }
}

/// Whether a `CertID` is that of the question.
fn is_about(id: &Any<'_>, question: &Question) -> Result<bool, ResponseFault> {
    let malformed = ResponseFault::Malformed("certificate identifier");
    let parts = elements(id.data).ok_or(malformed.clone())?;
    let [algorithm, name, key, serial] = parts.as_slice() else { return Err(malformed) };
    let algorithm = elements(algorithm.data).unwrap_or_default();
    let algorithm = algorithm.first().and_then(|kind| kind.clone().oid().ok()).ok_or(malformed)?;
    let Some((our_name, our_key)) = question.hashes(&algorithm.to_id_string()) else { return Ok(false) };
    Ok(name.data == our_name && key.data == our_key && serial.data == question.serial)
}

/// The reason of a `RevokedInfo`.
fn is_on_hold(info: &[u8]) -> Result<bool, ResponseFault> {
    const CERTIFICATE_HOLD: &[u8] = &[0x0A, 1, 6];
    let malformed = ResponseFault::Malformed("revocation");
    let parts = elements(info).ok_or(malformed.clone())?;
    match parts.as_slice() {
        [at] if at.tag() == Tag::GeneralizedTime => Ok(false),
        [at, reason] if at.tag() == Tag::GeneralizedTime => Ok(reason.data == CERTIFICATE_HOLD),
        _ => Err(malformed),
    }
}

/// Refuses critical extensions that are not understood.
fn check_extensions(list: &[u8]) -> Result<(), ResponseFault> {
    let malformed = ResponseFault::Malformed("extensions");
    for extension in members(list).ok_or(malformed.clone())? {
        let parts = elements(extension.data).ok_or(malformed.clone())?;
        let kind = parts.first().and_then(|kind| kind.clone().oid().ok()).ok_or(malformed.clone())?;
        let is_critical = parts.get(1).is_some_and(|part| part.tag() == Tag::Boolean && part.data != [0]);
        if is_critical && !KNOWN.contains(&kind) {
            return Err(ResponseFault::Critical(kind.to_id_string()));
        }
    }
    Ok(())
}

fn time(element: &Any<'_>) -> Result<DateTime<Utc>, ResponseFault> {
    let malformed = ResponseFault::Malformed("time");
    if element.tag() != Tag::GeneralizedTime {
        return Err(malformed);
    }
    let whole = super::super::der::tlv(0x18, element.data);
    let (_, time) = ASN1Time::from_der(&whole).map_err(|_| malformed.clone())?;
    DateTime::from_timestamp(time.timestamp(), 0).ok_or(malformed)
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
