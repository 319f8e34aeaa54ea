/* The list, whom it isolates, and its text. */
#include "enforcer/desired/incidents.h"

#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- one ---- */

static const char *copy(struct arena *arena, const char *text)
{
	return text != NULL ? arena_copy(arena, text, strlen(text)) : NULL;
}

bool incident_name_parse(struct arena *arena, const char *text, const char **name_space, const char **name, char *kind)
{
	static const char *const kinds[] = {"workload:", "service:"};
	if (kind != NULL)
		*kind = 0;
	for (size_t i = 0; i < 2 && kind != NULL; i++)
		if (strncmp(text, kinds[i], strlen(kinds[i])) == 0) {
			*kind = kinds[i][0];
			text += strlen(kinds[i]);
			break;
		}
	const char *slash = strchr(text, '/');
	if (slash == NULL)
		return false;
	*name_space = arena_copy(arena, text, (size_t)(slash - text));
	*name = copy(arena, slash + 1);
	return is_label_name(*name_space) && is_domain_name(*name);
}

struct incident *incident_create(const char *name_space, const char *name, const char *why, const char *by,
				 int64_t since, int64_t until)
{
	struct arena *arena = arena_create();
	struct incident *incident = arena_alloc(arena, sizeof *incident);
	*incident = (struct incident){.arena = arena, .since = since, .by = copy(arena, by)};
	incident->quarantine = (struct quarantine){
	    .name_space = copy(arena, name_space), .name = copy(arena, name), .until = until, .why = copy(arena, why)};
	return incident;
}

void incident_except(struct incident *incident, bool service, const char *name_space, const char *name)
{
	*arena_push(incident->arena, incident->exceptions, incident->exception_count) =
	    (struct incident_exception){service, copy(incident->arena, name_space), copy(incident->arena, name)};
}

void incident_free(struct incident *incident)
{
	if (incident != NULL)
		arena_free(incident->arena);
}

/* ---- the list ---- */

/* Where a name stands, or would. */
static size_t place_of(const struct incidents *incidents, const char *name_space, const char *name, bool *found)
{
	size_t low = 0, high = incidents->count;
	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		const struct quarantine *there = &incidents->quarantines[middle]->quarantine;
		int order = strcmp(name_space, there->name_space);
		if (order == 0)
			order = strcmp(name, there->name);
		*found = order == 0;
		if (order < 0)
			high = middle;
		else
			low = order == 0 ? middle : middle + 1;
	}
	return low;
}

struct incident *incidents_find(const struct incidents *incidents, const char *name_space, const char *name)
{
	bool found;
	size_t place = place_of(incidents, name_space, name, &found);
	return found ? incidents->quarantines[place] : NULL;
}

struct incident *incidents_put(struct incidents *incidents, struct incident *incident)
{
	bool found;
	struct incident *before = incidents->panic;
	if (incident->quarantine.name == NULL) {
		incidents->panic = incident;
		return before;
	}
	size_t place = place_of(incidents, incident->quarantine.name_space, incident->quarantine.name, &found);
	if (found) {
		before = incidents->quarantines[place];
		incidents->quarantines[place] = incident;
		return before;
	}
	incidents->quarantines = reallocarray(incidents->quarantines, incidents->count + 1, sizeof(struct incident *));
	if (incidents->quarantines == NULL)
		abort();
	memmove(&incidents->quarantines[place + 1], &incidents->quarantines[place],
		(incidents->count - place) * sizeof(struct incident *));
	incidents->quarantines[place] = incident;
	incidents->count++;
	return NULL;
}

void incidents_take(struct incidents *incidents, struct incident *incident)
{
	size_t kept = 0;
	if (incidents->panic == incident)
		incidents->panic = NULL;
	for (size_t i = 0; i < incidents->count; i++)
		if (incidents->quarantines[i] != incident)
			incidents->quarantines[kept++] = incidents->quarantines[i];
	incidents->count = kept;
}

static bool is_over(const struct incident *incident, int64_t now)
{
	return incident->quarantine.until != 0 && incident->quarantine.until <= now;
}

struct incident *incidents_take_over(struct incidents *incidents, int64_t now)
{
	struct incident *over = NULL;
	size_t kept = 0;
	if (incidents->panic != NULL && is_over(incidents->panic, now)) {
		over = incidents->panic;
		incidents->panic = NULL;
	}
	for (size_t i = 0; i < incidents->count; i++) {
		struct incident *incident = incidents->quarantines[i];
		if (!is_over(incident, now)) {
			incidents->quarantines[kept++] = incident;
			continue;
		}
		incident->next = over;
		over = incident;
	}
	incidents->count = kept;
	return over;
}

int64_t incidents_next_expiry(const struct incidents *incidents)
{
	int64_t next = incidents->panic != NULL ? incidents->panic->quarantine.until : 0;
	for (size_t i = 0; i < incidents->count; i++) {
		int64_t until = incidents->quarantines[i]->quarantine.until;
		if (until != 0 && (next == 0 || until < next))
			next = until;
	}
	return next;
}

void incidents_finish(struct incidents *incidents)
{
	for (size_t i = 0; i < incidents->count; i++)
		incident_free(incidents->quarantines[i]);
	incident_free(incidents->panic);
	free(incidents->quarantines);
	*incidents = (struct incidents){0};
}

/* ---- whom it isolates ---- */

static bool service_selects(const struct policy *policy, const struct incident_exception *exception,
			    const struct workload *workload)
{
	bool selected = false;
	for (size_t i = 0; i < policy->service_count && !selected; i++) {
		const struct service *service = policy->services[i];
		selected = strcmp(service->name, exception->name) == 0 &&
			   strcmp(service->name_space, exception->name_space) == 0 &&
			   selector_matches(&service->workloads, &workload->labels);
	}
	return selected;
}

static bool is_spared(const struct incident *panic, const struct policy *policy, const struct workload *workload)
{
	bool spared = false;
	for (size_t i = 0; i < panic->exception_count && !spared; i++) {
		const struct incident_exception *exception = &panic->exceptions[i];
		if (strcmp(exception->name_space, workload->name_space) == 0)
			spared = exception->service ? service_selects(policy, exception, workload)
						    : strcmp(exception->name, workload->name) == 0;
	}
	return spared;
}

const struct quarantine *incidents_of(const struct incidents *incidents, const struct policy *policy, const char *node,
				      const struct workload *workload)
{
	const struct incident *incident = NULL;
	if (incidents->count > 0)
		incident = incidents_find(incidents, workload->name_space, workload->name);
	if (incident == NULL && incidents->panic != NULL && workload->node != NULL &&
	    strcmp(workload->node, node) == 0 && !is_spared(incidents->panic, policy, workload))
		incident = incidents->panic;
	return incident != NULL ? &incident->quarantine : NULL;
}

/* ---- text ---- */

static json_t *time_json(int64_t seconds)
{
	char text[32];
	return seconds != 0 ? json_string(time_print(seconds, text)) : json_null();
}

static json_t *incident_json(const struct incident *incident)
{
	json_t *object =
	    json_pack("{s:o, s:o, s:s, s:s}", "since", time_json(incident->since), "until",
		      time_json(incident->quarantine.until), "why", incident->quarantine.why, "by", incident->by);
	if (incident->quarantine.name != NULL) {
		json_object_set_new(object, "workload",
				    json_sprintf("%s/%s", incident->quarantine.name_space, incident->quarantine.name));
		return object;
	}
	json_t *list = json_array();
	for (size_t i = 0; i < incident->exception_count; i++)
		json_array_append_new(list,
				      json_sprintf("%s:%s/%s", incident->exceptions[i].service ? "service" : "workload",
						   incident->exceptions[i].name_space, incident->exceptions[i].name));
	json_object_set_new(object, "except", list);
	return object;
}

json_t *incidents_json(const struct incidents *incidents)
{
	json_t *list = json_array();
	for (size_t i = 0; i < incidents->count; i++)
		json_array_append_new(list, incident_json(incidents->quarantines[i]));
	return json_pack("{s:i, s:o, s:o}", "version", 1, "quarantines", list, "panic",
			 incidents->panic != NULL ? incident_json(incidents->panic) : json_null());
}

/* What is read, and what is wrong with it. */
struct reading {
	struct incidents *incidents;
	struct arena *arena;
	char *why;
	size_t size;
	bool wrong;
};

static void wrong(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct reading *reading, const char *format, ...)
{
	va_list list;
	if (!reading->wrong) {
		va_start(list, format);
		vsnprintf(reading->why, reading->size, format, list);
		va_end(list);
	}
	reading->wrong = true;
}

static int64_t read_time(struct reading *reading, const json_t *value, bool needed)
{
	int64_t seconds = 0;
	if (json_is_null(value) && !needed)
		return 0;
	const char *text = json_string_value(value);
	const char *problem = text != NULL ? time_parse(&seconds, text) : "it is no text";
	if (problem != NULL)
		wrong(reading, "a time: %s", problem);
	return seconds;
}

/* The parts of an incident, with or without a workload's name. */
static struct incident *read_incident(struct reading *reading, json_t *value, const char *name_space, const char *name)
{
	const char *why = json_string_value(json_object_get(value, "why"));
	const char *by = json_string_value(json_object_get(value, "by"));
	int64_t since = read_time(reading, json_object_get(value, "since"), true);
	int64_t until = read_time(reading, json_object_get(value, "until"), false);
	if (json_object_size(value) != 5 || why == NULL || by == NULL || json_object_get(value, "until") == NULL)
		wrong(reading, "an entry has other keys than since, until, why, by and workload or except");
	return reading->wrong ? NULL : incident_create(name_space, name, why, by, since, until);
}

static void read_quarantine(struct reading *reading, json_t *value)
{
	const char *text = json_string_value(json_object_get(value, "workload"));
	const char *name_space = NULL, *name = NULL;
	if (text == NULL || !incident_name_parse(reading->arena, text, &name_space, &name, NULL)) {
		wrong(reading, "a quarantine has no `workload` NAMESPACE/NAME");
		return;
	}
	struct incident *incident = read_incident(reading, value, name_space, name);
	if (incident == NULL)
		return;
	if (incidents_find(reading->incidents, name_space, name) != NULL) {
		wrong(reading, "%s stands twice", text);
		incident_free(incident);
		return;
	}
	incidents_put(reading->incidents, incident);
}

static void read_panic(struct reading *reading, json_t *value)
{
	json_t *list = json_object_get(value, "except"), *item;
	size_t i;
	struct incident *panic = json_is_array(list) ? read_incident(reading, value, NULL, NULL) : NULL;
	if (panic == NULL) {
		wrong(reading, "`panic` is neither null nor an object with a list `except`");
		return;
	}
	incidents_put(reading->incidents, panic);
	json_array_foreach(list, i, item)
	{
		const char *name_space = NULL, *name = NULL, *text = json_string_value(item);
		char kind = 0;
		if (text == NULL || !incident_name_parse(reading->arena, text, &name_space, &name, &kind) || kind == 0)
			wrong(reading, "`except` has what is no workload:NAMESPACE/NAME or service:NAMESPACE/NAME");
		else
			incident_except(panic, kind == 's', name_space, name);
	}
}

static void read_all(struct reading *reading, const json_t *root)
{
	json_t *list = json_object_get(root, "quarantines"), *panic = json_object_get(root, "panic"), *item;
	size_t i;
	if (json_integer_value(json_object_get(root, "version")) != 1)
		wrong(reading, "it is of no version that this daemon knows");
	if (!json_is_array(list) || panic == NULL || json_object_size(root) != 3)
		wrong(reading, "it has other keys than version, quarantines and panic");
	if (json_array_size(list) > INCIDENTS_MAX)
		wrong(reading, "it has more than %d quarantines", INCIDENTS_MAX);
	json_array_foreach(list, i, item)
	{
		if (!reading->wrong)
			read_quarantine(reading, item);
	}
	if (!reading->wrong && !json_is_null(panic))
		read_panic(reading, panic);
}

bool incidents_parse(struct incidents *incidents, const char *bytes, size_t length, char *why, size_t size)
{
	json_error_t error;
	struct reading reading = {.incidents = incidents, .arena = arena_create(), .why = why, .size = size};
	json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		wrong(&reading, "line %d: %s", error.line, error.text);
	else
		read_all(&reading, root);
	json_decref(root);
	arena_free(reading.arena);
	if (reading.wrong)
		incidents_finish(incidents);
	return !reading.wrong;
}
