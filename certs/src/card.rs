//! The cards and what stands in their certificates: the profile of IGC-Santé as decoded from TEST certificates.
//!
//! Lines marked *presumed* are known only from the authentication certificates of the years before IGC-Santé, or
//! from documents; they stand here alone, so that a look at a real card corrects one file.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    certificate::{Template, years},
    der::{self, Oid},
    extension::{
        CARD_NUMBER, CARD_TYPE, CLIENT_AUTH, CRL_DISTRIBUTION_POINTS, EMAIL_PROTECTION, Extension,
        FRESHEST_CRL, KNOW_HOW, PRODUCT_CATEGORY, PROFESSION, SMARTCARD_LOGON, Usage,
    },
    name::{
        Attribute, COMMON_NAME, COUNTRY, GIVEN_NAME, LOCALITY, Name, ORGANIZATION, ORGANIZATIONAL_UNIT, Rdn,
        SURNAME, TITLE,
    },
};

/// TRE_G01: a card of the TEST family, and its software counterpart.
pub const CATEGORY_TEST_CARD: u8 = 0x80;
pub const CATEGORY_TEST_SOFTWARE: u8 = 0x83;
pub const CATEGORY_CARD: u8 = 0x00;

const POLICY: Oid = &[1, 2, 250, 1, 213, 1, 7, 2, 1, 1, 1, 1];
const POLICY_STATEMENT: &str = "http://igc-sante.esante.gouv.fr/PC%20TEST";
const ROOT_CRL: &str = "http://igc-sante.esante.gouv.fr/CRL/ACR-FO-TEST.crl";
const CRL: &str = "http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP-TEST.crl";
const CRL_LDAP: &str = "ldap://annuaire-igc.esante.gouv.fr/cn=TEST%20AC%20IGC-SANTE%20FORT%20PERSONNES,ou=IGC-SANTE%20TEST,ou=0002%20187512751,o=ASIP-SANTE,c=FR?certificaterevocationlist;binary?base?objectClass=pkiCA";
const DELTA_LDAP: &str = "ldap://annuaire-igc.esante.gouv.fr/cn=TEST%20AC%20IGC-SANTE%20FORT%20PERSONNES,ou=IGC-SANTE%20TEST,ou=0002%20187512751,o=ASIP-SANTE,c=FR?deltarevocationlist;binary?base?objectClass=pkiCA";
const OCSP: &str = "http://ocsp.esante.gouv.fr";
const ISSUER: &str = "http://igc-sante.esante.gouv.fr/AC%20TEST/ACI-FO-PP-TEST.cer";

/// Where certificates say that their revocation is to be looked up. Default: the addresses of IGC-Santé TEST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The root's list, in the certificates of the authorities below it.
    pub root_list: String,
    /// The list of the cards, in their distribution points.
    pub lists: Vec<String>,
    /// Delta lists, in `freshestCRL`.
    pub deltas: Vec<String>,
    /// The OCSP responder, in the authority information.
    pub ocsp: String,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            root_list: ROOT_CRL.to_owned(),
            lists: vec![CRL.to_owned(), CRL_LDAP.to_owned()],
            deltas: vec![DELTA_LDAP.to_owned()],
            ocsp: OCSP.to_owned(),
        }
    }
}

impl Addresses {
    /// Everything at one server, such as `http://127.0.0.1:8000`, beside the LDAP addresses that real cards name as
    /// well: `/root.crl`, `/persons.crl`, `/persons-delta.crl` and `/ocsp`.
    pub fn at(server: &str) -> Self {
        Self {
            root_list: format!("{server}/root.crl"),
            lists: vec![CRL_LDAP.to_owned(), format!("{server}/persons.crl")],
            deltas: vec![DELTA_LDAP.to_owned(), format!("{server}/persons-delta.crl")],
            ocsp: format!("{server}/ocsp"),
        }
    }
}

/// The establishment on the card of an employee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Employer {
    /// National identifier of the structure (FINESS with its type digit).
    pub structure_id: String,
    pub name: String,
    /// `City (department)`.
    pub place: String,
}

/// Who holds a card, and what kind of card it is. Written as `card.json` beside the certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Name of the card in this set, and of its directory.
    pub name: String,
    /// National identifier of the holder with its type digit, e.g. `8` + RPPS.
    pub id_nat: String,
    /// Empty on a card that bears no name, as some of an establishment do.
    pub family_name: String,
    pub given_name: String,
    /// Profession in words, as in the subject.
    pub title: Option<String>,
    /// The ten digits printed on the card; absent in a software certificate.
    pub card_number: Option<String>,
    /// TRE_G02: 0 CPS, 1 CPF, 2 CPE, 3 CPA; absent in a software certificate.
    pub card_type: Option<u8>,
    /// TRE_G01, see [`CATEGORY_TEST_CARD`].
    pub category: u8,
    /// TRE_G15.
    pub profession_code: Option<u16>,
    /// TRE_R01.
    pub know_how: Vec<String>,
    pub employer: Option<Employer>,
    /// Whether it has a technical key behind its antenna too.
    #[serde(default)]
    pub contactless: bool,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
}

impl Profile {
    fn new(name: &str, id_nat: &str, family_name: &str, card_number: &str, now: DateTime<Utc>) -> Self {
        let not_before = now - TimeDelta::days(30);
        Self {
            name: name.to_owned(),
            id_nat: id_nat.to_owned(),
            family_name: family_name.to_owned(),
            given_name: "KIT".to_owned(),
            title: Some("Médecin".to_owned()),
            card_number: Some(card_number.to_owned()),
            card_type: Some(0),
            category: CATEGORY_TEST_CARD,
            profession_code: Some(10),
            know_how: vec!["SM26".to_owned()],
            employer: None,
            contactless: false,
            not_before,
            not_after: not_before + years(3),
        }
    }

    fn lasting(mut self, not_before: DateTime<Utc>) -> Self {
        self.not_before = not_before;
        self.not_after = not_before + years(3);
        self
    }

    /// The profile of the authentication certificate.
    pub fn authentication(&self) -> Template {
        self.authentication_at(&Addresses::default())
    }

    /// As [`authentication`](Self::authentication), with these addresses.
    pub fn authentication_at(&self, addresses: &Addresses) -> Template {
        let mut template = self
            .common(addresses)
            .with(Extension::key_usage(&[Usage::DigitalSignature])) // presumed
            .with(Extension::extended_key_usage(&[CLIENT_AUTH, SMARTCARD_LOGON])) // presumed
            .with(Extension::netscape_ssl_client()); // presumed
        if let Some((kind, rest)) = self.id_nat.split_at_checked(1) {
            // Presumed: the identifier, split after its type digit.
            template = template.with(Extension::user_principal_name(&format!("{kind}.{rest}@carte-cps.fr")));
        }
        template
    }

    /// The profile of the signature certificate.
    pub fn signature(&self) -> Template {
        self.signature_at(&Addresses::default())
    }

    /// As [`signature`](Self::signature), with these addresses.
    pub fn signature_at(&self, addresses: &Addresses) -> Template {
        self.common(addresses)
            .with(Extension::key_usage(&[Usage::NonRepudiation]))
            .with(Extension::extended_key_usage(&[EMAIL_PROTECTION]))
    }

    /// The profile of the technical certificate behind the antenna. All of it is presumed: its issuer, its subject, and
    /// that its extended key usage is that of authentication without smart card logon, by which the official library
    /// tells the authentication certificate of the contacts.
    pub fn technical(&self, addresses: &Addresses) -> Template {
        self.common(addresses)
            .with(Extension::key_usage(&[Usage::DigitalSignature]))
            .with(Extension::extended_key_usage(&[CLIENT_AUTH]))
    }

    fn common(&self, addresses: &Addresses) -> Template {
        let mut template = Template::new(self.subject(), self.not_before, self.not_after)
            .with(Extension::end_entity())
            .with(Extension::policy(POLICY, POLICY_STATEMENT))
            .with(Extension::private_key_usage(self.not_before, self.not_after))
            .with(Extension::distribution_points(CRL_DISTRIBUTION_POINTS, &addresses.lists))
            .with(Extension::distribution_points(FRESHEST_CRL, &addresses.deltas))
            .with(Extension::authority_information(&addresses.ocsp, ISSUER))
            .with(Extension::new(PRODUCT_CATEGORY, der::octets(&[self.category])));
        if let Some(card_type) = self.card_type {
            template = template.with(Extension::new(CARD_TYPE, der::integer(card_type.into())));
        }
        if let Some(number) = &self.card_number {
            template =
                template.with(Extension::new(CARD_NUMBER, der::printable(&format!("8025000001/{number}"))));
        }
        if let Some(profession) = self.profession_code {
            template = template.with(Extension::new(PROFESSION, der::integer(profession.into())));
        }
        if !self.know_how.is_empty() {
            let codes: Vec<Vec<u8>> = self.know_how.iter().map(|code| der::utf8(code)).collect();
            template = template.with(Extension::new(KNOW_HOW, der::sequence(&codes)));
        }
        template
    }

    /// The subject: country, profession or establishment, then one element with three attributes.
    pub fn subject(&self) -> Name {
        let mut elements = vec![Rdn::one(Attribute::printable(COUNTRY, "FR"))];
        if let Some(employer) = &self.employer {
            // Presumed: these three, in this order, from the cards of the years before.
            elements.push(Rdn::one(Attribute::utf8(LOCALITY, &employer.place)));
            elements.push(Rdn::one(Attribute::utf8(ORGANIZATION, &employer.name)));
            elements.push(Rdn::one(Attribute::utf8(ORGANIZATIONAL_UNIT, &employer.structure_id)));
        }
        elements.extend(self.title.as_deref().map(|title| Rdn::one(Attribute::utf8(TITLE, title))));
        let named = |kind, name: &str| (!name.is_empty()).then(|| Attribute::utf8(kind, name));
        elements.push(Rdn::several(
            [
                named(GIVEN_NAME, &self.given_name),
                Some(Attribute::utf8(COMMON_NAME, &self.id_nat)),
                named(SURNAME, &self.family_name),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ));
        Name(elements)
    }
}

/// Name of the card that is as `good`, but issued by an impostor with the name of the real authority.
pub const WRONG_ISSUER: &str = "wrong-issuer";
/// Name of the card whose certificates are in the revocation list.
pub const REVOKED: &str = "revoked";

/// Name of the card that bears no name.
pub const NAMELESS: &str = "nameless";

/// TRE_G02.
const CPF: u8 = 1;
const CPE: u8 = 2;
const CPA: u8 = 3;

/// Every card of the set. The people are those of the test kit of ANS or in its manner; none of them exists.
pub fn profiles(now: DateTime<Utc>) -> Vec<Profile> {
    let doctor =
        |name: &str, id: &str, family: &str, number: &str| Profile::new(name, id, family, number, now);
    // A card of somebody who works for `structure`, whose register there says `id`.
    let staff = |name: &str, id: &str, family: &str, number: &str, card_type: u8, structure: &str| Profile {
        title: None,
        card_type: Some(card_type),
        profession_code: None,
        know_how: Vec::new(),
        employer: Some(Employer {
            structure_id: structure.to_owned(),
            name: "HOPITAL GENERIQUE FIN VARI".to_owned(),
            place: "Paris (75)".to_owned(),
        }),
        ..doctor(name, id, family, number)
    };
    vec![
        Profile { contactless: true, ..doctor("good", "899700366240", "DOC0036624", "2800300010") },
        Profile {
            title: Some("Infirmier".to_owned()),
            profession_code: Some(60),
            know_how: Vec::new(),
            contactless: true,
            ..doctor("nurse", "899700300017", "INF0030001", "2800300028")
        },
        staff("employee", "30B0168811/CPET00001", "EMP0000001", "2800300036", CPE, "10B0168811"),
        doctor(REVOKED, "899700300025", "DOC0030002", "2800300044"),
        doctor("expired", "899700300033", "DOC0030003", "2800300051").lasting(now - years(4)),
        doctor("not-yet-valid", "899700300041", "DOC0030004", "2800300069")
            .lasting(now + TimeDelta::days(30)),
        // The same person as `good`: only the signature of the certificate tells them apart.
        doctor(WRONG_ISSUER, "899700366240", "DOC0036624", "2800300010"),
        Profile {
            category: CATEGORY_TEST_SOFTWARE,
            card_number: None,
            card_type: None,
            ..doctor("software", "899700366240", "DOC0036624", "")
        },
        // In training: known by an RPPS number like any other.
        Profile {
            title: Some("Étudiant".to_owned()),
            card_type: Some(CPF),
            know_how: Vec::new(),
            ..doctor("student", "899700300058", "ETU0030005", "2800300077")
        },
        // The director of an establishment: the same type in the certificate as its employees.
        staff("director", "30B0168811/CDET00001", "DIR0000001", "2800300085", CPE, "10B0168811"),
        // Employees known by other registers: SIREN, SIRET, a practice by RPPS, a practice by ADELI.
        staff("employee-siren", "4123456782/CPET00002", "EMP0000002", "2800300093", CPE, "2123456782"),
        staff("authorised", "500000001815646/CPAT00045", "AUT0000045", "2800300101", CPA, "300000001815646"),
        staff("practice-rpps", "699700366240008/12", "SEC0000012", "2800300119", CPE, "499700366240008"),
        staff("practice-adeli", "100B60875100/7", "SEC0000007", "2800300127", CPE, "000B60875100"),
        // A card of a service, which bears no name.
        Profile {
            given_name: String::new(),
            ..staff(NAMELESS, "30B0168811/CPET00099", "", "2800300135", CPE, "10B0168811")
        },
    ]
}
