#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Says of each signal that it has come.
for name in HUP INT QUIT USR1 USR2 WINCH TERM ALRM; do
	# shellcheck disable=SC2064
	trap "echo $name >>/volume/heard" "$name"
done
echo ready >>/volume/heard
while :; do
	sleep 1 &
	wait $!
done
