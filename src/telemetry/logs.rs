//! Log lines: JSON for a collector, or for people on a terminal. They go to standard error, where journald and
//! container engines take them; standard output is for what a command was asked for.

use std::fmt::{self, Debug};
use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::util::TryInitError;

use crate::config::{Log, LogFormat};

/// Starts logging for this process. `filter` has been checked by `config`.
///
/// # Errors
/// Where the process logs already.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    lines(log, std::io::stderr().is_terminal(), std::io::stderr).try_init()
}

/// What writes lines to `writer`. Nothing that stands in a field begins a line or moves a terminal's cursor.
fn lines<W>(log: &Log, on_terminal: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(on_terminal);
    match log.format {
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish())
        }
        LogFormat::Human => {
            let fields = debug_fn(one_line).delimited(" ");
            Box::new(lines.with_target(false).compact().fmt_fields(fields).finish())
        }
    }
}

/// A field of a line for people, its control characters written out. What the bridge from the crate `log` adds stands at
/// the head of the line already.
fn one_line(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = match field.name() {
        "message" => format!("{value:?}"),
        bridged if bridged.starts_with("log.") => return Ok(()),
        name => format!("{name}={value:?}"),
    };
    text.chars().try_for_each(|c| {
        if c.is_control() { write!(writer, "{}", c.escape_default()) } else { writer.write_char(c) }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as IoWrite;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl IoWrite for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A stranger writes a line that looks like ours, or hides the one before, through whatever is logged of a request.
    #[test]
    fn nothing_that_is_logged_begins_a_line_or_moves_the_cursor() {
        let hostile = "x\r\n2026-11-26T00:00:00Z  INFO everything is fine\u{1b}[2K\u{1b}[1A\u{7}\u{8}";
        let refused = std::io::Error::other(hostile);
        for format in [LogFormat::Json, LogFormat::Human] {
            let (page, log) = (Page::default(), Log { format, filter: "info".into() });
            let writer = page.clone();
            tracing::subscriber::with_default(lines(&log, false, move || writer.clone()), || {
                tracing::warn!(value = hostile, error = %refused, debug = ?hostile, "a request: {hostile}");
            });
            let written = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
            assert_eq!(written.lines().count(), 1, "{written:?}");
            assert!(written.contains("everything is fine"), "it is told: {written:?}");
            assert!(!written.trim_end().contains(char::is_control), "{written:?}");
        }
    }

    /// Many libraries log through the crate `log`, whose bridge repeats where a line comes from in fields of its own.
    #[test]
    fn what_comes_by_the_bridge_is_said_once() {
        let (page, log) = (Page::default(), Log { format: LogFormat::Human, filter: "info".into() });
        let writer = page.clone();
        tracing::subscriber::with_default(lines(&log, false, move || writer.clone()), || {
            tracing::warn!(
                log.target = "library",
                log.file = "library.rs",
                log.line = 7,
                port = 443,
                "no answer"
            );
        });
        let written = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(written.contains("no answer") && written.contains("port=443"), "{written:?}");
        assert!(!written.contains("library"), "{written:?}");
    }
}
