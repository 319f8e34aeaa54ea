/* A scan with what is wanted beside it: large sets are asked for each element that they should have, so that a set in
 * order is never read. */
#include "enforcer/service/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct check {
	struct scan *scan;
	const struct ruleset *wanted;
	const struct set *last; /* of `wanted`, that was looked up last */
	bool unclear;
};

/* The set that is wanted under this name, or NULL. */
static const struct set *wanted_set(struct check *check, const char *name)
{
	if (check->last == NULL || strcmp(check->last->name, name) != 0)
		check->last = ruleset_set(check->wanted, name);
	return check->last;
}

static size_t tell_wanted(void *context, const struct set *set, uint64_t *cursor, struct element *elements, size_t room)
{
	const struct set *wanted = wanted_set(context, set->name);
	size_t left = wanted != NULL && *cursor < wanted->element_count ? wanted->element_count - *cursor : 0;
	size_t count = left < room ? left : room;
	if (count > 0)
		memcpy(elements, &wanted->elements[*cursor], count * sizeof *elements);
	*cursor += count;
	return count;
}

static void hear_set(void *context, const struct set *set, const struct scanned *scanned)
{
	struct check *check = context;
	const struct set *wanted = wanted_set(check, set->name);
	struct set *read = ruleset_set(kernel_scan_ruleset(check->scan), set->name);
	if (scanned->how != SCANNED_ASKED)
		return;
	if (wanted == NULL || read == NULL || scanned->missing > 0 || scanned->count != wanted->element_count) {
		check->unclear = true;
		return;
	}
	read->elements = wanted->elements; /* all of them are there, and no others */
	read->element_count = wanted->element_count;
}

struct check *check_start(struct kernel *kernel, struct arena *arena, const struct ruleset *wanted, int64_t now)
{
	struct check *check = calloc(1, sizeof *check);
	if (check == NULL)
		abort();
	check->wanted = wanted;
	const struct scan_reader reader = {.context = check, .wanted = tell_wanted, .set = hear_set};
	check->scan = kernel_scan_start(kernel, arena, now, &reader);
	if (check->scan == NULL)
		abort();
	return check;
}

int check_step(struct check *check, uint64_t budget)
{
	return kernel_scan_step(check->scan, budget);
}

int check_actual(struct check *check, struct ruleset **actual)
{
	*actual = kernel_scan_ruleset(check->scan);
	if (!kernel_scan_unchanged(check->scan))
		return -EAGAIN;
	return check->unclear ? -ESTALE : 0;
}

void check_finish(struct check *check)
{
	if (check == NULL)
		return;
	kernel_scan_finish(check->scan);
	free(check);
}
