#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: as-user NAME COMMAND [ARGUMENT]...
# Runs a command as an ordinary user in that user's own (delegated) cgroup, the way a login session would.
set -euo pipefail

(($# >= 2)) || {
	echo "usage: as-user NAME COMMAND [ARGUMENT]..." >&2
	exit 2
}
name=$1
shift
uid=$(id -u "$name")
environment=(HOME="/home/$name" USER="$name" LOGNAME="$name" XDG_RUNTIME_DIR="/run/user/$uid")
become=(setpriv --reuid "$uid" --regid "$(id -g "$name")" --init-groups --inh-caps=-all --)

if [[ -d /run/systemd/system ]]; then
	systemctl start "user@$uid.service"
	environment+=(DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus")
	exec "${become[@]}" env "${environment[@]}" systemd-run --user --scope --quiet -p Delegate=yes -- "$@"
fi
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
	group=$hierarchy/user.slice/user-$uid.slice/user@$uid.service/session.scope
	[[ ! -d $group ]] || echo $$ >"$group/cgroup.procs"
done
exec "${become[@]}" env "${environment[@]}" "$@"
