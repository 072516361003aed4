# SPDX-License-Identifier: Apache-2.0
# What a kubelet asks of the CRI, in words of the tests. A test sets $name, and reads $log.
# shellcheck disable=SC2034,SC2154 # the tests are other files

cri() {
	"$HERE/cri" "$@"
}

remove_pods() {
	local id
	for id in $(cri ListPodSandbox <<<'{}' | jq -r '.items[].id'); do
		call StopPodSandbox '{ pod_sandbox_id: $ARGS.positional[0] }' "$id" >/dev/null
		call RemovePodSandbox '{ pod_sandbox_id: $ARGS.positional[0] }' "$id" >/dev/null
	done
}

# call METHOD FILTER ARGUMENT…: the request is made by jq.
call() {
	local method=$1 filter=$2
	shift 2
	jq -n "$filter" --args -- "$@" | cri "$method"
}

# run_pod [FILTER]: sets $pod and $pod_config; the filter changes the configuration.
run_pod() {
	pod_config=$(jq -n --arg name "$name" --arg logs "$SCRATCH/logs" '{ metadata: { name: $name, uid: $name, namespace: "test" },
		hostname: "pod-host", log_directory: $logs, linux: { cgroup_parent: "/duet-pods" } } | '"${1:-.}")
	pod=$(call RunPodSandbox '{ config: ($ARGS.positional[0] | fromjson), runtime_handler: "duet" }' "$pod_config" | jq -r .pod_sandbox_id)
	[ -n "$pod" ]
}

# create FILTER COMMAND…: a container in $pod, sets $container; the filter changes its configuration.
create() {
	local filter=$1 config
	shift
	config=$(jq -n --arg name "c$RANDOM" --arg image "$IMAGE" '{ metadata: { name: $name }, image: { image: $image },
		command: $ARGS.positional, log_path: ($name + ".log"), linux: {} } | '"$filter" --args -- "$@")
	container=$(call CreateContainer '{ pod_sandbox_id: $ARGS.positional[0], config: ($ARGS.positional[1] | fromjson),
		sandbox_config: ($ARGS.positional[2] | fromjson) }' "$pod" "$config" "$pod_config" | jq -r .container_id)
	log=$SCRATCH/logs/$(jq -r .log_path <<<"$config")
	[ -n "$container" ]
}

start() {
	create "$@"
	call StartContainer '{ container_id: $ARGS.positional[0] }' "$container" >/dev/null
}

# exec_sync COMMAND…: prints the response.
exec_sync() {
	call ExecSync '{ container_id: $ARGS.positional[0], cmd: $ARGS.positional[1:], timeout: 20 }' "$container" "$@"
}

# inside COMMAND…: prints what it wrote.
inside() {
	exec_sync "$@" | jq -r '.stdout | rtrimstr("\n")'
}

# field NAME: of the container's status; states: 0 created, 1 running, 2 exited.
field() {
	call ContainerStatus '{ container_id: $ARGS.positional[0] }' "$container" | jq -r ".status.$1"
}

has_field() {
	[ "$(field "$1")" = "$2" ]
}

