/* A state machine with one request under way: leases -> mark -> list of what is there -> transactions -> follow.
 *
 * A record is put once more when it is another, known by its digest, or when its lease is. After a failure the leases
 * go on where they still can, and what the store has under it is read, not put: each put is told to every node. The
 * mark, which says what all of it is, goes with the last transaction of what is different; and none is made where the
 * mark is not as it was read, or put: then somebody else has put something under this node's name. */
#include "enforcer/fleet/publisher.h"

#include "enforcer/fleet/record.h"
#include "enforcer/fleet/statement.h"
#include "enforcer/sources/fleet.h"

#include <ringfence/arena.h>
#include <ringfence/table.h>

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The hash of uthash falls through cases, of which clang warns. */
#define HASH_FUNCTION(key, length, value) ((value) = table_hash(0, (key), (length)))
#include <uthash.h>

enum {
	QUIET_US = 20000,
	STATUS_SOON_US = 1000000,
	BATCH = 100,
	LIST = 100, /* records of the largest size fit into an answer */
	BATCH_BYTES = 512 << 10,
	STATUS_DIGEST = 16,
	STATUS_AGAIN_S = 60
};
#define SEQUENCE_RESERVE ((uint64_t)300 * 1000000) /* are kept at once: what 5 minutes of the clock take */

struct entry {
	UT_hash_handle hh;
	struct record_digest digest; /* of the record in the store; zero: it is not known */
	char *record;		     /* that shall be there, while it is collected; NULL: none */
	char name[];		     /* NAMESPACE/NAME */
};

/* The mark has a lease that runs out soon after the node is gone, so that this is known; and the records one that only
 * clears up, since each that is put, or deleted, is told to all. */
enum which_lease { LEASE_MARK, LEASE_RECORDS, LEASES };
static const unsigned lease_seconds[LEASES] = {PUBLISHER_LEASE_S, PUBLISHER_RECORDS_S};

struct lease {
	int64_t id;	   /* 0: none */
	uint64_t alive_at; /* monotonic microseconds: when it is due */
};

struct published {
	struct publisher *publisher;
};

struct publisher {
	struct publisher_setup setup;
	struct etcd_call *call;
	sd_event_source *timer;
	struct lease leases[LEASES];
	enum which_lease asked;	       /* for which one a request is under way */
	uint64_t reserved;	       /* sequences up to this may have been used, as it is kept */
	uint64_t sequence;	       /* of the statement that was made last */
	uint8_t said[SET_DIGEST_SIZE]; /* what the mark says; zero: that is not known */
	int64_t mark_revision;	       /* in which the mark was put; 0: it is not there, -1: that is not known */
	bool marks;		       /* the transaction under way puts it */
	bool unsaid;		       /* it may not say what is there by now */
	bool changed;		       /* records were put, or deleted, since it was */
	bool puts;		       /* a transaction of records or the mark is under way */
	bool unsure;   /* one failed that may yet be done: what is read counts for nothing, all is put again */
	bool listed;   /* what is in the store is known, in `entries` */
	bool marked;   /* under its lease */
	bool enrolled; /* the enrolment is there, under the lease of records */
	bool due;      /* something may be different */
	bool well;
	unsigned wait_ms;		     /* of the last failure; 0: none */
	uint64_t status_at;		     /* monotonic microseconds: when the status is due */
	uint64_t put_at;		     /* when the status was put */
	int64_t revision;		     /* of the store, when it was asked last */
	unsigned char status[STATUS_DIGEST]; /* as it was put */
	struct entry *entries;
	char *next; /* of a list by pages */
};

static void step(struct publisher *publisher);

static void *checked(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static uint64_t now_of(const struct publisher *publisher)
{
	uint64_t now = 0;
	sd_event_now(publisher->setup.events, CLOCK_MONOTONIC, &now);
	return now;
}

static void arm(struct publisher *publisher, uint64_t at)
{
	sd_event_source_set_time(publisher->timer, at);
	sd_event_source_set_enabled(publisher->timer, SD_EVENT_ONESHOT);
}

/* PREFIX/BEFORE NODE AFTER NAME, the caller's to free. */
static char *key_of(const struct publisher *publisher, const char *before, const char *after, const char *name)
{
	char *key;
	if (asprintf(&key, "%s/%s%s%s%s", etcd_prefix(publisher->setup.etcd), before, publisher->setup.node, after,
		     name) < 0)
		abort();
	return key;
}

static struct entry *find_entry(struct publisher *publisher, const char *name, bool add)
{
	struct entry *entry;
	size_t length = strlen(name);
	HASH_FIND(hh, publisher->entries, name, length, entry);
	if (entry != NULL || !add)
		return entry;
	entry = checked(calloc(1, sizeof *entry + length + 1));
	memcpy(entry->name, name, length);
	HASH_ADD_KEYPTR(hh, publisher->entries, entry->name, length, entry);
	return entry;
}

static void free_entry(struct publisher *publisher, struct entry *entry)
{
	HASH_DEL(publisher->entries, entry);
	free(entry->record);
	free(entry);
}

static void forget_entries(struct publisher *publisher)
{
	struct entry *entry, *next;
	HASH_ITER(hh, publisher->entries, entry, next)
	{
		free_entry(publisher, entry);
	}
	publisher->listed = publisher->marked = publisher->enrolled = publisher->marks = false;
	publisher->mark_revision = -1;
	memset(publisher->said, 0, sizeof publisher->said);
}

/* Nothing is sure any more: whether the leases are still there is asked, and what the store has. */
static void fail(struct publisher *publisher, const char *why)
{
	forget_entries(publisher);
	free(publisher->next);
	publisher->next = NULL;
	publisher->unsure = publisher->unsure || publisher->puts;
	publisher->puts = false;
	for (size_t i = 0; i < LEASES; i++)
		publisher->leases[i].alive_at = 0;
	publisher->wait_ms = source_wait_ms(publisher->wait_ms);
	publisher->well = false;
	arm(publisher, now_of(publisher) + (uint64_t)publisher->wait_ms * 1000);
	publisher->setup.problem(publisher->setup.context, why);
}

/* Takes an answer about keys; false after a failure. The store's revision never goes back, unless it was put back from
 * a backup: then its leases may be there, and what was put since is not. */
static bool hear(struct publisher *publisher, const json_t *answer, const char *error)
{
	int64_t revision = etcd_number(json_object_get(answer, "header"), "revision"), before = publisher->revision;
	publisher->call = NULL;
	if (error == NULL)
		publisher->revision = revision;
	if (error == NULL && revision < before) {
		error = "the store was wiped, or put back from a backup; all is put anew";
		publisher->leases[LEASE_MARK].id = publisher->leases[LEASE_RECORDS].id = 0;
	}
	if (error != NULL)
		fail(publisher, error);
	return error == NULL;
}

/* ---- the leases ---- */

static void go_on(struct publisher *publisher)
{
	const uint64_t third = (uint64_t)lease_seconds[publisher->asked] * 1000000 / 3;
	publisher->leases[publisher->asked].alive_at = now_of(publisher) + third;
	step(publisher);
}

static void on_lease(void *context, const json_t *answer, const char *error)
{
	struct publisher *publisher = context;
	int64_t id = error == NULL ? etcd_number(answer, "ID") : 0;
	publisher->call = NULL;
	publisher->leases[publisher->asked].id = id;
	if (id != 0)
		go_on(publisher);
	else
		fail(publisher, error != NULL ? error : "the store gave no lease");
}

static void on_alive(void *context, const json_t *answer, const char *error)
{
	struct publisher *publisher = context;
	publisher->call = NULL;
	if (error == NULL && etcd_number(json_object_get(answer, "result"), "TTL") <= 0) {
		publisher->leases[publisher->asked].id = 0;
		error = "the lease has run out; what was under it is put anew";
	}
	if (error != NULL)
		fail(publisher, error);
	else
		go_on(publisher);
}

/* Asks for a lease, or for its time to begin anew. */
static void ask_lease(struct publisher *publisher, enum which_lease which)
{
	char id[24];
	const struct lease *lease = &publisher->leases[which];
	snprintf(id, sizeof id, "%" PRId64, lease->id);
	publisher->asked = which;
	publisher->call = lease->id == 0
			      ? etcd_ask(publisher->setup.etcd, "/v3/lease/grant",
					 json_pack("{s:i}", "TTL", (int)lease_seconds[which]), on_lease, publisher)
			      : etcd_ask(publisher->setup.etcd, "/v3/lease/keepalive", json_pack("{s:s}", "ID", id),
					 on_alive, publisher);
}

/* ---- what is in the store, of this daemon or of one before it ---- */

/* Whether what is there is under this lease, and goes with it; and was put before the mark, or with it, if that stands.
 */
static bool is_ours(const struct publisher *publisher, const json_t *pair, enum which_lease which)
{
	return !publisher->unsure && etcd_number(pair, "lease") == publisher->leases[which].id &&
	       (publisher->mark_revision == 0 || etcd_number(pair, "mod_revision") <= publisher->mark_revision);
}

/* Notes what this node said last, where it did: each statement has a larger sequence than any that it ever signed. */
static void take_mark(struct publisher *publisher, const json_t *pair)
{
	const struct private_key *key = publisher->setup.key;
	const struct statement_trust trust = {key != NULL ? &key->public_key : NULL, publisher->setup.trust};
	struct statement statement;
	size_t length;
	char *mark = etcd_decode(json_object_get(pair, "value"), &length);
	struct arena *arena = arena_create();
	if (mark != NULL && statement_read(&statement, arena, publisher->setup.node, mark, length,
					   key != NULL ? &trust : NULL) == NULL) {
		if (statement.sequence > publisher->sequence)
			publisher->sequence = statement.sequence;
		publisher->marked = is_ours(publisher, pair, LEASE_MARK);
		memcpy(publisher->said, statement.digest, sizeof publisher->said);
	}
	arena_free(arena);
	free(mark);
}

static void on_mark(void *context, const json_t *answer, const char *error)
{
	struct publisher *publisher = context;
	if (!hear(publisher, answer, error))
		return;
	const json_t *pair = json_array_get(json_object_get(answer, "kvs"), 0);
	int64_t at = pair != NULL ? etcd_number(pair, "mod_revision") : 0;
	publisher->mark_revision = at > 0 ? at : 0;
	publisher->unsaid = true;
	if (pair != NULL)
		take_mark(publisher, pair);
	step(publisher);
}

static void ask_mark(struct publisher *publisher)
{
	char *mark = key_of(publisher, FLEET_WORKLOADS, "", "");
	publisher->call = etcd_ask(publisher->setup.etcd, "/v3/kv/range",
				   json_pack("{s:o}", "key", etcd_encode(mark, strlen(mark))), on_mark, publisher);
	free(mark);
}

/* What is there under another lease, or with another text, is put. */
static void note_entry(struct publisher *publisher, const char *name, const json_t *pair)
{
	const struct publisher_setup *setup = &publisher->setup;
	size_t length;
	char *record = etcd_decode(json_object_get(pair, "value"), &length);
	bool ours = record != NULL && strlen(record) == length && is_ours(publisher, pair, LEASE_RECORDS);
	if (setup->enrolment != NULL && strcmp(name, FLEET_ENROLMENT) == 0) {
		publisher->enrolled =
		    ours && length == setup->enrolment_length && memcmp(record, setup->enrolment, length) == 0;
	} else {
		struct entry *entry = find_entry(publisher, name, true);
		if (ours)
			record_digest(&entry->digest, name, record, length);
	}
	free(record);
}

static void on_list(void *context, const json_t *answer, const char *error)
{
	struct publisher *publisher = context;
	const json_t *pairs = json_object_get(answer, "kvs"), *pair;
	size_t i, length;
	char *prefix = key_of(publisher, FLEET_WORKLOADS, "/", "");
	if (!hear(publisher, answer, error)) {
		free(prefix);
		return;
	}
	free(publisher->next);
	publisher->next = NULL;
	json_array_foreach(pairs, i, pair)
	{
		char *key = etcd_decode(json_object_get(pair, "key"), &length);
		if (key != NULL && strlen(key) == length && strncmp(key, prefix, strlen(prefix)) == 0)
			note_entry(publisher, key + strlen(prefix), pair);
		free(publisher->next);
		publisher->next = key;
	}
	free(prefix);
	bool more = json_is_true(json_object_get(answer, "more")) && publisher->next != NULL;
	if (!more) {
		free(publisher->next);
		publisher->next = NULL;
	}
	publisher->listed = !more;
	step(publisher);
}

static void ask_list(struct publisher *publisher)
{
	char *prefix = key_of(publisher, FLEET_WORKLOADS, "/", "");
	json_t *range = etcd_prefix_range(prefix);
	json_object_set_new(range, "limit", json_integer(LIST));
	if (publisher->next != NULL)
		json_object_set_new(range, "key", etcd_encode(publisher->next, strlen(publisher->next) + 1));
	free(prefix);
	publisher->call = etcd_ask(publisher->setup.etcd, "/v3/kv/range", range, on_list, publisher);
}

/* ---- what shall be there ---- */

void publisher_add(struct published *all, const char *name, char *record)
{
	struct entry *entry = find_entry(all->publisher, name, true);
	free(entry->record);
	entry->record = record;
}

/* Takes the answer to a transaction that the store does only where nobody else changed anything of this node's. */
static bool hear_done(struct publisher *publisher, const json_t *answer, const char *error)
{
	if (error == NULL && !json_is_true(json_object_get(answer, "succeeded")))
		error =
		    "what this node had put in the store is not as it was: its lease had run out, somebody else wrote "
		    "there, or another daemon has the name of this node; it is read anew";
	return hear(publisher, answer, error);
}

static void on_put(void *context, const json_t *answer, const char *error)
{
	struct publisher *publisher = context;
	bool marks = publisher->marks;
	publisher->marks = false;
	publisher->puts = publisher->puts && error != NULL;
	if (!hear_done(publisher, answer, error))
		return;
	if (marks)
		publisher->mark_revision = publisher->revision;
	step(publisher);
}

/* A condition of a transaction: when the key, or each up to `end`, was put last. */
static json_t *put_in(const char *result, const char *key, const char *end, int64_t revision)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, revision);
	json_t *compare = json_pack("{s:s, s:s, s:o, s:s}", "target", "MOD", "result", result, "key",
				    etcd_encode(key, strlen(key)), "mod_revision", text);
	if (end != NULL)
		json_object_set_new(compare, "range_end", etcd_encode(end, strlen(end)));
	return compare;
}

/* The store does these, unless somebody else has changed the mark. */
static void ask_put(struct publisher *publisher, json_t *operations)
{
	char *mark = key_of(publisher, FLEET_WORKLOADS, "", "");
	json_t *compare = put_in("EQUAL", mark, NULL, publisher->mark_revision);
	publisher->puts = true;
	publisher->call =
	    etcd_ask(publisher->setup.etcd, "/v3/kv/txn",
		     json_pack("{s:[o], s:o}", "compare", compare, "success", operations), on_put, publisher);
	free(mark);
}

/* One operation of a transaction that makes the store have this entry, and notes that it has; NULL: it has it. */
static json_t *operation(struct publisher *publisher, struct entry *entry, size_t *bytes)
{
	struct record_digest now;
	char *key = key_of(publisher, FLEET_WORKLOADS, "/", entry->name);
	json_t *made = NULL;
	if (entry->record == NULL) {
		made = etcd_delete(key);
		free_entry(publisher, entry);
	} else {
		size_t length = strlen(entry->record);
		record_digest(&now, entry->name, entry->record, length);
		if (memcmp(&now, &entry->digest, sizeof now) != 0) {
			made = etcd_put(key, entry->record, length, publisher->leases[LEASE_RECORDS].id);
			*bytes += length;
			entry->digest = now;
		}
	}
	free(key);
	return made;
}

/* Appends what puts the mark, where it says another: what all entries are, all of which are in the store with what
 * stands before. */
static void add_mark(struct publisher *publisher, json_t *operations)
{
	const struct publisher_setup *setup = &publisher->setup;
	size_t count = 0, length;
	struct record_digest *digests = checked(malloc((HASH_COUNT(publisher->entries) + 1) * sizeof *digests));
	for (const struct entry *entry = publisher->entries; entry != NULL; entry = entry->hh.next)
		digests[count++] = entry->digest;
	struct statement statement = {.sequence = sequence_after(publisher->sequence)};
	set_digest(statement.digest, digests, count);
	free(digests);
	publisher->unsaid = false;
	bool enrols = setup->enrolment != NULL && !publisher->enrolled;
	if (publisher->marked && !enrols && !publisher->changed &&
	    memcmp(publisher->said, statement.digest, sizeof statement.digest) == 0)
		return; /* it says so already */
	publisher->changed = false;
	if (statement.sequence > publisher->reserved) {
		publisher->reserved = statement.sequence + SEQUENCE_RESERVE;
		setup->reserve(setup->context, publisher->reserved);
	}
	memcpy(publisher->said, statement.digest, sizeof publisher->said);
	uint8_t *bytes = statement_write(&statement, setup->node, setup->key, &length);
	char *mark = key_of(publisher, FLEET_WORKLOADS, "", ""), *alive = key_of(publisher, FLEET_NODES, "/alive", ""),
	     *enrolment = key_of(publisher, FLEET_WORKLOADS, "/", FLEET_ENROLMENT);
	const int64_t short_lease = publisher->leases[LEASE_MARK].id, lease = publisher->leases[LEASE_RECORDS].id;
	json_array_append_new(operations, etcd_put(mark, bytes, length, short_lease));
	if (!publisher->marked)
		json_array_append_new(operations, etcd_put(alive, "1", 1, short_lease));
	if (enrols)
		json_array_append_new(operations,
				      etcd_put(enrolment, setup->enrolment, setup->enrolment_length, lease));
	publisher->sequence = statement.sequence;
	publisher->marked = publisher->enrolled = publisher->marks = true;
	free(bytes);
	free(mark);
	free(alive);
	free(enrolment);
}

/* Begins a transaction of as much as fits, with the mark where that is the rest; false: nothing is different. */
static bool put_differences(struct publisher *publisher)
{
	json_t *operations = json_array();
	struct published all = {publisher};
	struct entry *entry, *next;
	size_t bytes = 0;
	publisher->setup.collect(publisher->setup.context, &all);
	HASH_ITER(hh, publisher->entries, entry, next)
	{
		json_t *made = json_array_size(operations) < BATCH && bytes < BATCH_BYTES
				   ? operation(publisher, entry, &bytes)
				   : NULL;
		if (made != NULL)
			json_array_append_new(operations, made);
	}
	publisher->changed = publisher->changed || json_array_size(operations) > 0;
	publisher->unsaid = publisher->unsaid || publisher->changed;
	bool whole = json_array_size(operations) < BATCH && bytes < BATCH_BYTES;
	HASH_ITER(hh, publisher->entries, entry, next)
	{
		free(entry->record);
		entry->record = NULL;
	}
	publisher->due = !whole;
	if (whole && (publisher->unsaid || !publisher->marked))
		add_mark(publisher, operations);
	if (json_array_size(operations) > 0) {
		ask_put(publisher, operations);
		return true;
	}
	json_decref(operations);
	return false;
}

static void on_status(void *context, const json_t *answer, const char *error)
{
	struct publisher *publisher = context;
	const json_t *range =
	    json_object_get(json_array_get(json_object_get(answer, "responses"), 1), "response_range");
	size_t count = HASH_COUNT(publisher->entries) + (publisher->setup.enrolment != NULL);
	if (hear_done(publisher, etcd_number(range, "count") == (int64_t)count ? answer : NULL, error))
		step(publisher);
}

/* Puts the status, where what was put before it is as it was: nothing of that is newer than the mark, and all is there.
 */
static void ask_status(struct publisher *publisher, const char *status)
{
	char *key = key_of(publisher, FLEET_NODES, "/status", ""), *mark = key_of(publisher, FLEET_WORKLOADS, "", ""),
	     *first = key_of(publisher, FLEET_WORKLOADS, "/", ""),
	     *end = key_of(publisher, FLEET_WORKLOADS, "0", ""); /* comes right after what begins with the slash */
	json_t *range = json_pack("{s:o, s:o, s:b}", "key", etcd_encode(first, strlen(first)), "range_end",
				  etcd_encode(end, strlen(end)), "count_only", true);
	json_t *body =
	    json_pack("{s:[o, o], s:[o, {s:o}]}", "compare", put_in("EQUAL", mark, NULL, publisher->mark_revision),
		      put_in("LESS", first, end, publisher->mark_revision + 1), "success",
		      etcd_put(key, status, strlen(status), 0), "request_range", range);
	publisher->call = etcd_ask(publisher->setup.etcd, "/v3/kv/txn", body, on_status, publisher);
	free(key);
	free(mark);
	free(first);
	free(end);
}

/* Puts the status, where it is another, or was put long ago: that shows whether the store still is the one it was. */
static bool put_status(struct publisher *publisher)
{
	unsigned char now[STATUS_DIGEST];
	char *status = publisher->setup.status(publisher->setup.context);
	crypto_generichash(now, sizeof now, (const unsigned char *)status, strlen(status), NULL, 0);
	publisher->status_at = now_of(publisher) + (uint64_t)PUBLISHER_STATUS_S * 1000000;
	bool other = memcmp(now, publisher->status, sizeof now) != 0 ||
		     now_of(publisher) - publisher->put_at > (uint64_t)STATUS_AGAIN_S * 1000000;
	if (other) {
		publisher->put_at = now_of(publisher);
		memcpy(publisher->status, now, sizeof now);
		ask_status(publisher, status);
	}
	free(status);
	return other;
}

/* Does what is next, where nothing is under way. */
static void step(struct publisher *publisher)
{
	uint64_t now = now_of(publisher), next = publisher->status_at;
	for (enum which_lease i = 0; i < LEASES; i++) {
		const struct lease *lease = &publisher->leases[i];
		if (lease->id == 0 || now >= lease->alive_at) {
			ask_lease(publisher, i);
			return;
		}
		next = lease->alive_at < next ? lease->alive_at : next;
	}
	if (publisher->mark_revision < 0) {
		ask_mark(publisher);
	} else if (!publisher->listed) {
		publisher->due = true;
		memset(publisher->status, 0, sizeof publisher->status);
		ask_list(publisher);
	} else if ((publisher->due || !publisher->marked) && put_differences(publisher)) {
		return;
	} else if (now < publisher->status_at || !put_status(publisher)) {
		publisher->unsure = false;
		if (!publisher->well)
			publisher->setup.problem(publisher->setup.context, NULL);
		publisher->well = true;
		publisher->wait_ms = 0;
		arm(publisher, publisher->status_at < next ? publisher->status_at : next);
	}
}

/* ---- its life ---- */

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct publisher *publisher = context;
	(void)source;
	(void)usec;
	if (publisher->call == NULL)
		step(publisher);
	return 0;
}

int publisher_create(struct publisher **publisher, const struct publisher_setup *setup)
{
	struct publisher *made = checked(calloc(1, sizeof *made));
	*publisher = NULL;
	*made = (struct publisher){.setup = *setup, .sequence = setup->sequence, .mark_revision = -1, .well = true};
	int error = sd_event_add_time(setup->events, &made->timer, CLOCK_MONOTONIC, now_of(made), 1, on_timer, made);
	if (error < 0) {
		publisher_destroy(made);
		return error;
	}
	*publisher = made;
	return 0;
}

void publisher_destroy(struct publisher *publisher)
{
	if (publisher == NULL)
		return;
	etcd_cancel(publisher->call);
	sd_event_source_disable_unref(publisher->timer);
	forget_entries(publisher);
	free(publisher->next);
	free(publisher);
}

void publisher_follow(struct publisher *publisher)
{
	uint64_t now = now_of(publisher), soon = now + (uint64_t)STATUS_SOON_US;
	bool waits = publisher->wait_ms > 0 || publisher->call != NULL || publisher->due;
	publisher->due = true;
	if (publisher->status_at > soon)
		publisher->status_at = soon;
	if (!waits)
		arm(publisher, now + QUIET_US);
}
