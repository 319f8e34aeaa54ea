#!/bin/bash
# deploy/systemd: the units are sound, and leave little of the machine within reach. TAP.
. "$(dirname "$0")/lib.sh"

if ! command -v systemd-analyze >/dev/null; then
	echo "1..0 # skip systemd-analyze is not installed"
	exit
fi
# Of a copy that names programs which are there.
verify() { # UNIT
	sed "s|/usr/local/sbin/ringfenced|${RINGFENCE}d|" "$1" >"$WORK/${1##*/}"
	systemd-analyze verify "$WORK/${1##*/}" >"$WORK/out" 2>&1 || true
	lacks "^${1##*/}:|$WORK/${1##*/}" "$WORK/out"
}
secure() { # UNIT
	systemd-analyze security --offline=true --threshold=15 "$1" >"$WORK/out" 2>&1
}
for unit in deploy/systemd/*.service; do
	holds "${unit##*/}: nothing to complain of" verify "$unit"
	holds "${unit##*/}: exposure of at most 1.5" secure "$unit"
	sed -n 's/^→ /# /p' "$WORK/out"
done
finish
