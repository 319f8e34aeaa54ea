#!/bin/bash
# `ringfence suggest`: what is printed is read again, with the policy it is for. TAP.
. "$(dirname "$0")/lib.sh"

EXAMPLES=$PWD/examples
cd "$WORK"
mkdir policy
cat >policy/shop.yaml <<'END'
ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
never:
  - {from: db, to: web, why: nobody calls back}
allow:
  - {from: web, to: web, why: peers}
END
printf 'ringfence: v1\nworkloads:\n' >inventory.yaml
for i in 1 2 3; do
	printf -- '- {name: %s-%d, namespace: shop, labels: {app: %s}, addresses: [10.0.0.%d]}\n' web $i web $i db $i db 1$i
done >>inventory.yaml
record() { # SRC DST PORT [MORE]
	printf '{"ts":"2026-11-2%dT09:00:00Z","verdict":"deny","src":"%s","dst":"%s","proto":"tcp","dport":%d%s}\n' \
		"${DAY:-5}" "$1" "$2" "$3" "${4:-}"
}
# shellcheck disable=SC2034
I=(-i inventory.yaml)
{
	record shop/web-1 shop/db-1 5432 ',"count":1203,"sequence":1'
	DAY=6 record shop/web-2 shop/db-1 5432
	record shop/web-1 shop/web-2 8080
} >flows
{ cat flows && record shop/db-1 shop/web-1 8080; } >back

# ---- what is printed ----

expect "help" 0 '^usage: ringfence suggest ' '' help suggest
expect "an allow for what is denied" 0 '^  - \{from: web, to: db, ports: \[sql\], why: "observed 1,204 times since 2026-11-25T09:00:00Z; review"\}$' '' \
	suggest "${I[@]}" flows policy
holds "what was seen of what it opens" grep -qx '  # seen 1,204 times, 2026-11-25T09:00:00Z to 2026-11-26T09:00:00Z; 2 of the 9 pairs that it opens' out
holds "with an example" grep -qx '  #   shop/web-1 -> shop/db-1 5432/tcp, 1,203 times' out
holds "and what needs none" grep -q '^# 1 flow is allowed already, 1 of them recorded as denied: by another policy, or over a rate; 0 are not covered.$' out
cp out first
INPUT=flows expect "standard input" 0 'from standard input: 2 flows' '' suggest "${I[@]}" - policy
tac flows >turned
holds "the order of the log makes no difference" cmp <(tail -n +2 first) <("$RINGFENCE" suggest "${I[@]}" turned policy | tail -n +2)
expect "into a file" 0 '' '' suggest -o policy/suggested.yaml "${I[@]}" flows policy
holds "the same" cmp first policy/suggested.yaml
expect "which checks with the policy" 0 '3 files; 1 .never. rule proved$' '' check "${I[@]}" policy
expect "then nothing is needed" 0 '^allow: \[\]$' '^ringfence: nothing is needed: the policy allows all that was seen$' suggest "${I[@]}" flows policy
cp out policy/nothing.yaml
expect "and that is a document as well" 0 '^ok' '' check "${I[@]}" policy
rm policy/suggested.yaml policy/nothing.yaml

# ---- what is not covered ----

expect "what would break a never is told, and is a no" 1 '^#     an allow would break a `never`: policy/shop.yaml:7: nobody calls back$' '^ringfence: 1 flow is not covered' \
	suggest "${I[@]}" back policy
holds "the rest is covered" grep -q 'from: web, to: db' out
expect "what was seen too seldom is told" 1 '^#   shop/web-2 -> shop/db-1 5432/tcp, 1 time' '1 flow is not covered' suggest --min-count 2 "${I[@]}" flows policy
expect "records from before a time are left out" 0 'observed 1 time since 2026-11-26T09' '' suggest --since 2026-11-26 "${I[@]}" flows policy
holds "and counted" grep -qx '# Left out by --since: 2 records, 0 of them without a time.' out
expect "all of them too" 0 'allow: \[\]' 'nothing is needed' suggest --since 2026-11-27 "${I[@]}" flows policy
printf '{"src":"shop/\\u001b[31m\\nallow: \\u202e","dst":"shop/db-1","proto":"tcp","dport":1}\n' >hostile
expect "names from a log are escaped" 1 '^#   shop/.x1b\[31m.x0aallow: .xe2.x80.xae -> shop/db-1 1/tcp, 1 time$' 'not covered' suggest "${I[@]}" hostile policy
holds "so that the document is none of theirs" test "$(grep -c '^allow' out)" -eq 1

# ---- forms ----

expect "JSON" 1 '^\{"version":1,"allows":\[\{"namespace":"shop","from":\["web"\],"to":\["db"\],"ports":\["sql"\]' 'not covered' suggest --format json "${I[@]}" back policy
holds "JSON: what was seen" grep -qF '"pairs":{"seen":2,"opened":9}' out
holds "JSON: what is not covered" grep -qF '"never":{"file":"policy/shop.yaml","line":7}}],"allowed":1' out
holds "JSON that parses" parses json out

# ---- what is refused ----

printf 'shop/web-1 shop/db-1\n' | cat - flows >bad
expect "a line that is wrong is told, and the rest is covered" 2 '^  - \{from: web, to: db' '^bad:1:1: error: a line is FROM TO PORT' suggest "${I[@]}" bad policy
holds "and the document says so" grep -qx '# Lines that could not be read: 1.' out
expect "no flow at all" 2 '' 'there is no flow in it' suggest "${I[@]}" /dev/null policy
expect "no such file" 2 '' 'nothing: No such file' suggest nothing policy
expect "no policy" 2 '' 'suggest takes FLOWS POLICY' suggest flows
expect "a time that is none" 2 '' '^ringfence: --since yesterday: ' suggest --since yesterday flows policy
expect "a number that is none" 2 '' '--min-count is a number from 0 to 1000000' suggest --min-count -1 flows policy
expect "a file that cannot be written" 2 '' 'nowhere/x: No such file' suggest -o nowhere/x "${I[@]}" flows policy

# ---- the examples: whatever their workloads try, it passes then or is told ----

everything() { # POLICY...; a flow between any two workloads, and from and to the world, on some ports
	"$RINGFENCE" reach --workloads --format json "$@" | /usr/bin/python3 -c '
import json, sys
ends = set()
for line in json.load(sys.stdin)["reach"]:
    ends.update(name for name in (line["from"], line["to"]) if "/" in name and "." not in name)
ends = sorted(ends)[:12] + ["198.51.100.7", "203.0.113.9"]
for source in ends:
    for target in ends:
        if source != target:
            for proto, port in (("tcp", 80), ("tcp", 5432), ("udp", 53)):
                print(json.dumps({"src": source, "dst": target, "proto": proto, "dport": port}))'
}
quietly() {
	"$RINGFENCE" "$@" >out 2>err
}
for example in shop three-teams image-pipeline/policy systemd-host/policy kubernetes network-policies; do
	dir=$EXAMPLES/$example name=${example%%/*}
	everything "$dir" >log
	"$RINGFENCE" suggest -o "$name.yaml" log "$dir" 2>err || true
	grep -c '^  - ' "$name.yaml" >out || true
	holds "$name: some allows are suggested" grep -qv '^0$' out
	holds "$name: with them the policy checks" quietly check "$dir" "$name.yaml"
	"$RINGFENCE" suggest --format json log "$dir" >before 2>err || true
	"$RINGFENCE" suggest --format json log "$dir" "$name.yaml" >after 2>err || true
	holds "$name: what was covered passes, and what was not does not" /usr/bin/python3 -c '
import json
before, after = (json.load(open(name)) for name in ("before", "after"))
assert before["covered_flows"] > 0 and before["uncovered_flows"] == after["uncovered_flows"], (before, after)
assert after["allows"] == [] and after["allowed"] == before["allowed"] + before["covered_flows"]'
done

finish
