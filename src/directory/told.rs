//! A professional as Pro Santé Connect tells of them, and their identifiers: the reverse of [`super::claims`].
//!
//! A hospital that imports the national directory has it from there, every day. Of a professional who is not in it, what Pro
//! Santé Connect says at the sign-in is the newest there is, and is kept with its origin; never in the place of what the
//! directory says, or somebody entered here.
//!
//! What comes is a provider's word: it is read by names that are known, cut to what the directory could hold, and what is of
//! another kind is left out. An identifier is never cut.

use serde_json::{Map, Value};

use super::identifier::{IdKind, NationalId};
use super::model::{Activity, MOST_ACTIVITIES, Practice, Professional, Skill};

/// The longest value that is taken; those of the directory are shorter.
const LONGEST: usize = 200;
/// The most practices that are taken.
const MOST_PRACTICES: usize = 20;
/// More identifiers than anybody has: a longer list is not read.
const MOST_IDENTIFIERS: usize = 20;

/// The professional of the userinfo of Pro Santé Connect; none where it tells of no practice.
#[must_use]
pub fn professional(userinfo: &Map<String, Value>) -> Option<Professional> {
    let told = userinfo.get("SubjectRefPro")?.as_object()?;
    let practices: Vec<Practice> =
        objects(told, "exercices").take(MOST_PRACTICES).map(practice).filter(says_something).collect();
    if practices.is_empty() {
        return None;
    }
    Some(Professional { civility: text(told, "codeCivilite"), practices })
}

/// The national identifiers of the userinfo of Pro Santé Connect besides `SubjectNameID`: that of Pro Santé Identité, and
/// those of `otherIds` whose form, origin and quality agree. Of a kind that nobody knows here none is taken, since it would
/// become the person's own.
#[must_use]
pub fn identifiers(userinfo: &Map<String, Value>) -> Vec<NationalId> {
    let psi = userinfo.get("PSISubjectNameID").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let psi = psi.filter(|id: &NationalId| id.kind() == IdKind::Psi);
    // One of its own examples writes the second name.
    let listed = ["otherIds", "otherIDs"].iter().find_map(|name| userinfo.get(*name)?.as_array());
    let listed = listed.filter(|list| list.len() <= MOST_IDENTIFIERS).into_iter().flatten();
    psi.into_iter().chain(listed.filter_map(other_id)).collect()
}

/// One of `otherIds` (`docs/psc.md`).
fn other_id(told: &Value) -> Option<NationalId> {
    let id: NationalId = told.get("identifiant")?.as_str()?.parse().ok()?;
    let agrees =
        told.get("origine")?.as_str()? == id.origin() && told.get("qualite")?.as_i64()? == id.quality();
    agrees.then_some(id)
}

fn practice(told: &Map<String, Value>) -> Practice {
    let skill = Skill(text(told, "codeTypeSavoirFaire"), text(told, "codeSavoirFaire"));
    let activities = objects(told, "activities").take(MOST_ACTIVITIES);
    let activities = activities.map(|told| Activity::from_claims(|name| text(told, name)));
    Practice {
        profession: text(told, "codeProfession"),
        category: text(told, "codeCategorieProfessionnelle"),
        civility: text(told, "codeCiviliteDexercice"),
        family_name: text(told, "nomDexercice"),
        given_name: text(told, "prenomDexercice"),
        skills: Some(skill).filter(|skill| !skill.1.is_empty()).into_iter().collect(),
        activities: activities.filter(|activity| *activity != Activity::default()).collect(),
        rows: Vec::new(),
    }
}

fn says_something(practice: &Practice) -> bool {
    !practice.profession.is_empty() || !practice.activities.is_empty()
}

fn objects<'a>(told: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    told.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn text(told: &Map<String, Value>, name: &str) -> String {
    let told = told.get(name).and_then(Value::as_str).unwrap_or_default();
    told.chars().filter(|c| !c.is_control() && *c != '|').take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_is_what_would_be_told_again() {
        let told = json!({ "SubjectRefPro": { "codeCivilite": "M", "exercices": [{
            "codeProfession": "10", "codeCategorieProfessionnelle": "C", "codeCiviliteDexercice": "DR",
            "nomDexercice": "DOC0042788", "prenomDexercice": "KIT", "codeTypeSavoirFaire": "S", "codeSavoirFaire": "SM26",
            "activities": [{ "codeModeExercice": "L", "raisonSocialeSite": "CABINET", "codePays": "99000" }]
        }] } });
        let read = professional(told.as_object().unwrap()).unwrap();
        let practice = &read.practices[0];
        assert_eq!((read.civility.as_str(), practice.profession.as_str()), ("M", "10"));
        assert_eq!(practice.main_skill(), Some(&Skill("S".into(), "SM26".into())));
        let claims = serde_json::to_value(practice.activities[0].claims()).unwrap();
        assert_eq!((&claims["codeModeExercice"], &claims["codePays"]), (&json!("L"), &json!("99000")));
        assert_eq!(Professional::from_text(&read.to_text()).unwrap(), read, "as the database keeps it");
    }

    fn ids(userinfo: &Value) -> Vec<String> {
        let read = identifiers(userinfo.as_object().unwrap());
        read.into_iter().map(|id| id.as_str().to_owned()).collect()
    }

    #[test]
    fn every_identifier_that_is_what_it_says_is_read() {
        let psi = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        let list = json!([
            { "identifiant": "899700427885", "origine": "RPPS", "qualite": 1 },
            { "identifiant": psi.to_uppercase(), "origine": "PSI", "qualite": 2 },
            { "identifiant": "0759970048", "origine": "ADELI", "qualite": 1 },
            { "identifiant": "30B0168811/CPET00001", "origine": "FINESS", "qualite": 1 },
            { "identifiant": "500000001815646/CPAT00045", "origine": "SIRET", "qualite": 1 },
            { "identifiant": "ANS20231122132732", "origine": "EDIT", "qualite": 1 }
        ]);
        let all = [
            "899700427885",
            psi,
            "0759970048",
            "30B0168811/CPET00001",
            "500000001815646/CPAT00045",
            "ANS20231122132732",
        ];
        for name in ["otherIds", "otherIDs"] {
            assert_eq!(ids(&json!({ name: list })), all);
        }
        assert_eq!(ids(&json!({ "PSISubjectNameID": psi })), [psi]);
    }

    #[test]
    fn an_identifier_that_is_not_what_it_says_is_left_out() {
        let good = json!({ "identifiant": "899700427885", "origine": "RPPS", "qualite": 1 });
        for bad in [
            json!({ "identifiant": "899700427885", "origine": "PSI", "qualite": 2 }),
            json!({ "identifiant": "899700427885", "origine": "RPPS", "qualite": 2 }),
            json!({ "identifiant": "899700427885", "origine": "RPPS", "qualite": "1" }),
            json!({ "identifiant": "899700427885", "origine": "RPPS" }),
            json!({ "identifiant": "899700427885", "qualite": 1 }),
            json!({ "identifiant": 899_700_427_885_i64, "origine": "RPPS", "qualite": 1 }),
            json!({ "identifiant": "8997004278851", "origine": "RPPS", "qualite": 1 }),
            json!({ "identifiant": "899700427885' OR 1=1", "origine": "RPPS", "qualite": 1 }),
            json!({ "identifiant": "8".repeat(1_000_000), "origine": "RPPS", "qualite": 1 }),
            json!({ "identifiant": "72345", "origine": "RASS", "qualite": 1 }),
            json!({ "identifiant": "", "origine": "RASS", "qualite": 1 }),
            json!(["899700427885", "RPPS", 1]),
            json!("899700427885"),
            Value::Null,
        ] {
            let told = json!({ "otherIds": [bad, good] });
            assert_eq!(
                ids(&told),
                ["899700427885"],
                "{}",
                told.to_string().chars().take(200).collect::<String>()
            );
            assert!(ids(&json!({ "otherIds": bad })).is_empty(), "no list");
        }
        assert!(ids(&json!({ "otherIds": vec![good; MOST_IDENTIFIERS + 1] })).is_empty(), "not a part of it");
        assert!(
            ids(&json!({ "PSISubjectNameID": "899700427885" })).is_empty(),
            "no identity of that service"
        );
        assert!(ids(&json!({ "PSISubjectNameID": ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] })).is_empty());
    }

    #[test]
    fn what_is_of_another_kind_is_left_out_and_nothing_grows_without_end() {
        for nothing in
            [json!({}), json!({ "SubjectRefPro": "x" }), json!({ "SubjectRefPro": { "exercices": [{}, 7] } })]
        {
            assert!(professional(nothing.as_object().unwrap()).is_none(), "{nothing}");
        }
        let many: Vec<_> =
            (0..30).map(|_| json!({ "codeProfession": "1|0\n".repeat(200), "nomDexercice": 7 })).collect();
        let told = json!({ "SubjectRefPro": { "exercices": many } });
        let read = professional(told.as_object().unwrap()).unwrap();
        assert_eq!((read.practices.len(), read.practices[0].profession.len()), (MOST_PRACTICES, LONGEST));
        assert!(!read.to_text().contains('\n') && read.practices[0].family_name.is_empty());
    }
}
