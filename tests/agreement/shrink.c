/* Takes a case's tree apart, part by part from the top: what can go as a whole goes; of what cannot, the parts are
 * tried. Once more as long as something went, since what was needed once may be free now: a service is, when the
 * statement that names it is gone.
 *
 * The stages of a case say mostly the same, so a part is taken out of all of them at once at first. */
#include "tests/agreement/shrink.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES_MOST = 3000, STAGES_MOST = 8, TIMES_MOST = 20 };

struct shrinking {
	struct judge *judge;
	json_t *trial;
	uint64_t seed;
	struct outcome *outcome;
	size_t tries;
	bool smaller;
};

/* The same place in several stages. */
struct places {
	json_t *nodes[STAGES_MOST];
	size_t count;
};

/* ---- trying ---- */

/* Whether the case as it is now still has its trouble. */
static bool is_troubled(struct shrinking *s)
{
	const struct outcome sought = *s->outcome;
	bool flow = sought.trouble == TROUBLE_LEAK || sought.trouble == TROUBLE_BLOCK;
	if (s->tries >= TRIES_MOST)
		return false;
	s->tries++;
	struct outcome outcome = judge_case(s->judge, s->trial, s->seed, flow ? &sought : NULL);
	if (outcome.trouble != sought.trouble || outcome.again != sought.again)
		return false;
	*s->outcome = outcome;
	return true;
}

static void restore(json_t *node, json_t *before)
{
	if (json_is_array(node)) {
		json_array_clear(node);
		json_array_extend(node, before);
	} else {
		json_object_clear(node);
		json_object_update(node, before);
	}
}

/* The index of an item that says the same; the array's size when there is none. */
static size_t index_of(const json_t *array, const json_t *item)
{
	size_t index = 0;
	while (index < json_array_size(array) && !json_equal(json_array_get(array, index), item))
		index++;
	return index;
}

/* A part, by its key in an object or by what it is in an array, in one of the stages. */
static json_t *part_of(const json_t *node, const char *key, const json_t *part)
{
	return json_is_array(node) ? json_array_get(node, index_of(node, part)) : json_object_get(node, key);
}

static void take_out(json_t *node, const char *key, const json_t *part)
{
	if (json_is_array(node))
		json_array_remove(node, index_of(node, part));
	else
		json_object_del(node, key);
}

/* Takes a part out everywhere; puts it back, and returns false, when the trouble goes with it. */
static bool try_without(struct shrinking *s, const struct places *places, const char *key, json_t *part)
{
	json_t *before[STAGES_MOST];
	json_incref(part);
	for (size_t i = 0; i < places->count; i++) {
		before[i] = json_copy(places->nodes[i]); /* keeps the order of keys */
		take_out(places->nodes[i], key, part);
	}
	bool gone = is_troubled(s);
	for (size_t i = 0; i < places->count; i++) {
		if (!gone)
			restore(places->nodes[i], before[i]);
		json_decref(before[i]);
	}
	json_decref(part);
	s->smaller = s->smaller || gone;
	return gone;
}

/* ---- taking apart ---- */

static void take_apart(struct shrinking *s, const struct places *places);

static void take_part(struct shrinking *s, const struct places *places, const char *key, json_t *part)
{
	struct places parts = {0};
	for (size_t i = 0; i < places->count; i++) {
		json_t *one = part_of(places->nodes[i], key, part);
		if (one != NULL && json_typeof(one) == json_typeof(part))
			parts.nodes[parts.count++] = one;
	}
	if (!try_without(s, places, key, part))
		take_apart(s, &parts);
}

static void take_apart(struct shrinking *s, const struct places *places)
{
	json_t *first = places->nodes[0];
	if (json_is_array(first)) {
		for (size_t i = json_array_size(first); i-- > 0;)
			if (i < json_array_size(first)) /* equal items go one by one, perhaps not this one */
				take_part(s, places, NULL, json_array_get(first, i));
		return;
	}
	json_t *before = json_is_object(first) ? json_copy(first) : NULL;
	const char *key;
	json_t *value;
	json_object_foreach(before, key, value) take_part(s, places, key, value);
	json_decref(before);
}

static void take_stages_apart(struct shrinking *s)
{
	json_t *stages = json_object_get(s->trial, "stages"), *stage;
	struct places all = {{stages}, 1};
	for (size_t i = json_array_size(stages); i-- > 0;) /* those before the last */
		if (i + 1 < json_array_size(stages))
			try_without(s, &all, NULL, json_array_get(stages, i));
	all.count = 0;
	for (size_t i = json_array_size(stages); i-- > 0 && all.count < STAGES_MOST;)
		all.nodes[all.count++] = json_array_get(stages, i);
	take_apart(s, &all);
	size_t index;
	if (json_array_size(stages) > 1)
		json_array_foreach(stages, index, stage) take_apart(s, &(struct places){{stage}, 1});
}

size_t shrink(struct judge *judge, json_t *trial, uint64_t seed, struct outcome *outcome)
{
	struct shrinking s = {.judge = judge, .trial = trial, .seed = seed, .outcome = outcome, .smaller = true};
	json_t *stages = json_object_get(trial, "stages");
	while (json_array_size(stages) > outcome->stage + 1)
		json_array_remove(stages, json_array_size(stages) - 1);
	if (!is_troubled(&s))
		return 0;
	for (unsigned i = 0; i < TIMES_MOST && s.smaller; i++) {
		s.smaller = false;
		take_stages_apart(&s);
	}
	return s.tries;
}
