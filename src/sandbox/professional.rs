//! What a service shows of UserInfo: the reading of Pro Santé Connect's members.

use serde_json::{Map, Value};

use crate::web::pages::demonstration::Person;

/// The professional behind `userinfo`; `id_claims` say how they signed in.
pub(super) fn person(userinfo: &Map<String, Value>, id_claims: &Map<String, Value>) -> Person {
    let practice =
        userinfo.get("SubjectRefPro").and_then(|pro| pro.get("exercices")).and_then(|list| list.get(0));
    let of_practice = |name: &str| practice.and_then(|practice| text(practice.get(name)));
    let title = of_practice("codeCiviliteDexercice").and_then(|code| match code.as_str() {
        "DR" => Some("Dr"),
        "PR" => Some("Pr"),
        _ => None,
    });
    let given = of_practice("prenomDexercice").or_else(|| text(userinfo.get("given_name")));
    let family = of_practice("nomDexercice").or_else(|| text(userinfo.get("family_name")));
    let name: Vec<String> = [title.map(str::to_owned), given, family].into_iter().flatten().collect();
    let site = practice
        .and_then(|practice| practice.get("activities"))
        .and_then(|list| list.get(0))
        .and_then(|activity| text(activity.get("raisonSocialeSite")));
    let level: Vec<String> =
        ["acr", "authMode"].into_iter().filter_map(|name| text(id_claims.get(name))).collect();
    Person {
        name: name.join(" "),
        profession: of_practice("codeProfession").map(profession),
        place: text(userinfo.get("SubjectOrganization")).or(site),
        id_nat: text(userinfo.get("SubjectNameID"))
            .or_else(|| text(userinfo.get("preferred_username")))
            .unwrap_or_default(),
        level: (!level.is_empty()).then(|| level.join(" · ")),
    }
}

/// Pro Santé Connect writes missing data as an empty text.
fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The professions of TRE_G15 that the sandbox knows; any other is shown as its code.
fn profession(code: String) -> String {
    let name = match code.as_str() {
        "10" => "Médecin",
        "21" => "Pharmacien",
        "26" => "Audioprothésiste",
        "28" => "Opticien-lunetier",
        "40" => "Chirurgien-dentiste",
        "50" => "Sage-femme",
        "60" => "Infirmier",
        "69" => "Infirmier psychiatrique",
        "70" => "Masseur-kinésithérapeute",
        "80" => "Pédicure-podologue",
        "91" => "Orthophoniste",
        "93" => "Psychologue",
        "95" => "Diététicien",
        _ => return code,
    };
    name.to_owned()
}
