/* Evidence as JSON, for the file that outlives the daemon and for who asks; and read back, where nothing is believed.
 */
#include "enforcer/observe/evidence_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const directions[] = {[EGRESS] = "egress", [INGRESS] = "ingress"};

/* ---- writing ---- */

static json_t *number_json(uint64_t number)
{
	char text[20];
	snprintf(text, sizeof text, "%016" PRIx64, number);
	return json_string(text);
}

static json_t *row_json(const struct evidence_row *row)
{
	char port[48];
	const struct port_range range = {row->protocol, row->port, row->port};
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:I, s:I, s:I}", "side", directions[row->direction], "own",
		      row->own, "peer", row->peer, "protocol", (int)row->protocol, "port", (int)row->port, "ports",
		      port_range_format(&range, port), "count", (json_int_t)row->count, "first", (json_int_t)row->first,
		      "last", (json_int_t)row->last);
	if (row->cause != NULL)
		json_object_set_new(json, "cause", json_string(row->cause));
	return json;
}

static json_t *service_json(const struct evidence_service *service)
{
	json_t *allows = json_array(), *rows = json_array(), *workloads = json_array();
	for (size_t i = 0; i < service->allow_count; i++)
		json_array_append_new(allows, number_json(service->allows[i]));
	for (size_t i = 0; i < service->row_count; i++)
		json_array_append_new(rows, row_json(&service->rows[i]));
	for (size_t i = 0; i < service->workload_count; i++)
		json_array_append_new(workloads, json_pack("{s:s, s:I}", "name", service->workloads[i].name, "last",
							   (json_int_t)service->workloads[i].last));
	return json_pack("{s:s, s:o, s:o, s:I, s:f, s:I, s:I, s:o, s:o, s:I}", "name", service->name, "selector",
			 number_json(service->selector), "allows", allows, "since", (json_int_t)service->since,
			 "watched", service->watched, "gaps", (json_int_t)service->gaps, "left_out",
			 (json_int_t)service->left_out, "would_deny", rows, "workloads", workloads,
			 "workloads_left_out", (json_int_t)service->workloads_left_out);
}

/* Whether a name is of the part: all, itself, or of that namespace. */
static bool is_of(const char *name, const char *of)
{
	size_t length = of != NULL ? strlen(of) : 0;
	return of == NULL ||
	       (strncmp(name, of, length) == 0 && (name[length] == 0 || (name[length] == '/' && length > 0)));
}

json_t *evidence_json(const struct evidence *evidence, const char *of)
{
	json_t *list = json_array();
	for (size_t i = 0; i < evidence_count(evidence); i++)
		if (is_of(evidence_at(evidence, i)->name, of))
			json_array_append_new(list, service_json(evidence_at(evidence, i)));
	return list;
}

/* ---- reading ---- */

static bool read_hash(const json_t *json, uint64_t *number)
{
	const char *text = json_string_value(json);
	if (text == NULL || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return false;
	*number = strtoull(text, NULL, 16);
	return true;
}

/* A number from 0 to `most`. */
static bool read_number(const json_t *object, const char *key, int64_t most, int64_t *number)
{
	const json_t *json = json_object_get(object, key);
	*number = json_integer_value(json);
	return json_is_integer(json) && *number >= 0 && *number <= most;
}

/* A name without control characters, which has room. */
static char *read_name(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	bool good = text != NULL && strlen(text) < EVIDENCE_NAME_SIZE;
	for (const char *at = text; good && *at != 0; at++)
		good = *at > ' ' && *at != 0x7f;
	return good ? (char *)text : NULL;
}

static bool read_cause(const json_t *object, const char **word)
{
	const json_t *json = json_object_get(object, "cause");
	*word = NULL;
	for (int cause = 0; cause < CAUSES && json_is_string(json); cause++)
		if (strcmp(cause_word((enum cause)cause), json_string_value(json)) == 0)
			*word = cause_word((enum cause)cause);
	return json == NULL || *word != NULL;
}

static bool read_row(struct evidence *evidence, struct evidence_service *service, const json_t *json)
{
	int64_t protocol, port, count;
	const char *side = json_string_value(json_object_get(json, "side"));
	struct evidence_row row = {.own = read_name(json, "own"), .peer = read_name(json, "peer")};
	if (side == NULL || row.own == NULL || row.peer == NULL || !read_cause(json, &row.cause) ||
	    !read_number(json, "protocol", UINT8_MAX, &protocol) || !read_number(json, "port", UINT16_MAX, &port) ||
	    !read_number(json, "count", INT64_MAX, &count) || !read_number(json, "first", INT64_MAX, &row.first) ||
	    !read_number(json, "last", INT64_MAX, &row.last))
		return false;
	if (strcmp(side, directions[EGRESS]) != 0 && strcmp(side, directions[INGRESS]) != 0)
		return false;
	row.direction = strcmp(side, directions[EGRESS]) == 0 ? EGRESS : INGRESS;
	row.protocol = (uint16_t)protocol;
	row.port = (uint16_t)port;
	row.count = (uint64_t)count;
	return evidence_add_row(evidence, service, &row);
}

static bool read_workload(struct evidence_service *service, const json_t *json)
{
	const char *name = read_name(json, "name");
	int64_t last;
	if (name == NULL || !read_number(json, "last", INT64_MAX, &last) ||
	    service->workload_count == EVIDENCE_WORKLOADS_MOST)
		return false;
	service->workloads = evidence_grow(service->workloads, service->workload_count, sizeof *service->workloads);
	service->workloads[service->workload_count++] = (struct evidence_workload){strdup(name), last, false};
	return true;
}

static bool read_allows(struct evidence_service *service, const json_t *json)
{
	size_t count = json_array_size(json), i;
	const json_t *item;
	bool good = json_is_array(json);
	service->allows = count > 0 ? calloc(count, sizeof *service->allows) : NULL;
	if (count > 0 && service->allows == NULL)
		abort();
	service->allow_count = count;
	json_array_foreach(json, i, item)
	{
		good = good && read_hash(item, &service->allows[i]) &&
		       (i == 0 || service->allows[i] > service->allows[i - 1]);
	}
	return good;
}

static bool read_service(struct evidence *evidence, const json_t *json)
{
	const json_t *watched = json_object_get(json, "watched"), *rows = json_object_get(json, "would_deny"),
		     *workloads = json_object_get(json, "workloads"), *item;
	const char *name = read_name(json, "name");
	int64_t gaps, left_out;
	size_t i;
	struct evidence_service *service = name != NULL ? evidence_add(evidence, name) : NULL;
	if (service == NULL)
		return false;
	bool good = read_hash(json_object_get(json, "selector"), &service->selector) &&
		    read_allows(service, json_object_get(json, "allows")) &&
		    read_number(json, "since", INT64_MAX, &service->since) &&
		    read_number(json, "gaps", INT64_MAX, &gaps) &&
		    read_number(json, "left_out", INT64_MAX, &left_out) && json_is_number(watched) &&
		    json_number_value(watched) >= 0 && json_is_array(rows) && json_is_array(workloads);
	if (!good)
		return false;
	service->watched = json_number_value(watched);
	service->gaps = (uint64_t)gaps;
	service->left_out = (uint64_t)left_out;
	json_array_foreach(rows, i, item) good = good && read_row(evidence, service, item);
	json_array_foreach(workloads, i, item) good = good && read_workload(service, item);
	return good;
}

const char *evidence_read(struct evidence *evidence, const json_t *json)
{
	size_t i;
	const json_t *item;
	bool good = json_is_array(json);
	json_array_foreach(json, i, item) good = good && read_service(evidence, item);
	if (good)
		return NULL;
	evidence_clear(evidence);
	return "it is no evidence, or more than this version keeps";
}
