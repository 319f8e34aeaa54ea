/* By name, since workloads come and go: where one has another's name it is in conflict, and has no time of its own. */
#include "enforcer/service/workload_times.h"

#include <ringfence/table.h>

#include <stdlib.h>
#include <string.h>

/* Keyed, since workloads bring the names. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

enum { NAME_SIZE = 512 };

struct workload_time {
	int64_t since;
	UT_hash_handle hh;
	char name[]; /* NAMESPACE/NAME */
};

/* Writes the whole name of a workload, and returns its length; 0: it has no room, which no frontend lets be. */
static size_t whole_name(char name[NAME_SIZE], const struct workload *workload)
{
	size_t space = strlen(workload->name_space), own = strlen(workload->name);
	if (space + own + 2 > NAME_SIZE)
		return 0;
	memcpy(name, workload->name_space, space);
	name[space] = '/';
	memcpy(name + space + 1, workload->name, own + 1);
	return space + 1 + own;
}

static struct workload_time *find(const struct workload_times *times, const struct workload *workload)
{
	struct workload_time *time = NULL;
	char name[NAME_SIZE];
	size_t length = whole_name(name, workload);
	HASH_FIND(hh, times->items, name, length, time);
	return time;
}

static void forget(struct workload_times *times, const struct workload *workload)
{
	struct workload_time *time = find(times, workload);
	if (time == NULL)
		return;
	HASH_DEL(times->items, time);
	free(time);
}

static void note(struct workload_times *times, const struct workload *workload, int64_t now)
{
	struct workload_time *time = find(times, workload);
	char name[NAME_SIZE];
	size_t length = whole_name(name, workload);
	if (time == NULL) {
		time = malloc(sizeof *time + length + 1);
		if (time == NULL)
			abort();
		memcpy(time->name, name, length);
		time->name[length] = 0;
		HASH_ADD_KEYPTR(hh, times->items, time->name, length, time);
	}
	time->since = now;
}

static bool runs_on(const struct workload *workload, const char *node)
{
	return workload != NULL && workload->node != NULL && strcmp(workload->node, node) == 0;
}

void workload_times_note(struct workload_times *times, const char *node, const struct changes *changes, int64_t now)
{
	for (size_t i = 0; i < changes->count; i++) /* first, since a name may go in one file and come in another */
		if (runs_on(changes->items[i].before, node))
			forget(times, changes->items[i].before);
	for (size_t i = 0; i < changes->count; i++)
		if (runs_on(changes->items[i].after, node))
			note(times, changes->items[i].after, now);
}

int64_t workload_times_find(const struct workload_times *times, const struct workload *workload)
{
	const struct workload_time *time = find(times, workload);
	return time != NULL ? time->since : times->all;
}

void workload_times_finish(struct workload_times *times)
{
	struct workload_time *time, *next;
	HASH_ITER(hh, times->items, time, next)
	{
		HASH_DEL(times->items, time);
		free(time);
	}
}

void workload_times_reset(struct workload_times *times, int64_t now)
{
	workload_times_finish(times);
	times->all = now;
}
