//! The card's free data objects whose layout is known: the chip's number, and when it was last updated from afar.
//!
//! Others are free to read as well (card, holder, languages, profession: CPS_ID_CARD, CPS_NAME_PS, CPS_LANG_PS,
//! CPS_INFO_PS), but their layout is not public, and a guess at a person's data is worse than none.

use super::tlv;

/// What every chip's number begins with: ANS as issuer.
const ISSUER: &str = "8025000001";
/// Digits of the chip's own part.
const DIGITS: usize = 8;

/// The chip's own number in EF.SN, as ANS's library gives it: the eight digits between issuer and check digit. `None` where
/// the file has another form, or the check digit is wrong.
pub(super) fn chip_number(ef_sn: &[u8]) -> Option<String> {
    let digits = hex::encode(tlv::find(ef_sn, 0x5A)?);
    let number = digits.strip_suffix('f').filter(|number| is_luhn(number))?;
    let own = number.strip_prefix(ISSUER)?.get(..DIGITS)?;
    (number.len() == ISSUER.len() + DIGITS + 1).then(|| own.to_owned())
}

/// When the last remote update ended (EF.ACTUA: `EC { 81 start, 82 end }`, both `yyyymmddhhmmss`), as `yyyy-mm-dd
/// hh:mm:ss`, in the time of whoever updated it. `None` where there was none, or the file has another form.
pub(super) fn last_update(ef_actua: &[u8]) -> Option<String> {
    let end = tlv::find_path(ef_actua, &[0xEC, 0x82])?;
    let text = std::str::from_utf8(end).ok()?;
    let moment = chrono::NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S").ok()?;
    Some(moment.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).
fn is_luhn(number: &str) -> bool {
    let sum = number.chars().rev().enumerate().try_fold(0, |sum, (place, digit)| {
        let digit = digit.to_digit(10)?;
        Some(sum + if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
    });
    sum.is_some_and(|sum: u32| sum.is_multiple_of(10))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_published_sample() {
        let file = hex::decode("5a0a80250000019921384 50f".replace(' ', "")).unwrap();
        assert_eq!(chip_number(&file).as_deref(), Some("99213845"));
    }

    #[test]
    fn another_form_is_no_number() {
        for file in [
            "5a0a8025000001992138451f", // wrong check digit
            "5a0a8025000002992138450f", // another issuer
            "5a0980250000019921384f",   // too short
            "5a0a80250000019921384500", // no filler
            "5a00",
            "",
        ] {
            assert_eq!(chip_number(&hex::decode(file).unwrap()), None, "{file}");
        }
    }

    #[test]
    fn reads_when_the_card_was_updated() {
        let file =
            [&[0xEC, 0x20, 0x81, 0x0E][..], b"20260102030405", &[0x82, 0x0E], b"20260102030506"].concat();
        assert_eq!(last_update(&file).as_deref(), Some("2026-01-02 03:05:06"));
        assert_eq!(last_update(&[0xEC, 0x04, 0x82, 0x02, b'2', b'0']), None);
        assert_eq!(last_update(&[]), None);
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_panic(data: Vec<u8>) {
            let _both = (chip_number(&data), last_update(&data));
        }
    }
}
