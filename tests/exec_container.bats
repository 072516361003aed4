#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `duet exec` in container mode: control groups, namespaces, descriptors, and what a container could see of it.

load helpers

setup_file() {
	setup_file_bundle
	chmod 755 "$SCRATCH" "$BUNDLE"
	cp "$BUILD/tests/attack/spy" "$BUNDLE/rootfs/bin/"
	printf 'root:x:0:\nuser:x:1000:\nwheel:x:10:user\n' >"$BUNDLE/rootfs/etc/group"
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	[ -z "${ID:-}" ] || duet delete --force "$ID"
	assert_nothing_left
}

# start FILTER [ARGUMENT…]: a container that sleeps, as ID, with its process as PID.
start() {
	local filter=$1
	shift
	ID=$(new_id)
	configure ".process.args = [\"sleep\", \"100000\"] | $filter" "$@"
	duet create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	duet start "$ID"
	PID=$(duet state "$ID" | jq .pid)
}

USER_NAMESPACE='.linux.namespaces += [{"type": "user"}]
	| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
	| .linux.gidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}]
	| .mounts |= map(select(.type != "mqueue"))'

@test "exec: the process is in the container's control groups" {
	start '.linux.cgroupsPath = $ARGS.positional[0] | .linux.resources = {"pids": {"limit": 50}}' "/duet-exec-$$"
	duet exec --detach --pid-file "$SCRATCH/pid" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
	diff "/proc/$PID/cgroup" "/proc/$(cat "$SCRATCH/pid")/cgroup"
	grep -q "/duet-exec-$$" "/proc/$(cat "$SCRATCH/pid")/cgroup"
}

@test "exec: --cgroup names a group below the container's own" {
	local group=
	start '.linux.cgroupsPath = $ARGS.positional[0]' "/duet-exec-$$"
	for group in /sys/fs/cgroup/pids/duet-exec-$$ /sys/fs/cgroup/duet-exec-$$; do
		[ ! -d "$group" ] || break
	done
	mkdir "$group/inner"
	duet exec --detach --cgroup /inner --pid-file "$SCRATCH/pid" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
	grep -q "/duet-exec-$$/inner\$" "/proc/$(cat "$SCRATCH/pid")/cgroup"
	run --separate-stderr duet exec --cgroup /no/such "$ID" true
	[ "$status" -eq 255 ]
	run --separate-stderr duet exec --cgroup ../outside "$ID" true
	[ "$status" -eq 255 ]
}

@test "exec: the namespaces are the container's, seen from the host" {
	local kind pid
	start .
	duet exec --detach --pid-file "$SCRATCH/pid" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
	pid=$(cat "$SCRATCH/pid")
	for kind in cgroup ipc mnt net pid uts user time; do
		[ "$(readlink "/proc/$pid/ns/$kind")" = "$(readlink "/proc/$PID/ns/$kind")" ] || fail "$kind"
	done
	[ "$(readlink "/proc/$pid/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
}

@test "exec: in a user namespace the process is its root, with limits set from outside" {
	local pid
	start "$USER_NAMESPACE | .process.rlimits = [{\"type\": \"RLIMIT_NOFILE\", \"soft\": 333, \"hard\": 444}] | .process.oomScoreAdj = 500"
	run duet exec "$ID" sh -c 'id -u; id -G; cat /proc/self/uid_map; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; readlink /proc/self/ns/user'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0 ]
	[[ "${lines[2]}" == *100000*65536 ]]
	[ "${lines[3]}" = 333 ]
	[ "${lines[4]}" = 444 ]
	[ "${lines[5]}" = 500 ]
	[ "${lines[6]}" = "$(readlink "/proc/$PID/ns/user")" ]
	duet exec --user user --detach --pid-file "$SCRATCH/pid" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
	pid=$(cat "$SCRATCH/pid")
	[ "$(stat -c '%u %g' "/proc/$pid")" = "101000 101000" ]
	grep -q '^Groups:.100010' "/proc/$pid/status"
	run --separate-stderr duet exec -u 70000 "$ID" true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"not mapped"* ]]
	[ "$(duet exec -t -u user "$ID" sh -c 'stat -c %u $(tty)' </dev/null | tr -d '\r')" = 1000 ]
}

@test "exec: in a container that joined a network and a pid namespace" {
	local holder inner
	unshare -n -p -f --kill-child sleep 1000 &
	holder=$!
	wait_until 5 pgrep -P $holder
	inner=$(pgrep -P $holder)
	start '.linux.namespaces |= map(if .type == "network" then .path = $ARGS.positional[0] elif .type == "pid" then .path = $ARGS.positional[1] else . end)' \
		"/proc/$inner/ns/net" "/proc/$inner/ns/pid"
	[ "$(duet exec "$ID" readlink /proc/self/ns/net)" = "$(readlink "/proc/$inner/ns/net")" ]
	[ "$(duet exec "$ID" readlink /proc/self/ns/pid)" = "$(readlink "/proc/$inner/ns/pid")" ]
	duet delete --force "$ID"
	ID=
	# unshare(1) ignores TERM while it waits.
	kill -KILL $holder
}

@test "exec: in a container that joined a user namespace" {
	local holder inner
	unshare -U -f --kill-child sleep 1000 &
	holder=$!
	wait_until 5 pgrep -P $holder
	inner=$(pgrep -P $holder)
	echo "0 100000 65536" >"/proc/$inner/uid_map"
	echo "0 100000 65536" >"/proc/$inner/gid_map"
	start '.linux.namespaces += [{"type": "user", "path": $ARGS.positional[0]}] | .mounts |= map(select(.type != "mqueue"))' "/proc/$inner/ns/user"
	run duet exec "$ID" sh -c 'id -u; readlink /proc/self/ns/user'
	[ "$output" = "0"$'\n'"$(readlink "/proc/$inner/ns/user")" ]
	duet delete --force "$ID"
	ID=
	# unshare(1) ignores TERM while it waits.
	kill -KILL $holder
}

@test "exec: in a container without a pid namespace of its own" {
	start '.linux.namespaces |= map(select(.type != "pid"))'
	run duet exec "$ID" sh -c 'readlink /proc/self/ns/mnt; [ -e /proc/'"$PID"' ] && echo host; exit 5'
	[ "$status" -eq 5 ]
	[ "${lines[0]}" = "$(readlink "/proc/$PID/ns/mnt")" ]
	[ "${lines[1]}" = host ]
}

@test "exec: in a container that was created and not started" {
	ID=$(new_id)
	configure_command sleep 1000
	duet create -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	[ "$(duet exec "$ID" hostname)" = "$(jq -r .hostname "$BUNDLE/config.json")" ]
	is_in_state "$ID" created
}

@test "exec: a paused container is refused, and --ignore-paused waits until it goes on" {
	local waiting
	start .
	duet pause "$ID"
	run --separate-stderr duet exec "$ID" true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"paused container"* ]]
	duet exec --ignore-paused "$ID" echo went on >"$SCRATCH/output" </dev/null &
	waiting=$!
	sleep 0.5
	kill -0 $waiting
	[ ! -s "$SCRATCH/output" ]
	duet resume "$ID"
	wait $waiting
	[ "$(cat "$SCRATCH/output")" = "went on" ]
}

@test "exec: the descriptors of --preserve-fds arrive, and no other" {
	start .
	run duet exec --preserve-fds 2 "$ID" sh -c 'cat <&3; cat <&4; [ -e /proc/self/fd/9 ] && echo leaked; exit 0' 3<<<three 4<<<four 9</etc/hostname
	[ "$output" = $'three\nfour' ]
	run --separate-stderr duet exec --preserve-fds 5 "$ID" true 3<&-
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"is not open"* ]]
}

@test "exec: a working directory that is one of the runtime's descriptors is refused" {
	local fd
	start .
	for fd in 3 4 5 6 7 8 9 10 11 12; do
		run --separate-stderr duet exec --cwd "/proc/self/fd/$fd" "$ID" cat /etc/hostname
		[ "$status" -eq 255 ] || fail "/proc/self/fd/$fd: $output"
	done
}

@test "exec: the process sees nothing of the host, and a container that may trace it sees nothing of the host in it" {
	[ -x "$BUNDLE/rootfs/bin/spy" ] || skip "the attacking programs are not built: make test-programs"
	start '.process.args = ["spy", "/result", "/stop"] | .process.capabilities[] += ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]'
	wait_until 10 grep -q begun "$BUNDLE/rootfs/result"
	for _ in {1..25}; do
		duet exec "$ID" true </dev/null
	done
	touch "$BUNDLE/rootfs/stop"
	wait_until 10 grep -q 'processes seen' "$BUNDLE/rootfs/result"
	cat "$BUNDLE/rootfs/result"
	[ "$(sed -n 's/ processes seen//p' "$BUNDLE/rootfs/result")" -gt 5 ] || fail "the spy was too slow"
	[ "$(wc -l <"$BUNDLE/rootfs/result")" -eq 2 ]
	rm "$BUNDLE/rootfs/stop" "$BUNDLE/rootfs/result"
}

@test "exec: in a v2 group whose first process has moved itself below, others go where it is" {
	[ -e /sys/fs/cgroup/cgroup.controllers ] || skip "the host's cgroups are not all of version 2"
	start '.process.args = ["sh", "-c", "mkdir /sys/fs/cgroup/init; echo 1 >/sys/fs/cgroup/init/cgroup.procs; echo +pids >/sys/fs/cgroup/cgroup.subtree_control; echo ready >/ready; exec sleep 1000"]
		| .mounts |= map(select(.type != "cgroup")) + [{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}]'
	wait_until 20 test -s "$BUNDLE/rootfs/ready"
	run duet exec "$ID" cat /proc/self/cgroup
	[ "$output" = 0::/init ]
	rm "$BUNDLE/rootfs/ready"
}

@test "exec: without privileges over the host" {
	local own=$SCRATCH/unprivileged
	mkdir "$own"
	cp -a "$BUNDLE" "$DUET" "$own/"
	rm "$own/bundle/config.json"
	"$DUET" spec --rootless -b "$own/bundle"
	# The template is for whoever calls spec.
	jq '.process.args = ["sleep", "100000"] | .process.terminal = false | .root.readonly = false | del(.process.rlimits)
		| (.linux.uidMappings[], .linux.gidMappings[]).hostID = 54321' <"$own/bundle/config.json" >"$own/config.json"
	mv "$own/config.json" "$own/bundle/config.json"
	chown -R 54321:54321 "$own"
	unprivileged() {
		timeout 30 setpriv --reuid 54321 --regid 54321 --clear-groups --bounding-set -all "$own/duet" --root "$own/state" "$@"
	}
	unprivileged run --detach -b "$own/bundle" mine </dev/null >/dev/null 2>&1
	run unprivileged exec mine sh -c 'id -u; for kind in pid user mnt; do [ "$(readlink /proc/self/ns/$kind)" = "$(readlink /proc/1/ns/$kind)" ] && echo same; done; exit 8'
	[ "$status" -eq 8 ]
	[ "$output" = $'0\nsame\nsame\nsame' ]
	unprivileged exec --detach --pid-file "$own/pid" mine sleep 1000 </dev/null >/dev/null 2>&1
	[ "$(stat -c %u "/proc/$(cat "$own/pid")")" -eq 54321 ]
	unprivileged delete --force mine
	rm -rf "$own"
}

@test "exec: a caller's terminal without a size leaves the process file's" {
	start .
	jq -n '{terminal: true, args: ["stty", "size"], cwd: "/", consoleSize: {height: 11, width: 22}}' >"$BATS_TEST_TMPDIR/process.json"
	# The end of input, typed before the terminal is raw, is a zero byte after it, which the container's terminal echoes as ^@.
	run script -qec "'$DUET' --root '$ROOT' exec --process '$BATS_TEST_TMPDIR/process.json' '$ID'" /dev/null </dev/null
	grep -w '11 22' <<<"$output" || fail "$output"
}

@test "--console-socket and --pidfd-socket receive the terminal and the pidfd" {
	local pid receiver
	[ -x "$BUILD/tests/tools/receive_fd" ] || skip "the test tools are not built: make test-programs"
	start .
	"$BUILD/tests/tools/receive_fd" "$SCRATCH/console" sh -c 'cat <&3' >"$SCRATCH/terminal" 2>/dev/null &
	receiver=$!
	wait_until 5 test -S "$SCRATCH/console"
	duet exec --tty --detach --console-socket "$SCRATCH/console" "$ID" sh -c 'tty; stty size' </dev/null
	wait $receiver || true
	grep -q '^/dev/ptmx$' "$SCRATCH/terminal"
	grep -q '/dev/pts/' "$SCRATCH/terminal"
	"$BUILD/tests/tools/receive_fd" "$SCRATCH/pidfd" cat /proc/self/fdinfo/3 >"$SCRATCH/info" &
	receiver=$!
	wait_until 5 test -S "$SCRATCH/pidfd"
	duet exec --detach --pidfd-socket "$SCRATCH/pidfd" --pid-file "$SCRATCH/pid" "$ID" sleep 1000 </dev/null >/dev/null 2>&1
	wait $receiver
	grep -q '^setns$' "$SCRATCH/info"
	grep -q "^Pid:.$(cat "$SCRATCH/pid")\$" "$SCRATCH/info"
}

@test "--pidfd-socket of create and run receives the first process's pidfd" {
	local receiver verb
	[ -x "$BUILD/tests/tools/receive_fd" ] || skip "the test tools are not built: make test-programs"
	configure_command sleep 1000
	for verb in create "run --detach"; do
		ID=$(new_id)
		"$BUILD/tests/tools/receive_fd" "$SCRATCH/pidfd" cat /proc/self/fdinfo/3 >"$SCRATCH/info" &
		receiver=$!
		wait_until 5 test -S "$SCRATCH/pidfd"
		# shellcheck disable=SC2086 # two words
		duet $verb --pidfd-socket "$SCRATCH/pidfd" --pid-file "$SCRATCH/pid" -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
		wait $receiver
		grep -q '^standard$' "$SCRATCH/info"
		grep -q "^Pid:.$(cat "$SCRATCH/pid")\$" "$SCRATCH/info"
		duet delete --force "$ID"
	done
	run --separate-stderr duet create --pidfd-socket "$SCRATCH/no-such-socket" -b "$BUNDLE" "$ID"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"no-such-socket"* ]]
}

@test "run --detach with a terminal needs a console socket, and without one refuses it" {
	local receiver
	[ -x "$BUILD/tests/tools/receive_fd" ] || skip "the test tools are not built: make test-programs"
	configure '.process.args = ["sh", "-c", "tty; stty size"] | .process.terminal = true | .process.consoleSize = {"height": 30, "width": 90}'
	run --separate-stderr duet run --detach -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"--console-socket"* ]]
	ID=$(new_id)
	"$BUILD/tests/tools/receive_fd" "$SCRATCH/console" sh -c 'cat <&3' >"$SCRATCH/terminal" 2>/dev/null &
	receiver=$!
	wait_until 5 test -S "$SCRATCH/console"
	duet run --detach --console-socket "$SCRATCH/console" -b "$BUNDLE" "$ID" </dev/null
	wait $receiver || true
	grep -q '30 90' "$SCRATCH/terminal"
	configure_command true
	run --separate-stderr duet run --detach --console-socket "$SCRATCH/console" -b "$BUNDLE" "$(new_id)"
	[ "$status" -eq 1 ]
	[[ "$stderr" == *"process.terminal"* ]]
}

@test "LISTEN_FDS that are meant for the runtime arrive at the container's process, before the preserved ones" {
	configure_command sh -c 'echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4'
	run bash -c 'exec 3<<<socket 4<<<preserved; LISTEN_FDS=1 LISTEN_PID=$BASHPID exec "$DUET" --root "$ROOT" run --preserve-fds 1 -b "$BUNDLE" "$0"' "$(new_id)"
	[ "$output" = $'1 1\nsocket\npreserved' ]
	# Somebody else's.
	run bash -c 'exec 3<<<socket; LISTEN_FDS=1 LISTEN_PID=1 exec "$DUET" --root "$ROOT" run -b "$BUNDLE" "$0"' "$(new_id)"
	[ "${lines[0]}" = "" ] || [[ "$output" != *socket* ]]
}

@test "exec: execCPUAffinity holds for exec alone" {
	[ "$(nproc)" -ge 2 ] || skip "one CPU: no affinity to tell apart"
	start '.process.execCPUAffinity = {"initial": "0", "final": "1"}'
	grep -q '^Cpus_allowed_list:.*[-,]' "/proc/$PID/status"
	[ "$(duet exec "$ID" sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)" = 1 ]
	duet delete --force "$ID"
	start '.process.execCPUAffinity = {"initial": "1"}'
	[ "$(duet exec "$ID" sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)" = "$(sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$PID/status")" ]
}

@test "exec: scheduler, io priority and oom score are the container's, or the process file's" {
	start '.process.scheduler = {"policy": "SCHED_BATCH", "nice": 5} | .process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0} | .process.oomScoreAdj = 300'
	[ "$(duet exec "$ID" cut -d ' ' -f 19,41 /proc/self/stat)" = "5 3" ]
	[ "$(duet exec "$ID" cat /proc/self/oom_score_adj)" = 300 ]
	[ "$(duet exec "$ID" ionice)" = "idle: prio 0" ] || [[ "$(duet exec "$ID" ionice)" == idle* ]]
	echo '{"args": ["cat", "/proc/self/oom_score_adj"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, "oomScoreAdj": 400}' >"$SCRATCH/process.json"
	[ "$(duet exec --process "$SCRATCH/process.json" "$ID")" = 400 ]
}

@test "exec: the session keyring is the container's own, or the caller's" {
	start '.linux.maskedPaths = []'
	[ -r /proc/keys ] || skip "/proc/keys is missing: the kernel has no keyrings"
	run duet exec "$ID" grep -c "_ses\.$ID" /proc/keys
	[ "$output" = 1 ]
	duet delete --force "$ID"
	ID=$(new_id)
	duet create --no-new-keyring -b "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1
	run duet exec "$ID" grep -c "_ses\.$ID" /proc/keys
	[ "$output" = 0 ]
}

@test "exec: an image without /etc/passwd and /etc/group, or with odd ones, is no trouble" {
	start '.root.readonly = false'
	mv "$BUNDLE/rootfs/etc" "$BUNDLE/rootfs/etc.kept"
	run --separate-stderr duet exec -u user "$ID" true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"/etc/passwd"* ]]
	[ "$(duet exec -u 1000:1000 "$ID" sh -c 'id -u; echo $HOME')" = $'1000\n/' ]
	mkdir "$BUNDLE/rootfs/etc"
	mkfifo "$BUNDLE/rootfs/etc/passwd"
	run --separate-stderr duet exec -u user "$ID" true
	[ "$status" -eq 255 ]
	rm "$BUNDLE/rootfs/etc/passwd"
	# A link that leads out of the image ends in the image.
	ln -s ../../../../../../../../../../etc/hostname "$BUNDLE/rootfs/etc/passwd"
	printf 'user:x:55:56::/:/\n' >"$BUNDLE/rootfs/etc/hostname"
	[ "$(duet exec -u user "$ID" id -u)" = 55 ]
	rm -r "$BUNDLE/rootfs/etc"
	mv "$BUNDLE/rootfs/etc.kept" "$BUNDLE/rootfs/etc"
}

@test "exec: duet killed with SIGKILL before the process has begun leaves no process" {
	local i
	start .
	for i in {1..15}; do
		timeout -s KILL "0.00$i" "$DUET" --root "$ROOT" exec "$ID" sleep 99999 </dev/null >/dev/null 2>&1 || true
	done
	# What had begun goes on, in the container: deleting it ends it.
	duet delete --force "$ID"
	ID=
	wait_until 5 sh -c '! pgrep -f "^sleep 99999" >/dev/null'
}
