/* ringfence rollout: a staged bundle, stage by stage. A node takes it when a release that a trusted key signed selects
 * it, so whoever holds the store cannot hurry it; and a rollout that ends in the middle leaves every node with a policy
 * that was signed for it. */
#include "enforcer/fleet_cli/fleet_cli.h"
#include "enforcer/fleet_cli/view.h"

#include "enforcer/fleet/policy_store.h"
#include "enforcer/fleet/release.h"

#include "compiler/report/verdict_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 500, JUMP_FACTOR = 2, JUMP_PACKETS = 60 };

/* How much a node denied before its stage began. */
struct before {
	const char *node;
	json_int_t denied;
};

struct rollout {
	struct store *store;
	struct arena *arena;
	struct private_key *key;
	const struct bundle *bundle;
	struct labels stages[STAGES_MOST];
	struct before *befores;
	size_t before_count;
	char why[1024]; /* it stops; empty: it goes on */
};

static void stop(struct rollout *rollout, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void stop(struct rollout *rollout, const char *format, ...)
{
	va_list list;
	if (rollout->why[0] != 0)
		return;
	va_start(list, format);
	vsnprintf(rollout->why, sizeof rollout->why, format, list);
	va_end(list);
}

/* ---- nodes of a stage ---- */

static bool is_in_stage(const struct labels *stage, const struct node_view *node)
{
	const json_t *labels = json_object_get(node->status, "labels");
	bool in = true;
	for (size_t i = 0; i < stage->count; i++) {
		const char *value = json_string_value(json_object_get(labels, stage->items[i].key));
		in = in && value != NULL && strcmp(value, stage->items[i].value) == 0;
	}
	return in;
}

/* Of this stage or one before it. */
static bool is_released(const struct rollout *rollout, size_t stage, const struct node_view *node)
{
	bool released = false;
	for (size_t i = 0; i <= stage && !released; i++)
		released = is_in_stage(&rollout->stages[i], node);
	return released;
}

static json_int_t denied_of(const struct node_view *node)
{
	return json_integer_value(json_object_get(node->status, "denied_a_minute"));
}

static const struct before *find_before(const struct rollout *rollout, const char *node)
{
	for (size_t i = 0; i < rollout->before_count; i++)
		if (strcmp(rollout->befores[i].node, node) == 0)
			return &rollout->befores[i];
	return NULL;
}

/* Of nodes that are alive; those that are not are no matter of this rollout, unless they were when it began. */
static void note_before(struct rollout *rollout, const struct fleet_view *view, size_t stage)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct node_view *node = &view->nodes[i];
		if (node->alive && is_in_stage(&rollout->stages[stage], node) &&
		    find_before(rollout, node->name) == NULL)
			*arena_push(rollout->arena, rollout->befores, rollout->before_count) = (struct before){
			    arena_copy(rollout->arena, node->name, strlen(node->name)), denied_of(node)};
	}
}

static size_t count_waited_for(const struct rollout *rollout, const struct fleet_view *view, size_t stage)
{
	size_t count = 0;
	for (size_t i = 0; i < view->count; i++) {
		const struct node_view *node = &view->nodes[i];
		bool ready = json_is_true(json_object_get(node->status, "ready")) && node->bundle >= view->wanted;
		count += node->alive && is_released(rollout, stage, node) && !ready;
	}
	return count;
}

/* ---- what stops it ---- */

static void look_at(struct rollout *rollout, const struct fleet_view *view, const struct node_view *node)
{
	const struct before *before = find_before(rollout, node->name);
	if (before == NULL)
		return;
	const char *lack = node->bundle >= view->wanted || !node->alive ? node_lack(view, node) : NULL;
	json_int_t denied = denied_of(node);
	if (node_says(node, "stale")[0] != 0)
		lack = node_says(node, "stale");
	if (lack != NULL)
		stop(rollout, "%s: %.*s", node->name, (int)strcspn(lack, "\n"), lack);
	else if (denied > JUMP_FACTOR * before->denied && denied > before->denied + JUMP_PACKETS)
		stop(rollout, "%s denies %lld packets a minute, and %lld before", node->name, (long long)denied,
		     (long long)before->denied);
}

static bool look(struct rollout *rollout, struct fleet_view *view)
{
	if (!view_read(rollout->store, view, rollout->bundle->revision)) {
		stop(rollout, "the store cannot be asked");
		return false;
	}
	for (size_t i = 0; i < view->count; i++)
		look_at(rollout, view, &view->nodes[i]);
	return rollout->why[0] == 0;
}

/* ---- a stage ---- */

static bool release_stage(struct rollout *rollout, size_t stage)
{
	struct release release = {
	    .revision = rollout->bundle->revision, .nodes = rollout->stages[stage], .time = (int64_t)time(NULL)};
	size_t length;
	memcpy(release.digest, rollout->bundle->digest, DIGEST_SIZE);
	uint8_t *bytes = release_sign(&release, rollout->key, &length);
	const char *key =
	    store_key(rollout->store, arena_printf(rollout->arena, POLICY_BELOW POLICY_RELEASES "%" PRIu64 "/%zu",
						   release.revision, stage));
	json_t *answer =
	    store_ask(rollout->store, "/v3/kv/txn", json_pack("{s:[o]}", "success", etcd_put(key, bytes, length, 0)));
	free(bytes);
	json_decref(answer);
	if (answer == NULL)
		stop(rollout, "the store cannot be asked");
	return answer != NULL;
}

/* Waits until the nodes of the stage have it, or, when `left` is NULL, for the time of the soak. */
static void watch_until(struct rollout *rollout, size_t stage, time_t end, bool soak)
{
	size_t left = 1;
	while (rollout->why[0] == 0 && (soak || left > 0) && time(NULL) < end) {
		struct fleet_view view;
		if (look(rollout, &view))
			left = count_waited_for(rollout, &view, stage);
		view_finish(&view);
		if (rollout->why[0] == 0 && (soak || left > 0))
			usleep(POLL_MS * 1000);
	}
	if (!soak && left > 0)
		stop(rollout, "%zu nodes have not got the bundle in time", left);
}

static void run_stage(struct rollout *rollout, const struct arguments *arguments, size_t stage)
{
	struct fleet_view view;
	bool known = view_read(rollout->store, &view, rollout->bundle->revision);
	size_t nodes = 0;
	if (known)
		note_before(rollout, &view, stage);
	for (size_t i = 0; known && i < view.count; i++)
		nodes += view.nodes[i].alive && is_in_stage(&rollout->stages[stage], &view.nodes[i]);
	view_finish(&view);
	if (!known)
		stop(rollout, "the store cannot be asked");
	fprintf(stderr, "stage %zu of %zu, %s: %zu nodes\n", stage + 1, arguments->stage_count,
		arguments->stages[stage], nodes);
	if (known && release_stage(rollout, stage))
		watch_until(rollout, stage, time(NULL) + (time_t)arguments->timeout, false);
	if (rollout->why[0] == 0)
		watch_until(rollout, stage, time(NULL) + (time_t)arguments->soak, true);
}

static int run_stages(struct rollout *rollout, const struct arguments *arguments)
{
	size_t stage = 0;
	while (stage < arguments->stage_count && rollout->why[0] == 0)
		run_stage(rollout, arguments, stage++);
	if (format_is(arguments, "json")) {
		json_t *answer = json_pack("{s:i, s:o, s:I, s:b, s:o}", "version", 1, "bundle",
					   json_sprintf("%" PRIu64, rollout->bundle->revision), "stages",
					   (json_int_t)stage, "done", rollout->why[0] == 0, "problem",
					   rollout->why[0] != 0 ? text_json(rollout->why) : json_null());
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
	} else if (rollout->why[0] == 0) {
		printf("bundle %" PRIu64 " is in force on all stages\n", rollout->bundle->revision);
	}
	if (rollout->why[0] == 0)
		return EXIT_YES;
	problem("stopped in stage %zu: %s; nodes that have the bundle keep it, and no others get it", stage,
		rollout->why);
	return EXIT_NO;
}

/* ---- the command ---- */

static int check_arguments(struct rollout *rollout, const struct arguments *arguments)
{
	if (arguments->word_count != 1)
		return problem("rollout takes one FILE, which `ringfence sign --staged` wrote");
	if (arguments->key == NULL)
		return problem("rollout takes --key KEYFILE: releases are signed");
	if (arguments->stage_count == 0)
		return problem("rollout takes at least one --stage; `--stage all` is every node");
	for (size_t i = 0; i < arguments->stage_count; i++) {
		const char *wrong = node_labels_parse(&rollout->stages[i], rollout->arena, arguments->stages[i]);
		if (wrong != NULL)
			return problem("--stage %s: %s", arguments->stages[i], wrong);
	}
	const char *wrong = private_key_read(&rollout->key, rollout->arena, arguments->key);
	return wrong != NULL ? problem("%s", wrong) : 0;
}

int rollout_run(const struct arguments *arguments)
{
	struct rollout rollout = {.arena = arena_create()};
	struct bundle bundle;
	uint8_t *bytes = NULL;
	size_t length;
	int status = check_arguments(&rollout, arguments);
	if (status == 0)
		status = bundle_load(arguments, rollout.arena, &bundle, &bytes, &length);
	if (status == 0 && !bundle.staged)
		status = problem("%s is not staged, so every node would take it at once; sign it with --staged",
				 arguments->words[0]);
	rollout.bundle = &bundle;
	if (status == 0 && (rollout.store = store_open(arguments)) == NULL)
		status = EXIT_PROBLEM;
	if (status == 0)
		status = bundle_push(rollout.store, arguments, rollout.arena, &bundle, bytes, length);
	if (status == 0)
		status = run_stages(&rollout, arguments);
	store_close(rollout.store);
	private_key_destroy(rollout.key);
	free(bytes);
	arena_free(rollout.arena);
	return status;
}
