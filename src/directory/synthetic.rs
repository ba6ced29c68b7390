//! An extraction of people who do not exist, in the shape and size of the real one: for trials, tests and measures.
//!
//! RPPS numbers begin with 997, as those of ANS's test cards do, and have a right key; FINESS numbers hold letters, as
//! those of its test platform do. The same seed gives the same file.

use std::io::{self, Write};

use super::model::Activity;

/// The header of `PS_LibreAcces_Personne_activite`, as of 2026.
pub const HEADER: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|\
Libellé civilité d'exercice|Code civilité|Libellé civilité|Nom d'exercice|Prénom d'exercice|Code profession|\
Libellé profession|Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|\
Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|Code mode exercice|Libellé mode exercice|\
Numéro SIRET site|Numéro SIREN site|Numéro FINESS site|Numéro FINESS établissement juridique|\
Identifiant technique de la structure|Raison sociale site|Enseigne commerciale site|\
Complément destinataire (coord. structure)|Complément point géographique (coord. structure)|\
Numéro Voie (coord. structure)|Indice répétition voie (coord. structure)|Code type de voie (coord. structure)|\
Libellé type de voie (coord. structure)|Libellé Voie (coord. structure)|Mention distribution (coord. structure)|\
Bureau cedex (coord. structure)|Code postal (coord. structure)|Code commune (coord. structure)|\
Libellé commune (coord. structure)|Code pays (coord. structure)|Libellé pays (coord. structure)|\
Téléphone (coord. structure)|Téléphone 2 (coord. structure)|Télécopie (coord. structure)|\
Adresse e-mail (coord. structure)|Code Département (structure)|Libellé Département (structure)|\
Ancien identifiant de la structure|Autorité d'enregistrement|Code secteur d'activité|Libellé secteur d'activité|\
Code section tableau pharmaciens|Libellé section tableau pharmaciens|Code rôle|Libellé rôle|Code genre activité|\
Libellé genre activité";

/// Hospitals of the file: `0B` and seven digits from 0.
pub const HOSPITALS: u32 = 3_000;

/// One row to write, in the words of the extraction.
#[derive(Debug, Clone, Default)]
pub struct SampleRow {
    /// National identifier.
    pub id_nat: String,
    /// Civility (code).
    pub civility: String,
    /// Civility in practice (code).
    pub practice_civility: String,
    /// Family name in practice.
    pub family_name: String,
    /// Given name in practice.
    pub given_name: String,
    /// Profession (code).
    pub profession: String,
    /// Category (code).
    pub category: String,
    /// Type of skill and skill (codes).
    pub skill: (String, String),
    /// Where and how.
    pub activity: Activity,
}

impl SampleRow {
    /// The line, without its end.
    pub fn line(&self) -> String {
        let number = self.id_nat.get(1..).unwrap_or_default();
        let label = |code: &str| if code.is_empty() { "" } else { "Libellé" };
        let values = HEADER.split('|').map(|column| -> &str {
            if let Some(value) = self.activity.value_of(column) {
                return value;
            }
            match column {
                "Type d'identifiant PP" => self.id_nat.get(..1).unwrap_or_default(),
                "Identifiant PP" => number,
                "Identification nationale PP" => &self.id_nat,
                "Code civilité d'exercice" => &self.practice_civility,
                "Code civilité" => &self.civility,
                "Nom d'exercice" => &self.family_name,
                "Prénom d'exercice" => &self.given_name,
                "Code profession" => &self.profession,
                "Code catégorie professionnelle" => &self.category,
                "Code type savoir-faire" => &self.skill.0,
                "Code savoir-faire" => &self.skill.1,
                "Libellé profession" => label(&self.profession),
                "Libellé catégorie professionnelle" => label(&self.category),
                "Libellé savoir-faire" => label(&self.skill.1),
                "Libellé type savoir-faire" => label(&self.skill.0),
                "Libellé mode exercice" => label(&self.activity.mode),
                "Libellé secteur d'activité" => label(&self.activity.sector),
                "Libellé pays (coord. structure)" => label(&self.activity.country),
                "Libellé genre activité" => label(&self.activity.kind),
                _ => "",
            }
        });
        values.collect::<Vec<_>>().join("|")
    }
}

/// What to write.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// How many people; about 1.23 rows each, as in the real file.
    pub people: u32,
    /// Every how many people a line that cannot be used comes; 0: none.
    pub bad_every: u32,
    /// So many people at the end are left out: the file of another day.
    pub without_last: u32,
}

/// Writes the file. Answers how many lines follow the header, bad ones included.
///
/// # Errors
/// Where it cannot be written.
pub fn write(sample: Sample, out: &mut impl Write) -> io::Result<u64> {
    writeln!(out, "{HEADER}")?;
    let mut lines = 0;
    for number in 0..sample.people.saturating_sub(sample.without_last) {
        for row in person(number) {
            writeln!(out, "{}", row.line())?;
            lines += 1;
        }
        if sample.bad_every > 0 && number % sample.bad_every == sample.bad_every - 1 {
            lines += 1;
            match number / sample.bad_every % 4 {
                0 => out.write_all(b"8|99700000000|899700000000|DR|Docteur|M|Monsieur|D\xC9J\xC0|KIT\n")?,
                1 => writeln!(out, "8|99700000000|899700000000|DR|\"unclosed")?,
                2 => writeln!(
                    out,
                    "{}|one|two|three",
                    person(number).first().map_or_else(String::new, SampleRow::line)
                )?,
                _ => writeln!(out, "{}", "|".repeat(55))?,
            }
        }
    }
    Ok(lines)
}

/// The national identifier of the person with that number, below ten million.
pub fn id_nat(number: u32) -> String {
    let base = format!("997{number:07}");
    let key = (0..10)
        .find(|key| super::identifier::luhn(&format!("{base}{key}")) == Some(true))
        .unwrap_or_default();
    format!("8{base}{key}")
}

/// The FINESS number of the hospital with that number.
pub fn finess(hospital: u32) -> String {
    format!("0B{hospital:07}")
}

fn person(number: u32) -> Vec<SampleRow> {
    let mut dice = Dice(u64::from(number));
    let id_nat = id_nat(number);
    let (profession, skilled, civility) = match dice.below(10) {
        0..=2 => ("10", true, "DR"),
        3 => ("21", false, "DR"),
        4 => ("40", true, "DR"),
        5 => ("50", false, ""),
        6 => ("70", false, ""),
        _ => ("60", false, ""),
    };
    let base = SampleRow {
        civility: if dice.below(2) == 0 { "M" } else { "MME" }.to_owned(),
        practice_civility: civility.to_owned(),
        family_name: match dice.below(200) {
            // No quoting in the format: these are plain characters.
            0 => format!("D'\"KIT\" L'A'{number:07}"),
            _ => format!("KIT{number:07}"),
        },
        given_name: if dice.below(3) == 0 { "ZOÉ" } else { "CAMILLE" }.to_owned(),
        profession: profession.to_owned(),
        category: if dice.below(50) == 0 { "E" } else { "C" }.to_owned(),
        skill: if skilled {
            ("S".into(), format!("SM{:02}", dice.below(60) + 1))
        } else {
            Default::default()
        },
        activity: Activity::default(),
        id_nat,
    };
    let mut rows = Vec::new();
    let activities = match dice.below(20) {
        0 => 3,
        1..=2 => 2,
        _ => 1,
    };
    for _ in 0..activities {
        let activity = match dice.below(50) {
            0 => Activity { mode: "L".into(), authority: "//".into(), ..Activity::default() },
            1..=24 => practice(number, &base.family_name, &mut dice),
            _ => hospital(dice.below(HOSPITALS)),
        };
        rows.push(SampleRow { activity, ..base.clone() });
    }
    // One row per activity and skill: the second skill repeats the activity.
    if skilled && dice.below(15) == 0 {
        let second = rows.first().map(|row| SampleRow { skill: ("C".into(), "C43".into()), ..row.clone() });
        rows.extend(second);
    }
    rows
}

fn practice(number: u32, name: &str, dice: &mut Dice) -> Activity {
    Activity {
        mode: "L".into(),
        sector: "SA07".into(),
        kind: "GENR01".into(),
        structure_id: format!("R4997{number:07}{:03}", dice.below(1_000)),
        structure_name: format!("CABINET DU DR {name}"),
        address_recipient: format!("CABINET DU DR {name}"),
        street_number: (dice.below(200) + 1).to_string(),
        street_type: "R".into(),
        street_name: "DE LA RÉPUBLIQUE".into(),
        cedex: "75009 PARIS".into(),
        postal_code: "75009".into(),
        commune: "75109".into(),
        country: "99000".into(),
        phone: format!("01{:08}", dice.below(99_999_999)),
        departement: "75".into(),
        former_structure_id: format!("4997{number:07}{:03}", dice.below(1_000)),
        authority: "CNOM/CNOM/CNOM".into(),
        ..Activity::default()
    }
}

fn hospital(number: u32) -> Activity {
    let finess = finess(number);
    Activity {
        mode: "S".into(),
        sector: "SA01".into(),
        kind: "GENR01".into(),
        finess_legal: format!("1B{:07}", number / 4),
        structure_id: format!("F{finess}"),
        structure_name: format!("HOPITAL GENERIQUE {number:04}"),
        street_number: "10".into(),
        street_type: "AV".into(),
        street_name: "DU GENERAL DE GAULLE".into(),
        cedex: "75009 PARIS CEDEX 09".into(),
        postal_code: "75009".into(),
        commune: "75109".into(),
        country: "99000".into(),
        phone: "0100000000".into(),
        fax: "0100000001".into(),
        departement: "75".into(),
        former_structure_id: format!("1{finess}"),
        authority: "CNOM/CNOM/ARS".into(),
        finess,
        ..Activity::default()
    }
}

/// SplitMix64: reproducible, not random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((x ^ (x >> 31)) % u64::from(end.max(1))).unwrap_or_default()
    }
}
