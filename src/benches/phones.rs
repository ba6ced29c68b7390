//! Who waits for a phone: how soon the page of a desk hears of the answer among two thousand that wait, and what twenty
//! thousand that wait cost one node. The program itself, over HTTP on loopback, on SQLite; phones answer by their protocol.
//!
//! `cargo bench --bench phones -- [PAGES [MANY]]`: 2 000 and 20 000 unless said otherwise. Prints figures and asserts nothing.

mod installation;
#[expect(dead_code, reason = "who goes on from a page that has been answered needs more of it")]
mod phone_page;
mod software_phone;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use installation::{Failure, Installation, REDIRECT, Server};
use phone_page::{Delay, Page};
use tokio::sync::Semaphore;

/// Answers of which the delay is measured.
const ANSWERS: usize = 200;
/// Pages opened at a time.
const AT_ONCE: usize = 64;
/// For how long what waits is watched.
const WATCHED: Duration = Duration::from_secs(10);

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let pages = numbers.next().map_or(Ok(2_000), |text| text.parse::<usize>())?;
    let wanted = numbers.next().map_or(Ok(20_000), |text| text.parse::<usize>())?;
    let many = wanted.min(most_pages()?);
    if many < wanted {
        println!("{wanted} pages were asked for; the limit of open files (ulimit -n) allows {many}");
    }
    let dir = std::env::temp_dir().join(format!("sceau-bench-phones-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let measured = tokio::runtime::Runtime::new()?.block_on(measure(&dir, pages, many));
    std::fs::remove_dir_all(&dir)?;
    measured
}

/// So many connections can this process hold, with some files beside them (proc(5), `limits`).
fn most_pages() -> Result<usize, Failure> {
    const BESIDE: usize = 2_000;
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next()).unwrap_or_default();
    // "unlimited" is no number.
    Ok(soft.parse::<usize>().map_or(usize::MAX, |soft| soft.saturating_sub(BESIDE)))
}

async fn measure(dir: &Path, pages: usize, many: usize) -> Result<(), Failure> {
    let here = Installation::new(dir, "[phone]\nenabled = true\nnetworks = [\"127.0.0.0/8\"]\n")?;
    let here = Arc::new(here);
    here.sceau(&["init"])?;
    here.sceau(&["client", "add", "dpi", "--name", "DPI", "--redirect-uri", REDIRECT])?;
    here.add_doctor()?;
    let cookie = here.begin_sessions(1).await?.pop().unwrap_or_default();
    let server = here.serve()?;
    let idle = server.resident()?;
    let mut phone = here.pair(&cookie).await?;

    // The delay, while so many go on waiting.
    let waiting = here.open(pages + ANSWERS, true).await?;
    let spent = spends_while(&server, WATCHED).await?;
    println!("{pages} pages that show a code each second: {spent:.1} % of one processor");
    let mut delays = Vec::with_capacity(ANSWERS);
    for page in waiting.iter().take(ANSWERS) {
        delays.push(here.approve(&mut phone, page).await?);
    }
    let of = |which: fn(&Delay) -> Duration| {
        let mut times: Vec<Duration> = delays.iter().map(which).collect();
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        (ms(at(50)), ms(at(99)))
    };
    let (median, p99) = of(|delay| delay.after_answer);
    println!(
        "from the phone's 200 to the page, {pages} waiting: {median} at the median (target 300 ms), {p99} at p99"
    );
    let (median, p99) = of(|delay| delay.after_sending);
    println!("from the phone's sending to the page: {median} at the median, {p99} at p99");
    drop(waiting);
    drop(server);

    // What many cost: pages that show a number, and pages that show a code.
    for (scan, what) in [(false, "a number"), (true, "a code each second")] {
        let server = here.serve()?;
        let (before, begun) = (server.resident()?, Instant::now());
        let waiting = here.open(many, scan).await?;
        println!("{many} pages with {what}: opened in {} s", begun.elapsed().as_secs());
        let spent = spends_while(&server, WATCHED).await?;
        let after = server.resident()?;
        println!(
            "  resident {} MB of {} MB idle (target 400 MB), {} bytes each; {spent:.1} % of one processor; {} still there",
            after * 1024 / 1_000_000,
            before * 1024 / 1_000_000,
            (after.saturating_sub(before)) * 1024 / u64::try_from(many)?,
            waiting.iter().filter(|page| page.is_open()).count()
        );
        if scan {
            let mut delays = Vec::new();
            for page in waiting.iter().take(20) {
                match here.approve(&mut phone, page).await {
                    Ok(delay) => delays.push(delay.after_answer),
                    Err(error) => println!("  not approved: {error}"),
                }
            }
            delays.sort();
            if let Some(median) = delays.get(delays.len() / 2) {
                println!("  from the phone's 200 to the page: {} at the median", ms(*median));
            }
        }
    }
    println!("resident, idle, at the very first: {} MB", idle * 1024 / 1_000_000);
    Ok(())
}

impl Installation {
    /// So many pages that wait, each with a sign-in and a connection of its own.
    async fn open(self: &Arc<Self>, count: usize, scan: bool) -> Result<Vec<Page>, Failure> {
        let turn = Arc::new(Semaphore::new(AT_ONCE));
        let pages = (0..count).map(|number| {
            let (here, turn) = (Arc::clone(self), Arc::clone(&turn));
            tokio::spawn(async move {
                let _turn = turn.acquire_owned().await?;
                here.open_one(number, scan).await
            })
        });
        let mut opened = Vec::with_capacity(count);
        for page in pages.collect::<Vec<_>>() {
            opened.push(page.await??);
        }
        Ok(opened)
    }
}

/// Hundredths of one processor that the server spends, while time passes.
async fn spends_while(server: &Server, time: Duration) -> Result<f64, Failure> {
    let (begun, before) = (Instant::now(), server.spent()?);
    tokio::time::sleep(time).await;
    Ok((server.spent()? - before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
