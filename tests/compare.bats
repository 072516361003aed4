#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet compare: what is said of each wall. As a container here; tests/vm/compare.bats has both walls.

load helpers

setup_file() {
	export SCRATCH ROOT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	duet compare --isolation container --sections kernel,surface,attempts --format json >"$SCRATCH/container.json"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

# of SECTION NAME COLUMN FIELD
of() {
	jq -r '.sections[] | select(.name == "'"$1"'").lines[] | select(.name == "'"$2"'").cells["'"$3"'"].'"$4" "$SCRATCH/container.json"
}

@test "the comparison is what its schema says" {
	"$TOP/tests/check-schema.sh" "$TOP/docs/compare.schema.json" "$SCRATCH/container.json"
	# It can fail.
	jq '.sections[0].lines[0].cells.host.state = "fine"' "$SCRATCH/container.json" >"$SCRATCH/wrong.json"
	run "$TOP/tests/check-schema.sh" "$TOP/docs/compare.schema.json" "$SCRATCH/wrong.json"
	[ "$status" -eq 1 ]
}

@test "a container has the host's kernel" {
	[ "$(of kernel kernel-release container text)" = "$(uname -r)" ]
	[ "$(of kernel kernel-release container state)" = shared ]
	[ "$(of kernel boot-id container state)" = shared ]
	[ "$(of kernel boot-id container text)" = "$(cat /proc/sys/kernel/random/boot_id)" ]
}

@test "what is refused is refused by whom it should be" {
	[ "$(of attempts mount container by)" = filter ]
	[ "$(of attempts load-module container by)" = filter ]
	[ "$(of attempts dev-mem container by)" = device-rules ]
	[ "$(of attempts sysctl container by)" = mount ]
	[ "$(of attempts first-root container by)" = namespace ]
	[ "$(of attempts raw-socket container state)" = done ]
	# Every attempt of the probe has its words here, and the other way round.
	[ "$(jq '[.sections[] | select(.name == "attempts").lines[] | select(.cells.container == null)] | length' "$SCRATCH/container.json")" -eq 0 ]
}

@test "without a filter it is the missing capability that refuses" {
	"$TOP/scripts/make-bundle.sh" busybox "$SCRATCH/bundle"
	duet compare --isolation container --sections attempts,surface --format json -b "$SCRATCH/bundle" >"$SCRATCH/bundle.json"
	jq -e '.sections[] | select(.name == "attempts").lines[] | select(.name == "mount").cells.container | .state == "refused" and .by == "capability"' \
		"$SCRATCH/bundle.json"
	jq -e '.sections[] | select(.name == "surface").lines[] | select(.name == "system-calls").cells.container.text | endswith("there is no filter")' \
		"$SCRATCH/bundle.json"
	[ ! -e "$SCRATCH/bundle/rootfs/dev/duet-probe" ]
}

@test "the calls that the filter lets through are counted" {
	local reached calls
	read -r reached _ calls _ <<<"$(of surface system-calls container text)"
	# So many of those that it keeps back does libseccomp know.
	[ "$((calls - reached))" -ge 55 ]
	[ "$((calls - reached))" -le 62 ]
}

@test "the calls that a process really makes are traced" {
	[ "$(of surface system-calls-used container state)" = seen ] || skip "$(of surface system-calls-used container text)"
	[[ " $(of surface system-calls-used container text) " == *" openat "* ]]
	[[ " $(of surface system-calls-used container text) " == *" exit_group "* ]]
	# The runtime's own do not count.
	[[ " $(of surface system-calls-used container text) " != *" pivot_root "* ]]
}

@test "a report is a page of its own" {
	duet compare --isolation container --sections kernel --report "$SCRATCH/report.html" >"$SCRATCH/report.txt"
	grep -q '^<!DOCTYPE html>' "$SCRATCH/report.html"
	grep -qF "$(uname -r)" "$SCRATCH/report.html"
	run --separate-stderr duet compare --report "$SCRATCH/report.pdf"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *".html or .svg"* ]]
}

@test "an interrupted comparison says what it had seen, and leaves nothing" {
	local pid status=0
	"$DUET" --root "$ROOT" compare --isolation container --sections kernel,faults --format json >"$SCRATCH/interrupted.json" &
	pid=$!
	wait_until 10 sh -c "ls -d '$ROOT'/compare-* >/dev/null 2>&1"
	kill -TERM $pid
	wait $pid || status=$?
	[ "$status" -eq 130 ]
	[ "$(jq .interrupted "$SCRATCH/interrupted.json")" = true ]
	[ "$(jq -r '.sections[0].lines[0].cells.host.text' "$SCRATCH/interrupted.json")" = "$(uname -r)" ]
	assert_nothing_left
}

@test "what a killed comparison has left is removed by the next" {
	local pid
	"$DUET" --root "$ROOT" compare --isolation container --sections faults >"$SCRATCH/killed.txt" &
	pid=$!
	wait_until 10 sh -c "ls -d '$ROOT'/compare-* >/dev/null 2>&1"
	kill -KILL $pid
	wait $pid || true
	[ -n "$(ls -A "$ROOT/.compare")" ]
	duet compare --isolation container --sections kernel >"$SCRATCH/next.txt"
	assert_nothing_left
	[ -z "$(ls -A "$ROOT/.compare")" ]
}

@test "nothing of a comparison is left" {
	assert_nothing_left
	[ -z "$(ls -A "$ROOT/.compare")" ]
}

@test "what a comparison cannot know is refused" {
	run --separate-stderr duet compare --isolation container,castle
	[ "$status" -eq 1 ]
	[[ "$stderr" == *'there is no "castle"'* ]]
	run --separate-stderr duet compare --bundle "$SCRATCH/no-bundle"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *no-bundle* ]]
}
