/* A verdict and its reasons, as text and as JSON. Text from input is escaped. */
#include "compiler/report/verdict_report.h"

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

static json_t *side_json(const char *name, const struct side *side)
{
	struct span span;
	char rate[48];
	const char *text = side_text(side, &span);
	json_t *object = json_pack("{s:s, s:s, s:o?, s:s}", "side", name, "verdict", side->allowed ? "allow" : "deny",
				   "file", span.file != NULL ? text_json(span.file) : NULL, "rule", text);
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

static void print_side(FILE *stream, const char *name, const struct side *side, const char *indent)
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
	print_side(stream, "egress", &verdict->egress, indent);
	print_side(stream, "ingress", &verdict->ingress, indent);
}
