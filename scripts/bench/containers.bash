# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The rows of containers: duet, its floor, crun, runc and bubblewrap. Sourced by bench-start.sh.
# shellcheck disable=SC2154,SC2164 # its variables; it runs with set -e

# rows VERB WORDS…: a row for duet and for each peer, of one command on a container of its own, into the array "rows".
rows=()
rows_of() {
	local runtime
	rows+=(duet "$DUET" --root "$work/state/duet" "$@" "d{}")
	for runtime in "${peers[@]}"; do
		rows+=(--- "$runtime" "$runtime" --root "$work/state/$runtime" "$@" "$runtime-{}")
	done
}

# What every row but "host" does: the template bundle with /bin/true.
bench_run() {
	make_bundle "$work/bundle" . /bin/true
	cd "$work/bundle"
	rows=(host busybox true --- floor "$tools/floor" "$work/bundle/rootfs" /bin/true ---)
	rows_of run
	if have bwrap; then
		rows+=(--- bubblewrap bwrap --unshare-all --bind "$work/bundle/rootfs" / --proc /proc --dev /dev --tmpfs /tmp /bin/true)
	fi
	turns "run of the template bundle" "${peers[0]:-duet}" "$runs" "${rows[@]}"

	make_bundle "$work/shared-net" '.linux.namespaces |= map(select(.type != "network"))' /bin/true
	cd "$work/shared-net"
	rows=(floor "$tools/floor" --shared-network "$work/shared-net/rootfs" /bin/true ---)
	rows_of run
	turns "run without a network namespace of its own" "${peers[0]:-duet}" "$runs" "${rows[@]}"
}

# The profile that podman gives its containers, as it would write it into config.json for their default capabilities on this architecture.
default_profile() {
	jq '(.archMap | map(select(.architecture == "SCMP_ARCH_X86_64"))[0]) as $arch
		| ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"] as $capabilities
		| { defaultAction, defaultErrnoRet, architectures: ([$arch.architecture] + $arch.subArchitectures),
			syscalls: [.syscalls[]
				| select((.includes.arches // ["amd64"]) | index("amd64"))
				| select((.excludes.arches // []) | index("amd64") | not)
				| select(((.includes.caps // []) - $capabilities) == [])
				| select(((.excludes.caps // []) - $capabilities) == (.excludes.caps // []))
				| {names, action, args: (.args // []), errnoRet} | with_entries(select(.value != null))] }
		| with_entries(select(.value != null))' "$1"
}

bench_seccomp() {
	local profile=${SECCOMP_PROFILE:-/usr/share/containers/seccomp.json} runtime
	if [ ! -r "$profile" ]; then
		echo "$profile (golang-github-containers-common) is not installed: the rows with a system call filter are left out"
		return
	fi
	default_profile "$profile" >"$work/profile.json"
	make_bundle "$work/filtered" ".linux.seccomp = $(cat "$work/profile.json")" /bin/true
	cd "$work/filtered"
	rows=("duet, cold cache" --before rm -rf "$work/state/cold/.seccomp" --then "$DUET" --root "$work/state/cold" run "c{}"
		--- "duet, warm cache" "$DUET" --root "$work/state/warm" run "d{}")
	for runtime in "${peers[@]}"; do
		rows+=(--- "$runtime" "$runtime" --root "$work/state/$runtime" run "$runtime-{}")
	done
	turns "run with the default seccomp profile of podman" "${peers[0]:-duet}" "$runs" "${rows[@]}"
}

# What an engine does: three commands.
bench_life() {
	local runtime words
	[ -d "$work/bundle" ] || make_bundle "$work/bundle" . /bin/true
	cd "$work/bundle"
	rows=()
	for runtime in "$DUET" "${peers[@]}"; do
		words=("$runtime" --root "$work/state/${runtime##*/}")
		rows+=("${runtime##*/}" "${words[@]}" create "l{}" --then "${words[@]}" start "l{}" --then "${words[@]}" delete --force "l{}" ---)
	done
	unset 'rows[-1]'
	turns "create, start and delete" "${peers[0]:-duet}" "$runs" "${rows[@]}"
}

bench_exec() {
	local runtime
	make_bundle "$work/sleeping" . /bin/sleep 100000
	cd "$work/sleeping"
	rows=()
	for runtime in "$DUET" "${peers[@]}"; do
		"$runtime" --root "$work/state/${runtime##*/}" run --detach sleeping </dev/null >/dev/null 2>&1
		rows+=("${runtime##*/}" "$runtime" --root "$work/state/${runtime##*/}" exec sleeping /bin/true ---)
	done
	unset 'rows[-1]'
	turns "exec of /bin/true" "${peers[0]:-duet}" "$runs" "${rows[@]}"
	for runtime in "$DUET" "${peers[@]}"; do
		"$runtime" --root "$work/state/${runtime##*/}" delete --force sleeping
	done
}

bench_throughput() {
	local runtime
	[ -d "$work/bundle" ] || make_bundle "$work/bundle" . /bin/true
	cd "$work/bundle"
	rows=()
	for runtime in "${peers[0]:-}" "$DUET"; do
		[ -z "$runtime" ] || rows+=("${runtime##*/}" "$runtime" --root "$work/state/${runtime##*/}" run "t{}" ---)
	done
	unset 'rows[-1]'
	"$tools/callers" --title "containers started and deleted per second, by the number of callers" --json "$results" 3 $((runs * 4)) 1,2,4,16 \
		"${rows[@]}"
}
