#!/bin/bash
# `ringfence promote`: a service leaves audit on what the daemon watched: how long, what would have been denied, and which
# workloads were never seen. Each ground refuses, and is accepted by its name; the edit is one word; evidence outlives the
# daemon, and begins anew where less is allowed.
. "$(dirname "$0")/lib.sh"

shop
STATE=$WORK/state
workload web2 10.0.1.14 fd00:1::14
workload_file web2 shop 'app: web'
serve 8080,5432,9999 web2
# One line of the policy is all that promoting may change.
policy_audit() { # [ALLOW...]
	policy_shop "$@"
	sed -i 's/workloads: {app: web}/workloads: {app: web}\n    mode: audit  # until it is known/' "$POLICY/shop.yaml"
}
promote() { # WANT TEXT [OPTION...]; prints JSON to $WORK/out
	local want=$1 text=$2
	shift 2
	code_of "$want" "$text" "$RINGFENCE" promote "$@" --socket "$SOCKET" --format json -i "$WORKLOADS" "$POLICY"
}
holds() { jq -e "$1" "$WORK/out" >/dev/null; } # FILTER
says() { check "$1" holds "$2"; }		# TEXT FILTER
words() { # WANT TEXT [OPTION...]
	local want=$1 text=$2
	shift 2
	code_of "$want" "$text" "$RINGFENCE" promote "$@" --socket "$SOCKET" -i "$WORKLOADS" "$POLICY"
}
evidence() { "$RINGFENCE" promote shop/web --socket "$SOCKET" --format json -i "$WORKLOADS" "$POLICY" 2>/dev/null || true; }
knows() { [ "$(evidence | jq "$1")" = true ]; } # FILTER
learns() { # TEXT FILTER
	if await 20 knows "$2"; then ok "$1"; else
		not_ok "$1"
		note "$(evidence)"
	fi
}

policy_audit '{from: web, to: api}'
daemon_start
code_of 2 "without a daemon" "$RINGFENCE" promote shop/web --socket "$WORK/none.sock" "$POLICY"
words 2 "nothing is in audit in this namespace" nowhere
words 2 "a service that is enforced" shop/api
words 2 "a service that is not there" shop/none
words 2 "settings that say nothing" settings
words 2 "a node that is not in audit" node
words 2 "no ground" shop/web --accept all
words 2 "no time" shop/web --after soon
code_of 2 "no policy" "$RINGFENCE" promote shop/web --socket "$SOCKET"

# Nobody has spoken yet: young, and everybody unseen.
learns "it is watched" '.services[0].watched_seconds > 0'
promote 1 "too young" shop/web
says "only that, and nobody was seen" '.services[0].grounds == ["young", "unseen"]'
says "both workloads were never seen" '.services[0].never_seen == ["shop/web1", "shop/web2"]'
says "nothing would have been denied" '.services[0].would_deny == []'
says "no edit is told" '.edits == []'
words 1 "in words" shop/web
printed "how long" '^shop/web: in audit since 20[0-9T:-]+Z, watched for [0-9]+s$'
printed "what is missing" 'refused  young: watched for [0-9]+s, and --after asks for 7d 0h'
printed "who" '^  never seen to send or answer: shop/web1, shop/web2$'

# Both send what is allowed, and one what is not; over both families, in and out.
allowed web1 api1 8080 tcp "allowed"
allowed web2 api1 8080 udp "allowed"
learns "both were seen" '.services[0].never_seen == []'
promote 0 "with enough time nothing stands against it" shop/web --after 1s
says "no ground" '.services[0].grounds == []'
says "the edit is told" '.edits | length == 1'
check "but not made" grep -q 'mode: audit' "$POLICY/shop.yaml"

serve 443,8080 world
allowed web1 world 443 tcp "which no allow opens, in audit mode"
allowed web1 web2 9999 tcp "which is not allowed between two of it"
allowed world web2 8080 tcp "which nobody is allowed to open to it"
denied web1 db1 5432 tcp "which another service denies"
learns "would have been denied" '[.services[0].would_deny[] | .side] | unique == ["egress", "ingress"]'
promote 1 "what would be denied" shop/web --after 1s
says "is the ground" '.services[0].grounds == ["denied"]'
says "each end, port and family of strangers once" \
	'[.services[0].would_deny[] | "\(.side) \(.peer) \(.ports)"] | sort == ["egress 198.51.100.10 443/tcp", "egress 2001:db8:20::10 443/tcp", "egress service:shop/web 9999/tcp", "ingress 198.51.100.10 8080/tcp", "ingress 2001:db8:20::10 8080/tcp", "ingress service:shop/web 9999/tcp"]'
says "with times and counts" '[.services[0].would_deny[] | .count > 0 and .first > 1700000000 and .last >= .first] | all'
words 1 "in words" shop/web --after 1s
printed "who, where, how often, when" '^    egress   -> 198\.51\.100\.10 443/tcp  seen [0-9]+ times?, 20.*Z to 20.*Z; would be denied$'
printed "and in" '^    ingress  <- shop/web 9999/tcp  seen .*; would be denied$'

# More than a rule logs in a second: conntrack tells of each.
on web1 bash -c 'for ((port = 2000; port < 2060; port++)); do echo x >/dev/udp/198.51.100.10/$port; done' 2>/dev/null || true
learns "a burst is seen whole" '[.services[0].would_deny[] | select(.port >= 2000 and .port < 2060)] | length == 60'
on web1 bash -c 'for ((port = 3000; port < 3400; port++)); do echo x >/dev/udp/198.51.100.10/$port; done' 2>/dev/null || true
learns "what has no room is counted" '.services[0].left_out > 0'
promote 1 "what had no room" shop/web --after 1s
says "is a ground" '.services[0].grounds == ["denied", "left-out"]'
says "no more is kept" '.services[0].would_deny | length == 256'

# A restart keeps it, and counts what it missed; so does a crash.
since=$(evidence | jq .services[0].since)
daemon_stop
check "it is written down" test -s "$STATE/audit-evidence"
sleep 1
daemon_start
equal "the same beginning" "$since" "$(evidence | jq .services[0].since)"
check "what was seen is still known" knows '.services[0].would_deny | length == 256'
learns "the gap is told" '.services[0].gaps == 1 and .services[0].unwatched_seconds > 0'
words 1 "in words" shop/web --after 1s
printed "the gap" 'nobody watched for [0-9]+s, in 1 gap$'

# More is allowed: it goes on. What is covered by now is no ground.
policy_audit '{from: web, to: api}' '{from: web, to: world, ports: [443/tcp, 2000-3400/udp]}' '{from: web, to: web, ports: [9999/tcp]}' '{from: world, to: web}'
await 10 status_has '"ok":true'
sleep 1
equal "an allow more is no new beginning" "$since" "$(evidence | jq .services[0].since)"
promote 1 "what is allowed now" shop/web --after 1s
says "is no ground" '.services[0].grounds == ["left-out"]'
says "and named with its statement" '[.services[0].would_deny[] | .covered and .by.line > 0] | all'
promote 0 "accepted by its name" shop/web --after 1s --accept left-out

# The files given may allow less than what is in force: then it was not watched.
mkdir "$WORK/less"
cp "$POLICY"/*.yaml "$WORK/less"
sed -i '/from: web, to: api}/d' "$WORK/less/shop.yaml"
code_of 1 "files that allow less" "$RINGFENCE" promote shop/web --socket "$SOCKET" --format json -i "$WORKLOADS" --after 1s \
	--accept left-out,denied "$WORK/less"
says "were not watched" '.services[0].allows_less and (.services[0].grounds | index("young") != null)'

# The edit: one word of one line, the file's mode kept.
chmod 664 "$POLICY/shop.yaml"
cp "$POLICY/shop.yaml" "$WORK/before.yaml"
words 0 "in words" shop/web --after 1s --accept left-out
line=$(grep -n 'mode: audit' "$POLICY/shop.yaml" | cut -d: -f1)
printed "the place" "^$POLICY/shop.yaml:$line:11: .mode: audit. becomes .mode: enforce.\$"
printed "the line before" '^-     mode: audit  # until it is known$'
printed "the line after" '^\+     mode: enforce  # until it is known$'
start "$WORK/stream" web2 "$PROBE" stream "${ADDRESS4[world]}" 8080 tcp 30
await 5 grep -q '^in' "$WORK/stream"
words 0 "written" shop/web --after 1s --accept left-out,denied,unseen --write
sed "${line}s/audit/enforce/" "$WORK/before.yaml" >"$WORK/want.yaml"
same_text "nothing else is changed" "$WORK/want.yaml" "$POLICY/shop.yaml"
equal "nor is its mode" 664 "$(stat -c %a "$POLICY/shop.yaml")"
equal "no other file is left" "" "$(ls -A "$POLICY" | grep -v '^shop.yaml$\|^inventory.yaml$' || true)"
check "no file is in audit any more" sh -c "! grep -rq 'mode: audit' $POLICY"
await 10 status_has '"mode":"enforce"'
sleep 0.5
before=$(grep -c '^in' "$WORK/stream")
sleep 0.5
equal "it is enforced: what runs ends" "$before" "$(grep -c '^in' "$WORK/stream")"
stop "$STARTED_PID"
denied web1 world 8080 tcp "after the promotion"
allowed web1 world 443 tcp "what was allowed meanwhile"
words 2 "there is nothing more to promote" shop/web

# Back in audit it is watched from its beginning.
policy_audit '{from: web, to: api}'
await 10 status_has '"mode":"partlyaudit"'
sleep 1
check "the time of before does not count" knows '.services[0].gaps == 0 and .services[0].watched_seconds < 5'
later=$(evidence | jq -r .services[0].since)
check "a new beginning" test "$later" != "$(jq -r . <<<"$since")"
sleep 1.1

# Less is allowed: what was allowed was not noted, so it begins anew.
policy_audit
await 10 status_has '"ok":true'
sleep 1.5
equal "with the same allows it goes on" "$later" "$(evidence | jq -r .services[0].since)"
policy_audit '{from: web, to: db}'
learns "with fewer it does not" "(.services[0].since != \"$later\") and (.services[0].since != null)"
check "and says so" grep -q 'audit of shop/web is watched anew' "$WORK/daemon.log"

# By the settings, and of what no service selects.
policy_shop '{from: web, to: api}'
sed -i 's/^namespace: shop$/&\nsettings: {mode: audit}/' "$POLICY/shop.yaml"
await 10 status_has '"mode":"audit"'
sleep 1
promote 1 "all by the settings" settings
says "each service, and what none selects" '[.services[].name] == ["shop/api", "shop/db", "shop/web", ""]'
words 1 "one of them" shop/web --after 1s
words 0 "one of them, all accepted" shop/web --accept young,denied,unseen,left-out
printed "has no word of its own" "is in audit by .settings. at $POLICY/shop.yaml:3: give it .mode: enforce. of its own"
words 2 "which --write does not do" shop/web --accept young,denied,unseen,left-out --write
on web1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080
await 20 eval 'tell promote settings -i "$WORKLOADS" "$POLICY" | grep -q "10.0.1.13 -> 10.0.1.12 8080/udp"' || true
words 1 "a spoofed source" settings
printed "is told, and no allow opens it" '10\.0\.1\.13 -> 10\.0\.1\.12 8080/[a-z]+  seen .*would be denied: no allow opens it'
words 0 "all accepted" settings --accept young,denied,unseen,left-out --write
check "the settings enforce" grep -q '^settings: {mode: enforce}$' "$POLICY/shop.yaml"
await 10 status_has '"mode":"enforce"'
code_of 1 "a policy that has it in audit" "$RINGFENCE" promote shop/web --socket "$SOCKET" --format json -i "$WORKLOADS" \
	--accept young,denied,unseen,left-out "$WORK/less"
says "which the daemon does not have: nobody is watched, and nothing is promoted" \
	'(.services | length == 1) and (.services[0].watches | not) and .edits == []'

# A file that is damaged opens nothing and stops nothing.
policy_audit '{from: web, to: api}'
await 10 status_has '"mode":"partlyaudit"'
daemon_stop
printf X | dd of="$STATE/audit-evidence" bs=1 seek=70 conv=notrunc 2>/dev/null
daemon_start
check "that is said" grep -q 'audit-evidence: damaged' "$WORK/daemon.log"
learns "and it is watched anew" '.services[0].watched_seconds >= 0'

# The node by its daemon's configuration, which is what is edited then.
policy_shop '{from: web, to: api}'
await 10 status_has '"mode":"enforce"'
stop "$DAEMON_PID"
daemon_config repair
echo 'mode: audit' >>"$WORK/ringfenced.yaml"
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
await 10 status_has '"mode":"audit"'
await 10 ready
words 1 "a node" node
printed "says so" "the whole node is in audit, by $WORK/ringfenced.yaml:[0-9]+: the daemon reads that when it starts"
words 0 "a node, all accepted" node --accept young,denied,unseen,left-out --write
check "its configuration enforces" grep -qx 'mode: enforce' "$WORK/ringfenced.yaml"
daemon_stop
finish
