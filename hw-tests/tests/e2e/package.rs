//! The Debian packages: made as `make package` makes them, installed into an empty root, and used as a software house
//! does. What differs here is how the programs in them were compiled: as for the other tests, without the optimisation
//! of a release, and with both features.
//!
//! Installing a package gives files to its users, so it needs root, as anywhere.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sceau_hw_tests::isolation::isolated;

use crate::harness::program::{finished, ours};

/// Where `make setup` puts tools.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").canonicalize().unwrap()
}

/// Both packages, below `target`, which stands for the directory that a release is built in.
fn packages(target: &Path) -> [PathBuf; 2] {
    let built = target.join("release");
    std::fs::create_dir_all(&built).unwrap();
    for program in ["sceau", "sceau-agent"] {
        symlink(ours(program), built.join(program)).unwrap();
        finished(Command::new(ours(program)).arg("manual").arg(built.join("man").join(program)));
    }
    let tool = tools().join("bin/cargo-deb");
    assert!(tool.exists(), "cargo-deb is missing: run `make setup`");
    let make = |more: &[&str]| {
        let mut command = Command::new(&tool);
        command.args(["deb", "--no-build", "--fast", "--quiet", "--manifest-path"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).args(more);
        finished(command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true"));
    };
    make(&[]);
    make(&["--variant", "agent"]);
    ["sceau", "sceau-agent"].map(|name| {
        let packages = std::fs::read_dir(target.join("debian")).unwrap();
        let beginning = format!("{name}_");
        let path = packages
            .map(|entry| entry.unwrap().path())
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&beginning));
        path.unwrap_or_else(|| panic!("no package {name}"))
    })
}

/// A system in which nothing is installed.
struct EmptyRoot(tempfile::TempDir);

impl EmptyRoot {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"] {
            std::fs::create_dir_all(root.path(folder)).unwrap();
        }
        std::fs::write(root.path("var/lib/dpkg/status"), "").unwrap();
        root
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// What the packages depend on is the machine's, and its shell runs their scripts (`DPKG_ROOT`).
    fn dpkg(&self, arguments: &[&str], what: &[&Path]) -> Output {
        let mut command = Command::new("dpkg");
        command.arg("--root").arg(self.0.path()).args(["--force-depends", "--force-script-chrootless"]);
        let output = command.args(arguments).args(what).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }
}

#[test]
fn from_a_package_to_an_installation_and_to_a_green_application() {
    isolated(|| {
        let began = Instant::now();
        let target = tempfile::tempdir().unwrap();
        let [server, agent] = packages(target.path());
        installs_and_starts_nothing(&server, &agent);
        keeps_what_is_the_administrators(&server);
        the_sample_application_turns_green(&server);
        assert!(began.elapsed() < Duration::from_secs(600), "{:?}", began.elapsed());
    });
}

fn installs_and_starts_nothing(server: &Path, agent: &Path) {
    let root = EmptyRoot::new();
    root.dpkg(&["--install"], &[server, agent]);
    for (program, name) in [("usr/bin/sceau", "sceau "), ("usr/bin/sceau-agent", "sceau-agent ")] {
        let output = Command::new(root.path(program)).arg("--version").output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(name));
    }
    for (page, says) in
        [("sceau", "client"), ("sceau-client-disable", "reason"), ("sceau-agent-enrol", "enrol")]
    {
        let page = root.path(&format!("usr/share/man/man1/{page}.1"));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(".SH SYNOPSIS") && text.contains(says), "{}: {text}", page.display());
    }
    let enabled = root.path("etc/systemd");
    assert!(!enabled.exists(), "a unit was enabled");

    // The user exists, and owns what is its own.
    let users = std::fs::read_to_string(root.path("etc/passwd")).unwrap();
    let line = users.lines().find(|line| line.starts_with("sceau:")).expect("the service's user");
    let numbers: Vec<u32> = line.split(':').filter_map(|field| field.parse().ok()).collect();
    let state = root.path("var/lib/sceau").metadata().unwrap();
    assert_eq!((state.uid(), state.permissions().mode() & 0o7777), (numbers[0], 0o700));
    let configuration = root.path("etc/sceau/sceau.toml");
    let of = configuration.metadata().unwrap();
    assert_eq!((of.uid(), of.gid(), of.permissions().mode() & 0o7777), (0, numbers[1], 0o640));
    assert!(users.lines().any(|line| line.starts_with("sceau-switch:")));

    // Without an issuer it serves nobody, and says what is missing.
    let mut serve = Command::new(root.path("usr/bin/sceau"));
    let said = serve.arg("--config").arg(&configuration).arg("serve").output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("CONF-004") && said.contains("issuer"), "{said}");

    // Hardened: 10 is a service that may do anything, 2 one that may do hardly more than its work.
    for unit in ["sceau.service", "sceau-agent-switch.service"] {
        let mut judge = Command::new("systemd-analyze");
        judge.args(["security", "--no-pager", "--offline=true", "--threshold=20"]);
        finished(judge.arg(root.path("usr/lib/systemd/system").join(unit)));
    }
}

fn keeps_what_is_the_administrators(server: &Path) {
    let root = EmptyRoot::new();
    root.dpkg(&["--install"], &[server]);
    let (configuration, key) = (root.path("etc/sceau/sceau.toml"), root.path("var/lib/sceau/seal.key"));
    std::fs::write(&configuration, "# ours\n").unwrap();
    std::fs::write(&key, "a key").unwrap();
    root.dpkg(&["--install"], &[server]);
    assert_eq!(std::fs::read_to_string(&configuration).unwrap(), "# ours\n", "an upgrade wrote over it");
    root.dpkg(&["--remove"], &[Path::new("sceau")]);
    assert!(!root.path("usr/bin/sceau").exists() && configuration.exists());
    let purged = root.dpkg(&["--purge"], &[Path::new("sceau")]);
    assert!(!configuration.exists());
    assert_eq!(std::fs::read_to_string(key).unwrap(), "a key", "keys go by a decision of their own");
    assert!(String::from_utf8(purged.stderr).unwrap().contains("stay in /var/lib/sceau"));
}

/// The script that integrators copy, from the package's own examples. Without a network, what npm would fetch is what
/// `make setup` has fetched, at the versions of the same lock file.
fn the_sample_application_turns_green(server: &Path) {
    let place = tempfile::tempdir().unwrap();
    finished(Command::new("dpkg-deb").arg("--extract").arg(server).arg(place.path()));
    let application = place.path().join("usr/share/doc/sceau/examples/sample-app");
    symlink(tools().join("web/node_modules"), application.join("node_modules")).unwrap();
    let path = std::env::join_paths(
        std::iter::once(tools().join("bin")).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut script = Command::new(application.join("ci.sh"));
    let output = script.arg(server).env("PATH", path.unwrap()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\ngreen after"), "{said}");
    println!("{said}");
}
