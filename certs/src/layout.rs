//! The set as plain files.
//!
//! ```text
//! anchors/ac-racine-fort.pem          what a server installs to accept these cards
//! anchors/ac-fort-personnes.pem
//! crl/aci-fo-pp-test.crl              DER; crl/acr-fo-test.crl
//! cards/<name>/auth.crt auth.key      authentication certificate and key, PEM
//!              sign.crt sign.key      signature certificate and key, PEM
//!              tech.crt tech.key      technical certificate and key of the antenna, PEM, where it has one
//!              card.json              holder and kind of card (`Profile`)
//! organisations/<name>.crt .key       certificates of establishments and servers
//! ocsp/responder.crt .key             answers for the cards by OCSP: `openssl ocsp -rsigner … -rkey …
//!      index.txt                      -CA authorities/persons.crt -index ocsp/index.txt -port 2560`
//! authorities/<name>.crt .key         the authorities themselves
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use openssl::{
    asn1::Asn1Time,
    pkey::{PKey, Private},
    x509::{X509, X509Crl},
};

use crate::{Authority, Card, Error, KeyPair, Options, Organisation, Pki, Profile, pki::Crls};

/// What [`ensure`] met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing was there: everything was generated.
    Nothing,
    /// A set was there and its revocation lists are good for some time yet: nothing was written.
    Fresh,
    /// A set was there; its revocation lists were signed anew, everything else kept.
    StaleLists,
}

/// Reads the set in `dir`, or makes it if `dir` is missing or empty. Revocation lists past half of their validity are
/// signed anew; keys and certificates are never replaced.
///
/// # Errors
/// [`Error::NotOurs`] if the directory holds something else.
pub fn ensure(dir: &Path, now: DateTime<Utc>, options: &Options) -> Result<(Pki, Found), Error> {
    let is_empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(source) => return Err(Error::File { path: dir.to_owned(), source }),
    };
    if is_empty {
        let pki = Pki::generate(now, options)?;
        pki.write_to(dir)?;
        return Ok((pki, Found::Nothing));
    }
    if !dir.join("authorities").is_dir() || !dir.join("cards").is_dir() {
        return Err(Error::NotOurs(dir.to_owned()));
    }
    let mut pki = Pki::load(dir)?;
    let list = X509Crl::from_der(&pki.crls.persons)?;
    let half_time = Asn1Time::from_unix((now + options.crl_validity / 2).timestamp())?;
    if list.next_update().is_some_and(|next| next > half_time) {
        return Ok((pki, Found::Fresh));
    }
    pki.issue_crls(now, options.crl_validity)?;
    pki.write_crls(dir)?;
    Ok((pki, Found::StaleLists))
}

impl Pki {
    /// Writes everything below `dir`, first beside it and then moved in one step, so that an interrupted run leaves
    /// nothing half done. `dir` must be missing or empty.
    pub fn write_to(&self, dir: &Path) -> Result<(), Error> {
        let mut partial = dir.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        match fs::remove_dir_all(&partial) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::File { path: partial, source });
            }
            _ => {}
        }
        self.write_files(&partial)?;
        fs::rename(&partial, dir).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => Error::NotOurs(dir.to_owned()),
            _ => Error::File { path: dir.to_owned(), source },
        })
    }

    fn write_files(&self, dir: &Path) -> Result<(), Error> {
        let anchors = dir.join("anchors");
        write(&anchors.join("ac-racine-fort.pem"), &self.root.certificate.to_pem()?)?;
        write(&anchors.join("ac-fort-personnes.pem"), &self.persons.certificate.to_pem()?)?;
        self.write_crls(dir)?;
        for card in &self.cards {
            let place = dir.join("cards").join(&card.profile.name);
            for (name, pair) in card.pairs() {
                write_pair(&place, name, pair)?;
            }
            let path = place.join("card.json");
            let mut json = serde_json::to_vec_pretty(&card.profile)
                .map_err(|source| Error::Profile { path: path.clone(), source })?;
            json.push(b'\n');
            write(&path, &json)?;
        }
        for organisation in &self.organisation_certificates {
            write_pair(&dir.join("organisations"), &organisation.name, &organisation.pair)?;
        }
        if let Some(responder) = &self.responder {
            write_pair(&dir.join("ocsp"), "responder", responder)?;
            write(&dir.join("ocsp/index.txt"), self.ocsp_index()?.as_bytes())?;
        }
        for (name, authority) in
            [("root", &self.root), ("persons", &self.persons), ("organisations", &self.organisations)]
        {
            let pair = KeyPair { certificate: authority.certificate.clone(), key: authority.key.clone() };
            write_pair(&dir.join("authorities"), name, &pair)?;
        }
        Ok(())
    }

    /// Replaces the revocation lists below `dir`, each in one step.
    pub fn write_crls(&self, dir: &Path) -> Result<(), Error> {
        let place = dir.join("crl");
        for (name, list) in [("aci-fo-pp-test.crl", &self.crls.persons), ("acr-fo-test.crl", &self.crls.root)]
        {
            let (path, partial) = (place.join(name), place.join(format!(".{name}.partial")));
            write(&partial, list)?;
            fs::rename(&partial, &path).map_err(|source| Error::File { path, source })?;
        }
        Ok(())
    }

    /// Reads what [`Pki::write_to`] wrote.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let authority = |name: &str| -> Result<Authority, Error> {
            let KeyPair { certificate, key } = read_pair(&dir.join("authorities"), name)?;
            Ok(Authority { certificate, key })
        };
        let mut cards = Vec::new();
        for name in names(&dir.join("cards"))? {
            cards.push(Card::load(&dir.join("cards").join(name))?);
        }
        let mut organisation_certificates = Vec::new();
        let place = dir.join("organisations");
        if place.is_dir() {
            for file in names(&place)? {
                if let Some(name) = file.strip_suffix(".crt") {
                    let pair = read_pair(&place, name)?;
                    organisation_certificates.push(Organisation { name: name.to_owned(), pair });
                }
            }
        }
        let place = dir.join("ocsp");
        let responder = place.is_dir().then(|| read_pair(&place, "responder")).transpose()?;
        Ok(Self {
            responder,
            root: authority("root")?,
            persons: authority("persons")?,
            organisations: authority("organisations")?,
            cards,
            organisation_certificates,
            crls: Crls {
                root: read(&dir.join("crl/acr-fo-test.crl"))?,
                persons: read(&dir.join("crl/aci-fo-pp-test.crl"))?,
            },
        })
    }
}

impl Card {
    /// Reads one card from its directory: all that a software card needs.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("card.json");
        let profile: Profile =
            serde_json::from_slice(&read(&path)?).map_err(|source| Error::Profile { path, source })?;
        let technical = profile.contactless.then(|| read_pair(dir, "tech")).transpose()?;
        Ok(Self {
            profile,
            authentication: read_pair(dir, "auth")?,
            signature: read_pair(dir, "sign")?,
            technical,
        })
    }
}

fn write_pair(dir: &Path, name: &str, pair: &KeyPair) -> Result<(), Error> {
    write(&dir.join(format!("{name}.crt")), &pair.certificate.to_pem()?)?;
    let pem: Vec<u8> = pair.key.private_key_to_pem_pkcs8()?;
    write(&dir.join(format!("{name}.key")), &pem)
}

fn read_pair(dir: &Path, name: &str) -> Result<KeyPair, Error> {
    let certificate = X509::from_pem(&read(&dir.join(format!("{name}.crt")))?)?;
    let key: PKey<Private> = PKey::private_key_from_pem(&read(&dir.join(format!("{name}.key")))?)?;
    Ok(KeyPair { certificate, key })
}

fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::File { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

/// Keys are readable by their owner only.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if path.extension().is_some_and(|extension| extension == "key") {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(failed)?;
    io::Write::write_all(&mut file, content).map_err(failed)
}
