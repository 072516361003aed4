#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Fields of config.json that other files do not look at, one after another: each has its effect, or is refused by name.

load helpers

setup_file() {
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -z "${AGENT:-}" ] || kill "$AGENT"
	[ -z "${ID:-}" ] || duet delete --force "$ID"
	rm -rf "$SCRATCH/agent"
	assert_nothing_left
}

# ---- seccomp: notifications ----

# agent_begin ERRNO: somebody who answers every notification with it.
agent_begin() {
	mkdir "$SCRATCH/agent"
	"$BUILD/tests/tools/notify_agent" "$SCRATCH/agent/socket" "$SCRATCH/agent/state" "$1" 3>&- &
	AGENT=$!
	wait_until 10 test -S "$SCRATCH/agent/socket"
}

NOTIFY='.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "\($ARGS.positional[0])/agent/socket", "listenerMetadata": "some words",
	"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}'

@test "seccomp: NOTIFY asks the listener, which is told who asks, for run, start and exec" {
	is_microvm && skip "refused in a micro-VM: the test below"
	agent_begin 123
	configure '.process.args = ["mkdir", "/made"] | .annotations = {"some": "thing"} | '"$NOTIFY" "$SCRATCH"
	run duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"No medium found"* ]] || fail "$output"
	[ "$(jq -r '.fds[0], .metadata, .state.status, .state.bundle, .state.annotations.some' "$SCRATCH/agent/state" | tr '\n' ' ')" = \
		"seccompFd some words created $BUNDLE thing " ]
	[ "$(jq .pid "$SCRATCH/agent/state")" = "$(jq .state.pid "$SCRATCH/agent/state")" ]
	rm "$SCRATCH/agent/state"
	ID=$(new_id)
	configure '.process.args = ["sleep", "1000"] | '"$NOTIFY" "$SCRATCH"
	duet_create "$ID" </dev/null >/dev/null 2>&1
	[ ! -e "$SCRATCH/agent/state" ]
	duet start "$ID"
	[ "$(jq .pid "$SCRATCH/agent/state")" = "$(duet state "$ID" | jq .pid)" ]
	[ "$(jq -r .state.id "$SCRATCH/agent/state")" = "$ID" ]
	run duet exec "$ID" mkdir /made
	[ "$status" -eq 1 ]
	[[ "$output" == *"No medium found"* ]] || fail "$output"
	[ "$(jq -r .state.status "$SCRATCH/agent/state")" = running ]
	[ "$(jq .pid "$SCRATCH/agent/state")" != "$(duet state "$ID" | jq .pid)" ]
}

@test "seccomp: without a listener nothing that notifies is started" {
	is_microvm && skip "refused in a micro-VM: the test below"
	configure '.process.args = ["echo", "started"] | '"$NOTIFY" "$SCRATCH"
	run duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"listenerPath: connect to socket $SCRATCH/agent/socket: No such file or directory" ]] || fail "$output"
	ID=$(new_id)
	duet_create "$ID" </dev/null >/dev/null 2>&1
	run duet start "$ID"
	[ "$status" -eq 1 ]
	wait_until 10 is_in_state "$ID" stopped
}

@test "seccomp: features name NOTIFY, and a micro-VM refuses it" {
	[ "$("$DUET" features | jq '.linux.seccomp.actions | index("SCMP_ACT_NOTIFY")')" != null ]
	configure '.process.args = ["true"] | '"$NOTIFY" "$SCRATCH"
	run duet run --isolation=microvm -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$output" == *"linux.seccomp.syscalls[0].action"* ]]
}

@test "seccomp: a call that is newer than the profile does not exist, an older one is forbidden" {
	cp "$BUILD/tests/tools/call" "$BUNDLE/rootfs/bin/"
	# 436 is close_range, the newest that the profile names; 40 is sendfile; 437 is openat2.
	configure '.process.args = ["call", "40", "436", "437", "999"] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ERRNO",
		"syscalls": [{"names": $ARGS.positional, "action": "SCMP_ACT_ALLOW"}]}' \
		execve exit exit_group brk arch_prctl uname readlink readlinkat mprotect prlimit64 getrandom set_tid_address set_robust_list rseq \
		capset close_range write fstat newfstatat mmap munmap ioctl
	run duet_run </dev/null
	[ "$output" = $'EPERM\nEINVAL\nENOSYS\nENOSYS' ] || fail "$output"
}

# ---- memoryPolicy ----

@test "memoryPolicy: the process's memory follows it, and so does that of exec" {
	is_microvm && skip "it is the monitor's memory that follows it"
	grep -q . /proc/self/numa_maps 2>/dev/null || skip "this kernel has no NUMA"
	configure '.process.args = ["cat", "/proc/self/numa_maps"] | .linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}'
	run duet_run
	[[ "$output" == *" bind=static:0 "* ]] || fail "$output"
	ID=$(new_id)
	configure '.process.args = ["sleep", "1000"] | .linux.memoryPolicy = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}'
	duet_create "$ID" </dev/null >/dev/null 2>&1
	run duet exec "$ID" cat /proc/self/numa_maps
	[[ "$output" == *" interleave:0 "* ]] || fail "$output"
}

@test "memoryPolicy: nodes that are not there are refused" {
	is_microvm && skip "the same code"
	grep -q . /proc/self/numa_maps 2>/dev/null || skip "this kernel has no NUMA"
	configure '.process.args = ["true"] | .linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "63"}'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *'set the memory policy (mode 2, flags 0x0, nodes "63")'* ]] || fail "$output"
	configure '.process.args = ["true"] | .linux.memoryPolicy = {"mode": "MPOL_LOCAL", "nodes": "0"}'
	run duet_run
	[ "$status" -eq 1 ]
}

# ---- what needs hardware or an LSM ----

@test "intelRdt and mountLabel are refused by name where the kernel has neither" {
	[ ! -d /sys/fs/resctrl/info ] || skip "there is a resctrl file system"
	configure '.process.args = ["true"] | .linux.intelRdt = {"closID": "gold"}'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"linux.intelRdt: there is no resctrl file system"* ]] || fail "$output"
	! grep -q selinuxfs /proc/filesystems || skip "there is SELinux"
	configure '.process.args = ["true"] | .linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"linux.mountLabel: "*"SELinux"* ]] || fail "$output"
	configure '.process.args = ["true"] | .process.selinuxLabel = "system_u:system_r:container_t:s0"'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"SELinux label"* ]] || fail "$output"
}

# ---- the process ----

@test "personality LINUX32 is that of the process" {
	configure '.process.args = ["uname", "-m"] | .linux.personality = {"domain": "LINUX32"}'
	run duet_run
	[ "$output" = i686 ] || fail "$output"
}

@test "time offsets hold in a new time namespace" {
	is_microvm && skip "a guest's clocks are its own"
	local here there
	[ -e /proc/self/ns/time ] || skip "this kernel has no time namespaces"
	configure '.process.args = ["cat", "/proc/uptime"] | .linux.namespaces += [{"type": "time"}]
		| .linux.timeOffsets = {"boottime": {"secs": 1000000, "nanosecs": 5}, "monotonic": {"secs": 7}}'
	here=$(cut -d. -f1 /proc/uptime)
	there=$(duet_run | cut -d. -f1)
	[ $((there - here)) -ge 1000000 ]
	[ $((there - here)) -lt 1000060 ]
	configure '.process.args = ["true"] | .linux.timeOffsets = {"boottime": {"secs": 1}}'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"linux.timeOffsets"* ]]
}

@test "scheduler, io priority, processors and oom score are the process's, and exec has its own processors" {
	configure '.process.args = ["sh", "-c", "cut -d \" \" -f 19,41 /proc/self/stat; ionice; cat /proc/self/oom_score_adj"]
		| .process.scheduler = {"policy": "SCHED_BATCH", "nice": 7} | .process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6}
		| .process.oomScoreAdj = 321'
	run duet_run
	[ "$output" = $'7 3\nbest-effort: prio 6\n321' ] || fail "$output"
	is_microvm && return
	[ "$(nproc)" -ge 2 ] || skip "there is one processor only"
	ID=$(new_id)
	configure '.process.args = ["sleep", "1000"] | .process.execCPUAffinity = {"initial": "0", "final": "1"}'
	duet_create "$ID" </dev/null >/dev/null 2>&1
	run duet exec "$ID" grep Cpus_allowed_list /proc/self/status
	[[ "$output" == *1 && "$output" != *,* && "$output" != *-* ]] || fail "$output"
}

@test "a real-time policy and a limit that the caller may not set are refused by name" {
	configure '.process.args = ["true"] | .process.scheduler = {"policy": "SCHED_FIFO", "priority": 1000}'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"scheduler"* ]] || fail "$output"
}

@test "host and domain name, sysctls, umask and groups" {
	configure '.process.args = ["sh", "-c", "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /proc/sys/kernel/msgmax; umask; id -G"]
		| .hostname = "name" | .domainname = "domain.example" | .linux.sysctl = {"kernel.msgmax": "4321"}
		| .process.user = {"uid": 5, "gid": 6, "umask": 7, "additionalGids": [6, 77]}'
	run duet_run
	[ "$output" = $'name\ndomain.example\n4321\n0007\n6 77' ] || fail "$output"
	configure '.process.args = ["true"] | .linux.sysctl = {"vm.swappiness": "10"}'
	is_microvm && return
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *'sysctl "vm.swappiness" is not allowed'* ]] || fail "$output"
}

@test "a name that is no errno's, and one for an action that takes none, are refused" {
	configure '.process.args = ["true"] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}]}'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"linux.seccomp.syscalls[0].errnoRet"* ]] || fail "$output"
}

# ---- hooks ----

# with_hooks KIND SCRIPT…: one hook for each script, with the environment WORD=value.
with_hooks() {
	local kind=$1
	shift
	configure '.process.args = ["sh", "-c", "echo started; sleep 1000"] | .hooks.'"$kind"' = ($ARGS.positional | map({path: "/bin/sh",
		args: ["sh", "-c", .], env: ["WORD=value"], timeout: 1})) | .hooks.poststop = [{path: "/bin/sh", args: ["sh", "-c",
		"jq -r .status >>'"$SCRATCH"'/poststop"], env: ["PATH=/usr/bin:/bin"]}, {path: "/bin/sh", args: ["sh", "-c", "echo second >>'"$SCRATCH"'/poststop"]}]' "$@"
	rm -f "$SCRATCH/poststop" "$SCRATCH/trace"
}

@test "hooks: one that fails before start ends the container, the next ones do not run, and poststop does" {
	is_microvm && skip "the order is the same, at a boot for each"
	for kind in prestart createRuntime createContainer; do
		with_hooks $kind "echo first >>$SCRATCH/trace" "exit 3" "echo third >>$SCRATCH/trace"
		run duet create -b "$BUNDLE" "$(new_id)" </dev/null
		[ "$status" -eq 1 ] || fail "$kind: $output"
		[[ "$output" == *"hooks.$kind[1]: hook /bin/sh failed with exit status 3"* ]] || fail "$kind: $output"
		[ "$(cat "$SCRATCH/trace")" = first ]
		[ "$(cat "$SCRATCH/poststop")" = $'stopped\nsecond' ] || fail "$kind: poststop: $(cat "$SCRATCH/poststop")"
		assert_nothing_left
	done
}

@test "hooks: one that cannot be executed is named in the one error that there is" {
	configure '.hooks.createRuntime = [{path: "/nonexistent/hook"}]'
	run duet_run
	[ "$status" -eq 1 ]
	[ "$output" = "duet: hooks.createRuntime[0]: execute hook /nonexistent/hook: No such file or directory" ] || fail "$output"
}

@test "hooks: one that takes too long is killed and counts as failed" {
	is_microvm && skip "the same code"
	# What it has started goes with it, or this would wait for the standard output that it holds.
	with_hooks createRuntime "sleep 100 & echo \$! >$SCRATCH/trace; wait"
	run duet create -b "$BUNDLE" "$(new_id)" </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"hook /bin/sh did not end within 1 s"* ]] || fail "$output"
	ended() { [ ! -e "/proc/$1" ] || [[ $(sed 's/.*) //' "/proc/$1/stat") == Z* ]]; }
	wait_until 10 ended "$(cat "$SCRATCH/trace")"
}

@test "hooks: a startContainer hook that fails keeps the process from starting" {
	is_microvm && skip "the same code"
	with_hooks startContainer "exit 4"
	run duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.startContainer[0]: hook /bin/sh failed with exit status 4"* ]] || fail "$output"
	[[ "$output" != *started* ]]
	[ "$(cat "$SCRATCH/poststop")" = $'stopped\nsecond' ]
	ID=$(new_id)
	duet create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run duet start "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.startContainer[0]"* ]] || fail "$output"
	wait_until 10 is_in_state "$ID" stopped
}

@test "hooks: a poststart hook that fails stops the container" {
	is_microvm && skip "the same code"
	with_hooks poststart "exit 5"
	run duet_run </dev/null
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.poststart[0]: hook /bin/sh failed with exit status 5"* ]] || fail "$output"
	assert_nothing_left
	ID=$(new_id)
	duet create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run duet start "$ID"
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.poststart[0]"* ]] || fail "$output"
	wait_until 10 is_in_state "$ID" stopped
	duet delete "$ID"
	ID=
	[ "$(head -n 2 "$SCRATCH/poststop")" = $'stopped\nsecond' ]
}

@test "hooks: a poststop hook that fails is a warning, and the next ones run" {
	is_microvm && skip "the same code"
	configure '.process.args = ["true"] | .hooks.poststop = [{path: "/bin/false"}, {path: "/no/such/hook"}, {path: "/bin/sh", args: ["sh", "-c", "echo last >'"$SCRATCH"'/trace"]}]'
	run duet_run </dev/null
	[ "$status" -eq 0 ]
	[[ "$output" == *"warning: hooks.poststop[0]"*"warning: hooks.poststop[1]"* ]] || fail "$output"
	[ "$(cat "$SCRATCH/trace")" = last ]
}

@test "hooks: the environment is the hook's own, and the path has to be absolute" {
	is_microvm && skip "the same code"
	with_hooks createRuntime "env | sort >$SCRATCH/trace"
	ID=$(new_id)
	LEAK=leaked duet create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	grep -q WORD=value "$SCRATCH/trace"
	! grep -q LEAK "$SCRATCH/trace"
	configure '.hooks.prestart = [{path: "true"}]'
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *"hooks.prestart[0].path"* ]] || fail "$output"
}
