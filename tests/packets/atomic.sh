#!/bin/bash
# No packet meets half of a change: tests/atomic, 60 changes of each step of each kind. `atomic.sh CHANGES [PART_OF_KIND]` for more.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || skip_all "needs root to make network namespaces"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
STATUS=0
"$BUILD/tests/atomic/atomic" "${1:-60}" $((${1:-60} / 50)) "$RINGFENCED" "$WORK" "${2:-}" || STATUS=$?
[ "$STATUS" -eq 0 ] || [ ! -s "$WORK/log" ] || note "$(tail -n 30 "$WORK/log")"
exit "$STATUS"
