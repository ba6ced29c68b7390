//! A file that is imported as the national directory: the lines behind a right header, or the whole of it.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sceau::directory::import::Extraction;
use sceau::directory::synthetic::HEADER;

fn read(bytes: Vec<u8>) {
    let most = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let Ok(mut file) = Extraction::of(Path::new("x"), bytes.len() as u64, Cursor::new(bytes)) else { return };
    let mut lines = 0;
    while let Ok(Some(line)) = file.next_line() {
        lines += 1;
        assert!(lines < most, "line {} never ends", line.number);
    }
}

fuzz_target!(|input: &[u8]| {
    read(input.to_vec());
    read([HEADER.as_bytes(), b"\n", input].concat());
});
