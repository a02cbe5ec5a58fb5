#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (60), two at a time. New inputs go to target/fuzz/corpus; what is committed
# in corpus/ is where each begins. An input that fails is left in target/fuzz/artifacts, with how to run it again.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly version=0.13.2 seconds=${FUZZ_SECONDS:-60} targets=(frames deflate command writers answers)

if ! cargo +nightly --version >/dev/null 2>&1; then
    rustup toolchain install nightly --profile minimal ||
        { echo "fuzzing needs a nightly compiler: rustup toolchain install nightly" >&2; exit 1; }
fi
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --version "$version" --locked
cargo +nightly fuzz build --fuzz-dir tests/fuzz

run() {
    local target=$1 work=target/fuzz
    mkdir -p "$work/corpus/$target" "$work/artifacts/$target"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" "$work/corpus/$target" "tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
        -dict="tests/fuzz/dictionaries/$target.dict" -artifact_prefix="$work/artifacts/$target/" \
        >"$work/$target.log" 2>&1 && return
    tail -n 60 "$work/$target.log" >&2
    echo "FAILED $target: run it again with cargo +nightly fuzz run --fuzz-dir tests/fuzz $target FILE" >&2
    return 1
}

mkdir -p target/fuzz
failed=0
for ((at = 0; at < ${#targets[@]}; at += 2)); do
    pids=()
    for target in "${targets[@]:at:2}"; do
        run "$target" & pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
done
for target in "${targets[@]}"; do
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "target/fuzz/$target.log")
    echo "fuzz $target: ${runs:-0} runs in $seconds s"
    # A target that runs nothing finds nothing.
    [[ ${runs:-0} -gt 1000 ]] || failed=1
done
exit $failed
