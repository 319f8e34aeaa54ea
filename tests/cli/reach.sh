#!/bin/bash
# `reach --from`, blast radii by `reach --transitive` and `check --max-blast-radius`: as people meet them. TAP.
. "$(dirname "$0")/lib.sh"

# 1,000 services and 10,000 allows between them: a ring, and what a generator of a fixed seed adds.
awk 'BEGIN {
	print "ringfence: v1\nnamespace: big\nlint: {off: [allow-without-why, undeclared-port, covered-allow]}\nservices:"
	for (i = 0; i < 1000; i++) printf "  s%d: {workloads: {app: s%d}, ports: {http: 8080/tcp}}\n", i, i
	print "allow:"
	for (i = 0; i < 1000; i++) printf "  - {from: s%d, to: s%d}\n", i, (i + 1) % 1000
	seed = 7
	for (i = 1000; i < 10000; i++) {
		seed = (seed * 1103515245 + 12345) % 2147483648; from = int(seed / 64) % 1000
		seed = (seed * 1103515245 + 12345) % 2147483648; to = int(seed / 64) % 1000
		printf "  - {from: s%d, to: s%d, ports: [%d/tcp]}\n", from, to, 1 + i
	}
}' >"$WORK/big.yaml"

# ---- what starts at one ----

"$RINGFENCE" reach "$SHOP" | grep '^shop/api ' >"$WORK/lines"
expect "reach --from a service" 0 '^shop/api +-> shop/db +5432/tcp' '' reach --from shop/api "$SHOP"
holds "is the lines of reach that start there" cmp -s "$WORK/out" "$WORK/lines"
"$RINGFENCE" reach --workloads "$SHOP" | grep '^shop/api-1 ' >"$WORK/lines"
expect "reach --from a workload" 0 '^shop/api-1 +-> shop/db-1' '' reach --workloads --from shop/api-1 "$SHOP"
holds "is the lines of reach that start there, too" cmp -s "$WORK/out" "$WORK/lines"
expect "a service and --workloads: its workloads" 0 '^shop/api-1 +-> shop/db-1' '' reach -w --from service:shop/api "$SHOP"
expect "a workload among services" 0 '^shop/web-1 +-> shop/api +8080/tcp' '' reach --from shop/web-1 "$SHOP"
expect "an address is its workload" 0 '^shop/web-1 +-> shop/api ' '' reach --from 10.0.1.11 "$SHOP"
expect "the world, which reaches nothing there" 0 '' '' reach --from world "$SHOP"
expect "JSON of one" 0 '^\{"version":1,"reach":\[\{"from":"shop/web","to":"shop/api","ports":"8080/tcp"' '' reach --from shop/web --format json "$SHOP"
expect "nobody of that name" 2 '' 'no workload, service or address .shop/wab' reach --from shop/wab "$SHOP"

# ---- a blast radius ----

expect "hop by hop" 0 '^ +2 +shop/db +shop/web -> shop/api 8080/tcp \(.*policy.yaml:23\) -> shop/db 5432/tcp \(.*policy.yaml:24\)$' '' \
	reach --from shop/web --transitive "$SHOP"
holds "and a summary" grep -q '^blast radius of shop/web: 3 services in at most 2 hops, 3 workloads, 1 end that is no workload$' "$WORK/out"
holds "nearest first" test "$(awk '{print $1}' "$WORK/out" | head -4 | tr '\n' ' ')" = '1 2 2 2 '
expect "by workloads" 0 '^ +2 +shop/db-1 +shop/web-1 -> shop/api-1 8080/tcp .* -> shop/db-1 5432/tcp' '' reach -w --from shop/web --transitive "$SHOP"
holds "no service is counted then" grep -q '^blast radius of shop/web: 3 workloads in at most 2 hops, 1 end that is no workload$' "$WORK/out"
expect "JSON" 0 '^\{"version":1,"from":"shop/web","services":3,"others":1,"hops":2,"reached":\[\{"to":"shop/api","kind":"service","hops":1,"path":\[\{"from":"shop/web","to":"shop/api","ports":\["8080/tcp"\],"statements":\[\{"file":"[^"]*","line":23\}\]\}\],"workloads":1\}' '' \
	reach --from shop/web --transitive --format json "$SHOP"
holds "JSON that parses" parses json "$WORK/out"
expect "nothing is reached" 0 '^blast radius of shop/db: 0 services, 0 workloads$' '' reach --from shop/db --transitive "$SHOP"
expect "from the world" 0 '^blast radius of world: 0 services, 0 workloads$' '' reach --from world --transitive "$SHOP"
expect "pods of NetworkPolicies" 0 '^ +1 +world +shop/web-0 -> world any \(nothing closes it\)$' '' reach --from shop/web-0 --transitive examples/kubernetes
expect "without an inventory" 0 '^blast radius of shop/web: 3 services in at most 2 hops, 1 end' '' reach --from shop/web --transitive "$SHOP/policy.yaml"
expect "and by workloads it cannot be said" 2 '' 'no workload in the inventory' reach -w --from shop/web --transitive "$SHOP/policy.yaml"
printf 'ringfence: v1\nservices: {a: {workloads: {app: a}}, b: {workloads: {app: b}}}\nworkloads: [{name: b1, labels: {app: b}}]\n' >"$WORK/none.yaml"
expect "nor of a service without one" 2 '' 'no workload of the inventory is of service a' reach -w --from a --transitive "$WORK/none.yaml"
expect "whose breach?" 2 '' '--transitive needs --from' reach --transitive "$SHOP"
expect "it is in the help" 0 'A breach goes on from workloads only' '' help reach

cp "$SHOP/policy.yaml" "$WORK"/$'p\x1b[31m.yaml'
expect "control characters are escaped" 0 'p\\x1b\[31m.yaml:23' '' reach --from shop/web --transitive "$WORK"/$'p\x1b[31m.yaml'

# ---- a limit ----

expect "as many as may be" 0 '^ok: ' '' check --max-blast-radius 3 "$SHOP"
expect "one more" 1 '' '^.*policy.yaml:6:3: error: a breach of shop/web reaches 3 services; at most 2 may be$' check --max-blast-radius 2 "$SHOP"
holds "with a longest path" grep -q '^help: a longest path: shop/web -> shop/api 8080/tcp -> shop/db 5432/tcp$' "$WORK/err"
holds "and the path of the other service, too" grep -q '^help: a longest path: monitoring/prometheus -> shop/api 9090/tcp -> shop/db' "$WORK/err"
expect "JSON of it" 1 '"ok":false,.*"blast_radius":\{"largest":3,"over":\[\{"service":"monitoring/prometheus","services":3,' 'error' check -B 2 --format json "$SHOP"
holds "which parses" parses json "$WORK/out"
expect "its rule" 1 '' '"rule":"blast-radius","file":"[^"]*","line":6' check -B 2 --diagnostics json "$SHOP"
for wrong in '' -1 +1 1x 0x1 1000001 99999999999999999999; do
	expect "a limit is a number: \`$wrong\`" 2 '' 'max-blast-radius is a number from 0 to 1000000' check --max-blast-radius "$wrong" "$SHOP"
done

# ---- 1,000 services and 10,000 allows ----

within() { # TEXT MILLISECONDS STATUS ARGUMENTS...; five times that with sanitizers
	local text=$1 most=$2 want=$3 status=0 begin took good=1
	shift 3
	case $RINGFENCE in *sanitize*) most=$((5 * most)) ;; esac
	begin=$(date +%s%N)
	"$RINGFENCE" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || status=$?
	took=$((($(date +%s%N) - begin) / 1000000))
	[ "$status" -eq "$want" ] && [ "$took" -le "$most" ] && good=0
	result "$text ($took ms)" "$good"
}
within "1,000 services: the radius of one" 2000 0 reach --from big/s0 --transitive "$WORK/big.yaml"
holds "all are in a ring" grep -q '^blast radius of big/s0: 999 services in at most' "$WORK/out"
within "1,000 services: the radius of each" 2000 0 check --max-blast-radius 999 "$WORK/big.yaml"
within "1,000 services: each is too large" 5000 1 check --max-blast-radius 998 "$WORK/big.yaml"
holds "1,000 are named" test "$(grep -c '999 services; at most 998 may be$' "$WORK/err")" -eq 1000
finish
