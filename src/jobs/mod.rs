//! What runs beside the requests: sealing the audit, clean-up, key rotation, logout deliveries, reloading of
//! revocation lists.
//!
//! What a hospital gets: nothing to schedule by hand. Each job runs at its interval until the program stops; a stop
//! waits for the run under way. A job that fails or panics says so in the log and runs again at its next turn; it never
//! stops the others. Where several nodes share a database, a job that only one of them should run takes a lease first.
//!
//! This module knows no job: `app` hands the closures over.

use std::fmt::{self, Debug};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How one run ended: an error is a sentence for the log.
pub type Outcome = Result<(), String>;

/// Something that is done again and again.
#[derive(Clone)]
pub struct Job {
    name: &'static str,
    every: Duration,
    run: Arc<dyn Fn() -> BoxFuture<'static, Outcome> + Send + Sync>,
}

impl Job {
    /// `run`, at once and then every `every` (counted from the end of the run before).
    pub fn new<F>(name: &'static str, every: Duration, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self { name, every, run: Arc::new(move || run().boxed()) }
    }
}

impl Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({} every {:?})", self.name, self.every)
    }
}

/// The jobs of a running program.
#[derive(Debug)]
pub struct Jobs {
    stop: CancellationToken,
    running: TaskTracker,
}

impl Jobs {
    /// Starts `jobs`, each on its own.
    pub fn start(jobs: Vec<Job>) -> Self {
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        for job in jobs {
            running.spawn(turns(job, stop.clone()));
        }
        running.close();
        Self { stop, running }
    }

    /// Lets the runs under way end, and starts no other.
    pub async fn stop(self) {
        self.stop.cancel();
        self.running.wait().await;
    }
}

async fn turns(job: Job, stop: CancellationToken) {
    let mut clock = tokio::time::interval(job.every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = clock.tick() => {}
        }
        match AssertUnwindSafe((job.run)()).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => tracing::warn!(job = job.name, %reason, "a job failed; it will run again"),
            Err(_) => tracing::error!(job = job.name, "a job panicked; it will run again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counting(outcome: fn(usize) -> Outcome) -> (Job, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let run = move || {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            async move { outcome(turn) }
        };
        (Job::new("counting", Duration::from_secs(1), run), count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_fails_or_panics_runs_again_and_stops_no_other() {
        let (failing, failures) = counting(|turn| match turn {
            0 => Err("no".into()),
            1 => panic!("oh"),
            _ => Ok(()),
        });
        let (fine, count) = counting(|_| Ok(()));
        let jobs = Jobs::start(vec![failing, fine]);
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        jobs.stop().await;
        assert!(failures.load(Ordering::SeqCst) >= 4);
        let after_stop = count.load(Ordering::SeqCst);
        assert!(after_stop >= 4);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(count.load(Ordering::SeqCst), after_stop);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_run_under_way() {
        let ended = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ended);
        let slow = Job::new("slow", Duration::from_secs(60), move || {
            let ended = Arc::clone(&counted);
            async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                ended.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        });
        let jobs = Jobs::start(vec![slow]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        jobs.stop().await;
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    }
}
