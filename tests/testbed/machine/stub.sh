#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The first process of the machine, and all of it that is part of the cached image: it finds the tree under test on
# the second disk and hands over to that tree's own init.
set -eu
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t devtmpfs -o nosuid,mode=0755 devtmpfs /dev
mount -t ext4 -o ro,nodev /dev/nvme0n2 /duet
exec /duet/tests/testbed/machine/init.sh
