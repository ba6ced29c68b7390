//! Files that belong to a whole machine, such as a browser's policies: below `/etc`, seen in this test's namespace only
//! (`sceau_hw_tests::isolation`). The machine's own `/etc` lies under it and is not written to.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use super::program::finished;

/// A policy of Chromium.
pub const CHROMIUM_POLICY: &str = "/etc/chromium/policies/managed/sceau.json";
/// The policies of Firefox.
pub const FIREFOX_POLICIES: &str = "/etc/firefox/policies/policies.json";

static COVERED: Once = Once::new();

/// Writes a file below `/etc`.
pub fn write(path: &str, content: &str) {
    COVERED.call_once(cover);
    assert!(path.starts_with("/etc/"), "{path}");
    let path = Path::new(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Lays an empty layer over `/etc`, which takes what is written there.
fn cover() {
    let layer = tempfile::tempdir().unwrap().keep();
    finished(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&layer));
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    std::fs::create_dir(&upper).unwrap();
    std::fs::create_dir(&work).unwrap();
    let layers = format!("lowerdir=/etc,upperdir={},workdir={}", upper.display(), work.display());
    finished(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers, "/etc"]));
}
