#!/bin/bash
# What would defeat the table without touching it: each is made by another process, told with that process and the time,
# has a metric, and is gone when it is undone. Packets show which of them really reach a workload unjudged, and which are
# denied all the same.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null && command -v curl >/dev/null || skip_all "jq or curl is not installed"
METRICS=127.0.0.1:9478

hardware() { on "$1" ip link show eth0 | awk '$1 ~ /^link/ { print $2 }'; } # NAMESPACE; /sys is that of another

shop
daemon_start repair

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
