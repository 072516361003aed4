#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers and micro-VMs of an ordinary user: what such a user may do works, what not is said.

load helpers

setup_file() {
	[[ ${DUET_TESTBED:-} == 1 ]] || return 0
	setup_file_bundle
	chmod 755 "$SCRATCH"
	export HOME_BUNDLE=/home/alice/bundle
	cp -a "$BUNDLE" "$HOME_BUNDLE"
	rm "$HOME_BUNDLE/config.json"
	chown -R alice: "$HOME_BUNDLE"
	as-user alice "$DUET" spec --rootless -b "$HOME_BUNDLE"
	cp "$HOME_BUNDLE/config.json" "$SCRATCH/rootless.json"
	chmod 644 "$SCRATCH/rootless.json"
}

teardown_file() {
	teardown_file_bundle
	rm -rf /home/alice/bundle
}

setup() {
	[[ ${DUET_TESTBED:-} == 1 ]] || skip "needs ordinary users: run it in the testbed"
	! is_microvm || skip "the tests name their wall themselves"
}

teardown() {
	local user state
	for user in alice bob; do
		for state in "/run/user/$(id -u $user)"/duet/*/; do
			[ ! -d "$state" ] || as-user $user "$DUET" delete --force "$(basename "$state")"
		done
	done
}

# alter FILTER [ARGUMENT…]: config.json = what `spec --rootless` wrote, through jq.
alter() {
	local filter=$1
	shift
	jq ".process.terminal = false | $filter" --args -- "$@" <"$SCRATCH/rootless.json" >"$HOME_BUNDLE/config.json"
}

alter_command() {
	alter '.process.args = $ARGS.positional' "$@"
}

# The user's own state root, wherever that is.
run_as() {
	local user=$1
	shift
	timeout -k 5 100 as-user "$user" "$DUET" "$@"
}

@test "the template of spec --rootless runs, and its root is the user" {
	local id
	id=$(new_id)
	alter_command sh -c 'id -u; cat /proc/self/uid_map; touch /dev/shm/x; echo x >/dev/null; ls /sys/class | wc -l'
	run run_as alice run -b "$HOME_BUNDLE" "$id"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 0 ]
	[[ "${lines[1]}" =~ ^\ *0\ +1000\ +1$ ]]
	[ "${lines[2]}" -gt 0 ]
	alter_command sh -c 'exit 7'
	run run_as alice run -b "$HOME_BUNDLE" "$id"
	[ "$status" -eq 7 ]
	# State is in the user's runtime directory, and nothing of it stays.
	[ -d /run/user/1000/duet ]
	[ -z "$(ls /run/user/1000/duet)" ]
}

@test "create, state, start, kill, delete; the files are the user's" {
	local id
	id=$(new_id)
	alter '.process.args = ["sh", "-c", "echo done >/mark; exec sleep 1000"] | .root.readonly = false'
	run_as alice create -b "$HOME_BUNDLE" --pid-file "$HOME_BUNDLE/pid" "$id" </dev/null >/dev/null
	[ "$(run_as alice state "$id" | jq -r .status)" = created ]
	[ "$(stat -c %U "/proc/$(cat "$HOME_BUNDLE/pid")")" = alice ]
	run_as alice start "$id"
	written() { [ "$(cat "$HOME_BUNDLE/rootfs/mark" 2>/dev/null)" = done ]; }
	wait_until 10 written
	[ "$(stat -c %U:%G "$HOME_BUNDLE/rootfs/mark")" = alice:alice ]
	# Somebody else sees nothing of it.
	run ! run_as bob state "$id"
	run_as alice kill "$id" KILL
	stopped() { [ "$(run_as alice state "$id" | jq -r .status)" = stopped ]; }
	wait_until 10 stopped
	run_as alice delete "$id"
	rm "$HOME_BUNDLE/rootfs/mark"
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]
}

@test "ranges of subordinate ids: other users inside, with newuidmap" {
	local id ranges
	id=$(new_id)
	ranges='.linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}, {containerID: 1, hostID: ($ARGS.positional[0] | tonumber), size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 1000, size: 1}, {containerID: 1, hostID: ($ARGS.positional[1] | tonumber), size: 65536}]'
	local uids gids
	uids=$(sed -n 's/^alice:\([0-9]*\):.*/\1/p' /etc/subuid)
	gids=$(sed -n 's/^alice:\([0-9]*\):.*/\1/p' /etc/subgid)
	alter "$ranges"' | .process.user = {uid: 33, gid: 34, additionalGids: [35]} | .process.args = ["sh", "-c", "id -u; id -G; cat /proc/self/status | grep ^Groups; touch /dev/shm/x; stat -c %u /dev/shm/x"]' "$uids" "$gids"
	run run_as alice run -b "$HOME_BUNDLE" "$id"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 33 ]
	[ "${lines[1]}" = "34 35" ]
	[ "${lines[3]}" = 33 ]
	# devpts with a group, which the template leaves out for a single id, works then too.
	alter "$ranges"' | (.mounts[] | select(.type == "devpts") | .options) += ["gid=5"] | .process.args = ["stat", "-c", "%g", "/dev/pts/ptmx"]' "$uids" "$gids"
	run_as alice run -b "$HOME_BUNDLE" "$id"
	# Ids that are not alice's.
	alter "$ranges" 1000000 1000000
	run run_as alice run -b "$HOME_BUNDLE" "$id"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *newuidmap* ]]
	# Without the helpers.
	alter "$ranges" "$uids" "$gids"
	run as-user alice env PATH=/nowhere "$DUET" run -b "$HOME_BUNDLE" "$id"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"newuidmap (Debian package uidmap) cannot be run"* ]]
	[ -z "$(ls /run/user/1000/duet)" ]
}

@test "other users inside need mappings" {
	alter '.process.user = {uid: 33, gid: 34}'
	run run_as alice run -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *33* || $output == *34* ]]
	alter '.process.user.additionalGids = [7]'
	run run_as alice run -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *group* ]]
}

@test "limits work in a delegated group, and are refused without one" {
	local limits='.linux.resources = {memory: {limit: 33554432}, pids: {limit: 33}} | .linux.namespaces |= map(select(.type != "cgroup"))'
	[ "$DUET_CGROUP" = v2 ] || skip "needs cgroup v2: v1 groups are not delegated"
	alter "$limits"' | .process.args = ["sh", "-c", "cat /proc/self/cgroup"]'
	run run_as alice run -b "$HOME_BUNDLE" lim
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == 0::*/user@1000.service/duet-lim ]]
	alter "$limits"' | .process.args = ["sleep", "1000"]'
	run_as alice run -d -b "$HOME_BUNDLE" lim </dev/null >/dev/null
	local group
	group=$(find /sys/fs/cgroup -type d -name duet-lim)
	[ "$(cat "$group/memory.max")" = 33554432 ]
	[ "$(cat "$group/pids.max")" = 33 ]
	run_as alice delete --force lim
	[ ! -d "$group" ]
	# A process of alice's outside of what was delegated to her.
	undelegated() { setpriv --reuid 1000 --regid 1000 --init-groups env XDG_RUNTIME_DIR=/run/user/1000 "$DUET" "$@"; }
	run undelegated run -b "$HOME_BUNDLE" lim
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"linux.resources.memory.limit"* ]]
	# Without limits it goes on in the caller's group.
	alter_command true
	undelegated run -b "$HOME_BUNDLE" lim
	[ -z "$(ls /run/user/1000/duet)" ]
}

@test "a network namespace of its own, and sysfs and loopback in it" {
	alter '.linux.namespaces += [{type: "network"}] | (.mounts[] | select(.destination == "/sys")) = {destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro", "nosuid", "noexec", "nodev"]}
		| .process.args = ["sh", "-c", "ip -o addr show lo; ls /sys/class/net"]'
	run run_as alice run -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *127.0.0.1* ]]
	[ "${lines[-1]}" = lo ]
}

@test "what needs the host's root is refused, by name" {
	# No user namespace.
	alter '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
	run run_as alice run -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *'linux.namespaces needs an entry of type "user"'* ]]
	echo 0 >/proc/sys/user/max_user_namespaces
	alter_command true
	run run_as alice run -b "$HOME_BUNDLE" "$(new_id)"
	echo 10000 >/proc/sys/user/max_user_namespaces
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"user.max_user_namespaces is 0"* ]]
	# A lower score for the out-of-memory killer.
	alter '.process.oomScoreAdj = -500'
	run run_as alice run -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *oom_score_adj* ]]
	[ -z "$(ls /run/user/1000/duet)" ]
}

@test "a volume and a terminal of the user's" {
	mkdir -p /home/alice/volume
	chown alice: /home/alice/volume
	alter '.mounts += [{destination: "/volume", type: "bind", source: "/home/alice/volume", options: ["rbind", "rw"]}]
		| .process.terminal = true | .process.args = ["sh", "-c", "tty; echo x >/volume/x"]'
	run script -qec "as-user alice $DUET run -b $HOME_BUNDLE tty" /dev/null
	echo "$output"
	[[ $output == *"/dev/pts/0"* ]]
	[ "$(stat -c %U /home/alice/volume/x)" = alice ]
	rm -r /home/alice/volume
}

@test "a micro-VM of a user who may use /dev/kvm; the clear word to one who may not" {
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	alter '.linux.namespaces += [{type: "network"}] | .process.args = ["sh", "-c", "id -u; echo hello >/volume/greeting; stat -c %u /volume/greeting; uname -n; exit 5"]
		| .mounts += [{destination: "/volume", type: "bind", source: "/home/alice/volume", options: ["rbind", "rw"]}]'
	mkdir -p /home/alice/volume
	chown alice: /home/alice/volume
	run run_as alice run --vm -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -eq 5 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	[ "$(stat -c %U /home/alice/volume/greeting)" = alice ]
	rm -r /home/alice/volume
	run run_as bob run --vm -b "$HOME_BUNDLE" "$(new_id)"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"/dev/kvm"*"Permission denied"* ]]
	[ -z "$(ls /run/user/1000/duet)" ]
}
