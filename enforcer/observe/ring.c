/* The ring of events, see ring.h. */
#include "enforcer/observe/ring.h"

#include <string.h>

/* FNV-1a. Who knows how to make two keys of one hash makes two events dearer by one comparison. */
static uint64_t hash_of(const struct event_key *key)
{
	const unsigned char *bytes = (const unsigned char *)key;
	uint64_t hash = 14695981039346656037ULL;
	for (size_t i = 0; i < sizeof *key; i++)
		hash = (hash ^ bytes[i]) * 1099511628211ULL;
	return hash;
}

static bool is_over(const struct event *event, struct moment now)
{
	return now.monotonic - event->opened >= FOLD_SECONDS * INT64_C(1000000);
}

static uint64_t oldest(const struct ring *ring)
{
	return ring->next > EVENTS_MAX ? ring->next - EVENTS_MAX : 0;
}

struct event *ring_fold(struct ring *ring, const struct event_key *key, struct moment now)
{
	uint64_t hash = hash_of(key);
	uint64_t first = ring->open_from > oldest(ring) ? ring->open_from : oldest(ring);
	for (uint64_t i = first; i < ring->next; i++) {
		struct event *event = &ring->events[i % EVENTS_MAX];
		if (ring->hashes[i % EVENTS_MAX] != hash || !event->open || is_over(event, now) ||
		    memcmp(&event->key, key, sizeof *key) != 0)
			continue;
		event->count++;
		event->last = now.unix_time;
		return event;
	}
	return NULL;
}

static void close_event(struct ring *ring, struct event *event)
{
	event->open = false;
	if (event->count == 1)
		return;
	event->changed = ++ring->changed;
	if (ring->closed != NULL)
		ring->closed(ring->context, event);
}

struct event *ring_add(struct ring *ring, const struct event_key *key, struct moment now)
{
	struct event *event = &ring->events[ring->next % EVENTS_MAX];
	if (event->open)
		close_event(ring, event);
	memset(event, 0, sizeof *event);
	memcpy(&event->key, key, sizeof *key); /* with its padding */
	ring->hashes[ring->next % EVENTS_MAX] = hash_of(key);
	event->sequence = ++ring->next;
	event->changed = ++ring->changed;
	event->count = 1;
	event->first = event->last = now.unix_time;
	event->opened = now.monotonic;
	event->open = true;
	return event;
}

void ring_settle(struct ring *ring, struct moment now)
{
	if (ring->open_from < oldest(ring))
		ring->open_from = oldest(ring);
	for (; ring->open_from < ring->next; ring->open_from++) {
		struct event *event = &ring->events[ring->open_from % EVENTS_MAX];
		if (event->open && !is_over(event, now))
			return;
		if (event->open)
			close_event(ring, event);
	}
}

const struct event *ring_at(const struct ring *ring, size_t index)
{
	uint64_t number = oldest(ring) + index;
	return number < ring->next ? &ring->events[number % EVENTS_MAX] : NULL;
}
