//! `sceau person mail`: the address that notices to somebody go to, which an administrator answers for.

use super::arguments::cell;
use super::person::{event, find};
use super::{Context, Failure, mail};
use crate::audit::Kind;
use crate::ids::PersonId;
use crate::notify::address;
use crate::store::audit::NewRow;
use crate::store::notice::{NewNotice, Told};
use crate::store::person_contact::{self, Contact, Setting, Verifier};

pub(super) async fn run(
    context: &Context,
    who: &str,
    typed: Option<&str>,
    language: String,
    remove: bool,
) -> Result<(), Failure> {
    let person = find(context, who).await?.id;
    match typed {
        Some(typed) => set(context, person, typed, language).await,
        None if remove => forget(context, person).await,
        None => show(context, person).await,
    }
}

async fn show(context: &Context, person: PersonId) -> Result<(), Failure> {
    match person_contact::of_person(&context.db, person).await? {
        None => println!("no address is set"),
        Some(contact) => println!(
            "{}  {}  verified by {} on {}",
            cell(&contact.address),
            contact.language,
            contact.verified_by.as_str(),
            contact.verified_at.format("%Y-%m-%d")
        ),
    }
    Ok(())
}

async fn set(context: &Context, person: PersonId, typed: &str, language: String) -> Result<(), Failure> {
    mail::configured(context)?;
    let address = address::parse(typed).map_err(|error| Failure::new(error.code(), error.to_string()))?;
    let now = context.clock.now();
    let notice = |told| NewNotice::new(person, told, now, &*context.random);
    let contact = Contact {
        address: address.clone(),
        language,
        verified_by: Verifier::Administrator,
        verified_at: now,
    };
    let setting = Setting {
        person,
        contact: &contact,
        told_before: &notice(Told::AddressChanged),
        told_now: &notice(Told::AddressSet),
        // The trail says that it changed and who did it; the address itself is in the database.
        event: &NewRow::from(&event(context, Kind::ContactChanged, person, "set by an administrator")),
    };
    person_contact::set(&context.db, &setting, now).await?;
    println!("notices go to {}, which is told so", cell(&address));
    Ok(())
}

async fn forget(context: &Context, person: PersonId) -> Result<(), Failure> {
    let now = context.clock.now();
    let told = NewNotice::new(person, Told::AddressChanged, now, &*context.random);
    let event = NewRow::from(&event(context, Kind::ContactChanged, person, "removed by an administrator"));
    match person_contact::remove(&context.db, person, &told, &event, now).await? {
        true => println!("no notices are sent any more; the address is told so"),
        false => println!("no address was set"),
    }
    Ok(())
}
