#!/bin/bash
# Someone else changes the table: the daemon says what, by which process, and repairs it or not as `drift:` says. From the
# other's commit to the report, and to the repair, must be under 100 ms (past failure 28).
. "$(dirname "$0")/lib.sh"

LIMIT_MS=100

# The name and the first element of a set of the IPv4 allows.
first_element() {
	on node nft list table inet ringfence | awk '
		/^\tset / { name = $2 }
		/type ipv4_addr \. inet_proto \. inet_service/ { wanted = name }
		/elements = \{/ && wanted == name {
			sub(/.*elements = \{ */, "")
			sub(/ *[,}].*/, "")
			sub(/ (timeout|expires).*/, "")
			print name, "{ " $0 " }"
			exit
		}'
}

# Runs nft in the router; its pid is in NFT_PID.
nft_run() { # ARGUMENTS...
	become node nft "$@" &
	NFT_PID=$!
	wait "$NFT_PID"
}

drift_json() { "$RINGFENCE" drift --socket "$SOCKET" --format json | tr -d '\n\t' | sed 's/" *: */":/g' || true; }
reported() { grep -qE "\"pid\":$1[,}]" <<<"$(drift_json)"; } # PID
# The event of a process, alone: its own braces hold no others, but its changes may.
event_number() { # PID KEY
	drift_json | awk -v pid="$1" -v key="$2" 'BEGIN { RS = "\"time\":" }
		$0 ~ "\"pid\":" pid "[,} ]" { if (match($0, "\"" key "\":[0-9.]+")) printf "%.1f\n", substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) }' | tail -1
}
event_process() { # PID
	drift_json | awk -v pid="$1" 'BEGIN { RS = "\"time\":" } $0 ~ "\"pid\":" pid "[,} ]"' | grep -oE '"process":"[^"]*"' | head -1
}
under_limit() { [ -n "$1" ] && awk -v ms="$1" -v limit="$LIMIT_MS" 'BEGIN { exit !(ms < limit) }'; }
restored() { table_text node 2>/dev/null | cmp -s - "$WORK/before"; }

# From the other's commit to the last of the daemon's that followed, as the kernel announced them.
seen_repair_ms() { # PID
	awk -v pid="pid=$1" '
		$1 == "commit" && $5 == pid { start = $2 }
		start && $1 == "commit" && $4 == "process=ringfenced" { end = $2 }
		END { if (end) printf "%.1f", (end - start) / 1e6; else print "none" }' "$WORK/commits"
}

tampered() { # MODE TEXT NFT_ARGUMENTS...
	local mode=$1 text="$1: $2" ms
	shift 2
	nft_run "$@" || {
		not_ok "$text: nft can do it"
		return
	}
	local pid=$NFT_PID
	check "$text: reported" await 5 reported "$pid"
	equal "$text: the report names the process" '"process":"nft"' "$(event_process "$pid")"
	ms=$(event_number "$pid" report_ms)
	check "$text: time to report ${ms:-none} ms" under_limit "$ms"
	if [ "$mode" = repair ]; then
		await 5 restored || true
		table_text node >"$WORK/now"
		same_text "$text: repaired" "$WORK/before" "$WORK/now"
		ms=$(event_number "$pid" repair_ms)
		check "$text: time to repair ${ms:-none} ms" under_limit "$ms"
		sleep 0.1
		ms=$(seen_repair_ms "$pid")
		check "$text: time between the two commits $ms ms" under_limit "${ms/none/}"
		check "$text: no drift now" no_drift
		denied web1 db1 5432 tcp "after $text"
		allowed web1 api1 8080 tcp "after $text"
	else
		local code=0
		"$RINGFENCE" drift --socket "$SOCKET" >/dev/null || code=$?
		equal "$text: drift exits with 1 while the table differs" 1 "$code"
		sleep 0.2
		check "$text: not repaired" not restored
	fi
}

no_drift() { "$RINGFENCE" drift --socket "$SOCKET" >/dev/null; }
not() { ! "$@"; }

shop
daemon_start repair
table_text node >"$WORK/before"
check "no drift at first" no_drift
# The set names carry the generation, so each is looked up when it is its turn.
read -r set element < <(first_element)
tampered repair "nft delete element" delete element inet ringfence "$set" "$element"
tampered repair "nft flush table" flush table inet ringfence
tampered repair "nft delete table" delete table inet ringfence
tampered repair "an accept rule added" insert rule inet ringfence forward accept
read -r set element < <(first_element)
tampered repair "an element added" add element inet ringfence "$set" '{ 198.51.100.99 . tcp . 22 }'
tampered repair "nft flush ruleset" flush ruleset
check "status counts the events" status_has '"events":6'
check "status counts the repairs" status_has '"repaired":6'
before=$(commits)
on node nft add table inet foreign
sleep 0.3
equal "someone else's own table is none of ours" "$before" "$(commits)"
daemon_stop

for tamper in element flush delete accept; do
	daemon_start report
	await 5 restored || true
	table_text node >"$WORK/now"
	same_text "report: a start makes the table whole" "$WORK/before" "$WORK/now"
	case $tamper in
	element)
		read -r set element < <(first_element)
		tampered report "nft delete element" delete element inet ringfence "$set" "$element"
		;;
	flush) tampered report "nft flush table" flush table inet ringfence ;;
	delete) tampered report "nft delete table" delete table inet ringfence ;;
	accept) tampered report "an accept rule added" insert rule inet ringfence forward accept ;;
	esac
	daemon_stop
done
finish
