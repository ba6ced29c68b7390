//! The shapes of Pro Santé Connect, member for member.

mod shapes;
mod userinfo;
