//! Two rows of one human become one, by hand: never by what a provider or the directory says.

use super::identifiers::after_the_others;
use super::{Db, PersonId, Random, StoreError, Time, end_sessions_of, write};
use crate::directory::NationalId;
use crate::ids::MeansId;
use crate::session::EndReason;
use crate::store::approval::hold_person;
use crate::store::audit::{NewRow, record};
use crate::store::means::Kind;
use crate::store::notice::{NewNotice, Place, Told, queue_notice};

/// Why a link or a key ended, and why the row that is left over is disabled.
const MERGED: &str = "merged";

/// Two people who are one.
pub struct Merging<'a> {
    /// The row that is kept.
    pub kept: PersonId,
    /// The one whose identifiers, identities, links and cards it gets.
    pub other: PersonId,
    /// What is recorded of each of the two, with the identifiers that go from the one to the other.
    pub event: &'a (dyn Fn(PersonId, &[String]) -> NewRow + Sync),
    /// What is recorded of each key and phone of the other one: they answer for its row alone, and are revoked.
    pub revoked: &'a (dyn Fn(MeansId, Kind, &str) -> NewRow + Sync),
}

/// How it ends. But for the first, nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The two are one.
    Done {
        /// The identifiers that went from the one to the other.
        identifiers: Vec<String>,
        /// How many keys and phones were revoked.
        revoked: usize,
        /// How many sessions ended.
        sessions: usize,
    },
    /// One of them is disabled.
    Disabled,
    /// Each has one of a kind that a person has once in their life.
    TwoOfAKind(String, String),
    /// Each has an identity of this issuer.
    TwoIdentities(String),
}

/// Makes two people one: identifiers, identities at providers, links with the establishment and cards of the other become
/// those of the one that is kept; what it had opened ends, its keys and phones are revoked, and it is disabled. The one
/// is told of each identity that came to it, the other of each key and phone. The directory may know both, by an RPPS
/// number and an ADELI number for instance.
///
/// # Errors
/// [`StoreError`].
pub async fn merge(
    db: &Db,
    merging: &Merging<'_>,
    now: Time,
    random: &dyn Random,
) -> Result<Merged, StoreError> {
    let &Merging { kept, other, event, revoked } = merging;
    write!(db, c => {
        // Whoever merges the same two the other way round at this moment waits here, and finds one of them disabled.
        for person in [kept.min(other), kept.max(other)] {
            hold_person!(c, person);
        }
        let enabled: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM person WHERE id IN ($1, $2) AND disabled_at IS NULL")
                .bind(kept)
                .bind(other)
                .fetch_one(&mut *c)
                .await?;
        if enabled != 2 {
            return Ok(Merged::Disabled);
        }
        let all: Vec<(PersonId, String)> = sqlx::query_as(
            "SELECT person_id, value FROM person_identifier WHERE person_id IN ($1, $2) ORDER BY value",
        )
        .bind(kept)
        .bind(other)
        .fetch_all(&mut *c)
        .await?;
        if let Some((one, two)) = two_of_a_kind(&all, kept) {
            return Ok(Merged::TwoOfAKind(one, two));
        }
        let both: Option<String> = sqlx::query_scalar(
            "SELECT a.issuer FROM upstream_identity a JOIN upstream_identity b ON b.issuer = a.issuer
             WHERE a.person_id = $1 AND b.person_id = $2 ORDER BY a.issuer LIMIT 1",
        )
        .bind(kept)
        .bind(other)
        .fetch_optional(&mut *c)
        .await?;
        if let Some(issuer) = both {
            return Ok(Merged::TwoIdentities(issuer));
        }

        let sessions = end_sessions_of!(c, other, EndReason::PersonDisabled, now, random).len();
        let providers: Vec<String> = sqlx::query_scalar(
            "UPDATE upstream_identity SET person_id = $1 WHERE person_id = $2
             RETURNING CASE WHEN label = '' THEN issuer ELSE label END",
        )
        .bind(kept)
        .bind(other)
        .fetch_all(&mut *c)
        .await?;
        for provider in providers {
            let told = Told::IdentityLinked { provider, place: Place::default() };
            queue_notice!(c, &NewNotice::new(kept, told, now, random), now);
        }
        // In their order, behind those that the one has: services go on calling it as they did.
        let identifiers: Vec<String> =
            sqlx::query_scalar("SELECT value FROM person_identifier WHERE person_id = $1 ORDER BY created_at, value")
                .bind(other)
                .fetch_all(&mut *c)
                .await?;
        for value in &identifiers {
            let at = after_the_others!(c, kept, now);
            sqlx::query("UPDATE person_identifier SET person_id = $1, created_at = $3 WHERE value = $2")
                .bind(kept)
                .bind(value.clone())
                .bind(at)
                .execute(&mut *c)
                .await?;
        }
        // Whose a card is says its certificate, by these identifiers.
        sqlx::query("UPDATE means SET person_id = $1 WHERE person_id = $2 AND kind = 'card'")
            .bind(kept)
            .bind(other)
            .execute(&mut *c)
            .await?;
        let keys: Vec<(MeansId, Kind, String)> = sqlx::query_as(
            "UPDATE means SET revoked_at = $2, reason = $3 WHERE person_id = $1 AND revoked_at IS NULL
             RETURNING id, kind, reference",
        )
        .bind(other)
        .bind(now)
        .bind(MERGED)
        .fetch_all(&mut *c)
        .await?;
        for (id, kind, reference) in &keys {
            sqlx::query("DELETE FROM push_subscription WHERE means_id = $1").bind(*id).execute(&mut *c).await?;
            let told = Told::MeansRevoked { means: *kind };
            queue_notice!(c, &NewNotice::new(other, told, now, random), now);
            record!(c, revoked(*id, *kind, reference));
        }
        // A link that both have is one, where that of the kept one runs and will not end before the other's.
        sqlx::query(
            "UPDATE affiliation SET person_id = $1 WHERE person_id = $2 AND NOT EXISTS (
               SELECT 1 FROM affiliation k WHERE k.person_id = $1 AND k.source = affiliation.source
                 AND k.structure = affiliation.structure AND k.started_at <= $3
                 AND (k.ended_at IS NULL OR (k.ended_at > $3 AND k.ended_at >= affiliation.ended_at)))",
        )
        .bind(kept)
        .bind(other)
        .bind(now)
        .execute(&mut *c)
        .await?;
        sqlx::query(
            "UPDATE affiliation SET ended_at = $2, end_reason = $3
             WHERE person_id = $1 AND (ended_at IS NULL OR ended_at > $2)",
        )
        .bind(other)
        .bind(now)
        .bind(MERGED)
        .execute(&mut *c)
        .await?;
        // What was entered of the one that is kept stays; where there is nothing, the other's will do.
        sqlx::query(
            "UPDATE person SET
               professional = (SELECT o.professional FROM person o WHERE o.id = $2),
               professional_origin = (SELECT o.professional_origin FROM person o WHERE o.id = $2)
             WHERE id = $1 AND professional IS NULL",
        )
        .bind(kept)
        .bind(other)
        .execute(&mut *c)
        .await?;
        sqlx::query("UPDATE person SET disabled_at = $2, disabled_reason = $3 WHERE id = $1")
            .bind(other)
            .bind(now)
            .bind(format!("{MERGED} into {kept}"))
            .execute(&mut *c)
            .await?;
        record!(c, event(kept, &identifiers));
        record!(c, event(other, &identifiers));
        Ok(Merged::Done { identifiers, revoked: keys.len(), sessions })
    })
}

/// The first two identifiers, of one person each, that nobody has both of.
fn two_of_a_kind(all: &[(PersonId, String)], kept: PersonId) -> Option<(String, String)> {
    let kind = |value: &str| {
        let id = NationalId::of_source(value).filter(NationalId::is_for_life)?;
        Some(id.kind())
    };
    let (own, others): (Vec<_>, Vec<_>) = all.iter().partition(|(person, _)| *person == kept);
    others.into_iter().find_map(|(_, other)| {
        let of_other = kind(other)?;
        let (_, one) = own.iter().find(|(_, own)| kind(own) == Some(of_other))?;
        Some((one.clone(), other.clone()))
    })
}
