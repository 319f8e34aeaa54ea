/* Chains, rules, sets and counters from the messages that the kernel describes them in. */
#ifndef ENFORCER_KERNEL_OBJECTS_H
#define ENFORCER_KERNEL_OBJECTS_H

#include <ringfence/ruleset.h>

struct arena;
struct nlmsghdr;

/* A ruleset while its objects are read: chains first, then rules, which come in their chains' order. */
struct objects {
	struct arena *arena;
	struct ruleset *ruleset;
	size_t chain; /* of the last rule */
};

/* Each takes one message of a dump; what is of another table is left out. Returns 0 or a negative errno. */
int objects_add_chain(struct objects *objects, const struct nlmsghdr *message);
int objects_add_rule(struct objects *objects, const struct nlmsghdr *message);
int objects_add_set(struct objects *objects, const struct nlmsghdr *message);
int objects_add_counter(struct objects *objects, const struct nlmsghdr *message);

/* Fills in which generation the rules are of, when all are there. */
void objects_find_generation(struct ruleset *ruleset);

/* Gives the set a form that none of ours has, since it is or holds what no ruleset of ours does. */
void set_disown(struct set *set);
bool set_is_ours(const struct set *set);

#endif
