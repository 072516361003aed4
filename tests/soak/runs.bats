#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many short runs in a row: no hang, no leak, the right status each, the last hundred as fast as the first (which is printed, not judged). SOAK_RUNS
# (default 200) in each mode, SOAK_CONTAINER_RUNS of containers, in SOAK_STREAMS (default 1) beside each other. Progress goes to the TAP stream; a run that stands still for a minute is looked into.

load ../helpers

setup_file() {
	setup_file_bundle
}

# What the runs do in turn, and the status that each must end with.
commands=("true" "exit 7" "exit 255" "cat /no/such/file" "exec /no/such/program")
statuses=(0 7 255 1 127)

teardown_file() {
	teardown_file_bundle
}

teardown() {
	end_watcher
}

end_watcher() {
	[ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true
	watcher=
}

# The machine's processes of such runs, mounts, cgroups of the runs, open files, cgroups with those that only wait to be freed, and MiB of the kernel's own memory;
# a little more is what the suite itself does.
machine_counts() {
	echo "$(pgrep -cx 'duet|true' || true) $(wc -l </proc/self/mountinfo) $(find /sys/fs/cgroup -type d -name '*soak-*' | wc -l)" \
		"$(cut -f1 /proc/sys/fs/file-nr) $(awk 'NR > 1 { sum += $3 } END { print sum }' /proc/cgroups)" \
		"$(awk '/^(SUnreclaim|KernelStack|PageTables|Percpu):/ { sum += $2 } END { print int(sum / 1024) }' /proc/meminfo)"
}

# What the kernel takes away later, by workers of its own: network namespaces, cgroups.
let_settle() {
	local before
	for ((i = 0; i < 20; i++)); do
		before=$(machine_counts)
		sleep 0.5
		[ "$before" != "$(machine_counts)" ] || return 0
	done
}

# look_into PID…: where each thread of these processes is, in their own code's terms and the kernel's.
look_into() {
	local task
	for task in $(printf '/proc/%s/task/* ' "$@"); do
		[ -e "$task/comm" ] || continue
		echo "# ${task#/proc/} $(<"$task/comm") $(awk '/^State/ { print $2 }' "$task/status")" \
			"wchan $(cat "$task/wchan" 2>/dev/null) syscall $(cat "$task/syscall" 2>/dev/null)" \
			"ticks $(cut -d ' ' -f 14,15 "$task/stat")"
		sed 's/^/#    /' "$task/stack" 2>/dev/null || true
	done
}

# watch_progress NAME: says every 20 s how far the runs are, and looks into those that stand still.
watch_progress() {
	local still=0 last=0 now
	while sleep 20; do
		now=$(cat "$SCRATCH"/progress-* | awk '{ sum += $1 } END { print sum }')
		echo "# $1: $now runs after $SECONDS s, load $(cut -d ' ' -f 1 /proc/loadavg)"
		[ "$now" = "$last" ] && still=$((still + 1)) || still=0
		last=$now
		if ((still == 3 || still == 4)); then
			# shellcheck disable=SC2046
			look_into $(pgrep -x duet)
			find "$ROOT" -mindepth 1 -maxdepth 1 | sed 's/^/# in the state root: /'
		fi
	done
}

# stream ISOLATION RUNS NUMBER: that many runs, one after another; says what was wrong.
stream() {
	local bundle=$SCRATCH/stream-$3 configurations=() which hundred first=0 last=0 slowest=0 started took status
	mkdir -p "$bundle"
	for which in "${!commands[@]}"; do
		configurations+=("$(jq --arg root "$BUNDLE/rootfs" '.root.path = $root | .process.args = $ARGS.positional' \
			--args -- /bin/sh -c "${commands[which]}" <"$SCRATCH/config.template.json")")
	done
	hundred=${EPOCHREALTIME/[.,]/}
	for ((i = 1; i <= $2; i++)); do
		status=0 which=$((i % ${#commands[@]}))
		echo "${configurations[which]}" >"$bundle/config.json"
		started=${EPOCHREALTIME/[.,]/}
		DUET_TEST_TIMEOUT=${SOAK_RUN_TIMEOUT:-120} duet run --isolation="$1" -b "$bundle" "soak-$3-$i" </dev/null 2>"$bundle/errors" || status=$?
		took=$((${EPOCHREALTIME/[.,]/} - started))
		((took <= slowest)) || slowest=$took
		if [ $status -ne "${statuses[which]}" ]; then
			echo "run $i (${commands[which]}) ended with status $status, not ${statuses[which]}, after $((took / 1000)) ms: $(<"$bundle/errors")"
			return 1
		fi
		echo "$i" >"$SCRATCH/progress-$3"
		if ((i % 100 == 0)); then
			last=$(((${EPOCHREALTIME/[.,]/} - hundred) / 100)) hundred=${EPOCHREALTIME/[.,]/}
			((first > 0)) || first=$last
		fi
	done
	echo "# $1: $2 runs, of the first hundred $first us each, of the last $last us, the slowest $slowest us" >&3
	rm -r "$bundle" "$SCRATCH/progress-$3"
}

# many_runs ISOLATION RUNS
many_runs() {
	local before after begin streams=${SOAK_STREAMS:-1} number pids=() pid wrong=0
	let_settle
	before=$(machine_counts)
	begin=$SECONDS
	rm -f "$SCRATCH"/progress-*
	watch_progress "$1" >&3 2>/dev/null &
	watcher=$!
	for ((number = 1; number <= streams; number++)); do
		stream "$1" $(($2 / streams)) $number &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || wrong=1
	done
	end_watcher
	[ $wrong -eq 0 ]
	let_settle
	after=$(machine_counts)
	echo "# $1: $2 runs in $((SECONDS - begin)) s" >&3
	echo "# processes, mounts, cgroups, open files, cgroups in all, kernel memory in MiB before: $before, after: $after" >&3
	read -r -a b <<<"$before"
	read -r -a a <<<"$after"
	((a[0] <= b[0] + 5)) || fail "processes are left"
	((a[1] == b[1])) || fail "mounts are left"
	((a[2] == b[2])) || fail "cgroups are left"
	((a[3] <= b[3] + 300)) || fail "open files are left"
	((a[4] <= b[4] + 100 + $2 / 100)) || fail "cgroups stay with the kernel"
	((a[5] <= b[5] + 100)) || fail "memory stays with the kernel"
	assert_nothing_left
}

@test "containers in a row" {
	many_runs container "${SOAK_CONTAINER_RUNS:-${SOAK_RUNS:-200}}"
}

@test "micro-VMs in a row" {
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	many_runs microvm "${SOAK_RUNS:-200}"
}
