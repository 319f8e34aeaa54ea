/* Sets and chains of a ruleset by name, where many are looked for. */
#include <ringfence/arena.h>
#include <ringfence/ruleset.h>

#include <stdlib.h>
#include <string.h>

/* Pointers to objects that begin with their name, in its order. */
struct names {
	char **objects;
	size_t count;
};

struct ruleset_index {
	struct names sets, chains;
};

_Static_assert(offsetof(struct set, name) == 0 && offsetof(struct chain, name) == 0, "an object begins with its name");

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static struct names sorted(struct arena *arena, const void *objects, size_t count)
{
	struct names names = {arena_alloc(arena, (count + 1) * sizeof *names.objects), count};
	if (count > 0)
		memcpy(names.objects, objects, count * sizeof *names.objects);
	if (count > 1)
		qsort(names.objects, count, sizeof *names.objects, compare_names);
	return names;
}

static void *find(const struct names *names, const char *name)
{
	char **found = bsearch(&name, names->objects, names->count, sizeof *names->objects, compare_names);
	return found != NULL ? *found : NULL;
}

struct ruleset_index *ruleset_index(struct arena *arena, const struct ruleset *ruleset)
{
	struct ruleset_index *index = arena_alloc(arena, sizeof *index);
	const struct ruleset none = {0};
	if (ruleset == NULL)
		ruleset = &none;
	index->sets = sorted(arena, ruleset->sets, ruleset->set_count);
	index->chains = sorted(arena, ruleset->chains, ruleset->chain_count);
	return index;
}

struct set *ruleset_index_set(const struct ruleset_index *index, const char *name)
{
	return find(&index->sets, name);
}

struct chain *ruleset_index_chain(const struct ruleset_index *index, const char *name)
{
	return find(&index->chains, name);
}
