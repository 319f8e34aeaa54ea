/* Grounds against a promotion. What would have been denied is judged anew by the policy given: by it alone, whatever is
 * in force. */
#include "compiler/cli/promote.h"

#include <ringfence/allowances.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

const char *const ground_words[GROUNDS] = {
    [GROUND_YOUNG] = "young", [GROUND_DENIED] = "denied", [GROUND_UNSEEN] = "unseen", [GROUND_LEFT_OUT] = "left-out"};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Whether the end of a pair would deny it, and it alone: what the other end denies ends anyhow. */
static bool would_deny(const struct world *world, const struct flow *flow, enum direction direction, struct side *side)
{
	struct verdict verdict = verdict_of(world, flow);
	verdict_tell_denied(world, flow, &verdict);
	const struct side *other = direction == EGRESS ? &verdict.ingress : &verdict.egress;
	*side = direction == EGRESS ? verdict.egress : verdict.ingress;
	return !side->allowed && (other->allowed || other->denied == DENIED_AUDIT);
}

static void judge_pairs(struct told_denial *denial, const struct world *world, const struct endpoints *from,
			const struct endpoints *to, enum direction direction)
{
	struct flow flow = {.protocol = (uint16_t)number_of(denial->row, "protocol"),
			    .port = (uint16_t)number_of(denial->row, "port")};
	denial->covered = from->count > 0 && to->count > 0;
	for (size_t i = 0; i < from->count && denial->covered; i++)
		for (size_t j = 0; j < to->count && denial->covered; j++) {
			struct side side;
			flow.from = from->items[i];
			flow.to = to->items[j];
			if (flow.from.has_address && flow.to.has_address &&
			    flow.from.address.family != flow.to.address.family)
				continue;
			denial->covered = !would_deny(world, &flow, direction, &side);
			denial->allow = side.reason == REASON_ALLOW ? side.allow : denial->allow;
		}
}

/* A service stands for all its workloads, also those that have not been seen to do it. */
static void judge_denial(struct told_denial *denial, struct arena *arena, const struct world *world,
			 const struct promoted *promoted)
{
	struct endpoints ends[2];
	enum direction direction = strcmp(text_of(denial->row, "side"), "ingress") == 0 ? INGRESS : EGRESS;
	const char *own =
	    promoted->name[0] != 0 ? arena_printf(arena, "service:%s", promoted->name) : text_of(denial->row, "own");
	if (text_of(denial->row, "cause")[0] != 0) {
		denial->problem = "no allow opens it";
		return;
	}
	denial->problem = endpoints_find(arena, world, own, &ends[direction]);
	if (denial->problem == NULL)
		denial->problem = endpoints_find(arena, world, text_of(denial->row, "peer"), &ends[!direction]);
	if (denial->problem == NULL)
		judge_pairs(denial, world, &ends[EGRESS], &ends[INGRESS], direction);
	else
		denial->problem = arena_printf(arena, "%s in the policy given; -i names an inventory", denial->problem);
}

static bool allows_less(struct arena *arena, const struct world *world, const struct promoted *promoted)
{
	const json_t *list = json_object_get(promoted->evidence, "allows"), *item;
	struct allowances before = {.items = NULL};
	size_t i;
	json_array_foreach(list, i, item) * arena_push(arena, before.items, before.count) =
	    strtoull(json_is_string(item) ? json_string_value(item) : "", NULL, 16);
	before.selector = strtoull(text_of(promoted->evidence, "selector"), NULL, 16);
	if (promoted->service == NULL)
		return promoted->name[0] != 0;
	const struct allowances mine = allowances_of(arena, world, promoted->service),
				all = allowances_of(arena, world, NULL);
	bool same = mine.count == before.count && before.count > 0 &&
		    memcmp(mine.items, before.items, before.count * sizeof *before.items) == 0;
	return mine.selector != before.selector || (!same && !allowances_hold(&all, &before));
}

void promoted_judge(struct promoted *promoted, struct arena *arena, const struct world *world, double after)
{
	const json_t *rows = json_object_get(promoted->evidence, "would_deny"),
		     *workloads = json_object_get(promoted->evidence, "workloads"), *item;
	size_t i;
	if (promoted->evidence == NULL)
		return;
	json_array_foreach(rows, i, item)
	{
		struct told_denial *denial = arena_push(arena, promoted->denials, promoted->denial_count);
		*denial = (struct told_denial){.row = item};
		judge_denial(denial, arena, world, promoted);
		promoted->grounds[GROUND_DENIED] = promoted->grounds[GROUND_DENIED] || !denial->covered;
	}
	json_array_foreach(workloads, i, item)
	{
		if (number_of(item, "last") == 0)
			*arena_push(arena, promoted->unseen, promoted->unseen_count) = text_of(item, "name");
	}
	promoted->less = allows_less(arena, world, promoted);
	promoted->grounds[GROUND_YOUNG] =
	    promoted->less || json_number_value(json_object_get(promoted->evidence, "watched")) < after;
	promoted->grounds[GROUND_UNSEEN] = promoted->unseen_count > 0 ||
					   number_of(promoted->evidence, "workloads_left_out") > 0 ||
					   (json_array_size(workloads) == 0 && promoted->name[0] != 0);
	promoted->grounds[GROUND_LEFT_OUT] = number_of(promoted->evidence, "left_out") > 0;
}
