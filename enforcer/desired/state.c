/* What should be in the kernel, from what the sources said last.
 *
 * Each workload file keeps its own arena, so that a file is read anew without the others, and a bad one keeps its last
 * good content. `order` is age: a file is as old as the newest address in it. */
#include "enforcer/desired/state.h"

#include <ringfence/arena.h>
#include <ringfence/invariants.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct file {
	char *path;
	struct arena *arena; /* of the last good reading */
	struct inventory inventory;
	uint64_t order;
	char *errors; /* of the last reading, or NULL */
	bool seen;    /* during a scan */
};

struct state {
	const char *node;
	struct arena *policy_arena;
	struct frontend policy;
	struct arena
	    *proven_arena; /* of the policy that the kernel took last, while `policy` is a newer one; or NULL */
	struct frontend proven;
	char *policy_errors;
	struct file **files;
	size_t file_count;
	uint64_t next_order;
};

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (memory == NULL)
		abort();
	return memory;
}

struct state *state_create(const char *node)
{
	struct state *state = allocate(1, sizeof *state);
	state->node = node;
	return state;
}

static void file_free(struct file *file)
{
	arena_free(file->arena);
	free(file->errors);
	free(file->path);
	free(file);
}

void state_destroy(struct state *state)
{
	if (state == NULL)
		return;
	for (size_t i = 0; i < state->file_count; i++)
		file_free(state->files[i]);
	free(state->files);
	arena_free(state->policy_arena);
	arena_free(state->proven_arena);
	free(state->policy_errors);
	free(state);
}

/* The diagnostics as text, the caller's to free; NULL when there is no error. */
static char *errors_text(struct diagnostics *diagnostics)
{
	char *text = NULL;
	size_t size = 0;
	if (diagnostics->errors == 0)
		return NULL;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	diagnostics_sort(diagnostics);
	diagnostics_print(diagnostics, stream, false);
	fclose(stream);
	return text;
}

/* A policy that breaks a `never` of its own is as wrong as one that does not parse. The workloads of the moment are
 * left out: one that starts must not take the policy away from the others. */
static void prove(const struct frontend *frontend, struct diagnostics *diagnostics)
{
	const struct world world = {&frontend->policy, &frontend->inventory, (int64_t)time(NULL)};
	struct proof proof = invariants_prove(diagnostics->arena, &world, false);
	invariants_report(diagnostics, &proof);
}

int state_read_policy(struct state *state, const char *directory)
{
	struct arena *arena = arena_create();
	struct diagnostics *diagnostics = arena_alloc(arena, sizeof *diagnostics);
	struct frontend frontend;
	diagnostics_init(diagnostics, arena);
	frontend_init(&frontend, arena, diagnostics);
	frontend_add_path(&frontend, directory);
	frontend_finish(&frontend);
	if (diagnostics->errors == 0 && frontend.policy.isolation_count + frontend.policy.allow_count == 0 &&
	    frontend.policy.unmatched == UNMATCHED_DEFAULT)
		diagnostics_error(diagnostics, (struct span){0},
				  "%s: no policy there; an empty directory changes nothing", directory);
	if (diagnostics->errors == 0)
		prove(&frontend, diagnostics);
	free(state->policy_errors);
	state->policy_errors = errors_text(diagnostics);
	bool same = state->policy_arena != NULL && strcmp(state->policy.revision, frontend.revision) == 0;
	if (state->policy_errors != NULL || same) {
		arena_free(arena);
		return same && state->policy_errors == NULL ? 0 : -1;
	}
	if (state->proven_arena == NULL) { /* else the one in between was never in force */
		state->proven_arena = state->policy_arena;
		state->proven = state->policy;
	} else {
		arena_free(state->policy_arena);
	}
	state->policy_arena = arena;
	state->policy = frontend;
	return 1;
}

void state_keep_policy(struct state *state)
{
	arena_free(state->proven_arena);
	state->proven_arena = NULL;
}

bool state_revert_policy(struct state *state, const char *why)
{
	if (state->proven_arena == NULL)
		return false;
	arena_free(state->policy_arena);
	state->policy_arena = state->proven_arena;
	state->policy = state->proven;
	state->proven_arena = NULL;
	free(state->policy_errors);
	state->policy_errors = strdup(why);
	return true;
}

bool state_has_policy(const struct state *state)
{
	return state->policy_arena != NULL;
}

const char *state_revision(const struct state *state)
{
	return state_has_policy(state) ? state->policy.revision : "";
}

const char *state_policy_errors(const struct state *state)
{
	return state->policy_errors != NULL ? state->policy_errors : "";
}

/* ---- workload files ---- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_workload(const struct workload *a, const struct workload *b)
{
	if (a->labels.count != b->labels.count || a->address_count != b->address_count ||
	    a->port_count != b->port_count || !same_text(a->interface, b->interface) || !same_text(a->node, b->node))
		return false;
	for (size_t i = 0; i < a->labels.count; i++)
		if (strcmp(a->labels.items[i].key, b->labels.items[i].key) != 0 ||
		    strcmp(a->labels.items[i].value, b->labels.items[i].value) != 0)
			return false;
	for (size_t i = 0; i < a->address_count; i++)
		if (address_compare(&a->addresses[i], &b->addresses[i]) != 0)
			return false;
	for (size_t i = 0; i < a->port_count; i++)
		if (strcmp(a->ports[i].name, b->ports[i].name) != 0 ||
		    memcmp(&a->ports[i].port, &b->ports[i].port, sizeof a->ports[i].port) != 0)
			return false;
	return true;
}

static const struct workload *find(const struct inventory *inventory, const struct workload *like)
{
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (strcmp(inventory->workloads[i]->name, like->name) == 0 &&
		    strcmp(inventory->workloads[i]->name_space, like->name_space) == 0)
			return inventory->workloads[i];
	return NULL;
}

static bool same_nodes(const struct inventory *old, const struct inventory *new)
{
	bool same = old->node_count == new->node_count;
	for (size_t i = 0; same && i < old->node_count; i++) {
		const struct node *a = old->nodes[i], *b = new->nodes[i];
		same = strcmp(a->name, b->name) == 0 && a->address_count == b->address_count && a->pool_count == 0 &&
		       b->pool_count == 0;
		for (size_t j = 0; same && j < a->address_count; j++)
			same = address_compare(&a->addresses[j], &b->addresses[j]) == 0;
	}
	return same;
}

/* How many workloads are not the same in both. */
static int count_changes(const struct inventory *old, const struct inventory *new)
{
	int changes = 0;
	for (size_t i = 0; i < old->workload_count; i++) {
		const struct workload *there = find(new, old->workloads[i]);
		changes += there == NULL || !same_workload(old->workloads[i], there);
	}
	for (size_t i = 0; i < new->workload_count; i++)
		changes += find(old, new->workloads[i]) == NULL;
	/* Namespaces and nodes concern every workload. */
	if (old->namespace_count + new->namespace_count > 0 || !same_nodes(old, new))
		changes += 2;
	return changes;
}

/* Whether a workload has an address in `new` that none of the file had in `old`. */
static bool gains_address(const struct inventory *old, const struct inventory *new)
{
	for (size_t i = 0; i < new->workload_count; i++)
		for (size_t j = 0; j < new->workloads[i]->address_count; j++)
			if (inventory_at(old, &new->workloads[i]->addresses[j]) == NULL)
				return true;
	return false;
}

static struct file *file_at(struct state *state, const char *path, bool create)
{
	for (size_t i = 0; i < state->file_count; i++)
		if (strcmp(state->files[i]->path, path) == 0)
			return state->files[i];
	if (!create)
		return NULL;
	struct file **files = realloc(state->files, (state->file_count + 1) * sizeof(struct file *));
	struct file *file = allocate(1, sizeof *file);
	if (files == NULL || (file->path = strdup(path)) == NULL)
		abort();
	state->files = files;
	state->files[state->file_count++] = file;
	return file;
}

int state_read_workloads(struct state *state, const char *path)
{
	struct file *file = file_at(state, path, true);
	struct arena *arena = arena_create();
	struct diagnostics diagnostics;
	struct frontend frontend;
	diagnostics_init(&diagnostics, arena);
	frontend_init(&frontend, arena, &diagnostics);
	frontend.inventory_only = true;
	frontend_add_path(&frontend, path);
	frontend_finish(&frontend);
	free(file->errors);
	file->errors = errors_text(&diagnostics);
	int changes = file->errors != NULL ? -1 : count_changes(&file->inventory, &frontend.inventory);
	if (changes < 0 || (changes == 0 && file->arena != NULL)) {
		arena_free(arena);
		return changes;
	}
	if (file->arena == NULL || gains_address(&file->inventory, &frontend.inventory))
		file->order = ++state->next_order;
	arena_free(file->arena);
	file->arena = arena;
	file->inventory = frontend.inventory;
	return changes;
}

int state_forget_workloads(struct state *state, const char *path)
{
	for (size_t i = 0; i < state->file_count; i++) {
		struct file *file = state->files[i];
		if (strcmp(file->path, path) != 0)
			continue;
		int changes = count_changes(&file->inventory, &(struct inventory){0});
		state->files[i] = state->files[--state->file_count];
		file_free(file);
		return changes;
	}
	return 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_document(const struct dirent *entry)
{
	static const char *const endings[] = {".yaml", ".yml", ".json"};
	size_t length = strlen(entry->d_name);
	for (size_t i = 0; entry->d_name[0] != '.' && i < sizeof endings / sizeof *endings; i++)
		if (length > strlen(endings[i]) && strcmp(entry->d_name + length - strlen(endings[i]), endings[i]) == 0)
			return 1;
	return 0;
}

/* Forgets the files directly in `directory` that the scan did not see. */
static int forget_unseen(struct state *state, const char *directory)
{
	int changes = 0;
	size_t length = strlen(directory);
	for (size_t i = state->file_count; i > 0; i--) {
		struct file *file = state->files[i - 1];
		if (!file->seen && strncmp(file->path, directory, length) == 0 && file->path[length] == '/')
			changes += state_forget_workloads(state, file->path);
	}
	return changes;
}

int state_scan_workloads(struct state *state, const char *directory)
{
	struct dirent **entries = NULL;
	int count = scandir(directory, &entries, is_document, by_bytes);
	if (count < 0)
		return -1; /* a directory that cannot be read says nothing about who is gone */
	for (size_t i = 0; i < state->file_count; i++)
		state->files[i]->seen = false;
	int changes = 0;
	for (int i = 0; i < count; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
		int more = state_read_workloads(state, path);
		changes += more > 0 ? more : 0;
		file_at(state, path, true)->seen = true;
		free(entries[i]);
	}
	free(entries);
	return changes + forget_unseen(state, directory);
}

void state_file_errors(const struct state *state, void (*call)(void *context, const char *path, const char *text),
		       void *context)
{
	for (size_t i = 0; i < state->file_count; i++)
		if (state->files[i]->errors != NULL)
			call(context, state->files[i]->path, state->files[i]->errors);
}

/* ---- the world ---- */

static int compare_files(const void *left, const void *right)
{
	const struct file *a = *(struct file *const *)left, *b = *(struct file *const *)right;
	return (a->order > b->order) - (a->order < b->order);
}

struct merging {
	const struct state *state;
	struct arena *arena;
	struct inventory *inventory;
};

/* Whether two workloads have one name, or an address in common. */
static bool share(const struct workload *a, const struct workload *b)
{
	if (strcmp(a->name, b->name) == 0 && strcmp(a->name_space, b->name_space) == 0)
		return true;
	for (size_t i = 0; i < a->address_count; i++)
		for (size_t j = 0; j < b->address_count; j++)
			if (address_compare(&a->addresses[i], &b->addresses[j]) == 0)
				return true;
	return false;
}

/* Every Pod tells of its node: what they say adds up. A node that a native document describes is as that says. */
static void merge_node(struct merging *m, const struct node *from)
{
	struct node *there = NULL;
	for (size_t i = 0; i < m->inventory->node_count && there == NULL; i++)
		if (strcmp(m->inventory->nodes[i]->name, from->name) == 0)
			there = m->inventory->nodes[i];
	if (there == NULL || !from->told_by_pods) {
		struct node *copy = arena_alloc(m->arena, sizeof *copy);
		*copy = *from;
		copy->addresses = arena_alloc(m->arena, (from->address_count + 1) * sizeof *copy->addresses);
		memcpy(copy->addresses, from->addresses, from->address_count * sizeof *copy->addresses);
		*arena_push(m->arena, m->inventory->nodes, m->inventory->node_count) = copy;
		return;
	}
	for (size_t i = 0; there->told_by_pods && i < from->address_count; i++) {
		bool known = false;
		for (size_t j = 0; j < there->address_count && !known; j++)
			known = address_compare(&there->addresses[j], &from->addresses[i]) == 0;
		if (known)
			continue;
		struct address *more = arena_alloc(m->arena, (there->address_count + 1) * sizeof *more);
		memcpy(more, there->addresses, there->address_count * sizeof *more);
		more[there->address_count++] = from->addresses[i];
		there->addresses = more;
	}
}

static void merge(struct merging *m, const struct inventory *from, uint64_t order)
{
	for (size_t i = 0; i < from->namespace_count; i++)
		*arena_push(m->arena, m->inventory->namespaces, m->inventory->namespace_count) = from->namespaces[i];
	for (size_t i = 0; i < from->node_count; i++)
		merge_node(m, from->nodes[i]);
	for (size_t i = 0; i < from->workload_count; i++) {
		struct workload *workload = arena_alloc(m->arena, sizeof *workload);
		*workload = *from->workloads[i];
		if (workload->node == NULL && order > 0)
			workload->node = m->state->node;
		*arena_push(m->arena, m->inventory->workloads, m->inventory->workload_count) = workload;
	}
}

/* Marks every workload that an older one, or a node, takes an address or the name from. The files were merged by age.
 */
static void mark_conflicts(struct merging *m)
{
	struct inventory *inventory = m->inventory;
	for (size_t i = 0; i < inventory->workload_count; i++) {
		struct workload *workload = inventory->workloads[i];
		for (size_t j = 0; j < i && !workload->conflict; j++)
			workload->conflict = share(inventory->workloads[j], workload);
		for (size_t j = 0; j < workload->address_count && !workload->conflict; j++)
			workload->conflict = inventory_node_at(inventory, &workload->addresses[j]) != NULL;
	}
}

struct world state_world(const struct state *state, struct arena *arena, int64_t now)
{
	struct merging m = {.state = state, .arena = arena, .inventory = arena_alloc(arena, sizeof *m.inventory)};
	struct policy *policy = arena_alloc(arena, sizeof *policy);
	*policy = state->policy.policy;
	merge(&m, &state->policy.inventory, 0);
	struct file **files = arena_alloc(arena, (state->file_count + 1) * sizeof *files);
	if (state->file_count > 0) {
		memcpy(files, state->files, state->file_count * sizeof *files);
		qsort(files, state->file_count, sizeof *files, compare_files);
	}
	for (size_t i = 0; i < state->file_count; i++)
		merge(&m, &files[i]->inventory, files[i]->order);
	inventory_index(m.inventory, arena);
	if (inventory_has_conflicts(m.inventory)) {
		mark_conflicts(&m);
		inventory_index(m.inventory, arena);
	}
	return (struct world){policy, m.inventory, now};
}
