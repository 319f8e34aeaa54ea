#!/bin/bash
# Drift of every kind, each provoked by what really makes it: somebody changes the table, a policy is refused, a workload
# runs that nobody named, and somebody else's rules defeat the table without touching it. Each is told with who, what and
# when, has a metric, and is gone when its cause is.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null && command -v curl >/dev/null || skip_all "jq or curl is not installed"
METRICS=127.0.0.1:9478

drift_json() { "$RINGFENCE" drift --socket "$SOCKET" --format json || [ $? -eq 1 ]; }
drift_text() { "$RINGFENCE" drift --socket "$SOCKET" || [ $? -eq 1 ]; }
drift_has() { [ "$(drift_json | jq -r "$1")" = "$2" ]; } # FILTER VALUE
kinds() { drift_json | jq -r '.kinds | join(" ")'; }
no_drift() { "$RINGFENCE" drift --socket "$SOCKET" >/dev/null; }
exit_of() { # COMMAND...; prints its exit status
	local code=0
	"$@" >/dev/null 2>&1 || code=$?
	echo "$code"
}
value() { on node curl -sS --noproxy '*' -m 10 "http://$METRICS/metrics" | awk -v want="$1" '{ name = $0; sub(/ [^ ]*$/, "", name) } name == want { print $NF }'; } # SAMPLE
has() { [ "$(value "$1")" = "$2" ]; }                                                                                                                             # SAMPLE VALUE
recent() { [ $(($(date +%s) - $(date -d "$1" +%s))) -le 30 ]; }                                                                                                   # TIME
# Runs a command in the router; its pid is in PID.
run() { # COMMAND...
	become node "$@" &
	PID=$!
	wait "$PID"
}
hardware() { on "$1" ip link show eth0 | awk '$1 ~ /^link/ { print $2 }'; } # NAMESPACE; /sys is that of another
set_name() { on node nft list table inet ringfence | awk -v like="$1" '($1 == "set" || $1 == "map") && $2 ~ like && !found++ { print $2 }'; } # REGEX

shop
daemon_start repair
equal "no drift at first" 0 "$(exit_of "$RINGFENCE" drift --socket "$SOCKET")"
equal "said in one line" "no drift: the table is as the policy says, and nothing defeats it" "$(drift_text)"
equal "no answer is no yes" 2 "$(exit_of "$RINGFENCE" drift --socket "$WORK/nobody.sock")"
for sample in ringfence_table_differs ringfence_policy_stale_since_timestamp_seconds ringfence_unknown_workloads \
	'ringfence_bypass_findings{kind="notrack"}'; do
	equal "$sample" 0 "$(value "$sample")"
done

# ---- the table ----

word='opened: shop/web1 (10.0.1.11) -> shop/db 5432/tcp (ingress)'
told_of() { drift_has ".events | map(select(.pid == $1)) | .[0].meaning[0].text" "$2"; } # PID TEXT
run nft add element inet ringfence "$(set_name '_in_db_.*k4$')" '{ 10.0.1.11 . tcp . 5432 }'
check "an element that was repaired is told in the policy's terms" await 5 told_of "$PID" "$word"
equal "with the process" nft "$(drift_json | jq -r ".events[] | select(.pid == $PID).process")"
check "and the time" recent "$(drift_json | jq -r ".events[] | select(.pid == $PID).time")"
check "and no drift now" no_drift
run nft delete element inet ringfence "$(set_name '_in_db_.*k4$')" '{ 10.0.1.12 . tcp . 5432 }'
check "one that was taken away" await 5 told_of "$PID" 'closed: shop/api1 (10.0.1.12) -> shop/db 5432/tcp (ingress)'
daemon_stop

daemon_start report
set=$(set_name '_in_db_.*k4$')
run nft add element inet ringfence "$set" '{ 10.0.1.11 . tcp . 5432, 198.51.100.9 . tcp . 5432 }'
check "not repaired: drift of the table" await 5 drift_has '.kinds | join(" ")' table
equal "drift ends with 1" 1 "$(exit_of no_drift)"
equal "what was opened" "$word,opened: 198.51.100.9 -> shop/db 5432/tcp (ingress)" "$(drift_json | jq -r '[.changes[].text] | join(",")')"
equal "as data" '{"change":"opened","from":"shop/web1 (10.0.1.11)","to":"shop/db","ports":"5432/tcp","side":"ingress"}' \
	"$(drift_json | jq -c '.changes[0] | {change, from, to, ports, side}')"
equal "status names the kind" "drift       table; 1 changes by others, 0 repaired (report)" "$("$RINGFENCE" status --socket "$SOCKET" | grep ^drift)"
check "as text" grep -qxF "    $word" <<<"$(drift_text)"
equal "the metric" 1 "$(value ringfence_table_differs)"
run nft delete element inet ringfence "$set" '{ 10.0.1.11 . tcp . 5432, 198.51.100.9 . tcp . 5432 }'
check "undone: no drift" await 5 no_drift
run nft delete element inet ringfence "$(set_name '_egress4$')" '{ 10.0.1.11 }'
check "a workload without rules" await 5 drift_has '.changes[0].text' 'unguarded: shop/web1 (10.0.1.11) has no rules (egress)'
daemon_stop

daemon_start repair
check "a start repairs it" no_drift

# ---- an older policy than was given ----

policy_shop '{from: web, to: nobody}'
check "a refused policy is drift" await 5 drift_has '.kinds | join(" ")' policy
equal "drift ends with 1 for it" 1 "$(exit_of no_drift)"
check "why" grep -q nobody <<<"$(drift_json | jq -r .policy.why)"
check "since when" recent "$(drift_json | jq -r .policy.since)"
equal "what is in force" "$(status | jq -r .revision)" "$(drift_json | jq -r .policy.revision)"
check "as text" grep -q '^policy: an older one than was given is enforced, since 20' <<<"$(drift_text)"
check "the metric has the time" test "$(value ringfence_policy_stale_since_timestamp_seconds)" -gt 1700000000
allowed web1 api1 8080 tcp "the older policy is in force"
policy_shop
check "a good one ends it" await 5 no_drift
check "and the metric" await 5 has ringfence_policy_stale_since_timestamp_seconds 0

# ---- workloads that no source names ----

workload ghost 10.0.1.66 fd00:1::66
on ghost "$PROBE" try 10.0.1.66 169.254.1.1 9 udp 100 >/dev/null 2>&1 || true
ghost() { drift_json | jq -c ".workloads[] | select(.address == \"$1\")"; } # ADDRESS
is_ghost() { [ -n "$(ghost "$1")" ]; }
check "a neighbour in the node's workload network" await 5 is_ghost 10.0.1.66
equal "drift of that kind" workloads "$(kinds)"
equal "on its interface" veth-ghost "$(ghost 10.0.1.66 | jq -r .interface)"
equal "with its hardware address" "$(hardware ghost)" "$(ghost 10.0.1.66 | jq -r .hardware)"
check "first seen" recent "$(ghost 10.0.1.66 | jq -r .first_seen)"
check "as text" grep -q '^    10.0.1.66 on veth-ghost (' <<<"$(drift_text)"
check "the metric" await 5 has ringfence_unknown_workloads 1
workload_file ghost shop 'app: web'
check "named: no drift" await 5 no_drift
check "the metric follows" has ringfence_unknown_workloads 0
rm "$WORKLOADS/ghost.yaml"
check "its name taken away: seen again" await 5 is_ghost 10.0.1.66
workload_remove ghost
check "it is gone with its interface" await 5 no_drift

on web1 ip addr add 10.9.9.9/32 dev eth0
on web1 ip neigh flush dev eth0
on web1 "$PROBE" try 10.9.9.9 "${ADDRESS4[db1]}" 5432 udp 100 >/dev/null 2>&1 || true
check "another address behind a guarded interface" await 5 is_ghost 10.9.9.9
denied_ghost() { [ "$(ghost 10.9.9.9 | jq .denials)" -gt 0 ]; }
check "whose packets were denied" await 5 denied_ghost
on web1 ip addr del 10.9.9.9/32 dev eth0
workload_file other shop 'app: web' 10.9.9.9 ''
check "named: no drift" await 5 no_drift

# ---- what defeats the table ----

bypass() { drift_json | jq -c ".bypass[] | select(.kind == \"$1\")"; } # KIND
is_bypassed() { [ -n "$(bypass "$1")" ]; }
not_bypassed() { [ -z "$(bypass "$1")" ]; }
# Each is made by a process that the kernel names, has a metric, and is gone when it is undone.
defeated() { # KIND OBJECT PROCESS
	local maker=$PID
	check "$1: found without being asked" await 5 has "ringfence_bypass_findings{kind=\"$1\"}" 1
	equal "$1: what" "$2" "$(bypass "$1" | jq -r .object)"
	equal "$1: drift ends with 1" 1 "$(exit_of no_drift)"
	equal "$1: by which process" "$3 $maker" "$(bypass "$1" | jq -r '"\(.process) \(.pid)"')"
	check "$1: since when" recent "$(bypass "$1" | jq -r .since)"
}
undone() { # KIND
	check "$1: gone" await 5 not_bypassed "$1"
	check "$1: the metric, too" await 5 has "ringfence_bypass_findings{kind=\"$1\"}" 0
}

run nft 'add table ip early; add chain ip early pre { type filter hook prerouting priority -300; }; add rule ip early pre ip saddr 10.0.1.11 notrack'
defeated notrack 'chain pre in table ip early' nft
equal "notrack: its packets are denied" 1 "$(exit_of on web1 "$PROBE" try 10.0.1.11 10.0.1.12 8080 tcp 300)"
on node nft delete table ip early
undone notrack
allowed web1 api1 8080 tcp "with conntrack again"
if command -v iptables-nft >/dev/null && on node iptables-nft -t raw -A PREROUTING -s 10.0.1.11 -j CT --notrack 2>/dev/null; then
	check "notrack of iptables-nft" await 5 is_bypassed notrack
	equal "in its chain" 'chain PREROUTING in table ip raw' "$(bypass notrack | jq -r .object)"
	on node nft delete table ip raw
	undone notrack
	on node iptables-nft -A FORWARD -s 10.0.1.11 -j NFQUEUE --queue-bypass 2>/dev/null && {
		check "a queue before us" await 5 is_bypassed queue
		on node nft delete table ip filter
		undone queue
	}
else
	note "no iptables-nft here: its targets are not tried"
fi

# What db1 gets, by a counter of its own.
on db1 nft 'add table inet seen; add chain inet seen in { type filter hook input priority -400; }; add rule inet seen in udp dport 8080 counter'
seen() { on db1 nft list table inet seen | grep -oE 'packets [0-9]+' | cut -d' ' -f2; }
send() { on web1 "$PROBE" try 10.0.1.11 "$1" 8080 udp 100 >/dev/null 2>&1 || true; } # ADDRESS
send 10.0.1.13
equal "db1 gets nothing from web1" 0 "$(seen)"
run nft 'add table ip late; add chain ip late pre { type filter hook prerouting priority -150; }; add rule ip late pre ip saddr 10.0.1.11 ip daddr 10.0.1.12 ip daddr set 10.0.1.13'
send 10.0.1.12
check "packets that are rewritten behind conntrack reach db1" test "$(seen)" -gt 0
defeated rewrite 'chain pre in table ip late' nft
on node nft delete table ip late
undone rewrite
run nft "add table netdev aside; add chain netdev aside in { type filter hook ingress device veth-web1 priority 0; }; add rule netdev aside in ip saddr 10.0.1.11 ip daddr 10.0.1.13 ether daddr set $(hardware db1) fwd to veth-db1"
before=$(seen)
send 10.0.1.13
check "packets that are sent on at the ingress reach db1" test "$(seen)" -gt "$before"
defeated redirect 'chain in in table netdev aside' nft
on node nft delete table netdev aside
undone redirect
run nft 'add table ip copy; add chain ip copy pre { type filter hook prerouting priority -150; }; add rule ip copy pre ip saddr 10.0.1.11 ip daddr 10.0.1.12 dup to 10.0.1.13'
before=$(seen)
send 10.0.1.12
equal "a copy of dup in ip goes through the output chain, and is denied" "$before" "$(seen)"
check "so it is no finding" no_drift
on node nft delete table ip copy
run nft 'add table ip proxy; add chain ip proxy in { type filter hook forward priority -10; }; add rule ip proxy in ip saddr 10.0.1.11 tcp dport 8080 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm'
defeated synproxy 'chain in in table ip proxy' nft
on node nft delete table ip proxy
undone synproxy
if on node nft 'add table inet fast; add flowtable inet fast f { hook ingress priority 0; devices = { veth-web1 }; }' 2>/dev/null; then
	check "a flowtable" await 5 is_bypassed flowtable
	on node nft delete table inet fast
	undone flowtable
else
	note "no flowtables in this kernel: tests/unit/test_bypass reads their messages"
	on node nft delete table inet fast 2>/dev/null || true
fi
run nft 'add table inet fine; add chain inet fine in { type filter hook forward priority -10; policy accept; }; add rule inet fine in ip saddr 10.0.1.11 accept; add chain inet fine early { type filter hook prerouting priority -300; }; add rule inet fine early ip saddr 192.0.2.99 ip daddr set 192.0.2.98; add chain inet fine dead; add rule inet fine dead ip ttl set 3'
sleep 0.5
check "an accept before us, and what is rewritten before conntrack, hide nothing" no_drift
denied web1 db1 5432 tcp "an earlier chain accepts"
on node nft delete table inet fine

# ---- bridges ----

SETTING=/proc/sys/net/bridge/bridge-nf-call-iptables
if on node ip link add br0 type bridge 2>/dev/null && on node test -e $SETTING; then
	check "a bridge without workloads is none of our matter" no_drift
	on node sh -c "echo 0 >$SETTING"
	check "nor is its setting" no_drift
	on node ip addr add 10.0.1.1/24 dev br0
	on node ip link set br0 up
	for name in one two; do
		namespace $name
		on node ip link add veth-$name type veth peer name eth0 netns "$PREFIX-$name"
		on node ip link set veth-$name master br0 up
		on "$name" ip link set eth0 up
	done
	ADDRESS4[one]=10.0.1.31 ADDRESS4[two]=10.0.1.32
	on one ip addr add 10.0.1.31/24 dev eth0
	on two ip addr add 10.0.1.32/24 dev eth0
	workload_file one shop 'app: web' 10.0.1.31 ''
	workload_file two shop 'app: postgres' 10.0.1.32 ''
	start "$WORK/serve-two" two "$PROBE" serve 10.0.1.32 5432 both
	await 5 grep -q ready "$WORK/serve-two"
	check "bridged packets that are not judged are found" await 5 is_bypassed bridge
	equal "which setting" net.bridge.bridge-nf-call-iptables "$(bypass bridge | jq -r .object)"
	equal "which bridge" "it is 0; it concerns bridge br0" "$(bypass bridge | jq -r .detail)"
	check "the metric" has 'ringfence_bypass_findings{kind="bridge"}' 1
	check "they pass indeed" on one "$PROBE" try 10.0.1.31 10.0.1.32 5432 tcp 2000
	on node sh -c "echo 1 >$SETTING"
	check "set again: gone" await 5 not_bypassed bridge
	equal "and they are denied" 1 "$(exit_of on one "$PROBE" try 10.0.1.31 10.0.1.32 5432 tcp 300)"
	on node sh -c "echo 0 >/proc/sys/net/bridge/bridge-nf-call-ip6tables"
	check "the same for IPv6" await 5 drift_has '.bypass[0].object' net.bridge.bridge-nf-call-ip6tables
	on node ip link set br0 type bridge nf_call_ip6tables 1
	check "the bridge's own setting will do" await 5 no_drift
	workload_file one shop 'app: web' 10.0.1.31 veth-one
	on node ip addr del 10.0.1.1/24 dev br0
	on node sh -c "echo 0 >$SETTING"
	check "a bridge with a workload's interface as port" await 5 is_bypassed bridge
else
	note "no bridges with br_netfilter in this kernel"
fi
daemon_stop
finish
