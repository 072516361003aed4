#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# SPDX-License-Identifier: Apache-2.0
# The test machine's checks of itself: what the other tests may take for granted in it.

setup() {
	[[ ${DUET_TESTBED:-} == 1 ]] || skip "not in the testbed"
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
}

@test "kvm-amd is loaded with nested paging on" {
	[[ $(</sys/module/kvm_amd/parameters/npt) =~ ^(Y|1)$ ]]
	grep -qw svm /proc/cpuinfo
}

@test "/dev/kvm opens for root and for alice of group kvm, not for bob" {
	[[ $(stat -c '%t:%T %G %a' /dev/kvm) == "a:e8 kvm 660" ]]
	# KVM_GET_API_VERSION
	[[ $(perl -e 'open(my $kvm, "+<", "/dev/kvm") or die; print ioctl($kvm, 0xAE00, 0)') == 12 ]]
	as-user alice bash -c ': <>/dev/kvm'
	run as-user bob bash -c ': <>/dev/kvm'
	[[ $status != 0 && $output == *"Permission denied"* ]]
}

@test "the cgroup layout is the one asked for" {
	case $DUET_CGROUP in
	v2)
		[[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]]
		# systemd hands controllers down as units ask for them.
		file=cgroup.subtree_control
		[[ $DUET_TESTBED_INIT == plain ]] || file=cgroup.controllers
		for controller in cpuset cpu io memory pids; do
			grep -qw "$controller" "/sys/fs/cgroup/$file"
		done
		;;
	v1 | hybrid)
		[[ $(stat -f -c %T /sys/fs/cgroup) == tmpfs ]]
		for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
			[[ $(stat -f -c %T "/sys/fs/cgroup/$controller/") == cgroupfs ]]
			[[ -e /sys/fs/cgroup/$controller/cgroup.procs ]]
		done
		if [[ $DUET_CGROUP == hybrid ]]; then
			[[ $(stat -f -c %T /sys/fs/cgroup/unified) == cgroup2fs ]]
		else
			[[ ! -e /sys/fs/cgroup/unified ]]
		fi
		;;
	*) false ;;
	esac
}

@test "a memory limit can be set on a new group" {
	parent=/sys/fs/cgroup file=memory.max
	[[ $DUET_CGROUP == v2 ]] || parent=/sys/fs/cgroup/memory file=memory.limit_in_bytes
	mkdir "$parent/duet-smoke"
	echo 67108864 >"$parent/duet-smoke/$file"
	limit=$(<"$parent/duet-smoke/$file")
	rmdir "$parent/duet-smoke"
	[[ $limit == 67108864 ]]
}

@test "on v2 alice may make groups with controllers of her own" {
	[[ $DUET_CGROUP == v2 ]] || skip "v1 delegates nothing to users"
	# shellcheck disable=SC2016 # for alice's shell to expand
	as-user alice bash -c '
		own=/sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup)
		mkdir "${own%/*}/duet-smoke"
		echo 100 >"${own%/*}/duet-smoke/pids.max"
		echo $$ >"${own%/*}/duet-smoke/cgroup.procs"
		read -r limit <"${own%/*}/duet-smoke/pids.max"
		echo $$ >"$own/cgroup.procs"
		rmdir "${own%/*}/duet-smoke"
		[[ $limit == 100 ]]'
}

@test "root holds every capability, CAP_SYS_RESOURCE among them" {
	last=$(</proc/sys/kernel/cap_last_cap)
	effective=$(awk '/^CapEff:/ { print $2 }' /proc/self/status)
	((16#$effective == (1 << (last + 1)) - 1))
	(ulimit -Hn 1000000)
}

@test "alice and bob are ordinary users with subordinate ids" {
	# shellcheck disable=SC2016 # awk's
	for user in alice bob; do
		[[ $(as-user "$user" id -un) == "$user" ]]
		[[ $(as-user "$user" awk '/^CapEff:/ { print $2 }' /proc/self/status) == 0000000000000000 ]]
		grep -q "^$user:[0-9]*:65536$" /etc/subuid
		grep -q "^$user:[0-9]*:65536$" /etc/subgid
	done
	[[ $(id -u alice) == 1000 ]]
	[[ $(as-user alice unshare --user --map-root-user --map-auto awk 'END { print NR }' /proc/self/uid_map) == 2 ]]
}

@test "mounts of / are shared and overlay works on the root disk" {
	[[ $(findmnt -n -o PROPAGATION /) == shared ]]
	directory=$(mktemp -d /var/tmp/smoke.XXXXXX)
	mkdir "$directory"/{lower,upper,work,merged}
	mount -t overlay -o "lowerdir=$directory/lower,upperdir=$directory/upper,workdir=$directory/work" overlay \
		"$directory/merged"
	echo written >"$directory/merged/file"
	umount "$directory/merged"
	[[ $(<"$directory/upper/file") == written ]]
	rm -rf "$directory"
}

@test "network devices, bridges and tun can be made" {
	unshare --net bash -e -c '
		ip link add one type veth peer name two
		ip link add name switch type bridge
		ip link set one master switch
		ip tuntap add dev tap0 mode tap'
	ip link show lo | grep -q UP
}

@test "the tree is there, read-only, beside its build folder" {
	[[ -f $root/tests/testbed/smoke.bats ]]
	run ! touch "$root/tests/written"
}

@test "the freshly built duet runs" {
	[[ -x $root/build/duet ]] || skip "build/duet is not built"
	"$root/build/duet" --version
	as-user alice "$root/build/duet" --version
}
