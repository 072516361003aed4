#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet compare with both walls.

load ../helpers

setup_file() {
	export SCRATCH ROOT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	duet compare --format json >"$SCRATCH/both.json"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

# of SECTION NAME COLUMN FIELD
of() {
	jq -r '.sections[] | select(.name == "'"$1"'").lines[] | select(.name == "'"$2"'").cells["'"$3"'"].'"$4" "$SCRATCH/both.json"
}

@test "every column was measured, in the form of the schema" {
	"$TOP/tests/check-schema.sh" "$TOP/docs/compare.schema.json" "$SCRATCH/both.json"
	[ "$(jq '[.columns[] | select(.skipped)] | length' "$SCRATCH/both.json")" -eq 0 ] || fail "$(jq .columns "$SCRATCH/both.json")"
	[ "$(jq '.columns | length' "$SCRATCH/both.json")" -eq 4 ]
}

@test "the container has the host's kernel, the micro-VM its own" {
	[ "$(of kernel boot-id container state)" = shared ]
	[ "$(of kernel boot-id microvm state)" = own ]
	[ "$(of kernel kernel-release microvm text)" != "$(uname -r)" ]
	[ "$(of kernel memory microvm state)" = own ]
}

@test "fewer of the host's system calls are within reach of a guest" {
	local container monitor
	read -r container _ <<<"$(of surface system-calls container text)"
	read -r monitor _ <<<"$(of surface system-calls microvm text)"
	[ "$monitor" -lt 90 ]
	[ "$container" -gt 200 ]
}

@test "a look at the monitor finds /dev/kvm, and threads without capabilities" {
	[[ "$(of surface monitor-descriptors microvm text)" == *kvm-vm* ]]
	[[ "$(of surface monitor-capabilities microvm text)" == *" 0"* ]]
}

@test "whoever may do everything in a guest does it to the guest" {
	[ "$(of attempts mount guest-root state)" = done ]
	[ "$(of attempts mount microvm by)" = filter ]
	[ "$(of attempts core-pattern guest-root state)" = done ]
	[ "$(of attempts load-module guest-root by)" = guest-kernel ]
}

@test "what goes wrong on purpose stays within its limits" {
	local column
	for column in container microvm guest-root; do
		[ "$(of faults fork-bomb $column by)" = limit ] || [ "$(of faults fork-bomb $column state)" = seen ]
		[ "$(of faults memory-hog $column by)" = limit ]
		[ "$(of faults descriptors $column by)" = limit ]
		[ "$(of faults disk-fill $column by)" = limit ]
	done
}

@test "a guest that brings its kernel down ends its run with an error, and nothing else" {
	[ "$(of faults crash container state)" = refused ]
	[ "$(of faults crash microvm state)" = refused ]
	[ "$(of faults crash guest-root state)" = done ]
	[[ "$(of faults crash guest-root text)" == *panic* ]]
	[ "$(cat /proc/sys/vm/panic_on_oom)" -eq 0 ]
}

@test "nothing of the comparison is left" {
	assert_nothing_left
	[ -z "$(ls -A "$ROOT/.compare")" ]
}
