#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# containerd drives the runtime through its shim, asked by ctr; what it asked for is looked at from inside the container.

load helpers
load containerd

setup_file() {
	setup_containerd
}

teardown_file() {
	teardown_containerd
}

setup() {
	name=t$BATS_TEST_NUMBER-$RANDOM
}

# Nothing of a test stays.
teardown() {
	local id
	for id in $(ctr tasks list -q); do
		ctr tasks delete --force "$id" >/dev/null || true
	done
	for id in $(ctr containers list -q); do
		ctr containers delete "$id"
	done
}

# ctr_run [OPTION…] ID COMMAND…: in the foreground, gone afterwards. ctr_create: in the background.
ctr_run() {
	ctr run --rm --runc-binary "$RUNTIME" "${options[@]}" "$IMAGE" "$@"
}

ctr_start() {
	ctr run -d --runc-binary "$RUNTIME" "${options[@]}" "$IMAGE" "$@"
}

# inside COMMAND…: by exec, in the container $name.
inside() {
	ctr tasks exec --exec-id "e$RANDOM" "$name" "$@"
}

is_task() {
	[ "$(ctr tasks list | awk -v id="$1" '$1 == id { print $3 }')" = "$2" ]
}

# bats test_tags=vm
@test "run: output, error, environment, directory and status" {
	options=(--env WORD=hello --cwd /tmp)
	run --separate-stderr ctr_run "$name" sh -c 'echo $WORD; pwd; echo problem >&2; exit 7'
	[ "$status" -eq 7 ]
	equal "$output" $'hello\n/tmp'
	equal "$stderr" problem
}

# bats test_tags=vm
@test "run: what cannot be executed is named, and nothing of it stays" {
	options=()
	run ctr_run "$name" no-such-command
	[ "$status" -ne 0 ]
	like "$output" '*"no-such-command"*executable file not found in $PATH*'
	run ctr_run "$name" /not-executable
	[ "$status" -ne 0 ]
	like "$output" '*"/not-executable"*permission denied*'
	run ctr_run "$name" /no/such/file
	[ "$status" -ne 0 ]
	like "$output" '*"/no/such/file"*no such file or directory*'
	equal "$(ctr tasks list -q)" ""
}

# bats test_tags=vm
@test "run -t: a terminal of the caller's size, resized with it" {
	expect_terminal ctr run --rm -t --runc-binary "$RUNTIME" "$IMAGE" "$name" sh -c "$TERMINAL_SCRIPT"
}

# bats test_tags=vm
@test "tasks: created, running, signalled, stopped, deleted" {
	options=()
	ctr containers create --runtime io.containerd.runc.v2 "$IMAGE" "$name" sleep 1000 2>/dev/null || true
	ctr containers delete "$name"
	ctr_start "$name" sh -c 'trap "exit 9" USR1; touch /ready; while :; do sleep 0.1; done'
	is_task "$name" RUNNING
	wait_until 5 inside test -e /ready
	ctr tasks kill --signal USR1 "$name"
	wait_until 10 is_task "$name" STOPPED
	like "$(ctr tasks delete "$name" 2>&1)" '*exit code 9*'
	equal "$(ctr tasks list -q)" ""
}

# bats test_tags=vm
@test "kill --all reaches every process" {
	options=()
	ctr_start "$name" sh -c 'sleep 999 & sleep 1000; true'
	wait_until 5 eval '[ "$(ctr tasks ps "$name" | wc -l)" -ge 4 ]'
	ctr tasks kill --all --signal KILL "$name"
	wait_until 10 is_task "$name" STOPPED
	like "$(ctr tasks delete "$name" 2>&1)" '*exit code 137*'
}

# bats test_tags=vm
@test "exec: output, directory, user and status, also of what cannot be executed" {
	options=()
	ctr_start "$name" sleep 1000
	run --separate-stderr ctr tasks exec --exec-id one --cwd /tmp --user alice "$name" sh -c 'id -u; pwd; echo problem >&2; exit 7'
	[ "$status" -eq 7 ]
	equal "$output" $'1000\n/tmp'
	equal "$stderr" problem
	run ctr tasks exec --exec-id two "$name" no-such-command
	[ "$status" -ne 0 ]
	like "$output" '*"no-such-command"*executable file not found*'
	run ctr tasks exec --exec-id three "$name" sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
}

# bats test_tags=vm
@test "exec -t: a terminal of the caller's size, resized with it" {
	options=()
	ctr_start "$name" sleep 1000
	expect_terminal ctr tasks exec -t --exec-id one "$name" sh -c "$TERMINAL_SCRIPT"
}

@test "exec: what runs on is in the list of processes and dies with the container" {
	options=()
	ctr_start "$name" sleep 1000
	ctr tasks exec -d --exec-id one "$name" sleep 999
	wait_until 5 eval '[ "$(ctr tasks ps "$name" | wc -l)" -eq 3 ]'
	like "$(ctr tasks ps "$name")" '*ExecID:*one*'
	pid=$(ctr tasks list | awk -v id="$name" '$1 == id { print $2 }')
	like "$(ctr tasks ps "$name")" "*$pid*"
	ctr tasks kill --signal KILL "$name"
	wait_until 10 is_task "$name" STOPPED
	ctr tasks delete "$name" || [ $? -eq 137 ]
}

@test "pause and resume: nothing goes on meanwhile" {
	options=(--mount "type=bind,src=$SCRATCH,dst=/host,options=rbind:rw")
	ctr_start "$name" sh -c 'i=0; while :; do i=$((i+1)); echo $i >/host/count; sleep 0.05; done'
	wait_until 5 test -s "$SCRATCH/count"
	ctr tasks pause "$name"
	is_task "$name" PAUSED
	before=$(cat "$SCRATCH/count")
	sleep 0.5
	equal "$(cat "$SCRATCH/count")" "$before"
	ctr tasks resume "$name"
	is_task "$name" RUNNING
	wait_until 5 eval "[ \"\$(cat $SCRATCH/count)\" != $before ]"
}

@test "metrics: those of the container's cgroup" {
	options=(--memory-limit 67108864)
	ctr_start "$name" sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 1000'
	run ctr tasks metrics "$name"
	[ "$status" -eq 0 ]
	like "$output" '*memory*'
	run ctr tasks metrics --format json "$name"
	if has_cgroup_v2; then
		equal "$(jq -r .memory.usage_limit <<<"$output")" 67108864
		[ "$(jq -r .pids.current <<<"$output")" -ge 1 ]
	else
		equal "$(jq -r .memory.usage.limit <<<"$output")" 67108864
		[ "$(jq -r .pids.current <<<"$output")" -ge 1 ]
	fi
}

@test "limits are there, and memory is enforced" {
	options=(--memory-limit 50331648 --cpus 0.25 --cpu-shares 512)
	ctr_start "$name" sleep 1000
	if has_cgroup_v2; then
		equal "$(cd "/sys/fs/cgroup/default/$name" && cat memory.max cpu.max cpu.weight)" $'50331648\n25000 100000\n20'
	else
		equal "$(cd /sys/fs/cgroup && cat {memory,cpu}/default/"$name"/{memory.limit_in_bytes,cpu.cfs_quota_us,cpu.shares} 2>/dev/null)" \
			$'50331648\n25000\n512'
	fi
	name=$name-1
	options=(--memory-limit 50331648)
	run ctr_run "$name" tail /dev/zero
	[ "$status" -eq 137 ]
	# The container's end and the news of its lack of memory come on different ways.
	ctr events >"$SCRATCH/events" 2>&1 &
	events=$!
	sleep 0.5
	run ctr_run "$name" sh -c 'tail /dev/zero; sleep 1'
	wait_until 5 grep -q "/tasks/oom" "$SCRATCH/events"
	kill $events
}

# bats test_tags=vm
@test "read-only root, mounts, capabilities, no new privileges, seccomp" {
	echo from-host >"$SCRATCH/file"
	options=(--read-only --mount "type=bind,src=$SCRATCH/file,dst=/tmp/file,options=rbind:ro")
	touch_file='touch /x; cat /tmp/file; echo no >/tmp/file'
	run ctr_run "$name" sh -c "$touch_file"
	[ "$status" -ne 0 ]
	like "$output" '*ead-only file system*'
	options=(--mount "type=bind,src=$SCRATCH/file,dst=/tmp/file,options=rbind:ro")
	run ctr_run "$name" sh -c 'cat /tmp/file; echo no >/tmp/file'
	like "$output" '*ead-only file system*'
	like "$output" '*from-host*'
	options=(--cap-drop CAP_CHOWN --cap-add CAP_NET_ADMIN --seccomp)
	run ctr_run "$name" sh -c 'grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status; chown 1 /tmp 2>&1'
	equal "$output" $'CapEff:\t00000000a80435fa\nNoNewPrivs:\t1\nSeccomp:\t2\nchown: /tmp: Operation not permitted'
	options=(--allow-new-privs)
	like "$(ctr_run "$name" grep NoNewPrivs /proc/self/status)" '*0'
}

@test "a user namespace and namespaces of others" {
	options=(--uidmap 0:100000:65536 --gidmap 0:100000:65536)
	like "$(ctr_run "$name" cat /proc/self/uid_map)" '*0*100000*65536*'
	options=(--net-host)
	equal "$(ctr_run "$name" readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
	options=()
	ctr_start "$name" sleep 1000
	pid=$(ctr tasks list | awk -v id="$name" '$1 == id { print $2 }')
	options=(--with-ns "pid:/proc/$pid/ns/pid" --with-ns "ipc:/proc/$pid/ns/ipc")
	equal "$(ctr_run "$name-2" sh -c 'readlink /proc/self/ns/pid; readlink /proc/self/ns/ipc')" \
		"$(readlink "/proc/$pid/ns/pid" "/proc/$pid/ns/ipc")"
}

@test "--no-pivot, devices" {
	options=(--no-pivot)
	equal "$(ctr_run "$name" echo hello)" hello
	options=(--device /dev/fuse)
	equal "$(ctr_run "$name" stat -c '%t %T' /dev/fuse)" "a e5"
	options=()
	run ctr_run "$name" sh -c 'mknod /tmp/mem c 1 1 && cat /tmp/mem'
	[ "$status" -ne 0 ]
	like "$output" '*not permitted*'
}

@test "--privileged has every capability" {
	need_capability cap_sys_resource
	options=(--privileged)
	equal "$(ctr_run "$name" sed -n 's/^CapEff:.//p' /proc/self/status)" "$(sed -n 's/^CapBnd:.//p' /proc/self/status)"
}

@test "a task whose shim was killed is cleaned up" {
	options=()
	ctr_start "$name" sleep 1000
	pid=$(ctr tasks list | awk -v id="$name" '$1 == id { print $2 }')
	kill -KILL "$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")"
	wait_until 10 eval "[ -z \"\$(ctr tasks list -q)\" ]"
	wait_until 10 eval "! kill -0 $pid 2>/dev/null"
}

@test "nothing of the runtime is left" {
	wait_until 10 eval '[ -z "$(ls /run/containerd/runc/default)" ]'
	equal "$(find /sys/fs/cgroup -type d -path '*/default/*')" ""
}
