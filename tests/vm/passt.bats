#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A micro-VM's network by passt, without any privilege over a network namespace.

load ../helpers

setup_file() {
	export DUET_ISOLATION=microvm
	command -v passt >/dev/null || skip "passt is missing"
	setup_file_bundle
	# The host, as far as these tests go: passt takes its own addresses from an interface with a default route.
	export HOST=$SCRATCH/host DUET_UNDER
	: >"$HOST"
	unshare --net="$HOST" ip link set lo up
	on_host ip link add ethernet type veth peer name far
	on_host ip link set far up
	on_host ip address add 198.51.100.1/24 dev ethernet
	on_host ip link set ethernet up
	on_host ip route add default via 198.51.100.2
	DUET_UNDER="nsenter --net=$HOST"
	mkdir -p "$BUNDLE/rootfs/www" "$SCRATCH/www"
	echo from the guest >"$BUNDLE/rootfs/www/index.html"
	echo from the host >"$SCRATCH/www/hello.txt"
}

teardown_file() {
	[ -z "${HOST:-}" ] || umount "$HOST"
	teardown_file_bundle
}

on_host() {
	nsenter --net="$HOST" "$@"
}

nobody_is_on_host() {
	[ -z "$(find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/net' -lname "net:\\[$(stat -L -c %i "$HOST")\\]" 2>/dev/null)" ]
}

answers() {
	[ "$(on_host busybox wget -q -O - "http://$1/" 2>/dev/null)" = "from the guest" ]
}

# bats test_tags=smoke
@test "connections go out and, by published ports, come in; passt ends with its micro-VM" {
	local id server
	id=$(new_id)
	# Not on_host: its shell would be killed in the server's place.
	nsenter --net="$HOST" busybox httpd -f -p 8000 -h "$SCRATCH/www" &
	server=$!
	wait_until 5 on_host busybox nc -w 1 127.0.0.1 8000 </dev/null
	configure_command sh -c 'ip -4 -o address show dev eth0; wget -q -O - http://198.51.100.1:8000/hello.txt; exec httpd -f -p 80 -h /www'
	duet_create --vm-network=passt --vm-publish=8080:80 "$id" </dev/null >"$SCRATCH/output" 2>&1
	duet start "$id"
	wait_until 30 answers 127.0.0.1:8080
	answers 198.51.100.1:8080
	cat "$SCRATCH/output"
	grep -q 'inet 10.0.2.15/24' "$SCRATCH/output"
	grep -qx 'from the host' "$SCRATCH/output"
	duet delete --force "$id"
	kill "$server"
	wait_until 10 nobody_is_on_host
	[ -z "$(duet list --quiet)" ]
}

@test "what is asked of passt in vain is refused by name" {
	configure_command true
	run --separate-stderr duet_run --vm-publish=8080:80
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"--vm-publish: it needs --vm-network=passt"* ]]
	run --separate-stderr duet_run --vm-network=passt --vm-publish=8080:x
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"--vm-publish 8080:x: "* ]]
	run --separate-stderr env PATH=/nowhere "$DUET" --root "$ROOT" run --vm --vm-network=passt -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"execute passt, for --vm-network=passt: No such file or directory"* ]]
	[ -z "$(duet list --quiet)" ]
}
