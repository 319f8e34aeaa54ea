#!/bin/bash
# What an allow may say beyond who and whom, on packets: `log`, `rate`, `world`, `quarantine`, and audit mode.
. "$(dirname "$0")/lib.sh"

shop
serve 443,8080 world payments
start "$WORK/records" node "$PROBE" nflog 5 120 # before the daemon, which would take the group
await 5 grep -q ready "$WORK/records"
daemon_start

records() { grep -cE "^$1 ?"$'\t' "$WORK/records" || true; } # PREFIX
records_over() { [ "$(records "$1")" -gt "$2" ]; }
line_of() { grep -n -- "$1" "$POLICY/shop.yaml" | head -n 1 | cut -d: -f1; } # TEXT

# log: one record for each connection, told by the destination where it is of this node.
change policy_shop '{from: web, to: api, log: true}' '{from: web, to: payments, ports: [443/tcp, 443/udp], log: true}'
allowed web1 api1 8080 tcp "which is logged"
allowed web1 api1 8080 udp "which is logged"
allowed web1 payments 443 tcp "which is logged"
allowed api1 db1 5432 tcp "which is not"
api="ringfence allow ingress (.*/)?shop\.yaml:$(line_of 'to: api, log')"
payments="ringfence allow egress (.*/)?shop\.yaml:$(line_of 'to: payments')"
check "a record for each connection" await 3 records_over "$api" 3
sleep 0.2
equal "and for no packet after the first" 4 "$(records "$api")"
equal "nor from the source's side of the same connection" 0 "$(records "ringfence allow egress (.*/)?shop\.yaml:$(line_of 'to: api, log')")"
equal "to an address outside, the source tells" 2 "$(records "$payments")"
start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 tcp 1
wait "$STARTED_PID" || true
check "a long connection is one record" await 3 records_over "$api" 4
sleep 0.2
equal "and no more" 5 "$(records "$api")"

# rate: what is over it is denied and recorded; what runs goes on; other sources have their own.
change policy_shop '{from: [web, db], to: api, rate: 5/minute per source}'
passed=0
for _ in 1 2 3 4 5 6 7 8 9; do
	if on web1 "$PROBE" try "${ADDRESS4[web1]}" "${ADDRESS4[api1]}" 8080 tcp 300 5 >/dev/null 2>&1; then
		passed=$((passed + 1))
	fi
done
equal "of nine connections the first five pass" 5 "$passed"
check "the others are recorded with the rate's line" await 3 records_over \
	"ringfence deny ingress rate (.*/)?shop\.yaml:$(line_of 'per source')" 0
if on db1 "$PROBE" try "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080 tcp 2000 5 >/dev/null; then
	ok "another source has a count of its own"
else
	not_ok "another source has a count of its own"
fi
start "$WORK/stream" db1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 udp 2
for _ in 1 2 3 4 5 6; do
	on db1 "$PROBE" try "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080 tcp 200 5 >/dev/null 2>&1 || true
done
if on db1 "$PROBE" try "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080 tcp 300 5 >/dev/null 2>&1; then
	not_ok "a new connection is over the rate"
else
	ok "a new connection is over the rate"
fi
wait "$STARTED_PID" || true
check "while one that runs goes on" test "$(grep -c '^in ' "$WORK/stream")" -gt 1000
change policy_shop '{from: [web, db], to: api, rate: 5/minute per source}' '{from: db, to: api, ports: [8080/tcp]}'
for _ in 1 2 3 4 5 6; do
	on db1 "$PROBE" try "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080 tcp 1000 5 >/dev/null 2>&1 || true
done
allowed db1 api1 8080 tcp "by another allow, which no rate weakens"

# A destination that nothing isolates judges nothing: then the limit and the record are the source's.
change policy_shop '{from: web, to: {labels: {app: free}}, ports: [8080/tcp], rate: 3/minute per source, log: true}'
echo 'settings: {unmatched: allow}' >>"$POLICY/shop.yaml"
change workload_file db1 shop 'app: free'
passed=0
for _ in 1 2 3 4 5 6; do
	if on web1 "$PROBE" try "${ADDRESS4[web1]}" "${ADDRESS4[db1]}" 5432 tcp 200 5 >/dev/null 2>&1; then
		passed=$((passed + 1))
	fi
done
equal "a port that no allow names" 0 "$passed"
for _ in 1 2 3 4 5 6; do
	if on web1 "$PROBE" try "${ADDRESS4[web1]}" "${ADDRESS4[db1]}" 8080 tcp 300 5 >/dev/null 2>&1; then
		passed=$((passed + 1))
	fi
done
equal "of six connections to a workload that nothing isolates, three pass" 3 "$passed"
check "each with a record" await 3 records_over "ringfence allow egress (.*/)?shop\.yaml:$(line_of 'app: free')" 2
change workload_file db1 shop 'app: postgres'

# What was counted still counts in the next generation, and where a NetworkPolicy opens the destination anyway.
tries() { # NAME COUNT; prints how many connections to api1 pass
	local passed=0 i
	for ((i = 0; i < $2; i++)); do
		if on "$1" "$PROBE" try "${ADDRESS4[$1]}" "${ADDRESS4[api1]}" 8080 tcp 200 5 >/dev/null 2>&1; then
			passed=$((passed + 1))
		fi
	done
	echo "$passed"
}
network_policy() {
	policy open <<-END
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: open, namespace: shop}
		spec: {podSelector: {matchLabels: {app: api}}, ingress: [{}]}
	END
}
change policy_shop '{from: web, to: api, rate: 4/hour per source, why: counted}'
equal "of three connections all pass" 3 "$(tries web1 3)"
change network_policy
equal "then one more, beside a rule of the destination alone" 1 "$(tries web1 4)"
change rm "$POLICY/open.yaml"
equal "and none in the generation after" 0 "$(tries web1 2)"

# world: who is no workload and no node.
change policy_shop '{from: web, to: world, ports: [any]}' '{from: world, to: web, ports: [http]}'
allowed web1 world 443 tcp "in the world"
allowed web1 payments 443 udp "in the world"
allowed world web1 8080 tcp "from the world"
denied web1 api1 8080 tcp "a workload is not in the world"
denied api1 web1 8080 tcp "a workload is not in the world"
denied node web1 8080 tcp "a node is not in the world"

# quarantine: no flow at all, also the ones that run, until it ends.
change policy_shop '{from: web, to: api}'
start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 udp 3
await 3 grep -q . "$WORK/serve-api1.log" || true
sleep 0.3
echo 'quarantine: [{workload: shop/web1, why: INC-42}]' >"$WORK/quarantine"
change sh -c "cat '$POLICY/shop.yaml' '$WORK/quarantine' >'$WORK/.new' && mv '$WORK/.new' '$POLICY/shop.yaml'"
denied web1 api1 8080 tcp "in quarantine"
denied api1 web1 8080 tcp "in quarantine"
denied world web1 8080 tcp "in quarantine"
allowed api1 db1 5432 tcp "which no quarantine touches"
check "records name the quarantine" await 3 records_over "ringfence deny (e|in)gress quarantine (.*/)?shop\.yaml:$(line_of INC-42)" 0
wait "$STARTED_PID" || true
check "what ran stopped" test "$(grep -c '^in ' "$WORK/stream")" -lt 2000
until=$(date -u -d "@$(($(date +%s) + 4))" +%FT%TZ)
sed -i "s/why: INC-42/until: \"$until\", why: INC-42/" "$POLICY/shop.yaml"
denied web1 api1 8080 udp "until it ends"
check "a quarantine ends by itself" await 15 on web1 "$PROBE" try "${ADDRESS4[web1]}" "${ADDRESS4[api1]}" 8080 tcp 300 5

# audit: everything passes, and what would have been denied is recorded.
policy_shop
echo 'settings: {mode: audit}' >>"$POLICY/shop.yaml"
change mv "$POLICY/shop.yaml" "$POLICY/audited.yaml"
allowed web1 db1 5432 tcp "in audit mode"
allowed world api1 8080 tcp "in audit mode"
check "what would have been denied is recorded" await 3 records_over "ringfence audit egress shop/web (.*/)?audited\.yaml:[0-9]+" 0
denied_before=$(records 'ringfence deny .*')
allowed world db1 5432 udp "in audit mode"
equal "and not as denied" "$denied_before" "$(records 'ringfence deny .*')"
daemon_stop
finish
