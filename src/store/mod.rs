//! The database: the only SQL of the project.
