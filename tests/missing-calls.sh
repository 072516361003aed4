#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests of containers on kernels that lack a system call, one after another: missing-calls.sh [BUILD] [CALLS…].
set -uo pipefail

tests=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "${1:-build}" && pwd)
export BUILD
shift
calls=("$@")
[ ${#calls[@]} -gt 0 ] || calls=(openat2 clone3 mount_setattr open_tree move_mount fsopen close_range execveat faccessat2 statx keyctl
	"mount_setattr,close_range_cloexec")
status=0
for call in "${calls[@]}"; do
	echo "== without $call"
	DUET_UNDER="$BUILD/tests/tools/enosys $call" timeout 600 bats --tap "$tests"/{both,container,attacks,descriptors}.bats >"$BUILD/missing-calls.tap" || status=1
	grep -cE '^ok' "$BUILD/missing-calls.tap"
	grep -A 6 '^not ok' "$BUILD/missing-calls.tap"
done
exit $status
