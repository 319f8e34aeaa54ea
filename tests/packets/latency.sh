#!/bin/bash
# How long from the rename of a workload's file to the kernel commit, with 1,000 workloads present (goal: p99 under 5 ms).
# Prints "KIND changes=N p50=... p99=... ms" for each kind of change where all workloads are on the node; see tests/bench/change.c.
. "$(dirname "$0")/lib.sh"

LIMIT_MS=${LIMIT_MS:-5}

node
timeout 120 "$BUILD/tests/bench/change" node 1000 >"$WORK/records" || not_ok "the bench ends well"

value() { # VARIANT METRIC
	sed -n "s|.*\"variant\":\"$1\",.*\"metric\":\"$2\",\"value\":\\(.*\\)}|\\1|p" "$WORK/records"
}

for kind in remove add relabel move; do
	echo "$kind changes=$(value "node/$kind" changes) p50=$(value "node/$kind" p50_ms) p99=$(value "node/$kind" p99_ms) ms"
	equal "$kind: every change is committed" "" "$(value "node/$kind" lost)"
	check "$kind: p99 under $LIMIT_MS ms" awk -v p99="$(value "node/$kind" p99_ms)" -v limit="$LIMIT_MS" \
		'BEGIN { exit !(p99 != "" && p99 < limit + 0) }'
done
finish
