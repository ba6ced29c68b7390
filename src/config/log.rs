//! `[log]`: what is logged and how.

use super::reader::Section;

/// What is logged and how.
#[derive(Debug, Clone)]
pub struct Log {
    /// For machines or for people.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; also `info,sceau::card=debug`.
    pub filter: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For a terminal.
    Human,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".into() }
    }
}

impl Log {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let format = |text: &str| match text {
            "json" => Ok(LogFormat::Json),
            "human" => Ok(LogFormat::Human),
            _ => Err("must be \"json\" or \"human\"".to_owned()),
        };
        let filter = |text: &str| {
            tracing_subscriber::EnvFilter::try_new(text)
                .map(|_| text.to_owned())
                .map_err(|_| "must be \"error\", \"warn\", \"info\", \"debug\" or \"trace\"".to_owned())
        };
        Self {
            format: section.text("format", format).unwrap_or(default.format),
            filter: section.text("filter", filter).unwrap_or(default.filter),
        }
    }
}
