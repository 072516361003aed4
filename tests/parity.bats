#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a process finds, behind both walls: one container tells all about itself, a second one gets signals, a third one has a terminal, and each test looks
# at one thing that they said. Run once for each DUET_ISOLATION.

load helpers
load parity

setup_file() {
	setup_file_bundle
	export SAID=$SCRATCH/said VOLUME=$SCRATCH/volume TARGET=target-$$
	chmod 755 "$SCRATCH" "$BUNDLE"
	make_sources
	tell_all
	tell_terminal
	begin_target
}

teardown_file() {
	duet delete --force "$TARGET"
	assert_nothing_left
	teardown_file_bundle
}

@test "the process ended well" {
	tells end "all told"
	! grep -q "^status" "$SAID"
}

@test "user id" {
	tells uid '1000'
}

@test "group id" {
	tells gid '1001'
}

@test "additional groups" {
	tells_of groups '*2000 2001*'
}

@test "umask" {
	tells umask '0027'
}

@test "working directory" {
	tells cwd '/tmp'
}

@test "environment: a plain value" {
	tells env_plain 'value'
}

@test "environment: spaces are kept" {
	tells env_spaces 'a b  c'
}

@test "environment: equals signs are kept" {
	tells env_equals 'x=y=z'
}

@test "environment: an empty value is there" {
	tells env_empty 'set:'
}

@test "environment: bytes beyond ASCII" {
	tells env_unicode 'größe'
}

@test "environment: nothing of the caller's" {
	tells env_caller 'unset'
}

@test "arguments: their number" {
	tells args '4'
}

@test "arguments: spaces" {
	tells arg1 'two words'
}

@test "arguments: an empty one" {
	tells arg2 '[]'
}

@test "arguments: bytes beyond ASCII" {
	tells arg4 'ünïcödé'
}

@test "capabilities: bounding" {
	tells cap_bnd '0000000000000421'
}

@test "capabilities: permitted" {
	tells cap_prm '0000000000000400'
}

@test "capabilities: inheritable" {
	tells cap_inh '0000000000000400'
}

@test "capabilities: effective" {
	tells cap_eff '0000000000000400'
}

@test "capabilities: ambient" {
	tells cap_amb '0000000000000400'
}

@test "no_new_privs" {
	tells nnp '1'
}

@test "seccomp: the filter is in force" {
	tells seccomp '2'
}

@test "seccomp: an error number of the profile's" {
	tells_of mkdir '*Invalid cross-device link*'
}

@test "seccomp: EPERM without one" {
	tells_of symlink '*Operation not permitted*'
}

@test "limits: open files" {
	tells limit_nofile '111 222'
}

@test "limits: core files" {
	tells limit_core '0 0'
}

@test "limits: file size" {
	tells limit_fsize '10485760 20971520'
}

@test "limits: processes" {
	tells limit_nproc '1234 2345'
}

@test "limits: stack" {
	tells limit_stack '4194304 8388608'
}

@test "limits: locked memory" {
	tells limit_memlock '8192 8192'
}

@test "limits: processor time" {
	tells limit_cpu '100 200'
}

@test "limits: pending signals" {
	tells limit_sigpending '77 99'
}

@test "badness for the out-of-memory killer" {
	tells oom '500'
}

@test "scheduler: policy" {
	tells policy '3'
}

@test "scheduler: nice value" {
	tells nice '7'
}

@test "I/O priority" {
	tells_of ioprio '*best-effort: prio 6*'
}

@test "host name" {
	tells hostname 'parity-host'
}

@test "domain name" {
	tells domainname 'parity-domain'
}

@test "sysctl of the ipc namespace" {
	tells msgmax '9999'
}

@test "another sysctl of it" {
	tells shm '1'
}

@test "sysctl of the network namespace" {
	tells forward '1'
}

@test "the first process of its namespace" {
	tells pid '1'
}

@test "its parent is out of sight" {
	tells ppid '0'
}

@test "it leads a session" {
	tells sid '1'
}

@test "descriptors: the standard ones alone" {
	tells fds '0 1 2'
}

@test "standard input is read" {
	tells line 'a line'
}

@test "no controlling terminal" {
	tells tty_nr '0'
}

@test "no signal is blocked" {
	tells blocked '0000000000000000'
}

@test "no signal is ignored" {
	tells_of ignored '0000000000000000'
}

@test "only loopback in a network namespace of its own" {
	tells links 'lo'
}

@test "loopback is up" {
	tells lo 'up'
}

@test "/proc is a proc" {
	tells type_proc 'proc'
}

@test "/dev is a tmpfs" {
	tells type_dev 'tmpfs'
}

@test "/dev/pts is a devpts" {
	tells type_pts 'devpts'
}

@test "/dev/shm is a tmpfs" {
	tells type_shm 'tmpfs'
}

@test "/dev/mqueue is a mqueue" {
	tells type_mqueue 'mqueue'
}

@test "/sys is a sysfs" {
	tells type_sys 'sysfs'
}

@test "/sys is read-only" {
	tells_of options_sys 'ro,*'
}

@test "/dev/shm is nosuid, nodev, noexec" {
	tells_of options_shm '*nosuid,nodev,noexec*'
}

@test "/dev/null takes what is written" {
	tells dev_null '0'
}

@test "/dev/zero gives zeroes" {
	tells dev_zero '0000'
}

@test "/dev/full is full" {
	tells_of dev_full '*No space left on device*'
}

@test "/dev/urandom gives bytes" {
	tells dev_urandom '16'
}

@test "devices: anybody may use the default ones" {
	tells dev_modes '666 666 666 666 666 666'
}

@test "/dev/ptmx is that of the container's devpts" {
	tells ptmx 'pts/ptmx'
}

@test "/dev/fd and the standard streams are links into /proc" {
	tells dev_links '/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2'
}

@test "no /dev/console without a terminal" {
	tells console 'no'
}

@test "a device of the bundle's: numbers, mode, owner" {
	tells own_device '1:8 440 1000 1001'
}

@test "a device of the bundle's: it works" {
	tells own_works '8'
}

@test "a pipe of the bundle's" {
	tells own_pipe 'fifo 600 1000'
}

@test "masked: a file is empty" {
	tells masked_file '0'
}

@test "masked: a directory is empty" {
	tells masked_dir '0'
}

@test "masked: /sys/firmware is empty" {
	tells masked_firmware '0'
}

@test "read-only: /proc/sys" {
	tells_of ro_sys '*Read-only file system*'
}

@test "read-only: /proc/sys is a mount of its own" {
	tells_of options_procsys 'ro,*'
}

@test "read-only: a path of the bundle's" {
	tells_of ro_place '*Read-only file system*'
}

@test "a volume: what is written arrives at the host" {
	tells volume_wrote '0'
}

@test "a volume: with the process's owner and mode" {
	[ "$(stat -c "%u:%g %a" "$VOLUME/inside")" = "1000:1001 640" ]
	[ "$(cat "$VOLUME/inside")" = from-inside ]
}

@test "a file as a volume" {
	tells one 'from-host'
}

@test "a file as a volume, read-only" {
	tells_of one_write '*Read-only file system*'
}

@test "a read-only volume is read below" {
	tells ro_below 'deep'
}

@test "a read-only volume is read-only below too" {
	tells_of ro_write '*Read-only file system*'
}

@test "a volume without execution" {
	tells_of plain_exec '*Permission denied*'
}

@test "a volume's options are shown" {
	tells_of options_plain '*nosuid,nodev,noexec*'
}

@test "a destination through a link of the image's" {
	tells through 'from-host'
}

@test "tmpfs: its size" {
	tells_of small_size '*No space left on device*'
}

@test "tmpfs: its mode" {
	tells small_mode '1777'
}

@test "tmpfs: its owner and group" {
	tells owned '700 1000 1001'
}

@test "tmpfs: read-only" {
	tells_of closed '*Read-only file system*'
}

@test "tmpfs: its number of files" {
	tells_of inodes '*No space left on device*'
}

@test "tmpfs: on another one, and destinations are made" {
	tells below '0'
}

@test "tmpfs: without execution" {
	tells_of small_exec '*Permission denied*'
}

@test "a signal is heard: HUP, as \"HUP\"" {
	hears HUP HUP
}

@test "a signal is heard: INT, as \"2\"" {
	hears INT 2
}

@test "a signal is heard: QUIT, as \"SIGQUIT\"" {
	hears QUIT SIGQUIT
}

@test "a signal is heard: USR1, as \"USR1\"" {
	hears USR1 USR1
}

@test "a signal is heard: USR2, as \"SIGUSR2\"" {
	hears USR2 SIGUSR2
}

@test "a signal is heard: WINCH, as \"28\"" {
	hears WINCH 28
}

@test "a signal is heard: TERM, as \"sigterm\"" {
	hears TERM sigterm
}

@test "a signal is heard: ALRM, as \"ALRM\"" {
	hears ALRM ALRM
}

@test "signals: the process is alive after them, one that it does not have is refused" {
	is_in_state "$TARGET" running
	run duet kill "$TARGET" NOTASIGNAL
	[ "$status" -eq 1 ]
}

@test "exec's status: 0" {
	status=0
	duet exec "$TARGET" sh -c "exit 0" || status=$?
	[ "$status" -eq 0 ]
}

@test "exec's status: 1" {
	status=0
	duet exec "$TARGET" sh -c "exit 1" || status=$?
	[ "$status" -eq 1 ]
}

@test "exec's status: 42" {
	status=0
	duet exec "$TARGET" sh -c "exit 42" || status=$?
	[ "$status" -eq 42 ]
}

@test "exec's status: 255" {
	status=0
	duet exec "$TARGET" sh -c "exit 255" || status=$?
	[ "$status" -eq 255 ]
}

@test "ps names the process" {
	run duet ps "$TARGET"
	[[ "$output" == *hear.sh* ]]
}

@test "state names bundle, id and status" {
	run duet state "$TARGET"
	[ "$(jq -r .id <<<"$output")" = "$TARGET" ]
	[ "$(jq -r .bundle <<<"$output")" = "$BUNDLE" ]
	[ "$(jq -r .status <<<"$output")" = running ]
}

@test "list shows it" {
	[ "$(duet list --quiet)" = "$TARGET" ]
}

@test "an id that is taken is refused" {
	run duet_create "$TARGET"
	[ "$status" -eq 1 ]
	[[ "$output" == *"$TARGET"*exist* ]]
}

@test "start of what runs is refused" {
	run duet start "$TARGET"
	[ "$status" -eq 1 ]
}

@test "delete of what runs is refused" {
	run duet delete "$TARGET"
	[ "$status" -eq 1 ]
	is_in_state "$TARGET" running
}

@test "pause and resume" {
	duet pause "$TARGET"
	is_in_state "$TARGET" paused
	duet resume "$TARGET"
	is_in_state "$TARGET" running
}

@test "events --stats is JSON with memory and processes" {
	duet events --stats "$TARGET" >"$SCRATCH/stats"
	[ "$(jq -r .type "$SCRATCH/stats")" = stats ]
	[ "$(jq .data.pids.current "$SCRATCH/stats")" -ge 1 ]
}

@test "a terminal: it has one" {
	on_screen 'tty /dev/pts/0'
}

@test "a terminal: standard input is it" {
	on_screen 'in'
}

@test "a terminal: standard output is it" {
	on_screen 'out'
}

@test "a terminal: standard error is it" {
	on_screen 'err'
}

@test "a terminal: TERM is the bundle's" {
	on_screen 'term duet-term'
}

@test "a terminal: it is the process's own" {
	on_screen 'owner 1000'
}

@test "a terminal: /dev/console is there" {
	grep -q '^c.*/dev/console' "$SCRATCH/screen.lines"
}

@test "a terminal: the exit status comes through" {
	on_screen 'status 9'
}
