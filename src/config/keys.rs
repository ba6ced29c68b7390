//! `[keys]`: when keys change, and where those of tokens are kept.

use std::path::PathBuf;

use chrono::TimeDelta;
use secrecy::SecretString;

use super::reader::Section;

/// When keys change, and where those of tokens are kept.
#[derive(Debug, Clone)]
pub struct Keys {
    /// How long a key signs before the next one, published since then, takes over; `None`: until a command says so.
    pub rotation: Option<TimeDelta>,
    /// The HSM that keys of tokens are made in; `None`: they are sealed in the database.
    pub pkcs11: Option<Pkcs11>,
}

/// A token of an HSM.
#[derive(Debug, Clone)]
pub struct Pkcs11 {
    /// The library of its maker.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of its user.
    pub pin: SecretString,
}

impl Keys {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let range = TimeDelta::days(1)..=TimeDelta::days(730);
        let rotation = section.span_or_off("rotation", range).unwrap_or(Some(TimeDelta::days(180)));
        let module = section.path_of("pkcs11_module");
        let token = section.text("pkcs11_token", |label| match label.len() {
            1..=32 => Ok(label.to_owned()),
            _ => Err("must be the label of a token: 1 to 32 bytes".into()),
        });
        let pin = section.secret("pkcs11_pin", "pkcs11_pin_file");
        let pkcs11 = match (module, token, pin) {
            (None, None, None) => None,
            (Some(module), Some(token), Some(pin)) => Some(Pkcs11 { module, token, pin }),
            _ => {
                section.refuse(
                    "pkcs11_module",
                    "goes with pkcs11_token and pkcs11_pin_file: all of them, or none",
                );
                None
            }
        };
        Self { rotation, pkcs11 }
    }
}
