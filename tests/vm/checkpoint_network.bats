#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A micro-VM's terminal and its network, after it was written to disk and went on from there.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
	mkdir -p "$BUNDLE/rootfs/work"
	export OUTSIDE=$SCRATCH/outside INSIDE=$SCRATCH/inside
	printf 'Hello from outside\n' >"$SCRATCH/hello.txt"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	[ -x "$BUILD/tests/tools/receive_fd" ] || skip "tests/tools/receive_fd is missing"
	make_network_namespaces "$OUTSIDE" "$INSIDE"
	in_namespace "$OUTSIDE" ip link add v10 type veth peer name eth0 netns "$INSIDE" 2>/dev/null || skip "veth interfaces cannot be made here"
	in_namespace "$OUTSIDE" ip addr add 10.77.10.1/24 dev v10
	in_namespace "$OUTSIDE" ip link set v10 up
	in_namespace "$INSIDE" ip addr add 10.77.10.2/24 dev eth0
	in_namespace "$INSIDE" ip link set eth0 up
}

teardown() {
	[ -z "${id:-}" ] || duet delete --force "$id"
	[ -z "${next:-}" ] || duet delete --force "$next"
	end_network_namespaces "$OUTSIDE" "$INSIDE"
	assert_nothing_left
}

in_namespace() { # FILE COMMAND…
	local namespace=$1
	shift
	nsenter --net="$namespace" "$@"
}

# receive WORD: takes the terminal's other side, types the word there and reads what comes.
receive() {
	rm -f "$SCRATCH/console"
	"$BUILD/tests/tools/receive_fd" "$SCRATCH/console" sh -c "echo $1 >&3; exec cat <&3 >'$SCRATCH/screen.$1'" >/dev/null 2>&1 3>&- &
	receiver=$!
	wait_until 10 test -S "$SCRATCH/console"
}

has_fetched() {
	[ "$(tail -n 1 "$BUNDLE/rootfs/work/numbers" 2>/dev/null || echo 0)" -ge "$1" ] 2>/dev/null
}

refused() {
	next=$(new_id)
	run duet restore -d --image-path "$SCRATCH/image" "$@" -b "$BUNDLE" "$next" </dev/null
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "a terminal and a network come back; where either is another one that is said" {
	local last
	in_namespace "$OUTSIDE" busybox httpd -f -p 8000 -h "$SCRATCH" 3>&- &
	configure '(.linux.namespaces[] | select(.type == "network")).path = env.INSIDE | .process.terminal = true |
		.process.args = ["sh", "-c", "while :; do i=$((i + 1))
			wget -q -O - http://10.77.10.1:8000/hello.txt | grep -q outside && echo $i >>/work/numbers; sleep 0.2; done &
			while read word; do echo heard $word; done"]'
	receive first
	id=$(new_id)
	duet run --vm -d --console-socket "$SCRATCH/console" -b "$BUNDLE" "$id"
	wait_until 90 has_fetched 2
	wait_until 30 grep -q 'heard first' "$SCRATCH/screen.first"
	duet checkpoint --image-path "$SCRATCH/image" "$id"
	kill "$receiver" 2>/dev/null || true

	cp "$BUNDLE/config.json" "$SCRATCH/own.json"
	jq '.process.terminal = false' "$SCRATCH/own.json" >"$BUNDLE/config.json"
	refused
	[[ "$output" == *"its container has a terminal, and this one has not"* ]]
	cp "$SCRATCH/own.json" "$BUNDLE/config.json"
	in_namespace "$INSIDE" ip addr add 10.77.10.3/24 dev eth0
	receive unused
	refused --console-socket "$SCRATCH/console"
	[[ "$output" == *"the interfaces, addresses or routes of the network namespace are not those that its guest has"* ]]
	in_namespace "$INSIDE" ip addr del 10.77.10.3/24 dev eth0
	kill "$receiver" 2>/dev/null || true

	last=$(tail -n 1 "$BUNDLE/rootfs/work/numbers")
	receive second
	next=$(new_id)
	duet restore -d --image-path "$SCRATCH/image" --console-socket "$SCRATCH/console" -b "$BUNDLE" "$next" </dev/null
	wait_until 60 has_fetched $((last + 2))
	wait_until 30 grep -q 'heard second' "$SCRATCH/screen.second"
	duet exec "$next" sh -c '[ "$(readlink /proc/1/fd/1)" = /dev/pts/0 ]'
	kill "$receiver" 2>/dev/null || true
}
