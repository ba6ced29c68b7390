//! The files of a card: data objects, and the directories of PKCS#15.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sceau::card::driver::pkcs15::{self, Directory};
use sceau::card::driver::tlv::{self, Tlv};

/// Goes down into every object; how many there are.
fn count<'a>(objects: impl Iterator<Item = Tlv<'a>>, depth: usize) -> usize {
    let inside = |object: &Tlv<'a>| match object.is_constructed() && depth > 0 {
        true => count(object.children(), depth - 1),
        false => 0,
    };
    objects.map(|object| 1 + inside(&object)).sum()
}

fuzz_target!(|input: &[u8]| {
    // An object has two bytes at least, and lies in no more than `depth` others.
    assert!(count(tlv::objects(input), 4) <= input.len() * 5 / 2);
    let _directory = Directory::parse(input);
    assert!(pkcs15::pins(input).len() <= input.len());
    assert!(pkcs15::private_keys(input).len() <= input.len());
    assert!(pkcs15::certificates(input).len() <= input.len());
});
