//! The card driver against the software card: its rules without a reader, then under a real pcscd, then by the commands
//! of `sceau-agent`.

#![cfg(test)]

mod commands;
mod contactless;
mod cps4;
mod disturbances;
mod fixture;
mod keys;
mod monitor;
mod readers;
mod real_card;
mod rules;
