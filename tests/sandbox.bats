#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet sandbox: what the command may see and do, how it ends, what is left. DUET_ISOLATION=microvm puts it behind the other wall.

load helpers

setup_file() {
	export SCRATCH ROOT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	mkdir "$SCRATCH/work"
	chmod 755 "$SCRATCH"
	echo original >"$SCRATCH/work/file"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

teardown() {
	assert_nothing_left
	[ -z "$(find "$ROOT/.sandbox" -mindepth 1 2>/dev/null)" ] || fail "a sandbox's directory is left"
}

sandbox() {
	local vm=()
	! is_microvm || vm=(--vm)
	(cd "$SCRATCH/work" && exec timeout -k 5 120 "$DUET" --root "$ROOT" sandbox "${vm[@]}" "$@")
}

@test "the command's output and exit status are its own" {
	run sandbox -- sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[[ "$output" == *out* && "$output" == *err* ]]
	run -127 sandbox /nonexistent
	run sandbox --memory lots -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *'memory: a size like 512M, 2G or none is expected, not "lots"'* ]]
}

@test "changes to the work directory and the root vanish" {
	run sandbox -- sh -c 'echo changed >file; cat file; echo x >/etc/new && rm /etc/passwd && ls /etc/new'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = changed ]
	[ "$(cat "$SCRATCH/work/file")" = original ]
	[ ! -e /etc/new ]
	[ -e /etc/passwd ]
}

@test "a work directory can be read-only, or really written" {
	run sandbox --workdir-mode ro -- sh -c 'cat file; echo changed >file'
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = original ]
	sandbox --workdir-mode rw -- sh -c 'echo made >made'
	[ "$(cat "$SCRATCH/work/made")" = made ]
}

@test "the host's secrets are not there, and its environment neither" {
	export SECRET_TOKEN=hunter2
	run sandbox -- sh -c 'cat /etc/shadow; ls -A /root /home /run; env'
	[[ "$output" == *"/etc/shadow: No such file"* ]]
	[[ "$output" != *hunter2* ]]
	run sandbox -- sh -c "ls $ROOT"
	[ "$status" -ne 0 ]
	run sandbox --pass-env SECRET_TOKEN -- sh -c 'echo $SECRET_TOKEN'
	[ "$output" = hunter2 ]
}

@test "a timeout ends it with 124, also one that ignores TERM" {
	run sandbox --timeout 1 --grace 500ms --report "$SCRATCH/report.json" -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	[ "$status" -eq 124 ]
	[ "$(jq -r .status "$SCRATCH/report.json")" = timed-out ]
	[ "$(jq .usage.wallMs "$SCRATCH/report.json")" -lt 10000 ]
}

@test "processor time is limited" {
	run sandbox --cpu-time 1s --grace 0 --report "$SCRATCH/report.json" -- sh -c 'while :; do :; done'
	[ "$status" -eq 124 ]
	[ "$(jq -r .status "$SCRATCH/report.json")" = cpu-time-exceeded ]
}

@test "output beyond the limit is cut, and said" {
	run --separate-stderr sandbox --output-limit 1000 -- sh -c 'yes | head -c 100000'
	[ "${#output}" -le 1000 ]
	[[ "$stderr" == *"99000 bytes of output were cut"* ]]
}

@test "a reader that stops reading does not stop the clock" {
	mkfifo "$SCRATCH/fifo"
	sleep 20 <"$SCRATCH/fifo" 3>&- &
	reader=$!
	begin=$SECONDS
	status=0
	sandbox --timeout 1 --grace 0 --quiet yes >"$SCRATCH/fifo" || status=$?
	kill $reader || fail "it waited for its reader"
	rm "$SCRATCH/fifo"
	[ "$status" -eq 124 ]
	[ $((SECONDS - begin)) -lt 15 ]
}

@test "time stamps stand before each line" {
	run sandbox --time-stamps -- printf 'a\nb\n'
	[[ "${lines[0]}" =~ ^20[0-9-]+T[0-9:.]+Z\ a$ ]]
	[[ "${lines[1]}" =~ Z\ b$ ]]
}

@test "there is no network, no capability of the host's, a filter" {
	run sandbox -- sh -c 'cat /proc/net/dev | grep -c :; grep Seccomp: /proc/self/status; unshare -r true'
	[ "${lines[0]}" -eq 1 ]
	[[ "${lines[1]}" == *2 ]]
	[ "$status" -ne 0 ]
}

@test "a profile file says what options say, and what is wrong in it is named" {
	echo '{ "timeout": "1s", "grace": 0, "env": ["A=from-profile"] }' >"$SCRATCH/profile.json"
	run sandbox --profile "$SCRATCH/profile.json" -- sh -c 'echo $A; sleep 30'
	[ "$status" -eq 124 ]
	[ "${lines[0]}" = from-profile ]
	echo '{ "time": "1s" }' >"$SCRATCH/profile.json"
	run sandbox --profile "$SCRATCH/profile.json" true
	[ "$status" -eq 125 ]
	[[ "$output" == *"time: there is no such setting"* ]]
}

@test "KILL of duet itself leaves no process, no cgroup, no directory" {
	sandbox sleep 10$$0 3>&- &
	wait_until 60 sh -c "pgrep -f '^sleep 10$$0$' >/dev/null"
	kill -KILL "$(pgrep -f "^$DUET --root $ROOT sandbox" | head -n 1)"
	wait_until 10 sh -c "! pgrep -f '^sleep 10$$0$' >/dev/null"
	wait_until 10 sh -c "[ -z \"\$(find '$ROOT/.sandbox' -mindepth 1)\" ]"
}

@test "KILL of the guardian too: the next command removes what is left" {
	sandbox sleep 10$$1 3>&- &
	wait_until 60 sh -c "pgrep -f '^sleep 10$$1$' >/dev/null"
	pkill -KILL -f "^$DUET --root $ROOT sandbox"
	wait_until 10 sh -c "! pgrep -f '^$DUET --root $ROOT sandbox' >/dev/null"
	[ -z "$(duet list -q)" ]
	run -1 pgrep -f "^sleep 10$$1$"
}

@test "signals mean to the command what they mean outside" {
	run sandbox -- sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	run sandbox --timeout 1 --report "$SCRATCH/report.json" -- sleep 60
	[ "$status" -eq 124 ]
	[ "$(jq -r .signal "$SCRATCH/report.json")" = TERM ]
}
