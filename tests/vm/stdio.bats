#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Much data through the streams, both walls in turn.

load ../helpers

setup_file() {
	setup_file_bundle
	configure_command cat
	# A KVM that emulates the guest's kernel moves a page in some milliseconds.
	if [ "${DUET_TESTBED:-}" = 1 ] || grep -qE 'vmx|svm' /proc/cpuinfo; then
		export STREAM_MIB=64
	else
		export STREAM_MIB=8
	fi
	head -c $((STREAM_MIB << 20)) /dev/urandom >"$SCRATCH/random"
}

teardown_file() {
	teardown_file_bundle
}

copy_through() {
	local want have
	want=$(sha256sum <"$SCRATCH/random")
	have=$(DUET_TEST_TIMEOUT=280 duet run --isolation="$1" -b "$BUNDLE" "$(new_id)" <"$SCRATCH/random" | sha256sum)
	[ "$want" = "$have" ]
	assert_nothing_left
}

@test "mebibytes of random bytes through cat arrive unchanged: container" {
	copy_through container
}

@test "mebibytes of random bytes through cat arrive unchanged: micro-VM" {
	copy_through microvm
}
