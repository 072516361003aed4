#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Which descriptors a container's processes and its hooks have: those on the list and no other, whatever the caller has open.

load helpers

setup_file() {
	setup_file_bundle
	cp "$BUILD/tests/tools/descriptors" "$BUNDLE/rootfs/bin/"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	# A directory of the host, a file, a pipe and a socket pair's like, none of them close-on-exec.
	exec 5</ 6</etc/passwd 7<>"$SCRATCH/file" 20<"$SCRATCH" 21</proc
}

teardown() {
	exec 5<&- 6<&- 7<&- 20<&- 21<&-
	[ -z "${ID:-}" ] || duet delete --force "$ID"
	assert_nothing_left
}

# only_allowed TEXT ALLOWED…: each line of TEXT is "N TARGET" and matches one of the patterns.
only_allowed() {
	local line pattern found text=$1
	shift
	[ -n "$text" ] || fail "there is no descriptor at all"
	while read -r line; do
		found=
		for pattern; do
			# shellcheck disable=SC2053
			[[ $line == $pattern ]] && found=yes
		done
		[ -n "$found" ] || fail "descriptor $line"
	done <<<"$text"
}

# descriptors_of PID: the same list, seen from the host.
descriptors_of() {
	local fd
	for fd in "/proc/$1/fd"/*; do
		echo "${fd##*/} $(readlink "$fd")"
	done
}

@test "run: the standard ones" {
	configure_command descriptors
	only_allowed "$(duet_run </dev/null 2>/dev/null | cat)" '0 *' '1 pipe:*' '2 *'
	configure '.process.args = ["descriptors"] | .process.terminal = true'
	only_allowed "$(duet_run </dev/null | tr -d '\r')" '[012] /dev/pts/0' '[012] /dev/console'
}

@test "create: the standard ones and the socket that listens for start; then the standard ones" {
	is_microvm && skip "the process is a monitor: tests/vm has its list"
	local pid
	ID=$(new_id)
	configure_command sleep 1000
	duet --log "$SCRATCH/log" create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	pid=$(duet state "$ID" | jq .pid)
	only_allowed "$(descriptors_of "$pid")" '[012] /dev/null' '* socket:*' "* $SCRATCH/log"
	[ "$(descriptors_of "$pid" | grep -c socket:)" -eq 1 ]
	duet start "$ID"
	only_allowed "$(descriptors_of "$pid")" '[012] /dev/null'
	[ "$(descriptors_of "$pid" | wc -l)" -eq 3 ]
}

@test "a created container keeps no pipe of its creator open" {
	is_microvm && skip "the process is a monitor"
	ID=$(new_id)
	configure_command true
	# cat ends when nobody holds the other end of its pipe any more.
	timeout 20 bash -c '"$0" --root "$1" create -b "$2" "$3" 9>&1 </dev/null >/dev/null 2>&1 | timeout 10 cat' "$DUET" "$ROOT" "$BUNDLE" "$ID"
}

@test "exec: the standard ones, in the foreground, with a terminal and detached" {
	ID=$(new_id)
	configure_command sleep 1000
	duet_create "$ID" </dev/null >/dev/null 2>&1
	duet start "$ID"
	only_allowed "$(duet exec "$ID" descriptors </dev/null 2>/dev/null | cat)" '0 *' '1 pipe:*' '2 *'
	only_allowed "$(duet exec --tty "$ID" descriptors </dev/null | tr -d '\r')" '[012] /dev/pts/*'
	is_microvm && return
	duet exec --detach --pid-file "$SCRATCH/pid" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
	only_allowed "$(descriptors_of "$(cat "$SCRATCH/pid")")" '[012] /dev/null'
}

@test "--preserve-fds: these and no more, for run and exec" {
	is_microvm && skip "a micro-VM refuses --preserve-fds"
	configure_command descriptors
	only_allowed "$(duet_run --preserve-fds 2 </dev/null 2>/dev/null 3<"$SCRATCH/file" 4<"$SCRATCH/file" | cat)" '0 *' '1 *' '2 *' "3 $SCRATCH/file" "4 $SCRATCH/file"
	ID=$(new_id)
	configure_command sleep 1000
	duet create --preserve-fds 2 -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3<"$SCRATCH/file" 4<"$SCRATCH/file"
	duet start "$ID"
	only_allowed "$(descriptors_of "$(duet state "$ID" | jq .pid)")" '[012] /dev/null' "[34] $SCRATCH/file"
	only_allowed "$(duet exec --preserve-fds 1 "$ID" descriptors </dev/null 2>/dev/null 3<"$SCRATCH/file" | cat)" '0 *' '1 *' '2 *' "3 $SCRATCH/file"
}

@test "hooks of every kind: the standard ones" {
	is_microvm && skip "the hooks of a micro-VM are another matter"
	configure '.process.args = ["true"] | .hooks = (["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
		| map({key: ., value: [{path: $ARGS.positional[0], args: ["descriptors", ($ARGS.positional[1] + "/hook." + .)]}]})
		| from_entries) | .hooks.startContainer = [{path: "/bin/descriptors", args: ["descriptors", "/hook.startContainer"]}]' \
		"$BUILD/tests/tools/descriptors" "$SCRATCH"
	duet_run </dev/null >/dev/null 2>&1
	for hook in "$SCRATCH"/hook.{prestart,createRuntime,createContainer,poststart,poststop} "$BUNDLE/rootfs/hook.startContainer"; do
		only_allowed "$(cat "$hook")" '0 /memfd:*' '1 *' '2 /dev/null' || fail "${hook##*/}"
		[ "$(wc -l <"$hook")" -eq 3 ] || fail "${hook##*/}: $(cat "$hook")"
		rm "$hook"
	done
}
