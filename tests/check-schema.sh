#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check-schema.sh SCHEMA FILE: says what of a JSON file is not as its schema has it; status 1 when there is anything.
set -euo pipefail

wrong=$(jq -n --slurpfile schema "$1" --slurpfile value "$2" -r -f "$(dirname "$0")/schema.jq")
[ -z "$wrong" ] && exit 0
printf '%s\n' "$wrong" >&2
exit 1
