//! `[mail]`: the mail server that notices go through.

use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::SecretString;

use super::reader::Section;

/// The mail server that notices go through.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Its name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The authority of its certificate (PEM), where that is not one of the system's; then no other counts.
    pub ca_file: Option<PathBuf>,
    /// As whom we authenticate; none where the server knows us by our address.
    pub user: Option<MailUser>,
    /// The sender: `Sceau <sceau@hopital.example>`, or the address alone.
    pub from: String,
    /// Where an answer goes, if not to the sender.
    pub reply_to: Option<String>,
    /// Whom people turn to who did not do what a notice tells: an address, a telephone number, or both.
    pub contact: String,
    /// The address that is told when somebody says "it was not me" on their phone; none: nobody is.
    pub security: Option<String>,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// STARTTLS, without which nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: to this machine only.
    Plain,
}

/// As whom we authenticate.
#[derive(Debug, Clone)]
pub struct MailUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: SecretString,
}

impl Mail {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let server = section.required(
            "server",
            "write the name of the mail server, such as server = \"smtp.hopital.example\"",
            host,
        );
        let tls = section.text("tls", tls).unwrap_or(MailTls::StartTls);
        let default = match tls {
            MailTls::StartTls => 587,
            MailTls::Implicit => 465,
            MailTls::Plain => 25,
        };
        let port = section.number("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
        let ca_file = section.path_of("ca_file");
        let name = section.text("user", |name| line(name, 200));
        let password = section.secret("password", "password_file");
        let user = match (name, password) {
            (None, None) => None,
            (Some(name), Some(password)) => Some(MailUser { name, password }),
            _ => {
                section.refuse("user", "goes with password_file: both of them, or none");
                None
            }
        };
        let from = section.required(
            "from",
            "write the sender, such as from = \"Sceau <sceau@hopital.example>\"",
            mailbox,
        );
        let reply_to = section.text("reply_to", mailbox);
        let contact = section.required(
            "contact",
            "write whom people turn to, such as contact = \"securite@hopital.example\"",
            |text| line(text, 200),
        );
        let security = section.text("security", address);
        let server = server?;
        if tls == MailTls::Plain && !is_this_machine(&server) {
            section.refuse(
                "tls",
                "may be \"none\" only where server is this machine: 127.0.0.1, ::1 or localhost",
            );
            return None;
        }
        Some(Self {
            server,
            port: port.unwrap_or(default),
            tls,
            ca_file,
            user,
            from: from?,
            reply_to,
            contact: contact?,
            security,
        })
    }
}

fn is_this_machine(server: &str) -> bool {
    server == "localhost" || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(text: &str) -> Result<MailTls, String> {
    match text {
        "starttls" => Ok(MailTls::StartTls),
        "implicit" => Ok(MailTls::Implicit),
        "none" => Ok(MailTls::Plain),
        _ => Err("must be \"starttls\", \"implicit\" or, to this machine, \"none\"".to_owned()),
    }
}

fn host(text: &str) -> Result<String, String> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_address = text.parse::<IpAddr>().is_ok();
    if text.is_empty() || text.len() > 253 || !(is_address || text.chars().all(of_name)) {
        return Err(
            "must be the name or address of a server, without a port: that is the key `port`".to_owned()
        );
    }
    Ok(text.to_owned())
}

/// One line of text.
fn line(text: &str, longest: usize) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().count() > longest || text.chars().any(char::is_control) {
        return Err(format!("must be one line of at most {longest} characters"));
    }
    Ok(text.trim().to_owned())
}

/// Where a mail goes: an address and nothing else.
fn address(text: &str) -> Result<String, String> {
    // The agent is built without what sends mail, and reads no such section.
    #[cfg(feature = "server")]
    let is_address = text.parse::<lettre::Address>().is_ok();
    #[cfg(not(feature = "server"))]
    let is_address = text.contains('@');
    if is_address {
        Ok(text.to_owned())
    } else {
        Err("must be one mail address, and nothing else".to_owned())
    }
}

/// A sender. Whether its address can be one is known where mails are composed; here only that it is one line.
fn mailbox(text: &str) -> Result<String, String> {
    let text = line(text, 200)?;
    match text.contains('@') {
        true => Ok(text),
        false => Err("must hold a mail address, such as \"Sceau <sceau@hopital.example>\"".to_owned()),
    }
}
