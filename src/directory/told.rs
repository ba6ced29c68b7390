//! A professional as a provider of others tells of them: the reverse of [`super::claims`].
//!
//! A hospital that imports the national directory has it from there, every day. Of a professional who is not in it, what Pro
//! Santé Connect says at the sign-in is the newest there is, and is kept with its origin; never in the place of what the
//! directory says, or somebody entered here.
//!
//! What comes is a provider's word: it is read by names that are known, cut to what the directory could hold, and what is of
//! another kind is left out.

use serde_json::{Map, Value};

use super::model::{Activity, MOST_ACTIVITIES, Practice, Professional, Skill};

/// The longest value that is taken; those of the directory are shorter.
const LONGEST: usize = 200;
/// The most practices that are taken.
const MOST_PRACTICES: usize = 20;

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
