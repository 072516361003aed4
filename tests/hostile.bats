#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile programs in a sandbox, by the table tests/sandbox/hostile.table: each ends as the table says and as soon, the report says why, another
# sandbox beside it goes on, and nothing is left. DUET_ISOLATION=microvm puts them behind the other wall.

load helpers

setup_file() {
	export SCRATCH ROOT WORK SECRET ABSTRACT PORT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	WORK=$SCRATCH/work
	SECRET=secret-$RANDOM$RANDOM
	ABSTRACT=duet-test-$$-$RANDOM
	mkdir "$WORK" "$SCRATCH/neighbour"
	chmod 755 "$SCRATCH"
	cp "$BUILD/tests/sandbox/hostile" "$WORK/hostile"
	cp "$WORK/hostile" "$SCRATCH/listener"
	echo original >"$WORK/file"
	echo "$SECRET" >"$SCRATCH/canary"
	"$SCRATCH/listener" listener "$ABSTRACT" >"$SCRATCH/heard" 3>&- &
	echo $! >"$SCRATCH/listener.pid"
	wait_until 20 grep -q . "$SCRATCH/heard"
	PORT=$(head -n 1 "$SCRATCH/heard")
	start_neighbour
}

teardown_file() {
	kill "$(cat "$SCRATCH/listener.pid")" "$(cat "$SCRATCH/neighbour.pid")"
	wait_until 20 sh -c "! pgrep -f '^$DUET --root $SCRATCH/neighbour-state sandbox' >/dev/null"
	rm -rf "$SCRATCH"
}

# Another sandbox, whose heart beats in a file.
start_neighbour() {
	(cd "$SCRATCH/neighbour" && exec "$DUET" --root "$SCRATCH/neighbour-state" sandbox --timeout none --workdir-mode rw -- \
		sh -c 'i=0; while :; do i=$((i + 1)); echo $i >beat; sleep 0.1; done') </dev/null 3>&- &
	echo $! >"$SCRATCH/neighbour.pid"
	wait_until 30 test -s "$SCRATCH/neighbour/beat"
}

neighbour_lives() {
	local before
	before=$(cat "$SCRATCH/neighbour/beat")
	wait_until 20 sh -c "[ \"\$(cat '$SCRATCH/neighbour/beat')\" != '$before' ]"
}

# What is in the work directory, and what the hostile write to outside of it.
host_files() {
	find "$WORK" -printf '%p %y %s %m %U %T@ %l\n' | sort
	cat "$WORK/file" "$SCRATCH/canary"
	sha256sum /etc/passwd /usr/bin/env /bin/sh
	ls /etc/ld.so.preload 2>/dev/null || true
}

# attack OPTIONS COMMAND…: into $SCRATCH/report.json and $SCRATCH/output; the exit status in $code. Standard input never ends.
attack() {
	local options=$1 vm=()
	shift
	! is_microvm || vm=(--vm)
	code=0
	rm -f "$SCRATCH/report.json"
	# shellcheck disable=SC2086
	(cd "$WORK" && exec timeout -k 5 100 "$DUET" --root "$ROOT" sandbox "${vm[@]}" --timeout 10s --env "CANARY=$SCRATCH/canary" --env "SECRET=$SECRET" \
		--env "ABSTRACT=$ABSTRACT" --env "PORT=$PORT" $options --report "$SCRATCH/report.json" -- "$@") </dev/zero >"$SCRATCH/output" 2>&1 ||
		code=$?
}

complain() {
	{
		echo "$1: $2"
		head -c 2000 "$SCRATCH/output"
		cat "$SCRATCH/report.json"
	} >&2
	return 1
}

nothing_left() {
	local id
	id=$(jq -r .id "$SCRATCH/report.json")
	assert_nothing_left || return 1
	[ -z "$(find "$ROOT/.sandbox" -mindepth 1)" ] || fail "its directory is left" || return 1
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*" 2>/dev/null)" ] || fail "a cgroup is left" || return 1
	! pgrep -af "^$WORK/hostile|^$DUET --root $ROOT " || fail "processes are left"
}

# check_row VERB EXIT STATUS REASON REPORT LIMIT
check_row() {
	[ "$code" -eq "$2" ] || complain "$1" "exit status $code instead of $2" || return 1
	[ "$(jq -r .status "$SCRATCH/report.json")" = "$3" ] || complain "$1" "status" || return 1
	grep -qE -- "$4" <<<"$(jq -r .reason "$SCRATCH/report.json")" || complain "$1" "reason" || return 1
	jq -e "def guest: .isolation == \"microvm\"; $5" "$SCRATCH/report.json" >/dev/null || complain "$1" "not so: $5" || return 1
	[ "$(host_files)" = "$(cat "$SCRATCH/host-files")" ] || complain "$1" "files of the host are not as they were" || return 1
	neighbour_lives || complain "$1" "the neighbour stands still" || return 1
	nothing_left || complain "$1" "something is left"
}

# By the report: when the machine is busy, once more.
is_in_time() {
	[ "$(jq .usage.wallMs "$SCRATCH/report.json")" -le $((($1 + 1) * 1000)) ]
}

rows() {
	local star='\*\?'
	! is_microvm || [ "${DUET_TESTBED:-}${HOSTILE_ALL:-}" != 1 ] || star='\*'
	grep "^$1${2-$star} " "$BATS_TEST_DIRNAME/sandbox/hostile.table" | sed 's/ *| */\t/g; s/\t\t/\t-\t/g'
}

run_group() {
	local group verb options exit status reason report limit count=0
	host_files >"$SCRATCH/host-files"
	while IFS=$'\t' read -r group verb options exit status reason report limit; do
		[ "$options" != - ] || options=
		for try in first last; do
			# shellcheck disable=SC2086
			attack "$options" "$WORK/hostile" $verb
			check_row "$verb" "$exit" "$status" "$reason" "$report" "$limit" || return 1
			! is_in_time "$limit" || break
			[ $try = first ] || complain "$verb" "ended more than a second after its limit" || return 1
		done
		count=$((count + 1))
	done < <(rows "$1")
	[ $count -ge "${2:-4}" ] || fail "only $count rows"
}

# All verbs of a group, one after the other, in one sandbox.
run_together() {
	local verbs
	verbs=$(rows "$1" "" | cut -f2 | xargs)
	host_files >"$SCRATCH/host-files"
	attack "--timeout 90s" sh -c "for verb in $verbs; do echo \"== \$verb\"; $WORK/hostile \$verb || exit; done"
	check_row "$1" 0 ended 'status 0' true 90
	[ "$(grep -c '^== ' "$SCRATCH/output")" -eq "$(wc -w <<<"$verbs")" ]
}

run_group_or_together() {
	if is_microvm; then
		run_together "$1"
	else
		run_group "$1"
	fi
}

@test "who wants more of everything gets what the limits say" {
	run_group resources
}

@test "who wants more files than there are gets what the limits say" {
	! is_microvm || [ "${DUET_TESTBED:-}" != 1 ] || skip "twenty files a second, through an emulated processor and its guest"
	run_group many-files 1
}

@test "processes that do not end, end; those that end oddly are reported as they ended" {
	run_group processes
}

@test "no file leads outside or gives rights" {
	run_group_or_together files
}

@test "the kernel's dangerous calls and files are not there" {
	run_group_or_together kernel
}

@test "nobody outside is reached without the network" {
	run_group_or_together network
	[ "$(wc -l <"$SCRATCH/heard")" -eq 1 ] || fail "somebody on the host was reached"
	"$SCRATCH/listener" network-caller >/dev/null || true
	wait_until 10 grep -q reached "$SCRATCH/heard" || fail "the one to be reached does not listen"
}

# Of a setting's own words the program's environment has the port for the last check.
@test "a terminal is not spoken to in the command's name" {
	! is_microvm || skip "a micro-VM has no terminal of the host's"
	local command
	printf -v command '%q ' "$DUET" --root "$ROOT" sandbox --workdir "$WORK" -- "$WORK/hostile" terminal-injector
	run timeout 60 script -qec "$command" "$SCRATCH/screen" </dev/null
	[ "$status" -eq 0 ]
	[[ "$output" == *"TIOCSTI: "* && "$output" != *BREACH* && "$output" != *injected* ]]
}
