#!/bin/bash
# Drift of three kinds, each provoked by what really makes it: somebody changes the table, a policy is refused, and a
# workload runs that nobody named. Each is told with who, what and when, has a metric, and is gone when its cause is.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null && command -v curl >/dev/null || skip_all "jq or curl is not installed"
METRICS=127.0.0.1:9478

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
daemon_stop
finish
