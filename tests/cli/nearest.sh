#!/bin/bash
# explain names the allow that comes nearest to a denied flow, as text and as JSON. TAP.
. "$(dirname "$0")/lib.sh"

near='^  nearest  examples/shop/policy.yaml:24:5  allows shop/api -> shop/db on 5432/tcp; misses: '
expect "a port" 1 "${near}the port is 5433/tcp$" '' explain "$SHOP" shop/api shop/db 5433/tcp
expect "a label" 1 "${near}the source: app is \"web\" and not \"api\", tier is missing and not \"gold\" or \"silver\"$" '' \
	explain "$SHOP" shop/web shop/db sql
holds "one is shown" test "$(grep -c '^  nearest' "$WORK/out")" -eq 1
holds "behind the sides" test "$(tail -1 "$WORK/out" | cut -c 1-9)" = "  nearest"
expect "the direction" 1 "${near}the direction is the other one$" '' explain "$SHOP" shop/db shop/api 5432/tcp
holds "an end that no allow speaks of" grep -qE '^  nearest  no allow has shop/db-1 .* as its source$' "$WORK/out"
expect "--nearest lists more" 1 "$near" '' explain --nearest 5 "$SHOP" shop/api shop/db 5433/tcp
holds "--nearest: fewest misses first" test "$(grep '^  nearest' "$WORK/out" | grep -o 'yaml:[0-9]*' | tr '\n' ' ')" = "yaml:24 yaml:25 yaml:26 "
expect "--nearest 0: none" 1 '^DENY' '' explain --nearest 0 "$SHOP" shop/db shop/api 5432/tcp
holds "--nearest 0: no line" test "$(grep -c nearest "$WORK/out")" -eq 0
expect "an allowed flow has none" 0 '^ALLOW' '' explain "$SHOP" shop/api shop/db sql
holds "an allowed flow: no line" test "$(grep -c nearest "$WORK/out")" -eq 0
for wrong in x -1 1001 '' 1x; do
	expect "--nearest $wrong" 2 '' 'a number from 0 to 1000' explain --nearest "$wrong" "$SHOP" shop/api shop/db sql
done
expect "another subcommand does not take it" 2 '' 'does not take' reach --nearest 2 "$SHOP"

sed 's/ports: \[sql\], why: orders/ports: [sql], until: 2027-03-31, why: orders/' "$SHOP/policy.yaml" >"$WORK/until.yaml"
expect "an allow that ended" 1 'misses: expired since 2027-04-01T00:00:00Z$' '' explain --at 2027-05-01 "$WORK/until.yaml" shop/api shop/db sql
sed 's/^namespace: shop/&\nsettings: {mode: audit}/' "$SHOP/policy.yaml" >"$WORK/audit.yaml"
expect "audit mode too" 1 '^  nearest ' '' explain "$WORK/audit.yaml" shop/api shop/db 5433/tcp
holds "audit mode: says so last" test "$(tail -1 "$WORK/out" | cut -c 1-10)" = "  but the "
expect "rules of NetworkPolicies" 1 ', ingress only; misses: the direction is the other one$' '' \
	explain examples/kubernetes shop/db-0 shop/web-0 5432/tcp
cp "$SHOP/policy.yaml" "$WORK/$(printf 'odd\033[31m.yaml')"
expect "an escape sequence in a file's name stays text" 1 'nearest .*odd.x1b.31m.yaml:24:5 ' '' explain "$WORK"/odd* shop/api shop/db 5433/tcp

expect "JSON" 1 '"nearest":\[\{"file":"examples/shop/policy.yaml","line":24,"rule":"shop/api -> shop/db on 5432/tcp","misses":\[\{"what":"port","text":"the port is 5433/tcp"\}\]\}\]' \
	'' explain --format json "$SHOP" shop/api shop/db 5433/tcp
expect "JSON: ends that no allow speaks of" 1 '"unnamed":\["no allow has shop/db-1' '' explain --format json "$SHOP" shop/db shop/api 5432/tcp
printf 'shop/api shop/db sql\nshop/api shop/db 5433/tcp\n' >"$WORK/questions"
INPUT=$WORK/questions expect "explain - has it too" 0 '"verdict":"deny".*"what":"port"' '' explain "$SHOP" -
holds "explain -: only where denied" test "$(grep -c '"nearest"' "$WORK/out")" -eq 1
INPUT=$WORK/questions expect "explain - --nearest 0" 0 '"verdict":"deny"' '' explain --nearest 0 "$SHOP" -
holds "explain - --nearest 0: none" test "$(grep -c '"nearest"' "$WORK/out")" -eq 0

finish
