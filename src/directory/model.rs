//! A professional as the national directory describes them: practices (exercices), skills (savoir-faire), activities.
//!
//! Grouping follows PSC's own loader (`ansforge/psc-rass-loader`): one practice per profession and category, activities
//! in the order of the file. Unlike it, every skill is kept: which one is shown is the business of [`super::claims`].
//!
//! In the database a professional is a compact JSON text; an activity in it is the thirty values joined by `|`, which no
//! value can hold, because that is the separator of the file they come from.

use serde::{Deserialize, Serialize};

/// More activities than this in one practice are not a professional but a fault of the file.
pub const MOST_ACTIVITIES: usize = 1_000;

/// Declares the fields of an activity once: name here, claim of PSC, column of the extraction.
macro_rules! activity {
    ($($(#[$doc:meta])* $field:ident $claim:literal $column:literal;)*) => {
        /// One activity: where and how a professional practises. All values are as in the directory; absent is empty.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        #[serde(from = "String")]
        pub struct Activity { $($(#[$doc])* pub $field: String,)* }

        /// An activity as PSC shows it: member names and order of the userinfo.
        #[derive(Debug, Serialize)]
        pub struct ActivityClaims<'a> { $(#[serde(rename = $claim)] $field: &'a str,)* }

        impl ActivityClaims<'static> {
            /// An activity that says nothing.
            pub const NONE: Self = Self { $($field: "",)* };
        }

        impl Activity {
            /// The columns of `PS_LibreAcces_Personne_activite` that feed an activity, in the order of the fields.
            pub const COLUMNS: &'static [&'static str] = &[$($column),*];

            /// An activity from its values in the order of [`Self::COLUMNS`]; missing ones are empty.
            pub fn from_values<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
                let mut values = values.into_iter();
                Self { $($field: values.next().unwrap_or_default().to_owned(),)* }
            }

            /// An activity from what `value_of` yields for the members of the userinfo.
            pub fn from_claims(value_of: impl Fn(&str) -> String) -> Self {
                Self { $($field: value_of($claim),)* }
            }

            /// For the userinfo.
            pub fn claims(&self) -> ActivityClaims<'_> {
                ActivityClaims { $($field: &self.$field,)* }
            }

            /// The value of a column of the extraction; none where the column does not feed an activity.
            pub fn value_of(&self, column: &str) -> Option<&str> {
                match column { $($column => Some(&self.$field),)* _ => None }
            }

            fn values(&self) -> impl Iterator<Item = &str> {
                [$(self.$field.as_str()),*].into_iter()
            }
        }
    };
}

activity! {
    /// Mode of practice (TRE_R23): L, S, B.
    mode "codeModeExercice" "Code mode exercice";
    /// Sector (TRE_R02), such as SA01.
    sector "codeSecteurDactivite" "Code secteur d'activité";
    /// Section of the pharmacists' register (TRE_R06).
    pharmacist_section "codeSectionPharmacien" "Code section tableau pharmaciens";
    /// Role (TRE_R21, TRE_R85).
    role "codeRole" "Code rôle";
    /// Kind of activity (TRE_R22), such as GENR01.
    kind "codeGenreActivite" "Code genre activité";
    /// SIRET of the site.
    siret "numeroSiretSite" "Numéro SIRET site";
    /// SIREN of the site.
    siren "numeroSirenSite" "Numéro SIREN site";
    /// FINESS of the site.
    finess "numeroFinessSite" "Numéro FINESS site";
    /// FINESS of the legal entity.
    finess_legal "numeroFinessetablissementJuridique" "Numéro FINESS établissement juridique";
    /// Technical identifier of the structure: F + FINESS, R + RPPS rank, C + SIRET.
    structure_id "identifiantTechniqueDeLaStructure" "Identifiant technique de la structure";
    /// Name of the structure.
    structure_name "raisonSocialeSite" "Raison sociale site";
    /// Commercial name.
    commercial_name "enseigneCommercialeSite" "Enseigne commerciale site";
    /// Recipient's complement of the address.
    address_recipient "complementDestinataire" "Complément destinataire (coord. structure)";
    /// Geographic complement of the address.
    address_place "complementPointGeographique" "Complément point géographique (coord. structure)";
    /// Street number.
    street_number "numeroVoie" "Numéro Voie (coord. structure)";
    /// Repetition index of the street number.
    street_repetition "indiceRepetitionVoie" "Indice répétition voie (coord. structure)";
    /// Type of street.
    street_type "codeTypeDeVoie" "Code type de voie (coord. structure)";
    /// Name of the street.
    street_name "libelleVoie" "Libellé Voie (coord. structure)";
    /// Distribution mention.
    distribution "mentionDistribution" "Mention distribution (coord. structure)";
    /// Cedex office.
    cedex "bureauCedex" "Bureau cedex (coord. structure)";
    /// Postal code.
    postal_code "codePostal" "Code postal (coord. structure)";
    /// INSEE code of the commune.
    commune "codeCommune" "Code commune (coord. structure)";
    /// INSEE code of the country; 99000 is France.
    country "codePays" "Code pays (coord. structure)";
    /// Telephone.
    phone "telephone" "Téléphone (coord. structure)";
    /// Second telephone.
    phone_2 "telephone2" "Téléphone 2 (coord. structure)";
    /// Fax.
    fax "telecopie" "Télécopie (coord. structure)";
    /// E-mail of the structure.
    email "adresseEMail" "Adresse e-mail (coord. structure)";
    /// Département of the structure.
    departement "codeDepartement" "Code Département (structure)";
    /// National identifier of the structure (Struct_IdNat): 1 + FINESS, 3 + SIRET, 4 + RPPS rank.
    former_structure_id "ancienIdentifiantDeLaStructure" "Ancien identifiant de la structure";
    /// Registration authorities of person, practice and activity.
    authority "autoriteDenregistrement" "Autorité d'enregistrement";
}

impl ActivityClaims<'_> {
    /// The same activity at no structure: what remains is mode, sector, section, role, kind and authority.
    pub fn without_structure(self) -> Self {
        Self {
            mode: self.mode,
            sector: self.sector,
            pharmacist_section: self.pharmacist_section,
            role: self.role,
            kind: self.kind,
            authority: self.authority,
            ..ActivityClaims::NONE
        }
    }
}

impl Serialize for Activity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl From<String> for Activity {
    fn from(text: String) -> Self {
        Self::from_values(text.split('|'))
    }
}

impl Activity {
    /// The thirty values, joined by `|`.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(256);
        for (n, value) in self.values().enumerate() {
            if n > 0 {
                text.push('|');
            }
            // Only what was typed here can hold the separator: it would shift the values after it.
            if value.contains('|') {
                text.extend(value.chars().filter(|c| *c != '|'));
            } else {
                text.push_str(value);
            }
        }
        text
    }

    /// Whether this is the same activity, seen again in a row that differs in the skill. Where the structure has no
    /// technical identifier, everything must be equal.
    fn is_same(&self, other: &Self) -> bool {
        if self.structure_id.is_empty() {
            return self == other;
        }
        self.structure_id == other.structure_id
            && self.mode == other.mode
            && self.sector == other.sector
            && self.pharmacist_section == other.pharmacist_section
            && self.role == other.role
            && self.kind == other.kind
    }
}

/// A skill (savoir-faire): its type (TRE_R04) and code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill(
    /// S, C, CEX, CAPA, DNQ, OP, PAC, FQ, DEC.
    pub String,
    /// Such as SM26.
    pub String,
);

/// One practice (exercice): a profession in a category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Practice {
    /// Profession (TRE_G15, TRE_R95 …); empty for employees.
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    pub profession: String,
    /// Category (TRE_R09): C, M, E, F.
    #[serde(rename = "k", default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Civility of practice (TRE_R11): DR, PR …
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub civility: String,
    /// Family name in practice.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub family_name: String,
    /// Given name in practice.
    #[serde(rename = "g", default, skip_serializing_if = "String::is_empty")]
    pub given_name: String,
    /// The distinct skills in the order of the file. An empty one stands first where the first row had none.
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Skill>,
    /// The distinct activities in the order of the file.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub activities: Vec<Activity>,
    /// Which activity each row of the file named, where rows repeat one; empty where none does.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u32>,
}

impl Practice {
    /// The skill that is shown: the first of type S, CEX or PAC, as ANS's newer loader does; else the first.
    pub fn main_skill(&self) -> Option<&Skill> {
        let real = || self.skills.iter().filter(|skill| !skill.1.is_empty());
        real().find(|skill| matches!(skill.0.as_str(), "S" | "CEX" | "PAC")).or_else(|| real().next())
    }

    /// The skill of the first row, as PSC's loader does.
    pub fn first_skill(&self) -> Option<&Skill> {
        self.skills.first().filter(|skill| !skill.1.is_empty())
    }

    /// The activities one per row of the file, repeated as there.
    pub fn activities_by_row(&self) -> Vec<&Activity> {
        if self.rows.is_empty() {
            return self.activities.iter().collect();
        }
        self.rows.iter().filter_map(|n| self.activities.get(usize::try_from(*n).ok()?)).collect()
    }

    fn add_skill(&mut self, skill: Skill) {
        if !skill.1.is_empty() && !self.skills.contains(&skill) {
            if self.skills.is_empty() && !self.activities.is_empty() {
                self.skills.push(Skill::default());
            }
            self.skills.push(skill);
        }
    }

    fn add_activity(&mut self, activity: Activity) -> bool {
        let count = self.activities.len();
        if count.max(self.rows.len()) >= MOST_ACTIVITIES {
            return false;
        }
        match self.activities.iter().position(|known| known.is_same(&activity)) {
            Some(known) => {
                if self.rows.is_empty() {
                    self.rows = (0..u32::try_from(count).unwrap_or_default()).collect();
                }
                self.rows.push(u32::try_from(known).unwrap_or_default());
            }
            None => {
                if !self.rows.is_empty() {
                    self.rows.push(u32::try_from(count).unwrap_or_default());
                }
                self.activities.push(activity);
            }
        }
        true
    }
}

/// A professional: everything that the claims need but names and identifiers of the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Professional {
    /// Civility (TRE_R81): M, MME.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub civility: String,
    /// The practices, in the order of the file.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub practices: Vec<Practice>,
}

/// One row of the extraction, beyond the identifier.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Civility of the person.
    pub civility: String,
    /// Profession, category, civility and names in practice; without skills and activities.
    pub practice: Practice,
    /// The skill of the row; empty where it has none.
    pub skill: Skill,
    /// The activity of the row.
    pub activity: Activity,
}

impl Professional {
    /// Adds a row of the file. False where the person has more activities than anybody has: the row is not added.
    pub fn add(&mut self, row: Row) -> bool {
        if self.practices.is_empty() {
            self.civility = row.civility;
        }
        let (profession, category) = (&row.practice.profession, &row.practice.category);
        let known = self
            .practices
            .iter()
            .position(|known| known.profession == *profession && known.category == *category);
        let place = match known {
            Some(place) => place,
            None if self.practices.len() >= MOST_ACTIVITIES => return false,
            None => {
                self.practices.push(row.practice);
                self.practices.len() - 1
            }
        };
        let Some(practice) = self.practices.get_mut(place) else { return false };
        practice.add_skill(row.skill);
        practice.add_activity(row.activity)
    }

    /// Adds what a later part of the file says of the same person.
    pub fn absorb(&mut self, later: Self) {
        for practice in later.practices {
            let row = |skill: Skill, activity: Activity| Row {
                civility: later.civility.clone(),
                practice: Practice {
                    profession: practice.profession.clone(),
                    category: practice.category.clone(),
                    civility: practice.civility.clone(),
                    family_name: practice.family_name.clone(),
                    given_name: practice.given_name.clone(),
                    ..Practice::default()
                },
                skill,
                activity,
            };
            // Which skill came with which activity is not kept: only the order of each matters.
            let mut skills = practice.skills.iter().cloned();
            for activity in practice.activities_by_row() {
                self.add(row(skills.next().unwrap_or_default(), activity.clone()));
            }
            let known = self
                .practices
                .iter_mut()
                .find(|known| known.profession == practice.profession && known.category == practice.category);
            if let Some(known) = known {
                skills.for_each(|skill| known.add_skill(skill));
            }
        }
    }

    /// The first activity of the first practice: the one whose structure and sector are shown on top.
    pub fn first_activity(&self) -> Option<&Activity> {
        self.practices.first()?.activities.first()
    }

    /// The text that is kept in the database.
    pub fn to_text(&self) -> String {
        // A struct of texts and numbers has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text that [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(profession: &str, skill: (&str, &str), structure: &str) -> Row {
        Row {
            civility: "MME".into(),
            practice: Practice { profession: profession.into(), category: "C".into(), ..Practice::default() },
            skill: Skill(skill.0.into(), skill.1.into()),
            activity: Activity { mode: "S".into(), structure_id: structure.into(), ..Activity::default() },
        }
    }

    #[test]
    fn rows_are_grouped_by_profession_and_category_in_the_order_of_the_file() {
        let mut doctor = Professional::default();
        for row in [
            row("10", ("", ""), "F1"),
            row("10", ("C", "C01"), "F1"),
            row("21", ("", ""), "F9"),
            row("10", ("S", "SM26"), "F2"),
            row("10", ("C", "C01"), "F1"),
        ] {
            assert!(doctor.add(row));
        }
        assert_eq!(doctor.practices.len(), 2);
        let practice = &doctor.practices[0];
        let ids = |list: Vec<&Activity>| list.iter().map(|a| a.structure_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(practice.activities.iter().collect()), ["F1", "F2"]);
        assert_eq!(ids(practice.activities_by_row()), ["F1", "F1", "F2", "F1"]);
        assert_eq!(practice.main_skill().unwrap().1, "SM26");
        assert_eq!(practice.first_skill(), None);
        assert_eq!(Professional::from_text(&doctor.to_text()).unwrap(), doctor);
    }

    #[test]
    fn a_person_in_two_parts_of_the_file_is_the_same_as_in_one() {
        let rows = [
            row("10", ("", ""), "F1"),
            row("10", ("C", "C01"), "F1"),
            row("21", ("", ""), "F9"),
            row("10", ("S", "SM26"), "F2"),
            row("10", ("S", "SM26"), "F3"),
        ];
        for cut in 1..rows.len() {
            let [mut whole, mut first, mut second] = [(); 3].map(|()| Professional::default());
            for (n, row) in rows.iter().enumerate() {
                whole.add(row.clone());
                if n < cut { &mut first } else { &mut second }.add(row.clone());
            }
            first.absorb(second);
            assert_eq!(first, whole, "cut after {cut}");
        }
    }

    #[test]
    fn a_value_cannot_shift_the_ones_after_it() {
        let mut person = Professional::default();
        let mut row = row("", ("", ""), "F1");
        row.activity.structure_name = "A|B \"C\" D'E".into();
        row.activity.authority = "//".into();
        person.add(row);
        let read = Professional::from_text(&person.to_text()).unwrap();
        assert_eq!(read.first_activity().unwrap().structure_name, "AB \"C\" D'E");
        assert_eq!(read.first_activity().unwrap().authority, "//");
    }

    #[test]
    fn a_file_that_repeats_one_person_forever_is_stopped() {
        let mut person = Professional::default();
        let added = (0..5_000).filter(|_| person.add(row("10", ("", ""), "F1"))).count();
        assert_eq!(added, MOST_ACTIVITIES);
        let mut person = Professional::default();
        let added = (0..5_000).filter(|n| person.add(row("10", ("", ""), &n.to_string()))).count();
        assert_eq!(added, MOST_ACTIVITIES);
    }
}
