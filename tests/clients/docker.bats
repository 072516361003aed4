#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker's daemon drives the runtime; what it asked for is looked at from inside the container.

load helpers
load docker

setup_file() {
	setup_docker
}

teardown_file() {
	teardown_docker
}

setup() {
	name=t$BATS_TEST_NUMBER-$RANDOM
}

# Nothing of a test stays.
teardown() {
	docker ps -aq | xargs -r timeout 60 docker rm -f >/dev/null
}

# The value of a limit as the container sees it: FILE-OF-V1 FILE-OF-V2.
limit_file() {
	if has_cgroup_v2; then
		echo "/sys/fs/cgroup/$2"
	else
		echo "/sys/fs/cgroup/$1"
	fi
}

# bats test_tags=vm
@test "info and run: the runtime is known; output, error, input, environment, directory, host name and status" {
	like "$(docker info 2>/dev/null)" '*Default Runtime: duet*'
	run --separate-stderr docker_run -i -e WORD=hello -w /tmp --hostname box "$IMAGE" \
		sh -c 'cat; echo $WORD; pwd; hostname; echo problem >&2; exit 7' <<<input
	[ "$status" -eq 7 ]
	equal "$output" $'input\nhello\n/tmp\nbox'
	equal "$stderr" problem
}

# bats test_tags=vm
@test "run: 125, 126, 127, told by the runtime's words" {
	run docker_run "$IMAGE" /not-executable
	[ "$status" -eq 126 ]
	like "$output" '*ermission denied*'
	run -127 docker_run "$IMAGE" no-such-command
	like "$output" '*no-such-command*executable file not found in $PATH*'
	run -127 docker_run "$IMAGE" /no/such/file
	like "$output" '*no such file or directory*'
	run docker_run -w /not-executable/x "$IMAGE" true
	[ "$status" -ge 125 ]
	run docker_run --sysctl kernel.no_such=1 "$IMAGE" true
	[ "$status" -eq 125 ]
}

# bats test_tags=vm
@test "run: 137 and 143 for signals" {
	run docker_run --init "$IMAGE" sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
	run docker_run --init "$IMAGE" sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
}

# bats test_tags=vm
@test "run -it: a terminal of the caller's size, resized with it; Ctrl-C" {
	expect_terminal docker run --rm -it "$IMAGE" sh -c "$TERMINAL_SCRIPT"
	run on_terminal --expect=ready --send='\x03' --expect=interrupted \
		-- docker run --rm -it "$IMAGE" sh -c 'trap "echo inter""rupted; exit 3" INT; echo ready; while :; do sleep 0.1; done'
	equal "$status" 3
}

# bats test_tags=vm
@test "logs, kill with every signal, wait" {
	docker run -d --name "$name" "$IMAGE" sh -c 'echo one; echo two >&2
		for s in HUP USR1 USR2 WINCH TERM; do trap "echo got $s" $s; done; echo ready; while :; do sleep 0.1; done'
	wait_until 10 logs_have "$name" ready
	run --separate-stderr docker logs "$name"
	equal "$output" $'one\nready'
	equal "$stderr" two
	for signal in HUP USR1 12 WINCH TERM; do
		docker kill --signal "$signal" "$name"
	done
	for signal in HUP USR1 USR2 WINCH TERM; do
		wait_until 10 logs_have "$name" "got $signal"
	done
	docker kill "$name"
	equal "$(docker wait "$name")" 137
}

# bats test_tags=vm
@test "stop: SIGTERM first, SIGKILL when it does not listen, or the signal of choice" {
	docker run -d --name "$name" "$IMAGE" sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	docker run -d --name "$name-deaf" "$IMAGE" sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	docker run -d --name "$name-usr" --stop-signal USR1 "$IMAGE" sh -c 'trap "exit 8" USR1; echo ready; while :; do sleep 0.1; done'
	for one in "$name" "$name-deaf" "$name-usr"; do
		wait_until 10 logs_have "$one" ready
	done
	docker stop -t 20 "$name"
	has_state "$name" ExitCode 9
	docker stop -t 1 "$name-deaf"
	has_state "$name-deaf" ExitCode 137
	docker stop -t 20 "$name-usr"
	has_state "$name-usr" ExitCode 8
}

# bats test_tags=vm
@test "exec: output, input, environment, directory, user, status, terminal; 126 and 127" {
	docker run -d --name "$name" "$IMAGE" sleep 1000
	run --separate-stderr docker exec -i -e WORD=hello -w /tmp -u alice "$name" \
		sh -c 'cat; echo $WORD; pwd; id -u; id -G; echo problem >&2; exit 7' <<<input
	[ "$status" -eq 7 ]
	equal "$output" $'input\nhello\n/tmp\n1000\n1000 50'
	equal "$stderr" problem
	run docker exec "$name" no-such-command
	[ "$status" -eq 126 ] || [ "$status" -eq 127 ]
	run docker exec "$name" /not-executable
	[ "$status" -eq 126 ]
	run docker exec "$name" sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
	expect_terminal docker exec -it "$name" sh -c "$TERMINAL_SCRIPT"
}

@test "exec: detached, with the container's capabilities; top lists what runs" {
	docker run -d --name "$name" "$IMAGE" sleep 1000
	docker exec -d "$name" sleep 999
	wait_until 5 eval "docker top $name | grep -q 'sleep 999'"
	equal "$(docker top "$name" -o pid,args | wc -l)" 3
	like "$(docker exec "$name" grep CapEff /proc/self/status)" '*00000000a80425fb'
}

@test "pause and unpause: nothing goes on meanwhile" {
	docker run -d --name "$name" -v "$SCRATCH:/host" "$IMAGE" \
		sh -c 'i=0; while :; do i=$((i+1)); echo $i >/host/count; sleep 0.05; done'
	wait_until 5 test -s "$SCRATCH/count"
	docker pause "$name"
	has_state "$name" Status paused
	before=$(cat "$SCRATCH/count")
	sleep 0.5
	equal "$(cat "$SCRATCH/count")" "$before"
	docker unpause "$name"
	has_state "$name" Status running
	wait_until 5 eval "[ \"\$(cat $SCRATCH/count)\" != $before ]"
	docker pause "$name"
	docker rm -f "$name"
}

@test "limits can be read inside: memory, swap, cpu, cpu set, processes, descriptors, shared memory" {
	equal "$(docker_run --memory 48m "$IMAGE" cat "$(limit_file memory/memory.limit_in_bytes memory.max)")" 50331648
	if has_cgroup_v2; then
		equal "$(docker_run --cpus 0.25 --cpu-shares 512 "$IMAGE" sh -c 'cd /sys/fs/cgroup; cat cpu.max cpu.weight')" \
			$'25000 100000\n20'
	else
		equal "$(docker_run --cpus 0.25 --cpu-shares 512 "$IMAGE" \
			sh -c 'cd /sys/fs/cgroup/cpu; cat cpu.cfs_quota_us cpu.cfs_period_us cpu.shares')" $'25000\n100000\n512'
	fi
	like "$(docker_run --cpuset-cpus 1 "$IMAGE" grep Cpus_allowed_list /proc/self/status)" $'*\t1'
	equal "$(docker_run --pids-limit 10 "$IMAGE" cat "$(limit_file pids/pids.max pids.max)")" 10
	equal "$(docker_run --ulimit nofile=123:456 "$IMAGE" sh -c 'ulimit -Sn; ulimit -Hn')" $'123\n456'
	like "$(docker_run --shm-size 7m "$IMAGE" df -k /dev/shm)" '* 7168 *'
	equal "$(docker_run --sysctl net.ipv4.ip_forward=0 --oom-score-adj 77 "$IMAGE" \
		cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj)" $'0\n77'
}

@test "limits are enforced: memory with its event, processes, cpu" {
	docker events --filter event=oom --format '{{.Action}}' >"$SCRATCH/events" &
	events=$!
	sleep 0.5
	run docker run --name "$name" --memory 48m --memory-swap 48m "$IMAGE" sh -c 'tail /dev/zero; echo $?; sleep 1'
	like "$output" '*137*'
	has_state "$name" OOMKilled true
	wait_until 5 grep -q oom "$SCRATCH/events"
	kill $events
	run docker_run --memory 48m --memory-swap 48m "$IMAGE" tail /dev/zero
	[ "$status" -eq 137 ]
	run docker_run --pids-limit 10 "$IMAGE" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait'
	[ "$status" -ne 0 ]
	like "$output" "*can't fork*"
	run docker_run --cpus 0.1 "$IMAGE" sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done
		grep nr_throttled /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null'
	[ "${output##* }" -gt 0 ]
}

@test "update: memory, cpu and processes of a container that runs, read back inside and enforced" {
	docker run -d --name "$name" --memory 64m --memory-swap 64m --pids-limit 20 "$IMAGE" sleep 1000
	docker update --memory 32m --memory-swap 32m --cpus 0.5 --cpu-shares 256 --pids-limit 5 "$name"
	equal "$(docker exec "$name" cat "$(limit_file memory/memory.limit_in_bytes memory.max)")" 33554432
	equal "$(docker exec "$name" cat "$(limit_file pids/pids.max pids.max)")" 5
	if has_cgroup_v2; then
		equal "$(docker exec "$name" sh -c 'cd /sys/fs/cgroup; cat cpu.max')" '50000 100000'
	else
		equal "$(docker exec "$name" sh -c 'cd /sys/fs/cgroup/cpu; cat cpu.cfs_quota_us cpu.shares')" $'50000\n256'
	fi
	run docker exec "$name" tail /dev/zero
	[ "$status" -eq 137 ]
	run docker exec "$name" sh -c 'for i in 1 2 3 4 5 6; do sleep 2 & done; wait'
	like "$output" "*can't fork*"
}

@test "stats: memory, its limit, processes" {
	docker run -d --name "$name" --memory 64m "$IMAGE" sleep 1000
	run docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' "$name"
	like "$output" '* / 64MiB 1'
}

# bats test_tags=vm
@test "volumes: bind mounts, read-only ones, named ones, tmpfs, a file; read-only root" {
	mkdir -p "$SCRATCH/host"
	echo from-host >"$SCRATCH/host/file"
	equal "$(docker_run -v "$SCRATCH/host:/host" "$IMAGE" sh -c 'cat /host/file; echo from-inside >/host/new')" from-host
	equal "$(cat "$SCRATCH/host/new")" from-inside
	run docker_run -v "$SCRATCH/host:/host:ro" "$IMAGE" sh -c 'echo no >/host/file'
	[ "$status" -ne 0 ]
	like "$output" '*ead-only file system*'
	equal "$(docker_run -v "$SCRATCH/host/file:/one-file:ro" "$IMAGE" cat /one-file)" from-host
	docker volume create data >/dev/null
	docker_run -v data:/data "$IMAGE" sh -c 'echo kept >/data/file'
	equal "$(docker_run -v data:/data "$IMAGE" cat /data/file)" kept
	docker volume rm data
	run docker_run --tmpfs /scratch:size=4m,noexec "$IMAGE" grep ' /scratch ' /proc/mounts
	like "$output" '*tmpfs*noexec*size=4096k*'
	run docker_run --read-only --tmpfs /tmp "$IMAGE" sh -c 'touch /file; touch /tmp/file && echo temporary'
	like "$output" '*ead-only file system*'
	like "$output" '*temporary*'
}

# bats test_tags=vm
@test "users, capabilities, seccomp, no new privileges, what is hidden" {
	equal "$(docker_run --user 1234:77 --group-add 8 "$IMAGE" sh -c 'id -u; id -g; id -G')" $'1234\n77\n77 8'
	equal "$(docker_run --user alice "$IMAGE" sh -c 'id -un; id -G')" $'alice\n1000 50'
	like "$(docker_run "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t00000000a80425fb'
	like "$(docker_run --cap-drop all --cap-add net_admin "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t0000000000001000'
	like "$(docker_run "$IMAGE" grep Seccomp: /proc/self/status)" $'*\t2'
	like "$(docker_run --security-opt seccomp=unconfined "$IMAGE" grep Seccomp: /proc/self/status)" $'*\t0'
	echo '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": [ "mkdir", "mkdirat" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 28 } ] }' >"$SCRATCH/profile.json"
	run docker_run --security-opt seccomp="$SCRATCH/profile.json" "$IMAGE" mkdir /tmp/x
	like "$output" '*o space left on device*'
	like "$(docker_run --security-opt no-new-privileges "$IMAGE" grep NoNewPrivs /proc/self/status)" $'*\t1'
	run docker_run "$IMAGE" sh -c 'exec 2>&1; wc -c </proc/timer_list; wc -c </proc/keys; echo 1 >/proc/sys/vm/overcommit_memory; ls /sys/firmware | wc -l'
	like "$output" $'0\n0\n*ead-only file system*\n0'
}

@test "devices: the usual ones, none else, one more with its rights" {
	run docker_run "$IMAGE" sh -c 'cd /dev; for d in null zero full random urandom tty; do test -c $d || echo missing $d; done
		test -L ptmx && test -L fd && test -d pts && test -d shm && test -d mqueue'
	[ "$status" -eq 0 ]
	equal "$output" ""
	run docker_run "$IMAGE" sh -c 'mknod /tmp/mem c 1 1 && cat /tmp/mem'
	[ "$status" -ne 0 ]
	like "$output" '*peration not permitted*'
	equal "$(docker_run --device /dev/fuse "$IMAGE" stat -c '%t %T' /dev/fuse)" "a e5"
	equal "$(docker_run --device /dev/fuse:/dev/other:r "$IMAGE" stat -c '%t %T' /dev/other)" "a e5"
}

@test "--privileged has every capability and the host's devices" {
	need_capability cap_sys_resource
	run docker_run --privileged "$IMAGE" sh -c 'grep CapEff /proc/self/status; test -e /dev/loop-control && echo devices
		grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted'
	equal "$(sed -n 2,4p <<<"$output")" $'devices\nSeccomp:\t0\nmounted'
	equal "${lines[0]#CapEff:?}" "$(sed -n 's/^CapBnd:.//p' /proc/self/status)"
	docker run -d --name "$name" "$IMAGE" sleep 1000
	equal "$(docker exec --privileged "$name" sed -n 's/^CapEff:.//p' /proc/self/status)" "${lines[0]#CapEff:?}"
}

# bats test_tags=vm
@test "network: a published port, names on a network of one's own, none, the host's, another's" {
	docker run -d --name "$name" -p 18082:80 "$IMAGE" httpd -f -p 80 -h /www
	wait_until 20 curl -sf http://127.0.0.1:18082/ -o /dev/null
	like "$(curl -s http://127.0.0.1:18082/)" 'hello from*'
	docker network create net >/dev/null
	docker run -d --name "$name-server" --network net "$IMAGE" httpd -f -p 80 -h /www
	like "$(docker_run --network net "$IMAGE" nslookup "$name-server" 2>&1)" \
		"*$(docker inspect --format '{{.NetworkSettings.Networks.net.IPAddress}}' "$name-server")*"
	docker rm -f "$name-server"
	docker network rm net
	equal "$(docker_run --network none "$IMAGE" ls /sys/class/net)" lo
	equal "$(docker_run --network "container:$name" "$IMAGE" ip -4 -o address show dev eth0)" \
		"$(docker exec "$name" ip -4 -o address show dev eth0)"
	is_microvm || equal "$(docker_run --network host "$IMAGE" readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
}

@test "namespaces: the host's or another container's" {
	docker run -d --name "$name" --ipc shareable "$IMAGE" sleep 1000
	equal "$(docker_run --pid host "$IMAGE" readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
	like "$(docker_run --pid "container:$name" "$IMAGE" ps -o args)" '*sleep 1000*'
	equal "$(docker_run --ipc "container:$name" "$IMAGE" readlink /proc/self/ns/ipc)" "$(docker exec "$name" readlink /proc/self/ns/ipc)"
	equal "$(docker_run --uts host "$IMAGE" hostname)" "$(hostname)"
}

@test "health: run inside, its verdict kept" {
	docker run -d --name "$name" --health-cmd 'test -e /tmp/well' --health-interval 300ms --health-retries 1 "$IMAGE" sleep 1000
	wait_until 20 has_state "$name" Health.Status unhealthy
	docker exec "$name" touch /tmp/well
	wait_until 20 has_state "$name" Health.Status healthy
}

@test "start, restart, attach, a restart policy, --init" {
	docker create --name "$name" "$IMAGE" sh -c 'echo run; exit 4' >/dev/null
	run docker start -a "$name"
	[ "$status" -eq 4 ]
	equal "$output" run
	run docker start -a "$name"
	[ "$status" -eq 4 ]
	docker run -d --name "$name-again" --restart on-failure:2 "$IMAGE" sh -c 'echo run; exit 1'
	wait_until 20 has_state "$name-again" Status exited
	equal "$(docker logs "$name-again" | wc -l)" 3
	docker run -d --name "$name-restart" "$IMAGE" sleep 1000
	before=$(docker inspect --format '{{.State.Pid}}' "$name-restart")
	docker restart -t 0 "$name-restart"
	[ "$before" != "$(docker inspect --format '{{.State.Pid}}' "$name-restart")" ]
	like "$(docker_run --init "$IMAGE" cat /proc/1/cmdline | tr '\0' ' ')" '*init*'
}

@test "build, commit, copy, diff, rename" {
	mkdir -p "$SCRATCH/build"
	printf 'FROM %s\nARG WORD\nRUN echo $WORD >/built && id -u >>/built\nUSER alice\nWORKDIR /tmp\nRUN id -un >file\nCMD ["cat", "/built", "/tmp/file"]\n' \
		"$IMAGE" >"$SCRATCH/build/Dockerfile"
	DOCKER_BUILDKIT=0 docker build -q --network none --build-arg WORD=word -t built "$SCRATCH/build" >/dev/null
	equal "$(docker_run built)" $'word\n0\nalice'
	docker run -d --name "$name" "$IMAGE" sleep 1000
	echo copied >"$SCRATCH/copy"
	docker cp "$SCRATCH/copy" "$name:/tmp/copy"
	equal "$(docker exec "$name" cat /tmp/copy)" copied
	like "$(docker diff "$name")" '*A /tmp/copy*'
	docker commit "$name" committed >/dev/null
	equal "$(docker_run committed cat /tmp/copy)" copied
	docker rename "$name" "$name-new"
	docker rm -f "$name-new"
	docker rmi committed built
}

@test "what is killed behind the daemon's back ends properly" {
	docker run -d --name "$name" "$IMAGE" sleep 1000
	kill -9 "$(docker inspect --format '{{.State.Pid}}' "$name")"
	wait_until 10 has_state "$name" Status exited
	has_state "$name" ExitCode 137
}

@test "nothing of the runtime is left" {
	equal "$(ls /run/docker/runtime-*/moby 2>/dev/null)" ""
	equal "$(find /sys/fs/cgroup -mindepth 2 -type d -path '*/docker/*')" ""
}
