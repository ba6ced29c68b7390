//! Distribution points (RFC 5280 §4.2.1.13, §4.2.1.15): where a certificate's or a list's revocation is published, and
//! under which name.
//!
//! Names are kept as DER, so that a list and a certificate agree byte for byte or not at all. A point given relative to
//! its issuer is made whole. Addresses of LDAP and other schemes are names like any other; only what is fetched is
//! chosen by scheme ([`fetchable`]).

use x509_parser::asn1_rs::{Any, Class, FromDer};

use super::super::der::{elements, members, tlv};

/// Tags of `GeneralName` (§4.2.1.6).
const URI: u8 = 0x86;
const DIRECTORY_NAME: u8 = 0xA4;

/// One distribution point whose list its certificate's own issuer signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    /// Each a whole `GeneralName`, DER.
    pub(super) names: Vec<Vec<u8>>,
}

/// The points of a `cRLDistributionPoints` or `freshestCRL` extension; `issuer` is the issuer's name, DER. Points whose
/// list somebody else signs (`cRLIssuer`) are left out. `None` if it is no such extension.
pub(super) fn distribution_points(value: &[u8], issuer: &[u8]) -> Option<Vec<Point>> {
    let mut points = Vec::new();
    for point in members(value)? {
        let mut named = Vec::new();
        let mut is_indirect = false;
        for member in elements(point.data)? {
            match (member.class(), member.tag().0) {
                (Class::ContextSpecific, 0) => named = names(member.data, issuer)?,
                (Class::ContextSpecific, 1) => {}
                (Class::ContextSpecific, 2) => is_indirect = true,
                _ => return None,
            }
        }
        if !is_indirect {
            points.push(Point { names: named });
        }
    }
    Some(points)
}

/// The names of a `DistributionPointName`.
pub(super) fn names(value: &[u8], issuer: &[u8]) -> Option<Vec<Vec<u8>>> {
    let ([], choice) = Any::from_der(value).ok()? else { return None };
    match choice.tag().0 {
        0 => elements(choice.data)?.iter().map(encoded).collect(),
        1 => {
            let ([], whole) = Any::from_der(issuer).ok()? else { return None };
            let name = [whole.data, &tlv(0x31, choice.data)].concat();
            Some(vec![tlv(DIRECTORY_NAME, &tlv(0x30, &name))])
        }
        _ => None,
    }
}

/// The address in a `GeneralName`, if it is one.
#[expect(clippy::ptr_arg, reason = "handed to iterators over names")]
pub(super) fn address(name: &Vec<u8>) -> Option<String> {
    let (_, parsed) = Any::from_der(name).ok()?;
    let is_uri = name.first() == Some(&URI);
    is_uri.then(|| std::str::from_utf8(parsed.data).ok().map(str::to_owned))?
}

/// Whether an address is one that we fetch from: HTTP. Cards name an LDAP directory as well, which is skipped.
#[must_use]
pub fn fetchable(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// The element as it stood, its header in the shortest form.
fn encoded(element: &Any<'_>) -> Option<Vec<u8>> {
    let number = u8::try_from(element.tag().0).ok().filter(|number| *number < 0x1F)?;
    let class = (element.class() as u8) << 6;
    let constructed = if element.header.is_constructed() { 0x20 } else { 0 };
    Some(tlv(class | constructed | number, element.data))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sceau_certs::der;

    use super::*;

    fn point(name: Vec<u8>) -> Vec<u8> {
        der::sequence(&[der::sequence(&[der::context(0, &name)])])
    }

    #[test]
    fn addresses_are_read_and_ldap_is_not_fetched() {
        let names = [
            der::context_primitive(6, b"ldap://annuaire.example/cn=AC?certificaterevocationlist"),
            der::context_primitive(6, b"HTTP://igc.example/AC.crl"),
        ];
        let value = point(der::context(0, &names.concat()));
        let [point] = distribution_points(&value, &[]).unwrap().try_into().unwrap();
        let addresses: Vec<_> = point.names.iter().filter_map(address).collect();
        assert_eq!(addresses.len(), 2);
        let fetched: Vec<_> = addresses.iter().filter(|address| fetchable(address)).collect();
        assert_eq!(fetched, ["HTTP://igc.example/AC.crl"]);
        for odd in ["ldaps://x", "file:///etc/passwd", "ftp://x/y", "http:", "", "//x"] {
            assert!(!fetchable(odd), "{odd}");
        }
    }

    #[test]
    fn a_relative_point_is_the_whole_name_of_its_issuer_with_one_element_more() {
        let attribute = |text: &str| der::sequence(&[der::oid(&[2, 5, 4, 3]), der::utf8(text)]);
        let issuer = der::sequence(&[der::set(&[attribute("AC")])]);
        let relative = point(der::context(1, &attribute("CRL1")));
        let whole = der::sequence(&[der::set(&[attribute("AC")]), der::set(&[attribute("CRL1")])]);
        let full = point(der::context(0, &der::context(4, &whole)));
        assert_eq!(distribution_points(&relative, &issuer), distribution_points(&full, &issuer));
    }

    #[test]
    fn a_point_of_another_issuer_is_left_out() {
        let name = der::context(0, &der::context(0, &der::context_primitive(6, b"http://x/y")));
        let other = der::context(2, &der::context(4, &der::sequence(&[])));
        let value = der::sequence(&[der::sequence(&[name, other])]);
        assert_eq!(distribution_points(&value, &[]), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            value in prop::collection::vec(any::<u8>(), 0..200),
            issuer in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = distribution_points(&value, &issuer);
            let _ = names(&value, &issuer);
            let _ = address(&value);
        }
    }
}
