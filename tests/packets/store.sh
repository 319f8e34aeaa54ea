# shellcheck shell=bash
# An etcd store of one or three members in the namespace of the node, with TLS and client certificates. Sourced by
# scenarios behind lib.sh. Members listen on every address: other namespaces reach them by 169.254.1.1.

STORE_MEMBERS=1
STORE_PIDS=()
STORE_AS=() # options that say as whom etcdctl speaks
STORE_DIR= # where members keep what they have: in memory, where they need not wait for a disk that others use

# A certificate of the store's authority: NAME and the subject's alternative names.
store_certificate() { # NAME SAN
	# Without a common name: with users, etcd refuses requests by JSON from whoever has one (it would be the user).
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$WORK/$1.key" -subj "/O=$1" \
		-out "$WORK/$1.csr" 2>/dev/null
	openssl x509 -req -in "$WORK/$1.csr" -CA "$WORK/ca.pem" -CAkey "$WORK/ca.key" -CAcreateserial -days 2 \
		-extfile <(echo "subjectAltName=$2") -out "$WORK/$1.pem" 2>/dev/null
	chown "$DAEMON_USER" "$WORK/$1.key"
}

store_authority() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$WORK/$1.key" \
		-out "$WORK/$1.pem" -days 2 -subj "/CN=$1" 2>/dev/null
}

store_member() { # NUMBER; starts it, new or with what it had
	local n=$1 cluster= i state=new
	for ((i = 1; i <= STORE_MEMBERS; i++)); do cluster+="${cluster:+,}m$i=http://127.0.0.1:2${i}80"; done
	become node env ETCD_UNSUPPORTED_ARCH=arm64 etcd --name "m$n" --data-dir "$STORE_DIR/$n" \
		--listen-client-urls "https://0.0.0.0:2${n}79" --advertise-client-urls "https://127.0.0.1:2${n}79" \
		--listen-peer-urls "http://127.0.0.1:2${n}80" --initial-advertise-peer-urls "http://127.0.0.1:2${n}80" \
		--initial-cluster "$cluster" --initial-cluster-state "$state" --cert-file "$WORK/server.pem" \
		--key-file "$WORK/server.key" --trusted-ca-file "$WORK/ca.pem" --client-cert-auth \
		--enable-v2=false --logger zap --log-outputs stderr >>"$WORK/store-$n.log" 2>&1 &
	STORE_PIDS[n]=$!
	STARTED+=("$!")
}

store_start() {
	local i
	[ -n "$STORE_DIR" ] || STORE_DIR=$(mktemp -d /dev/shm/ringfence-store.XXXXXX)
	[ -e "$WORK/ca.pem" ] || {
		store_authority ca
		store_certificate server DNS:localhost,IP:127.0.0.1,IP:169.254.1.1
		store_certificate client DNS:client
	}
	for ((i = 1; i <= STORE_MEMBERS; i++)); do store_member "$i"; done
	await 20 store put /started 1 || note "the store does not start: $(tail -n 5 "$WORK/store-1.log")"
}

store_stop() { # [SIGNAL]
	local i
	for ((i = 1; i <= STORE_MEMBERS; i++)); do stop "${STORE_PIDS[i]}" "${1:-TERM}"; done
}

# etcdctl, as the client.
store() {
	local endpoints= i
	for ((i = 1; i <= STORE_MEMBERS; i++)); do endpoints+="${endpoints:+,}https://127.0.0.1:2${i}79"; done
	ETCDCTL_API=3 on node etcdctl --endpoints "$endpoints" --cacert "$WORK/ca.pem" --cert "$WORK/client.pem" \
		--key "$WORK/client.key" --command-timeout 3s "${STORE_AS[@]}" "$@"
}

# Says in the name of a node, without a signature, that what stands in the store is all of it (enforcer/fleet/statement.h).
store_mark() { # NODE
	store put "/ringfence/workloads/$1" "$(store get --prefix "/ringfence/workloads/$1/" -w json | python3 -c '
import base64, hashlib, json, sys, time
digests = []
for pair in json.load(sys.stdin).get("kvs", []):
    name = base64.b64decode(pair["key"]).split(b"/", 4)[4]
    if b"/" in name:
        record = base64.b64decode(pair.get("value", ""))
        digests.append(hashlib.blake2b(name + bytes(1) + record, digest_size=16).digest())
said = {"node": sys.argv[1], "sequence": str(time.time_ns() // 1000),
        "digest": hashlib.blake2b(b"".join(sorted(digests)), digest_size=32).hexdigest()}
print("ringfence-workloads 1\n" + json.dumps(said, separators=(",", ":")))' "$1")"$'\n' >/dev/null
}

# The entry of `workloads`, as seen from an address of the node's.
store_source() { # ADDRESS
	local endpoints= i
	for ((i = 1; i <= STORE_MEMBERS; i++)); do endpoints+="${endpoints:+, }\"https://$1:2${i}79\""; done
	echo "  - {source: etcd, endpoints: [$endpoints], ca: $WORK/ca.pem, certificate: $WORK/client.pem, key: $WORK/client.key${STORE_USER:-}}"
}

# What the commands of a person read: $WORK/store.yaml.
store_file() {
	local endpoints= i
	for ((i = 1; i <= STORE_MEMBERS; i++)); do endpoints+="${endpoints:+, }\"https://127.0.0.1:2${i}79\""; done
	cat >"$WORK/store.yaml" <<-END
		endpoints: [$endpoints]
		ca: $WORK/ca.pem
		certificate: $WORK/client.pem
		key: $WORK/client.key
	END
}
