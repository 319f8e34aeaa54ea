#!/bin/bash
# Killing the daemon opens nothing and cuts nothing; what it restores equals what a new one would make (past failures 14, 15).
. "$(dirname "$0")/lib.sh"

shop
daemon_start
table_text node >"$WORK/before"

start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 tcp 60
stream=$STARTED_PID
start "$WORK/stream6" web1 "$PROBE" stream "${ADDRESS6[api1]}" 8080 udp 60
stream6=$STARTED_PID
sleep 0.3
daemon_kill
table_text node >"$WORK/killed"
same_text "kill -9 leaves the table as it is" "$WORK/before" "$WORK/killed"
denied web1 db1 5432 tcp "while the daemon is dead"
allowed web1 api1 8080 tcp "while the daemon is dead"
killed=$("$PROBE" now)

daemon_start
table_text node >"$WORK/after"
same_text "a restarted daemon enforces the same table" "$WORK/before" "$WORK/after"
restarted=$("$PROBE" now)
sleep 0.5
stop "$stream"
stop "$stream6"
for file in stream stream6; do
	lost=$(awk -v from="$killed" '
		$1 == "in" && $5 > from { if (last && $4 > last + 1) lost += $4 - last - 1 }
		$1 == "in" { last = $4 }
		END { print lost + 0 }' "$WORK/$file")
	equal "an established flow loses no message over the restart ($file)" 0 "$lost"
	check "and goes on after it ($file)" test \
		"$(awk -v time="$restarted" '$1 == "in" && $5 > time { n++ } END { print n + 0 }' "$WORK/$file")" -gt 100
done

fresh_table "$WORK/fresh.table"
same_text "the restored table equals that of a fresh daemon" "$WORK/fresh.table" "$WORK/after"

# What changed while it was dead counts when it is back.
daemon_kill
workload_file web1 shop 'app: retired'
daemon_start
await 5 sh -c "! nsenter --net=/run/netns/$PREFIX-web1 -- $PROBE try - ${ADDRESS4[api1]} 8080 tcp 100" || true
denied web1 api1 8080 tcp "relabelled while the daemon was dead"

# A source of workloads that is not there when the daemon starts says nothing about who is gone.
workload_file web1 shop 'app: web'
await 5 sh -c "nsenter --net=/run/netns/$PREFIX-web1 -- $PROBE try - ${ADDRESS4[api1]} 8080 tcp 100" || true
daemon_kill
mv "$WORKLOADS" "$WORKLOADS.away"
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
await 10 status_has '"ready":false' || not_ok "the daemon answers"
sleep 1.5
denied web1 db1 5432 tcp "the workload directory is not there at the start"
allowed web1 api1 8080 tcp "the workload directory is not there at the start"
mv "$WORKLOADS.away" "$WORKLOADS"
check "ready when the directory is there" await 10 status_has '"ready":true'
denied web1 db1 5432 tcp "the workload directory is there"
daemon_stop
finish
