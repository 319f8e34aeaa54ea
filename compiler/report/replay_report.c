/* What becomes of recorded flows as text and as JSON. Names come from a log and are escaped. */
#include "compiler/report/counts.h"
#include "compiler/report/replay_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <string.h>

static const struct {
	char mark;
	const char *color, *word; /* of JSON */
} fates[FATES] = {
    [FATE_CUT] = {'-', "\x1b[31m", "cut"},
    [FATE_PASSES] = {'+', "\x1b[32m", "passes"},
    [FATE_UNKNOWN] = {'?', "\x1b[1;33m", "unknown"},
    [FATE_SAME] = {' ', "", "unchanged"},
};

/* The allows that come nearest to a flow that is newly denied. */
static struct nearest nearest_of(const struct replay_report *report, const struct replay_line *line)
{
	if (line->fate != FATE_CUT)
		return (struct nearest){0};
	return nearest_find(report->arena, report->after, &line->flows[VERSION_NEW], &line->verdicts[VERSION_NEW],
			    report->most);
}

/* ---- text ---- */

static void print_escaped(const char *text)
{
	escape_print(stdout, text, strlen(text));
}

/* The sides that deny, or the statements that allow: one line where it is the same statement on both. */
static void print_verdict(const struct verdict *verdict, const char *indent)
{
	const struct side *egress = &verdict->egress, *ingress = &verdict->ingress;
	if (verdict->allowed && egress->reason == ingress->reason && egress->allow == ingress->allow) {
		side_print(stdout, "both", egress, indent);
		return;
	}
	if (egress->allowed == verdict->allowed)
		side_print(stdout, "egress", egress, indent);
	if (ingress->allowed == verdict->allowed)
		side_print(stdout, "ingress", ingress, indent);
}

static void print_counts(const struct replay_report *report, const struct replay_line *line)
{
	char last[32];
	printf("%s record%s", count_text(report->arena, line->total.records), plural(line->total.records));
	if (line->total.flows > 1)
		printf(" of %s flows", count_text(report->arena, line->total.flows));
	if (line->last != 0)
		printf(", last %s", time_print(line->last, last));
	putchar('\n');
}

static void print_line(const struct replay_report *report, const struct replay_line *line)
{
	printf("  %s%c%s ", report->color ? fates[line->fate].color : "", fates[line->fate].mark,
	       report->color ? "\x1b[0m" : "");
	if (line->problem != NULL) {
		print_escaped(line->problem);
		fputs("  ", stdout);
		print_counts(report, line);
		return;
	}
	print_escaped(line->from);
	fputs(" -> ", stdout);
	print_escaped(line->to);
	printf("  %s  ", line->port);
	print_counts(report, line);
	const struct nearest nearest = nearest_of(report, line);
	print_verdict(&line->verdicts[VERSION_OLD], "      old");
	print_verdict(&line->verdicts[VERSION_NEW], "      new");
	nearest_print(stdout, &nearest, "      new");
}

static void print_total(const struct replay_report *report, enum fate fate, const char *one, const char *many)
{
	const struct flow_total *total = &report->result->totals[fate];
	printf("%s %s (%s record%s)", count_text(report->arena, total->flows), total->flows == 1 ? one : many,
	       count_text(report->arena, total->records), plural(total->records));
}

void replay_print_text(const struct replay_report *report)
{
	const struct replay_result *result = report->result;
	for (size_t i = 0; i < result->line_count; i++)
		print_line(report, &result->lines[i]);
	print_total(report, FATE_CUT, "flow would be cut", "flows would be cut");
	fputs(", ", stdout);
	print_total(report, FATE_PASSES, "newly passes", "newly pass");
	fputs(", ", stdout);
	print_total(report, FATE_SAME, "unchanged", "unchanged");
	if (result->totals[FATE_UNKNOWN].flows > 0) {
		fputs(", ", stdout);
		print_total(report, FATE_UNKNOWN, "of unknown ends", "of unknown ends");
	}
	putchar('\n');
	if (result->by_address.flows > 0)
		printf("%s of them judged by a recorded address, since no inventory has the name\n",
		       count_text(report->arena, result->by_address.flows));
}

/* ---- JSON ---- */

static json_t *total_json(const struct flow_total *total)
{
	return json_pack("{s:I, s:I}", "flows", (json_int_t)total->flows, "records", (json_int_t)total->records);
}

static json_t *verdict_json(const struct verdict *verdict)
{
	return json_pack("{s:s, s:o}", "verdict", verdict->allowed ? "allow" : "deny", "because",
			 verdict_because_json(verdict));
}

static json_t *line_json(const struct replay_report *report, const struct replay_line *line)
{
	static const char *const versions[] = {[VERSION_OLD] = "old", [VERSION_NEW] = "new"};
	char last[32];
	json_t *object = total_json(&line->total);
	json_object_set_new(object, "fate", json_string(fates[line->fate].word));
	if (line->last != 0)
		json_object_set_new(object, "last", json_string(time_print(line->last, last)));
	if (line->problem != NULL) {
		json_object_set_new(object, "reason", text_json(line->problem));
		return object;
	}
	json_object_set_new(object, "from", text_json(line->from));
	json_object_set_new(object, "to", text_json(line->to));
	json_object_set_new(object, "port", text_json(line->port));
	const struct flow *flow = &line->flows[VERSION_NEW];
	json_object_set_new(object, "example",
			    json_pack("{s:o, s:o}", "from", text_json(endpoint_name(report->arena, &flow->from)), "to",
				      text_json(endpoint_name(report->arena, &flow->to))));
	for (int version = VERSION_OLD; version <= VERSION_NEW; version++)
		json_object_set_new(object, versions[version], verdict_json(&line->verdicts[version]));
	if (line->fate == FATE_CUT && report->most > 0) {
		const struct nearest nearest = nearest_of(report, line);
		nearest_add_json(json_object_get(object, "new"), &nearest);
	}
	return object;
}

void replay_print_json(const struct replay_report *report)
{
	const struct replay_result *result = report->result;
	json_t *root = json_pack("{s:i}", "version", 1), *lines = json_array();
	for (int fate = 0; fate < FATES; fate++)
		json_object_set_new(root, fates[fate].word, total_json(&result->totals[fate]));
	json_object_set_new(root, "by_address", total_json(&result->by_address));
	for (size_t i = 0; i < result->line_count; i++)
		json_array_append_new(lines, line_json(report, &result->lines[i]));
	json_object_set_new(root, "changes", lines);
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}
