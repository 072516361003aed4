#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One round: runs what the host asked for (files in /duet/.round) and tells the host how it went.
#   ttyS0 the console       ttyS1 standard output (TAP)       ttyS2 standard error
#   ttyS3 the report: "ready" when the round begins, "exit N" when it has ended
set -uo pipefail

round=/duet/.round
exec 4>/dev/ttyS1 5>/dev/ttyS2 6>/dev/ttyS3 || exit 1
for port in /dev/ttyS1 /dev/ttyS2 /dev/ttyS3; do
	stty -F "$port" raw -echo
done
/duet/tests/testbed/machine/keep.sh 4>&- 5>&- 6>&- &
echo "ready $(cut -d' ' -f1 /proc/uptime)" >&6

export HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 TERM=dumb
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export DUET_TESTBED=1
# shellcheck source=/dev/null
. "$round/environment"
cd /duet || exit 1

case $(<"$round/kind") in
bats)
	mapfile -d '' -t arguments <"$round/arguments"
	bats --tap "${arguments[@]}" </dev/null >&4 2>&5 4>&- 5>&- 6>&-
	;;
command)
	mapfile -d '' -t arguments <"$round/arguments"
	"${arguments[@]}" </dev/null >&4 2>&5 4>&- 5>&- 6>&-
	;;
shell)
	stty -F /dev/ttyS0 rows "$DUET_TESTBED_ROWS" cols "$DUET_TESTBED_COLUMNS" sane
	setsid --ctty --wait bash --login </dev/ttyS0 >/dev/ttyS0 2>&1 4>&- 5>&- 6>&-
	;;
esac
status=$?
# What was written last must have left the ports before the machine is switched off.
exec 4>&- 5>&-
echo "exit $status" >&6
