#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman drives the runtime; what it asked for is looked at from inside the container.

load helpers
load podman

setup_file() {
	setup_podman
}

teardown_file() {
	teardown_podman
}

# Nothing of a test stays: neither podman's containers nor the runtime's.
teardown() {
	podman pod rm --all --force --time 0 >/dev/null
	podman rm --all --force --time 0 >/dev/null
	podman volume rm --all --force >/dev/null
}

# bats test_tags=vm
@test "run: output, error, input, environment, directory, host name and status" {
	run --separate-stderr podman_run -i -e WORD=hello -w /tmp --hostname box "$IMAGE" \
		sh -c 'cat; echo $WORD; pwd; hostname; echo problem >&2; exit 7' <<<input
	[ "$status" -eq 7 ]
	equal "$output" $'input\nhello\n/tmp\nbox'
	equal "$stderr" problem
}

# bats test_tags=vm
@test "run: 125, 126, 127 and what was not found" {
	run podman_run "$IMAGE" /not-executable
	[ "$status" -eq 126 ]
	like "$output" "*ermission denied*"
	run -127 podman_run "$IMAGE" no-such-command
	like "$output" "*no-such-command*"
	run -127 podman_run "$IMAGE" /no/such/file
	like "$output" "*/no/such/file*"
	run podman_run --no-such-option "$IMAGE" true
	[ "$status" -eq 125 ]
}

# bats test_tags=vm
@test "run -i and exec -i: megabytes go in and out unharmed" {
	head -c 3000000 /dev/urandom >"$SCRATCH/noise"
	podman_run -i "$IMAGE" cat <"$SCRATCH/noise" >"$SCRATCH/echo"
	cmp "$SCRATCH/noise" "$SCRATCH/echo"
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sleep 1000
	podman exec -i "$name" cat <"$SCRATCH/noise" >"$SCRATCH/echo"
	cmp "$SCRATCH/noise" "$SCRATCH/echo"
}

@test "run: 137 for a SIGKILL, 143 for a SIGTERM from inside" {
	run podman_run --init "$IMAGE" sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
	run podman_run --init "$IMAGE" sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}

# bats test_tags=vm
@test "run -it: a terminal of the caller's size, resized with it" {
	expect_terminal podman run --rm -it "$IMAGE" sh -c "$TERMINAL_SCRIPT"
}

@test "run -it: Ctrl-C reaches the process in front" {
	run on_terminal --expect=ready --send='\x03' --expect=interrupted \
		-- podman run --rm -it "$IMAGE" sh -c 'trap "echo inter""rupted; exit 3" INT; echo ready; while :; do sleep 0.1; done'
	equal "$status" 3
}

# bats test_tags=vm
@test "logs: what was written, in streams, also while it runs" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sh -c 'echo one; echo two >&2; while :; do sleep 0.1; done'
	wait_until 10 logs_have "$name" two
	run --separate-stderr podman logs "$name"
	equal "$output" one
	equal "$stderr" two
	podman rm -f -t 0 "$name"
}

# bats test_tags=vm
@test "kill: every signal arrives as itself" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sh -c 'for s in HUP USR1 USR2 WINCH TERM; do trap "echo got $s" $s; done
		echo ready; while :; do sleep 0.1; done'
	wait_until 10 logs_have "$name" ready
	for signal in HUP USR1 12 SIGWINCH TERM; do
		podman kill --signal "$signal" "$name"
	done
	for signal in HUP USR1 USR2 WINCH TERM; do
		wait_until 10 logs_have "$name" "got $signal"
	done
	podman kill "$name"
	equal "$(podman wait "$name")" 137
}

# bats test_tags=vm
@test "stop: SIGTERM first, SIGKILL when it does not listen, or the signal of the image" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	wait_until 10 logs_have "$name" ready
	podman stop -t 20 "$name"
	equal "$(podman inspect --format '{{.State.ExitCode}}' "$name")" 9
	podman run -d --name "$name-deaf" "$IMAGE" sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	podman stop -t 1 "$name-deaf"
	equal "$(podman inspect --format '{{.State.ExitCode}}' "$name-deaf")" 137
	podman run -d --stop-signal USR1 --name "$name-usr" "$IMAGE" sh -c 'trap "exit 8" USR1; echo ready; while :; do sleep 0.1; done'
	wait_until 10 logs_have "$name-usr" ready
	podman stop -t 20 "$name-usr"
	equal "$(podman inspect --format '{{.State.ExitCode}}' "$name-usr")" 8
}

# bats test_tags=vm
@test "exec: output, input, environment, directory, user and status" {
	name=$(new_name)
	podman run -d --name "$name" -e OUTER=1 "$IMAGE" sleep 1000
	run --separate-stderr podman exec -i -e WORD=hello -w /tmp -u alice "$name" \
		sh -c 'cat; echo $OUTER $WORD; pwd; id -u; id -G; echo problem >&2; exit 7' <<<input
	[ "$status" -eq 7 ]
	equal "$output" $'input\n1 hello\n/tmp\n1000\n1000 50'
	equal "$stderr" problem
	run podman exec "$name" cat /proc/1/cmdline
	like "$output" "sleep*1000*"
	run podman exec -u 7:8 "$name" sh -c 'id -u; id -g'
	equal "$output" $'7\n8'
	run -127 podman exec "$name" no-such-command
	run podman exec "$name" /not-executable
	[ "$status" -eq 126 ]
	run podman exec "$name" sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
}

# bats test_tags=vm
@test "exec -it: a terminal of the caller's size, resized with it" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sleep 1000
	expect_terminal podman exec -it "$name" sh -c "$TERMINAL_SCRIPT"
}

@test "exec: detached, limited as the container is, with its capabilities and its filter" {
	name=$(new_name)
	podman run -d --name "$name" --cap-drop all --cap-add chown "$IMAGE" sleep 1000
	podman exec -d "$name" sh -c 'echo $$ >/tmp/pid; sleep 1000'
	wait_until 10 podman exec "$name" test -s /tmp/pid
	podman exec "$name" sh -c 'kill -0 $(cat /tmp/pid)'
	equal "$(podman exec "$name" cat /proc/self/cgroup)" "$(podman exec "$name" cat /proc/1/cgroup)"
	equal "$(podman exec "$name" grep -E '^(Cap|Seccomp|NoNew)' /proc/self/status)" \
		"$(podman exec "$name" grep -E '^(Cap|Seccomp|NoNew)' /proc/1/status)"
	like "$(podman exec "$name" grep CapBnd /proc/self/status)" '*0000000000000001'
	equal "$(podman exec "$name" sh -c 'for n in mnt pid net uts ipc; do readlink /proc/self/ns/$n; done')" \
		"$(podman exec "$name" sh -c 'for n in mnt pid net uts ipc; do readlink /proc/1/ns/$n; done')"
}

@test "exec --preserve-fds and --preserve-fds of run pass descriptors on" {
	name=$(new_name)
	echo first >"$SCRATCH/first"
	equal "$(podman_run --preserve-fds 1 "$IMAGE" sh -c 'cat <&3' 3<"$SCRATCH/first")" first
	podman run -d --name "$name" "$IMAGE" sleep 1000
	equal "$(podman exec --preserve-fds 1 "$name" sh -c 'cat <&3' 3<"$SCRATCH/first")" first
}

@test "top: the processes of the container and nobody else's" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sh -c 'sleep 999 & sleep 1000; true'
	wait_until 5 eval "podman top $name args | grep -q 'sleep 999'"
	run podman top "$name" pid,args
	[ "${#lines[@]}" -eq 4 ]
	like "${lines[1]}" '1 *sh -c*'
}

@test "pause and unpause: nothing goes on meanwhile" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sh -c 'i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.05; done'
	wait_until 5 podman exec "$name" test -s /tmp/count
	podman pause "$name"
	has_status "$name" paused
	root=$(podman mount "$name")
	before=$(cat "$root/tmp/count")
	sleep 0.5
	equal "$(cat "$root/tmp/count")" "$before"
	run podman exec "$name" true
	[ "$status" -ne 0 ]
	podman unpause "$name"
	has_status "$name" running
	wait_until 5 eval "[ \"\$(cat $root/tmp/count)\" != $before ]"
	podman pause "$name"
	podman rm -f -t 0 "$name"
}

@test "stats: memory and its limit, processes, cpu time" {
	name=$(new_name)
	podman run -d --name "$name" --memory 64m "$IMAGE" sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 1000'
	wait_until 10 eval "[ \$(podman stats --no-stream --format '{{.PIDs}}' $name) -ge 1 ]"
	run podman stats --no-stream --format '{{.MemLimit}} {{.PIDs}}' "$name"
	equal "$output" "67108864 1"
	run podman stats --no-stream --format '{{.CPUNano}} {{.MemUsageBytes}}' "$name"
	[ "${output%% *}" -gt 1000000 ]
	like "$output" '*KiB / 64MiB'
}

@test "a memory limit can be read inside, and is enforced" {
	name=$(new_name)
	file=/sys/fs/cgroup/memory/memory.limit_in_bytes
	! has_cgroup_v2 || file=/sys/fs/cgroup/memory.max
	equal "$(podman_run --memory 48m "$IMAGE" cat "$file")" 50331648
	run podman_run --memory 48m --memory-swap 48m "$IMAGE" tail /dev/zero
	[ "$status" -eq 137 ]
	# conmon hears of it, when it happens before the container's end.
	rm -f "$SCRATCH/oom"
	run podman_run --memory 48m --memory-swap 48m "$IMAGE" sh -c 'tail /dev/zero; echo $?; sleep 1'
	like "$output" '*137*'
	[ -e "$SCRATCH/oom" ]
}

@test "cpu limits can be read inside, and are enforced" {
	if has_cgroup_v2; then
		equal "$(podman_run --cpus 0.25 "$IMAGE" cat /sys/fs/cgroup/cpu.max)" "25000 100000"
		equal "$(podman_run --cpu-shares 512 "$IMAGE" cat /sys/fs/cgroup/cpu.weight)" 20
	else
		equal "$(podman_run --cpus 0.25 "$IMAGE" sh -c 'cd /sys/fs/cgroup/cpu; cat cpu.cfs_quota_us cpu.cfs_period_us')" \
			$'25000\n100000'
		equal "$(podman_run --cpu-shares 512 "$IMAGE" cat /sys/fs/cgroup/cpu/cpu.shares)" 512
	fi
	run podman_run --cpus 0.1 "$IMAGE" sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done
		grep nr_throttled /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null'
	[ "${output##* }" -gt 0 ]
	like "$(podman_run --cpuset-cpus 1 "$IMAGE" grep Cpus_allowed_list /proc/self/status)" $'*\t1'
}

@test "a limit of processes can be read inside, and is enforced" {
	file=/sys/fs/cgroup/pids/pids.max
	! has_cgroup_v2 || file=/sys/fs/cgroup/pids.max
	equal "$(podman_run --pids-limit 10 "$IMAGE" cat "$file")" 10
	equal "$(podman_run --pids-limit=-1 "$IMAGE" cat "$file")" max
	run podman_run --pids-limit 10 "$IMAGE" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait'
	[ "$status" -ne 0 ]
	like "$output" "*can't fork*"
}

@test "ulimits, shared memory, kernel parameters and the out-of-memory score are what was asked for" {
	equal "$(podman_run --ulimit nofile=123:456 --ulimit nproc=99:99 --ulimit core=0:0 "$IMAGE" \
		sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -u')" $'123\n456\n0\n99'
	like "$(podman_run --shm-size 7m "$IMAGE" df -k /dev/shm)" '* 7168 *'
	equal "$(podman_run --sysctl net.ipv4.ip_forward=0 --sysctl kernel.msgmax=4242 "$IMAGE" \
		cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax)" $'0\n4242'
	equal "$(podman_run --oom-score-adj 77 "$IMAGE" cat /proc/self/oom_score_adj)" 77
	equal "$(podman_run --umask 0027 "$IMAGE" sh -c umask)" 0027
}

# bats test_tags=vm
@test "volumes: bind mounts, read-only ones, named ones, tmpfs, with their options" {
	mkdir -p "$SCRATCH/host"
	echo from-host >"$SCRATCH/host/file"
	equal "$(podman_run -v "$SCRATCH/host:/host" "$IMAGE" sh -c 'cat /host/file; echo from-inside >/host/new')" from-host
	equal "$(cat "$SCRATCH/host/new")" from-inside
	run podman_run -v "$SCRATCH/host:/host:ro" "$IMAGE" sh -c 'cat /host/file; echo no >/host/file'
	[ "$status" -ne 0 ]
	like "$output" '*from-host*ead-only file system*'
	equal "$(podman_run -v "$SCRATCH/host/file:/one-file:ro" "$IMAGE" cat /one-file)" from-host
	podman volume create data >/dev/null
	podman_run -v data:/data "$IMAGE" sh -c 'echo kept >/data/file'
	equal "$(podman_run -v data:/data "$IMAGE" cat /data/file)" kept
	run podman_run --tmpfs /scratch:size=4m,noexec,mode=1770 "$IMAGE" sh -c 'grep " /scratch " /proc/mounts; stat -c %a /scratch'
	like "$output" '*tmpfs*noexec*size=4096k*1770'
	run podman_run -v "$SCRATCH/host:/host:noexec,nodev,nosuid" "$IMAGE" grep ' /host ' /proc/mounts
	like "$output" '*nosuid,nodev,noexec*'
}

@test "volumes: a mount made outside later is seen through a slave, and only through it" {
	mkdir -p "$SCRATCH/shared"
	mount -t tmpfs tmpfs "$SCRATCH/shared"
	mount --make-shared "$SCRATCH/shared"
	mkdir "$SCRATCH/shared/later"
	name=$(new_name)
	podman run -d --name "$name" -v "$SCRATCH/shared:/slave:rslave" -v "$SCRATCH/shared:/private:rprivate" "$IMAGE" sleep 1000
	mount -t tmpfs tmpfs "$SCRATCH/shared/later"
	touch "$SCRATCH/shared/later/file"
	run podman exec "$name" sh -c 'ls /slave/later; echo --; ls /private/later'
	umount "$SCRATCH/shared/later" "$SCRATCH/shared"
	equal "$output" $'file\n--'
}

@test "volumes: an overlay, ids mapped to the container's, a root file system of one's own" {
	mkdir -p "$SCRATCH/host" "$SCRATCH/root"
	echo from-host >"$SCRATCH/host/file"
	equal "$(podman_run -v "$SCRATCH/host:/host:O" "$IMAGE" sh -c 'cat /host/file; echo changed >/host/file; cat /host/file')" \
		$'from-host\nchanged'
	equal "$(cat "$SCRATCH/host/file")" from-host
	# runc learned to map ids in version 1.2.
	[ "$RUNTIME_NAME" = runc ] ||
		equal "$(podman_run --uidmap 0:100000:1000 -v "$SCRATCH/host:/host:idmap" "$IMAGE" stat -c %u /host/file)" 0
	tar -xOf "$SCRATCH/image.tar" layer.tar | tar -xf - -C "$SCRATCH/root"
	like "$(podman_run --rootfs "$SCRATCH/root" cat /www/index.html)" 'hello from*'
}

@test "--systemd=always: what systemd needs to run inside" {
	run podman_run --systemd=always "$IMAGE" sh -c 'touch /run/x /run/lock/x /tmp/x; grep -E " (/run|/sys/fs/cgroup(/systemd)?) " /proc/mounts'
	[ "$status" -eq 0 ]
	like "$output" '* /run tmpfs rw*'
	like "$output" '* /sys/fs/cgroup* rw,*'
}

# bats test_tags=vm
@test "--user by number and name, --group-add" {
	equal "$(podman_run --user 1234:77 --group-add 8,9 "$IMAGE" sh -c 'id -u; id -g; id -G')" $'1234\n77\n77 8,9' ||
		equal "$(podman_run --user 1234:77 --group-add 8 --group-add 9 "$IMAGE" sh -c 'id -u; id -g; id -G')" $'1234\n77\n77 8 9'
	equal "$(podman_run --user alice "$IMAGE" sh -c 'id -un; id -G; echo $HOME')" $'alice\n1000 50\n/home'
}

@test "a user namespace: ids are mapped, and root inside is nobody outside" {
	name=$(new_name)
	podman run -d --name "$name" --uidmap 0:100000:1000 --gidmap 0:200000:1000 "$IMAGE" sleep 1000
	like "$(podman exec "$name" cat /proc/self/uid_map)" '*0*100000*1000*'
	equal "$(podman exec "$name" sh -c 'id -u; touch /tmp/file; stat -c "%u %g" /tmp/file')" $'0\n0 0'
	equal "$(stat -c '%u %g' "$(podman mount "$name")/tmp/file")" "100000 200000"
	equal "$(stat -c %u "/proc/$(podman inspect --format '{{.State.Pid}}' "$name")")" 100000
	run podman exec "$name" sh -c 'mknod /tmp/null c 1 3'
	[ "$status" -ne 0 ]
}

# bats test_tags=vm
@test "capabilities: the default set, none, some more" {
	like "$(podman_run "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t00000000a80425fb' ||
		like "$(podman_run "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t00000000800405fb'
	like "$(podman_run --cap-drop all "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t0000000000000000'
	like "$(podman_run --cap-drop all --cap-add net_admin "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t0000000000001000'
	run podman_run --cap-drop chown "$IMAGE" chown 1 /tmp
	[ "$status" -ne 0 ]
	like "$output" '*peration not permitted*'
	run podman_run --user alice --cap-add net_admin "$IMAGE" grep -E 'CapEff|CapAmb' /proc/self/status
	equal "$output" $'CapEff:\t0000000000001000\nCapAmb:\t0000000000001000'
}

@test "--privileged has every capability and the host's devices" {
	need_capability cap_sys_resource
	run podman_run --privileged "$IMAGE" sh -c 'grep CapEff /proc/self/status; test -e /dev/loop-control && echo devices
		grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted; mkdir /proc/sys/kernel/../x 2>/dev/null; :'
	equal "$(sed -n 2,4p <<<"$output")" $'devices\nSeccomp:\t0\nmounted'
	equal "${lines[0]#CapEff:?}" "$(sed -n 's/^CapBnd:.//p' /proc/self/status)"
}

# bats test_tags=vm
@test "seccomp: a file's rules hold, and none without" {
	cat >"$SCRATCH/profile.json" <<-'JSON'
		{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": [ "SCMP_ARCH_X86_64" ],
		  "syscalls": [ { "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 } ] }
	JSON
	run podman_run --security-opt seccomp="$SCRATCH/profile.json" "$IMAGE" mkdir /tmp/x
	[ "$status" -ne 0 ]
	like "$output" '*o space left on device*'
	like "$(podman_run --security-opt seccomp=unconfined "$IMAGE" grep Seccomp: /proc/self/status)" $'*\t0'
	like "$(podman_run "$IMAGE" grep Seccomp: /proc/self/status)" $'*\t2'
	run podman_run --cap-add sys_admin "$IMAGE" sh -c 'unshare -U true'
	run podman_run "$IMAGE" unshare -m true
	[ "$status" -ne 0 ]
}

# bats test_tags=vm
@test "what podman hides and protects is hidden and protected; unmask shows it; no new privileges" {
	run podman_run "$IMAGE" sh -c 'exec 2>&1; wc -c </proc/timer_list; wc -c </proc/keys; echo 1 >/proc/sys/vm/overcommit_memory; ls /sys/firmware | wc -l'
	like "$output" $'0\n0\n*ead-only file system*\n0'
	like "$(podman_run --security-opt no-new-privileges "$IMAGE" grep NoNewPrivs /proc/self/status)" $'*\t1'
	like "$(podman_run "$IMAGE" grep NoNewPrivs /proc/self/status)" $'*\t0'
	[ "$(podman_run --security-opt unmask=/proc/keys "$IMAGE" sh -c 'wc -c </proc/keys')" -ge 0 ]
	equal "$(podman_run --security-opt mask=/etc/passwd "$IMAGE" sh -c 'wc -c </etc/passwd')" 0
}

# bats test_tags=vm
@test "--read-only: the root cannot be written to, the temporary directories can" {
	run podman_run --read-only "$IMAGE" sh -c 'touch /file; touch /tmp/file /run/file /dev/shm/file && echo temporary'
	like "$output" $'*ead-only file system*\ntemporary'
	run podman_run --read-only --read-only-tmpfs=false "$IMAGE" touch /tmp/file
	[ "$status" -ne 0 ]
}

# bats test_tags=vm
@test "the usual devices are there, others cannot be made; --device adds one with its rights" {
	run podman_run "$IMAGE" sh -c 'cd /dev; ls; for d in null zero full random urandom tty; do test -c $d || echo missing $d; done
		echo x >null; head -c 2 zero | wc -c; test -L ptmx; test -L fd; test -d pts'
	[ "$status" -eq 0 ]
	run podman_run --cap-add mknod "$IMAGE" sh -c 'mknod /tmp/mem c 1 1 && cat /tmp/mem'
	[ "$status" -ne 0 ]
	like "$output" '*peration not permitted*'
	run podman_run --device /dev/null:/dev/other:r "$IMAGE" sh -c 'cat /dev/other && stat -c "%t %T" /dev/other'
	equal "$output" "1 3"
}

@test "healthcheck: run inside, its verdict kept" {
	name=$(new_name)
	podman run -d --name "$name" --health-cmd 'test -e /tmp/well' --health-interval disable --health-retries 1 "$IMAGE" sleep 1000
	run podman healthcheck run "$name"
	[ "$status" -eq 1 ]
	podman exec "$name" touch /tmp/well
	podman healthcheck run "$name"
	equal "$(podman inspect --format '{{.State.Health.Status}}' "$name" 2>/dev/null ||
		podman inspect --format '{{.State.Healthcheck.Status}}' "$name")" healthy
}

# bats test_tags=vm
@test "network: a published port is served from inside" {
	name=$(new_name)
	podman run -d --name "$name" -p 18080:80 "$IMAGE" httpd -f -p 80 -h /www
	wait_until 20 curl -sf http://127.0.0.1:18080/ -o /dev/null
	like "$(curl -s http://127.0.0.1:18080/)" 'hello from*'
	like "$(podman_run "$IMAGE" wget -qO- "http://$(podman inspect --format '{{.NetworkSettings.IPAddress}}' "$name")/")" 'hello from*'
}

# bats test_tags=vm
@test "network: containers find each other by name on a network of their own" {
	name=$(new_name)
	podman network create "$name" >/dev/null
	podman run -d --name "$name-server" --network "$name" "$IMAGE" httpd -f -p 80 -h /www
	run podman_run --network "$name" "$IMAGE" sh -c "nslookup $name-server; ip -4 -o address show dev eth0; ip route"
	like "$output" "*$(podman inspect --format "{{(index .NetworkSettings.Networks \"$name\").IPAddress}}" "$name-server")*"
	like "$output" '*default via*'
	podman rm -f -t 0 "$name-server"
	podman network rm -f "$name"
}

# bats test_tags=vm
@test "network: none, the host's, another container's" {
	equal "$(podman_run --network none "$IMAGE" ls /sys/class/net)" lo
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sleep 1000
	if ! is_microvm; then
		equal "$(podman_run --network host "$IMAGE" readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
		equal "$(podman_run --network "container:$name" "$IMAGE" readlink /proc/self/ns/net)" \
			"$(podman exec "$name" readlink /proc/self/ns/net)"
	fi
	equal "$(podman_run --network "container:$name" "$IMAGE" ip -4 -o address show dev eth0 | awk '{ print $4 }')" \
		"$(podman exec "$name" ip -4 -o address show dev eth0 | awk '{ print $4 }')"
}

@test "namespaces: the host's or another container's pid, ipc, uts and cgroup namespace" {
	name=$(new_name)
	podman run -d --name "$name" --ipc shareable "$IMAGE" sleep 1000
	equal "$(podman_run --pid host "$IMAGE" readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
	like "$(podman_run --pid "container:$name" "$IMAGE" ps -o args)" '*sleep 1000*'
	equal "$(podman_run --ipc "container:$name" "$IMAGE" readlink /proc/self/ns/ipc)" \
		"$(podman exec "$name" readlink /proc/self/ns/ipc)"
	equal "$(podman_run --uts host "$IMAGE" hostname)" "$(hostname)"
	equal "$(podman_run --cgroupns host "$IMAGE" readlink /proc/self/ns/cgroup)" "$(readlink /proc/self/ns/cgroup)"
	[ "$(podman_run --cgroupns private "$IMAGE" readlink /proc/self/ns/cgroup)" != "$(readlink /proc/self/ns/cgroup)" ]
}

@test "pods: containers share a network and ipc, and end together" {
	pod=$(new_name)
	podman pod create --name "$pod" --infra-image "$IMAGE" --infra-command "sleep 100000" -p 18081:80 >/dev/null
	podman run -d --pod "$pod" --name "$pod-server" "$IMAGE" httpd -f -p 80 -h /www
	like "$(podman run --rm --pod "$pod" "$IMAGE" wget -qO- http://127.0.0.1/)" 'hello from*'
	equal "$(podman run --rm --pod "$pod" "$IMAGE" readlink /proc/self/ns/ipc)" "$(podman exec "$pod-server" readlink /proc/self/ns/ipc)"
	wait_until 10 curl -sf http://127.0.0.1:18081/ -o /dev/null
	podman pod pause "$pod"
	has_status "$pod-server" paused
	podman pod unpause "$pod"
	podman pod stop -t 0 "$pod"
	equal "$(podman pod inspect --format '{{.State}}' "$pod")" Exited
	podman pod start "$pod"
	has_status "$pod-server" running
	podman pod rm -f -t 0 "$pod"
}

@test "build --isolation oci: each RUN is run by the runtime" {
	mkdir -p "$SCRATCH/build"
	cat >"$SCRATCH/build/Containerfile" <<-FILE
		FROM $IMAGE
		ARG WORD
		RUN echo \$WORD >/built && id -u >>/built
		USER alice
		WORKDIR /tmp
		RUN id -un >file && pwd >>file
		USER root
		CMD ["cat", "/built", "/tmp/file"]
	FILE
	podman build -q --isolation oci --network none --ulimit nproc=1024:1024 --build-arg WORD=word -t built "$SCRATCH/build" >/dev/null
	equal "$(podman_run built)" $'word\n0\nalice\n/tmp'
	printf 'FROM %s\nRUN exit 3\n' "$IMAGE" >"$SCRATCH/build/Containerfile"
	run podman build -q --isolation oci --network none --ulimit nproc=1024:1024 "$SCRATCH/build"
	like "$output" '*exit status 3*'
	podman rmi -f built
}

@test "start, restart, attach, and a restart policy" {
	name=$(new_name)
	podman create --name "$name" "$IMAGE" sh -c 'echo run; exit 4' >/dev/null
	run podman start -a "$name"
	[ "$status" -eq 4 ]
	equal "$output" run
	run podman start -a "$name"
	[ "$status" -eq 4 ]
	podman run -d --name "$name-again" --restart on-failure:2 "$IMAGE" sh -c 'echo run >>/tmp/runs; exit 1'
	wait_until 20 has_status "$name-again" exited
	equal "$(wc -l <"$(podman mount "$name-again")/tmp/runs")" 3
	podman run -d --name "$name-restart" "$IMAGE" sleep 1000
	before=$(podman inspect --format '{{.State.Pid}}' "$name-restart")
	podman restart -t 0 "$name-restart"
	[ "$before" != "$(podman inspect --format '{{.State.Pid}}' "$name-restart")" ]
	has_status "$name-restart" running
}

@test "init, create without start, rename, copy, commit, diff, remove by force" {
	name=$(new_name)
	podman create --name "$name" "$IMAGE" sleep 1000 >/dev/null
	podman init "$name"
	has_status "$name" initialized || has_status "$name" created
	podman start "$name"
	has_status "$name" running
	podman rename "$name" "$name-new"
	echo copied >"$SCRATCH/copy"
	podman cp "$SCRATCH/copy" "$name-new:/tmp/copy"
	equal "$(podman exec "$name-new" cat /tmp/copy)" copied
	like "$(podman diff "$name-new")" '*A /tmp/copy*'
	podman commit -q "$name-new" committed >/dev/null
	equal "$(podman_run committed cat /tmp/copy)" copied
	podman rm -f -t 0 "$name-new"
	podman rmi committed
	run podman inspect "$name-new"
	[ "$status" -ne 0 ]
}

@test "--init: a process that buries orphans" {
	like "$(podman_run --init "$IMAGE" cat /proc/1/cmdline | tr '\0' ' ')" '*init*'
}

@test "OCI hooks are run with the state, at their time" {
	mkdir -p "$SCRATCH/hooks"
	for stage in prestart createRuntime createContainer poststart poststop; do
		printf '#!/bin/sh\ncat >%s/hook.%s\n' "$SCRATCH" "$stage" >"$SCRATCH/hook-$stage"
		chmod 755 "$SCRATCH/hook-$stage"
		jq -n --arg path "$SCRATCH/hook-$stage" --arg stage "$stage" \
			'{ version: "1.0.0", hook: { path: $path }, when: { always: true }, stages: [$stage] }' >"$SCRATCH/hooks/$stage.json"
	done
	podman --hooks-dir "$SCRATCH/hooks" run --rm "$IMAGE" true
	for stage in prestart createRuntime poststart poststop; do
		wait_until 5 test -s "$SCRATCH/hook.$stage"
	done
	equal "$(jq -r .status "$SCRATCH/hook.poststop")" stopped
	[ "$(jq -r .pid "$SCRATCH/hook.createRuntime")" -gt 0 ]
	like "$(jq -r .status "$SCRATCH/hook.createRuntime")" 'creat*'
}

@test "--cgroups=disabled makes none, --cgroup-parent puts it below" {
	if [ "$RUNTIME_NAME" != runc ]; then
		run podman_run --cgroups disabled "$IMAGE" cat /proc/self/cgroup
		[ "$status" -eq 0 ]
		[[ $output != *libpod* ]]
	fi
	name=$(new_name)
	podman run -d --name "$name" --cgroup-parent /duet-parent "$IMAGE" sleep 1000
	like "$(cat "/proc/$(podman inspect --format '{{.State.Pid}}' "$name")/cgroup")" '*/duet-parent/*'
}

@test "what is gone is gone: a container killed behind podman's back ends properly" {
	name=$(new_name)
	podman run -d --name "$name" "$IMAGE" sleep 1000
	kill -9 "$(podman inspect --format '{{.State.Pid}}' "$name")"
	wait_until 10 has_status "$name" exited
	equal "$(podman wait "$name")" 137
	podman rm "$name"
}

@test "nothing of the runtime is left" {
	podman rm --all --force --time 0 >/dev/null
	run "$RUNTIME" list --quiet
	[ "$status" -eq 0 ]
	equal "$output" ""
	[ -z "$(find /sys/fs/cgroup -type d -name 'libpod-*' ! -name '*conmon*')" ]
}
