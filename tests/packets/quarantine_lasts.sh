#!/bin/bash
# A quarantine lasts: over a restart, a kill and another policy, and where it cannot be written down that is said. With a
# list that cannot be read the daemon does not start, and the table stays.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null || skip_all "jq is not installed"
shop
STATE=$WORK/state

# ---- before there is a policy ----

mkdir "$WORK/policy.away"
mv "$POLICY"/*.yaml "$WORK/policy.away"
daemon_config repair
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
await 10 status_has '"ready":false'
code_of 2 "no quarantine while nothing is in force" tell quarantine shop/db1 --why early
said "that is said" "no rules are in force yet"
mv "$WORK/policy.away"/*.yaml "$POLICY"
check "ready with a policy" await 10 ready
denied api1 db1 5432 tcp "what was asked for before there was a policy holds with it"
code_of 0 "it is released" tell release shop/db1
allowed api1 db1 5432 tcp "released"
audited() { jq -se "any(.[]; $1)" "$STATE/audit.log" >/dev/null; } # JQ on a line
check "the audit log has what failed" audited '.outcome == "failed" and (.error | contains("no rules are in force"))'

# ---- it lasts ----

tell quarantine shop/web1 --why lasting >/dev/null
denied web1 api1 8080 tcp "in quarantine"
daemon_kill
denied web1 api1 8080 tcp "the daemon is killed"
daemon_start
denied web1 api1 8080 tcp "it is back"
table_text node >"$WORK/after.table"
daemon_stop
denied web1 api1 8080 tcp "the daemon is ended"
daemon_start
denied web1 api1 8080 tcp "it is started again"
fresh_table "$WORK/fresh.table"
same_text "a fresh daemon makes the same table" "$WORK/fresh.table" "$WORK/after.table"
daemon_kill
mv "$STATE/quarantines" "$WORK/good.json"
for text in '' '{"version": 1, "quarantines": ['; do
	printf %s "$text" >"$STATE/quarantines"
	code_of 2 "a daemon does not start with quarantines of \`$text\`" \
		timeout 5 nsenter --net="/run/netns/$ROUTER" -- "$RINGFENCED" --config "$WORK/ringfenced.yaml"
	said "and says why" "workloads in quarantine would be opened"
	denied web1 api1 8080 udp "after that"
done
mv "$WORK/good.json" "$STATE/quarantines"
daemon_start
denied web1 api1 8080 tcp "with the good file"
change policy_shop '{from: web, to: api}' '{from: api, to: web, ports: [http]}'
denied web1 api1 8080 tcp "another policy changes nothing"
denied api1 web1 8080 tcp "another policy opens nothing"
change policy_shop

code_of 0 "release" tell release shop/web1

# ---- a machine that falls over just after it ----

boot() { # as a machine that was off: no table, no daemon
	on node nft delete table inet ringfence
	on node "$RINGFENCED" --config "$WORK/ringfenced.yaml" --enforce-saved >"$WORK/boot.log" 2>&1
}
touch "$WORK/mark"
sleep 0.05
newer() { [ "$STATE/ruleset" -nt "$WORK/mark" ]; }
change policy_shop '{from: web, to: api}' '{from: api, to: web, ports: [http]}'
check "a ruleset was saved a moment ago, so that the next would wait" await 5 newer
tell quarantine shop/web1 --why crash >/dev/null
sleep 2.5
daemon_kill
check "the saved ruleset is put in force" boot
denied web1 api1 8080 tcp "booted, before the daemon is there"
daemon_start
denied web1 api1 8080 tcp "and with it"
code_of 0 "release" tell release shop/web1
change policy_shop

# ---- what cannot be written down ----

mv "$STATE/quarantines" "$WORK/good.json"
mkdir "$STATE/quarantines"
code_of 2 "a quarantine that cannot be written down" tell quarantine shop/web1 --why x
said "that is said" "shop/web1 is isolated now, but a restart would forget it"
denied web1 api1 8080 tcp "isolated all the same"
code_of 2 "a release that cannot be written down" tell release shop/web1
said "that is said" "nothing is released"
denied web1 api1 8080 tcp "still isolated"
rmdir "$STATE/quarantines"
code_of 0 "released when it can" tell release shop/web1
allowed web1 api1 8080 tcp "released"

# ---- without a directory ----

daemon_stop
STATE=
daemon_start
code_of 0 "without a state directory" tell quarantine shop/web1 --why x
said "a warning tells of restarts" "this is forgotten when the daemon or the machine restarts"
denied web1 api1 8080 tcp "without a state directory"
daemon_stop
finish
