//! Notices from the queue to a mail server that speaks real TLS, read there by a parser that is not ours.

mod attacks;
mod server;
mod trouble;

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use mail_parser::{HeaderName, MessageParser, MimeHeaders as _};
use tempfile::TempDir;
use url::Url;

use super::*;
use crate::clock::{Clock as _, MockClock};
use crate::config::{Mail, MailTls};
use crate::crypto::random::SystemRandom;
use crate::crypto::sealed::SealKey;
use crate::ids::{ContactCodeId, EventId, PersonId};
use crate::store::means::Kind as MeansKind;
use crate::store::notice::{NewNotice, Place, Told};
use crate::store::person_contact::{self, Contact, Setting, Verifier};
use crate::store::session::tests::somebody;
use crate::store::testing::on_both;
use crate::store::{audit, notice};
use server::{Manners, Received, Server};

const ADDRESS: &str = "kit.doc0036624@chu.example";

fn trail(clock: &MockClock) -> Trail {
    Trail::new("main", "1", Arc::new(clock.clone()), Arc::new(SystemRandom))
}

/// A hospital with one person who has a verified address.
struct Hospital {
    db: Db,
    clock: MockClock,
    person: PersonId,
    seal: SealKey,
    dir: TempDir,
}

impl Hospital {
    async fn on_both(test: impl AsyncFn(Self)) {
        on_both(async |db: Db| {
            let clock = MockClock::default();
            let person = somebody(&db, clock.now(), &SystemRandom).await;
            let seal = SealKey::generate(&SystemRandom);
            let hospital = Self { db, clock, person, seal, dir: tempfile::tempdir().unwrap() };
            hospital.address(ADDRESS, "fr").await;
            test(hospital).await;
        })
        .await;
    }

    fn notice(&self, told: Told) -> NewNotice {
        NewNotice::new(self.person, told, self.clock.now(), &SystemRandom)
    }

    /// An administrator sets the address; what is told of that is thrown away.
    async fn address(&self, address: &str, language: &str) {
        let now = self.clock.now();
        let contact = Contact {
            address: address.into(),
            language: language.into(),
            verified_by: Verifier::Administrator,
            verified_at: now,
        };
        let setting = Setting {
            person: self.person,
            contact: &contact,
            told_before: &self.notice(Told::AddressChanged),
            told_now: &self.notice(Told::AddressSet),
            event: &(&trail(&self.clock).event(Kind::ContactChanged)).into(),
        };
        person_contact::set(&self.db, &setting, now).await.unwrap();
        for written in notice::older_than(&self.db, now, 100).await.unwrap() {
            let event = (&trail(&self.clock).event(Kind::NoticeSent)).into();
            assert!(notice::done(&self.db, written.id, &event).await.unwrap());
        }
    }

    async fn queue(&self, told: Told) {
        notice::queue(&self.db, &self.notice(told), self.clock.now()).await.unwrap();
    }

    /// A node that sends through that mail server.
    fn node(&self, mail: &Mail) -> Arc<Outbox> {
        self.node_with(mail, std::convert::identity)
    }

    fn node_with(&self, mail: &Mail, change: impl FnOnce(Smtp) -> Smtp) -> Arc<Outbox> {
        let front = Url::parse("https://id.chu.example").unwrap();
        Outbox::new(Parts {
            db: self.db.clone(),
            clock: Arc::new(self.clock.clone()),
            trail: trail(&self.clock),
            codes: Codes::new(&self.seal),
            letterhead: Letterhead::new(mail, "CHU d’Essai", &front, "/means").unwrap(),
            smtp: change(Smtp::open(mail, "id.chu.example").unwrap()),
        })
    }

    async fn waiting(&self) -> i64 {
        notice::waiting(&self.db).await.unwrap().count
    }

    /// How the notices of a test ended, the last first.
    async fn outcomes(&self) -> Vec<(String, Option<String>)> {
        let filter = audit::Filter { kind: Some("notice.sent".into()), limit: 100, ..Default::default() };
        let rows = audit::list(&self.db, &filter).await.unwrap();
        // What this stand throws away has no name.
        let named = rows.into_iter().filter(|row| row.detail.contains("\"note\""));
        named.map(|row| (row.outcome, row.code)).collect()
    }
}

fn a_key() -> Told {
    let place = Place { zone: "bloc".into(), browser: "Firefox (Windows)".into() };
    Told::MeansIssued { means: MeansKind::SecurityKey, place }
}

/// A mail as a stranger's parser reads it.
struct Read {
    subject: String,
    text: String,
    headers: Vec<(String, String)>,
}

fn read(received: &Received) -> Read {
    let message = MessageParser::default().parse(&received.data).unwrap();
    assert_eq!(message.parts.len(), 1, "text alone");
    assert_eq!(message.attachment_count(), 0);
    let kind = message.content_type().unwrap();
    assert_eq!(
        (kind.ctype(), kind.subtype(), kind.attribute("charset")),
        ("text", Some("plain"), Some("utf-8"))
    );
    let headers = message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    Read {
        subject: message.subject().unwrap().to_owned(),
        text: message.body_text(0).unwrap().into_owned(),
        headers: headers.collect(),
    }
}

impl Read {
    fn header(&self, name: &str) -> &str {
        let found: Vec<_> =
            self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", self.headers);
        &found[0].1
    }
}

#[tokio::test]
async fn what_happened_is_told_in_french_over_tls_with_the_headers_of_a_mail() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        hospital.queue(a_key()).await;
        let node = hospital.node(&server.mail(hospital.dir.path()));
        assert_eq!(node.deliver_due().await.unwrap(), 1);
        assert_eq!(node.deliver_due().await.unwrap(), 0);
        assert_eq!((hospital.waiting().await, server.received().len()), (0, 1));
        assert_eq!(hospital.outcomes().await, [("success".to_owned(), None)]);

        let received = server.received().remove(0);
        assert!(received.encrypted && received.authenticated && received.to == ADDRESS, "{received:?}");
        assert!(received.data.is_ascii(), "accents are encoded");
        assert!(server.seen.lock().unwrap().in_the_clear.iter().all(|line| !line.starts_with("AUTH")));

        let mail = read(&received);
        assert_eq!(mail.subject, "Un moyen d’identification a été ajouté");
        for part in [
            "Un moyen d’identification vient d’être ajouté aux vôtres\u{a0}: une clé de sécurité.",
            "21/11/2026 12:00 UTC",
            "Firefox (Windows), bloc",
            "prévenez tout de suite securite@chu.example, poste 4242",
            "https://id.chu.example/means\r\n",
            "CHU d’Essai\r\n",
        ] {
            assert!(mail.text.contains(part), "{part}: {}", mail.text);
        }
        assert_eq!(mail.text.matches("://").count(), 1, "one address, and it does nothing");
        let message = MessageParser::default().parse(&received.data).unwrap();
        let from = message.from().unwrap().first().unwrap();
        assert_eq!(
            (from.name(), from.address()),
            (Some("Identité – CHU d’Essai"), Some("sceau@chu.example"))
        );
        assert_eq!(message.to().unwrap().first().unwrap().address(), Some(ADDRESS));
        assert_eq!(message.reply_to().unwrap().first().unwrap().address(), Some("securite@chu.example"));
        assert_eq!(message.date().unwrap().to_timestamp(), hospital.clock.now().timestamp());
        assert!(message.message_id().unwrap().ends_with("@chu.example"));
        assert!(message.header(HeaderName::MimeVersion).is_some());
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    })
    .await;
}

#[tokio::test]
async fn each_notice_says_its_own_in_both_languages_and_nothing_of_whom() {
    Hospital::on_both(async |hospital| {
        let server = Server::start(Manners::default()).await;
        let node = hospital.node(&server.mail(hospital.dir.path()));
        let (means, place) = (MeansKind::Card, Place::default());
        let code = ContactCodeId::new(hospital.clock.now(), &SystemRandom);
        let all = [
            Told::MeansIssued { means, place: place.clone() },
            Told::MeansRenewed { means, place: place.clone() },
            Told::MeansSuspended { means },
            Told::MeansResumed { means },
            Told::MeansRevoked { means },
            Told::IdentityLinked { provider: "Pro Santé Connect".into(), place: place.clone() },
            Told::IdentityUnlinked { provider: "Pro Santé Connect".into() },
            Told::NewBrowser { place: place.clone() },
            Told::Disowned { place: place.clone() },
            Told::Alarm { event: EventId::new(hospital.clock.now(), &SystemRandom), place },
            Told::RoleGranted { role: "desk".into() },
            Told::RoleRevoked { role: "admin".into() },
            Told::AddressChanged,
            Told::AddressSet,
            Told::AddressCode { code },
        ];
        let mut texts = std::collections::BTreeSet::new();
        for language in ["fr", "en"] {
            hospital.address(ADDRESS, language).await;
            for told in &all {
                hospital.queue(told.clone()).await;
                while node.deliver_due().await.unwrap() > 0 {}
                let mail = read(server.received().last().unwrap());
                let whole = format!("{} {}", mail.subject, mail.text);
                for secret in ["DOC0036624", "KIT", &hospital.person.to_string()] {
                    assert!(!whole.contains(secret), "{whole}");
                }
                assert!(!whole.contains("mail-") && !whole.contains('$'), "a text is missing: {whole}");
                assert!(texts.insert(whole));
            }
        }
        assert_eq!((texts.len(), server.received().len()), (30, 30));
        let codes = Codes::new(&hospital.seal);
        let sent = read(server.received().last().unwrap()).text;
        assert!(sent.contains(codes.code(code, ADDRESS).as_str()), "{sent}");
    })
    .await;
}

#[tokio::test]
async fn who_has_no_verified_address_is_told_nothing() {
    Hospital::on_both(async |hospital| {
        let other = somebody(&hospital.db, hospital.clock.now(), &SystemRandom).await;
        let notice = NewNotice::new(other, a_key(), hospital.clock.now(), &SystemRandom);
        notice::queue(&hospital.db, &notice, hospital.clock.now()).await.unwrap();
        assert_eq!(hospital.waiting().await, 0);
    })
    .await;
}

#[tokio::test]
async fn implicit_tls_and_a_server_on_this_machine_without_any_are_spoken_too() {
    Hospital::on_both(async |hospital| {
        for (tls, encrypted) in [(MailTls::Implicit, true), (MailTls::Plain, false)] {
            let server = Server::start(Manners { tls, ..Manners::default() }).await;
            hospital.queue(a_key()).await;
            let node = hospital.node(&Mail { tls, ..server.mail(hospital.dir.path()) });
            assert_eq!(node.deliver_due().await.unwrap(), 1);
            let received = server.received();
            assert_eq!(received.iter().map(|mail| mail.encrypted).collect::<Vec<_>>(), [encrypted]);
        }
    })
    .await;
}

#[tokio::test]
async fn the_connection_can_be_tried_without_a_mail() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Manners::default()).await;
    let open = |mail: &Mail| Smtp::open(mail, "id.chu.example").unwrap();
    let good = server.mail(dir.path());
    assert_eq!(open(&good).try_connection().await, Ok(()));
    let mut wrong = good.clone();
    wrong.user.as_mut().unwrap().password = "autre".to_owned().into();
    assert_eq!(open(&wrong).try_connection().await, Err(SendError::Authentication));
    assert!(!format!("{:?}", open(&good)).contains(server::PASSWORD));
    assert!(server.received().is_empty());
    let missing = Mail { ca_file: Some(dir.path().join("none.pem")), ..good };
    assert!(matches!(Smtp::open(&missing, "x"), Err(OpenError::Authority { .. })));
}

/// A port on which nobody listens.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn nobody(port: u16, dir: &Path) -> Mail {
    server::mail(port, dir)
}
