/* Whether there could be an end of a flow, or a port, that two statements both speak of; and an example of one. */
#ifndef COMPILER_ANALYSIS_MEET_H
#define COMPILER_ANALYSIS_MEET_H

#include "compiler/analysis/samples.h"

/* What an end can be. A peer speaks of one or several of these, and two peers meet in one of them. */
enum part { PART_WORKLOAD, PART_ADDRESS4, PART_ADDRESS6, PART_NODE };
enum { PART_COUNT = PART_NODE + 1 };

/* What the questions below are asked against. */
struct meeting_place {
	struct arena *arena;
	const struct world *world;
	const struct samples *samples;
	const char *elsewhere; /* a namespace of which nothing is said */
};

void meeting_place_init(struct meeting_place *place, struct arena *arena, const struct world *world,
			const struct samples *samples);

/* An end that both peers match. */
struct meeting {
	enum part part;
	const char *name_space; /* PART_WORKLOAD */
	struct labels labels;
	struct labels namespace_labels; /* what an unknown namespace needs, without its name */
	struct address address;		/* PART_ADDRESS4 and 6, and a workload that a network has to hold */
	bool has_address;
	bool host; /* PART_WORKLOAD: a host workload, and so the other end: both are of one node */
};

/* What all selectors together say of one key: a workload needs it, must not have it, or one of the lists it is in. */
struct key_demand {
	bool needed, refused;
	const struct requirement *in; /* one of the lists, or NULL */
};
struct key_demand key_demand_of(const struct selector *const *selectors, size_t count, const char *key);

/* Whether the lists of all selectors let `value` pass as that of `key`. */
bool value_passes(const struct selector *const *selectors, size_t count, const char *key, const char *value);

/* Whether a requirement lists `value`. */
bool requirement_lists(const struct requirement *requirement, const char *value);

/* Whether some label set satisfies all of `selectors`. The smallest goes to `example` where that is not NULL. */
bool selectors_meet(struct arena *arena, const struct selector *const *selectors, size_t count, struct labels *example);

/* Whether `a` and `b` meet in a workload of namespace `name` with these labels, and which labels its namespace needs.
 */
bool scopes_meet(const struct meeting_place *place, const struct peer *a, const struct peer *b, const char *name,
		 struct labels *namespace_labels);

/* The namespaces in which two peers could meet, one after the other; NULL behind the last. */
const char *scopes_candidate(const struct meeting_place *place, const struct peer *a, const struct peer *b,
			     size_t number);

/* The labels that a workload needs to be matched by a peer, whatever its namespace. */
const struct selector *peer_selector(const struct peer *peer);

/* Whether `a` and `b` meet in `part`. */
bool peers_meet(const struct meeting_place *place, const struct peer *a, const struct peer *b, enum part part,
		struct meeting *example);

/* Ports that two targets have in common, at a workload that has `names` for them. */
struct common_ports {
	struct port_range range;
	const char *names[2];
	size_t name_count;
};

/* Whether two targets have ports in common at an end that is `part`, when the other end is `other`: of those in
 * `range`.
 */
bool targets_meet(const struct target *a, const struct target *b, const struct port_range *range, enum part part,
		  enum part other, struct common_ports *example);

/* Every port of every protocol. */
extern const struct port_range every_port;

#endif
