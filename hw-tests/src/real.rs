//! One's own card in a real reader: what works, and a report that can be sent in.
//!
//! For whoever has a card that nobody here has: production certificates, a CPS4, a reader with keys. It reads the card,
//! says check by check what is as expected, and writes down what was said to the card, without PIN, names or numbers.
//!
//! It sends no PIN unless told to, twice: by an option and by a sentence that has to be typed. It never does where two
//! tries or fewer are left, or where the card does not say how many, and it sends the PIN once.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sceau::card::driver::cps::Recognised;
use sceau::card::driver::{
    Consent, Interface, LastTry, Pin, PresentedCard, Reader, ReaderError, Readers, Slot,
};
use sceau::card::proof::{Proof, Purpose};
use sceau::crypto::x509::profile::Category;
use zeroize::Zeroizing;

/// What has to be typed before a PIN is asked for.
pub const SENTENCE: &str = "spend one try";

/// Fewer tries than these are left alone: a mistake would leave the holder with one.
const TRIES_NEEDED: u8 = 3;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the reader, or a part of it; needed where there are several cards.
    pub reader: Option<String>,
    /// Whether to sign too, with a PIN.
    pub sign: bool,
    /// Where the report goes.
    pub report: PathBuf,
}

/// The person at the keyboard.
pub trait Person {
    /// What is typed after `question`.
    ///
    /// # Errors
    /// When nothing can be asked.
    fn ask(&mut self, question: &str) -> io::Result<String>;

    /// The same, without showing it.
    ///
    /// # Errors
    /// When nothing can be asked.
    fn ask_secretly(&mut self, question: &str) -> io::Result<Zeroizing<String>>;
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{code} {0}.\n{advice}", code = .0.code(), advice = advice(.0))]
    Reader(#[from] ReaderError),
    #[error("the report cannot be written: {0}")]
    Report(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "the report would hold a {0} of the card's holder, and was not written: that is a fault of this program"
    )]
    Personal(&'static str),
}

/// What helps, where the cause lies with reader or computer.
fn advice(error: &ReaderError) -> &'static str {
    match error {
        ReaderError::NoService => {
            "Install and start it: `apt-get install pcscd libccid`, then `systemctl start pcscd.socket`."
        }
        ReaderError::NoReader => {
            "Plug in a card reader. If there is one, its driver does not know it: `apt-get install libccid`, or the \
             maker's driver; `pcsc_scan` shows what the system sees."
        }
        ReaderError::NoCard => "Put the card into the reader, chip first, and start again.",
        ReaderError::SeveralCards | ReaderError::ReaderGone => {
            "Name the reader: `make hw-test-real READER='part of its name'`; `sceau-agent card list` shows the names."
        }
        ReaderError::HeldExclusively | ReaderError::InUse => {
            "Close the program that uses the card and start again."
        }
        _ => "Pull the card out, put it in again and start again. If it stays so, send in the lines above.",
    }
}

/// Runs everything; `true` when nothing that was tried failed.
///
/// # Errors
/// [`Error`] where no card could be tried at all.
pub fn run(options: &Options, person: &mut dyn Person, output: &mut dyn Write) -> Result<bool, Error> {
    let readers = Readers::default();
    let reader = the_reader(&readers, options.reader.as_deref())?;
    let mut checks = Checks::default();
    checks.note(format!("reader: {}", without_numbers(&reader.name)));
    if let Slot::Card { atr, recognised, .. } = &reader.slot {
        checks.note(format!("answer to reset: {}", hex_of(atr)));
        checks.check(
            "the answer to reset is that of a health card",
            matches!(recognised, Recognised::As(..)).then_some(()).ok_or_else(|| "unknown".to_owned()),
        );
    }
    let trace = readers.report(&reader.name)?;
    let card = read(&readers, &reader.name, &mut checks);
    if let Some(card) = &card {
        if options.sign {
            sign(&readers, card, person, output, &mut checks)?;
        } else {
            checks.not_tried("a signature", "no PIN without SIGN=1");
        }
    }
    write!(output, "{}", checks.text())?;
    let report =
        format!("{}\nWhat was said to the card when it was read:\n\n{}\n", checks.text(), trace.join("\n"));
    if let Some(card) = &card {
        holds_nothing_personal(&report, card)?;
    }
    write_report(&options.report, &report).map_err(Error::Report)?;
    writeln!(output, "\nThe report is in {}. Read it, then send it in.", options.report.display())?;
    Ok(card.is_some() && checks.all_passed())
}

fn the_reader(readers: &Readers, wanted: Option<&str>) -> Result<Reader, ReaderError> {
    let name = match wanted {
        None => readers.only_card()?,
        Some(wanted) => {
            let mut found = readers.list()?.into_iter().filter(|reader| reader.name.contains(wanted));
            match (found.next(), found.next()) {
                (Some(only), None) => only.name,
                (Some(_), Some(_)) => return Err(ReaderError::SeveralCards),
                (None, _) => return Err(ReaderError::ReaderGone),
            }
        }
    };
    readers.list()?.into_iter().find(|reader| reader.name == name).ok_or(ReaderError::ReaderGone)
}

/// Reads the card twice, and says what is as expected.
fn read(readers: &Readers, reader: &str, checks: &mut Checks) -> Option<PresentedCard> {
    let began = Instant::now();
    let card = match readers.read(reader) {
        Ok(card) => card,
        Err(error) => {
            checks.check("the card is read", Err(format!("{} {error}", error.code())));
            return None;
        }
    };
    checks.note(format!("read in {} ms", began.elapsed().as_millis()));
    checks.check("the card is read", Ok(()));
    let side = match card.interface {
        Interface::Contact => "contact",
        Interface::Contactless => "contactless",
    };
    checks.note(format!("{}, {side}", card.generation));
    let certificate = &card.certificate;
    let expect = |holds: bool, otherwise: &str| holds.then_some(()).ok_or_else(|| otherwise.to_owned());
    checks.check(
        "the certificate is for authentication",
        expect(certificate.is_for_authentication(), "its extended key usage does not say clientAuth"),
    );
    // What the server tells both sides by: see `require_smartcard_logon`.
    let logon = certificate.ext_key_usage.as_ref().is_some_and(|usage| usage.smartcard_logon);
    checks.check(
        "smart card logon stands in the certificate of the contacts, and only there",
        expect(
            logon == (card.interface == Interface::Contact),
            if logon { "it does" } else { "it does not" },
        ),
    );
    checks.check(
        "the certificate is that of a card",
        expect(matches!(certificate.category, Some(Category::Card { .. })), "its category is another"),
    );
    checks.note(format!("category {:?}, type {:?}", certificate.category, certificate.card_type));
    checks.note(format!("issuer {}, policies {:?}", certificate.issuer, certificate.policies));
    checks.check("the certificate bears a name", expect(certificate.family_name.is_some(), "it does not"));
    checks
        .check("the chip's number has the known form", expect(card.chip_number().is_some(), "another form"));
    if card.interface == Interface::Contact {
        checks.check("the card tells the tries left", expect(card.tries_left.is_some(), "it does not"));
        checks.note(format!(
            "tries left {:?}, PIN {:?}, keys on the reader: {}",
            card.tries_left, card.pin, card.has_pad
        ));
    }
    let again = readers.read(reader).map_err(|error| format!("{} {error}", error.code()));
    checks.check(
        "a second look shows the same, and cost no try",
        again.and_then(|again| {
            let same = again.certificate_der == card.certificate_der
                && again.serial() == card.serial()
                && again.tries_left == card.tries_left;
            expect(same, "it shows something else")
        }),
    );
    Some(card)
}

/// One signature, if the person really means it and the card can bear a mistake.
fn sign(
    readers: &Readers,
    card: &PresentedCard,
    person: &mut dyn Person,
    output: &mut dyn Write,
    checks: &mut Checks,
) -> Result<(), Error> {
    const WHAT: &str = "a signature";
    if card.interface == Interface::Contactless {
        checks.not_tried(WHAT, "the card lies on a contactless reader; it belongs into a slot");
        return Ok(());
    }
    match card.tries_left {
        Some(left) if left >= TRIES_NEEDED => {}
        Some(left) => {
            checks.check(
                WHAT,
                Err(format!("not tried: only {left} tries are left, and {TRIES_NEEDED} are needed")),
            );
            return Ok(());
        }
        None => {
            checks.check(WHAT, Err("not tried: the card does not say how many tries are left".to_owned()));
            return Ok(());
        }
    }
    writeln!(output, "\nThe PIN will be sent to the card once. A wrong one costs one of its tries.")?;
    if person.ask(&format!("Type \"{SENTENCE}\" to go on: "))?.trim() != SENTENCE {
        checks.not_tried(WHAT, "not confirmed");
        return Ok(());
    }
    let consent = if card.has_pad {
        writeln!(output, "Type the PIN on the reader.")?;
        Consent::Pad
    } else {
        match Pin::parse(person.ask_secretly("PIN: ")?.trim()) {
            Ok(pin) => Consent::Pin(pin),
            Err(error) => {
                checks.not_tried(WHAT, &error.to_string());
                return Ok(());
            }
        }
    };
    let request = format!("{:?}", Instant::now());
    let proof = Proof::new(Purpose::Browser, "https://card.invalid", &request, &card.certificate_der);
    // The driver checks the signature with the certificate before it gives it out.
    let signed = readers.sign_with(card, consent, &proof, LastTry::NotConfirmed);
    checks.check(WHAT, signed.map(drop).map_err(|error| format!("{} {error}", error.code())));
    let after = readers.read(&card.reader).map_err(|error| format!("{} {error}", error.code()));
    match after {
        Ok(after) => checks.note(format!("tries left afterwards {:?}", after.tries_left)),
        Err(error) => checks.check("the card is read after the signature", Err(error)),
    }
    Ok(())
}

/// What was tried, and how it ended.
#[derive(Debug, Default)]
struct Checks {
    text: String,
    failed: bool,
}

impl Checks {
    fn check(&mut self, what: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.line("passed", what),
            Err(why) => {
                self.failed = true;
                self.line("FAILED", &format!("{what}: {why}"));
            }
        }
    }

    fn not_tried(&mut self, what: &str, why: &str) {
        self.line("not tried", &format!("{what}: {why}"));
    }

    fn note(&mut self, text: String) {
        self.line("", &text);
    }

    fn line(&mut self, verdict: &str, text: &str) {
        let _infallible = writeln!(self.text, "{verdict:<10} {text}");
    }

    fn text(&self) -> String {
        format!("sceau {} on {}\n{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, self.text)
    }

    fn all_passed(&self) -> bool {
        !self.failed
    }
}

/// The last line of defence: what names the holder is looked for in what will leave the house.
fn holds_nothing_personal(report: &str, card: &PresentedCard) -> Result<(), Error> {
    let certificate = &card.certificate;
    let known = [
        ("name", certificate.family_name.clone()),
        ("name", certificate.given_name.clone()),
        ("national identifier", Some(certificate.id_nat.clone())),
        ("card number", certificate.card_number.clone()),
        ("chip number", card.chip_number()),
        ("certificate number", Some(hex_of(&certificate.serial))),
    ];
    let folded = report.to_uppercase();
    for (what, text) in known.into_iter().filter_map(|(what, text)| text.map(|text| (what, text))) {
        // A name of two letters is found in any text.
        let is_telling = text.chars().count() >= 3;
        let as_bytes = hex_of(text.as_bytes());
        if is_telling && (is_word_of(&folded, &text.to_uppercase()) || folded.contains(&as_bytes)) {
            return Err(Error::Personal(what));
        }
    }
    Ok(())
}

/// Whether `word` stands in `text` and is no part of a longer word.
fn is_word_of(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Some readers have their serial number in their name, in brackets.
fn without_numbers(reader: &str) -> String {
    let mut depth = 0_u32;
    let kept: String = reader
        .chars()
        .filter(|character| {
            match character {
                '(' | '[' => depth += 1,
                ')' | ']' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn write_report(path: &Path, report: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, report)
}

/// The person at standard input; what is typed secretly is not shown where that is a terminal.
#[derive(Debug)]
pub struct Keyboard;

impl Person for Keyboard {
    fn ask(&mut self, question: &str) -> io::Result<String> {
        print!("{question}");
        io::stdout().flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    }

    fn ask_secretly(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let shown = tcgetattr(io::stdin()).ok();
        if let Some(shown) = &shown {
            let mut hidden = shown.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        }
        // Room from the start: growing would leave a copy behind.
        let mut line = Zeroizing::new(String::with_capacity(64));
        print!("{question}");
        io::stdout().flush()?;
        let read = io::stdin().lock().read_line(&mut line);
        if let Some(shown) = &shown {
            tcsetattr(io::stdin(), OptionalActions::Flush, shown)?;
            println!();
        }
        read.map(|_| line)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_word_of, without_numbers};

    #[test]
    fn a_reader_is_not_named_by_its_number() {
        assert_eq!(
            without_numbers("Gemalto PC Twin Reader (70D7E2EE) 00 00"),
            "Gemalto PC Twin Reader 00 00"
        );
        assert_eq!(without_numbers("ACME [CCID] (1) 01 00"), "ACME 01 00");
    }

    #[test]
    fn a_name_is_found_as_a_word() {
        assert!(is_word_of("HOLDER DUPONT, 3", "DUPONT"));
        assert!(!is_word_of("READING", "READ"));
    }
}
