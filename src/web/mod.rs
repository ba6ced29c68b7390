//! Serving HTTP, and the pages.
