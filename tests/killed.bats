#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Commands that are killed at any moment: `delete --force` then succeeds, and nothing is left. KILLED_ROUNDS= of each (default 25).

load helpers

setup_file() {
	setup_file_bundle
	configure '.process.args = ["sleep", "1000"] | .hooks.createRuntime = [{"path": "/bin/true"}]'
	export ROUNDS=${KILLED_ROUNDS:-25}
	[ -z "${DUET_TESTBED:-}" ] || ROUNDS=${KILLED_ROUNDS:-5}
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

# milliseconds_of COMMAND…
milliseconds_of() {
	local begin=${EPOCHREALTIME/./}
	"$@" </dev/null >/dev/null 2>&1
	echo $(((${EPOCHREALTIME/./} - begin) / 1000 + 1))
}

# kill_after MICROSECONDS COMMAND…: KILL to the command itself, if it is still there then.
kill_after() {
	local after=$1 pid
	shift
	"$@" </dev/null >/dev/null 2>&1 3>&- &
	pid=$!
	sleep "$(printf '0.%06d' "$after")"
	kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
}

# nothing_of ID: no state, no group, no process.
nothing_of() {
	[ ! -e "$ROOT/$1" ] || fail "state is left: $(ls "$ROOT/$1")"
	[ -z "$(find /sys/fs/cgroup -name "duet-$1" 2>/dev/null)" ] || fail "a cgroup is left: $(find /sys/fs/cgroup -name "duet-$1")"
	# What has ended and was not waited for by its parent is no process any more.
	for file in $(grep -lF "duet-$1" /proc/[0-9]*/cgroup 2>/dev/null || true); do
		[[ $(sed 's/.*) //' "${file%/cgroup}/stat" 2>/dev/null) == [ZX]* || ! -e $file ]] || fail "a process is left: ${file%/cgroup}"
	done
}

# rounds ID-PREFIX DURATION-MS PREPARE COMMAND…: the command, with ID for the id, killed at moments spread over its duration.
rounds() {
	local prefix=$1 duration=$2 prepare=$3 round id
	shift 3
	for ((round = 0; round < ROUNDS; round++)); do
		id=$prefix-$$-$round
		[ -z "$prepare" ] || $prepare "$id"
		kill_after $((duration * 1000 * round / ROUNDS + RANDOM % 500)) "$DUET" --root "$ROOT" "${@//ID/$id}"
		# Whatever is left can be looked at.
		duet list >/dev/null
		duet delete --force "$id" || fail "round $round: delete --force failed"
		nothing_of "$id" || fail "round $round"
	done
}

make_created() {
	"$DUET" --root "$ROOT" create -b "$BUNDLE" "$1" </dev/null >/dev/null 2>&1
}

make_started() {
	make_created "$1"
	"$DUET" --root "$ROOT" start "$1"
}

@test "create, killed at any moment" {
	rounds create "$(milliseconds_of make_created first)" "" create -b "$BUNDLE" ID
	duet delete --force first
}

@test "run, killed at any moment" {
	rounds run "$(milliseconds_of make_created second)" "" run -b "$BUNDLE" ID
	duet delete --force second
}

@test "start, killed at any moment" {
	make_created third
	rounds start "$(milliseconds_of "$DUET" --root "$ROOT" start third)" make_created start ID
	duet delete --force third
}

@test "exec, killed at any moment" {
	# Each of these waits for the machine's first process to reap.
	ROUNDS=$((ROUNDS / 4 + 1))
	make_started fourth
	rounds exec "$(milliseconds_of "$DUET" --root "$ROOT" exec fourth true)" make_started exec ID sleep 1000
	duet delete --force fourth
}

@test "delete, killed at any moment" {
	make_started fifth
	rounds delete "$(milliseconds_of "$DUET" --root "$ROOT" delete --force fifth)" make_started delete --force ID
}

# Each of these may succeed or be refused; the state is never damaged, and in the end all of it goes.
@test "many commands on one container at once" {
	local id=crowd-$$ worker words workers=()
	for worker in 1 2 3 4; do
		(
			# To a file: a container that was made would hold a pipe open.
			for ((round = 0; round < ROUNDS; round++)); do
				for command in "create -b $BUNDLE $id" "start $id" "state $id" "pause $id" "resume $id" "exec $id true" "kill $id TERM" "delete --force $id"; do
					# shellcheck disable=SC2086
					timeout 30 "$DUET" --root "$ROOT" $command </dev/null >/dev/null 2>"$SCRATCH/words.$worker" || true
					words=$(<"$SCRATCH/words.$worker")
					[[ $words != *record* && $words != *JSON* ]] || echo "$command: $words" >>"$SCRATCH/damaged"
				done
			done
		) 3>&- &
		workers+=($!)
	done
	wait "${workers[@]}"
	[ ! -s "$SCRATCH/damaged" ] || fail "$(cat "$SCRATCH/damaged")"
	duet delete --force "$id"
	nothing_of "$id"
}

# Without hooks the child does not wait for the runtime, and a plain run says START ahead.
@test "create and run with nobody to wait for, killed at any moment" {
	configure 'del(.hooks)'
	rounds alone "$(milliseconds_of make_created sixth)" "" create -b "$BUNDLE" ID
	rounds early "$(milliseconds_of make_created seventh)" "" run -b "$BUNDLE" ID
	duet delete --force sixth
	duet delete --force seventh
}
