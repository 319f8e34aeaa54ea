#include "enforcer/sources/fleet_remote.h"

#include <ringfence/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

void bytes_set(struct bytes *bytes, const char *value, size_t length)
{
	bytes_clear(bytes);
	bytes->items = checked(malloc(length + 1));
	memcpy(bytes->items, value, length);
	bytes->items[length] = 0;
	bytes->length = length;
}

void bytes_clear(struct bytes *bytes)
{
	free(bytes->items);
	*bytes = (struct bytes){0};
}

/* ---- nodes ---- */

struct remote *remote_find(struct remotes *all, const char *name, bool add)
{
	struct remote *remote;
	HASH_FIND_STR(all->remotes, name, remote);
	if (remote != NULL || !add || HASH_COUNT(all->remotes) >= REMOTES_MOST)
		return remote;
	size_t length = strlen(name);
	remote = checked(calloc(1, sizeof *remote + length + 1));
	memcpy(remote->name, name, length);
	HASH_ADD_KEYPTR(hh, all->remotes, remote->name, length, remote);
	return remote;
}

void remote_free(struct remotes *all, struct remote *remote)
{
	while (remote->things != NULL)
		thing_free(all, remote->things);
	HASH_DEL(all->remotes, remote);
	bytes_clear(&remote->mark);
	bytes_clear(&remote->enrolment);
	bytes_clear(&remote->said);
	bytes_clear(&remote->enrolling);
	free(remote->problem);
	free(remote->enrolment_problem);
	free(remote);
}

static const char *open_enrolment(const struct remotes *all, const struct remote *remote, struct arena *arena,
				  const struct bytes *bytes, struct enrolment *read)
{
	const char *why = enrolment_open(read, arena, bytes->items, bytes->length, &all->trust);
	if (why == NULL && strcmp(read->node, remote->name) != 0)
		why = "it is of another node";
	if (why == NULL && remote->enrolled && read->time < remote->who.time)
		why = "it is older than the one that was seen before";
	return why;
}

void remote_read_enrolment(struct remotes *all, struct remote *remote)
{
	struct enrolment read;
	if (!all->verified || remote->enrolment.items == NULL)
		return;
	struct arena *arena = arena_create();
	const char *why = open_enrolment(all, remote, arena, &remote->enrolment, &read);
	free(remote->enrolment_problem);
	remote->enrolment_problem = why != NULL ? checked(strdup(why)) : NULL;
	if (why == NULL) {
		remote->enrolled = true;
		remote->who = read;
		bytes_set(&remote->enrolling, remote->enrolment.items, remote->enrolment.length);
	}
	arena_free(arena);
}

void remote_reread_enrolment(struct remotes *all, struct remote *remote)
{
	struct enrolment read;
	struct arena *arena = arena_create();
	remote->enrolled = false;
	if (all->verified && remote->enrolling.items != NULL &&
	    open_enrolment(all, remote, arena, &remote->enrolling, &read) == NULL) {
		remote->enrolled = true;
		remote->who = read;
	}
	arena_free(arena);
	remote_read_enrolment(all, remote);
}

static void digest_of_things(const struct remote *remote, uint8_t digest[SET_DIGEST_SIZE])
{
	size_t count = 0;
	struct record_digest *digests = checked(malloc((remote->thing_count + 1) * sizeof *digests));
	for (const struct thing *thing = remote->things; thing != NULL; thing = thing->next)
		if (thing->stands)
			digests[count++] = thing->digest;
	set_digest(digest, digests, count);
	free(digests);
}

bool remote_is_lost(const struct remote *remote)
{
	return remote->holding > 0 &&
	       (remote->mark.items == NULL || (remote->standing == 0 && remote->problem != NULL));
}

const char *remote_read_mark(const struct remotes *all, const struct remote *remote, struct arena *arena,
			     struct statement *statement)
{
	uint8_t digest[SET_DIGEST_SIZE];
	const struct statement_trust trust = {remote->enrolled ? &remote->who.key : NULL, all->trust};
	const char *why = statement_read(statement, arena, remote->name, remote->mark.items, remote->mark.length,
					 all->verified ? &trust : NULL);
	if (why != NULL)
		return why;
	if (statement->sequence < remote->sequence)
		return "it is older than what the node said before";
	if (statement->sequence == remote->sequence && memcmp(statement->digest, remote->digest, SET_DIGEST_SIZE) != 0)
		return "it is another one than the node said before, and not a newer one";
	if (statement->gone || all->loads)
		return NULL;
	if (remote->over)
		return "it has more than 10000 workloads, or 8 MiB of them";
	digest_of_things(remote, digest);
	return memcmp(digest, statement->digest, SET_DIGEST_SIZE) == 0
		   ? NULL
		   : "its workloads in the store are not those that the node says it has";
}

/* ---- things ---- */

struct thing *thing_find(const struct remotes *all, const char *name)
{
	struct thing *thing;
	HASH_FIND_STR(all->things, name, thing);
	return thing;
}

static struct thing *add_thing(struct remotes *all, struct remote *remote, const char *name)
{
	size_t length = strlen(name);
	struct thing *thing = checked(calloc(1, sizeof *thing + length + 1));
	memcpy(thing->name, name, length);
	thing->remote = remote;
	thing->next = remote->things;
	thing->at = &remote->things;
	if (thing->next != NULL)
		thing->next->at = &thing->next;
	remote->things = thing;
	remote->thing_count++;
	HASH_ADD_KEYPTR(hh, all->things, thing->name, length, thing);
	return thing;
}

void thing_set_problem(struct remotes *all, struct thing *thing, const char *problem)
{
	all->problems += (problem != NULL) - (thing->problem != NULL);
	free(thing->problem);
	thing->problem = problem != NULL ? checked(strdup(problem)) : NULL;
}

static void drop_bytes(struct remote *remote, struct bytes *bytes)
{
	remote->bytes -= bytes->length;
	bytes_clear(bytes);
}

void thing_holds(struct thing *thing, bool holds)
{
	thing->remote->holding += (size_t)holds - (size_t)thing->holds;
	thing->holds = holds;
}

void thing_free(struct remotes *all, struct thing *thing)
{
	thing_holds(thing, false);
	*thing->at = thing->next;
	if (thing->next != NULL)
		thing->next->at = thing->at;
	thing->remote->thing_count--;
	thing->remote->standing -= thing->stands;
	HASH_DEL(all->things, thing);
	thing_set_problem(all, thing, NULL);
	drop_bytes(thing->remote, &thing->record);
	drop_bytes(thing->remote, &thing->kept);
	free(thing);
}

void thing_put(struct remotes *all, struct remote *remote, const struct record_key *key, const char *value,
	       size_t length)
{
	char name[sizeof *key + 3];
	size_t kept = length <= RECORD_MOST ? length : RECORD_MOST + 1; /* is refused, and then why does not matter */
	snprintf(name, sizeof name, "%s:%s:%s", key->node, key->name_space, key->name);
	struct thing *thing = thing_find(all, name);
	remote->over = remote->over || remote->bytes + kept > REMOTE_BYTES_MOST ||
		       (thing == NULL && remote->thing_count >= REMOTE_THINGS_MOST);
	if (remote->over)
		return;
	if (thing == NULL)
		thing = add_thing(all, remote, name);
	snprintf(name, sizeof name, "%s/%s", key->name_space, key->name);
	record_digest(&thing->digest, name, value, length);
	remote->standing += !thing->stands;
	thing->stands = true;
	drop_bytes(thing->remote, &thing->record);
	if (memcmp(&thing->digest, &thing->taken, sizeof thing->taken) == 0)
		return; /* known from before */
	bytes_set(&thing->record, value, kept);
	remote->bytes += kept;
}

void thing_removed(struct remotes *all, struct thing *thing)
{
	thing->remote->standing -= thing->stands;
	thing->stands = false;
	drop_bytes(thing->remote, &thing->record);
	if (!thing->holds)
		thing_free(all, thing);
}

void thing_taken(struct thing *thing)
{
	thing->taken = thing->digest;
	drop_bytes(thing->remote, &thing->kept);
	thing->kept = thing->record;
	thing->record = (struct bytes){0};
}

void thing_untaken(struct remotes *all, struct thing *thing)
{
	thing_holds(thing, false);
	if (!thing->stands) {
		thing_free(all, thing);
		return;
	}
	if (thing->record.items == NULL) {
		thing->record = thing->kept;
		thing->kept = (struct bytes){0};
	} else {
		drop_bytes(thing->remote, &thing->kept);
	}
	thing->taken = (struct record_digest){{0}};
}
