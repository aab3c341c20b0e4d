#!/usr/bin/env bash
# Builds the programs of a release and their checksums.txt. The same sources
# give the same bytes, on any machine and in any folder: that is how anybody can
# check that a release is what its commit says, and how checksums.txt can be
# committed before the release is built.
set -euo pipefail
export LC_ALL=C
unset CDPATH

readonly go_version=go1.26.8 # where go.mod names no toolchain
readonly platforms='linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64'

usage() {
  cat <<END
Usage: scripts/release.sh [--only OS/ARCH]... [--check | --update] [DIR]

Builds boltseal_OS_ARCH[.exe] for each platform, and checksums.txt, in DIR,
which is dist in the root of the checkout if it is not given.

  --only OS/ARCH  build this one; may be repeated
  --check         compare with the committed checksums.txt; exit 1 if it differs
  --update        copy to the committed checksums.txt; not together with --only
  --help          print this

Platforms: $platforms
Exit codes: 1 the build failed or --check found a difference; 2 bad flags, or
not the Go of this release.
END
}

die() {
  local code=$1
  shift
  printf 'release.sh: %s\n' "$*" >&2
  exit "$code"
}

# name prints the file's name of a platform.
name() {
  local name=boltseal_${1/\//_}
  [[ $1 != windows/* ]] || name+=.exe
  printf '%s\n' "$name"
}

# pinned_go fails unless the go command is the one whose bytes are pinned. It
# may fetch that one, where the environment lets it.
pinned_go() {
  local want is name value
  want=$(sed -n 's/^toolchain[[:space:]]*//p' "$root/go.mod")
  want=${want:-$go_version}
  unset GOEXPERIMENT GODEBUG GOFIPS140 GO111MODULE GOOS GOARCH
  export GOTOOLCHAIN=$want GOFLAGS='' GOWORK=off
  command -v go >/dev/null || die 2 "$want is needed, and there is no go command"
  is=$(cd "$root" && go env GOVERSION) || die 2 "$want is needed, and the go command cannot give it"
  [[ $is == "$want" ]] || die 2 "$want is needed, this is $is: another compiler gives other bytes"
  # What was kept with "go env -w" may say where modules are, and nothing else.
  for name in GOPROXY GOPRIVATE GONOPROXY GOSUMDB GONOSUMDB GOMODCACHE GOCACHE; do
    value=$(cd "$root" && go env "$name")
    export "$name=$value"
  done
  export GOENV=off
}

build() {
  local file
  file=$(name "$1")
  printf '%s\n' "$file" >&2
  (
    cd "$root"
    export GOOS=${1%/*} GOARCH=${1#*/} GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0
    # grpcnotrace leaves out pages of HTML that nobody serves. Their templates
    # call methods by name, for which the linker keeps every exported method.
    go build -tags grpcnotrace -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$dir/$file" .
  )
}

sums() {
  if command -v sha256sum >/dev/null; then
    sha256sum -- "$@"
  else
    shasum -a 256 -- "$@"
  fi
}

# compare shows where the committed checksums, of what was built, are others.
compare() {
  local committed
  committed=$(awk 'NR == FNR { built[$2]; next } all || $2 in built' \
    "$dir/checksums.txt" all="$all" "$root/checksums.txt") || die 1 'the committed checksums.txt cannot be read'
  diff <(printf '%s\n' "$committed") "$dir/checksums.txt"
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
only=() action='' dir=''
while (($#)); do
  case $1 in
    --help)
      usage
      exit
      ;;
    --only)
      [[ ${2:-} =~ ^[a-z]+/[a-z0-9]+$ && " $platforms " == *" $2 "* ]] || die 2 "--only wants one of $platforms"
      only+=("$2")
      shift
      ;;
    --check | --update)
      [[ -z $action || $action == "$1" ]] || die 2 '--check and --update exclude each other'
      action=$1
      ;;
    -*) die 2 "there is no flag $1; see --help" ;;
    *)
      [[ -z $dir && -n $1 ]] || die 2 'name one folder'
      dir=$1
      ;;
  esac
  shift
done
if [[ $action == --update ]] && ((${#only[@]})); then
  die 2 '--update wants all platforms: checksums.txt has a line for each'
fi
all=''
if ((!${#only[@]})); then
  all=1
  read -ra only <<<"$platforms"
fi

pinned_go
dir=${dir:-$root/dist}
mkdir -p -- "$dir"
dir=$(cd -- "$dir" && pwd)
rm -f "$dir/checksums.txt" # what is there when a build fails would be for other files

files=()
for platform in "${only[@]}"; do
  build "$platform"
  files+=("$(name "$platform")")
done
(cd "$dir" && sums "${files[@]}") | sort -u -k 2 >"$dir/checksums.txt"
cat "$dir/checksums.txt"

case $action in
  --check) compare || die 1 'checksums.txt differs: if the sources are as they should be, run scripts/release.sh --update' ;;
  --update) cp "$dir/checksums.txt" "$root/checksums.txt" ;;
esac
