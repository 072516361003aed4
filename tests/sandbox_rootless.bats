#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet sandbox of an ordinary user: in a user namespace of the user's, with the limits that something can hold, and the word about those that nothing can.
# Here a user without a name; in the testbed one with subordinate ids and a delegated cgroup too.

load helpers

ID=54321

setup_file() {
	export SCRATCH ROOT WORK
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	WORK=$SCRATCH/work
	ROOT=$SCRATCH/own/state
	mkdir "$WORK" "$SCRATCH/own"
	chmod 755 "$SCRATCH"
	# Closed to everybody else, as a user's runtime directory is.
	chmod 700 "$SCRATCH/own"
	echo original >"$WORK/file"
	mkdir "$WORK/directory"
	echo original >"$WORK/directory/file"
	chown -R $ID:$ID "$WORK" "$SCRATCH/own"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

setup() {
	unprivileged unshare --user true 2>/dev/null || skip "user namespaces of ordinary users are forbidden here"
}

teardown() {
	assert_no_sandbox_left
	! pgrep -u $ID -a || fail "processes of the user are left"
}

unprivileged() {
	setpriv --reuid $ID --regid $ID --clear-groups --inh-caps=-all --bounding-set=-all env -u XDG_RUNTIME_DIR "$@"
}

sandbox() {
	(cd "$WORK" && unprivileged timeout -k 5 120 "$DUET" --root "$ROOT" sandbox "$@")
}

@test "the command's output and status are its own; what it changes vanishes" {
	run sandbox --quiet -- sh -c 'echo changed >file; cat file; rm directory/file; echo x >/etc/new; ls /etc/new; ls -A /home /root; id -u; exit 7'
	echo "$output"
	[ "$status" -eq 7 ]
	[ "${lines[0]}" = changed ]
	[[ "$output" == */etc/new* ]]
	[ "${lines[-1]}" = 0 ]
	[ "$(cat "$WORK/file" "$WORK/directory/file")" = $'original\noriginal' ]
	[ ! -e /etc/new ]
	sandbox --quiet --workdir-mode rw -- sh -c 'echo made >made'
	[ "$(stat -c %u "$WORK/made")" = $ID ]
	rm "$WORK/made"
}

@test "what only root could read stays so, and there is no right over anything" {
	echo secret >"$SCRATCH/secret"
	chmod 600 "$SCRATCH/secret"
	run sandbox --quiet --ro-bind "$SCRATCH/secret:/tmp/secret" -- sh -c 'cat /tmp/secret; cat /etc/shadow; unshare -r true; mount -t tmpfs t /mnt; grep -E "^(Seccomp|NoNewPrivs):" /proc/self/status'
	echo "$output"
	[[ "$output" != *$'\nsecret'* && "$output" != secret* ]]
	[[ "$output" == *"NoNewPrivs:"*1*"Seccomp:"*2* ]]
	run sandbox --quiet --profile strict -- grep CapEff /proc/self/status
	[[ "$output" == *0000000000000000 ]]
}

@test "limits that something can hold are held; a default that nothing can is named; one that was asked for is refused" {
	run sandbox --report "$WORK/report.json" --pids 12 --disk 8M --output-limit 5 --timeout 20s -- \
		sh -c '(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1 & done) 2>&1 | grep -c fork >/dev/null && echo held; head -c 20M /dev/zero >big 2>/dev/null || echo full'
	echo "$output"
	cat "$WORK/report.json"
	[[ "$output" == *"not in force"*memory* ]]
	[ "$(jq -c .limitsNotInForce "$WORK/report.json")" = '["memory","swap"]' ]
	[ "$(jq -r .limits.pids "$WORK/report.json")" = 12 ]
	[ "$(jq .limits.memory "$WORK/report.json")" = null ]
	[[ "$(jq -c .limitsReached "$WORK/report.json")" == *disk* ]]
	[[ "$output" == *held* && "$output" != *full* ]]
	rm "$WORK/report.json"
	run sandbox --timeout 500ms --grace 0 sleep 30
	[ "$status" -eq 124 ]
	local option
	for option in --memory=100M --cpus=1 --cpu-time=1s; do
		run sandbox $option true
		[ "$status" -eq 125 ]
		[[ "$output" == *"${option%=*}: nothing can hold this limit: no cgroup with that controller is delegated to this user ("* ]]
	done
}

@test "files come in and out, changes are kept, an archive is a root" {
	run sandbox --quiet --copy-in "$WORK/file:/in" --copy-out "$WORK/out=$WORK/fetched" --keep-diff "$WORK/diff" -- sh -c 'cp /in out; rm file; rm directory/file'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(cat "$WORK/fetched")" = original ]
	[ "$(stat -c %u "$WORK/fetched" "$WORK/diff$WORK/.wh.file" | uniq)" = $ID ]
	[ -e "$WORK/diff$WORK/directory/.wh.file" ]
	rm -r "$WORK/diff" "$WORK/fetched"
	mkdir -p "$SCRATCH/tree/bin" "$SCRATCH/tree/of-another"
	cp /bin/busybox "$SCRATCH/tree/bin/"
	chown 5:6 "$SCRATCH/tree/of-another"
	tar -C "$SCRATCH/tree" -cf "$WORK/root.tar" .
	run sandbox --quiet --rootfs "$WORK/root.tar" -- /bin/busybox stat -c %u /of-another
	echo "$output"
	[ "$status" -eq 0 ]
	rm "$WORK/root.tar"
}

@test "where no procfs of its own can be mounted the sandbox says what its /proc shows" {
	covered() {
		(cd "$WORK" && unshare -m sh -c 'mount -t tmpfs none /proc/tty && exec "$@"' - setpriv --reuid $ID --regid $ID --clear-groups \
			--inh-caps=-all --bounding-set=-all env -u XDG_RUNTIME_DIR timeout -k 5 120 "$DUET" --root "$ROOT" sandbox "$@")
	}
	run sandbox --quiet -- readlink /proc/self
	[[ "$output" != *warning* ]]
	run covered --quiet -- true
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "$output" == *'"/proc" shows processes outside of the container'* ]]
}

@test "a directory of the host's can be replaced" {
	[ "$(printf '%s\n' 6.6 "$(uname -r)" | sort -V | head -n 1)" = 6.6 ] || skip "needs Linux 6.6: a tmpfs with user attributes"
	sandbox --quiet --keep-diff "$WORK/diff" -- sh -c 'rm -r directory; mkdir directory'
	[ -e "$WORK/diff$WORK/directory/.wh..wh..opq" ]
	rm -r "$WORK/diff"
}

@test "many of them, side by side" {
	sandbox --quiet --repeat 6 --jobs 3 --report "$WORK/report.json" -- true
	[ "$(jq -c '[.runs[] | [.exitCode, .limitsNotInForce]] | unique' "$WORK/report.json")" = '[[0,["memory","swap"]]]' ]
	rm "$WORK/report.json"
}

@test "KILL of duet itself leaves nothing" {
	sandbox --quiet --workdir-mode rw -- sh -c 'echo >began; exec sleep 600' 3>&- &
	wait_until 60 test -e "$WORK/began"
	pkill -KILL -o -u $ID -f "^$DUET --root $ROOT sandbox"
	wait_until 20 sh -c "! pgrep -u $ID >/dev/null" || fail "a process is left"
	rm "$WORK/began"
}

@test "a delegated cgroup holds the limits, subordinate ids are the sandbox's" {
	[ "${DUET_TESTBED:-} ${DUET_CGROUP:-}" = "1 v2" ] || skip "needs a delegated cgroup: run it in the testbed (v2)"
	mkdir -p /home/alice/work
	chown alice: /home/alice/work
	alice() { (cd /home/alice/work && timeout -k 5 100 as-user alice "$DUET" sandbox --report r.json "$@"); }
	run alice --memory 64M --cpus 1 --cpu-time 60s --pids 20 -- sh -c 'cat /proc/self/uid_map; touch f; chown 33:34 f; stat -c %u:%g f'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" =~ ^\ *0\ +0\ +1$ ]]
	[[ "${lines[1]}" =~ ^\ *1\ +1\ +65535$ ]]
	[ "${lines[2]}" = 33:34 ]
	[ "$(jq -c .limitsNotInForce /home/alice/work/r.json)" = null ]
	[ "$(jq .usage.pidsPeak /home/alice/work/r.json)" -ge 1 ]
	run alice --memory 64M -- sh -c 'head -c 200M /dev/zero | tail'
	[ "$(jq -c .limitsReached /home/alice/work/r.json)" = '["memory"]' ]
	[ -z "$(find /sys/fs/cgroup -type d -name '*sandbox-*')" ]
	rm -r /home/alice/work
}

@test "a micro-VM of a user who may use /dev/kvm" {
	[ "${DUET_TESTBED:-}" = 1 ] || skip "needs an ordinary user with /dev/kvm: run it in the testbed"
	[ -e /dev/kvm ] || skip "/dev/kvm is missing"
	mkdir -p /home/alice/work
	chown alice: /home/alice/work
	run as-user alice "$DUET" sandbox --vm --workdir /home/alice/work -- sh -c 'echo x >f; cat f; id -u; exit 3'
	echo "$output"
	[ "$status" -eq 3 ]
	[[ "$output" == *$'x\n0'* ]]
	[ ! -e /home/alice/work/f ]
	rm -r /home/alice/work
}

@test "who forbids user namespaces is named" {
	[ "${DUET_TESTBED:-}" = 1 ] || skip "changes a setting of the kernel's: run it in the testbed"
	local before
	before=$(cat /proc/sys/user/max_user_namespaces)
	echo 0 >/proc/sys/user/max_user_namespaces
	run sandbox true
	echo "$before" >/proc/sys/user/max_user_namespaces
	echo "$output"
	[ "$status" -eq 125 ]
	[[ "$output" == *"user.max_user_namespaces is 0"* && "$output" == *"sysctl -w user.max_user_namespaces="* ]]
}
