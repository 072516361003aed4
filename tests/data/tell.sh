#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What tests/parity.bats asks of a container: lines of KEY=VALUE.
fd_list() {
	# Of the shell itself: 3 and more would be inherited ones.
	(cd /proc/$$/fd && echo *)
}
limit() {
	awk -v name="$1" 'index($0, name) == 1 { print $(NF - 2), $(NF - 1) }' /proc/self/limits
}
status_of() {
	awk -v name="$1:" '$1 == name { $1 = ""; print substr($0, 2) }' /proc/self/status
}
mount_of() {
	awk -v place="$1" -v field="$2" '$2 == place { print $field }' /proc/mounts | tail -n 1
}
fds=$(fd_list)
echo "uid=$(id -u)"
echo "gid=$(id -g)"
echo "groups=$(status_of Groups)"
echo "umask=$(umask)"
echo "cwd=$(pwd)"
echo "env_plain=$PLAIN"
echo "env_spaces=$SPACES"
echo "env_equals=$EQUALS"
echo "env_empty=${EMPTY+set:}${EMPTY-unset}"
echo "env_unicode=$UNICODE"
echo "env_caller=${BATS_TEST_DIRNAME-unset}"
echo "args=$#"
echo "arg1=$1"
echo "arg2=[$2]"
echo "arg4=$4"
echo "cap_bnd=$(status_of CapBnd)"
echo "cap_prm=$(status_of CapPrm)"
echo "cap_inh=$(status_of CapInh)"
echo "cap_eff=$(status_of CapEff)"
echo "cap_amb=$(status_of CapAmb)"
echo "nnp=$(status_of NoNewPrivs)"
echo "seccomp=$(status_of Seccomp)"
echo "mkdir=$(mkdir /tmp/x 2>&1)"
echo "symlink=$(ln -s a /tmp/y 2>&1)"
echo "limit_nofile=$(limit 'Max open files' | sed 's/ files//')"
echo "limit_core=$(awk '/^Max core file size/ { print $5, $6 }' /proc/self/limits)"
echo "limit_fsize=$(awk '/^Max file size/ { print $4, $5 }' /proc/self/limits)"
echo "limit_nproc=$(awk '/^Max processes/ { print $3, $4 }' /proc/self/limits)"
echo "limit_stack=$(awk '/^Max stack size/ { print $4, $5 }' /proc/self/limits)"
echo "limit_memlock=$(awk '/^Max locked memory/ { print $4, $5 }' /proc/self/limits)"
echo "limit_cpu=$(awk '/^Max cpu time/ { print $4, $5 }' /proc/self/limits)"
echo "limit_sigpending=$(awk '/^Max pending signals/ { print $4, $5 }' /proc/self/limits)"
echo "oom=$(cat /proc/self/oom_score_adj)"
echo "policy=$(cut -d' ' -f41 /proc/$$/stat)"
echo "nice=$(cut -d' ' -f19 /proc/$$/stat)"
echo "ioprio=$(ionice -p $$)"
echo "hostname=$(hostname)"
echo "domainname=$(cat /proc/sys/kernel/domainname)"
echo "msgmax=$(cat /proc/sys/kernel/msgmax)"
echo "shm=$(cat /proc/sys/kernel/shm_rmid_forced)"
echo "forward=$(cat /proc/sys/net/ipv4/ip_forward)"
echo "pid=$$"
echo "ppid=$(cut -d' ' -f4 /proc/$$/stat)"
echo "sid=$(cut -d' ' -f6 /proc/$$/stat)"
echo "fds=$(echo "$fds" | sed 's/ 3\>//; s/ 10\>//')"
read -r line
echo "line=$line"
echo "tty_nr=$(cut -d' ' -f7 /proc/$$/stat)"
echo "blocked=$(status_of SigBlk)"
echo "ignored=$(status_of SigIgn)"
echo "links=$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | tr '\n' ' ' | sed 's/ $//')"
echo "lo=$(ip link show lo | grep -q '[<,]UP[,>]' && echo up)"
for place in proc=/proc dev=/dev pts=/dev/pts shm=/dev/shm mqueue=/dev/mqueue sys=/sys; do
	echo "type_${place%%=*}=$(mount_of "${place#*=}" 3)"
	echo "options_${place%%=*}=$(mount_of "${place#*=}" 4)"
done
echo "dev_null=$(sh -c 'echo x >/dev/null; echo $?')"
echo "dev_zero=$(head -c 2 /dev/zero | od -An -tx1 | tr -d ' \n')"
echo "dev_full=$(sh -c 'echo x >/dev/full' 2>&1)"
echo "dev_urandom=$(head -c 16 /dev/urandom | wc -c)"
echo "dev_modes=$(stat -c %a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty | tr '\n' ' ' | sed 's/ $//')"
echo "ptmx=$(readlink /dev/ptmx)"
echo "dev_links=$(readlink /dev/fd) $(readlink /dev/stdin) $(readlink /dev/stdout) $(readlink /dev/stderr)"
echo "console=$([ -e /dev/console ] && echo yes || echo no)"
echo "own_device=$(stat -c '%t:%T %a %u %g' /dev/own/random)"
echo "own_works=$(head -c 8 /dev/own/random | wc -c)"
echo "own_pipe=$(stat -c '%F %a %u' /dev/pipe)"
echo "masked_file=$(wc -c </kept/file)"
echo "masked_dir=$(find /kept/inner -mindepth 1 2>/dev/null | wc -l)"
echo "masked_firmware=$(find /sys/firmware -mindepth 1 2>/dev/null | wc -l)"
echo "ro_sys=$(sh -c 'echo x >/proc/sys/kernel/domainname' 2>&1)"
echo "options_procsys=$(mount_of /proc/sys 4)"
echo "ro_place=$(touch /place/x 2>&1)"
echo "volume_wrote=$(sh -c 'echo from-inside >/volume/inside; echo $?')"
echo "one=$(cat /etc/one)"
echo "one_write=$(sh -c 'echo x >/etc/one' 2>&1)"
echo "ro_below=$(cat /ro/below/file)"
echo "ro_write=$(touch /ro/below/other 2>&1)"
echo "plain_exec=$(/plain/true 2>&1)"
echo "options_plain=$(mount_of /plain 4)"
echo "through=$(cat /place/through)"
echo "small_size=$(head -c 100000 /dev/zero 2>&1 | dd of=/small/file bs=1k 2>&1 | head -n 1)"
echo "small_mode=$(stat -c %a /small)"
echo "owned=$(stat -c '%a %u %g' /owned)"
echo "closed=$(touch /closed/x 2>&1)"
echo "inodes=$(cd /made/for/this && touch 1 2 3 4 5 6 7 2>&1 | head -n 1)"
touch /made/for/this/below/x
echo "below=$?"
cp /plain/true /small/true 2>/dev/null || : >/small/true
chmod 755 /small/true
echo "small_exec=$(/small/true 2>&1)"
echo "end=all told"
