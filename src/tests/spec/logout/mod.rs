//! RP-Initiated Logout 1.0 and Back-Channel Logout 1.0.

mod backchannel;
mod by_relying_party;
mod frontchannel;
