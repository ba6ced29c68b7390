//! What a list says of itself beside its entries (RFC 5280 §5.2): its number, what it covers, and whether it is only a
//! change of another.
//!
//! A critical extension that is not understood forbids using the list at all.

use x509_parser::asn1_rs::{Any, Class, FromDer, Oid, oid};
use x509_parser::extensions::X509Extension;

use super::super::der::{elements, members};
use super::list::{ListFault, Serial, serial};
use super::points::{self, address};
use super::stream::Element;

const CRL_NUMBER: Oid<'static> = oid!(2.5.29.20);
const DELTA_INDICATOR: Oid<'static> = oid!(2.5.29.27);
const ISSUING_DISTRIBUTION_POINT: Oid<'static> = oid!(2.5.29.28);
const FRESHEST: Oid<'static> = oid!(2.5.29.46);

/// The extensions of a list, as far as they are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) scope: Scope,
    /// §5.2.3; not negative.
    pub(super) number: Option<Serial>,
    /// §5.2.4: number of the full list that this delta list changes.
    pub(super) base: Option<Serial>,
    /// §5.2.6: addresses of delta lists.
    pub(super) freshest: Vec<String>,
}

/// What a list covers, if not everything its authority issues (RFC 5280 §5.2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) only_people: bool,
    pub(super) only_authorities: bool,
    /// Names of its distribution point, as DER; a certificate is covered if it names one of them. Empty: all are
    /// covered.
    pub(super) points: Vec<Vec<u8>>,
}

impl Extensions {
    /// From the `[0]` element; `issuer` is the name of the list's issuer, DER.
    pub(super) fn read(element: &Element, issuer: &[u8], position: u64) -> Result<Self, ListFault> {
        let malformed = || ListFault::Malformed("extensions", position);
        let (_, list) = Any::from_der(element.content()).map_err(|_| malformed())?;
        let mut read = Self::default();
        let mut seen = Vec::new();
        let mut rest = list.data;
        while !rest.is_empty() {
            let (behind, extension) = X509Extension::from_der(rest).map_err(|_| malformed())?;
            rest = behind;
            if seen.contains(&extension.oid) {
                return Err(ListFault::Malformed("extension twice", position));
            }
            seen.push(extension.oid.clone());
            let kind = &extension.oid;
            if *kind == CRL_NUMBER {
                read.number = Some(number(extension.value).ok_or_else(malformed)?);
            } else if *kind == DELTA_INDICATOR {
                read.base = Some(number(extension.value).ok_or_else(malformed)?);
            } else if *kind == ISSUING_DISTRIBUTION_POINT {
                read.scope = Scope::read(extension.value, issuer, position)?;
            } else if *kind == FRESHEST {
                let points = points::distribution_points(extension.value, issuer).ok_or_else(malformed)?;
                read.freshest = points.iter().flat_map(|point| &point.names).filter_map(address).collect();
            } else if extension.critical {
                return Err(ListFault::Critical(kind.to_id_string()));
            }
        }
        if read.base.is_some() && read.number.is_none() {
            return Err(ListFault::Delta);
        }
        Ok(read)
    }
}

impl Scope {
    /// `issuingDistributionPoint`, read here member by member: what is not understood has to refuse the list, while
    /// x509-parser leaves out what it does not know.
    fn read(value: &[u8], issuer: &[u8], position: u64) -> Result<Self, ListFault> {
        let malformed = || ListFault::Malformed("issuing distribution point", position);
        let is_true = |member: &Any<'_>| match member.data {
            [0x00] => Ok(false),
            [_] => Ok(true),
            _ => Err(malformed()),
        };
        let mut scope = Self::default();
        for member in members(value).ok_or_else(malformed)? {
            if member.class() != Class::ContextSpecific {
                return Err(malformed());
            }
            match member.tag().0 {
                0 => {
                    scope.points = points::names(member.data, issuer).unwrap_or_default();
                    if scope.points.is_empty() {
                        return Err(ListFault::Partial("a distribution point without a name"));
                    }
                }
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
}

/// A non-negative INTEGER of at most 20 bytes (§5.2.3).
fn number(value: &[u8]) -> Option<Serial> {
    let [integer] = elements(value)?.try_into().ok()?;
    let number = serial(integer.data)?;
    (integer.tag() == x509_parser::asn1_rs::Tag::Integer && number.first() == Some(&0)).then_some(number)
}
