//! Browser sessions and what a sign-in proved.
