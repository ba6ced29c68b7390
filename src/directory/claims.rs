//! The userinfo of Pro Santé Connect, from what the directory knows.
//!
//! Members, order and constants are those of the answers that PSC's test platform gave to published integrations
//! (`docs/psc.md`): what is not known is an empty string, never null and never absent. Relying parties read these
//! members by name and some compare them, so nothing is renamed, added inside or left out.

use serde::Serialize;

use super::Subject;
use super::model::{ActivityClaims, Practice, Professional};

/// Code system of sectors, TRE_R02.
const SECTOR_OID: &str = "1.2.250.1.71.4.2.4";
/// Value set JDV_J65-SubjectRole-DMP: what PSC appends to a profession, although the code system is TRE_G15.
const ROLE_OID: &str = "1.2.250.1.213.1.1.5.5";
/// Code system of levels, TRE_R231.
const LEVEL_OID: &str = "1.2.250.1.213.1.5.1.1.1";
const PSI_LOCALE: &str = "1.2.250.1.213.1.3.1.1";

/// What the provider and the relying party choose.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// `CARD` or `MOBILE`; the member is absent where none.
    pub auth_mode: Option<&'a str>,
    /// Level of authentication, TRE_R231; the member is absent where none of its levels was reached.
    pub level: Option<&'a str>,
    /// Repeat what PSC's loader does where it loses data: the skill of the first row only, an activity once per row,
    /// no structure without a technical identifier.
    pub psc_strict: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { auth_mode: None, level: Some("APPPRIP3"), psc_strict: false }
    }
}

/// The userinfo, in PSC's order.
#[derive(Debug, Serialize)]
pub struct UserInfo<'a> {
    #[serde(rename = "Secteur_Activite")]
    sector: String,
    sub: &'a str,
    #[serde(rename = "SubjectOrganization")]
    organization: &'a str,
    #[serde(rename = "Mode_Acces_Raison")]
    access_reason: &'static str,
    preferred_username: &'a str,
    given_name: &'a str,
    #[serde(rename = "Acces_Regulation_Medicale")]
    medical_regulation: &'static str,
    #[serde(rename = "UITVersion")]
    version: &'static str,
    #[serde(rename = "authMode", skip_serializing_if = "Option::is_none")]
    auth_mode: Option<&'a str>,
    #[serde(rename = "Palier_Authentification", skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    #[serde(rename = "SubjectRefPro")]
    professional: ProfessionalClaims<'a>,
    #[serde(rename = "SubjectOrganizationID")]
    organization_id: &'a str,
    #[serde(rename = "SubjectRole")]
    roles: Vec<String>,
    #[serde(rename = "PSI_Locale")]
    psi_locale: &'static str,
    #[serde(rename = "otherIds")]
    other_ids: Vec<OtherId<'a>>,
    #[serde(rename = "SubjectNameID")]
    name_id: &'a str,
    family_name: &'a str,
    // Seen on top in answers of 2023, besides the ones further down.
    #[serde(rename = "codeCivilite")]
    civility: &'a str,
    #[serde(rename = "codeGenreActivite")]
    activity_kind: &'a str,
}

#[derive(Debug, Serialize)]
struct ProfessionalClaims<'a> {
    #[serde(rename = "codeCivilite")]
    civility: &'a str,
    exercices: Vec<PracticeClaims<'a>>,
}

#[derive(Debug, Serialize)]
struct PracticeClaims<'a> {
    #[serde(rename = "codeProfession")]
    profession: &'a str,
    #[serde(rename = "codeCategorieProfessionnelle")]
    category: &'a str,
    #[serde(rename = "codeCiviliteDexercice")]
    civility: &'a str,
    #[serde(rename = "nomDexercice")]
    family_name: &'a str,
    #[serde(rename = "prenomDexercice")]
    given_name: &'a str,
    #[serde(rename = "codeTypeSavoirFaire")]
    skill_type: &'a str,
    #[serde(rename = "codeSavoirFaire")]
    skill: &'a str,
    activities: Vec<ActivityClaims<'a>>,
}

#[derive(Debug, Serialize)]
struct OtherId<'a> {
    identifiant: &'a str,
    origine: &'static str,
    qualite: i64,
}

/// The userinfo of `subject`, whom the relying party knows as `sub`.
pub fn userinfo<'a>(subject: &'a Subject, sub: &'a str, options: Options<'a>) -> UserInfo<'a> {
    let professional = &subject.professional;
    let first = professional.first_activity();
    let of_first = |value: fn(&super::Activity) -> &str| first.map(value).unwrap_or_default();
    let sector = of_first(|activity| &activity.sector);
    let hidden = options.psc_strict && of_first(|activity| &activity.structure_id).is_empty();
    UserInfo {
        sector: coded(sector, SECTOR_OID),
        sub,
        organization: if hidden { "" } else { of_first(|activity| &activity.structure_name) },
        access_reason: "",
        preferred_username: subject.id_nat.as_str(),
        given_name: &subject.given_name,
        medical_regulation: "FAUX",
        version: "1.0",
        auth_mode: options.auth_mode,
        level: options.level.map(|level| coded(level, LEVEL_OID)),
        professional: ProfessionalClaims {
            civility: &professional.civility,
            exercices: professional.practices.iter().map(|it| practice(it, options.psc_strict)).collect(),
        },
        organization_id: of_first(|activity| &activity.structure_id),
        roles: roles(professional),
        psi_locale: PSI_LOCALE,
        other_ids: subject
            .identifiers
            .iter()
            .map(|id| OtherId { identifiant: id.as_str(), origine: id.origin(), qualite: id.quality() })
            .collect(),
        name_id: subject.id_nat.as_str(),
        family_name: &subject.family_name,
        civility: &professional.civility,
        activity_kind: of_first(|activity| &activity.kind),
    }
}

fn practice(practice: &Practice, psc_strict: bool) -> PracticeClaims<'_> {
    let skill = if psc_strict { practice.first_skill() } else { practice.main_skill() };
    let (skill_type, skill) = skill.map_or(("", ""), |skill| (skill.0.as_str(), skill.1.as_str()));
    let activities = if psc_strict {
        practice
            .activities_by_row()
            .into_iter()
            .map(|activity| {
                let claims = activity.claims();
                if activity.structure_id.is_empty() { claims.without_structure() } else { claims }
            })
            .collect()
    } else {
        practice.activities.iter().map(super::Activity::claims).collect()
    };
    PracticeClaims {
        profession: &practice.profession,
        category: &practice.category,
        civility: &practice.civility,
        family_name: &practice.family_name,
        given_name: &practice.given_name,
        skill_type,
        skill,
        activities,
    }
}

/// One role per profession. An employee without one is named by the role of their activity, which is in the same value
/// set; without that there is none.
fn roles(professional: &Professional) -> Vec<String> {
    let mut roles = Vec::new();
    for practice in &professional.practices {
        let first = practice.activities.first();
        let code = match practice.profession.as_str() {
            "" => first.map_or("", |activity| activity.role.as_str()),
            code => code,
        };
        let role = coded(code, ROLE_OID);
        if !role.is_empty() && !roles.contains(&role) {
            roles.push(role);
        }
    }
    roles
}

fn coded(code: &str, oid: &str) -> String {
    if code.is_empty() { String::new() } else { format!("{code}^{oid}") }
}

#[cfg(test)]
mod tests;
