/* What the generators of native documents and of manifests share. */
#ifndef TESTS_AGREEMENT_PARTS_H
#define TESTS_AGREEMENT_PARTS_H

#include "tests/agreement/generate.h"
#include "tests/agreement/random.h"

#include <stdbool.h>

enum { SPACES = 3, WORKLOADS_LEAST = 4, WORKLOADS_MOST = 9, SERVICES_MOST = 3, REQUIREMENTS_MOST = 2 };
extern const char *const space_names[SPACES];
extern const char *const port_names[2];

struct made_workload {
	char name[24];
	const char *space;
	const char *labels[3]; /* values of label_keys; NULL: not there */
	const char *node;      /* NULL: not said */
	unsigned numbers[2];   /* of its addresses */
	unsigned number_count;
	bool families[2][2];  /* for each number: IPv4, IPv6 */
	unsigned port_more;   /* how far the first port reaches; manifests have no ranges */
	unsigned ports[2];    /* numbers of port_names; 0: not there */
	const char *protocol; /* of the first of them: tcp, udp or sctp */
	bool guarded;	      /* has the name of the interface at its place */
	bool away;	      /* not in the inventory at the moment */
};

struct made_service {
	bool there, has_ports[2]; /* port_names */
};

struct generator {
	struct random random;
	uint32_t features;
	struct made_workload workloads[WORKLOADS_MOST];
	size_t workload_count;
	struct made_service services[SPACES][SERVICES_MOST];
	bool declared_spaces; /* namespaces have labels */
	const char *space_teams[SPACES];
	unsigned pools, policies;
	bool node_families[2];
	bool nodes_by_pods; /* only pods say what addresses nodes have */
};

/* One entry of a label selector, whatever it is written in. */
struct made_requirement {
	const char *key;
	enum { MADE_IN, MADE_NOT_IN, MADE_EXISTS, MADE_ABSENT } kind;
	const char *values[2];
	unsigned value_count;
};

bool has(const struct generator *g, enum feature feature);

/* Ends the process when there is no memory, or a format of json_pack was wrong. */
json_t *made(json_t *value);
json_t *made_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fills `items`, with at most `most` entries, about workloads' labels or about namespaces'. Returns how many. */
size_t make_requirements(struct generator *g, struct made_requirement *items, size_t most, bool of_spaces);

/* A network: inside the tested addresses, outside them, or all. With `inside`, one that is a part of it. */
struct made_prefix {
	unsigned family, length, number; /* length: of the last 4 bits; number: the first address */
	const char *far;		 /* a network somewhere else, or NULL */
};
struct made_prefix make_prefix(struct generator *g);
bool make_part(struct generator *g, const struct made_prefix *whole, struct made_prefix *part);
json_t *prefix_text(const struct made_prefix *prefix);

/* tcp, udp or sctp. */
const char *make_protocol(struct generator *g);
unsigned make_port(struct generator *g);

/* Replaces the files of the inventory by what the workloads are now. */
void put_inventory(struct generator *g, json_t *files);

/* Policy: a document of one namespace, and what stands in one. */
json_t *make_native_policy(struct generator *g, unsigned space);
json_t *make_network_policy(struct generator *g);
json_t *make_allow(struct generator *g, unsigned space);
json_t *make_quarantine(struct generator *g);

#endif
