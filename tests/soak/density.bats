#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A thousand containers alive at once: all of them are listed, all are deleted, nothing is left.

load ../helpers

@test "a thousand sleeping containers come and go" {
	set -o pipefail
	mkdir -p "$BATS_TEST_TMPDIR/build"
	ln -s "$BUILD"/* "$BATS_TEST_TMPDIR/build/"
	"${BATS_TEST_DIRNAME%/*/*}/scripts/bench-density.sh" "$BATS_TEST_TMPDIR/build" | sed "s/^/# /" >&3
	[ "$(jq .containers "$BATS_TEST_TMPDIR/build/bench-density.json")" -eq "${CONTAINERS:-1000}" ]
}
