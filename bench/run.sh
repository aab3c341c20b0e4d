#!/usr/bin/env bash
# Compares boltseal with cosign v3 and v2 and with notation, see README.md. With
# the first argument "notation" it leaves out cosign, which takes long to build.
# The others go to the program that measures, such as -o FILE, or -memory, which
# needs none of them.
set -euo pipefail

cosign3_version=v3.1.3
cosign2_version=v2.6.5

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/boltseal-ci/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build OUT PACKAGE builds as releases are built, in the current module.
build() {
  CGO_ENABLED=0 GOWORK=off go build -trimpath -ldflags='-s -w' -o "$1" "$2"
}

# cosign MAJOR VERSION builds that cosign, once, and prints where it is. The
# first time takes some ten minutes of CPU time.
cosign() {
  local package=github.com/sigstore/cosign/v$1/cmd/cosign
  local binary=$cache/cosign-$2 module=$work/cosign$1
  if [[ ! -x $binary ]]; then
    echo "building cosign $2" >&2
    mkdir -p "$cache" "$module"
    (
      cd "$module"
      export GOFLAGS=-modcacherw GOWORK=off
      go mod init bench.invalid/cosign
      go get -tool "$package@$2"
      build "$module/cosign" "$package"
    ) >&2
    mv "$module/cosign" "$binary"
  fi
  printf '%s\n' "$binary"
}

(cd "$root" && build "$work/boltseal" . && go build -o "$work/compare" ./bench/compare)

tools=(-boltseal "$work/boltseal")
peers='cosign notation'
if [[ ${1:-} == notation ]]; then
  peers=notation
  shift
fi
[[ " $* " != *" -memory "* ]] || peers=''
if [[ $peers == *notation* ]]; then
  notation=${NOTATION:-$("$root/e2e/notation/build.sh" "${cache%/bench}")}
  tools+=(-notation "$notation")
fi
if [[ $peers == *cosign* ]]; then
  cosign3=${COSIGN3:-$(cosign 3 "$cosign3_version")}
  cosign2=${COSIGN2:-$(cosign 2 "$cosign2_version")}
  tools+=(-cosign3 "$cosign3" -cosign2 "$cosign2")
fi
TMPDIR=$work "$work/compare" "${tools[@]}" "$@"
