//! `kill -9` at every step of a sign-in, of a directory import and of a key rotation: what was answered is there when the
//! program runs again, what was not is there as a whole or not at all, and nothing that was used up is good once more.

mod import;
mod rotation;
mod sign_in;

use std::process::Output;

use crate::harness::installation::{Installation, copy};

/// Runs a command again and again on the same state, killed at its first, second, … system call of the name `call`, until it
/// comes to its end; `killed` looks at what each kill left. Yields how often it was killed.
///
/// `strace` kills it: so the place is exact, and on no machine is it too fast.
fn killed_at_each(
    installation: &Installation,
    call: &str,
    next: impl Fn(usize) -> usize,
    arguments: &[&str],
    mut killed: impl FnMut(usize),
) -> usize {
    let pristine = tempfile::tempdir().unwrap();
    copy(&installation.state(), pristine.path());
    let (mut place, mut times) = (1, 0);
    loop {
        std::fs::remove_dir_all(installation.state()).unwrap();
        copy(pristine.path(), &installation.state());
        let output = killed_at(installation, call, place, arguments);
        if output.status.success() {
            return times;
        }
        assert!(String::from_utf8_lossy(&output.stderr).contains("killed by SIGKILL"), "{output:?}");
        killed(place);
        times += 1;
        place = next(place);
    }
}

/// Runs a command that is killed as it makes the system call `call` for the `place`-th time.
fn killed_at(installation: &Installation, call: &str, place: usize, arguments: &[&str]) -> Output {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={place}"));
    let strace = ["strace", "-f", "-qq", "-s", "0", "-e", &trace, "-e", &inject];
    let mut command = installation.command(&strace, arguments);
    command.output().unwrap_or_else(|error| panic!("strace: {error}; run `make setup`"))
}
