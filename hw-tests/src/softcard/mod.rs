//! Software cards of health professionals: a CPS3 behind its contacts (IAS-ECC, T=0), the same behind its antenna (a
//! technical key without a PIN), and a CPS4 (an applet on logical channel 1, raw RSA, T=0 or T=1).
//!
//! What a hospital gets from it: the demonstration works on a machine without a reader, and every test of the driver,
//! the agent and the pages runs against a card; OpenSC, an independent program, takes the CPS3 for a real one. What is
//! known of the real cards is in `docs/cards.md`; what is not known stands in [`Profile`], one switch per unknown.
//!
//! It never holds a person's data or a production key: identities come from `sceau-certs`, and everything but the
//! certificates is forgotten when it is dropped.

mod chipdoc;
mod commands;
mod der;
mod files;
mod keys;
mod secret;
pub mod vpcd;

use std::time::Duration;

use self::files::File;
pub use self::keys::KeyPair;
use self::keys::Template;
use self::secret::Code;

/// Answer to reset of a CPS3 behind its contacts.
pub const CPS3_ATR: [u8; 17] =
    [0x3B, 0xAC, 0x00, 0x40, 0x2A, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x03, 0x10, 0x00, 0x90, 0x00];
/// Answer to reset of a CPS3 behind its antenna, as readers make it up.
pub const CONTACTLESS_ATR: [u8; 20] = [
    0x3B, 0x8F, 0x80, 0x01, 0x00, 0x31, 0xB8, 0x64, 0x04, 0xB0, 0xEC, 0xC1, 0x73, 0x94, 0x01, 0x80, 0x82,
    0x90, 0x00, 0x0E,
];
/// Answer to reset of a CPS4, which offers T=0 and T=1.
pub const CPS4_ATR: [u8; 17] =
    [0x3B, 0x9B, 0x18, 0x80, 0x01, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x04, 0x01, 0x00, 0x00, 0x90, 0x44];
/// Answer to reset of a CPS4 that offers T=0 alone.
pub const CPS4_T0_ATR: [u8; 17] =
    [0x3B, 0xDC, 0x18, 0xFF, 0x00, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x00, 0x04, 0x01, 0x00, 0x90, 0x00];

/// Who the card was issued to.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The eight digits of EF.SN between the issuer's prefix and the check digit.
    pub serial: String,
    /// The authentication key (`82`) and its certificate.
    pub authentication: KeyPair,
    /// The signature key (`81`) and its certificate.
    pub signature: KeyPair,
    /// The technical key behind the antenna, on cards that have one.
    pub technical: Option<KeyPair>,
    /// Four digits.
    pub pin: String,
    /// Eight digits.
    pub puk: String,
}

/// Which card it is, and which of its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Cps3,
    Cps3Contactless,
    Cps4,
}

/// How the reader talks to the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// An answer to a command with data waits to be fetched.
    T0,
    /// An answer comes at once.
    T1,
}

/// How a CPS4 wants its logical channel opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// By the selection of the applet on it, as the official library does.
    BySelection,
    /// By MANAGE CHANNEL; a selection before answers `6881`.
    ByManageChannel,
}

/// What is not known of the silicon, one switch each. The default is what the facts make most likely.
#[derive(Debug, Clone)]
pub struct Profile {
    pub kind: Kind,
    /// The answer to reset; another one makes a foreign card of it.
    pub atr: Vec<u8>,
    pub protocol: Protocol,
    /// What every answer takes, beyond computing it.
    pub latency: Duration,
    /// Whether the application is there at all; without it every SELECT by name answers `6A82`.
    pub application: bool,
    /// Whether an empty VERIFY answers the tries left; a real CPS3's reaction is unconfirmed.
    pub empty_verify: bool,
    /// Whether GET DATA of the PIN object answers; it does on the real card, and the driver has a second way.
    pub pin_object: bool,
    /// Reference of the PIN, as EF 7001 names it.
    pub pin_reference: u8,
    /// Whether a PIN is taken only in eight bytes, filled up with `FF`, or also bare.
    pub strict_pin_padding: bool,
    /// Whether INTERNAL AUTHENTICATE takes only a `DigestInfo` that it knows, or anything of up to 40 % of the modulus.
    pub strict_digest_info: bool,
    /// The answer to the wrong presentation that blocks: `63C0` or `6983`.
    pub blocking_status: u16,
    /// Identifier of the code that unblocks the PIN, as EF 7001 names it. The real card says `02`, which names no code
    /// it has; OpenSC unblocks only with `04`.
    pub pin_unblocked_by: u8,
    /// Whether key references are written as negative integers (`02 01 82`), as careless encoders do.
    pub negative_key_references: bool,
    /// Reference of the key behind the antenna, which no source tells.
    pub technical_key: u8,
    /// Identifier of the directory behind the antenna, as EF.DIR names it.
    pub contactless_directory: u16,
    /// When the card was last updated from afar, `yyyymmddhhmmss`; a card that never was has no EF.ACTUA.
    pub updated: Option<&'static str>,
    /// Whether EF.DIR can be read.
    pub application_list: bool,
    /// Whether the card is in its older view after every reset, as another program leaves it: see
    /// [`SoftCard::leave_in_older_view`].
    pub older_view: bool,
    pub opening: Opening,
}

impl Default for Profile {
    /// A CPS3 behind its contacts.
    fn default() -> Self {
        Self {
            kind: Kind::Cps3,
            atr: CPS3_ATR.to_vec(),
            protocol: Protocol::T0,
            latency: Duration::ZERO,
            application: true,
            empty_verify: true,
            pin_object: true,
            pin_reference: 0x01,
            strict_pin_padding: true,
            strict_digest_info: false,
            blocking_status: 0x63C0,
            pin_unblocked_by: 0x02,
            negative_key_references: false,
            technical_key: 0x83,
            contactless_directory: 0x0002,
            updated: None,
            application_list: true,
            older_view: false,
            opening: Opening::BySelection,
        }
    }
}

impl Profile {
    /// A CPS4, in a reader that chooses T=1.
    #[must_use]
    pub fn cps4() -> Self {
        Self { kind: Kind::Cps4, atr: CPS4_ATR.to_vec(), protocol: Protocol::T1, ..Self::default() }
    }

    /// A CPS4 that knows T=0 alone.
    #[must_use]
    pub fn cps4_t0() -> Self {
        Self { atr: CPS4_T0_ATR.to_vec(), protocol: Protocol::T0, ..Self::cps4() }
    }

    /// A CPS3 on a contactless reader.
    #[must_use]
    pub fn contactless() -> Self {
        Self {
            kind: Kind::Cps3Contactless,
            atr: CONTACTLESS_ATR.to_vec(),
            protocol: Protocol::T1,
            ..Self::default()
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

/// The card. It takes commands as a reader sends them and gives the answer with its status word.
pub struct SoftCard {
    profile: Profile,
    identity: Identity,
    files: Vec<File>,
    pin: Code,
    puk: Code,
    session: Session,
    log: Vec<[u8; 4]>,
    presentations: usize,
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
    /// Another program has left the card in its older view.
    older_view: bool,
    /// Of a CPS4: its channel and applet.
    channel: chipdoc::State,
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
        let files = files::of(&identity, &profile);
        let session = Session { older_view: profile.older_view, ..Session::default() };
        let pin = Code::new(&identity.pin, 3);
        let puk = Code::new(&identity.puk, 10);
        Self {
            profile,
            files,
            pin,
            puk,
            identity,
            session,
            log: Vec::new(),
            presentations: 0,
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
        self.session = Session { older_view: self.profile.older_view, ..Session::default() };
        self.pin.forget();
        self.puk.forget();
    }

    /// How the reader talks to it.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.profile.protocol
    }

    /// What every answer takes.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.profile.latency
    }

    /// Leaves the card as a program does that uses its older view: a CPS3 answers `6E00` until its root application is
    /// selected, a CPS4 answers `6985` to the selection of its applet until it was led there by way of the issuer's
    /// security domain. A reset ends it.
    pub fn leave_in_older_view(&mut self) {
        self.session = Session { older_view: true, ..Session::default() };
    }

    /// Answers one command; `None` when a test has let the card be pulled out over it.
    pub fn transmit(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        if let [cla, ins, p1, p2, ..] = *command {
            self.log.push([cla, ins, p1, p2]);
        }
        // An empty VERIFY asks, and presents nothing.
        self.presentations += usize::from(matches!(*command, [_, 0x20, _, _, length, ..] if length > 0));
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

    /// How often a code was presented, rightly or not.
    #[must_use]
    pub fn presentations(&self) -> usize {
        self.presentations
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
