//! `[agent]`: the workstation program, where it runs inside the server (`sceau serve --agent`).

use super::reader::Section;

/// Settings of the agent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agent {
    /// Where the PIN is typed when the reader has no pad.
    pub pin_entry: PinEntry,
}

/// Where the PIN is typed when the reader has no pad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PinEntry {
    /// In a window of the agent's own process.
    #[default]
    Window,
    /// On the agent's page in the browser; refused where several users share the machine.
    Page,
}

impl Agent {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let pin_entry = |text: &str| match text {
            "window" => Ok(PinEntry::Window),
            "page" => Ok(PinEntry::Page),
            _ => Err("must be \"window\" or \"page\"".to_owned()),
        };
        Self { pin_entry: section.text("pin_entry", pin_entry).unwrap_or_default() }
    }
}
