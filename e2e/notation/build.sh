#!/usr/bin/env bash
# Builds the command line of the Notary Project, for the tests here and for
# bench/run.sh, and prints its path: once for each version of it and of Go.
#
#     e2e/notation/build.sh DIR
set -euo pipefail

readonly module=github.com/notaryproject/notation version=v1.3.2

if (($# != 1)); then
  echo 'usage: build.sh DIR: the folder that keeps the program' >&2
  exit 2
fi
dir=$1/notation-$version-$(go env GOVERSION)
if [[ ! -x $dir/notation ]]; then
  printf 'installing notation %s\n' "$version" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work" # outside of any module
  export CGO_ENABLED=0 GOFLAGS='' GOWORK=off
  # It is no dependency of ours, and go install asks for its list of versions,
  # which not every proxy has. So its one version is fetched and built in a copy.
  go mod download "$module@$version"
  cp -R "$(go env GOMODCACHE)/$module@$version" sources
  chmod -R u+w sources
  go -C sources build -trimpath -ldflags "-s -w -X $module/internal/version.BuildMetadata=" -o "$work/notation" ./cmd/notation
  mkdir -p "$dir"
  mv notation "$dir/notation"
fi
printf '%s\n' "$dir/notation"
