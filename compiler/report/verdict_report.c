/* A verdict and its reasons, as text and as JSON. Text from input is escaped. */
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	if (json != NULL)
		return json;
	char *escaped = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&escaped, &length);
	if (stream == NULL)
		abort();
	escape_print(stream, text, strlen(text));
	if (fclose(stream) != 0)
		abort();
	json = json_string(escaped);
	free(escaped);
	return json;
}

const char *text_escaped(struct arena *arena, const char *input)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	escape_print(stream, input, strlen(input));
	if (fclose(stream) != 0)
		abort();
	const char *copy = arena_copy(arena, text, size);
	free(text);
	return copy;
}

const char *denied_word(enum denied denied)
{
	static const char *const words[] = {
	    [DENIED_DROP] = "drop", [DENIED_REJECT] = "reject", [DENIED_AUDIT] = "audit"};
	return words[denied];
}

static json_t *side_json(const char *name, const struct side *side)
{
	struct span span;
	char rate[48];
	const char *text = side_text(side, &span);
	json_t *object = json_pack("{s:s, s:s, s:o?, s:s}", "side", name, "verdict", side->allowed ? "allow" : "deny",
				   "file", span.file != NULL ? text_json(span.file) : NULL, "rule", text);
	if (!side->allowed)
		json_object_set_new(object, "how", json_string(denied_word(side->denied)));
	if (span.file != NULL)
		json_object_set_new(object, "line", json_integer(span.line));
	if (side->reason == REASON_ALLOW && side->allow->why != NULL)
		json_object_set_new(object, "why", text_json(side->allow->why));
	if (side->reason == REASON_ALLOW && side->allow->owner != NULL)
		json_object_set_new(object, "owner", text_json(side->allow->owner));
	if (side->reason == REASON_ALLOW && side->allow->rate.count > 0)
		json_object_set_new(object, "rate", json_string(rate_format(&side->allow->rate, rate)));
	return object;
}

json_t *verdict_because_json(const struct verdict *verdict)
{
	return json_pack("[o, o]", side_json("egress", &verdict->egress), side_json("ingress", &verdict->ingress));
}

void side_print(FILE *stream, const char *name, const struct side *side, const char *indent)
{
	struct span span;
	char rate[48];
	const char *text = side_text(side, &span);
	fprintf(stream, "%s  %-8s %-6s ", indent, name, side->allowed ? "allow" : "deny");
	if (span.file != NULL) {
		escape_print(stream, span.file, strlen(span.file));
		fprintf(stream, ":%u:%u  ", span.line, span.column);
	}
	fputs(text, stream);
	if (!side->allowed && side->denied != DENIED_DROP)
		fputs(side->denied == DENIED_REJECT ? "; rejected" : "; in audit: let through", stream);
	if (side->reason == REASON_ALLOW && side->allow->rate.count > 0)
		fprintf(stream, ", up to %s", rate_format(&side->allow->rate, rate));
	if (side->reason == REASON_ALLOW && side->allow->why != NULL) {
		fputs(": ", stream);
		escape_print(stream, side->allow->why, strlen(side->allow->why));
	}
	if (side->reason == REASON_ALLOW && side->allow->owner != NULL) {
		fputs(" (owner: ", stream);
		escape_print(stream, side->allow->owner, strlen(side->allow->owner));
		fputc(')', stream);
	}
	if (side->reason == REASON_QUARANTINE && side->quarantine->why != NULL) {
		fputs(": ", stream);
		escape_print(stream, side->quarantine->why, strlen(side->quarantine->why));
	}
	fputc('\n', stream);
}

static void print_text(FILE *stream, const char *text)
{
	escape_print(stream, text, strlen(text));
}

void verdict_print(FILE *stream, struct arena *arena, const struct flow *flow, const struct verdict *verdict,
		   const char *port, const char *indent, bool color)
{
	const char *mark = !color ? "" : verdict->allowed ? "\x1b[1;32m" : "\x1b[1;31m";
	fprintf(stream, "%s%s%s%s  ", indent, mark, verdict->allowed ? "ALLOW" : "DENY", color ? "\x1b[0m" : "");
	print_text(stream, endpoint_name(arena, &flow->from));
	fputs(" -> ", stream);
	print_text(stream, endpoint_name(arena, &flow->to));
	fputc(' ', stream);
	print_text(stream, port);
	fputc('\n', stream);
	side_print(stream, "egress", &verdict->egress, indent);
	side_print(stream, "ingress", &verdict->ingress, indent);
}

void nearest_print(FILE *stream, const struct nearest *nearest, const char *indent)
{
	for (size_t i = 0; i < nearest->count; i++) {
		const struct near_allow *near = &nearest->items[i];
		fprintf(stream, "%s  %-8s ", indent, "nearest");
		print_text(stream, near->allow->span.file);
		fprintf(stream, ":%u:%u  allows ", near->allow->span.line, near->allow->span.column);
		print_text(stream, near->text);
		for (size_t j = 0; j < near->miss_count; j++) {
			fputs(j == 0 ? "; misses: " : "; ", stream);
			print_text(stream, near->misses[j].text);
		}
		fputc('\n', stream);
	}
	for (size_t i = 0; i < 2; i++) {
		if (nearest->unnamed[i] == NULL)
			continue;
		fprintf(stream, "%s  %-8s ", indent, "nearest");
		print_text(stream, nearest->unnamed[i]);
		fputc('\n', stream);
	}
}

static json_t *near_json(const struct near_allow *near)
{
	static const char *const kinds[MISS_KINDS] = {
	    [MISS_SOURCE] = "source", [MISS_DESTINATION] = "destination", [MISS_DIRECTION] = "direction",
	    [MISS_PORT] = "port",     [MISS_EXPIRED] = "expired",
	};
	json_t *misses = json_array();
	for (size_t i = 0; i < near->miss_count; i++)
		json_array_append_new(misses, json_pack("{s:s, s:o}", "what", kinds[near->misses[i].kind], "text",
							text_json(near->misses[i].text)));
	return json_pack("{s:o, s:I, s:o, s:o}", "file", text_json(near->allow->span.file), "line",
			 (json_int_t)near->allow->span.line, "rule", text_json(near->text), "misses", misses);
}

void nearest_add_json(json_t *object, const struct nearest *nearest)
{
	json_t *list = json_array(), *unnamed = json_array();
	for (size_t i = 0; i < nearest->count; i++)
		json_array_append_new(list, near_json(&nearest->items[i]));
	for (size_t i = 0; i < 2; i++)
		if (nearest->unnamed[i] != NULL)
			json_array_append_new(unnamed, text_json(nearest->unnamed[i]));
	json_object_set_new(object, "nearest", list);
	json_object_set_new(object, "unnamed", unnamed);
}
