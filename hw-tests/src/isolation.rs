//! A network and a `/run/pcscd` of its own for a test, and for the demonstration's card reader.
//!
//! `pcscd` has one fixed socket, `/run/pcscd/pcscd.comm`, and the virtual reader listens on all addresses. So neither
//! may be let loose on a machine that has a reader of its own. Two ways, for two needs:
//!
//! - [`isolated`]: the *whole test* runs again, alone, inside new mount, network and process namespaces. Everything it
//!   starts (pcscd, agent, server, Chromium, Apache) sees the same loopback and the same `/run/pcscd`, nobody else
//!   does, every test may use the same ports, and nothing outlives it. This is what tests use.
//! - [`command`]: one program alone in such namespaces, with a directory of the caller in the place of `/run/pcscd`.
//!   Programs outside reach its pcscd by the variable [`SOCKET_VARIABLE`]. This is what the demonstration uses, since
//!   its browser is the user's own.
//!
//! Both use `unshare`, as root or, where it is not root that runs them, in a user namespace.

use std::path::Path;
use std::process::{Command, Stdio};

/// The variable by which libpcsclite is told another socket than `/run/pcscd/pcscd.comm`.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// Set in a process that [`isolated`] has started.
const INSIDE: &str = "SCEAU_ISOLATED";

/// Longest life of an isolated test, in seconds: a test that hangs fails.
const LIMIT: &str = "300";

/// Prepares the namespaces, then becomes the program. A machine without `/run/pcscd` gets a new `/run` where it may not
/// make the directory.
const PREPARE: &str = r#"set -e
ip link set lo up
if ! mkdir -p /run/pcscd 2>/dev/null; then mount -t tmpfs tmpfs /run; mkdir /run/pcscd; fi
if [ -n "$SCEAU_RUN_PCSCD" ]; then mount --bind "$SCEAU_RUN_PCSCD" /run/pcscd; else mount -t tmpfs tmpfs /run/pcscd; fi
unset SCEAU_RUN_PCSCD
"$@"
"#;

/// Runs `body`, the whole of a test, in namespaces of its own.
///
/// The test binary is started again with the name of the one test, which is read from the type of `body`: call it once,
/// with a closure, as the only statement of the test.
///
/// # Panics
/// When the test fails inside, after printing what it said.
#[expect(clippy::panic, clippy::expect_used, reason = "only tests call it, and it can only fail a test")]
pub fn isolated<F: FnOnce()>(body: F) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let name = test_name::<F>();
    let program = std::env::current_exe().expect("the test program knows itself");
    let arguments = [name.as_str(), "--exact", "--nocapture", "--test-threads=1"];
    let output = namespaces(None)
        .args(["timeout", "--kill-after=5", LIMIT])
        .arg(program)
        .args(arguments)
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("unshare (package util-linux) can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("1 passed") {
        println!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
        panic!("{name} failed in its own namespace ({}); what it said is above", output.status);
    }
}

/// `program` in namespaces of its own, with `run_pcscd` as its `/run/pcscd`. All of it ends when it ends.
#[must_use]
pub fn command(program: &Path, run_pcscd: &Path) -> Command {
    let mut command = namespaces(Some(run_pcscd));
    command.arg(program);
    command
}

fn namespaces(run_pcscd: Option<&Path>) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--propagation",
            "private",
        ])
        .args(["--", "sh", "-c", PREPARE, "sh"])
        .env("SCEAU_RUN_PCSCD", run_pcscd.unwrap_or(Path::new("")));
    command
}

/// `program::module::test::{{closure}}` → `module::test`.
fn test_name<F>() -> String {
    let path = std::any::type_name::<F>();
    let segments = path.split("::").skip(1).take_while(|segment| *segment != "{{closure}}");
    segments.collect::<Vec<_>>().join("::")
}
