//! The commands of a CPS3, one method each, and what is common to all cards.

use super::files::{Content, ROOT_AID};
use super::keys::Choice;
use super::secret::Presented;
use super::{Kind, Protocol, SoftCard, der};

/// Status words the card answers.
pub(super) mod status {
    pub(in super::super) const OK: u16 = 0x9000;
    pub(in super::super) const MORE: u16 = 0x6100;
    pub(in super::super) const TRIES: u16 = 0x63C0;
    pub(in super::super) const WRONG_LENGTH: u16 = 0x6700;
    pub(in super::super) const NO_CHANNEL: u16 = 0x6881;
    pub(in super::super) const SECURITY: u16 = 0x6982;
    pub(in super::super) const BLOCKED: u16 = 0x6983;
    pub(in super::super) const CONDITIONS: u16 = 0x6985;
    pub(in super::super) const WRONG_DATA: u16 = 0x6A80;
    pub(in super::super) const NO_FILE: u16 = 0x6A82;
    pub(in super::super) const WRONG_P1_P2: u16 = 0x6A86;
    pub(in super::super) const NO_OBJECT: u16 = 0x6A88;
    pub(in super::super) const WRONG_OFFSET: u16 = 0x6B00;
    pub(in super::super) const WRONG_LE: u16 = 0x6C00;
    pub(in super::super) const NO_INSTRUCTION: u16 = 0x6D00;
    pub(in super::super) const NO_CLASS: u16 = 0x6E00;
}

/// Largest answer to READ BINARY: the length byte of T=0.
const READ_MAX: usize = 256;

/// What a command gives: data for GET RESPONSE or at once, or a bare status word.
pub(super) enum Answer {
    /// To a command with data: under T=0 the host fetches it.
    Fetched(Vec<u8>),
    /// To a command without data: it goes out with the status word.
    Direct(Vec<u8>, u16),
    Status(u16),
}

impl SoftCard {
    pub(super) fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        let [cla, ins, p1, p2, ref tail @ ..] = *command else {
            return status::WRONG_LENGTH.to_be_bytes().to_vec();
        };
        let dispatched = match self.profile.kind {
            Kind::Cps3 | Kind::Cps3Contactless => self.dispatch(cla, ins, [p1, p2], tail),
            Kind::Cps4 => self.dispatch_chipdoc(cla, ins, [p1, p2], tail),
        };
        let answer = match dispatched {
            Ok(answer) => answer,
            Err(status) => Answer::Status(status),
        };
        let (mut out, status) = match answer {
            Answer::Status(status) => (Vec::new(), status),
            Answer::Direct(data, status) => (data, status),
            Answer::Fetched(data) if self.profile.protocol == Protocol::T1 => (data, status::OK),
            Answer::Fetched(data) => {
                let more = status::MORE | (data.len().min(0x100) as u16 & 0xFF);
                self.session.pending = data;
                (Vec::new(), more)
            }
        };
        out.extend(status.to_be_bytes());
        out
    }

    fn dispatch(&mut self, cla: u8, ins: u8, p: [u8; 2], tail: &[u8]) -> Result<Answer, u16> {
        if ins == 0xC0 {
            return Ok(self.get_response(tail));
        }
        self.session.pending.clear();
        match cla {
            0x00 => {}
            0x10 if ins == 0x2A => return self.chain(tail),
            _ => return Err(status::NO_CLASS),
        }
        if self.session.older_view {
            // The root application, selected by its name, is the way out.
            if ins != 0xA4 || p.first() != Some(&0x04) || data(tail)? != ROOT_AID {
                return Err(status::NO_CLASS);
            }
            self.session.older_view = false;
        }
        match ins {
            0xA4 => self.select(p, data(tail)?),
            0xB0 => self.read_binary(p, tail),
            0xCB => self.get_data(p, data(tail)?),
            0x20 => self.verify(p, data(tail)?),
            0x24 => self.change_reference_data(p, data(tail)?),
            0x2C => self.reset_retry_counter(p, data(tail)?),
            0x22 => self.manage_security_environment(p, data(tail)?),
            0x88 => self.internal_authenticate(data(tail)?),
            0x2A => self.perform_security_operation(p, data(tail)?),
            0x84 => get_challenge(tail),
            _ => Err(status::NO_INSTRUCTION),
        }
    }

    pub(super) fn get_response(&mut self, tail: &[u8]) -> Answer {
        let pending = std::mem::take(&mut self.session.pending);
        let wanted = expected(tail);
        match pending.len() {
            0 => Answer::Status(status::CONDITIONS),
            available if wanted > available => {
                self.session.pending = pending;
                Answer::Status(status::WRONG_LE | available as u16)
            }
            _ => {
                let (now, later) = pending.split_at(wanted);
                let status = match later.len() {
                    0 => status::OK,
                    rest => status::MORE | (rest.min(0x100) as u16 & 0xFF),
                };
                self.session.pending = later.to_vec();
                Answer::Direct(now.to_vec(), status)
            }
        }
    }

    pub(super) fn chain(&mut self, tail: &[u8]) -> Result<Answer, u16> {
        self.session.chained.extend_from_slice(data(tail)?);
        Ok(Answer::Status(status::OK))
    }

    fn select(&mut self, [p1, p2]: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        let found = match p1 {
            0x04 => self.by_name(p2, data)?,
            0x09 | 0x08 => self.by_path(&identifiers(data)?),
            0x00 | 0x02 if p2 == 0x00 => return Err(status::WRONG_P1_P2),
            0x00 | 0x02 => self.by_identifier(&identifiers(data)?),
            _ => return Err(status::WRONG_P1_P2),
        };
        self.enter(found, p2)
    }

    /// Makes the file that was `found` the current one, and answers what `p2` asks for.
    pub(super) fn enter(&mut self, found: Option<usize>, p2: u8) -> Result<Answer, u16> {
        let index = found.ok_or(status::NO_FILE)?;
        let file = self.files.get(index).ok_or(status::NO_FILE)?;
        match file.content {
            Content::Directory(_) => {
                self.session.directory = file.path.clone();
                self.session.file = None;
            }
            Content::Transparent(_) => {
                self.session.directory =
                    file.path.split_last().map(|(_, parent)| parent.to_vec()).unwrap_or_default();
                self.session.file = Some(index);
            }
        }
        Ok(match p2 & 0x0C {
            0x04 => Answer::Fetched(file.fcp().to_vec()),
            _ => Answer::Status(status::OK),
        })
    }

    /// The root application is the one that also answers P2 = 00, without data.
    fn by_name(&self, p2: u8, name: &[u8]) -> Result<Option<usize>, u16> {
        if !self.profile.application {
            return Ok(None);
        }
        if p2 & 0x0C == 0x00 && name != ROOT_AID {
            return Err(status::WRONG_P1_P2);
        }
        Ok(self.files.iter().position(|file| matches!(&file.content, Content::Directory(own) if own == name)))
    }

    /// The whole path from `3F00`.
    pub(super) fn by_path(&self, path: &[u16]) -> Option<usize> {
        if !self.profile.application {
            return None;
        }
        self.files.iter().position(|file| file.path == path)
    }

    /// A file right under the current directory, or the root itself.
    fn by_identifier(&self, path: &[u16]) -> Option<usize> {
        match path {
            [0x3F00] | [] => self.by_path(&[0x3F00]),
            _ => self.by_path(&[&self.current_directory(), path].concat()),
        }
    }

    pub(super) fn current_directory(&self) -> Vec<u16> {
        match self.session.directory.is_empty() {
            true => vec![0x3F00],
            false => self.session.directory.clone(),
        }
    }

    pub(super) fn read_binary(&mut self, [p1, p2]: [u8; 2], tail: &[u8]) -> Result<Answer, u16> {
        let (file, offset) = match p1 & 0x80 {
            0 => (
                self.session.file.and_then(|index| self.files.get(index)),
                usize::from(u16::from_be_bytes([p1, p2])),
            ),
            _ => {
                let parent = self.current_directory();
                let file = self.files.iter().find(|file| {
                    file.sfi == Some(p1 & 0x1F)
                        && file.path.split_last().is_some_and(|(_, dir)| dir == parent)
                });
                (file, usize::from(p2))
            }
        };
        let Some(Content::Transparent(content)) = file.map(|file| &file.content) else {
            return Err(status::NO_FILE);
        };
        let rest = content.get(offset..).ok_or(status::WRONG_OFFSET)?;
        match expected(tail) {
            _ if rest.is_empty() => Err(status::WRONG_OFFSET),
            READ_MAX if rest.len() < READ_MAX => Err(status::WRONG_LE | rest.len() as u16),
            wanted if wanted > rest.len() => Err(status::WRONG_LE | rest.len() as u16),
            wanted => Ok(Answer::Direct(rest.iter().copied().take(wanted).collect(), status::OK)),
        }
    }

    /// `4D { 70 { BF <class|80> <reference> { <tag> 80 } } }`
    fn get_data(&mut self, p: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        if p != [0x3F, 0xFF] {
            return Err(status::WRONG_P1_P2);
        }
        let (object, wanted, _) = der::find(data, 0x4D)
            .and_then(|list| der::find(list, 0x70))
            .and_then(der::split)
            .ok_or(status::WRONG_DATA)?;
        if wanted != [0xA0, 0x80] {
            return Err(if wanted == [0x7B, 0x80] { status::NO_OBJECT } else { status::WRONG_DATA });
        }
        let attributes = match object {
            0xBF_8101 if self.profile.pin_object && self.has_pin() => vec![
                der::tlv(0x9A, &[self.pin.max()]),
                der::tlv(0x9B, &[self.pin.left()]),
                der::nest(0xA1, &[der::tlv(0x8C, &[0xF3, 0x00, 0x00, 0x13, 0xFF, 0x00])]),
            ],
            0xBF_8102 if self.profile.pin_object && self.has_pin() => vec![
                der::tlv(0x9A, &[self.puk.max()]),
                der::tlv(0x9B, &[self.puk.left()]),
                der::tlv(0x9D, &[0x00, 0x64]),
                der::nest(0xA1, &[der::tlv(0x8C, &[0xF3, 0xFF, 0x00, 0xFF, 0xFF, 0x00])]),
            ],
            0xBF_9001 | 0xBF_9002 if self.current_directory() == [0x3F00, 0x0001] => vec![
                der::tlv(0x80, &[0x01, 0x00]),
                der::nest(0xA1, &[der::tlv(0x8C, &[0x7B, 0xFF, 0x11, 0x11, 0xFF, 0xFF, 0x00])]),
            ],
            _ => return Err(status::NO_OBJECT),
        };
        Ok(Answer::Fetched(der::nest(0x70, &[der::nest(object, &[der::nest(0xA0, &attributes)])])))
    }

    pub(super) fn verify(&mut self, [_, reference]: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        let (blocking, empty_verify) = (self.profile.blocking_status, self.profile.empty_verify);
        let bare_is_taken = !self.profile.strict_pin_padding;
        let code = match reference {
            _ if !self.has_pin() => return Err(status::NO_OBJECT),
            pin if pin == self.profile.pin_reference => &mut self.pin,
            0x02 => &mut self.puk,
            _ => return Err(status::NO_OBJECT),
        };
        match data.len() {
            0 if !empty_verify => Err(status::WRONG_LENGTH),
            0 if code.verified() => Ok(Answer::Status(status::OK)),
            0 if code.left() == 0 => Err(status::BLOCKED),
            0 => Err(status::TRIES | u16::from(code.left())),
            8 => Ok(Answer::Status(presented(code.present(data), blocking))),
            4 if bare_is_taken => {
                let filled = [data, &[0xFF; 4]].concat();
                Ok(Answer::Status(presented(code.present(&filled), blocking)))
            }
            _ => Err(status::WRONG_LENGTH),
        }
    }

    fn change_reference_data(&mut self, [_, reference]: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        if reference != 0x01 {
            return Err(status::NO_OBJECT);
        }
        let (old, new) = data.split_at_checked(8).ok_or(status::WRONG_LENGTH)?;
        let new: [u8; 8] = new.try_into().map_err(|_| status::WRONG_LENGTH)?;
        match self.pin.present(old) {
            Presented::Right => {
                self.pin.set(new);
                Ok(Answer::Status(status::OK))
            }
            refused => Err(presented(refused, self.profile.blocking_status)),
        }
    }

    fn reset_retry_counter(&mut self, p: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        if p != [0x02, 0x01] {
            return Err(status::WRONG_P1_P2);
        }
        if !self.puk.verified() {
            return Err(status::SECURITY);
        }
        self.pin.set(data.try_into().map_err(|_| status::WRONG_LENGTH)?);
        Ok(Answer::Status(status::OK))
    }

    fn manage_security_environment(&mut self, [p1, p2]: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        if p1 & 0x0F != 0x01 {
            return Err(status::WRONG_P1_P2);
        }
        let choice = Some(Choice::parse(data));
        let template = &mut self.session.template;
        match p2 {
            0xA4 => template.authentication = choice,
            0xB6 => template.signature = choice,
            0xB8 => template.confidentiality = choice,
            0xAA => template.hash = choice,
            _ => return Err(status::WRONG_P1_P2),
        }
        Ok(Answer::Status(status::OK))
    }

    fn internal_authenticate(&mut self, data: &[u8]) -> Result<Answer, u16> {
        let choice = self.session.template.authentication.ok_or(status::CONDITIONS)?;
        let signed = match self.profile.kind {
            Kind::Cps3Contactless => {
                self.identity.authenticate_by_tap(choice, self.profile.technical_key, data)
            }
            _ => {
                self.require_pin()?;
                self.identity.authenticate(choice, data, self.profile.strict_digest_info)
            }
        };
        signed.map(Answer::Fetched).ok_or(status::WRONG_DATA)
    }

    fn perform_security_operation(&mut self, p: [u8; 2], data: &[u8]) -> Result<Answer, u16> {
        let mut input = std::mem::take(&mut self.session.chained);
        input.extend_from_slice(data);
        match p {
            [0x90, 0xA0] => self.hash(&input),
            [0x9E, 0x9A] => {
                let choice = self.session.template.signature.ok_or(status::CONDITIONS)?;
                self.require_pin()?;
                let hash = match input.is_empty() {
                    true => self.session.hash.take().ok_or(status::CONDITIONS)?,
                    false => input,
                };
                self.identity.sign(choice, &hash).map(Answer::Fetched).ok_or(status::WRONG_DATA)
            }
            [0x80, 0x86] => {
                let choice = self.session.template.confidentiality.ok_or(status::CONDITIONS)?;
                self.require_pin()?;
                self.identity.decipher(choice, &input).map(Answer::Fetched).ok_or(status::WRONG_DATA)
            }
            _ => Err(status::WRONG_P1_P2),
        }
    }

    /// Only whole messages of up to 64 bytes (`90` empty): continuing a digest begun by the host needs its inner state,
    /// which no driver of ours sends.
    fn hash(&mut self, input: &[u8]) -> Result<Answer, u16> {
        let choice = self.session.template.hash.ok_or(status::CONDITIONS)?;
        match (der::find(input, 0x90), der::find(input, 0x80)) {
            (Some([]), Some(message)) => {
                self.session.hash = choice.digest(message);
                Ok(Answer::Status(status::OK))
            }
            _ => Err(status::WRONG_DATA),
        }
    }

    /// Behind the antenna there are no codes.
    fn has_pin(&self) -> bool {
        self.profile.kind != Kind::Cps3Contactless
    }

    pub(super) fn require_pin(&self) -> Result<(), u16> {
        if self.pin.verified() { Ok(()) } else { Err(status::SECURITY) }
    }
}

fn presented(outcome: Presented, blocking: u16) -> u16 {
    match outcome {
        Presented::Right => status::OK,
        Presented::Wrong(0) => blocking,
        Presented::Wrong(left) => status::TRIES | u16::from(left),
        Presented::Blocked => status::BLOCKED,
    }
}

pub(super) fn get_challenge(tail: &[u8]) -> Result<Answer, u16> {
    let mut challenge = vec![0; expected(tail)];
    openssl::rand::rand_bytes(&mut challenge).map_err(|_| status::CONDITIONS)?;
    Ok(Answer::Direct(challenge, status::OK))
}

/// The data field of a command whose P3 is Lc. A host that adds Le (as under T=1) is understood too.
pub(super) fn data(tail: &[u8]) -> Result<&[u8], u16> {
    match tail {
        [] | [0] => Ok(&[]),
        [length, rest @ ..] => rest.get(..usize::from(*length)).ok_or(status::WRONG_LENGTH),
    }
}

/// P3 as Le: 0 stands for 256.
fn expected(tail: &[u8]) -> usize {
    match tail {
        [0] | [] => READ_MAX,
        [length, ..] => usize::from(*length),
    }
}

pub(super) fn identifiers(data: &[u8]) -> Result<Vec<u16>, u16> {
    let (pairs, rest) = data.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
    } else {
        Err(status::WRONG_DATA)
    }
}
