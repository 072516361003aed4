#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The network behind both walls: what an engine puts into the container's network namespace is what the container has.

load helpers

# Two network namespaces of the test's own, held by files: OUTSIDE plays the host, INSIDE is the container's.
setup_file() {
	setup_file_bundle
	export OUTSIDE=$SCRATCH/outside INSIDE=$SCRATCH/inside
	printf 'Hello from outside\n' >"$SCRATCH/hello.txt"
	head -c $((8 << 20)) /dev/urandom >"$SCRATCH/large"
	cp "$SCRATCH/large" "$SCRATCH/hello.txt" "$BUNDLE/rootfs/"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	make_network_namespaces "$OUTSIDE" "$INSIDE"
}

teardown() {
	end_network_namespaces "$OUTSIDE" "$INSIDE"
	assert_nothing_left
}

outside() {
	nsenter --net="$OUTSIDE" "$@"
}

inside() {
	nsenter --net="$INSIDE" "$@"
}

# connect NAME NUMBER [MTU]: an interface inside, joined to one outside, as CNI's and netavark's are.
connect() {
	local name=$1 number=$2 mtu=${3:-1500}
	outside ip link add "v$number" mtu "$mtu" address "02:00:00:00:$number:01" type veth peer name "$name" mtu "$mtu" \
		address "02:00:00:00:$number:02" netns "$INSIDE" 2>/dev/null ||
		fail "interfaces cannot be made here"
	outside ip addr add "10.77.$number.1/24" dev "v$number"
	outside ip -6 addr add "fd77:$number::1/64" dev "v$number" nodad
	outside ip link set "v$number" up
	inside ip addr add "10.77.$number.2/24" dev "$name"
	inside ip -6 addr add "fd77:$number::2/64" dev "$name" nodad
	inside ip link set "$name" up
}

# configure_network FILTER [ARGUMENT…]: as configure, in the network namespace INSIDE.
configure_network() {
	local filter=$1
	shift
	configure '(.linux.namespaces[] | select(.type == "network")).path = env.INSIDE | '"$filter" "$@"
}

in_network() {
	configure_network '.process.args = $ARGS.positional' "$@"
}

serve_outside() {
	outside busybox httpd -f -p "$1" -h "$SCRATCH" &
	wait_until 5 outside busybox nc -w 1 127.0.0.1 "$1" </dev/null
}

@test "the container has the namespace's interface: name, MAC, MTU, addresses, routes, neighbours" {
	connect eth0 10 1400
	inside ip route add default via 10.77.10.1
	inside ip route add 10.88.0.0/16 via 10.77.10.9 metric 7
	inside ip -6 route add default via fd77:10::1
	inside ip neigh add 10.77.10.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
	# Made a moment after the interface is up.
	wait_until 5 sh -c 'nsenter --net="$INSIDE" ip -6 addr show dev eth0 | grep -q fe80'
	in_network sh -c 'ip addr; ip route; ip -6 route; ip neigh'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *"eth0"*"mtu 1400"*"02:00:00:00:10:02"* ]]
	[[ "$output" == *"inet 10.77.10.2/24"* ]]
	[[ "$output" == *"inet6 fd77:10::2/64"* ]]
	[[ "$output" == *"inet6 fe80::"* ]]
	[[ "$output" == *"default via 10.77.10.1 dev eth0"* ]]
	[[ "$output" == *"10.88.0.0/16 via 10.77.10.9 dev eth0"*"metric 7"* ]]
	[[ "$output" == *"default via fd77:10::1 dev eth0"* ]]
	[[ "$output" == *"10.77.10.99 dev eth0 lladdr 02:00:00:00:00:99"*PERMANENT* ]]
}

# bats test_tags=smoke
@test "connections go out by both families, through two interfaces, and data arrive unchanged" {
	connect eth0 10
	connect net1 20 9000
	serve_outside 8000
	in_network sh -c 'for a in 10.77.10.1 10.77.20.1 "[fd77:10::1]" "[fd77:20::1]"; do
		wget -q -O - "http://$a:8000/hello.txt" || exit 1; done
		wget -q -O - http://10.77.10.1:8000/large | sha256sum; wget -q -O - http://10.77.20.1:8000/large | sha256sum'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c 'Hello from outside' <<<"$output")" -eq 4 ]
	[ "$(grep -c "^$(sha256sum <"$SCRATCH/large" | cut -d' ' -f1)" <<<"$output")" -eq 2 ]
}

# The second micro-VM goes on from the first one's template: nothing of its network may be the first one's.
@test "one container after another has its own interface, not the one of the container before" {
	local number
	serve_outside 8000
	for number in 50 51; do
		connect "net$number" "$number"
		in_network sh -c "ip -o link show net$number; wget -q -O - http://10.77.$number.1:8000/hello.txt"
		run --separate-stderr timeout -k 5 120 "$DUET" --debug --root "$ROOT" run ${DUET_ISOLATION:+--isolation="$DUET_ISOLATION"} \
			-b "$BUNDLE" "$(new_id)"
		echo "$output $stderr"
		[ "$status" -eq 0 ]
		[[ "$output" == *"02:00:00:00:$number:02"*"Hello from outside" ]]
		outside ip link del "v$number"
	done
	! is_microvm || [[ "$stderr" == *"goes on from a template"* ]]
}

@test "connections come in, as to a published port, and data arrive unchanged" {
	local id
	id=$(new_id)
	connect eth0 10
	inside ip route add default via 10.77.10.1
	in_network httpd -f -p 80 -h /
	duet_create "$id" </dev/null >/dev/null 2>&1
	duet start "$id"
	wait_until 20 outside busybox wget -q -O "$SCRATCH/got" http://10.77.10.2/hello.txt
	grep -q 'Hello from outside' "$SCRATCH/got"
	outside busybox wget -q -O - 'http://[fd77:10::2]/hello.txt' | grep -q 'Hello from outside'
	[ "$(outside busybox wget -q -O - http://10.77.10.2/large | sha256sum)" = "$(sha256sum <"$SCRATCH/large")" ]
	# Forwarded from another address of the host's, as engines forward ports.
	if command -v socat >/dev/null; then
		outside socat TCP-LISTEN:8080,fork,reuseaddr TCP:10.77.10.2:80 &
		wait_until 5 outside busybox wget -q -O "$SCRATCH/got" http://127.0.0.1:8080/hello.txt
		grep -q 'Hello from outside' "$SCRATCH/got"
	fi
	duet delete --force "$id"
}

@test "echo requests are answered in both directions" {
	connect eth0 10
	configure_network '.process.args = $ARGS.positional | .process.capabilities[] |= (. + ["CAP_NET_RAW"] | unique)' \
		sh -c 'ping -c 2 -W 5 10.77.10.1 && ping -6 -c 2 -W 5 fd77:10::1'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	in_network sleep 1000
	local id
	id=$(new_id)
	duet_create "$id" </dev/null >/dev/null 2>&1
	wait_until 20 outside busybox ping -c 1 -W 1 10.77.10.2
	outside busybox ping -6 -c 1 -W 5 fd77:10::2
	duet delete --force "$id"
}

@test "a network namespace of the container's own has the loopback interface alone, and it is up" {
	configure_command sh -c 'ls /sys/class/net; ping -c 1 127.0.0.1 >/dev/null 2>&1; ip addr show lo'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = lo ]
	[[ "$output" == *"LOOPBACK,UP"*"127.0.0.1/8"* ]]
	[[ "$output" != *eth0* ]]
}

@test "what a createRuntime hook puts into the namespace is there" {
	cat >"$SCRATCH/hook" <<-HOOK
		#!/bin/sh
		pid=\$(jq .pid)
		nsenter --net=$OUTSIDE ip link add h0 type veth peer name eth0 netns "\$pid" &&
		nsenter --net=$OUTSIDE ip addr add 10.77.30.1/24 dev h0 && nsenter --net=$OUTSIDE ip link set h0 up &&
		nsenter --net="/proc/\$pid/ns/net" ip addr add 10.77.30.2/24 dev eth0 &&
		nsenter --net="/proc/\$pid/ns/net" ip link set eth0 up
	HOOK
	chmod 755 "$SCRATCH/hook"
	serve_outside 8000
	configure '.process.args = $ARGS.positional | .hooks.createRuntime = [{path: "\(env.SCRATCH)/hook"}]' \
		wget -q -O - http://10.77.30.1:8000/hello.txt
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "Hello from outside" ]
}

@test "a network namespace serves one container after the other" {
	connect eth0 10
	serve_outside 8000
	in_network wget -q -O - http://10.77.10.1:8000/hello.txt
	[ "$(duet_run)" = "Hello from outside" ]
	inside busybox wget -q -O - http://10.77.10.1:8000/hello.txt
	[ "$(duet_run)" = "Hello from outside" ]
	[ -z "$(inside tc filter show dev eth0 ingress)" ]
	[ -z "$(inside ip -o link | grep tap)" ]
}
