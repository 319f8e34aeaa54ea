#!/bin/bash
# Tests that prove nothing, and what `test --coverage` says that no test would miss. TAP.
. "$(dirname "$0")/lib.sh"

cat >"$WORK/p.yaml" <<'END_OF_POLICY'
ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
  api: {workloads: {app: api}, ports: {http: 8080/tcp}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
allow:
  - {from: web, to: api}
  - {from: [web, api], to: api, why: "twice \e[2J <&#"}
  - {from: api, to: db}
  - {from: web, to: world, ports: [443/tcp], until: 2026-01-31}
never:
  - {from: world, to: db, why: PCI 1.3}
  - {from: web, to: db}
tests:
  - {from: web, to: api, expect: allow}
  - {from: web, to: db, expect: deny}
END_OF_POLICY
at=(--at 2027-01-01)

# ---- coverage ----

expect "what no test would miss is a no" 1 '^2 passed, 0 failed$' '' test --coverage "${at[@]}" "$WORK/p.yaml"
holds "an allow beside another" grep -qE '/p.yaml:8:5: allow shop/web -> shop/api on 8080/tcp: the tests that ask for it pass without it$' "$WORK/out"
holds "with its why, escaped" grep -qE '/p.yaml:9:5: allow shop/web, shop/api -> shop/api on 8080/tcp \(twice \\x1b\[2J <&#\): the tests' "$WORK/out"
holds "an allow that nothing asks for" grep -qE '/p.yaml:10:5: allow shop/api -> shop/db on 5432/tcp: no test asks for it$' "$WORK/out"
holds "a never" grep -qE '/p.yaml:13:5: never world -> shop/db on any \(PCI 1.3\): no test asks for it$' "$WORK/out"
holds "and nothing else" test "$(wc -l <"$WORK/out")" -eq 6
holds "how many, without those that are over" test "$(tail -1 "$WORK/out")" = "covered 0 of 3 allows, 1 of 2 never rules; 1 allow is over"
expect "an allow that holds counts" 1 ' of 4 allows, 1 of 2 never rules$' '' test --coverage --at 2026-01-01 "$WORK/p.yaml"
expect "without --coverage nobody asks" 0 '^2 passed, 0 failed$' '' test "${at[@]}" "$WORK/p.yaml"
holds "and nothing is said" lacks covered "$WORK/out"
expect "JSON" 1 '"coverage":\{"allows":3,"allows_covered":0,"nevers":2,"nevers_covered":1,"expired":1,"uncovered":\[\{"kind":"allow","file":".*/p.yaml","line":8,"column":5,"text":"shop/web -> shop/api on 8080/tcp","asked":true' \
	'' test --coverage --format json "${at[@]}" "$WORK/p.yaml"
holds "JSON that parses" parses json "$WORK/out"
holds "JSON says why" grep -qF '"because":"no test asks for it","why":"PCI 1.3"' "$WORK/out"
expect "JUnit: a case each" 1 '<testsuites tests="7" failures="4">' '' test --coverage --format junit "${at[@]}" "$WORK/p.yaml"
holds "JUnit that parses" parses xml "$WORK/out"
holds "JUnit: a suite of its own" grep -qF '<testsuite name="coverage" tests="5" failures="4" errors="0" skipped="0">' "$WORK/out"
holds "JUnit: each failure" test "$(grep -c '<testcase ' "$WORK/out")/$(grep -c '<failure ' "$WORK/out")" = 7/4
expect "TAP: a line each" 1 '^1..7$' '' test --coverage --format tap "${at[@]}" "$WORK/p.yaml"
holds "TAP: which are covered" test "$(grep -E '^(not )?ok ' "$WORK/out" | sed 's/ - .*//' | tr '\n' ' ')" = \
	"ok 1 ok 2 not ok 3 not ok 4 not ok 5 not ok 6 ok 7 "
holds "TAP: in words" grep -qxF 'not ok 6 - covered: never world -> shop/db on any' "$WORK/out"

sed -i -e '/twice/d' -e '/expect: deny/a\  - {from: api, to: db, expect: allow}\n  - {from: world, to: db, expect: deny}' "$WORK/p.yaml"
expect "all that is covered is a yes" 0 '^covered 2 of 2 allows, 2 of 2 never rules' '' test --coverage "${at[@]}" "$WORK/p.yaml"
sed -i 's/from: api, to: db, expect: allow/from: api, to: db, ports: [any], expect: allow/' "$WORK/p.yaml"
expect "a test that fails covers nothing" 1 'p.yaml:9:5: allow shop/api -> shop/db on 5432/tcp: no test asks for it$' '' \
	test --coverage "${at[@]}" "$WORK/p.yaml"
expect "the example is covered" 0 '^covered 5 of 5 allows, 2 of 2 never rules$' '' test --coverage "$SHOP"
expect "and without its inventory" 0 '^covered 5 of 5 allows, 2 of 2 never rules$' '' test --coverage "$SHOP/policy.yaml"

cat >"$WORK/k.yaml" <<'END_OF_POLICY'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
    - {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}
    - {from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}
---
ringfence: v1
namespace: shop
tests: [{from: {labels: {app: web}}, to: {labels: {app: db}}, ports: [5432/tcp], expect: allow}]
END_OF_POLICY
expect "each rule of a NetworkPolicy is an allow" 1 '^covered 1 of 2 allows, 0 of 0 never rules$' '' test --coverage "$WORK/k.yaml"
holds "in the words of the language" grep -qE 'k.yaml:8:.*: allow \{labels: \{app: api\}, namespaces: shop\} -> .* on 5432/tcp, ingress only: no test asks' "$WORK/out"
printf 'ringfence: v1\nservices: {a: {workloads: {a: b}}}\n' >"$WORK/none.yaml"
expect "no tests is no answer" 2 '' 'there are no tests' test --coverage "$WORK/none.yaml"
expect "nor is it another subcommand's option" 2 '' 'does not take' check --coverage "$WORK/p.yaml"
expect "help says what 1 means" 0 'or with --coverage' '' help test

# ---- tests that prove nothing ----

cat >"$WORK/n.yaml" <<'END_OF_POLICY'
ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
allow: [{from: any, to: db}]
tests:
  - {from: web, to: db, expect: allow}
  - {from: {labels: {app: "odd"}}, to: web, ports: [1/tcp], expect: deny}
  - {from: db, to: web, ports: [1/tcp], expect: deny}
END_OF_POLICY
warning='n.yaml:9:5: warning: this test proves nothing: nobody has the label app=odd: no service, statement or workload names it$'
expect "they pass, and are counted" 0 '^3 passed, 0 failed, 2 prove nothing$' "$warning" test "$WORK/n.yaml"
holds "an allow under any" grep -qE 'n.yaml:8:5: warning: this test proves nothing: the allow from `any` at .*/n.yaml:6 opens it, so that no statement about `shop/web` is needed$' "$WORK/err"
expect "warnings have a rule of their own" 0 . '"severity":"warning","rule":"test-proves-nothing","file":".*/n.yaml","line":9,' test --diagnostics json "$WORK/n.yaml"
expect "in SARIF too" 0 . '"ruleId": "test-proves-nothing"' test --diagnostics sarif "$WORK/n.yaml"
holds "SARIF that parses" parses json "$WORK/err"
expect "JSON: with the test" 0 '"proving_nothing":2,.*"proves_nothing":"nobody has the label app=odd' warning test --format json "$WORK/n.yaml"
expect "JUnit: with the test" 0 '^      <system-out>proves nothing: the allow from `any` at .*</system-out>$' warning test --format junit "$WORK/n.yaml"
holds "JUnit parses" parses xml "$WORK/out"
expect "TAP: with the test" 0 '^  proves_nothing: "nobody has the label app=odd' warning test --format tap "$WORK/n.yaml"
expect "the examples have none" 0 '^7 passed, 0 failed$' '' test "$SHOP"
sed -i 's/app: "odd"/app: db/; s/from: any/from: [web]/' "$WORK/n.yaml"
expect "tests that name somebody prove something" 0 '^3 passed, 0 failed$' '' test "$WORK/n.yaml"

finish
