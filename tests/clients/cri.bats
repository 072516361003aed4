#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A kubelet's part: pods and containers through containerd's CRI, with the runtime behind a handler of its own.

load helpers
load containerd
load kubelet

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
	remove_pods
}

# bats test_tags=vm
@test "the service is ready and knows the handler" {
	like "$(cri Version <<<'{ "version": "v1" }')" '*containerd*'
	[ "$(cri Status <<<'{}' | jq '[.status.conditions[] | select(.status == 1)] | length')" -eq 2 ]
}

# bats test_tags=vm
@test "a pod and a container: created, running, exec, log, exit status, removed" {
	run_pod
	equal "$(call PodSandboxStatus '{ pod_sandbox_id: $ARGS.positional[0] }' "$pod" | jq .status.state)" 0
	create . sh -c 'echo out; echo err >&2; while [ ! -e /go ]; do sleep 0.1; done; exit 7'
	has_field state 0
	call StartContainer '{ container_id: $ARGS.positional[0] }' "$container"
	has_field state 1
	run exec_sync sh -c 'echo from inside; echo problem >&2; hostname; exit 5'
	equal "$(jq -r .stdout <<<"$output")" $'from inside\npod-host'
	equal "$(jq -r .stderr <<<"$output")" problem
	equal "$(jq -r .exit_code <<<"$output")" 5
	inside touch /go
	wait_until 10 has_field state 2
	has_field exit_code 7
	like "$(cat "$log")" $'*stdout F out*'
	like "$(cat "$log")" $'*stderr F err*'
	call RemoveContainer '{ container_id: $ARGS.positional[0] }' "$container"
}

# bats test_tags=vm
@test "stop: SIGTERM, then SIGKILL after the time of grace" {
	run_pod
	start . sh -c 'trap "exit 9" TERM; touch /ready; while :; do sleep 0.1; done'
	wait_until 10 eval '[ "$(exec_sync test -e /ready | jq .exit_code)" = 0 ]'
	call StopContainer '{ container_id: $ARGS.positional[0], timeout: 20 }' "$container"
	has_field exit_code 9
	start . sh -c 'trap "" TERM; touch /ready; while :; do sleep 0.1; done'
	wait_until 10 eval '[ "$(exec_sync test -e /ready | jq .exit_code)" = 0 ]'
	call StopContainer '{ container_id: $ARGS.positional[0], timeout: 1 }' "$container"
	has_field exit_code 137
}

# bats test_tags=vm
@test "what cannot be executed is said" {
	run_pod
	create . no-such-command
	run call StartContainer '{ container_id: $ARGS.positional[0] }' "$container"
	[ "$status" -eq 1 ]
	like "$output" '*"no-such-command"*executable file not found in $PATH*'
	create . /not-executable
	run call StartContainer '{ container_id: $ARGS.positional[0] }' "$container"
	like "$output" '*permission denied*'
	start . sleep 1000
	run exec_sync no-such-command
	[ "$status" -eq 1 ]
	like "$output" '*executable file not found*'
}

# bats test_tags=vm
@test "containers of a pod share its network and ipc; pid as asked for" {
	run_pod '.port_mappings = [{ container_port: 80, host_port: 18083 }]'
	start . httpd -f -p 80 -h /www
	first=$container
	start . sleep 1000
	address=$(call PodSandboxStatus '{ pod_sandbox_id: $ARGS.positional[0] }' "$pod" | jq -r .status.network.ip)
	like "$address" '10.99.*'
	like "$(inside ip -4 -o address show dev eth0)" "*$address/*"
	like "$(inside wget -qO- http://127.0.0.1/)" 'hello from*'
	wait_until 10 curl -sf "http://$address/" -o /dev/null
	wait_until 10 curl -sf "http://127.0.0.1:18083/" -o /dev/null
	is_microvm && return
	namespaces=$(inside sh -c 'for n in net ipc uts; do readlink /proc/self/ns/$n; done')
	second_pid=$(inside readlink /proc/self/ns/pid)
	container=$first
	equal "$(inside sh -c 'for n in net ipc uts; do readlink /proc/self/ns/$n; done')" "$namespaces"
	equal "$(inside readlink /proc/self/ns/pid)" "$second_pid"
	start '.linux.security_context.namespace_options = { pid: 1 }' sleep 1000
	[ "$(inside readlink /proc/self/ns/pid)" != "$second_pid" ]
	like "$(inside cat /proc/1/cmdline)" 'sleep*'
}

# bats test_tags=vm
@test "environment, directory, user, read-only root, mounts, capabilities, seccomp" {
	echo from-host >"$SCRATCH/file"
	run_pod
	start '.envs = [{ key: "WORD", value: "hello" }] | .working_dir = "/tmp"
		| .mounts = [{ container_path: "/one-file", host_path: "'"$SCRATCH/file"'", readonly: 1 }]
		| .linux.security_context = { run_as_user: { value: 1000 }, run_as_group: { value: 77 }, readonly_rootfs: 1,
			no_new_privs: 1, capabilities: { drop_capabilities: ["ALL"], add_capabilities: ["NET_ADMIN"] },
			seccomp: { profile_type: 0 } }' sleep 1000
	equal "$(inside sh -c 'echo $WORD; pwd; id -u; id -g; cat /one-file')" $'hello\n/tmp\n1000\n77\nfrom-host'
	equal "$(inside grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status)" $'CapBnd:\t0000000000001000\nNoNewPrivs:\t1\nSeccomp:\t2'
	like "$(exec_sync touch /tmp/x | jq -r .stderr)" '*ead-only file system*'
	like "$(exec_sync sh -c 'echo no >/one-file' | jq -r .stderr)" '*ead-only file system*'
}

@test "limits: read inside, enforced, changed while it runs" {
	memory=/sys/fs/cgroup/memory/memory.limit_in_bytes
	! has_cgroup_v2 || memory=/sys/fs/cgroup/memory.max
	run_pod
	start '.linux.resources = { memory_limit_in_bytes: 67108864, cpu_period: 100000, cpu_quota: 25000, cpu_shares: 512 }' sleep 1000
	equal "$(inside cat "$memory")" 67108864
	call UpdateContainerResources '{ container_id: $ARGS.positional[0], linux: { memory_limit_in_bytes: 33554432, cpu_quota: 50000,
		cpu_period: 100000 } }' "$container"
	equal "$(inside cat "$memory")" 33554432
	if has_cgroup_v2; then
		equal "$(inside cat /sys/fs/cgroup/cpu.max)" "50000 100000"
	else
		equal "$(inside cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us)" 50000
	fi
	equal "$(exec_sync tail /dev/zero | jq .exit_code)" 137
	start '.linux.resources = { memory_limit_in_bytes: 33554432 }' tail /dev/zero
	wait_until 20 has_field state 2
	has_field exit_code 137
	has_field reason OOMKilled
}

@test "stats: cpu time and memory" {
	run_pod
	start . sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 1000'
	run call ContainerStats '{ container_id: $ARGS.positional[0] }' "$container"
	[ "$(jq .stats.cpu.usage_core_nano_seconds.value <<<"$output")" -gt 1000000 ]
	[ "$(jq .stats.memory.working_set_bytes.value <<<"$output")" -gt 10000 ]
}

@test "a process that hangs is ended at an exec's time limit" {
	run_pod
	start . sleep 1000
	run call ExecSync '{ container_id: $ARGS.positional[0], cmd: ["sleep", "1000"], timeout: 1 }' "$container"
	[ "$status" -ne 0 ]
	equal "$(inside sh -c 'ps -o args | grep -c "[s]leep 1000$"')" 1
}

# bats test_tags=vm
@test "removing a pod takes its containers along" {
	run_pod
	start . sleep 1000
	call StopPodSandbox '{ pod_sandbox_id: $ARGS.positional[0] }' "$pod"
	wait_until 10 has_field state 2
	call RemovePodSandbox '{ pod_sandbox_id: $ARGS.positional[0] }' "$pod"
	run call ContainerStatus '{ container_id: $ARGS.positional[0] }' "$container"
	like "$output" '*NOT_FOUND*'
	equal "$(cri ListPodSandbox <<<'{}' | jq -c .items)" '[]'
}

@test "nothing of the runtime is left" {
	wait_until 10 eval '[ -z "$(ls /run/containerd/runc/k8s.io)" ]'
	equal "$(find /sys/fs/cgroup -mindepth 2 -type d -path '*/duet-pods/*')" ""
}
