//! The national directory and the people of this establishment.
