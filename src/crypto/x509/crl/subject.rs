//! What a look-up compares with lists: the serial number of a certificate, and the names of the distribution points that
//! it claims.

use openssl::x509::X509;
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::super::anchors::common_name;
use super::list::{IssuerId, Serial, issuer_id, serial};
use super::{LookUpError, points};

const DISTRIBUTION_POINTS: Oid<'static> = oid!(2.5.29.31);
const FRESHEST: Oid<'static> = oid!(2.5.29.46);

/// An installed authority, with what a look-up would otherwise work out every time.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) der: Vec<u8>,
    pub(super) name: String,
    pub(super) id: IssuerId,
    pub(super) subject_name: Vec<u8>,
    pub(super) issuer_name: Vec<u8>,
    pub(super) subject: Subject,
}

impl Known {
    pub(super) fn of(authority: &X509) -> Result<Self, LookUpError> {
        let der = authority.to_der()?;
        Ok(Self {
            name: common_name(authority),
            id: issuer_id(authority)?,
            subject_name: authority.subject_name().to_der()?,
            issuer_name: authority.issuer_name().to_der()?,
            subject: Subject::read(&der)?,
            der,
        })
    }
}

/// Serial and list addresses of a certificate.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) serial: Serial,
    /// Names of its distribution points, DER.
    pub(super) points: Vec<Vec<u8>>,
    /// Names of the distribution points of its delta lists, DER.
    pub(super) freshest: Vec<Vec<u8>>,
}

impl Subject {
    pub(super) fn read(der: &[u8]) -> Result<Self, LookUpError> {
        let unreadable = |what: &str| LookUpError::Unreadable(what.to_owned());
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|error| LookUpError::Unreadable(error.to_string()))?;
        let serial = serial(parsed.raw_serial()).ok_or_else(|| unreadable("serial longer than 20 bytes"))?;
        let issuer = parsed.issuer().as_raw();
        let (mut points, mut freshest) = (Vec::new(), Vec::new());
        for extension in parsed.extensions() {
            let names = if extension.oid == DISTRIBUTION_POINTS {
                &mut points
            } else if extension.oid == FRESHEST {
                &mut freshest
            } else {
                continue;
            };
            let found = points::distribution_points(extension.value, issuer)
                .ok_or_else(|| unreadable("distribution points"))?;
            names.extend(found.into_iter().flat_map(|point| point.names));
        }
        Ok(Self { serial, points, freshest })
    }

    /// Addresses of lists and delta lists.
    pub(super) fn addresses(&self) -> impl Iterator<Item = String> {
        self.points.iter().chain(&self.freshest).filter_map(points::address)
    }
}
