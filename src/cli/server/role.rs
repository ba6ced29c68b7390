//! `sceau person role`: who works at the desk, administers, or looks at the audit. Roles begin here, and nowhere else.

use std::io::{self, Write as _};

use clap::Subcommand;

use super::arguments::{cell, table, written};
use super::person::{event, find};
use super::{Context, Failure};
use crate::audit::Kind;
use crate::store;
use crate::store::audit::NewRow;
use crate::store::notice::{NewNotice, Told};
use crate::store::person::Person;
use crate::store::role::Role;

#[derive(Debug, Subcommand)]
pub(super) enum RoleCommand {
    /// Give somebody a role. It is good while they have a link with this establishment and are not disabled.
    Grant {
        /// National identifier, or our own key.
        person: String,
        /// The role.
        role: Role,
    },
    /// Take a role away. It is refused from the next click on.
    Revoke {
        /// National identifier, or our own key.
        person: String,
        /// The role.
        role: Role,
    },
    /// List who has which role, and whether it may be used now.
    List {
        /// National identifier, or our own key; everybody without it.
        person: Option<String>,
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
}

impl RoleCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Grant { person, role } => grant(context, &find(context, &person).await?, role).await,
            Self::Revoke { person, role } => revoke(context, &find(context, &person).await?, role).await,
            Self::List { person, json } => list(context, person.as_deref(), json).await,
        }
    }
}

async fn grant(context: &Context, person: &Person, role: Role) -> Result<(), Failure> {
    let now = context.clock.now();
    let event = NewRow::from(&event(context, Kind::RoleGranted, person.id, role.as_str()));
    let told = Told::RoleGranted { role: role.as_str().to_owned() };
    let notice = NewNotice::new(person.id, told, now, &*context.random);
    if !store::role::grant(&context.db, person.id, role, &notice, &event, now).await? {
        return Err(Failure::plain(format!("{} has the role {} already", person.id, role.as_str())));
    }
    println!("{} {}: {}", cell(&person.given_name), cell(&person.family_name), role.as_str());
    if !store::role::holds(&context.db, person.id, role, now).await? {
        eprintln!(
            "sceau: warning: the role cannot be used yet: the person is disabled, or has no link with this establishment"
        );
    }
    Ok(())
}

async fn revoke(context: &Context, person: &Person, role: Role) -> Result<(), Failure> {
    let event = NewRow::from(&event(context, Kind::RoleRevoked, person.id, role.as_str()));
    let now = context.clock.now();
    let told = Told::RoleRevoked { role: role.as_str().to_owned() };
    let notice = NewNotice::new(person.id, told, now, &*context.random);
    if !store::role::revoke(&context.db, person.id, role, &notice, &event, now).await? {
        return Err(Failure::plain(format!("{} does not have the role {}", person.id, role.as_str())));
    }
    println!("{} {}: no longer {}", cell(&person.given_name), cell(&person.family_name), role.as_str());
    Ok(())
}

async fn list(context: &Context, who: Option<&str>, json: bool) -> Result<(), Failure> {
    let person = match who {
        Some(who) => Some(find(context, who).await?.id),
        None => None,
    };
    let now = context.clock.now();
    let mut listed = Vec::new();
    for granted in store::role::list(&context.db, person).await? {
        let usable = store::role::holds(&context.db, granted.person_id, granted.role, now).await?;
        let whose = store::person::by_id(&context.db, granted.person_id).await?;
        let name = whose.map(|p| format!("{} {}", p.given_name, p.family_name)).unwrap_or_default();
        listed.push((granted, usable, name));
    }
    if json {
        let objects = listed.iter().map(|(granted, usable, name)| {
            serde_json::json!({
                "person": granted.person_id, "name": name, "role": granted.role.as_str(),
                "granted_at": granted.granted_at, "usable": usable,
            })
        });
        let text = serde_json::Value::Array(objects.collect());
        return written(writeln!(io::stdout(), "{text:#}"));
    }
    if listed.is_empty() {
        println!("Nobody has a role: sceau person role grant PERSON desk");
        return Ok(());
    }
    let headings = ["PERSON", "ROLE", "SINCE", "USABLE", "NAME"];
    written(table(
        &headings,
        listed.iter().map(|(granted, usable, name)| {
            vec![
                granted.person_id.to_string(),
                granted.role.as_str().to_owned(),
                granted.granted_at.format("%Y-%m-%d").to_string(),
                if *usable { "yes" } else { "no" }.to_owned(),
                cell(name),
            ]
        }),
    ))
}
