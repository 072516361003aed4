# SPDX-License-Identifier: Apache-2.0
# containerd with everything of its own under $SCRATCH and /run, $RUNTIME as the runtime handler "duet".

setup_containerd() {
	setup_room
	export CONTAINERD_ADDRESS=/run/containerd/containerd.sock CONTAINERD_SNAPSHOTTER=overlayfs
	mkdir -p "$SCRATCH/cni"
	cat >"$SCRATCH/containerd.toml" <<-CONF
		version = 2
		root = "$SCRATCH/containerd"
		state = "/run/containerd"
		oom_score = 0
		[grpc]
		address = "$CONTAINERD_ADDRESS"
		[plugins."io.containerd.internal.v1.opt"]
		path = "$SCRATCH/opt"
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "docker.io/library/duet-pause:latest"
		restrict_oom_score_adj = true
		[plugins."io.containerd.grpc.v1.cri".cni]
		bin_dir = "/usr/lib/cni"
		conf_dir = "$SCRATCH/cni"
		[plugins."io.containerd.grpc.v1.cri".containerd]
		default_runtime_name = "duet"
	CONF
	# The handlers are those of the documentation.
	sed "s|\"/usr/local/bin/duet\"|\"$RUNTIME\"|" "$TOP/docs/ci/kubernetes/containerd.toml" >>"$SCRATCH/containerd.toml"
	cat >"$SCRATCH/cni/10-bridge.conflist" <<-'CONF'
		{ "cniVersion": "0.4.0", "name": "duet-test", "plugins": [
		  { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
		    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.99.0.0/16" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
		  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
	CONF
	# Descriptors of bats would keep it waiting at the end.
	containerd --config "$SCRATCH/containerd.toml" >"$SCRATCH/containerd.log" 2>&1 3>&- 4>&- &
	echo $! >"$SCRATCH/containerd.pid"
	wait_until 30 ctr version >/dev/null 2>&1 || fail "$(tail "$SCRATCH/containerd.log")"
	"$HERE/image.sh" "$SCRATCH/pause.tar" docker.io/library/duet-pause:latest sleep 1000000
	for namespace in default k8s.io; do
		ctr -n "$namespace" images import "$SCRATCH/image.tar" >/dev/null
	done
	ctr -n k8s.io images import "$SCRATCH/pause.tar" >/dev/null
}

teardown_containerd() {
	kill "$(cat "$SCRATCH/containerd.pid")" 2>/dev/null || true
	teardown_room
}

ctr() {
	timeout -k 5 "${CLIENT_TIMEOUT:-60}" ctr "$@"
}
