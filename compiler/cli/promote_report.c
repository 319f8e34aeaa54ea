/* What is known of what is to be promoted, as text and as JSON. Texts of the daemon and of files are escaped. */
#include "compiler/cli/promote.h"

#include "compiler/report/counts.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print(const char *text)
{
	escape_print(stdout, text, strlen(text));
}

/* Two units of it: 7d 3h. */
static const char *duration(struct arena *arena, double seconds)
{
	const long long all = seconds > 0 ? (long long)seconds : 0;
	if (all >= 86400)
		return arena_printf(arena, "%lldd %lldh", all / 86400, all % 86400 / 3600);
	if (all >= 3600)
		return arena_printf(arena, "%lldh %lldm", all / 3600, all % 3600 / 60);
	return all >= 60 ? arena_printf(arena, "%lldm %llds", all / 60, all % 60) : arena_printf(arena, "%llds", all);
}

static double watched(const struct promoted *item)
{
	return json_number_value(json_object_get(item->evidence, "watched"));
}

/* Seconds since it is in audit, in which nobody watched. */
static double unwatched(const struct promotion *told, const struct promoted *item)
{
	int64_t now = 0;
	if (time_parse(&now, text_of(told->answer, "now")) != NULL)
		return 0;
	double all = (double)now - (double)number_of(item->evidence, "since") - watched(item);
	return all > 0 ? all : 0;
}

/* ---- text ---- */

static void print_peer(const char *word)
{
	const char *colon =
	    strncmp(word, "service:", 8) == 0 || strncmp(word, "workload:", 9) == 0 ? strchr(word, ':') : NULL;
	print(colon != NULL ? colon + 1 : word);
}

static void print_denial(const struct promotion *told, const struct promoted *item, const struct told_denial *denial)
{
	const json_t *row = denial->row;
	char first[32], last[32];
	bool ingress = strcmp(text_of(row, "side"), "ingress") == 0;
	printf("    %-8s ", ingress ? "ingress" : "egress");
	if (item->name[0] == 0) {
		print_peer(text_of(row, "own"));
		putchar(' ');
	}
	fputs(ingress ? "<- " : "-> ", stdout);
	print_peer(text_of(row, "peer"));
	putchar(' ');
	print(text_of(row, "ports"));
	printf("  seen %s time%s, %s to %s; ", count_text(told->arena, (uint64_t)number_of(row, "count")),
	       plural((uint64_t)number_of(row, "count")), time_print((int64_t)number_of(row, "first"), first),
	       time_print((int64_t)number_of(row, "last"), last));
	if (denial->allow != NULL && denial->covered) {
		fputs("allowed now by ", stdout);
		print(denial->allow->span.file);
		printf(":%u\n", denial->allow->span.line);
		return;
	}
	fputs(denial->covered ? "allowed now" : "would be denied", stdout);
	if (denial->problem != NULL) {
		fputs(": ", stdout);
		print(denial->problem);
	}
	putchar('\n');
}

/* Those that stand against it. */
static void print_grounds(const struct promotion *told, const struct promoted *item)
{
	const char *texts[GROUNDS] = {
	    [GROUND_YOUNG] =
		item->less ? "the policy given allows it less than was watched, or selects others"
			   : arena_printf(told->arena, "watched for %s, and --after asks for %s",
					  duration(told->arena, watched(item)), duration(told->arena, told->after)),
	    [GROUND_DENIED] = "what was seen would be denied",
	    [GROUND_UNSEEN] = json_array_size(json_object_get(item->evidence, "workloads")) == 0
				  ? "none of its workloads runs on this node"
				  : "workloads were never seen",
	    [GROUND_LEFT_OUT] = "there was no room for all that would be denied",
	};
	for (size_t ground = 0; ground < GROUNDS; ground++)
		if (item->grounds[ground])
			printf("  %s %s: %s\n", told->accepted[ground] ? "accepted" : "refused ", ground_words[ground],
			       texts[ground]);
}

static void print_item(const struct promotion *told, const struct promoted *item)
{
	char since[32];
	print(item->name[0] != 0 ? item->name : "what no service selects");
	if (item->evidence == NULL) {
		fputs(": not watched on this node: its policy in force does not have it in audit, or did just now\n",
		      stdout);
		return;
	}
	printf(": in audit since %s, watched for %s", time_print((int64_t)number_of(item->evidence, "since"), since),
	       duration(told->arena, watched(item)));
	if (number_of(item->evidence, "gaps") > 0)
		printf("; nobody watched for %s, in %s gap%s", duration(told->arena, unwatched(told, item)),
		       count_text(told->arena, (uint64_t)number_of(item->evidence, "gaps")),
		       plural((uint64_t)number_of(item->evidence, "gaps")));
	putchar('\n');
	fputs(item->denial_count > 0 ? "  would have been denied:\n" : "  nothing would have been denied\n", stdout);
	for (size_t i = 0; i < item->denial_count; i++)
		print_denial(told, item, &item->denials[i]);
	if (number_of(item->evidence, "left_out") > 0)
		printf("    and more, %s times, for which there was no room\n",
		       count_text(told->arena, (uint64_t)number_of(item->evidence, "left_out")));
	fputs(item->unseen_count > 0 ? "  never seen to send or answer:" : "", stdout);
	for (size_t i = 0; i < item->unseen_count; i++) {
		fputs(i > 0 ? ", " : " ", stdout);
		print(item->unseen[i]);
	}
	fputs(item->unseen_count > 0 ? "\n" : "", stdout);
	print_grounds(told, item);
}

static void print_edits(const struct promotion *told)
{
	for (size_t i = 0; i < told->edit_count; i++) {
		const struct mode_edit *edit = &told->edits[i];
		print(edit->file);
		printf(":%u:%u: `mode: audit` %s `mode: enforce`\n- ", edit->line, edit->column,
		       told->written ? "became" : "becomes");
		print(edit->before);
		fputs("\n+ ", stdout);
		print(edit->after);
		putchar('\n');
	}
	if (told->advice != NULL) {
		print(told->advice);
		putchar('\n');
	}
}

void promotion_print_text(const struct promotion *told)
{
	const char *problem = text_of(told->answer, "problem");
	for (size_t i = 0; i < told->count; i++)
		print_item(told, &told->items[i]);
	if (!json_is_true(json_object_get(told->answer, "kept")))
		puts("nothing of it is kept over a restart of the daemon: its configuration has no `state`");
	if (problem[0] != 0) {
		fputs("what was found before may be lost: ", stdout);
		print(problem);
		putchar('\n');
	}
	if (json_is_true(json_object_get(told->answer, "node_audit"))) {
		fputs("the whole node is in audit, by ", stdout);
		print(text_of(told->answer, "config"));
		printf(":%d: the daemon reads that when it starts\n", (int)number_of(told->answer, "config_line"));
	}
	if (told->ready)
		print_edits(told);
	else
		puts("not promoted: what is refused can be accepted with --accept");
}

/* ---- JSON ---- */

static json_t *denial_json(const struct told_denial *denial)
{
	json_t *json = json_deep_copy(denial->row);
	json_object_set_new(json, "covered", json_boolean(denial->covered));
	if (denial->covered && denial->allow != NULL)
		json_object_set_new(json, "by",
				    json_pack("{s:o, s:i}", "file", text_json(denial->allow->span.file), "line",
					      (int)denial->allow->span.line));
	if (denial->problem != NULL)
		json_object_set_new(json, "problem", text_json(denial->problem));
	return json;
}

static json_t *item_json(const struct promotion *told, const struct promoted *item)
{
	char since[32];
	json_t *denials = json_array(), *unseen = json_array(), *grounds = json_array();
	for (size_t i = 0; i < item->denial_count; i++)
		json_array_append_new(denials, denial_json(&item->denials[i]));
	for (size_t i = 0; i < item->unseen_count; i++)
		json_array_append_new(unseen, text_json(item->unseen[i]));
	for (size_t ground = 0; ground < GROUNDS; ground++)
		if (item->grounds[ground])
			json_array_append_new(grounds, json_string(ground_words[ground]));
	json_t *json =
	    json_pack("{s:o, s:b, s:o, s:o, s:o}", "name", text_json(item->name), "watches", item->evidence != NULL,
		      "would_deny", denials, "never_seen", unseen, "grounds", grounds);
	if (item->evidence == NULL)
		return json;
	json_object_update_new(json,
			       json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "since",
					 time_print((int64_t)number_of(item->evidence, "since"), since),
					 "watched_seconds", (json_int_t)watched(item), "unwatched_seconds",
					 (json_int_t)unwatched(told, item), "gaps", number_of(item->evidence, "gaps"),
					 "left_out", number_of(item->evidence, "left_out"), "allows_less", item->less));
	return json;
}

void promotion_print_json(const struct promotion *told)
{
	json_t *items = json_array(), *edits = json_array();
	for (size_t i = 0; i < told->count; i++)
		json_array_append_new(items, item_json(told, &told->items[i]));
	for (size_t i = 0; i < told->edit_count && told->ready; i++) {
		const struct mode_edit *edit = &told->edits[i];
		json_array_append_new(edits, json_pack("{s:o, s:i, s:i, s:o, s:o}", "file", text_json(edit->file),
						       "line", (int)edit->line, "column", (int)edit->column, "before",
						       text_json(edit->before), "after", text_json(edit->after)));
	}
	json_t *root = json_pack("{s:i, s:O*, s:O*, s:b, s:b, s:o, s:o}", "version", 1, "node",
				 json_object_get(told->answer, "node"), "kept", json_object_get(told->answer, "kept"),
				 "promote", told->ready, "written", told->written, "services", items, "edits", edits);
	if (told->ready && told->advice != NULL)
		json_object_set_new(root, "advice", text_json(told->advice));
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}
