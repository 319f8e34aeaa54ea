/* What manifests mean, as tables: a policy as people write it for a cluster, a flow, and the verdict that the reference
 * of networking.k8s.io/v1 gives it. And what pods, namespaces and lists tell of the inventory. */
#include <ringfence/arena.h>
#include <ringfence/explain.h>
#include <ringfence/frontend.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { NOW = 1800000000, TEXT_MAX = 8192 };

/* ---- reading ---- */

struct reading {
	struct arena *arena;
	struct diagnostics diagnostics;
	struct frontend frontend;
	struct world world;
};

static void reading_init(struct reading *reading)
{
	reading->arena = arena_create();
	diagnostics_init(&reading->diagnostics, reading->arena);
	frontend_init(&reading->frontend, reading->arena, &reading->diagnostics);
}

static void reading_add(struct reading *reading, const char *file, const char *text)
{
	char *copy = arena_copy(reading->arena, text, strlen(text)); /* a text lives as long as the reading */
	frontend_add_text(&reading->frontend, file, copy, strlen(copy));
}

static void reading_finish(struct reading *reading)
{
	frontend_finish(&reading->frontend);
	reading->world = (struct world){&reading->frontend.policy, &reading->frontend.inventory, NOW};
}

/* Reads a text without errors. */
static void read_text(struct reading *reading, const char *text)
{
	reading_init(reading);
	reading_add(reading, "case.yaml", text);
	reading_finish(reading);
	if (reading->diagnostics.errors > 0) {
		print_error("%s\n", text);
		diagnostics_print(&reading->diagnostics, stderr, false);
	}
	assert_int_equal(reading->diagnostics.errors, 0);
}

static bool allows(struct reading *reading, const char *from, const char *to, const char *port)
{
	struct endpoints sources, destinations;
	struct verdict verdict;
	struct flow flow;
	assert_null(endpoints_find(reading->arena, &reading->world, from, &sources));
	assert_null(endpoints_find(reading->arena, &reading->world, to, &destinations));
	assert_null(verdict_of_word(reading->arena, &reading->world, &sources, &destinations, port, &verdict, &flow));
	return verdict.allowed;
}

static void expect(const char *true_is, const char *text, const char *from, const char *to, const char *port,
		   bool allowed)
{
	struct reading reading;
	read_text(&reading, text);
	bool got = allows(&reading, from, to, port);
	arena_free(reading.arena);
	if (got != allowed)
		fail_msg("%s: %s -> %s %s is %s\n%s", true_is, from, to, port, got ? "allowed" : "denied", text);
}

/* ---- the cluster ---- */

#define NAMESPACE(name, labels) "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: " name ", labels: " labels "}\n"
#define POD(space, name, labels, node, host, ips, ports)                                                         \
	"---\napiVersion: v1\nkind: Pod\nmetadata: {name: " name ", namespace: " space ", labels: " labels "}\n" \
	"spec: {nodeName: " node ", containers: [{name: c, ports: " ports "}]}\n"                                \
	"status: {phase: Running, hostIP: " host ", podIPs: " ips "}\n"
#define CLUSTER                                                                                             \
	NAMESPACE("x", "{team: a}")                                                                         \
	NAMESPACE("y", "{team: b}")                                                                         \
	POD("x", "web", "{app: web}", "n0", "192.0.2.1", "[{ip: 10.0.1.1}, {ip: \"fd00::1\"}]",             \
	    "[{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]")           \
	POD("x", "api", "{app: api, tier: gold}", "n0", "192.0.2.1", "[{ip: 10.0.1.2}, {ip: \"fd00::2\"}]", \
	    "[{name: http, containerPort: 80}]")                                                            \
	POD("x", "bare", "{}", "n1", "192.0.2.2", "[{ip: 10.0.1.3}]", "[]")                                 \
	POD("y", "web", "{app: web}", "n1", "192.0.2.2", "[{ip: 10.0.2.1}]", "[]")                          \
	POD("y", "db", "{app: db}", "n1", "192.0.2.2", "[{ip: 10.0.2.2}]", "[]")                            \
	POD("z", "web", "{app: web}", "n1", "192.0.2.2", "[{ip: 10.0.3.1}]", "[]")
#define NAMED(name, spec)                                                                                              \
	"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " name ", namespace: x}\nspec: " \
	"{" spec "}\n"
#define POLICY(spec) CLUSTER NAMED("p", spec)
#define TO_API(rule) POLICY("podSelector: {matchLabels: {app: api}}, ingress: [" rule "]")
#define FROM_WEB(rule) POLICY("podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [" rule "]")
#define NATIVE(text) "---\nringfence: v1\nnamespace: x\n" text "\n"

/* ---- verdicts ---- */

struct flow_case {
	const char *true_is; /* what the case shows */
	const char *text;
	const char *from, *to, *port;
	bool allowed;
};

static const struct flow_case rules[] = {
    {"without a policy everything is open", CLUSTER, "x/web", "x/api", "1/tcp", true},
    {"a policy closes whom it selects", TO_API(""), "x/web", "x/api", "80/tcp", false},
    {"and nobody else of the namespace", TO_API(""), "x/web", "x/bare", "80/tcp", true},
    {"and nobody of another with the same labels", POLICY("podSelector: {matchLabels: {app: web}}"), "x/api", "y/web",
     "80/tcp", true},
    {"and not the other direction", TO_API(""), "x/api", "x/web", "80/tcp", true},
    {"to addresses outside too", TO_API(""), "198.51.100.1", "x/api", "80/tcp", false},
    {"a pod reaches itself", TO_API(""), "x/api", "x/api", "80/tcp", true},
    {"policies add up", TO_API("{ports: [{port: 1}]}") NAMED("q", "podSelector: {}, ingress: [{ports: [{port: 2}]}]"),
     "x/web", "x/api", "1/tcp", true},
    {"each with its own", TO_API("{ports: [{port: 1}]}") NAMED("q", "podSelector: {}, ingress: [{ports: [{port: 2}]}]"),
     "x/web", "x/api", "2/tcp", true},
    {"and no more", TO_API("{ports: [{port: 1}]}") NAMED("q", "podSelector: {}, ingress: [{ports: [{port: 2}]}]"),
     "x/web", "x/api", "3/tcp", false},
    {"rules add up", TO_API("{ports: [{port: 1}]}, {ports: [{port: 2}]}"), "x/web", "x/api", "2/tcp", true},
    {"an empty rule is everyone on everything", TO_API("{}"), "198.51.100.1", "x/api", "7/sctp", true},
    {"and every protocol", TO_API("{}"), "198.51.100.1", "x/api", "icmp", true},
    {"a port is no ICMP", TO_API("{ports: [{protocol: TCP}]}"), "198.51.100.1", "x/api", "icmp", false},
    {"a rule of egress opens its destination", FROM_WEB("{to: [{podSelector: {matchLabels: {app: api}}}]}"), "x/web",
     "x/api", "80/tcp", true},
    {"and no other", FROM_WEB("{to: [{podSelector: {matchLabels: {app: api}}}]}"), "x/web", "x/bare", "80/tcp", false},
    {"the last of its peers too",
     FROM_WEB("{to: [{ipBlock: {cidr: 198.51.100.0/24}}, {namespaceSelector: {matchLabels: {team: b}}}]}"), "x/web",
     "y/db", "80/tcp", true},
    {"and the first", FROM_WEB("{to: [{ipBlock: {cidr: 198.51.100.0/24}}, {namespaceSelector: {}}]}"), "x/web",
     "198.51.100.1", "80/tcp", true},
    {"both sides must allow",
     FROM_WEB("{to: [{podSelector: {}}]}") NAMED("q", "podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress]"),
     "x/web", "x/api", "80/tcp", false},
};

static const struct flow_case types[] = {
    {"types Ingress", POLICY("podSelector: {}, policyTypes: [Ingress]"), "x/web", "y/db", "1/tcp", true},
    {"types Ingress, and in", POLICY("podSelector: {}, policyTypes: [Ingress]"), "y/db", "x/web", "1/tcp", false},
    {"types Egress", POLICY("podSelector: {}, policyTypes: [Egress]"), "x/web", "y/db", "1/tcp", false},
    {"types Egress, and in", POLICY("podSelector: {}, policyTypes: [Egress]"), "y/db", "x/web", "1/tcp", true},
    {"both types", POLICY("podSelector: {}, policyTypes: [Egress, Ingress]"), "x/web", "y/db", "1/tcp", false},
    {"both types, and in", POLICY("podSelector: {}, policyTypes: [Egress, Ingress]"), "y/db", "x/web", "1/tcp", false},
    {"a type twice is once", POLICY("podSelector: {}, policyTypes: [Egress, Egress]"), "y/db", "x/web", "1/tcp", true},
    {"ingress rules without their type do not count",
     POLICY("podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 1}]}]"), "y/db", "x/web", "2/tcp", true},
    {"nor for another policy",
     POLICY("podSelector: {}, policyTypes: [Egress], ingress: [{}]") NAMED("q", "podSelector: {}"), "y/db", "x/web",
     "1/tcp", false},
    {"egress rules without their type do not count",
     POLICY("podSelector: {}, policyTypes: [Ingress], egress: [{ports: [{port: 1}]}]"), "x/web", "y/db", "2/tcp", true},
    {"nor those", POLICY("podSelector: {}, policyTypes: [Ingress], egress: [{}]") NAMED("q", "policyTypes: [Egress]"),
     "x/web", "y/db", "1/tcp", false},
};

#define BLOCK(block) TO_API("{from: [{ipBlock: " block "}]}")
#define FROM(peer) TO_API("{from: [" peer "]}")

static const struct flow_case peers[] = {
    {"podSelector alone is the own namespace", FROM("{podSelector: {matchLabels: {app: web}}}"), "x/web", "x/api",
     "1/tcp", true},
    {"and no other", FROM("{podSelector: {matchLabels: {app: web}}}"), "y/web", "x/api", "1/tcp", false},
    {"an empty podSelector is all of it", FROM("{podSelector: {}}"), "x/bare", "x/api", "1/tcp", true},
    {"and no pod of another", FROM("{podSelector: {}}"), "y/web", "x/api", "1/tcp", false},
    {"and no address outside", FROM("{podSelector: {}}"), "198.51.100.1", "x/api", "1/tcp", false},
    {"namespaceSelector alone is all of its pods", FROM("{namespaceSelector: {matchLabels: {team: b}}}"), "y/db",
     "x/api", "1/tcp", true},
    {"and not the own namespace's", FROM("{namespaceSelector: {matchLabels: {team: b}}}"), "x/web", "x/api", "1/tcp",
     false},
    {"an empty namespaceSelector is every pod", FROM("{namespaceSelector: {}}"), "z/web", "x/api", "1/tcp", true},
    {"and no address outside, empty or not", FROM("{namespaceSelector: {}}"), "198.51.100.1", "x/api", "1/tcp", false},
    {"both selectors mean both",
     FROM("{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}"), "y/web", "x/api",
     "1/tcp", true},
    {"and not one", FROM("{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}"),
     "y/db", "x/api", "1/tcp", false},
    {"nor the other", FROM("{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}"),
     "x/web", "x/api", "1/tcp", false},
    {"two entries mean either",
     FROM("{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}"), "y/db", "x/api",
     "1/tcp", true},
    {"both of them", FROM("{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}"),
     "x/web", "x/api", "1/tcp", true},
    {"a namespace has its name as label", FROM("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}}"),
     "y/db", "x/api", "1/tcp", true},
    {"also one that no manifest defines", FROM("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}"),
     "z/web", "x/api", "1/tcp", true},
    {"which has no other", FROM("{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}"),
     "z/web", "x/api", "1/tcp", true},
    {"a block is its addresses", BLOCK("{cidr: 198.51.100.0/24}"), "198.51.100.255", "x/api", "1/tcp", true},
    {"and no others", BLOCK("{cidr: 198.51.100.0/24}"), "198.51.101.0", "x/api", "1/tcp", false},
    {"less its exceptions", BLOCK("{cidr: 198.51.100.0/24, except: [198.51.100.8/29]}"), "198.51.100.15", "x/api",
     "1/tcp", false},
    {"which end", BLOCK("{cidr: 198.51.100.0/24, except: [198.51.100.8/29]}"), "198.51.100.16", "x/api", "1/tcp", true},
    {"pods included", BLOCK("{cidr: 10.0.2.0/24}"), "y/web", "x/api", "1/tcp", true},
    {"of its own family only", BLOCK("{cidr: \"::/0\"}"), "198.51.100.1", "x/api", "1/tcp", false},
    {"of the sixth version too", BLOCK("{cidr: \"2001:db8::/32\"}"), "2001:db8::1", "x/api", "1/tcp", true},
    {"host bits say nothing", BLOCK("{cidr: 198.51.100.77/24}"), "198.51.100.1", "x/api", "1/tcp", true},
    {"nor those of an exception", BLOCK("{cidr: 198.51.100.0/24, except: [198.51.100.12/29]}"), "198.51.100.8", "x/api",
     "1/tcp", false},
    {"an exception as wide as its block leaves nobody", BLOCK("{cidr: 198.51.100.0/24, except: [198.51.100.0/24]}"),
     "198.51.100.1", "x/api", "1/tcp", false},
    {"an exception beside its block changes nothing", BLOCK("{cidr: 198.51.100.0/24, except: [10.0.0.0/8]}"),
     "198.51.100.1", "x/api", "1/tcp", true},
    {"an exception binds its own block only",
     FROM("{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.1/32]}}, {ipBlock: {cidr: 198.51.0.0/16}}"),
     "198.51.100.1", "x/api", "1/tcp", true},
    {"a block of egress", FROM_WEB("{to: [{ipBlock: {cidr: 198.51.100.0/24}}]}"), "x/web", "198.51.100.1", "1/tcp",
     true},
    {"and nothing outside it", FROM_WEB("{to: [{ipBlock: {cidr: 198.51.100.0/24}}]}"), "x/web", "203.0.113.1", "1/tcp",
     false},
};

#define EXPRESSION(expression) FROM("{podSelector: {matchExpressions: [" expression "]}}")

static const struct flow_case selectors[] = {
    {"In wants one of its values", EXPRESSION("{key: app, operator: In, values: [db, web]}"), "x/web", "x/api", "1/tcp",
     true},
    {"In wants the key", EXPRESSION("{key: app, operator: In, values: [db, web]}"), "x/bare", "x/api", "1/tcp", false},
    {"NotIn refuses its values", EXPRESSION("{key: app, operator: NotIn, values: [db, web]}"), "x/web", "x/api",
     "1/tcp", false},
    {"NotIn takes a pod without the key", EXPRESSION("{key: app, operator: NotIn, values: [db, web]}"), "x/bare",
     "x/api", "1/tcp", true},
    {"Exists wants the key", EXPRESSION("{key: app, operator: Exists}"), "x/web", "x/api", "1/tcp", true},
    {"Exists refuses without it", EXPRESSION("{key: app, operator: Exists}"), "x/bare", "x/api", "1/tcp", false},
    {"DoesNotExist refuses the key", EXPRESSION("{key: app, operator: DoesNotExist}"), "x/web", "x/api", "1/tcp",
     false},
    {"DoesNotExist takes a pod without it", EXPRESSION("{key: app, operator: DoesNotExist}"), "x/bare", "x/api",
     "1/tcp", true},
    {"values may be empty where there are none", EXPRESSION("{key: app, operator: Exists, values: []}"), "x/web",
     "x/api", "1/tcp", true},
    {"a value may be empty", EXPRESSION("{key: app, operator: NotIn, values: [\"\"]}"), "x/web", "x/api", "1/tcp",
     true},
    {"every expression must hold",
     EXPRESSION("{key: app, operator: Exists}, {key: app, operator: NotIn, values: [web]}"), "x/web", "x/api", "1/tcp",
     false},
    {"labels and expressions both",
     FROM("{podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}}"), "x/web",
     "x/api", "1/tcp", false},
    {"what excludes itself is nobody",
     FROM("{podSelector: {matchLabels: {app: web}, matchExpressions: [{key: app, operator: DoesNotExist}]}}"), "x/web",
     "x/api", "1/tcp", false},
    {"a policy's own selector has expressions",
     POLICY("podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}"), "x/web", "x/bare", "1/tcp",
     false},
    {"which select nobody else", POLICY("podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}"),
     "x/web", "x/api", "1/tcp", true},
};

#define PORT(port) TO_API("{ports: [" port "]}")

static const struct flow_case ports[] = {
    {"a port without protocol is TCP", PORT("{port: 53}"), "x/web", "x/api", "53/tcp", true},
    {"and not UDP", PORT("{port: 53}"), "x/web", "x/api", "53/udp", false},
    {"a port of UDP is UDP", PORT("{port: 53, protocol: UDP}"), "x/web", "x/api", "53/udp", true},
    {"and not TCP", PORT("{port: 53, protocol: UDP}"), "x/web", "x/api", "53/tcp", false},
    {"SCTP is known", PORT("{port: 53, protocol: SCTP}"), "x/web", "x/api", "53/sctp", true},
    {"a protocol without port is all its ports", PORT("{protocol: UDP}"), "x/web", "x/api", "65535/udp", true},
    {"and those only", PORT("{protocol: UDP}"), "x/web", "x/api", "53/tcp", false},
    {"an entry that is empty is all of TCP", PORT("{}"), "x/web", "x/api", "65535/tcp", true},
    {"and no UDP", PORT("{}"), "x/web", "x/api", "53/udp", false},
    {"endPort is inclusive", PORT("{port: 100, endPort: 200}"), "x/web", "x/api", "200/tcp", true},
    {"and ends", PORT("{port: 100, endPort: 200}"), "x/web", "x/api", "201/tcp", false},
    {"and begins", PORT("{port: 100, endPort: 200}"), "x/web", "x/api", "99/tcp", false},
    {"at its port", PORT("{port: 100, endPort: 200}"), "x/web", "x/api", "100/tcp", true},
    {"endPort may equal port", PORT("{port: 100, endPort: 100}"), "x/web", "x/api", "100/tcp", true},
    {"ports reach to the last", PORT("{port: 1, endPort: 65535}"), "x/web", "x/api", "65535/tcp", true},
    {"a list of ports is each of them", PORT("{port: 1}, {port: 2, protocol: UDP}"), "x/web", "x/api", "2/udp", true},
    {"with its own protocol", PORT("{port: 1}, {port: 2, protocol: UDP}"), "x/web", "x/api", "2/tcp", false},
    {"a name is the container's port", PORT("{port: http}"), "x/web", "x/api", "80/tcp", true},
    {"and not another pod's", PORT("{port: http}"), "x/web", "x/api", "8080/tcp", false},
    {"a name quoted is the same", PORT("{port: \"http\"}"), "x/web", "x/api", "80/tcp", true},
    {"a name of another protocol is none", PORT("{port: http, protocol: UDP}"), "x/web", "x/api", "80/udp", false},
    {"a name without protocol is TCP, and not the container's UDP",
     POLICY("podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: dns}]}]"), "x/api", "x/web", "53/udp",
     false},
    {"a name with its protocol is that",
     POLICY("podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: dns, protocol: UDP}]}]"), "x/api",
     "x/web", "53/udp", true},
    {"a name that nobody has is none", PORT("{port: none}"), "x/web", "x/api", "80/tcp", false},
    {"a name of egress is the destination's", FROM_WEB("{ports: [{port: http}]}"), "x/web", "x/api", "80/tcp", true},
    {"and not the source's", FROM_WEB("{ports: [{port: http}]}"), "x/web", "x/api", "8080/tcp", false},
    {"and no address has one", FROM_WEB("{ports: [{port: http}]}"), "x/web", "198.51.100.1", "80/tcp", false},
    {"a name with a block is the pods' in it", FROM_WEB("{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}"),
     "10.0.1.1", "10.0.1.2", "80/tcp", true},
    {"and of the block's family only", FROM_WEB("{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: http}]}"),
     "fd00::1", "fd00::2", "80/tcp", false},
    {"ports count for each peer", FROM_WEB("{to: [{podSelector: {}}, {namespaceSelector: {}}], ports: [{port: 1}]}"),
     "x/web", "y/db", "2/tcp", false},
};

/* `unmatched` is allow with NetworkPolicies alone, and deny with any service. */
static const struct flow_case mixed[] = {
    {"a native allow counts on both sides of isolated pods",
     POLICY("podSelector: {}, policyTypes: [Ingress, Egress]")
	 NATIVE("allow: [{from: {labels: {app: web}}, to: {labels: {app: api}}, ports: [1/tcp]}]"),
     "x/web", "x/api", "1/tcp", true},
    {"and opens no more",
     POLICY("podSelector: {}, policyTypes: [Ingress, Egress]")
	 NATIVE("allow: [{from: {labels: {app: web}}, to: {labels: {app: api}}, ports: [1/tcp]}]"),
     "x/web", "x/api", "2/tcp", false},
    {"a rule of ingress is no rule of egress",
     POLICY("podSelector: {matchLabels: {app: api}}, ingress: [{}]")
	 NATIVE("services: {front: {workloads: {app: web}}}"),
     "x/web", "x/api", "1/tcp", false},
    {"a rule of egress is no rule of ingress",
     POLICY("podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{}]")
	 NATIVE("services: {back: {workloads: {app: api}}}"),
     "x/web", "x/api", "1/tcp", false},
    {"both together open, also between services",
     POLICY("podSelector: {}, ingress: [{}], egress: [{}]")
	 NATIVE("services: {back: {workloads: {app: api}}, front: {workloads: {app: web}}}"),
     "x/web", "x/api", "1/tcp", true},
    {"a rule opens a service to the world", TO_API("{}") NATIVE("services: {back: {workloads: {app: api}}}"),
     "198.51.100.1", "x/api", "1/tcp", true},
    {"a service isolates beside a policy", TO_API("{}") NATIVE("services: {back: {workloads: {app: api}}}"), "x/api",
     "198.51.100.1", "1/tcp", false},
    {"policies alone leave others open", TO_API(""), "y/web", "y/db", "1/tcp", true},
    {"a native document without services too",
     TO_API("") NATIVE("allow: [{from: any, to: {labels: {}}, ports: [1/tcp]}]"), "y/web", "y/db", "1/tcp", true},
    {"one service closes them", TO_API("") NATIVE("services: {back: {workloads: {app: api}}}"), "y/web", "y/db",
     "1/tcp", false},
    {"unless unmatched says allow",
     TO_API("") NATIVE("services: {back: {workloads: {app: api}}}\nsettings: {unmatched: allow}"), "y/web", "y/db",
     "1/tcp", true},
    {"and unmatched may say deny", TO_API("") NATIVE("settings: {unmatched: deny}"), "y/web", "y/db", "1/tcp", false},
    {"a quarantine holds whatever a rule says",
     POLICY("podSelector: {}, ingress: [{}]") NATIVE("quarantine: [{workload: x/web}]"), "x/web", "x/api", "1/tcp",
     false},
};

static const struct flow_case nodes[] = {
    {"its own node reaches a pod that policies select", POLICY("podSelector: {}"), "192.0.2.1", "x/web", "1/tcp", true},
    {"and another node does not", POLICY("podSelector: {}"), "192.0.2.2", "x/web", "1/tcp", false},
    {"a pod reaches its own node", POLICY("podSelector: {}, policyTypes: [Egress]"), "x/web", "192.0.2.1", "1/tcp",
     true},
    {"and no other node", POLICY("podSelector: {}, policyTypes: [Egress]"), "x/web", "192.0.2.2", "1/tcp", false},
    {"a service beside takes that away", POLICY("podSelector: {}") NATIVE("services: {front: {workloads: {app: web}}}"),
     "192.0.2.1", "x/web", "1/tcp", false},
    {"for its own workloads only", POLICY("podSelector: {}") NATIVE("services: {front: {workloads: {app: web}}}"),
     "192.0.2.1", "x/api", "1/tcp", true},
    {"and a node peer gives it back",
     POLICY("podSelector: {}")
	 NATIVE("services: {front: {workloads: {app: web}}}\nallow: [{from: node, to: front, ports: [1/tcp]}]"),
     "192.0.2.1", "x/web", "1/tcp", true},
    {"a native entry says which addresses a node has",
     POLICY("podSelector: {}") NATIVE("nodes: {n0: {addresses: [192.0.2.9]}}"), "192.0.2.9", "x/web", "1/tcp", true},
    {"and those that pods tell are none then",
     POLICY("podSelector: {}") NATIVE("nodes: {n0: {addresses: [192.0.2.9]}}"), "192.0.2.1", "x/web", "1/tcp", false},
    {"a block covers a node's address", FROM("{ipBlock: {cidr: 192.0.2.0/24}}"), "192.0.2.2", "x/api", "1/tcp", true},
    {"a pod of another node is not the node", POLICY("podSelector: {}"), "y/web", "x/bare", "1/tcp", false},
};

static void each_flow_has_its_verdict(void **state)
{
	static const struct {
		const struct flow_case *cases;
		size_t count;
	} tables[] = {
	    {rules, sizeof rules / sizeof *rules}, {types, sizeof types / sizeof *types},
	    {peers, sizeof peers / sizeof *peers}, {selectors, sizeof selectors / sizeof *selectors},
	    {ports, sizeof ports / sizeof *ports}, {mixed, sizeof mixed / sizeof *mixed},
	    {nodes, sizeof nodes / sizeof *nodes},
	};
	size_t count = 0;
	(void)state;
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (size_t j = 0; j < tables[i].count; j++, count++) {
			const struct flow_case *one = &tables[i].cases[j];
			expect(one->true_is, one->text, one->from, one->to, one->port, one->allowed);
		}
	print_message("# %zu cases\n", count);
}

/* ---- absent, empty, null ---- */

/* The spec is `before`, the key with its value, `after`. */
static const struct {
	const char *true_is;
	const char *before, *key, *empty, *after; /* empty NULL: has no empty form */
	const char *from, *to, *port;
	bool allowed;
} absences[] = {
    {"no pods are all pods of the namespace", "", "podSelector", "{}", "", "y/db", "x/bare", "1/tcp", false},
    {"and none of another", "", "podSelector", "{}", "", "x/web", "y/db", "1/tcp", true},
    {"no rules are nobody", "policyTypes: [Ingress], ", "ingress", "[]", "", "x/bare", "x/web", "1/tcp", false},
    {"no rules out are nobody", "policyTypes: [Egress], ", "egress", "[]", "", "x/bare", "x/web", "1/tcp", false},
    {"no `from` is everyone", "ingress: [{", "from", "[]", "}]", "198.51.100.1", "x/web", "1/tcp", true},
    {"pods too", "ingress: [{", "from", "[]", "}]", "y/web", "x/web", "1/tcp", true},
    {"on the rule's ports", "ingress: [{ports: [{port: 2}], ", "from", "[]", "}]", "y/web", "x/web", "1/tcp", false},
    {"no `to` is everyone", "policyTypes: [Egress], egress: [{", "to", "[]", "}]", "x/web", "198.51.100.1", "1/tcp",
     true},
    {"no ports are all", "ingress: [{from: [{podSelector: {}}], ", "ports", "[]", "}]", "x/bare", "x/web", "9/udp",
     true},
    {"for the rule's peers", "ingress: [{from: [{podSelector: {}}], ", "ports", "[]", "}]", "y/web", "x/web", "9/udp",
     false},
    {"no ports out are all", "egress: [{to: [{podSelector: {}}], ", "ports", "[]", "}], policyTypes: [Egress]",
     "x/bare", "x/web", "9/sctp", true},
    {"no types are Ingress", "", "policyTypes", "[]", "", "y/db", "x/web", "1/tcp", false},
    {"and no Egress without a rule", "egress: [], ", "policyTypes", "[]", "", "x/web", "y/db", "1/tcp", true},
    {"nor with none that is null", "egress: ~, ", "policyTypes", "[]", "", "x/web", "y/db", "1/tcp", true},
    {"but with one", "egress: [{ports: [{port: 1}]}], ", "policyTypes", "[]", "", "x/web", "y/db", "2/tcp", false},
    {"and Ingress with it", "egress: [{ports: [{port: 1}]}], ", "policyTypes", "[]", "", "y/db", "x/web", "1/tcp",
     false},
    {"no types, and no rule out", "", "egress", "[]", "", "x/web", "y/db", "1/tcp", true},
    {"no pods of namespaces are all of theirs", "ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, ",
     "podSelector", "{}", "}]}]", "y/db", "x/web", "1/tcp", true},
    {"no labels are any", "ingress: [{from: [{podSelector: {", "matchLabels", "{}", "}}]}]", "x/bare", "x/web", "1/tcp",
     true},
    {"no expressions are any", "ingress: [{from: [{podSelector: {", "matchExpressions", "[]", "}}]}]", "x/bare",
     "x/web", "1/tcp", true},
    {"no labels of namespaces are any", "ingress: [{from: [{namespaceSelector: {", "matchLabels", "{}", "}}]}]",
     "z/web", "x/web", "1/tcp", true},
    {"no namespaces are the own one", "ingress: [{from: [{podSelector: {}, ", "namespaceSelector", NULL, "}]}]", "y/db",
     "x/web", "1/tcp", false},
    {"no block stands beside a selector", "ingress: [{from: [{podSelector: {}, ", "ipBlock", NULL, "}]}]", "x/bare",
     "x/web", "1/tcp", true},
    {"no exceptions are none", "ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24, ", "except", "[]", "}}]}]",
     "198.51.100.1", "x/web", "1/tcp", true},
    {"no protocol is TCP", "ingress: [{ports: [{port: 1, ", "protocol", NULL, "}]}]", "y/db", "x/web", "1/tcp", true},
    {"and not UDP", "ingress: [{ports: [{port: 1, ", "protocol", NULL, "}]}]", "y/db", "x/web", "1/udp", false},
    {"no port is all of the protocol", "ingress: [{ports: [{protocol: UDP, ", "port", NULL, "}]}]", "y/db", "x/web",
     "9/udp", true},
    {"no end is one port", "ingress: [{ports: [{port: 1, ", "endPort", NULL, "}]}]", "y/db", "x/web", "2/tcp", false},
    {"no values are none", "ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: Exists, ",
     "values", "[]", "}]}}]}]", "x/api", "x/web", "1/tcp", true},
};

static void a_null_field_is_an_absent_one(void **state)
{
	size_t count = 0;
	(void)state;
	for (size_t i = 0; i < sizeof absences / sizeof *absences; i++) {
		const char *const values[] = {NULL, "null", "~", "", absences[i].empty};
		size_t forms = absences[i].empty != NULL ? 5 : 4;
		for (size_t j = 0; j < forms; j++, count++) {
			char text[TEXT_MAX];
			bool absent = values[j] == NULL;
			snprintf(text, sizeof text, CLUSTER NAMED("p", "%s%s%s%s%s"), absences[i].before,
				 absent ? "" : absences[i].key, absent ? "" : ": ", absent ? "" : values[j],
				 absences[i].after);
			expect(absences[i].true_is, text, absences[i].from, absences[i].to, absences[i].port,
			       absences[i].allowed);
		}
	}
	print_message("# %zu cases\n", count);
}

/* What stands outside the spec may be left out too. */
static void a_policy_may_say_next_to_nothing(void **state)
{
	static const struct {
		const char *text;
		const char *name_space;
	} policies[] = {
	    {"metadata: {name: p}\n", "default"},
	    {"metadata: {name: p}\nspec:\n", "default"},
	    {"metadata: {name: p}\nspec: {}\n", "default"},
	    {"metadata: {name: p, namespace: }\nspec: ~\n", "default"},
	    {"metadata: {name: p, namespace: \"\"}\n", "default"},
	    {"metadata: {name: p, namespace: x, labels: ~, annotations: {a: b}, uid: u}\nstatus: {}\n", "x"},
	    {"metadata: {name: p.q-0, namespace: x}\nstatus: ~\n", "x"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
		char text[512];
		struct reading reading;
		snprintf(text, sizeof text, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n%s",
			 policies[i].text);
		read_text(&reading, text);
		assert_int_equal(reading.frontend.policy.isolation_count, 1);
		const struct isolation *isolation = reading.frontend.policy.isolations[0];
		assert_string_equal(isolation->name_space, policies[i].name_space);
		assert_int_equal(isolation->workloads.count, 0);
		assert_true(isolation->directions[INGRESS] && !isolation->directions[EGRESS]);
		assert_null(isolation->service);
		assert_int_equal(isolation->span.line, 3);
		assert_int_equal(reading.frontend.policy.allow_count, 0);
		arena_free(reading.arena);
	}
}

/* ---- statements ---- */

static void a_rule_counts_on_the_side_of_its_pods(void **state)
{
	struct reading reading;
	(void)state;
	read_text(&reading, NAMED("p", "podSelector: {}, ingress: [{}],\n  egress: [{to: [{podSelector: {}}, {ipBlock: "
				       "{cidr: 10.0.0.0/8}}]}]"));
	const struct policy *policy = &reading.frontend.policy;
	assert_int_equal(policy->allow_count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct allow *allow = policy->allows[i];
		bool ingress = allow->counts[INGRESS];
		assert_true(allow->counts[EGRESS] != ingress);
		assert_int_equal(allow->flows.from_count, 1);
		assert_int_equal(allow->flows.to_count, ingress ? 1 : 2);
		assert_int_equal(allow->flows.from[0].kind, ingress ? PEER_ANY : PEER_LABELS);
		assert_int_equal(allow->flows.to[0].peer.kind, PEER_LABELS);
		assert_int_equal(allow->span.line, ingress ? 5 : 6);
	}
	arena_free(reading.arena);
}

static void order_changes_nothing(void **state)
{
	static const char *const files[] = {
	    NAMED("b", "podSelector: {}, ingress: [{ports: [{port: 1}]}, {ports: [{port: 2}]}]"),
	    NAMED("a", "podSelector: {}, ingress: [{ports: [{port: 2}]}], egress: [{}]"),
	    NATIVE("services: {s: {workloads: {app: web}, ports: {p: 3/tcp}}}\nallow: [{from: any, to: s}]"),
	    CLUSTER,
	};
	enum { FILES = sizeof files / sizeof *files };
	(void)state;
	for (size_t first = 0; first < FILES; first++) {
		struct reading reading;
		reading_init(&reading);
		for (size_t i = 0; i < FILES; i++) {
			size_t file = (first + i) % FILES;
			reading_add(&reading, arena_printf(reading.arena, "%zu.yaml", file), files[file]);
		}
		reading_finish(&reading);
		assert_int_equal(reading.diagnostics.errors, 0);
		const struct policy *policy = &reading.frontend.policy;
		assert_int_equal(policy->isolation_count, 3);
		assert_non_null(policy->isolations[0]->service); /* services first */
		assert_string_equal(policy->isolations[1]->name, "a");
		assert_string_equal(policy->isolations[2]->name, "b");
		assert_int_equal(policy->allow_count, 5);
		for (size_t i = 1; i < policy->allow_count; i++)
			assert_true(strcmp(policy->allows[i - 1]->key, policy->allows[i]->key) <= 0);
		assert_string_equal(reading.frontend.inventory.workloads[0]->name, "api");
		arena_free(reading.arena);
	}
}

/* ---- what is said of a manifest ---- */

#define OBJECT(api, kind, rest) "apiVersion: " api "\nkind: " kind "\n" rest

static const struct {
	const char *true_is, *text;
	enum severity severity;
	const char *message, *help; /* parts of them; NULL: nothing is said */
} remarks[] = {
    {"host bits", BLOCK("{cidr: 10.1.2.3/8}"), SEVERITY_WARNING, "`10.1.2.3/8` means 10.0.0.0/8", ""},
    {"an exception outside", BLOCK("{cidr: 10.0.0.0/8, except: [11.0.0.0/9]}"), SEVERITY_WARNING, "API server", ""},
    {"an exception as wide", BLOCK("{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}"), SEVERITY_WARNING, "API server", ""},
    {"an exception of the other family", BLOCK("{cidr: 0.0.0.0/0, except: [\"fd00::/8\"]}"), SEVERITY_WARNING,
     "API server", ""},
    {"an exception inside", BLOCK("{cidr: 10.0.0.0/8, except: [10.0.0.0/9]}"), SEVERITY_WARNING, NULL, NULL},
    {"policies of Cilium", OBJECT("cilium.io/v2", "CiliumNetworkPolicy", ""), SEVERITY_WARNING, "not enforced", ""},
    {"policies of Calico", OBJECT("crd.projectcalico.org/v1", "NetworkPolicy", ""), SEVERITY_WARNING, "not enforced",
     ""},
    {"policies of administrators", OBJECT("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", ""),
     SEVERITY_WARNING, "not enforced", ""},
    {"policies of Calico for all", OBJECT("crd.projectcalico.org/v1", "GlobalNetworkPolicy", ""), SEVERITY_WARNING,
     "not enforced", ""},
    {"a list of them", OBJECT("cilium.io/v2", "CiliumNetworkPolicyList", ""), SEVERITY_WARNING, "not enforced", ""},
    {"other kinds", OBJECT("apps/v1", "Deployment", "spec: {x: [~]}\n"), SEVERITY_WARNING, NULL, NULL},
    {"the old API", OBJECT("extensions/v1beta1", "NetworkPolicy", ""), SEVERITY_ERROR, "extensions/v1beta1",
     "networking.k8s.io/v1"},
    {"another version", OBJECT("networking.k8s.io/v2", "NetworkPolicy", ""), SEVERITY_ERROR, "networking.k8s.io/v2",
     "networking.k8s.io/v1"},
    {"a kind in small letters", OBJECT("networking.k8s.io/v1", "networkpolicy", ""), SEVERITY_ERROR,
     "no kind `networkpolicy`", "did you mean `NetworkPolicy`"},
    {"no kind", OBJECT("v1", "~", ""), SEVERITY_ERROR, "`kind`", ""},
    {"a near miss", NAMED("p", "podSelectors: {}"), SEVERITY_ERROR, "unknown key `podSelectors`", "podSelector"},
    {"`to` of ingress", NAMED("p", "ingress: [{to: []}]"), SEVERITY_ERROR, "unknown key `to`", "from"},
    {"an empty peer", FROM("{}"), SEVERITY_ERROR, "a peer needs", "namespaceSelector: {}"},
    {"a block beside a selector", FROM("{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}"), SEVERITY_ERROR,
     "cannot stand with a selector", "two entries"},
    {"a number in quotes", PORT("{port: \"80\"}"), SEVERITY_ERROR, "`port` must be a number", "without quotes"},
    {"an octal number", PORT("{port: 0100}"), SEVERITY_ERROR, "`port` must be a number", "leading zeros"},
    {"a word that is none", PORT("{port: on}"), SEVERITY_ERROR, "`port` must be a number", "quotes"},
    {"a name that begins with a digit", PORT("{port: 9p-fs}"), SEVERITY_WARNING, NULL, NULL},
    {"a name that needs quotes", PORT("{port: \"0x50\"}"), SEVERITY_WARNING, NULL, NULL},
    {"a protocol in small letters", PORT("{protocol: tcp}"), SEVERITY_ERROR, "no protocol `tcp`", "TCP, UDP, SCTP"},
    {"an operator in small letters", EXPRESSION("{key: a, operator: in, values: [b]}"), SEVERITY_ERROR,
     "no operator `in`", "In"},
    {"a null rule", TO_API("~"), SEVERITY_ERROR, "an entry of `ingress` is null", "everything"},
    {"a null peer", FROM("~"), SEVERITY_ERROR, "an entry of `from` is null", "everything"},
    {"a null port", PORT("~"), SEVERITY_ERROR, "an entry of `ports` is null", "everything"},
    {"a null key", EXPRESSION("{key: ~, operator: Exists}"), SEVERITY_ERROR, "`key` is null", ""},
    {"a null operator", EXPRESSION("{key: a, operator: ~}"), SEVERITY_ERROR, "`operator` is null", ""},
    {"a null cidr", BLOCK("{cidr: ~}"), SEVERITY_ERROR, "`cidr` is null", ""},
    {"a key that is a list", EXPRESSION("{key: [a], operator: Exists}"), SEVERITY_ERROR, "a label key", ""},
    {"a label with a list", FROM("{podSelector: {matchLabels: {a: [b]}}}"), SEVERITY_ERROR, "must be a text", ""},
    {"a policy twice", NAMED("p", "") NAMED("p", ""), SEVERITY_ERROR, "`p` of namespace x stands twice", "case.yaml:4"},
    {"a workload twice", "ringfence: v1\nworkloads: [{name: a}]\n---\n" OBJECT("v1", "Pod", "metadata: {name: a}\n"),
     SEVERITY_ERROR, "stands twice", "case.yaml:2"},
};

static void each_manifest_has_its_remark(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++) {
		struct reading reading;
		reading_init(&reading);
		reading_add(&reading, "case.yaml", remarks[i].text);
		reading_finish(&reading);
		const struct diagnostics *list = &reading.diagnostics;
		size_t wanted = remarks[i].message != NULL;
		if (list->count != wanted)
			diagnostics_print(list, stderr, false);
		if (list->count != wanted)
			fail_msg("%s: %zu remarks", remarks[i].true_is, list->count);
		if (wanted > 0) {
			const char *help = list->items[0].help != NULL ? list->items[0].help : "";
			assert_int_equal(list->items[0].severity, remarks[i].severity);
			assert_true(list->items[0].span.line > 0);
			if (strstr(list->items[0].message, remarks[i].message) == NULL ||
			    strstr(help, remarks[i].help) == NULL)
				fail_msg("%s: %s; %s", remarks[i].true_is, list->items[0].message, help);
		}
		arena_free(reading.arena);
	}
}

static void a_workload_file_holds_no_policy(void **state)
{
	static const struct {
		const char *text;
		size_t errors, workloads;
	} files[] = {
	    {OBJECT("v1", "Pod", "metadata: {name: a}\n"), 0, 1},
	    {OBJECT("v1", "PodList", "items: [{metadata: {name: a}}, {metadata: {name: b}}]\n"), 0, 2},
	    {OBJECT("v1", "Namespace", "metadata: {name: a}\n"), 0, 0},
	    {NAMED("p", ""), 1, 0},
	    {OBJECT("networking.k8s.io/v1", "NetworkPolicyList",
		    "items: [{metadata: {name: a}}, {metadata: {name: b}}]\n"),
	     2, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct reading reading;
		reading_init(&reading);
		reading.frontend.inventory_only = true;
		reading_add(&reading, "case.yaml", files[i].text);
		reading_finish(&reading);
		assert_int_equal(reading.diagnostics.errors, files[i].errors);
		assert_int_equal(reading.frontend.inventory.workload_count, files[i].workloads);
		assert_int_equal(reading.frontend.policy.isolation_count, 0);
		if (files[i].errors > 0)
			assert_non_null(
			    strstr(reading.diagnostics.items[0].message, "does not belong in a workload file"));
		arena_free(reading.arena);
	}
}

/* ---- inventory ---- */

/* A pod `a` of the default namespace, and what becomes of it. */
static const struct {
	const char *true_is, *spec, *status;
	bool workload;
	size_t addresses;
	const char *ports; /* NAME=FIRST/PROTOCOL, one after the other */
} pods[] = {
    {"a pod without anything is a workload", "{}", "{}", true, 0, ""},
    {"null is as absent", "~", "~", true, 0, ""},
    {"podIPs are its addresses", "{}", "{podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.1}, {ip: \"fd00::1\"}]}", true, 2, ""},
    {"podIP is, where there are none", "{}", "{podIP: 10.0.0.1}", true, 1, ""},
    {"also where they are empty", "{}", "{podIP: 10.0.0.1, podIPs: []}", true, 1, ""},
    {"an empty address is none yet", "{}", "{podIP: \"\"}", true, 0, ""},
    {"a pod that runs", "{}", "{phase: Running, podIP: 10.0.0.1}", true, 1, ""},
    {"a pod that waits", "{}", "{phase: Pending, podIP: 10.0.0.1}", true, 1, ""},
    {"a pod that nobody has heard of", "{}", "{phase: Unknown, podIP: 10.0.0.1}", true, 1, ""},
    {"a pod that is done is none", "{}", "{phase: Succeeded, podIP: 10.0.0.1}", false, 0, ""},
    {"nor one that failed", "{}", "{phase: Failed, podIP: 10.0.0.1}", false, 0, ""},
    {"nor one of the host's network", "{hostNetwork: true}", "{podIP: 192.0.2.1}", false, 0, ""},
    {"a pod of its own network", "{hostNetwork: false}", "{podIP: 10.0.0.1}", true, 1, ""},
    {"a port is TCP", "{containers: [{ports: [{name: a, containerPort: 1}]}]}", "{}", true, 0, "a=1/6 "},
    {"or what it says", "{containers: [{ports: [{name: a, containerPort: 1, protocol: UDP}]}]}", "{}", true, 0,
     "a=1/17 "},
    {"a port without name is nobody's", "{containers: [{ports: [{containerPort: 1}, {name: \"\", containerPort: 2}]}]}",
     "{}", true, 0, ""},
    {"every container has ports",
     "{containers: [{ports: [{name: a, containerPort: 1}]}, {}, {ports: [{name: b, containerPort: 2}]}]}", "{}", true,
     0, "a=1/6 b=2/6 "},
    {"the first of one name counts",
     "{containers: [{ports: [{name: a, containerPort: 1}]}, {ports: [{name: a, containerPort: 2}]}]}", "{}", true, 0,
     "a=1/6 "},
    {"for each protocol",
     "{containers: [{ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2, protocol: SCTP}]}]}", "{}", true,
     0, "a=1/6 a=2/132 "},
    {"a sidecar has ports", "{initContainers: [{restartPolicy: Always, ports: [{name: a, containerPort: 1}]}]}", "{}",
     true, 0, "a=1/6 "},
    {"what only starts a pod has none", "{initContainers: [{ports: [{name: a, containerPort: 1}]}]}", "{}", true, 0,
     ""},
    {"what nobody reads may be anything", "{volumes: [~], containers: [{name: [x], env: ~}], x: {y: z}}",
     "{conditions: 7}", true, 0, ""},
};

static const char *ports_text(struct arena *arena, const struct workload *workload)
{
	const char *text = "";
	for (size_t i = 0; i < workload->port_count; i++)
		text = arena_printf(arena, "%s%s=%u/%u ", text, workload->ports[i].name, workload->ports[i].port.first,
				    workload->ports[i].port.protocol);
	return text;
}

static void each_pod_is_what_it_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pods / sizeof *pods; i++) {
		char text[1024];
		struct reading reading;
		snprintf(text, sizeof text, OBJECT("v1", "Pod", "metadata: {name: a.b-0}\nspec: %s\nstatus: %s\n"),
			 pods[i].spec, pods[i].status);
		read_text(&reading, text);
		const struct workload *workload = inventory_workload(reading.world.inventory, "default", "a.b-0");
		if ((workload != NULL) != pods[i].workload)
			fail_msg("%s", pods[i].true_is);
		if (workload != NULL) {
			assert_int_equal(workload->address_count, pods[i].addresses);
			assert_string_equal(ports_text(reading.arena, workload), pods[i].ports);
		}
		arena_free(reading.arena);
	}
}

#define POD_AT(name, node, host, ip)                                                                                   \
	"---\n" OBJECT("v1", "Pod",                                                                                    \
		       "metadata: {name: " name "}\nspec: {nodeName: " node "}\nstatus: {hostIP: " host ", podIP: " ip \
		       "}\n")

/* Which node an address is of, or - when it is none. */
static const struct {
	const char *true_is, *text, *address, *node;
} hosts[] = {
    {"a pod tells where it runs", POD_AT("a", "n", "192.0.2.1", "10.0.0.1"), "192.0.2.1", "n"},
    {"two pods tell of one node", POD_AT("a", "n", "192.0.2.1", "10.0.0.1") POD_AT("b", "n", "192.0.2.1", "10.0.0.2"),
     "192.0.2.1", "n"},
    {"and each an address of it", POD_AT("a", "n", "192.0.2.1", "10.0.0.1") POD_AT("b", "n", "192.0.2.2", "10.0.0.2"),
     "192.0.2.2", "n"},
    {"a pod that is nowhere tells nothing", POD_AT("a", "\"\"", "192.0.2.1", "10.0.0.1"), "192.0.2.1", "-"},
    {"one that is done still does",
     OBJECT("v1", "Pod", "metadata: {name: a}\nspec: {nodeName: n}\nstatus: {phase: Failed, hostIP: 192.0.2.1}\n"),
     "192.0.2.1", "n"},
    {"one of the host's network too",
     OBJECT("v1", "Pod",
	    "metadata: {name: a}\nspec: {nodeName: n, hostNetwork: true}\nstatus: {hostIPs: [{ip: 192.0.2.1}]}\n"),
     "192.0.2.1", "n"},
    {"of both families",
     OBJECT("v1", "Pod",
	    "metadata: {name: a}\nspec: {nodeName: n}\nstatus: {hostIPs: [{ip: 192.0.2.1}, {ip: \"fd00::9\"}]}\n"),
     "fd00::9", "n"},
    {"a native entry stands", POD_AT("a", "n", "192.0.2.1", "10.0.0.1") NATIVE("nodes: {n: {}}"), "192.0.2.1", "-"},
    {"and its address is its own",
     POD_AT("a", "n", "192.0.2.1", "10.0.0.1") NATIVE("nodes: {m: {addresses: [192.0.2.1]}}"), "192.0.2.1", "m"},
    {"a workload's address is the workload's",
     POD_AT("a", "n", "10.0.0.2", "10.0.0.1") POD_AT("b", "n", "192.0.2.1", "10.0.0.2"), "10.0.0.2", "-"},
    {"also the pod's own", POD_AT("a", "n", "10.0.0.1", "10.0.0.1"), "10.0.0.1", "-"},
    {"of two nodes with one address the first by name has it",
     POD_AT("a", "n", "192.0.2.1", "10.0.0.1") POD_AT("b", "m", "192.0.2.1", "10.0.0.2"), "192.0.2.1", "m"},
    {"also with other addresses between",
     POD_AT("a", "n", "192.0.2.1", "10.0.0.1") POD_AT("b", "m", "192.0.2.1", "10.0.0.2")
	 POD_AT("c", "m", "192.0.2.9", "10.0.0.3"),
     "192.0.2.1", "m"},
};

static void each_pod_tells_of_its_node(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		struct reading reading;
		struct address address;
		read_text(&reading, hosts[i].text);
		assert_null(address_parse(&address, hosts[i].address));
		const struct node *node = inventory_node_at(reading.world.inventory, &address);
		if (strcmp(node != NULL ? node->name : "-", hosts[i].node) != 0)
			fail_msg("%s: %s", hosts[i].true_is, node != NULL ? node->name : "-");
		arena_free(reading.arena);
	}
}

#define ADDRESSES                                                                                             \
	"[{type: InternalIP, address: 192.0.2.1}, {type: Hostname, address: n}, {type: ExternalIP, address: " \
	"203.0.113.1}]"

/* What Node objects tell: how many nodes there are, and the addresses and pools of n. */
static const struct {
	const char *true_is, *text;
	size_t nodes, addresses, pools;
	const char *has, *not ; /* addresses of n, or NULL */
} node_objects[] = {
    {"addresses, and where its pods get theirs",
     OBJECT("v1", "Node",
	    "metadata: {name: n}\nspec: {podCIDR: 10.0.1.0/24, podCIDRs: [10.0.1.0/24, \"fd00:1::/64\"]}\n"
	    "status: {addresses: " ADDRESSES "}\n"),
     1, 2, 2, "203.0.113.1", "10.0.1.1"},
    {"the older form of its networks", OBJECT("v1", "Node", "metadata: {name: n}\nspec: {podCIDR: 10.0.1.0/24}\n"), 1,
     0, 1, NULL, NULL},
    {"one that has none yet",
     OBJECT("v1", "Node", "metadata: {name: n}\nspec: {podCIDR: \"\"}\nstatus: {addresses: []}\n"), 1, 0, 0, NULL,
     NULL},
    {"nothing at all", OBJECT("v1", "Node", "metadata: {name: n}\n"), 1, 0, 0, NULL, NULL},
    {"an address that is both counts once",
     OBJECT("v1", "Node",
	    "metadata: {name: n}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: ExternalIP, "
	    "address: 192.0.2.1}, {type: InternalIP, address: \"fd00::9\"}]}\n"),
     1, 2, 0, "fd00::9", NULL},
    {"what a pod tells of it does not count beside",
     OBJECT("v1", "Node", "metadata: {name: n}\nstatus: {addresses: " ADDRESSES "}\n")
	 POD_AT("a", "n", "192.0.2.7", "10.0.0.1"),
     1, 2, 0, "192.0.2.1", "192.0.2.7"},
    {"what a native entry says does",
     OBJECT("v1", "Node",
	    "metadata: {name: n}\nspec: {podCIDR: 10.0.1.0/24}\nstatus: {addresses: " ADDRESSES "}\n---\n")
	 NATIVE("nodes: {n: {addresses: [10.0.1.1, 192.0.2.1], workload_networks: [10.0.9.0/24]}}"),
     1, 3, 2, "10.0.1.1", NULL},
    {"in either order",
     NATIVE("nodes: {n: {addresses: [10.0.1.1, 192.0.2.1], workload_networks: [10.0.9.0/24]}}") "\n---\n" OBJECT(
	 "v1", "Node", "metadata: {name: n}\nstatus: {addresses: " ADDRESSES "}\n"),
     1, 3, 1, "203.0.113.1", NULL},
    {"a list of them",
     OBJECT("v1", "NodeList", "items: [{metadata: {name: n}}, {metadata: {name: m}, spec: {podCIDR: 10.0.2.0/24}}]\n"),
     2, 0, 0, NULL, NULL},
};

static void each_node_is_what_it_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof node_objects / sizeof *node_objects; i++) {
		struct reading reading;
		struct address address;
		read_text(&reading, node_objects[i].text);
		const struct inventory *inventory = reading.world.inventory;
		const struct node *node = inventory_node(inventory, "n");
		if (inventory->node_count != node_objects[i].nodes || node == NULL ||
		    node->address_count != node_objects[i].addresses || node->pool_count != node_objects[i].pools)
			fail_msg("%s", node_objects[i].true_is);
		if (node_objects[i].has != NULL) {
			assert_null(address_parse(&address, node_objects[i].has));
			assert_ptr_equal(inventory_node_at(inventory, &address), node);
		}
		if (node_objects[i].not != NULL) {
			assert_null(address_parse(&address, node_objects[i].not ));
			assert_null(inventory_node_at(inventory, &address));
		}
		arena_free(reading.arena);
	}
}

static void a_namespace_has_its_name_once(void **state)
{
	static const char *const labels[] = {"{}", "~", "{team: a}", "{kubernetes.io/metadata.name: other}",
					     "{team: a, kubernetes.io/metadata.name: x}"};
	(void)state;
	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
		char text[256];
		struct reading reading;
		snprintf(text, sizeof text, NAMESPACE("x", "%s"), labels[i]);
		read_text(&reading, text);
		const struct name_space *space = inventory_namespace(reading.world.inventory, "x");
		size_t names = 0;
		assert_non_null(space);
		for (size_t j = 0; j < space->labels.count; j++) {
			if (strcmp(space->labels.items[j].key, "kubernetes.io/metadata.name") != 0)
				continue;
			assert_string_equal(space->labels.items[j].value, "x");
			names++;
		}
		assert_int_equal(names, 1);
		arena_free(reading.arena);
	}
}

/* ---- as kubectl prints ---- */

#define MANAGED_YAML                                                                                   \
	"    managedFields:\n    - apiVersion: v1\n      fieldsType: FieldsV1\n"                       \
	"      fieldsV1: {'f:metadata': {'f:labels': {.: {}, 'f:app': {}}}}\n      manager: kubectl\n" \
	"      operation: Update\n      time: \"2026-03-01T10:00:00Z\"\n"
#define LIST_YAML                                                                                                 \
	"apiVersion: v1\nitems:\n"                                                                                \
	"- apiVersion: v1\n  kind: Namespace\n  metadata:\n    creationTimestamp: \"2026-03-01T10:00:00Z\"\n"     \
	"    labels:\n      kubernetes.io/metadata.name: shop\n    name: shop\n    resourceVersion: "             \
	"\"12\"\n" MANAGED_YAML "  spec:\n    finalizers:\n    - kubernetes\n  status:\n    phase: Active\n"      \
	"- apiVersion: v1\n  kind: Pod\n  metadata:\n    annotations:\n      a/b: 'c: d'\n"                       \
	"    creationTimestamp: null\n    generateName: web-\n    labels:\n      app: web\n"                      \
	"      version: \"2\"\n    name: web-0\n    namespace: shop\n"                                            \
	"    ownerReferences:\n    - apiVersion: apps/v1\n      kind: ReplicaSet\n      name: web\n" MANAGED_YAML \
	"  spec:\n    containers:\n    - image: web:1\n      name: web\n      ports:\n"                           \
	"      - containerPort: 8080\n        name: http\n        protocol: TCP\n      resources: {}\n"           \
	"    nodeName: node-a\n    restartPolicy: Always\n    tolerations:\n    - operator: Exists\n"             \
	"  status:\n    hostIP: 192.0.2.11\n    hostIPs:\n    - ip: 192.0.2.11\n    phase: Running\n"             \
	"    podIP: 10.0.1.11\n    podIPs:\n    - ip: 10.0.1.11\n    - ip: fd00:1::11\n"                          \
	"- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n  metadata:\n    annotations:\n"              \
	"      kubectl.kubernetes.io/last-applied-configuration: |\n        {\"kind\":\"NetworkPolicy\"}\n"       \
	"    generation: 1\n    name: web\n    namespace: shop\n" MANAGED_YAML                                    \
	"  spec:\n    ingress:\n    - from:\n      - ipBlock:\n          cidr: 198.51.100.0/24\n      ports:\n"   \
	"      - port: http\n        protocol: TCP\n    podSelector:\n      matchLabels:\n        app: web\n"     \
	"    policyTypes:\n    - Ingress\n"                                                                       \
	"- apiVersion: v1\n  kind: Service\n  metadata:\n    name: web\n  spec:\n    ports: []\n"                 \
	"kind: List\nmetadata:\n  resourceVersion: \"\"\n"
#define MANAGED_JSON                                                                                                 \
	"\"managedFields\":[{\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":{\"f:metadata\":{\".\":" \
	"{}}},\"manager\":\"kubectl\",\"operation\":\"Update\"}]"
#define LIST_JSON                                                                                                      \
	"{\n\t\"apiVersion\": \"v1\", \"items\": [\n"                                                                  \
	"{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\",\"labels\":{"                   \
	"\"kubernetes.io/metadata.name\":\"shop\"}," MANAGED_JSON "},\"status\":{\"phase\":\"Active\"}},\n"            \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\",\"labels\":{" \
	"\"app\":\"web\",\"version\":\"2\"},\"creationTimestamp\":null," MANAGED_JSON "},"                             \
	"\"spec\":{\"nodeName\":\"node-a\",\"containers\":[{\"name\":\"web\",\"ports\":[{\"name\":\"http\","           \
	"\"containerPort\":8080,\"protocol\":\"TCP\"}]}]},\"status\":{\"phase\":\"Running\",\"hostIP\":"               \
	"\"192.0.2.11\",\"podIPs\":[{\"ip\":\"10.0.1.11\"},{\"ip\":\"fd00:1::11\"}]}},\n"                              \
	"{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{\"name\":\"web\","          \
	"\"namespace\":\"shop\"," MANAGED_JSON "},\"spec\":{\"podSelector\":{\"matchLabels\":{\"app\":\"web\"}},"      \
	"\"ingress\":[{\"from\":[{\"ipBlock\":{\"cidr\":\"198.51.100.0/24\"}}],\"ports\":[{\"port\":\"http\","         \
	"\"protocol\":\"TCP\"}]}],\"policyTypes\":[\"Ingress\"]}},\n"                                                  \
	"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"}}\n"                               \
	"], \"kind\": \"List\", \"metadata\": {\"resourceVersion\": \"\"}}\n"
/* The same, each kind in a list of its own, whose entries do not say what they are. */
#define LISTS                                                                                                          \
	OBJECT("v1", "NamespaceList", "metadata: {resourceVersion: \"1\"}\nitems: [{metadata: {name: shop}}]\n---\n")  \
	OBJECT(                                                                                                        \
	    "v1", "PodList",                                                                                           \
	    "items: [{metadata: {name: web-0, namespace: shop, labels: {app: web, version: \"2\"}}, spec: {nodeName: " \
	    "node-a, containers: [{ports: [{name: http, containerPort: 8080}]}]}, status: {hostIP: 192.0.2.11, "       \
	    "podIPs: [{ip: 10.0.1.11}, {ip: \"fd00:1::11\"}]}}]\n---\n")                                               \
	OBJECT("networking.k8s.io/v1", "NetworkPolicyList",                                                            \
	       "items: [{metadata: {name: web, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, "      \
	       "ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: http}]}]}}]\n---\n")             \
	OBJECT("v1", "List", "items: [{apiVersion: v1, kind: ServiceList, items: [~]}]\n")

static void lists_are_read_as_kubectl_prints_them(void **state)
{
	static const struct {
		const char *file, *text;
		size_t lists;
	} forms[] = {{"list.yaml", LIST_YAML, 1}, {"list.json", LIST_JSON, 1}, {"lists.yaml", LISTS, 4}};
	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct reading reading;
		reading_init(&reading);
		reading_add(&reading, forms[i].file, forms[i].text);
		reading_finish(&reading);
		diagnostics_print(&reading.diagnostics, stderr, false);
		assert_int_equal(reading.diagnostics.count, 0);
		assert_int_equal(reading.frontend.skipped_count, 1);
		assert_int_equal(reading.frontend.list_count, forms[i].lists);
		assert_true(frontend_has_input(&reading.frontend));
		const struct inventory *inventory = reading.world.inventory;
		assert_int_equal(inventory->namespace_count, 1);
		assert_int_equal(inventory->node_count, 1);
		assert_int_equal(inventory->workload_count, 1);
		assert_int_equal(inventory->workloads[0]->labels.count, 2);
		assert_int_equal(inventory->workloads[0]->address_count, 2);
		assert_true(allows(&reading, "198.51.100.7", "shop/web-0", "8080/tcp"));
		assert_false(allows(&reading, "198.51.100.7", "shop/web-0", "8081/tcp"));
		assert_false(allows(&reading, "203.0.113.7", "shop/web-0", "8080/tcp"));
		assert_true(allows(&reading, "shop/web-0", "203.0.113.7", "1/tcp"));
		assert_true(allows(&reading, "192.0.2.11", "shop/web-0", "1/tcp"));
		arena_free(reading.arena);
	}
}

static void an_empty_list_is_input_too(void **state)
{
	static const char *const lists[] = {
	    OBJECT("v1", "List", "items: []\n"),
	    OBJECT("v1", "List", "items: ~\n"),
	    OBJECT("v1", "PodList", ""),
	    "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [], \"metadata\": {\"resourceVersion\": \"\"}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		struct reading reading;
		read_text(&reading, lists[i]);
		assert_true(frontend_has_input(&reading.frontend));
		arena_free(reading.arena);
	}
	struct reading nothing;
	read_text(&nothing, OBJECT("apps/v1", "Deployment", ""));
	assert_false(frontend_has_input(&nothing.frontend));
	arena_free(nothing.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_flow_has_its_verdict),
	    cmocka_unit_test(a_null_field_is_an_absent_one),
	    cmocka_unit_test(a_policy_may_say_next_to_nothing),
	    cmocka_unit_test(a_rule_counts_on_the_side_of_its_pods),
	    cmocka_unit_test(order_changes_nothing),
	    cmocka_unit_test(each_manifest_has_its_remark),
	    cmocka_unit_test(a_workload_file_holds_no_policy),
	    cmocka_unit_test(each_pod_is_what_it_tells),
	    cmocka_unit_test(each_pod_tells_of_its_node),
	    cmocka_unit_test(each_node_is_what_it_tells),
	    cmocka_unit_test(a_namespace_has_its_name_once),
	    cmocka_unit_test(lists_are_read_as_kubectl_prints_them),
	    cmocka_unit_test(an_empty_list_is_input_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
