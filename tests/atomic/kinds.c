/* Worlds that follow each other, in the words of the language. */
#include "tests/atomic/kinds.h"

#include "tests/lab/lab.h"

/* ---- places ---- */

const struct kind_place kind_places[PLACE_COUNT] = {
    {"web", 0, {"10.0.1.11", "fd00:1::11"}},
    {"web-b", 0, {"10.0.1.111", "fd00:1::111"}},
    {"job", 1, {"10.0.1.12", "fd00:1::12"}},
    {"api", 2, {"10.0.1.13", "fd00:1::13"}},
    {"db", 3, {"10.0.1.14", "fd00:1::14"}},
    {"far", LAB_OUTSIDE, {"10.0.2.21", "fd00:2::21"}},
    {"net", LAB_OUTSIDE, {"203.0.113.10", "2001:db8:10::10"}},
    {"world", LAB_OUTSIDE, {"198.51.100.10", "2001:db8:20::10"}},
    {"crowd", LAB_OUTSIDE, {"10.9.0.1", "fd00:9::1"}},
};

#define AT_WEB "node: node-a, interface: v0, addresses: [10.0.1.11, \"fd00:1::11\"]"
#define AT_WEB_B "node: node-a, interface: v0, addresses: [10.0.1.111, \"fd00:1::111\"]"
#define AT_BOTH "node: node-a, interface: v0, addresses: [10.0.1.11, 10.0.1.111, \"fd00:1::11\", \"fd00:1::111\"]"
#define AT_JOB "node: node-a, interface: v1, addresses: [10.0.1.12, \"fd00:1::12\"]"
#define AT_API "node: node-a, interface: v2, addresses: [10.0.1.13, \"fd00:1::13\"]"
#define AT_DB "node: node-a, interface: v3, addresses: [10.0.1.14, \"fd00:1::14\"]"
#define AT_FAR "node: node-b, addresses: [10.0.2.21, \"fd00:2::21\"]"
#define AT_WORLD "node: node-b, addresses: [198.51.100.10, \"2001:db8:20::10\"]"

#define WORKLOAD(name, labels, at) "  - {name: " name ", namespace: shop, labels: {" labels "}, " at "}\n"
#define WORKLOADS "ringfence: v1\nworkloads:\n"
#define WEB WORKLOAD("web", "app: web", AT_WEB)
#define JOB WORKLOAD("job", "app: job", AT_JOB)
#define API WORKLOAD("api", "app: api", AT_API)
#define DB WORKLOAD("db", "app: db", AT_DB)
#define FAR WORKLOAD("far", "app: web", AT_FAR)
#define EVERYBODY WORKLOADS WEB JOB API DB FAR

/* ---- policies ---- */

#define NODES(pool)                                                        \
	"ringfence: v1\nnodes:\n"                                          \
	"  node-a: {addresses: [192.0.2.1, \"2001:db8:ff::1\"]" pool "}\n" \
	"  node-b: {addresses: [192.0.2.2]}\n---\n"
#define POOL ", workload_networks: [10.0.1.0/24, \"fd00:1::/64\"]"

#define SERVICE(name, app) "  " name ": {workloads: {app: " app "}, ports: {echo: 8080/udp}}\n"
#define SERVICES_WITH(web)                                                                            \
	"ringfence: v1\nnamespace: shop\nservices:\n" web SERVICE("job", "job") SERVICE("api", "api") \
	    SERVICE("db", "db")
#define SERVICES SERVICES_WITH(SERVICE("web", "web"))
#define ALLOW(what) "  - {" what "}\n"

/* Natively, everybody isolated. The job may always call the api. */
#define POLICY(allows) NODES("") SERVICES "allow:\n" ALLOW("from: job, to: api") allows

/* Allows that the label `by` chooses from, such that the peer stands in another set for each. */
#define BY_SOURCE                                                             \
	POLICY(ALLOW("from: {labels: {by: key}}, to: api, ports: [8080/udp]") \
		   ALLOW("from: {labels: {by: host}}, to: api, ports: [any]") \
		       ALLOW("from: {labels: {by: range}}, to: api, ports: [8000-8100/udp]"))
#define BY_DESTINATION                                                               \
	POLICY(ALLOW("from: [web, job], to: {labels: {by: key}}, ports: [8080/udp]") \
		   ALLOW("from: [web, job], to: {labels: {by: host}}, ports: [any]") \
		       ALLOW("from: [web, job], to: {labels: {by: range}}, ports: [8000-8100/udp]"))
#define SOURCE(by)                                             \
	WORKLOADS WORKLOAD("web", "app: web, by: " by, AT_WEB) \
	JOB API DB
#define FAR_SOURCE(by) WORKLOADS WEB JOB API DB WORKLOAD("far", "app: web, by: " by, AT_FAR)
#define DESTINATION(by) WORKLOADS WEB JOB WORKLOAD("api", "app: api, by: " by, AT_API) DB

#define NETWORKS(net)                                                                                 \
	NODES("")                                                                                     \
	SERVICES "networks:\n  net: " net "\nallow:\n" ALLOW("from: web, to: net, ports: [8080/udp]") \
	    ALLOW("from: net, to: api, ports: [8080/udp]")

/* Rules of NetworkPolicy, which hold for one end. */
#define PEER(labels) "{podSelector: {matchLabels: {" labels "}}}"
#define NETWORK_POLICY(name, selector, spec)                                                                        \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " name ", namespace: shop}\n" \
	"spec:\n  podSelector: {matchLabels: {" selector "}}\n" spec
#define EGRESS_TO(peer) "  policyTypes: [Egress]\n  egress: [{to: [" peer "], ports: [{port: 8080, protocol: UDP}]}]\n"
#define INGRESS_FROM(peer) \
	"  policyTypes: [Ingress]\n  ingress: [{from: [" peer "], ports: [{port: 8080, protocol: UDP}]}]\n"
#define ALWAYS                                                        \
	NETWORK_POLICY("job", "app: job", EGRESS_TO(PEER("app: db"))) \
	NETWORK_POLICY("db", "app: db", INGRESS_FROM(PEER("app: job")))

/* What the web may send and what the api may receive: never the same. */
#define ONE_SIDED(to, from)                                                   \
	NODES("")                                                             \
	ALWAYS NETWORK_POLICY("web", "app: web", EGRESS_TO(PEER("app: " to))) \
	    NETWORK_POLICY("api", "app: api", INGRESS_FROM(PEER("app: " from)))
#define ONE_SIDED_BY_LABEL                                                       \
	NODES("")                                                                \
	ALWAYS NETWORK_POLICY("sends", "may: send", EGRESS_TO(PEER("app: api"))) \
	    NETWORK_POLICY("silent", "may: call", EGRESS_TO(PEER("app: db")))    \
		NETWORK_POLICY("api", "app: api", INGRESS_FROM(PEER("may: call")))
#define ISOLATED_BY_LABEL                                                           \
	NODES("")                                                                   \
	ALWAYS NETWORK_POLICY("web", "isolated: full", EGRESS_TO(PEER("app: api"))) \
	    NETWORK_POLICY("api", "app: api", INGRESS_FROM(PEER("app: web")))

/* ---- kinds ---- */

const struct kind kinds[KIND_COUNT] = {
    {"a workload comes and goes",
     2,
     {{POLICY(ALLOW("from: web, to: api")), WORKLOADS JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 0}},
     "job>api:8080 job>api:9000 web>api:8080 web>api:9000 web>db:8080 db>api:8080"},
    {"a workload in a pool comes and goes",
     2,
     {{NODES(POOL) SERVICES "allow:\n" ALLOW("from: job, to: api") ALLOW("from: web, to: api"), WORKLOADS JOB API DB,
       0},
      {NODES(POOL) SERVICES "allow:\n" ALLOW("from: job, to: api") ALLOW("from: web, to: api"),
       WORKLOADS WEB JOB API DB, 0}},
     "job>api:8080 web>world:8080 world>web:8080 web>api:8080 web>job:8080 web>far:8080"},
    {"a workload of another node comes and goes",
     2,
     {{POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api")), EVERYBODY, 0}},
     "job>api:8080 web>api:8080 far>api:8080 far>api:9000 far>db:8080 api>far:8080"},
    {"a local source is relabelled, from a keyed port to any port",
     2,
     {{BY_SOURCE, SOURCE("key"), 0}, {BY_SOURCE, SOURCE("host"), 0}},
     "job>api:8080 web>api:8080 web>api:9000 web>db:8080 job>api:9000"},
    {"a local source is relabelled, from a keyed port to any port to a range",
     3,
     {{BY_SOURCE, SOURCE("key"), 0}, {BY_SOURCE, SOURCE("host"), 0}, {BY_SOURCE, SOURCE("range"), 0}},
     "job>api:8080 web>api:8080 web>api:9000 web>db:8080 job>api:9000"},
    {"a source of another node is relabelled, from a keyed port to any port",
     2,
     {{BY_SOURCE, FAR_SOURCE("key"), 0}, {BY_SOURCE, FAR_SOURCE("host"), 0}},
     "job>api:8080 far>api:8080 far>api:9000 far>db:8080 web>api:8080"},
    {"a destination is relabelled, from a keyed port to any port",
     2,
     {{BY_DESTINATION, DESTINATION("key"), 0}, {BY_DESTINATION, DESTINATION("host"), 0}},
     "job>api:8080 web>api:8080 web>api:9000 web>db:8080 db>api:8080"},
    {"a destination is relabelled, from a keyed port to any port to a range",
     3,
     {{BY_DESTINATION, DESTINATION("key"), 0},
      {BY_DESTINATION, DESTINATION("host"), 0},
      {BY_DESTINATION, DESTINATION("range"), 0}},
     "job>api:8080 web>api:8080 web>api:9000 web>db:8080 db>api:8080"},
    {"a workload gets another service's label, of which the api is reached as well",
     2,
     {{POLICY(ALLOW("from: web, to: api") ALLOW("from: web, to: db")), WORKLOADS WEB JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api") ALLOW("from: web, to: db")),
       WORKLOADS WORKLOAD("web", "app: job", AT_WEB) JOB API DB, 0}},
     "web>api:8080 job>api:8080 web>db:8080 web>job:8080 job>db:8080"},
    {"a workload moves to another address",
     2,
     {{POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api")), WORKLOADS WORKLOAD("web", "app: web", AT_WEB_B) JOB API DB, 0}},
     "job>api:8080 web>api:8080 web-b>api:8080 web>db:8080 web-b>db:8080"},
    {"a workload gets a second address",
     2,
     {{POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api")), WORKLOADS WORKLOAD("web", "app: web", AT_BOTH) JOB API DB, 0}},
     "web>api:8080 job>api:8080 web-b>api:8080 web-b>db:8080 web>db:8080"},
    {"an address goes from one workload to another",
     2,
     {{POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api")), WORKLOADS WORKLOAD("job-2", "app: job", AT_WEB) JOB API DB, 0}},
     "web>api:8080 job>api:8080 web>db:8080 job>api:9000"},
    {"two workloads swap their labels",
     2,
     {{POLICY(ALLOW("from: web, to: api, ports: [any]") ALLOW("from: web, to: db")), WORKLOADS WEB JOB API DB, 0},
      {POLICY(ALLOW("from: web, to: api, ports: [any]") ALLOW("from: web, to: db")),
       WORKLOADS WORKLOAD("web", "app: job", AT_WEB) WORKLOAD("job", "app: web", AT_JOB) API DB, 0}},
     "web>api:8080 job>api:8080 web>api:9000 job>db:8080 web>job:8080 job>web:8080 db>api:8080"},
    {"a set outgrows its size",
     2,
     {{POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 60},
      {POLICY(ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB, 140}},
     "web>api:8080 job>api:8080 crowd>api:8080 crowd>api:9000 crowd>db:8080"},
    {"an allow is split in two",
     2,
     {{POLICY(ALLOW("from: [web, db], to: api, ports: [8080/udp, 8081/udp]")), EVERYBODY, 0},
      {POLICY(ALLOW("from: web, to: api, ports: [8080/udp, 8081/udp]")
		  ALLOW("from: db, to: api, ports: [8080/udp, 8081/udp]")),
       EVERYBODY, 0}},
     "web>api:8080 far>api:8081 db>api:8080 job>api:8080 web>api:9000 web>db:8080"},
    {"ports are widened and narrowed",
     3,
     {{POLICY(ALLOW("from: web, to: api, ports: [8080/udp]")), EVERYBODY, 0},
      {POLICY(ALLOW("from: web, to: api, ports: [8000-8100/udp]")), EVERYBODY, 0},
      {POLICY(ALLOW("from: web, to: api, ports: [any]")), EVERYBODY, 0}},
     "web>api:8080 far>api:8080 web>api:9000 job>api:9000 web>db:8080 job>api:8080"},
    {"a service is renamed",
     2,
     {{POLICY(ALLOW("from: web, to: api")), EVERYBODY, 0},
      {NODES("") SERVICES_WITH(SERVICE("storefront", "web")) "allow:\n" ALLOW("from: job, to: api")
	   ALLOW("from: storefront, to: api"),
       EVERYBODY, 0}},
     "web>api:8080 far>api:8080 job>api:8080 web>db:8080 web>api:9000 far>web:8080"},
    {"a service is replaced by labels",
     2,
     {{POLICY(ALLOW("from: web, to: api")), EVERYBODY, 0},
      {POLICY(ALLOW("from: {labels: {app: web}}, to: api")), EVERYBODY, 0}},
     "web>api:8080 far>api:8080 job>api:8080 web>db:8080 web>api:9000"},
    {"an allow gets an end, and a log",
     3,
     {{POLICY(ALLOW("from: web, to: api")), EVERYBODY, 0},
      {POLICY(ALLOW("from: web, to: api, until: 2099-01-01")), EVERYBODY, 0},
      {POLICY(ALLOW("from: web, to: api, log: true")), EVERYBODY, 0}},
     "web>api:8080 far>api:8080 job>api:8080 web>db:8080 web>api:9000"},
    {"a network is written otherwise",
     3,
     {{NETWORKS("[203.0.113.0/24, \"2001:db8:10::/64\"]"), EVERYBODY, 0},
      {NETWORKS("[203.0.113.0/25, 203.0.113.128/26, \"2001:db8:10::/65\"]"), EVERYBODY, 0},
      {NETWORKS("{cidrs: [203.0.0.0/16, \"2001:db8::/32\"], except: [203.0.200.0/24, \"2001:db8:20::/48\"]}"),
       EVERYBODY, 0}},
     "web>net:8080 net>api:8080 web>world:8080 world>api:8080 web>net:9000 job>net:8080"},
    {"another workload is put into quarantine",
     2,
     {{POLICY(ALLOW("from: [web, db], to: api")), EVERYBODY, 0},
      {POLICY(ALLOW("from: [web, db], to: api")) "quarantine:\n  - {workload: shop/db}\n", EVERYBODY, 0}},
     "web>api:8080 far>api:8080 job>api:8080 db>api:8080 db>web:8080 web>db:8080"},
    {"NetworkPolicies change, egress of the old and ingress of the new would allow",
     2,
     {{ONE_SIDED("api", "job"), EVERYBODY, 0}, {ONE_SIDED("job", "web"), EVERYBODY, 0}},
     "web>api:8080 job>db:8080 web>api:9000 web>db:8080 far>api:9000"},
    {"a pod is relabelled, egress of the old and ingress of the new would allow",
     2,
     {{ONE_SIDED_BY_LABEL, WORKLOADS WORKLOAD("web", "may: send", AT_WEB) JOB API DB, 0},
      {ONE_SIDED_BY_LABEL, WORKLOADS WORKLOAD("web", "may: call", AT_WEB) JOB API DB, 0}},
     "web>api:8080 job>db:8080 web>api:9000 web>job:8080"},
    {"a pod becomes isolated, and what it does is allowed",
     2,
     {{ISOLATED_BY_LABEL, WORKLOADS WORKLOAD("web", "app: web", AT_WEB) JOB API DB, 0},
      {ISOLATED_BY_LABEL, WORKLOADS WORKLOAD("web", "app: web, isolated: full", AT_WEB) JOB API DB, 0}},
     "web>api:8080 job>db:8080 web>api:9000 web>db:8080 web>net:8080"},
    {"an address of the world becomes a workload, which is allowed as well",
     2,
     {{POLICY(ALLOW("from: world, to: api, ports: [8080/udp]") ALLOW("from: web, to: api")), WORKLOADS WEB JOB API DB,
       0},
      {POLICY(ALLOW("from: world, to: api, ports: [8080/udp]") ALLOW("from: web, to: api")),
       WORKLOADS WEB JOB API DB WORKLOAD("far", "app: web", AT_WORLD), 0}},
     "world>api:8080 web>api:8080 net>api:8080 world>api:9000 world>db:8080 db>api:8080"},
    {"a peer is widened to the world and back",
     2,
     {{POLICY(ALLOW("from: [web, {cidr: 198.51.100.0/24}, {cidr: \"2001:db8:20::/48\"}], to: api, ports: [8080/udp]")),
       EVERYBODY, 0},
      {POLICY(ALLOW("from: [web, world], to: api, ports: [8080/udp]")), EVERYBODY, 0}},
     "world>api:8080 web>api:8080 far>api:8080 net>api:8080 world>api:9000 world>db:8080"},
};
