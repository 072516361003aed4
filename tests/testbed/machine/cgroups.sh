# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The three cgroup layouts, mounted as systemd mounts them. Read by init.sh.

# A place of its own for the round, so that the tests do not run in the root group (nobody's shell does), and one for
# each user: delegated on v2, the named hierarchy alone on v1, as under systemd.
round_group=system.slice/testbed.service

cgroups_mount() { # LAYOUT
	case $1 in
	v2)
		cgroups_mount_v2 /sys/fs/cgroup
		cgroups_enable_controllers /sys/fs/cgroup
		cgroups_populate /sys/fs/cgroup yes
		;;
	v1 | hybrid)
		mount -t tmpfs -o nosuid,nodev,noexec,mode=0755 tmpfs /sys/fs/cgroup
		cgroups_mount_v1
		if [ "$1" = hybrid ]; then
			mkdir /sys/fs/cgroup/unified
			cgroups_mount_v2 /sys/fs/cgroup/unified
			cgroups_populate /sys/fs/cgroup/unified no
		fi
		cgroups_populate /sys/fs/cgroup/systemd no
		mount -o remount,ro,nosuid,nodev,noexec,mode=0755 /sys/fs/cgroup
		;;
	*)
		echo "testbed: unknown cgroup layout '$1'"
		return 1
		;;
	esac
}

cgroups_mount_v2() { # DIRECTORY
	mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate,memory_recursiveprot cgroup2 "$1"
}

# Each hierarchy on its own, but for the two pairs that systemd joins and names by symbolic links.
cgroups_mount_v1() {
	mkdir /sys/fs/cgroup/systemd
	mount -t cgroup -o nosuid,nodev,noexec,xattr,none,name=systemd cgroup /sys/fs/cgroup/systemd
	for controllers in cpu,cpuacct cpuset memory devices freezer blkio pids net_cls,net_prio perf_event hugetlb \
		rdma misc; do
		mkdir "/sys/fs/cgroup/$controllers"
		mount -t cgroup -o "nosuid,nodev,noexec,$controllers" cgroup "/sys/fs/cgroup/$controllers"
	done
	ln -s cpu,cpuacct /sys/fs/cgroup/cpu
	ln -s cpu,cpuacct /sys/fs/cgroup/cpuacct
	ln -s net_cls,net_prio /sys/fs/cgroup/net_cls
	ln -s net_cls,net_prio /sys/fs/cgroup/net_prio
}

cgroups_enable_controllers() { # GROUP
	sed 's/[a-z_]*/+&/g; s/ *$//' "$1/cgroup.controllers" >"$1/cgroup.subtree_control"
}

cgroups_populate() { # HIERARCHY WITH_CONTROLLERS
	mkdir -p "$1/$round_group"
	for uid in $(id -u alice) $(id -u bob); do
		user_group=$1/user.slice/user-$uid.slice/user@$uid.service
		mkdir -p "$user_group"
		if [ "$2" = yes ]; then
			for group in "$1/user.slice" "${user_group%/*}" "$user_group"; do
				cgroups_enable_controllers "$group"
			done
		fi
		mkdir "$user_group/session.scope"
		for group in "$user_group" "$user_group/session.scope"; do
			chown "$uid:$uid" "$group" "$group"/cgroup.procs
			for file in tasks cgroup.threads cgroup.subtree_control; do
				[ ! -e "$group/$file" ] || chown "$uid:$uid" "$group/$file"
			done
		done
	done
	if [ "$2" = yes ]; then
		cgroups_enable_controllers "$1/system.slice"
	fi
	echo $$ >"$1/$round_group/cgroup.procs"
}
