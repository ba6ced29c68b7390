//! `sceau-certs`: throw-away authorities, cards and revocation lists in a directory.

use std::{path::PathBuf, process::ExitCode};

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand};
use openssl::{hash::MessageDigest, x509::X509};
use sceau_certs::{Error, Found, Options, ensure, roots};

/// Test authorities of the shape of IGC-Santé, and the fingerprints of the real ones.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make authorities, cards and revocation lists in DIR; what is already there is kept.
    Generate { dir: PathBuf },
    /// Print the fingerprints of the real authorities of IGC-Santé.
    Roots,
    /// Say whether a downloaded certificate file is one of the real authorities.
    Check { file: PathBuf },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sceau-certs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Generate { dir } => {
            let (pki, found) = ensure(&dir, now(), &Options::default())?;
            let names: Vec<&str> = pki.cards.iter().map(|card| card.profile.name.as_str()).collect();
            let what = match found {
                Found::Nothing => "made",
                Found::Fresh => "kept",
                Found::StaleLists => "kept, revocation lists signed anew",
            };
            println!("{}: {what}; cards: {}", dir.display(), names.join(", "));
            Ok(ExitCode::SUCCESS)
        }
        Command::Roots => {
            for authority in roots::IGC_SANTE {
                println!("{}  {}", authority.sha256, authority.common_name);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { file } => {
            let content =
                std::fs::read(&file).map_err(|source| Error::File { path: file.clone(), source })?;
            let certificate = X509::from_pem(&content).or_else(|_| X509::from_der(&content))?;
            let fingerprint = certificate.digest(MessageDigest::sha256())?;
            match roots::recognise(&fingerprint) {
                Some(authority) => {
                    println!("{}: this is {}", file.display(), authority.common_name);
                    Ok(ExitCode::SUCCESS)
                }
                None => {
                    println!("{}: NOT a known authority of IGC-Santé; do not install it", file.display());
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where this program asks for the time")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
