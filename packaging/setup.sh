#!/usr/bin/env bash
# Everything a checkout needs beyond a Rust toolchain: system packages, the ONNX Runtime library, the demo's footage.
# Run by `make setup`, with `--tests` by `make test` and with `--deb` by `make deb`. Does nothing when nothing is missing.
# Asks for root rights only to install packages.
set -euo pipefail
cd "$(dirname "$0")/.."

LISTS=(packaging/debian-packages.txt)
[ "${1:-}" != --tests ] || LISTS+=(packaging/debian-test-packages.txt)

ONNXRUNTIME=1.32.0
CARGO_DEB=3.8.0
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/spotter"
FOOTAGE="$CACHE/footage/vtest.avi"
FOOTAGE_SHA256=45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
listed() { grep -hv '^#' "${LISTS[@]}"; }
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        fail "there is no sudo; run as root: apt-get update && apt-get install --no-install-recommends $(listed | tr '\n' ' ')"
    fi
}
is_file() { [ -f "$1" ] && [ "$(sha256sum < "$1")" = "$2  -" ]; }

# A folder that goes when the script ends.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

toolchain() {
    command -v cargo > /dev/null || fail "there is no cargo; install a Rust toolchain (1.92 or newer), for example with rustup"
}

packages() {
    command -v dpkg-query > /dev/null || {
        say "this is no Debian; install by other means: $(listed | tr '\n' ' ')"
        return
    }
    local missing=() package
    while read -r package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
    done < <(listed)
    # Node may come from elsewhere than Debian, and then brings its own npm.
    [ "${LISTS[-1]}" != packaging/debian-test-packages.txt ] || command -v npm > /dev/null || missing+=(nodejs npm)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    # Debian starts a service when it is installed. Tests start what they need themselves; this one would take the machine's
    # cameras.
    if [[ " ${missing[*]} " == *" motion "* ]] && [ ! -e /etc/systemd/system/motion.service ]; then
        as_root mkdir -p /etc/systemd/system
        as_root ln -s /dev/null /etc/systemd/system/motion.service
    fi
    as_root apt-get update -qq
    # RabbitMQ is for tests that run their own: its service is neither started now nor at the next boot.
    local policy=/usr/sbin/policy-rc.d made_policy=
    if [[ " ${missing[*]} " == *" rabbitmq-server "* ]] && [ ! -e "$policy" ]; then
        printf '#!/bin/sh\ncase "$1" in rabbitmq-server | epmd*) exit 101 ;; esac\n' > "$scratch/policy-rc.d"
        as_root install -m 755 "$scratch/policy-rc.d" "$policy"
        made_policy=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > "$scratch/apt.log" 2>&1 \
        || { [ -z "$made_policy" ] || as_root rm -f "$policy"; tail -n 20 "$scratch/apt.log" >&2; fail "the packages cannot be installed"; }
    [ -z "$made_policy" ] || as_root rm -f "$policy"
    if [[ " ${missing[*]} " == *" rabbitmq-server "* ]] && command -v systemctl > /dev/null; then
        as_root systemctl disable --quiet rabbitmq-server.service epmd.service epmd.socket > /dev/null 2>&1 || true
    fi
}

# The library out of the onnxruntime wheel, checked and kept in the cache, then put where the binary looks, with its
# licences beside it.
runtime() {
    local machine sha256
    machine=$(uname -m)
    case "$machine" in
        x86_64) sha256=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f ;;
        aarch64) sha256=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a ;;
        *) fail "no onnxruntime wheel is known for $machine; set ORT_DYLIB_PATH to a libonnxruntime.so of your own" ;;
    esac
    local folder="$CACHE/onnxruntime-$ONNXRUNTIME-$machine" licences=(LICENSE ThirdPartyNotices.txt) licence
    local cached="$folder/libonnxruntime.so"
    if ! is_file "$cached" "$sha256" || ! (cd "$folder" && ls "${licences[@]}") > /dev/null 2>&1; then
        say "fetching ONNX Runtime $ONNXRUNTIME (26 MB)"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
            --python-version 311 --platform "manylinux_2_28_$machine" --dest "$scratch" "onnxruntime==$ONNXRUNTIME" \
            || fail "ONNX Runtime cannot be fetched"
        python3 -m zipfile -e "$scratch"/onnxruntime-*.whl "$scratch/wheel"
        mkdir -p "$folder"
        for licence in "${licences[@]}"; do
            cp "$scratch/wheel/onnxruntime/$licence" "$folder/"
        done
        mv "$scratch/wheel/onnxruntime/capi/libonnxruntime.so.$ONNXRUNTIME" "$cached"
        is_file "$cached" "$sha256" || fail "$cached has another hash than expected"
    fi
    mkdir -p runtime
    cmp -s "$cached" runtime/libonnxruntime.so || { rm -f runtime/libonnxruntime.so; cp "$cached" runtime/libonnxruntime.so; }
    for licence in "${licences[@]}"; do
        cmp -s "$folder/$licence" "runtime/$licence" || cp "$folder/$licence" "runtime/$licence"
    done
}

# What makes the Debian package, built once into the cache.
cargo_deb() {
    local tool="$CACHE/tools/cargo-deb-$CARGO_DEB"
    [ ! -x "$tool/bin/cargo-deb" ] || return 0
    say "building cargo-deb $CARGO_DEB (some minutes)"
    cargo install --quiet --locked --root "$tool" --target-dir "$scratch/cargo-deb" "cargo-deb@$CARGO_DEB" \
        || fail "cargo-deb cannot be built"
}

# One file out of Debian's opencv-doc. Without it the demo generates a scene, and tests that need it say so.
footage() {
    is_file "$FOOTAGE" "$FOOTAGE_SHA256" && return
    say "fetching the demo's footage"
    local log="$scratch/footage.log"
    # The package lists may be older than the archive; a private copy of them needs no root rights.
    local lists="$scratch/apt"
    mkdir -p "$lists/lists/partial" "$(dirname "$FOOTAGE")"
    local apt=(timeout 120 apt-get -qq -o "Dir::State::Lists=$lists/lists" -o "Dir::Cache=$lists")
    if (cd "$scratch" && { timeout 120 apt-get download -qq opencv-doc || { "${apt[@]}" update && "${apt[@]}" download opencv-doc; }; }) > "$log" 2>&1; then
        dpkg-deb --fsys-tarfile "$scratch"/opencv-doc_*.deb \
            | tar -xO ./usr/share/doc/opencv-doc/examples/data/vtest.avi > "$scratch/vtest.avi"
        is_file "$scratch/vtest.avi" "$FOOTAGE_SHA256" || fail "the footage has another hash than expected"
        mv "$scratch/vtest.avi" "$FOOTAGE"
    else
        say "the footage cannot be fetched ($(tail -n 1 "$log")); the demo will generate a scene instead"
    fi
}

# Brokers, servers and validators that nobody of Spotter wrote: tests/field runs Spotter against them.
peers() {
    local node=tests/field/node environment="$CACHE/field/python"
    if ! cmp -s "$node/package-lock.json" "$node/node_modules/.installed"; then
        say "fetching the peers of tests/field out of the npm registry"
        npm ci --prefix "$node" --ignore-scripts --no-audit --no-fund --silent || fail "the peers of tests/field cannot be fetched"
        cp "$node/package-lock.json" "$node/node_modules/.installed"
    fi
    if ! cmp -s tests/field/requirements.txt "$environment/.installed"; then
        say "fetching the peers of tests/field out of the Python index"
        python3 -m venv --clear "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement tests/field/requirements.txt \
            || fail "the peers of tests/field cannot be fetched"
        cp tests/field/requirements.txt "$environment/.installed"
    fi
}

# Execution providers of ONNX Runtime that run without their hardware: tests/accelerators.rs runs models on them. They are
# for tests alone and never part of a package.
providers() {
    local list=tests/accelerators/requirements.txt folder="$CACHE/accelerators" wheel
    ! cmp -s "$list" "$folder/.installed" || return 0
    [ "$(uname -m)" = x86_64 ] || { say "there are no execution providers to test with for $(uname -m)"; return 0; }
    say "fetching execution providers for the tests (210 MB)"
    rm -rf "$folder"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --python-version 311 --platform manylinux_2_35_x86_64 --platform manylinux_2_28_x86_64 \
        --dest "$scratch/providers" --requirement "$list" || fail "the execution providers cannot be fetched"
    for wheel in "$scratch"/providers/*.whl; do
        python3 -m zipfile -e "$wheel" "$folder/$(basename "${wheel%%-*}")"
        rm "$wheel"
    done
    cp "$list" "$folder/.installed"
}

# Inference servers of others: tests/inference_servers.rs has models run on them.
servers() {
    local server list folder
    for server in kserve mlserver; do
        list="tests/inference_servers/$server.txt" folder="$CACHE/inference-servers/$server"
        ! cmp -s "$list" "$folder/.installed" || continue
        say "fetching $server for the tests (400 MB on the disk)"
        python3 -m venv --clear "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --requirement "$list" \
            || fail "$server cannot be fetched"
        cp "$list" "$folder/.installed"
    done
}

toolchain
packages
runtime
[ "${1:-}" != --tests ] || { peers; providers; servers; }
case "${1:-}" in
    --deb) cargo_deb ;;
    *) footage ;;
esac
