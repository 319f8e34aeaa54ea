/* Diagnostics as JSON lines, as a SARIF log and as annotations of a GitHub workflow.
 *
 * Messages, help and names of files may hold input from others: JSON is written in ASCII, and what an annotation cannot
 * hold as it is gets the escapes that GitHub documents, other control characters the form \xNN. */
#include "compiler/report/diagnostics_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/lint.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The names of rules stay: whoever filters by one relies on it. Those of lints are in their own table. */
static const struct {
	const char *name, *about;
} rules[DIAGNOSTIC_LINTS] = {
    [DIAGNOSTIC_INPUT] = {"input", "A document is not as the language says."},
    [DIAGNOSTIC_FILE] = {"file", "A file or directory cannot be read."},
    [DIAGNOSTIC_NEVER] = {"never", "A statement opens what must never be open."},
    [DIAGNOSTIC_UNPROVED] = {"never-unproved", "A `never` could not be proved."},
    [DIAGNOSTIC_QUARANTINE] = {"quarantine-of-nobody", "A quarantine names a workload that the inventory has not."},
    [DIAGNOSTIC_LIMIT] = {"limit", "A ruleset would be larger than is loaded."},
    [DIAGNOSTIC_RADIUS] = {"blast-radius", "A breach of a service reaches more services than it may."},
    [DIAGNOSTIC_BUDGET] = {"budget", "A node's ruleset is larger than its budget."},
    [DIAGNOSTIC_COMMAND] = {"command", "What the command was asked for cannot be done."},
    [DIAGNOSTIC_PROVES_NOTHING] = {"test-proves-nothing", "A test passes whatever the allows say."},
};

const char *diagnostics_rule_name(enum diagnostic_rule rule)
{
	return rule < DIAGNOSTIC_LINTS ? rules[rule].name : lints[rule - DIAGNOSTIC_LINTS].name;
}

static const char *rule_about(enum diagnostic_rule rule)
{
	return rule < DIAGNOSTIC_LINTS ? rules[rule].about : lints[rule - DIAGNOSTIC_LINTS].about;
}

static const char *const severities[] = {[SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning"};

static json_t *optional_text(const char *text)
{
	return text != NULL ? text_json(text) : json_null();
}

static json_t *optional_number(unsigned number)
{
	return number > 0 ? json_integer(number) : json_null();
}

/* Written at once: standard error has no buffer, and json_dumpf would make a system call for each word. */
static void print_object(json_t *object, FILE *stream, size_t flags)
{
	char *text = json_dumps(object, flags | JSON_ENSURE_ASCII);
	if (text == NULL)
		abort();
	fprintf(stream, "%s\n", text);
	free(text);
	json_decref(object);
}

/* The name of a file as it is below the working directory, where it is: in a pipeline that is the repository. */
static const char *relative(const char *file)
{
	char here[4096];
	size_t length = getcwd(here, sizeof here) != NULL ? strlen(here) : 0;
	if (length > 1 && strncmp(file, here, length) == 0 && file[length] == '/')
		file += length + 1;
	while (strncmp(file, "./", 2) == 0)
		file += 2;
	return file;
}

/* ---- JSON ---- */

void diagnostics_print_json(const struct diagnostics *list, FILE *stream)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct diagnostic *d = &list->items[i];
		const struct span none = {0}, *span = d->span.file != NULL ? &d->span : &none;
		print_object(json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version", 1, "severity",
				       severities[d->severity], "rule", diagnostics_rule_name(d->rule), "file",
				       optional_text(span->file), "line", optional_number(span->line), "column",
				       optional_number(span->column), "end_line", optional_number(span->end_line),
				       "end_column", optional_number(span->end_column), "message",
				       text_json(d->message), "help", optional_text(d->help)),
			     stream, JSON_COMPACT);
	}
}

/* ---- SARIF ---- */

/* The URI of a file: each byte that is not unreserved, or the slash between segments, as %XX (RFC 3986, 2.3). A colon
 * would make a scheme of the first segment. */
static json_t *uri_json(const char *file)
{
	char *uri = malloc(strlen("file://") + 3 * strlen(file) + 1), *end = uri;
	if (uri == NULL)
		abort();
	end += sprintf(end, "%s", file[0] == '/' ? "file://" : "");
	for (; *file != 0; file++) {
		bool letter = (*file >= 'a' && *file <= 'z') || (*file >= 'A' && *file <= 'Z');
		bool digit = *file >= '0' && *file <= '9';
		end += letter || digit || strchr("-._~/", *file) != NULL ? sprintf(end, "%c", *file)
									 : sprintf(end, "%%%02X", (unsigned char)*file);
	}
	json_t *json = json_string(uri);
	free(uri);
	return json;
}

static json_t *location_json(const struct span *span)
{
	json_t *place = json_pack("{s:{s:o}}", "artifactLocation", "uri", uri_json(relative(span->file))), *region;
	if (span->line > 0 && span->column > 0) {
		region = json_pack("{s:I, s:I}", "startLine", (json_int_t)span->line, "startColumn",
				   (json_int_t)span->column);
		if (span->end_line >= span->line && span->end_column > 0) {
			json_object_set_new(region, "endLine", json_integer(span->end_line));
			json_object_set_new(region, "endColumn", json_integer(span->end_column));
		}
		json_object_set_new(place, "region", region);
	}
	return json_pack("[{s:o}]", "physicalLocation", place);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (const char *at = text != NULL ? text : "";; at++) { /* its NUL too, so that texts do not run together */
		hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
		if (*at == 0)
			return hash;
	}
}

/* What stays the same while lines before it come and go: FNV-1a of the rule, the file and the line's own text. */
static uint64_t fingerprint(const struct diagnostic *d)
{
	uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), diagnostics_rule_name(d->rule));
	hash = hash_text(hash, d->span.file != NULL ? relative(d->span.file) : NULL);
	return hash_text(hash, d->source != NULL ? d->source + strspn(d->source, " \t") : d->message);
}

/* Counts those that are alike, so that each has a fingerprint of its own. */
static json_t *fingerprint_json(uint64_t *seen, size_t count, const struct diagnostic *d)
{
	char text[48];
	size_t same = 1;
	seen[count] = fingerprint(d);
	for (size_t i = 0; i < count; i++)
		same += seen[i] == seen[count];
	snprintf(text, sizeof text, "%016" PRIx64 ":%zu", seen[count], same);
	return json_pack("{s:s}", "ringfence/v1", text);
}

/* The message, and its help in a line of its own. A brace that begins no placeholder stands twice (SARIF, 3.11.5). */
static json_t *message_json(const struct diagnostic *d)
{
	const char *const texts[] = {d->message, d->help != NULL ? "\nhelp: " : "", d->help != NULL ? d->help : ""};
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		for (const char *at = texts[i]; *at != 0; at++) {
			fputc(*at, stream);
			if (*at == '{' || *at == '}')
				fputc(*at, stream);
		}
	}
	if (fclose(stream) != 0)
		abort();
	json_t *json = text_json(text);
	free(text);
	return json;
}

static json_t *result_json(const struct diagnostic *d, json_t *fingerprints)
{
	json_t *result = json_pack("{s:s, s:i, s:s, s:{s:o}, s:o}", "ruleId", diagnostics_rule_name(d->rule),
				   "ruleIndex", (int)d->rule, "level", severities[d->severity], "message", "text",
				   message_json(d), "partialFingerprints", fingerprints);
	if (d->span.file != NULL)
		json_object_set_new(result, "locations", location_json(&d->span));
	return result;
}

/* The results, errors first. */
static json_t *results_json(const struct diagnostics *list)
{
	static const enum severity order[] = {SEVERITY_ERROR, SEVERITY_WARNING};
	json_t *results = json_array();
	uint64_t *seen = malloc(SARIF_RESULTS_MOST * sizeof *seen);
	if (seen == NULL)
		abort();
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		for (size_t j = 0; j < list->count; j++) {
			size_t count = json_array_size(results);
			const struct diagnostic *d = &list->items[j];
			if (d->severity == order[i] && count < SARIF_RESULTS_MOST)
				json_array_append_new(results, result_json(d, fingerprint_json(seen, count, d)));
		}
	}
	free(seen);
	return results;
}

/* How the run went, which is where a log says that it is not whole. */
static json_t *invocation_json(size_t left_out)
{
	char text[80];
	json_t *invocation = json_pack("{s:b}", "executionSuccessful", true);
	if (left_out == 0)
		return invocation;
	snprintf(text, sizeof text, "%zu more results are left out: a log holds %d", left_out, SARIF_RESULTS_MOST);
	json_object_set_new(invocation, "toolExecutionNotifications",
			    json_pack("[{s:s, s:{s:s}}]", "level", "warning", "message", "text", text));
	return invocation;
}

static json_t *driver_json(void)
{
	json_t *known = json_array();
	for (enum diagnostic_rule i = 0; i < DIAGNOSTIC_RULES; i++)
		json_array_append_new(known, json_pack("{s:s, s:{s:s}}", "id", diagnostics_rule_name(i),
						       "shortDescription", "text", rule_about(i)));
	return json_pack("{s:s, s:s, s:o}", "name", "Ringfence", "version", RINGFENCE_VERSION, "rules", known);
}

void diagnostics_print_sarif(const struct diagnostics *list, FILE *stream)
{
	size_t left_out = list->count > SARIF_RESULTS_MOST ? list->count - SARIF_RESULTS_MOST : 0;
	print_object(json_pack("{s:s, s:s, s:[{s:{s:o}, s:[o], s:s, s:o}]}", "$schema",
			       "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
			       "sarif-schema-2.1.0.json",
			       "version", "2.1.0", "runs", "tool", "driver", driver_json(), "invocations",
			       invocation_json(left_out), "columnKind", "unicodeCodePoints", "results",
			       results_json(list)),
		     stream, JSON_INDENT(2));
}

/* ---- GitHub ---- */

/* Writes a text of an annotation: of `special`, and in a message only % and the ends of lines, each as %XX
 * (docs.github.com, "Workflow commands", and actions/toolkit, command.ts). */
static void print_github_text(FILE *stream, const char *text, const char *special)
{
	while (*text != 0) {
		size_t plain = strcspn(text, special);
		escape_print(stream, text, plain);
		text += plain;
		if (*text != 0)
			fprintf(stream, "%%%02X", (unsigned char)*text++);
	}
}

static void print_annotation(FILE *stream, const struct diagnostic *d, size_t more)
{
	static const char message[] = "%\r\n", property[] = "%\r\n:,";
	const struct span *span = &d->span;
	fprintf(stream, "::%s ", severities[d->severity]);
	if (span->file != NULL) {
		fputs("file=", stream);
		print_github_text(stream, relative(span->file), property);
		fprintf(stream, ",line=%u,col=%u,endLine=%u,endColumn=%u,", span->line, span->column, span->end_line,
			span->end_column);
	}
	fprintf(stream, "title=Ringfence (%s)::", diagnostics_rule_name(d->rule));
	print_github_text(stream, d->message, message);
	if (d->help != NULL) {
		fputs("%0Ahelp: ", stream);
		print_github_text(stream, d->help, message);
	}
	if (more > 0)
		fprintf(stream, "%%0Aand %zu more %s%s; --diagnostics text shows all", more, severities[d->severity],
			more == 1 ? "" : "s");
	fputc('\n', stream);
}

void diagnostics_print_github(const struct diagnostics *list, FILE *stream)
{
	size_t left[] = {[SEVERITY_ERROR] = list->errors, [SEVERITY_WARNING] = list->count - list->errors};
	size_t shown[] = {[SEVERITY_ERROR] = 0, [SEVERITY_WARNING] = 0};
	for (size_t i = 0; i < list->count; i++) {
		const struct diagnostic *d = &list->items[i];
		left[d->severity]--;
		if (shown[d->severity] == ANNOTATIONS_MOST)
			continue;
		shown[d->severity]++;
		print_annotation(stream, d, shown[d->severity] == ANNOTATIONS_MOST ? left[d->severity] : 0);
	}
}
