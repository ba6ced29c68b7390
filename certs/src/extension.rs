//! Certificate extensions: those of RFC 5280 that IGC-Santé uses, and the private ones of the health cards.

use chrono::{DateTime, Utc};

use crate::der::{self, Oid};

pub const CLIENT_AUTH: Oid = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
pub const SERVER_AUTH: Oid = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
pub const EMAIL_PROTECTION: Oid = &[1, 3, 6, 1, 5, 5, 7, 3, 4];
pub const OCSP_SIGNING: Oid = &[1, 3, 6, 1, 5, 5, 7, 3, 9];
pub const SMARTCARD_LOGON: Oid = &[1, 3, 6, 1, 4, 1, 311, 20, 2, 2];
const UPN: Oid = &[1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

pub const SUBJECT_KEY_IDENTIFIER: Oid = &[2, 5, 29, 14];
pub const KEY_USAGE: Oid = &[2, 5, 29, 15];
pub const PRIVATE_KEY_USAGE_PERIOD: Oid = &[2, 5, 29, 16];
pub const SUBJECT_ALT_NAME: Oid = &[2, 5, 29, 17];
pub const BASIC_CONSTRAINTS: Oid = &[2, 5, 29, 19];
pub const CRL_NUMBER: Oid = &[2, 5, 29, 20];
pub const CRL_REASON: Oid = &[2, 5, 29, 21];
pub const DELTA_CRL_INDICATOR: Oid = &[2, 5, 29, 27];
pub const ISSUING_DISTRIBUTION_POINT: Oid = &[2, 5, 29, 28];
pub const CRL_DISTRIBUTION_POINTS: Oid = &[2, 5, 29, 31];
pub const CERTIFICATE_POLICIES: Oid = &[2, 5, 29, 32];
pub const AUTHORITY_KEY_IDENTIFIER: Oid = &[2, 5, 29, 35];
pub const EXTENDED_KEY_USAGE: Oid = &[2, 5, 29, 37];
pub const FRESHEST_CRL: Oid = &[2, 5, 29, 46];
pub const AUTHORITY_INFO_ACCESS: Oid = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
/// In an OCSP responder's certificate: its own revocation need not be looked up (RFC 6960 §4.2.2.2.1).
pub const OCSP_NO_CHECK: Oid = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];

/// TRE_G01, category of the product: card, software, each real or test.
pub const PRODUCT_CATEGORY: Oid = &[1, 2, 250, 1, 71, 1, 2, 5];
/// TRE_G02, type of card.
pub const CARD_TYPE: Oid = &[1, 2, 250, 1, 71, 1, 2, 2];
/// Issuer and card number.
pub const CARD_NUMBER: Oid = &[1, 2, 250, 1, 71, 1, 2, 3];
/// TRE_G15, profession.
pub const PROFESSION: Oid = &[1, 2, 250, 1, 71, 1, 2, 7];
/// TRE_R01, know-how.
pub const KNOW_HOW: Oid = &[1, 2, 250, 1, 71, 4, 2, 5];

/// Bits of the key usage extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Usage {
    DigitalSignature = 0,
    NonRepudiation = 1,
    KeyEncipherment = 2,
    KeyCertSign = 5,
    CrlSign = 6,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    pub kind: Oid,
    pub critical: bool,
    /// DER of the extension's value, without the OCTET STRING around it.
    pub value: Vec<u8>,
}

impl Extension {
    pub fn new(kind: Oid, value: Vec<u8>) -> Self {
        Self { kind, critical: false, value }
    }

    pub fn critical(kind: Oid, value: Vec<u8>) -> Self {
        Self { kind, critical: true, value }
    }

    pub fn to_der(&self) -> Vec<u8> {
        let mut parts = vec![der::oid(self.kind)];
        if self.critical {
            parts.push(der::boolean(true));
        }
        parts.push(der::octets(&self.value));
        der::sequence(&parts)
    }

    pub fn authority(path_length: Option<u64>) -> Self {
        let mut parts = vec![der::boolean(true)];
        parts.extend(path_length.map(der::integer));
        Self::critical(BASIC_CONSTRAINTS, der::sequence(&parts))
    }

    /// `CA:FALSE`, not critical, as on the cards.
    pub fn end_entity() -> Self {
        Self::new(BASIC_CONSTRAINTS, der::sequence(&[]))
    }

    pub fn key_usage(usages: &[Usage]) -> Self {
        let bits: Vec<u8> = usages.iter().map(|usage| *usage as u8).collect();
        Self::critical(KEY_USAGE, der::named_bits(&bits))
    }

    pub fn extended_key_usage(purposes: &[Oid]) -> Self {
        let purposes: Vec<Vec<u8>> = purposes.iter().map(|purpose| der::oid(purpose)).collect();
        Self::new(EXTENDED_KEY_USAGE, der::sequence(&purposes))
    }

    pub fn subject_key(identifier: &[u8]) -> Self {
        Self::new(SUBJECT_KEY_IDENTIFIER, der::octets(identifier))
    }

    pub fn authority_key(identifier: &[u8]) -> Self {
        Self::new(AUTHORITY_KEY_IDENTIFIER, der::sequence(&[der::context_primitive(0, identifier)]))
    }

    /// otherName holding a Windows user principal name.
    pub fn user_principal_name(name: &str) -> Self {
        let other = [der::oid(UPN), der::context(0, &der::utf8(name))].concat();
        Self::new(SUBJECT_ALT_NAME, der::sequence(&[der::context(0, &other)]))
    }

    /// Host names and IPv4 addresses of a server.
    pub fn hosts(names: &[&str]) -> Self {
        let names: Vec<Vec<u8>> = names
            .iter()
            .map(|name| match name.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(address)) => der::context_primitive(7, &address.octets()),
                Ok(std::net::IpAddr::V6(address)) => der::context_primitive(7, &address.octets()),
                Err(_) => der::context_primitive(2, name.as_bytes()),
            })
            .collect();
        Self::new(SUBJECT_ALT_NAME, der::sequence(&names))
    }

    /// One policy with the address of its practice statement.
    pub fn policy(policy: Oid, statement: &str) -> Self {
        const CPS_QUALIFIER: Oid = &[1, 3, 6, 1, 5, 5, 7, 2, 1];
        let qualifier = der::sequence(&[der::oid(CPS_QUALIFIER), der::ia5(statement)]);
        let information = der::sequence(&[der::oid(policy), der::sequence(&[qualifier])]);
        Self::new(CERTIFICATE_POLICIES, der::sequence(&[information]))
    }

    /// `kind` is [`CRL_DISTRIBUTION_POINTS`] or [`FRESHEST_CRL`].
    pub fn distribution_points(kind: Oid, addresses: &[impl AsRef<str>]) -> Self {
        let points: Vec<Vec<u8>> = addresses
            .iter()
            .map(|address| {
                let name = der::context_primitive(6, address.as_ref().as_bytes());
                der::sequence(&[der::context(0, &der::context(0, &name))])
            })
            .collect();
        Self::new(kind, der::sequence(&points))
    }

    /// In a list: it holds only the changes since the full list of this number (RFC 5280 §5.2.4).
    pub fn delta_indicator(base: u64) -> Self {
        Self::critical(DELTA_CRL_INDICATOR, der::integer(base))
    }

    /// In a list: it covers only the certificates that name this address (RFC 5280 §5.2.5).
    pub fn issuing_distribution_point(address: &str) -> Self {
        let full_name = der::context(0, &der::context_primitive(6, address.as_bytes()));
        Self::critical(ISSUING_DISTRIBUTION_POINT, der::sequence(&[der::context(0, &full_name)]))
    }

    pub fn authority_information(ocsp: &str, issuer: &str) -> Self {
        const OCSP: Oid = &[1, 3, 6, 1, 5, 5, 7, 48, 1];
        const CA_ISSUERS: Oid = &[1, 3, 6, 1, 5, 5, 7, 48, 2];
        let access = |method, address: &str| {
            der::sequence(&[der::oid(method), der::context_primitive(6, address.as_bytes())])
        };
        Self::new(AUTHORITY_INFO_ACCESS, der::sequence(&[access(OCSP, ocsp), access(CA_ISSUERS, issuer)]))
    }

    pub fn private_key_usage(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        let stamp = |at: DateTime<Utc>| at.format("%Y%m%d%H%M%SZ").to_string().into_bytes();
        Self::new(
            PRIVATE_KEY_USAGE_PERIOD,
            der::sequence(&[
                der::context_primitive(0, &stamp(from)),
                der::context_primitive(1, &stamp(until)),
            ]),
        )
    }

    pub fn netscape_ssl_client() -> Self {
        const NETSCAPE_CERT_TYPE: Oid = &[2, 16, 840, 1, 113730, 1, 1];
        Self::new(NETSCAPE_CERT_TYPE, der::named_bits(&[0]))
    }
}
