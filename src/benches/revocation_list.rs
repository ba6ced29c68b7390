//! How long a large revocation list takes to read, how much memory it keeps, and what one look-up costs; beside what a
//! list of the whole profession may cost: a million entries in 2 s and 64 MB, looked up in microseconds.
//!
//!     cargo bench --bench revocation-list                # a million entries
//!     cargo bench --bench revocation-list -- 200000
//!
//! Prints figures and asserts nothing: the machine decides.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use sceau::crypto::x509::anchors::Anchors;
use sceau::crypto::x509::chain;
use sceau::crypto::x509::crl::CrlSet;
use sceau::crypto::x509::ocsp::{Answers, OcspSettings};
use sceau::crypto::x509::revocation::{Fallback, judge};
use sceau_certs::crl::{CrlTemplate, Revocation};
use sceau_certs::{Card, Options, Pki};

const ROUNDS: u32 = 10_000;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    if let (Some("read"), Some(dir)) = (first.as_deref(), arguments.next()) {
        return read(Path::new(&dir));
    }
    let entries = first.map_or(Ok(1_000_000), |count| count.parse())?;
    let dir = std::env::temp_dir().join(format!("sceau-revocation-list-{}", std::process::id()));
    let result = write(&dir, entries).and_then(|()| {
        // In a process of its own, so that the memory seen is that of reading.
        Command::new(std::env::current_exe()?).arg("read").arg(&dir).status()?;
        Ok(())
    });
    std::fs::remove_dir_all(&dir)?;
    result
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_262_400, 0).unwrap_or_default()
}

fn write(dir: &Path, entries: u32) -> Outcome {
    let pki = Pki::generate(now(), &Options::only(&["good"]))?;
    pki.write_to(dir)?;
    let mut template = CrlTemplate::new(1, now(), now() + TimeDelta::days(7));
    template.revoked = (0..entries)
        .map(|number| Revocation { serial: serial(number).to_vec(), at: now(), reason: Some(1) })
        .collect();
    let list = pki.persons.issue_crl(&template)?;
    println!("{entries} entries, {} kB on disk", list.len() / 1024);
    std::fs::write(dir.join("crl/aci-fo-pp-test.crl"), list)?;
    Ok(())
}

/// Sixteen bytes that look random, as the serials of cards do.
fn serial(number: u32) -> [u8; 16] {
    (u128::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes()
}

fn read(dir: &Path) -> Outcome {
    let anchors = Anchors::load(&dir.join("anchors"))?;
    let before = memory("VmRSS");
    let start = Instant::now();
    let lists = CrlSet::load(&dir.join("crl"), &anchors, now());
    println!("read in {:?} (a million: 2 s at most)", start.elapsed());
    if let (Some(before), Some(after), Some(peak)) = (before, memory("VmRSS"), memory("VmHWM")) {
        println!(
            "resident memory of the process: {} MB, of which the list {} MB (a million: 64 MB at most); peak {} MB",
            after / 1024,
            after.saturating_sub(before) / 1024,
            peak / 1024
        );
    }

    let card = Card::load(&dir.join("cards/good"))?.authentication.certificate.to_der()?;
    let path = chain::verify(&anchors, &card, now())?;
    let answers = Answers::new(OcspSettings::default());
    let start = Instant::now();
    for _ in 0..ROUNDS {
        judge(&lists, &answers, &path, Fallback::Refuse, now())?;
    }
    println!("judgement of a verified path, its certificate read anew: {:?}", start.elapsed() / ROUNDS);
    let issuer = path.issuer_id()?;
    let start = Instant::now();
    let mut found = 0_u32;
    for number in 0..ROUNDS {
        found += u32::from(lists.revokes(&issuer, &serial(number)));
    }
    println!(
        "look-up by serial number: {:?} (microseconds); {found} of {ROUNDS} found",
        start.elapsed() / ROUNDS
    );
    let start = Instant::now();
    for _ in 0..ROUNDS {
        chain::verify(&anchors, &card, now())?;
    }
    println!("path: {:?}", start.elapsed() / ROUNDS);
    Ok(())
}

/// Kilobytes, where the system tells: `VmRSS` resident now, `VmHWM` at most so far.
fn memory(kind: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| {
        line.strip_prefix(kind)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.trim().parse().ok()
    })
}
