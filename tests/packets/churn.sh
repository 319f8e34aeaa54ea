#!/bin/bash
# Hundreds of workloads change each second: what is allowed between two others loses nothing, what is denied never passes,
# and in the end the table is what a daemon that starts then would make.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm # a busy disk would hold the changes up
. "$(dirname "$0")/lib.sh"

# So many that no peer comes near the size from which classes share its set: that is chosen with a generation, and depends
# on who ran then.
WORKLOAD_COUNT=300 RATE=500 SECONDS_OF_CHURN=5
CHURN=$BUILD/tests/packets/churn

shop
rm "$POLICY/inventory.yaml" # the fleet's says what node-a is
"$CHURN" write "$POLICY" "$WORKLOADS" $WORKLOAD_COUNT
daemon_start
check "all workloads are known" await 10 status_has "\"workloads\":$((WORKLOAD_COUNT + 3))[,}]"

pids=()
stream() { # FILE TO_ADDRESS PORT; from web1
	start "$WORK/$1" web1 "$PROBE" stream "$2" "$3" udp $((SECONDS_OF_CHURN + 1))
	pids+=("$STARTED_PID")
}
stream allowed4 "${ADDRESS4[api1]}" 8080
stream allowed6 "${ADDRESS6[api1]}" 8080
stream denied4 "${ADDRESS4[db1]}" 5432
stream denied6 "${ADDRESS6[db1]}" 5432
before=$(commits)
sleep 0.3
check "the files are changed" "$CHURN" run "$WORKLOADS" $WORKLOAD_COUNT $RATE $SECONDS_OF_CHURN
wait "${pids[@]}"
check "the daemon made transactions meanwhile ($(($(commits) - before)))" commits_over "$before"

lost=$(($(gaps "$WORK/serve-api1.log" "${ADDRESS4[web1]}") + $(gaps "$WORK/serve-api1.log" "${ADDRESS6[web1]}")))
equal "allowed: requests lost, but for $(no_room api1) that found no room" 0 $((lost - $(no_room api1)))
lost=$(($(gaps "$WORK/allowed4" "${ADDRESS4[api1]}") + $(gaps "$WORK/allowed6" "${ADDRESS6[api1]}")))
equal "allowed: answers lost, but for $(no_room web1) that found no room" 0 $((lost - $(no_room web1)))
for address in "${ADDRESS4[web1]}" "${ADDRESS6[web1]}"; do
	count=$(arrived "$WORK/serve-api1.log" "$address")
	check "allowed: requests from $address came ($count)" test "$count" -gt 1000
	equal "denied: requests from $address that came" 0 "$(arrived "$WORK/serve-db1.log" "$address")"
done
check "denied: requests were sent" grep -qE '^sent [0-9]{4}' "$WORK/denied4"

# The daemon may be behind: it is done when the newest file has been read and the transactions end.
quiet() {
	local seen
	seen=$(commits)
	sleep 0.5
	status_has "\"workloads\":$((WORKLOAD_COUNT + 3))[,}]" && ! commits_over "$seen"
}
check "the daemon comes to rest" await 60 quiet
check "a file that is gone before it is read is no bad one" sh -c "! grep 'does not check' '$WORK/daemon.log'"
check "the kernel holds what the daemon wants" sh -c "'$RINGFENCE' drift --socket '$SOCKET' >/dev/null"
table_text node >"$WORK/after"

fresh_table "$WORK/fresh.table"
check "the table of a fresh daemon is not empty" test "$(wc -l <"$WORK/fresh.table")" -gt 100
# A set keeps the room that it was made with; how much that is depends on how many there were then.
sed -i '/^\t\tsize [0-9]*$/d' "$WORK/fresh.table" "$WORK/after"
# Chains that no workload has any more stay for a while, with their sets: what nothing leads to is left out.
without_unused() { # FILE
	local mark
	for mark in 'chain goto ' 'set @'; do
		awk -v kind="${mark%% *}" -v mark="${mark#* }" '
			FNR == NR {
				for (rest = $0; (at = index(rest, mark)) > 0;) {
					rest = substr(rest, at + length(mark))
					match(rest, /^[^ ,;]*/)
					used[substr(rest, 1, RLENGTH)] = 1
				}
				next
			}
			$1 == kind && $2 ~ /^g_(in|out|peers)_/ && !($2 in used) { leaving = 1 }
			!leaving && !(after && $0 == "")
			{ after = 0 }
			leaving && $0 == "\t}" { leaving = 0; after = 1 }' "$1" "$1" >"$1.used"
		mv "$1.used" "$1"
	done
}
without_unused "$WORK/fresh.table"
without_unused "$WORK/after"
same_text "the table equals that of a fresh daemon" "$WORK/fresh.table" "$WORK/after"
daemon_stop
finish
