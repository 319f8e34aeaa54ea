/* Which workloads, nodes and namespaces exist. */
#ifndef RINGFENCE_INVENTORY_H
#define RINGFENCE_INVENTORY_H

#include <ringfence/policy.h>

struct workload {
	const char *name_space, *name, *node; /* node: NULL when not given */
	struct labels labels;
	struct address *addresses;
	size_t address_count;
	const char **interfaces; /* on the host's side: a packet that comes in by one has an address of its own */
	const char *cgroup;	 /* of a host workload: the path of its cgroup below the root of cgroup2; then it has no
				  * address of its own but those of its node, and is that node to every other end */
	uint64_t cgroup_id;	 /* the kernel's number of that cgroup; 0: not known, as while a unit does not run */
	struct named_port *ports;
	size_t port_count;
	uint32_t interface_count;
	bool conflict; /* an older workload has its name or one of its addresses, or a node has: it has no allowed flow
			*/
	/* What an operator of the node asked for, or NULL. Unlike one of the policy it holds as long as it stands here:
	 * whoever keeps it takes it away when it is over, as with a conflict. */
	const struct quarantine *quarantine;
	uint32_t position; /* inventory_add: in the array */
	uint64_t order;	   /* inventory_add: age, of which the lower is the older */
	struct span span;
};

struct name_space {
	const char *name;
	struct labels labels; /* always with kubernetes.io/metadata.name */
	struct span span;
};

struct node {
	const char *name;
	struct address *addresses;
	size_t address_count;
	struct prefix *pools; /* where its workloads get addresses: one in here that no workload has is closed */
	size_t pool_count;
	enum deny deny; /* of its workloads */
	bool told;	/* by pods alone (inventory_add_hosts) */
	struct span span;
};

/* An address of the machine `node`, as a pod on it tells. */
struct host {
	const char *node;
	struct address address;
	struct span span;
};

struct inventory {
	struct workload **workloads;
	size_t workload_count;
	struct name_space **namespaces;
	size_t namespace_count;
	struct node **nodes;
	size_t node_count;
	struct host *hosts;
	size_t host_count;
	struct inventory_index *index;
};

/* Adds a node for each machine that only `hosts` speak of, and sorts these. What workloads and nodes say stands: a node
 * that is there already, and an address that one of them has, are passed over. */
void inventory_add_hosts(struct inventory *inventory, struct arena *arena);

/* Makes the look-ups below work; call it after the last change to the arrays, but for their order. Of two workloads
 * with one name or one address the one that is not in conflict is found, or else the first. */
void inventory_index(struct inventory *inventory, struct arena *arena);

/* Whether no name of a workload, and no address of a workload or node, stands twice. */
bool inventory_distinct(const struct inventory *inventory);

/* ---- an inventory that changes ----
 *
 * From inventory_init to inventory_finish, in place of inventory_index. Workloads, nodes and namespaces are the
 * caller's and stay where they are while they are in it. Adding and removing costs the same however many there are. */

/* Makes an empty inventory, and frees what it took. */
void inventory_init(struct inventory *inventory);
void inventory_finish(struct inventory *inventory);

/* Adds a workload, whose `order`, name and addresses stay as they are then, or takes it out, which moves the last one
 * to its place in the array. Of two with one name or one address the older is found, and the other when that one is
 * gone; two of one order have nothing in common. */
void inventory_add(struct inventory *inventory, struct workload *workload);
void inventory_remove(struct inventory *inventory, struct workload *workload);

/* Call it after `nodes` or `namespaces`, or what they point to, was replaced. */
void inventory_index_nodes(struct inventory *inventory);

/* The oldest workload with this address, also where a node has it. NULL: none. */
const struct workload *inventory_claimant(const struct inventory *inventory, const struct address *address);

/* Whether the workload is found by its name and each of its addresses: no older one and no node has any of them. */
bool inventory_has_its_own(const struct inventory *inventory, const struct workload *workload);

/* ---- look-ups ---- */

/* A workload at one of its addresses. */
struct place {
	struct address address;
	const struct workload *workload;
};

/* Every address of a workload with the one that has it, in the order of addresses: sorted when it is asked for, and the
 * inventory's until it changes. */
const struct place *inventory_places(const struct inventory *inventory, size_t *count);

/* Each returns NULL when there is none. */
const struct workload *inventory_workload(const struct inventory *inventory, const char *name_space, const char *name);
/* The oldest workload of this cgroup; looks at every workload. */
const struct workload *inventory_at_cgroup(const struct inventory *inventory, uint64_t id);
const struct workload *inventory_at(const struct inventory *inventory, const struct address *address);
const struct name_space *inventory_namespace(const struct inventory *inventory, const char *name);
const struct node *inventory_node(const struct inventory *inventory, const char *name);
const struct node *inventory_node_at(const struct inventory *inventory, const struct address *address);

/* Whether two nodes have the same addresses and pools, in one order. */
bool node_same_addresses(const struct node *a, const struct node *b);

/* Whether it is a service of its node, told by a cgroup. */
bool workload_is_host(const struct workload *workload);

enum { CGROUP_PATH_MOST = 511, CGROUP_LEVELS = 8 };

/* Returns how many levels below the root of cgroup2 `path` names, from 1 to CGROUP_LEVELS; 0: it is no such path. */
unsigned cgroup_level(const char *path);

/* Whether a node gives `address` to workloads (a pool). */
bool inventory_in_pool(const struct inventory *inventory, const struct address *address);

#endif
