#!/usr/bin/env bash
# Builds notary, notary-server and notary-signer for the tests here, and prints
# the folder that they are in: once for each version of them, of their patch and
# of Go.
#
#     e2e/dct/build.sh DIR
#
# notary-server is patched. Since Go 1.17 mime/multipart gives only the last
# element of a part's file name, so that a delegation such as targets/releases
# arrives as "releases", which the server refuses: a server of its time, built
# with the Go of its time, took it. The patch reads the name as that Go did. It
# is in the server that the tests talk to, and nowhere else: notary is built as
# it was released, and what the server checks and signs stays as it was.
set -euo pipefail

readonly module=github.com/theupdateframework/notary version=v0.7.0

if (($# != 1)); then
  echo 'usage: build.sh DIR: the folder that keeps the programs' >&2
  exit 2
fi
patch=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/server.patch
dir=$1/notary-$version-$(cksum <"$patch" | cut -d ' ' -f 1)-$(go env GOVERSION)
if [[ ! -x $dir/notary ]]; then
  printf 'installing notary %s\n' "$version" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cd "$work" # outside of any module
  export CGO_ENABLED=0 GOFLAGS='' GOWORK=off
  go mod download "$module@$version"
  cp -R "$(go env GOMODCACHE)/$module@$version" sources
  chmod -R u+w sources
  flags=(-mod=mod -trimpath -ldflags "-s -w -X $module/version.NotaryVersion=${version#v} -X $module/version.GitCommit=released")
  go -C sources build "${flags[@]}" -o "$work/bin/" ./cmd/notary ./cmd/notary-signer
  # Without the ceiling git, in a folder of some checkout, would change nothing and be content.
  GIT_CEILING_DIRECTORIES=$work git -C sources apply --verbose "$patch" >&2
  go -C sources build "${flags[@]}" -o "$work/bin/" ./cmd/notary-server
  mkdir -p "$dir"
  mv "$work"/bin/notary-* "$dir"
  mv "$work/bin/notary" "$dir" # last: it says that all are there
fi
printf '%s\n' "$dir"
