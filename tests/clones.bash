# SPDX-License-Identifier: Apache-2.0
# Micro-VMs that go on from one template, compared: for tests that load helpers.bash and have made a bundle.

# clone_identities COUNT: what COUNT of them are, in $SCRATCH/identity.1 …, one after another, each by a host name of its own.
clone_identities() {
	local i python
	cp "$BUILD/tests/guest/identity" "$BUNDLE/rootfs/bin/"
	python=$(PATH=/usr/bin:/bin command -v python3 || true)
	for ((i = 1; i <= $1; i++)); do
		# The machine's own programs, where it has them, for what they make of the guest's randomness.
		name=clone-$i python=$python configure '.hostname = env.name |
			.process.args = ["sh", "-c", "identity; echo shell $RANDOM$RANDOM$RANDOM; mktemp -u /tmp/name.XXXXXXXXXXXX;
				[ -z \"$PYTHON\" ] || echo python $(chroot /machine $PYTHON -c \"print(hash(chr(100)), id(object()))\")"] |
			.process.env += ["PYTHON=\(env.python)"] |
			.process.capabilities |= map_values(. + ["CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_SYS_CHROOT"] | unique) |
			.mounts += if env.python == "" then [] else
				[{ destination: "/machine", type: "bind", source: "/", options: ["bind", "ro"] }] end'
		timeout -k 5 120 "$DUET" --debug --root "$ROOT" run --vm -b "$BUNDLE" "$(new_id)" </dev/null >"$SCRATCH/identity.$i" \
			2>"$SCRATCH/identity.stderr" || fail "clone $i: $(cat "$SCRATCH/identity.stderr" "$SCRATCH/identity.$i")"
		grep -qx "hostname clone-$i" "$SCRATCH/identity.$i"
		[ "$i" -eq 1 ] || grep -q "goes on from a template" "$SCRATCH/identity.stderr"
	done
}

# nothing_repeats COUNT
nothing_repeats() {
	local repeated lines
	lines=$(wc -l <"$SCRATCH/identity.1")
	[ "$lines" -ge 12 ]
	[ "$(cat "$SCRATCH"/identity.[0-9]* | wc -l)" -eq $((lines * $1)) ]
	repeated=$(sort "$SCRATCH"/identity.[0-9]* | uniq -d)
	[ -z "$repeated" ] || fail "came twice: $repeated"
	# Equal but for the moment between the clock and the packet, 2^20 * 64 ns at most, in all three connections: the same key.
	repeated=$(cat "$SCRATCH"/identity.[0-9]* | awk '
		function near(a, b) { a = (a - b + 8589934592) % 4294967296; return a < 1048576 || a > 4294967296 - 1048576 }
		$1 == "sequence" { for (i = 0; i < n; i++) if (near($2, a[i]) && near($3, b[i]) && near($4, c[i])) print
			a[n] = $2; b[n] = $3; c[n] = $4; n++ }')
	[ -z "$repeated" ] || fail "the same sequence numbers: $repeated"
	rm -f "$SCRATCH"/identity.*
}
