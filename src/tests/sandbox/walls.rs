//! What a sandbox makes is worth nothing to an installation, and what an installation made is not touched by a sandbox.

use std::sync::Arc;

use super::{Bench, options};
use crate::app::{self, App};
use crate::clock::MockClock;
use crate::config::Config;
use crate::crypto::random::SystemRandom;

fn config(dir: &std::path::Path) -> Arc<Config> {
    let text = format!(
        "config_version = 1\n[server]\nissuer = \"http://localhost:8080/auth/realms/esante-wallet\"\n\
         state_dir = {:?}\n",
        dir.display().to_string()
    );
    Arc::new(Config::parse(&text, &dir.join("sceau.toml")).unwrap())
}

#[tokio::test]
async fn an_installation_does_not_serve_the_database_of_a_sandbox() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), MockClock::default());
    let place = dir.path().join("kept");
    let kept = || super::Options { state_dir: Some(place.clone()), ..options(&clock) };
    let first = Bench::of(kept(), clock.clone()).await.unwrap();
    first.end().await;
    let (time, random) = (Arc::new(clock.clone()), Arc::new(SystemRandom));
    let served = App::start(config(&place), time.clone(), random.clone()).await;
    assert_eq!(served.map(|_| ()).map_err(|error| error.code()), Err("CONF-025"));
    let made = app::init(&config(&place), time, random).await;
    assert_eq!(made.map_err(|error| error.code()), Err("CONF-025"));
    // The sandbox itself goes back to it.
    assert!(Bench::of(kept(), clock).await.is_ok());
}

#[tokio::test]
async fn a_sandbox_does_not_start_over_an_installation_nor_over_one_that_was_carried_into_its_place() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), MockClock::default());
    let (time, random) = (Arc::new(clock.clone()), Arc::new(SystemRandom));
    let real = dir.path().join("real");
    app::init(&config(&real), time.clone(), random.clone()).await.unwrap();
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&real)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let over =
        |place: &std::path::Path| super::Options { state_dir: Some(place.to_owned()), ..options(&clock) };
    let refused = Bench::of(over(&real), clock.clone()).await;
    assert_eq!(refused.map(|_| ()).map_err(|error| error.code()), Err("SANDBOX-010"));
    assert_eq!(files(), before, "nothing was touched");

    // Somebody copies the database and the key of an installation over those of a sandbox.
    let place = dir.path().join("kept");
    Bench::of(over(&place), clock.clone()).await.unwrap().end().await;
    for (path, _) in &before {
        std::fs::copy(path, place.join(path.file_name().unwrap())).unwrap();
    }
    let refused = Bench::of(over(&place), clock.clone()).await;
    assert_eq!(refused.map(|_| ()).map_err(|error| error.code()), Err("CONF-026"));

    // The mark alone does not make an installation's database one of a sandbox.
    let refused = App::for_sandbox(config(&real), time, random, Arc::default()).await;
    assert_eq!(refused.map(|_| ()).map_err(|error| error.code()), Err("CONF-026"));
}

#[tokio::test]
async fn the_control_interface_is_not_open_to_others() {
    let clock = MockClock::default();
    let open = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Bench::of(super::Options { control: open, ..options(&clock) }, clock.clone()).await;
    assert_eq!(refused.map(|_| ()).map_err(|error| error.code()), Err("SANDBOX-012"));
}
