#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a micro-VM alone refuses of the network.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	setup_file_bundle
	export INSIDE=$SCRATCH/inside
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	: >"$INSIDE"
	unshare --net="$INSIDE" ip link set lo up || skip "network namespaces cannot be made here"
}

teardown() {
	umount "$INSIDE"
	assert_nothing_left
}

configure_namespace() { # PATH COMMAND…
	local path=$1
	shift
	path=$path configure '(.linux.namespaces[] | select(.type == "network")).path = env.path |
		.process.args = $ARGS.positional' "$@"
}

@test "the host's network namespace is refused by name" {
	configure_namespace /proc/1/ns/net true
	run --separate-stderr duet_run
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"path: a micro-VM cannot share the host's network namespace"* ]]
	configure 'del(.linux.namespaces[] | select(.type == "network"))'
	run --separate-stderr duet_run
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"a micro-VM cannot share the host's network namespace"* ]]
}

@test "a namespace has one micro-VM at a time, and three interfaces are too many" {
	local id
	id=$(new_id)
	nsenter --net="$INSIDE" ip link add eth0 type veth peer name far
	nsenter --net="$INSIDE" ip link add bridge type bridge
	nsenter --net="$INSIDE" ip link set far master bridge
	nsenter --net="$INSIDE" ip link set eth0 up
	configure_namespace "$INSIDE" sleep 1000
	duet_create "$id" </dev/null >/dev/null 2>&1
	run --separate-stderr duet_run
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"in use by another micro-VM"* ]]
	duet delete --force "$id"
	for name in net1 net2; do
		nsenter --net="$INSIDE" ip link add name "$name" type veth peer name "far$name"
		nsenter --net="$INSIDE" ip link set "$name" up
		nsenter --net="$INSIDE" ip link set "far$name" master bridge
	done
	run --separate-stderr duet_run
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"has 3 interfaces: a micro-VM can be given 2 at most"* ]]
	# What failed has left nothing behind, either.
	[ -z "$(nsenter --net="$INSIDE" tc filter show dev eth0 ingress)" ]
}
