//! `authorization_details` (RFC 9396): a list of objects, each of a type that is registered for the client. Kept as it came;
//! what a type means is between the relying party and the resource, and a person is always asked.

use serde_json::Value;

use super::{AuthorizationError, Draft};
use crate::crypto::jose;
use crate::oidc::profile::Extension;

/// More than a person could read.
const MOST: usize = 10;
/// Bytes of one of the list: it stands on a page and in tokens.
const LONGEST: usize = 2048;

pub fn check(draft: &mut Draft<'_>) -> Result<(), AuthorizationError> {
    if !draft.honours(Extension::Details) {
        return Ok(());
    }
    let Some(text) = draft.parameters.first("authorization_details") else { return Ok(()) };
    let invalid = AuthorizationError::AuthorizationDetails;
    let listed = jose::strict_json::list(text.as_bytes())
        .map_err(|_| invalid("it is no JSON list that says one thing"))?;
    if listed.is_empty() || listed.len() > MOST {
        return Err(invalid("it lists nothing, or too much"));
    }
    let types =
        draft.client.map(|client| client.metadata.authorization_details_types.as_slice()).unwrap_or_default();
    for detail in &listed {
        let Value::Object(members) = detail else { return Err(invalid("one of the list is no object")) };
        let Some(of_type) = members.get("type").and_then(Value::as_str) else {
            return Err(invalid("one of the list has no type"));
        };
        if !types.iter().any(|known| known == of_type) {
            return Err(invalid("one of the list is of a type that is not registered for the client"));
        }
        common_members(members).map_err(invalid)?;
        if detail.to_string().len() > LONGEST {
            return Err(invalid("one of the list is too long"));
        }
    }
    draft.request.authorization_details = listed;
    Ok(())
}

/// The members that every type shares have the shapes of RFC 9396 §2.2.
fn common_members(members: &serde_json::Map<String, Value>) -> Result<(), &'static str> {
    let texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    let lists_are_lists = ["locations", "actions", "datatypes", "privileges"]
        .iter()
        .all(|name| members.get(*name).is_none_or(texts));
    let identifier_is_a_text = members.get("identifier").is_none_or(Value::is_string);
    if lists_are_lists && identifier_is_a_text {
        Ok(())
    } else {
        Err("a member has another shape than RFC 9396 says")
    }
}
