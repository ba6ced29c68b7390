//! QR codes (ISO/IEC 18004), as the pages draw them.

use qrcode::{EcLevel, QrCode as Encoded};
use serde::Serialize;

/// A code: a square of modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QrCode {
    /// Modules on each side, without the quiet zone.
    pub size: usize,
    /// Row by row, `1` for a dark one; empty for a text that no code holds, which none of ours is.
    pub modules: String,
}

impl QrCode {
    /// Of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        // A screen is clean: the lowest level of correction makes the largest modules.
        let Ok(code) = Encoded::with_error_correction_level(text, EcLevel::L) else {
            return Self { size: 0, modules: String::new() };
        };
        let modules = code.to_colors().into_iter().map(|color| color.select('1', '0')).collect();
        Self { size: code.width(), modules }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_whose_corners_are_finders() {
        let code = QrCode::of("SCEAU1.AZ0k3mVtcL2rYkQ1m4b5uw.119.0123456789abcdef");
        assert_eq!((code.size, code.modules.len()), (29, 29 * 29));
        assert!(code.modules.starts_with("11111110"), "{}", code.modules);
        assert_eq!(QrCode::of(&"x".repeat(5000)).size, 0);
    }
}
