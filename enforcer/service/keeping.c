/* Nothing here is in the way of enforcing: what cannot be kept is said on stderr, by `status` and by a metric, and the
 * daemon goes on. */
#include "enforcer/service/keeping.h"

#include "enforcer/service/saved_ruleset.h"
#include "enforcer/service/saving.h"

#include <ringfence/arena.h>

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Making the bytes of a large ruleset takes the loop's time, and changes may come without end: so a moment without one
 * is waited for, though not for ever. */
enum {
	SAVE_SECONDS = 5,     /* between two savings, at least, */
	SAVE_COST_MOST = 100, /* and so many times what the last took of the loop: no more than a hundredth of it */
	SAVE_WAIT = 25,	      /* seconds after that until a second without changes is waited for no more */
	REVISION_LEAST = 4,   /* characters that name a revision */
};

struct keeping {
	struct daemon *daemon;
	const struct state_directory *directory;
	struct snapshots snapshots;
	struct saving *saving;	   /* NULL: nothing is kept */
	uint64_t saved;		   /* the daemon's `bytes` when what was saved last, or is being saved, was in force */
	uint64_t seen;		   /* the same at the last tick */
	double next;		   /* monotonic seconds, when it may be saved again; 0: at once */
	enum snapshot_cause cause; /* of the last rollback, and what was in force before it */
	char left[17];
	/* What is wrong; NULL: nothing. Of the ruleset's file, and of the policies'. */
	char *ruleset_problem, *policy_problem;
};

/* What the metric tells. */
static void count_problems(struct keeping *keeping)
{
	keeping->daemon->state_problems = (keeping->ruleset_problem != NULL) + (keeping->policy_problem != NULL);
	for (size_t i = 0; i < keeping->snapshots.count; i++)
		keeping->daemon->state_problems += keeping->snapshots.items[i].problem != NULL;
}

/* Replaces what was wrong, which `text` is the end of when it is NULL, and says it when it is new. */
static void note(struct keeping *keeping, char **problem, char *text)
{
	if (text != NULL && (*problem == NULL || strcmp(*problem, text) != 0))
		fprintf(stderr, "ringfenced: %s\n", text);
	free(*problem);
	*problem = text;
	count_problems(keeping);
}

static void on_saved(void *context, char *error)
{
	struct keeping *keeping = context;
	if (error != NULL)
		keeping->saved = UINT64_MAX; /* so that it is tried again */
	note(keeping, &keeping->ruleset_problem, error);
	malloc_trim(0);
}

int keeping_create(struct keeping **keeping, sd_event *event, struct daemon *daemon,
		   const struct state_directory *directory, char *problem)
{
	struct keeping *made = *keeping = calloc(1, sizeof *made);
	const char *path = daemon->config.state_directory;
	if (made == NULL)
		abort();
	made->daemon = daemon;
	made->saved = UINT64_MAX;
	made->directory = directory;
	if (path == NULL) {
		fputs("ringfenced: nothing is kept over a restart of the machine: the configuration has no `state`\n",
		      stderr);
		return 0;
	}
	if (directory->fd < 0) {
		note(made, &made->policy_problem, problem);
		return 0;
	}
	note(made, &made->policy_problem, snapshots_open(&made->snapshots, made->directory));
	for (size_t i = 0; i < made->snapshots.count; i++)
		if (made->snapshots.items[i].problem != NULL)
			fprintf(stderr, "ringfenced: %s\n", made->snapshots.items[i].problem);
	return saving_create(&made->saving, event, made->directory, SAVED_RULESET, STATE_RULESET, on_saved, made);
}

/* ---- the ruleset ---- */

static void save(struct keeping *keeping)
{
	struct daemon *daemon = keeping->daemon;
	struct encoded bytes = {0};
	double started = monotonic_seconds();
	struct arena *arena = arena_create();
	struct ruleset *ruleset = lowering_ruleset(daemon->enforced, arena, true);
	ruleset->at = (int64_t)time(NULL);
	snprintf(ruleset->revision, sizeof ruleset->revision, "%s", daemon->revision);
	ruleset_encode(&bytes, ruleset);
	arena_free(arena);
	double now = monotonic_seconds(), rest = SAVE_COST_MOST * (now - started);
	keeping->next = now + (rest > SAVE_SECONDS ? rest : SAVE_SECONDS);
	keeping->saved = daemon->bytes;
	saving_begin(keeping->saving, bytes);
}

/* Nothing but what was sent to the kernel changes what is in force. What waits to be confirmed must not outlive a
 * crash. */
static bool is_unsaved(const struct keeping *keeping)
{
	return keeping->saving != NULL && keeping->daemon->enforced != NULL &&
	       keeping->daemon->bytes != keeping->saved && keeping_unconfirmed(keeping) == NULL;
}

void keeping_tick(struct keeping *keeping)
{
	bool quiet = keeping->daemon->bytes == keeping->seen;
	keeping->seen = keeping->daemon->bytes;
	if (is_unsaved(keeping) && !saving_is_busy(keeping->saving) &&
	    monotonic_seconds() >= keeping->next + (quiet || keeping->next == 0 ? 0 : SAVE_WAIT))
		save(keeping);
}

void keeping_hurry(struct keeping *keeping)
{
	keeping->next = 0;
}

void keeping_destroy(struct keeping *keeping)
{
	if (keeping == NULL)
		return;
	if (keeping->saving != NULL)
		saving_wait(keeping->saving);
	if (is_unsaved(keeping))
		save(keeping);
	saving_destroy(keeping->saving);
	snapshots_close(&keeping->snapshots);
	free(keeping->ruleset_problem);
	free(keeping->policy_problem);
	free(keeping);
}

/* ---- policies ---- */

/* Takes a policy that was kept. Returns as state_take_policy does; `*error` is the caller's to free. */
static int take(struct keeping *keeping, const struct snapshot *snapshot, struct changes *changes, char **error)
{
	struct policy_texts texts;
	struct arena *arena = arena_create();
	*error = snapshot->problem != NULL ? strdup(snapshot->problem)
					   : snapshot_read(&keeping->snapshots, snapshot, arena, &texts);
	int result = *error != NULL ? -1 : state_take_policy(keeping->daemon->state, &texts, changes, error);
	arena_free(arena);
	return result;
}

/* The older ones stay where they are: each was replaced for a reason. */
static void take_newest(struct keeping *keeping)
{
	const struct snapshot *newest = snapshots_newest(&keeping->snapshots);
	struct changes changes;
	char *error, *text;
	if (newest == NULL)
		return;
	state_pass_over(keeping->daemon->state, newest->passed_over);
	take(keeping, newest, &changes, &error);
	if (error != NULL) {
		if (asprintf(&text, "the policy that was in force last cannot be had: %s", error) < 0)
			abort();
		note(keeping, &keeping->policy_problem, text);
		free(error);
	}
}

void keeping_start(struct keeping *keeping)
{
	struct daemon *daemon = keeping->daemon;
	char *error;
	if (keeping->saving == NULL)
		return;
	switch (saved_ruleset_enforce(keeping->directory, daemon->kernel, daemon->tracked, &error)) {
	case SAVED_RESTORED:
		fputs("ringfenced: the kernel had no table; the saved ruleset is in force\n", stderr);
		break;
	case SAVED_FAILED:
	case SAVED_UNSEEN:
		note(keeping, &keeping->ruleset_problem, error);
		break;
	case SAVED_UNNEEDED:
	case SAVED_NOTHING:
		break;
	}
	take_newest(keeping);
}

/* Keeps the policy in force as the newest. */
static void keep(struct keeping *keeping, enum snapshot_cause cause, const char *left)
{
	const struct daemon *daemon = keeping->daemon;
	struct snapshot snapshot = {.since = (int64_t)time(NULL), .cause = cause};
	struct arena *arena = arena_create();
	const struct policy_texts texts = state_policy_texts(daemon->state, arena);
	snprintf(snapshot.revision, sizeof snapshot.revision, "%s", daemon->revision);
	snprintf(snapshot.left, sizeof snapshot.left, "%s", left);
	snprintf(snapshot.passed_over, sizeof snapshot.passed_over, "%s", state_passed_over(daemon->state));
	note(keeping, &keeping->policy_problem, snapshots_add(&keeping->snapshots, &snapshot, &texts));
	arena_free(arena);
	keeping_hurry(keeping);
}

/* Whether what is in force is what the state says, so that its texts are at hand. */
static bool is_settled(const struct keeping *keeping)
{
	const struct daemon *daemon = keeping->daemon;
	return keeping->saving != NULL && daemon->enforced != NULL &&
	       strcmp(daemon->revision, state_revision(daemon->state)) == 0;
}

const char *keeping_unconfirmed(const struct keeping *keeping)
{
	const struct daemon *daemon = keeping->daemon;
	const struct snapshot *newest = snapshots_newest(&keeping->snapshots);
	bool waits = daemon->config.confirm_seconds > 0 && is_settled(keeping) && newest != NULL &&
		     newest->problem == NULL && strcmp(newest->revision, daemon->revision) != 0;
	return waits ? daemon->revision : NULL;
}

void keeping_follow(struct keeping *keeping)
{
	const struct daemon *daemon = keeping->daemon;
	const struct snapshot *newest = snapshots_newest(&keeping->snapshots);
	if (!is_settled(keeping) || keeping_unconfirmed(keeping) != NULL)
		return;
	if (newest == NULL || strcmp(newest->revision, daemon->revision) != 0 ||
	    strcmp(newest->passed_over, state_passed_over(daemon->state)) != 0)
		keeping_confirm(keeping);
}

const char *keeping_confirm(struct keeping *keeping)
{
	bool rolled_back = state_passed_over(keeping->daemon->state)[0] != 0; /* and that could not be kept then */
	keep(keeping, rolled_back ? keeping->cause : BY_DIRECTORY, rolled_back ? keeping->left : "");
	return keeping->policy_problem;
}

struct frontend *keeping_read_kept(const struct keeping *keeping)
{
	const struct snapshot *newest = snapshots_newest(&keeping->snapshots);
	struct policy_texts texts;
	struct arena *arena = arena_create();
	char *error = newest != NULL ? snapshot_read(&keeping->snapshots, newest, arena, &texts) : strdup("");
	struct frontend *frontend = error == NULL ? policy_texts_read(&texts) : NULL;
	free(error);
	arena_free(arena);
	return frontend;
}

/* ---- rollback ---- */

static json_t *refusal(char *text)
{
	json_t *answer = json_pack("{s:i, s:s}", "version", 1, "error", text);
	free(text);
	return answer;
}

__attribute__((format(printf, 1, 2))) static char *words(const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

static json_t *list(const struct keeping *keeping)
{
	json_t *policies = json_array();
	for (size_t i = keeping->snapshots.count; i-- > 0;) {
		const struct snapshot *snapshot = &keeping->snapshots.items[i];
		char since[32];
		json_array_append_new(policies,
				      json_pack("{s:s, s:s, s:s, s:s, s:b, s:s?}", "revision", snapshot->revision,
						"since", time_print(snapshot->since, since), "cause",
						snapshot_causes[snapshot->cause], "left", snapshot->left, "in_force",
						strcmp(snapshot->revision, keeping->daemon->revision) == 0, "problem",
						snapshot->problem));
	}
	return json_pack("{s:i, s:o}", "version", 1, "policies", policies);
}

/* The policy that `word` names: `previous`, or how a revision begins. NULL, and why in `*error`, where that is none, or
 * not one. */
static const struct snapshot *find(const struct keeping *keeping, const char *word, char **error)
{
	const struct snapshot *found = NULL;
	const struct snapshots *snapshots = &keeping->snapshots;
	size_t length = strlen(word), count = 0;
	if (strcmp(word, "previous") == 0) {
		size_t back = keeping_unconfirmed(keeping) != NULL ? 1 : 2;
		if (snapshots->count >= back)
			return &snapshots->items[snapshots->count - back];
		*error = strdup("there is no policy before the one in force");
		return NULL;
	}
	for (size_t i = 0; i < snapshots->count && length >= REVISION_LEAST; i++)
		if (strncmp(snapshots->items[i].revision, word, length) == 0) {
			found = &snapshots->items[i];
			count++;
		}
	if (count != 1)
		*error = words("`%s` is %s of the last %zu policies; `ringfence rollback` lists them", word,
			       count > 1 ? "the beginning of more than one" : "none", snapshots->count);
	return count == 1 ? found : NULL;
}

/* Why none can be taken now; NULL: one can. */
static char *hindrance(const struct keeping *keeping)
{
	if (keeping->saving == NULL)
		return words("nothing is kept: %s", keeping->policy_problem != NULL
							? keeping->policy_problem
							: "the configuration has no `state`");
	if (!keeping->daemon->sources_read)
		return strdup("a source of workloads is not there yet, or cannot be read");
	return NULL;
}

/* Puts `target` in force, in place of what is. Returns NULL, or why that cannot be; then what is in force still is. */
static char *roll_back(struct keeping *keeping, const struct snapshot *target, enum snapshot_cause cause)
{
	struct daemon *daemon = keeping->daemon;
	struct state *state = daemon->state;
	struct changes changes;
	char left[sizeof daemon->revision], to[sizeof target->revision], before[sizeof daemon->revision], *error;
	snprintf(left, sizeof left, "%s", daemon->revision);
	snprintf(to, sizeof to, "%s", target->revision);
	snprintf(before, sizeof before, "%s", state_passed_over(state));
	int result = take(keeping, target, &changes, &error);
	if (result < 0)
		return error;
	if (state_directory_revision(state)[0] != 0)
		state_pass_over(state, state_directory_revision(state));
	if (result > 0)
		daemon_follow_policy(daemon, &changes);
	if (strcmp(daemon->revision, to) != 0) {
		error = words("it cannot be enforced: %s", state_policy_errors(state));
		state_pass_over(state, before);
		daemon_read_policy(daemon); /* so that no more is said of this one than that */
		return error;
	}
	keeping->cause = cause;
	memcpy(keeping->left, left, sizeof left);
	keep(keeping, cause, left);
	fprintf(stderr, "ringfenced: rolled back from policy %s to %s, generation %u\n", left, to, daemon->generation);
	return NULL;
}

char *keeping_revert(struct keeping *keeping, enum snapshot_cause cause)
{
	char *error = hindrance(keeping);
	return error != NULL ? error : roll_back(keeping, snapshots_newest(&keeping->snapshots), cause);
}

json_t *keeping_policies(struct keeping *keeping)
{
	char *error = hindrance(keeping);
	return error != NULL ? refusal(error) : list(keeping);
}

json_t *keeping_answer_rollback(struct keeping *keeping, const json_t *request)
{
	const json_t *word = json_object_get(request, "revision");
	char *error = hindrance(keeping);
	if (error != NULL)
		return refusal(error);
	if (!json_is_string(word))
		return refusal(strdup("`revision` is a string"));
	const struct snapshot *target = find(keeping, json_string_value(word), &error);
	if (target == NULL)
		return refusal(error);
	if (strcmp(target->revision, keeping->daemon->revision) == 0)
		return refusal(words("policy %s is in force already", target->revision));
	char left[sizeof target->revision];
	snprintf(left, sizeof left, "%s", keeping->daemon->revision);
	error = roll_back(keeping, target, BY_ROLLBACK);
	if (error != NULL)
		return refusal(error);
	return json_pack("{s:i, s:s, s:s, s:s, s:s?}", "version", 1, "from", left, "to", keeping->daemon->revision,
			 "passed_over", state_passed_over(keeping->daemon->state), "problem", keeping->policy_problem);
}

json_t *keeping_status(const struct keeping *keeping)
{
	json_t *problems = json_array();
	if (keeping->ruleset_problem != NULL)
		json_array_append_new(problems, json_string(keeping->ruleset_problem));
	if (keeping->policy_problem != NULL)
		json_array_append_new(problems, json_string(keeping->policy_problem));
	for (size_t i = 0; i < keeping->snapshots.count; i++)
		if (keeping->snapshots.items[i].problem != NULL)
			json_array_append_new(problems, json_string(keeping->snapshots.items[i].problem));
	return json_pack("{s:s?, s:o}", "directory", keeping->daemon->config.state_directory, "problems", problems);
}

json_t *keeping_rollback_status(const struct keeping *keeping)
{
	const struct snapshot *newest = snapshots_newest(&keeping->snapshots);
	const char *passed_over = state_passed_over(keeping->daemon->state);
	char at[32];
	if (newest == NULL || passed_over[0] == 0 || newest->cause == BY_DIRECTORY)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "from", newest->left, "to", newest->revision, "at",
			 time_print(newest->since, at), "passed_over", passed_over, "cause",
			 snapshot_causes[newest->cause]);
}
