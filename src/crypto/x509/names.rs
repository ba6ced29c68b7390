//! Whom a certificate names, compared with what was registered (RFC 8705 §2.1.2): the whole subject, or one alternative
//! name.
//!
//! A hospital gets from this clients that are known by the certificate they have from IGC-Santé, over renewals. The subject
//! is registered as text (RFC 4514) and compared attribute by attribute: types by their object identifier, whatever name
//! they are written by, values character by character, elements in their order, attributes of one element as a set. What
//! a directory might call equal (another case, more blanks) is different here: nobody is taken for somebody else.
//!
//! Nothing is a judgement: path, dates and revocation are [`super::chain`]'s and [`super::crl`]'s.

use std::net::IpAddr;

use x509_parser::asn1_rs::FromDer as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::x509::X509Name;

use super::profile::{MAX_CERTIFICATE, text};

/// The longest subject that is registered, in bytes.
const MAX_NAME: usize = 1024;

/// The names of attribute types that are read: those of RFC 4514 §3, and those that OpenSSL writes.
const TYPES: [(&str, &str); 18] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("T", "2.5.4.12"),
    ("title", "2.5.4.12"),
    ("GN", "2.5.4.42"),
    ("givenName", "2.5.4.42"),
    ("dnQualifier", "2.5.4.46"),
    ("organizationIdentifier", "2.5.4.97"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
];

/// Why a name cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No certificate, or something behind it.
    #[error("not a certificate")]
    NotACertificate,
    /// A value that is no text.
    #[error("the subject holds a value that is no text")]
    Value,
    /// Not the text form of a name.
    #[error(
        "{0:?} is no subject as in RFC 4514, such as CN=client.hopital.example,OU=10B0168811,O=HOPITAL,C=FR"
    )]
    Text(String),
    /// A type of attribute that has no name here.
    #[error("the attribute type {0:?} is not known by name: write its object identifier, such as 2.5.4.97")]
    Type(String),
}

/// One attribute: object identifier and value.
type Attribute = (String, String);

/// A distinguished name: elements from the most general to the most particular, each with its attributes in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName(Vec<Vec<Attribute>>);

impl DistinguishedName {
    /// Reads the text form (RFC 4514), which begins with the most particular element.
    ///
    /// # Errors
    /// [`NameError::Text`] or [`NameError::Type`].
    pub fn parse(written: &str) -> Result<Self, NameError> {
        let malformed = || NameError::Text(written.chars().take(200).collect());
        if written.is_empty() || written.len() > MAX_NAME || written.chars().any(char::is_control) {
            return Err(malformed());
        }
        let mut elements = Vec::new();
        for element in split(written, &[',']) {
            let mut attributes = Vec::new();
            for attribute in split(element, &['+']) {
                let (kind, value) = attribute.split_once('=').ok_or_else(malformed)?;
                attributes.push((type_of(kind.trim())?, unescaped(value).ok_or_else(malformed)?));
            }
            attributes.sort();
            elements.push(attributes);
        }
        elements.reverse();
        Ok(Self(elements))
    }

    fn of(name: &X509Name<'_>) -> Result<Self, NameError> {
        let mut elements = Vec::new();
        for element in name.iter_rdn() {
            let mut attributes = Vec::new();
            for attribute in element.iter() {
                let value = text(attribute.attr_value()).ok_or(NameError::Value)?;
                attributes.push((attribute.attr_type().to_id_string(), value));
            }
            attributes.sort();
            elements.push(attributes);
        }
        Ok(Self(elements))
    }
}

/// Whom a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    subject: Result<DistinguishedName, NameError>,
    dns: Vec<String>,
    uris: Vec<String>,
    addresses: Vec<IpAddr>,
    mails: Vec<String>,
}

impl Names {
    /// Reads the names of a certificate.
    ///
    /// # Errors
    /// [`NameError::NotACertificate`]; the bytes may be anything.
    pub fn read(der: &[u8]) -> Result<Self, NameError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(NameError::NotACertificate);
        }
        let ([], certificate) = X509Certificate::from_der(der).map_err(|_| NameError::NotACertificate)?
        else {
            return Err(NameError::NotACertificate);
        };
        let mut names = Self {
            subject: DistinguishedName::of(certificate.subject()),
            dns: Vec::new(),
            uris: Vec::new(),
            addresses: Vec::new(),
            mails: Vec::new(),
        };
        let alternatives =
            certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(alternative) => Some(&alternative.general_names),
                _ => None,
            });
        for name in alternatives.flatten() {
            match name {
                GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(mail) => names.mails.push((*mail).to_owned()),
                GeneralName::IPAddress(bytes) => names.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Ok(names)
    }

    /// Whether the subject is this one.
    pub fn has_subject(&self, expected: &DistinguishedName) -> bool {
        self.subject.as_ref() == Ok(expected)
    }

    /// Whether this host name is among the alternative names. A `*` in the certificate stands for nothing but itself.
    pub fn has_dns(&self, expected: &str) -> bool {
        self.dns.iter().any(|name| name.eq_ignore_ascii_case(expected))
    }

    /// Whether this address is among the alternative names, character by character.
    pub fn has_uri(&self, expected: &str) -> bool {
        self.uris.iter().any(|uri| uri == expected)
    }

    /// Whether this IP address is among the alternative names.
    pub fn has_address(&self, expected: IpAddr) -> bool {
        self.addresses.contains(&expected)
    }

    /// Whether this mail address is among the alternative names, character by character.
    pub fn has_mail(&self, expected: &str) -> bool {
        self.mails.iter().any(|mail| mail == expected)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    four.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

fn type_of(written: &str) -> Result<String, NameError> {
    if let Some((_, oid)) = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)) {
        return Ok((*oid).to_owned());
    }
    let arcs: Vec<&str> = written.split('.').collect();
    let is_arc = |arc: &&str| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
    if arcs.len() > 1 && arcs.iter().all(is_arc) {
        return Ok(written.to_owned());
    }
    Err(NameError::Type(written.chars().take(50).collect()))
}

/// The parts between separators that no backslash stands before.
fn split<'t>(written: &'t str, separators: &[char]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, character) in written.char_indices() {
        if !escaped && separators.contains(&character) {
            parts.push(written.get(start..at).unwrap_or_default());
            start = at + character.len_utf8();
        }
        escaped = !escaped && character == '\\';
    }
    parts.push(written.get(start..).unwrap_or_default());
    parts
}

/// A value without its escapes (RFC 4514 §3): `\` before a character, or before two digits of hexadecimal.
fn unescaped(written: &str) -> Option<String> {
    let written = written.trim_start_matches(' ');
    // `#` begins a value in DER, which nobody writes by hand.
    if written.is_empty() || written.starts_with('#') {
        return None;
    }
    let mut bytes = Vec::with_capacity(written.len());
    // How long the value is at least: an escaped blank at the end is part of it.
    let mut kept = 0;
    let mut rest = written.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            // Characters that would have to be escaped: a text with them can be read in two ways.
            if matches!(byte, b'"' | b';' | b'<' | b'>') {
                return None;
            }
            bytes.push(byte);
            continue;
        }
        let next = rest.next()?;
        if matches!(next, b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\') {
            bytes.push(next);
        } else {
            let digits = [next, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        }
        kept = bytes.len();
    }
    while bytes.len() > kept && bytes.last() == Some(&b' ') {
        bytes.pop();
    }
    String::from_utf8(bytes).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use sceau_certs::Template;
    use sceau_certs::extension::{Extension, SUBJECT_ALT_NAME};
    use sceau_certs::name::{Attribute, COMMON_NAME, COUNTRY, Name, ORGANIZATION, ORGANIZATIONAL_UNIT, Rdn};

    use super::*;
    use crate::crypto::x509::test_pki::{now, pki};

    fn names(subject: Name, extension: Option<Extension>) -> Names {
        let mut template = Template::new(subject, now(), now() + chrono::TimeDelta::days(1));
        template = match extension {
            Some(extension) => template.with(extension),
            None => template,
        };
        let key = &pki().organisation("client").unwrap().pair.key;
        let certificate = pki().organisations.issue_unchecked(&template, key).unwrap();
        Names::read(&certificate).unwrap()
    }

    fn subject(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap()
    }

    #[test]
    fn the_subject_of_an_establishment_is_known_by_its_text() {
        let der = pki().organisation("client").unwrap().pair.certificate.to_der().unwrap();
        let names = Names::read(&der).unwrap();
        for same in [
            "CN=client.hopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR",
            "cn=client.hopital-generique.test, ou=10B0168811, o=HOPITAL GENERIQUE FIN VARI, c=FR",
            "2.5.4.3=client.hopital-generique.test,2.5.4.11=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR",
            "CN=client\\2Ehopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE\\20FIN VARI ,C=FR",
        ] {
            assert!(names.has_subject(&subject(same)), "{same}");
        }
        for other in [
            "C=FR,O=HOPITAL GENERIQUE FIN VARI,OU=10B0168811,CN=client.hopital-generique.test",
            "CN=client.hopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI",
            "CN=CLIENT.hopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR",
            "CN=client.hopital-generique.test,OU=10B0168811,O=HOPITAL  GENERIQUE FIN VARI,C=FR",
            "CN=client.hopital-generique.test+OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR",
            "CN=client.hopital-generique.test,OU=10B0168811,O=HOPITAL GENERIQUE FIN VARI,C=FR,C=FR",
        ] {
            assert!(!names.has_subject(&subject(other)), "{other}");
        }
    }

    /// A holder who gets a comma into a name does not become two attributes.
    #[test]
    fn a_value_with_separators_is_one_value() {
        let hostile = Name(vec![
            Rdn::one(Attribute::printable(COUNTRY, "FR")),
            Rdn::one(Attribute::utf8(ORGANIZATION, "EVIL")),
            Rdn::one(Attribute::utf8(COMMON_NAME, "client,OU=10B0168811,O=HOPITAL")),
        ]);
        let names = names(hostile, None);
        assert!(!names.has_subject(&subject("CN=client,OU=10B0168811,O=HOPITAL,O=EVIL,C=FR")));
        assert!(names.has_subject(&subject("CN=client\\,OU\\=10B0168811\\,O\\=HOPITAL,O=EVIL,C=FR")));
    }

    #[test]
    fn attributes_of_one_element_are_a_set_and_encodings_do_not_matter() {
        let both = |unsorted| {
            let attributes =
                vec![Attribute::t61(COMMON_NAME, b"a"), Attribute::printable(ORGANIZATIONAL_UNIT, "b")];
            Name(vec![if unsorted { Rdn::unsorted(attributes) } else { Rdn::several(attributes) }])
        };
        for name in [both(true), both(false)] {
            let names = names(name, None);
            assert!(names.has_subject(&subject("CN=a+OU=b")) && names.has_subject(&subject("OU=b+CN=a")));
            assert!(!names.has_subject(&subject("CN=a,OU=b")));
        }
    }

    #[test]
    fn alternative_names_are_compared_each_by_its_kind() {
        use sceau_certs::der::{context_primitive, sequence};
        let alternatives = sequence(&[
            context_primitive(2, b"dpi.hopital.example"),
            context_primitive(2, b"*.hopital.example"),
            context_primitive(6, b"https://dpi.hopital.example/me"),
            context_primitive(1, b"dpi@hopital.example"),
            context_primitive(7, &[10, 1, 2, 3]),
        ]);
        let names = names(Name::authority("x"), Some(Extension::new(SUBJECT_ALT_NAME, alternatives)));
        assert!(names.has_dns("DPI.hopital.example") && !names.has_dns("other.hopital.example"));
        assert!(!names.has_dns("https://dpi.hopital.example/me") && !names.has_dns("10.1.2.3"));
        assert!(names.has_uri("https://dpi.hopital.example/me"));
        assert!(!names.has_uri("https://DPI.hopital.example/me"));
        assert!(names.has_mail("dpi@hopital.example") && !names.has_mail("DPI@hopital.example"));
        assert!(names.has_address([10, 1, 2, 3].into()) && !names.has_address([10, 1, 2, 4].into()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", "CN", "CN=", "=a", "CN=a,", "CN=#0401", "CN=\"a\"", "CN=a;b", "CN=\\zz", "CN=a\\", "\u{0}"]
        {
            assert!(DistinguishedName::parse(text).is_err(), "{text:?}");
        }
        assert!(matches!(DistinguishedName::parse("FOO=a"), Err(NameError::Type(_))));
        assert!(DistinguishedName::parse(&format!("CN={}", "a".repeat(2000))).is_err());
        assert!(Names::read(b"nonsense").is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_input_never_panics(text in ".{0,80}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = DistinguishedName::parse(&text);
            let _ = Names::read(&bytes);
        }
    }
}
