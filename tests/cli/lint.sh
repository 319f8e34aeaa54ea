#!/bin/bash
# Lint in `check`: warnings that change no status, their names in every form, and the switch of a document. TAP.
. "$(dirname "$0")/lib.sh"

cat >"$WORK/policy.yaml" <<'END'
ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
  db2: {workloads: {app: db, tier: gold}}
allow:
  - {from: web, to: db, ports: [22/tcp], until: 2027-01-20}
  - {from: any, to: db, ports: [sql, 22/tcp], why: SHOP-1}
  - {from: db, to: world, ports: [443/tcp], until: 2026-12-31, why: SHOP-2}
  - {from: db, to: {cidr: 0.0.0.0/0}, ports: [443/tcp], why: SHOP-3}
END
cat >"$WORK/inventory.yaml" <<'END'
ringfence: v1
workloads: [{name: web-1, namespace: shop, labels: {app: web}}]
END
AT=(--at 2027-01-15)
NAMES="unused-service overlapping-services no-workload covered-allow allow-without-why allow-to-any
	whole-network-egress undeclared-port expires-soon expired"

# The names of the rules in standard error as JSON lines, each once.
rules() { grep -o '"rule":"[^"]*"' "$WORK/err" | cut -d'"' -f4 | sort -u | tr '\n' ' '; }

expect "the examples have no finding" 0 '[^s]$' '' check examples/shop
expect "nor have the manifests" 0 '[^s]$' '' check examples/kubernetes
expect "the help lists the lints" 0 'covered-allow +Another allow holds every flow' '' help check
for name in $NAMES; do holds "the help names $name" grep -q "^  $name " "$WORK/out"; done

expect "findings are warnings, and the answer is yes" 0 '^ok: 3 services, .* 10 warnings$' 'policy.yaml:8:5: warning: this allow has no .why.$' check "${AT[@]}" "$WORK/policy.yaml"
holds "each says how it is switched off" test "$(grep -c 'help: .*; where it is meant: `lint: {off: \[[a-z-]*\]}`$' "$WORK/err")" -eq 10
holds "in the order of lines" test "$(grep -oE '^[^ ]*policy.yaml:[0-9]+' "$WORK/err" | cut -d: -f2 | sort -c -n 2>&1)" = ''
expect "all are found, with an inventory" 0 '^ok' '"rule":"no-workload"' check "${AT[@]}" --diagnostics json -i "$WORK/inventory.yaml" "$WORK/policy.yaml"
holds "but the overlap, which nobody has" test "$(rules)" = "$(tr ' \t' '\n' <<<"$NAMES" | grep -v -e '^$' -e overlapping | sort | tr '\n' ' ')"
expect "without an inventory no selector misses" 0 '^ok' '"rule":"overlapping-services"' check "${AT[@]}" --diagnostics json "$WORK/policy.yaml"
holds "of nobody" lacks no-workload "$WORK/err"
expect "JSON lists them" 0 '"warnings":\[\{"rule":"overlapping-services","file":"[^"]*policy.yaml","line":5,"message":"service `db` selects' '"rule"' check "${AT[@]}" --format json --diagnostics json "$WORK/policy.yaml"
expect "JSON of none" 0 '"warnings":\[\]' '' check --format json "$SHOP"
expect "SARIF has their names and descriptions" 0 '^ok' '"ruleId": "covered-allow"' check "${AT[@]}" --diagnostics sarif "$WORK/policy.yaml"
for name in $NAMES; do holds "SARIF describes $name" grep -q "\"id\": \"$name\"" "$WORK/err"; done
expect "GitHub has them too" 0 '^ok' '^::warning file=.*policy.yaml,line=10,.*title=Ringfence \(expired\)::this allow is over' check "${AT[@]}" --diagnostics github "$WORK/policy.yaml"
expect "--at judges what ends" 0 '^ok' 'in 14 days or less' check --at 2027-01-07 "$WORK/policy.yaml"
expect "and not before" 0 '^ok' 'warning' check --at 2026-12-01 "$WORK/policy.yaml"
holds "for that" lacks 'or less|is over' "$WORK/err"

for name in compile reach test; do
	"$RINGFENCE" "$name" "$WORK/policy.yaml" >"$WORK/out" 2>"$WORK/err" || true
	holds "$name does not lint" lacks 'warning' "$WORK/err"
done
"$RINGFENCE" diff "$WORK/policy.yaml" "$WORK/policy.yaml" >"$WORK/out" 2>"$WORK/err" || true
holds "diff does not lint" lacks 'warning' "$WORK/err"

mkdir "$WORK/two"
cp "$WORK/policy.yaml" "$WORK/two/a.yaml"
echo "lint: {off: [${NAMES//[[:space:]]/, }]}" | sed 's/, ,/,/g; s/, ,/,/g' >>"$WORK/two/a.yaml"
expect "a document switches all off" 0 '^ok: [^;]*$' '' check "${AT[@]}" "$WORK/two"
printf -- '---\nringfence: v1\nallow: [{from: any, to: shop/web}]\n' >>"$WORK/two/a.yaml"
expect "for what stands in it" 0 '2 warnings$' 'a.yaml:15:' check "${AT[@]}" "$WORK/two"
holds "and no more" test "$(grep -c 'a.yaml:15:.*warning' "$WORK/err")" -eq 2
printf 'never: [{from: any, to: shop/web, why: no}]\n' >>"$WORK/two/a.yaml"
expect "a broken never is still no" 1 '' 'is broken' check "${AT[@]}" "$WORK/two"
holds "after the warnings" grep -q 'warning: this allow has no' "$WORK/err"

finish
