# SPDX-License-Identifier: Apache-2.0
# podman with everything of its own under $SCRATCH, and $RUNTIME as the runtime.

setup_podman() {
	setup_room
	mkdir -p /etc/containers "$SCRATCH/networks"
	# The names of runtime_supports_… are those of the files.
	cat >/etc/containers/containers.conf <<-CONF
		[containers]
		log_driver = "k8s-file"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		tmp_dir = "/run/libpod"
		volume_path = "$SCRATCH/volumes"
		runtime = "$RUNTIME_NAME"
		runtime_supports_json = ["$RUNTIME_NAME"]
		runtime_supports_nocgroup = ["$RUNTIME_NAME"]
		$(is_microvm && echo "runtime_supports_kvm = [\"$RUNTIME_NAME\"]")
		[engine.runtimes]
		$RUNTIME_NAME = ["$RUNTIME"]
		[network]
		network_backend = "netavark"
		network_config_dir = "$SCRATCH/networks"
	CONF
	cat >/etc/containers/storage.conf <<-CONF
		[storage]
		driver = "overlay"
		graphroot = "$SCRATCH/storage"
		runroot = "/run/containers"
	CONF
	podman load -q -i "$SCRATCH/image.tar" >/dev/null
}

teardown_podman() {
	podman pod rm --all --force --time 0 >/dev/null
	podman rm --all --force --time 0 >/dev/null
	podman unshare true 2>/dev/null || true
	umount -R "$SCRATCH/storage/overlay" 2>/dev/null || true
	teardown_room
}

# conmon leaves the word "oom" in the directory where it is started, which is this one's.
podman() {
	(cd "$SCRATCH" && timeout -k 5 "${CLIENT_TIMEOUT:-60}" podman "$@")
}

# A name that no other test has.
new_name() {
	echo "t$BATS_TEST_NUMBER-$RANDOM"
}

# podman_run ARGUMENT…: in the foreground, gone afterwards.
podman_run() {
	podman run --rm "$@"
}

# is_running NAME, has_status NAME STATUS
has_status() {
	[ "$(podman inspect --format '{{.State.Status}}' "$1")" = "$2" ]
}

logs_have() {
	podman logs "$1" 2>&1 | grep -q -- "$2"
}
