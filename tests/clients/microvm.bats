#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# podman and containerd run micro-VMs by the name duet-microvm. Few commands on purpose: this runs in the testbed, where each takes
# seconds; where KVM has hardware support the tests of the other files that are tagged "vm" say more. The one tagged
# "smoke" also runs where guest kernel code is emulated.

load helpers
load podman
load containerd
load kubelet

setup_file() {
	export DUET_ISOLATION=microvm CLIENT_TIMEOUT=110
	setup_podman
	setup_containerd
}

teardown_file() {
	podman rm --all --force --time 0 >/dev/null
	teardown_containerd
	umount -R "$SCRATCH/storage/overlay" 2>/dev/null || true
}

setup() {
	name=t$BATS_TEST_NUMBER-$RANDOM
}

# bats test_tags=smoke
@test "podman runs a command in a micro-VM: its own kernel, output, error and status" {
	run --separate-stderr podman_run -i -e WORD=hello "$IMAGE" sh -c 'cat; echo $WORD; uname -r; id -u; echo problem >&2; exit 7' <<<input
	[ "$status" -eq 7 ]
	equal "${lines[0]} ${lines[1]} ${lines[3]}" "input hello 0"
	[ "${lines[2]}" != "$(uname -r)" ]
	equal "$stderr" problem
}

@test "podman publishes a port, mounts volumes, runs more, reads logs, sends signals, stops" {
	mkdir -p "$SCRATCH/host"
	echo from-host >"$SCRATCH/host/file"
	podman run -d --name "$name" -p 18090:80 -v "$SCRATCH/host:/host" -v "$SCRATCH/host/file:/one-file:ro" --memory 192m \
		"$IMAGE" sh -c 'trap "echo stopped; exit 9" TERM; trap "echo heard" USR1; httpd -p 80 -h /www; echo ready
			while :; do sleep 0.1; done'
	wait_until 60 logs_have "$name" ready
	wait_until 20 curl -sf http://127.0.0.1:18090/ -o /dev/null
	like "$(curl -s http://127.0.0.1:18090/)" 'hello from*'

	run --separate-stderr podman exec -i -w /tmp -u alice "$name" sh -c 'cat; pwd; id -u; cat /host/file; exit 5' <<<input
	equal "$status" 5
	equal "$output" $'input\n/tmp\n1000\nfrom-host'
	run podman exec "$name" sh -c 'echo from-inside >/host/new; exec 2>&1; echo no >/one-file'
	like "$output" '*ead-only file system*'
	equal "$(cat "$SCRATCH/host/new")" from-inside
	expect_terminal podman exec -it "$name" sh -c "$TERMINAL_SCRIPT"

	podman kill --signal USR1 "$name"
	wait_until 20 logs_have "$name" heard
	podman stop -t 30 "$name"
	logs_have "$name" stopped
	equal "$(podman inspect --format '{{.State.ExitCode}}' "$name")" 9
}

@test "podman runs a micro-VM on a terminal of the caller's size; what is not there is 127" {
	expect_terminal podman run --rm -it "$IMAGE" sh -c "$TERMINAL_SCRIPT"
	run -127 podman_run "$IMAGE" no-such-command
}

@test "ctr runs a micro-VM, runs more in it, pauses it, kills it" {
	ctr run -d --runc-binary "$RUNTIME" --mount "type=bind,src=$SCRATCH,dst=/host,options=rbind:ro" "$IMAGE" "$name" sleep 1000
	run ctr tasks exec --exec-id one --user alice "$name" sh -c 'id -u; uname -r; test -s /host/image.tar; exit 5'
	equal "$status" 5
	equal "${lines[0]}" 1000
	[ "${lines[1]}" != "$(uname -r)" ]
	ctr tasks pause "$name"
	like "$(ctr tasks list)" '*PAUSED*'
	ctr tasks resume "$name"
	# The guest's own processes, by their numbers there.
	equal "$(ctr tasks ps "$name" | awk 'NR == 2 { print $1 }')" 1
	ctr tasks kill --signal KILL "$name"
	wait_until 20 eval 'ctr tasks list | grep -q STOPPED'
	like "$(ctr tasks delete "$name" 2>&1)" '*exit code 137*'
	ctr containers delete "$name"
}

@test "a kubelet runs a pod whose container is a micro-VM: network, volume, exec, limits of time, stop" {
	echo from-host >"$SCRATCH/file"
	run_pod '.port_mappings = [{ container_port: 80, host_port: 18091 }]'
	like "$("$RUNTIME" --root /run/containerd/runc/k8s.io list | grep "^$pod")" '* container'
	start '.mounts = [{ container_path: "/one-file", host_path: "'"$SCRATCH/file"'", readonly: 1 }]
		| .linux.security_context.namespace_options = { pid: 1 }' \
		sh -c 'trap "exit 9" TERM; httpd -p 80 -h /www; echo ready; while :; do sleep 0.1; done'
	like "$("$RUNTIME" --root /run/containerd/runc/k8s.io list | grep "^$container")" '* microvm'
	run exec_sync sh -c 'hostname; cat /one-file; uname -r; ip -4 -o address show dev eth0; exit 5'
	equal "$(jq .exit_code <<<"$output")" 5
	like "$(jq -r .stdout <<<"$output")" $'pod-host\nfrom-host\n*10.99.*'
	like "$(jq -r .stdout <<<"$output")" "*$(call PodSandboxStatus '{ pod_sandbox_id: $ARGS.positional[0] }' "$pod" | jq -r .status.network.ip)/*"
	wait_until 20 curl -sf http://127.0.0.1:18091/ -o /dev/null
	like "$(cat "$log")" '*stdout F ready*'
	call StopContainer '{ container_id: $ARGS.positional[0], timeout: 30 }' "$container"
	has_field exit_code 9
	remove_pods
}

@test "nothing of the runtime is left" {
	equal "$("$RUNTIME" list --quiet)" ""
	[ -z "$(pgrep -f "$BUILD/duet.* create")" ]
}
