//! `sceau client`: the services that sign their users in here.

mod ciba;
mod delegation;
mod logouts;
mod names;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::{Context, Failure, keys};
use crate::audit::Kind;
use crate::clock::Time;
use crate::crypto::digest::sha256;
use crate::crypto::egress::Egress;
use crate::crypto::keys::Algorithm;
use crate::ids::Secret;
use crate::oidc::client::metadata::{Document, Registrar};
use crate::oidc::client::registration::{Allowed, ClientFault, Registration, change, has_secret, register};
use crate::oidc::{Issuer, psc, signing};
use crate::session::asking::Workstations;
use crate::session::{CardOut, Delegation, DelegationFault, Demands};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::client::{Audience, CIBA, Client, DeliveryMode, Metadata, ProfileName};
use crate::store::initial_access_token::{self, InitialAccessToken};

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a service. Its secret is shown once.
    Add(Add),
    /// List the services.
    List {
        /// One JSON array instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Show everything about one service, but its secret, which is kept nowhere.
    Show {
        /// Its client id.
        id: String,
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Give a service a new secret. The one it has stays good for a while, so that it can change without an outage.
    RotateSecret {
        /// Its client id.
        id: String,
        /// For how many hours the secret it has stays good; 0 where it was lost to a stranger.
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(0..=720))]
        keep_previous: u16,
        /// One JSON object instead of lines.
        #[arg(long)]
        json: bool,
    },
    /// Say what a service asks for beyond the rules of the place: it may tighten them, never loosen; and what it calls levels
    /// and factors. What is not given goes back to the rules of the place.
    Policy {
        /// Its client id.
        id: String,
        #[command(flatten)]
        demands: DemandArgs,
        #[command(flatten)]
        names: names::NameArgs,
        /// A zone, or a network such as 10.20.0.0/16, of workstations at which it may ask people for their card (channel=CARD
        /// of CIBA). Can be given several times; without it, at none.
        #[arg(long, value_name = "PLACE")]
        ciba_card: Vec<String>,
    },
    /// Let a service that is registered ask people on their phone, without a browser (CIBA), or no more.
    Ciba(ciba::Ciba),
    /// Say on which terms a provider that delegates its sign-in to us (profile psc-delegation) is told of people. What is not
    /// given goes back to its default.
    Delegation(delegation::SetDelegation),
    /// Replace what is registered of a service by a document (RFC 7591). Its secret, audience and rights stay.
    Update(Update),
    /// Let services register themselves: make a token for so many of them. It is shown once. `[oidc] registration` turns the
    /// endpoint on.
    RegistrationToken(RegistrationToken),
    /// Switch a service off: it gets nothing more, and its tokens end at once. Its registration stays.
    Disable {
        /// Its client id.
        id: String,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Let a disabled service be used again. Tokens that it had before stay revoked.
    Enable {
        /// Its client id.
        id: String,
    },
    /// What services were told of sessions that ended, in the last thirty days: what was delivered, what waits, what was
    /// given up and why.
    Logouts(logouts::Logouts),
    /// Remove a service, with everything it was granted.
    Remove {
        /// Its client id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its client id: letters, digits and . _ ~ -
    id: String,
    /// Its name, as its users know it.
    #[arg(long, required_unless_present = "metadata")]
    name: Option<String>,
    /// Where it is answered, character by character. Can be given several times.
    #[arg(long, value_name = "ADDRESS", required_unless_present_any = ["metadata", "ciba"])]
    redirect_uri: Vec<String>,
    /// Where a user may be sent after signing out. Can be given several times.
    #[arg(long, value_name = "ADDRESS")]
    post_logout_redirect_uri: Vec<String>,
    /// Where it is told that a session ended (back-channel logout).
    #[arg(long, value_name = "ADDRESS")]
    backchannel_logout_uri: Option<String>,
    /// Whom it welcomes: affiliated (people of this establishment), or any-professional (of the national directory).
    #[arg(long, default_value = "affiliated")]
    audience: Audience,
    /// The protocol it was written for: psc (Pro Santé Connect), standard (OpenID Connect as it is), fapi2, or psc-delegation: a
    /// provider, such as Pro Santé Connect, that delegates its sign-in to this establishment.
    #[arg(long, default_value = "psc")]
    profile: ProfileName,
    /// What its tokens are signed by: RS256, PS256, ES256 or EdDSA. Without it RS256, or PS256 with the profile fapi2.
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    signed_by: Option<Algorithm>,
    /// A JSON document with everything else, by the names of RFC 7591: how it authenticates, its keys, its certificate,
    /// algorithms. What is given as an option goes before.
    #[arg(long, value_name = "FILE.json")]
    metadata: Option<PathBuf>,
    /// It may ask people on their phone, without a browser (CIBA), and learns of the answer by asking (poll) or by being told
    /// (ping).
    #[arg(long, value_name = "MODE")]
    ciba: Option<DeliveryMode>,
    /// Where it is told that somebody has answered.
    #[arg(long, value_name = "ADDRESS", requires = "ciba")]
    ciba_endpoint: Option<String>,
    /// A zone, or a network such as 10.20.0.0/16, of workstations at which it may ask people for their card (channel=CARD).
    /// Can be given several times; without it, at none.
    #[arg(long, value_name = "PLACE", requires = "ciba")]
    ciba_card: Vec<String>,
    /// It may introspect the tokens of other services: for the authorization servers of APIs.
    #[arg(long)]
    may_introspect: bool,
    #[command(flatten)]
    delegation: delegation::DelegationArgs,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Its client id.
    id: String,
    /// The JSON document, by the names of RFC 7591. It is the whole registration: what it leaves out is taken away.
    #[arg(long, value_name = "FILE.json")]
    metadata: PathBuf,
    /// Another profile: psc, standard, fapi2 or psc-delegation.
    #[arg(long)]
    profile: Option<ProfileName>,
}

#[derive(Debug, Args)]
pub(super) struct RegistrationToken {
    /// What you call it, such as the software house that gets it.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// How many services may register with it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    uses: u16,
    /// For how many days it is good.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=365))]
    days: u16,
    /// Take it no longer. The services that registered with it stay.
    #[arg(long)]
    revoke: bool,
    /// List the tokens instead.
    #[arg(long, conflicts_with = "revoke")]
    list: bool,
}

#[derive(Debug, Args)]
pub(super) struct DemandArgs {
    /// What happens when the card leaves its reader: lock (the session serves nobody until card and PIN), or end.
    #[arg(long, value_parser = stricter)]
    card_out: Option<CardOut>,
    /// After how many minutes without activity its users sign in again.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u16).range(1..=30))]
    idle: Option<u16>,
    /// After how many minutes its users sign in again in any case.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u16).range(1..=240))]
    lifetime: Option<u16>,
    /// A zone of workstations that it may be used from. Can be given several times; without it, from all.
    #[arg(long, value_name = "ZONE")]
    zone: Vec<String>,
    /// It takes a session that a tap of the card renewed, without a PIN, where a zone has a badge window: one factor.
    #[arg(long)]
    badge: bool,
}

/// A service cannot ask for less than the place does.
fn stricter(text: &str) -> Result<CardOut, String> {
    match text.parse() {
        Ok(reaction @ (CardOut::Lock | CardOut::End)) => Ok(reaction),
        _ => Err("must be \"lock\" or \"end\"".to_owned()),
    }
}

impl From<DemandArgs> for Demands {
    fn from(args: DemandArgs) -> Self {
        let minutes = |minutes: u16| TimeDelta::minutes(minutes.into());
        Self {
            card_out: args.card_out,
            idle: args.idle.map(minutes),
            lifetime: args.lifetime.map(minutes),
            zones: args.zone,
            accepts_badge: args.badge,
        }
    }
}

impl ClientCommand {
    pub(super) async fn run(self, path: &Path) -> Result<(), Failure> {
        let context = Context::open(path).await?;
        let done = match self {
            Self::Add(add) => add.run(&context).await,
            Self::List { json } => list(&context, json).await,
            Self::Show { id, json } => show(&context, &id, json).await,
            Self::RotateSecret { id, keep_previous, json } => {
                rotate_secret(&context, &id, keep_previous, json).await
            }
            Self::Ciba(ciba) => ciba.run(&context).await,
            Self::Delegation(terms) => terms.run(&context).await,
            Self::Update(update) => update.run(&context).await,
            Self::RegistrationToken(token) => token.run(&context).await,
            Self::Policy { id, demands, names, ciba_card } => {
                set_policy(&context, &id, demands.into(), &names, &ciba_card).await
            }
            Self::Disable { id, reason } => disable(&context, &id, reason.as_deref()).await,
            Self::Enable { id } => enable(&context, &id).await,
            Self::Logouts(logouts) => logouts.run(&context).await,
            Self::Remove { id } => remove(&context, &id).await,
        };
        context.db.close().await;
        done
    }
}

impl Add {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let document = match &self.metadata {
            Some(file) => read_document(file)?,
            None => Document::default(),
        };
        let mut metadata = document.metadata;
        if let Some(algorithm) = self.signed_by {
            metadata.id_token_signed_response_alg = Some(algorithm.name().to_owned());
        }
        if self.ciba.is_some() {
            metadata.backchannel_token_delivery_mode = self.ciba;
            if metadata.grant_types.is_empty() {
                let has_pages = !self.redirect_uri.is_empty() || !document.redirect_uris.is_empty();
                let by_browser = has_pages.then_some("authorization_code");
                let grants = by_browser.into_iter().chain(["refresh_token", CIBA]);
                metadata.grant_types = grants.map(str::to_owned).collect();
            } else if !metadata.may_use(CIBA) {
                metadata.grant_types.push(CIBA.to_owned());
            }
        }
        if self.ciba_endpoint.is_some() {
            metadata.backchannel_client_notification_endpoint = self.ciba_endpoint;
        }
        let or = |given: Vec<String>, written: Vec<String>| if given.is_empty() { written } else { given };
        let registration = Registration {
            id: self.id,
            name: self.name.or(document.client_name).unwrap_or_default(),
            redirect_uris: or(self.redirect_uri, document.redirect_uris),
            post_logout_redirect_uris: or(self.post_logout_redirect_uri, document.post_logout_redirect_uris),
            backchannel_logout_uri: self.backchannel_logout_uri.or(document.backchannel_logout_uri),
            audience: self.audience,
            may_introspect: self.may_introspect,
            profile: self.profile,
            metadata,
        };
        let terms = self.delegation.read()?;
        if !self.delegation.is_empty() && self.profile != ProfileName::PscDelegation {
            return Err(delegation::failure(DelegationFault::Profile));
        }
        let allowed = Allowed::by(&context.config.oidc);
        let (event, now) = (context.event(Kind::ClientAdded), context.clock.now());
        let egress = egress(context)?;
        let secret =
            register(&context.db, &registration, &allowed, &egress, &event, now, &*context.random).await?;
        if !self.delegation.is_empty() {
            delegation::set(context, &registration.id, &terms).await?;
        }
        if !self.ciba_card.is_empty() {
            let event = context.event(Kind::ClientChanged).client(&registration.id);
            let event =
                NewRow::from(&event.note(&format!("asks for cards at: {}", self.ciba_card.join(", "))));
            let workstations = Workstations::named(&self.ciba_card);
            store::card_question::set_workstations(&context.db, &registration.id, &workstations, now, &event)
                .await?;
        }
        if let Some(client) = store::client::by_id(&context.db, &registration.id).await? {
            // Published before the service reads the key set.
            keys::make_for(context, signing::of_tokens(&client)).await?;
        }
        hand_over(context, &registration.id, self.profile, secret.as_ref(), self.json);
        Ok(())
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = store::client::by_id(&context.db, &self.id).await?.ok_or_else(|| unknown(&self.id))?;
        let document = read_document(&self.metadata)?;
        let registration = Registration {
            id: client.id,
            name: document.client_name.unwrap_or(client.name),
            redirect_uris: document.redirect_uris,
            post_logout_redirect_uris: document.post_logout_redirect_uris,
            backchannel_logout_uri: document.backchannel_logout_uri,
            audience: client.audience,
            may_introspect: client.may_introspect,
            profile: self.profile.unwrap_or(client.profile),
            metadata: document.metadata,
        };
        let needs_secret = has_secret(&registration.metadata) && client.secret_hash.is_none();
        let allowed = Allowed::by(&context.config.oidc);
        let (event, now) = (context.event(Kind::ClientChanged).note("registration"), context.clock.now());
        if !change(&context.db, &registration, &allowed, &egress(context)?, &event, now).await? {
            return Err(unknown(&registration.id));
        }
        if needs_secret {
            println!("It has no secret yet: sceau client rotate-secret {}", registration.id);
        }
        show(context, &registration.id, false).await
    }
}

/// What fetches the list of a sector.
fn egress(context: &Context) -> Result<Egress, Failure> {
    Ok(Egress::new(&context.config.egress)?)
}

fn read_document(file: &Path) -> Result<Document, Failure> {
    let text = std::fs::read(file)
        .map_err(|error| Failure::plain(format!("{} cannot be read: {error}", file.display())))?;
    Document::read(&text, Registrar::Administrator).map_err(|fault| Failure::from(ClientFault::from(fault)))
}

impl RegistrationToken {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let event = |note| NewRow::from(&context.event(Kind::RegistrationToken).note(note));
        if self.list {
            for token in initial_access_token::all(&context.db).await? {
                let until = token.expires_at.format("%Y-%m-%d %H:%M UTC");
                println!("{:<24}  {:>3} left  until {until}", token.name, token.uses_left);
            }
            return Ok(());
        }
        let name = self.name.unwrap_or_default();
        if self.revoke {
            let note = format!("{name} revoked");
            return match initial_access_token::remove(&context.db, &name, &event(&note)).await? {
                true => Ok(()),
                false => Err(Failure::new("OIDC-160", format!("there is no registration token {name:?}"))),
            };
        }
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return Err(Failure::new("OIDC-160", "the name of a token is 1 to 64 readable characters"));
        }
        let token = Secret::of_256_bits(&*context.random);
        let now = context.clock.now();
        let new = InitialAccessToken {
            name: name.clone(),
            token_hash: sha256(token.expose().as_bytes()).to_vec(),
            created_at: now,
            expires_at: now + TimeDelta::days(i64::from(self.days)),
            uses_left: i64::from(self.uses),
        };
        if !initial_access_token::add(&context.db, &new, &event(&name)).await? {
            return Err(Failure::new("OIDC-160", format!("there is a registration token {name:?} already")));
        }
        println!("initial access token  {}   (shown this once: keep it now)", token.expose());
        println!("good for              {} services, until {}", self.uses, new.expires_at.format("%Y-%m-%d"));
        if context.config.oidc.registration {
            let issuer = Issuer::new(context.config.server.issuer.clone());
            println!("registration          {}", issuer.address(psc::REGISTRATION));
        } else {
            println!("registration is off: set registration = true in [oidc]");
        }
        Ok(())
    }
}

fn algorithm(name: &str) -> Result<Algorithm, &'static str> {
    Algorithm::from_name(name).ok_or("must be RS256, PS256, ES256 or EdDSA")
}

/// Prints what a service's administrator needs; the secret is seen here and never again.
fn hand_over(context: &Context, id: &str, profile: ProfileName, secret: Option<&Secret>, as_json: bool) {
    let issuer = Issuer::new(context.config.server.issuer.clone());
    let discovery = issuer.address(match profile {
        // Whoever comes from the Internet finds the standard's own, and no other.
        ProfileName::PscDelegation => psc::DISCOVERY,
        ProfileName::Psc | ProfileName::Standard | ProfileName::Fapi2 => psc::WALLET_DISCOVERY,
    });
    let secret = secret.map(Secret::expose);
    if as_json {
        let document = json!({
            "client_id": id, "client_secret": secret, "issuer": issuer.as_str(), "discovery": discovery
        });
        println!("{document:#}");
    } else {
        println!("client id      {id}");
        match secret {
            Some(secret) => println!("client secret  {secret}   (shown this once: keep it now)"),
            None => println!("client secret  none: it authenticates in another way"),
        }
        println!("issuer         {}", issuer.as_str());
        println!("discovery      {discovery}");
    }
}

async fn list(context: &Context, json: bool) -> Result<(), Failure> {
    let all = store::client::all(&context.db).await?;
    if json {
        let shown: Vec<_> = all.iter().map(Shown::from).collect();
        return print_json(&shown);
    }
    for client in &all {
        let first = client.redirect_uris.first().map_or("", String::as_str);
        let standing = standing(client).map(|standing| format!("  {standing}")).unwrap_or_default();
        let (id, name, audience) = (&client.id, &client.name, client.audience.as_str());
        println!("{id:<24}  {audience:<16}  {name:<28}  {first}{standing}");
    }
    if all.is_empty() {
        println!("No service is registered yet: sceau client add --help");
    }
    Ok(())
}

async fn show(context: &Context, id: &str, json: bool) -> Result<(), Failure> {
    let client = store::client::by_id(&context.db, id).await?.ok_or_else(|| unknown(id))?;
    let shown = Shown::from(&client);
    if json {
        return print_json(&shown);
    }
    println!("client id               {}", shown.client_id);
    println!("name                    {}", shown.name);
    println!("profile                 {}", shown.profile);
    println!("audience                {}", shown.audience);
    println!(
        "may introspect          {}",
        if shown.may_introspect { "every token" } else { "its own tokens" }
    );
    for uri in shown.redirect_uris {
        println!("redirect URI            {uri}");
    }
    for uri in shown.post_logout_redirect_uris {
        println!("post-logout URI         {uri}");
    }
    println!("back-channel logout     {}", shown.backchannel_logout_uri.unwrap_or("none"));
    if let Some(reaction) = shown.card_out {
        println!("when the card leaves    {reaction}");
    }
    if let Some(minutes) = shown.idle_minutes {
        println!("idle time               {minutes} min");
    }
    if let Some(minutes) = shown.lifetime_minutes {
        println!("sign-in not older than  {minutes} min");
    }
    for zone in shown.zones {
        println!("zone                    {zone}");
    }
    if shown.accepts_badge {
        println!("badge                   accepted, where the zone has a badge window");
    }
    for place in &shown.ciba_card {
        println!("asks for cards at       {place}");
    }
    names::print(&client.names);
    if client.profile == ProfileName::PscDelegation {
        delegation::print(&client.delegation, context.config.delegation.max_age);
    }
    if *shown.metadata != Metadata::default() {
        let text = serde_json::to_string_pretty(shown.metadata)
            .map_err(|error| Failure::plain(error.to_string()))?;
        println!("metadata                {}", text.replace('\n', "\n                        "));
    }
    if shown.self_registered {
        println!("registered itself       nobody of the establishment vouches for it");
    }
    if let Some(standing) = standing(&client) {
        println!("standing                {standing}: it gets nothing");
    }
    println!("registered              {}", shown.created_at.format("%Y-%m-%d %H:%M UTC"));
    if let Some(until) = shown.previous_secret_until {
        println!("previous secret until   {}", until.format("%Y-%m-%d %H:%M UTC"));
    }
    Ok(())
}

async fn rotate_secret(context: &Context, id: &str, keep_hours: u16, json: bool) -> Result<(), Failure> {
    let client = store::client::by_id(&context.db, id).await?.ok_or_else(|| unknown(id))?;
    let secret = Secret::of_256_bits(&*context.random);
    let now = context.clock.now();
    let until = now + TimeDelta::hours(i64::from(keep_hours));
    let event = NewRow::from(&context.event(Kind::ClientSecretRotated).client(id));
    let hash = sha256(secret.expose().as_bytes());
    if !store::client::rotate_secret(&context.db, id, hash, until, now, &event).await? {
        return Err(unknown(id));
    }
    hand_over(context, id, client.profile, Some(&secret), json);
    if !json && keep_hours > 0 {
        println!("previous       good until {}", until.format("%Y-%m-%d %H:%M UTC"));
    }
    Ok(())
}

async fn set_policy(
    context: &Context,
    id: &str,
    demands: Demands,
    names: &names::NameArgs,
    ciba_card: &[String],
) -> Result<(), Failure> {
    let names = names.read()?;
    let event = context.event(Kind::ClientChanged).client(id).note(&names::note(&names));
    let (event, now) = (NewRow::from(&event), context.clock.now());
    if !store::client::set_policy(&context.db, id, &demands, &names, now, &event).await? {
        return Err(unknown(id));
    }
    let before = store::client::by_id(&context.db, id).await?.map(|client| client.card_workstations);
    let workstations = Workstations::named(ciba_card);
    if before.is_some_and(|before| before != workstations) {
        let event = context.event(Kind::ClientChanged).client(id);
        let event = NewRow::from(&event.note(&format!("asks for cards at: {}", ciba_card.join(", "))));
        store::card_question::set_workstations(&context.db, id, &workstations, now, &event).await?;
    }
    show(context, id, false).await
}

async fn disable(context: &Context, id: &str, reason: Option<&str>) -> Result<(), Failure> {
    let event = context.event(Kind::ClientDisabled).client(id);
    let event = NewRow::from(&reason.map_or_else(|| event.clone(), |reason| event.clone().note(reason)));
    if store::client::standing::disable(&context.db, id, context.clock.now(), &event).await? {
        println!("{id} is disabled; what it was granted is void.");
        return Ok(());
    }
    let client = store::client::by_id(&context.db, id).await?.ok_or_else(|| unknown(id))?;
    println!("{id}: {}", standing(&client).unwrap_or_default());
    Ok(())
}

async fn enable(context: &Context, id: &str) -> Result<(), Failure> {
    let event = NewRow::from(&context.event(Kind::ClientEnabled).client(id));
    if store::client::standing::enable(&context.db, id, context.clock.now(), &event).await? {
        println!("{id} is enabled. Its users sign in again; tokens that it had before stay revoked.");
        return Ok(());
    }
    store::client::by_id(&context.db, id).await?.ok_or_else(|| unknown(id))?;
    println!("{id} is enabled already.");
    Ok(())
}

/// Since when the client is disabled; nothing where it is not.
fn standing(client: &Client) -> Option<String> {
    client.disabled_at.map(|at| format!("DISABLED since {}", at.format("%Y-%m-%d %H:%M UTC")))
}

async fn remove(context: &Context, id: &str) -> Result<(), Failure> {
    let event = NewRow::from(&context.event(Kind::ClientRemoved).client(id));
    if !store::client::remove(&context.db, id, &event).await? {
        return Err(unknown(id));
    }
    println!("{id} is removed; what it was granted is void.");
    Ok(())
}

/// What `list --json` and `show --json` print. The names are part of the program's interface.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    name: &'a str,
    profile: &'static str,
    audience: &'static str,
    may_introspect: bool,
    redirect_uris: &'a [String],
    post_logout_redirect_uris: &'a [String],
    backchannel_logout_uri: Option<&'a str>,
    card_out: Option<&'static str>,
    idle_minutes: Option<i64>,
    lifetime_minutes: Option<i64>,
    zones: &'a [String],
    accepts_badge: bool,
    ciba_card: Vec<String>,
    delegation: Option<&'a Delegation>,
    acr_names: BTreeMap<&'static str, &'a str>,
    amr_names: BTreeMap<&'static str, &'a str>,
    phr: bool,
    created_at: Time,
    updated_at: Time,
    disabled_at: Option<Time>,
    previous_secret_until: Option<Time>,
    self_registered: bool,
    metadata: &'a Metadata,
}

impl<'a> From<&'a Client> for Shown<'a> {
    fn from(client: &'a Client) -> Self {
        Self {
            client_id: &client.id,
            name: &client.name,
            profile: client.profile.as_str(),
            audience: client.audience.as_str(),
            may_introspect: client.may_introspect,
            redirect_uris: &client.redirect_uris,
            post_logout_redirect_uris: &client.post_logout_redirect_uris,
            backchannel_logout_uri: client.backchannel_logout_uri.as_deref(),
            card_out: client.card_out.map(CardOut::as_str),
            idle_minutes: client.session_idle.map(|seconds| seconds / 60),
            lifetime_minutes: client.session_lifetime.map(|seconds| seconds / 60),
            zones: &client.zones,
            accepts_badge: client.accepts_badge,
            ciba_card: client.card_workstations.in_words(),
            delegation: (client.profile == ProfileName::PscDelegation).then_some(&client.delegation),
            acr_names: client.names.levels().collect(),
            amr_names: client.names.factors().collect(),
            phr: client.names.has_phr(),
            created_at: client.created_at,
            updated_at: client.updated_at,
            disabled_at: client.disabled_at,
            previous_secret_until: client.previous_secret_until,
            self_registered: client.self_registered,
            metadata: &client.metadata,
        }
    }
}

fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Failure::plain(error.to_string()))?;
    println!("{text}");
    Ok(())
}

fn unknown(id: &str) -> Failure {
    Failure::new("OIDC-086", format!("there is no client {id:?}: see `sceau client list`"))
}
