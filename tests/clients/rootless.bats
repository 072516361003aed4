#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman of an ordinary user, without any privilege but newuidmap's.

load helpers

# $ALICE COMMAND…: as she does when she has logged in.
write_alice() {
	local become="setpriv --reuid alice --regid alice --init-groups"
	[ "${DUET_TESTBED:-}" != 1 ] || become="as-user alice"
	cat >"$ALICE" <<-SCRIPT
		#!/bin/sh
		exec $become env -i -C "$HOMELIKE" HOME="$HOMELIKE" USER=alice LOGNAME=alice TERM=xterm \\
			XDG_RUNTIME_DIR=/run/user/$(id -u alice) PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "\$@"
	SCRIPT
	chmod 755 "$ALICE"
}

# The container's root is alice, its other ids are alice's subordinate ones.
setup_file() {
	setup_room
	export HOMELIKE=$SCRATCH/alice ALICE=$SCRATCH/alice.sh
	if [ "${DUET_TESTBED:-}" != 1 ]; then
		id alice >/dev/null 2>&1 || useradd --no-create-home alice
		grep -q '^alice:' /etc/subuid || echo alice:100000:65536 >>/etc/subuid
		grep -q '^alice:' /etc/subgid || echo alice:100000:65536 >>/etc/subgid
		mkdir -p "/run/user/$(id -u alice)"
		chown alice "/run/user/$(id -u alice)"
	fi
	write_alice
	# The tree may be where others cannot enter.
	mkdir -p "$SCRATCH/bin" "$HOMELIKE"
	cp "$RUNTIME" "$SCRATCH/bin/runtime"
	chmod 755 "$SCRATCH" "$SCRATCH/bin"
	chown alice "$HOMELIKE"
	mkdir -p /etc/containers
	cat >/etc/containers/containers.conf <<-CONF
		[containers]
		log_driver = "k8s-file"
		netns = "none"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "$RUNTIME_NAME"
		[engine.runtimes]
		$RUNTIME_NAME = ["$SCRATCH/bin/runtime"]
	CONF
	rm -f /etc/containers/storage.conf
	podman load -q -i "$SCRATCH/image.tar" >/dev/null
}

teardown_file() {
	podman rm --all --force --time 0 >/dev/null 2>&1
	# Files of alice's subordinate ids, and the process that holds her namespaces.
	podman unshare rm -rf "$HOMELIKE/.local"
	podman system migrate >/dev/null 2>&1 || true
	teardown_room
}

teardown() {
	podman rm --all --force --time 0 >/dev/null
}

setup() {
	name=t$BATS_TEST_NUMBER-$RANDOM
}

# alice COMMAND…
alice() {
	"$ALICE" "$@"
}

podman() {
	alice timeout -k 5 "${CLIENT_TIMEOUT:-60}" podman "$@"
}

podman_run() {
	podman run --rm "$@"
}

has_delegation() {
	has_cgroup_v2 || skip "needs a delegated cgroup of v2: run it in the testbed"
}

@test "run: root inside is alice outside; other ids are her subordinate ones; files belong to them" {
	equal "$(podman_run "$IMAGE" id -u)" 0
	map=$(podman_run "$IMAGE" cat /proc/self/uid_map)
	like "$map" "*0*$(id -u alice)*1*100000*65536*" || like "$map" "*0*$(id -u alice)*1*65536*"
	equal "$(podman_run --user alice "$IMAGE" sh -c 'id -un; id -G')" $'alice\n1000 50'
	mkdir "$SCRATCH/shared"
	chmod 777 "$SCRATCH/shared"
	podman_run -v "$SCRATCH/shared:/shared" "$IMAGE" touch /shared/file
	equal "$(stat -c %U "$SCRATCH/shared/file")" alice
	equal "$(podman_run --userns keep-id "$IMAGE" id -u)" "$(id -u alice)"
}

@test "run: output, input, environment, directory and status; 126, 127, 137" {
	run --separate-stderr podman_run -i -e WORD=hello -w /tmp "$IMAGE" sh -c 'cat; echo $WORD; pwd; echo problem >&2; exit 7' <<<input
	[ "$status" -eq 7 ]
	equal "$output" $'input\nhello\n/tmp'
	like "$stderr" '*problem'
	run -127 podman_run "$IMAGE" no-such-command
	run podman_run "$IMAGE" /not-executable
	[ "$status" -eq 126 ]
	run podman_run --init "$IMAGE" sh -c 'kill -KILL $$'
	[ "$status" -eq 137 ]
}

@test "run -it and exec -it: a terminal of the caller's size, resized with it" {
	expect_terminal "$ALICE" podman run --rm -it "$IMAGE" sh -c "$TERMINAL_SCRIPT"
	podman run -d --name "$name" "$IMAGE" sleep 1000
	expect_terminal "$ALICE" podman exec -it "$name" sh -c "$TERMINAL_SCRIPT"
}

@test "exec, logs, kill, stop, remove" {
	podman run -d --name "$name" "$IMAGE" sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	wait_until 10 eval "podman logs $name | grep -q ready"
	equal "$(podman exec -u alice "$name" sh -c 'id -u; id -G')" $'1000\n1000 50'
	run podman exec "$name" sh -c 'exit 5'
	[ "$status" -eq 5 ]
	podman stop -t 20 "$name"
	like "$(podman logs "$name")" '*got it'
	equal "$(podman inspect --format '{{.State.ExitCode}}' "$name")" 9
	podman run -d --name "$name-1" "$IMAGE" sleep 1000
	podman kill "$name-1"
	equal "$(podman wait "$name-1")" 137
}

@test "capabilities, seccomp, read-only root, hidden paths, volumes" {
	like "$(podman_run --cap-drop all "$IMAGE" grep CapEff /proc/self/status)" $'CapEff:\t0000000000000000'
	like "$(podman_run "$IMAGE" grep Seccomp: /proc/self/status)" $'*\t2'
	run podman_run --read-only "$IMAGE" touch /file
	[ "$status" -ne 0 ]
	like "$output" '*ead-only file system*'
	run podman_run "$IMAGE" sh -c 'exec 2>&1; wc -c </proc/keys; echo 1 >/proc/sys/kernel/msgmax'
	like "$output" $'0\n*ead-only file system*'
	podman volume create data >/dev/null
	podman_run -v data:/data "$IMAGE" sh -c 'echo kept >/data/file; chown 5 /data/file'
	equal "$(podman_run -v data:/data "$IMAGE" sh -c 'cat /data/file; stat -c %u /data/file')" $'kept\n5'
	podman volume rm data
	equal "$(podman_run --privileged "$IMAGE" sh -c 'mount -t tmpfs none /tmp && echo mounted')" mounted
}

@test "build --isolation oci" {
	mkdir -p "$SCRATCH/build"
	printf 'FROM %s\nRUN id -u >/built && chown 7 /built\nCMD ["sh", "-c", "cat /built; stat -c %%u /built"]\n' "$IMAGE" >"$SCRATCH/build/Containerfile"
	podman build -q --isolation oci --network none --ulimit nproc=1024:1024 -t built "$SCRATCH/build" >/dev/null
	equal "$(podman_run built)" $'0\n7'
	podman rmi built
}

@test "network: a published port through slirp4netns" {
	alice test -w /dev/net/tun || skip "needs /dev/net/tun open to everybody: run it in the testbed"
	podman run -d --name "$name" --network slirp4netns -p 18085:80 "$IMAGE" httpd -f -p 80 -h /www
	wait_until 20 curl -sf http://127.0.0.1:18085/ -o /dev/null
}

@test "limits and pause in a delegated cgroup" {
	has_delegation
	equal "$(podman_run --memory 48m "$IMAGE" cat /sys/fs/cgroup/memory.max)" 50331648
	run podman_run --memory 48m --memory-swap 48m "$IMAGE" tail /dev/zero
	[ "$status" -eq 137 ]
	equal "$(podman_run --pids-limit 10 "$IMAGE" cat /sys/fs/cgroup/pids.max)" 10
	podman run -d --name "$name" "$IMAGE" sleep 1000
	podman pause "$name"
	equal "$(podman inspect --format '{{.State.Status}}' "$name")" paused
	podman unpause "$name"
	equal "$(podman inspect --format '{{.State.Status}}' "$name")" running
}

@test "nothing of the runtime is left" {
	equal "$(alice "$SCRATCH/bin/runtime" list --quiet)" ""
}
