//! The card driver: PC/SC, APDU, IAS-ECC, CPS.
