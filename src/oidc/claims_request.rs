//! The `claims` parameter (OpenID Connect Core §5.5): which claims a relying party asks for by name, in the ID token and
//! in userinfo.
//!
//! It is parsed once, strictly, and kept as what it means: names, and for `sub` and `acr` the values that count. What other
//! values a relying party would like changes nothing (§5.5.1 leaves that to the provider).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::crypto::jose::strict_json;

/// More names than claims exist.
const MOST: usize = 60;
/// The longest name.
const LONGEST: usize = 100;

/// What is asked for by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClaimsRequest {
    /// For the ID token.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub id_token: BTreeSet<String>,
    /// For userinfo.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub userinfo: BTreeSet<String>,
    /// The level, where one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<AskedLevel>,
    /// Whom the answer must be about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sub: Vec<String>,
}

/// The claim `acr` as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedLevel {
    /// One of these, by preference.
    pub values: Vec<String>,
    /// Without it the answer is of no use.
    pub essential: bool,
}

/// Why the parameter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsFault {
    /// No JSON object, a member twice, or too deep.
    #[error("claims is no JSON object that says one thing")]
    Json,
    /// `userinfo` or `id_token` is no object.
    #[error("claims: userinfo and id_token are objects")]
    Place,
    /// A claim is asked for by something other than null or an object with `essential`, `value` and `values`.
    #[error("claims: a claim is asked for by null, or by an object with essential, value and values")]
    Claim,
    /// More names than claims exist, or something that is no name.
    #[error("claims asks for too much")]
    TooMuch,
    /// Two different persons at once.
    #[error("claims: sub names several persons")]
    SeveralPersons,
}

impl ClaimsRequest {
    /// Reads the parameter.
    ///
    /// # Errors
    /// [`ClaimsFault`].
    pub fn parse(text: &str) -> Result<Self, ClaimsFault> {
        let members = strict_json::object(text.as_bytes()).map_err(|_| ClaimsFault::Json)?;
        let mut request = Self::default();
        for place in ["id_token", "userinfo"] {
            let asked = match members.get(place) {
                None | Some(Value::Null) => continue,
                Some(Value::Object(asked)) => asked,
                Some(_) => return Err(ClaimsFault::Place),
            };
            if asked.len() > MOST || !asked.keys().all(|name| is_a_name(name)) {
                return Err(ClaimsFault::TooMuch);
            }
            for (name, how) in asked {
                let how = Wanted::read(how)?;
                match name.as_str() {
                    "sub" => request.sub.extend(how.values),
                    "acr" if place == "id_token" => request.acr = Some(how.into()),
                    _ => {}
                }
            }
            let names = asked.keys().cloned().collect();
            if place == "id_token" { request.id_token = names } else { request.userinfo = names }
        }
        Ok(request)
    }

    /// The person whom the answer must be about (§5.5.1, `value` of `sub`).
    ///
    /// # Errors
    /// [`ClaimsFault::SeveralPersons`].
    pub fn subject(&self) -> Result<Option<&str>, ClaimsFault> {
        match self.sub.as_slice() {
            [] => Ok(None),
            [one, others @ ..] if others.iter().all(|other| other == one) => Ok(Some(one)),
            _ => Err(ClaimsFault::SeveralPersons),
        }
    }

    /// Every name that is asked for, once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.id_token.union(&self.userinfo).map(String::as_str)
    }

    /// The level that is asked for, where one is.
    pub fn level(&self) -> Option<AskedLevel> {
        self.acr.clone().filter(|level| !level.values.is_empty())
    }
}

/// Whether it can be the name of a claim: a word or an address. It stands on the page that asks for consent, where nobody
/// shall write a sentence.
fn is_a_name(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// How one claim is asked for.
struct Wanted {
    values: Vec<String>,
    essential: bool,
}

impl Wanted {
    fn read(how: &Value) -> Result<Self, ClaimsFault> {
        let members = match how {
            Value::Null => &Map::new(),
            Value::Object(members) => members,
            _ => return Err(ClaimsFault::Claim),
        };
        let essential = match members.get("essential") {
            None => false,
            Some(essential) => essential.as_bool().ok_or(ClaimsFault::Claim)?,
        };
        let listed = match (members.get("value"), members.get("values")) {
            (None, None) => vec![],
            (Some(one), None) => vec![one.clone()],
            (None, Some(Value::Array(several))) if several.len() <= MOST => several.clone(),
            _ => return Err(ClaimsFault::Claim),
        };
        // Values of other claims may be numbers and objects; only those of `sub` and `acr` are looked at.
        let values = listed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { values, essential })
    }
}

impl From<Wanted> for AskedLevel {
    fn from(Wanted { values, essential }: Wanted) -> Self {
        Self { values, essential }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_section_5_5_is_understood() {
        let text = r#"{
            "userinfo": {
                "given_name": {"essential": true}, "nickname": null, "picture": null,
                "http://example.info/claims/groups": null
            },
            "id_token": {
                "auth_time": {"essential": true},
                "acr": {"values": ["urn:mace:incommon:iap:silver"]}
            }
        }"#;
        let request = ClaimsRequest::parse(text).unwrap();
        assert!(request.userinfo.contains("given_name") && request.userinfo.len() == 4);
        assert_eq!(request.id_token.iter().collect::<Vec<_>>(), ["acr", "auth_time"]);
        assert_eq!(request.level().unwrap().values, ["urn:mace:incommon:iap:silver"]);
        assert_eq!(request.subject(), Ok(None));
    }

    #[test]
    fn what_says_two_things_or_nothing_is_refused() {
        let deep = format!("{{\"id_token\":{}1{}}}", "{\"a\":".repeat(40), "}".repeat(40));
        let many: Vec<_> = (0..100).map(|n| format!("\"c{n}\":null")).collect();
        let many = format!("{{\"id_token\":{{{}}}}}", many.join(","));
        for (text, fault) in [
            ("", ClaimsFault::Json),
            ("[]", ClaimsFault::Json),
            ("{", ClaimsFault::Json),
            (r#"{"id_token":{"sub":null},"id_token":{}}"#, ClaimsFault::Json),
            (r#"{"id_token":{"sub":{"value":"a"},"sub":{"value":"b"}}}"#, ClaimsFault::Json),
            (deep.as_str(), ClaimsFault::Json),
            (r#"{"id_token":[]}"#, ClaimsFault::Place),
            (r#"{"userinfo":"name"}"#, ClaimsFault::Place),
            (r#"{"id_token":{"acr":"eidas3"}}"#, ClaimsFault::Claim),
            (r#"{"id_token":{"acr":{"essential":"yes"}}}"#, ClaimsFault::Claim),
            (r#"{"id_token":{"acr":{"value":"a","values":["b"]}}}"#, ClaimsFault::Claim),
            (r#"{"id_token":{"acr":{"values":"eidas3"}}}"#, ClaimsFault::Claim),
            (many.as_str(), ClaimsFault::TooMuch),
            (r#"{"userinfo":{"Call 06 00 00 00 00":null}}"#, ClaimsFault::TooMuch),
        ] {
            assert_eq!(ClaimsRequest::parse(text), Err(fault), "{text}");
        }
        let two = r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#;
        assert_eq!(ClaimsRequest::parse(two).unwrap().subject(), Err(ClaimsFault::SeveralPersons));
    }
}
