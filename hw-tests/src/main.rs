//! `sceau-softcard`: a software card of a health professional, for the demonstration and for trying things by hand.
//!
//! Two ways to run it:
//!
//! - `--port N`: only the card. It goes into the virtual reader that listens on that port of this machine.
//! - `--socket-dir DIR`: the card, a virtual reader and a `pcscd` of its own, in namespaces of their own. Programs reach
//!   it when `PCSCLITE_CSOCK_NAME` is `DIR/pcscd.comm`. A pcscd of the machine is neither used nor disturbed.
//!
//! With `--socket-dir` it prints `ready DIR/pcscd.comm` when the card is in, then takes lines on standard input and
//! answers each with `done` or `failed: …`: `remove`, `insert` (the same card), `insert NAME` (another of the set).
//! It ends, with everything it started, when standard input ends, so it cannot outlive the program that started it.
//!
//! Cards are those of a directory made by `sceau-certs`. Tries and PIN live in memory only: a new start is a new card.

use std::io::{self, BufRead, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use std::time::Duration;

use clap::{Parser, ValueEnum};
use sceau_hw_tests::isolation;
use sceau_hw_tests::pcscd::Pcscd;
use sceau_hw_tests::softcard::vpcd::Inserted;
use sceau_hw_tests::softcard::{Identity, Profile, SoftCard};

/// A software CPS card.
#[derive(Debug, Parser)]
#[command(name = "sceau-softcard", version, about)]
struct Options {
    /// Directory of `sceau-certs` with the cards.
    #[arg(long, value_name = "DIR")]
    certs_dir: PathBuf,
    /// Name of the card in that directory.
    #[arg(long, value_name = "NAME", default_value = "good")]
    card: String,
    /// PIN of the card: four digits.
    #[arg(long, value_name = "DIGITS", default_value = sceau_hw_tests::identity::PIN, value_parser = digits::<4>)]
    pin: String,
    /// PUK of the card: eight digits.
    #[arg(long, value_name = "DIGITS", default_value = sceau_hw_tests::identity::PUK, value_parser = digits::<8>)]
    puk: String,
    /// Which card it is, and on which of its sides.
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Kind::Cps3)]
    kind: Kind,
    /// What every answer takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// After every reset the card is as another program leaves it: in its older view.
    #[arg(long)]
    older_view: bool,
    #[command(flatten)]
    place: Place,
    /// Set by itself, in the namespaces.
    #[arg(long, hide = true)]
    inside: bool,
    /// Name of the virtual reader.
    #[arg(long, value_name = "NAME", default_value = "Sceau virtual reader")]
    reader: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// In a slot, T=0.
    Cps3,
    /// On a contactless reader.
    Cps3Contactless,
    /// In a slot, T=1 where the reader offers it.
    Cps4,
    /// In a slot, T=0 alone.
    Cps4T0,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Port of a virtual reader that runs already.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Runs a pcscd of its own, and makes its socket in this directory.
    #[arg(long, value_name = "DIR")]
    socket_dir: Option<PathBuf>,
}

/// Longest path of a Unix socket.
const MAX_SOCKET_PATH: usize = 107;

fn main() -> ExitCode {
    let options = Options::parse();
    let ran = match (&options.place.socket_dir, options.place.port) {
        (Some(directory), _) if options.inside => run_reader(&options, directory),
        (Some(directory), _) => enter_namespaces(directory),
        (None, Some(port)) => run_card(&options, port),
        (None, None) => Ok(()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sceau-softcard: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

impl Options {
    fn card(&self, name: &str) -> Outcome<SoftCard> {
        let identity = Identity::load(&self.certs_dir, name)?;
        let identity = Identity { pin: self.pin.clone(), puk: self.puk.clone(), ..identity };
        let profile = match self.kind {
            Kind::Cps3 => Profile::default(),
            Kind::Cps3Contactless => Profile::contactless(),
            Kind::Cps4 => Profile::cps4(),
            Kind::Cps4T0 => Profile::cps4_t0(),
        };
        let latency = Duration::from_millis(self.latency);
        Ok(SoftCard::new(identity, Profile { latency, older_view: self.older_view, ..profile }))
    }
}

/// Only the card: until the reader goes away.
fn run_card(options: &Options, port: u16) -> Outcome {
    let card = Arc::new(Mutex::new(options.card(&options.card)?));
    let _card = Inserted::insert(card, port)?.wait();
    Ok(())
}

/// Runs the same program in namespaces of its own, and passes standard input on to it. The end of that input is the end
/// of all of it, and it comes when this process ends in whatever way: `unshare` itself ignores a polite signal.
fn enter_namespaces(directory: &Path) -> Outcome {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let directory = directory.canonicalize()?;
    if socket(&directory).as_os_str().len() > MAX_SOCKET_PATH {
        return Err(format!("{} is too long a path for a socket", directory.display()).into());
    }
    // What a run before left would keep pcscd from starting.
    for left in ["pcscd.comm", "pcscd.pid"] {
        match std::fs::remove_file(directory.join(left)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let mut inside = isolation::command(&std::env::current_exe()?, &directory)
        .args(std::env::args_os().skip(1))
        .arg("--inside")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("unshare (package util-linux) cannot be started: {error}"))?;
    if let Some(mut orders) = inside.stdin.take() {
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if writeln!(orders, "{line}").is_err() {
                    break;
                }
            }
        });
    }
    match inside.wait()?.code() {
        Some(0) => Ok(()),
        _ => Err("the card in its namespaces has ended".into()),
    }
}

/// The card, its reader and its pcscd: until standard input ends.
fn run_reader(options: &Options, directory: &Path) -> Outcome {
    let pcscd = Pcscd::start(&options.reader)?;
    let mut card = Slot::Full(pcscd.insert(0, options.card(&options.card)?)?);
    let mut output = io::stdout();
    writeln!(output, "ready {}", socket(&directory.canonicalize()?).display())?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (next, outcome) = card.order(&pcscd, options, &words);
        card = next;
        match outcome {
            Ok(()) => writeln!(output, "done")?,
            Err(error) => writeln!(output, "failed: {error}")?,
        }
        output.flush()?;
    }
    Ok(())
}

/// The one reader that is used.
enum Slot {
    Full(Inserted),
    Empty(Option<Arc<Mutex<SoftCard>>>),
}

impl Slot {
    fn order(self, pcscd: &Pcscd, options: &Options, words: &[&str]) -> (Self, Outcome) {
        match (words, self) {
            (["remove"], Self::Full(card)) => match pcscd.remove(0, card) {
                Ok(card) => (Self::Empty(Some(card)), Ok(())),
                Err(error) => (Self::Empty(None), Err(error.into())),
            },
            (["insert", name], Self::Empty(before)) => match options.card(name) {
                Ok(card) => Self::fill(pcscd, Arc::new(Mutex::new(card))),
                Err(error) => (Self::Empty(before), Err(error)),
            },
            (["insert"], Self::Empty(Some(card))) => Self::fill(pcscd, card),
            (["insert"] | ["insert", _], slot @ Self::Full(_)) => {
                (slot, Err("there is a card in the reader".into()))
            }
            (["remove"] | ["insert"], slot) => (slot, Err("there is no card".into())),
            (_, slot) => (slot, Err("say remove, insert or insert NAME".into())),
        }
    }

    fn fill(pcscd: &Pcscd, card: Arc<Mutex<SoftCard>>) -> (Self, Outcome) {
        match pcscd.insert_again(0, Arc::clone(&card)) {
            Ok(inserted) => (Self::Full(inserted), Ok(())),
            Err(error) => (Self::Empty(Some(card)), Err(error.into())),
        }
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("pcscd.comm")
}

fn digits<const N: usize>(text: &str) -> Result<String, String> {
    let right = text.len() == N && text.bytes().all(|byte| byte.is_ascii_digit());
    if right { Ok(text.to_owned()) } else { Err(format!("{N} digits are needed")) }
}
