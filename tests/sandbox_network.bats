#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet sandbox --net=user: what it reaches and what not. The host that it runs on here is a network namespace, the world another one beside it;
# no packet leaves the machine. DUET_ISOLATION=microvm puts the sandbox behind the other wall.

load helpers

setup_file() {
	command -v passt >/dev/null || skip "needs passt"
	export SCRATCH ROOT HOST WORLD
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	mkdir "$SCRATCH/work" "$SCRATCH/pages"
	chmod 755 "$SCRATCH"
	echo page >"$SCRATCH/pages/index.html"
	echo "nameserver 198.51.100.7" >"$SCRATCH/resolv.conf"
	[ -e /etc/resolv.conf ] || touch /etc/resolv.conf
	unshare -n sleep 600 3>&- &
	WORLD=$!
	unshare -nm --propagation private sleep 600 3>&- &
	HOST=$!
	wait_until 5 sh -c "[ \"\$(readlink /proc/$HOST/ns/net)\" != \"\$(readlink /proc/$$/ns/net)\" ] &&
		[ \"\$(readlink /proc/$HOST/ns/mnt)\" != \"\$(readlink /proc/$$/ns/mnt)\" ] &&
		[ \"\$(readlink /proc/$WORLD/ns/net)\" != \"\$(readlink /proc/$$/ns/net)\" ]"
	on_host mount --bind "$SCRATCH/resolv.conf" /etc/resolv.conf
	on_host ip link set lo up
	on_host ip link add outside type veth peer name inside netns "$WORLD"
	in_world ip link set lo up
	in_world ip link set inside up
	on_host ip link set outside up
	in_world ip address add 198.51.100.7/24 dev inside
	in_world ip address add 198.51.100.8/24 dev inside
	in_world ip -6 address add 2001:db8::7/64 dev inside nodad
	on_host ip address add 198.51.100.1/24 dev outside
	on_host ip -6 address add 2001:db8::1/64 dev outside nodad
	on_host ip route add default via 198.51.100.7
	on_host ip -6 route add default via 2001:db8::7
	nsenter -t "$WORLD" -n "$BUILD/tests/tools/name_server" 198.51.100.7 good.example=198.51.100.7 six.example=2001:db8::7 other.example=198.51.100.8 \
		host.example=169.254.169.254 >>"$SCRATCH/asked" 3>&- &
	echo $! >"$SCRATCH/pids"
	nsenter -t "$WORLD" -n busybox httpd -f -p 80 -h "$SCRATCH/pages" 3>&- &
	echo $! >>"$SCRATCH/pids"
	nsenter -t "$WORLD" -n busybox httpd -f -p 81 -h "$SCRATCH/pages" 3>&- &
	echo $! >>"$SCRATCH/pids"
	wait_until 10 listening udp 53
	wait_until 10 listening tcp 80
	wait_until 10 listening tcp 81
	# get ADDRESS PORT: a page by HTTP; its status says whether it came.
	cat >"$SCRATCH/work/get" <<-'END'
		get() { timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && grep -q page <&3' "$@" 2>/dev/null; }
	END
}

teardown_file() {
	[ -n "${HOST:-}" ] || return 0
	# shellcheck disable=SC2046
	kill $(cat "$SCRATCH/pids") "$HOST" "$WORLD" || true
	rm -rf "$SCRATCH"
}

teardown() {
	assert_no_sandbox_left
	wait_until 5 nobody_on_host || fail "a process is left: $(pgrep -a passt)"
}

on_host() { nsenter -t "$HOST" -n -m "$@"; }
in_world() { nsenter -t "$WORLD" -n "$@"; }

nobody_on_host() {
	local namespace process
	namespace=$(readlink "/proc/$HOST/ns/net")
	for process in /proc/[0-9]*; do
		[ "$(readlink "$process/ns/net" 2>/dev/null)" != "$namespace" ] || [ "$process" = "/proc/$HOST" ] || return 1
	done
}

# listening tcp|udp PORT
listening() {
	in_world ss -H -l -n "--$1" "sport = $2" | grep -q .
}

sandbox() {
	local vm=()
	! is_microvm || vm=(--vm)
	on_host timeout -k 5 120 "$DUET" --root "$ROOT" sandbox "${vm[@]}" --workdir "$SCRATCH/work" "$@"
}

report() {
	jq -c "$1" "$SCRATCH/report.json"
}

@test "an outgoing network reaches names and addresses of both families, and no metadata service" {
	run sandbox --net user --report "$SCRATCH/report.json" -- bash -c '. ./get; get good.example 80; echo $?; get 198.51.100.8 81; echo $?
		get six.example 80; echo $?; get 169.254.169.254 80; echo $?'
	echo "$output"
	[ "$output" = $'0\n0\n0\n1' ]
	[ "$(report .network.refused)" = '[{"what":"tcp 169.254.169.254:80","count":1}]' ]
	[ "$(report '.network.receivedBytes > 300 and .network.sentBytes > 300')" = true ]
}

@test "with a list only its names are asked for, and only their addresses and ports reached" {
	: >"$SCRATCH/asked"
	run sandbox --net user --allow-host good.example:80 --allow-host '*.example.org' --allow-host host.example --report "$SCRATCH/report.json" -- bash -c '
		. ./get; get 198.51.100.7 80; echo $?; get good.example 80; echo $?; get good.example 81; echo $?; get 198.51.100.8 80; echo $?
		get other.example 80; echo $?; get 2001:db8::7 80; echo $?; get secret.attacker.test 80; echo $?; get host.example 80; echo $?
		# A name server of its own choice is none.
		exec 3<>/dev/udp/198.51.100.7/53; echo question >&3; cat <&3'
	echo "$output"
	[ "${lines[*]:0:8}" = "1 0 1 1 1 1 1 1" ]
	report .network
	[ "$(report '[.network.refused[].what] | contains(["tcp 198.51.100.7:80", "tcp 198.51.100.7:81", "tcp 198.51.100.8:80", "dns other.example",
		"tcp [2001:db8::7]:80", "dns secret.attacker.test", "dns host.example is 169.254.169.254", "udp 198.51.100.7:53"])')" = true ]
	! grep -qv -e '^good.example$' -e '^host.example$' "$SCRATCH/asked"
}

@test "a published port of the host is a port of the sandbox" {
	vm=
	! is_microvm || vm=--vm
	nsenter -t "$HOST" -n -m "$DUET" --root "$ROOT" sandbox $vm --workdir "$SCRATCH/work" --net user --allow-host 192.0.2.1 --publish 8080:80 \
		-- busybox httpd -f -p 80 -h /etc 3>&- &
	duet=$!
	wait_until 60 on_host timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET /passwd HTTP/1.0\r\n\r\n" >&3 && grep -q "200 OK" <&3' 2>/dev/null
	kill -TERM $duet
	wait $duet || true
}

@test "nothing that does not fit together is accepted, and a missing program is named" {
	run sandbox --allow-host good.example true
	[ "$status" -eq 125 ]
	run sandbox --net user --publish 80 true
	[ "$status" -eq 125 ]
	run sandbox --net user --allow-host 'bad name' true
	[ "$status" -eq 125 ]
	run env PATH=/nowhere "$(command -v nsenter)" -t "$HOST" -n -m "$DUET" --root "$ROOT" sandbox --workdir "$SCRATCH/work" --net user true
	[ "$status" -eq 125 ]
	[[ "$output" == *"needs the program passt"* ]]
}
