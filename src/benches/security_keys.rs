//! How many signatures of security keys one processor verifies in a second, beside what `openssl speed` verifies of the
//! same curve on the same machine in the same minute. Prints figures and asserts nothing.
//!
//! What is measured is the whole end of a sign-in as the server does it: the answer read from JSON, the state and the key
//! as they are kept, every check of Web Authentication §7.2.

use std::process::Command;
use std::time::{Duration, Instant};

use sceau::webauthn::ceremony::{Assertion, Ceremonies, Challenge, Registrant};
use serde_json::json;
use url::Url;
use uuid::Uuid;
use webauthn_authenticator_rs::WebauthnAuthenticator as _;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// For how long it is measured.
const MEASURED: Duration = Duration::from_secs(3);

fn main() -> Result<(), Failure> {
    let front = Url::parse("http://localhost:8080")?;
    let ceremonies = Ceremonies::new(&front, "Banc d'essai")?;
    let mut key = SoftPasskey::new(true);

    let who = Registrant {
        person: Uuid::from_u128(1),
        name: "899700366240".into(),
        display_name: "KIT DOC0036624".into(),
        known: Vec::new(),
    };
    let Challenge { mut options, state } = ceremonies.begin_registration(&who, false, false)?;
    if let Some(selection) = options.get_mut("authenticatorSelection") {
        // This authenticator keeps no names.
        *selection = json!({"requireResidentKey": false, "userVerification": "required"});
    }
    let asked = serde_json::from_value(json!({"publicKey": options}))?;
    let made = key.do_registration(front.clone(), asked).map_err(|error| format!("{error:?}"))?;
    let registered = ceremonies.finish_registration(&serde_json::to_value(&made)?, &state)?;

    let Challenge { options, state } = ceremonies.begin_named(std::slice::from_ref(&registered.id))?;
    let asked = serde_json::from_value(json!({"publicKey": options}))?;
    let signed = key.do_authentication(front, asked).map_err(|error| format!("{error:?}"))?;
    let answer = serde_json::to_value(&signed)?;

    let (begun, before) = (Instant::now(), spent()?);
    let mut verified = 0_u32;
    while begun.elapsed() < MEASURED {
        for _ in 0..50 {
            let assertion = Assertion::read(&answer)?;
            ceremonies.finish_sign_in(&assertion, &state, Some(&registered.credential))?;
        }
        verified += 50;
    }
    let ours = f64::from(verified) / (spent()? - before).as_secs_f64();
    let theirs = openssl_verifies()?;
    println!("security keys: {ours:.0} verifications per second of the processor");
    println!(
        "openssl speed ecdsap256: {theirs:.0} verifications per second; ratio {:.2} (target 0.2)",
        ours / theirs
    );
    Ok(())
}

/// Time on the processor so far: fields 14 and 15 of `/proc/self/stat`, in hundredths of a second.
fn spent() -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    Ok(Duration::from_millis(10 * (ticks(14).ok_or("no utime")? + ticks(15).ok_or("no stime")?)))
}

/// Verifications of ECDSA P-256 per second of the processor, by OpenSSL's own measure.
fn openssl_verifies() -> Result<f64, Failure> {
    let output = Command::new("openssl").args(["speed", "-seconds", "3", "-mr", "ecdsap256"]).output()?;
    let said = String::from_utf8(output.stdout)?;
    let line = said.lines().find(|line| line.starts_with("+F4:")).ok_or("openssl speed said nothing")?;
    let seconds = line.split(':').next_back().and_then(|text| text.parse::<f64>().ok()).ok_or("no figure")?;
    // Newer versions tell a rate, older ones the seconds that one takes.
    Ok(if seconds < 1.0 { 1.0 / seconds } else { seconds })
}
