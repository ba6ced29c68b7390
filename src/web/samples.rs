//! One example of every page in every state worth seeing, with invented people.
//!
//! Tests render all of them in each language and have a browser judge them; whoever changes the look opens them with
//! `cargo run -p sceau-hw-tests --example pages`. No route of the server or the agent leads here.

use axum::{Router, extract::Path, response::IntoResponse, response::Response, routing::get};
use chrono::{DateTime, TimeDelta};
use http::StatusCode;

use super::{
    assets,
    error_page::ErrorPage,
    language::Language,
    page::{Frame, Site},
    pages::{
        agent::{Choice, Choose, Confirm, PinEntry, PostAnswer, Refusal, Server, Wait, Waiting},
        card::{Bounce, Finish, Holder, Outcome},
        demonstration::{Demonstration, Person, Received},
        desk::{DeskPage, DeskPersonPage, DeskRow, FoundRow, Linking, PersonStanding, RefusedRow},
        form_post::FormPost,
        means::{ContactPanel, LinkRow, MeansPage, MeansRow, RowKind, RowStanding},
        pairing::PairingPage,
        session::{
            Confirmation, Consent, ConsentRow, Detail, Home, Nobody, OtherSession, SessionRow, SignOut,
            SignedOut,
        },
        sign_in::{
            Again, CardPanel, KeyPanel, Means, MeansKind, PairingNotice, PersonKind, PersonRow, PersonsPanel,
            RelyingParty, SignIn,
        },
    },
};

/// A page: its name, and how to render it.
pub type Sample = (&'static str, fn(&Frame) -> Response);

/// Every page.
pub const ALL: &[Sample] = &[
    ("sign-in", |frame| sign_in().render(frame)),
    ("sign-in-notice", |frame| SignIn { notice: Some("WEB-013".into()), ..sign_in() }.render(frame)),
    ("sign-in-alone", |frame| {
        SignIn { relying_party: None, give_up: None, form_targets: Vec::new(), ..sign_in() }.render(frame)
    }),
    ("sandbox", |frame| {
        let page = SignIn { card: None, means: Vec::new(), persons: Some(persons()), ..sign_in() };
        page.render(&Frame { sandbox: true, ..frame.clone() })
    }),
    ("card-bounce", |frame| {
        Bounce { action: "/card/finish".into(), answer: "eyJhbGciOiJFUzI1NiJ9.e30.c2FtcGxl".into() }
            .render(frame)
    }),
    ("card-holder", |frame| holder().render(frame)),
    ("card-finish", |frame| finish(Outcome::Done).render(frame)),
    ("card-cancel", |frame| finish(Outcome::Cancelled).render(frame)),
    ("home", |frame| home().render(frame)),
    ("nobody", |frame| Nobody.render(frame)),
    ("sign-in-key", |frame| {
        let key = KeyPanel { transaction: "0190".into(), next: "/login/0190".into() };
        SignIn { card: None, key: Some(key), means: tabs(MeansKind::SecurityKey), ..sign_in() }.render(frame)
    }),
    ("sign-in-again", |frame| SignIn { again: Some(Again::NoneReaches), ..sign_in() }.render(frame)),
    ("sign-in-touch", |frame| {
        let touch = KeyPanel { transaction: "0190".into(), next: "/login/0190".into() };
        SignIn { card: None, touch: Some(touch), means: tabs(MeansKind::Touch), ..sign_in() }.render(frame)
    }),
    ("means", |frame| means().render(frame)),
    ("means-none", |frame| MeansPage { means: Vec::new(), ..means() }.render(frame)),
    ("means-contact", |frame| {
        let address = Some("camille.beaupre@ch-saint-aubin.example".into());
        let contact = ContactPanel { address, sent_to: None, notice: None };
        MeansPage { contact: Some(contact), ..means() }.render(frame)
    }),
    ("means-code", |frame| {
        let sent_to = Some("camille.beaupre@ch-saint-aubin.example".into());
        let contact = ContactPanel { address: None, sent_to, notice: Some("MAIL-011") };
        MeansPage { contact: Some(contact), ..means() }.render(frame)
    }),
    ("means-card-alone", |frame| {
        let card = means().means.into_iter().take(1).collect();
        MeansPage { means: card, ..means() }.render(frame)
    }),
    ("means-expired", |frame| {
        let expired = means().means.into_iter().map(|row| match row.kind {
            RowKind::SecurityKey => MeansRow { standing: RowStanding::Expired, ..row },
            _ => row,
        });
        MeansPage { means: expired.collect(), ..means() }.render(frame)
    }),
    ("means-probation", |frame| means_fixed("MEANS-004").render(frame)),
    ("means-shared", |frame| means_fixed("MEANS-007").render(frame)),
    ("means-address-wrong", |frame| {
        let address = Some("camille.beaupre@ch-saint-aubin.example".into());
        let contact = ContactPanel { address, sent_to: None, notice: Some("MAIL-010") };
        MeansPage { contact: Some(contact), ..means() }.render(frame)
    }),
    ("means-fixed", |frame| means_fixed("MEANS-002").render(frame)),
    ("desk", |frame| DeskPage { csrf: "c2FtcGxl".into(), ..DeskPage::default() }.render(frame)),
    ("desk-found", |frame| desk().render(frame)),
    ("desk-person", |frame| desk_person().render(frame)),
    ("desk-checked", |frame| desk_checked().render(frame)),
    ("desk-disabled", |frame| {
        DeskPersonPage { standing: PersonStanding::Disabled, ..desk_person() }.render(frame)
    }),
    ("sign-in-locked", |frame| SignIn { notice: Some("SESSION-001".into()), ..sign_in() }.render(frame)),
    ("sign-in-badge", |frame| {
        let card = sign_in().card.map(|card| CardPanel { badge: true, ..card });
        SignIn { card, notice: Some("SESSION-001".into()), ..sign_in() }.render(frame)
    }),
    ("confirmation", |frame| confirmation().render(frame)),
    ("pairing", |frame| pairing().render(frame)),
    ("sign-in-pairing", |frame| {
        let name = "camille.beaupre@ch-saint-aubin.example".into();
        let pairing = PairingNotice {
            provider: Some("Centre hospitalier de Saint-Aubin".into()),
            name,
            leave: Some("/login/provider/hopital/leave".into()),
            transaction: "c2FtcGxl".into(),
        };
        SignIn { pairing: Some(pairing), ..sign_in() }.render(frame)
    }),
    ("delegation", |frame| delegation().render(frame)),
    ("sign-in-means", |frame| SignIn { again: Some(Again::Means), ..sign_in() }.render(frame)),
    ("consent", |frame| consent().render(frame)),
    ("consent-unvouched", |frame| Consent { unvouched: true, ..consent() }.render(frame)),
    ("form-post", |frame| {
        FormPost {
            action: "https://dossier.ch-saint-aubin.example/retour".into(),
            fields: vec![("code".into(), "c2FtcGxl".into()), ("state".into(), "af0ifjsldkj".into())],
            target: Some("https://dossier.ch-saint-aubin.example".into()),
        }
        .render(frame)
    }),
    ("sign-in-expected", |frame| {
        SignIn { expected: Some("camille.beaupre@ch-saint-aubin.example".into()), ..sign_in() }.render(frame)
    }),
    ("sign-out", |frame| sign_out().render(frame)),
    ("signed-out", |frame| {
        SignedOut {
            back: Some(("Dossier patient".into(), "https://dossier.ch-saint-aubin.example/".into())),
            ..SignedOut::default()
        }
        .render(frame)
    }),
    ("signed-out-untold", |frame| {
        let untold = vec!["Imagerie".into(), "Dossier de soins infirmiers".into()];
        SignedOut { untold, ..SignedOut::default() }.render(frame)
    }),
    ("signed-out-elsewhere", |frame| {
        // It moves on by itself: here no further than to itself.
        signed_out_of_psc(Some("#logout".into())).render(frame)
    }),
    ("signed-out-left-open", |frame| signed_out_of_psc(None).render(frame)),
    ("agent-confirm", |frame| confirm().render(frame)),
    ("agent-confirm-pin", |frame| {
        Confirm { pin: PinEntry::Page { min: 4, max: 8 }, ..confirm() }.render(frame)
    }),
    ("agent-confirm-last", |frame| {
        let pin = PinEntry::Page { min: 4, max: 8 };
        Confirm { pin, tries_left: Some(1), ..confirm() }.render(frame)
    }),
    ("agent-confirm-pad", |frame| {
        Confirm { pin: PinEntry::Pad, another: Some("#look".into()), ..confirm() }.render(frame)
    }),
    ("agent-choose", |frame| choose().render(frame)),
    ("agent-wait-card", |frame| waiting(Wait::Card).render(frame)),
    ("agent-wait-reading", |frame| waiting(Wait::Reading).render(frame)),
    ("agent-wait-pad", |frame| waiting(Wait::PinOnPad).render(frame)),
    ("agent-wait-window", |frame| waiting(Wait::PinInWindow).render(frame)),
    ("agent-wait-signing", |frame| waiting(Wait::Signing).render(frame)),
    ("agent-answer", |frame| {
        PostAnswer { server: server(), action: "/card/return".into(), answer: "c2FtcGxl".into() }
            .render(frame)
    }),
    ("agent-refusal", |frame| {
        let (code, values) = ("WEB-001".into(), Vec::new());
        Refusal { status: StatusCode::FORBIDDEN, code, values, server: Some(server()), retry: None }
            .render(frame)
    }),
    ("agent-trouble", |frame| {
        let (code, retry) = ("AGENT-022".into(), Some("/look".into()));
        Refusal { status: StatusCode::OK, code, values: Vec::new(), server: Some(server()), retry }
            .render(frame)
    }),
    ("demonstration", |frame| demonstration().render(frame)),
    ("demonstration-signed-out", |frame| {
        let error = Some(("access_denied".into(), "The person is not admitted".into()));
        Demonstration { person: None, error, ..demonstration() }.render(frame)
    }),
    ("error", |frame| {
        ErrorPage::new(StatusCode::FORBIDDEN, "WEB-001", "0193b1c4-7a52-7c1e-9f5e-2d8a3b1c4d5e")
            .retry("/")
            .render(frame)
    }),
    ("error-unknown", |frame| {
        ErrorPage::new(StatusCode::INTERNAL_SERVER_ERROR, "NONE-999", "").back("/").render(frame)
    }),
];

/// The samples over HTTP: `/` lists them, `/{language}/{name}` shows one.
pub fn router() -> Router {
    Router::new()
        .route("/", get(async || axum::response::Html(index())))
        .route(
            "/{language}/{name}",
            get(async |Path((language, name)): Path<(String, String)>| show(&language, &name)),
        )
        .route("/assets/{name}", get(async |Path(name): Path<String>| asset(&name)))
}

/// All but the script that sends a page's form: pages that leave at once could not be looked at.
fn asset(name: &str) -> Response {
    if assets::SUBMIT.path.ends_with(name) {
        return StatusCode::NOT_FOUND.into_response();
    }
    assets::serve(name)
}

/// The frame of the samples.
pub fn frame(language: Language) -> Frame {
    let site =
        Site { establishment: "Centre hospitalier de Saint-Aubin".into(), https: false, sandbox: false };
    let other = site.frame(language).other();
    Frame { switch: Some(format!("?ui_locales={}", other.tag())), ..site.frame(language) }
}

fn show(language: &str, name: &str) -> Response {
    let language = Language::ALL.into_iter().find(|known| known.tag() == language);
    let sample = ALL.iter().find(|(known, _)| *known == name);
    match (language, sample) {
        (Some(language), Some((_, render))) => render(&frame(language)),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn index() -> String {
    let links = Language::ALL.iter().flat_map(|language| {
        ALL.iter()
            .map(move |(name, _)| format!("<li><a href=\"/{0}/{name}\">{0} {name}</a></li>", language.tag()))
    });
    format!("<!doctype html><html lang=en><title>Pages</title><ul>{}</ul></html>", links.collect::<String>())
}

fn sign_in() -> SignIn {
    SignIn {
        relying_party: Some(RelyingParty {
            name: "Dossier patient".into(),
            host: "dossier.ch-saint-aubin.example".into(),
        }),
        means: tabs(MeansKind::Card),
        card: Some(CardPanel {
            agent: "http://127.0.0.1:47810/".into(),
            request: "eyJhbGciOiJFUzI1NiJ9.e30.c2FtcGxl".into(),
            transaction: "c2FtcGxlLXRyYW5zYWN0aW9u".into(),
            next: "/card/continue".into(),
            certificate: Some("https://carte.ch-saint-aubin.example/card/certificate?txn=c2FtcGxl".into()),
            badge: false,
        }),
        key: None,
        touch: None,
        again: None,
        phone: None,
        provider: None,
        application: None,
        persons: None,
        pairing: None,
        notice: None,
        expected: None,
        give_up: Some("/auth/cancel".into()),
        form_targets: vec!["https://dossier.ch-saint-aubin.example".into()],
    }
}

fn tabs(selected: MeansKind) -> Vec<Means> {
    let tab = |kind: MeansKind| Means {
        kind,
        label: None,
        href: format!("?means={}", kind.name()),
        selected: kind == selected,
    };
    let shown = MeansKind::OURS.into_iter().filter(|kind| *kind != MeansKind::Touch || *kind == selected);
    shown.map(tab).collect()
}

/// Of somebody who came by Pro Santé Connect.
fn signed_out_of_psc(address: Option<String>) -> SignedOut {
    let other = OtherSession { label: "Pro Santé Connect".into(), address };
    SignedOut { other: Some(other), ..SignedOut::default() }
}

fn links() -> Vec<LinkRow> {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    vec![LinkRow {
        name: "Pro Santé Connect".into(),
        issuer: "https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet".into(),
        linked_at: now - TimeDelta::days(40),
        last_used: Some(now - TimeDelta::days(2)),
    }]
}

fn means() -> MeansPage {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let row = |kind, label: &str, days, used: Option<&str>| MeansRow {
        kind,
        label: label.into(),
        standing: RowStanding::Active,
        issued_at: now - TimeDelta::days(days),
        expires_at: now + TimeDelta::days(3 * 365 - days),
        last_used: used.map(|place| (now - TimeDelta::days(1), place.into())),
        current: kind == RowKind::Card,
        rename: Some("/means/1/rename".into()),
        renew: (kind == RowKind::SecurityKey).then(|| "/means/1/renew".into()),
        revoke: Some("/means/1/revoke".into()),
    };
    MeansPage {
        contact: Some(ContactPanel { address: None, sent_to: None, notice: None }),
        name: "Camille Beaupré-Lartigue".into(),
        means: vec![
            row(RowKind::Card, "", 200, Some("")),
            row(RowKind::SecurityKey, "Clé du bureau", 90, Some("Firefox, Pédiatrie")),
            row(RowKind::SecondFactor, "", 60, None),
            MeansRow { standing: RowStanding::Suspended, ..row(RowKind::Passkey, "Téléphone", 30, None) },
        ],
        links: links(),
        takes_keys: true,
        takes_second_factors: true,
        takes_phones: true,
        fixed: None,
        desk: false,
        csrf: "c2FtcGxl".into(),
    }
}

/// Where nothing can be changed now, for the reason with that code.
fn means_fixed(code: &str) -> MeansPage {
    let rows = means().means.into_iter().map(|row| MeansRow { rename: None, revoke: None, ..row });
    MeansPage { means: rows.collect(), fixed: Some(code.into()), ..means() }
}

fn desk() -> DeskPage {
    let row = |name: &str, id_nat: &str, standing| FoundRow {
        name: name.into(),
        id_nat: id_nat.into(),
        standing,
        href: "/desk/people/1".into(),
    };
    DeskPage {
        text: "beaupré".into(),
        found: Some(vec![
            row("Camille Beaupré-Lartigue", "899700000017", PersonStanding::Linked),
            row("Noé Beaupré", "3010000001/E00042", PersonStanding::Disabled),
            row("Inès Beaupré", "899700000025", PersonStanding::Unlinked),
        ]),
        more: true,
        csrf: "c2FtcGxl".into(),
    }
}

fn desk_person() -> DeskPersonPage {
    let rows = means().means.into_iter().map(|shown| {
        let is_active = shown.standing == RowStanding::Active;
        DeskRow {
            shown: MeansRow { current: false, ..shown },
            handed_out: None,
            hand_out: None,
            renew: None,
            resume: None,
            suspend: is_active.then(|| "/desk/people/1/means/1/suspend".into()),
            revoke: "/desk/people/1/means/1/revoke".into(),
        }
    });
    DeskPersonPage {
        name: "Camille Beaupré-Lartigue".into(),
        id_nat: "899700000017".into(),
        standing: PersonStanding::Linked,
        checked: None,
        documents: vec!["identity-card", "passport", "residence-permit", "driving-licence", "staff-card"],
        reasons: vec!["lost", "stolen", "damaged", "given-back", "doubt"],
        means: rows.collect(),
        links: links(),
        linking: None,
        takes_keys: true,
        takes_second_factors: true,
        takes_phones: true,
        path: "/desk/people/1".into(),
        csrf: "c2FtcGxl".into(),
    }
}

fn desk_checked() -> DeskPersonPage {
    let rows = desk_person().means.into_iter().map(|row| DeskRow {
        handed_out: Some(row.shown.issued_at),
        hand_out: row.suspend.as_ref().map(|_| "/desk/people/1/means/1/hand-out".into()),
        resume: row.suspend.is_none().then(|| "/desk/people/1/means/1/resume".into()),
        ..row
    });
    let seen = |label: &str, subject: &str, id_nat: Option<&str>, minutes| RefusedRow {
        provider: "sample".into(),
        label: label.into(),
        subject: subject.into(),
        id_nat: id_nat.map(str::to_owned),
        minutes,
    };
    let psc = "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899700000017";
    let linking = Linking {
        providers: vec![
            ("psc".into(), "Pro Santé Connect".into()),
            ("groupe".into(), "Compte du groupement".into()),
        ],
        refused: vec![
            seen("Pro Santé Connect", psc, Some("899700000017"), 1),
            seen("Compte du groupement", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", None, 12),
        ],
    };
    // Of the provider of an identity that they have, no other is linked.
    let (means, links, linking) = (rows.collect(), Vec::new(), Some(linking));
    DeskPersonPage { checked: Some("passport"), means, links, linking, ..desk_person() }
}

fn persons() -> PersonsPanel {
    let row = |key, kind, name: &str, id_nat: &str| PersonRow {
        key,
        kind,
        name: name.into(),
        id_nat: id_nat.into(),
    };
    PersonsPanel {
        action: "/sandbox/answer".into(),
        txn: "c2FtcGxl".into(),
        persons: vec![
            row("doctor", PersonKind::Doctor, "KIT DOC0036624", "899700366240"),
            row("employee", PersonKind::Employee, "KIT EMP0000001", "30B0168811/CPET00001"),
            row("psi", PersonKind::Psi, "KIT PSI0000001", "5f3c8a52-9f0e-4c55-8a1d-3f2f6b7c1e90"),
        ],
    }
}

fn finish(outcome: Outcome) -> Finish {
    // A fragment, so that the sample that goes on by itself stays on the page.
    Finish { transaction: "c2FtcGxlLXRyYW5zYWN0aW9u".into(), outcome, next: "#next".into(), same_tab: false }
}

fn holder() -> Holder {
    Holder {
        name: "Camille BEAUPRÉ-LARTIGUE".into(),
        title: Some("Médecin".into()),
        id_nat: "899900012345".into(),
        relying_party: "Dossier patient".into(),
        action: "/card/certificate/finish".into(),
        transaction: "c2FtcGxlLXRyYW5zYWN0aW9u".into(),
        handle: "c2FtcGxl".into(),
        back: "/login/c2FtcGxl".into(),
    }
}

fn server() -> Server {
    Server {
        name: "Centre hospitalier de Saint-Aubin".into(),
        origin: "https://identite.ch-saint-aubin.example".into(),
        cancel: "https://identite.ch-saint-aubin.example/card/cancel".into(),
    }
}

fn confirm() -> Confirm {
    Confirm {
        server: server(),
        relying_party: RelyingParty {
            name: "Dossier patient".into(),
            host: "dossier.ch-saint-aubin.example".into(),
        },
        holder: "Camille Beaupré-Lartigue".into(),
        reader: "Virtual PCD 00 00".into(),
        tries_left: Some(3),
        pin: PinEntry::Window,
        another: None,
        notice: None,
        action: "/start".into(),
        token: "c2FtcGxl".into(),
    }
}

fn choose() -> Choose {
    let card = |holder: &str, reader: &str| Choice { holder: holder.into(), reader: reader.into() };
    Choose {
        server: server(),
        relying_party: confirm().relying_party,
        cards: vec![
            card("Camille Beaupré-Lartigue", "Virtual PCD 00 00"),
            card("Inès Delacroix", "Virtual PCD 00 01"),
        ],
        action: "/choose".into(),
        token: "c2FtcGxl".into(),
    }
}

fn waiting(wait: Wait) -> Waiting {
    // The sample asks for itself again after a while, where the agent's page asks at once for what comes next.
    Waiting { server: server(), wait, next: "#next".into() }
}

fn home() -> Home {
    let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    Home {
        name: "Camille Beaupré-Lartigue".into(),
        sessions: vec![
            SessionRow {
                place: Some("Pédiatrie, salle de soins".into()),
                since: now - TimeDelta::minutes(12),
                current: true,
                services: vec!["Dossier patient".into(), "Imagerie".into()],
                end: "/sessions/1/end".into(),
            },
            SessionRow {
                place: None,
                since: now - TimeDelta::minutes(155),
                current: false,
                services: Vec::new(),
                end: "/sessions/2/end".into(),
            },
        ],
        consents: vec![
            ConsentRow {
                client_id: "garde".into(),
                name: "Carnet de garde".into(),
                since: now - TimeDelta::days(40),
                offline: true,
                scopes: vec!["openid".into(), "profile".into(), "offline_access".into()],
                claims: Vec::new(),
                resources: vec!["https://planning.ch-saint-aubin.example/".into()],
            },
            ConsentRow {
                client_id: "essai".into(),
                name: "Application d’essai de la pharmacie".into(),
                since: now - TimeDelta::days(2),
                offline: false,
                scopes: vec!["openid".into(), "scope_all".into()],
                claims: vec!["SubjectRefPro".into()],
                resources: Vec::new(),
            },
        ],
        withdraw: "/consents/withdraw".into(),
        now,
        end_all: "/sessions/end".into(),
        desk: true,
        csrf: "c2FtcGxl".into(),
    }
}

fn sign_out() -> SignOut {
    SignOut {
        relying_party: sign_in().relying_party,
        action: "/logout".into(),
        fields: vec![("state".into(), "af0ifjsldkj".into())],
        csrf: "c2FtcGxl".into(),
        stay: Some("/".into()),
        form_targets: vec!["https://dossier.ch-saint-aubin.example".into()],
    }
}

fn pairing() -> PairingPage {
    PairingPage {
        person: "Camille Beaupré-Lartigue".into(),
        provider: "Centre hospitalier de Saint-Aubin".into(),
        name: "camille.beaupre@ch-saint-aubin.example".into(),
        shown: "c2FtcGxl".into(),
        action: "/login/provider/hopital/pair".into(),
        txn: "c2FtcGxl".into(),
        csrf: "c2FtcGxl".into(),
    }
}

fn delegation() -> Confirmation {
    let relying_party =
        RelyingParty { name: "Pro Santé Connect".into(), host: "auth.pro-sante-connect.example".into() };
    let name = "Dr Camille Beaupré-Lartigue".into();
    let form_targets = vec!["https://auth.pro-sante-connect.example".into()];
    Confirmation { name, passed_on: true, relying_party, form_targets, ..confirmation() }
}

fn confirmation() -> Confirmation {
    Confirmation {
        name: "Camille Beaupré-Lartigue".into(),
        passed_on: false,
        relying_party: RelyingParty {
            name: "Dossier patient".into(),
            host: "dossier.ch-saint-aubin.example".into(),
        },
        go_on: "/login/continue".into(),
        not_me: "/login/not-me".into(),
        csrf: "c2FtcGxl".into(),
        form_targets: vec!["https://dossier.ch-saint-aubin.example".into()],
    }
}

fn consent() -> Consent {
    let detail = serde_json::json!({
        "type": "ordonnance",
        "actions": ["lire", "renouveler"],
        "locations": ["https://prescription.ch-saint-aubin.example/"],
    });
    Consent {
        name: "Camille Beaupré-Lartigue".into(),
        relying_party: RelyingParty {
            name: "Carnet de garde".into(),
            host: "garde.ch-saint-aubin.example".into(),
        },
        unvouched: false,
        scopes: ["openid", "profile", "scope_all", "offline_access"].map(str::to_owned).into(),
        claims: vec!["SubjectRole".into()],
        resources: vec!["https://prescription.ch-saint-aubin.example/".into()],
        details: vec![Detail {
            of_type: "ordonnance".into(),
            text: serde_json::to_string_pretty(&detail).unwrap_or_default(),
        }],
        allow: "/login/allow".into(),
        refuse: "/login/refuse".into(),
        not_me: "/login/not-me".into(),
        csrf: "c2FtcGxl".into(),
        form_targets: vec!["https://garde.ch-saint-aubin.example".into()],
    }
}

fn demonstration() -> Demonstration {
    let claims = serde_json::json!({
        "iss": "http://localhost:8080/auth/realms/esante-wallet",
        "sub": "f:550e8400-e29b-41d4-a716-446655440000:899900012345",
        "acr": "eidas1",
        "auth_time": 1_728_000_000,
        "family_name": "BEAUPRÉ-LARTIGUE",
        "given_name": "Camille",
    });
    let json = serde_json::to_string_pretty(&claims).unwrap_or_default();
    Demonstration {
        service: "Dossier patient".into(),
        person: Some(Person {
            name: "Camille Beaupré-Lartigue".into(),
            profession: Some("Médecin – Pédiatrie".into()),
            place: Some("Centre hospitalier de Saint-Aubin".into()),
            id_nat: "899900012345".into(),
            level: Some("eidas1 · CARD".into()),
        }),
        received: ["ID token", "Access token", "UserInfo"]
            .map(|title| Received { title: title.into(), json: json.clone() })
            .into(),
        sign_in: "/login".into(),
        sign_out: "/logout".into(),
        other: Some(("Imagerie".into(), "http://127.0.0.1:8082/".into())),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body(response: Response) -> String {
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[tokio::test]
    async fn every_page_renders_in_every_language() {
        for language in Language::ALL {
            for (name, render) in ALL {
                let response = render(&frame(language));
                let what = format!("{} {name}", language.tag());
                assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{what}");
                assert_eq!(response.headers()["content-language"], language.tag(), "{what}");
                assert!(response.headers().contains_key("content-security-policy"), "{what}");
                let html = body(response).await;
                assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())), "{what}");
                assert!(
                    html.contains("<h1>") && html.contains("<main>") && html.contains("<title>"),
                    "{what}"
                );
                // The policy forbids them: they would do nothing, or say that something was injected.
                for inline in [" style=", " onclick=", "<style", "javascript:"] {
                    assert!(!html.contains(inline), "{what}: {inline}");
                }
                let scripts = html.matches("<script").count();
                assert_eq!(scripts, html.matches("<script type=\"module\" src=\"/assets/").count(), "{what}");
                assert!(!html.contains("type=\"password\""), "{what}: browsers would offer to keep the PIN");
            }
        }
    }

    #[tokio::test]
    async fn a_hostile_name_stays_text() {
        let hostile = "\"><script>alert(1)</script>'{{7*7}}";
        let mut page = sign_in();
        page.relying_party = Some(RelyingParty { name: hostile.into(), host: hostile.into() });
        page.give_up = Some(hostile.into());
        let card = page.card.as_mut().expect("a card panel");
        card.request = hostile.into();
        card.transaction = hostile.into();
        let html =
            body(page.render(&Frame { establishment: hostile.into(), ..frame(Language::French) })).await;
        assert!(!html.contains("<script>") && !html.contains(hostile), "{html}");
        assert!(html.contains("&#34;&#62;&#60;script"), "{html}");
    }
}
