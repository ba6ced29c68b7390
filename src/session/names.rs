//! What a relying party calls levels and factors, where it does not take our words for them.
//!
//! What a hospital gets: partners that expect names of their own (`possessionorinherence`, `fido`) are told those, and
//! understood when they ask by them. It is a change of words, one for one, and never of what was proved: a name that
//! anybody reads as more than it stands for is refused when an administrator writes it down. What is stored, recorded
//! and compared stays in our words.

use serde::{Deserialize, Serialize};

use super::{Acr, Amr, Level, Session};

/// The longest name.
const LONGEST: usize = 100;
/// The levels of the European regulation, which mean what they say (Implementing Regulation (EU) 2015/1502).
const EIDAS: [(&str, Level); 3] = [
    ("http://eidas.europa.eu/LoA/low", Level::Eidas1),
    ("http://eidas.europa.eu/LoA/substantial", Level::Eidas2),
    ("http://eidas.europa.eu/LoA/high", Level::Eidas3),
];
/// Factors of RFC 8176 that no means of ours proves.
const UNPROVED: [&str; 16] = [
    "face", "fpt", "geo", "iris", "kba", "mca", "mcc", "otp", "pwd", "rba", "retina", "sms", "tel", "vbm",
    "wia", "iwa",
];

/// What one relying party calls levels and factors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// Its names for levels; the others have ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acr: Vec<(Level, String)>,
    /// Its names for factors; the others have ours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<(Amr, String)>,
    /// `phr` and `phrh` are neither understood nor told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    without_phr: bool,
}

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesFault {
    /// Not a word.
    #[error(
        "{0:?} is no name: it has 1 to {LONGEST} visible characters of ASCII, without space, quote and backslash"
    )]
    NotAWord(String),
    /// Nothing of ours is called so.
    #[error("{0:?} is none of our names: {1}")]
    Unknown(String, &'static str),
    /// One of ours.
    #[error("{0} is our own name for something else: it would be told where it was not proved")]
    Ours(String),
    /// It says more than what it would stand for.
    #[error("{name} says what {of} does not prove")]
    Unproved {
        /// The name.
        name: String,
        /// What it would stand for.
        of: &'static str,
    },
    /// Not one for one.
    #[error("{0} is named twice: names are one for one, or nobody could tell which is asked for")]
    Twice(String),
    /// `phr` is named and switched off.
    #[error("phr and phrh are switched off and named at once: leave out one")]
    Without,
}

impl NamesFault {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        "OIDC-171"
    }
}

impl Names {
    /// From pairs of our name and the relying party's.
    ///
    /// # Errors
    /// [`NamesFault`].
    pub fn new(
        acr: &[(String, String)],
        amr: &[(String, String)],
        without_phr: bool,
    ) -> Result<Self, NamesFault> {
        let mut names = Self { without_phr, ..Self::default() };
        for (own, name) in acr {
            let level: Level =
                own.parse().map_err(|()| NamesFault::Unknown(own.clone(), "eidas1 to eidas3, phr, phrh"))?;
            if without_phr && level.assurance().is_none() {
                return Err(NamesFault::Without);
            }
            check_level(level, name)?;
            add(&mut names.acr, (level, name), own)?;
        }
        for (own, name) in amr {
            let factor = Amr::ALL.into_iter().find(|factor| factor.as_str() == own.as_str());
            let factor =
                factor.ok_or_else(|| NamesFault::Unknown(own.clone(), "sc, pin, hwk, swk, user, mfa"))?;
            check_factor(factor, name)?;
            add(&mut names.amr, (factor, name), own)?;
        }
        Ok(names)
    }

    /// The level that the relying party means by this word, its own or ours.
    #[must_use]
    pub fn level(&self, word: &str) -> Option<Level> {
        let named = self.acr.iter().find(|(_, name)| name == word).map(|(level, _)| *level);
        let level = named.or_else(|| word.parse().ok())?;
        (level.assurance().is_some() || !self.without_phr).then_some(level)
    }

    /// What the relying party calls a level.
    #[must_use]
    pub fn of_level(&self, level: Level) -> &str {
        let named = self.acr.iter().find(|(own, _)| *own == level);
        named.map_or(level.as_str(), |(_, name)| name)
    }

    /// What it calls a level of assurance.
    #[must_use]
    pub fn of_acr(&self, acr: Acr) -> &str {
        self.of_level(acr.into())
    }

    /// What it calls the factors of a session.
    pub fn of_factors<'a>(&'a self, session: &'a Session) -> Vec<&'a str> {
        session.amr.iter().map(|factor| self.of_factor(*factor)).collect()
    }

    /// What it calls a factor.
    #[must_use]
    pub fn of_factor(&self, factor: Amr) -> &str {
        let named = self.amr.iter().find(|(own, _)| *own == factor);
        named.map_or(factor.as_str(), |(_, name)| name)
    }

    /// Whether it may ask for `phr` and `phrh`.
    #[must_use]
    pub fn has_phr(&self) -> bool {
        !self.without_phr
    }

    /// Its names for levels, beside ours.
    pub fn levels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.acr.iter().map(|(level, name)| (level.as_str(), name.as_str()))
    }

    /// Its names for factors, beside ours.
    pub fn factors(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.amr.iter().map(|(factor, name)| (factor.as_str(), name.as_str()))
    }
}

fn add<T: Copy + PartialEq>(
    names: &mut Vec<(T, String)>,
    (of, name): (T, &str),
    own: &str,
) -> Result<(), NamesFault> {
    if names.iter().any(|(other, _)| *other == of) {
        return Err(NamesFault::Twice(own.to_owned()));
    }
    if names.iter().any(|(_, other)| other.eq_ignore_ascii_case(name)) {
        return Err(NamesFault::Twice(name.to_owned()));
    }
    names.push((of, name.to_owned()));
    Ok(())
}

fn check_level(level: Level, name: &str) -> Result<(), NamesFault> {
    check_word(name)?;
    if Level::ALL.into_iter().any(|own| own.as_str().eq_ignore_ascii_case(name)) {
        return Err(NamesFault::Ours(name.to_owned()));
    }
    match EIDAS.into_iter().find(|(address, _)| address.eq_ignore_ascii_case(name)) {
        Some((_, said)) if said != level => {
            Err(NamesFault::Unproved { name: name.to_owned(), of: level.as_str() })
        }
        _ => Ok(()),
    }
}

fn check_factor(factor: Amr, name: &str) -> Result<(), NamesFault> {
    check_word(name)?;
    let is = |other: &str| other.eq_ignore_ascii_case(name);
    if Amr::ALL.into_iter().any(|own| is(own.as_str())) {
        return Err(NamesFault::Ours(name.to_owned()));
    }
    let is_proved = match factor {
        // A signature shows that the key is there, wherever it is kept.
        Amr::Sc | Amr::Hwk | Amr::Swk => !is("fido"),
        // It stands among the factors of a security key, and of nothing else.
        Amr::User => !is("pop"),
        Amr::Pin | Amr::Mfa => !is("fido") && !is("pop"),
    };
    match is_proved && !UNPROVED.into_iter().any(is) {
        true => Ok(()),
        false => Err(NamesFault::Unproved { name: name.to_owned(), of: factor.as_str() }),
    }
}

/// It stands in tokens and, quoted, in a header.
fn check_word(name: &str) -> Result<(), NamesFault> {
    let good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    match (1..=LONGEST).contains(&name.len()) && name.bytes().all(good) {
        true => Ok(()),
        false => Err(NamesFault::NotAWord(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(own, name)| ((*own).to_owned(), (*name).to_owned())).collect()
    }

    fn names(acr: &[(&str, &str)], amr: &[(&str, &str)], without_phr: bool) -> Result<Names, NamesFault> {
        Names::new(&pairs(acr), &pairs(amr), without_phr)
    }

    #[test]
    fn what_is_asked_for_by_a_name_is_told_by_it() {
        let names =
            names(&[("eidas2", "possessionorinherence")], &[("user", "fido"), ("hwk", "pop")], true).unwrap();
        assert_eq!(names.level("possessionorinherence"), Some(Level::Eidas2));
        assert_eq!(names.level("eidas2"), Some(Level::Eidas2), "ours is understood as well");
        assert_eq!((names.level("Possessionorinherence"), names.level("phr")), (None, None));
        assert_eq!(
            (names.of_acr(Acr::Eidas2), names.of_acr(Acr::Eidas3)),
            ("possessionorinherence", "eidas3")
        );
        let kept: Names = serde_json::from_value(serde_json::to_value(&names).unwrap()).unwrap();
        assert_eq!(kept, names);
        assert_eq!(serde_json::to_value(Names::default()).unwrap(), serde_json::json!({}));
    }

    /// No change of words makes more of what was proved.
    #[test]
    fn no_name_says_more_than_what_it_stands_for() {
        for name in ["eidas1", "eidas2", "eidas3", "EIDAS3", "phr", "phrh"] {
            for own in ["eidas1", "eidas2", "eidas3", "phr", "phrh"] {
                let refused = names(&[(own, name)], &[], false).unwrap_err();
                assert!(matches!(refused, NamesFault::Ours(_)), "{own}={name}: {refused}");
            }
        }
        for (own, word, good) in [
            ("eidas1", "high", false),
            ("eidas2", "HIGH", false),
            ("eidas3", "high", true),
            ("phrh", "high", false),
            ("eidas1", "substantial", false),
            ("eidas2", "substantial", true),
            ("eidas1", "low", true),
        ] {
            let name = format!("http://eidas.europa.eu/LoA/{word}");
            assert_eq!(names(&[(own, &name)], &[], false).is_ok(), good, "{own}={name}");
        }
        for name in ["sc", "pin", "hwk", "HWK", "swk", "user", "mfa"] {
            assert!(matches!(names(&[], &[("swk", name)], false), Err(NamesFault::Ours(_))), "{name}");
        }
        for name in UNPROVED {
            assert!(
                matches!(names(&[], &[("user", name)], false), Err(NamesFault::Unproved { .. })),
                "{name}"
            );
        }
        for (own, name, good) in [
            ("hwk", "pop", true),
            ("swk", "pop", true),
            ("pin", "pop", false),
            ("user", "pop", false),
            ("user", "fido", true),
            // A card has these as well, and is none.
            ("hwk", "fido", false),
            ("mfa", "FIDO", false),
        ] {
            assert_eq!(names(&[], &[(own, name)], false).is_ok(), good, "{own}={name}");
        }
    }

    #[test]
    fn names_are_words_and_one_for_one() {
        for name in ["", "two words", "quo\"te", "back\\slash", "é", "a\nb", &"a".repeat(101)] {
            assert!(matches!(names(&[("eidas1", name)], &[], false), Err(NamesFault::NotAWord(_))), "{name}");
        }
        for acr in [[("eidas1", "a"), ("eidas2", "A")], [("eidas1", "a"), ("eidas1", "b")]] {
            assert!(matches!(names(&acr, &[], false), Err(NamesFault::Twice(_))), "{acr:?}");
            let amr = acr.map(|(own, name)| (if own == "eidas1" { "hwk" } else { "swk" }, name));
            assert!(matches!(names(&[], &amr, false), Err(NamesFault::Twice(_))), "{amr:?}");
        }
        assert!(matches!(names(&[("loa3", "a")], &[], false), Err(NamesFault::Unknown(..))));
        assert!(matches!(names(&[], &[("otp", "a")], false), Err(NamesFault::Unknown(..))));
        assert_eq!(names(&[("phr", "a")], &[], true), Err(NamesFault::Without));
    }
}
