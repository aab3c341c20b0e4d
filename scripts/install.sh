#!/usr/bin/env bash
# Finds the boltseal program for this runner and writes its path as the step
# output "binary". action.yml runs it as
#
#     bash "$GITHUB_ACTION_PATH/scripts/install.sh"
#
# It looks, in this order, at
#
#  1. the file that the input "binary" names, which is used as it is;
#  2. the runner's tool cache;
#  3. the release, or the mirror that the input "download-base" names.
#
# What 2 and 3 give is used only if its sha256 is the one in this action's own
# checksums.txt, each time: who pins the action's commit has pinned the program.
# PATH is never searched for it, as any step before can have put one there.
#
# Exit codes: 2 an input, the machine or the bytes are wrong; 3 no answer.
#
# macOS has bash 3.2: no associative arrays, no ${x,,}, no mapfile.
set -euo pipefail
export LC_ALL=C
unset CDPATH

readonly releases=https://github.com/boltseal/boltseal/releases/download
readonly supported='linux, darwin and windows, each for amd64 and arm64'
readonly max_bytes=$((64 << 20))

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fresh='' # the folder of what is being downloaded
child='' # the running curl

finish() {
  if [[ -n $child ]]; then
    kill "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  fi
  [[ -z $fresh ]] || rm -rf "$fresh" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# plain prints text from anywhere as a part of one line. It starts no command:
# the runner takes "::" at the beginning of a line for one, and "##[" anywhere.
plain() {
  local text=${1//[^ -~]/?}
  printf '%s\n' "${text//[#][#][[]/## [}"
}

# annotate LEVEL TITLE TEXT writes one workflow command, the only one there is
# in its output. No line break is left by plain, so none needs escaping.
annotate() {
  local title text
  title=$(plain "$2")
  text=$(plain "$3")
  title=${title//[%]/%25}
  title=${title//:/%3A}
  title=${title//,/%2C}
  printf '::%s title=%s::%s\n' "$1" "$title" "${text//[%]/%25}"
}

# code prints text as it stands in HTML: as text. (In ${…//…/…} newer versions of
# bash take "&" for what was found.)
code() { plain "$1" | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g'; }

# summarize CAUSE NEXT writes the job summary, where there is one. Inside of
# <pre> nothing is Markdown.
summarize() {
  [[ -f ${GITHUB_STEP_SUMMARY:-} ]] || return 0
  printf '### Image signature gate: NOT RUN, boltseal could not be installed\n\n<pre>%s</pre>\n\n<pre>next: %s</pre>\n' \
    "$(code "$1")" "$(code "$2")" 2>/dev/null >>"$GITHUB_STEP_SUMMARY" || true
}

# fail CODE OPERATION CAUSE NEXT ends the script.
fail() {
  annotate error 'boltseal install' "$2: $3; next: $4"
  summarize "$2: $3" "$4"
  exit "$1"
}

# shell_path prints a path as this shell writes it: on Windows it comes as C:\….
shell_path() {
  if command -v cygpath >/dev/null; then
    cygpath -u "$1" 2>/dev/null || printf '%s\n' "$1"
  else
    printf '%s\n' "$1"
  fi
}

# found PATH HOW writes the output. A path with a line break would add another.
found() {
  local path=$1
  [[ $path == /* ]] || path=$PWD/$path
  if [[ $path == *[[:cntrl:]]* ]]; then
    fail 2 'write the output "binary"' "the path $path has a control character" 'rename that folder or file'
  fi
  if ! printf 'binary=%s\n' "$path" 2>/dev/null >>"$GITHUB_OUTPUT"; then
    fail 2 'write the output "binary"' "the file of GITHUB_OUTPUT, $GITHUB_OUTPUT, cannot be written" \
      'see why the runner gave this step no such file'
  fi
  plain "boltseal${version:+ $version}: $2, $path"
}

# explicit takes the file that the input "binary" names.
explicit() {
  local path op='find the file of the input "binary"' cause
  # A line break at the end of the path would be lost in shell_path.
  if [[ $BOLTSEAL_BINARY == *[[:cntrl:]]* ]]; then
    fail 2 "$op" "the path $BOLTSEAL_BINARY has a control character" 'write the path on one line'
  fi
  path=$(shell_path "$BOLTSEAL_BINARY")
  if [[ -f $path && -x $path ]]; then
    found "$path" 'the file that the input "binary" names, as it is'
    return
  fi
  cause='does not exist'
  [[ ! -e $path ]] || cause='is not executable'
  [[ ! -d $path ]] || cause='is a directory'
  fail 2 "$op" "$path $cause" 'name an executable file, or leave the input out to use the release'
}

# platform sets os and arch as Go names them, the file's name, and the tool
# cache's word for the architecture.
platform() {
  local system machine exe='' op='choose the program'
  local advice='run on one of those, or build boltseal and name the file in the input "binary"'
  system=${RUNNER_OS:-$(uname -s 2>/dev/null || true)}
  machine=${RUNNER_ARCH:-$(uname -m 2>/dev/null || true)}
  case $system in
    Linux) os=linux ;;
    macOS | Darwin) os=darwin ;;
    Windows | MINGW* | MSYS* | CYGWIN*) os=windows exe=.exe ;;
    *) fail 2 "$op" "there is none for the system $system, only for $supported" "$advice" ;;
  esac
  case $machine in
    X64 | x86_64 | amd64) arch=amd64 label=x64 ;;
    ARM64 | aarch64 | arm64) arch=arm64 label=arm64 ;;
    *) fail 2 "$op" "there is none for the architecture $machine, only for $supported" "$advice" ;;
  esac
  file=boltseal_${os}_$arch$exe
}

# release sets version and pinned, from the files beside this script.
release() {
  local line number=0 op='read checksums.txt' advice='use a released commit of this action'
  local version_form='^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$' form='^[0-9a-f]{64}  [0-9A-Za-z._-]+$'
  version=$(cat "$root/cli/VERSION" 2>/dev/null) || version=''
  if [[ ! $version =~ $version_form ]]; then
    line=$version version=''
    fail 2 'read cli/VERSION' "\"$line\" is not a version such as 1.2.3" "$advice"
  fi
  [[ -r $root/checksums.txt ]] || fail 2 "$op" 'it cannot be read' "$advice"
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    [[ $line =~ $form ]] || fail 2 "$op" "line $number is not a sha256, two spaces and a name" "$advice"
    [[ ${line:66} == "$file" ]] || continue
    [[ -z $pinned ]] || fail 2 "$op" "line $number is the second one for $file" "$advice"
    pinned=${line:0:64}
  done <"$root/checksums.txt"
  [[ -n $pinned ]] || fail 2 "$op" "it has no line for $file" "$advice"
}

# places sets dirs, the folders in which the program may be kept, best first.
places() {
  local place
  for place in "${RUNNER_TOOL_CACHE:-}" "${RUNNER_TEMP:-}"; do
    [[ -z $place ]] || dirs+=("$(shell_path "$place")/boltseal/$version/$label")
  done
  if ((!${#dirs[@]})); then
    fail 2 'choose a folder' 'neither RUNNER_TOOL_CACHE nor RUNNER_TEMP is set' 'set RUNNER_TEMP to a folder for temporary files'
  fi
}

tools() {
  if command -v sha256sum >/dev/null; then
    sha256=(sha256sum)
  elif command -v shasum >/dev/null; then
    sha256=(shasum -a 256)
  else
    fail 2 'check the program' 'there is neither sha256sum nor shasum' 'install one of them on the runner'
  fi
}

# digest sets sum to a file's sha256, or to nothing, which is nobody's.
digest() {
  sum=$("${sha256[@]}" 2>/dev/null <"$1") || sum=''
  sum=${sum%% *}
}

# holds tells whether DIR has the pinned program. What else has its name is
# thrown away.
holds() {
  local path=$1/$file is='not a regular file'
  [[ -e $path || -L $path ]] || return 1
  if [[ -f $path && ! -L $path ]]; then
    digest "$path"
    if [[ $sum == "$pinned" ]]; then
      [[ -x $path ]] || chmod 0755 "$path" 2>/dev/null || return 1
      return 0
    fi
    is="sha256 ${sum:-unreadable}, pinned is $pinned"
  fi
  annotate warning 'boltseal tool cache' \
    "$path is not the program of boltseal $version ($is): it is thrown away; next: find out which job of this runner wrote it"
  rm -rf "$path" 2>/dev/null || true
  return 1
}

# address sets base, without a slash at its end, and protocol. With plain http
# anybody on the way chooses what a program fails with, so only this machine
# may use it; a name or password would end up in a log.
address() {
  local input=${BOLTSEAL_DOWNLOAD_BASE:-} path='(/[0-9A-Za-z._~%+,=:@/-]*)?$'
  local remote="^https://([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$path"
  local loopback="^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?$path"
  base=${input:-$releases/v$version}
  while [[ $base == */ ]]; do base=${base%/}; done
  if [[ $base =~ $remote ]]; then
    protocol=https
  elif [[ $base =~ $loopback ]]; then
    protocol=http
  else
    [[ $input != *[?]* ]] || input="${input%%[?]*}?***"
    [[ $input != *@* ]] || input="***@${input##*@}"
    fail 2 'read the input "download-base"' "$input is not an address that may be used" \
      'write https://HOST/PATH, without a user, a query or a fragment (plain http only to 127.0.0.1, localhost or [::1])'
  fi
}

# fetch runs curl once, which itself tries again after some answers, and sets
# code. curl runs beside the script, so that a signal need not wait for it.
fetch() {
  # -q: what a file of some user says is not asked for.
  local options=(-q -fsSL --globoff --output "$fresh/$file" --max-filesize "$max_bytes"
    --retry 3 --retry-connrefused --retry-max-time 60
    --connect-timeout 20 --max-time 300 --speed-limit 1024 --speed-time 60)
  if [[ $protocol == https ]]; then
    options+=(--proto '=https' --proto-redir '=https' --max-redirs 5)
  else
    options+=(--proto '=http' --proto-redir '=http' --max-redirs 0 --noproxy '*')
  fi
  code=0
  (
    # curl before 8.4 bounds only a length that was announced. The unit is 512
    # or 1024 bytes; where there is no such limit, time and sha256 remain.
    trap '' XFSZ 2>/dev/null || true
    ulimit -f $((max_bytes / 512)) 2>/dev/null || true
    exec curl "${options[@]}" "$base/$file"
  ) >/dev/null 2>"$fresh/log" &
  child=$!
  wait "$child" || code=$?
  child=''
}

# said sets text to curl's error, which may have the server's words in it.
said() {
  local line
  text="curl exit code $code"
  while IFS= read -r line || [[ -n $line ]]; do
    [[ $line != 'curl: ('* ]] || text=${line:0:300}
  done <"$fresh/log"
}

# download brings the pinned program into the first folder that can be written.
download() {
  local op="download $file from $base" advice='try again later, or name a mirror in the input "download-base"' size text
  [[ -z ${BOLTSEAL_DOWNLOAD_BASE:-} ]] || advice="see that the mirror of the input \"download-base\" has $file of release v$version"
  command -v curl >/dev/null || fail 2 "$op" 'there is no curl' 'install curl on the runner, or name a file in the input "binary"'
  for dir in "${dirs[@]}"; do
    # In the same folder, so that mv is atomic: no other job sees half a file.
    if mkdir -p "$dir" 2>/dev/null && fresh=$(mktemp -d "$dir/.new.XXXXXX" 2>/dev/null); then break; fi
    fresh=''
  done
  [[ -n $fresh ]] || fail 2 "$op" "no file can be written in $dir" 'make the folder of RUNNER_TEMP writable'
  : >"$fresh/$file" # some versions of curl make no file of an empty answer

  fetch
  # A transfer that broke off, which curl itself does not try again.
  case $code in 16 | 18 | 35 | 52 | 55 | 56 | 92) fetch ;; esac
  case $code in
    0) ;;
    23 | 63)
      size=$(wc -c 2>/dev/null <"$fresh/$file") || size=0
      ((code == 63 || size >= max_bytes)) || fail 2 "$op" "the file cannot be written in $dir" 'make room on the disk'
      fail 2 "$op" "what came is larger than $max_bytes bytes, so it is not the program" "$advice"
      ;;
    1 | 3 | 47)
      said
      fail 2 "$op" "the answer leads where it may not ($text)" "$advice"
      ;;
    22)
      said
      if [[ $text == *' 404'* || $text == *' 410'* ]]; then
        [[ -n ${BOLTSEAL_DOWNLOAD_BASE:-} ]] || advice='pin the commit of a published release'
        fail 2 "$op" "there is no such file ($text)" "$advice"
      fi
      fail 3 "$op" "no answer ($text)" "$advice"
      ;;
    *)
      said
      fail 3 "$op" "no answer ($text)" "$advice"
      ;;
  esac

  digest "$fresh/$file"
  if [[ $sum != "$pinned" ]]; then
    fail 2 "check $file from $base" "its sha256 is ${sum:-unreadable}, pinned is $pinned" \
      'do not use that file; see what answers at this address, and report it if that is the release'
  fi
  chmod 0755 "$fresh/$file"
  # Windows replaces no program that runs; it is the same one then.
  mv -f "$fresh/$file" "$dir/$file" 2>/dev/null || holds "$dir" ||
    fail 2 "$op" "the file cannot be moved to $dir" 'clear that folder'
}

if [[ -z ${GITHUB_OUTPUT:-} ]]; then
  fail 2 'write the output "binary"' 'GITHUB_OUTPUT is not set' 'run this script as a step of a GitHub Action, as action.yml does'
fi
version=''
if [[ -n ${BOLTSEAL_BINARY:-} ]]; then
  explicit
  exit
fi
os='' arch='' label='' file='' pinned='' sum='' base='' protocol='' code=0
dirs=() sha256=()
platform
release
tools
places
address
for dir in "${dirs[@]}"; do
  if holds "$dir"; then
    found "$dir/$file" 'from the tool cache, sha256 as pinned'
    exit
  fi
done
download
found "$dir/$file" "downloaded from $base, sha256 as pinned"
