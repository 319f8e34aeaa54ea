/* What is asked for is in the state's incidents; from there it becomes changes of single workloads.
 *
 * Fail closed: a quarantine holds in the kernel before it is written down, and one that ends is written down before the
 * kernel opens. Whatever fails in between, the workload is isolated. */
#include "enforcer/service/incident.h"

#include "enforcer/service/control.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void free_at_end(char **text)
{
	free(*text);
}
#define free_text __attribute__((cleanup(free_at_end)))

static int64_t now(void)
{
	return (int64_t)time(NULL);
}

/* ---- the file ---- */

char *incident_load(struct daemon *daemon, const struct state_directory *directory)
{
	struct state_content content = {0};
	char why[256] = "", *error = state_file_read(directory, INCIDENT_FILE, STATE_INCIDENTS, &content);
	if (error != NULL || content.file == NULL)
		return error;
	if (!incidents_parse(state_incidents(daemon->state), (const char *)content.payload, content.length, why,
			     sizeof why) &&
	    asprintf(&error, "%s/" INCIDENT_FILE ": %s", directory->path, why) < 0)
		abort();
	state_content_finish(&content);
	for (struct incident *over = incidents_take_over(state_incidents(daemon->state), now()), *next; over != NULL;
	     over = next) {
		next = over->next;
		incident_free(over);
	}
	return error;
}

/* Returns NULL, or why it could not be written down, for the caller to free. */
static char *save(struct daemon *daemon, const struct state_directory *directory)
{
	if (directory->fd < 0)
		return NULL;
	json_t *json = incidents_json(state_incidents(daemon->state));
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (text == NULL)
		abort();
	char *error = state_file_write(directory, INCIDENT_FILE, STATE_INCIDENTS, text, strlen(text));
	free(text);
	json_decref(json);
	if (error != NULL)
		fprintf(stderr, "ringfenced: what operators asked for cannot be written down: %s\n", error);
	return error;
}

/* ---- the kernel ---- */

/* While something is in force, each workload is a small transaction of its own: however many workloads there are
 * elsewhere, the first is isolated at once. Else all is made anew, once. */
static void follow_changes(struct daemon *daemon, const struct changes *changes, size_t *count)
{
	*count += changes->count;
	if (daemon->enforced != NULL)
		daemon_follow(daemon, changes);
}

/* Makes the kernel hold what the incidents say; first for the workload with a name, where there is one. Returns how
 * many workloads changed, and in `*ms` how long it took since `started`, for that workload or for all. */
static size_t follow(struct daemon *daemon, const char *name_space, const char *name, double started, double *ms)
{
	struct changes changes;
	size_t at = 0, count = 0;
	if (name != NULL && state_follow_incident(daemon->state, name_space, name, &changes)) {
		follow_changes(daemon, &changes, &count);
		*ms = (monotonic_seconds() - started) * 1000;
	}
	while (state_follow_incidents(daemon->state, &at, &changes))
		follow_changes(daemon, &changes, &count);
	if (daemon->enforced == NULL)
		daemon_enforce(daemon);
	if (name == NULL || count == 0)
		*ms = (monotonic_seconds() - started) * 1000;
	return count;
}

/* Whether the kernel holds what the state says; if not, `why` says what stands in the way. */
static bool is_held(const struct daemon *daemon, char *why, size_t size)
{
	if (daemon->enforced != NULL && daemon->error == NULL)
		return true;
	if (!daemon_lacks(daemon, why, size))
		snprintf(why, size, "the last change failed");
	return false;
}

/* ---- requests ---- */

/* What a request says, checked. */
struct asked {
	struct arena *arena;
	const char *name_space, *name, *why;
	int64_t until;
	json_t *refusal; /* what is wrong, or NULL */
};

static void refuse(struct asked *asked, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct asked *asked, const char *format, ...)
{
	va_list list;
	if (asked->refusal != NULL)
		return;
	va_start(list, format);
	asked->refusal = control_refusal("%s", arena_vprintf(asked->arena, format, list));
	va_end(list);
}

static void read_workload(struct asked *asked, const json_t *request)
{
	const char *text = json_string_value(json_object_get(request, "workload"));
	if (text == NULL || !incident_name_parse(asked->arena, text, &asked->name_space, &asked->name, NULL))
		refuse(asked, "a workload is NAMESPACE/NAME, of a-z, 0-9 and `-`");
}

static void read_why(struct asked *asked, const json_t *request)
{
	const json_t *why = json_object_get(request, "why");
	asked->why = json_string_value(why);
	if (asked->why == NULL || asked->why[0] == 0)
		refuse(asked, "--why TEXT is needed: those who find it closed will ask");
	else if (json_string_length(why) > INCIDENT_TEXT_MAX)
		refuse(asked, "--why has at most %d bytes", INCIDENT_TEXT_MAX);
}

static void read_until(struct asked *asked, const json_t *request)
{
	const json_t *until = json_object_get(request, "until");
	const char *text = json_string_value(until);
	const char *problem = text != NULL ? moment_parse(&asked->until, text, now()) : NULL;
	if (until != NULL && text == NULL)
		problem = "expected a text";
	if (problem != NULL)
		refuse(asked, "--until: %s", problem);
	else if (text != NULL && asked->until <= now())
		refuse(asked, "--until: that is over already");
}

static json_t *warn(json_t *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static json_t *warn(json_t *answer, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	json_array_append_new(json_object_get(answer, "warnings"), json_vsprintf(format, list));
	va_end(list);
	return answer;
}

static void warn_of_restart(json_t *answer, const struct state_directory *directory)
{
	if (directory->fd < 0)
		warn(answer, "this is forgotten when the daemon or the machine restarts: name a directory for it with "
			     "`state` in the daemon's configuration");
}

static json_t *time_json(int64_t seconds)
{
	char text[32];
	return seconds != 0 ? json_string(time_print(seconds, text)) : json_null();
}

/* Adds an incident, makes the kernel follow, and writes it down. Returns a refusal where not all of it was done, else
 * NULL. `what` is isolated then. */
static json_t *begin(struct daemon *daemon, const struct state_directory *directory, struct incident *incident,
		     const char *what, double started, size_t *count, double *ms)
{
	char why[256] = "";
	struct incidents *incidents = state_incidents(daemon->state);
	const struct quarantine *quarantine = &incident->quarantine;
	struct incident *before = incidents_put(incidents, incident);
	*count = follow(daemon, quarantine->name_space, quarantine->name, started, ms);
	incident_free(before);
	free_text char *error = save(daemon, directory);
	bool held = is_held(daemon, why, sizeof why);
	if (!held && daemon->generation == 0)
		return control_refusal("no rules are in force yet (%s); %s noted, and isolated as soon as there are%s",
				       why, what, error != NULL ? ", but it could not be written down" : "");
	if (!held)
		return control_refusal("the kernel could not be made to follow (%s); %s noted, and it is tried again%s",
				       why, what, error != NULL ? ", but it could not be written down" : "");
	if (error != NULL)
		return control_refusal("%s isolated now, but a restart would forget it: %s", what, error);
	return NULL;
}

/* Takes an incident out of the list and of the file, and then makes the kernel follow. Returns a refusal, or NULL. */
static json_t *end(struct daemon *daemon, const struct state_directory *directory, struct incident *incident,
		   size_t *count, double *ms)
{
	double started = monotonic_seconds();
	char why[256] = "";
	struct incidents *incidents = state_incidents(daemon->state);
	incidents_take(incidents, incident);
	free_text char *error = save(daemon, directory);
	if (error != NULL) {
		incidents_put(incidents, incident);
		return control_refusal("nothing is released: it cannot be written down: %s", error);
	}
	*count = follow(daemon, incident->quarantine.name_space, incident->quarantine.name, started, ms);
	incident_free(incident);
	if (is_held(daemon, why, sizeof why) || daemon->generation == 0)
		return NULL;
	return control_refusal("it is released, but the kernel could not be made to follow yet: %s", why);
}

/* ---- quarantine and release ---- */

static const struct quarantine *policy_quarantine(const struct daemon *daemon, const char *name_space, const char *name)
{
	const struct world world = state_world(daemon->state, now());
	const struct workload workload = {.name_space = name_space, .name = name};
	return quarantine_of(&world, &workload);
}

static json_t *quarantine_answer(const struct daemon *daemon, const struct state_directory *directory,
				 const struct asked *asked, double ms)
{
	const struct world world = state_world(daemon->state, 0);
	const struct workload *workload = inventory_workload(world.inventory, asked->name_space, asked->name);
	bool local = workload != NULL && workload->node != NULL && strcmp(workload->node, daemon->config.node) == 0;
	json_t *answer = json_pack("{s:i, s:o, s:b, s:b, s:o, s:f, s:[]}", "version", 1, "workload",
				   json_sprintf("%s/%s", asked->name_space, asked->name), "known", workload != NULL,
				   "local", local, "until", time_json(asked->until), "ms", ms, "warnings");
	if (workload == NULL)
		warn(answer, "no workload has this name now: one that comes is isolated from its first packet");
	else if (!local)
		warn(answer, "it runs on %s: only that node isolates it, so tell it there, too",
		     workload->node != NULL ? workload->node : "no node");
	warn_of_restart(answer, directory);
	return answer;
}

json_t *incident_quarantine(struct daemon *daemon, const struct state_directory *directory,
			    const struct access_peer *peer, const json_t *request)
{
	double started = monotonic_seconds(), ms = 0;
	size_t count = 0;
	struct asked asked = {.arena = arena_create()};
	const struct incidents *incidents = state_incidents(daemon->state);
	read_workload(&asked, request);
	read_why(&asked, request);
	read_until(&asked, request);
	if (asked.refusal == NULL && incidents->count >= INCIDENTS_MAX &&
	    incidents_find(incidents, asked.name_space, asked.name) == NULL)
		refuse(&asked, "there are %d quarantines already: `ringfence panic` isolates all workloads of the node",
		       INCIDENTS_MAX);
	json_t *answer = asked.refusal;
	if (answer == NULL) {
		struct incident *incident =
		    incident_create(asked.name_space, asked.name, asked.why, peer->user, now(), asked.until);
		const char *what = arena_printf(asked.arena, "%s/%s is", asked.name_space, asked.name);
		answer = begin(daemon, directory, incident, what, started, &count, &ms);
	}
	if (answer == NULL)
		answer = quarantine_answer(daemon, directory, &asked, ms);
	arena_free(asked.arena);
	return answer;
}

json_t *incident_release(struct daemon *daemon, const struct state_directory *directory, const json_t *request)
{
	size_t count = 0;
	double ms = 0;
	struct asked asked = {.arena = arena_create()};
	struct incident *incident = NULL;
	const struct quarantine *stays = NULL;
	read_workload(&asked, request);
	if (asked.refusal == NULL) {
		incident = incidents_find(state_incidents(daemon->state), asked.name_space, asked.name);
		stays = policy_quarantine(daemon, asked.name_space, asked.name);
	}
	if (incident == NULL && stays != NULL)
		refuse(&asked, "the policy has %s/%s in quarantine at %s:%u: it ends there", asked.name_space,
		       asked.name, stays->span.file, stays->span.line);
	else if (incident == NULL)
		refuse(&asked, "%s/%s is in no quarantine of an operator; `ringfence status` lists them",
		       asked.name_space, asked.name);
	json_t *answer = asked.refusal != NULL ? asked.refusal : end(daemon, directory, incident, &count, &ms);
	if (answer == NULL) {
		answer = json_pack("{s:i, s:o, s:f, s:[]}", "version", 1, "workload",
				   json_sprintf("%s/%s", asked.name_space, asked.name), "ms", ms, "warnings");
		if (stays != NULL)
			warn(answer, "it stays in quarantine by the policy at %s:%u", stays->span.file,
			     stays->span.line);
		const struct world world = state_world(daemon->state, 0);
		const struct workload *workload = inventory_workload(world.inventory, asked.name_space, asked.name);
		if (workload != NULL && workload->quarantine != NULL)
			warn(answer, "it stays isolated by the panic; `ringfence panic --end` ends that");
	}
	arena_free(asked.arena);
	return answer;
}

/* ---- panic ---- */

static bool is_service(const struct policy *policy, const char *name_space, const char *name)
{
	bool found = false;
	for (size_t i = 0; i < policy->service_count && !found; i++)
		found = strcmp(policy->services[i]->name, name) == 0 &&
			strcmp(policy->services[i]->name_space, name_space) == 0;
	return found;
}

/* Whom a name means is decided now: one that means nobody would spare nobody, and one that means two the wrong one. */
static void read_exception(struct asked *asked, const struct world *world, struct incident *panic, const char *text)
{
	const char *name_space = NULL, *name = NULL;
	char kind = 0;
	if (text == NULL || !incident_name_parse(asked->arena, text, &name_space, &name, &kind)) {
		refuse(asked, "--except is NAMESPACE/NAME of a workload or service");
		return;
	}
	bool workload = inventory_workload(world->inventory, name_space, name) != NULL,
	     service = is_service(world->policy, name_space, name);
	if (kind == 0 && workload && service)
		refuse(asked, "%s/%s is a workload and a service: say workload:%s/%s or service:%s/%s", name_space,
		       name, name_space, name, name_space, name);
	else if (kind == 0 && !workload && !service)
		refuse(asked, "no workload and no service is called %s/%s; say workload:%s/%s to spare one that comes",
		       name_space, name, name_space, name);
	else if (kind == 's' && !service)
		refuse(asked, "no service is called %s/%s", name_space, name);
	else
		incident_except(panic, kind == 's' || (kind == 0 && service), name_space, name);
}

static struct incident *read_panic(struct asked *asked, const struct daemon *daemon, const struct access_peer *peer,
				   const json_t *request)
{
	const struct world world = state_world(daemon->state, now());
	const json_t *list = json_object_get(request, "except"), *item;
	size_t i;
	read_why(asked, request);
	read_until(asked, request);
	if (list != NULL && !json_is_array(list))
		refuse(asked, "`except` is a list");
	if (json_array_size(list) > INCIDENT_EXCEPTIONS_MAX)
		refuse(asked, "--except names at most %d", INCIDENT_EXCEPTIONS_MAX);
	if (asked->refusal != NULL)
		return NULL;
	struct incident *panic = incident_create(NULL, NULL, asked->why, peer->user, now(), asked->until);
	json_array_foreach(list, i, item) read_exception(asked, &world, panic, json_string_value(item));
	if (asked->refusal == NULL)
		return panic;
	incident_free(panic);
	return NULL;
}

/* How many workloads of the node the panic isolates, and how many it spares. */
static void count_panic(const struct daemon *daemon, json_int_t counts[2])
{
	const struct world world = state_world(daemon->state, 0);
	const struct incident *panic = state_incidents(daemon->state)->panic;
	counts[0] = counts[1] = 0;
	for (size_t i = 0; i < world.inventory->workload_count; i++) {
		const struct workload *workload = world.inventory->workloads[i];
		if (workload->node != NULL && strcmp(workload->node, daemon->config.node) == 0)
			counts[panic == NULL || workload->quarantine == NULL]++;
	}
}

json_t *incident_panic(struct daemon *daemon, const struct state_directory *directory, const struct access_peer *peer,
		       const json_t *request)
{
	double started = monotonic_seconds(), ms = 0;
	size_t count = 0;
	json_int_t counts[2];
	struct asked asked = {.arena = arena_create()};
	struct incident *panic = state_incidents(daemon->state)->panic;
	bool ends = json_is_true(json_object_get(request, "end"));
	if (ends && panic == NULL)
		refuse(&asked, "there is no panic");
	if (!ends)
		panic = read_panic(&asked, daemon, peer, request);
	json_t *answer = asked.refusal;
	if (answer == NULL && ends)
		answer = end(daemon, directory, panic, &count, &ms);
	else if (answer == NULL)
		answer = begin(daemon, directory, panic, "all workloads of the node but the listed ones are", started,
			       &count, &ms);
	if (answer == NULL) {
		count_panic(daemon, counts);
		answer = json_pack("{s:i, s:b, s:I, s:I, s:o, s:f, s:[]}", "version", 1, "panic", !ends, "isolated",
				   counts[0], "open", counts[1], "until", time_json(asked.until), "ms", ms, "warnings");
		if (!ends)
			warn_of_restart(answer, directory);
	}
	arena_free(asked.arena);
	return answer;
}

/* ---- as time passes ---- */

void incident_expire(struct daemon *daemon, const struct state_directory *directory)
{
	double ms = 0;
	struct incident *over = incidents_take_over(state_incidents(daemon->state), now());
	if (over == NULL)
		return;
	follow(daemon, NULL, NULL, 0, &ms);
	for (struct incident *next; over != NULL; over = next) {
		next = over->next;
		if (over->quarantine.name != NULL)
			fprintf(stderr, "ringfenced: the quarantine of %s/%s is over\n", over->quarantine.name_space,
				over->quarantine.name);
		else
			fprintf(stderr, "ringfenced: the panic is over\n");
		incident_free(over);
	}
	free(save(daemon, directory)); /* if it fails: what is over is over after a restart, too */
}

void incident_status(const struct daemon *daemon, json_t *status)
{
	json_t *incidents = incidents_json(state_incidents(daemon->state));
	json_object_set(status, "quarantines", json_object_get(incidents, "quarantines"));
	json_object_set(status, "panic", json_object_get(incidents, "panic"));
	json_decref(incidents);
}
