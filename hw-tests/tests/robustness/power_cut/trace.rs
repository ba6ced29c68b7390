//! What `strace -f -xx -y` wrote: writes, synchronisations and answers, in the order in which the system saw them.

use std::collections::HashMap;
use std::path::Path;

/// One system call, at the two moments that count.
#[derive(Debug)]
enum Event {
    /// Bytes were given to the write-ahead log, in hexadecimal digits.
    Written(String),
    /// The log began to be synchronised.
    SyncBegins,
    /// It is on the disk.
    SyncEnds,
    /// Bytes began to leave by a connection or a pipe.
    Leaves(String),
    /// The same by standard output.
    Said,
}

/// The calls of a traced program.
pub struct Trace(Vec<Event>);

impl Trace {
    /// Reads a trace; `log` is the write-ahead log of its database.
    pub fn read(file: &Path, log: &Path) -> Self {
        Self::of(&std::fs::read_to_string(file).unwrap(), log)
    }

    fn of(text: &str, log: &Path) -> Self {
        let log = hex(log.to_str().unwrap().as_bytes());
        let mut events = Vec::new();
        // The beginning of a call of each thread that another thread's call stands before the end of.
        let mut unfinished: HashMap<&str, String> = HashMap::new();
        for line in text.lines() {
            let (thread, call) = line.split_once(' ').unwrap_or(("", line));
            let call = call.trim_start();
            if let Some((begun, _)) = call.split_once(" <unfinished ...>") {
                events.extend(begins(begun, &log));
                unfinished.insert(thread, begun.to_owned());
            } else if call.starts_with("<... ") {
                let begun = unfinished.remove(thread).unwrap_or_default();
                events.extend(ends(&begun, call, &log));
            } else {
                events.extend(begins(call, &log));
                events.extend(ends(call, call, &log));
            }
        }
        Self(events)
    }

    /// What holds `operation` (hexadecimal digits of its bytes) was written and synchronised before the answer left that
    /// names it.
    pub fn assert_on_disk_before_answer(&self, what: &str, operation: &str) {
        let uuid = format!(
            "{}-{}-{}-{}-{}",
            &operation[..8],
            &operation[8..12],
            &operation[12..16],
            &operation[16..20],
            &operation[20..]
        );
        let named = hex(uuid.as_bytes());
        let answered = self.position(|event| matches!(event, Event::Leaves(bytes) if bytes.contains(&named)));
        let answered = answered.unwrap_or_else(|| panic!("{what}: the answer is not in the trace"));
        self.assert_on_disk_before(what, operation, answered);
    }

    /// What holds `text` was written and synchronised before the program said anything.
    pub fn assert_on_disk_before_word(&self, what: &str, text: &str) {
        let said = self.position(|event| matches!(event, Event::Said)).expect("it says something");
        self.assert_on_disk_before(what, &hex(text.as_bytes()), said);
    }

    fn assert_on_disk_before(&self, what: &str, bytes: &str, answered: usize) {
        let written = self.position(|event| matches!(event, Event::Written(page) if page.contains(bytes)));
        let written = written.unwrap_or_else(|| panic!("{what}: its row was never written"));
        let after = |from: usize, wanted: fn(&Event) -> bool| {
            self.0.iter().skip(from).position(wanted).map(|further| from + further)
        };
        let begun = after(written, |event| matches!(event, Event::SyncBegins));
        let synced = begun.and_then(|begun| after(begun, |event| matches!(event, Event::SyncEnds)));
        let synced = synced.unwrap_or_else(|| panic!("{what}: its row was never synchronised"));
        assert!(synced < answered, "{what}: answered ({answered}) before it was on the disk ({synced})");
    }

    fn position(&self, wanted: impl Fn(&Event) -> bool) -> Option<usize> {
        self.0.iter().position(wanted)
    }
}

/// What a call does as it begins.
fn begins(call: &str, log: &str) -> Option<Event> {
    let (name, arguments) = call.split_once('(')?;
    let target = arguments.split_once('>').map_or(arguments, |(target, _)| target);
    let of_log = digits(target).ends_with(log);
    match name {
        "fsync" | "fdatasync" if of_log => Some(Event::SyncBegins),
        "write" if target.starts_with("1<") => Some(Event::Said),
        "write" | "writev" | "sendto" | "sendmsg" if leaves(target) => Some(Event::Leaves(digits(arguments))),
        _ => None,
    }
}

/// A target is a connection or a pipe: `12<socket:[4711]>`.
fn leaves(target: &str) -> bool {
    let name = digits(target);
    ["socket:", "pipe:", "TCP:"].iter().any(|kind| name.starts_with(&hex(kind.as_bytes())))
}

/// What a call has done when it ends. `begun` is its first part, where it was cut in two.
fn ends(begun: &str, end: &str, log: &str) -> Option<Event> {
    let (name, arguments) = begun.split_once('(')?;
    let target = arguments.split_once('>').map_or(arguments, |(target, _)| target);
    if !digits(target).ends_with(log) {
        return None;
    }
    match name {
        "pwrite64" => Some(Event::Written(digits(arguments))),
        "fsync" | "fdatasync" if end.trim_end().ends_with("= 0") => Some(Event::SyncEnds),
        _ => None,
    }
}

/// The bytes of all that `strace` wrote as `\x2f`, in hexadecimal digits.
fn digits(text: &str) -> String {
    text.split("\\x").skip(1).filter_map(|rest| rest.get(..2)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A judge that finds nothing would be worth nothing: what it must find, in traces made by hand.
mod tests {
    use super::*;

    const OPERATION: &str = "01a2140cf294748aaca8551e4f37c04f";

    /// The bytes of hexadecimal digits, as `strace` writes them.
    fn escaped(digits: &str) -> String {
        digits.as_bytes().chunks(2).map(|pair| format!("\\x{}", str::from_utf8(pair).unwrap())).collect()
    }

    /// A trace of `steps`: write, sync, other sync, answer.
    fn trace(steps: &[&str]) -> Trace {
        let log = escaped(&hex(b"/state/sceau.db-wal"));
        let other = escaped(&hex(b"/state/sceau.db"));
        let socket = escaped(&hex(b"socket:[1]"));
        let row = escaped(OPERATION);
        let named = escaped(&hex(b"01a2140c-f294-748a-aca8-551e4f37c04f"));
        let lines: Vec<_> = steps
            .iter()
            .map(|step| match *step {
                "write" => format!("7 pwrite64(11<{log}>, \"{row}\", 16, 0) = 16"),
                "sync" => format!("7 fsync(11<{log}>) = 0"),
                "sync begins" => format!("7 fsync(11<{log}> <unfinished ...>"),
                "sync ends" => "7 <... fsync resumed>) = 0".to_owned(),
                "sync fails" => format!("7 fsync(11<{log}>) = -1 EIO (Input/output error)"),
                "other sync" => format!("7 fsync(9<{other}>) = 0"),
                "answer" => format!("8 sendto(15<{socket}>, \"{named}\", 36, 0, NULL, 0) = 36"),
                step => panic!("{step}"),
            })
            .collect();
        Trace::of(&lines.join("\n"), Path::new("/state/sceau.db-wal"))
    }

    #[test]
    fn what_is_on_the_disk_first_passes() {
        for steps in [
            &["write", "sync", "answer"][..],
            &["sync", "write", "sync begins", "sync ends", "answer", "sync"],
        ] {
            trace(steps).assert_on_disk_before_answer("a row", OPERATION);
        }
    }

    #[test]
    fn what_is_not_does_not() {
        for steps in [
            &["write", "answer", "sync"][..],
            &["write", "answer"],
            &["sync", "write", "answer"],
            &["sync begins", "write", "sync ends", "answer"],
            &["write", "sync begins", "answer", "sync ends"],
            &["write", "other sync", "answer"],
            &["write", "sync fails", "answer"],
            &["sync", "answer"],
            &["write", "sync"],
        ] {
            let trace = trace(steps);
            let judged = std::panic::catch_unwind(|| trace.assert_on_disk_before_answer("a row", OPERATION));
            assert!(judged.is_err(), "{steps:?}");
        }
    }
}
