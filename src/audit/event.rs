//! What is recorded of an event, and how it is put together.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::{SharedClock, Time};
use crate::ids::{EventId, OperationId, PersonId, SessionId, SharedRandom, TransactionId, WorkstationId};
use crate::store;

/// Longer texts that come from outside are cut here, so that nobody fills the trail with a header.
const LONGEST_TEXT: usize = 256;

/// Declares the kinds once, each with its stable name in the database and in exports.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal;)*) => {
        /// What happened. The names are stable: alerts and reports are written against them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name, such as `sign-in`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kinds! {
    /// Somebody tried to sign in: success, failure (wrong PIN, expired card …) or denied (not admitted, disabled).
    SignIn "sign-in";
    /// A person answered on their phone, or at the reader of their card, what a browser or a program waited for.
    Approval "approval";
    /// A phone is woken from now on (note `on`), or no longer: its person does not want it (`off`), or its browser is
    /// gone (`gone`).
    PhonePush "phone.push";
    /// A session that existed was used for another relying party.
    SessionUsed "session.used";
    /// A session ended: signed out, too old, or ended by an administrator.
    SessionEnded "session.ended";
    /// A session was locked: its card left the reader, or its workstation fell silent.
    SessionLocked "session.locked";
    /// A card request was given to a browser.
    CardRequest "card.request";
    /// An authorization request was refused.
    AuthorizationRefused "authorization.refused";
    /// A relying party asked a person who is at no browser (CIBA).
    BackchannelAsked "backchannel.asked";
    /// A relying party was told that whom it asked has answered, or could not be told.
    BackchannelNotified "backchannel.notified";
    /// A relying party received a code.
    CodeIssued "code.issued";
    /// A relying party exchanged a code for tokens.
    TokenIssued "token.issued";
    /// A relying party renewed its tokens.
    TokenRefreshed "token.refreshed";
    /// The server of an API exchanged a token of a person for one of its own.
    TokenExchanged "token.exchanged";
    /// A code or refresh token came a second time; what it gave was revoked.
    TokenReuse "token.reuse";
    /// A grant was revoked.
    TokenRevoked "token.revoked";
    /// A person took back what they had allowed a relying party.
    ConsentWithdrawn "consent.withdrawn";
    /// A relying party asked for tokens and got none.
    TokenRefused "token.refused";
    /// A relying party failed to authenticate.
    ClientRefused "client.refused";
    /// A relying party was told that a session ended, or could not be told.
    LogoutDelivered "logout.delivered";
    /// An identity at a provider of others was unlinked: what it had opened ends.
    IdentityUnlinked "identity.unlinked";
    /// A browser was sent to a provider of others to sign out there too, or could not be; or such a provider said that somebody
    /// has signed out there, or something that is not to be believed.
    UpstreamLogout "upstream.logout";
    /// A relying party was registered.
    ClientAdded "client.added";
    /// A relying party was changed.
    ClientChanged "client.changed";
    /// A relying party got another secret.
    ClientSecretRotated "client.secret-rotated";
    /// A token by which services register themselves was made, or taken back.
    RegistrationToken "client.registration-token";
    /// A relying party was disabled: it gets nothing, and what it held is revoked.
    ClientDisabled "client.disabled";
    /// A disabled relying party was enabled again.
    ClientEnabled "client.enabled";
    /// A relying party was removed.
    ClientRemoved "client.removed";
    /// A person became known to this installation.
    PersonAdded "person.added";
    /// A provider of others told something new of a professional who is not in the directory.
    PersonRefreshed "person.refreshed";
    /// A person was disabled.
    PersonDisabled "person.disabled";
    /// A disabled person was enabled again.
    PersonEnabled "person.enabled";
    /// A person was granted a role.
    RoleGranted "role.granted";
    /// A role was taken away from a person.
    RoleRevoked "role.revoked";
    /// An identity of another provider was linked to a person: by what it tells, by the person themselves, or by hand.
    IdentityLinked "identity.linked";
    /// A person was given another national identifier, by hand or by what a provider of others tells.
    PersonIdentified "person.identified";
    /// Two rows of one human became one, by hand; recorded of both.
    PersonMerged "person.merged";
    /// A person was linked with this establishment.
    AffiliationStarted "affiliation.started";
    /// A link with this establishment ended.
    AffiliationEnded "affiliation.ended";
    /// The national directory was imported, or an import was refused.
    DirectoryImported "directory.imported";
    /// An enrolment code for a workstation was made.
    WorkstationInvited "workstation.invited";
    /// A workstation was enrolled, or its enrolment was refused.
    WorkstationEnrolled "workstation.enrolled";
    /// An administrator gave a workstation another name.
    WorkstationRenamed "workstation.renamed";
    /// A site token was made: a fleet can enrol with it.
    SiteTokenCreated "site-token.created";
    /// A site token was revoked.
    SiteTokenRevoked "site-token.revoked";
    /// An administrator approved a workstation.
    WorkstationApproved "workstation.approved";
    /// A person was given a means of identification, or it was refused.
    MeansIssued "means.issued";
    /// An identity was checked at the desk: what was shown, never its number.
    IdentityChecked "identity.checked";
    /// The desk looked for a person.
    PersonSearched "person.searched";
    /// The desk looked at the means of a person.
    PersonConsulted "person.consulted";
    /// A means was handed to its person at the desk.
    MeansHandedOut "means.handed-out";
    /// A means was renewed before its time was over, or was not.
    MeansRenewed "means.renewed";
    /// A means was given another label.
    MeansRenamed "means.renamed";
    /// A means was suspended: it signs in no more until somebody lifts that.
    MeansSuspended "means.suspended";
    /// The suspension of a means was lifted.
    MeansResumed "means.resumed";
    /// A means was revoked, or could not be.
    MeansRevoked "means.revoked";
    /// The address for a person's notices was verified, changed or removed, or a wrong code was typed for it.
    ContactChanged "contact.changed";
    /// A person was sent a notice by mail, or it was given up.
    NoticeSent "notice.sent";
    /// A workstation was revoked.
    WorkstationRevoked "workstation.revoked";
    /// A workstation reported that something is wrong with it, such as another program on the agent's port.
    WorkstationAlert "workstation.alert";
    /// A message of a workstation's channel was refused.
    WorkstationRefused "workstation.refused";
    /// A signing key was made.
    KeyCreated "key.created";
    /// A signing key took over from the one before.
    KeyRotated "key.rotated";
    /// A key was withdrawn: what it signed no longer counts.
    KeyWithdrawn "key.withdrawn";
    /// A list of revoked certificates was read, or could not be.
    RevocationListRead "crl.read";
    /// A responder called a card revoked or on hold, or lifted a hold.
    CardRevoked "card.revoked";
    /// The server started.
    ServerStarted "server.started";
    /// The server stopped in good order.
    ServerStopped "server.stopped";
    /// Somebody exported the trail.
    AuditExported "audit.exported";
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("there is no event kind {name:?}; the kinds are {}", names.join(", "))
        })
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It could not be done.
    Failure,
    /// It was understood and not allowed.
    Denied,
}

impl Outcome {
    /// The name in the database and in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

/// Where a request came from, as the web front saw it.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The request's operation id, as on its page and in the log.
    pub operation: Option<OperationId>,
    /// The address of the browser or relying party, behind trusted proxies.
    pub address: Option<IpAddr>,
    /// Its port, where no proxy hides it.
    pub port: Option<u16>,
    /// What it says of itself.
    pub user_agent: Option<String>,
    /// The network zone that the configuration gives to its address.
    pub zone: Option<String>,
    /// It came by the address that faces the Internet, where none but providers that delegate to us are served.
    pub outside: bool,
}

/// What makes events: knows the node, the policy in force, the time and where identifiers come from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trail {
    node: Arc<str>,
    policy: Arc<str>,
    clock: SharedClock,
    random: SharedRandom,
}

impl Trail {
    /// For the node named `node` (each has a chain of its own) under the policy version `policy`.
    pub fn new(node: &str, policy: &str, clock: SharedClock, random: SharedRandom) -> Self {
        Self { node: node.into(), policy: policy.into(), clock, random }
    }

    /// The node whose chain the events join.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// An event of now: a success until told otherwise.
    pub fn event(&self, kind: Kind) -> Event {
        let at = self.clock.now();
        Event {
            id: EventId::new(at, &*self.random),
            node: Arc::clone(&self.node),
            at,
            kind,
            outcome: Outcome::Success,
            code: None,
            person: None,
            client: None,
            operation: None,
            detail: Detail { policy_version: self.policy.to_string(), ..Detail::default() },
        }
    }
}

/// An event on its way to the trail. Record it with `store::audit::record!` inside the transaction of the change, or
/// with `store::audit::append` where nothing else changed.
#[derive(Debug, Clone)]
pub struct Event {
    id: EventId,
    node: Arc<str>,
    at: Time,
    kind: Kind,
    outcome: Outcome,
    code: Option<Cow<'static, str>>,
    person: Option<PersonId>,
    client: Option<String>,
    operation: Option<OperationId>,
    detail: Detail,
}

/// The part of the minimum record that is not a column. The order of members is that of the exports.
#[derive(Debug, Clone, Default, Serialize)]
struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    id_nat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    means_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workstation: Option<WorkstationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<TransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    policy_version: String,
}

impl Event {
    /// It could not be done, for the reason with this code of `docs/errors.md`.
    pub fn failure(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        (self.outcome, self.code) = (Outcome::Failure, Some(code.into()));
        self
    }

    /// It was not allowed, for the reason with this code of `docs/errors.md`.
    pub fn denied(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        (self.outcome, self.code) = (Outcome::Denied, Some(code.into()));
        self
    }

    /// Whom it is about.
    pub fn person(mut self, person: PersonId) -> Self {
        self.person = Some(person);
        self
    }

    /// The national identifier that was shown: the only trace of a stranger, who has no row.
    pub fn id_nat(mut self, id_nat: &str) -> Self {
        self.detail.id_nat = Some(cut(id_nat));
        self
    }

    /// Who did it, where that is not the person: an administrator's name, or `command line: <user>`.
    pub fn actor(mut self, actor: &str) -> Self {
        self.detail.actor = Some(cut(actor));
        self
    }

    /// The means (`card`, `mobile`, `webauthn`, `upstream`) and its public number: card number, credential id.
    pub fn means(mut self, means: &'static str, id: Option<&str>) -> Self {
        self.detail.means = Some(means);
        self.detail.means_id = id.map(cut);
        self
    }

    /// The enrolment of the means.
    pub fn enrolment(mut self, id: &str) -> Self {
        self.detail.enrolment = Some(cut(id));
        self
    }

    /// The level reached, and by which factors.
    pub fn level(mut self, acr: &str, amr: &[String]) -> Self {
        self.detail.acr = Some(cut(acr));
        self.detail.amr = amr.iter().map(|factor| cut(factor)).collect();
        self
    }

    /// The relying party.
    pub fn client(mut self, id: &str) -> Self {
        self.client = Some(cut(id));
        self
    }

    /// The application behind the relying party, where it says so.
    pub fn application(mut self, name: &str) -> Self {
        self.detail.application = Some(cut(name));
        self
    }

    /// The workstation that signed the answer.
    pub fn workstation(mut self, id: WorkstationId) -> Self {
        self.detail.workstation = Some(id);
        self
    }

    /// The reader's name, where it is known, and the agent's version.
    pub fn reader(mut self, reader: &str, agent: &str) -> Self {
        self.detail.reader = (!reader.is_empty()).then(|| cut(reader));
        self.detail.agent = Some(cut(agent));
        self
    }

    /// Where the request came from.
    pub fn caller(mut self, caller: &Caller) -> Self {
        self.operation = caller.operation;
        self.detail.address = caller.address;
        self.detail.port = caller.port;
        self.detail.user_agent = caller.user_agent.as_deref().map(cut);
        self.detail.zone = caller.zone.as_deref().map(cut);
        self
    }

    /// The network zone, where the workstation knows better than the address.
    pub fn zone(mut self, zone: &str) -> Self {
        self.detail.zone = (!zone.is_empty()).then(|| cut(zone));
        self
    }

    /// The session: its public id, never the cookie.
    pub fn session(mut self, id: SessionId) -> Self {
        self.detail.session = Some(id);
        self
    }

    /// The sign-in transaction.
    pub fn transaction(mut self, id: TransactionId) -> Self {
        self.detail.transaction = Some(id);
        self
    }

    /// The session id or correlation id that the national Pro Santé Connect gave.
    pub fn upstream(mut self, id: &str) -> Self {
        self.detail.upstream = Some(cut(id));
        self
    }

    /// What the person confirmed or consented to.
    pub fn confirmed(mut self, what: &str) -> Self {
        self.detail.confirmed = Some(cut(what));
        self
    }

    /// A few words or figures for the reader of the trail: counts of an import, the reason given by an administrator.
    pub fn note(mut self, text: &str) -> Self {
        self.detail.note = Some(cut(text));
        self
    }
}

impl From<&Event> for store::audit::NewRow {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id,
            node: event.node.to_string(),
            at: event.at,
            kind: event.kind.name(),
            outcome: event.outcome.name(),
            code: event.code.as_deref().map(str::to_owned),
            person_id: event.person,
            client_id: event.client.clone(),
            operation_id: event.operation,
            // A struct of texts and numbers has no way to fail.
            detail: serde_json::to_string(&event.detail).unwrap_or_else(|_| "{}".to_owned()),
        }
    }
}

/// The text without control characters, at most [`LONGEST_TEXT`] characters of it.
fn cut(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TEXT).collect()
}
