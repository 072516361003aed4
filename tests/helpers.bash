# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0

# What every bats file loads. Tests of both walls take the isolation from DUET_ISOLATION (container or microvm).

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$TOP/build}
DUET=${DUET:-$BUILD/duet}
export DUET
# Templates of the guests that the tests boot: one set for the whole run, removed with it.
export DUET_CACHE_DIR=${BATS_RUN_TMPDIR:?}/cache

# One scratch directory and one state root for a file; one bundle that its tests copy the configuration of.
setup_file_bundle() {
	export SCRATCH ROOT BUNDLE
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	BUNDLE=$SCRATCH/bundle
	"$TOP/scripts/make-bundle.sh" "${1:-busybox}" "$BUNDLE"
	cp "$BUNDLE/config.json" "$SCRATCH/config.template.json"
}

teardown_file_bundle() {
	[ -n "${SCRATCH:-}" ] || return 0
	for state in "$ROOT"/*/; do
		[ -d "$state" ] && "$DUET" --root "$ROOT" delete --force "$(basename "$state")"
	done
	rm -rf "$SCRATCH"
}

# configure FILTER [ARGUMENT…]: config.json = the template through jq; $ARGS.positional are the arguments.
configure() {
	local filter=$1
	shift
	jq "$filter" --args -- "$@" <"$SCRATCH/config.template.json" >"$BUNDLE/config.json"
}

# configure_command COMMAND…: the template with that process.
configure_command() {
	configure '.process.args = $ARGS.positional' "$@"
}

# DUET_UNDER: a command and its arguments that duet is run by.
duet() {
	# shellcheck disable=SC2086
	timeout -k 5 "${DUET_TEST_TIMEOUT:-120}" ${DUET_UNDER:-} "$DUET" --root "$ROOT" "$@"
}

# An id that no other test has.
new_id() {
	echo "t${BATS_TEST_NUMBER}-$$-$RANDOM"
}

duet_run() {
	duet run ${DUET_ISOLATION:+--isolation="$DUET_ISOLATION"} "$@" -b "$BUNDLE" "$(new_id)"
}

duet_create() {
	duet create ${DUET_ISOLATION:+--isolation="$DUET_ISOLATION"} -b "$BUNDLE" "$@"
}

is_microvm() {
	[ "${DUET_ISOLATION:-container}" = microvm ]
}

# wait_until SECONDS COMMAND…
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.05
	done
}

# is_in_state ID STATUS
is_in_state() {
	[ "$(duet state "$1" | jq -r .status)" = "$2" ]
}

# shown REGEX: on the terminal that script(1) has recorded; its first line repeats the command itself.
shown() {
	tail -n +2 "$SCRATCH/screen" | grep -q -- "$1"
}

fail() {
	echo "$*" >&2
	return 1
}

# A sandbox behind the wall under test, in the work directory of the file.
sandbox() {
	local vm=()
	! is_microvm || vm=(--vm)
	(cd "$SCRATCH/work" && exec timeout -k 5 120 "$DUET" --root "$ROOT" sandbox "${vm[@]}" "$@")
}

# make_network_namespaces FILE…: each is bound to a namespace of its own; end_network_namespaces takes them away.
make_network_namespaces() {
	local namespace
	for namespace in "$@"; do
		: >"$namespace"
		unshare --net="$namespace" ip link set lo up || skip "network namespaces cannot be made here"
	done
}

# A job of the shell's would be the shell that runs it, and bats has jobs too: whoever is in the namespaces goes.
end_network_namespaces() {
	local namespace
	for namespace in "$@"; do
		find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/net' -lname "net:\\[$(stat -L -c %i "$namespace")\\]" 2>/dev/null |
			cut -d/ -f3 | xargs -r kill -KILL
	done
	umount "$@"
}

# Nothing of a container may be left: no state, no mount, no cgroup, no process of ours.
assert_nothing_left() {
	local left
	left=$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' 2>/dev/null)
	[ -z "$left" ] || fail "state is left: $left"
	left=$(grep -F "$SCRATCH" /proc/self/mountinfo || true)
	[ -z "$left" ] || fail "mounts are left: $left"
}

assert_no_sandbox_left() {
	assert_nothing_left
	[ -z "$(find "$ROOT/.sandbox" -mindepth 1 2>/dev/null)" ] || fail "a sandbox's directory is left"
}
