//! A software CPS3: an IAS-ECC card with contacts, T=0, PKCS#15, two RSA keys, a PIN and a PUK.
//!
//! What a hospital gets from it: the demonstration works on a machine without a reader, and every test of the driver,
//! the agent and the pages runs against a card that OpenSC, an independent program, takes for a real one. What is known
//! of the real card is in `docs/cps-card.md`; what is not known stands in [`Profile`], one switch per unknown.
//!
//! It never holds a person's data or a production key: identities come from `sceau-certs`, and everything but the
//! certificates is forgotten when it is dropped.

mod commands;
mod der;
mod files;
mod keys;
mod secret;
pub mod vpcd;

use self::files::File;
pub use self::keys::KeyPair;
use self::keys::Template;
use self::secret::Code;

/// Answer to reset of a CPS3 behind its contacts.
pub const ATR: [u8; 17] =
    [0x3B, 0xAC, 0x00, 0x40, 0x2A, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x03, 0x10, 0x00, 0x90, 0x00];

/// Who the card was issued to.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The eight digits of EF.SN between the issuer's prefix and the check digit.
    pub serial: String,
    /// The authentication key (`82`) and its certificate.
    pub authentication: KeyPair,
    /// The signature key (`81`) and its certificate.
    pub signature: KeyPair,
    /// Four digits.
    pub pin: String,
    /// Eight digits.
    pub puk: String,
}

/// What is not known of the silicon, one switch each. The default is what the facts make most likely.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The answer to reset; another one makes a foreign card of it.
    pub atr: Vec<u8>,
    /// Whether the IAS-ECC application is there at all; without it every SELECT by name answers `6A82`.
    pub application: bool,
    /// Whether an empty VERIFY answers the tries left; the real card's reaction is unconfirmed.
    pub empty_verify: bool,
    /// Whether GET DATA of the PIN object answers; it does on the real card, and the driver has a second way.
    pub pin_object: bool,
    /// The answer to the wrong presentation that blocks: `63C0` or `6983`.
    pub blocking_status: u16,
    /// Identifier of the code that unblocks the PIN, as EF 7001 names it. The real card says `02`, which names no code
    /// it has; OpenSC unblocks only with `04`.
    pub pin_unblocked_by: u8,
    /// Whether key references are written as negative integers (`02 01 82`), as careless encoders do.
    pub negative_key_references: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            atr: ATR.to_vec(),
            application: true,
            empty_verify: true,
            pin_object: true,
            blocking_status: 0x63C0,
            pin_unblocked_by: 0x02,
            negative_key_references: false,
        }
    }
}

/// What a test lets happen in place of the answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The card answers.
    Answer,
    /// The card answers this status word and does nothing.
    Status(u16),
    /// The card is pulled out before it does anything.
    PulledBefore,
    /// The card does what it was asked and is pulled out before it answers.
    PulledAfter,
}

type Intervention = Box<dyn FnMut(&[u8]) -> Reaction + Send>;

/// The card. It takes TPDUs as a T=0 reader sends them and gives the answer with its status word.
pub struct SoftCard {
    profile: Profile,
    identity: Identity,
    files: Vec<File>,
    pin: Code,
    puk: Code,
    session: Session,
    log: Vec<[u8; 4]>,
    intervention: Option<Intervention>,
}

/// What a reset forgets.
#[derive(Debug, Default)]
struct Session {
    directory: Vec<u16>,
    file: Option<usize>,
    /// What GET RESPONSE will give.
    pending: Vec<u8>,
    /// Data of a command chain that has not ended.
    chained: Vec<u8>,
    template: Template,
    hash: Option<Vec<u8>>,
}

impl std::fmt::Debug for SoftCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoftCard").field("serial", &self.identity.serial).finish_non_exhaustive()
    }
}

impl SoftCard {
    /// A card as it leaves the issuer.
    #[must_use]
    pub fn new(identity: Identity, profile: Profile) -> Self {
        let files = files::contact_card(&identity, &profile);
        let pin = Code::new(&identity.pin, 3);
        let puk = Code::new(&identity.puk, 10);
        Self {
            profile,
            files,
            pin,
            puk,
            identity,
            session: Session::default(),
            log: Vec::new(),
            intervention: None,
        }
    }

    /// The answer to reset.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        &self.profile.atr
    }

    /// Power on, power off and reset: all of them forget the selection, the keys chosen and the codes presented.
    pub fn reset(&mut self) {
        self.session = Session::default();
        self.pin.forget();
        self.puk.forget();
    }

    /// Answers one command; `None` when a test has let the card be pulled out over it.
    pub fn transmit(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        if let [cla, ins, p1, p2, ..] = *command {
            self.log.push([cla, ins, p1, p2]);
        }
        match self.intervention.as_mut().map_or(Reaction::Answer, |decide| decide(command)) {
            Reaction::Answer => Some(self.answer(command)),
            Reaction::Status(status) => Some(status.to_be_bytes().to_vec()),
            Reaction::PulledBefore => None,
            Reaction::PulledAfter => {
                self.answer(command);
                None
            }
        }
    }

    /// Lets `decide` see every command first, until the next call.
    pub fn intervene(&mut self, decide: impl FnMut(&[u8]) -> Reaction + Send + 'static) {
        self.intervention = Some(Box::new(decide));
    }

    /// Ends what [`Self::intervene`] began.
    pub fn leave_alone(&mut self) {
        self.intervention = None;
    }

    /// Presentations of the PIN that are left.
    #[must_use]
    pub fn tries_left(&self) -> u8 {
        self.pin.left()
    }

    /// Whether the PIN counts as presented now.
    #[must_use]
    pub fn pin_is_verified(&self) -> bool {
        self.pin.verified()
    }

    /// The headers (CLA INS P1 P2) of all commands since the card was made.
    #[must_use]
    pub fn headers(&self) -> &[[u8; 4]] {
        &self.log
    }

    /// How many commands with this instruction byte came.
    #[must_use]
    pub fn count(&self, instruction: u8) -> usize {
        self.log.iter().filter(|[_, ins, _, _]| *ins == instruction).count()
    }

    /// The identity on the card.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}
