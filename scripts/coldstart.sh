#!/usr/bin/env bash
# Measures how long the Action's two steps take, with an empty tool cache and
# with the program in it, and prints the figures beside what they should be.
# It fails on errors only: a figure depends on the machine.
set -euo pipefail
unset CDPATH

cd "$(dirname "${BASH_SOURCE[0]}")/../e2e"
GOWORK=off exec go run ./coldstart
