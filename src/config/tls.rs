//! `[tls]`: the certificate of our own listener. Without this section we speak plain HTTP, for a proxy or loopback.

use std::path::PathBuf;

use super::reader::Section;

/// Files in PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The server's certificate, then those that lead to its authority.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl Tls {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let certificate_file = section.path_of("certificate_file");
        let key_file = section.path_of("key_file");
        for (key, missing) in
            [("certificate_file", certificate_file.is_none()), ("key_file", key_file.is_none())]
        {
            if missing {
                section.refuse(key, "is missing: certificate_file and key_file go together");
            }
        }
        Some(Self { certificate_file: certificate_file?, key_file: key_file? })
    }
}
