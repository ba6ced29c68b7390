//! The card driver against the software card: its rules without a reader, then under a real pcscd, then by the commands
//! of `sceau-agent`.

#![cfg(test)]

mod commands;
mod contactless;
mod cps4;
mod fixture;
mod monitor;
mod readers;
mod real_card;
mod rules;
