//! The random source of production: OpenSSL's generator.

use crate::ids::Random;

/// OpenSSL's `RAND_bytes`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "without randomness no key, code or cookie may be issued: stop at once"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        openssl::rand::rand_bytes(bytes).expect("the operating system yields no randomness");
    }
}
