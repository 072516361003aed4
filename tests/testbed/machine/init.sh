#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Makes the machine what a booted Debian is, as far as a container runtime can see, then runs the round and switches
# the machine off. Started by systemd it leaves to systemd what systemd has done, and returns.
#
# busybox, because under software emulation every exec of a dynamic program costs tens of milliseconds.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
here=/duet/tests/testbed/machine

mount_filesystems() {
	mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /run
	mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
	mkdir -p /run/lock /dev/pts /dev/shm /dev/mqueue
	mount -t devpts -o nosuid,noexec,gid=5,mode=0620,ptmxmode=0000 devpts /dev/pts
	mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
	mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
	mount -t securityfs -o nosuid,nodev,noexec securityfs /sys/kernel/security
	mount -t bpf -o nosuid,nodev,noexec,mode=0700 bpf /sys/fs/bpf
	ln -s /proc/self/fd /dev/fd
	ln -s /proc/self/fd/0 /dev/stdin
	ln -s /proc/self/fd/1 /dev/stdout
	ln -s /proc/self/fd/2 /dev/stderr
}

# udev's work, for the few devices that matter.
make_devices() {
	mkdir -p /dev/net
	for device in "net/tun 10 200" "fuse 10 229" "loop-control 10 237"; do
		# shellcheck disable=SC2086 # three words
		set -- $device
		[ -e "/dev/$1" ] || mknod "/dev/$1" c "$2" "$3"
	done
	chmod 0666 /dev/net/tun /dev/fuse
	chgrp kvm /dev/kvm
	chmod 0660 /dev/kvm
}

make_runtime_directories() {
	for user in alice bob; do
		uid=$(id -u "$user")
		install -d -m 0755 /run/user
		install -d -m 0700 -o "$user" -g "$user" "/run/user/$uid"
	done
}

# For every unprivileged program on Debian.
set_limits() {
	echo 1 >/proc/sys/kernel/unprivileged_userns_clone
	echo 28633 >/proc/sys/user/max_user_namespaces
	hostname testbed
	ip link set lo up
}

ln -sf "$here/as-user.sh" /usr/local/bin/as-user
modprobe -a kvm-amd overlay veth bridge tun &
modules=$!
if [ $$ != 1 ]; then
	wait "$modules"
	make_devices
	exit 0
fi

mount --make-rshared /
mount_filesystems
# shellcheck source=cgroups.sh
. "$here/cgroups.sh"
layout=$(sed -n 's/.*duet\.cgroup=\([a-z0-9]*\).*/\1/p' /proc/cmdline)
cgroups_mount "$layout"
make_runtime_directories
set_limits
wait "$modules"
make_devices
"$here/round.sh" || true
echo o >/proc/sysrq-trigger
sleep 60
