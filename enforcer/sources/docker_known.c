/* What is known of containers, and telling it. */
#include "enforcer/sources/docker_parts.h"

#include "enforcer/kernel/host_ends.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

enum { CONTAINERS_MOST = 65536 };

/* ---- telling ---- */

static const struct inventory *inventory_of(struct arena *arena, const struct container *container)
{
	struct inventory *inventory = arena_alloc(arena, sizeof *inventory);
	struct workload *workload = container->said.workload;
	if (workload == NULL)
		return NULL;
	*arena_push(arena, inventory->workloads, inventory->workload_count) = workload;
	return inventory;
}

void docker_tell_refused(struct docker *docker)
{
	struct arena *arena = arena_create();
	const char **texts = NULL;
	size_t count = 0;
	for (const struct container *one = docker->containers; one != NULL; one = one->hh.next)
		if (one->said.why != NULL)
			*arena_push(arena, texts, count) =
			    arena_printf(arena, "container %.12s: %s", one->id, one->said.why);
	for (size_t i = 0; i < docker->pools.why_count; i++)
		*arena_push(arena, texts, count) = docker->pools.why[i];
	docker->setup.refused(docker->setup.context, texts, count);
	arena_free(arena);
}

static void tell_one(struct docker *docker, const struct container *container)
{
	struct arena *arena = arena_create();
	const struct told told = {container->id, inventory_of(arena, container)};
	if (docker->told)
		docker->setup.tell(docker->setup.context, &told, 1, false);
	arena_free(arena);
}

static void tell_all(struct docker *docker)
{
	struct arena *arena = arena_create();
	struct told *items = NULL;
	size_t count = 0;
	*arena_push(arena, items, count) = (struct told){"networks", &docker->pools.inventory};
	for (const struct container *one = docker->containers; one != NULL; one = one->hh.next)
		if (one->said.workload != NULL)
			*arena_push(arena, items, count) = (struct told){one->id, inventory_of(arena, one)};
	docker->setup.tell(docker->setup.context, items, count, true);
	arena_free(arena);
}

void docker_settle(struct docker *docker)
{
	if (docker->events == NULL || docker->list != NULL || docker->networks != NULL || !docker->networks_known ||
	    docker->asked_count > 0 || docker->first_due != NULL)
		return;
	docker_forget_ends(docker);
	if (!docker->settled) {
		docker->told = docker->settled = true;
		tell_all(docker);
		docker_tell_refused(docker);
	}
	if (docker->failed)
		return;
	docker->wait = 0;
	docker->setup.problem(docker->setup.context, NULL);
}

/* ---- containers ---- */

struct container *docker_find(struct docker *docker, const char *id)
{
	struct container *container;
	HASH_FIND_STR(docker->containers, id, container);
	return container;
}

struct container *docker_add(struct docker *docker, const char *id)
{
	struct container *container = docker_find(docker, id);
	if (container != NULL || HASH_COUNT(docker->containers) >= CONTAINERS_MOST)
		return container;
	container = calloc(1, sizeof *container);
	if (container == NULL)
		abort();
	container->docker = docker;
	memcpy(container->id, id, sizeof container->id);
	HASH_ADD_STR(docker->containers, id, container);
	return container;
}

void docker_forget(struct docker *docker, struct container *container)
{
	HASH_DEL(docker->containers, container);
	json_decref(container->answer);
	arena_free(container->arena);
	free(container);
}

void docker_mark_due(struct container *container)
{
	struct docker *docker = container->docker;
	container->ended = false;
	container->again = container->asked;
	if (container->asked || container->due)
		return;
	container->due = true;
	container->next = NULL;
	*docker->last_due = container;
	docker->last_due = &container->next;
}

/* What is known of it from now on, in `arena`, and tells where that is something. */
static void take_said(struct container *container, struct arena *arena, struct docker_container said)
{
	struct docker *docker = container->docker;
	bool other = said.workload != NULL || container->said.workload != NULL;
	bool refused = said.why != NULL || container->said.why != NULL;
	struct arena *before = container->arena;
	container->arena = arena;
	container->said = said;
	if (other)
		tell_one(docker, container);
	if (refused && docker->told)
		docker_tell_refused(docker);
	arena_free(before);
}

void docker_end(struct container *container)
{
	take_said(container, NULL, (struct docker_container){0});
	container->mark = 0;
	container->again = false;
	container->ended = true;
	if (!container->asked && !container->due)
		docker_forget(container->docker, container);
}

/* Whether it has an address that is in no pool. */
static bool is_outside(const struct docker *docker, const struct workload *workload)
{
	const struct node *node = docker->pools.inventory.node_count > 0 ? docker->pools.inventory.nodes[0] : NULL;
	bool outside = false;
	for (size_t i = 0; workload != NULL && i < workload->address_count && !outside; i++) {
		bool inside = false;
		for (size_t j = 0; node != NULL && j < node->pool_count && !inside; j++)
			inside = prefix_contains(&node->pools[j], &workload->addresses[i]);
		outside = !inside;
	}
	return outside;
}

static void put_interfaces(struct workload *workload, const struct interfaces *interfaces)
{
	workload->interfaces = interfaces->names;
	workload->interface_count = interfaces->count;
}

/* What hooks see of it. Without that it has no source guard, which is said. */
static void find_interfaces(struct docker *docker, struct docker_container *said, struct arena *arena)
{
	struct interfaces interfaces = {0};
	if (said->workload == NULL || said->pid == 0)
		return;
	int error = docker->ends == NULL ? host_ends_open(&docker->ends) : 0;
	if (error == 0)
		error = host_ends_of(docker->ends, said->pid, arena, &interfaces);
	put_interfaces(said->workload, &interfaces);
	if (error != 0)
		said->why = arena_printf(arena, "it has no source guard: %s", strerror(-error));
}

void docker_take_answer(struct container *container, const json_t *image_labels)
{
	struct docker *docker = container->docker;
	struct arena *arena = arena_create();
	struct docker_container said = {.why = "the labels of its image cannot be told from its own"};
	if (image_labels != NULL)
		said = docker_container_read(arena, container->answer, image_labels, docker->settings->name_space,
					     docker->setup.node);
	find_interfaces(docker, &said, arena);
	take_said(container, arena, said);
	if (docker->settled && is_outside(docker, said.workload))
		docker_ask_networks(docker); /* it is on a network of which we have not heard */
}

void docker_forget_ends(struct docker *docker)
{
	host_ends_close(docker->ends);
	docker->ends = NULL;
}

void docker_look_at_interfaces(struct docker *docker)
{
	docker_forget_ends(docker);
	if (host_ends_open(&docker->ends) != 0)
		return;
	for (struct container *one = docker->containers; one != NULL; one = one->hh.next) {
		struct workload *workload = one->said.workload;
		struct interfaces now;
		if (workload == NULL || one->said.pid == 0 ||
		    host_ends_of(docker->ends, one->said.pid, one->arena, &now) != 0)
			continue;
		bool same = now.count == workload->interface_count;
		for (size_t i = 0; same && i < now.count; i++)
			same = strcmp(now.names[i], workload->interfaces[i]) == 0;
		put_interfaces(workload, &now);
		if (!same)
			tell_one(docker, one);
	}
}
