/* Suggested allows as documents and as JSON. Names come from a log and from labels: in comments they are escaped, so
 * that none ends its line, and in statements quoted. */
#include "compiler/report/counts.h"
#include "compiler/report/suggest_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>

#include <string.h>
#include <strings.h>

static void print_escaped(FILE *stream, const char *text)
{
	escape_print(stream, text, strlen(text));
}

/* ---- statements ---- */

/* Whether a text may stand in YAML as it is, and is a text there to every reader. */
static bool is_plain(const char *text)
{
	static const char *const others[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
	bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		letter = letter && strcasecmp(text, others[i]) != 0;
	return letter &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == strlen(text);
}

/* The text in quotes where it needs them. Names and labels have letters, digits and `._-/` only: the reader sees to it.
 */
static const char *quoted(struct arena *arena, const char *text)
{
	return is_plain(text) ? text : arena_printf(arena, "\"%s\"", text_escaped(arena, text));
}

static const char *named(struct arena *arena, const char *own, const char *name_space, const char *name)
{
	return strcmp(own, name_space) == 0 ? quoted(arena, name)
					    : quoted(arena, arena_printf(arena, "%s/%s", name_space, name));
}

static const char *labels_text(struct arena *arena, const struct peer *peer, const char *own)
{
	const char *text = "{labels: {";
	for (size_t i = 0; i < peer->labels.count; i++)
		text =
		    arena_printf(arena, "%s%s%s: %s", text, i > 0 ? ", " : "", quoted(arena, peer->labels.items[i].key),
				 quoted(arena, peer->labels.items[i].values[0]));
	return strcmp(peer->namespaces[0], own) == 0
		   ? arena_printf(arena, "%s}}", text)
		   : arena_printf(arena, "%s}, namespaces: [%s]}", text, quoted(arena, peer->namespaces[0]));
}

static const char *addresses_text(struct arena *arena, const struct network *network)
{
	char prefix[ADDRESS_TEXT_SIZE];
	const char *text = "{cidr: [";
	for (size_t i = 0; i < network->cidr_count; i++)
		text = arena_printf(arena, "%s%s\"%s\"", text, i > 0 ? ", " : "",
				    prefix_format(&network->cidrs[i], prefix));
	return arena_printf(arena, "%s]}", text);
}

/* A peer in a document of the namespace `own`. */
static const char *peer_text(struct arena *arena, const struct peer *peer, const char *own)
{
	switch (peer->kind) {
	case PEER_SERVICE:
		return named(arena, own, peer->service->name_space, peer->service->name);
	case PEER_NETWORK:
		return peer->network->name != NULL ? named(arena, own, peer->network->name_space, peer->network->name)
						   : addresses_text(arena, peer->network);
	case PEER_LABELS:
		return labels_text(arena, peer, own);
	case PEER_NODE:
	case PEER_ANY:
	case PEER_CLUSTER:
	case PEER_WORLD:
		break;
	}
	return "node";
}

static const struct peer *peer_at(const struct flows *flows, enum direction end, size_t i)
{
	return end == EGRESS ? &flows->from[i] : &flows->to[i].peer;
}

static size_t peer_count(const struct flows *flows, enum direction end)
{
	return end == EGRESS ? flows->from_count : flows->to_count;
}

static void print_peers(FILE *stream, struct arena *arena, const struct suggested_allow *allow, enum direction end)
{
	const struct flows *flows = &allow->allow->flows;
	size_t count = peer_count(flows, end);
	fputs(count > 1 ? "[" : "", stream);
	for (size_t i = 0; i < count; i++)
		fprintf(stream, "%s%s", i > 0 ? ", " : "", peer_text(arena, peer_at(flows, end, i), allow->name_space));
	fputs(count > 1 ? "]" : "", stream);
}

static const char *why_text(struct arena *arena, const struct suggested_allow *allow)
{
	char first[32];
	const char *text =
	    arena_printf(arena, "observed %s time%s", count_text(arena, allow->seen.times), plural(allow->seen.times));
	if (allow->seen.first != 0)
		text = arena_printf(arena, "%s since %s", text, time_print(allow->seen.first, first));
	return arena_printf(arena, "%s; review", text);
}

static void print_statement(FILE *stream, struct arena *arena, const struct suggested_allow *allow)
{
	fputs("  - {from: ", stream);
	print_peers(stream, arena, allow, EGRESS);
	fputs(", to: ", stream);
	print_peers(stream, arena, allow, INGRESS);
	fputs(", ports: [", stream);
	for (size_t i = 0; i < allow->port_count; i++)
		fprintf(stream, "%s%s", i > 0 ? ", " : "",
			port_is_name(allow->ports[i]) ? quoted(arena, allow->ports[i]) : allow->ports[i]);
	fprintf(stream, "], why: \"%s\"}\n", why_text(arena, allow));
}

/* ---- comments ---- */

static void print_times(FILE *stream, struct arena *arena, const struct seen *seen)
{
	char first[32], last[32];
	fprintf(stream, "%s time%s", count_text(arena, seen->times), plural(seen->times));
	if (seen->first != 0 && seen->first != seen->last)
		fprintf(stream, ", %s to %s", time_print(seen->first, first), time_print(seen->last, last));
	else if (seen->first != 0)
		fprintf(stream, ", at %s", time_print(seen->first, first));
}

static void print_example(FILE *stream, struct arena *arena, const struct suggested_example *example)
{
	print_escaped(stream, example->from);
	fputs(" -> ", stream);
	print_escaped(stream, example->to);
	fprintf(stream, " %s", example->port);
	if (example->times > 0)
		fprintf(stream, ", %s time%s", count_text(arena, example->times), plural(example->times));
	fputc('\n', stream);
}

/* What a reviewer should better write than what stands there. */
static void print_hints(FILE *stream, const struct suggested_allow *allow)
{
	bool addresses = false, labels = false;
	for (int end = EGRESS; end <= INGRESS; end++)
		for (size_t i = 0; i < peer_count(&allow->allow->flows, (enum direction)end); i++) {
			const struct peer *peer = peer_at(&allow->allow->flows, (enum direction)end, i);
			addresses = addresses || (peer->kind == PEER_NETWORK && peer->network->name == NULL);
			labels = labels || peer->kind == PEER_LABELS;
		}
	if (addresses)
		fputs("  #   no network holds these addresses: name one under `networks`, and allow that\n", stream);
	if (labels)
		fputs("  #   no service selects these workloads: define one, and allow that\n", stream);
}

static void print_allow(FILE *stream, struct arena *arena, const struct suggested_allow *allow)
{
	fputs("  # seen ", stream);
	print_times(stream, arena, &allow->seen);
	fprintf(stream, "; %s of the %s pair%s that it opens\n", count_text(arena, allow->pairs_seen),
		count_text(arena, allow->pairs_opened), plural(allow->pairs_opened));
	for (size_t i = 0; i < allow->example_count; i++) {
		fputs("  #   ", stream);
		print_example(stream, arena, &allow->examples[i]);
	}
	if (allow->seen.flows > allow->example_count)
		fprintf(stream, "  #   and %s more\n", count_text(arena, allow->seen.flows - allow->example_count));
	print_hints(stream, allow);
	print_statement(stream, arena, allow);
}

static void print_head(FILE *stream, const struct suggest_report *report)
{
	const struct suggestion *suggestion = report->suggestion;
	struct arena *arena = report->arena;
	const struct seen *covered = &suggestion->covered, *allowed = &suggestion->allowed;
	fputs("# Suggested by `ringfence suggest` from ", stream);
	print_escaped(stream, report->log);
	fprintf(stream,
		": %s flow%s that the policy denies, and that these allows would let pass.\n"
		"# Review every one: that something was tried does not make it right.\n#\n"
		"# What is chosen: every flow passes; each end is named by its service, network or node, or else by "
		"its labels or\n"
		"# address; and the pairs of workloads that are opened, counted for each source, destination and port "
		"that is named,\n"
		"# are few (a network, an address and the node count as one). Where an end has one name only, there is "
		"nothing to\n"
		"# choose. Where a workload is in several services, of which the %d narrowest are looked at, what "
		"opens least for each\n"
		"# flow it adds is taken first: that may open more than the least there is, and none taken can be left "
		"out. Then\n"
		"# what shares ports and an end is written as one statement, which opens nothing more. No `never` is "
		"broken.\n#\n",
		count_text(arena, covered->flows), plural(covered->flows), SUGGEST_SERVICES_MOST);
	fprintf(stream, "# %s flow%s allowed already", count_text(arena, allowed->flows),
		allowed->flows == 1 ? " is" : "s are");
	if (suggestion->denied_before > 0)
		fprintf(stream, ", %s of them recorded as denied: by another policy, or over a rate",
			count_text(arena, suggestion->denied_before));
	fprintf(stream, "; %s %s not covered.\n", count_text(arena, suggestion->uncovered.flows),
		suggestion->uncovered.flows == 1 ? "is" : "are");
	if (suggestion->early + suggestion->untimed > 0)
		fprintf(stream, "# Left out by --since: %s record%s, %s of them without a time.\n",
			count_text(arena, suggestion->early + suggestion->untimed),
			plural(suggestion->early + suggestion->untimed), count_text(arena, suggestion->untimed));
	if (report->lines_left_out > 0)
		fprintf(stream, "# Lines that could not be read: %s.\n", count_text(arena, report->lines_left_out));
}

static void print_gap(FILE *stream, struct arena *arena, const struct suggested_gap *gap)
{
	fputs("#   ", stream);
	print_escaped(stream, gap->example.from);
	fputs(" -> ", stream);
	print_escaped(stream, gap->example.to);
	fprintf(stream, "%s%s, ", gap->example.port[0] != 0 ? " " : "", gap->example.port);
	print_times(stream, arena, &gap->seen);
	if (gap->seen.flows > 1)
		fprintf(stream, ", with %s more between such ends", count_text(arena, gap->seen.flows - 1));
	fputs("\n#     ", stream);
	print_escaped(stream, gap->reason);
	if (gap->never != NULL) {
		fputs(": ", stream);
		print_escaped(stream, gap->never->span.file);
		fprintf(stream, ":%u", gap->never->span.line);
		if (gap->never->why != NULL) {
			fputs(": ", stream);
			print_escaped(stream, gap->never->why);
		}
	}
	fputc('\n', stream);
}

static void print_gaps(FILE *stream, const struct suggest_report *report)
{
	const struct suggestion *suggestion = report->suggestion;
	if (suggestion->gap_count == 0)
		return;
	fputs("\n# Not covered:\n", stream);
	for (size_t i = 0; i < suggestion->gap_count; i++)
		print_gap(stream, report->arena, &suggestion->gaps[i]);
	if (suggestion->gaps_left_out > 0)
		fprintf(stream, "#   and %s more kinds of flow\n",
			count_text(report->arena, suggestion->gaps_left_out));
}

void suggest_print_document(FILE *stream, const void *object)
{
	const struct suggest_report *report = object;
	const struct suggestion *suggestion = report->suggestion;
	print_head(stream, report);
	if (suggestion->allow_count == 0)
		fputs("ringfence: v1\nallow: []\n", stream);
	for (size_t i = 0; i < suggestion->allow_count; i++) {
		const struct suggested_allow *allow = &suggestion->allows[i];
		bool is_new = i == 0 || strcmp(suggestion->allows[i - 1].name_space, allow->name_space) != 0;
		if (is_new)
			fprintf(stream, "%sringfence: v1\nnamespace: %s\nallow:\n", i > 0 ? "---\n" : "",
				quoted(report->arena, allow->name_space));
		print_allow(stream, report->arena, allow);
	}
	print_gaps(stream, report);
}

/* ---- JSON ---- */

static json_int_t number(uint64_t count)
{
	return count < INT64_MAX ? (json_int_t)count : (json_int_t)INT64_MAX;
}

static void add_seen(json_t *object, const struct seen *seen)
{
	char text[32];
	json_object_set_new(object, "flows", json_integer(number(seen->flows)));
	json_object_set_new(object, "times", json_integer(number(seen->times)));
	if (seen->first != 0)
		json_object_set_new(object, "first", json_string(time_print(seen->first, text)));
	if (seen->last != 0)
		json_object_set_new(object, "last", json_string(time_print(seen->last, text)));
}

static json_t *example_json(const struct suggested_example *example)
{
	return json_pack("{s:o, s:o, s:o, s:I}", "from", text_json(example->from), "to", text_json(example->to), "port",
			 text_json(example->port), "times", number(example->times));
}

static json_t *peers_json(struct arena *arena, const struct suggested_allow *allow, enum direction end)
{
	json_t *list = json_array();
	for (size_t i = 0; i < peer_count(&allow->allow->flows, end); i++)
		json_array_append_new(
		    list, text_json(peer_text(arena, peer_at(&allow->allow->flows, end, i), allow->name_space)));
	return list;
}

static json_t *allow_json(struct arena *arena, const struct suggested_allow *allow)
{
	json_t *ports = json_array(), *examples = json_array();
	for (size_t i = 0; i < allow->port_count; i++)
		json_array_append_new(ports, text_json(allow->ports[i]));
	for (size_t i = 0; i < allow->example_count; i++)
		json_array_append_new(examples, example_json(&allow->examples[i]));
	json_t *object =
	    json_pack("{s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I}, s:o}", "namespace", text_json(allow->name_space), "from",
		      peers_json(arena, allow, EGRESS), "to", peers_json(arena, allow, INGRESS), "ports", ports, "why",
		      text_json(why_text(arena, allow)), "pairs", "seen", number(allow->pairs_seen), "opened",
		      number(allow->pairs_opened), "examples", examples);
	add_seen(object, &allow->seen);
	return object;
}

static json_t *gap_json(const struct suggested_gap *gap)
{
	json_t *object =
	    json_pack("{s:o, s:o}", "reason", text_json(gap->reason), "example", example_json(&gap->example));
	add_seen(object, &gap->seen);
	if (gap->never != NULL)
		json_object_set_new(object, "never",
				    json_pack("{s:o, s:I}", "file", text_json(gap->never->span.file), "line",
					      (json_int_t)gap->never->span.line));
	return object;
}

void suggest_print_json(FILE *stream, const void *object)
{
	const struct suggest_report *report = object;
	const struct suggestion *suggestion = report->suggestion;
	json_t *allows = json_array(), *gaps = json_array();
	for (size_t i = 0; i < suggestion->allow_count; i++)
		json_array_append_new(allows, allow_json(report->arena, &suggestion->allows[i]));
	for (size_t i = 0; i < suggestion->gap_count; i++)
		json_array_append_new(gaps, gap_json(&suggestion->gaps[i]));
	json_t *root = json_pack(
	    "{s:i, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "version", 1, "allows", allows, "uncovered", gaps,
	    "allowed", number(suggestion->allowed.flows), "allowed_but_recorded_denied",
	    number(suggestion->denied_before), "covered_flows", number(suggestion->covered.flows), "uncovered_flows",
	    number(suggestion->uncovered.flows), "uncovered_left_out", number(suggestion->gaps_left_out),
	    "records_left_out", number(suggestion->early + suggestion->untimed));
	json_dumpf(root, stream, JSON_COMPACT);
	fputc('\n', stream);
	json_decref(root);
}
