//! `make hw-test-real`: one's own card in a real reader. See [`sceau_hw_tests::real`].

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use sceau_hw_tests::real::{Keyboard, Options, run};

/// Tries the card in a real reader. Sends no PIN unless --sign says so, and asks again before it does.
#[derive(Debug, Parser)]
#[command(name = "sceau-hw-test-real", version)]
struct Arguments {
    /// Name of the reader, or a part of it. Needed only where there are several cards.
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
    /// Sign too: a wrong PIN costs one try. Refused where two tries or fewer are left.
    #[arg(long)]
    sign: bool,
    /// Where the report goes.
    #[arg(long, value_name = "FILE", default_value = "target/card-report.txt")]
    report: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { reader, sign, report } = Arguments::parse();
    match run(&Options { reader, sign, report }, &mut Keyboard, &mut std::io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
