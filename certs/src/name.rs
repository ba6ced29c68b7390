//! Distinguished names in the exact order and encodings of IGC-Santé, several attributes in one element included.

use crate::der::{self, Oid};

pub const COMMON_NAME: Oid = &[2, 5, 4, 3];
pub const SURNAME: Oid = &[2, 5, 4, 4];
pub const COUNTRY: Oid = &[2, 5, 4, 6];
pub const LOCALITY: Oid = &[2, 5, 4, 7];
pub const ORGANIZATION: Oid = &[2, 5, 4, 10];
pub const ORGANIZATIONAL_UNIT: Oid = &[2, 5, 4, 11];
pub const TITLE: Oid = &[2, 5, 4, 12];
pub const GIVEN_NAME: Oid = &[2, 5, 4, 42];

/// One attribute: type and already encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub kind: Oid,
    pub value: Vec<u8>,
}

impl Attribute {
    pub fn utf8(kind: Oid, text: &str) -> Self {
        Self { kind, value: der::utf8(text) }
    }

    pub fn printable(kind: Oid, text: &str) -> Self {
        Self { kind, value: der::printable(text) }
    }

    /// Latin-1 bytes labelled T61String.
    pub fn t61(kind: Oid, latin1: &[u8]) -> Self {
        Self { kind, value: der::t61(latin1) }
    }

    fn to_der(&self) -> Vec<u8> {
        der::sequence(&[der::oid(self.kind), self.value.clone()])
    }
}

/// A relative distinguished name: one attribute, or several that stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdn {
    pub attributes: Vec<Attribute>,
    /// Keep the order given instead of the order that DER prescribes.
    pub unsorted: bool,
}

impl Rdn {
    pub fn one(attribute: Attribute) -> Self {
        Self { attributes: vec![attribute], unsorted: false }
    }

    pub fn several(attributes: Vec<Attribute>) -> Self {
        Self { attributes, unsorted: false }
    }

    /// Several attributes in an order of one's own, as cards in the field have them.
    pub fn unsorted(attributes: Vec<Attribute>) -> Self {
        Self { attributes, unsorted: true }
    }

    fn to_der(&self) -> Vec<u8> {
        let parts: Vec<Vec<u8>> = self.attributes.iter().map(Attribute::to_der).collect();
        if self.unsorted { der::set(&parts) } else { der::sorted_set(&parts) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name(pub Vec<Rdn>);

impl Name {
    pub fn to_der(&self) -> Vec<u8> {
        der::sequence(&self.0.iter().map(Rdn::to_der).collect::<Vec<_>>())
    }

    /// Name of an authority of IGC-Santé TEST.
    pub fn authority(common_name: &str) -> Self {
        Self(vec![
            Rdn::one(Attribute::printable(COUNTRY, "FR")),
            Rdn::one(Attribute::utf8(ORGANIZATION, "ASIP-SANTE")),
            Rdn::one(Attribute::utf8(ORGANIZATIONAL_UNIT, "0002 187512751")),
            Rdn::one(Attribute::utf8(ORGANIZATIONAL_UNIT, "IGC-SANTE TEST")),
            Rdn::one(Attribute::utf8(COMMON_NAME, common_name)),
        ])
    }
}
