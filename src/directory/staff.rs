//! Professional data of staff who are not in the national directory, in the shape that PSC gives to employees
//! (types 3 and 5): mode `S`, one practice, one activity at the employer.

use super::model::{Activity, Practice, Professional};

/// What was entered of somebody.
#[derive(Debug, Clone, Default)]
pub struct Staff {
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    /// M, MME (TRE_R81).
    pub civility: String,
    /// DR, PR … (TRE_R11).
    pub practice_civility: String,
    /// Profession (TRE_G15 …), empty for most employees.
    pub profession: String,
    /// Category (TRE_R09); C where there is a profession.
    pub category: String,
    /// Role (TRE_R21, TRE_R85).
    pub role: String,
    /// Kind of activity (TRE_R22).
    pub kind: String,
    /// Sector (TRE_R02); else that of the structure.
    pub sector: String,
    /// The employer, `1` + FINESS or `3` + SIRET.
    pub structure: String,
    /// Name of the employer; else that of the structure.
    pub structure_name: String,
}

/// Why an entry is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaffError {
    /// Services need the sector.
    #[error(
        "the sector of the structure is not known yet: add --sector, such as SA01 (public hospital) or SA04 (private)"
    )]
    Sector,
    /// Services show the name.
    #[error("the name of the structure is not known yet: add --structure-name")]
    StructureName,
}

impl Staff {
    /// The professional, at a structure that the directory describes as `known`, if it does.
    ///
    /// # Errors
    /// [`StaffError`]: what is missing.
    pub fn professional(self, known: Option<&Activity>) -> Result<Professional, StaffError> {
        let mut activity = known.cloned().unwrap_or_else(|| at(&self.structure));
        let replace = |value: &mut String, by: String| {
            if !by.is_empty() {
                *value = by;
            }
        };
        replace(&mut activity.sector, self.sector);
        replace(&mut activity.structure_name, self.structure_name);
        if activity.sector.is_empty() {
            return Err(StaffError::Sector);
        }
        if activity.structure_name.is_empty() {
            return Err(StaffError::StructureName);
        }
        activity.mode = "S".into();
        activity.role = self.role;
        activity.kind = self.kind;
        // Those are of the professional in whose row the structure was seen.
        activity.pharmacist_section = String::new();
        activity.authority = String::new();
        let category =
            if self.category.is_empty() && !self.profession.is_empty() { "C".into() } else { self.category };
        let practice = Practice {
            profession: self.profession,
            category,
            civility: self.practice_civility,
            family_name: self.family_name,
            given_name: self.given_name,
            activities: vec![activity],
            ..Practice::default()
        };
        Ok(Professional { civility: self.civility, practices: vec![practice] })
    }
}

/// An activity at a structure of which only the number is known.
fn at(structure: &str) -> Activity {
    let number = structure.get(1..).unwrap_or_default().to_owned();
    let former_structure_id = structure.to_owned();
    match structure.get(..1) {
        Some("1") => Activity {
            structure_id: format!("F{number}"),
            finess: number,
            former_structure_id,
            ..Activity::default()
        },
        Some("3") => Activity {
            structure_id: format!("C{number}"),
            siren: number.get(..9).unwrap_or_default().to_owned(),
            siret: number,
            former_structure_id,
            ..Activity::default()
        },
        _ => Activity::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_employee_gets_the_structure_of_their_number() {
        let staff = Staff {
            structure: "10B0168811".into(),
            structure_name: "HOPITAL GENERIQUE".into(),
            sector: "SA01".into(),
            ..Staff::default()
        };
        let professional = staff.clone().professional(None).unwrap();
        let activity = professional.first_activity().unwrap();
        assert_eq!(
            (activity.structure_id.as_str(), activity.finess.as_str(), activity.former_structure_id.as_str()),
            ("F0B0168811", "0B0168811", "10B0168811")
        );
        assert_eq!(professional.practices[0].profession, "");
        let missing = Staff { sector: String::new(), ..staff.clone() }.professional(None);
        assert_eq!(missing, Err(StaffError::Sector));
        let missing = Staff { structure_name: String::new(), ..staff }.professional(None);
        assert_eq!(missing, Err(StaffError::StructureName));
    }

    #[test]
    fn what_the_directory_knows_of_the_structure_is_taken_but_not_what_it_says_of_the_person() {
        let known = Activity {
            mode: "L".into(),
            sector: "SA04".into(),
            structure_name: "CLINIQUE".into(),
            pharmacist_section: "D".into(),
            role: "FON-01".into(),
            authority: "CNOP/CNOP/ARS".into(),
            ..at("10B0168811")
        };
        let staff = Staff { structure: "10B0168811".into(), role: "350".into(), ..Staff::default() };
        let professional = staff.professional(Some(&known)).unwrap();
        let activity = professional.first_activity().unwrap();
        assert_eq!((activity.mode.as_str(), activity.role.as_str()), ("S", "350"));
        assert_eq!((activity.sector.as_str(), activity.structure_name.as_str()), ("SA04", "CLINIQUE"));
        assert_eq!((activity.pharmacist_section.as_str(), activity.authority.as_str()), ("", ""));
    }
}
