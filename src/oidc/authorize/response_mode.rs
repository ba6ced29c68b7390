//! How an answer travels to the relying party: in the address, behind `#`, or in a form that the browser posts; as plain
//! parameters, or as one signed JWT.
//!
//! OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode, JWT Secured Authorization Response Mode
//! (JARM) §2.3.

use serde::{Deserialize, Serialize};

/// What the answer travels in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// The query of the redirect.
    #[default]
    Query,
    /// What stands behind `#` in the redirect, which no server sees.
    Fragment,
    /// A form that a page of ours makes the browser post.
    FormPost,
}

/// How an answer travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseMode {
    /// In what.
    pub carrier: Carrier,
    /// As one JWT, signed by the provider.
    pub signed: bool,
}

impl ResponseMode {
    /// Every mode by its name, in the order of the discovery document. `jwt` is the one that goes with the code flow (JARM
    /// §2.3.4).
    pub const ALL: [(&'static str, Self); 7] = [
        ("query", Self { carrier: Carrier::Query, signed: false }),
        ("fragment", Self { carrier: Carrier::Fragment, signed: false }),
        ("form_post", Self { carrier: Carrier::FormPost, signed: false }),
        ("query.jwt", Self { carrier: Carrier::Query, signed: true }),
        ("fragment.jwt", Self { carrier: Carrier::Fragment, signed: true }),
        ("form_post.jwt", Self { carrier: Carrier::FormPost, signed: true }),
        ("jwt", Self { carrier: Carrier::Query, signed: true }),
    ];

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }
}
