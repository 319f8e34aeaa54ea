/* See usage.h. Who asks gets what the counters say at that moment, not at the last reading: an allow that was used a
 * second ago is not unused. */
#include "enforcer/service/usage.h"

#include "compiler/report/verdict_report.h"
#include "enforcer/kernel/socket.h"
#include "enforcer/service/control.h"
#include "enforcer/service/saving.h"
#include "enforcer/service/usage_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	SAVE_READINGS = 5, /* between two savings */
	TOLD_MOST = 10000  /* allows in an answer, of each judgement */
};

#define USAGE_FILE "usage"
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"

struct usage_following {
	struct daemon *daemon;
	struct kernel *kernel;
	struct saving *saving; /* NULL: nothing outlives the daemon */
	struct usage_ledger ledger;
	char revision[17]; /* of the policy whose allows are in the ledger */
	unsigned readings;
	int problem; /* why the last reading failed, a negative errno; 0: it did not */
};

static char boot[BOOT_SIZE]; /* empty: not known, which is no boot that was before */

void usage_read_boot(void)
{
	int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, boot, sizeof boot - 1) : 0;
	boot[got == sizeof boot - 1 ? got : 0] = 0;
	if (fd >= 0)
		close(fd);
}

/* ---- reading ---- */

/* What is read goes to the ledger at one time. */
struct usage_reading {
	struct usage_ledger *ledger;
	int64_t now;
};

static void take(void *context, const struct allow_counter *counter)
{
	const struct usage_reading *reading = context;
	usage_take(reading->ledger, counter, reading->now);
}

/* What is no allow of the policy any more is forgotten; its counter goes with the next plan. */
static void keep_up(struct usage_following *following)
{
	const struct world world = state_world(following->daemon->state, 0);
	if (strcmp(following->revision, following->daemon->revision) == 0)
		return;
	usage_keep(&following->ledger, world.policy);
	memcpy(following->revision, following->daemon->revision, sizeof following->revision);
}

static void save(struct usage_following *following)
{
	struct encoded bytes;
	if (following->saving == NULL || saving_is_busy(following->saving))
		return;
	usage_encode(&bytes, &following->ledger);
	following->ledger.changed = false;
	saving_begin(following->saving, bytes);
}

/* What is done after each reading, and goes on with its error. */
static int finish_reading(struct usage_following *following, int error)
{
	for (size_t i = 0; i < DENIAL_COUNTS; i++) {
		const struct usage *usage = usage_called(&following->ledger, denial_counters[i]);
		following->daemon->counters.denials[i] = usage != NULL ? usage->packets : 0;
	}
	if (following->ledger.changed)
		save(following);
	if (error != 0 && error != following->problem)
		fprintf(stderr, "ringfenced: cannot read the counters of allows and denials: %s\n", strerror(-error));
	following->problem = error;
	if (error == -EPROTO || error == -ENOBUFS) /* what is still to come is not the next answer */
		kernel_reopen(following->kernel);
	return error;
}

static int read_counters(struct usage_following *following)
{
	struct usage_reading reading = {&following->ledger, (int64_t)time(NULL)};
	usage_begin(&following->ledger);
	int error = allow_counters_read(following->kernel, take, &reading);
	usage_end(&following->ledger, error == 0, reading.now);
	return finish_reading(following, error);
}

void usage_read(struct usage_following *following)
{
	read_counters(following);
}

void usage_read_denials(struct usage_following *following)
{
	struct usage_reading reading = {&following->ledger, (int64_t)time(NULL)};
	finish_reading(following, denial_counters_read(following->kernel, take, &reading));
}

static void close_counter(void *context, const char *counter)
{
	usage_close(context, counter);
}

static void pass_over(void *context, const char *counter)
{
	(void)context;
	(void)counter;
}

void usage_sweep(struct usage_following *following)
{
	bool read = read_counters(following) == 0;
	daemon_sweep(following->daemon, read ? close_counter : pass_over, &following->ledger);
	keep_up(following);
	if (++following->readings % SAVE_READINGS == 0)
		save(following);
}

/* ---- start and end ---- */

static void on_saved(void *context, char *error)
{
	(void)context;
	if (error != NULL)
		fprintf(stderr, "ringfenced: the use of allows is not kept: %s\n", error);
	free(error);
}

/* What was known before. A file that cannot be read counts for nothing: allows are then watched from now on. */
static void load(struct usage_following *following, const struct state_directory *directory)
{
	struct state_content content;
	char *error = state_file_read(directory, USAGE_FILE, STATE_USAGE, &content);
	const char *wrong = NULL;
	if (error == NULL && content.file != NULL)
		wrong = usage_decode(&following->ledger, content.payload, content.length, boot);
	if (error != NULL || wrong != NULL)
		fprintf(stderr, "ringfenced: the use of allows is watched from now on: %s%s\n",
			error != NULL ? error : USAGE_FILE " is damaged: ", error != NULL ? "" : wrong);
	if (error == NULL)
		state_content_finish(&content);
	free(error);
}

int usage_create(struct usage_following **following, sd_event *event, struct daemon *daemon, struct kernel *kernel,
		 const struct state_directory *directory)
{
	struct usage_following *made = calloc(1, sizeof *made);
	if (made == NULL)
		abort();
	*made = (struct usage_following){.daemon = daemon, .kernel = kernel};
	*following = made;
	memcpy(made->ledger.boot, boot, sizeof boot);
	if (directory->fd < 0)
		return 0;
	load(made, directory);
	return saving_create(&made->saving, event, directory, USAGE_FILE, STATE_USAGE, on_saved, made);
}

void usage_destroy(struct usage_following *following)
{
	if (following == NULL)
		return;
	if (following->saving != NULL) {
		saving_wait(following->saving);
		if (read_counters(following) == 0)
			save(following);
	}
	saving_destroy(following->saving);
	kernel_close(following->kernel);
	usage_finish(&following->ledger);
	free(following);
}

/* ---- answers ---- */

/* A packet is logged before it is denied, and the counters are read one after the other. */
json_t *usage_denials(struct usage_following *following)
{
	const uint64_t *counts = following->daemon->counters.denials;
	usage_read_denials(following);
	uint64_t denied = counts[DENIAL_DENIED], logged = counts[DENIAL_LOGGED];
	return json_pack("{s:I, s:I, s:I, s:I}", "packets", (json_int_t)denied, "logged", (json_int_t)logged,
			 "left_out", (json_int_t)(denied > logged ? denied - logged : 0), "audited",
			 (json_int_t)counts[DENIAL_AUDITED]);
}

static json_t *time_json(int64_t seconds)
{
	char text[32];
	return seconds != 0 ? json_string(time_print(seconds, text)) : json_null();
}

static json_t *tell(const struct allow *allow, const struct usage *usage)
{
	json_t *object = json_pack("{s:o, s:o, s:o, s:I, s:I, s:I}", "last", time_json(usage->last), "first",
				   time_json(usage->first), "since", time_json(usage->since), "lost_seconds",
				   (json_int_t)usage->lost, "packets", (json_int_t)usage->packets, "bytes",
				   (json_int_t)usage->bytes);
	char *place = NULL;
	if (asprintf(&place, "%s:%u", allow->span.file != NULL ? allow->span.file : "", allow->span.line) < 0)
		abort();
	json_object_set_new(object, "allow", text_json(place));
	free(place);
	if (allow->owner != NULL)
		json_object_set_new(object, "owner", text_json(allow->owner));
	if (allow->why != NULL)
		json_object_set_new(object, "why", text_json(allow->why));
	return object;
}

/* What is said of allows one by one, and of others by their number. */
static const struct {
	const char *key;
	bool one_by_one;
} judgements[USAGE_JUDGEMENTS] = {[USAGE_USED] = {"used", false},
				  [USAGE_UNUSED] = {"unused", true},
				  [USAGE_UNSEEN] = {"unseen", true},
				  [USAGE_YOUNG] = {"young", false}};

static json_t *judge_all(const struct usage_following *following, int64_t window, int64_t now)
{
	const struct world world = state_world(following->daemon->state, now);
	json_t *lists[USAGE_JUDGEMENTS], *answer = json_object();
	size_t counts[USAGE_JUDGEMENTS] = {0}, left_out = 0, elsewhere = 0;
	for (size_t i = 0; i < USAGE_JUDGEMENTS; i++)
		lists[i] = json_array();
	for (size_t i = 0; i < world.policy->allow_count; i++) {
		const struct allow *allow = world.policy->allows[i];
		const struct usage *usage = usage_of(&following->ledger, allow);
		elsewhere += usage == NULL;
		if (usage == NULL)
			continue;
		enum usage_judgement judgement = usage_judge(usage, window, now);
		counts[judgement]++;
		if (!judgements[judgement].one_by_one)
			continue;
		if (json_array_size(lists[judgement]) < TOLD_MOST)
			json_array_append_new(lists[judgement], tell(allow, usage));
		else
			left_out++;
	}
	for (size_t i = 0; i < USAGE_JUDGEMENTS; i++) {
		json_object_set_new(answer, judgements[i].key,
				    judgements[i].one_by_one ? json_incref(lists[i])
							     : json_integer((json_int_t)counts[i]));
		json_decref(lists[i]);
	}
	json_object_set_new(answer, "elsewhere", json_integer((json_int_t)elsewhere));
	json_object_set_new(answer, "left_out", json_integer((json_int_t)left_out));
	return answer;
}

json_t *usage_answer(struct usage_following *following, json_t *request)
{
	const struct daemon *daemon = following->daemon;
	const json_t *window = json_object_get(request, "seconds");
	if (!json_is_integer(window) || json_integer_value(window) < 1)
		return control_refusal("`seconds` is a number from 1 on");
	if (read_counters(following) != 0)
		return control_refusal("the counters cannot be read at the moment: nothing is known to be unused");
	keep_up(following);
	json_t *answer = judge_all(following, json_integer_value(window), (int64_t)time(NULL));
	json_object_update_new(answer, json_pack("{s:i, s:s, s:s, s:b}", "version", 1, "node", daemon->config.node,
						 "revision", daemon->revision, "kept", following->saving != NULL));
	return answer;
}
