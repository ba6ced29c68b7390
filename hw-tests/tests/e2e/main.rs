//! A hospital's whole sign-in, on real parts: the programs, a card in a reader under pcscd, Chromium, Firefox, Apache, npm's
//! `openid-client`. Each test runs in namespaces of its own, see `sceau_hw_tests::isolation`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that cannot be taken ends the test, and its place in the source says which"
)]

mod harness;

mod attacks;
mod authlib;
mod bad_card;
mod bad_sign_in;
mod badge;
mod card_asked;
mod card_out;
mod cards;
mod certificate;
mod contact;
mod delegation;
mod demonstration;
mod desk;
mod ecps;
mod firefox;
mod fleet;
mod keyboard;
mod kinds_of_keys;
mod lemonldap;
mod mutual_tls;
mod openid_client;
mod package;
mod phones;
mod phones_push;
mod pictures;
mod policies;
mod programs;
mod prompts;
mod providers;
mod relay;
mod relying_parties;
mod sandbox;
mod security_keys;
mod sign_in;
mod sign_in_page;
mod standard_provider;
mod tools;
