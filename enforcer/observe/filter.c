/* Filters of events, by the words that the other commands take. */
#include "enforcer/observe/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text of a request: NULL where it is absent, and a problem where it is none. */
static const char *text_of(const json_t *request, const char *key, const char **wrong, char *problem)
{
	const json_t *value = json_object_get(request, key);
	const char *text = json_string_value(value);
	if (value == NULL || (text != NULL && text[0] != 0 && strlen(text) < EVENT_NAME_SIZE))
		return text;
	snprintf(problem, EVENT_TEXT_SIZE, "`%s` is a text of 1 to %d bytes", key, EVENT_NAME_SIZE - 1);
	*wrong = problem;
	return NULL;
}

/* NAMESPACE/NAME, an address or a prefix. A name without a namespace is of `default`, as in `explain`; a node has none.
 */
static const char *end_read(struct filter_end *end, const char *text, char *problem)
{
	const char *wrong = prefix_parse_masked(&end->prefix, text);
	end->has_prefix = wrong == NULL;
	if (end->has_prefix)
		return NULL;
	if (end->prefix.address.family != 0) {
		snprintf(problem, EVENT_TEXT_SIZE, "`%s`: %s", text, wrong);
		return problem;
	}
	snprintf(end->name, sizeof end->name, "%s", text);
	return NULL;
}

/* As a policy has it, or a number alone, which is that port of whatever protocol. */
static const char *port_read(struct port_range *port, const char *text)
{
	size_t length = strlen(text);
	unsigned long number = length <= 5 && strspn(text, "0123456789") == length ? strtoul(text, NULL, 10) : 0;
	if (number == 0 || number > UINT16_MAX)
		return port_range_parse(port, text);
	*port = (struct port_range){PROTOCOL_ANY, (uint16_t)number, (uint16_t)number};
	return NULL;
}

const char *filter_read(struct filter *filter, const json_t *request, char problem[EVENT_TEXT_SIZE])
{
	static const char *const keys[] = {[EGRESS] = "from", [INGRESS] = "to"};
	const char *wrong = NULL;
	memset(filter, 0, sizeof *filter);
	filter->denied = json_is_true(json_object_get(request, "denied"));
	filter->allowed = json_is_true(json_object_get(request, "allowed"));
	for (int i = EGRESS; i <= INGRESS && wrong == NULL; i++) {
		const char *text = text_of(request, keys[i], &wrong, problem);
		if (text != NULL)
			wrong = end_read(&filter->ends[i], text, problem);
	}
	const char *port = wrong == NULL ? text_of(request, "port", &wrong, problem) : NULL;
	if (port == NULL)
		return wrong;
	filter->has_port = true;
	wrong = port_read(&filter->port, port);
	if (wrong == NULL)
		return NULL;
	snprintf(problem, EVENT_TEXT_SIZE, "port `%s`: %s", port, wrong);
	return problem;
}

/* Whether `name` is one of the words of `names`, which have blanks in between. */
static bool is_among(const char *names, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = names; *at != 0;) {
		size_t size = strcspn(at, " ");
		if (size == length && memcmp(at, name, length) == 0)
			return true;
		at += size + (at[size] == ' ');
	}
	return false;
}

static bool is_end(const struct filter_end *filter, const struct event_end *end)
{
	char whole[EVENT_NAME_SIZE + 8];
	if (filter->has_prefix)
		return prefix_contains(&filter->prefix, &end->address);
	if (filter->name[0] == 0 || strcmp(end->name, filter->name) == 0 || is_among(end->names, filter->name))
		return true;
	snprintf(whole, sizeof whole, "default/%s", filter->name);
	return strcmp(end->name, whole) == 0 || is_among(end->names, whole);
}

static bool is_port(const struct filter *filter, const struct event *event)
{
	const struct packet *packet = &event->key.packet;
	const struct port_range *range = &filter->port;
	if (range->protocol == PROTOCOL_ANY && range->first == 0)
		return true;
	bool protocol = range->protocol == PROTOCOL_ANY ? !event_is_icmp(event) : range->protocol == packet->protocol;
	return protocol && packet->has_port && event_flow_port(event) >= range->first &&
	       event_flow_port(event) <= range->last;
}

bool filter_takes(const struct filter *filter, const struct event *event)
{
	bool allowed = event->reason.logged == LOGGED_ALLOW;
	if (filter->denied != filter->allowed && filter->allowed != allowed)
		return false;
	return is_end(&filter->ends[EGRESS], &event->ends[EGRESS]) &&
	       is_end(&filter->ends[INGRESS], &event->ends[INGRESS]) && (!filter->has_port || is_port(filter, event));
}
