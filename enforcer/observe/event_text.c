/* An event in words and as JSON. */
#include "enforcer/observe/event.h"

#include "compiler/report/verdict_report.h"

#include <ringfence/diagnostic.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const directions[] = {[EGRESS] = "egress", [INGRESS] = "ingress"};

char *event_port(const struct event *event, char *text)
{
	const struct packet *packet = &event->key.packet;
	const uint16_t number = event_flow_port(event);
	const struct port_range range = {packet->protocol, number, number};
	uint16_t requests[8];
	if (packet->has_port && event_is_icmp(event) && icmp_requests(&range, requests) != 1)
		snprintf(text, 48, "%s type %u code %u", packet->protocol == PROTOCOL_ICMP ? "icmp" : "icmpv6",
			 packet->port >> 8, packet->port & 255);
	else if (packet->has_port)
		port_range_format(&range, text);
	else
		snprintf(text, 48, "protocol %u%s", packet->protocol, packet->later ? ", a later fragment" : "");
	return text;
}

/* ---- words ---- */

static void print_text(FILE *stream, const char *text)
{
	escape_print(stream, text, strlen(text));
}

static void print_end(FILE *stream, const struct event_end *end)
{
	char address[ADDRESS_TEXT_SIZE];
	if (end->name[0] != 0)
		fprintf(stream, "%s%s (", end->kind == END_NODE ? "node " : "", end->name);
	fputs(address_format(&end->address, address), stream);
	fprintf(stream, "%s%s%s%s", end->name[0] != 0 ? ")" : "", end->names[0] != 0 ? " in " : "", end->names,
		end->more ? " ..." : "");
}

static void print_nearest(FILE *stream, const struct event_nearest *nearest)
{
	if (nearest->found) {
		fputs("; nearest: ", stream);
		print_text(stream, nearest->file);
		fprintf(stream, ":%u allows ", nearest->line);
		print_text(stream, nearest->text);
	}
	for (size_t i = 0; i < nearest->miss_count; i++) {
		fputs(i == 0 ? ", misses: " : ", ", stream);
		print_text(stream, nearest->misses[i].text);
	}
	for (size_t i = 0; i < 2; i++) {
		fputs(nearest->unnamed[i][0] != 0 ? "; " : "", stream);
		print_text(stream, nearest->unnamed[i]);
	}
}

void event_print_flow(FILE *stream, const struct event *event)
{
	char port[48];
	print_end(stream, &event->ends[EGRESS]);
	fputs(" -> ", stream);
	print_end(stream, &event->ends[INGRESS]);
	fprintf(stream, " %s", event_port(event, port));
}

void event_message(const struct event *event, char text[EVENT_MESSAGE_SIZE])
{
	static const char *const verdicts[LOGGED_KINDS] = {"DENY ", "AUDIT", "ALLOW"};
	const struct log_reason *reason = &event->reason;
	FILE *stream = fmemopen(text, EVENT_MESSAGE_SIZE, "w");
	text[0] = 0;
	if (stream == NULL)
		return;
	fprintf(stream, "%s ", verdicts[reason->logged]);
	event_print_flow(stream, event);
	fprintf(stream, "%s: ", event->reply ? " (an answer)" : "");
	if (reason->has_direction)
		fprintf(stream, "%s, ", directions[reason->direction]);
	fputs(cause_text(reason->cause), stream);
	if (reason->owner[0] != 0)
		fprintf(stream, "; isolated by %s", reason->owner);
	if (event->file[0] != 0) {
		fputs(" at ", stream);
		print_text(stream, event->file);
		fprintf(stream, ":%u", reason->line);
	}
	print_nearest(stream, &event->nearest);
	if (event->revision[0] != 0)
		fprintf(stream, "; policy %s", event->revision);
	if (event->count > 1)
		fprintf(stream, " (%" PRIu64 " times in %.1f s)", event->count,
			(double)(event->last - event->first) / 1e6);
	fclose(stream);
	text[EVENT_MESSAGE_SIZE - 1] = 0;
}

/* ---- JSON ---- */

static json_t *time_json(int64_t microseconds)
{
	char text[32], whole[48];
	time_print(microseconds / 1000000, text);
	snprintf(whole, sizeof whole, "%.19s.%03dZ", text, (int)(microseconds / 1000 % 1000));
	return json_string(whole);
}

static json_t *names_json(const char *names)
{
	json_t *list = json_array();
	for (const char *at = names; *at != 0;) {
		size_t length = strcspn(at, " ");
		json_array_append_new(list, json_stringn(at, length));
		at += length + (at[length] == ' ');
	}
	return list;
}

/* `side` is src or dst. */
static void add_end(json_t *object, const char *side, const struct event_end *end)
{
	char key[24], address[ADDRESS_TEXT_SIZE];
	address_format(&end->address, address);
	json_object_set_new(object, side, json_string(end->kind == END_WORKLOAD ? end->name : address));
	snprintf(key, sizeof key, "%s_ip", side);
	json_object_set_new(object, key, json_string(address));
	if (end->kind == END_NODE) {
		snprintf(key, sizeof key, "%s_node", side);
		json_object_set_new(object, key, json_string(end->name));
	}
	snprintf(key, sizeof key, "%s_%s", side, end->kind == END_WORKLOAD ? "services" : "networks");
	if (end->kind == END_WORKLOAD || end->names[0] != 0)
		json_object_set_new(object, key, names_json(end->names));
}

static void add_port(json_t *object, const struct event *event)
{
	static const struct {
		uint16_t number;
		const char *name;
	} protocols[] = {{PROTOCOL_TCP, "tcp"},
			 {PROTOCOL_UDP, "udp"},
			 {PROTOCOL_SCTP, "sctp"},
			 {PROTOCOL_ICMP, "icmp"},
			 {PROTOCOL_ICMPV6, "icmpv6"}};
	const struct packet *packet = &event->key.packet;
	json_t *protocol = NULL;
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols && protocol == NULL; i++)
		if (protocols[i].number == packet->protocol)
			protocol = json_string(protocols[i].name);
	json_object_set_new(object, "proto", protocol != NULL ? protocol : json_integer(packet->protocol));
	if (packet->has_port && event_is_icmp(event)) {
		json_object_set_new(object, "type", json_integer(packet->port >> 8));
		json_object_set_new(object, "code", json_integer(packet->port & 255));
	} else if (packet->has_port) {
		json_object_set_new(object, "sport", json_integer(event->reply ? packet->port : event->source_port));
		json_object_set_new(object, "dport", json_integer(event_flow_port(event)));
	}
	if (packet->later)
		json_object_set_new(object, "fragment", json_true());
	if (event->reply)
		json_object_set_new(object, "reply", json_true());
}

static json_t *misses_json(const struct event_nearest *nearest)
{
	static const char *const kinds[MISS_KINDS] = {
	    [MISS_SOURCE] = "source", [MISS_DESTINATION] = "destination", [MISS_DIRECTION] = "direction",
	    [MISS_PORT] = "port",     [MISS_EXPIRED] = "expired",
	};
	json_t *misses = json_array();
	for (size_t i = 0; i < nearest->miss_count; i++)
		json_array_append_new(misses, json_pack("{s:s, s:o}", "what", kinds[nearest->misses[i].kind], "text",
							text_json(nearest->misses[i].text)));
	return misses;
}

/* As `explain` has them. */
static void add_nearest(json_t *object, const struct event_nearest *nearest)
{
	json_t *list = json_array(), *unnamed = json_array();
	if (nearest->found)
		json_array_append_new(list, json_pack("{s:o, s:I, s:o, s:o}", "file", text_json(nearest->file), "line",
						      (json_int_t)nearest->line, "rule", text_json(nearest->text),
						      "misses", misses_json(nearest)));
	for (size_t i = 0; i < 2; i++)
		if (nearest->unnamed[i][0] != 0)
			json_array_append_new(unnamed, text_json(nearest->unnamed[i]));
	json_object_set_new(object, "nearest", list);
	json_object_set_new(object, "unnamed", unnamed);
}

void event_add_flow(json_t *object, const struct event *event)
{
	add_end(object, "src", &event->ends[EGRESS]);
	add_end(object, "dst", &event->ends[INGRESS]);
	add_port(object, event);
}

json_t *event_json(const struct event *event)
{
	const struct log_reason *reason = &event->reason;
	char message[EVENT_MESSAGE_SIZE];
	json_t *object = json_pack(
	    "{s:i, s:I, s:o, s:o, s:I, s:I, s:s}", "version", 1, "sequence", (json_int_t)event->sequence, "ts",
	    time_json(event->first), "last_ts", time_json(event->last), "count", (json_int_t)event->count, "left_out",
	    (json_int_t)event->left_out, "verdict", reason->logged == LOGGED_ALLOW ? "allow" : "deny");
	if (reason->logged == LOGGED_AUDIT)
		json_object_set_new(object, "mode", json_string("audit"));
	event_add_flow(object, event);
	if (reason->has_direction)
		json_object_set_new(object, "dir", json_string(directions[reason->direction]));
	json_object_set_new(object, "reason", json_string(cause_word(reason->cause)));
	json_object_set_new(object, "rule", json_string(cause_text(reason->cause)));
	if (reason->owner[0] != 0)
		json_object_set_new(object, "isolated_by", json_string(reason->owner));
	if (event->file[0] != 0) {
		json_object_set_new(object, "file", text_json(event->file));
		json_object_set_new(object, "line", json_integer(reason->line));
	}
	if (event->revision[0] != 0)
		json_object_set_new(object, "revision", json_string(event->revision));
	if (reason->logged != LOGGED_ALLOW)
		add_nearest(object, &event->nearest);
	event_message(event, message);
	json_object_set_new(object, "message", text_json(message));
	return object;
}
