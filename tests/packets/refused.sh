#!/bin/bash
# A policy that checks and cannot be enforced is refused like one that does not check: the last one stays in force, and goes
# on to be repaired and to follow workloads (past failures, 25 and 28).
. "$(dirname "$0")/lib.sh"

shop
daemon_start
allowed web1 api1 8080 tcp "before"

# Cut by each other, these networks and ports are more elements than a ruleset may have.
{
	cat "$POLICY/shop.yaml"
	echo "  - {from: web, to: {cidr: 11.0.0.0/8}, ports: [$(seq -s ', ' -f '%g/tcp' 1 2 3000)]}"
	for i in {1..1500}; do
		echo "  - {from: web, to: {cidr: 11.$((i / 250)).$((i % 250)).7/32}, ports: [4000/tcp]}"
	done
	echo 'quarantine: [{workload: shop/api1}]'
} >"$WORK/large"
cp "$POLICY/shop.yaml" "$WORK/good"
cp "$WORK/large" "$WORK/too-large"
mv "$WORK/large" "$POLICY/shop.yaml"
check "the policy is refused" await 60 status_has '"ok":false'
check "and status says why" status_has 'morethan2000000elements'
allowed web1 api1 8080 tcp "under the last policy"
denied web1 db1 5432 tcp "under the last policy"

on node nft flush chain inet ringfence forward
repaired() { on node nft list chain inet ringfence forward | grep -q dispatch; }
check "what others change is repaired" await 20 repaired
denied web1 db1 5432 tcp "after the repair"

rm "$WORKLOADS/web1.yaml"
check "a workload that goes is gone" await 20 status_has '"workloads":2[,}]'
denied web1 api1 8080 tcp "its file is gone"
workload_file web1 shop 'app: web'
check "and one that comes is there" await 20 status_has '"workloads":3[,}]'
allowed web1 api1 8080 tcp "its file is back"

mv "$WORK/good" "$POLICY/shop.yaml"
check "a policy that can be enforced is" await 20 status_has '"ok":true'
allowed web1 api1 8080 tcp "after all of it"
daemon_stop

# With no other policy to fall back on, it is tried again for what comes together, and not for each file.
FILES=40
mv "$WORK/too-large" "$POLICY/shop.yaml"
daemon_config repair
start "$WORK/again.log" node "$RINGFENCED" --config "$WORK/ringfenced.yaml"
await 60 status_has 'morethan2000000elements'
for i in $(seq $FILES); do
	ADDRESS4[many$i]=10.0.1.$((50 + i)) ADDRESS6[many$i]=fd00:1::$((50 + i))
	workload_file "many$i" shop 'app: web' '' ''
done
check "all files are read" await 60 status_has "\"workloads\":$((FILES + 3))[,}]"
tries=$(grep -c 'more than 2000000 elements; the rules' "$WORK/again.log.err")
check "the policy was tried $tries times for $FILES files" test "$tries" -lt $((FILES / 2))
finish
