#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# duet sandbox: what the command may see and do, how it ends, what is left. DUET_ISOLATION=microvm puts it behind the other wall.

load helpers

setup_file() {
	export SCRATCH ROOT
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/duet-test.XXXXXX")
	ROOT=$SCRATCH/state
	mkdir "$SCRATCH/work"
	chmod 755 "$SCRATCH"
	echo original >"$SCRATCH/work/file"
}

teardown_file() {
	rm -rf "$SCRATCH"
}

teardown() {
	assert_no_sandbox_left
}

@test "the command's output and exit status are its own" {
	run sandbox -- sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[[ "$output" == *out* && "$output" == *err* ]]
	run -127 sandbox /nonexistent
	run sandbox --memory lots -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *'memory: a size like 512M, 2G or none is expected, not "lots"'* ]]
}

# refused WORDS OPTION...: with 125, in one line that has the words.
refused() {
	local words=$1
	shift
	run sandbox "$@" -- true
	[ "$status" -eq 125 ] && [[ "${#lines[@]}" -eq 1 && "$output" == *"$words"* ]] || fail "$*: $status, $output"
}

@test "what would be no limit at all, and what is no value, is refused in one line" {
	local option
	for option in memory disk; do
		refused "--$option: a size like 512M, 2G or none is expected, not \"0\": the least is" "--$option" 0
	done
	refused '--cpus: a number of processors like 1.5, or none is expected, not "0": the least is 0.01' --cpus 0
	refused '--pids: a whole number or none is expected, not "0": the least is 1' --pids 0
	refused 'not "0": the least is 1ms' --timeout 0
	refused 'not "5": the range is 10..1000' --io-weight 5
	refused '--swap: only with a limit of --memory' --memory none --swap 1G
	refused '--tmpfs /mnt:0: a size like 64M is expected' --tmpfs /mnt:0
	refused '--tmpfs mnt: the place in the sandbox must begin with /' --tmpfs mnt
	refused '--bind /etc:/etc:ro: there is more than one colon' --bind /etc:/etc:ro
	refused '--copy-in /etc/hostname:/dev/x: /proc, /dev and /sys are' --copy-in /etc/hostname:/dev/x
	refused '--env FOO: NAME=VALUE is expected' --env FOO
	refused '--pass-env A=b: a name is expected' --pass-env A=b
	refused '--cap-add CAP_FOO: there is no such capability' --cap-add CAP_FOO
	refused '--workdir: the value is empty' --workdir ''
	refused '--report /nonexistent/r.json: write there: No such file' --report /nonexistent/r.json
	refused 'unknown or ambiguous option --nonsense' --nonsense
}

@test "the tightest limits hold the command, not what is made for it" {
	! is_microvm || skip "every case would boot a guest"
	run sandbox --pids 1 --open-files 8 --cap-add net_raw -- sh -c 'ulimit -n; sleep 0'
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = 8 ]
	[[ "${lines[1]}" == *"fork"* ]]
}

@test "a report goes to a descriptor of the caller's, and to no other" {
	! is_microvm || skip "the wall has no part in it"
	sandbox --report /dev/fd/9 -- true 9>"$SCRATCH/report"
	[ "$(jq -r .status "$SCRATCH/report")" = ended ]
	run sandbox --report /dev/fd/99 -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"write the report /dev/fd/99: Bad file descriptor" ]]
}

@test "changes to the work directory and the root vanish" {
	run sandbox -- sh -c 'echo changed >file; cat file; echo x >/etc/new && rm /etc/passwd && ls /etc/new'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = changed ]
	[ "$(cat "$SCRATCH/work/file")" = original ]
	[ ! -e /etc/new ]
	[ -e /etc/passwd ]
}

@test "a work directory can be read-only, or really written" {
	run sandbox --workdir-mode ro -- sh -c 'cat file; echo changed >file'
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = original ]
	sandbox --workdir-overlay --workdir-mode rw -- sh -c 'echo made >made'
	[ "$(cat "$SCRATCH/work/made")" = made ]
	! is_microvm || return 0
	sandbox --workdir-mode ro --workdir-overlay -- sh -c 'echo changed >file'
	[ "$(cat "$SCRATCH/work/file")" = original ]
}

@test "the host's secrets are not there, and its environment neither" {
	export SECRET_TOKEN=hunter2
	run sandbox -- sh -c 'cat /etc/shadow; ls -A /root /home /run; env'
	[[ "$output" == *"/etc/shadow: No such file"* ]]
	[[ "$output" != *hunter2* ]]
	run sandbox -- sh -c "ls $ROOT"
	[ "$status" -ne 0 ]
	run sandbox --pass-env SECRET_TOKEN -- sh -c 'echo $SECRET_TOKEN'
	[ "$output" = hunter2 ]
}

@test "a timeout ends it with 124, also one that ignores TERM" {
	run sandbox --timeout 1 --grace 500ms --report "$SCRATCH/report.json" -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	[ "$status" -eq 124 ]
	[ "$(jq -r .status "$SCRATCH/report.json")" = timed-out ]
	[ "$(jq .usage.wallMs "$SCRATCH/report.json")" -lt 10000 ]
}

@test "processor time is limited" {
	run sandbox --cpu-time 1s --grace 0 --report "$SCRATCH/report.json" -- sh -c 'while :; do :; done'
	[ "$status" -eq 124 ]
	[ "$(jq -r .status "$SCRATCH/report.json")" = cpu-time-exceeded ]
}

@test "output beyond the limit is cut, and said" {
	run --separate-stderr sandbox --output-limit 1000 -- sh -c 'yes | head -c 100000'
	[ "${#output}" -le 1000 ]
	[[ "$stderr" == *"99000 bytes of output were cut"* ]]
}

@test "a reader that stops reading does not stop the clock" {
	mkfifo "$SCRATCH/fifo"
	sleep 20 <"$SCRATCH/fifo" 3>&- &
	reader=$!
	begin=$SECONDS
	status=0
	sandbox --timeout 1 --grace 0 --quiet yes >"$SCRATCH/fifo" || status=$?
	kill $reader || fail "it waited for its reader"
	rm "$SCRATCH/fifo"
	[ "$status" -eq 124 ]
	[ $((SECONDS - begin)) -lt 15 ]
}

@test "the state root may lie where nobody else may go" {
	mkdir -m 700 "$SCRATCH/closed"
	ROOT=$SCRATCH/closed/state run sandbox --tmpfs /mnt -- sh -c 'echo x >/mnt/x; cat file'
	[ "$output" = original ]
	rm -r "$SCRATCH/closed"
}

@test "time stamps stand before each line" {
	run sandbox --time-stamps -- printf 'a\nb\n'
	[[ "${lines[0]}" =~ ^20[0-9-]+T[0-9:.]+Z\ a$ ]]
	[[ "${lines[1]}" =~ Z\ b$ ]]
}

@test "there is no network, no capability of the host's, a filter" {
	run sandbox -- sh -c 'cat /proc/net/dev | grep -c :; grep Seccomp: /proc/self/status; unshare -r true'
	[ "${lines[0]}" -eq 1 ]
	[[ "${lines[1]}" == *2 ]]
	[ "$status" -ne 0 ]
}

@test "a profile file says what options say, and what is wrong in it is named" {
	echo '{ "timeout": "3s", "grace": 0, "env": ["A=from-profile"] }' >"$SCRATCH/profile.json"
	run sandbox --profile "$SCRATCH/profile.json" -- sh -c 'echo $A; sleep 30'
	[ "$status" -eq 124 ]
	[ "${lines[0]}" = from-profile ]
	echo '{ "time": "1s" }' >"$SCRATCH/profile.json"
	run sandbox --profile "$SCRATCH/profile.json" true
	[ "$status" -eq 125 ]
	[[ "$output" == *"time: there is no such setting"* ]]
}

# In the background; then $id and $pid are the container's and $sandbox that of duet itself.
begin_sandbox() {
	rm -f "$SCRATCH/work/began"
	sandbox "$@" --workdir-mode rw -- sh -c 'echo >began; exec sleep 600' 3>&- &
	wait_until 60 test -e "$SCRATCH/work/began" || fail "the command does not begin"
	id=$(duet list -q)
	pid=$(duet state "$id" | jq .pid)
	sandbox=$(pgrep -f "^$DUET --root $ROOT sandbox" | head -n 1)
	[ -d "/proc/$pid" ]
}

nothing_of_it_is_left() {
	wait_until 20 sh -c "[ ! -d /proc/$pid ]" || fail "its process is left"
	wait_until 20 sh -c "! pgrep -f '^$DUET --root $ROOT ' >/dev/null" || fail "a process of duet's is left"
	[ -z "$(find "$ROOT/.sandbox" -mindepth 1)" ] || fail "its directory is left"
	[ -z "$(find /sys/fs/cgroup -type d -name "*$id*" 2>/dev/null)" ] || fail "a cgroup is left"
}

@test "KILL of duet itself leaves no process, no cgroup, no directory" {
	begin_sandbox
	kill -KILL "$sandbox"
	nothing_of_it_is_left
}

@test "KILL of the guardian too: the next command removes what is left" {
	begin_sandbox
	pkill -KILL -f "^$DUET --root $ROOT sandbox"
	wait_until 20 sh -c "! pgrep -f '^$DUET --root $ROOT sandbox' >/dev/null"
	[ -z "$(duet list -q)" ]
	nothing_of_it_is_left
}

@test "INT, TERM and HUP of duet itself end it" {
	for signal in INT TERM HUP; do
		begin_sandbox
		kill -$signal "$sandbox"
		nothing_of_it_is_left
		[ -z "$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name '.*')" ]
	done
}

@test "Ctrl-C and closing the terminal end it, at once when the command does not mind" {
	local vm= command grace
	! is_microvm || vm=--vm
	for event in ctrl-c close; do
		grace=60s
		[ $event = ctrl-c ] || grace=500ms
		rm -f "$SCRATCH/work/began" "$SCRATCH/keys"
		mkfifo "$SCRATCH/keys"
		printf -v command '%q ' "$DUET" --root "$ROOT" sandbox $vm --workdir "$SCRATCH/work" --workdir-mode rw --grace $grace -- \
			sh -c 'trap "" INT HUP; echo >began; sleep 600; sleep 600'
		timeout 120 script -qfc "exec $command" /dev/null <"$SCRATCH/keys" >/dev/null 2>&1 3>&- &
		exec 7>"$SCRATCH/keys"
		wait_until 60 test -e "$SCRATCH/work/began" || fail "the command does not begin"
		id=$(duet list -q)
		pid=$(duet state "$id" | jq .pid)
		if [ $event = ctrl-c ]; then
			printf '\003' >&7
			sleep 0.3
			[ -d "/proc/$pid" ] || fail "the first one is the command's to take or leave"
			printf '\003' >&7
		else
			pkill -KILL -f "^script -qfc exec $DUET --root $ROOT"
		fi
		exec 7>&-
		nothing_of_it_is_left
	done
}

@test "signals mean to the command what they mean outside" {
	run sandbox -- sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	run sandbox --timeout 1 --report "$SCRATCH/report.json" -- sleep 60
	[ "$status" -eq 124 ]
	[ "$(jq -r .signal "$SCRATCH/report.json")" = TERM ]
}

@test "files are copied in, and out again also of a command that failed" {
	mkdir -p "$SCRATCH/in/deep"
	echo hello >"$SCRATCH/in/deep/file"
	run sandbox --copy-in "$SCRATCH/in:/opt/in" --copy-out "out=$SCRATCH/out" --copy-out "/opt/in/deep/file=$SCRATCH/file" -- \
		sh -ec 'cp -r /opt/in out; ln -s deep/file out/link; echo more >>/opt/in/deep/file; exit 3'
	[ "$status" -eq 3 ]
	[ "$(cat "$SCRATCH/out/link")" = hello ]
	[ "$(tail -n 1 "$SCRATCH/file")" = more ]
	[ "$(cat "$SCRATCH/in/deep/file")" = hello ]
	run sandbox --copy-out "nothing=$SCRATCH/nothing" true
	[ "$status" -eq 125 ]
	[[ "$output" == *"nothing: No such file"* ]]
}

@test "what the command planted does not lead a copy out of the sandbox" {
	echo secret >"$SCRATCH/secret"
	mkdir "$SCRATCH/elsewhere"
	run sandbox --copy-out "planted=$SCRATCH/fetched" -- ln -s "$SCRATCH/secret" planted
	[ "$status" -eq 125 ]
	run sandbox --copy-out "etc/passwd=$SCRATCH/fetched" -- ln -s /etc etc
	[ "$status" -eq 125 ]
	[[ "$output" == *"symbolic link is on the way"* ]]
	[ ! -e "$SCRATCH/fetched" ]
	run sandbox --copy-out "tree=$SCRATCH/tree" -- sh -ec \
		"mkdir tree; cd tree; mkfifo pipe; ln -s $SCRATCH/elsewhere a; ln -s ../.. b; ln -s . c; ln -s c/.. d; echo x >f; ln -s f ok; chmod 4755 f"
	[ "$status" -eq 0 ]
	[ "$(ls "$SCRATCH/tree")" = $'c\nf\nok' ]
	[ "$(stat -c %a "$SCRATCH/tree/f")" = 755 ]
	# A link that an earlier copy left in the target is replaced, not written through.
	ln -s "$SCRATCH/elsewhere" "$SCRATCH/tree/g"
	run sandbox --copy-out "tree=$SCRATCH/tree" -- sh -ec 'mkdir -p tree/g; echo y >tree/g/h'
	[ "$status" -eq 125 ]
	[ -z "$(ls "$SCRATCH/elsewhere")" ]
}

@test "what is written lies on disk, within its size, where that is asked for or memory is too small" {
	[ -e /dev/loop-control ] || skip "needs /dev/loop-control"
	if [ "$(stat -f -c %T "$SCRATCH")" = tmpfs ]; then
		run sandbox --disk-kind file --disk 40M --memory 32M -- true
		[ "$status" -eq 125 ]
		[[ "$output" == *"is in memory itself"* ]]
		sandbox --disk 40M --memory 32M --report "$SCRATCH/report.json" -- true
		[ "$(jq -r .disk.kind "$SCRATCH/report.json")" = tmpfs ]
		skip "needs a TMPDIR that is not in memory for the rest"
	fi
	for kind in file auto; do
		run sandbox --disk-kind $kind --disk 40M --memory 32M --report "$SCRATCH/report.json" -- sh -c \
			'head -c 36000000 /dev/zero >big && touch /new && wc -c <big; head -c 9000000 /dev/zero >more'
		echo "$output"
		[[ "$output" == *36000000* ]]
		[[ "$output" == *"No space left on device"* ]]
		[ "$(jq -c '[.disk.kind, .disk.countedInMemory, .disk.usedBytes > 36000000, .limitsReached]' "$SCRATCH/report.json")" = \
			'["file",false,true,["disk"]]' ]
	done
	[ ! -e "$SCRATCH/work/big" ]
	[ "$(losetup --all --list --noheadings --output BACK-FILE | grep -c "$SCRATCH")" -eq 0 ]
	run sandbox --disk-kind memory --disk 40M --memory 32M --report "$SCRATCH/report.json" -- true
	[ "$(jq -r .disk.kind "$SCRATCH/report.json")" = tmpfs ]
	run sandbox --disk-kind file --disk none -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"--disk has to say how large"* ]]
	PATH=/nowhere run -125 "$DUET" --root "$ROOT" sandbox --workdir "$SCRATCH/work" --disk-kind file -- true
	[[ "$output" == *"mkfs.ext4"* ]]
}

@test "what was changed is counted and kept, with what was deleted" {
	mkdir -p "$SCRATCH/work/old"
	echo 1 >"$SCRATCH/work/old/gone"
	command='echo new >added; echo changed >file; rm -r old; mkdir old; echo 2 >old/here; echo x >>/etc/hosts; rm /etc/passwd; ln -s added link'
	sandbox --keep-diff "$SCRATCH/diff" --report "$SCRATCH/report.json" -- sh -ec "$command"
	[ "$(jq -c '.filesChanged' "$SCRATCH/report.json")" = '{"added":4,"modified":2,"deleted":2,"incomplete":false}' ]
	[ "$(cat "$SCRATCH/diff$SCRATCH/work/added")" = new ]
	[ -f "$SCRATCH/diff$SCRATCH/work/old/.wh..wh..opq" ]
	[ "$(jq -c '[.disk.kind, .disk.usedBytes > 0]' "$SCRATCH/report.json")" = '["tmpfs",true]' ]
	[ -f "$SCRATCH/diff/etc/.wh.passwd" ]
	[ "$(readlink "$SCRATCH/diff$SCRATCH/work/link")" = added ]
	[ "$(find "$SCRATCH/diff" ! -type d | wc -l)" -eq 7 ]
	run sandbox --keep-diff "$SCRATCH/diff" true
	[ "$status" -eq 125 ]
	sandbox --keep-diff "$SCRATCH/diff.tar" -- sh -ec "$command; echo ü >ü"
	tar -tf "$SCRATCH/diff.tar" >"$SCRATCH/list"
	grep -qx 'etc/.wh.passwd' "$SCRATCH/list"
	[ "$(tar -xOf "$SCRATCH/diff.tar" "${SCRATCH#/}/work/old/here")" = 2 ]
	rm -r "$SCRATCH/work/old"
}

@test "neither many names of one file nor holes make a copy of more than was written" {
	command='mkdir many; head -c 4M /dev/zero | tr "\0" x >many/1; i=1; while [ $i -lt 30 ]; do i=$((i+1)); ln many/1 many/$i; done'
	sandbox --disk 40M --copy-out "many=$SCRATCH/many" --keep-diff "$SCRATCH/names" -- sh -ec "$command"
	[ "$(du -sm "$SCRATCH/many" "$SCRATCH/names" | awk '{ all += $1 } END { print all }')" -le 12 ]
	[ "$(stat -c %h "$SCRATCH/many/30" "$SCRATCH/names$SCRATCH/work/many/30")" = $'30\n30' ]
	[ "$(tail -c 3 "$SCRATCH/many/7")" = xxx ]
	run sandbox --disk 40M --keep-diff "$SCRATCH/names.tar" -- sh -ec "$command; for i in 1 2 3; do truncate -s 30M hole\$i; done"
	[ "$status" -eq 0 ]
	[[ "$output" == *"2 names,"*"were left out"* ]]
	[ "$(stat -c %s "$SCRATCH/names.tar")" -le 41943040 ]
	[ "$(tar -tvf "$SCRATCH/names.tar" | grep -c 'link to.*/many/')" -eq 29 ]
	rm -r "$SCRATCH/many" "$SCRATCH/names" "$SCRATCH/names.tar"
}

@test "the command gets a terminal, whose output is counted and cut like any other" {
	vm=
	! is_microvm || vm=--vm
	command="'$DUET' --root '$ROOT' sandbox --workdir '$SCRATCH/work' $vm --tty --output-limit 2000 \
		--report '$SCRATCH/report.json' -- sh -c 'test -t 0 && test -t 1 && stty size && yes | head -n 3000; exit 4'"
	run timeout 120 script -qefc "stty rows 33 cols 77; $command; echo status \$?" /dev/null </dev/null
	[[ "$output" == *"33 77"* && "$output" == *"status 4"* ]]
	[ "$(jq '.usage.outputCutBytes > 5000' "$SCRATCH/report.json")" = true ]
}

@test "a terminal at standard input is read from, and not written to past the limit" {
	run timeout 60 script -qefc "'$DUET' --root '$ROOT' sandbox --quiet --workdir '$SCRATCH/work' -- sh -c 'test -t 0; echo \$?; echo pa''st >&0; cat'" /dev/null <<<"words"
	echo "$output"
	[[ "$output" == *0* && "$output" == *words* && "$output" != *past* ]]
}

@test "a terminal that stands still does not keep a command from its end" {
	rm -f "$SCRATCH/still.json"
	# Nobody reads before the report is there.
	timeout 90 bash -c "script -qefc \"'$DUET' --root '$ROOT' sandbox --quiet --workdir '$SCRATCH/work' --timeout 1s --grace 0 --report '$SCRATCH/still.json' -- yes\" /dev/null \
		</dev/null | { until [ -s '$SCRATCH/still.json' ]; do sleep 0.1; done; cat >/dev/null; }"
	[ "$(jq -r .status "$SCRATCH/still.json")" = timed-out ]
}

@test "another filter of system calls takes the place of its own" {
	echo '{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42 } ] }' >"$SCRATCH/seccomp.json"
	run sandbox --seccomp "$SCRATCH/seccomp.json" mkdir new
	[ "$status" -eq 1 ]
	[[ "$output" == *"No message of desired type"* ]]
	echo '{ "defaultAction": "SCMP_ACT_ERRNO", "archMap": [] }' >"$SCRATCH/seccomp.json"
	run sandbox --seccomp "$SCRATCH/seccomp.json" true
	[ "$status" -eq 125 ]
	[[ "$output" == *"engine's template"* ]]
}

@test "a device is passed through to a container, and no other with it" {
	if is_microvm; then
		run sandbox --device /dev/null:/dev/nothing true
		[ "$status" -eq 125 ]
		return
	fi
	run sandbox --device /dev/kmsg --device /dev/zero:/dev/zeros -- sh -c \
		'head -c 3 /dev/zeros | od -An -tx1; test -c /dev/kmsg -a -r /dev/kmsg && echo readable; ls /dev/net'
	[ "${lines[0]}" = " 00 00 00" ]
	[ "${lines[1]}" = readable ]
	[[ "${lines[2]}" == *"No such file"* ]]
	run sandbox --device "$SCRATCH/work/file" true
	[ "$status" -eq 125 ]
	[[ "$output" == *"this is no device"* ]]
	if ! compgen -G '/dev/dri/*' >/dev/null; then
		run sandbox --gpu true
		[ "$status" -eq 125 ]
	fi
}

@test "a command is run many times, several at a time, with a table of what came of it" {
	run --separate-stderr sandbox --workdir-mode rw --repeat 3 --jobs 2 --report "$SCRATCH/report.json" --junit "$SCRATCH/junit.xml" -- \
		sh -c 'echo "out & <err>"; mkdir once 2>/dev/null || exit 3'
	[ "$status" -eq 3 ]
	[ "$(grep -cE '^\[[123]\] out & <err>$' <<<"$output")" -eq 3 ]
	[[ "$stderr" == *"1 of 3 runs ended with status 0"* && "$stderr" == *ended*3*2* ]]
	[ "$(jq -c '[.runs[].exitCode] | sort' "$SCRATCH/report.json")" = '[0,3,3]' ]
	[ "$(jq -c '[.runs[].run]' "$SCRATCH/report.json")" = '[1,2,3]' ]
	[ "$(jq '[.runs[].id] | unique | length' "$SCRATCH/report.json")" -eq 3 ]
	[ "$(grep -c '<testcase ' "$SCRATCH/junit.xml")" -eq 3 ]
	[ "$(grep -c '<failure type="ended" message="it ended with status 3"/>' "$SCRATCH/junit.xml")" -eq 2 ]
	grep -q 'tests="3" failures="2" errors="0"' "$SCRATCH/junit.xml"
	! grep -q '<err>' "$SCRATCH/junit.xml"
}

@test "a run that cannot begin ends a series, and so does a signal" {
	run sandbox --repeat 3 --rootfs /nonexistent -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"2 were not begun"* && "$output" == *"run 1: --rootfs /nonexistent: No such file or directory"* ]]
	run sandbox --repeat 2 --keep-diff "$SCRATCH/diff" -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"--keep-diff is for one run"* ]]
	sandbox -q --repeat 9 --jobs 2 --workdir-mode rw --report "$SCRATCH/report.json" -- sh -c 'mktemp ./one.XXXXXX; exec sleep 600' 3>&- &
	wait_until 60 sh -c "[ \$(ls '$SCRATCH/work' | grep -c one) -eq 2 ]"
	kill -TERM "$(pgrep -o -f "^$DUET --root $ROOT sandbox")"
	wait_until 20 sh -c "! pgrep -f '^$DUET --root $ROOT sandbox' >/dev/null"
	[ "$(jq -c '[.runs[].status] | unique' "$SCRATCH/report.json")" = '["interrupted"]' ]
}

@test "KILL of a series leaves none of its runs" {
	sandbox -q --repeat 2 --jobs 2 -- sleep 600 3>&- &
	wait_until 60 sh -c "[ \$(ls '$ROOT' | grep -c sandbox-) -eq 2 ]"
	kill -KILL "$(pgrep -o -f "^$DUET --root $ROOT sandbox")"
	wait_until 20 sh -c "! pgrep -f '^$DUET --root $ROOT sandbox' >/dev/null"
	[ -z "$(duet list -q)" ]
}
