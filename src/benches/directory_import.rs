//! How long an import of the national directory takes, and how much memory: on a file of people who do not exist.
//!
//! `cargo bench --bench directory_import -- [PEOPLE] [DATABASE_URL]`: 1 630 000 people, which are two million lines, and
//! a new SQLite database unless said otherwise; the real directory has about 1 950 000. Prints the time of a first import, of a second one (which
//! replaces and removes the first), the slowest transaction of a writer beside it, and the peak of resident memory.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sceau::audit::{Kind, Trail};
use sceau::clock::SystemClock;
use sceau::crypto::random::SystemRandom;
use sceau::directory::import::{Importer, Options};
use sceau::directory::synthetic::{self, Sample};
use sceau::store::{self, DatabaseUrl, Db};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Cargo adds --bench.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let people = arguments.next().map_or(Ok(1_630_000), |text| text.parse::<u32>())?;
    let dir = std::env::temp_dir().join(format!("sceau-bench-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let url = match arguments.next() {
        Some(url) => url.parse()?,
        None => DatabaseUrl::Sqlite(dir.join("sceau.db")),
    };
    let measured = measure(&dir, &url, people).await;
    std::fs::remove_dir_all(&dir)?;
    measured
}

async fn measure(dir: &Path, url: &DatabaseUrl, people: u32) -> Result<(), Failure> {
    let file = dir.join("PS_LibreAcces_Personne_activite_sample.txt");
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(&file)?);
    let lines = synthetic::write(Sample { people, bad_every: 10_000, without_last: 0 }, &mut out)?;
    out.flush()?;
    let megabytes = std::fs::metadata(&file)?.len() / 1_000_000;
    println!("{people} people, {lines} lines, {megabytes} MB, {url:?}");

    let db = Db::open(url).await?;
    let trail = Trail::new("bench", "1", Arc::new(SystemClock), Arc::new(SystemRandom));
    let importer =
        Importer { db: &db, trail: &trail, clock: &SystemClock, random: &SystemRandom, actor: "bench" };
    let options = Options { files: vec![file], finess: vec![synthetic::finess(1)], ..Options::default() };
    for name in ["first import", "second import"] {
        let stop = Arc::new(AtomicBool::new(false));
        let beside = tokio::spawn(write_beside(db.clone(), trail.clone(), Arc::clone(&stop)));
        let begun = Instant::now();
        let report = importer.run(&options, &|_| {}).await?;
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);
        let (count, slowest) = beside.await?;
        println!(
            "{name}: {:.1} s, {:.0} lines/s (target 150000), {} people, {} skipped; {count} writes beside it, the slowest {} ms",
            took.as_secs_f64(),
            report.lines as f64 / took.as_secs_f64(),
            report.people,
            report.rejected_count,
            slowest.as_millis(),
        );
    }
    db.close().await;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    println!("peak of resident memory: {}", peak.trim());
    Ok(())
}

/// Somebody signs in every few milliseconds meanwhile: how long do they wait?
async fn write_beside(db: Db, trail: Trail, stop: Arc<AtomicBool>) -> (usize, Duration) {
    let (mut count, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        if store::audit::append(&db, &trail.event(Kind::SignIn)).await.is_ok() {
            count += 1;
            slowest = slowest.max(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (count, slowest)
}
