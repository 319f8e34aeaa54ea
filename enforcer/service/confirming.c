/* The policy before is read again while another waits, so that denials can be judged by it: a flow that it denied, too,
 * is no reason to go back. The workloads are those of the moment for both. */
#include "enforcer/service/confirming.h"

#include <ringfence/arena.h>
#include <ringfence/verdict.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	JUDGED = 256,	    /* events whose verdict is remembered */
	AGAIN_SECONDS = 10, /* until going back is tried again, where it failed */
	SECOND_US = 1000000,
};

struct tried {
	struct address from, to;
	uint16_t protocol, port;
};

struct confirming {
	struct daemon *daemon;
	struct keeping *keeping;
	void (*changed)(void *context);
	void *context;
	sd_event_source *timer;
	char revision[17];	 /* that waits; empty: none */
	double until;		 /* monotonic seconds */
	struct frontend *before; /* the policy before; NULL: it cannot be read, so nothing is judged */
	struct {
		uint64_t sequence; /* of the event; 0: none */
		bool broken;	   /* the policy before allowed it */
	} judged[JUDGED];
	struct tried flows[DENIED_FLOWS_MOST];
	size_t flow_count;
	uint64_t second; /* in which the last try was */
	size_t tries, tries_before;
	bool tripped;
};

static void end(struct confirming *confirming)
{
	confirming->revision[0] = 0;
	sd_event_source_set_enabled(confirming->timer, SD_EVENT_OFF);
	if (confirming->before != NULL)
		arena_free(confirming->before->arena);
	confirming->before = NULL;
}

static void begin(struct confirming *confirming, const char *revision)
{
	unsigned seconds = confirming->daemon->config.confirm_seconds;
	end(confirming);
	snprintf(confirming->revision, sizeof confirming->revision, "%s", revision);
	memset(confirming->judged, 0, sizeof confirming->judged);
	confirming->flow_count = confirming->tries = confirming->tries_before = 0;
	confirming->tripped = false;
	confirming->until = monotonic_seconds() + seconds;
	confirming->before = keeping_read_kept(confirming->keeping);
	sd_event_source_set_time_relative(confirming->timer, (uint64_t)seconds * SECOND_US);
	sd_event_source_set_enabled(confirming->timer, SD_EVENT_ONESHOT);
	fprintf(stderr, "ringfenced: policy %s is rolled back in %u seconds, unless `ringfence confirm` comes before\n",
		revision, seconds);
}

void confirming_follow(struct confirming *confirming)
{
	const char *waits = keeping_unconfirmed(confirming->keeping);
	if (waits == NULL)
		end(confirming);
	else if (strcmp(waits, confirming->revision) != 0)
		begin(confirming, waits);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct confirming *confirming = context;
	(void)usec;
	fprintf(stderr, "ringfenced: policy %s %s\n", confirming->revision,
		confirming->tripped ? "denies flows that the one before allowed" : "was not confirmed in time");
	char *error = keeping_revert(confirming->keeping, confirming->tripped ? BY_DENIALS : BY_NO_CONFIRMATION);
	if (error != NULL) {
		fprintf(stderr, "ringfenced: the policy before cannot be in force again: %s\n", error);
		free(error);
		sd_event_source_set_time_relative(source, AGAIN_SECONDS * SECOND_US);
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	}
	end(confirming);
	confirming->changed(confirming->context);
	return 0;
}

int confirming_create(struct confirming **confirming, sd_event *event, struct daemon *daemon, struct keeping *keeping,
		      void (*changed)(void *context), void *context)
{
	struct confirming *made = *confirming = calloc(1, sizeof *made);
	if (made == NULL)
		abort();
	made->daemon = daemon;
	made->keeping = keeping;
	made->changed = changed;
	made->context = context;
	int error = sd_event_add_time(event, &made->timer, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, made);
	if (error >= 0)
		error = sd_event_source_set_enabled(made->timer, SD_EVENT_OFF);
	return error < 0 ? error : 0;
}

void confirming_destroy(struct confirming *confirming)
{
	if (confirming == NULL)
		return;
	end(confirming);
	sd_event_source_disable_unref(confirming->timer);
	free(confirming);
}

/* ---- denials ---- */

static bool is_same_flow(const struct tried *a, const struct tried *b)
{
	return a->protocol == b->protocol && a->port == b->port && address_compare(&a->from, &b->from) == 0 &&
	       address_compare(&a->to, &b->to) == 0;
}

static void count_flow(struct confirming *confirming, const struct flow *flow)
{
	const struct tried tried = {flow->from.address, flow->to.address, flow->protocol, flow->port};
	for (size_t i = 0; i < confirming->flow_count; i++)
		if (is_same_flow(&confirming->flows[i], &tried))
			return;
	if (confirming->flow_count < DENIED_FLOWS_MOST)
		confirming->flows[confirming->flow_count++] = tried;
}

static void count_try(struct confirming *confirming)
{
	uint64_t second = (uint64_t)monotonic_seconds();
	if (second != confirming->second) {
		confirming->tries_before = second == confirming->second + 1 ? confirming->tries : 0;
		confirming->tries = 0;
		confirming->second = second;
	}
	confirming->tries++;
}

/* Whether the policy before allowed it; judged once for each event. */
static bool is_broken(struct confirming *confirming, const struct event *event)
{
	size_t place = event->sequence % JUDGED;
	if (confirming->judged[place].sequence != event->sequence) {
		struct world world = state_world(confirming->daemon->state, (int64_t)time(NULL));
		const struct flow flow = event_flow(event, &world);
		world.policy = &confirming->before->policy;
		confirming->judged[place].sequence = event->sequence;
		confirming->judged[place].broken = verdict_of(&world, &flow).allowed;
		if (confirming->judged[place].broken)
			count_flow(confirming, &flow);
	}
	return confirming->judged[place].broken;
}

void confirming_hear(struct confirming *confirming, const struct event *event)
{
	if (confirming->before == NULL || confirming->tripped || event->reason.logged != LOGGED_DENY ||
	    !is_broken(confirming, event))
		return;
	count_try(confirming);
	confirming->tripped = confirming->flow_count >= DENIED_FLOWS_MOST ||
			      confirming->tries + confirming->tries_before >= DENIED_TRIES_MOST;
	if (confirming->tripped) /* not from in here: the observer speaks of what would change */
		sd_event_source_set_time(confirming->timer, 0);
}

/* ---- answers ---- */

json_t *confirming_answer(struct confirming *confirming)
{
	char revision[sizeof confirming->revision];
	snprintf(revision, sizeof revision, "%s", confirming->revision);
	if (revision[0] == 0)
		return json_pack("{s:i, s:s}", "version", 1, "error", "no policy waits to be confirmed");
	const char *problem = keeping_confirm(confirming->keeping);
	if (problem != NULL)
		return json_pack("{s:i, s:s+}", "version", 1, "error",
				 "it waits still, since it cannot be kept: ", problem);
	end(confirming);
	fprintf(stderr, "ringfenced: policy %s is confirmed\n", revision);
	return json_pack("{s:i, s:s}", "version", 1, "confirmed", revision);
}

json_t *confirming_status(const struct confirming *confirming)
{
	if (confirming->revision[0] == 0)
		return json_null();
	double left = confirming->until - monotonic_seconds();
	return json_pack("{s:s, s:I, s:I}", "revision", confirming->revision, "seconds_left",
			 (json_int_t)(left > 0 ? left : 0), "denied_flows", (json_int_t)confirming->flow_count);
}
