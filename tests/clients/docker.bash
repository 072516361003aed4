# SPDX-License-Identifier: Apache-2.0
# docker's daemon with everything of its own under $SCRATCH and /run, $RUNTIME as the runtime "duet" and its default.

setup_docker() {
	setup_room
	export DOCKER_HOST=unix:///run/docker.sock DOCKER_CONFIG=$SCRATCH/docker-config
	local more=()
	capsh --has-b=cap_sys_resource 2>/dev/null || more+=(--oom-score-adjust 0)
	dockerd --add-runtime "duet=$RUNTIME" --default-runtime duet --data-root "$SCRATCH/docker" --exec-root /run/docker \
		--host "$DOCKER_HOST" --pidfile "$SCRATCH/docker.pid" --exec-opt native.cgroupdriver=cgroupfs "${more[@]}" \
		>"$SCRATCH/docker.log" 2>&1 3>&- 4>&- &
	wait_until 60 docker version || fail "$(tail "$SCRATCH/docker.log")"
	docker load -q -i "$SCRATCH/image.tar" >/dev/null
}

teardown_docker() {
	local pid
	pid=$(cat "$SCRATCH/docker.pid" 2>/dev/null) && kill "$pid" && wait_until 20 eval "! kill -0 $pid"
	teardown_room
}

docker() {
	timeout -k 5 "${CLIENT_TIMEOUT:-60}" docker "$@"
}

docker_run() {
	docker run --rm "$@"
}

# has_state NAME FIELD VALUE: of what inspect says.
has_state() {
	[ "$(docker inspect --format "{{.State.$2}}" "$1")" = "$3" ]
}

logs_have() {
	docker logs "$1" 2>&1 | grep -q -- "$2"
}
