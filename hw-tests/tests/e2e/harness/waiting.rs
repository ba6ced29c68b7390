//! Waiting for something, never for a fixed time.

use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the steps of a test inside its namespaces, on a runtime of its own.
pub fn run(steps: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(steps);
}

/// Asks again and again until `ask` has an answer; fails after [`PATIENCE`], saying what was waited for.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).await.unwrap_or_else(|| panic!("waited {} s for {what}", PATIENCE.as_secs()))
}

/// The first answer of `ask` within `time`, asked every 20 ms.
pub async fn within<T>(time: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    let mut turn = tokio::time::interval(Duration::from_millis(20));
    loop {
        turn.tick().await;
        let answer = ask().await;
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
    }
}

/// Whether somebody listens on a port of this machine.
pub async fn listens(port: u16) -> bool {
    tokio::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).await.is_ok()
}
