//! The commands of a CPS4: an applet on logical channel 1, and a basic channel that shows the oldest view.
//!
//! Codings are those of ANS's official library (`docs/cards.md`, section 4). What the library does not tell is strict
//! here, so that a driver that relies on it fails: a path is relative, a block is as long as the modulus and comes without
//! a padding indicator, nothing but a selection works before the applet is selected.

use openssl::rsa::Padding;

use super::commands::{Answer, data, get_challenge, identifiers, status};
use super::files::{Content, ROOT_AID};
use super::keys::Choice;
use super::{Opening, SoftCard, der};

/// The older view, on the basic channel.
const OLDER_VIEW: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x02];
/// The issuer's security domain.
const SECURITY_DOMAIN: [u8; 7] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00];

/// Reference of the signature key.
pub(super) const SIGNATURE_KEY: u8 = 0x10;
/// Reference of the authentication key.
pub(super) const AUTHENTICATION_KEY: u8 = 0x20;

/// Where the card's second channel stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    is_open: bool,
    applet: bool,
    /// How far the way out of the older view has been gone: the security domain, then the view itself.
    way_out: u8,
}

impl SoftCard {
    pub(super) fn dispatch_chipdoc(
        &mut self,
        cla: u8,
        ins: u8,
        p: [u8; 2],
        tail: &[u8],
    ) -> Result<Answer, u16> {
        match (cla, ins) {
            (0x01, 0xC0) => return Ok(self.get_response(tail)),
            (0x11, 0x2A) if self.session.channel.applet => return self.chain(tail),
            (0x00, 0x70) => return self.manage_channel(p),
            (0x00, 0xA4) if p[0] == 0x04 => return self.select_on_basic_channel(data(tail)?),
            (0x01, 0xA4) if p[0] == 0x04 => return self.select_on_channel(data(tail)?),
            (0x01, _) => {}
            _ => return Err(status::NO_CLASS),
        }
        self.session.pending.clear();
        match (self.session.channel, ins) {
            (State { is_open: false, .. }, _) => Err(status::NO_CHANNEL),
            (State { applet: false, .. }, _) => Err(status::NO_CLASS),
            (_, 0xA4) => self.select_relative(p, data(tail)?),
            (_, 0xB0) => self.read_binary(p, tail),
            (_, 0x20) => self.verify(p, data(tail)?),
            (_, 0x22) => self.choose(p, data(tail)?),
            (_, 0x2A) => self.operate(p, data(tail)?),
            (_, 0x84) => get_challenge(tail),
            // Among others INTERNAL AUTHENTICATE.
            _ => Err(status::NO_INSTRUCTION),
        }
    }

    fn manage_channel(&mut self, p: [u8; 2]) -> Result<Answer, u16> {
        if p != [0x00, 0x01] {
            return Err(status::WRONG_P1_P2);
        }
        self.session.channel.is_open = true;
        Ok(Answer::Status(status::OK))
    }

    fn select_on_basic_channel(&mut self, name: &[u8]) -> Result<Answer, u16> {
        if name != OLDER_VIEW {
            return Err(status::NO_FILE);
        }
        let way_out = &mut self.session.channel.way_out;
        *way_out = if *way_out == 1 { 2 } else { 0 };
        Ok(Answer::Status(status::OK))
    }

    fn select_on_channel(&mut self, name: &[u8]) -> Result<Answer, u16> {
        let state = &mut self.session.channel;
        if !state.is_open && self.profile.opening == Opening::ByManageChannel {
            return Err(status::NO_CHANNEL);
        }
        if name == SECURITY_DOMAIN {
            *state = State { is_open: true, applet: false, way_out: 1 };
            return Ok(Answer::Status(status::OK));
        }
        if name != ROOT_AID || !self.profile.application {
            return Err(status::NO_FILE);
        }
        if self.session.older_view && state.way_out != 2 {
            return Err(status::CONDITIONS);
        }
        *state = State { is_open: true, applet: true, way_out: 0 };
        self.session.older_view = false;
        self.session.directory = vec![0x3F00];
        self.session.file = None;
        Ok(Answer::Status(status::OK))
    }

    /// By identifier: the root, a directory of it, or a file of the current directory. By path: from the current one.
    fn select_relative(&mut self, [p1, p2]: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        let path = identifiers(data)?;
        let here = self.current_directory();
        let found = match (p1, path.as_slice()) {
            (0x00, [0x3F00]) => self.by_path(&[0x3F00]),
            (0x00, [one]) => self.by_path(&[&here[..], &[*one]].concat()).or_else(|| self.directory(*one)),
            (0x09, [first, ..]) if *first != 0x3F00 => self.by_path(&[&here[..], &path].concat()),
            (0x09, _) => None,
            _ => return Err(status::WRONG_P1_P2),
        };
        self.enter(found, p2)
    }

    fn directory(&self, identifier: u16) -> Option<usize> {
        self.by_path(&[0x3F00, identifier]).filter(|index| {
            self.files.get(*index).is_some_and(|file| matches!(file.content, Content::Directory(_)))
        })
    }

    fn choose(&mut self, p: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        let template = &mut self.session.template;
        match p {
            [0x41, 0xB8] => match der::find(data, 0x83) {
                Some(&[key]) => template.confidentiality = Some(Choice::of(0, key)),
                _ => return Err(status::WRONG_DATA),
            },
            [0x81, 0xB6] => match der::find(data, 0x91) {
                // The first bit says that a ready hash will come.
                Some(&[algorithm, key]) if key & 0x80 != 0 => {
                    template.signature = Some(Choice::of(algorithm, key & 0x7F));
                }
                _ => return Err(status::WRONG_DATA),
            },
            _ => return Err(status::WRONG_P1_P2),
        }
        Ok(Answer::Status(status::OK))
    }

    fn operate(&mut self, p: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        let mut input = std::mem::take(&mut self.session.chained);
        input.extend_from_slice(data);
        let template = &self.session.template;
        let choice = match p {
            [0x80, 0x86] => template.confidentiality,
            [0x9E, 0x9A] => template.signature,
            _ => return Err(status::WRONG_P1_P2),
        };
        let choice = choice.ok_or(status::CONDITIONS)?;
        self.require_pin()?;
        let pair = match choice.key() {
            AUTHENTICATION_KEY => &self.identity.authentication,
            SIGNATURE_KEY if p == [0x9E, 0x9A] => &self.identity.signature,
            _ => return Err(status::WRONG_DATA),
        };
        let answer = match p {
            [0x80, 0x86] if input.len() != pair.key.size() => return Err(status::WRONG_LENGTH),
            [0x80, 0x86] => {
                let rsa = pair.key.rsa().map_err(|_| status::CONDITIONS)?;
                let mut plain = vec![0; input.len()];
                // A block that is not below the modulus is refused.
                rsa.private_decrypt(&input, &mut plain, Padding::NONE).map_err(|_| status::WRONG_DATA)?;
                plain
            }
            _ => choice.sign_hash(&pair.key, &input).ok_or(status::WRONG_DATA)?,
        };
        Ok(Answer::Fetched(answer))
    }
}
