#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The ways in which container runtimes have been broken, tried on this one.

load helpers

setup_file() {
	setup_file_bundle
	cp "$BUILD"/tests/attack/{overwrite,swap,trace,terminal} "$BUNDLE/rootfs/bin/" || true
	# The image as it is put back for each test, and what no test may touch.
	cp -a "$BUNDLE/rootfs" "$SCRATCH/image"
	mkdir "$SCRATCH/outside"
	# How often a race is tried; an emulated machine takes long over each.
	export ROUNDS=40
	[ -z "${DUET_TESTBED:-}" ] || ROUNDS=10
	echo "the host's secret" >"$SCRATCH/secret"
}

teardown_file() {
	teardown_file_bundle
}

setup() {
	[ -x "$BUILD/tests/attack/overwrite" ] || skip "the attacking programs are not built: make test-programs"
	rm -rf "$BUNDLE/rootfs"
	cp -a "$SCRATCH/image" "$BUNDLE/rootfs"
	configure .
}

teardown() {
	[ -z "${ATTACKER:-}" ] || duet delete --force "$ATTACKER"
	rm -rf "$SCRATCH/volume"
	assert_nothing_left
	[ -z "$(ls -A "$SCRATCH/outside")" ] || fail "something was made outside: $(find "$SCRATCH/outside")"
}

# Every capability that the caller has: an attacker who may do whatever a container without a user namespace can be allowed to do.
PRIVILEGED='.process.capabilities[] = $caps | .process.noNewPrivileges = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []'

# privileged_configure FILTER: like configure, with all capabilities.
privileged_configure() {
	local held names
	held=$((16#$(sed -n 's/^CapPrm:\t//p' /proc/self/status)))
	names=$("$DUET" features | jq -r '.linux.capabilities | to_entries[] | "\(.key) \(.value)"' |
		while read -r number name; do ((held >> number & 1)) && echo "$name"; done | jq -R . | jq -s .)
	jq --argjson caps "$names" "$PRIVILEGED | $1" <"$SCRATCH/config.template.json" >"$BUNDLE/config.json"
}

# A runtime of its own to attack: victim ARGUMENT…; victim_is_unharmed.
victim_begin() {
	cp "$DUET" "$SCRATCH/victim"
	VICTIM_BEFORE=$(stat -c '%a %U %s' "$SCRATCH/victim" && sha256sum <"$SCRATCH/victim")
}

victim() {
	# shellcheck disable=SC2086
	timeout 60 ${DUET_UNDER:-} "$SCRATCH/victim" --root "$ROOT" "$@"
}

victim_is_unharmed() {
	[ "$(stat -c '%a %U %s' "$SCRATCH/victim" && sha256sum <"$SCRATCH/victim")" = "$VICTIM_BEFORE" ] || fail "the runtime was changed"
}

# A container that goes on attacking: attacker_begin COMMAND…, with $SCRATCH/volume at /volume.
attacker_begin() {
	ATTACKER=$(new_id)
	configure '.process.args = $ARGS.positional | .mounts += [{"destination": "/volume", "source": "'"$SCRATCH"'/volume", "options": ["bind"]}]' "$@"
	duet run --detach -b "$BUNDLE" "$ATTACKER" </dev/null >/dev/null 2>&1
}

# result_is PATTERN…: what the attacker wrote down is one of these.
result_is() {
	wait_until 20 test -s "$BUNDLE/rootfs/result" || fail "the attacker did not come to an end"
	local pattern
	for pattern; do
		# shellcheck disable=SC2053 # a pattern
		[[ $(cat "$BUNDLE/rootfs/result") != $pattern ]] || return 0
	done
	fail "not \"$*\": $(cat "$BUNDLE/rootfs/result")"
}

# ---- CVE-2019-5736: the runtime's binary ----

@test "an image that makes itself executed by the runtime's binary cannot write to it" {
	local id loader
	id=$(new_id)
	# Its name stands at the beginning of a program that has one. Nothing of the image is executed by a statically linked program.
	loader=$(head -c 4096 "$DUET" | grep -aoE -m 1 '/lib[a-z0-9_/-]*/ld-[a-z0-9.-]*\.so\.[0-9]+' | head -n 1)
	if [ -n "$loader" ]; then
		mkdir -p "$BUNDLE/rootfs${loader%/*}"
		cp "$BUILD/tests/attack/evil_loader" "$BUNDLE/rootfs$loader"
	fi
	printf '#!/proc/self/exe\n' >"$BUNDLE/rootfs/script"
	chmod 755 "$BUNDLE/rootfs/script"
	victim_begin
	for program in /script /proc/self/exe; do
		privileged_configure '.process.args = ["'$program'"]'
		victim create -b "$BUNDLE" "$id" </dev/null >/dev/null 2>&1
		victim start "$id"
		if [ -n "$loader" ]; then
			result_is 'refused: Read-only file system' 'refused: Operation not permitted'
		else
			wait_until 20 is_in_state "$id" stopped
			[ ! -e "$BUNDLE/rootfs/result" ]
		fi
		victim delete --force "$id"
		victim_is_unharmed
		rm -f "$BUNDLE/rootfs/result"
	done
}

@test "a process that shares the container's pid namespace cannot write to the runtime's binary" {
	local attacker other pid
	attacker=$(new_id)
	other=$(new_id)
	victim_begin
	privileged_configure '.process.args = ["overwrite", "watch", "10"]'
	victim run --detach -b "$BUNDLE" "$attacker" </dev/null >/dev/null 2>&1
	pid=$(victim state "$attacker" | jq .pid)
	configure '.process.args = ["true"] | .linux.namespaces |= map(if .type == "pid" then .path = $ARGS.positional[0] else . end)' \
		"/proc/$pid/ns/pid"
	for _ in {1..20}; do
		[ ! -s "$BUNDLE/rootfs/result" ] || break
		victim run -b "$BUNDLE" "$other" </dev/null || true
	done
	result_is 'refused: Read-only file system' 'refused: Operation not permitted'
	victim delete --force "$attacker"
	victim_is_unharmed
}

@test "a container cannot write to the runtime's binary while something is executed in it" {
	ATTACKER=$(new_id)
	victim_begin
	privileged_configure '.process.args = ["overwrite", "watch", "10"]'
	victim run --detach -b "$BUNDLE" "$ATTACKER" </dev/null >/dev/null 2>&1
	for _ in {1..20}; do
		[ ! -s "$BUNDLE/rootfs/result" ] || break
		victim exec "$ATTACKER" true || true
	done
	result_is 'refused: Read-only file system' 'refused: Operation not permitted'
	victim_is_unharmed
}

# ---- CVE-2021-30465, CVE-2024-45310: links in the place of directories while mounts are made ----

# What was mounted where, told by a hook that runs in the container's mount namespace before its root becomes "/".
TELL='.hooks = {"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c",
	"grep -F \" \($scratch)/outside\" /proc/self/mountinfo >>\($scratch)/landed; true"]}]}'

@test "links that are swapped in while mounts are made lead nowhere outside" {
	mkdir -p "$SCRATCH/volume/entry" "$SCRATCH/outside/deep"
	ln -s "$SCRATCH/outside" "$SCRATCH/volume/link"
	attacker_begin swap /volume/entry /volume/link 20
	jq --arg scratch "$SCRATCH" '.process.args = ["true"] | .process.cwd = "/volume/entry/work" | .mounts += [
		{"destination": "/volume", "source": "\($scratch)/volume", "options": ["rbind"]},
		{"destination": "/volume/entry/deep", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/volume/entry/deep/mounted", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/volume/entry/file", "source": "\($scratch)/secret", "options": ["bind"]},
		{"destination": "/volume/entry/copied", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}]
		| .linux.maskedPaths = ["/volume/entry/deep"] | .linux.readonlyPaths = ["/volume/entry/file"]
		| .linux.devices = [{"path": "/volume/entry/device", "type": "c", "major": 1, "minor": 3}] | '"$TELL" \
		<"$SCRATCH/config.template.json" >"$BUNDLE/config.json"
	for ((round = 0; round < ROUNDS; round++)); do
		duet run -b "$BUNDLE" "$(new_id)" </dev/null >>"$SCRATCH/words" 2>&1 || true
		[ -z "$(find "$SCRATCH/outside" -mindepth 2)" ] || fail "made outside: $(find "$SCRATCH/outside")"
	done
	[ ! -s "$SCRATCH/landed" ] || fail "mounted outside: $(cat "$SCRATCH/landed")"
	rmdir "$SCRATCH/outside/deep"
	# It was a race and not a refusal of everything: at least one came through.
	[ "$(wc -l <"$SCRATCH/words")" -lt "$ROUNDS" ]
	rm -f "$SCRATCH/words" "$SCRATCH/landed"
}

@test "links of the image lead nowhere outside" {
	local id
	rm -r "$BUNDLE/rootfs/dev"
	ln -s "$SCRATCH/outside" "$BUNDLE/rootfs/dev"
	ln -s "$SCRATCH/outside" "$BUNDLE/rootfs/link"
	ln -s ../../../../../../../../..$SCRATCH/outside "$BUNDLE/rootfs/relative"
	for filter in . 'del(.mounts[] | select(.destination | startswith("/dev")))' '.mounts += [{"destination": "/link/x", "type": "tmpfs"}]' \
		'.mounts += [{"destination": "/relative/x/y", "type": "tmpfs"}]' '.process.cwd = "/link/made"' \
		'.linux.devices = [{"path": "/link/device", "type": "c", "major": 1, "minor": 3}]'; do
		configure ".process.args = [\"true\"] | $filter"
		duet_run
		[ -z "$(ls -A "$SCRATCH/outside")" ] || fail "$filter: made outside: $(find "$SCRATCH/outside")"
	done
}

# ---- CVE-2024-21626: descriptors that are left open ----

@test "no descriptor leads out: as the working directory, a program or an interpreter" {
	local words
	exec 7</ 8<"$SCRATCH"
	for fd in {3..14}; do
		for directory in "/proc/self/fd/$fd" "/proc/1/fd/$fd" "/proc/thread-self/fd/$fd" /link; do
			ln -sfn "/proc/self/fd/$fd" "$BUNDLE/rootfs/link"
			configure '.process.args = ["sh", "-c", "cat secret .$0/secret ../../../../..$0/secret"] + $ARGS.positional[1:]
				| .process.cwd = $ARGS.positional[0]' "$directory" "$SCRATCH"
			words=$(duet_run 2>&1) || true
			[[ $words != *"host's secret"* ]] || fail "cwd $directory: $words"
		done
		printf '#!/proc/self/fd/%d/bin/cat %s/secret\n' "$fd" "$SCRATCH" >"$BUNDLE/rootfs/script"
		chmod 755 "$BUNDLE/rootfs/script"
		for program in "/proc/self/fd/$fd/bin/cat" /script; do
			configure_command "$program" "/proc/self/fd/$fd$SCRATCH/secret" "/proc/self/fd/$fd/secret"
			words=$(duet_run 2>&1) || true
			[[ $words != *"host's secret"* ]] || fail "program $program: $words"
		done
	done
	exec 7<&- 8<&-
}

@test "no descriptor leads exec out" {
	local words
	ATTACKER=$(new_id)
	configure_command sleep 1000
	duet run --detach -b "$BUNDLE" "$ATTACKER" </dev/null >/dev/null 2>&1
	exec 7</ 8<"$SCRATCH"
	for fd in {3..14}; do
		for directory in "/proc/self/fd/$fd" "/proc/thread-self/fd/$fd"; do
			words=$(duet exec --cwd "$directory" "$ATTACKER" sh -c "cat secret .$SCRATCH/secret ../../../../..$SCRATCH/secret" 2>&1) || true
			[[ $words != *"host's secret"* ]] || fail "cwd $directory: $words"
		done
		words=$(duet exec "$ATTACKER" "/proc/self/fd/$fd/bin/cat" "/proc/self/fd/$fd$SCRATCH/secret" "/proc/self/fd/$fd/secret" 2>&1) || true
		[[ $words != *"host's secret"* ]] || fail "program through descriptor $fd: $words"
	done
	exec 7<&- 8<&-
}

# ---- CVE-2026-30892: whom an odd user means ----

@test "exec as an odd user is refused and never somebody else" {
	local odd
	# Names that look like numbers gone wrong lead to root here.
	for odd in 1000x 0x0 +0 -1 ' 0' 0. 00x '1000 ' 4294967295 4294967296; do
		printf '%s:x:0:0::/root:/bin/sh\n' "$odd" >>"$BUNDLE/rootfs/etc/passwd"
		printf '%s:x:0:\n' "$odd" >>"$BUNDLE/rootfs/etc/group"
	done
	ATTACKER=$(new_id)
	configure '.process.args = ["sleep", "1000"] | .process.user = {"uid": 1000, "gid": 1000}'
	duet run --detach -b "$BUNDLE" "$ATTACKER" </dev/null >/dev/null 2>&1
	for odd in 1000x 0x0 +0 -1 ' 0' 0. 00x '1000 ' 4294967295 4294967296 18446744073709551616 '' : :0 1000: 1000:+0 1000:0x0 1000:0:0 \
		$'0\n' 1e3 root/ ../root nobody; do
		run --separate-stderr duet exec --user "$odd" "$ATTACKER" id -u
		[ "$status" -eq 255 ] || fail "user \"$odd\": status $status, $output"
		[ -z "$output" ]
	done
	[ "$(duet exec --user 1000 "$ATTACKER" id -u)" = 1000 ]
	[ "$(duet exec --user root "$ATTACKER" id -u)" = 0 ]
}

# ---- CVE-2025-31133: what masks a path ----

@test "a /dev/null of the image's choice masks nothing" {
	echo "masked" >"$BUNDLE/rootfs/masked"
	ln -sf /etc/passwd "$BUNDLE/rootfs/dev/null"
	configure 'del(.mounts[] | select(.destination | startswith("/dev"))) | .linux.maskedPaths = ["/masked"] | .process.args = ["cat", "/masked"]'
	run duet_run
	[ "$status" -ne 0 ]
	[[ "$output" == *'the device "/dev/null": something else is there'* ]]
}

@test "a /dev/null that is swapped while paths are masked masks nothing" {
	mkdir "$SCRATCH/volume"
	echo "masked" >"$BUNDLE/rootfs/masked"
	cp -a /dev/null "$SCRATCH/volume/null"
	ln -s /etc/passwd "$SCRATCH/volume/other"
	attacker_begin swap /volume/null /volume/other 20
	configure 'del(.mounts[] | select(.destination | startswith("/dev"))) | .linux.maskedPaths = ["/masked"]
		| .mounts += [{"destination": "/dev", "source": $ARGS.positional[0], "options": ["bind"]}]
		| .process.args = ["sh", "-c", "stat -c %t:%T /masked; cat /masked"]' "$SCRATCH/volume"
	for ((round = 0; round < ROUNDS; round++)); do
		run duet run -b "$BUNDLE" "$(new_id)" </dev/null
		[ "$output" = 1:3 ] || [ "$status" -ne 0 ] || fail "the mask is $output"
		[[ $output != *root:* ]]
	done
}

# ---- CVE-2025-52565: the console ----

@test "a console or terminal multiplexer of the image's choice is not used" {
	ln -sf /etc/passwd "$BUNDLE/rootfs/dev/console"
	configure '.process.terminal = true | .process.args = ["cat", "/etc/passwd"]
		| .mounts |= map(select(.destination != "/dev" and .destination != "/dev/shm" and .destination != "/dev/mqueue"))'
	run duet_run </dev/null
	[ "$status" -ne 0 ]
	[[ "$output" == *'make "/dev/console"'* ]]
	rm "$BUNDLE/rootfs/dev/console"
	mkdir -p "$BUNDLE/rootfs/dev/pts"
	cp -a /dev/null "$BUNDLE/rootfs/dev/pts/ptmx"
	configure '.process.terminal = true | .process.args = ["tty"] | .mounts |= map(select(.destination | startswith("/dev") | not))'
	run duet_run </dev/null
	[ "$status" -ne 0 ]
	[[ "$output" == *"is a devpts mounted at /dev/pts"* ]]
}

@test "a console that is swapped while it is made covers nothing else" {
	mkdir -p "$SCRATCH/volume/pts"
	: >"$SCRATCH/volume/console"
	ln -s ../etc/passwd "$SCRATCH/volume/other"
	attacker_begin swap /volume/console /volume/other 20
	configure '.process.terminal = true | .process.args = ["sh", "-c", "if [ -c /etc/passwd ]; then echo covered; else echo untouched; fi"]
		| .mounts |= map(select(.destination | . == "/proc" or . == "/dev/pts"))
		| .mounts |= [{"destination": "/dev", "source": $ARGS.positional[0], "options": ["bind"]}] + .' "$SCRATCH/volume"
	for ((round = 0; round < ROUNDS; round++)); do
		run duet run -b "$BUNDLE" "$(new_id)" </dev/null
		[[ $output != covered* ]] || fail "the console covered another file"
		[[ $output != untouched* ]] || made=yes
	done
	# Without open_tree there is nothing to mask paths with where /dev has no null device of its own.
	[ "${made:-}" = yes ] || [ -n "${DUET_UNDER:-}" ]
}

# ---- CVE-2019-19921, CVE-2023-27561, CVE-2025-52881: a procfs that is none ----

@test "a false /proc receives no sysctl and no label" {
	mkdir -p "$BUNDLE"/rootfs/proc/sys/kernel "$BUNDLE"/rootfs/proc/self/attr/apparmor "$BUNDLE/rootfs/true-proc"
	for file in sys/kernel/msgmax self/attr/exec self/attr/apparmor/exec self/oom_score_adj; do
		echo untouched >"$BUNDLE/rootfs/proc/$file"
	done
	configure '.mounts |= map(if .destination == "/proc" then .destination = "/true-proc" else . end) | .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .linux.sysctl = {"kernel.msgmax": "12345"} | .process.oomScoreAdj = 777
		| .process.args = ["cat", "/true-proc/sys/kernel/msgmax", "/true-proc/self/oom_score_adj"]'
	run duet_run
	# With a false /proc alone, what a private one would be mounted or read for cannot be done without these.
	if [[ ${DUET_UNDER:-} == *fsopen* || ${DUET_UNDER:-} == *close_range ]]; then
		[ "$status" -ne 0 ]
	else
		[ "$output" = $'12345\n777' ] || fail "$output"
	fi
	configure '.mounts |= map(select(.destination != "/proc")) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .process.apparmorProfile = "some"'
	run duet_run
	[ "$status" -ne 0 ]
	[[ "$output" == *'AppArmor profile "some"'* ]]
	for file in sys/kernel/msgmax self/attr/exec self/attr/apparmor/exec self/oom_score_adj; do
		[ "$(cat "$BUNDLE/rootfs/proc/$file")" = untouched ] || fail "$file was written to"
	done
}

@test "a file that is mounted over one of /proc receives nothing" {
	echo untouched >"$SCRATCH/false"
	for target in sys/kernel/msgmax sys/kernel; do
		[ "$target" = sys/kernel/msgmax ] || { rm "$SCRATCH/false" && mkdir "$SCRATCH/false" && echo untouched >"$SCRATCH/false/msgmax"; }
		configure '.mounts += [{"destination": "/proc/'"$target"'", "source": $ARGS.positional[0], "options": ["bind"]}] | .linux.readonlyPaths = []
			| .linux.sysctl = {"kernel.msgmax": "12345"} | .process.args = ["true"]' "$SCRATCH/false"
		run duet_run
		[ "$status" -ne 0 ]
		[[ "$output" == *'set sysctl "kernel.msgmax"'* ]] || fail "$output"
	done
	[ "$(cat "$SCRATCH/false/msgmax")" = untouched ]
	rm -r "$SCRATCH/false"
	rmdir "$BUNDLE/rootfs/proc"
	ln -s /etc "$BUNDLE/rootfs/proc"
	configure_command true
	run duet_run
	[ "$status" -ne 0 ]
	[[ "$output" == *"symbolic link"* ]]
}

# ---- CVE-2016-9962: who may trace the runtime ----

# trace_others FILTER: an attacker with the configuration FILTER, and others that join its pid namespace.
trace_others() {
	local pid
	ATTACKER=$(new_id)
	configure "$1 | .process.args = [\"trace\", \"15\"]"
	duet run --detach -b "$BUNDLE" "$ATTACKER" </dev/null >/dev/null 2>&1
	pid=$(duet state "$ATTACKER" | jq .pid)
	configure "$1"' | .process.args = ["true"]
		| .linux.namespaces |= map(if .type == "pid" or .type == "user" then .path = "/proc/\($ARGS.positional[0])/ns/\(.type)" else . end)
		| if any(.linux.namespaces[]; .type == "user") then del(.linux.uidMappings, .linux.gidMappings) else . end' "$pid"
	for _ in {1..20}; do
		duet run -b "$BUNDLE" "$(new_id)" </dev/null || fail "$(cat "$BUNDLE/rootfs/result")"
		duet exec "$ATTACKER" true || fail "$(cat "$BUNDLE/rootfs/result")"
	done
	touch "$BUNDLE/rootfs/enough"
	result_is '*'
	[[ $(cat "$BUNDLE/rootfs/result") =~ ^[1-9][0-9]\ processes\ came\ by,\ none\ was\ caught ]] || fail "$(cat "$BUNDLE/rootfs/result")"
}

@test "a process that is made or enters a container cannot be traced from inside meanwhile" {
	trace_others .
}

@test "nor by the root of its user namespace with every capability there" {
	chmod 755 "$SCRATCH" "$BUNDLE"
	chown -R 100000:100000 "$BUNDLE/rootfs"
	trace_others '.linux.namespaces += [{"type": "user"}] | .process.capabilities[] = ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_KILL"]
		| .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings
		| .mounts |= map(select(.type != "mqueue" and .type != "sysfs"))'
}

@test "a process that is made in a pid namespace of others shows none of the host to who may trace it" {
	local pid
	ATTACKER=$(new_id)
	touch "$SCRATCH/host-only"
	cp "$BUILD/tests/attack/spy" "$BUNDLE/rootfs/bin/"
	configure '.process.args = ["spy", "/result", "/enough", $ARGS.positional[0]] | .process.capabilities[] += ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]' "$SCRATCH/host-only"
	duet run --detach -b "$BUNDLE" "$ATTACKER" </dev/null >/dev/null 2>&1
	pid=$(duet state "$ATTACKER" | jq .pid)
	wait_until 10 grep -q begun "$BUNDLE/rootfs/result"
	configure '.process.args = ["sh", "-c", "[ -e /proc/1/comm ] && cat /proc/self/comm; exit 3"] | .hooks.createContainer = [{"path": "/bin/true"}]
		| .linux.namespaces |= map(if .type == "pid" then .path = "/proc/\($ARGS.positional[0])/ns/pid" else . end)' "$pid"
	for _ in {1..15}; do
		run duet run -b "$BUNDLE" "$(new_id)" </dev/null
		[ "$status" -eq 3 ]
		[ "$output" = cat ]
	done
	# create and start, whose pid is that of the process.
	duet create -b "$BUNDLE" --pid-file "$SCRATCH/pid" other </dev/null >/dev/null 2>&1
	[ "$(duet state other | jq .pid)" = "$(cat "$SCRATCH/pid")" ]
	[ "$(readlink "/proc/$(cat "$SCRATCH/pid")/ns/pid")" = "$(readlink "/proc/$pid/ns/pid")" ]
	duet start other
	wait_until 10 is_in_state other stopped
	duet delete other
	touch "$BUNDLE/rootfs/enough"
	wait_until 10 grep -q 'processes seen' "$BUNDLE/rootfs/result"
	cat "$BUNDLE/rootfs/result"
	[ "$(sed -n 's/ processes seen//p' "$BUNDLE/rootfs/result")" -gt 5 ] || fail "the spy was too slow"
	[ "$(wc -l <"$BUNDLE/rootfs/result")" -eq 2 ]
}

# ---- CVE-2017-5226, CVE-2019-10063: the caller's terminal ----

@test "nothing can be typed on the caller's terminal" {
	configure_command terminal
	run script -qec "'$DUET' --root '$ROOT' run -b '$BUNDLE' $(new_id)" /dev/null
	# The end of input may be echoed before it.
	[[ "$output" == ?("^@")refused* ]] || fail "$output"
}
