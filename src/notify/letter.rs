//! What a notice says: text alone, in the person's language, with the headers that a mail needs (RFC 5322, RFC 3834).

use std::time::SystemTime;

use lettre::Message;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use url::Url;

use super::code::Codes;
use super::smtp::OpenError;
use crate::clock::Time;
use crate::config::Mail;
use crate::ids::NoticeId;
use crate::store::means::Kind;
use crate::store::notice::{Notice, Place, Told};
use crate::web::i18n::Texts;
use crate::web::language::Language;

/// What stands around every mail.
#[derive(Debug, Clone)]
pub struct Letterhead {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// Whom people turn to.
    contact: String,
    establishment: String,
    /// Where a person looks at their means.
    means: String,
}

/// A mail that cannot be written: its address is none.
#[derive(Debug, thiserror::Error)]
#[error("the address of a notice is none that a mail can be sent to")]
pub struct Unwritable;

impl Unwritable {
    /// The stable code of `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        "MAIL-009"
    }
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5): nobody's holiday answer comes back.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// What is written to somebody.
struct Words {
    subject: String,
    paragraphs: Vec<String>,
}

impl Letterhead {
    /// Of the configuration: the establishment's name, and the page of a person's means below `front`.
    ///
    /// # Errors
    /// [`OpenError::Mailbox`], where a sender is no address.
    pub fn new(mail: &Mail, establishment: &str, front: &Url, path: &str) -> Result<Self, OpenError> {
        let mailbox = |key, text: &str| text.parse::<Mailbox>().map_err(|_| OpenError::Mailbox(key));
        let front = front.as_str().trim_end_matches('/');
        Ok(Self {
            from: mailbox("mail.from", &mail.from)?,
            reply_to: mail.reply_to.as_deref().map(|text| mailbox("mail.reply_to", text)).transpose()?,
            contact: mail.contact.clone(),
            establishment: establishment.to_owned(),
            means: format!("{front}{path}"),
        })
    }

    /// The mail of a notice.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(super) fn letter(&self, notice: &Notice, codes: &Codes) -> Result<Message, Unwritable> {
        let texts = language(&notice.language).texts();
        let words = self.words(notice, codes, texts);
        self.write(notice.id, &notice.address, notice.created_at, words, texts)
    }

    /// A mail that tells that mails arrive.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub fn trial(&self, id: NoticeId, address: &str, now: Time) -> Result<Message, Unwritable> {
        let texts = Language::French.texts();
        let words = Words {
            subject: texts.text("mail-trial-subject"),
            paragraphs: vec![texts.text("mail-trial"), Language::English.texts().text("mail-trial")],
        };
        self.write(id, address, now, words, texts)
    }

    fn words(&self, notice: &Notice, codes: &Codes, t: &Texts) -> Words {
        if let Told::AddressCode { code } = &notice.told {
            let code = codes.code(*code, &notice.address);
            return Words {
                subject: t.text("mail-code-subject"),
                paragraphs: vec![
                    t.text_with("mail-code", &[("code", code.as_str())]),
                    t.text("mail-code-unasked"),
                ],
            };
        }
        if let Told::Alarm { event, place } = &notice.told {
            let (at, event) = (moment(notice.created_at, t), event.to_string());
            return Words {
                subject: t.text("mail-alarm-subject"),
                paragraphs: vec![
                    t.text("mail-alarm"),
                    happened_at(&at, Some(place), t),
                    t.text_with("mail-alarm-who", &[("event", event.as_str())]),
                    t.text("mail-alarm-most"),
                ],
            };
        }
        let (subject, happened, place) = told(&notice.told, t);
        let at = moment(notice.created_at, t);
        let contact = [("contact", self.contact.as_str())];
        let (yours, not_yours) = match &notice.told {
            // Of what they refused themself nobody asks whether it was them.
            Told::Disowned { .. } => {
                (t.text("mail-disowned-yours"), t.text_with("mail-disowned-not-yours", &contact))
            }
            _ => (t.text("mail-yours"), t.text_with("mail-not-yours", &contact)),
        };
        let paragraphs = vec![
            happened,
            happened_at(&at, place, t),
            yours,
            not_yours,
            t.text_with("mail-means", &[("address", self.means.as_str())]),
        ];
        Words { subject, paragraphs }
    }

    fn write(
        &self,
        id: NoticeId,
        address: &str,
        at: Time,
        words: Words,
        t: &Texts,
    ) -> Result<Message, Unwritable> {
        let mut paragraphs = words.paragraphs;
        let signature = match self.establishment.is_empty() {
            true => t.text("mail-automatic"),
            false => format!("{}\n{}", self.establishment, t.text("mail-automatic")),
        };
        paragraphs.push(signature);
        // The end of a line is that of the wire (RFC 5322 §2.3).
        let body = (paragraphs.join("\n\n") + "\n").replace('\r', "").replace('\n', "\r\n");
        let to = address.parse().map(|address| Mailbox::new(None, address)).map_err(|_| Unwritable)?;
        let builder = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(words.subject)
            .date(SystemTime::from(at))
            // The same at each attempt: a mail that comes twice is recognised as one.
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted);
        let builder = match &self.reply_to {
            Some(reply_to) => builder.reply_to(reply_to.clone()),
            None => builder,
        };
        let part = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body);
        builder.singlepart(part).map_err(|_| Unwritable)
    }
}

/// The subject, what happened, and where.
fn told<'a>(told: &'a Told, t: &Texts) -> (String, String, Option<&'a Place>) {
    let named = |means: &Kind| match means {
        Kind::Card => t.text("mail-card"),
        Kind::SecurityKey => t.text("mail-key"),
        Kind::SecondFactor => t.text("mail-second-factor"),
        Kind::Phone => t.text("mail-phone"),
    };
    match told {
        Told::MeansIssued { means, place } => {
            let text = t.text_with("mail-issued", &[("means", named(means).as_str())]);
            (t.text("mail-issued-subject"), text, Some(place))
        }
        Told::MeansRenewed { means, place } => {
            let text = t.text_with("mail-renewed", &[("means", named(means).as_str())]);
            (t.text("mail-renewed-subject"), text, Some(place))
        }
        Told::MeansSuspended { means } => {
            let text = t.text_with("mail-suspended", &[("means", named(means).as_str())]);
            (t.text("mail-suspended-subject"), text, None)
        }
        Told::MeansResumed { means } => {
            let text = t.text_with("mail-resumed", &[("means", named(means).as_str())]);
            (t.text("mail-resumed-subject"), text, None)
        }
        Told::MeansRevoked { means } => {
            let text = t.text_with("mail-revoked", &[("means", named(means).as_str())]);
            (t.text("mail-revoked-subject"), text, None)
        }
        Told::IdentityLinked { provider, place } => {
            let text = t.text_with("mail-linked", &[("provider", provider.as_str())]);
            (t.text("mail-linked-subject"), text, Some(place))
        }
        Told::IdentityUnlinked { provider } => {
            let text = t.text_with("mail-unlinked", &[("provider", provider.as_str())]);
            (t.text("mail-unlinked-subject"), text, None)
        }
        Told::NewBrowser { place } => (t.text("mail-browser-subject"), t.text("mail-browser"), Some(place)),
        Told::Disowned { place } => (t.text("mail-disowned-subject"), t.text("mail-disowned"), Some(place)),
        Told::RoleGranted { role } => {
            let text = t.text_with("mail-role-granted", &[("role", role.as_str())]);
            (t.text("mail-role-subject"), text, None)
        }
        Told::RoleRevoked { role } => {
            let text = t.text_with("mail-role-revoked", &[("role", role.as_str())]);
            (t.text("mail-role-subject"), text, None)
        }
        Told::AddressChanged => (t.text("mail-address-subject"), t.text("mail-address-changed"), None),
        Told::AddressSet => (t.text("mail-address-subject"), t.text("mail-address-set"), None),
        // These have words of their own.
        Told::AddressCode { .. } => (t.text("mail-code-subject"), String::new(), None),
        Told::Alarm { .. } => (t.text("mail-alarm-subject"), String::new(), None),
        // Nobody writes a letter of it.
        Told::Unreadable => (String::new(), String::new(), None),
    }
}

/// When, and where that is known.
fn happened_at(at: &str, place: Option<&Place>, t: &Texts) -> String {
    match place.map(Place::in_words).filter(|place| !place.is_empty()) {
        Some(place) => t.text_with("mail-when-where", &[("at", at), ("place", place.as_str())]),
        None => t.text_with("mail-when", &[("at", at)]),
    }
}

/// In the time of Greenwich, and said so: that of the reader is not known.
fn moment(at: Time, t: &Texts) -> String {
    format!("{} {} UTC", t.date(&at), at.format("%H:%M"))
}

fn language(tag: &str) -> Language {
    Language::ALL.into_iter().find(|language| language.tag() == tag).unwrap_or_default()
}
