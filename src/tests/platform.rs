//! What only Unix has stands in one file of the card and the agent, so that another system joins beside it.

use super::sources;

#[test]
fn only_the_platform_file_names_unix() {
    let named: Vec<_> = sources::rust()
        .into_iter()
        .filter(|source| ["card", "agent"].iter().any(|top| source.module.split("::").next() == Some(top)))
        .filter(|source| source.module != "agent::platform::unix")
        .flat_map(|source| {
            let file = source.file.display().to_string();
            let found = |line: &str| {
                ["os::unix", "signal::unix", "net::unix", "libc::", "use libc", "use nix", " nix::", "rustix"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            source
                .text
                .lines()
                .filter(|line| found(line))
                .map(|line| format!("{file}: {}", line.trim()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(named.is_empty(), "move it to src/agent/platform/unix.rs:\n{}", named.join("\n"));
}
