#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ps, pause, resume, update, events and kill --all, behind both walls: DUET_ISOLATION.

load helpers

setup_file() {
	setup_file_bundle
	mkdir -p "$SCRATCH/volume"
}

setup() {
	rm -f "$SCRATCH/volume"/*
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

# start_container ID SCRIPT [FILTER]: the shell script runs in a detached container with a directory shared as /volume.
start_container() {
	configure '.process.args = ["sh", "-c", $ARGS.positional[0]] | .linux.cgroupsPath = $ARGS.positional[2]
		| .mounts += [{"destination": "/volume", "type": "bind", "source": $ARGS.positional[1], "options": ["rbind", "rw"]}]
		| '"${3:-.}" "$2" "$SCRATCH/volume" "/duet-test-$1"
	duet_create "$1" </dev/null >"$SCRATCH/output" 2>&1
	duet start "$1"
	wait_until 60 test -e "$SCRATCH/volume/ready"
}

skip_in_microvm() {
	! is_microvm || skip "$1"
}

# The file of the container's cgroup in which a value stands: cgroup_value ID CONTROLLER V1_FILE V2_FILE
cgroup_value() {
	if [ -d "/sys/fs/cgroup/$2/duet-test-$1" ]; then
		cat "/sys/fs/cgroup/$2/duet-test-$1/$3"
	else
		cat "/sys/fs/cgroup/duet-test-$1/$4"
	fi
}

@test "ps lists the processes, as a table and as an array of pids" {
	local id pid
	id=$(new_id)
	start_container "$id" 'sleep 1001 & sleep 1002 & touch /volume/ready; wait'
	run --separate-stderr duet ps "$id"
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == UID*PID*PPID*C*STIME*TTY*TIME*CMD ]]
	grep -qE 'sleep 1001$' <<<"$output"
	grep -qE 'sleep 1002$' <<<"$output"
	[ "${#lines[@]}" -ge 4 ]
	run --separate-stderr duet ps --format json "$id"
	[ "$(jq length <<<"$output")" -ge 3 ]
	if ! is_microvm; then
		for pid in $(jq '.[]' <<<"$output"); do
			grep -q "duet-test-$id" "/proc/$pid/cgroup"
		done
		[ "$(jq '.[0]' <<<"$output")" -eq "$(duet state "$id" | jq .pid)" ]
	fi
	duet kill "$id" KILL
	wait_until 20 is_in_state "$id" stopped
	[ "$(duet ps -f json "$id")" = "[]" ]
	duet delete "$id"
	run --separate-stderr duet ps "$id"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"does not exist"* ]]
}

@test "ps with options of ps(1) shows their lines; in a micro-VM they are refused" {
	local id
	id=$(new_id)
	start_container "$id" 'sleep 1001 & touch /volume/ready; wait'
	if is_microvm; then
		run duet ps "$id" -ef
		[ "$status" -eq 1 ]
		[[ "$output" == *"-ef"*"micro-VM"* ]]
	else
		run duet ps "$id" -eo comm,pid,ppid
		[ "$status" -eq 0 ]
		[ "${#lines[@]}" -eq 3 ]
		[[ "${lines[0]}" == COMMAND*PID*PPID ]]
		grep -q '^sleep' <<<"$output"
		run duet ps "$id" -eo comm
		[ "$status" -eq 1 ]
		[[ "$output" == *"no column PID"* ]]
		run duet ps "$id" --no-such-option
		[ "$status" -eq 1 ]
	fi
	duet delete --force "$id"
}

counter() {
	wc -c <"$SCRATCH/volume/counter"
}

counter_moved() {
	[ "$(counter)" -gt "$1" ]
}

@test "a paused container stands still, says so, and goes on when it is resumed" {
	local id before
	id=$(new_id)
	start_container "$id" 'trap "echo caught > /volume/caught; exit 9" TERM; touch /volume/counter /volume/ready
		while :; do printf x >> /volume/counter; sleep 0.02; done'
	wait_until 60 counter_moved 0
	duet pause "$id"
	before=$(counter)
	is_in_state "$id" paused
	[ "$(duet list -f json | jq -r .[0].status)" = paused ]
	run duet pause "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *paused* ]]
	run duet delete "$id"
	[ "$status" -eq 1 ]
	duet kill "$id" TERM
	sleep 0.5
	[ "$(counter)" -eq "$before" ]
	[ ! -e "$SCRATCH/volume/caught" ]
	duet resume "$id"
	wait_until 60 test -e "$SCRATCH/volume/caught"
	wait_until 20 is_in_state "$id" stopped
	run duet resume "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"container not running"* ]]
	duet delete "$id"
}

@test "a paused container dies of KILL, and of delete --force" {
	local id
	id=$(new_id)
	start_container "$id" 'touch /volume/ready; sleep 1000'
	duet pause "$id"
	duet kill "$id" KILL
	wait_until 20 is_in_state "$id" stopped
	duet delete "$id"
	rm "$SCRATCH/volume/ready"
	start_container "$id" 'touch /volume/ready; sleep 1000'
	duet pause "$id"
	duet delete --force "$id"
}

@test "update changes limits, which hold from then on" {
	local id
	id=$(new_id)
	start_container "$id" 'touch /volume/ready; while [ ! -e /volume/fork ]; do sleep 0.1; done
		(i=0; while [ $i -lt 12 ]; do sleep 1000 & i=$((i + 1)); done) 2>/volume/refused; exec sleep 1000' \
		'.linux.resources = {"memory": {"limit": 134217728}, "pids": {"limit": 100}, "cpu": {"quota": 90000, "period": 100000}}'
	duet update --pids-limit 8 --memory 96m --cpu-quota 40000 "$id"
	touch "$SCRATCH/volume/fork"
	wait_until 60 grep -qi 'fork' "$SCRATCH/volume/refused"
	jq -e '.linux.resources | .memory.limit == 100663296 and .pids.limit == 8 and .cpu.quota == 40000 and .cpu.period == 100000' \
		"$ROOT/$id/config.json"
	if ! is_microvm; then
		[ "$(cgroup_value "$id" pids pids.max pids.max)" -eq 8 ]
		[ "$(cgroup_value "$id" memory memory.limit_in_bytes memory.max)" -eq 100663296 ]
		[[ "$(cgroup_value "$id" cpu cpu.cfs_quota_us cpu.max)" == 40000* ]]
	fi
	# What was not named stays; -1 lifts a limit.
	echo '{"pids": {"limit": -1}, "cpu": {"shares": 512}}' | duet update --resources - "$id"
	jq -e '.linux.resources | .memory.limit == 100663296 and .pids.limit == -1 and .cpu.shares == 512' "$ROOT/$id/config.json"
	if ! is_microvm; then
		[ "$(cgroup_value "$id" pids pids.max pids.max)" = max ]
		[ "$(cgroup_value "$id" memory memory.limit_in_bytes memory.max)" -eq 100663296 ]
	fi
	duet delete --force "$id"
}

@test "update refuses what is malformed, impossible or unknown, and changes nothing" {
	local id arguments before
	id=$(new_id)
	start_container "$id" 'touch /volume/ready; sleep 1000' '.linux.resources = {"memory": {"limit": 134217728}, "pids": {"limit": 50}}'
	before=$(cat "$ROOT/$id/config.json")
	while read -r arguments; do
		# shellcheck disable=SC2086
		run --separate-stderr duet update $arguments "$id" </dev/null
		[ "$status" -eq 1 ] || fail "$arguments: status $status"
		[ "$(wc -l <<<"$stderr")" -eq 1 ] || fail "$arguments: $stderr"
		[[ "$stderr" == "duet: "* ]] || fail "$arguments: $stderr"
	done <<-'END'
		--memory 12q
		--memory 1.2.3m
		--memory 99999999999g
		--memory -5
		--memory 0
		--pids-limit many
		--pids-limit 0
		--cpu-share 1
		--cpu-share -1
		--cpu-quota 5.5
		--cpu-period 10
		--cpuset-cpus 4000
		--cpuset-cpus a-b
		--blkio-weight 7
		--l3-cache-schema L3:0=f
		--resources /no/such/file
		--resources -
		--memory 64m --resources -
	END
	run duet update "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"no limit"* ]]
	run duet update --l3-cache-schema L3:0=f "$id"
	[[ "$output" == *"has no resctrl group"*linux.intelRdt* ]] || fail "$output"
	[ "$before" = "$(cat "$ROOT/$id/config.json")" ]
	if ! is_microvm; then
		[ "$(cgroup_value "$id" memory memory.limit_in_bytes memory.max)" -eq 134217728 ]
		[ "$(cgroup_value "$id" pids pids.max pids.max)" -eq 50 ]
	fi
	duet delete --force "$id"
	run duet update --pids-limit 9 "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"does not exist"* ]]
}

@test "events prints what is used in the form of runc, and ends with the container" {
	local id
	id=$(new_id)
	start_container "$id" 'touch /volume/ready; sleep 1000' '.linux.resources = {"memory": {"limit": 134217728}, "pids": {"limit": 77}}'
	run --separate-stderr duet events --stats "$id"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	jq -e --arg id "$id" '.type == "stats" and .id == $id and (.data | .cpu.usage.total > 0 and .memory.usage.usage > 0
		and .pids.current > 0 and (.blkio | type) == "object" and (.hugetlb | type) == "object")' <<<"$output"
	if is_microvm; then
		jq -e '.data.vm.guest | .memory.usage.usage > 0 and .pids.current > 0' <<<"$output"
		jq -e '[.data.vm.exits[].count] | add > 0' <<<"$output"
	else
		jq -e '.data | .memory.usage.limit == 134217728 and .pids.limit == 77 and .memory.raw != {}' <<<"$output"
	fi
	duet events --interval 200ms "$id" >"$SCRATCH/events" &
	wait_until 60 test -s "$SCRATCH/events"
	duet kill "$id" KILL
	wait $!
	jq -es 'all(.type == "stats")' "$SCRATCH/events"
	run duet events --stats "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"not running"* ]]
	for interval in 0s 5 -1s soon; do
		run duet events --interval $interval "$id"
		[ "$status" -eq 1 ]
		[[ "$output" == *"--interval"* ]]
	done
	duet delete "$id"
}

@test "events tells of a process that is killed for its memory" {
	local id events
	id=$(new_id)
	start_container "$id" 'touch /volume/ready; while [ ! -e /volume/go ]; do sleep 0.1; done
		tail /dev/zero; sleep 1000' \
		'.linux.resources = {"memory": {"limit": 134217728, "swap": 134217728}}'
	duet events --interval 500ms "$id" >"$SCRATCH/events" &
	events=$!
	wait_until 60 test -s "$SCRATCH/events"
	! grep -q '"oom"' "$SCRATCH/events"
	touch "$SCRATCH/volume/go"
	wait_until 100 grep -qx "{\"type\":\"oom\",\"id\":\"$id\"}" "$SCRATCH/events"
	duet delete --force "$id"
	wait "$events"
}

@test "kill --all reaches every process of the container" {
	local id
	id=$(new_id)
	start_container "$id" 'trap : USR1; trap "exit 3" TERM
		sh -c "trap \"echo one > /volume/one\" USR1; touch /volume/ready.1; while :; do sleep 0.1; done" &
		sh -c "trap \"echo two > /volume/two\" USR1; touch /volume/ready.2; while :; do sleep 0.1; done" &
		while [ ! -e /volume/ready.1 ] || [ ! -e /volume/ready.2 ]; do sleep 0.1; done; touch /volume/ready
		while :; do sleep 0.1; done'
	duet kill --all "$id" USR1
	wait_until 60 test -e "$SCRATCH/volume/one"
	wait_until 60 test -e "$SCRATCH/volume/two"
	duet kill "$id" TERM
	wait_until 20 is_in_state "$id" stopped
	# Engines ask for it after the end, too.
	duet kill --all "$id" 9
	duet delete "$id"
	run duet kill --all "$id" 9
	[ "$status" -eq 1 ]
	[[ "$output" == *"does not exist"* ]]
}

@test "without a pid namespace of its own a container leaves nobody behind" {
	local id child
	skip_in_microvm "a guest always has its own"
	id=$(new_id)
	start_container "$id" 'sleep 1001 & echo $! > /volume/child; touch /volume/ready; exec sleep 1002' \
		'.linux.namespaces |= map(select(.type != "pid")) | .mounts |= map(select(.type != "proc"))
		| .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	child=$(cat "$SCRATCH/volume/child")
	# TERM is the first process's alone.
	duet kill "$id" TERM
	wait_until 20 is_in_state "$id" stopped
	[ "$(duet ps -f json "$id")" = "[$child]" ]
	duet kill --all "$id" KILL
	wait_until 20 sh -c "! kill -0 $child 2>/dev/null || grep -q 'State:.Z' /proc/$child/status"
	duet delete "$id"
	rm "$SCRATCH/volume"/*
	# KILL is everybody's.
	start_container "$id" 'sleep 1001 & echo $! > /volume/child; touch /volume/ready; exec sleep 1002' \
		'.linux.namespaces |= map(select(.type != "pid")) | .mounts |= map(select(.type != "proc"))
		| .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	child=$(cat "$SCRATCH/volume/child")
	duet kill "$id" KILL
	wait_until 20 sh -c "! kill -0 $child 2>/dev/null || grep -q 'State:.Z' /proc/$child/status"
	duet delete --force "$id"
}

@test "without a cgroup the pid namespace says whose a process is; what needs a cgroup says so" {
	local id
	skip_in_microvm "the container's own processes"
	id=$(new_id)
	configure '.process.args = ["sh", "-c", "sleep 1001 & unshare -p -f sleep 1002"]
		| .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
	duet --cgroup-manager disabled run --detach -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
	wait_until 20 sh -c "'$DUET' --root '$ROOT' ps $id | grep -q 'sleep 1002\$'"
	[ "$(duet ps -f json "$id" | jq length)" -ge 3 ]
	for arguments in pause "update --pids-limit 5" "events --stats"; do
		# shellcheck disable=SC2086
		run duet $arguments "$id"
		[ "$status" -eq 1 ]
		[[ "$output" == *"no cgroup of its own"* ]] || fail "$output"
	done
	duet kill --all "$id" KILL
	wait_until 20 is_in_state "$id" stopped
	duet delete "$id"
}
