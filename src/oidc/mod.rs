//! The OpenID Provider.
