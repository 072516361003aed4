#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `duet exec` behind both walls: one container for all tests, into which they send processes. Run once for each DUET_ISOLATION.

load helpers

setup_file() {
	setup_file_bundle
	export TARGET=target-$$
	chmod 755 "$SCRATCH" "$BUNDLE"
	printf 'user:x:4242:4242::/home/user:/bin/sh\nuser:x:0:0::/:/bin/sh\nalone:x:50:\n' >>"$BUNDLE/rootfs/etc/passwd"
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001:user:/home/user:/bin/sh\n' >"$BUNDLE/rootfs/etc/passwd"
	printf 'root:x:0:\nuser:x:1001:\nwheel:x:10:other,user\nstaff:x:50:user\nnear:x:60:user1\nlone:x:70:\n' >"$BUNDLE/rootfs/etc/group"
	printf 'garbage' >"$BUNDLE/rootfs/garbage"
	printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/script"
	chmod 755 "$BUNDLE/rootfs/garbage" "$BUNDLE/rootfs/script"
	configure '.process.args = ["sleep", "100000"] | .process.env += ["FROM_CONFIG=yes"] | .process.cwd = "/tmp"
		| .process.user = {"uid": 0, "gid": 5, "additionalGids": [33], "umask": 23}
		| .process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400}]
		| .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
			"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}'
	duet_create "$TARGET" </dev/null >/dev/null 2>&1
	duet start "$TARGET"
}

teardown_file() {
	duet delete --force "$TARGET"
	assert_nothing_left
	teardown_file_bundle
}

# duet_exec [OPTION…] COMMAND…: the options end with "--" where there are any.
duet_exec() {
	local options=()
	if [[ " $* " == *" -- "* ]]; then
		while [ "$1" != -- ]; do
			options+=("$1")
			shift
		done
		shift
	fi
	duet exec "${options[@]}" "$TARGET" "$@"
}

# bats test_tags=smoke
@test "exec: standard output and error stay apart and the exit status is the process's" {
	run --separate-stderr duet_exec sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "exec: standard input reaches the process, and its end too" {
	head -c 1048576 /dev/urandom >"$SCRATCH/random"
	duet_exec cat <"$SCRATCH/random" >"$SCRATCH/copy"
	cmp "$SCRATCH/random" "$SCRATCH/copy"
	[ "$(echo one line | duet_exec cat)" = "one line" ]
	[ "$(duet_exec sh -c 'cat; echo end' </dev/null)" = end ]
}

# bats test_tags=smoke
@test "exec: death by a signal is 128 plus its number" {
	run duet_exec sh -c 'kill -TERM $$; sleep 5'
	[ "$status" -eq 143 ]
	run duet_exec sh -c 'kill -9 $$; sleep 5'
	[ "$status" -eq 137 ]
}

@test "exec: a signal to duet exec reaches the process" {
	local pid
	: >"$SCRATCH/output"
	"$DUET" --root "$ROOT" exec "$TARGET" sh -c 'trap "echo caught; exit 9" TERM; trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done' \
		>"$SCRATCH/output" </dev/null &
	pid=$!
	wait_until 60 grep -q ready "$SCRATCH/output"
	kill -USR1 $pid
	wait_until 20 grep -q usr1 "$SCRATCH/output"
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" -eq 9 ]
	grep -q caught "$SCRATCH/output"
}

# bats test_tags=smoke
@test "exec: what no option says is as in config.json" {
	run duet_exec sh -c 'id -u; id -g; id -G; pwd; echo $FROM_CONFIG; umask; ulimit -n; ulimit -Hn; grep NoNewPrivs /proc/self/status;
		mkdir /tmp/refused; echo status $?; echo $HOME; grep CapPrm /proc/self/status'
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 5 ]
	[ "${lines[2]}" = "5 33" ]
	[ "${lines[3]}" = /tmp ]
	[ "${lines[4]}" = yes ]
	[ "${lines[5]}" = 0027 ]
	[ "${lines[6]}" = 300 ]
	[ "${lines[7]}" = 400 ]
	[ "${lines[8]}" = $'NoNewPrivs:\t1' ]
	[[ "${lines[9]}" == *"Function not implemented"* ]]
	[ "${lines[10]}" = "status 1" ]
	[ "${lines[11]}" = /root ]
	[ "${lines[12]}" = $'CapPrm:\t0000000020000420' ]
}

@test "exec: environment and working directory by options; the last of a name counts" {
	run duet_exec -e A=1 --env FROM_CONFIG=no --env A=2 --env EMPTY= --cwd /proc -- sh -c 'pwd; echo $A; echo $FROM_CONFIG; env | grep EMPTY'
	[ "$status" -eq 0 ]
	[ "$output" = $'/proc\n2\nno\nEMPTY=' ]
	run --separate-stderr duet_exec --cwd /no/such -- true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'chdir to cwd ("/no/such")'* ]]
	run --separate-stderr duet_exec --cwd tmp -- true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"not an absolute path"* ]]
	run --separate-stderr duet_exec --env NOTHING -- true
	[ "$status" -eq 255 ]
}

@test "exec: users and groups by number" {
	run duet_exec -u 1234 -- sh -c 'id -u; id -g; id -G; echo $HOME'
	[ "$output" = $'1234\n5\n5 33\n/' ]
	run duet_exec --user 1000:77 -- sh -c 'id -u; id -g; id -G; echo $HOME'
	[ "$output" = $'1000\n77\n77 33\n/home/user' ]
	run duet_exec -u 1000 -g 8,9 --additional-gids 4000000000 -- id -G
	[ "$output" = "5 8 9 33 4000000000" ]
}

# bats test_tags=smoke
@test "exec: users and groups by the names of the container's own files" {
	run duet_exec -u user -- sh -c 'id -u; id -g; id -G; echo $HOME'
	[ "$output" = $'1000\n1001\n1001 10 50\n/home/user' ]
	run duet_exec -u user:lone -- sh -c 'id -u; id -g; id -G'
	[ "$output" = $'1000\n70\n70' ]
	run duet_exec -u user:5 -g 6 -- sh -c 'id -u; id -g; id -G'
	[ "$output" = $'1000\n5\n5 6' ]
	run duet_exec -u 7:staff -- sh -c 'id -u; id -g'
	[ "$output" = $'7\n50' ]
	run --separate-stderr duet_exec -u nobody -- id
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'unable to find user "nobody"'* ]]
	run --separate-stderr duet_exec -u root:nobody -- id
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'unable to find group "nobody"'* ]]
}

@test "exec: an odd user is refused and never taken for another one" {
	local user
	for user in "" : -1 +1 1:2:3 "root " " root" 1: :1 0x0 4294967295 4294967296 18446744073709551616 1000:-1 "1000 " -root root: 1000user $'root\n'; do
		run --separate-stderr duet_exec --user "$user" -- id
		[ "$status" -eq 255 ] || fail "--user '$user': status $status, $output"
		[ -z "$output" ]
	done
	for user in -1 4294967295 1: a 1,,2 " 1"; do
		run --separate-stderr duet_exec --additional-gids "$user" -- id
		[ "$status" -eq 255 ] || fail "--additional-gids '$user': status $status, $output"
	done
}

@test "exec: capabilities are added to three sets, and no_new_privs set" {
	run duet_exec --cap CAP_CHOWN -c sys_chroot -- grep Cap /proc/self/status
	[[ "$output" == *$'CapInh:\t0000000000000000'* ]]
	[[ "$output" == *$'CapPrm:\t0000000020040421'* ]]
	[[ "$output" == *$'CapEff:\t0000000020040421'* ]]
	[[ "$output" == *$'CapBnd:\t0000000020040421'* ]]
	[[ "$output" == *$'CapAmb:\t0000000000000000'* ]]
	# An unprivileged user gets none of it.
	run duet_exec -u 1000 --cap CAP_CHOWN -- grep Cap /proc/self/status
	[[ "$output" == *$'CapEff:\t0000000000000000'* ]]
	run --separate-stderr duet_exec --cap CAP_NOTHING -- true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *CAP_NOTHING* ]]
	jq '.process | .args = ["grep", "NoNewPrivs", "/proc/self/status"] | .noNewPrivileges = false' <"$BUNDLE/config.json" >"$SCRATCH/process.json"
	run duet_exec --process "$SCRATCH/process.json" --
	[ "$output" = $'NoNewPrivs:\t0' ]
	run duet_exec --process "$SCRATCH/process.json" --no-new-privs --
	[ "$output" = $'NoNewPrivs:\t1' ]
}

# bats test_tags=smoke
@test "exec: a process file says everything, what it leaves out is the container's, and options go over it" {
	echo '{"args": ["sh", "-c", "id -u; id -G; pwd; echo $A $FROM_CONFIG $HOME; umask; ulimit -n; grep CapEff /proc/self/status; exit 3"], "cwd": "/proc",
		"env": ["PATH=/bin", "A=file"], "user": {"uid": 1000, "gid": 7, "additionalGids": [8]}}' >"$SCRATCH/process.json"
	run duet_exec --process "$SCRATCH/process.json" --
	[ "$status" -eq 3 ]
	[ "$output" = $'1000\n7 8\n/proc\nfile /home/user\n0027\n300\nCapEff:\t0000000000000000' ]
	echo '{"args": ["sh", "-c", "ulimit -n; umask; grep CapPrm /proc/self/status"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0, "umask": 18},
		"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}], "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]}}' \
		>"$SCRATCH/process.json"
	run duet_exec -p "$SCRATCH/process.json" --
	[ "$output" = $'100\n0022\nCapPrm:\t0000000000000020' ]
	run duet_exec -p "$SCRATCH/process.json" -e B=option --cwd /tmp -u 9 -- sh -c 'echo $B; pwd; id -u'
	[ "$output" = $'option\n/tmp\n9' ]
	echo '{"args": ["true"], "cwd": "relative", "user": {}}' >"$SCRATCH/process.json"
	run --separate-stderr duet_exec -p "$SCRATCH/process.json" --
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"process.json: cwd"* ]]
	run --separate-stderr duet_exec -p "$SCRATCH/no-such-file" --
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"no-such-file"* ]]
}

# bats test_tags=smoke
@test "exec: what cannot be executed is 255, with the words that engines look for" {
	run --separate-stderr duet_exec no-such-program
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'exec: "no-such-program": executable file not found in $PATH'* ]]
	run --separate-stderr duet_exec /no/such/program
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'exec: "/no/such/program": no such file or directory'* ]]
	run --separate-stderr duet_exec /etc/passwd
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'/etc/passwd": permission denied'* ]]
	run --separate-stderr duet_exec /tmp
	[ "$status" -eq 255 ]
	[[ "$stderr" == *'/tmp": permission denied'* ]]
	run --separate-stderr duet_exec /garbage
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"exec format error"* ]]
	run --separate-stderr duet_exec /script
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"/no/such/interpreter"* ]]
	run --separate-stderr duet_exec ""
	[ "$status" -eq 255 ]
}

@test "exec: a missing executable is in the log as JSON, and leaves no pid file" {
	run --separate-stderr duet --log "$SCRATCH/log" --log-format json exec --detach --pid-file "$SCRATCH/pid" "$TARGET" /no/such
	[ "$status" -eq 255 ]
	[ "$(tail -n 1 "$SCRATCH/log" | jq -r .level)" = error ]
	[[ "$(tail -n 1 "$SCRATCH/log" | jq -r .msg)" == *"no such file or directory"* ]]
	[ ! -e "$SCRATCH/pid" ]
}

# bats test_tags=smoke
@test "exec: the namespaces are those of the container's first process" {
	local kind
	run duet_exec sh -c 'for kind in cgroup ipc mnt net pid uts user time; do
		[ "$(readlink /proc/self/ns/$kind)" = "$(readlink /proc/1/ns/$kind)" ] && echo same || echo $kind; done; hostname'
	for kind in 0 1 2 3 4 5 6 7; do
		[ "${lines[kind]}" = same ] || fail "another namespace: ${lines[kind]}"
	done
	[ "${lines[8]}" = "$(jq -r .hostname "$BUNDLE/config.json")" ]
	run duet_exec sh -c 'readlink /proc/self/root; ls / | grep garbage; ls -d /proc/1; cat /proc/1/comm'
	[ "$output" = $'/\ngarbage\n/proc/1\nsleep' ]
}

@test "exec: the process leads a session of its own" {
	[ "$(duet_exec sh -c '[ $(cut -d " " -f 6 /proc/self/stat) = $$ ] && echo leader')" = leader ]
}

# bats test_tags=smoke
@test "exec: the process has no descriptor but the standard ones" {
	exec 9</etc/hostname
	run duet_exec sh -c 'for fd in /proc/self/fd/*; do echo ${fd##*/} $(readlink $fd); done'
	exec 9<&-
	[ "${#lines[@]}" -ge 3 ]
	for line in "${lines[@]}"; do
		# The shell itself reads the directory with the fourth.
		[[ $line =~ ^[012]\ (pipe:|socket:|/dev/null|/) || $line =~ ^[0-9]+$ || $line =~ ^3\ /proc ]] || fail "a descriptor too many: $line"
	done
}

@test "exec: no signal is ignored or blocked in the process" {
	run duet_exec grep -E '^Sig(Blk|Ign)' /proc/self/status
	[ "$output" = $'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000' ]
}

# bats test_tags=smoke
@test "exec: a detached process goes on, its pid file names it, and a signal to that pid reaches it" {
	local pid
	rm -f "$BUNDLE/rootfs/tmp/detached"
	duet_exec --detach --pid-file "$SCRATCH/pid" -- sh -c 'trap "echo caught >/tmp/detached; exit 0" TERM; echo ready >/tmp/detached; while :; do sleep 0.1; done' \
		</dev/null >/dev/null 2>&1
	pid=$(cat "$SCRATCH/pid")
	wait_until 60 grep -q ready "$BUNDLE/rootfs/tmp/detached"
	kill -0 "$pid"
	kill -TERM "$pid"
	wait_until 20 grep -q caught "$BUNDLE/rootfs/tmp/detached"
	wait_until 20 sh -c "! kill -0 $pid 2>/dev/null || grep -q 'State:.Z' /proc/$pid/status"
}

# screen COMMAND: the command in a terminal of its own, of 33 lines and 77 columns, with what the caller types; the screen is $SCRATCH/screen.
screen() {
	: >"$SCRATCH/screen"
	timeout 120 script -qefc "stty rows 33 cols 77; before=\$(stty -g); $1; echo status \$?; [ \"\$before\" = \"\$(stty -g)\" ] && echo restored" \
		"$SCRATCH/screen" >/dev/null
	cat "$SCRATCH/screen"
}

# bats test_tags=smoke
@test "exec: a terminal has the caller's size, Ctrl-C reaches the process, and the caller's terminal is as it was" {
	{
		wait_until 100 shown "^ready"
		printf '\003'
		wait_until 20 shown restored
	} | screen "'$DUET' --root '$ROOT' exec -t '$TARGET' sh -c 'trap \"echo caught; exit 9\" INT; tty; stty size; echo ready; while :; do sleep 0.1; done'"
	shown '/dev/pts/'
	shown '33 77'
	shown caught
	shown 'status 9'
	shown restored
}

@test "exec: a change of the window's size reaches the process" {
	{
		wait_until 100 shown '50 100'
		wait_until 20 shown restored
	} | screen "(sleep 2; stty rows 50 cols 100 </dev/tty) & '$DUET' --root '$ROOT' exec -t '$TARGET' sh -c 'trap \"stty size; exit 4\" WINCH; while :; do sleep 0.1; done'"
	shown '50 100'
	shown 'status 4'
}

@test "exec: Ctrl-Z stops a job of the inner shell and not duet" {
	{
		wait_until 100 shown '# '
		printf 'sleep 1000\n'
		sleep 1
		printf '\032'
		wait_until 20 shown Stopped
		printf 'echo in""side; exit 6\nexit 6\n'
		wait_until 20 shown restored
	} | screen "'$DUET' --root '$ROOT' exec --tty '$TARGET' sh -i"
	shown Stopped
	shown inside
	shown 'status 6'
}

@test "exec: the end of standard input ends what reads the terminal" {
	run duet_exec -t -- cat <<<"hello"
	[ "$status" -eq 0 ]
	[[ "$output" == *hello* ]]
	run duet_exec -t -- sh -c 'cat; echo end' < <(printf 'no newline')
	[ "$status" -eq 0 ]
	[[ "$output" == *end* ]]
}

@test "exec: much output through a terminal arrives whole" {
	duet_exec -t -- seq 1 20000 </dev/null | tr -d '\r' >"$SCRATCH/lines"
	cmp "$SCRATCH/lines" <(seq 1 20000)
}

@test "exec: a terminal belongs to the process's user" {
	run duet_exec -t -u user -- sh -c 'stat -c %u $(tty)' </dev/null
	[ "${lines[0]%$'\r'}" = 1000 ]
}

@test "exec: a reader of the terminal that has gone does not hold the process up" {
	run timeout 60 bash -c "'$DUET' --root '$ROOT' exec -t '$TARGET' seq 1 100000 </dev/null | head -n 1"
	[ "$status" -eq 0 ]
	[ "${lines[0]%$'\r'}" = 1 ]
}

@test "exec: tty, console socket and detach have to fit together" {
	run --separate-stderr duet_exec --detach --tty -- true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"cannot allocate tty"* ]]
	run --separate-stderr duet_exec --detach --console-socket "$SCRATCH/socket" -- true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"cannot use console socket"* ]]
	run --separate-stderr duet_exec -t --console-socket "$SCRATCH/no-such-socket" -- true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"no-such-socket"* ]]
}

# bats test_tags=smoke
@test "exec: containers that do not exist or do not run, and a command line without a command, are refused" {
	local id
	id=$(new_id)
	run --separate-stderr duet exec "$id" true
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"does not exist"* ]]
	run --separate-stderr duet exec "$TARGET"
	[ "$status" -eq 255 ]
	[[ "$stderr" == *usage* ]]
	run --separate-stderr duet exec --no-such-option "$TARGET" true
	[ "$status" -eq 255 ]
	run duet exec --help
	[ "$status" -eq 0 ]
	[[ "$output" == *--process* ]]
}

@test "exec: a stopped container is refused" {
	local id
	id=$(new_id)
	cp "$BUNDLE/config.json" "$SCRATCH/config.kept"
	configure_command true
	duet_create "$id" </dev/null
	duet start "$id"
	wait_until 60 is_in_state "$id" stopped
	run --separate-stderr duet exec "$id" true
	cp "$SCRATCH/config.kept" "$BUNDLE/config.json"
	duet delete "$id"
	[ "$status" -eq 255 ]
	[[ "$stderr" == *"stopped container"*"is not running"* ]]
}

@test "exec: options end at the container's name" {
	[ "$(duet_exec echo -t --cwd x)" = "-t --cwd x" ]
	[ "$(duet exec "$TARGET" -- echo two dashes)" = "two dashes" ]
}

@test "exec: many at once, and none is left" {
	local pids=() pid i
	for i in 1 2 3 4 5 6; do
		duet_exec sh -c "sleep 0.3; exit $i" </dev/null &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6; do
		status=0
		wait "${pids[i - 1]}" || status=$?
		[ "$status" -eq $i ]
	done
	run duet_exec ps -o stat,args
	! grep -q 'sleep 0\.3' <<<"$output"
	! grep -q duet <<<"$output" || fail "$output"
}

@test "exec: a process that is left behind does not keep duet waiting" {
	run timeout 30 "$DUET" --root "$ROOT" exec "$TARGET" sh -c 'sleep 20 >/dev/null 2>&1 </dev/null & echo started'
	[ "$status" -eq 0 ]
	[ "$output" = started ]
}
