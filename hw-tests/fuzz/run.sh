#!/usr/bin/env bash
# Builds the fuzz targets, then lets each run for a while, two at a time:
#
#   hw-tests/fuzz/run.sh [SECONDS] [TARGET…]        20 seconds and all targets unless said otherwise
#
# The inputs in corpus/ are where each begins; what it finds besides is thrown away, and an input that fails is kept in
# target/fuzz/failed. Fails where one does: by a panic, by more than ten seconds for one input, or by more than 512 MB.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list --fuzz-dir hw-tests/fuzz)

cargo fuzz build --dev --sanitizer none --fuzz-dir hw-tests/fuzz --target-dir target/fuzz
mkdir -p target/fuzz/failed
export seconds programs=target/fuzz/$(rustc --version --verbose | sed -n 's/^host: //p')/debug

run() {
    local target=$1
    # Not local: it is removed when the shell ends.
    found=$(mktemp -d)
    trap 'rm -rf "$found" "$found.log"' EXIT
    if ! "$programs/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=8192 \
        -artifact_prefix="target/fuzz/failed/$target-" "$found" "hw-tests/fuzz/corpus/$target" 2>"$found.log"; then
        tail -n 40 "$found.log" >&2
        echo "fuzz: $target failed; the input is in target/fuzz/failed" >&2
        return 1
    fi
    echo "fuzz: $target: $(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/\1 inputs in \2 s/p' "$found.log")"
}
export -f run
printf '%s\n' "${targets[@]}" | xargs --max-procs=2 --max-args=1 bash -c 'set -euo pipefail; run "$1"' run
