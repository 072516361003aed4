#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The systemd cgroup manager: what stands in systemd's books and in the group's files is the same, and nothing of it stays.

load helpers

setup_file() {
	[ -d /run/systemd/system ] || return 0
	setup_file_bundle
	chmod 755 "$SCRATCH"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	local state
	[ -d "${ROOT:-}" ] || return 0
	for state in "$ROOT"/*/; do
		[ ! -d "$state" ] || duet delete --force "$(basename "$state")"
	done
}

setup() {
	[ -d /run/systemd/system ] || skip "needs systemd as the first process: run it in the testbed with --init=systemd"
	MANAGER=--systemd-cgroup
}

# The scope's group, in the hierarchy of one v1 controller or in v2's.
group_of() {
	local scope=$1 controller=$2
	if [ "$DUET_CGROUP" = v2 ]; then
		find /sys/fs/cgroup -type d -name "$scope"
	else
		find "/sys/fs/cgroup/$controller/" -type d -name "$scope"
	fi
}

limits='.linux.resources += {memory: {limit: 67108864, reservation: 33554432}, pids: {limit: 77}, cpu: {quota: 33333, period: 100000, shares: 512}}'

# assert_limits SCOPE QUOTA: systemd keeps whole percents over a reload.
assert_limits() {
	if [ "$DUET_CGROUP" = v2 ]; then
		[ "$(cat "$(group_of "$1")/memory.max")" = 67108864 ]
		[ "$(cat "$(group_of "$1")/memory.low")" = 33554432 ]
		[ "$(cat "$(group_of "$1")/pids.max")" = 77 ]
		[ "$(cat "$(group_of "$1")/cpu.max")" = "$2 100000" ]
	else
		[ "$(cat "$(group_of "$1" memory)/memory.limit_in_bytes")" = 67108864 ]
		[ "$(cat "$(group_of "$1" pids)/pids.max")" = 77 ]
		[ "$(cat "$(group_of "$1" cpu)/cpu.cfs_quota_us")" = "$2" ]
		[ "$(cat "$(group_of "$1" cpu)/cpu.shares")" = 512 ]
	fi
}

@test "a container is a scope with its limits, also after a daemon-reload, and is gone after delete" {
	local id show
	id=$(new_id)
	configure "$limits | .process.args = [\"sleep\", \"1000\"]"
	duet $MANAGER create -b "$BUNDLE" "$id"
	duet start "$id"
	[ "$(systemctl is-active "duet-$id.scope")" = active ]
	assert_limits "duet-$id.scope" 33333
	show=$(systemctl show "duet-$id.scope" -p Slice -p Delegate -p TasksMax -p MemoryMax -p MemoryLimit -p CPUQuotaPerSecUSec)
	echo "$show"
	grep -qx Slice=system.slice <<<"$show"
	grep -qx Delegate=yes <<<"$show"
	grep -qx TasksMax=77 <<<"$show"
	grep -qxE '(MemoryMax|MemoryLimit)=67108864' <<<"$show"
	grep -qx CPUQuotaPerSecUSec=333.330ms <<<"$show"
	systemctl daemon-reload
	systemctl set-property --runtime "duet-$id.scope" "$([ "$DUET_CGROUP" = v2 ] && echo CPUWeight=200 || echo CPUShares=512)"
	assert_limits "duet-$id.scope" 33000
	# The first process is in the scope, and nothing else is: the placeholder has gone.
	[ "$(cat "$(group_of "duet-$id.scope" pids)/cgroup.procs")" = "$(duet state "$id" | jq .pid)" ]
	duet kill "$id" KILL
	wait_until 10 is_in_state "$id" stopped
	duet delete "$id"
	run ! systemctl status "duet-$id.scope"
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]
	assert_nothing_left
}

@test "device rules hold after a daemon-reload" {
	local id
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "mknod /dev/shm/mem c 1 1; while ! [ -e /dev/shm/go ]; do sleep 0.1; done; echo x >/dev/null && ! head -c 1 /dev/shm/mem"]
		| .process.capabilities |= map_values(. + ["CAP_MKNOD"])
		| .mounts |= map(if .destination == "/dev/shm" then .options = ["mode=1777"] else . end)'
	duet $MANAGER create -b "$BUNDLE" "$id"
	duet start "$id"
	systemctl daemon-reload
	systemctl set-property --runtime "duet-$id.scope" TasksMax=100
	touch "/proc/$(duet state "$id" | jq .pid)/root/dev/shm/go"
	wait_until 10 is_in_state "$id" stopped
	duet delete "$id"
	# The same in the foreground says how it ended.
	configure '.process.args = ["sh", "-c", "mknod /dev/shm/mem c 1 1; echo x >/dev/null && ! head -c 1 /dev/shm/mem 2>/dev/null"]
		| .process.capabilities |= map_values(. + ["CAP_MKNOD"])
		| .mounts |= map(if .destination == "/dev/shm" then .options = ["mode=1777"] else . end)'
	duet $MANAGER run -b "$BUNDLE" "$id"
	assert_nothing_left
}

@test "update and exec: systemd is told of new limits, and the process is in the scope" {
	local id
	id=$(new_id)
	configure_command sleep 1000
	duet $MANAGER run -d -b "$BUNDLE" "$id"
	# Without --systemd-cgroup, as engines do it.
	duet update --pids-limit 55 --memory 50331648 "$id"
	[ "$(cat "$(group_of "duet-$id.scope" pids)/pids.max")" = 55 ]
	[ "$(systemctl show "duet-$id.scope" -p TasksMax --value)" = 55 ]
	[[ $(systemctl show "duet-$id.scope" -p MemoryMax -p MemoryLimit --value) == *50331648* ]]
	systemctl daemon-reload
	[ "$(cat "$(group_of "duet-$id.scope" pids)/pids.max")" = 55 ]
	# More of the process's own, which stay in the scope.
	duet exec -d "$id" sleep 2000
	[ "$(wc -l <"$(group_of "duet-$id.scope" pids)/cgroup.procs")" = 2 ]
	duet pause "$id"
	is_in_state "$id" paused
	duet resume "$id"
	duet delete --force "$id"
	run ! systemctl status "duet-$id.scope"
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]
}

@test "slice, prefix, name and properties are those of the bundle" {
	local id show
	id=$(new_id)
	configure '.linux.cgroupsPath = "pods-test.slice:box:" + $ARGS.positional[0] | .process.args = ["sleep", "1000"]
		| .annotations = {"org.systemd.property.TimeoutStopSec": "uint64 7", "org.systemd.property.Description": "'"'a box'"'"}' "$id"
	duet $MANAGER run -d -b "$BUNDLE" "$id"
	show=$(systemctl show "box-$id.scope" -p Slice -p Description -p TimeoutStopUSec -p ControlGroup)
	echo "$show"
	grep -qx Slice=pods-test.slice <<<"$show"
	grep -qx 'Description=a box' <<<"$show"
	grep -qx TimeoutStopUSec=7s <<<"$show"
	grep -qx "ControlGroup=/pods.slice/pods-test.slice/box-$id.scope" <<<"$show"
	# The name is taken.
	run ! duet $MANAGER run -b "$BUNDLE" "$id-2"
	[[ $output == *"systemd scope box-$id.scope is in use"* ]]
	duet delete --force "$id"
	configure '.linux.cgroupsPath = "/a/path"'
	run ! duet $MANAGER run -b "$BUNDLE" "$id"
	[[ $output == *'"/a/path" is not "SLICE:PREFIX:NAME"'* ]]
	configure '.annotations = {"org.systemd.property.TasksMax": "many"}'
	run ! duet $MANAGER run -b "$BUNDLE" "$id"
	[[ $output == *'org.systemd.property.TasksMax: "many" is no value'* ]]
	assert_nothing_left
}

@test "whenever create is killed, delete leaves nothing" {
	local id moment
	configure_command sleep 1000
	for moment in 0.01 0.03 0.05 0.07 0.09 0.12 0.15 0.2 0.3; do
		id=$(new_id)
		timeout -s KILL "$moment" "$DUET" --root "$ROOT" $MANAGER create -b "$BUNDLE" "$id" || true
		duet delete --force "$id"
		no_trace() { [ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]; }
		wait_until 5 no_trace || fail "killed after $moment s: $(find /sys/fs/cgroup -type d -name "*$id*")"
	done
	assert_nothing_left
}

@test "an ordinary user's container is a scope of the user's own systemd" {
	local id
	[ "$DUET_CGROUP" = v2 ] || skip "needs cgroup v2: systemd hands no v1 controller to users"
	id=$(new_id)
	(cd "$BUNDLE" && as-user alice "$DUET" spec --rootless -b /tmp && mv /tmp/config.json "$SCRATCH/rootless.json")
	jq '.process.terminal = false | .process.args = ["sleep", "1000"] | .linux.resources = {memory: {limit: 67108864}, pids: {limit: 77}}' \
		"$SCRATCH/rootless.json" >"$BUNDLE/config.json"
	as-user alice "$DUET" $MANAGER run -d -b "$BUNDLE" "$id" </dev/null >/dev/null
	assert_user() {
		[[ $(find /sys/fs/cgroup -type d -name "duet-$id.scope") == */user@1000.service/user.slice/duet-$id.scope ]]
		[ "$(cat "$(group_of "duet-$id.scope")/memory.max")" = 67108864 ]
		[ "$(cat "$(group_of "duet-$id.scope")/pids.max")" = 77 ]
	}
	assert_user
	as-user alice "$DUET" delete --force "$id"
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*")" ]
}
