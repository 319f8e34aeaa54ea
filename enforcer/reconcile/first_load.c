/* Turns around what conntrack has the wrong way round, at the first load: once when our rules are built, which switches
 * conntrack on, and no packet meets them yet, so that most connections lose nothing; and once when they are in force.
 * Where conntrack was on before, there is little to see, and perhaps much to read, so the rules do not wait for that.
 *
 * What is turned around opens nothing that chance did not: nobody knows who began a connection that was first seen in
 * its middle, and it is turned only when both ends have spoken, so a packet of the other end might as well have come
 * first. Where only one end has, it is for that other end to speak, by a packet that the rules let pass as a request.
 * TCP whose beginning conntrack saw is never touched; UDP only where conntrack knew no connection at all before. */
#include <ringfence/first_load.h>

#include "enforcer/kernel/socket.h"

#include <ringfence/arena.h>
#include <ringfence/passage.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An end that only listens acknowledges within 40 ms, as a rule (TCP_DELACK_MIN); the one that speaks tries again
 * within 200 ms (TCP_RTO_MIN), and is answered at once. */
enum {
	BEFORE_MICROSECONDS = 80000,
	AFTER_MICROSECONDS = 250000,
	REST_MICROSECONDS = 5000, /* between two looks, while there is something to see */
	FOUND_MOST = 1 << 16	  /* of one look; the rest is for the next */
};

/* ---- judgement ---- */

static struct connection turned(const struct connection *connection)
{
	struct connection other = *connection;
	other.source = connection->destination;
	other.destination = connection->source;
	other.source_port = connection->port;
	other.port = connection->source_port;
	return other;
}

enum pick_up pick_up_of(const struct ruleset *ruleset, const struct ruleset_index *index,
			const struct connection *connection, bool tracked)
{
	const bool tcp = connection->protocol == PROTOCOL_TCP;
	if (!turning_suits(connection, TURNING_FORGET) || (!tcp && tracked))
		return PICK_UP_RIGHT;
	const struct connection other = turned(connection);
	if (passage_of(ruleset, index, connection) != PASSAGE_CLOSED ||
	    passage_of(ruleset, index, &other) != PASSAGE_OPEN)
		return PICK_UP_RIGHT;
	return !tcp ? PICK_UP_FORGET : turning_suits(connection, TURNING_TURN) ? PICK_UP_TURN : PICK_UP_UNANSWERED;
}

/* ---- looks ---- */

struct looking {
	struct kernel *kernel;
	const struct ruleset *ruleset;
	const struct ruleset_index *index;
	bool tracked;
	bool last; /* what is not answered by now is forgotten */
	bool in_force;
	struct turning *items;
	size_t count, room;
	size_t found; /* that are the wrong way round, whatever is done about them */
};

static void note(struct looking *looking, const struct connection *connection, enum turning_kind kind)
{
	if (looking->count == FOUND_MOST)
		return;
	if (looking->count == looking->room) {
		looking->room = looking->room * 2 + 64;
		looking->items = realloc(looking->items, looking->room * sizeof *looking->items);
		if (looking->items == NULL)
			abort();
	}
	looking->items[looking->count++] = turning_of(connection, kind);
}

static void take(void *context, const struct connection *connection)
{
	struct looking *looking = context;
	switch (pick_up_of(looking->ruleset, looking->index, connection, looking->tracked)) {
	case PICK_UP_RIGHT:
		return;
	case PICK_UP_TURN:
		note(looking, connection, TURNING_TURN);
		break;
	case PICK_UP_UNANSWERED:
		if (looking->last && looking->in_force)
			note(looking, connection, TURNING_FORGET);
		break;
	case PICK_UP_FORGET: /* before the rules are in force, its next packet would bring it back as it is */
		if (!looking->in_force)
			return;
		note(looking, connection, TURNING_FORGET);
		break;
	}
	looking->found++;
}

/* Reads all connections. Returns 0 or a negative errno; nothing is left to come then. */
static int read_all(struct kernel *kernel, const struct connections_reader *reader)
{
	int error = connections_start(kernel);
	if (error == 0)
		error = connections_step(kernel, reader, UINT64_MAX);
	if (error < 0)
		kernel_reopen(kernel);
	return error < 0 ? error : 0;
}

static int look(struct looking *looking)
{
	const struct connections_reader reader = {looking, take};
	looking->count = looking->found = 0;
	int error = read_all(looking->kernel, &reader);
	return error == 0 ? connections_turn(looking->kernel, looking->items, looking->count) : error;
}

/* Looks until there is nothing to see, or the time is over: then once more. */
static int settle(struct looking *looking, bool in_force)
{
	const struct timespec rest = {.tv_nsec = REST_MICROSECONDS * 1000};
	const uint64_t end = kernel_microseconds() + (in_force ? AFTER_MICROSECONDS : BEFORE_MICROSECONDS);
	int error;
	looking->in_force = in_force;
	looking->last = false;
	while ((error = look(looking)) == 0 && looking->found > 0 && !looking->last) {
		nanosleep(&rest, NULL);
		looking->last = kernel_microseconds() >= end;
	}
	return error;
}

/* ---- the load ---- */

static void note_one(void *context, const struct connection *connection)
{
	(void)connection;
	*(bool *)context = true;
}

/* The first datagram of the answer tells; what is still to come then goes with the socket. */
bool conntrack_is_used(struct kernel *kernel)
{
	bool used = false;
	int step = connections_start(kernel);
	if (step == 0)
		step = connections_step(kernel, &(struct connections_reader){&used, note_one}, 0);
	if (step != 1)
		kernel_reopen(kernel);
	return step < 0 || used;
}

static struct answer apply_one(struct kernel *kernel, const struct plan *plan, size_t place, int64_t at)
{
	const struct plan one = {.transactions = {plan->transactions[place]}, .count = 1};
	struct answer answer = kernel_apply(kernel, &one, at);
	answer.transaction += place;
	return answer;
}

struct answer first_load(struct kernel *kernel, struct arena *arena, const struct plan *plan,
			 const struct ruleset *actual, const struct ruleset *desired, bool tracked, int64_t at,
			 int *missed)
{
	struct answer whole = {0};
	*missed = 0;
	if (!ruleset_is_none(actual) || plan->count == 0)
		return kernel_apply(kernel, plan, at);
	struct looking looking = {
	    .kernel = kernel, .ruleset = desired, .index = ruleset_index(arena, desired), .tracked = tracked};
	for (size_t i = 0; i < plan->count && whole.error == 0; i++) {
		const bool in_force = i + 1 == plan->count;
		const struct answer answer = apply_one(kernel, plan, i, at);
		const uint64_t bytes = whole.bytes + answer.bytes;
		whole = answer;
		whole.bytes = bytes;
		if (whole.error == 0 && *missed == 0 && (in_force || !tracked))
			*missed = settle(&looking, in_force);
	}
	free(looking.items);
	return whole;
}

const char *first_load_missed(struct arena *arena, int missed)
{
	return arena_printf(arena,
			    "connections that are open and allowed may be cut by this first load: cannot read "
			    "conntrack, or mend it: %s",
			    strerror(-missed));
}
