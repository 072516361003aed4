#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The micro-VM's file server, behind this machine's own FUSE in place of a guest's, against the directory that it serves: no machine is needed.
# FS_RANDOM_SEEDS and FS_RANDOM_COUNT: which walks, and how many calls each has.

load helpers

@test "random calls through the file server do what they do on the directory itself" {
	local seed count=${FS_RANDOM_COUNT:-4000} walk="$BUILD/tests/guest/fs_random"
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ -c /dev/fuse ] || skip "/dev/fuse is missing"
	mkdir "$BATS_TEST_TMPDIR/mount"
	for seed in ${FS_RANDOM_SEEDS:-1 2 3}; do
		rm -rf "$BATS_TEST_TMPDIR"/{direct,served}
		mkdir "$BATS_TEST_TMPDIR"/{direct,served}
		"$walk" "$BATS_TEST_TMPDIR/direct" "$seed" "$count" >"$BATS_TEST_TMPDIR/direct.calls"
		"$BUILD/tests/unit/fs_mount" "$BATS_TEST_TMPDIR/served" "$BATS_TEST_TMPDIR/mount" "$walk" "$BATS_TEST_TMPDIR/mount" "$seed" "$count" \
			>"$BATS_TEST_TMPDIR/served.calls"
		diff -U 3 "$BATS_TEST_TMPDIR"/{direct,served}.calls >"$BATS_TEST_TMPDIR/difference" ||
			fail "seed $seed: $(head -n 40 "$BATS_TEST_TMPDIR/difference")"
	done
}
