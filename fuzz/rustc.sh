#!/usr/bin/env bash
# What cargo runs instead of rustc while it builds fuzz targets: whatever ends up in one counts what of it is reached. The
# flags are those that cargo-fuzz gives, without a sanitizer, which this code without `unsafe` has no need of. They are not
# in RUSTFLAGS, because build scripts that try out a library with a program of their own take those over, and such a
# program has no fuzzer to link with.
set -euo pipefail

# Build scripts and macros run on this machine and are built without a named target.
case " $* " in
    *" --target "*)
        exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
    *) exec "$@" ;;
esac
