#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet bench in a micro-VM: that start-up has its moments and that exits are counted by what was done. No figure is judged.

load ../helpers

setup() {
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
}

teardown() {
	rm -rf "$SCRATCH"
}

@test "bench measures starts of a micro-VM and its exits" {
	TMPDIR=$SCRATCH timeout 180 "$DUET" bench --isolation=host,microvm-snapshot --suite=startup,exits --runs=1 --format=json >"$SCRATCH/report.json"
	jq -e '.host.kvm.module' "$SCRATCH/report.json"
	# The monitor was ready, the guest was let go, spoke, and its program was executed, in this order.
	jq -e '[.suites[0].cases[] | select(.name == ("at-monitor", "at-guest", "at-init", "at-executed")) | .results[1].median] | . == sort and length == 4' \
		"$SCRATCH/report.json"
	jq -e '[.exits[].work] | contains(["idle", "getpid", "fault-anonymous", "create"])' "$SCRATCH/report.json"
	jq -e '.exits[] | select(.work == "create") | .column == "microvm-snapshot" and (.reasons | length > 0)' "$SCRATCH/report.json"
	[ -z "$(find "$SCRATCH" -maxdepth 1 -name 'duet-bench.*')" ]
}
