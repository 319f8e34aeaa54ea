# shellcheck shell=bash
# A Kubernetes API for the scenarios that source this behind ../lib.sh: api.py in the namespace `outside`, at an address
# of the world, with certificates made here, and a service account as the kubelet mounts one. Sourced.

KUBE=198.51.100.10
KUBE_PORT=6443
MARK=0

# A certificate authority, and a server's certificate of it: $WORK/NAME.crt, and $WORK/NAME-server.{crt,key}.
kube_certificates() { # NAME
	{
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
			-keyout "$WORK/$1.key" -out "$WORK/$1.crt"
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=kube-apiserver \
			-keyout "$WORK/$1-server.key" -out "$WORK/$1.csr"
		openssl x509 -req -in "$WORK/$1.csr" -CA "$WORK/$1.crt" -CAkey "$WORK/$1.key" -CAcreateserial -days 2 \
			-extfile <(echo "subjectAltName=IP:$KUBE,DNS:kubernetes.default.svc") -out "$WORK/$1-server.crt"
	} 2>"$WORK/openssl" || {
		note "$(cat "$WORK/openssl")"
		return 1
	}
}

# Puts a token in place as the kubelet does: into a new directory, to which the link ..data is turned at once.
kube_token() { # TOKEN
	local directory
	directory=$(mktemp -d "$ACCOUNT/..2026.XXXXXX")
	chmod 755 "$directory"
	cp "$WORK/cluster.crt" "$directory/ca.crt"
	echo "$1" >"$directory/token"
	ln -s "${directory##*/}" "$ACCOUNT/..new"
	mv -T "$ACCOUNT/..new" "$ACCOUNT/..data"
}

kube_accept() { printf '%s\n' "$@" >"$WORK/.tokens"; mv "$WORK/.tokens" "$WORK/tokens"; } # TOKEN...

kube_start() { # [CERTIFICATE]
	start "$WORK/kube.log" outside python3 "$ROOT/tests/packets/kubernetes/api.py" --address "$KUBE" --port "$KUBE_PORT" \
		--certificate "$WORK/${1:-cluster}-server.crt" --key "$WORK/${1:-cluster}-server.key" \
		--control "$WORK/kube.sock" --tokens "$WORK/tokens" --state "$WORK/kube.json"
	KUBE_PID=$STARTED_PID
	await 60 grep -q ready "$WORK/kube.log" || note "no API: $(cat "$WORK/kube.log.err")"
}

kube_stop() { stop "$KUBE_PID" KILL; }

kube() { # METHOD PATH [JSON]
	curl -sS --fail --noproxy '*' --unix-socket "$WORK/kube.sock" -X "$1" -d "${3:-{\}}" "http://kube$2" || note "kube $*: failed"
}
kube_do() { kube POST "/do/$1" "${2:-{\}}"; } # WHAT [JSON]

pod() { # NAME APP [MORE]; a pod of shop at the addresses of the workload NAME
	kube PUT "/pods/shop/$1" "{\"labels\": {\"app\": \"$2\"}, \"ips\": [\"${ADDRESS4[$1]}\", \"${ADDRESS6[$1]}\"]${3:+, $3}}"
}
pod_gone() { kube DELETE "/pods/shop/$1"; }

kube_nodes() {
	kube PUT /nodes/node-a '{"ips": ["192.0.2.1", "2001:db8:ff::1"], "cidrs": ["10.0.1.0/24", "fd00:1::/64"]}'
	kube PUT /nodes/node-b '{"ips": ["192.0.2.2"], "cidrs": ["10.0.2.0/24", "fd00:2::/64"]}'
}

kube_setup() {
	command -v openssl >/dev/null || skip_all "openssl is not installed"
	ACCOUNT=$WORK/serviceaccount
	mkdir "$ACCOUNT"
	ln -s ..data/token "$ACCOUNT/token"
	ln -s ..data/ca.crt "$ACCOUNT/ca.crt"
	kube_certificates cluster
	chmod 755 "$WORK"
	kube_token first
	kube_accept first
	kube_start
}

daemon_config() { # DRIFT
	cat >"$WORK/ringfenced.yaml" <<-END
		node: ${KUBE_NODE:-node-a}
		policy: {directory: $POLICY}
		workloads:
		  - {source: kubernetes, server: "https://$KUBE:$KUBE_PORT", ca: $ACCOUNT/ca.crt, token: $ACCOUNT/token}
		user: $DAEMON_USER
		drift: $1
		control: {socket: $WORK/control.sock}
		$([ -z "$METRICS" ] || echo "metrics: {listen: \"$METRICS\"}")
		$([ -z "$STATE" ] || echo "state: $STATE")
	END
}

# What the daemon says of its source.
source_is() { [ "$(status | jq -r ".sources[] | select(.source == \"kubernetes\") | $1")" = "$2" ]; } # FILTER VALUE
source_well() { source_is '.problem' null; }
# That it told a problem since the last `mark`, also where it is well again.
mark() { MARK=$(wc -l <"$WORK/daemon.log"); }
source_ill() { grep -qE -- "source kubernetes: .*($1)" <<<"$(tail -n "+$((MARK + 1))" "$WORK/daemon.log")"; } # REGEX
source_was_ill() { await 60 source_ill "$1"; }
asked() { kube GET /log | grep -cE -- "$1" || true; } # REGEX; how often the API was asked for this
asked_over() { [ "$(asked "$2")" -gt "$1" ]; } # COUNT REGEX
has_pod() { "$RINGFENCE" status "shop/$1" --socket "$SOCKET"; }
has_far_pod() { grep -q 'runs on node-b' <<<"$("$RINGFENCE" status "shop/$1" --socket "$SOCKET" 2>&1)"; }
has_no_pod() { ! has_pod "$1"; }
