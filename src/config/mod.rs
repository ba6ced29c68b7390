//! The configuration file, one file per section.
