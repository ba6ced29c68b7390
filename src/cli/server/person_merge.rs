//! `sceau person merge`: two rows of one human become one.

use super::person::{event, find};
use super::{Context, Failure};
use crate::audit::Kind;
use crate::ids::{MeansId, PersonId};
use crate::store;
use crate::store::audit::NewRow;
use crate::store::means::Kind as MeansKind;
use crate::store::person::{Merged, Merging};

pub(super) async fn run(context: &Context, kept: &str, other: &str, reason: &str) -> Result<(), Failure> {
    let (one, two) = (find(context, kept).await?, find(context, other).await?);
    if one.id == two.id {
        return Err(refused(format!("{kept} and {other} are one person already")));
    }
    let of_both = |person: PersonId, identifiers: &[String]| {
        let note = format!("{} became {}: {} {reason}", two.id, one.id, identifiers.join(" "));
        NewRow::from(&event(context, Kind::PersonMerged, person, note.trim_end()))
    };
    let revoked = |id: MeansId, kind: MeansKind, reference: &str| {
        let event = event(context, Kind::MeansRevoked, two.id, "merged");
        NewRow::from(&event.enrolment(&id.to_string()).means(kind.as_str(), Some(reference)))
    };
    let merging = Merging { kept: one.id, other: two.id, event: &of_both, revoked: &revoked };
    let now = context.clock.now();
    match store::person::merge(&context.db, &merging, now, &*context.random).await? {
        Merged::Done { identifiers, revoked, sessions } => {
            println!("{} has {} now; {sessions} sessions ended", one.id, identifiers.join(" "));
            if revoked > 0 {
                println!("{revoked} security keys and phones were revoked: they have to be issued anew");
            }
            println!("roles and the mail address of {} do not go with it", two.id);
            Ok(())
        }
        Merged::Disabled => Err(refused(
            "one of the two is disabled: sceau person show says why; sceau person enable, if it should be so",
        )),
        Merged::TwoOfAKind(of_one, of_other) => Err(refused(format!(
            "nobody has both {of_one} and {of_other}: they are two humans, or one of the two is wrong"
        ))),
        Merged::TwoIdentities(issuer) => Err(refused(format!(
            "each has an identity of {issuer}: look at sceau upstream links, and unlink the one that is wrong"
        ))),
    }
}

fn refused(sentence: impl Into<String>) -> Failure {
    Failure::new("PERSON-014", sentence)
}
