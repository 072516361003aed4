#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench-sandbox.sh BUILD [ROUNDS]: the wall time of `duet sandbox -- true` and of bubblewrap's, measured in turn.
set -euo pipefail

build=$(cd "${1:-build}" && pwd)
rounds=${2:-50}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/duet-bench.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# Its user namespace has to be able to go there.
chmod 755 "$scratch"
mkdir "$scratch/work"
cd "$scratch/work"

duet=("$build/duet" --root "$scratch/state" sandbox --quiet -- true)
wrap=(bwrap --unshare-all --die-with-parent --new-session --clearenv --proc /proc --dev /dev --chdir "$PWD")
lacks="no system call filter, no limits, no report"
if bwrap --help 2>&1 | grep -q -e --tmp-overlay; then
	wrap=("${wrap[@]:0:1}" --overlay-src / --tmp-overlay / --overlay-src "$PWD" --tmp-overlay "$PWD" "${wrap[@]:1}")
else
	wrap=("${wrap[@]:0:1}" --ro-bind / / --tmpfs /tmp --bind "$PWD" "$PWD" "${wrap[@]:1}")
	lacks="no overlay, $lacks"
fi
wrap+=(-- /bin/true)

# one RESULT COMMAND…: appends its wall time in microseconds.
one() {
	local result=$1 begin=$EPOCHREALTIME end
	shift
	"$@"
	end=$EPOCHREALTIME
	echo $((${end/./} - ${begin/./})) >>"$result"
}

median() {
	sort -n "$1" | sed -n "$((rounds / 2 + 1))p"
}

"${duet[@]}"
"${wrap[@]}"
for ((i = 0; i < rounds; i++)); do
	one "$scratch/duet" "${duet[@]}"
	one "$scratch/wrap" "${wrap[@]}"
done
ours=$(median "$scratch/duet") theirs=$(median "$scratch/wrap")
printf 'duet sandbox -- true   %6d us (median of %d, in turn)\n' "$ours" "$rounds"
printf 'bwrap … true           %6d us (%s)\n' "$theirs" "$lacks"
printf 'ratio                  %6s\n' "$((ours * 100 / theirs / 100)).$(printf %02d $((ours * 100 / theirs % 100)))"
