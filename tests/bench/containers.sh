#!/bin/bash
# How long from the start of a real container (Podman) to its rules in the kernel: tests/bench/containers.sh [COUNT], 200 by
# default, one after the other, all of which go on running. Prints, in milliseconds,
#
#   rules    from the engine's own time of the container's start to the commit of the daemon; less than 0: before its process ran
#   engine   of that, until the engine told of the start (to another who listens): what nobody can be faster than
#
# RINGFENCE_BUILD as in the tests; the goal is that every container gets its rules.
. "$(dirname "$0")/../packets/lib_containers.sh"

COUNT=${1:-200}

node
engine_make
engine_network many 10.92.0.0/16 fd92::/64
policy shop <<-END
	ringfence: v1
	namespace: shop
	services:
	  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
	allow:
	  - {from: web, to: web}
END
SOURCES="  - {source: docker, socket: $ENGINE_SOCKET, namespace: shop}"
daemon_start
watch
start "$WORK/events" node curl -sN --unix-socket "$ENGINE_SOCKET" 'http://engine/events?filters=%7B%22event%22%3A%5B%22start%22%5D%7D'
listener=$STARTED_PID
sleep 1

first_commit() { grep '^commit .*process=ringfenced ' "$WORK/commits" | sed -n "$(($1 + 1))p" | cut -d' ' -f2; }
# Nanoseconds from the clock of the commits (monotonic) to that of the engine.
clocks() { python3 -c 'import time; print(time.time_ns() - time.monotonic_ns())'; }
told() { [ "$(wc -l <"$WORK/times")" -gt "$1" ]; }

# When each start was heard.
tail -f -n +1 "$WORK/events" | while read -r line; do
	echo "$(date +%s%N) $(jq -r '"\(.timeNano) \(.Actor.Attributes.name)"' <<<"$line")"
done >"$WORK/times" &
STARTED+=("$!")

for ((i = 0; i < COUNT; i++)); do
	before=$(commits)
	engine run -d "${RUN_FLAGS[@]}" --name "c$i" --network many --label app=web "$IMAGE" sleep 100000 >/dev/null
	await 20 commits_over "$before" || not_ok "container $i has rules"
	await 20 told "$i" || not_ok "the engine tells of container $i"
	echo "c$i $(first_commit "$before")" >>"$WORK/rules"
done
stop "$listener"
offset=$(clocks)
percentiles() { sort -n | awk -v what="$1" '{ at[NR] = $1 } END {
	printf "%s containers=%d p50=%.1f p99=%.1f most=%.1f ms\n", what, NR, at[int((NR + 1) / 2)], at[int(NR * 0.99 + 0.999)], at[NR] }'; }
awk -v offset="$offset" 'NR == FNR { start[$3] = $2; next } $1 in start { printf "%.3f\n", ($2 + offset - start[$1]) / 1e6 }' \
	"$WORK/times" "$WORK/rules" >"$WORK/of-rules"
percentiles rules <"$WORK/of-rules"
awk '{ printf "%.3f\n", ($1 - $2) / 1e6 }' "$WORK/times" | percentiles engine
equal "every container has its rules" "$COUNT" "$(wc -l <"$WORK/of-rules")"
equal "and is in force" "$COUNT" "$(tell status --workloads | grep -c '^in force  .*shop/c')"
daemon_stop
finish
