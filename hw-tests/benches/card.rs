//! How long a card takes: read without its PIN, and from the PIN to the page of the relying party. The programs as they
//! are released, a software card in a virtual reader under a real `pcscd`, no browser.
//!
//! `cargo bench -p sceau-hw-tests --bench card -- [TIMES]`: fifteen times unless said otherwise. Prints medians and
//! asserts nothing. The software card needs no time of its own for a signature; a real one takes some 300 ms.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that cannot be taken ends the measure, and its place in the source says which"
)]

#[expect(dead_code, reason = "the tests with a browser use the rest")]
#[path = "../tests/e2e/harness/mod.rs"]
mod harness;
#[expect(dead_code, reason = "other tests send what this does not")]
#[path = "../../src/tests/http.rs"]
mod http;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use harness::hospital::{AGENT, FRONT, Hospital, RECORDS, Setup};
use http::{Answer, Call};
use sceau_hw_tests::identity::PIN;
use sceau_hw_tests::isolation;

/// Set in the process that has namespaces of its own.
const INSIDE: &str = "SCEAU_BENCH_INSIDE";

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let times = arguments.next().map_or(15, |text| text.parse().unwrap());
    if std::env::var_os(INSIDE).is_some() {
        return harness::run(measure(times));
    }
    let (program, pcscd) = (std::env::current_exe().unwrap(), tempfile::tempdir().unwrap());
    let mut inside = isolation::command(&program, pcscd.path());
    let status = inside.arg(times.to_string()).env(INSIDE, "1").status().unwrap();
    assert!(status.success(), "the measure ended with {status}");
}

async fn measure(times: usize) {
    let hospital = Hospital::open(Setup::default()).await;
    let read = (0..times).map(|_| {
        let begun = Instant::now();
        let output = hospital.try_agent(&["card", "read", "--json"]);
        assert!(output.status.success(), "{output:?}");
        begun.elapsed()
    });
    println!("sceau-agent card read: {} ms (target 150)", median(read.collect()));
    let mut signed_in = Vec::new();
    for _ in 0..times {
        signed_in.push(sign_in().await);
    }
    println!("from the PIN to the relying party's page: {} ms (target 500)", median(signed_in));
}

fn median(mut times: Vec<Duration>) -> u128 {
    times.sort();
    times[times.len() / 2].as_millis()
}

/// One sign-in at the demonstration's records; the time from the PIN to its page.
async fn sign_in() -> Duration {
    let mut browser = Browser::default();
    let page = browser.follow(&format!("{RECORDS}/sign-in")).await;
    let request = page.after("name=\"request\" value=\"");
    let asked = browser.post(&format!("{AGENT}/"), FRONT, &[("request", &request)]).await;
    let token = asked.token();
    let begun = Instant::now();
    let answered = browser.post(&format!("{AGENT}/sign"), AGENT, &[("token", &token), ("pin", PIN)]).await;
    let answer = answered.after("name=\"answer\" value=\"");
    let bounced = browser.post(&format!("{FRONT}/card/return"), AGENT, &[("answer", &answer)]).await;
    let answer = bounced.after("name=\"answer\" value=\"");
    let finished = browser.post(&format!("{FRONT}/card/finish"), FRONT, &[("answer", &answer)]).await;
    assert_eq!(finished.status, 200, "{finished:?}");
    let records = browser.follow(&format!("{FRONT}{}", finished.after("data-next=\""))).await;
    let took = begun.elapsed();
    assert!(records.body.contains("DOC0036624"), "{records:?}");
    took
}

/// A browser: a cookie jar for each host name.
#[derive(Default)]
struct Browser(BTreeMap<(String, String), String>);

impl Browser {
    /// A link, and every redirect behind it.
    async fn follow(&mut self, address: &str) -> Answer {
        let mut address = address.to_owned();
        loop {
            let (host, path) = parts(&address);
            let answer = self.send(&host, Call::get(&path, &host)).await;
            match answer.header("location") {
                "" => return answer,
                path if path.starts_with('/') => address = format!("http://{host}{path}"),
                elsewhere => address = elsewhere.to_owned(),
            }
        }
    }

    async fn post(&mut self, address: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
        let (host, path) = parts(address);
        self.send(&host, Call::post(&path, &host, origin, fields)).await
    }

    async fn send(&mut self, host: &str, call: Call) -> Answer {
        let (name, port) = host.split_once(':').unwrap();
        let cookies = self.0.iter().filter(|((of, _), _)| of == name);
        let cookies: Vec<_> = cookies.map(|((_, name), value)| format!("{name}={value}")).collect();
        let call = if cookies.is_empty() { call } else { call.with("cookie", &cookies.join("; ")) };
        let address: SocketAddr = ([127, 0, 0, 1], port.parse().unwrap()).into();
        let answer = call.send(address).await;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (cookie, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.0.insert((name.to_owned(), cookie.to_owned()), value.to_owned());
        }
        answer
    }
}

/// `http://host:port/path` → host and port, path.
fn parts(address: &str) -> (String, String) {
    let url = url::Url::parse(address).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let path = address.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_else(|| "/".into());
    (host, path)
}
