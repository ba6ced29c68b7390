//! `sceau client delegation`: on which terms a provider that delegates its sign-in to us is told of people.

use chrono::TimeDelta;
use clap::Args;

use super::{show, unknown};
use crate::audit::Kind;
use crate::cli::server::{Context, Failure};
use crate::session::{Delegation, DelegationFault};
use crate::store;
use crate::store::audit::NewRow;

#[derive(Debug, Args)]
pub(in crate::cli::server) struct DelegationArgs {
    /// What it knows this establishment by (tid), where it is another name than `[delegation] tenant`.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// What it calls a claim of ID tokens (tid, oid, amr, acr), one for one: oid=user_id. Can be given several times.
    #[arg(long, value_name = "CLAIM=NAME", value_parser = pair)]
    claim: Vec<(String, String)>,
    /// The means that it is told of, separated by commas: card, security-key, passkey (one that may leave its device).
    /// Without it card and security-key; phones, badges and other providers never.
    #[arg(long, value_name = "MEANS", value_delimiter = ',')]
    means: Vec<String>,
    /// How many minutes old a sign-in may be; at most 240, and no more than `[delegation] max_age`.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u16).range(1..=240))]
    max_age: Option<u16>,
}

#[derive(Debug, Args)]
pub(in crate::cli::server) struct SetDelegation {
    /// Its client id.
    id: String,
    #[command(flatten)]
    terms: DelegationArgs,
}

impl DelegationArgs {
    /// Whether anything is said.
    pub(super) fn is_empty(&self) -> bool {
        self.tenant.is_none() && self.claim.is_empty() && self.means.is_empty() && self.max_age.is_none()
    }

    pub(super) fn read(&self) -> Result<Delegation, Failure> {
        let age = self.max_age.map(|minutes| TimeDelta::minutes(minutes.into()));
        Delegation::new(self.tenant.as_deref(), &self.claim, &self.means, age).map_err(failure)
    }
}

impl SetDelegation {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        store::client::by_id(&context.db, &self.id).await?.ok_or_else(|| unknown(&self.id))?;
        set(context, &self.id, &self.terms.read()?).await?;
        show(context, &self.id, false).await
    }
}

/// Replaces the terms of a client.
pub(super) async fn set(context: &Context, id: &str, terms: &Delegation) -> Result<(), Failure> {
    let event = NewRow::from(
        &context.event(Kind::ClientChanged).client(id).note(&note(terms, context.config.delegation.max_age)),
    );
    match store::client::set_delegation(&context.db, id, terms, context.clock.now(), &event).await? {
        true => Ok(()),
        false => Err(failure(DelegationFault::Profile)),
    }
}

pub(super) fn failure(fault: DelegationFault) -> Failure {
    Failure::new(fault.code(), fault.to_string())
}

/// For `sceau client show`.
pub(super) fn print(terms: &Delegation, general: TimeDelta) {
    println!("told of sign-ins by     {}", means(terms));
    if let Some(tenant) = terms.tenant() {
        println!("tenant                  {tenant}");
    }
    for (own, name) in terms.names() {
        println!("claim                   {own} is told as {name}");
    }
    println!("sign-in not older than  {} min", terms.max_age(general).num_minutes());
}

fn means(terms: &Delegation) -> String {
    terms.means().iter().map(|means| means.as_str()).collect::<Vec<_>>().join(", ")
}

/// For the audit trail. `general` is the time of the configuration, which no client goes beyond.
fn note(terms: &Delegation, general: TimeDelta) -> String {
    let names = terms.names().map(|(own, name)| format!(" {own}={name}")).collect::<String>();
    let tenant = terms.tenant().map(|tenant| format!(" tenant {tenant}")).unwrap_or_default();
    let age = terms.max_age(general).num_minutes();
    format!("delegation of {}{tenant}{names}, {age} min", means(terms))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((own, name)) => Ok((own.to_owned(), name.to_owned())),
        None => Err("must be one of our claims and the provider's, such as oid=user_id".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_whole_and_the_audit_has_them() {
        let args = DelegationArgs {
            tenant: Some("0f6d".into()),
            claim: vec![pair("oid=user_id").unwrap()],
            means: vec!["card".into()],
            max_age: Some(60),
        };
        let terms = args.read().unwrap_or_else(|_| panic!("good terms"));
        let note = |terms, minutes| note(terms, TimeDelta::minutes(minutes));
        assert_eq!(note(&terms, 240), "delegation of card tenant 0f6d oid=user_id, 60 min");
        assert_eq!(note(&terms, 30), "delegation of card tenant 0f6d oid=user_id, 30 min");
        assert_eq!(note(&Delegation::default(), 240), "delegation of card, security-key, 240 min");
        let wide = DelegationArgs { means: vec!["phone".into()], ..args };
        assert!(wide.read().is_err() && !wide.is_empty());
        assert!(pair("oid").is_err());
    }
}
