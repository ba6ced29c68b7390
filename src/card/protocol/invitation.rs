//! The codes by which an administrator lets workstations enrol (agent protocol, section 9): one for one workstation, and
//! the site token for a fleet.

use std::fmt::{self, Debug};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{ProtocolError, WebOrigin};
use crate::crypto::digest::{hmac_sha256, sha256};
use crate::crypto::jose::base64url;
use crate::ids::Random;

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationKind {
    /// One workstation, once. The key is the server's request key.
    Once,
    /// As many workstations as the administrator said: a site token. The key is the token's own, since the token outlives
    /// the request keys.
    Site,
}

impl InvitationKind {
    const ALL: [Self; 2] = [Self::Once, Self::Site];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Once => "sceau1.",
            Self::Site => "sceausite1.",
        }
    }

    /// Keeps what is computed from the secret of one kind apart from the same of the other.
    const fn labels(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Once => (b"Sceau invitation v1\0", b"Sceau enrolment v1\0"),
            Self::Site => (b"Sceau site token v1\0", b"Sceau fleet enrolment v1\0"),
        }
    }
}

/// An invitation: the thumbprint of the key that the server will answer with, and 128 secret bits.
///
/// The secret never travels: the workstation recognises the server by the thumbprint, the server recognises the
/// invitation by [`Invitation::lookup`] and the workstation by [`Invitation::prove`]. So a box that opens the TLS
/// connection between them can neither replace the server's keys nor the workstation's.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Invitation {
    #[zeroize(skip)]
    kind: InvitationKind,
    server_key: [u8; 32],
    secret: [u8; 16],
}

impl Invitation {
    /// A new invitation of the server whose current request key has the RFC 7638 thumbprint `server_key`.
    pub fn new(server_key: [u8; 32], random: &dyn Random) -> Self {
        Self::of_kind(InvitationKind::Once, server_key, random)
    }

    /// A new site token that has a key of its own, with the RFC 7638 thumbprint `own_key`.
    pub fn site(own_key: [u8; 32], random: &dyn Random) -> Self {
        Self::of_kind(InvitationKind::Site, own_key, random)
    }

    fn of_kind(kind: InvitationKind, server_key: [u8; 32], random: &dyn Random) -> Self {
        let mut secret = [0; 16];
        random.fill(&mut secret);
        Self { kind, server_key, secret }
    }

    /// Reads a code as a person pastes it.
    pub fn parse(code: &str) -> Result<Self, ProtocolError> {
        let read = |kind: InvitationKind| {
            let bytes = code.trim().strip_prefix(kind.prefix()).and_then(base64url::decode)?;
            Some((kind, Zeroizing::new(bytes)))
        };
        let (kind, bytes) =
            InvitationKind::ALL.into_iter().find_map(read).ok_or(ProtocolError::Invitation)?;
        let (server_key, secret) = bytes.split_first_chunk::<32>().ok_or(ProtocolError::Invitation)?;
        Ok(Self {
            kind,
            server_key: *server_key,
            secret: secret.try_into().map_err(|_| ProtocolError::Invitation)?,
        })
    }

    /// What it is good for.
    #[must_use]
    pub fn kind(&self) -> InvitationKind {
        self.kind
    }

    /// The code to hand to the person at the workstation, or to put into the file of the fleet.
    #[must_use]
    pub fn to_code(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([self.server_key.as_slice(), &self.secret].concat());
        Zeroizing::new(format!("{}{}", self.kind.prefix(), base64url::encode(&bytes)))
    }

    /// The thumbprint of the key with which the server will answer.
    #[must_use]
    pub fn server_key(&self) -> &[u8; 32] {
        &self.server_key
    }

    /// Names the invitation without giving it away: the hash of its secret.
    #[must_use]
    pub fn lookup(&self) -> String {
        hex::encode(sha256(&[self.kind.labels().0, &self.secret].concat()))
    }

    /// What only the holder of the secret can compute for `workstation_key` (its RFC 7638 thumbprint) at `server`.
    #[must_use]
    pub fn prove(&self, server: &WebOrigin, workstation_key: &[u8; 32]) -> [u8; 32] {
        let message = [self.kind.labels().1, &sha256(server.as_str().as_bytes()), workstation_key].concat();
        hmac_sha256(&self.secret, &message)
    }
}

impl Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CountingRandom;

    #[test]
    fn a_code_is_read_back_and_says_nothing_in_logs() {
        let invitation = Invitation::new([7; 32], &CountingRandom::default());
        let code = invitation.to_code();
        assert_eq!(Invitation::parse(&format!("  {}\n", code.as_str())).unwrap(), invitation);
        assert_eq!(format!("{invitation:?}"), "Invitation(…)");
        assert!(!code.contains(&invitation.lookup()));
    }

    #[test]
    fn a_site_token_is_told_from_an_invitation_and_proves_something_else() {
        let once = Invitation::new([7; 32], &CountingRandom::default());
        let site = Invitation::site([7; 32], &CountingRandom::default());
        assert_eq!(Invitation::parse(&site.to_code()).unwrap().kind(), InvitationKind::Site);
        let server = WebOrigin::parse("https://sceau.chu.example").unwrap();
        assert_ne!(once.lookup(), site.lookup(), "the same secret");
        assert_ne!(once.prove(&server, &[1; 32]), site.prove(&server, &[1; 32]));
    }

    #[test]
    fn anything_else_is_no_code() {
        let code = Invitation::new([7; 32], &CountingRandom::default()).to_code();
        for bad in [
            "",
            "sceau1.",
            "sceau1.AAAA",
            &code[1..],
            &code[..code.len() - 4],
            &format!("{}AAAA", code.as_str()),
            &code.replace("sceau1", "sceau2"),
        ] {
            assert_eq!(Invitation::parse(bad), Err(ProtocolError::Invitation), "{bad:?}");
        }
    }

    #[test]
    fn the_proof_is_bound_to_server_and_key() {
        let invitation = Invitation::new([7; 32], &CountingRandom::default());
        let server = WebOrigin::parse("https://sceau.chu.example").unwrap();
        let other = WebOrigin::parse("https://sceau.clinique.example").unwrap();
        let proof = invitation.prove(&server, &[1; 32]);
        assert_ne!(proof, invitation.prove(&server, &[2; 32]));
        assert_ne!(proof, invitation.prove(&other, &[1; 32]));
    }
}
