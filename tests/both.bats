#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What holds behind both walls: the same bundle, the same output, the same exit status. Run once for each DUET_ISOLATION.
# Those tagged "smoke" also run where each boot takes many seconds (a KVM that emulates the guest's kernel).

load helpers

setup_file() {
	setup_file_bundle
}

teardown_file() {
	teardown_file_bundle
}

teardown() {
	assert_nothing_left
}

# bats test_tags=smoke
@test "standard output and error stay apart and the exit status is the process's" {
	configure_command sh -c 'echo out; echo err >&2; exit 7'
	run --separate-stderr duet_run
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "death by a signal is 128 plus its number" {
	configure_command sh -c 'kill -9 $$; sleep 5'
	run duet_run
	# pid 1 of a pid namespace ignores what it sends itself, so a child does it.
	configure_command sh -c 'sh -c "kill -TERM \$\$"; exit $?'
	run duet_run
	[ "$status" -eq 143 ]
}

# bats test_tags=smoke
@test "an executable that does not exist is 127 and is named" {
	configure_command /no/such/program
	run --separate-stderr duet_run
	[ "$status" -eq 127 ]
	[[ "$stderr" == *"/no/such/program"*"no such file or directory"* ]]
	configure_command no-such-program
	run --separate-stderr duet_run
	[ "$status" -eq 127 ]
	[[ "$stderr" == *"no-such-program"*"executable file not found in \$PATH"* ]]
}

@test "a file that is not executable is 126" {
	configure_command /etc/passwd
	run --separate-stderr duet_run
	[ "$status" -eq 126 ]
	[[ "$stderr" == *"/etc/passwd"*"permission denied"* ]]
}

@test "a missing interpreter is named" {
	printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/script"
	chmod 755 "$BUNDLE/rootfs/script"
	configure_command /script
	run --separate-stderr duet_run
	[ "$status" -eq 127 ]
	[[ "$stderr" == *"/no/such/interpreter"* ]]
}

# bats test_tags=smoke
@test "user, groups, working directory, environment, umask, host name and limits are applied" {
	configure '.process.args = ["sh", "-c", "id -u; id -g; id -G; pwd; echo $GREETING; umask; hostname; ulimit -n"]
		| .process.user = {"uid": 1000, "gid": 1000, "additionalGids": [10, 20], "umask": 63}
		| .process.cwd = "/tmp" | .process.env += ["GREETING=hello"] | .hostname = "duet-host"
		| .process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 512}]'
	run duet_run
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1000 ]
	[ "${lines[1]}" = 1000 ]
	[ "${lines[2]}" = "1000 10 20" ]
	[ "${lines[3]}" = /tmp ]
	[ "${lines[4]}" = hello ]
	[ "${lines[5]}" = 0077 ]
	[ "${lines[6]}" = duet-host ]
	[ "${lines[7]}" = 512 ]
}

# bats test_tags=smoke
@test "capabilities, no_new_privs and the seccomp filter are applied" {
	configure '.process.args = ["sh", "-c", "grep -E \"^(Cap|NoNewPrivs|Seccomp:)\" /proc/self/status; mkdir /tmp/refused; echo status $?"]
		| .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
			"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}'
	run duet_run
	[[ "$output" == *$'CapPrm:\t0000000020000420'* ]]
	[[ "$output" == *$'CapBnd:\t0000000020000420'* ]]
	[[ "$output" == *$'NoNewPrivs:\t1'* ]]
	[[ "$output" == *$'Seccomp:\t2'* ]]
	[[ "$output" == *"Function not implemented"* ]]
	[[ "$output" == *"status 1"* ]]
}

@test "masked paths are empty, read-only paths and a read-only root refuse writes" {
	configure '.process.args = ["sh", "-c", "wc -c < /proc/kcore 2>/dev/null; echo x > /proc/sys/kernel/domainname; echo x > /file; echo done"]
		| .root.readonly = true | .linux.maskedPaths = ["/proc/kcore", "/etc"]
		| .mounts += [{"destination": "/made/for/it", "type": "tmpfs", "source": "tmpfs"}]'
	run duet_run
	[[ "$output" == *"/proc/sys/kernel/domainname: Read-only file system"* ]]
	[[ "$output" == *"/file: Read-only file system"* ]]
	[[ "$output" == *done* ]]
	[ ! -e "$BUNDLE/rootfs/file" ]
}

# bats test_tags=smoke
@test "volumes: a bind mount is shared both ways, a read-only one refuses writes" {
	mkdir -p "$SCRATCH/volume" "$SCRATCH/readonly"
	echo from-host >"$SCRATCH/volume/in"
	echo secret >"$SCRATCH/readonly/in"
	configure '.process.args = ["sh", "-c", "cat /volume/in /ro/in; echo from-inside > /volume/out; echo x > /ro/out; cat /file"]
		| .mounts += [{"destination": "/volume", "type": "bind", "source": $ARGS.positional[0], "options": ["rbind", "rw"]},
			{"destination": "/ro", "type": "bind", "source": $ARGS.positional[1], "options": ["rbind", "ro"]},
			{"destination": "/file", "type": "bind", "source": ($ARGS.positional[0] + "/in"), "options": ["bind", "ro"]}]' \
		"$SCRATCH/volume" "$SCRATCH/readonly"
	run duet_run
	[ "${lines[0]}" = from-host ]
	[ "${lines[1]}" = secret ]
	[[ "$output" == *"/ro/out: Read-only file system"* ]]
	[ "${lines[-1]}" = from-host ]
	[ "$(cat "$SCRATCH/volume/out")" = from-inside ]
	[ ! -e "$SCRATCH/readonly/out" ]
}

@test "the process is pid 1 of its own and sees no other" {
	configure_command sh -c 'echo $$; ps -o pid= | wc -l'
	run duet_run
	[ "${lines[0]}" -eq 1 ]
	[ "${lines[1]}" -le 3 ]
}

@test "a mebibyte of random bytes passes through unchanged" {
	head -c 1048576 /dev/urandom >"$SCRATCH/random"
	configure_command cat
	duet_run <"$SCRATCH/random" >"$SCRATCH/copy"
	cmp "$SCRATCH/random" "$SCRATCH/copy"
}

# bats test_tags=smoke
@test "create, state, start, kill and delete" {
	local id
	id=$(new_id)
	configure_command sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	duet_create --pid-file "$SCRATCH/pid" "$id" >"$SCRATCH/output" </dev/null
	[ "$(duet state "$id" | jq -r .status)" = created ]
	[ "$(duet state "$id" | jq -r .pid)" = "$(cat "$SCRATCH/pid")" ]
	[ ! -s "$SCRATCH/output" ]
	run duet_create "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"exists"* ]]
	duet start "$id"
	wait_until 60 grep -q ready "$SCRATCH/output"
	[ "$(duet state "$id" | jq -r .status)" = running ]
	[ "$(duet list -q)" = "$id" ]
	run duet start "$id"
	[ "$status" -eq 1 ]
	run duet delete "$id"
	[ "$status" -eq 1 ]
	duet kill "$id" TERM
	wait_until 60 is_in_state "$id" stopped
	! kill -0 "$(cat "$SCRATCH/pid")" || grep -q 'State:.Z' "/proc/$(cat "$SCRATCH/pid")/status"
	run duet kill "$id" TERM
	[ "$status" -eq 1 ]
	duet delete "$id"
	run duet state "$id"
	[ "$status" -eq 1 ]
	[[ "$output" == *"does not exist"* ]]
}

# bats test_tags=smoke
@test "a TERM to run, or to the container's pid, reaches the process" {
	local id pid
	id=$(new_id)
	configure_command sh -c 'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	# Emptied here and not only by the background job: an earlier test's words must not be taken for this one's.
	: >"$SCRATCH/output"
	duet run ${DUET_ISOLATION:+--isolation="$DUET_ISOLATION"} -b "$BUNDLE" "$id" >"$SCRATCH/output" &
	wait_until 60 grep -q ready "$SCRATCH/output"
	pid=$(duet state "$id" | jq .pid)
	kill -TERM "$pid"
	status=0
	wait $! || status=$?
	[ "$status" -eq 9 ]
	grep -q caught "$SCRATCH/output"
}

@test "delete --force ends a running container, and KILL of its pid leaves nothing behind" {
	local id
	id=$(new_id)
	configure_command sleep 1000
	duet_create "$id" </dev/null
	duet start "$id"
	kill -KILL "$(duet state "$id" | jq .pid)"
	wait_until 10 sh -c "'$DUET' --root '$ROOT' state $id | grep -q stopped"
	duet delete --force "$id"
	id=$(new_id)
	duet_create "$id" </dev/null
	duet start "$id"
	duet delete --force "$id"
	duet delete --force "$id"
}

@test "hooks run with the state on their standard input" {
	printf '#!/bin/sh\necho "$1 $(jq -r .status)" >> "%s/hooks"\n' "$SCRATCH" >"$SCRATCH/hook"
	chmod 755 "$SCRATCH/hook"
	rm -f "$SCRATCH/hooks"
	configure '.process.args = ["true"] | .hooks = ({prestart, createRuntime, createContainer, poststart, poststop}
		| with_entries(.value = [{path: $ARGS.positional[0], args: ["hook", .key], env: ["PATH=/usr/bin:/bin"]}]))' "$SCRATCH/hook"
	duet_run
	[ "$(tr '\n' ' ' <"$SCRATCH/hooks")" = "prestart creating createRuntime creating createContainer creating poststart running poststop stopped " ]
}

# bats test_tags=smoke
@test "Ctrl-C at the terminal reaches the process, and the terminal is as it was" {
	local command
	configure '.process.args = ["sh", "-c", "trap \"echo caught; exit 9\" INT; stty size; echo ready; while :; do sleep 0.1; done"]
		| .process.terminal = true'
	command="stty rows 33 cols 77; before=\$(stty -g); '$DUET' --root '$ROOT' run --isolation='${DUET_ISOLATION:-container}' \
		-b '$BUNDLE' '$(new_id)'; echo status \$?; [ \"\$before\" = \"\$(stty -g)\" ] && echo restored"
	: >"$SCRATCH/screen"
	{
		wait_until 100 shown ready
		printf '\003'
		wait_until 20 shown restored
	} | timeout 120 script -qefc "$command" "$SCRATCH/screen" >/dev/null
	cat "$SCRATCH/screen"
	shown '33 77'
	shown caught
	shown 'status 9'
	shown restored
}

@test "Ctrl-C without a terminal in the container reaches the process once" {
	local id
	id=$(new_id)
	configure_command sh -c 'trap "echo caught" INT; trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	: >"$SCRATCH/screen"
	{
		wait_until 100 shown ready
		printf '\003'
		wait_until 20 shown caught
		sleep 0.5
		duet kill "$id" TERM
		wait_until 20 shown status
	} | timeout 120 script -qefc "trap : INT; '$DUET' --root '$ROOT' run --isolation='${DUET_ISOLATION:-container}' -b '$BUNDLE' '$id'; echo status \$?" \
		"$SCRATCH/screen" >/dev/null
	cat "$SCRATCH/screen"
	[ "$(grep -c 'caught' "$SCRATCH/screen")" -eq 1 ]
	shown 'status 9'
}

@test "nothing is written into the image" {
	local before after
	configure_command true
	before=$(find "$BUNDLE/rootfs" -printf '%P %y %m %U:%G %s %T@\n' | sort)
	duet_run
	after=$(find "$BUNDLE/rootfs" -printf '%P %y %m %U:%G %s %T@\n' | sort)
	[ "$before" = "$after" ] || fail "$(diff <(echo "$before") <(echo "$after"))"
}

@test "a source that is a symbolic link is copied with copy-symlink, and another bind goes to what it names" {
	ln -sfn /etc/hostname "$SCRATCH/link"
	echo volume >"$SCRATCH/file"
	configure '.process.args = ["sh", "-c", "readlink /made/link; cat /plain; readlink /plain || echo file; cat /with-option"] | .root.readonly = true
		| .mounts += [{destination: "/made/link", type: "bind", source: $ARGS.positional[0], options: ["bind", "copy-symlink"]},
			{destination: "/plain", type: "bind", source: $ARGS.positional[1], options: ["bind"]},
			{destination: "/with-option", type: "bind", source: $ARGS.positional[1], options: ["bind", "copy-symlink"]}]' "$SCRATCH/link" "$SCRATCH/file"
	# The second time the link is there already.
	for _ in 1 2; do
		run duet_run
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$output" = $'/etc/hostname\nvolume\nfile\nvolume' ]
	done
	ln -sfn /etc/passwd "$SCRATCH/link"
	run duet_run
	[ "$status" -eq 1 ]
	[[ "$output" == *'make the link "/made/link" to "/etc/passwd": File exists'* ]] || fail "$output"
	rm -r "$BUNDLE/rootfs/made" "$BUNDLE/rootfs/plain" "$BUNDLE/rootfs/with-option"
}

@test "a user namespace: its root, its maps, its devices and files" {
	chmod 755 "$SCRATCH" "$BUNDLE"
	mkdir -p -m 777 "$SCRATCH/shared" "$BUNDLE/rootfs/shared"
	configure '.process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map; echo x >/dev/null; head -c 3 /dev/zero | wc -c; touch /shared/x; stat -c %u /shared/x"]
		| .linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings
		| .mounts |= map(select(.type != "mqueue")) + [{destination: "/shared", type: "bind", source: $ARGS.positional[0], options: ["bind"]}]' "$SCRATCH/shared"
	run duet_run
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 0 ]
	[[ "${lines[1]}" =~ ^\ *0\ +100000\ +65536$ ]]
	[ "${lines[2]} ${lines[3]}" = "3 0" ]
	[ "$(stat -c %u "$SCRATCH/shared/x")" = 100000 ]
	rm -r "$SCRATCH/shared" "$BUNDLE/rootfs/shared"
}
