//! `sceau policy`: what a configuration would do to the means that people have.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use super::arguments::{cell, table, written};
use super::{Context, Failure};
use crate::app::security_keys;
use crate::clock::Time;
use crate::ids::{MeansId, PersonId};
use crate::store::webauthn_credential::SecurityKey;
use crate::store::{self, Db};
use crate::webauthn::trial::{self, Trial};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// Say which registered security keys the configuration takes no more, before it is applied: name the draft with
    /// `--config`. Status 1 where somebody would have no means left, or none for a role.
    Try {
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
}

impl PolicyCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let Self::Try { json } = self;
        let context = Context::open(path).await?;
        let done = run(&context, json).await;
        context.db.close().await;
        done
    }
}

/// What the command prints.
#[derive(Serialize)]
struct Report {
    tried: usize,
    excluded: Vec<Affected>,
    lowered: Vec<Affected>,
    /// How many cards.
    cards_excluded: usize,
    locked_out: Vec<String>,
    lost_roles: Vec<LostRole>,
}

/// A role that its person could not use any more.
#[derive(Serialize)]
struct LostRole {
    person: String,
    role: &'static str,
}

/// A key that is not what it was.
#[derive(Serialize)]
struct Affected {
    person: String,
    key: MeansId,
    label: String,
    model: String,
    last_used_at: Option<Time>,
    why: String,
}

impl Affected {
    async fn of(db: &Db, key: &SecurityKey, why: String) -> Result<Self, Failure> {
        Ok(Self {
            person: named(db, key.means.person_id).await?,
            key: key.means.id,
            label: key.means.label.clone(),
            model: key.aaguid.clone(),
            last_used_at: key.means.last_used_at,
            why,
        })
    }

    fn row(&self, what: &str) -> Vec<String> {
        let used = self.last_used_at.map_or("never".to_owned(), |at| at.format("%Y-%m-%d").to_string());
        vec![
            what.to_owned(),
            self.person.clone(),
            self.key.to_string(),
            cell(&self.label),
            self.model.clone(),
            used,
            self.why.clone(),
        ]
    }
}

async fn run(context: &Context, json: bool) -> Result<(), Failure> {
    let (db, now) = (&context.db, context.clock.now());
    let models = security_keys::models(&context.config)?;
    models.preview(db, now).await?;
    let policy = security_keys::ceremonies(&context.config)?.map(|_| security_keys::policy(&context.config));
    let taken = security_keys::taken(&context.config, policy.as_ref(), &models);
    let report = report(db, trial::of(db, taken, now).await?).await?;
    if json {
        let text =
            serde_json::to_string_pretty(&report).map_err(|error| Failure::plain(error.to_string()))?;
        written(writeln!(io::stdout(), "{text}"))?;
    } else {
        print(&report)?;
    }
    report.verdict()
}

impl Report {
    /// Whether the configuration may be applied.
    fn verdict(&self) -> Result<(), Failure> {
        let (people, roles) = (self.locked_out.len(), self.lost_roles.len());
        if people + roles == 0 {
            return Ok(());
        }
        let mut why = Vec::new();
        if people > 0 {
            why.push(format!("{people} people would have no means left: {}", self.locked_out.join(", ")));
        }
        if roles > 0 {
            let lost = self.lost_roles.iter().map(|lost| format!("{} ({})", lost.person, lost.role));
            let lost = lost.collect::<Vec<_>>().join(", ");
            why.push(format!("{roles} roles could not be used any more: {lost}"));
        }
        Err(Failure::new("KEY-040", format!("not safe: {}", why.join("; "))))
    }
}

async fn report(db: &Db, trial: Trial) -> Result<Report, Failure> {
    let mut report = Report {
        tried: trial.tried,
        excluded: Vec::new(),
        lowered: Vec::new(),
        cards_excluded: trial.cards,
        locked_out: Vec::new(),
        lost_roles: Vec::new(),
    };
    for (key, why) in &trial.excluded {
        report.excluded.push(Affected::of(db, key, why.to_string()).await?);
    }
    for (key, level) in &trial.lowered {
        let why = format!("{} instead of {}", level.as_str(), key.means.level.as_str());
        report.lowered.push(Affected::of(db, key, why).await?);
    }
    for person in trial.locked_out {
        report.locked_out.push(named(db, person).await?);
    }
    for (person, role) in trial.lost_roles {
        report.lost_roles.push(LostRole { person: named(db, person).await?, role: role.as_str() });
    }
    Ok(report)
}

fn print(report: &Report) -> Result<(), Failure> {
    let excluded = report.excluded.iter().map(|key| key.row("excluded"));
    let rows: Vec<_> = excluded.chain(report.lowered.iter().map(|key| key.row("lower level"))).collect();
    if !rows.is_empty() {
        let headings = ["WHAT", "PERSON", "KEY", "LABEL", "MODEL", "LAST USED", "WHY"];
        written(table(&headings, rows.into_iter()))?;
    }
    let (tried, excluded, lowered) = (report.tried, report.excluded.len(), report.lowered.len());
    let (cards, locked, roles) = (report.cards_excluded, report.locked_out.len(), report.lost_roles.len());
    println!(
        "{tried} keys tried: {excluded} excluded, {lowered} at a lower level; {cards} cards excluded; {locked} people \
         without a means, {roles} roles without one."
    );
    Ok(())
}

/// The national identifier of a person, or our key where there is none.
async fn named(db: &Db, person: PersonId) -> Result<String, Failure> {
    let identifiers = store::person::identifiers(db, person).await?;
    Ok(identifiers.first().map_or_else(|| person.0.to_string(), |id| id.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;
    use std::sync::Arc;

    use chrono::TimeDelta;
    use clap::Parser as _;
    use serde_json::Value;

    use super::*;
    use crate::app::App;
    use crate::audit::Kind;
    use crate::cli::server::ServerCli;
    use crate::clock::{Clock as _, SystemClock};
    use crate::config::Config;
    use crate::crypto::random::SystemRandom;
    use crate::ids::SessionId;
    use crate::session::Acr;
    use crate::store::means::{Evidence, Issuer, Kind as MeansKind, Means};
    use crate::store::notice::{NewNotice, Place, Told};
    use crate::store::webauthn_ceremony::{self, Ceremony, Purpose};
    use crate::store::webauthn_credential::{self, Registered, Registration};

    /// Registers a key of this model for the person.
    async fn register(context: &Context, person: PersonId, number: u8) {
        let now = SystemClock.now();
        let (id, session) = (MeansId::new(now, &SystemRandom), SessionId::new(now, &SystemRandom));
        let hash = [number; 32];
        let ceremony = Ceremony {
            handle_hash: hash.to_vec(),
            purpose: Purpose::Register,
            transaction_id: None,
            session_id: None,
            person_id: Some(person),
            state: Value::Null,
            expires_at: now + TimeDelta::minutes(5),
        };
        webauthn_ceremony::begin(&context.db, &ceremony, now).await.unwrap();
        let key = SecurityKey {
            means: Means {
                id,
                person_id: person,
                kind: MeansKind::SecurityKey,
                reference: format!("key-{number}"),
                label: "Clé".into(),
                level: Acr::Eidas1,
                issued_by: Issuer::Person,
                issuer_id: None,
                evidence: Evidence::SignIn { session, at: now, acr: Acr::Eidas1 },
                issued_at: now,
                expires_at: now + TimeDelta::days(1),
                suspended_at: None,
                revoked_at: None,
                reason: None,
                last_used_at: None,
                last_used_where: String::new(),
            },
            credential: Value::Null,
            counter: 0,
            aaguid: format!("00000000-0000-0000-0000-0000000000{number:02}"),
            attested: false,
            backup_eligible: false,
            backed_up: false,
            verifies_user: true,
        };
        let event = (&context.event(Kind::MeansIssued)).into();
        let place = Place { zone: String::new(), browser: String::new() };
        let told = Told::MeansIssued { means: MeansKind::SecurityKey, place };
        let notice = NewNotice::new(person, told, now, &SystemRandom);
        let registration = Registration {
            key: &key,
            handle_hash: &hash,
            check: None,
            most: 2,
            notice: &notice,
            event: &event,
        };
        let done = webauthn_credential::register(&context.db, &registration, now).await;
        assert_eq!(done.unwrap(), Registered::Done);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_draft_that_locks_somebody_out_ends_with_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let sceau = async |keys: &str, arguments: &[&str]| {
            let issuer = "http://localhost:8080/auth/realms/esante-wallet";
            let server = format!("[server]\nissuer = \"{issuer}\"\nstate_dir = \"{}\"\n", state.display());
            let config = dir.path().join("sceau.toml");
            std::fs::write(&config, format!("{server}[security_keys]\n{keys}\n")).unwrap();
            let config = config.display().to_string();
            let line = ["sceau", "--config", &config].into_iter().chain(arguments.iter().copied());
            ServerCli::try_parse_from(line).unwrap().run().await
        };
        let employee = "30B0000001/CPET00001";
        let place = ["--sector", "SA01", "--structure-name", "HOPITAL"];
        let add = ["person", "add", employee, "--family-name", "CPET", "--given-name", "AGENT"];
        let add = [&add[..], &place].concat();
        assert_eq!(sceau("", &["init"]).await, ExitCode::SUCCESS);
        assert_eq!(sceau("", &add).await, ExitCode::SUCCESS);
        let context = Context::open(&dir.path().join("sceau.toml")).await.unwrap();
        let person = store::person::by_identifier(&context.db, employee).await.unwrap().unwrap().id;
        register(&context, person, 1).await;
        let attempt = ["policy", "try"];
        let deny = "deny = [\"00000000-0000-0000-0000-000000000001\"]";
        assert_eq!(sceau("", &attempt).await, ExitCode::SUCCESS);
        assert_eq!(sceau(deny, &attempt).await, ExitCode::FAILURE, "it is the only one");
        assert_eq!(sceau(deny, &["policy", "try", "--json"]).await, ExitCode::FAILURE);
        let allow = "allow = [\"00000000-0000-0000-0000-000000000002\"]";
        assert_eq!(sceau(allow, &attempt).await, ExitCode::FAILURE);
        assert_eq!(sceau("enabled = false", &attempt).await, ExitCode::FAILURE, "no key is taken at all");
        // A server does not start with it either, where it is an administrator's.
        let start = async |keys: &str| {
            sceau(keys, &attempt).await;
            let config = Arc::new(Config::read(&dir.path().join("sceau.toml")).unwrap());
            let started = App::start(config, Arc::new(SystemClock), Arc::new(SystemRandom)).await;
            started.map(|_| ()).map_err(|error| error.code())
        };
        assert_eq!(start(deny).await, Ok(()));
        assert_eq!(sceau("", &["person", "role", "grant", employee, "admin"]).await, ExitCode::SUCCESS);
        assert_eq!(start("").await, Ok(()));
        assert_eq!(start(deny).await, Err("KEY-041"));
        assert_eq!(start("enabled = false").await, Err("KEY-041"));
        assert_eq!(sceau("", &["person", "role", "revoke", employee, "admin"]).await, ExitCode::SUCCESS);
        assert_eq!(start(deny).await, Ok(()));
        register(&context, person, 2).await;
        assert_eq!(sceau(deny, &attempt).await, ExitCode::SUCCESS, "another is left");
        assert_eq!(sceau("enabled = false", &attempt).await, ExitCode::FAILURE);
        let left = ["person", "unlink", employee];
        assert_eq!(sceau("", &left).await, ExitCode::SUCCESS);
        assert_eq!(
            sceau("enabled = false", &attempt).await,
            ExitCode::SUCCESS,
            "whoever has left needs none"
        );
        context.db.close().await;
    }
}
