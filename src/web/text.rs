//! Text that comes from outside and stands on our pages: it shows as what it is, or not at all.

/// Whether a character shows as what it is: no control character, no end of a line, none that turns the direction of writing
/// or has no width (Unicode Technical Report 36 §3).
#[must_use]
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// What somebody typed as a name for something, as it is kept: one line of plain characters, at most `longest` of them.
#[must_use]
pub fn line(typed: &str, longest: usize) -> String {
    let line: String = typed.chars().filter(|c| is_plain(*c)).take(longest).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_name_is_one_plain_line() {
        assert_eq!(line("  Clé\r\n du\u{202E} bureau ", 60), "Clé du bureau");
        assert_eq!(line("Clé du bureau", 3), "Clé");
    }
}
