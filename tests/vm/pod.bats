#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A pod of the CRI, as a runtime is told of it by annotations: the sandbox is a container that holds the namespaces, a
# container that joins them is a micro-VM.

load ../helpers

setup_file() {
	setup_file_bundle
	# By this name micro-VMs are the default, as for an engine's runtime handler.
	ln -s "$DUET" "$SCRATCH/duet-microvm"
	export DUET=$SCRATCH/duet-microvm POD=pod-$$
	configure '.process.args = ["sleep", "1000"] | .hostname = "pod-host"
		| .annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": $ARGS.positional[0]}' "$POD"
	duet create -b "$BUNDLE" "$POD" </dev/null >"$SCRATCH/output" 2>&1
	duet start "$POD"
}

teardown_file() {
	teardown_file_bundle
}

# configure_member COMMAND: of a container that joins the pod's ipc, uts and network namespaces.
configure_member() {
	local pid
	pid=$(duet state "$POD" | jq .pid)
	configure '.process.args = ["sh", "-c", $ARGS.positional[0]] | del(.hostname)
		| .annotations = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": $ARGS.positional[1]}
		| .linux.namespaces = [{"type": "pid"}, {"type": "mount"}, {"type": "ipc", "path": "/proc/\($ARGS.positional[2])/ns/ipc"},
			{"type": "uts", "path": "/proc/\($ARGS.positional[2])/ns/uts"},
			{"type": "network", "path": "/proc/\($ARGS.positional[2])/ns/net"}]' "$1" "$POD" "$pid"
}

isolation_of() {
	duet list | awk -v id="$1" '$1 == id { print $NF }'
}

@test "the sandbox is a container, its member a micro-VM with the pod's host name; a second one is refused" {
	[ "$(isolation_of "$POD")" = container ]
	id=$(new_id)
	configure_member 'hostname; uname -r; while :; do sleep 0.1; done'
	duet create -b "$BUNDLE" "$id" </dev/null >"$SCRATCH/member" 2>&1
	duet start "$id"
	[ "$(isolation_of "$id")" = microvm ]
	wait_until 60 eval '[ "$(wc -l <"$SCRATCH/member")" -eq 2 ]'
	[ "$(sed -n 1p "$SCRATCH/member")" = pod-host ]
	[ "$(sed -n 2p "$SCRATCH/member")" != "$(uname -r)" ]
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"pod $POD has a micro-VM already ($id)"* ]]
	duet delete --force "$id"
	[ -z "$(isolation_of "$id")" ]
}

@test "what only looks like the pod's namespace, or cannot be done without, is refused by name" {
	configure_member true
	jq '.linux.namespaces[2].path = "/proc/self/ns/ipc"' <"$BUNDLE/config.json" >"$SCRATCH/config"
	cp "$SCRATCH/config" "$BUNDLE/config.json"
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"linux.namespaces[2].path: a micro-VM cannot join the host's ipc namespace"* ]]
	configure_member true
	jq '.linux.namespaces[0].path = "/proc/\($pid)/ns/pid"' --arg pid "$(duet state "$POD" | jq .pid)" <"$BUNDLE/config.json" >"$SCRATCH/config"
	cp "$SCRATCH/config" "$BUNDLE/config.json"
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"linux.namespaces[0].path: a micro-VM cannot join the host's pid namespace"* ]]
	configure_member true
	jq '.annotations["io.kubernetes.cri.sandbox-id"] = "no-such-pod"' <"$BUNDLE/config.json" >"$SCRATCH/config"
	cp "$SCRATCH/config" "$BUNDLE/config.json"
	run --separate-stderr duet run -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"cannot join the host's ipc namespace"* ]]
}
