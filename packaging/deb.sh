#!/usr/bin/env bash
# Builds the Debian package into target/debian; `make deb`. Arguments go to cargo-deb, such as `--deb-version 0.1.0-2`.
set -euo pipefail
cd "$(dirname "$0")/.."

packaging/setup.sh --deb
cargo build --release --locked
packaging/notices.py > target/third-party-notices.txt
version=$(sed -n 's/^CARGO_DEB=//p' packaging/setup.sh)
"${XDG_CACHE_HOME:-$HOME/.cache}/spotter/tools/cargo-deb-$version/bin/cargo-deb" --no-build --locked "$@"
