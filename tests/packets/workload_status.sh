#!/bin/bash
# `ringfence status WORKLOAD` and `--workloads`: is it in force for each, since when, and if not, why.
. "$(dirname "$0")/lib.sh"

shop
daemon_start

ask() { "$RINGFENCE" status --socket "$SOCKET" "$@"; } # ARGUMENTS
one() { # KEY NAME: of a workload, by `status --format json`
	ask --format json "$2" | python3 -c '
import json, sys
value = json.load(sys.stdin)["workloads"][0].get(sys.argv[1])
print(value if isinstance(value, str) else json.dumps(value))' "$1" || true
}
code_of() { # COMMAND...
	local code=0
	"$@" >"$WORK/out" 2>"$WORK/err" || code=$?
	echo "$code"
}

equal "all are in force" 0 "$(code_of ask --workloads)"
equal "one line for each, behind the policy's" 4 "$(wc -l <"$WORK/out")"
check "with its name and a time" grep -qE '^in force +since 20[0-9-]+T[0-9:]+Z +shop/web1$' "$WORK/out"
revision=$(status | grep -oE '"revision": ?"[0-9a-f]{16}"' | grep -oE '[0-9a-f]{16}')
check "with the policy's revision" grep -q "^policy  *$revision, generation 1 on node-a" "$WORK/out"
equal "one of them" 0 "$(code_of ask shop/web1)"
equal "is one line" 2 "$(wc -l <"$WORK/out")"
equal "in JSON it has a revision" "$revision" \
	"$(ask --format json shop/web1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["revision"])')"

# Of one that changes, and of no other, the time is a newer one.
web=$(one since shop/web1) api=$(one since shop/api1)
sleep 1.1
change workload_file web1 shop 'app: api'
check "one that changed has another time" test "$(one since shop/web1)" != "$web"
equal "and one that did not has its own" "$api" "$(one since shop/api1)"
change rm "$WORKLOADS/db1.yaml"
equal "one that is gone is not known" 2 "$(code_of ask shop/db1)"
check "and it is said what is wrong" grep -q 'no workload is called so' "$WORK/err"
sleep 1.1
change workload_file db1 shop 'app: postgres'
check "when it is back it is new" test "$(one since shop/db1)" != "$api"
sleep 1.1
change policy_shop '{from: web, to: db}'
check "another policy is newer for all" test "$(one since shop/api1)" != "$api"
equal "at one time" "$(one since shop/api1)" "$(one since shop/db1)"

# Why not.
echo 'ringfence: v1, oops' >"$WORKLOADS/web1.yaml"
await 5 status_has '"file":"[^"]*web1.yaml"' || not_ok "the daemon has seen the file"
equal "a file that does not check: not in force" 1 "$(code_of ask shop/web1)"
check "which is said" grep -qE '^no .*shop/web1; .*/web1.yaml does not check: what it said before is in force' "$WORK/out"
equal "the others are" 0 "$(code_of ask shop/api1)"
equal "of all, not all are" 1 "$(code_of ask --workloads)"
change workload_file web1 shop 'app: web'
workload_file twin shop 'app: web' "${ADDRESS4[web1]}" ""
await 5 status_has '"conflicts":\["shop/twin"\]' || not_ok "the daemon has seen the conflict"
equal "a conflict: not in force" 1 "$(code_of ask shop/twin)"
check "which is said too" grep -qE '^no .*shop/twin; in conflict' "$WORK/out"
equal "who was first is" 0 "$(code_of ask shop/web1)"
rm "$WORKLOADS/twin.yaml"
policy incident <<-END
	ringfence: v1
	namespace: shop
	quarantine: [{workload: shop/web1}]
END
await 5 eval 'ask shop/web1 | grep -q quarantine' || not_ok "the quarantine is told"
equal "a quarantine is in force" 0 "$(code_of ask shop/web1)"
check "with its place" grep -qE '^in force .*shop/web1; in quarantine by .*/incident.yaml:3$' "$WORK/out"
echo 'nonsense: [' >"$POLICY/incident.yaml"
await 5 status_has '"ok":false' || not_ok "the daemon has seen the policy"
equal "a policy that is refused: the newest is not in force" 1 "$(code_of ask shop/api1)"
check "which is said as well" grep -qE '^no .*shop/api1; the policy is refused' "$WORK/out"
rm "$POLICY/incident.yaml"
await 5 status_has '"ok":true' || not_ok "the daemon has the policy"

# Others, and questions that are none.
cat >"$WORKLOADS/far.yaml" <<-END
	ringfence: v1
	workloads: [{name: far, namespace: shop, node: node-b, addresses: [10.0.2.7]}]
END
await 5 status_has '"workloads":4' || not_ok "the daemon knows of it"
equal "who runs elsewhere" 2 "$(code_of ask shop/far)"
check "is told where" grep -q 'it runs on node-b' "$WORK/err"
ask --workloads >"$WORK/out"
equal "and is none of all" 0 "$(grep -c far "$WORK/out" || true)"
for name in web1 '' / shop/ $'shop/\e[31m' "$(printf 'x%.0s' {1..600})/y"; do
	equal "no workload's name: ${name:0:8}" 2 "$(code_of ask "$name")"
done
check "no terminal escape comes back" eval '! grep -q "$(printf "\033")" "$WORK/err"'
equal "two names" 2 "$(code_of ask shop/web1 shop/api1)"
equal "a name and all" 2 "$(code_of ask --workloads shop/web1)"
daemon_stop
finish
