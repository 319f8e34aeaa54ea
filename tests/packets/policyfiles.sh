#!/bin/bash
# However files are written, broken or removed, the daemon enforces the last whole and valid policy, and says so.
. "$(dirname "$0")/lib.sh"

shop
daemon_start
allowed web1 api1 8080 tcp
denied web1 db1 5432 tcp

# A writer that takes its time: nothing of the half is enforced.
policy_shop '{from: web, to: api}' '{from: web, to: db, ports: [sql]}'
await 5 status_has '"ok":true'
sleep 0.5
allowed web1 db1 5432 tcp "renamed over the old file"
policy_shop '{from: web, to: db, ports: [sql]}'
cp "$POLICY/shop.yaml" "$WORK/whole"
sleep 0.5
denied web1 api1 8080 tcp "renamed over the old file"
half=$(($(wc -c <"$WORK/whole") - 40))
exec 3>"$POLICY/shop.yaml"
head -c "$half" "$WORK/whole" >&3
sleep 0.4
allowed web1 db1 5432 tcp "the file is half-written"
denied web1 api1 8080 tcp "the file is half-written"
tail -c +$((half + 1)) "$WORK/whole" | sed 's/to: db/to: api/; s/sql/http/' >&3
exec 3>&-
sleep 0.5
allowed web1 api1 8080 tcp "the file is written"
denied web1 db1 5432 tcp "the file is written"
check "status is well" status_has '"policy":\{"ok":true'

# What a change leaves alone stays: the chain of the database is the one that it was, that of the web is another.
chain_of() { # DIRECTION_SERVICE: name and handle of its chain
	on node nft -a list table inet ringfence | sed -n "s/^\tchain \(g[0-9]*_$1_[0-9a-f]*\) .*handle/\1/p"
}
generation() { status | sed -n 's/.*"generation": *\([0-9]*\).*/\1/p'; }
before_db=$(chain_of out_db) before_web=$(chain_of out_web) before=$(generation)
check "the chains are there" test -n "$before_db" -a -n "$before_web"
change policy_shop '{from: web, to: api, ports: [http]}' '{from: web, to: db, ports: [sql]}'
allowed web1 db1 5432 tcp "the web may more"
equal "the chain that the change does not concern" "$before_db" "$(chain_of out_db)"
check "the chain that it does is new" test "$before_web" != "$(chain_of out_web)"
equal "it is the same generation" "$before" "$(generation)"
change policy_shop '{from: web, to: api, ports: [http]}'
denied web1 db1 5432 tcp "and less again"
allowed web1 api1 8080 tcp "and less again"

# A burst: the last one counts.
for _ in $(seq 100); do
	policy_shop '{from: web, to: db, ports: [sql]}'
	policy_shop '{from: web, to: api, ports: [http]}'
done
sleep 1
allowed web1 api1 8080 tcp "after 200 writes"
denied web1 api1 8080 udp "after 200 writes"
denied web1 db1 5432 tcp "after 200 writes"

# Past failure 39: refused whole, and loud.
policy_shop '{from: web, to: api}' '{from: web, to: db, port: [sql]}' '{from: web, to: nobody}'
check "status says that the policy does not check" await 5 status_has '"policy":\{"ok":false'
check "status has the error with file and line" status_has 'shop\.yaml:[0-9]+:[0-9]+'
check "status is still ready" ready
allowed web1 api1 8080 tcp "the last good policy"
denied web1 api1 8080 udp "the last good policy, nothing of the broken one"
denied web1 db1 5432 tcp "the last good policy, nothing of the broken one"
policy_shop
check "status is well again" await 5 status_has '"policy":\{"ok":true'
sleep 0.5
allowed web1 api1 8080 udp "the mended policy"

# Editors: a temporary file beside, a backup, a file without write permission, a rename away and back.
printf 'not: [yaml' >"$POLICY/.shop.yaml.swp"
printf 'not: [yaml' >"$POLICY/shop.yaml~"
sleep 0.4
check "an editor's own files are not policy" status_has '"policy":\{"ok":true'
rm "$POLICY/.shop.yaml.swp" "$POLICY/shop.yaml~"

# Names of files may be any bytes; what is wrong with such a file is told all the same.
odd=$'odd\xff'
printf 'not: [yaml' >"$POLICY/$odd.yaml"
cp "$POLICY/$odd.yaml" "$WORKLOADS"
sleep 0.7
check "an error in a file whose name is no UTF-8 is told" status_has '"errors":\["[^"]*odd.{1,4}xff\.yaml'
check "in one of the workloads, too" status_has '"file":"[^"]*odd.{1,4}xff\.yaml'
rm "$POLICY/$odd.yaml" "$WORKLOADS/$odd.yaml"
sleep 0.4

# Past failures 1 and 2: nothing is not everything.
mv "$POLICY"/*.yaml "$WORK/"
sleep 0.7
denied web1 db1 5432 tcp "the policy directory is empty"
denied db1 web1 8080 tcp "the policy directory is empty"
mv "$WORK/inventory.yaml" "$WORK/shop.yaml" "$POLICY/"
sleep 0.7
allowed web1 api1 8080 tcp "the policy is back"
denied web1 db1 5432 tcp "the policy is back"

# The source of the workloads goes away: what was known stays.
mv "$WORKLOADS" "$WORK/kept"
sleep 0.7
allowed web1 api1 8080 tcp "the workload directory is gone"
denied web1 db1 5432 tcp "the workload directory is gone"
mv "$WORK/kept" "$WORKLOADS"
sleep 1.5
allowed web1 api1 8080 tcp "the workload directory is back"
change workload_file web1 shop 'app: retired'
denied web1 api1 8080 tcp "and is watched again"
daemon_stop
finish
