#!/bin/bash
# What leans on connection tracking: flushed entries heal, ICMP errors pass from the right senders only, and an allow that
# ends does so on time (past failures 20, 22, 23, 24).
. "$(dirname "$0")/lib.sh"

shop
command -v conntrack >/dev/null || skip_all "conntrack is not installed"
# until is written in whole seconds.
END=$(($(date +%s) + 6))
policy_shop '{from: web, to: api}' \
	'{from: web, to: payments, ports: [8080/udp]}' \
	"{from: web, to: db, ports: [sql], until: \"$(date -u -d "@$END" +%FT%TZ)\"}"
serve 8080 payments
daemon_start

# An allow with an end, and no daemon there when it comes.
start "$WORK/until" web1 "$PROBE" stream "${ADDRESS4[db1]}" 5432 tcp $((END - $(date +%s) + 2))
until=$STARTED_PID
allowed web1 db1 5432 tcp "before the end of the allow"
daemon_kill
start_ns=$("$PROBE" now)
end_ns=$(awk -v now="$start_ns" -v wall="$(date +%s.%N)" -v end="$END" 'BEGIN { printf "%.0f", now + (end - wall) * 1e9 }')
wait "$until"
denied web1 db1 5432 tcp "after the end of the allow, with the daemon killed"
allowed web1 api1 8080 tcp "after the end of another allow"
last=$(awk '$1 == "in" { last = $5 } END { print last }' "$WORK/until")
late=$(awk -v last="$last" -v end="$end_ns" 'BEGIN { printf "%d", (last - end) / 1e6 }')
check "the last message of its connection came $late ms after its end" test "$late" -le 1100 -a "$late" -ge -1500
daemon_start
denied web1 db1 5432 tcp "and the restarted daemon does not open it again"

# conntrack -F in the middle of connections: the next packet of the client heals them.
heal() { # NAME TO PROTOCOL
	local flushed
	start "$WORK/heal" web1 "$PROBE" stream "$2" 8080 "$3" 2
	sleep 0.5
	on node conntrack -F 2>/dev/null
	flushed=$("$PROBE" now)
	wait "$STARTED_PID"
	check "$1: messages come after conntrack -F" test \
		"$(awk -v time="$((flushed + 700000000))" '$1 == "in" && $5 > time { n++ } END { print n + 0 }' "$WORK/heal")" -gt 100
}
for protocol in tcp udp; do
	heal "$protocol over IPv4" "${ADDRESS4[api1]}" "$protocol"
	heal "$protocol over IPv6" "${ADDRESS6[api1]}" "$protocol"
done

# After the flush a reply may be the first packet that conntrack sees: it must not pass as a request.
on node conntrack -F 2>/dev/null
for family in 4 6; do
	declare -n address=ADDRESS$family
	on api1 "$PROBE" spoof eth0 "$MAC" "${address[api1]}" "${address[web1]}" 9999 8080
done
sleep 0.2
equal "a reply without a request does not pass" 0 "$(grep -c '^in ' "$WORK/serve-web1.log" || true)"

# Path-MTU errors about a flow of web1: a third workload's changes nothing, those of its other end and of a router count.
mtu_of() { on web1 ip route get "$1" | grep -oE 'mtu [0-9]+' | cut -d' ' -f2 || true; }
for family in 4 6; do
	declare -n address=ADDRESS$family
	case $family in 4) small=900 large=1000 ;; 6) small=1300 large=1400 ;; esac
	for peer in api1 payments; do
		start "$WORK/mtu" web1 "$PROBE" stream "${address[$peer]}" 8080 udp 2 5555
		sleep 0.4
		third=db1
		on "$third" "$PROBE" too-big eth0 "$MAC" "${address[$third]}" "$small" "${address[web1]}" 5555 "${address[$peer]}" 8080
		sleep 0.2
		equal "a path-MTU error of a third workload is dropped, IPv$family, flow to $peer" "" "$(mtu_of "${address[$peer]}")"
		case $peer in
		api1) sender=api1 from=${address[api1]} text="of the other end" ;;
		*) sender=outside from=${address[world]} text="of a router on the way" ;;
		esac
		on "$sender" "$PROBE" too-big eth0 "$MAC" "$from" "$large" "${address[web1]}" 5555 "${address[$peer]}" 8080
		sleep 0.2
		equal "a path-MTU error $text passes, IPv$family" "$large" "$(mtu_of "${address[$peer]}")"
		stop "$STARTED_PID"
	done
done
daemon_stop
finish
