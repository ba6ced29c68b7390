//! `sceau person`: the people of this establishment, above all those who are not in the national directory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use clap::{Args, Subcommand};

use super::arguments::{Moment, cell, written};
use super::role::RoleCommand;
use super::{Context, Failure, person_mail, person_merge};
use crate::audit::{Event, Kind};
use crate::clock::Time;
use crate::directory::identifier::{IdError, is_finess, is_siret};
use crate::directory::model::{Activity, Professional};
use crate::directory::staff::Staff;
use crate::directory::{NationalId, subject};
use crate::ids::PersonId;
use crate::store;
use crate::store::person::{NewAffiliation, NewPerson, Person, Source};
use crate::store::upstream_link;

/// Arguments of `sceau person`.
#[derive(Debug, Args)]
pub(super) struct PersonArguments {
    #[command(subcommand)]
    command: PersonCommand,
}

#[derive(Debug, Subcommand)]
enum PersonCommand {
    /// Link somebody with this establishment, and enter them if the directory does not know them.
    Add(Box<Add>),
    /// Show everything that is known of somebody.
    Show {
        /// National identifier, or our own key.
        person: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List people by name.
    List {
        /// Part of a name or identifier.
        #[arg(default_value = "")]
        text: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Give somebody another national identifier, or take one away.
    Identify {
        /// National identifier, or our own key.
        person: String,
        /// The identifier.
        #[arg(value_parser = identifier)]
        id: NationalId,
        /// Take it away, unless it is the only one; the person's sessions end.
        #[arg(long)]
        remove: bool,
    },
    /// Make two people one, who are one human: identifiers, identities at other providers, links and cards of the second
    /// become those of the first. The second's sessions end, its security keys and phones are revoked, and it is disabled.
    Merge {
        /// Who is kept: national identifier, or our own key.
        kept: String,
        /// Who is the same human: national identifier, or our own key.
        other: String,
        /// Why, for the audit.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End the links that were made by hand, and with the last link the sessions.
    Unlink {
        /// National identifier, or our own key.
        person: String,
        /// Why, for the audit.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Refuse sign-in to somebody at once, and end their sessions.
    Disable {
        /// National identifier, or our own key.
        person: String,
        /// Why, for the audit.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Set the mail address that notices to somebody go to. You answer for it: no code is asked for.
    Mail {
        /// National identifier, or our own key.
        person: String,
        /// The address; without it, the one that is set is printed.
        address: Option<String>,
        /// Language of the notices.
        #[arg(long, default_value = "fr", value_parser = ["fr", "en"])]
        language: String,
        /// Forget the address.
        #[arg(long, conflicts_with = "address")]
        remove: bool,
    },
    /// Let somebody sign in again who was disabled.
    Enable {
        /// National identifier, or our own key.
        person: String,
    },
    /// Roles: who works at the desk, administers, or looks at the audit.
    #[command(subcommand)]
    Role(RoleCommand),
}

#[derive(Debug, Args)]
struct Add {
    /// National identifier: 3FINESS/REGISTER or 5SIRET/REGISTER for staff, 8RPPS for professionals.
    #[arg(value_parser = identifier)]
    id: NationalId,
    /// Family name; needed where the directory does not know the person.
    #[arg(long)]
    family_name: Option<String>,
    /// Given name; needed where the directory does not know the person.
    #[arg(long)]
    given_name: Option<String>,
    /// M or MME.
    #[arg(long, default_value = "", value_parser = code)]
    civility: String,
    /// DR, PR, …
    #[arg(long, default_value = "", value_parser = code)]
    practice_civility: String,
    /// Code of the profession (TRE_G15), such as 60; most employees have none.
    #[arg(long, default_value = "", value_parser = code)]
    profession: String,
    /// Category: C civil, M military, E student; C where there is a profession.
    #[arg(long, default_value = "", value_parser = code)]
    category: String,
    /// Code of the role (TRE_R21, TRE_R85).
    #[arg(long, default_value = "", value_parser = code)]
    role: String,
    /// Code of the kind of activity (TRE_R22), such as GENR01.
    #[arg(long, default_value = "", value_parser = code)]
    activity_kind: String,
    /// Sector of the structure (TRE_R02), such as SA01; known after an import.
    #[arg(long, default_value = "", value_parser = code)]
    sector: String,
    /// Name of the structure; known after an import.
    #[arg(long, default_value = "")]
    structure_name: String,
    /// FINESS number of the structure, where the identifier does not hold it.
    #[arg(long, value_name = "NUMBER", conflicts_with = "siret")]
    finess: Option<String>,
    /// SIRET number of the structure, where the identifier does not hold it.
    #[arg(long, value_name = "NUMBER")]
    siret: Option<String>,
    /// First day of the link; else from now on.
    #[arg(long)]
    from: Option<Moment>,
    /// When the link ends, for an internship or a replacement.
    #[arg(long)]
    until: Option<Moment>,
}

impl PersonArguments {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self.command {
            PersonCommand::Add(command) => command.run(&context).await,
            PersonCommand::Show { person, json } => show(&context, &person, json).await,
            PersonCommand::List { text, limit } => list(&context, &text, limit).await,
            PersonCommand::Identify { person, id, remove: false } => identify(&context, &person, &id).await,
            PersonCommand::Identify { person, id, remove: true } => {
                take_away(&context, &person, &id).await.map(|said| print!("{said}"))
            }
            PersonCommand::Merge { kept, other, reason } => {
                person_merge::run(&context, &kept, &other, &reason).await
            }
            PersonCommand::Unlink { person, reason } => unlink(&context, &person, &reason).await,
            PersonCommand::Disable { person, reason } => disable(&context, &person, &reason).await,
            PersonCommand::Mail { person, address, language, remove } => {
                person_mail::run(&context, &person, address.as_deref(), language, remove).await
            }
            PersonCommand::Enable { person } => enable(&context, &person).await,
            PersonCommand::Role(command) => command.run(&context).await,
        };
        context.db.close().await;
        done
    }
}

/// The person with that national identifier or key.
pub(super) async fn find(context: &Context, text: &str) -> Result<Person, Failure> {
    let by_identifier = store::person::by_identifier(&context.db, text).await?;
    let found = match (by_identifier, text.parse::<PersonId>()) {
        (None, Ok(id)) => store::person::by_id(&context.db, id).await?,
        (found, _) => found,
    };
    found.ok_or_else(|| Failure::new("PERSON-012", format!("nobody here has the identifier {text:?}")))
}

pub(super) fn event(context: &Context, kind: Kind, person: PersonId, note: &str) -> Event {
    let event = context.event(kind).person(person);
    if note.is_empty() { event } else { event.note(note) }
}

fn wrong(sentence: impl Into<String>) -> Failure {
    Failure::new("PERSON-013", sentence)
}

fn identifier(text: &str) -> Result<NationalId, String> {
    text.parse().map_err(|error: IdError| format!("{error} ({})", error.code()))
}

/// A code of a nomenclature. Which codes exist is not checked: ANS adds some every month.
fn code(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if text.len() <= 16 && text.bytes().all(good) {
        return Ok(text.to_owned());
    }
    Err("a code has at most 16 capital letters and digits".to_owned())
}

impl Add {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let now = context.clock.now();
        for warning in self.id.warnings() {
            eprintln!("sceau: warning: {warning}");
        }
        let link = self.link(now)?;
        if let Some(person) = store::person::by_identifier(&context.db, self.id.as_str()).await? {
            return relink(context, &person, &link, now).await;
        }
        let entry = store::directory::entry(&context.db, self.id.as_str()).await?;
        let (from_directory, known) = match &entry {
            Some(entry) => (true, (entry.family_name.as_str(), entry.given_name.as_str())),
            None => (false, ("", "")),
        };
        let family_name = name(self.family_name.as_deref(), known.0, "--family-name")?;
        let given_name = name(self.given_name.as_deref(), known.1, "--given-name")?;
        let id = self.id.clone();
        let professional = if from_directory {
            None
        } else {
            Some(self.professional(context, &family_name, &given_name, &link.structure).await?.to_text())
        };
        let person = NewPerson {
            id: PersonId::new(now, &*context.random),
            family_name,
            given_name,
            professional,
            identifiers: vec![id.clone()],
            affiliations: vec![link],
        };
        let event = event(context, Kind::PersonAdded, person.id, "").id_nat(id.as_str());
        store::person::add(&context.db, &person, now, &*context.random, &event).await?;
        let source = if from_directory { "known to the directory" } else { "not in the directory" };
        println!("{}  {} {} ({source})", person.id, cell(&person.given_name), cell(&person.family_name));
        Ok(())
    }

    fn link(&self, now: Time) -> Result<NewAffiliation, Failure> {
        let structure = match (&self.finess, &self.siret) {
            (Some(number), _) if is_finess(number) => format!("1{number}"),
            (Some(number), _) => {
                return Err(wrong(format!("{number:?} is not a FINESS number: it has 9 characters")));
            }
            (_, Some(number)) if is_siret(number) => format!("3{number}"),
            (_, Some(number)) => {
                return Err(wrong(format!("{number:?} is not a SIRET number: it has 14 digits")));
            }
            (None, None) => self.id.employer().unwrap_or_default(),
        };
        let started_at = self.from.map_or(now, |moment| moment.at(now));
        let ended_at = self.until.map(|moment| moment.at(now));
        if ended_at.is_some_and(|end| end <= started_at || end <= now) {
            return Err(wrong("the link would be over before it begins: look at --from and --until"));
        }
        Ok(NewAffiliation { source: Source::Desk, structure, started_at, ended_at })
    }

    async fn professional(
        self,
        context: &Context,
        family_name: &str,
        given_name: &str,
        structure: &str,
    ) -> Result<Professional, Failure> {
        let structures = store::directory::structures(&context.db).await?;
        let known = match (structure, structures.as_slice()) {
            // An establishment with one structure has no choice.
            ("", [only]) => Some(only),
            _ => structures.iter().find(|(known, _)| known == structure),
        };
        let activity =
            known.filter(|(_, text)| !text.is_empty()).map(|(_, text)| Activity::from(text.clone()));
        let staff = Staff {
            family_name: family_name.to_owned(),
            given_name: given_name.to_owned(),
            civility: self.civility,
            practice_civility: self.practice_civility,
            profession: self.profession,
            category: self.category,
            role: self.role,
            kind: self.activity_kind,
            sector: self.sector,
            structure: known.map_or(structure, |(known, _)| known).to_owned(),
            structure_name: self.structure_name,
        };
        staff.professional(activity.as_ref()).map_err(|error| wrong(error.to_string()))
    }
}

fn name(given: Option<&str>, known: &str, option: &str) -> Result<String, Failure> {
    let name = given.unwrap_or(known).trim();
    if name.is_empty() {
        return Err(wrong(format!("the directory does not know this person: add {option}")));
    }
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(wrong(format!("{option} has more than 100 characters, or some that no name has")));
    }
    Ok(name.to_owned())
}

/// Somebody we know already: a new link, unless there is one by hand.
async fn relink(context: &Context, person: &Person, link: &NewAffiliation, now: Time) -> Result<(), Failure> {
    let links = store::person::affiliations(&context.db, person.id).await?;
    let runs = |end: Option<Time>| end.is_none_or(|end| end > now);
    if links.iter().any(|link| link.source == Source::Desk && runs(link.ended_at)) {
        let name = format!("{} {}", cell(&person.given_name), cell(&person.family_name));
        return Err(Failure::new(
            "PERSON-011",
            format!("{name} ({}) has this identifier already", person.id),
        ));
    }
    let event = event(context, Kind::AffiliationStarted, person.id, "desk");
    store::person::affiliate(&context.db, person.id, link, now, &*context.random, &event).await?;
    println!("{}  was known, and is linked with this establishment now", person.id);
    if person.disabled_at.is_some() {
        eprintln!("sceau: warning: the person is disabled: sceau person enable");
    }
    Ok(())
}

async fn show(context: &Context, text: &str, json: bool) -> Result<(), Failure> {
    let person = find(context, text).await?;
    let links = store::person::affiliations(&context.db, person.id).await?;
    let identifiers = store::person::identifiers(&context.db, person.id).await?;
    let told: BTreeMap<String, String> =
        store::person::told_identifiers(&context.db, person.id).await?.into_iter().collect();
    let sessions = store::session::running_of(&context.db, person.id).await?.len();
    let roles: Vec<_> = store::role::list(&context.db, Some(person.id))
        .await?
        .iter()
        .map(|granted| granted.role.as_str())
        .collect();
    let professional =
        subject(&context.db, person.id, context.clock.now()).await?.map(|subject| subject.professional);
    let professional = professional.unwrap_or_default();
    let time = |time: Time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    if json {
        let links = links.iter().map(|link| {
            serde_json::json!({
                "source": link.source.as_str(), "structure": link.structure, "started_at": link.started_at,
                "ended_at": link.ended_at, "end_reason": link.end_reason,
            })
        });
        let object = serde_json::json!({
            "id": person.id,
            "family_name": person.family_name,
            "given_name": person.given_name,
            "identifiers": identifiers.iter().map(NationalId::as_str).collect::<Vec<_>>(),
            "identifiers_told_by": told,
            "disabled_at": person.disabled_at,
            "disabled_reason": person.disabled_reason,
            "links": links.collect::<Vec<_>>(),
            "running_sessions": sessions,
            "roles": roles,
            "professional": professional,
            "professional_origin": person.professional_origin,
        });
        return written(writeln!(io::stdout(), "{object:#}"));
    }
    let mut out = format!("{}  {} {}\n", person.id, cell(&person.given_name), cell(&person.family_name));
    for id in &identifiers {
        let told_by = told.get(id.as_str()).map(|issuer| format!(", told by {}", cell(issuer)));
        let _ = writeln!(out, "  identifier  {id} ({}){}", id.origin(), told_by.unwrap_or_default());
    }
    if let Some(disabled) = person.disabled_at {
        let reason = person.disabled_reason.as_deref().map(cell).unwrap_or_default();
        let _ = writeln!(out, "  DISABLED    since {} {reason}", time(disabled));
    }
    for link in &links {
        let end = match link.ended_at {
            Some(end) => {
                format!(" until {} {}", time(end), link.end_reason.as_deref().map(cell).unwrap_or_default())
            }
            None => String::new(),
        };
        let source = link.source.as_str();
        let _ = writeln!(
            out,
            "  link        {source} {} from {}{end}",
            cell(&link.structure),
            time(link.started_at)
        );
    }
    if !roles.is_empty() {
        let _ = writeln!(out, "  roles       {}", roles.join(" "));
    }
    let _ = writeln!(out, "  sessions    {sessions} running");
    if !person.professional_origin.is_empty() {
        let _ = writeln!(out, "  told by     {}", cell(&person.professional_origin));
    }
    out.push_str(&practices(&professional));
    written(io::stdout().write_all(out.as_bytes()))
}

/// Practices and activities, one line each.
pub(super) fn practices(professional: &Professional) -> String {
    let mut out = String::new();
    for practice in &professional.practices {
        let skills: Vec<_> = practice.skills.iter().map(|skill| format!("{}/{}", skill.0, skill.1)).collect();
        let profession = if practice.profession.is_empty() { "none" } else { &practice.profession };
        let _ = writeln!(
            out,
            "  profession  {} {} {} {}",
            cell(profession),
            cell(&practice.category),
            cell(&practice.civility),
            cell(&skills.join(" "))
        );
        for activity in &practice.activities {
            let _ = writeln!(
                out,
                "    {} {} {} {}",
                cell(&activity.mode),
                cell(&activity.sector),
                cell(&activity.structure_id),
                cell(&activity.structure_name)
            );
        }
    }
    out
}

async fn list(context: &Context, text: &str, limit: u32) -> Result<(), Failure> {
    let people = store::person::list(&context.db, text, i64::from(limit), context.clock.now()).await?;
    let mut out = String::new();
    for person in &people {
        let state = match (person.disabled, person.affiliated) {
            (true, _) => "disabled",
            (false, true) => "linked",
            (false, false) => "no link",
        };
        let name = format!("{} {}", cell(&person.family_name), cell(&person.given_name));
        let _ = writeln!(out, "{:<28} {state:<9} {name}", cell(&person.id_nat));
    }
    if people.len() == usize::try_from(limit).unwrap_or(usize::MAX) {
        let _ = writeln!(out, "… and perhaps more: --limit");
    }
    written(io::stdout().write_all(out.as_bytes()))
}

async fn identify(context: &Context, text: &str, id: &NationalId) -> Result<(), Failure> {
    let person = find(context, text).await?;
    for warning in id.warnings() {
        eprintln!("sceau: warning: {warning}");
    }
    let event = event(context, Kind::PersonIdentified, person.id, "").id_nat(id.as_str());
    match store::person::identify(&context.db, person.id, id, context.clock.now(), &event).await {
        Err(error) if error.is_duplicate() => {
            Err(Failure::new("PERSON-011", format!("somebody has the identifier {id} already")))
        }
        result => Ok(result?),
    }
}

/// Yields what there is to say, in lines.
async fn take_away(context: &Context, text: &str, id: &NationalId) -> Result<String, Failure> {
    let person = find(context, text).await?;
    let event = event(context, Kind::PersonIdentified, person.id, "taken away").id_nat(id.as_str());
    let (now, random) = (context.clock.now(), &*context.random);
    match store::person::take_identifier_away(&context.db, person.id, id, now, random, &event).await? {
        true => Ok(format!(
            "{id} is theirs no more; their sessions have ended\n{}",
            what_stays(context, person.id).await?
        )),
        false => Err(wrong(format!("{id} is not an identifier of this person, or their only one"))),
    }
}

/// What somebody has kept who has lost an identifier and may have it by that one, and what to do about it, in lines.
async fn what_stays(context: &Context, person: PersonId) -> Result<String, Failure> {
    let db = &context.db;
    let mut out = String::new();
    for link in upstream_link::of_person(db, person).await? {
        let named = context.config.upstreams.iter().find(|(_, settings)| settings.issuer == link.issuer);
        let provider = named.map_or(link.issuer.as_str(), |(name, _)| name);
        let (name, subject) = (cell(link.name()), cell(&link.subject));
        let _ = writeln!(
            out,
            "  identity {subject} at {name}: sceau upstream unlink {person} {provider} --reason …"
        );
    }
    for (value, issuer) in store::person::told_identifiers(db, person).await? {
        let issuer = cell(&issuer);
        let _ = writeln!(out, "  {value}, told by {issuer}: sceau person identify {person} {value} --remove");
    }
    let means = store::means::of_person(db, person).await?;
    let good = means.iter().filter(|means| means.revoked_at.is_none()).count();
    if good > 0 {
        let _ =
            writeln!(out, "  means of identification, {good}: sceau means list {person}; sceau means revoke");
    }
    if out.is_empty() {
        return Ok(out);
    }
    Ok(format!(
        "they keep what follows: take away what is not theirs, identities first, since what a provider still lists comes \
         back at the next sign-in there\n{out}"
    ))
}

async fn unlink(context: &Context, text: &str, reason: &str) -> Result<(), Failure> {
    let person = find(context, text).await?;
    let now = context.clock.now();
    let (mut ended, mut left) = (0, 0);
    for link in store::person::affiliations(&context.db, person.id).await? {
        if link.ended_at.is_some_and(|end| end <= now) {
            continue;
        }
        if link.source != Source::Desk {
            left += 1;
            continue;
        }
        let event = event(context, Kind::AffiliationEnded, person.id, reason);
        let random = &*context.random;
        let done =
            store::person::end_affiliation(&context.db, person.id, link.id, reason, now, random, &event);
        ended += usize::from(done.await?);
    }
    println!("{ended} links ended");
    if left > 0 {
        println!(
            "{left} more come from the directory or the list, and end with the next import that does not name the person; \
             sceau person disable refuses sign-in at once"
        );
    }
    Ok(())
}

async fn disable(context: &Context, text: &str, reason: &str) -> Result<(), Failure> {
    let person = find(context, text).await?;
    let event = event(context, Kind::PersonDisabled, person.id, reason);
    let now = context.clock.now();
    match store::person::disable(&context.db, person.id, reason, now, &*context.random, &event).await? {
        Some(sessions) => println!("disabled; {} sessions ended", sessions.len()),
        None => println!("was disabled already"),
    }
    Ok(())
}

async fn enable(context: &Context, text: &str) -> Result<(), Failure> {
    let person = find(context, text).await?;
    let event = event(context, Kind::PersonEnabled, person.id, "");
    let changed = store::person::enable(&context.db, person.id, &event).await?;
    println!("{}", if changed { "enabled" } else { "was not disabled" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use clap::Parser as _;

    use crate::audit::Kind;
    use crate::cli::server::{Context, ServerCli};
    use crate::directory::synthetic;
    use crate::store;
    use crate::store::upstream_link::{self, NewLink};

    /// The directory of an installation, with its configuration.
    fn installation() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let issuer = "http://localhost:8080/auth/realms/esante-wallet";
        let state = dir.path().join("state");
        let config = format!(
            "config_version = 1\n[server]\nissuer = \"{issuer}\"\nstate_dir = \"{}\"\n",
            state.display()
        );
        std::fs::write(dir.path().join("sceau.toml"), config).unwrap();
        dir
    }

    /// Runs a command with that configuration.
    async fn sceau(config: &str, arguments: &[&str]) -> ExitCode {
        let line = ["sceau", "--config", config].into_iter().chain(arguments.iter().copied());
        ServerCli::try_parse_from(line).map_err(|error| error.to_string()).unwrap().run().await
    }

    /// The day of an administrator: import, add, disable, unlink, look at the trail; and mistakes that are refused.
    #[tokio::test(flavor = "multi_thread")]
    async fn people_are_looked_after_from_the_command_line() {
        let dir = installation();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let sceau = async |arguments: &[&str]| sceau(&path("sceau.toml"), arguments).await;
        let (sample, hospital) = (path("sample.txt"), synthetic::finess(1));
        let employee = format!("3{hospital}/CPET00001");
        let again = format!("3{hospital}/CPET00002");
        let good: &[&[&str]] = &[
            &["init"],
            &["directory", "status"],
            &["directory", "sample", &sample, "--people", "5000"],
            &["directory", "import", &sample, "--finess", &hospital],
            &["directory", "status"],
            &["directory", "show", &synthetic::id_nat(4)],
            &[
                "person",
                "add",
                &employee,
                "--family-name",
                "CPET",
                "--given-name",
                "AGENT",
                "--civility",
                "MME",
            ],
            &["person", "add", &synthetic::id_nat(4), "--until", "2099-01-01"],
            &["person", "identify", &employee, "ANS20210107161422"],
            &["person", "show", "ANS20210107161422"],
            &["person", "show", &employee, "--json"],
            &["person", "add", &again, "--family-name", "CPET", "--given-name", "AGENT"],
            &["person", "merge", &employee, &again, "--reason", "one human"],
            &["person", "show", &again],
            &["person", "identify", &employee, &again, "--remove"],
            &["person", "list", "cpet"],
            &["person", "role", "grant", &employee, "desk"],
            &["person", "role", "grant", &employee, "auditor"],
            &["person", "role", "list", &employee],
            &["person", "role", "list"],
            &["person", "role", "revoke", &employee, "desk"],
            &["person", "disable", &employee, "--reason", "left"],
            &["person", "disable", &employee],
            &["person", "enable", &employee],
            &["person", "unlink", &employee],
            &["audit", "list", "--person", &employee, "--kind", "person.added", "--since", "1h"],
            &["audit", "list", "--json", "--outcome", "success", "--limit", "3"],
            &["audit", "export", "--output", &path("audit.jsonl")],
            &["audit", "verify"],
            &["audit", "verify", "--json"],
        ];
        for arguments in good {
            assert_eq!(sceau(arguments).await, ExitCode::SUCCESS, "{arguments:?}");
        }
        let refused: &[&[&str]] = &[
            &["directory", "sample", &sample],
            &["directory", "import", &path("nowhere.txt")],
            &["directory", "import", &path("sceau.toml")],
            &["directory", "show", "899700000000"],
            &["person", "show", "899700000000"],
            &["person", "role", "grant", "899700000000", "desk"],
            &["person", "role", "grant", &employee, "auditor"],
            &["person", "role", "revoke", &employee, "desk"],
            &["person", "add", &synthetic::id_nat(4)],
            &["person", "add", "30B9999999/1", "--family-name", "A", "--given-name", "B"],
            &["person", "add", "30B0000001/1", "--family-name", "A"],
            &[
                "person",
                "add",
                "30B0000001/1",
                "--family-name",
                "A",
                "--given-name",
                "B",
                "--until",
                "2020-01-01",
            ],
            &["person", "add", "30B0000001/1", "--family-name", "A\u{7}", "--given-name", "B"],
            &["person", "identify", &employee, &synthetic::id_nat(4)],
            &["person", "identify", &employee, &again, "--remove"],
            &["person", "merge", &employee, "ANS20210107161422"],
            &["person", "merge", &employee, "899700000000"],
            &["audit", "export", "--output", &path("audit.jsonl")],
        ];
        for arguments in refused {
            assert_eq!(sceau(arguments).await, ExitCode::FAILURE, "{arguments:?}");
        }
        let context = Context::open(path("sceau.toml").as_ref()).await.unwrap();
        let person = store::person::by_identifier(&context.db, &employee).await.unwrap().unwrap();
        let links = store::person::affiliations(&context.db, person.id).await.unwrap();
        assert!(links.iter().all(|link| link.ended_at.is_some()), "{links:?}");
        let exported = std::fs::read_to_string(path("audit.jsonl")).unwrap();
        assert!(exported.lines().any(|line| line.contains("person.disabled") && line.contains("left")));
        let roles: Vec<_> = exported.lines().filter(|line| line.contains("\"role.")).collect();
        assert_eq!(roles.len(), 3, "two were granted, one was taken away: {roles:#?}");
        assert!(roles.iter().all(|line| line.contains("command line")), "{roles:#?}");
        context.db.close().await;
    }

    #[tokio::test]
    async fn whoever_takes_an_identifier_away_reads_what_stays_and_how_to_take_that_away_too() {
        const PSI: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        const ISSUER: &str = "https://psc.example";
        let dir = installation();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let sceau = async |arguments: &[&str]| sceau(&path("sceau.toml"), arguments).await;
        let [employee, first, second] = [1, 2, 3].map(|n| format!("3{}/CPET0000{n}", synthetic::finess(1)));
        assert_eq!(sceau(&["init"]).await, ExitCode::SUCCESS);
        let name = ["--family-name", "CPET", "--given-name", "AGENT"];
        let structure = ["--sector", "SA01", "--structure-name", "HOPITAL GENERIQUE"];
        let adds = [&["person", "add", &employee][..], &name, &structure].concat();
        assert_eq!(sceau(&adds).await, ExitCode::SUCCESS);
        for wrong in [&first, &second] {
            assert_eq!(sceau(&["person", "identify", &employee, wrong]).await, ExitCode::SUCCESS);
        }
        let context = Context::open(path("sceau.toml").as_ref()).await.unwrap();
        let person = store::person::by_identifier(&context.db, &employee).await.unwrap().unwrap().id;
        let takes_away = async |wrong: &str| {
            let said = super::take_away(&context, &employee, &wrong.parse().unwrap()).await;
            said.map_err(|_| "refused").unwrap()
        };
        let said = takes_away(&first).await;
        assert_eq!(
            said,
            format!("{first} is theirs no more; their sessions have ended\n"),
            "nothing else came"
        );

        let (now, event) = (context.clock.now(), context.event(Kind::PersonIdentified));
        let told = PSI.parse().unwrap();
        store::person::learn_for_test(&context.db, person, &told, ISSUER, now, &event).await.unwrap();
        let new = NewLink {
            person,
            issuer: ISSUER.into(),
            subject: "f:1:2".into(),
            label: "Pro Santé Connect".into(),
            by: "command line",
            check: None,
        };
        let event = (&context.event(Kind::IdentityLinked)).into();
        upstream_link::link(&context.db, &new, &event, now, &*context.random).await.unwrap();
        let said = takes_away(&second).await;
        for line in [
            format!("identity f:1:2 at Pro Santé Connect: sceau upstream unlink {person} {ISSUER} --reason"),
            format!("{PSI}, told by {ISSUER}: sceau person identify {person} {PSI} --remove"),
        ] {
            assert!(said.contains(&line), "{said}");
        }
        context.db.close().await;
    }
}
