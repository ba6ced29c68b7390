//! RSA keys, made at run time and several at once; they never come from a file of the project.

use std::thread;

use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    rsa::Rsa,
};

use crate::Error;

/// Makes `count` keys on all processors.
pub fn generate(count: usize, bits: u32) -> Result<Vec<PKey<Private>>, Error> {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(count.max(1));
    let shares = (0..threads).map(|thread| count / threads + usize::from(thread < count % threads));
    let keys: Result<Vec<Vec<_>>, ErrorStack> = thread::scope(|scope| {
        let workers: Vec<_> = shares
            .map(|share| {
                scope.spawn(move || {
                    (0..share).map(|_| PKey::from_rsa(Rsa::generate(bits)?)).collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    Ok(keys?.into_iter().flatten().collect())
}
