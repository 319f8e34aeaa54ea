/* What a change opens and closes as text, JSON and Markdown.
 *
 * Names come from input, and a comment is read with the rights of whoever posts it: each form has its own way of
 * writing what it cannot hold. */
#include "compiler/report/counts.h"
#include "compiler/report/diff_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

static const char *const cause_words[][2] = {
    /* closed, opened */
    [CAUSE_ALLOW] = {"removed", "added"},
    [CAUSE_ISOLATION] = {"isolated", "no longer isolated"},
    [CAUSE_QUARANTINE] = {"quarantined", "out of quarantine"},
    [CAUSE_INVENTORY] = {"inventory", "inventory"},
};

static const char *place(struct arena *arena, const struct span *span)
{
	return span->file != NULL ? arena_printf(arena, "%s:%u:%u", span->file, span->line, span->column) : "";
}

/* The causes of a change: word and place, joined. */
static const char *causes_text(struct arena *arena, const struct flow_change *change)
{
	const char *text = "";
	for (size_t i = 0; i < change->cause_count; i++) {
		const struct cause *cause = &change->causes[i];
		text = arena_printf(arena, "%s%s%s%s%s", text, i > 0 ? " and " : "",
				    cause_words[cause->kind][change->opened], cause->span.file != NULL ? " " : "",
				    place(arena, &cause->span));
	}
	return text;
}

static const char *ports_text(struct arena *arena, const struct flow_change *change)
{
	const char *text = "";
	char port[48];
	for (size_t i = 0; i < change->port_count; i++)
		text =
		    arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", port_range_format(&change->ports[i], port));
	return text;
}

/* How many of the inventory it concerns; NULL where there is none. */
static const char *pairs_text(const struct diff_report *report, const struct flow_change *change)
{
	size_t workloads = change->from_count + change->to_count;
	if (!report->diff->has_inventory)
		return NULL;
	if (!change->between_workloads)
		return arena_printf(report->arena, "%zu workload%s", workloads, plural(workloads));
	if (change->pairs == change->from_count * change->to_count && change->pairs > 1)
		return arena_printf(report->arena, "%zu pairs: %zu x %zu", change->pairs, change->from_count,
				    change->to_count);
	return arena_printf(report->arena, "%zu pair%s", change->pairs, plural(change->pairs));
}

static const char *summary(const struct diff_report *report)
{
	const struct diff *diff = report->diff;
	const char *text = arena_printf(report->arena, "%zu opened, %zu closed", diff->opened, diff->closed);
	if (diff->has_inventory)
		text = arena_printf(report->arena, "%s; %zu workload pair%s gained, %zu lost", text, diff->pairs_gained,
				    plural(diff->pairs_gained), diff->pairs_lost);
	return text;
}

static bool is_same(const struct diff *diff)
{
	return diff->change_count + diff->widening_count == 0;
}

/* ---- text ---- */

/* A cell of at least `width` characters; names are mostly ASCII. */
static void print_cell(const char *text, size_t width)
{
	printf("%-*s", (int)width, text);
}

struct widths {
	size_t from, to, ports;
};

static void widen(size_t *width, const char *text)
{
	enum { WIDEST = 32 };
	size_t length = strlen(text) < WIDEST ? strlen(text) : WIDEST;
	if (length > *width)
		*width = length;
}

static struct widths find_widths(const struct diff_report *report)
{
	struct widths widths = {0};
	for (size_t i = 0; i < report->diff->change_count; i++) {
		const struct flow_change *change = &report->diff->changes[i];
		widen(&widths.from, text_escaped(report->arena, change->from));
		widen(&widths.to, text_escaped(report->arena, change->to));
		widen(&widths.ports, ports_text(report->arena, change));
	}
	return widths;
}

static void print_mark(const struct diff_report *report, char mark)
{
	const char *color = mark == '+' ? "\x1b[32m" : mark == '-' ? "\x1b[31m" : "\x1b[1;33m";
	printf("  %s%c%s ", report->color ? color : "", mark, report->color ? "\x1b[0m" : "");
}

void diff_print_text(const struct diff_report *report)
{
	const struct diff *diff = report->diff;
	struct arena *arena = report->arena;
	const struct widths widths = find_widths(report);
	if (is_same(diff)) {
		puts("no difference");
		return;
	}
	for (size_t i = 0; i < diff->change_count; i++) {
		const struct flow_change *change = &diff->changes[i];
		const char *pairs = pairs_text(report, change);
		print_mark(report, change->opened ? '+' : '-');
		print_cell(text_escaped(arena, change->from), widths.from);
		fputs(" -> ", stdout);
		print_cell(text_escaped(arena, change->to), widths.to);
		fputs("  ", stdout);
		print_cell(ports_text(arena, change), widths.ports);
		printf("  %s", text_escaped(arena, causes_text(arena, change)));
		if (pairs != NULL)
			printf("  (%s)", pairs);
		putchar('\n');
	}
	for (size_t i = 0; i < diff->widening_count; i++) {
		const struct widening *widening = &diff->widenings[i];
		print_mark(report, '!');
		printf("%s%s%s\n", text_escaped(arena, widening->text), widening->span.file != NULL ? "  " : "",
		       text_escaped(arena, place(arena, &widening->span)));
	}
	puts(summary(report));
}

/* ---- JSON ---- */

static void set_span(json_t *object, const struct span *span)
{
	if (span->file == NULL)
		return;
	json_object_set_new(object, "file", text_json(span->file));
	json_object_set_new(object, "line", json_integer(span->line));
}

static json_t *change_json(const struct diff_report *report, const struct flow_change *change)
{
	json_t *ports = json_array(), *causes = json_array();
	char port[48];
	for (size_t i = 0; i < change->port_count; i++)
		json_array_append_new(ports, json_string(port_range_format(&change->ports[i], port)));
	for (size_t i = 0; i < change->cause_count; i++) {
		const struct cause *cause = &change->causes[i];
		json_t *object = json_pack("{s:s}", "cause", cause_words[cause->kind][change->opened]);
		set_span(object, &cause->span);
		if (cause->allow != NULL && cause->allow->why != NULL)
			json_object_set_new(object, "why", text_json(cause->allow->why));
		if (cause->allow != NULL && cause->allow->owner != NULL)
			json_object_set_new(object, "owner", text_json(cause->allow->owner));
		json_array_append_new(causes, object);
	}
	const struct flow *flow = &change->flows[change->opened ? VERSION_NEW : VERSION_OLD];
	const struct port_range one = {flow->protocol, flow->port, flow->port};
	json_t *example =
	    json_pack("{s:o, s:o, s:s}", "from", text_json(endpoint_name(report->arena, &flow->from)), "to",
		      text_json(endpoint_name(report->arena, &flow->to)), "port", port_range_format(&one, port));
	json_t *object = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "change", change->opened ? "opened" : "closed",
				   "from", text_json(change->from), "to", text_json(change->to), "ports", ports,
				   "because", causes, "example", example);
	if (report->diff->has_inventory) {
		json_object_set_new(object, "from_workloads", json_integer((json_int_t)change->from_count));
		json_object_set_new(object, "to_workloads", json_integer((json_int_t)change->to_count));
		json_object_set_new(object, "pairs", json_integer((json_int_t)change->pairs));
	}
	return object;
}

json_t *diff_json(const struct diff_report *report)
{
	const struct diff *diff = report->diff;
	json_t *changes = json_array(), *widenings = json_array();
	for (size_t i = 0; i < diff->change_count; i++)
		json_array_append_new(changes, change_json(report, &diff->changes[i]));
	for (size_t i = 0; i < diff->widening_count; i++) {
		json_t *object = json_pack("{s:o}", "text", text_json(diff->widenings[i].text));
		set_span(object, &diff->widenings[i].span);
		json_array_append_new(widenings, object);
	}
	json_t *root = json_pack("{s:i, s:b, s:I, s:I, s:o, s:o}", "version", 1, "same", is_same(diff), "opened",
				 (json_int_t)diff->opened, "closed", (json_int_t)diff->closed, "changes", changes,
				 "widenings", widenings);
	if (diff->has_inventory) {
		json_object_set_new(root, "pairs_gained", json_integer((json_int_t)diff->pairs_gained));
		json_object_set_new(root, "pairs_lost", json_integer((json_int_t)diff->pairs_lost));
	}
	return root;
}

void diff_print_json(const struct diff_report *report)
{
	json_t *root = diff_json(report);
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}

/* ---- Markdown ---- */

/* What a comment may have: GitHub takes 65,536 characters, and whoever posts it may add some. */
enum { COMMENT_MOST = 60000 };

/* A comment while it is written: a line that does not fit is left out, and counted. */
struct comment {
	const struct diff_report *report;
	size_t length, left_out;
};

/* Every ASCII punctuation character may be escaped (CommonMark, 2.4). `<`, `&` and `@` are written as entities, so that
 * neither HTML nor a mention comes of them. */
static const char *markdown(const struct diff_report *report, const char *input)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	for (const char *at = text_escaped(report->arena, input); *at != 0; at++) {
		if (*at == '<' || *at == '&' || *at == '@')
			fprintf(stream, "&#%d;", *at);
		else
			fprintf(stream, "%s%c", strchr("\\`*_{}[]()>#+!|~$", *at) != NULL ? "\\" : "", *at);
	}
	if (fclose(stream) != 0)
		abort();
	const char *copy = arena_copy(report->arena, text, size);
	free(text);
	return copy;
}

static void add_line(struct comment *comment, const char *line)
{
	size_t length = strlen(line) + 1;
	if (comment->left_out > 0 || comment->length + length > COMMENT_MOST) {
		comment->left_out++;
		return;
	}
	comment->length += length;
	puts(line);
}

static void add_widening(struct comment *comment, const struct widening *widening)
{
	const struct diff_report *report = comment->report;
	add_line(comment, arena_printf(report->arena, "- **\\!** %s%s%s", markdown(report, widening->text),
				       widening->span.file != NULL ? " " : "",
				       markdown(report, place(report->arena, &widening->span))));
}

static void add_change(struct comment *comment, const struct flow_change *change)
{
	const struct diff_report *report = comment->report;
	const char *pairs = pairs_text(report, change);
	const char *const cells[] = {
	    change->opened ? "+" : "-",		change->from, change->to, ports_text(report->arena, change),
	    causes_text(report->arena, change), pairs};
	const char *line = "|";
	for (size_t i = 0; i < (pairs != NULL ? 6 : 5); i++)
		line = arena_printf(report->arena, "%s %s |", line, markdown(report, cells[i]));
	add_line(comment, line);
}

static void say_left_out(struct comment *comment, const char *what)
{
	if (comment->left_out > 0)
		printf("\n%zu more %s%s not shown: this is as long as a comment may be. `ringfence diff` shows all.\n",
		       comment->left_out, what, comment->left_out == 1 ? " is" : "s are");
	comment->left_out = 0;
}

void diff_print_markdown(const struct diff_report *report)
{
	const struct diff *diff = report->diff;
	struct comment comment = {.report = report};
	printf("**ringfence diff**: %s\n", is_same(diff) ? "no difference" : summary(report));
	if (diff->widening_count > 0)
		putchar('\n');
	for (size_t i = 0; i < diff->widening_count; i++)
		add_widening(&comment, &diff->widenings[i]);
	say_left_out(&comment, "widening");
	if (diff->change_count == 0)
		return;
	printf("\n| | from | to | ports | because |%s\n| --- | --- | --- | --- | --- |%s\n",
	       diff->has_inventory ? " concerns |" : "", diff->has_inventory ? " --- |" : "");
	for (size_t i = 0; i < diff->change_count; i++)
		add_change(&comment, &diff->changes[i]);
	say_left_out(&comment, "change");
}
