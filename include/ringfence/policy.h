/* A policy after reading: what the statements of all documents say, with every name resolved.
 *
 * Plain arrays, made once and then only read. Everything lives in the arena that policy_read was given. */
#ifndef RINGFENCE_POLICY_H
#define RINGFENCE_POLICY_H

#include <ringfence/address.h>
#include <ringfence/diagnostic.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena;

struct label {
	const char *key, *value;
};

struct labels {
	struct label *items;
	size_t count;
};

enum requirement_kind { REQUIRE_IN, REQUIRE_NOT_IN, REQUIRE_EXISTS, REQUIRE_ABSENT };

/* One entry of a label selector. A workload without the key passes NOT_IN. */
struct requirement {
	enum requirement_kind kind;
	const char *key;
	const char **values;
	size_t value_count;
};

/* Every requirement must hold; an empty selector matches everything in its scope. */
struct selector {
	struct requirement *items;
	size_t count;
};

/* A protocol number of IP, or any of them. */
enum {
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_SCTP = 132,
	PROTOCOL_ANY = 256
};

/* Ports `first` to `last` of one protocol; 0 to 65535 where all are meant. The port of ICMP is type << 8, as conntrack
 * has it: the type and the code of the request (struct nf_conntrack_tuple), of which the language knows code 0 only. */
struct port_range {
	uint16_t protocol;
	uint16_t first, last;
};

struct named_port {
	const char *name;
	struct port_range port;
};

/* How a denied packet ends, and whether it is denied at all, as somebody says; zeroed: he says nothing. */
enum deny { DENY_UNSAID, DENY_DROP, DENY_REJECT };
enum mode { MODE_UNSAID, MODE_ENFORCE, MODE_AUDIT };

struct service {
	const char *name_space, *name;
	struct selector workloads;
	struct named_port *ports;
	size_t port_count;
	enum deny deny;
	enum mode mode;
	struct span mode_span; /* of the word that says it; no file: nothing does */
	struct span span;
};

/* A set of addresses: inside one of `cidrs` and outside every one of `except`. */
struct network {
	const char *name_space, *name;
	struct prefix *cidrs, *except;
	size_t cidr_count, except_count;
	struct span span;
};

enum peer_kind { PEER_SERVICE, PEER_NETWORK, PEER_LABELS, PEER_ANY, PEER_CLUSTER, PEER_WORLD, PEER_NODE };
enum namespace_scope { NAMESPACES_LISTED, NAMESPACES_ANY, NAMESPACES_LABELS };

/* One end of a flow, in a statement. Which fields hold follows from `kind`. */
struct peer {
	enum peer_kind kind;
	enum namespace_scope scope;
	const struct service *service;
	const struct network *network; /* also for an inline cidr */
	struct selector labels;
	const char **namespaces; /* NAMESPACES_LISTED */
	size_t namespace_count;
	struct selector namespace_labels; /* NAMESPACES_LABELS */
	const char *name;		  /* as written, for reports */
	struct span span;
};

/* A port by its name in the destination workload; PROTOCOL_ANY where the protocol is not said. */
struct port_name {
	const char *name;
	uint16_t protocol;
};

/* A destination with ports there. */
struct target {
	struct peer peer;
	struct port_range *ports;
	size_t port_count;
	struct port_name *container_ports; /* looked up in the destination workload */
	size_t container_port_count;
};

/* The flows that a statement speaks of: from any of the sources to any of the targets. */
struct flows {
	struct peer *from;
	size_t from_count;
	struct target *to;
	size_t to_count;
};

enum direction { EGRESS, INGRESS };

/* New connections of one source: at most `count` in `seconds`. */
struct rate {
	uint32_t count, seconds; /* count 0: no limit */
};

struct allow {
	struct flows flows;
	bool counts[2]; /* by direction: a native allow counts on both sides, a rule of a NetworkPolicy on one */
	int64_t until;	/* Unix time in seconds from which the allow is gone; 0: never */
	bool log;
	struct rate rate;
	const char *why, *owner;
	const char *key; /* what it says, wherever it stands: allows are sorted by it */
	uint32_t place;	 /* among the policy's allows */
	struct span span;
};

/* Whoever it selects is isolated: by a service in both directions, by a NetworkPolicy in those of its policyTypes. */
struct isolation {
	const char *name_space, *name;
	struct selector workloads;
	bool directions[2];
	const struct service *service; /* NULL: a NetworkPolicy, which lets traffic with the own node pass */
	struct span span;
};

/* What no allow may ever open. */
struct never {
	struct flows flows;
	const char *why, *owner;
	struct span span;
};

/* A unit test of the policy: each of the flows is allowed, or each is denied. */
struct policy_test {
	struct flows flows;
	bool expect_allow;
	const char *why;
	const char *name_space; /* of its document: where a peer by labels without `namespaces` lives */
	struct span span;
};

/* A workload without any allowed flow. One of the policy has a place; one that an operator asked a node for has none.
 */
struct quarantine {
	const char *name_space, *name;
	int64_t until; /* as in an allow */
	const char *why;
	struct span span;
};

enum unmatched { UNMATCHED_DEFAULT, UNMATCHED_DENY, UNMATCHED_ALLOW };

/* A native document that switches lints off for what stands in it. */
struct lint_switch {
	struct span document;
	uint32_t off; /* a bit for each of `lints`, see lint.h */
};

struct policy {
	struct service **services;
	size_t service_count;
	struct network **networks;
	size_t network_count;
	struct allow **allows;
	size_t allow_count;
	struct isolation **isolations; /* the services' first */
	size_t isolation_count;
	struct never **nevers;
	size_t never_count;
	struct policy_test **tests; /* in the order of files and lines */
	size_t test_count;
	struct quarantine **quarantines;
	size_t quarantine_count;
	enum unmatched unmatched;
	struct span unmatched_span;
	bool audit; /* what would be denied is logged and let through, but where a service's own mode says otherwise */
	struct span mode_span;
	bool node_audit; /* the same of all that this node judges, whatever services say: the daemon's configuration */
	enum deny deny;
	struct span deny_span;
	const char *revision; /* of the input that it was read from: a hash, in hexadecimal */
	struct lint_switch *lint_switches;
	size_t lint_switch_count;
};

/* Whether workloads that no service selects are isolated: as `unmatched` says, else where any service exists. */
bool policy_isolates_unmatched(const struct policy *policy);

/* Whether `selector` matches `labels`. */
bool selector_matches(const struct selector *selector, const struct labels *labels);

/* Whether `network` holds `address`. */
bool network_contains(const struct network *network, const struct address *address);

/* What says a port in one word: any, and ICMP with its requests. */
struct port_word {
	const char *text;
	struct port_range range;
};
enum { PORT_WORDS = 9 };
extern const struct port_word port_words[PORT_WORDS];

/* Reads PORT/PROTOCOL, FIRST-LAST/PROTOCOL, icmp, icmp/TYPE, icmpv6, icmpv6/TYPE or any. Returns NULL, or why not. */
const char *port_range_parse(struct port_range *port, const char *text);

/* Reads tcp, udp, sctp, icmp or icmpv6. Returns false where it is none of them. */
bool protocol_parse(uint16_t *protocol, const char *name);

/* Writes a port the way port_range_parse reads it, and returns `text`, which has room for 48 bytes. */
char *port_range_format(const struct port_range *port, char *text);

/* Writes the regular expression (ECMA-262) of the ports that are no words, not anchored. */
void port_pattern(FILE *stream);

/* Whether a port may be called so: small letters, digits and `-`, a letter among them, and no port by itself. */
bool port_is_name(const char *text);

/* Whether `range` holds a port of `protocol`. Of ICMP only requests with code 0 are ports: nothing else is allowed but
 * by `any`. */
bool port_range_holds(const struct port_range *range, uint16_t protocol, uint16_t port);

/* Writes the ports of the ICMP requests that `range` (of ICMP or ICMPv6) holds to `ports`, which has room for 8, and
 * returns how many they are. No other message starts a flow. */
size_t icmp_requests(const struct port_range *range, uint16_t *ports);

/* Reads COUNT/UNIT per source, the unit being second, minute or hour. Returns NULL, or why not. */
const char *rate_parse(struct rate *rate, const char *text);

/* Writes a rate the way rate_parse reads it, and returns `text`, which has room for 48 bytes. */
char *rate_format(const struct rate *rate, char *text);

/* Writes the regular expression (ECMA-262) of what rate_parse reads, not anchored. */
void rate_pattern(FILE *stream);

/* Reads an RFC 3339 time, or a date, which is valid to its end (UTC). Returns NULL, or why not. */
const char *time_parse(int64_t *seconds, const char *text);

/* Reads what time_parse does, or how far off a moment is: 90s, 30m, 2h or 1d from `now`. Returns NULL, or why not. */
const char *moment_parse(int64_t *seconds, const char *text, int64_t now);

/* Writes `seconds` as an RFC 3339 time in UTC, and returns `text`, which has room for 32 bytes. */
char *time_print(int64_t seconds, char *text);

#endif
