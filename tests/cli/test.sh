#!/bin/bash
# `never` and `tests` as people and pipelines meet them: what is refused, what is printed, in which form. TAP.
. "$(dirname "$0")/lib.sh"

POLICY='ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
networks: {out: {cidrs: [203.0.113.0/24, "2001:db8::/32"], except: [203.0.113.64/26]}}
settings: {unmatched: deny}
allow:'
NO_LINT='lint: {off: [unused-service, allow-without-why, allow-to-any, whole-network-egress, covered-allow, expired, expires-soon, undeclared-port]}'
policy() { # NAME LINE...; the lines stand behind `allow:`, which is line 8
	local name=$WORK/$1.yaml
	shift
	printf '%s\n' "$POLICY" "$@" "$NO_LINT" >"$name"
}

# ---- never ----

policy sound '- {from: web, to: db}' 'never:' '- {from: world, to: db}' '- {from: db, to: any}'
expect "check: says how many never rules are proved" 0 '^ok: 2 services.*; 2 `never` rules proved$' '' check "$WORK/sound.yaml"
expect "check: in JSON too" 0 '"ok":true.*"nevers":2.*"broken":\[\]' '' check --format json "$WORK/sound.yaml"
policy broken '- {from: web, to: db}' '- {from: out, to: db}' 'never:' '- {from: world, to: db, why: PCI 1.3}'
expect "check: a broken never is a no" 1 '' 'broken.yaml:12:3: error: `never` is broken: shop/out -> shop/db 5432/tcp is opened by .*broken.yaml:10$' \
	check "$WORK/broken.yaml"
holds "check: with an example, and why" grep -q '^help: example: 203.0.113.1 -> a workload in namespace shop with labels {app: db}, 5432/tcp; why never: PCI 1.3$' "$WORK/err"
holds "check: and how many" grep -q '^ringfence: 1 of 1 `never` rules is broken' "$WORK/err"
expect "check: in JSON" 1 '"ok":false.*"broken":\[\{"file":".*/broken.yaml","line":12,"from":"shop/out","to":"shop/db","ports":"5432/tcp".*"ingress_line":10' 'error' \
	check --format json "$WORK/broken.yaml"
holds "check: JSON that parses" parses json "$WORK/out"
printf 'service: {}\n' >>"$WORK/broken.yaml"
expect "check: wrong input is no answer" 2 '' 'unknown key' check "$WORK/broken.yaml"
sed -i '$d' "$WORK/broken.yaml"
expect "compile refuses it" 1 '' '`never` is broken' compile "$WORK/broken.yaml"
expect "compile -o writes nothing" 1 '' '`never` is broken' compile -o "$WORK/none.nft" "$WORK/broken.yaml"
holds "compile -o: no file" test ! -e "$WORK/none.nft"
expect "apply refuses it" 1 '' '`never` is broken' apply --dry-run "$WORK/broken.yaml"
expect "explain still answers" 0 '^ALLOW' '' explain "$WORK/broken.yaml" 203.0.113.9 shop/db sql
expect "reach still answers" 0 'shop/out +-> shop/db' '' reach "$WORK/broken.yaml"
policy until '- {from: web, to: db, until: 2027-03-31}' 'never:' '- {from: web, to: db}'
expect "an allow of today breaks it" 1 '' 'is broken' check --at 2027-03-31 "$WORK/until.yaml"
expect "one that is over does not" 0 'proved' '' check --at 2027-04-01 "$WORK/until.yaml"
policy open '- {from: web, to: db}' 'never:' '- {from: {labels: {env: dev}}, to: world}'
sed -i 's/unmatched: deny/unmatched: allow/' "$WORK/open.yaml"
expect "unmatched: allow opens too" 1 '' 'is opened by `unmatched: allow` at .*open.yaml:7$' check "$WORK/open.yaml"
policy inside '- {from: {cidr: 10.0.0.0/8}, to: db}' 'never:' '- {from: web, to: db}'
printf 'ringfence: v1\nworkloads:\n- {name: w, namespace: shop, labels: {app: web}, addresses: [10.0.0.1]}\n- {name: d, namespace: shop, labels: {app: db}, addresses: [10.0.0.2]}\n' >"$WORK/inventory"
cp "$WORK/inventory" "$WORK/inventory.yml"
expect "a workload's address inside a network" 1 '' 'shop/w .10.0.0.1. -> shop/d .10.0.0.2. 5432/tcp is opened by .*inside.yaml:9$' \
	check -i "$WORK/inventory.yml" "$WORK/inside.yaml"
expect "is not seen without the inventory" 0 'proved' '' check "$WORK/inside.yaml"

# ---- tests ----

policy none '- {from: web, to: db}'
expect "test: none is no yes" 2 '' 'there are no tests' test "$WORK/none.yaml"
expect "test: an option of another subcommand" 2 '' 'does not take' test --workloads "$WORK/none.yaml"
expect "test: a format that is none lists those there are" 2 '' 'text, json, junit or tap' test --format xml "$WORK/none.yaml"
expect "check: its formats are its own" 2 '' 'text or json' check --format junit "$WORK/none.yaml"
expect "test: help lists the formats" 0 'text .default., json, junit or tap' '' help test
expect "test: wrong input is no answer" 2 '' 'error' test "$WORK/inventory" "$WORK/missing"

policy good '- {from: web, to: db}' '- {from: out, to: web}' 'tests:' \
	'- {from: web, to: db, expect: allow}' \
	'- {from: web, to: db, ports: [any], expect: deny}' \
	'- {from: out, to: [web, db], expect: allow}' \
	'- {from: world, to: db, expect: deny}'
expect "test: the policy as it is, some hold" 1 '^2 passed, 2 failed$' '' test "$WORK/good.yaml"
holds "test: those that failed, with their places" grep -qE '^FAILED  .*/good.yaml:13:3  shop/web -> shop/db any: deny$' "$WORK/out"
holds "test: the flow" grep -qE '^    ALLOW  shop/.any web. -> shop/.any db. 5432/tcp$' "$WORK/out"
holds "test: and the reasons" grep -qE '^      ingress  allow  .*/good.yaml:9:3  allowed by this statement$' "$WORK/out"
holds "test: one denied flow of many fails an allow" grep -qE '^    DENY  203.0.113.1 -> shop/.any db. 5432/tcp$' "$WORK/out"
holds "test: those that hold are not shown" lacks '^ok ' "$WORK/out"
expect "test -v: they are" 1 '^ok      .*good.yaml:12:3  shop/web -> shop/db 5432/tcp: allow$' '' test -v "$WORK/good.yaml"

# What a test's ends stand for: CASE is ALLOW, TEST, whether it holds.
verdict_of_test() { # TEXT STATUS ALLOW TEST [INVENTORY]
	policy case "- $3" 'tests:' "- $4"
	expect "test: $1" "$2" '^[01] passed, [01] failed$' '' test ${5:+-i "$5"} "$WORK/case.yaml"
}
verdict_of_test "a network is all of its addresses" 1 '{from: {cidr: 203.0.113.0/25}, to: db}' '{from: out, to: db, expect: allow}'
verdict_of_test "of both families" 1 '{from: {cidr: 203.0.113.0/24}, to: db}' '{from: out, to: db, expect: allow}'
verdict_of_test "less its exceptions" 0 '{from: out, to: db}' '{from: {cidr: 203.0.113.64/26}, to: db, ports: [sql], expect: deny}'
verdict_of_test "world is every address outside" 1 '{from: out, to: db}' '{from: world, to: db, expect: deny}'
verdict_of_test "world holds when none may" 0 '{from: web, to: db}' '{from: world, to: db, expect: deny}'
verdict_of_test "node" 0 '{from: node, to: db}' '{from: node, to: db, expect: allow}'
verdict_of_test "node: denied" 0 '{from: web, to: db}' '{from: node, to: db, expect: deny}'
verdict_of_test "cluster" 0 '{from: cluster, to: db}' '{from: cluster, to: db, expect: allow}'
verdict_of_test "cluster is each service" 1 '{from: web, to: db}' '{from: cluster, to: db, expect: deny}'
verdict_of_test "any is everything" 0 '{from: any, to: db}' '{from: any, to: db, expect: allow}'
verdict_of_test "a range is all of its ports" 1 '{from: web, to: db, ports: [100-150/tcp]}' '{from: web, to: db, ports: [100-200/tcp], expect: allow}'
verdict_of_test "a range that is denied" 0 '{from: web, to: db, ports: [100-150/tcp]}' '{from: web, to: db, ports: [151-200/tcp], expect: deny}'
verdict_of_test "ICMP" 0 '{from: web, to: db, ports: [icmp]}' '{from: web, to: db, ports: [icmp/echo-request], expect: allow}'
verdict_of_test "a peer by labels in its own namespace" 0 '{from: {labels: {app: x}}, to: db}' '{from: {labels: {app: x}}, to: db, ports: [sql], expect: allow}'
verdict_of_test "and not in another" 0 '{from: [{labels: {app: x}}, {labels: {app: y}, namespaces: [lab]}], to: db}' '{from: {labels: {app: x}, namespaces: [lab]}, to: db, ports: [sql], expect: deny}'
verdict_of_test "a workload of the inventory that does not hold" 1 '{from: {labels: {app: web, tier: front}}, to: db}' \
	'{from: {labels: {app: web, tier: front}}, to: web, ports: [http], expect: allow}' "$WORK/inventory.yml"
policy case '- {from: web, to: db}' 'tests:' '- {from: {labels: {}, namespaces: {labels: {team: x}}}, to: db, ports: [sql], expect: deny}'
expect "test: namespaces by labels need an inventory" 1 'no namespace of the inventory has the labels' '' test "$WORK/case.yaml"
policy case '- {from: web, to: db}' 'tests:' '- {from: out, to: out, ports: [1/tcp], expect: deny}'
expect "test: flows that are not ours" 1 'there is no such flow' '' test "$WORK/case.yaml"
policy case '- {from: web, to: db, until: 2027-03-31}' 'tests:' '- {from: web, to: db, expect: allow}'
expect "test --at: before the end" 0 '^1 passed, 0 failed' '' test --at 2027-03-31 "$WORK/case.yaml"
expect "test --at: behind it" 1 '^0 passed, 1 failed' '' test --at 2027-04-01 "$WORK/case.yaml"
policy case '- {from: out, to: db}' 'never:' '- {from: world, to: db}' 'tests:' '- {from: out, to: db, expect: allow}'
expect "test: answers where a never is broken" 0 '^1 passed, 0 failed' '' test "$WORK/case.yaml"
expect "test: the example" 0 '^7 passed, 0 failed' '' test "$SHOP"
expect "test: the example without its inventory" 0 '^7 passed, 0 failed' '' test "$SHOP/policy.yaml"

# ---- the formats ----

odd="$WORK/$(printf 'odd <&"\033[31m\377')"
mkdir "$odd"
policy odd '- {from: web, to: db, why: "a <b> & \"c\" \e[2J \uFFFE #d"}' 'tests:' '- {from: web, to: db, expect: deny, why: "x # y \e ]]>"}' \
	'- {from: web, to: db, expect: allow}' '- {from: {labels: {a: "#b"}}, to: web, ports: [http], expect: allow}'
sed -i 's/a: "#b"/a: x/' "$WORK/odd.yaml"
cp "$WORK/odd.yaml" "$odd/p.yaml"
for format in text json junit tap; do
	expect "test: $format, whatever the input says" 1 '.' '' test --format "$format" "$odd"
	holds "test: $format has no control character" lacks "$(printf '[\001-\010\013-\037\177]')" "$WORK/out"
	cp "$WORK/out" "$WORK/$format"
done
holds "test: JSON parses" parses json "$WORK/json"
holds "test: JSON has its fields" grep -qE '^\{"version":1,"tests":3,"failed":2,"proving_nothing":0,"results":\[\{"file":.*"line":11,.*"expect":"deny","passed":false.*"because":\[\{"side":"egress"' "$WORK/json"
holds "test: JUnit is well-formed" parses xml "$WORK/junit"
holds "test: JUnit counts" grep -qF '<testsuite name="ringfence" tests="3" failures="2" errors="0" skipped="0">' "$WORK/junit"
holds "test: JUnit has a case each" test "$(grep -c '<testcase ' "$WORK/junit")/$(grep -c '<failure ' "$WORK/junit")" = 3/2
holds "test: JUnit escapes" grep -qF 'a &lt;b&gt; &amp; &quot;c&quot; \x1b[2J \xef\xbf\xbe #d' "$WORK/junit"
holds "test: TAP says its version and plan" test "$(head -2 "$WORK/tap" | tr '\n' ' ')" = "TAP version 13 1..3 "
holds "test: TAP has a line each" test "$(grep -E '^(not )?ok ' "$WORK/tap" | sed 's/ - .*//' | tr '\n' ' ')" = "not ok 1 ok 2 not ok 3 "
holds "test: TAP explains in YAML" test "$(grep -c '^  ---$' "$WORK/tap")/$(grep -c '^  \.\.\.$' "$WORK/tap")" = 2/2
holds "test: TAP quotes" grep -qF '  why: "x # y \u001B ]]>"' "$WORK/tap"

# ---- explain and reach ----

policy flows '- {from: web, to: db, ports: [icmp]}' '- {from: out, to: db, ports: [icmpv6]}' '- {from: db, to: web, ports: [100-200/tcp]}' \
	'- {from: db, to: web, ports: [150-300/tcp]}' '- {from: {cidr: 198.51.100.0/24}, to: web, ports: [any]}' '- {from: world, to: web, ports: [1/udp]}'
expect "explain: icmp is an echo request" 0 '^ALLOW .* icmp$' '' explain "$WORK/flows.yaml" shop/web shop/db icmp
expect "explain: icmp/TYPE" 0 '^ALLOW' '' explain "$WORK/flows.yaml" shop/web shop/db icmp/timestamp-request
expect "explain: icmp between IPv6 addresses is icmpv6" 0 '^ALLOW  2001:db8::1' '' explain "$WORK/flows.yaml" 2001:db8::1 shop/db icmp
expect "explain: and between IPv4 addresses is not" 1 '^DENY  203.0.113.1' '' explain "$WORK/flows.yaml" 203.0.113.1 shop/db icmp
expect "explain: icmpv6 does not go to IPv4" 1 '^DENY' '' explain "$WORK/flows.yaml" 203.0.113.1 shop/db icmpv6
expect "explain: sctp" 1 '^DENY' '' explain "$WORK/flows.yaml" shop/web shop/db 9/sctp
printf 'ringfence: v1\nworkloads:\n- {name: d, namespace: shop, labels: {app: db}, ports: {admin: 150/tcp}}\n- {name: w, namespace: shop, labels: {app: web}, ports: {http: 1/tcp, admin: 150/tcp}}\n' >"$WORK/ports.yml"
expect "explain: a port's name in the workload" 0 '^ALLOW  shop/d -> shop/w admin' '' explain -i "$WORK/ports.yml" "$WORK/flows.yaml" shop/d shop/w admin
expect "explain: the service's name comes first" 1 '^DENY  shop/d -> shop/w http' '' explain -i "$WORK/ports.yml" "$WORK/flows.yaml" shop/d shop/w http
expect "reach: pieces" 0 'shop/db +-> shop/web +100-200/tcp .*:11$' '' reach "$WORK/flows.yaml"
holds "reach: the rest of the next" grep -qE '^shop/db +-> shop/web +201-300/tcp .*:12$' "$WORK/out"
holds "reach: an inline cidr" grep -qE '^cidr 198.51.100.0/24 +-> shop/web +2-65535/udp .*:13$' "$WORK/out"
holds "reach: the world" grep -qE '^world +-> shop/web +1/udp ' "$WORK/out"
holds "reach: nothing else of the world" test "$(grep -c '^world' "$WORK/out")" -eq 1
expect "reach: workloads" 0 '^shop/d +-> shop/w +100-200/tcp' '' reach --workloads -i "$WORK/ports.yml" "$WORK/flows.yaml"

# Whom a peer of a test stands for: every namespace, every value of a list, the workloads inside a network.
cat >"$WORK/ends.yaml" <<END
ringfence: v1
namespace: shop
services:
  api: {workloads: {app: api, tier: [gold, silver]}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
networks: {pods: [10.0.1.0/24]}
allow:
  - {from: {labels: {env: dev}, namespaces: [dev]}, to: db}
  - {from: {labels: {tier: silver}}, to: db}
  - {from: {labels: {app: tool}}, to: db}
tests:
  - {from: {labels: {env: dev}, namespaces: any}, to: db, expect: deny}
  - {from: cluster, to: db, expect: deny}
  - {from: api, to: db, expect: deny}
  - {from: pods, to: db, expect: deny}
  - {from: {labels: {env: dev}}, to: db, expect: deny}
---
ringfence: v1
workloads: [{name: tool, namespace: shop, labels: {app: tool}, addresses: [10.0.1.7]}]
END
expect "test: whom a peer stands for" 1 '^1 passed, 4 failed' '' test "$WORK/ends.yaml"
holds "test: a namespace that an allow names" grep -q 'ALLOW  dev/(any with' "$WORK/out"
holds "test: a workload inside a network" grep -q 'ALLOW  shop/tool (10.0.1.7)' "$WORK/out"
cat >"$WORK/world.yaml" <<END
ringfence: v1
services: {db: {workloads: {app: db}, ports: {sql: 5432/tcp}}}
allow: [{from: {cidr: [0.0.0.0/0, "::/0"]}, to: db}, {from: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}, to: db, ports: [80/tcp]},
  {from: {cidr: 10.0.0.0/8}, to: db, ports: [81/tcp]}]
END
expect "explain: the world is every address" 0 '^ALLOW' '' explain "$WORK/world.yaml" world default/db sql
expect "explain: and not only some" 1 '^DENY' '' explain "$WORK/world.yaml" world default/db 80/tcp
expect "reach: networks that begin alike are two" 0 '^cidr 10.0.0.0/8 except 10.1.0.0/16 +-> default/db +80/tcp' '' reach "$WORK/world.yaml"
holds "reach: and what is excepted is not open" lacks '^cidr 10.0.0.0/8 +-> default/db +80/tcp' "$WORK/out"

finish
