#!/bin/bash
# Every example is sound, does what its README shows, and its change means what diff.txt says. TAP.
. "$(dirname "$0")/lib.sh"
EXAMPLES=$PWD/examples
PATH=$(dirname "$RINGFENCE"):$PATH

# The lines of a README's console blocks; and the same with each command's real output in place of the one that is shown.
shown() { # README
	awk '/^```console$/ { block = 1; next } /^```/ { block = 0 } block' "$1"
}
ran() { # README
	shown "$1" | grep '^\$ ' | while IFS= read -r line; do
		echo "$line"
		bash -c "${line#\$ }" 2>&1 </dev/null || true
	done
}

compiles() { # POLICY...; as root the kernel's own parser looks at each ruleset
	local text
	rm -rf "$WORK/nft"
	mkdir "$WORK/nft"
	"$RINGFENCE" compile --all-nodes -o "$WORK/nft" "$@" >"$WORK/out" 2>"$WORK/err" || return 1
	for text in "$WORK/nft"/*.nft; do
		[ -s "$text" ] || return 1
		[ "$(id -u)" -ne 0 ] || unshare -n nft -c -f "$text" >>"$WORK/out" 2>&1 || return 1
	done
}

# ---- each example: its directories of policy, and what of it the change is to ----

while read -r name changes paths; do
	cp -r "$EXAMPLES/$name" "$WORK/$name"
	cd "$WORK/$name"
	# shellcheck disable=SC2086 # directories
	{
		expect "$name: check" 0 '^ok: .* rules? proved' '' check $paths
		expect "$name: no warning" 0 '^ok' '' check --diagnostics github $paths
		holds "$name: compiles for each node" compiles $paths
		expect "$name: its tests pass" 0 '^[0-9]+ passed, 0 failed$' '' test $paths
	}
	if [ "$changes" != - ]; then
		expect "$name: nothing is said twice" 0 '^no difference$' '' diff "$changes" "$changes"
		holds "$name: the change applies" bash -c "cp -r $changes proposed && patch -s -p1 -d proposed <change.patch"
		inventory=()
		[ "$changes" = policy ] || inventory=(-i ringfence)
		status=0
		"$RINGFENCE" diff "${inventory[@]}" "$changes" proposed >"$WORK/said" 2>"$WORK/err" || status=$?
		holds "$name: the change is a difference" test "$status" -eq 1
		diff -u diff.txt "$WORK/said" >"$WORK/out" 2>&1 || true
		holds "$name: it means what diff.txt says" cmp -s diff.txt "$WORK/said"
		rm -rf proposed
		shown README.md >"$WORK/shown"
		ran README.md >"$WORK/ran"
		diff -u "$WORK/shown" "$WORK/ran" >"$WORK/out" 2>&1 || true
		holds "$name: README.md shows what happens" cmp -s "$WORK/shown" "$WORK/ran"
		holds "$name: it shows commands" test "$(grep -c '^\$ ringfence' "$WORK/shown")" -ge 4
	fi
done <<-'END'
	shop - .
	kubernetes - .
	three-teams policy policy
	image-pipeline policy policy
	network-policies manifests manifests ringfence
	systemd-host policy policy
	fleet policy policy workloads
END

# ---- fleet: what daemons and people are configured with ----

configured() { "${RINGFENCE}d" --check --config "$EXAMPLES/fleet/$1.yaml" >"$WORK/out" 2>"$WORK/err"; }
for file in ringfenced ringfenced-file; do holds "fleet: $file.yaml is sound" configured "$file"; done
asks_for_it() { # it was read: what is not there is the store
	unshare -n "$RINGFENCE" fleet --store "$EXAMPLES/fleet/store.yaml" >"$WORK/out" 2>"$WORK/err" ||
		grep -q '^ringfence: the store cannot be asked: https://etcd-[1-3].example:2379: ' "$WORK/err"
}
[ "$(id -u)" -ne 0 ] || holds "fleet: store.yaml is sound" asks_for_it

# ---- flows, by the workloads of the inventory ----

cd "$EXAMPLES"
while read -r name verdict from to port; do
	paths=("$name/policy")
	[ "$name" != network-policies ] || paths=("$name/manifests" "$name/ringfence")
	[ "$name" != kubernetes ] || paths=("$name")
	[ "$name" != fleet ] || paths+=("$name/workloads")
	status=0 word=ALLOW
	[ "$verdict" = allow ] || status=1 word=DENY
	expect "$name: $from -> $to $port: $verdict" "$status" "^$word" '' explain "${paths[@]}" "$from" "$to" "$port"
done <<-'END'
	three-teams allow world platform/ingress-1 https
	three-teams allow platform/ingress-2 storefront/web-1 http
	three-teams allow storefront/cart-2 payments/api-1 grpc
	three-teams allow payments/ledger-db-1 platform/dns-2 53/udp
	three-teams allow payments/api-2 203.0.113.20 443/tcp
	three-teams allow 198.51.100.70 platform/prometheus-1 web
	three-teams deny payments/api-2 203.0.113.40 443/tcp
	three-teams deny storefront/web-1 payments/ledger-1 grpc
	three-teams deny storefront/web-1 203.0.113.20 443/tcp
	three-teams deny world payments/api-1 grpc
	image-pipeline allow world images/gateway-1 https
	image-pipeline allow images/rabbitmq-1 images/resize-a03 invoke
	image-pipeline allow images/backfill-1 198.51.100.7 443/tcp
	image-pipeline deny images/backfill-1 images/rabbitmq-1 amqp
	image-pipeline deny images/resize-a01 images/publish-5d9 invoke
	image-pipeline deny images/gateway-1 198.51.100.7 443/tcp
	kubernetes allow shop/web-0 shop/db-0 5432/tcp
	kubernetes allow monitoring/prometheus-0 shop/db-0 9187/tcp
	kubernetes deny monitoring/prometheus-0 shop/db-0 5432/tcp
	kubernetes deny world shop/web-0 8080/tcp
	network-policies allow ingress-nginx/ingress-nginx-controller-5b9c8d7f6-jw3rl bookshop/web-6d5f7c9b4-q7v5n 8080/tcp
	network-policies allow bookshop/api-7c8d9f6b5-4m2wz 203.0.113.7 443/tcp
	network-policies allow bookshop/db-0 kube-system/coredns-5d78c9869d-8zk4t 53/udp
	network-policies deny bookshop/api-7c8d9f6b5-4m2wz 203.0.113.200 443/tcp
	network-policies deny bookshop/web-6d5f7c9b4-2xk8p bookshop/db-0 5432/tcp
	network-policies deny world bookshop/db-0 5432/tcp
	systemd-host allow world host/nginx-1 https
	systemd-host allow host/backup-1 198.51.100.201 22/tcp
	systemd-host deny host/backup-1 198.51.100.7 22/tcp
	systemd-host deny host/nginx-1 host/postgresql-1 5432/tcp
	systemd-host deny node host/app-1 http
	fleet allow world shop/web-1 http
	fleet allow shop/web-1 shop/api-1 http
	fleet deny shop/web-1 shop/db-1 sql
END
expect "image-pipeline: backfill ends on its day: not yet" 0 '^ALLOW' '' explain --at 2036-06-30T23:59:59Z image-pipeline/policy images/backfill-1 198.51.100.7 443/tcp
expect "image-pipeline: and is over" 1 '^DENY' '' explain --at 2036-07-01 image-pipeline/policy images/backfill-1 198.51.100.7 443/tcp

# ---- systemd-host: its namespaces route, and the kernel keeps them apart ----

units() {
	mount -t tmpfs none /run/netns && ip link set lo up
	cd "$EXAMPLES/systemd-host/units"
	./unit-namespace up app 10.0.4.12
	./unit-namespace up postgresql 10.0.4.13
	./unit-namespace up nginx 10.0.4.11
	"$RINGFENCE" compile --node host-1 ../policy | nft -f -
	# Nobody listens: an allowed connection is refused by the other end at once, a denied one hears nothing.
	local from
	for from in "ip netns exec app" "ip netns exec nginx" ""; do
		$from timeout 1 bash -c 'echo >/dev/tcp/10.0.4.13/5432' 2>/dev/null
		echo "${from:-host} $?"
	done
	./unit-namespace down app
	test ! -e /run/netns/app
}
if [ "$(id -u)" -eq 0 ]; then
	export -f units
	export EXAMPLES RINGFENCE
	mkdir -p /run/netns
	unshare -n -m bash -c units >"$WORK/out" 2>"$WORK/err" || echo failed >>"$WORK/out"
	holds "systemd-host: app reaches PostgreSQL, nginx and the host do not" \
		test "$(cat "$WORK/out")" = $'ip netns exec app 1\nip netns exec nginx 124\nhost 124'
fi
finish
