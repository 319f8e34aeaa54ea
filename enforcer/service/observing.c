/* The observer in the event loop. It comes last there: while something is to be enforced, records wait in the kernel's
 * buffer, or are dropped and counted. */
#include "enforcer/service/observing.h"

#include "enforcer/kernel/socket.h"
#include "enforcer/observe/observer.h"
#include "enforcer/service/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TICK_US = 1000000, LOG_NOTICE_LEVEL = 5, LOG_INFO_LEVEL = 6 };

/* Of the entries of denied and of allowed flows: journalctl MESSAGE_ID=... finds them. */
#define MESSAGE_DENIED "5b7e2f7c1c0f4f0f9a0b4f4f2a9d6e31"
#define MESSAGE_ALLOWED "c2d0d1a27d5a4e2bb6f1c9a84e0f7d52"

struct observing {
	struct observer *observer;
	observing_world *world;
	void *context;
	void (*hear)(void *context, const struct event *event); /* NULL: nobody */
	void *hear_context;
	sd_event_source *io, *resume, *tick;
	bool told_problem;
	bool denied;	      /* denials go to the journal, too */
	int journal;	      /* -1: none */
	uint64_t unjournaled; /* entries that the journal did not take */
	struct journal_entry entry;
};

/* ---- the journal ---- */

static void add_end(struct journal_entry *entry, const char *const names[3], const struct event_end *end)
{
	char address[ADDRESS_TEXT_SIZE];
	address_format(&end->address, address);
	journal_add(entry, names[0], end->name[0] != 0 ? end->name : address);
	journal_add(entry, names[1], address);
	if (end->names[0] != 0)
		journal_add(entry, names[2], end->names);
}

static void add_nearest(struct journal_entry *entry, const struct event_nearest *nearest)
{
	if (!nearest->found)
		return;
	journal_printf(entry, "RINGFENCE_NEAREST", "%s:%u", nearest->file, nearest->line);
	for (size_t i = 0; i < nearest->miss_count; i++)
		journal_add(entry, "RINGFENCE_MISSES", nearest->misses[i].text);
}

static void write_entry(struct journal_entry *entry, const struct event *event)
{
	static const char *const source[] = {"RINGFENCE_SOURCE", "RINGFENCE_SOURCE_ADDRESS",
					     "RINGFENCE_SOURCE_SERVICES"};
	static const char *const destination[] = {"RINGFENCE_DESTINATION", "RINGFENCE_DESTINATION_ADDRESS",
						  "RINGFENCE_DESTINATION_SERVICES"};
	static const char *const verdicts[LOGGED_KINDS] = {"deny", "audit", "allow"};
	const struct log_reason *reason = &event->reason;
	bool allowed = reason->logged == LOGGED_ALLOW;
	char message[EVENT_MESSAGE_SIZE], port[48];
	event_message(event, message);
	journal_begin(entry);
	journal_add(entry, "MESSAGE", message);
	journal_add(entry, "MESSAGE_ID", allowed ? MESSAGE_ALLOWED : MESSAGE_DENIED);
	journal_printf(entry, "PRIORITY", "%d", allowed ? LOG_INFO_LEVEL : LOG_NOTICE_LEVEL);
	journal_add(entry, "SYSLOG_IDENTIFIER", "ringfenced");
	journal_add(entry, "RINGFENCE_VERDICT", verdicts[reason->logged]);
	journal_add(entry, "RINGFENCE_REASON", cause_word(reason->cause));
	if (reason->has_direction)
		journal_add(entry, "RINGFENCE_DIRECTION", reason->direction == EGRESS ? "egress" : "ingress");
	add_end(entry, source, &event->ends[EGRESS]);
	add_end(entry, destination, &event->ends[INGRESS]);
	journal_add(entry, "RINGFENCE_PORT", event_port(event, port));
	if (event->file[0] != 0)
		journal_printf(entry, "RINGFENCE_STATEMENT", "%s:%u", event->file, reason->line);
	if (event->revision[0] != 0)
		journal_add(entry, "RINGFENCE_REVISION", event->revision);
	add_nearest(entry, &event->nearest);
	journal_printf(entry, "RINGFENCE_SEQUENCE", "%" PRIu64, event->sequence);
	journal_printf(entry, "RINGFENCE_COUNT", "%" PRIu64, event->count);
	journal_printf(entry, "RINGFENCE_LEFT_OUT", "%" PRIu64, event->left_out);
}

static void on_event(void *context, const struct event *event)
{
	struct observing *observing = context;
	if (observing->hear != NULL)
		observing->hear(observing->hear_context, event);
	if (observing->journal < 0 || (event->reason.logged != LOGGED_ALLOW && !observing->denied))
		return;
	write_entry(&observing->entry, event);
	int error = journal_send(observing->journal, &observing->entry);
	observing->unjournaled += error != 0;
	if (error == 0 || error == -EAGAIN || error == -EMSGSIZE)
		return;
	close(observing->journal); /* it was ended; on_tick looks whether there is one again */
	observing->journal = -1;
}

static void open_journal(struct observing *observing)
{
	if (observing->journal < 0 && journal_is_there())
		observing->journal = journal_open(JOURNAL_SOCKET);
}

/* ---- the loop ---- */

static int on_records(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct observing *observing = context;
	const struct world world = observing->world(observing->context);
	(void)fd;
	(void)revents;
	if (observer_read(observing->observer, &world))
		return 0;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_source_set_time_relative(observing->resume, observer_pause(observing->observer));
	return sd_event_source_set_enabled(observing->resume, SD_EVENT_ONESHOT);
}

static int on_resume(sd_event_source *source, uint64_t usec, void *context)
{
	struct observing *observing = context;
	(void)source;
	(void)usec;
	return sd_event_source_set_enabled(observing->io, SD_EVENT_ON);
}

/* Says once that nothing is heard, and once that it is again. */
static void tell_problem(struct observing *observing)
{
	const char *problem = observer_problem(observing->observer);
	if ((problem != NULL) == observing->told_problem)
		return;
	observing->told_problem = problem != NULL;
	if (problem != NULL)
		fprintf(stderr,
			"ringfenced: denied connections are not observed: %s; rules are enforced all the same\n",
			problem);
	else
		fprintf(stderr, "ringfenced: denied connections are observed\n");
}

static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
	struct observing *observing = context;
	observer_bind(observing->observer);
	observer_tick(observing->observer);
	tell_problem(observing);
	open_journal(observing);
	sd_event_source_set_time(source, usec + TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_sources(struct observing *observing, sd_event *event)
{
	int fd = observer_fd(observing->observer);
	int error = sd_event_add_io(event, &observing->io, fd, EPOLLIN, on_records, observing);
	if (error >= 0)
		error = sd_event_source_set_priority(observing->io, SD_EVENT_PRIORITY_IDLE);
	if (error >= 0)
		error =
		    sd_event_add_time(event, &observing->resume, CLOCK_MONOTONIC, UINT64_MAX, 0, on_resume, observing);
	if (error >= 0)
		error = sd_event_add_time_relative(event, &observing->tick, CLOCK_MONOTONIC, TICK_US, 0, on_tick,
						   observing);
	return error < 0 ? error : 0;
}

int observing_create(struct observing **observing, struct kernel *kernel, sd_event *event, const struct config *config,
		     observing_world *world, const char *revision, void *context)
{
	struct observing *made = calloc(1, sizeof *made);
	*observing = NULL;
	if (made == NULL) {
		kernel_close(kernel);
		return -ENOMEM;
	}
	made->world = world;
	made->context = context;
	made->denied = config->log_denied;
	made->journal = -1;
	int error = observer_create(&made->observer, kernel, config->log_rate, on_event, made);
	if (error == 0) {
		observer_set_revision(made->observer, revision);
		error = add_sources(made, event);
	}
	if (error != 0) {
		observing_destroy(made);
		return error;
	}
	tell_problem(made);
	open_journal(made);
	*observing = made;
	return 0;
}

void observing_hear(struct observing *observing, void (*hear)(void *context, const struct event *event), void *context)
{
	observing->hear = hear;
	observing->hear_context = context;
}

void observing_destroy(struct observing *observing)
{
	if (observing == NULL)
		return;
	sd_event_source_disable_unref(observing->io);
	sd_event_source_disable_unref(observing->resume);
	sd_event_source_disable_unref(observing->tick);
	observer_destroy(observing->observer);
	if (observing->journal >= 0)
		close(observing->journal);
	free(observing);
}

void observing_tell_records(struct observing *observing, void (*heard)(void *context, const struct event *event),
			    void *context)
{
	observer_tell_records(observing->observer, heard, context);
}

json_t *observing_answer(struct observing *observing, const json_t *request)
{
	return observer_answer(observing->observer, request);
}

json_t *observing_status(const struct observing *observing)
{
	json_t *status = observer_status(observing->observer);
	json_object_set_new(status, "journal", json_boolean(observing->journal >= 0));
	json_object_set_new(status, "unjournaled", json_integer((json_int_t)observing->unjournaled));
	return status;
}
