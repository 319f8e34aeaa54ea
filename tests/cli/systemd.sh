#!/bin/bash
# deploy/systemd: the units are what systemd understands, in an order that can be, and confined. TAP.
. "$(dirname "$0")/lib.sh"

if ! command -v systemd-analyze >/dev/null; then
	echo "1..0 # skip systemd-analyze is not installed"
	exit
fi
# The program is not installed here: any that is stands for it.
installed() { sed "s|/usr/local/[a-z]*/ringfence[a-z]*|/bin/true|" "deploy/systemd/$1" >"$WORK/$1"; }
for unit in deploy/systemd/*.service; do
	unit=${unit##*/}
	installed "$unit"
done
understood() { systemd-analyze verify "$WORK/$1" >"$WORK/out" 2>"$WORK/err" && [ ! -s "$WORK/err" ]; }
confined() { systemd-analyze security --offline=true --threshold=30 "$WORK/$1" >"$WORK/out" 2>"$WORK/err"; }
for unit in deploy/systemd/*.service; do
	unit=${unit##*/}
	holds "$unit is understood" understood "$unit"
	holds "$unit is confined" confined "$unit"
done
finish
