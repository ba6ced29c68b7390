//! Against the published identities of the test platform (card kits: nobody real).

use super::{Options, userinfo};
use crate::directory::model::{Activity, Practice, Professional, Row, Skill};
use crate::directory::{NationalId, Subject};
use crate::ids::{CountingRandom, PersonId, uuid_v4};

/// The answer of the test platform for the card kit 899700427885, plus the two members that answers of 2023 have on top.
const DOC0042788: &str = include_str!("doc0042788.json");
/// What an employee gets: the shape of a vendor's published sample of a CPE holder.
const CPET00001: &str = include_str!("cpet00001.json");

fn subject(id: &str, family_name: &str, given_name: &str, rows: Vec<Row>) -> Subject {
    let mut professional = Professional::default();
    for row in rows {
        assert!(professional.add(row));
    }
    let id_nat = NationalId::of_source(id).unwrap();
    Subject {
        person: PersonId(uuid_v4(&CountingRandom::default())),
        identifiers: vec![id_nat.clone()],
        id_nat,
        family_name: family_name.into(),
        given_name: given_name.into(),
        professional: Professional::from_text(&professional.to_text()).unwrap(),
    }
}

fn doctor(name: &str, skill: (&str, &str), activity: Activity) -> Row {
    Row {
        civility: "M".into(),
        practice: Practice {
            profession: "10".into(),
            category: "C".into(),
            civility: "DR".into(),
            family_name: name.into(),
            given_name: "KIT".into(),
            ..Practice::default()
        },
        skill: Skill(skill.0.into(), skill.1.into()),
        activity,
    }
}

fn practice_of_doc0042788() -> Activity {
    Activity {
        mode: "L".into(),
        sector: "SA07".into(),
        structure_id: "R102671".into(),
        structure_name: "CABINET M DOC0042788".into(),
        address_recipient: "CABINET M DOC".into(),
        street_number: "1".into(),
        street_type: "R".into(),
        street_name: "NOIR".into(),
        cedex: "75009 PARIS".into(),
        postal_code: "75009".into(),
        country: "99000".into(),
        former_structure_id: "499700427885006".into(),
        authority: "CNOM/CNOM/CNOM".into(),
        ..Activity::default()
    }
}

fn hospital() -> Activity {
    Activity {
        mode: "S".into(),
        sector: "SA01".into(),
        finess: "0B0193488".into(),
        finess_legal: "1B0064166".into(),
        structure_id: "F0B0193488".into(),
        structure_name: "HOPITAL GENERIQUE  FIN VARI".into(),
        street_number: "10".into(),
        street_type: "R".into(),
        street_name: "DE PARIS".into(),
        cedex: "PARIS".into(),
        postal_code: "75009".into(),
        former_structure_id: "10B0193488".into(),
        authority: "CNOM/CNOM/ARS".into(),
        ..Activity::default()
    }
}

#[test]
fn a_doctor_gets_the_answer_of_the_test_platform_member_for_member() {
    let subject = subject(
        "899700427885",
        "DOC0042788",
        "KIT",
        vec![
            doctor("DOC0042788", ("S", "SM26"), practice_of_doc0042788()),
            doctor("DOC0042788", ("S", "SM26"), hospital()),
        ],
    );
    let sub = "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700427885";
    let options = Options { auth_mode: Some("CARD"), ..Options::default() };
    let ours = serde_json::to_string_pretty(&userinfo(&subject, sub, options)).unwrap();
    // The text, not the value: the order of members is part of it.
    assert_eq!(ours, DOC0042788.trim_end());
}

#[test]
fn an_employee_of_type_3_has_no_profession_and_no_null() {
    let mut activity = hospital();
    activity.authority = String::new();
    let employee = Row {
        civility: "MME".into(),
        practice: Practice { family_name: "CPET".into(), given_name: "AGENT".into(), ..Practice::default() },
        activity,
        ..Row::default()
    };
    let subject = subject("30B0168811/CPET00001", "CPET", "AGENT", vec![employee]);
    let options = Options { auth_mode: Some("CARD"), ..Options::default() };
    let ours =
        serde_json::to_string_pretty(&userinfo(&subject, "f:x:30B0168811/CPET00001", options)).unwrap();
    assert_eq!(ours, CPET00001.trim_end());
}

#[test]
fn the_skill_shown_is_a_speciality_unless_psc_is_repeated_to_the_letter() {
    let rows = vec![
        doctor("DOC0036624", ("C", "C43"), practice_of_doc0042788()),
        doctor("DOC0036624", ("S", "SM26"), practice_of_doc0042788()),
        doctor("DOC0036624", ("S", "SM26"), Activity { structure_id: String::new(), ..hospital() }),
    ];
    let subject = subject("899700366240", "DOC0036624", "KIT", rows);
    let answer = |psc_strict| {
        let options = Options { psc_strict, ..Options::default() };
        let value = serde_json::to_value(userinfo(&subject, "s", options)).unwrap();
        let practice = value["SubjectRefPro"]["exercices"][0].clone();
        let activities: Vec<_> = practice["activities"].as_array().unwrap().clone();
        (
            practice["codeSavoirFaire"].as_str().unwrap().to_owned(),
            activities.len(),
            activities.last().unwrap()["raisonSocialeSite"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(answer(false), ("SM26".into(), 2, "HOPITAL GENERIQUE  FIN VARI".into()));
    assert_eq!(answer(true), ("C43".into(), 3, String::new()));
}

#[test]
fn somebody_without_professional_data_still_gets_every_member() {
    let subject = subject("899700245667", "DOC0024566", "KIT", Vec::new());
    let value = serde_json::to_value(userinfo(&subject, "s", Options::default())).unwrap();
    assert_eq!(value["SubjectOrganization"], "");
    assert_eq!(value["SubjectRole"], serde_json::json!([]));
    assert!(!value.to_string().contains("null"));
}

#[test]
fn every_identifier_is_listed_with_its_origin() {
    let mut subject = subject("899700366240", "DOC0036624", "KIT", Vec::new());
    for id in ["30B0168811/CPET00001", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] {
        subject.identifiers.push(id.parse().unwrap());
    }
    let value = serde_json::to_value(userinfo(&subject, "s", Options::default())).unwrap();
    assert_eq!(
        value["otherIds"],
        serde_json::json!([
            {"identifiant": "899700366240", "origine": "RPPS", "qualite": 1},
            {"identifiant": "30B0168811/CPET00001", "origine": "FINESS", "qualite": 1},
            {"identifiant": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "origine": "PSI", "qualite": 2},
        ])
    );
}
