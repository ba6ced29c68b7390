//! The pages, one file per place: a struct with public fields and `render(&self, &Frame) -> Response`.
//!
//! They hold what is shown and nothing else: no session, no store, no secret but the ones a form carries.

pub mod sign_in;
