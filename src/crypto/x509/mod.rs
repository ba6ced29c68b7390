//! Certificates: anchors, paths, revocation lists, and the profile of the health cards.
