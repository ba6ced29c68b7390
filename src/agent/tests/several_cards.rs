//! Several cards at once, a card on the wrong side, and a PIN that is typed on the reader.

use std::sync::atomic::Ordering;

use super::*;
use crate::card::protocol::{CardAnswer, PinEntry};

fn answer_of(sent: &Answer) -> CardAnswer {
    let answer = sent.after("name=\"answer\" value=\"");
    CardAnswer::from_payload(&jose::unverified_payload(&answer).unwrap()).unwrap()
}

async fn desk_with_three_cards() -> Desk {
    let desk = Desk::with(PinSetting::Page).await;
    desk.card.state.lock().unwrap().others = vec!["Inès DELACROIX", "Paul MARTIN"];
    desk
}

#[tokio::test]
async fn the_person_says_which_of_several_cards_is_theirs() {
    let desk = desk_with_three_cards().await;
    let choice = desk.send(desk.arrival(&desk.request())).await;
    for shown in ["Inès DELACROIX", "Paul MARTIN", "Lecteur de Paul MARTIN", "CHU d’Essai", "Dossier patient"]
    {
        assert!(choice.body.contains(shown), "{shown}: {}", choice.body);
    }
    assert!(!choice.body.contains("name=\"pin\"") && !choice.body.contains("<script"));

    let ask = desk.send(desk.own_form("/choose", &[("token", &choice.token()), ("card", "2")])).await;
    assert!(ask.body.contains("Paul MARTIN") && !ask.body.contains("DELACROIX"), "{}", ask.body);
    let sent = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "1234")])).await;
    assert_eq!(answer_of(&sent).card_certificate, b"Paul MARTIN");
}

#[tokio::test]
async fn a_wrong_pin_asks_the_same_card_again_and_another_can_be_chosen() {
    let desk = desk_with_three_cards().await;
    let choice = desk.send(desk.arrival(&desk.request())).await;
    let ask = desk.send(desk.own_form("/choose", &[("token", &choice.token()), ("card", "1")])).await;
    let again = desk.send(desk.own_form("/sign", &[("token", &ask.token()), ("pin", "0000")])).await;
    assert!(again.body.contains("Inès DELACROIX") && again.body.contains("READER-009"), "{}", again.body);
    let link = format!("/look{}", again.after("href=\"/look"));
    let choice = desk.send(desk.own_link(&link)).await;
    assert!(choice.body.contains("Paul MARTIN") && choice.body.contains("Inès DELACROIX"), "{}", choice.body);
}

#[tokio::test]
async fn a_card_that_was_not_offered_cannot_be_chosen() {
    let desk = desk_with_three_cards().await;
    for card in ["3", "-1", "", "x", "18446744073709551616"] {
        let choice = desk.send(desk.arrival(&desk.request())).await;
        let refused =
            desk.send(desk.own_form("/choose", &[("token", &choice.token()), ("card", card)])).await;
        assert_eq!(refused.code(), Some("AGENT-004"), "{card:?}");
    }
    let choice = desk.send(desk.arrival(&desk.request())).await;
    let token = choice.token();
    let form = || desk.own_form("/choose", &[("token", &token), ("card", "0")]);
    let foreign = desk.send(form().instead("origin", "https://evil.example")).await;
    assert_eq!(foreign.code(), Some("AGENT-018"));
    assert_eq!(desk.send(form()).await.status, 200);
    assert_eq!(desk.send(form()).await.code(), Some("AGENT-017"), "the token is good once");
    let skipped = desk.send(desk.own_form("/sign", &[("token", &token), ("pin", "1234")])).await;
    assert_eq!(skipped.code(), Some("AGENT-017"));
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 0);
}

/// No card is shown yet when the choice is: it cannot sign without being chosen.
#[tokio::test]
async fn the_page_of_the_choice_signs_nothing() {
    let desk = desk_with_three_cards().await;
    let choice = desk.send(desk.arrival(&desk.request())).await;
    let refused = desk.send(desk.own_form("/sign", &[("token", &choice.token()), ("pin", "1234")])).await;
    assert_eq!(refused.code(), Some("AGENT-017"));
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_card_that_lies_on_a_contactless_reader_is_asked_into_the_slot() {
    let desk = Desk::with(PinSetting::Page).await;
    desk.card.state.lock().unwrap().interface = Interface::Contactless;
    let trouble = desk.send(desk.arrival(&desk.request())).await;
    assert_eq!(trouble.code(), Some("READER-022"));
    desk.card.state.lock().unwrap().interface = Interface::Contact;
    let link = format!("/look{}", trouble.after("href=\"/look"));
    let ask = desk.send(desk.own_link(&link)).await;
    assert!(ask.body.contains("name=\"pin\""));
}

#[tokio::test]
async fn the_pin_is_typed_on_the_reader_where_it_has_keys() {
    for setting in [PinSetting::Window, PinSetting::Page] {
        // A window that opened would fail.
        let desk = Desk::built(setting, ManagedSettings::default(), "exit 1").await;
        desk.card.state.lock().unwrap().on_pad = Some(b"1234");
        let ask = desk.send(desk.arrival(&desk.request())).await;
        assert!(
            !ask.body.contains("name=\"pin\"") && ask.body.contains("touches du lecteur"),
            "{}",
            ask.body
        );
        let wait = desk.send(desk.own_form("/sign", &[("token", &ask.token())])).await;
        assert!(wait.body.contains("Saisissez votre code sur le lecteur"), "{}", wait.body);
        let next = wait.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
        let sent = desk.send(desk.own_link(&next)).await;
        assert_eq!(answer_of(&sent).pin, PinEntry::Pad);
        assert_eq!(desk.card.verified.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_wrong_pin_on_the_reader_is_asked_again_only_by_a_click() {
    let desk = Desk::with(PinSetting::Window).await;
    desk.card.state.lock().unwrap().on_pad = Some(b"0000");
    let ask = desk.send(desk.arrival(&desk.request())).await;
    let wait = desk.send(desk.own_form("/sign", &[("token", &ask.token())])).await;
    let next = wait.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    let again = desk.send(desk.own_link(&next)).await;
    assert!(again.body.contains("READER-009"), "{}", again.body);
    assert_eq!(desk.send(desk.own_link(&next)).await.code(), Some("AGENT-017"));
    assert_eq!(desk.card.verified.load(Ordering::SeqCst), 1);
}
