//! The two secret codes of the card and their counters.

/// A code as the card stores it: eight bytes, and how many wrong presentations it still bears.
#[derive(Debug, Clone)]
pub(super) struct Code {
    value: [u8; 8],
    max: u8,
    left: u8,
    verified: bool,
}

/// How a presentation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presented {
    Right,
    /// Wrong, with the tries that are left now.
    Wrong(u8),
    /// Blocked before this presentation.
    Blocked,
}

impl Code {
    /// `digits` left-justified and filled with `FF`; digits beyond the eighth do not exist.
    pub(super) fn new(digits: &str, max: u8) -> Self {
        Self { value: padded(digits), max, left: max, verified: false }
    }

    pub(super) fn max(&self) -> u8 {
        self.max
    }

    pub(super) fn left(&self) -> u8 {
        self.left
    }

    pub(super) fn verified(&self) -> bool {
        self.verified
    }

    pub(super) fn forget(&mut self) {
        self.verified = false;
    }

    pub(super) fn present(&mut self, value: &[u8]) -> Presented {
        if self.left == 0 {
            return Presented::Blocked;
        }
        self.verified = value == self.value;
        if self.verified {
            self.left = self.max;
            return Presented::Right;
        }
        self.left -= 1;
        Presented::Wrong(self.left)
    }

    /// Sets a new value and all tries; whoever calls has checked the right to do so.
    pub(super) fn set(&mut self, value: [u8; 8]) {
        self.value = value;
        self.left = self.max;
    }
}

fn padded(digits: &str) -> [u8; 8] {
    let mut value = [0xFF; 8];
    for (place, digit) in value.iter_mut().zip(digits.bytes()) {
        *place = digit;
    }
    value
}
