/* Inside a lowering: what the passes share. See include/ringfence/lowering.h for what a lowering is.
 *
 * The passes, in the order in which lower.c calls them:
 *   identities.c  workloads that no statement can tell apart
 *   classes.c     local workloads that the same statements select share a chain
 *   sharing.c     peers that have one set for all classes
 *   groups.c      which sets a class has, and which identities are in them
 *   class_rules.c the chain of a class
 *   common.c      the sets and chains that every node has
 *   host_workloads.c  the same for workloads that are told by their cgroups
 *   members.c     the elements that one workload puts into all of these
 *   counters.c    what counts for each allow
 *
 * Then workloads come and go: alteration.c makes a plan of that, empties.c keeps classes without workloads for a while.
 */
#ifndef COMPILER_RULESET_LOWERING_H
#define COMPILER_RULESET_LOWERING_H

#include "compiler/policy/label_index.h"
#include "compiler/ruleset/ranges.h"
#include "compiler/ruleset/rules.h"

#include <ringfence/lowering.h>
#include <ringfence/table.h>

/* Keyed, since workloads bring the texts. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

/* When, in a change, the elements of a set come and go; see alteration.c. */
enum role {
	ROLE_DOOR,	  /* interfaces that are guarded */
	ROLE_GUARD,	  /* what may come in there */
	ROLE_END,	  /* whose rules hold: the maps, and what closes an address */
	ROLE_PEER,	  /* who may be reached, or reach: of a class */
	ROLE_SELF,	  /* a workload's own addresses */
	ROLE_KNOWN,	  /* who is known at an address for workloads */
	ROLE_INSIDE,	  /* who is no part of the world */
	ROLE_INSIDE_POOL, /* of these, an element at an address for workloads; no set has this role */
	ROLES
};

/* What slots belong to, a class or a shared set: its first member. */
struct owner {
	bool made; /* in the change that is going on */
};

/* A set of the lowering. */
struct store {
	struct set form; /* with the elements that do not depend on who is running */
	enum role role;
	int64_t until;		   /* of its elements; 0: they have no end */
	const struct owner *owner; /* the class that it goes with, or NULL */
	size_t count;		   /* elements, those of workloads among them */
	struct set *filled;	   /* while a ruleset is filled: its set there */
};

/* How the peers of a class are stored, by what is looked up. */
enum shape {
	SHAPE_KEYED,  /* workload address, protocol, port: hash */
	SHAPE_HOSTS,  /* workload address, any port: hash */
	SHAPE_SPANS,  /* workload address, ports from one to another: intervals */
	SHAPE_RANGES, /* networks, ports: intervals in every part */
	SHAPE_NETS,   /* networks, any port: intervals */
	SHAPE_PEERS,  /* workload address, in a set that classes share; the rule says the ports: hash */
};

/* A set of a class: one for each shape, family and expiry, and for what else makes its rules differ. */
struct group {
	enum shape shape;
	uint8_t family;
	int64_t until;		     /* 0: never */
	bool icmp;		     /* its ports are requests of ICMP, which other rules look at */
	bool outside;		     /* `world`: only where the address is no known workload's or node's */
	const struct allow *special; /* an allow with `log` or `rate` has groups of its own; else NULL */
	bool tcp, udp, sctp;	     /* protocols that can be in it */
	bool counted;		     /* its elements name counters of several allows; else its rules count for one */
	const struct allow **allows; /* that it comes from */
	size_t allow_count;
	struct boxes boxes;	 /* what is in it whoever runs; ports unused for HOSTS and NETS */
	struct peer_set *peers;	 /* PEERS: whose store it is */
	struct port_range ports; /* PEERS */
	struct store *store;
};

/* An allow that counts for a class, with what it opens: for ingress the target that matched and its ports here. */
struct class_entry {
	const struct allow *allow;
	const struct target *target;
	const struct port_range *ports; /* ingress only */
	size_t port_count;
};

/* A peer that may mean workloads: of a class's entry, or of a shared set. */
struct use {
	const struct peer *peer;
	struct class *class;
	const struct class_entry *entry;
	struct peer_set *shared; /* then there is no class */
};

/* A peer that classes have one set for; see sharing.c. */
struct peer_set {
	struct owner owner;
	const char *key;
	int64_t until;
	struct use use;
	struct store *stores[2]; /* by family */
	size_t keys, members;	 /* elements that each address would have, without; addresses when it was chosen */
	bool ranges;		 /* ports from one to another are asked for */
	size_t users;		 /* groups */
	UT_hash_handle hh;
};

/* Local workloads that the same statements select in a direction. */
struct class
{
	struct owner owner;
	struct arena *arena; /* of all that belongs to it */
	enum direction direction;
	const struct isolation *isolation;   /* what isolates it, or NULL: unmatched */
	bool closed;			     /* no allow counts: a workload in conflict or in quarantine */
	const struct quarantine *quarantine; /* why it is closed, or NULL: a conflict; of use while it is made */
	enum denied denied; /* what becomes of what no allow opens; of one that is closed it is dropped */
	bool host;	    /* of host workloads: to them the node is a loopback address, too */
	const char *node;   /* where a `node` peer matters, else NULL */
	struct class_entry *entries;
	size_t entry_count;
	const char *signature; /* equal for equal classes */
	struct chain *chain;
	struct group *groups;
	size_t group_count;
	struct use *uses;
	size_t use_count;
	bool one_sided; /* an entry counts on this side only, as rules of NetworkPolicies do */
	bool touched;	/* in the change that is going on: made, or left by its last member */
	struct class *next_touched;
	struct identity **standing; /* in the change that made it: the identities that stand in its sets */
	size_t standing_count;
	size_t members;	   /* local addresses whose rules these are */
	bool empty, swept; /* it has none, as when the last sweep came by */
	struct class *previous_empty, *next_empty;
	size_t taken;	      /* of the budget */
	size_t peers_count;   /* groups that share a set */
	UT_hash_handle hh;    /* by signature */
	UT_hash_handle named; /* by the name of its chain */
};

/* Where the members of an identity stand as peers: in a set, with ports. */
struct slot {
	struct store *store;
	const struct owner *owner;     /* the class or the shared set */
	const struct network *network; /* only addresses in there; NULL: all */
	struct port_range ports;
	uint32_t allow; /* its place: the first that opens this */
	enum shape shape;
};

struct slots {
	struct slot *items;
	size_t count, room;
};

/* Workloads that no statement can tell apart: same namespace, same labels and ports as far as the policy speaks of
 * them, local ones also the same node. Peers are matched once for each. */
struct identity {
	const struct workload **members;
	size_t member_count, member_room;
	struct slots slots[2];	  /* by family: 0 for IPv4, 1 for IPv6 */
	struct class *classes[2]; /* of local members whose address is in no network of the policy; by direction */
	size_t plain_count[2];	  /* how many addresses have it; the class may be NULL: not isolated */
	UT_hash_handle hh;	  /* by key */
	size_t key_length;
	char key[];
};

/* A workload in conflict, and which of its addresses are its own. */
struct claim {
	const char *name; /* of the workload, by which it is known again */
	UT_hash_handle hh;
	bool own[];
};

/* A text, or an interface of local workloads and how many have it. */
struct name {
	size_t count;
	UT_hash_handle hh;
	char text[];
};

/* The sets of an allow's `rate`, by family; shared by all chains of a node, which judge a connection once. */
struct meter {
	const struct allow *allow;
	struct store *stores[2];
};

/* The maps of host workloads whose cgroups are at one level, and the set of their cgroups. */
struct cgroup_level {
	unsigned level;
	struct store *egress, *ingress, *local;
};

/* What stands for an allow where a pod and its node reach each other: behind all allows. */
#define OWN_NODE_KEY "own node"

/* What counts for an allow; for all that are called alike, as those are that say the same. */
struct counter {
	size_t classes; /* that count with it */
	bool there;	/* in the kernel */
	UT_hash_handle hh;
	char name[COUNTER_NAME_SIZE];
};

/* An element of a workload. */
struct member {
	struct store *store;
	struct element element;
};

struct members {
	struct arena *arena;
	struct member *items;
	size_t count;
};

/* How many elements a ruleset may have, and who passed that. */
struct budget {
	size_t left;
	const struct allow *passed_by; /* NULL: nobody */
};

struct lowering {
	struct arena *arena; /* of what lives as long as the lowering */
	struct world world;
	const char *node;
	uint32_t generation;
	struct budget budget;
	size_t element_count;
	bool starting; /* workloads are entered for the first time: slots are found for all of them at the end */
	bool outgrown; /* a peer has no shared set only because it had none in this generation */

	/* of print_begin */
	FILE *stream;
	char *text;
	size_t text_size;

	/* what the policy speaks of */
	struct label_index *allows[2];	    /* by the side of direction d: numbers of allows */
	struct label_index *isolations;	    /* numbers */
	const struct network **networks[2]; /* that stand on the own side of an allow, by direction: each once */
	size_t network_counts[2];
	struct name *keys, *ports; /* keys of labels and names of ports that some statement asks for */
	bool one_sided;		   /* a rule counts on one side only: half of a change could be a third policy */

	struct identity *identities;
	struct table members; /* of them, by the pointer of the name; the number is the place in its identity */
	struct class *classes, *class_names;
	struct class *empties; /* the longest so first */
	size_t empty_count;
	struct label_index *uses;     /* struct use */
	struct label_index *labelled; /* identities by what peers may ask for */
	struct peer_set *peer_sets;   /* that are shared */
	struct name *interfaces;
	struct claim *claims;
	struct counter **counters_of; /* by the place of an allow, OWN_NODE_KEY's last; NULL until it is asked for */
	struct counter *counters;     /* by name */

	/* common.c; by family, NULL where there is none */
	struct store **stores;
	size_t store_count;
	struct chain **chains;		    /* the fixed ones last */
	size_t chain_count, dead_end_count; /* dead ends stand first */
	struct store *local[2], *self[2], *egress[2], *ingress[2], *guard[2], *pool[2], *known[2], *inside[2];
	struct store *guarded;
	struct cgroup_level *cgroup_levels; /* that host workloads are at, the deepest first; none: there are none */
	size_t cgroup_level_count;
	bool unplaced; /* a host workload is at another level: it has no map in this generation */
	struct ranges pools[2];
	struct prefix *pool_prefixes[2];
	size_t pool_prefix_counts[2];
	/* Where an allow has `log` or `rate`: local workloads whose ingress chain judges no less than the source's
	 * egress chain. A rule that counts on one side opens ingress and not egress, so there the source's is to judge.
	 */
	struct store *judged[2];
	struct meter *meters;
	size_t meter_count;

	/* the change that is going on; alteration.c */
	struct arena *scratch;
	struct members gone, come;
	struct class *touched;
	size_t left_count, entered_count; /* workloads */
	struct addresses {
		struct address *items;
		size_t count;
	} left, entered;
	bool closing; /* one of them is in conflict or in quarantine, before or after */
};

/* ---- lower.c ---- */

/* A stream for a short text, and what was printed to it, until the next one begins. It is one for all of them: opening
 * a stream costs more than most texts. */
FILE *print_begin(const struct lowering *l);
const char *print_end(const struct lowering *l);

/* ---- identities.c ---- */

bool is_local(const struct lowering *l, const struct workload *workload);

/* Collects what the policy speaks of, so that identities know what matters. */
void identities_prepare(struct lowering *l);

/* The identity of a workload, NULL where it has none yet; identity_enter makes it and adds the workload, identity_leave
 * takes it out and frees what is empty. */
struct identity *identity_find(struct lowering *l, const struct workload *workload);
struct identity *identity_enter(struct lowering *l, const struct workload *workload);
void identity_leave(struct lowering *l, struct identity *identity, const struct workload *workload);
void identity_free(struct lowering *l, struct identity *identity);

/* ---- classes.c ---- */

void classes_prepare(struct lowering *l);

/* The class of a local workload at one of its addresses (a host workload: NULL), made when it is new; NULL when the
 * workload is not isolated in this direction. class_join counts the address as a member, class_part no longer. */
struct class *class_join(struct lowering *l, struct identity *identity, const struct workload *workload,
			 const struct address *address, enum direction direction);
void class_part(struct lowering *l, struct identity *identity, const struct address *address, struct class *class,
		enum direction direction);
struct class *class_find(struct lowering *l, const struct identity *identity, const struct workload *workload,
			 const struct address *address, enum direction direction);
void class_free(struct lowering *l, struct class *class);
/* Gives a class its sets and rules. */
void class_complete(struct lowering *l, struct class *class);

/* ---- sharing.c ---- */

/* Chooses which peers of the classes that are there share a set; where `like` is of this generation, as it says. */
void sharing_choose(struct lowering *l, const struct ruleset *like);

/* Drops the sets that no class came to use. */
void sharing_settle(struct lowering *l);

/* Prints what a peer means, the same for equal ones. */
void peer_print(FILE *stream, const struct peer *peer);

/* The shared set of a peer, or NULL. */
struct peer_set *sharing_find(const struct lowering *l, const struct peer *peer, int64_t until);

/* ---- groups.c ---- */

/* Ports of an entry at `destination` (NULL: without those that only a workload names). In `arena` or of the entry. */
const struct port_range *entry_ports(struct arena *arena, const struct class *class, const struct class_entry *entry,
				     const struct workload *destination, size_t *count);

/* Makes the sets of a class, and notes its uses. */
void groups_declare(struct lowering *l, struct class *class);
/* Fills in what does not depend on who is running. */
void groups_fill(struct lowering *l, struct class *class);
/* Ends the uses of a class, and takes its slots from all identities; sharing_forget does the same with a shared set. */
void groups_forget(struct lowering *l, struct class *class);
void sharing_forget(struct lowering *l, struct peer_set *set);
/* Adds the slots of all identities in a new class, which then knows them; or those of one identity in all. */
void slots_in_class(struct lowering *l, struct class *class);
void slots_find(struct lowering *l, struct identity *identity);

/* ---- class_rules.c ---- */

void class_write(struct lowering *l, struct class *class);

/* ---- common.c ---- */

void common_sets(struct lowering *l);
void common_chains(struct lowering *l);

/* ---- host_workloads.c ---- */

/* The sets, and the chains behind input and output, of the host workloads of this node; nothing where there are none.
 * host_chains returns whether it made gN_input and gN_output. */
void host_sets(struct lowering *l);
bool host_chains(struct lowering *l);

/* The level that has a workload's cgroup, or NULL. */
const struct cgroup_level *host_level(const struct lowering *l, const struct workload *workload);

/* ---- members.c ---- */

struct store *store_create(struct arena *arena, const char *name, enum key_type key, enum role role);
struct element *store_push(struct arena *arena, struct store *store);

/* Appends one part to a key, padded to 4 bytes; returns where the next begins. */
size_t put_part(uint8_t *key, size_t at, const void *bytes, size_t size);
/* An element for every address and port of a box. */
void put_box(struct element *element, const struct box *box, bool ports, int64_t until, const char *counter);
void put_address(struct element *element, const struct address *address, const char *chain);

/* Whether address `i` of a workload is its own, or its cgroup for `i` = address_count: of one in conflict, another may
 * have it. */
bool has_place(const struct lowering *l, const struct workload *workload, size_t i);
/* Whether it is an address for workloads. */
bool in_pools(const struct lowering *l, const struct address *address);

/* Keeps which addresses a workload in conflict has to itself as it enters: when it leaves, the inventory is another. */
void claim_enter(struct lowering *l, const struct workload *workload);
void claim_leave(struct lowering *l, const struct workload *workload);
void claims_free(struct lowering *l);
/* Calls for each element that a workload at its addresses puts into the sets; the same may come twice, as a port by its
 * name and by its number. */
void members_of(struct lowering *l, const struct identity *identity, const struct workload *workload,
		void (*call)(void *context, struct store *store, const struct element *element), void *context);

/* ---- lower.c ---- */

/* Calls for every element of every workload; of a class that is new only where that is not NULL. */
void for_each_member(struct lowering *l, const struct class *class,
		     void (*call)(void *context, struct store *store, const struct element *element), void *context);

/* Room for twice what is there, so that the kernel takes its fixed hash; sets with timeouts or intervals have none. */
void store_size(struct store *store);

/* A copy of a store's set with room for all its elements, in `arena`; the caller pushes those of workloads. */
struct set *store_copy(struct arena *arena, const struct store *store);

/* ---- empties.c ---- */

/* A class has no member any more, or has one again. */
void class_empty(struct lowering *l, struct class *class);
void class_revive(struct lowering *l, struct class *class);

/* Deletes those that are empty the longest where there are too many, and shared sets that no class uses. */
void empties_limit(struct lowering *l, struct transaction *transaction);

/* ---- counters.c ---- */

void counters_prepare(struct lowering *l);

/* The counter of the allow at a place, of the lowering; behind the last one: what stands for OWN_NODE_KEY. */
struct counter *counter_of(struct lowering *l, uint32_t allow);

/* A class counts with those of its allows, or no longer. */
void counters_take(struct lowering *l, const struct class *class);
void counters_leave(struct lowering *l, const struct class *class);

/* Makes those of a class; one that is there counts on. counters_begin: those of all classes are there. */
void counters_add(struct lowering *l, const struct class *class, struct transaction *transaction);
void counters_begin(struct lowering *l);

/* Deletes those that no class counts with: only in a sweep, so that whoever reads them before each has seen all. */
void counters_sweep(struct lowering *l, struct transaction *transaction);

/* Appends those that are there to a ruleset. */
void counters_list(const struct lowering *l, struct arena *arena, struct ruleset *ruleset);

/* ---- alteration.c ---- */

/* Appends an operation on the object called `name`. */
struct operation *operation_add(struct lowering *l, struct transaction *transaction, enum operation_kind kind,
				const char *name);

/* Begins a change, if none is going on, and notes who leaves or enters. */
void change_begin(struct lowering *l);
void note_leaving(struct lowering *l, const struct workload *workload);
void note_entering(struct lowering *l, const struct workload *workload);
void note_gone(void *context, struct store *store, const struct element *element);
void note_come(void *context, struct store *store, const struct element *element);

#endif
