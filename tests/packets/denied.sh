#!/bin/bash
# How many packets were denied, by the kernel's counters, and how many of them were logged: for each way to deny, and over
# generations, kills, drift, counters that were set back, and a table of a version that had none.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null && command -v curl >/dev/null || skip_all "jq or curl is not installed"
METRICS=127.0.0.1:9478
SENT=256 # by `probe flood` where it has no time

kernel() { on node nft list counter inet ringfence "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; } # COUNTER
told() { status | jq ".denied.$1"; }                                                              # packets|logged|left_out|audited
all_told() { status | jq -r '.denied | "\(.packets) \(.logged) \(.audited)"'; }
flood() { on "$1" "$PROBE" flood "$2" 9 250 0 >/dev/null; } # FROM TO
agree() {                                                  # with the kernel's counters
	[ "$(all_told)" = "$(kernel denied) $(kernel logged) $(kernel audited)" ] &&
		status | jq -e '.denied | .packets == .logged + .left_out' >/dev/null
}
# Sends packets that are denied, and checks that just these are counted, a few of them as logged.
counts() { # TEXT FROM TO
	local packets logged
	packets=$(told packets) logged=$(told logged)
	flood "$2" "$3"
	equal "$1: all are counted" $((packets + SENT)) "$(told packets)"
	logged=$(($(told logged) - logged))
	check "$1: $logged are logged" test "$logged" -ge 1 -a "$logged" -le 40
}

shop
STATE=$WORK/state
daemon_start
check "at first" agree
counts "by a service" web1 "${ADDRESS4[world]}"
counts "by a service, IPv6" web1 "${ADDRESS6[world]}"
counts "by the destination" outside "${ADDRESS4[db1]}"
check "as the kernel says" agree

# ---- who is told ----

code_of 0 "status" tell status
printed "says it in a line" "^denied      $(told packets) packets, of which $(told logged) were logged and $(told left_out) left out by the limits of rules$"
equal "observe ends with it" "left out of $(told packets) denied packets: $(told left_out), by the limits of rules" "$(tell observe | tail -n 1)"
equal "in JSON, too" "$(status | jq -c '.denied | {packets, left_out}')" "$(tell observe --format json | tail -n 1 | jq -c .denied)"
equal "the metric of denied packets" "$(told packets)" "$(value ringfence_denied_packets_total)"
equal "and of those that were logged" "$(told logged)" "$(value ringfence_denied_packets_logged_total)"
flood web1 "${ADDRESS4[world]}"
equal "who asks reads" "$(kernel denied)" "$(value ringfence_denied_packets_total)"

# ---- what does not begin anew ----

generation() { on node nft list chain inet ringfence dispatch | grep -oE 'g[0-9]+'; }
generation_is_not() { [ "$1" != "$(generation)" ]; }
packets=$(kernel denied) before=$(generation)
policy inventory <<-END
	ringfence: v1
	nodes:
	  node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"], workload_networks: [10.0.1.0/24, 10.0.7.0/24, "fd00:1::/64"]}
END
check "another generation" await 5 generation_is_not "$before"
check "counts on from $packets" test "$(kernel denied)" -ge "$packets"
counts "in it" web1 "${ADDRESS4[world]}"
daemon_kill
packets=$(kernel denied)
flood web1 "${ADDRESS4[world]}"
equal "without a daemon" $((packets + SENT)) "$(kernel denied)"
daemon_start
check "after a start" agree
daemon_stop
daemon_start
check "after another" agree

# What was set back is neither told as less nor told twice.
packets=$(told packets)
on node nft reset counters table inet ringfence >/dev/null
equal "set back" "$packets" "$(told packets)"
counts "then" web1 "${ADDRESS4[world]}"
packets=$(told packets)
daemon_stop
on node nft delete table inet ringfence
daemon_start
equal "a table that was deleted" "$packets" "$(told packets)"
counts "in a new one" web1 "${ADDRESS4[world]}"

# ---- other ways to deny ----

policy_web() { # KEYS; of the service web
	policy shop <<-END
		ringfence: v1
		namespace: shop
		services:
		  web: {workloads: {app: web}, ports: {http: 8080/tcp}, $1}
	END
}
change policy_web "deny: reject"
counts "with an answer" web1 "${ADDRESS4[world]}"
change policy_web "mode: audit"
denied="$(told packets) $(told logged)" audited=$(told audited)
flood web1 "${ADDRESS4[world]}"
equal "audit mode denies nothing" "$denied" "$(told packets) $(told logged)"
audited=$(($(told audited) - audited))
check "and counts what it would deny: $audited, with ICMP errors about it" test "$audited" -ge "$SENT" -a "$audited" -lt $((SENT + 20))
code_of 0 "status" tell status
printed "says it" "; $(told audited) let through in audit mode$"
equal "the metric" "$(told audited)" "$(value ringfence_audited_packets_total)"
change tell quarantine shop/web1 --why "a test" >/dev/null
counts "in quarantine" web1 "${ADDRESS4[world]}"
change tell release shop/web1 >/dev/null
change policy_shop

# ---- what others do to the counters ----

deny_chain() { echo "$(generation)_deny"; }
counts_there() { on node nft list chain inet ringfence "$(deny_chain)" | grep -q 'counter name "denied" drop'; }
check "the rule that counts" await 5 counts_there
handle=$(on node nft -a list chain inet ringfence "$(deny_chain)" | sed -n 's/.*drop.*# handle //p')
on node nft replace rule inet ringfence "$(deny_chain)" handle "$handle" drop
check "is put back where somebody changes it" await 5 counts_there
counts "after that" web1 "${ADDRESS4[world]}"

# A table of a version whose rules counted each for itself.
daemon_kill
{
	echo 'delete table inet ringfence'
	on node nft list table inet ringfence | sed -E '
		/^\tcounter (denied|logged|audited) /,/^\t\}/d
		s/\bcounter name "(denied|audited)"/counter/
		s/ counter name "logged"//'
} >"$WORK/older.nft"
check "an older table has none of the counters" test "$(grep -cE '\b(denied|logged|audited)"' "$WORK/older.nft")" -eq 0
on node nft -f "$WORK/older.nft"
daemon_start
counts "after a start" web1 "${ADDRESS4[world]}"
check "which is no drift" no_drift
daemon_stop
finish
