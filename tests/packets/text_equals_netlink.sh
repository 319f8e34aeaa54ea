#!/bin/bash
# `compile | nft -f` and `apply` make the same table, replace only that table, and can be repeated.
. "$(dirname "$0")/lib.sh"

shop
policy_shop \
	'{from: web, to: api}' \
	'{from: api, to: payments, ports: [443/tcp, 8000-8100/udp]}' \
	'{from: any, to: web, ports: [http]}' \
	'{from: {cidr: 198.51.100.0/24, except: [198.51.100.64/26]}, to: api, ports: [any]}' \
	'{from: web, to: db, ports: [sql], until: "'"$(date -u -d "@$(($(date +%s) + 30 * 86400))" +%FT%TZ)"'", why: SHOP-1}' \
	'{from: world, to: web, ports: [443/tcp, icmp/echo-request, icmpv6], log: true}' \
	'{from: web, to: world, ports: [any]}' \
	'{from: web, to: api, ports: [9000/sctp, icmp], rate: 50/second per source}' \
	'{from: {labels: {app: web}, namespaces: any}, to: api, ports: [9000-9100/sctp], rate: 20/minute per source, log: true}' \
	'{from: node, to: api, ports: [metrics-of-nobody]}'
# The last one does not check: that too must be seen here and not be applied.
namespace text
namespace netlink
for name in text netlink; do
	on "$name" nft -f - <<-END
		table inet foreign {
			set friends { type ipv4_addr; elements = { 192.0.2.7 } }
			chain input { type filter hook input priority 10; ip saddr @friends counter accept; }
		}
		table ip ringfence {
			chain other_family { counter; }
		}
	END
	on "$name" nft -s list ruleset >"$WORK/$name.foreign"
done
# One time for both: the timeout of an expiring element is what is left at that time.
inputs=(--at "$(date -u +%FT%TZ)" --node node-a -i "$WORKLOADS" "$POLICY")
code=0
"$RINGFENCE" compile "${inputs[@]}" >"$WORK/broken.nft" 2>"$WORK/broken.err" || code=$?
equal "a policy that does not check has status 2" 2 "$code"
check "and prints no ruleset" test ! -s "$WORK/broken.nft"
code=0
on netlink "$RINGFENCE" apply "${inputs[@]}" >/dev/null 2>&1 || code=$?
equal "apply refuses it too" 2 "$code"
on netlink nft -s list ruleset >"$WORK/refused"
same_text "and changes nothing" "$WORK/netlink.foreign" "$WORK/refused"
sed -i '/metrics-of-nobody/d' "$POLICY/shop.yaml"

loaded() { # NAMESPACE COMMAND...
	local name=$1
	shift
	if "$@" >"$WORK/$name.out" 2>&1; then ok "$name: loads"; else
		not_ok "$name: loads"
		note "$(tail -n 20 "$WORK/$name.out")"
	fi
}

check "compile" "$RINGFENCE" compile "${inputs[@]}" -o "$WORK/node-a.nft"
"$RINGFENCE" compile "${inputs[@]}" >"$WORK/again.nft"
same_text "compile makes the same bytes again, to a file or to stdout" "$WORK/node-a.nft" "$WORK/again.nft"
check "nft --check accepts the text" on text nft --check -f "$WORK/node-a.nft"
for round in first second; do
	loaded text on text nft -f "$WORK/node-a.nft"
	loaded netlink on netlink "$RINGFENCE" apply "${inputs[@]}"
	table_text text >"$WORK/text.$round"
	table_text netlink >"$WORK/netlink.$round"
	same_text "$round load: the kernel lists the same table" "$WORK/text.$round" "$WORK/netlink.$round"
done
same_text "loading the text again replaces" "$WORK/text.first" "$WORK/text.second"
same_text "applying again replaces" "$WORK/netlink.first" "$WORK/netlink.second"
check "the table has rules" grep -q dispatch "$WORK/text.second"
check "every allow leads to its file and line" grep -q 'shop.yaml:' "$WORK/text.second"

code=0
on netlink "$RINGFENCE" apply --dry-run "${inputs[@]}" >"$WORK/dry" || code=$?
equal "apply --dry-run: no difference, status 0" 0 "$code"

# One that answers what it denies, and one of whose services is in audit mode.
policy_shop '{from: web, to: db}'
sed -i 's/^  web:$/&\n    mode: audit/; s/^  api:$/&\n    deny: reject/' "$POLICY/shop.yaml"
"$RINGFENCE" compile "${inputs[@]}" >"$WORK/answers.nft"
loaded text on text nft -f "$WORK/answers.nft"
loaded netlink on netlink "$RINGFENCE" apply "${inputs[@]}"
table_text text >"$WORK/text.answers"
table_text netlink >"$WORK/netlink.answers"
same_text "with answers and audit mode: the same table" "$WORK/text.answers" "$WORK/netlink.answers"
check "which answers" grep -q 'reject with tcp reset' "$WORK/text.answers"
code=0
on netlink "$RINGFENCE" apply --dry-run "${inputs[@]}" >"$WORK/dry" || code=$?
equal "apply --dry-run: no difference with answers, status 0" 0 "$code"

# A smaller policy over a larger one: nothing of the old stays.
policy_shop
"$RINGFENCE" compile "${inputs[@]}" >"$WORK/node-a.nft"
code=0
on netlink "$RINGFENCE" apply --dry-run "${inputs[@]}" >"$WORK/dry" || code=$?
equal "apply --dry-run: a difference, status 1" 1 "$code"
table_text netlink >"$WORK/netlink.dry"
same_text "apply --dry-run changes nothing" "$WORK/netlink.answers" "$WORK/netlink.dry"
loaded text on text nft -f "$WORK/node-a.nft"
loaded netlink on netlink "$RINGFENCE" apply "${inputs[@]}"
table_text text >"$WORK/text.third"
table_text netlink >"$WORK/netlink.third"
same_text "a smaller policy: the same table" "$WORK/text.third" "$WORK/netlink.third"

for name in text netlink; do
	on "$name" nft delete table inet ringfence
	on "$name" nft -s list ruleset >"$WORK/$name.left"
	same_text "$name: the tables of others are as they were" "$WORK/$name.foreign" "$WORK/$name.left"
done

# nft reads at most eight digits before a unit of time.
policy_shop '{from: web, to: api, until: "2099-01-01", why: a far end}'
"$RINGFENCE" compile "${inputs[@]}" >"$WORK/far.nft"
check "an allow that ends in 2099 loads" on text nft --check -f "$WORK/far.nft"

# And the text enforces what the daemon would.
loaded node on node nft -f "$WORK/node-a.nft"
allowed web1 api1 8080 tcp "from the text"
denied web1 db1 5432 tcp "from the text"
finish
