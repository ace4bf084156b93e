#!/usr/bin/env bash
# Builds every fuzz target and runs each for so many seconds from its corpus: `fuzz/run.sh 30`, or with the targets' names
# after it. FUZZ_SEED makes a run go the same way as another one; without it each goes its own. A stable toolchain does.
# Fails on a crash and leaves the input in fuzz/artifacts/; `fuzz/run.sh 0 TARGET` only builds.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-30}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(config manifest pipeline)

# The daemon's own versions of everything; cargo adds what only the fuzzer needs.
cp ../Cargo.lock Cargo.lock
host=$(rustc -vV | sed -n 's/^host: //p')
# Build scripts and macros are told by having no target named.
RUSTC_WRAPPER="$PWD/rustc.sh" cargo build --release --target "$host" --target-dir target

[ "$seconds" != 0 ] || exit 0
for target in "${targets[@]}"; do
    # What is found is kept beside the build, so that the next run goes on from there.
    mkdir -p "artifacts/$target" "target/corpus/$target"
    echo "fuzzing $target for $seconds s"
    "target/$host/release/$target" "target/corpus/$target" "corpus/$target" -dict="dictionaries/$target.dict" \
        -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -seed="${FUZZ_SEED:-0}" -verbosity=0 -print_final_stats=1 > "target/$target.log" 2>&1 \
        || { tail -n 40 "target/$target.log"; exit 1; }
    grep -E 'number_of_executed_units|average_exec_per_sec' "target/$target.log"
done
