//! Wiring: configuration → state → router. The only file that knows every module.
