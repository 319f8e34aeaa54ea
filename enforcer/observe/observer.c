/* Records in, events out, within bounds (observer.h).
 *
 * Three bounds hold in each second, in this order: of records that are read at all, after which the socket is left
 * alone and the kernel drops what its buffer does not hold; of events that are made, where what folds into one that is
 * there is free; and of the time for nearest allows, after which events have none. */
#include "enforcer/observe/observer.h"

#include "enforcer/kernel/socket.h"
#include "enforcer/observe/filter.h"
#include "enforcer/observe/nflog.h"

#include <ringfence/ruleset.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RECORDS_AT_ONCE = 64, SECOND_US = 1000000 };

/* What a second has been used for. */
struct second {
	int64_t begun; /* monotonic microseconds */
	unsigned records, events;
	int64_t nearest; /* microseconds */
};

struct observer {
	struct nflog *nflog;
	int error; /* of nflog_bind; 0: the group is ours */
	unsigned rate;
	void (*changed)(void *context, const struct event *event);
	void *context;
	void (*heard)(void *context, const struct event *event); /* of each record; NULL: nobody */
	void *heard_context;
	const struct world *world; /* while records are read */
	const char *revision;	   /* of the policy in force, or NULL */
	struct second second;
	struct observed counts; /* but left_lost, and heard without these */
	uint64_t left_before;	/* of all left out, when the newest event was made */
	struct ring ring;
};

static int64_t microseconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

static struct moment moment(void)
{
	return (struct moment){microseconds(CLOCK_REALTIME), microseconds(CLOCK_MONOTONIC)};
}

int observer_create(struct observer **observer, struct kernel *kernel, unsigned rate,
		    void (*changed)(void *context, const struct event *event), void *context)
{
	struct observer *made = calloc(1, sizeof *made);
	*observer = NULL;
	if (made == NULL) {
		kernel_close(kernel);
		return -ENOMEM;
	}
	made->rate = rate;
	made->changed = made->ring.closed = changed;
	made->context = made->ring.context = context;
	int error = nflog_create(&made->nflog, kernel, RULESET_LOG_GROUP);
	if (error != 0) {
		observer_destroy(made);
		return error;
	}
	made->error = nflog_bind(made->nflog);
	*observer = made;
	return 0;
}

void observer_tell_records(struct observer *observer, void (*heard)(void *context, const struct event *event),
			   void *context)
{
	observer->heard = heard;
	observer->heard_context = context;
}

void observer_destroy(struct observer *observer)
{
	if (observer == NULL)
		return;
	nflog_destroy(observer->nflog);
	free(observer);
}

bool observer_bind(struct observer *observer)
{
	if (observer->error != 0)
		observer->error = nflog_bind(observer->nflog);
	return observer->error == 0;
}

const char *observer_problem(const struct observer *observer)
{
	if (observer->error == -EBUSY)
		return "another process reads the log group";
	return observer->error != 0 ? strerror(-observer->error) : NULL;
}

int observer_fd(const struct observer *observer)
{
	return nflog_fd(observer->nflog);
}

void observer_set_revision(struct observer *observer, const char *revision)
{
	observer->revision = revision;
}

struct observed observer_counts(const struct observer *observer)
{
	struct observed counts = observer->counts;
	counts.left_lost = nflog_lost(observer->nflog);
	counts.heard += counts.left_lost;
	return counts;
}

static uint64_t left_out(const struct observed *counts)
{
	return counts->left_rate + counts->left_lost + counts->left_foreign;
}

/* ---- records ---- */

static void begin_second(struct second *second, int64_t now)
{
	if (now - second->begun >= SECOND_US)
		*second = (struct second){.begun = now};
}

static void explain(struct observer *observer, struct event *event)
{
	struct second *second = &observer->second;
	event_name(event, observer->world);
	if (observer->revision != NULL)
		snprintf(event->revision, sizeof event->revision, "%s", observer->revision);
	if (event->reason.logged == LOGGED_ALLOW || second->nearest >= OBSERVE_NEAREST_US)
		return;
	int64_t begun = microseconds(CLOCK_MONOTONIC);
	event_find_nearest(event, observer->world);
	second->nearest += microseconds(CLOCK_MONOTONIC) - begun;
}

static const struct event *make_event(struct observer *observer, const struct event_key *key,
				      const struct log_reason *reason, uint16_t source_port, struct moment now)
{
	struct event *event = ring_add(&observer->ring, key, now);
	const struct observed counts = observer_counts(observer);
	event->reason = *reason;
	event->source_port = source_port;
	event->left_out = left_out(&counts) - observer->left_before;
	observer->left_before = left_out(&counts);
	observer->counts.events++;
	observer->second.events++;
	explain(observer, event);
	if (observer->changed != NULL)
		observer->changed(observer->context, event);
	return event;
}

static void on_record(void *context, const struct nflog_record *record)
{
	struct observer *observer = context;
	struct event_key key;
	struct log_reason reason;
	struct moment now = moment();
	observer->counts.heard++;
	observer->second.records++;
	memset(&key, 0, sizeof key);
	if (!log_prefix_parse(&reason, record->prefix, record->prefix_length) ||
	    packet_decode(&key.packet, record->ethertype, record->packet, record->packet_length) != NULL) {
		observer->counts.left_foreign++;
		return;
	}
	memcpy(key.prefix, record->prefix, strnlen(record->prefix, record->prefix_length));
	uint16_t source_port = key.packet.source_port;
	key.packet.source_port = 0;
	const struct event *event = ring_fold(&observer->ring, &key, now);
	if (event == NULL && observer->second.events >= observer->rate) {
		observer->counts.left_rate++;
		return;
	}
	observer->counts.reported++;
	if (event == NULL)
		event = make_event(observer, &key, &reason, source_port, now);
	if (observer->heard != NULL)
		observer->heard(observer->heard_context, event);
}

bool observer_read(struct observer *observer, const struct world *world)
{
	begin_second(&observer->second, microseconds(CLOCK_MONOTONIC));
	if (observer->second.records >= OBSERVE_RECORDS)
		return false;
	observer->world = world;
	int result = nflog_read(observer->nflog, RECORDS_AT_ONCE, on_record, observer);
	observer->world = NULL;
	if (result < 0) { /* what that may be comes again at once: not before the next second, after another bind */
		observer->error = result;
		observer->second.records = OBSERVE_RECORDS;
	}
	return observer->second.records < OBSERVE_RECORDS;
}

uint64_t observer_pause(const struct observer *observer)
{
	int64_t left = observer->second.begun + SECOND_US - microseconds(CLOCK_MONOTONIC);
	return observer->second.records >= OBSERVE_RECORDS && left > 0 ? (uint64_t)left : 0;
}

void observer_take(struct observer *observer, const struct world *world, const void *bytes, size_t length)
{
	begin_second(&observer->second, microseconds(CLOCK_MONOTONIC));
	observer->world = world;
	nflog_take(observer->nflog, bytes, length, on_record, observer);
	observer->world = NULL;
}

void observer_tick(struct observer *observer)
{
	ring_settle(&observer->ring, moment());
}

/* ---- answers ---- */

static int compare_changes(const void *a, const void *b)
{
	const struct event *first = *(const struct event *const *)a, *second = *(const struct event *const *)b;
	return (first->changed > second->changed) - (first->changed < second->changed);
}

/* Those that changed behind `since`, oldest first; where somebody follows, in the order in which they changed. */
static size_t select_events(const struct ring *ring, const struct filter *filter, uint64_t since,
			    const struct event *selected[EVENTS_MAX])
{
	const struct event *event;
	size_t count = 0;
	for (size_t i = 0; (event = ring_at(ring, i)) != NULL; i++)
		if (event->changed > since && filter_takes(filter, event))
			selected[count++] = event;
	if (since > 0)
		qsort(selected, count, sizeof *selected, compare_changes);
	return count;
}

static void add_counts(json_t *object, const struct observer *observer)
{
	const struct observed counts = observer_counts(observer);
	const char *problem = observer_problem(observer);
	json_object_set_new(object, "listening", json_boolean(problem == NULL));
	if (problem != NULL)
		json_object_set_new(object, "problem", json_string(problem));
	json_object_set_new(object, "records", json_integer((json_int_t)counts.heard));
	json_object_set_new(object, "reported", json_integer((json_int_t)counts.reported));
	json_object_set_new(object, "left_out",
			    json_pack("{s:I, s:I, s:I}", "rate", (json_int_t)counts.left_rate, "lost",
				      (json_int_t)counts.left_lost, "foreign", (json_int_t)counts.left_foreign));
}

/* A number of a request from 0 on; `otherwise` where it is absent. Returns false where it is none. */
static bool number_of(const json_t *request, const char *key, json_int_t otherwise, uint64_t *number)
{
	const json_t *value = json_object_get(request, key);
	json_int_t read = value != NULL ? json_integer_value(value) : otherwise;
	*number = (uint64_t)read;
	return (value == NULL || json_is_integer(value)) && read >= 0;
}

json_t *observer_answer(struct observer *observer, const json_t *request)
{
	const struct event *selected[EVENTS_MAX];
	struct filter filter;
	char problem[EVENT_TEXT_SIZE];
	uint64_t since, last;
	const char *wrong = filter_read(&filter, request, problem);
	if (wrong == NULL &&
	    (!number_of(request, "since", 0, &since) || !number_of(request, "last", EVENTS_MAX, &last)))
		wrong = "`since` and `last` are numbers from 0 on";
	if (wrong != NULL)
		return json_pack("{s:i, s:s}", "version", 1, "error", wrong);
	observer_tick(observer);
	if (since > observer->ring.changed) /* of a daemon before this one */
		since = 0;
	size_t count = select_events(&observer->ring, &filter, since, selected);
	json_t *list = json_array(),
	       *answer = json_pack("{s:i, s:I}", "version", 1, "next", (json_int_t)observer->ring.changed);
	for (size_t i = count > last ? count - (size_t)last : 0; i < count; i++)
		json_array_append_new(list, event_json(selected[i]));
	json_object_set_new(answer, "events", list);
	add_counts(answer, observer);
	return answer;
}

json_t *observer_status(const struct observer *observer)
{
	json_t *status = json_pack("{s:I}", "events", (json_int_t)observer->counts.events);
	add_counts(status, observer);
	return status;
}
