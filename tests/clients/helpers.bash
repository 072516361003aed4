# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154 # used by the tests; set by run
bats_require_minimum_version 1.5.0

# What the files of this folder share. They run in a room (see room) or in the testbed.
#   CLIENTS_RUNTIME  the runtime that the engines are given; another one (/usr/sbin/runc) is a control for the tests
#   DUET_ISOLATION   microvm: the same runtime by the name that selects the other wall

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
IMAGE=docker.io/library/duet-test:latest

# Where everything of a file lies; the runtime by a name that tells the walls apart; the image that all tests use.
setup_room() {
	export SCRATCH RUNTIME RUNTIME_NAME
	# The testbed's /tmp is in its memory.
	[ "${DUET_TESTBED:-}" != 1 ] || TMPDIR=/var/tmp
	SCRATCH=${SCRATCH:-${ROOM_SCRATCH:-$(mktemp -d "${TMPDIR:-/tmp}/duet-clients.XXXXXX")}}
	RUNTIME=${CLIENTS_RUNTIME:-$BUILD/duet}
	if is_microvm; then
		mkdir -p "$SCRATCH/bin"
		ln -sf "$RUNTIME" "$SCRATCH/bin/duet-microvm"
		RUNTIME=$SCRATCH/bin/duet-microvm
	fi
	RUNTIME_NAME=$(basename "$RUNTIME")
	[ -e "$SCRATCH/image.tar" ] || "$HERE/image.sh" "$SCRATCH/image.tar" "$IMAGE" sh
}

teardown_room() {
	[ -n "${ROOM_SCRATCH:-}" ] || rm -rf "$SCRATCH"
}

is_microvm() {
	[ "${DUET_ISOLATION:-container}" = microvm ]
}

# The machine's cgroups: v1 (or hybrid) or v2.
has_cgroup_v2() {
	[ -e /sys/fs/cgroup/cgroup.controllers ]
}

# A capability that the caller's bounding set must have for a test.
need_capability() {
	capsh --has-b="$1" 2>/dev/null || skip "needs $1: run it in the testbed"
}

# wait_until SECONDS COMMAND…: silent until the last try.
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ]; then
			"$@" || fail "waited in vain for: $*"
			return
		fi
		sleep 0.1
	done
}

fail() {
	echo "$*" >&2
	return 1
}

# equal ACTUAL EXPECTED
equal() {
	[ "$1" = "$2" ] || fail "got: $1
expected: $2"
}

# like ACTUAL PATTERN: a glob.
like() {
	# shellcheck disable=SC2053 # a pattern it is
	[[ $1 == $2 ]] || fail "got: $1
expected: $2"
}

on_terminal() {
	"$HERE/on-terminal" "$@"
}

# What the process on a terminal does in expect_terminal. Engines may tell it its size a moment after the start.
# shellcheck disable=SC2016 # expanded in the container
TERMINAL_SCRIPT='wait_for() { until [ "$(stty size)" = "$1" ]; do sleep 0.1; done; echo "size: $1"; }
	wait_for "33 77"; tty; wait_for "44 99"; read -r line; echo "heard: $line"; exit 5'

# expect_terminal COMMAND…: of a client that runs TERMINAL_SCRIPT with a terminal: it has the caller's size, follows it, is
# read and written.
expect_terminal() {
	run on_terminal --size=33x77 --expect='size: 33 77' --resize=44x99 --expect='size: 44 99' --send='word\n' \
		--expect='heard: word' -- "$@"
	[ "$status" -eq 5 ] || fail "status $status: $output"
	like "$output" '*/dev/pts/[0-9]*'
}
