//! JSON that says one thing: no member twice (RFC 7515 §4, RFC 7519 §4, RFC 8725 §2.4), no depth that costs a stack.
//!
//! Two readers of `{"aud":"a","aud":"b"}` may see two audiences, and both be right by RFC 8259.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep objects and lists may stand in each other. What JOSE carries for OpenID Connect has four or five levels.
const MAX_DEPTH: usize = 16;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// No JSON (RFC 8259), or something after it.
    #[error("it is no JSON")]
    Syntax,
    /// JSON, but no object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// JSON, but no list.
    #[error("it is no JSON list")]
    NotAList,
    /// An object has a member twice, however it is spelled.
    #[error("a JSON member stands twice")]
    DuplicateMember,
    /// Deeper than sixteen levels.
    #[error("the JSON is too deep")]
    TooDeep,
}

/// Reads an object whose members, at every level, stand once.
///
/// # Errors
/// [`JsonFault`].
pub fn object(text: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    match value(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonFault::NotAnObject),
    }
}

/// Reads a list in which no object, at any level, has a member twice.
///
/// # Errors
/// [`JsonFault`].
pub fn list(text: &[u8]) -> Result<Vec<Value>, JsonFault> {
    match value(text)? {
        Value::Array(items) => Ok(items),
        _ => Err(JsonFault::NotAList),
    }
}

fn value(text: &[u8]) -> Result<Value, JsonFault> {
    let mut fault = JsonFault::Syntax;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Strict { depth: 0, fault: &mut fault }.deserialize(&mut reader);
    match (read, reader.end()) {
        (Ok(read), Ok(())) => Ok(read),
        (Ok(_), Err(_)) => Err(JsonFault::Syntax),
        (Err(_), _) => Err(fault),
    }
}

struct Strict<'f> {
    depth: usize,
    /// Set before an error that is not of the syntax is raised.
    fault: &'f mut JsonFault,
}

impl Strict<'_> {
    fn below<E: serde::de::Error>(&mut self) -> Result<Strict<'_>, E> {
        if self.depth == MAX_DEPTH {
            *self.fault = JsonFault::TooDeep;
            return Err(E::custom("too deep"));
        }
        Ok(Strict { depth: self.depth + 1, fault: self.fault })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.below()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        let mut names = HashSet::new();
        while let Some(name) = object.next_key::<String>()? {
            if !names.insert(name.clone()) {
                *self.fault = JsonFault::DuplicateMember;
                return Err(A::Error::custom("a member stands twice"));
            }
            let value = object.next_value_seed(self.below()?)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_member_stands_once() {
        for (text, fault) in [
            (r#"{"a":1,"a":1}"#, JsonFault::DuplicateMember),
            (r#"{"a":1,"\u0061":2}"#, JsonFault::DuplicateMember),
            (r#"{"b":[{"a":{},"x":0,"a":{}}]}"#, JsonFault::DuplicateMember),
            (r#"["a"]"#, JsonFault::NotAnObject),
            ("", JsonFault::Syntax),
            (r#"{"a":1} {"#, JsonFault::Syntax),
            (r#"{"a":1,}"#, JsonFault::Syntax),
            ("\u{FEFF}{}", JsonFault::Syntax),
            (r#"{"a":"\ud800"}"#, JsonFault::Syntax),
            (r#"{"a":NaN}"#, JsonFault::Syntax),
        ] {
            assert_eq!(object(text.as_bytes()), Err(fault), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xFF\"}"), Err(JsonFault::Syntax), "no UTF-8");
        assert!(object(br#"{"a":{"a":1},"b":[{"a":1},{"a":1}],"A":0}"#).is_ok(), "each object for itself");
    }

    #[test]
    fn depth_costs_nothing() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert_eq!(object(nested(MAX_DEPTH).as_bytes()), Err(JsonFault::TooDeep));
        assert_eq!(object("{\"a\":".repeat(100_000).as_bytes()), Err(JsonFault::TooDeep));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(names in prop::collection::vec("[ab\\\\\"é]{0,2}", 0..4), number: f64) {
            let members: Vec<_> = names.iter().map(|name| format!("{}:{}", Value::from(name.as_str()), Value::from(number))).collect();
            let text = format!("{{{}}}", members.join(","));
            let distinct = names.iter().collect::<HashSet<_>>().len() == names.len();
            match object(text.as_bytes()) {
                Ok(read) => {
                    prop_assert!(distinct);
                    prop_assert_eq!(Value::Object(read), serde_json::from_str::<Value>(&text).unwrap());
                }
                Err(fault) => prop_assert!(!distinct && fault == JsonFault::DuplicateMember),
            }
        }
    }
}
