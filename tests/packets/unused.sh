#!/bin/bash
# `ringfence status --unused`: which allows let nothing pass, by the kernel's counters, over changes of workloads and of
# the policy, generations, kills and restarts. What was not counted is never taken for unused.
. "$(dirname "$0")/lib.sh"

shop
STATE=$WORK/state
policy_counted() { # [MORE_ALLOWS...]; the lines of the first ones do not change
	policy shop <<-END
		ringfence: v1
		namespace: shop
		services:
		  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
		  api: {workloads: {app: api}, ports: {http: 8080/tcp}}
		  db: {workloads: {app: postgres}, ports: {sql: 5432/tcp}}
		networks:
		  payments: [203.0.113.0/24, "2001:db8:10::/64"]
		allow:
		  - {from: web, to: api}
		  - {from: db, to: api, why: backups, owner: dba}
		  - {from: api, to: db, ports: [5432/tcp]}
		  - {from: api, to: db, ports: [9999/tcp]}
		  - {from: api, to: payments, ports: [443/tcp]}
		$([ $# -eq 0 ] || printf '  - %s\n' "$@")
	END
}
policy_counted
WEB_API=shop.yaml:10 DB_API=shop.yaml:11 API_DB=shop.yaml:12 API_DB_9999=shop.yaml:13 API_PAYMENTS=shop.yaml:14
serve 443 payments

unused() { tell status --unused "$@"; } # TIME [ARGUMENTS]
listed() { # LIST TIME; file names and lines of the allows in it, sorted
	unused "$2" --format json | python3 -c '
import json, sys
for allow in sorted(a["allow"].split("/")[-1] for a in json.load(sys.stdin)[sys.argv[1]]): print(allow)' "$1" | xargs
}
number() { unused "$2" --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
STARTED_AT=
since_start() { echo $((SECONDS - STARTED_AT - 1))s; } # a time in which all were watched

daemon_start
STARTED_AT=$SECONDS
code_of 0 "what has just come is not called unused" unused 1h
printed "but young" '^5 were not used, and have not been watched for so long'
equal "all of them" 5 "$(number young 1h)"
sleep 3
code_of 1 "after a while without packets" unused 2s
equal "all are unused" "$WEB_API $DB_API $API_DB $API_DB_9999 $API_PAYMENTS" "$(listed unused 2s)"
printed "with what the policy says of each" '/shop\.yaml:11  watched since 20[0-9T:Z-]+, never used; owner: dba; backups$'

# A set that several allows share tells them apart, in each family.
allowed web1 api1 8080 tcp
equal "one that was used is not, at once" "$DB_API $API_DB $API_DB_9999 $API_PAYMENTS" "$(listed unused "$(since_start)")"
allowed api1 payments 443 tcp
equal "a network's neither" "$DB_API $API_DB $API_DB_9999" "$(listed unused "$(since_start)")"
denied db1 web1 8080 tcp "of no allow"
equal "what is denied uses none" "$DB_API $API_DB $API_DB_9999" "$(listed unused "$(since_start)")"
allowed api1 db1 9999 tcp
equal "nor does another port of the same peers" "$DB_API $API_DB" "$(listed unused "$(since_start)")"
sleep 3
equal "later they are unused for that time" "$WEB_API $DB_API $API_DB $API_DB_9999 $API_PAYMENTS" "$(listed unused 2s)"
code_of 1 "with when they were used last" unused 2s
printed "so" '/shop\.yaml:10  watched since 20[0-9T:Z-]+, used last at 20'
equal "and not for a longer one" "$DB_API $API_DB" "$(listed unused "$(since_start)")"

# What changes does not begin anew.
unchanged() { # TEXT
	equal "$1: nothing is forgotten" "$DB_API $API_DB" "$(listed unused "$(since_start)")"
	equal "$1: nothing is uncertain" "" "$(listed unseen "$(since_start)")"
}
change policy_counted '{from: web, to: db, ports: [1234/tcp]}'
unchanged "another allow in the same sets"
equal "which is young itself" 1 "$(number young "$(since_start)")"
generation_before=$(on node nft list chain inet ringfence dispatch | grep -oE 'g[0-9]+')
policy inventory <<-END
	ringfence: v1
	nodes:
	  node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"], workload_networks: [10.0.1.0/24, 10.0.7.0/24, "fd00:1::/64"]}
END
await 5 sh -c "nsenter --net=/run/netns/$ROUTER -- nft list table inet ringfence | grep -q 10.0.7.0" || true
generation_after=$(on node nft list chain inet ringfence dispatch | grep -oE 'g[0-9]+')
check "another generation ($generation_before, $generation_after)" test "$generation_before" != "$generation_after"
unchanged "another generation"
change policy_node
unchanged "and back"
change policy_counted
unchanged "without that allow"
change workload_file web1 shop 'app: none'
change workload_file web1 shop 'app: web'
unchanged "a workload that goes and comes"

# While the daemon is dead the kernel counts on.
daemon_kill
allowed db1 api1 8080 tcp "while the daemon is dead"
daemon_start
equal "what was used while the daemon was dead" "$API_DB" "$(listed unused "$(since_start)")"
daemon_stop
daemon_start
equal "after a restart" "$API_DB" "$(listed unused "$(since_start)")"
equal "nothing is uncertain" "" "$(listed unseen "$(since_start)")"

# A counter that was set back may have counted a use that nobody saw.
allowed api1 db1 5432 tcp
on node nft reset counters table inet ringfence >"$WORK/reset"
check "counters were set back" grep -q 'packets [1-9]' "$WORK/reset"
code_of 0 "counters that somebody set back: nothing is called unused" unused "$(since_start)"
equal "but uncertain" "$API_DB" "$(listed unseen "$(since_start)")"
daemon_stop
on node nft delete table inet ringfence
daemon_start
code_of 0 "a table that was deleted: nothing is called unused" unused "$(since_start)"
equal "but uncertain" "$API_DB" "$(listed unseen "$(since_start)")"
code_of 0 "in words" unused "$(since_start)"
printed "so" "were not seen to be used, but counters began anew meanwhile, so nobody can say:"
printed "with how long" '/shop\.yaml:12  watched since 20[0-9T:Z-]+ but for [0-9]+ s in all, '

# What is kept is checked, and its loss opens nothing.
daemon_stop
printf 'damage' | dd of="$STATE/usage" bs=1 seek=100 conv=notrunc status=none
daemon_start
check "a damaged file is told" grep -q 'the use of allows is watched from now on: .*/usage: ' "$WORK/daemon.log"
equal "and all are young" 5 "$(number young 1h)"

# Wrong words.
code_of 2 "no time" unused banana
said "is said" "--unused banana: expected 30m"
code_of 2 "a workload beside it" unused 30d shop/web1
said "is said" "takes no workload"
code_of 2 "a time of 0" unused 0s
code_of 0 "a date is since then" unused 2020-01-01
daemon_stop
code_of 2 "no daemon" unused 30d
finish
