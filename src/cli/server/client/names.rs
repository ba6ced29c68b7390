//! `sceau client policy`: what a service calls levels and factors.

use clap::Args;

use super::Failure;
use crate::session::Names;

#[derive(Debug, Args)]
pub(in crate::cli::server) struct NameArgs {
    /// What it calls a level, one for one: eidas2=possessionorinherence. It is told the level by that name, and may ask for
    /// it. Can be given several times; the others keep their names.
    #[arg(long, value_name = "LEVEL=NAME", value_parser = pair)]
    acr_name: Vec<(String, String)>,
    /// What it calls a factor (sc, pin, hwk, swk, user, mfa), one for one: user=fido. Can be given several times. No name may
    /// say more than what it stands for.
    #[arg(long, value_name = "FACTOR=NAME", value_parser = pair)]
    amr_name: Vec<(String, String)>,
    /// It is neither told phr and phrh (resistant to phishing) nor understood when it asks for them.
    #[arg(long)]
    no_phr: bool,
}

impl NameArgs {
    pub(super) fn read(&self) -> Result<Names, Failure> {
        Names::new(&self.acr_name, &self.amr_name, self.no_phr)
            .map_err(|fault| Failure::new(fault.code(), fault.to_string()))
    }
}

/// For `sceau client show`.
pub(super) fn print(names: &Names) {
    for (own, name) in names.levels() {
        println!("level                   {own} is told as {name}");
    }
    for (own, name) in names.factors() {
        println!("factor                  {own} is told as {name}");
    }
    if !names.has_phr() {
        println!("phr, phrh               switched off");
    }
}

/// For the audit trail: what is told in other words than ours.
pub(super) fn note(names: &Names) -> String {
    let told = names.levels().chain(names.factors()).map(|(own, name)| format!(" {own}={name}"));
    let without = if names.has_phr() { "" } else { " without phr" };
    format!("policy{}{without}", told.collect::<String>())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((own, name)) => Ok((own.to_owned(), name.to_owned())),
        None => Err("must be one of our names and the service's, such as eidas2=possession".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_pairs_and_the_audit_has_them() {
        let args = NameArgs {
            acr_name: vec![pair("eidas2=a=b").unwrap()],
            amr_name: vec![pair("user=fido").unwrap()],
            no_phr: true,
        };
        let names = args.read().unwrap_or_else(|_| panic!("good names"));
        assert_eq!(note(&names), "policy eidas2=a=b user=fido without phr");
        assert_eq!(note(&Names::default()), "policy");
        assert!(pair("eidas2").is_err());
    }
}
