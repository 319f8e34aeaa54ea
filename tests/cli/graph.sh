#!/bin/bash
# `ringfence graph` as people and pipelines meet it: forms, what changed, hostile text, what is refused. TAP.
. "$(dirname "$0")/lib.sh"

page_data() { # FILE; the JSON in a page
	sed -n 's/.*<script type="application\/json" id="graph">\(.*\)<\/script>$/\1/p' "$1"
}

same_data() { # PAGE JSON; whether the page holds just that
	python3 -c 'import json, sys; sys.exit(json.loads(sys.argv[1]) != json.load(open(sys.argv[2])))' "$(page_data "$1")" "$2" 2>>"$WORK/err"
}

query() { # FILE EXPRESSION WANTED; of the JSON `g`
	python3 -c 'import json, sys
g = json.load(open(sys.argv[1]))
have = eval(sys.argv[2])
sys.exit(0 if have == eval(sys.argv[3]) else f"have {have}")' "$@" 2>>"$WORK/err"
}

GENERATE=$PWD/tests/page/generate SHOP=$PWD/tests/page/shop KUBERNETES=$PWD/examples/kubernetes
cp -r "$SHOP" "$WORK/new"
sed -i -e '/to: payments, ports/d' -e 's/{from: api, to: resize-image}.*/{from: api, to: resize-image, ports: [invoke, 9000-9010\/tcp]}/' \
	-e 's/^allow:/&\n  - {from: world, to: web, ports: [http], until: 2027-03-31, rate: 5\/second per source, why: public}/' "$WORK/new/policy.yaml"
cd "$WORK"

# ---- forms ----

expect "a page without being asked for a form" 0 '^<!doctype html>' '' graph "$SHOP"
cp out page.html
expect "the same again" 0 '^<!doctype html>' '' graph "$SHOP"
holds "is the same page" cmp -s out page.html
expect "JSON" 0 '^\{"version":1,"policy":".*","nodes":\[\{"id":"monitoring/prometheus","kind":"service","name":"prometheus","namespace":"monitoring","file":' '' \
	graph --format json "$SHOP"
cp out shop.json
holds "JSON is one line" test "$(wc -l <out)" -eq 1
holds "the page holds the same" same_data page.html shop.json
holds "edges are those of reach" query shop.json \
	'[(e["from"], e["to"], o["ports"], g["statements"][o["by"]]["line"]) for e in g["edges"] for o in e["open"]]' \
	'[(r["from"], r["to"], r["ports"], r["line"]) for r in json.loads("""'"$("$RINGFENCE" reach --format json "$SHOP")"'""")["reach"]]'
holds "nodes without a flow are there" query shop.json 'len(g["nodes"])' 6
holds "with ports, addresses and workloads" query shop.json '[n.get("ports") or n.get("cidrs") for n in g["nodes"] if n["name"] in ("db", "payments")]' \
	'[[{"name": "sql", "port": "5432/tcp"}], ["203.0.113.0/24", "2001:db8:10::/64"]]'
expect "DOT" 0 '^  "shop/web" -> "shop/api" \[label="8080/tcp", tooltip=".*policy.yaml:23 the storefront calls the API"\];$' '' graph --format dot "$SHOP"
expect "Mermaid" 0 '^  n5 -->\|"8080/tcp"\| n1$' '' graph --format mermaid "$SHOP"
holds "Mermaid has a group for each namespace" test "$(grep -c '^  subgraph ' out)" -eq 2
expect "workloads one by one" 0 '"shop/web-1" -> "shop/api-1"' '' graph --workloads --format dot "$SHOP"
expect "and where no service is defined" 0 '"shop/web-0" -> "shop/db-0"' '' graph --format dot "$KUBERNETES"
expect "into a file" 0 '' '' graph -o made.html "$SHOP"
holds "whole" cmp -s made.html page.html
expect "and again" 0 '' '' graph -o made.html "$SHOP"

# ---- the page loads nothing ----

sed '/<!--/,/-->/d' page.html >bare.html
holds "the policy of the page forbids to load" grep -q "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-" bare.html
holds "it refers to nothing" lacks ' (src|href|action|srcset|data)=|@import|url\(|<link|<base|<iframe|<object' bare.html
holds "and no address but those in comments of licences" test -z "$(grep -oE 'https?://[^"'"'"' )>]*' bare.html | grep -vxE 'http://(en.wikipedia.org/wiki/MIT_License|engelschall.com|opensource.org/licenses/MIT).*')"
holds "the licence of the library is in it" grep -q 'Copyright (c) .* The Cytoscape Consortium' page.html

# ---- hostile text ----

cat >hostile.yaml <<'YAML'
ringfence: v1
namespace: a
services:
  end: {workloads: {app: end}, ports: {http: 80/tcp}}
  subgraph: {workloads: {app: subgraph}}
allow:
- {from: subgraph, to: end, why: "</script><script>alert(1)</script>\" -->|\n%%{init}%% `x` &lt; \\N \e[31m"}
- {from: {cidr: 192.0.2.0/24}, to: end}
YAML
cp hostile.yaml $'"];<b>\n#.yaml'
expect "hostile: a page" 0 '</html>' '' graph $'"];<b>\n#.yaml'
holds "ends its data where it should" test "$(grep -c '</script>' out)" -eq 3
holds "and holds the text" query <(page_data out) 'g["statements"][0]["why"][:17]' '"</script><script>"'
holds "with no character that HTML knows" test -z "$(page_data out | tr -d -c '<>&')"
expect "hostile: DOT keeps its strings" 0 'tooltip=".*</script><script>alert\(1\)</script>\\" -->\|.*&amp;lt; \\\\N \\\\x1b\[31m"\];$' '' graph --format dot $'"];<b>\n#.yaml'
holds "and its lines" test "$(grep -cvE '^(  |digraph|\})' out)" -eq 0
expect "hostile: Mermaid" 0 '^    n[0-9]+\["end"\]$' '' graph --format mermaid hostile.yaml
holds "has nothing but ids, arrows and quoted labels" \
	lacks '' <(grep -vxE '(flowchart LR|  end| +subgraph g[0-9]+\["[^"<>`&]*"\]| +n[0-9]+(\["[^"<>`&]*"\]|\(\["[^"<>`&]*"\]\))|  n[0-9]+ (-->|==>|-\.->)\|"[^"<>`&|]*"\| n[0-9]+)' out)

# ---- against another policy ----

expect "against: JSON" 0 '"against":"' '' graph --format json --against "$SHOP" new
cp out diff.json
holds "edges are marked" query diff.json '[(e["from"], e["to"], e["change"]) for e in g["edges"] if "change" in e]' \
	'[("shop/api", "shop/payments", "removed"), ("shop/api", "shop/resize-image", "changed"), ("world", "shop/web", "added")]'
holds "and their ports" query diff.json '[(o["ports"], o.get("change")) for e in g["edges"] if e.get("change") == "changed" for o in e["open"]]' \
	'[("8081/tcp", None), ("9000-9010/tcp", "added")]'
holds "and nodes" query diff.json '[(n["id"], n["change"]) for n in g["nodes"] if "change" in n]' '[("shop/payments", "removed"), ("world", "added")]'
holds "a statement says until when, how often and why" query diff.json '[(s["until"], s["rate"], s["why"]) for s in g["statements"] if "until" in s]' \
	'[("2027-04-01T00:00:00Z", "5/second per source", "public")]'
holds "what diff says is there" query diff.json '(g["diff"]["opened"], g["diff"]["closed"], len(g["diff"]["changes"]))' '(2, 1, 3)'
expect "against: DOT" 0 '"shop/payments" \[label="- 443/tcp", .*style=dashed\];' '' graph --format dot --against "$SHOP" new
expect "against: Mermaid" 0 '^  n1 -\.->\|"- 443/tcp"\| n3$' '' graph --format mermaid --against "$SHOP" new
expect "against: a page" 0 '"against":' '' graph --against "$SHOP" new
expect "against itself nothing is marked" 0 '"same":true' '' graph --format json --against "$SHOP" "$SHOP"
holds "at all" lacks '"change":' out
sed -e 's/^  web:/  www:/' -e 's/from: web/from: www/' "$SHOP/policy.yaml" >renamed.yaml
expect "a service of another name is the same one" 0 '"shop/www"' '' graph --format json --against "$SHOP/policy.yaml" renamed.yaml
holds "without a mark" lacks '"change":|shop/web' out
expect "an expiry is judged at its time" 0 '' '' graph -o late.json --format json --at 2027-05-01 --against "$SHOP" new
holds "on both sides" query late.json '[e["change"] for e in g["edges"] if "change" in e]' '["removed", "changed"]'
if command -v git >/dev/null; then
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com \
		GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
	mkdir repository && cp -r "$SHOP" repository/policy
	(cd repository && git init -q -b main && git add -A && git commit -q -m one) && cp new/policy.yaml repository/policy/
	cd repository
	expect "against a revision" 0 '"against":"git:main:policy".*"file":"main:policy/policy.yaml"' '' graph --format json --against git:main:policy policy
	cd ..
else
	echo "ok $((COUNT + 1)) - git: # skip git is not installed"
	COUNT=$((COUNT + 1))
fi

# ---- what is refused, and what is said ----

expect "no policy" 2 '' 'name the policy' graph
expect "a wrong form" 2 '' 'html, dot, mermaid or json' graph --format svg "$SHOP"
echo 'ringfence: v2' >wrong.yaml
expect "a wrong policy" 2 '' '^wrong.yaml:1' graph wrong.yaml
expect "a wrong OLD" 2 '' '^wrong.yaml:1' graph --against wrong.yaml "$SHOP"
expect "an OLD that is not there" 2 '' 'nothing' graph --against nothing "$SHOP"
expect "a file that cannot be made" 2 '' 'nowhere/page.html' graph -o nowhere/page.html "$SHOP"
mkdir empty
expect "an empty directory" 2 '' 'no policy found' graph empty
printf 'ringfence: v1\nsettings: {unmatched: deny}\n' >bare.yaml
expect "nothing to draw is said" 0 '"nodes":\[\]' 'nothing to draw' graph --format json bare.yaml
expect "and is a page all the same" 0 '</html>' 'nothing to draw' graph bare.yaml
"$GENERATE" 300 3 >many.yaml
expect "Mermaid with more arrows than it draws" 0 '^flowchart LR' 'refuses more than 500 arrows' graph --format mermaid many.yaml

finish
