#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What holds for container mode alone: namespaces, cgroups, user namespaces, the state of the host.

load helpers

setup_file() {
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

# The file of this process's cgroup in which a controller's value stands: cgroup_file CONTROLLER V1_FILE V2_FILE PID
cgroup_file() {
	local path
	path=$(sed -n "s/^[0-9]*:[^:]*\b$1\b[^:]*:\(.*\)/\1/p" "/proc/$4/cgroup")
	if [ -n "$path" ]; then
		echo "/sys/fs/cgroup/$1$path/$2"
	else
		echo "/sys/fs/cgroup$(sed -n 's/^0::\(.*\)/\1/p' "/proc/$4/cgroup")/$3"
	fi
}

@test "every namespace of the bundle is a new one" {
	configure '.process.args = ["sh", "-c", "for kind in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$kind; done"]'
	run duet_run
	[ "$status" -eq 0 ]
	for link in $output; do
		kind=${link%%:*}
		[ "$link" != "$(readlink "/proc/self/ns/$kind")" ] || fail "$kind is the host's"
	done
}

@test "a namespace is joined by its path" {
	local holder
	unshare -n sleep 60 &
	holder=$!
	wait_until 5 sh -c "[ \"\$(readlink /proc/$holder/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
	configure '.process.args = ["readlink", "/proc/self/ns/net"]
		| .linux.namespaces |= map(if .type == "network" then .path = $ARGS.positional[0] else . end)' "/proc/$holder/ns/net"
	run duet_run
	[ "$output" = "$(readlink "/proc/$holder/ns/net")" ]
	kill $holder
}

@test "a user namespace maps its root to somebody else" {
	chmod 755 "$SCRATCH" "$BUNDLE"
	configure '.process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map"]
		| .linux.namespaces += [{"type": "user"}]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .mounts |= map(select(.type != "mqueue"))'
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" -eq 0 ]
	[[ "${lines[1]}" == *100000* ]]
}

@test "memory, cpu and pids limits stand in the container's cgroup" {
	local id pid
	id=$(new_id)
	configure '.process.args = ["sleep", "1000"] | .linux.cgroupsPath = $ARGS.positional[0]
		| .linux.resources = {"memory": {"limit": 67108864}, "cpu": {"quota": 50000, "period": 100000}, "pids": {"limit": 20}}' \
		"/duet-test-$id"
	duet_create "$id" </dev/null
	pid=$(duet state "$id" | jq .pid)
	[ "$(cat "$(cgroup_file memory memory.limit_in_bytes memory.max "$pid")")" -eq 67108864 ]
	[ "$(cat "$(cgroup_file pids pids.max pids.max "$pid")")" -eq 20 ]
	if [ -e "$(cgroup_file cpu cpu.cfs_quota_us cpu.cfs_quota_us "$pid")" ]; then
		[ "$(cat "$(cgroup_file cpu cpu.cfs_quota_us - "$pid")")" -eq 50000 ]
	else
		[ "$(cat "$(cgroup_file cpu - cpu.max "$pid")")" = "50000 100000" ]
	fi
	duet delete --force "$id"
	[ -z "$(find /sys/fs/cgroup -name "duet-test-$id*")" ]
}

@test "a process beyond its memory limit is killed" {
	configure '.process.args = ["sh", "-c", "x=$(head -c 100000000 /dev/zero | tr \"\\0\" a); echo alive"]
		| .linux.resources = {"memory": {"limit": 33554432, "swap": 33554432}}'
	run duet_run
	[ "$status" -ne 0 ]
	[[ "$output" != *alive* ]]
}

@test "the host's devices keep their owner" {
	local before
	before=$(stat -c '%u %g %a' /dev/null)
	configure '.process.args = ["true"] | .process.user = {"uid": 1000, "gid": 1000}'
	duet_run </dev/null
	[ "$(stat -c '%u %g %a' /dev/null)" = "$before" ]
}

@test "the container's process has no descriptor but the standard ones" {
	configure_command sh -c 'ls /proc/self/fd | wc -l'
	exec 9</etc/hostname
	run duet_run
	exec 9<&-
	# Three, and the one that ls itself has open.
	[ "$output" -eq 4 ]
}

@test "the descriptors of --preserve-fds arrive" {
	configure_command sh -c 'cat <&3'
	[ "$(duet_run --preserve-fds 1 3<<<"through descriptor three")" = "through descriptor three" ]
}

@test "a created container that was killed is stopped, and can be deleted without force" {
	local id
	id=$(new_id)
	configure_command true
	duet_create "$id" </dev/null
	kill -KILL "$(duet state "$id" | jq .pid)"
	wait_until 5 sh -c "'$DUET' --root '$ROOT' state $id | grep -q stopped"
	duet delete "$id"
}

@test "start reports why the process could not be executed" {
	local id
	id=$(new_id)
	printf 'garbage' >"$BUNDLE/rootfs/garbage"
	chmod 755 "$BUNDLE/rootfs/garbage"
	configure_command /garbage
	duet_create "$id" </dev/null
	run --separate-stderr duet start "$id"
	[ "$status" -ne 0 ]
	[[ "$stderr" == *"/garbage"*"exec format error"* ]]
	duet delete --force "$id"
}

@test "errors go to the log as JSON too" {
	configure_command /no/such
	run --separate-stderr duet --log "$SCRATCH/log" --log-format json run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 127 ]
	[ "$(jq -r .level "$SCRATCH/log")" = error ]
	[[ "$(jq -r .msg "$SCRATCH/log")" == *"/no/such"* ]]
}

@test "spec writes a template that runs, and never over an existing file" {
	mkdir -p "$SCRATCH/spec"
	"$DUET" spec -b "$SCRATCH/spec"
	[ "$(jq -r '.process.args[0]' "$SCRATCH/spec/config.json")" = sh ]
	run "$DUET" spec -b "$SCRATCH/spec"
	[ "$status" -eq 1 ]
	rm -r "$SCRATCH/spec"
}

@test "features is a JSON document that names both walls" {
	run "$DUET" features
	[ "$status" -eq 0 ]
	[ "$(jq -r .ociVersionMin <<<"$output")" = 1.0.0 ]
	[[ "$(jq -r '.annotations."run.duet.isolation"' <<<"$output")" == *microvm* ]]
}

@test "a terminal: the process has one, and its output comes through" {
	configure '.process.args = ["sh", "-c", "tty; stty size"] | .process.terminal = true | .process.consoleSize = {"height": 31, "width": 97}'
	run duet_run </dev/null
	[[ "${lines[0]}" == /dev/pts/0* || "${lines[0]}" == /dev/console* ]]
	[[ "${lines[1]}" == "31 97"* ]]
}

@test "mounts add and remove: binds and tmpfs of a container that runs, inside its root alone" {
	local id user
	mkdir -p "$SCRATCH/volume" "$SCRATCH/outside"
	echo content >"$SCRATCH/volume/file"
	ln -sfn "$SCRATCH/outside" "$BUNDLE/rootfs/way-out"
	chmod 755 "$SCRATCH" "$BUNDLE"
	mkdir -p -m 777 "$BUNDLE/rootfs/new" "$BUNDLE/rootfs/tmpfs"
	for user in . '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
		| .linux.gidMappings = .linux.uidMappings | .mounts |= map(select(.type != "mqueue"))'; do
		id=$(new_id)
		configure ".process.args = [\"sleep\", \"1000\"] | $user"
		duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
		jq -n '[{destination: "/new", type: "bind", source: $ARGS.positional[0], options: ["bind", "ro"]}, {destination: "/tmpfs", type: "tmpfs", source: "tmpfs", options: ["size=64k", "nosuid"]}]' \
			--args "$SCRATCH/volume" >"$SCRATCH/mounts.json"
		duet mounts add "$id" "$SCRATCH/mounts.json"
		run duet exec "$id" sh -c 'cat /new/file; touch /new/x 2>/dev/null || echo read-only; echo x >/tmpfs/x && stat -f -c %T /tmpfs; grep -c " /new \| /tmpfs " /proc/self/mountinfo'
		[ "$output" = $'content\nread-only\ntmpfs\n2' ] || fail "$output"
		! grep -qF "$BUNDLE/rootfs/" /proc/self/mountinfo
		duet mounts remove "$id" - <"$SCRATCH/mounts.json"
		run duet exec "$id" sh -c '[ ! -e /new/file ] && [ ! -e /tmpfs/x ] && ! grep " /new \| /tmpfs " /proc/self/mountinfo'
		[ "$status" -eq 0 ]
		run duet mounts remove "$id" "$SCRATCH/mounts.json"
		[ "$status" -eq 1 ]
		[[ "$output" == *'unmount "/tmpfs" in the container (nothing is mounted there)'* ]] || fail "$output"
		duet delete --force "$id"
	done
	id=$(new_id)
	configure_command sleep 1000
	duet run -d -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	# A link of the image's leads nowhere but inside.
	echo '{"mounts": [{"destination": "/way-out/x", "type": "tmpfs", "source": "tmpfs"}]}' | duet mounts add "$id" -
	[ -z "$(ls "$SCRATCH/outside")" ]
	duet exec "$id" sh -c "grep -q ' $SCRATCH/outside/x ' /proc/self/mountinfo"
	run duet mounts add "$id" - <<<'[{"destination": "/new", "type": "proc", "source": "proc"}]'
	[ "$status" -eq 1 ]
	[[ "$output" == *'mount at "/new": only binds and tmpfs can be added'* ]] || fail "$output"
	run duet mounts add "$id" - <<<'[{"destination": "/new", "type": "bind", "source": "/no/such/thing", "options": ["bind"]}]'
	[ "$status" -eq 1 ]
	[[ "$output" == *"/no/such/thing"*"No such file or directory"* ]] || fail "$output"
	run duet mounts add "$id" - <<<'[{"destination": 5}]'
	[[ "$output" == *"[0].destination"* ]] || fail "$output"
	run duet mounts turn "$id" /dev/null
	[[ "$output" == *"add and remove are there"* ]]
	duet kill "$id" KILL
	wait_until 10 is_in_state "$id" stopped
	run duet mounts add "$id" "$SCRATCH/mounts.json"
	[[ "$output" == *"container not running"* ]] || fail "$output"
	duet delete "$id"
	rm -r "$BUNDLE/rootfs/new" "$BUNDLE/rootfs/tmpfs" "$BUNDLE/rootfs/way-out" "$BUNDLE/rootfs$SCRATCH" "$SCRATCH/volume" "$SCRATCH/outside"
}
