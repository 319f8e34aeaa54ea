/* Host workloads: services of the node itself, which share its addresses and are told by the cgroup of their sockets.
 *
 *     output:  stray?  original: egress by the sending socket    gN    reply: ingress by the sending socket
 *     input:   stray?  reply: egress by the receiving socket     gN    original: ingress by the receiving socket
 *
 * A reply has the socket of its flow's other end at hand, so request and reply meet the same rules. What goes over lo
 * passes both hooks, and each judges the end whose socket it sees. gN stands in between because an ingress chain
 * accepts and so ends the way; where gN accepts, the flow's destination is a workload with an address, and no host
 * workload.
 *
 * The kernel lets only chains that no way from forward leads to look at sockets (nft_socket_validate), so these belong
 * to input and output alone. Deeper levels are asked first, and a map's goto ends the asking: of a cgroup within
 * another, the inner one counts. */
#include "compiler/ruleset/lowering.h"

#include <stdlib.h>
#include <string.h>

enum { ORIGINAL, REPLY };			  /* linux/netfilter/nf_conntrack_tuple_common.h */
enum { STATE_INVALID = 1, STATE_UNTRACKED = 64 }; /* bits of ct state, see common_chains.c */

static const char *own(const struct lowering *l, const char *name)
{
	return own_name(l->arena, l->generation, name);
}

const struct cgroup_level *host_level(const struct lowering *l, const struct workload *workload)
{
	unsigned level = cgroup_level(workload->cgroup);
	for (size_t i = 0; i < l->cgroup_level_count; i++)
		if (l->cgroup_levels[i].level == level)
			return &l->cgroup_levels[i];
	return NULL;
}

static struct store *add_store(struct lowering *l, const char *name, unsigned level, bool map)
{
	const char *whole = own(l, arena_printf(l->arena, "%s%u", name, level));
	struct store *store = store_create(l->arena, whole, KEY_CGROUP, ROLE_END);
	store->form.map = map;
	*arena_push(l->arena, l->stores, l->store_count) = store;
	return store;
}

void host_sets(struct lowering *l)
{
	const struct inventory *inventory = l->world.inventory;
	bool used[CGROUP_LEVELS + 1] = {false};
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (workload_is_host(inventory->workloads[i]) && is_local(l, inventory->workloads[i]))
			used[cgroup_level(inventory->workloads[i]->cgroup)] = true;
	for (unsigned level = CGROUP_LEVELS; level > 0; level--) {
		if (!used[level])
			continue;
		l->one_sided = true; /* the other end takes a host workload for the node */
		*arena_push(l->arena, l->cgroup_levels, l->cgroup_level_count) =
		    (struct cgroup_level){level, add_store(l, "cgroup_out", level, true),
					  add_store(l, "cgroup_in", level, true), add_store(l, "cgroup", level, false)};
	}
}

static struct writing begin(struct lowering *l, const char *name)
{
	struct chain *chain = chain_create(l->arena, own(l, name));
	*arena_push(l->arena, l->chains, l->chain_count) = chain;
	return (struct writing){l->arena, chain, l->generation, l->world.policy->audit};
}

static void ask_sockets(struct lowering *l, const char *name, bool egress)
{
	const struct writing w = begin(l, name);
	for (size_t i = 0; i < l->cgroup_level_count; i++) {
		const struct cgroup_level *level = &l->cgroup_levels[i];
		look_up(&w, add_rule(&w, egress ? "may it send this?" : "may it receive this?"), STATEMENT_MAP,
			&(egress ? level->egress : level->ingress)->form,
			(enum field)(FIELD_CGROUP1 + level->level - 1), FIELD_COUNT, FIELD_COUNT);
	}
}

/* What conntrack cannot place has no direction, and is nobody's flow. */
static void add_stray(struct lowering *l)
{
	const struct writing w = begin(l, "host_stray");
	for (size_t i = 0; i < l->cgroup_level_count; i++) {
		struct rule *rule = add_rule(&w, "no flow of conntrack");
		look_up(&w, rule, STATEMENT_IN, &l->cgroup_levels[i].local->form,
			(enum field)(FIELD_CGROUP1 + l->cgroup_levels[i].level - 1), FIELD_COUNT, FIELD_COUNT);
		finish_rule(&w, rule, STATEMENT_GOTO, own(l, "invalid"));
	}
}

static void jump_in(struct lowering *l, const struct writing *w, uint8_t direction, const char *chain)
{
	struct rule *rule = add_rule(w, NULL);
	match_byte(w, rule, FIELD_CT_DIRECTION, direction);
	finish_rule(w, rule, STATEMENT_JUMP, own(l, chain));
}

static void add_hook(struct lowering *l, const char *name, uint8_t egress)
{
	const struct writing w = begin(l, name);
	struct rule *rule = add_rule(&w, NULL);
	match_bits(&w, rule, STATEMENT_BITS, FIELD_CT_STATE, STATE_INVALID | STATE_UNTRACKED);
	finish_rule(&w, rule, STATEMENT_JUMP, own(l, "host_stray"));
	jump_in(l, &w, egress, "host_out");
	finish_rule(&w, add_rule(&w, NULL), STATEMENT_JUMP, own(l, ""));
	jump_in(l, &w, egress == ORIGINAL ? REPLY : ORIGINAL, "host_in");
}

bool host_chains(struct lowering *l)
{
	if (l->cgroup_level_count == 0)
		return false;
	ask_sockets(l, "host_out", true);
	ask_sockets(l, "host_in", false);
	add_stray(l);
	add_hook(l, "output", ORIGINAL);
	add_hook(l, "input", REPLY);
	return true;
}
