#!/bin/bash
# A burst of denied packets, each of another flow, as a scan sends them: what it costs both processes of the daemon, and
# what is told of it. `burst.sh [PACKETS]`: a million where nothing is said, as many as a test run has time for in one.
. "$(dirname "$0")/lib.sh"

# A sanitizer keeps what was freed for a while: little, so that memory tells of the daemon.
export ASAN_OPTIONS=quarantine_size_mb=1:${ASAN_OPTIONS:-}

PACKETS=${1:-1000000}
BURST=$BUILD/tests/packets/burst
command -v jq >/dev/null || skip_all "jq is not installed"
shop
daemon_start
KEEPER=$(pgrep -P "$DAEMON_PID")

counts() { status | jq -c .observe; }
adds_up() { counts | jq -e '.records == .reported + .left_out.rate + .left_out.lost + .left_out.foreign' >/dev/null; }
cpu() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }                    # PID; hundredths of a second
memory() { awk -v of="$2:" '$1 == of { print $2 }' "/proc/$1/status"; } # PID VmRSS|VmHWM; KiB

# Packets that the rules have denied and logged, by the kernel; and those that somebody else's table logged.
kernel() { on node nft list counter inet ringfence "$1" | sed -nE 's/.*packets ([0-9]+) .*/\1/p'; } # denied|logged
logged_packets() { (on node nft list table inet others 2>/dev/null || true) | sed -nE 's/.*counter packets ([0-9]+).*/\1/p' | grep . || echo 0; }
all_told() {
	[ "$(status | jq -r '.denied | "\(.packets) \(.logged)"')" = "$(kernel denied) $(kernel logged)" ] &&
		status | jq -e '.denied | .packets == .logged + .left_out' >/dev/null
}

# Sends a burst, half of it in each family, from many sources outside and from a workload that has but one.
burst() { # TEXT
	local before after began denied logged heard events left_out by_rules took planner_cpu keeper_cpu rise pid first
	before=$(counts) denied=$(kernel denied) by_rules=$(kernel logged) logged=$(logged_packets)
	planner_cpu=$(cpu "$DAEMON_PID") keeper_cpu=$(cpu "$KEEPER")
	for pid in "$DAEMON_PID" "$KEEPER"; do echo 5 >"/proc/$pid/clear_refs"; done # the peak is what is there now
	rise=$(memory "$DAEMON_PID" VmRSS)
	began=$(date +%s%3N)
	start "$WORK/burst-4" outside "$BURST" eth0 "$MAC" 198.51.0.0/16 "${ADDRESS4[db1]}" $((PACKETS / 2))
	first=$STARTED_PID
	start "$WORK/burst-6" web1 "$BURST" eth0 "$MAC" "${ADDRESS6[web1]}/128" "${ADDRESS6[db1]}" $((PACKETS / 2))
	wait "$first" || not_ok "$1: IPv4 is sent: $(cat "$WORK/burst-4.err")"
	wait "$STARTED_PID" || not_ok "$1: IPv6 is sent: $(cat "$WORK/burst-6.err")"
	took=$(($(date +%s%3N) - began))
	sleep 1.3
	on web1 "$PROBE" flood "${ADDRESS4[db1]}" 9 1 0 >/dev/null # the number of the next record tells what was lost
	sleep 1.3
	after=$(counts)
	planner_cpu=$(($(cpu "$DAEMON_PID") - planner_cpu)) keeper_cpu=$(($(cpu "$KEEPER") - keeper_cpu))
	rise=$(($(memory "$DAEMON_PID" VmHWM) - rise))
	denied=$(($(kernel denied) - denied)) by_rules=$(($(kernel logged) - by_rules)) logged=$(($(logged_packets) - logged))
	heard=$(jq -n "$after.records - $before.records") events=$(jq -n "$after.events - $before.events")
	left_out=$(jq -n "($after.left_out | add) - ($before.left_out | add)")
	note "$1: $denied denied in $took ms, $by_rules of them logged by our rules and $((denied - by_rules)) left out;" \
		"$heard records heard, $events events, $left_out left out." \
		"The process that plans: $planner_cpu hundredths of a second of CPU, peak $(memory "$DAEMON_PID" VmHWM) KiB" \
		"($rise more); the keeper: $keeper_cpu, peak $(memory "$KEEPER" VmHWM) KiB"
	check "$1: all are denied" test "$denied" -ge "$PACKETS"
	check "$1: the kernel's count is told, and is what was logged and what was left out" all_told
	check "$1: counts add up" adds_up
	check "$1: some are told of" test "$events" -gt 0
	check "$1: events are few" test "$events" -le 1000
	check "$1: bounded CPU" test "$((planner_cpu + keeper_cpu))" -lt 100
	check "$1: bounded memory" test "$rise" -lt 8192
	HEARD=$heard LOGGED=$logged BY_RULES=$by_rules
}

burst "by our rules, which log a few of them"
equal "all that they logged was heard" "$BY_RULES" "$HEARD"
on node nft -f - <<-'END'
	table inet others {
		chain c {
			type filter hook prerouting priority -300
			meta l4proto tcp log prefix "ringfence deny ingress shop/db shop.yaml:10 " group 5 counter
		}
	}
END
burst "where somebody's rule logs each"
check "all that the kernel logged was heard, or counted as lost" test "$HEARD" -ge "$LOGGED" -a "$HEARD" -lt $((LOGGED + 1000))
daemon_stop
finish
