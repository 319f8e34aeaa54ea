/* ringfence fleet: what each node says of itself in the store. A node that is alive holds a key under its lease; what
 * it said last stays there when it is gone. */
#include "enforcer/fleet_cli/fleet_cli.h"
#include "enforcer/fleet_cli/view.h"

#include "enforcer/fleet/statement.h"
#include "enforcer/sources/fleet.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 500 };

static size_t count_lacking(const struct fleet_view *view)
{
	size_t count = 0;
	for (size_t i = 0; i < view->count; i++)
		count += node_lack(view, &view->nodes[i]) != NULL;
	return count;
}

/* Those that answer, and have an older bundle than is waited for. */
static size_t count_waited_for(const struct fleet_view *view)
{
	size_t count = 0;
	for (size_t i = 0; i < view->count; i++)
		count += view->nodes[i].alive && view->nodes[i].bundle < view->wanted;
	return count;
}

/* ---- printing ---- */

static void print_cell(const char *text, int width)
{
	int length = (int)strlen(text);
	escape_print(stdout, text, (size_t)length);
	printf("%*s", length < width ? width - length : 0, "");
	printf("  ");
}

static void print_text(const struct fleet_view *view)
{
	int width = 4;
	size_t heard = 0;
	for (size_t i = 0; i < view->count; i++) {
		int length = (int)strlen(view->nodes[i].name);
		width = length > width ? length : width;
		heard += view->nodes[i].alive;
	}
	print_cell("NODE", width);
	puts("BUNDLE                POLICY            SINCE                 STATE");
	for (size_t i = 0; i < view->count; i++) {
		const struct node_view *node = &view->nodes[i];
		const char *wrong = node_lack(view, node), *bundle = node_says(node, "bundle");
		print_cell(node->name, width);
		print_cell(bundle[0] != 0 ? bundle : "-", 20);
		print_cell(node_says(node, "revision"), 16);
		print_cell(node_says(node, "since"), 20);
		size_t quarantines = json_array_size(json_object_get(node->status, "quarantines"));
		wrong = wrong != NULL ? wrong : "ok";
		escape_print(stdout, wrong, strcspn(wrong, "\n"));
		if (quarantines > 0)
			printf(", %zu in quarantine", quarantines);
		if (json_is_true(json_object_get(node->status, "panic")))
			printf(", panic");
		putchar('\n');
	}
	printf("%zu nodes, %zu of them not heard", view->count, view->count - heard);
	if (view->wanted != 0)
		printf("; bundle %" PRIu64, view->wanted);
	putchar('\n');
}

static void print_json(const struct fleet_view *view)
{
	json_t *nodes = json_array();
	for (size_t i = 0; i < view->count; i++) {
		const struct node_view *node = &view->nodes[i];
		const char *wrong = node_lack(view, node);
		json_array_append_new(nodes,
				      json_pack("{s:o, s:b, s:o, s:O?}", "node", text_json(node->name), "alive",
						node->alive, "problem", wrong != NULL ? text_json(wrong) : json_null(),
						"status", node->status));
	}
	json_t *answer =
	    json_pack("{s:i, s:o, s:o}", "version", 1, "bundle",
		      view->wanted != 0 ? json_sprintf("%" PRIu64, view->wanted) : json_null(), "nodes", nodes);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

static void print(const struct arguments *arguments, const struct fleet_view *view)
{
	if (format_is(arguments, "json"))
		print_json(view);
	else
		print_text(view);
}

/* ---- the command ---- */

static int list(struct store *store, const struct arguments *arguments)
{
	struct fleet_view view;
	int status = EXIT_PROBLEM;
	if (view_read(store, &view, 0)) {
		print(arguments, &view);
		status = count_lacking(&view) > 0 ? EXIT_NO : EXIT_YES;
	}
	view_finish(&view);
	return status;
}

/* On a terminal one line that changes, else one whenever it does. */
static void progress(const struct fleet_view *view, size_t *before)
{
	size_t left = count_waited_for(view);
	if (left == *before)
		return;
	*before = left;
	bool terminal = isatty(STDERR_FILENO);
	fprintf(stderr, "%s%zu of %zu nodes wait for bundle %" PRIu64 "%s", terminal ? "\r\033[K" : "", left,
		view->count, view->wanted, terminal && left > 0 ? "" : "\n");
}

static int wait_for(struct store *store, const struct arguments *arguments)
{
	uint64_t wanted;
	size_t before = SIZE_MAX;
	time_t end = time(NULL) + (time_t)arguments->timeout;
	if (!revision_parse(&wanted, arguments->wait))
		return problem("--wait takes the revision of a bundle, as `ringfence push` tells it");
	for (;;) {
		struct fleet_view view;
		bool known = view_read(store, &view, wanted);
		size_t left = known ? count_waited_for(&view) : 1;
		bool over = !known || left == 0 || time(NULL) >= end;
		if (known)
			progress(&view, &before);
		if (known && over)
			print(arguments, &view);
		int status = !known ? EXIT_PROBLEM : left > 0 || count_lacking(&view) > 0 ? EXIT_NO : EXIT_YES;
		view_finish(&view);
		if (over)
			return status;
		usleep(POLL_MS * 1000);
	}
}

/* Whether what the node said last tells that it signs. */
static bool node_signs(struct store *store, struct arena *arena, const char *name)
{
	char *text;
	size_t length;
	int64_t at;
	if (!store_get(store, arena_printf(arena, FLEET_NODES "%s/status", name), &text, &length, &at) || text == NULL)
		return false;
	json_t *status = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	bool signs = json_is_string(json_object_get(status, "key"));
	json_decref(status);
	free(text);
	return signs;
}

/* The mark that says that the node is gone, the caller's to free; NULL after saying why there is none. */
static uint8_t *mark_gone(struct store *store, struct arena *arena, const struct arguments *arguments, size_t *length)
{
	const struct statement statement = {.gone = true, .sequence = sequence_after(0)};
	struct private_key *key = NULL;
	const char *wrong = NULL;
	if (arguments->key != NULL)
		wrong = private_key_read(&key, arena, arguments->key);
	else if (node_signs(store, arena, arguments->forget))
		wrong = "the nodes sign what they say: name the private key that enrolled it, --key KEYFILE";
	uint8_t *mark = wrong == NULL ? statement_write(&statement, arguments->forget, key, length) : NULL;
	private_key_destroy(key);
	if (wrong != NULL)
		problem("%s", wrong);
	return mark;
}

/* Its mark says that it is gone, which the other nodes take for that. */
static int forget_node(struct store *store, const struct arguments *arguments)
{
	const char *name = arguments->forget;
	struct arena *arena = arena_create();
	const char *below = arena_printf(arena, FLEET_WORKLOADS "%s", name);
	const char *alive = arena_printf(arena, FLEET_NODES "%s/alive", name);
	char *value;
	size_t length;
	int64_t at;
	bool known = store_get(store, alive, &value, &length, &at);
	bool lives = value != NULL;
	free(value);
	size_t mark_length = 0;
	uint8_t *mark = known && !lives ? mark_gone(store, arena, arguments, &mark_length) : NULL;
	if (mark != NULL) {
		const char *things = arena_printf(arena, "%s/", store_key(store, below));
		const char *node = store_key(store, arena_printf(arena, FLEET_NODES "%s/", name));
		json_t *operations = json_pack(
		    "[o, {s:o}, {s:o}]", etcd_put(store_key(store, below), mark, mark_length, 0),
		    "request_delete_range", etcd_prefix_range(things), "request_delete_range", etcd_prefix_range(node));
		json_t *answer = store_ask(store, "/v3/kv/txn", json_pack("{s:o}", "success", operations));
		known = answer != NULL;
		json_decref(answer);
	}
	known = known && mark != NULL;
	free(mark);
	arena_free(arena);
	if (lives)
		return problem("the node %s is alive; stop its daemon first", name);
	if (known)
		printf("%s is no part of the fleet any more\n", name);
	return known ? EXIT_YES : EXIT_PROBLEM;
}

int fleet_nodes_run(const struct arguments *arguments)
{
	if (arguments->word_count != 0)
		return problem("fleet takes no arguments");
	if (arguments->forget != NULL && (strchr(arguments->forget, '/') != NULL || arguments->forget[0] == 0))
		return problem("--forget takes the name of a node");
	struct store *store = store_open(arguments);
	if (store == NULL)
		return EXIT_PROBLEM;
	int status = arguments->forget != NULL ? forget_node(store, arguments)
		     : arguments->wait != NULL ? wait_for(store, arguments)
					       : list(store, arguments);
	store_close(store);
	return status;
}
