/* Ports: 8080/tcp, 8000-8100/udp, icmp/echo-request, any. And rates: 50/second per source. */
#include <ringfence/policy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint16_t protocol;
	bool typed; /* has message types and not ports */
} protocols[] = {
    {"tcp", PROTOCOL_TCP, false},  {"udp", PROTOCOL_UDP, false},      {"sctp", PROTOCOL_SCTP, false},
    {"icmp", PROTOCOL_ICMP, true}, {"icmpv6", PROTOCOL_ICMPV6, true},
};
enum { PROTOCOL_COUNT = sizeof protocols / sizeof *protocols };

/* The requests of ICMP: what can start a flow. Everything else is an answer, an error about a flow, or neighbour
 * discovery, none of which needs an allow (net/netfilter/nf_conntrack_proto_icmp.c, icmp_new; ..._icmpv6.c). */
static const struct {
	const char *name;
	uint16_t protocol;
	uint8_t type;
} requests[] = {
    {"echo-request", PROTOCOL_ICMP, 8},	    {"timestamp-request", PROTOCOL_ICMP, 13},
    {"info-request", PROTOCOL_ICMP, 15},    {"address-mask-request", PROTOCOL_ICMP, 17},
    {"echo-request", PROTOCOL_ICMPV6, 128}, {"node-information-request", PROTOCOL_ICMPV6, 139},
};
enum { REQUEST_COUNT = sizeof requests / sizeof *requests };

/* Reads a port number up to `end`, one of the characters in `stops`. */
static const char *parse_number(uint16_t *number, const char **at, const char *stops)
{
	size_t digits = strspn(*at, "0123456789");
	if (digits == 0 || strchr(stops, (*at)[digits]) == NULL)
		return "expected PORT/PROTOCOL, such as 8080/tcp";
	unsigned long value = digits > 5 ? 65536 : strtoul(*at, NULL, 10);
	if (value == 0 || value > 65535)
		return "a port is a number from 1 to 65535";
	*number = (uint16_t)value;
	*at += digits;
	return NULL;
}

bool protocol_parse(uint16_t *protocol, const char *name)
{
	for (size_t i = 0; i < PROTOCOL_COUNT; i++)
		if (strcmp(protocols[i].name, name) == 0) {
			*protocol = protocols[i].protocol;
			return true;
		}
	return false;
}

/* icmp, icmpv6, or one of their requests. Returns false when the text begins with neither. */
static bool parse_icmp(struct port_range *port, const char *text, const char **problem)
{
	for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
		size_t length = strlen(protocols[i].name);
		if (!protocols[i].typed || strncmp(text, protocols[i].name, length) != 0 ||
		    (text[length] != 0 && text[length] != '/'))
			continue;
		*port = (struct port_range){protocols[i].protocol, 0, 65535};
		*problem = NULL;
		if (text[length] == 0)
			return true;
		for (size_t j = 0; j < REQUEST_COUNT; j++) {
			if (requests[j].protocol != port->protocol || strcmp(requests[j].name, text + length + 1) != 0)
				continue;
			port->first = port->last = (uint16_t)(requests[j].type << 8);
			return true;
		}
		*problem = port->protocol == PROTOCOL_ICMP
			       ? "the requests are echo-request, timestamp-request, info-request and "
				 "address-mask-request; answers and errors about a flow pass with it"
			       : "the requests are echo-request and node-information-request; answers and errors about "
				 "a flow, and neighbour discovery, pass by themselves";
		return true;
	}
	return false;
}

const char *port_range_parse(struct port_range *port, const char *text)
{
	const char *at = text, *problem;
	if (strcmp(text, "any") == 0) {
		*port = (struct port_range){PROTOCOL_ANY, 0, 65535};
		return NULL;
	}
	if (parse_icmp(port, text, &problem))
		return problem;
	problem = parse_number(&port->first, &at, "/-");
	if (problem != NULL)
		return problem;
	port->last = port->first;
	if (*at == '-') {
		at++;
		problem = parse_number(&port->last, &at, "/");
		if (problem != NULL)
			return problem;
	}
	if (*at != '/')
		return "expected PORT/PROTOCOL, such as 8080/tcp";
	if (port->last < port->first)
		return "the range ends before it starts";
	for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
		if (!protocols[i].typed && strcmp(at + 1, protocols[i].name) == 0) {
			port->protocol = protocols[i].protocol;
			return NULL;
		}
	}
	return "the protocol is not one of tcp, udp, sctp; ICMP is written icmp or icmp/echo-request";
}

char *port_range_format(const struct port_range *port, char *text)
{
	const char *protocol = NULL, *request = NULL;
	bool typed = false;
	for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
		if (protocols[i].protocol != port->protocol)
			continue;
		protocol = protocols[i].name;
		typed = protocols[i].typed;
	}
	for (size_t i = 0; i < REQUEST_COUNT; i++)
		if (requests[i].protocol == port->protocol && requests[i].type << 8 == port->first)
			request = requests[i].name;
	if (port->protocol == PROTOCOL_ANY)
		snprintf(text, 48, "any");
	else if (protocol == NULL) /* of a flow that was observed: no statement names it */
		snprintf(text, 48, "protocol %u", port->protocol);
	else if (typed && port->first != port->last)
		snprintf(text, 48, "%s", protocol);
	else if (typed && request != NULL)
		snprintf(text, 48, "%s/%s", protocol, request);
	else if (typed)
		snprintf(text, 48, "%s/%u", protocol, port->first >> 8);
	else if (port->first == port->last)
		snprintf(text, 48, "%u/%s", port->first, protocol);
	else /* all ports of a protocol begin at 0, which nobody writes */
		snprintf(text, 48, "%u-%u/%s", port->first == 0 ? 1 : port->first, port->last, protocol);
	return text;
}

bool port_is_name(const char *text)
{
	struct port_range port;
	size_t length = strlen(text);
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length &&
	       strcspn(text, "abcdefghijklmnopqrstuvwxyz") != length && port_range_parse(&port, text) != NULL;
}

bool port_range_holds(const struct port_range *range, uint16_t protocol, uint16_t port)
{
	if (range->protocol == PROTOCOL_ANY)
		return true;
	if (range->protocol != protocol || port < range->first || range->last < port)
		return false;
	bool known = protocol != PROTOCOL_ICMP && protocol != PROTOCOL_ICMPV6;
	for (size_t i = 0; i < REQUEST_COUNT && !known; i++)
		known = requests[i].protocol == protocol && requests[i].type << 8 == port;
	return known;
}

size_t icmp_requests(const struct port_range *range, uint16_t *ports)
{
	size_t count = 0;
	for (size_t i = 0; i < REQUEST_COUNT; i++) {
		uint16_t port = (uint16_t)(requests[i].type << 8);
		if (requests[i].protocol == range->protocol && range->first <= port && port <= range->last)
			ports[count++] = port;
	}
	return count;
}

/* ---- rates ---- */

static const struct {
	const char *name;
	uint32_t seconds;
} units[] = {{"second", 1}, {"minute", 60}, {"hour", 3600}};
enum { UNIT_COUNT = sizeof units / sizeof *units, RATE_MAX = 1000000 };

const char *rate_parse(struct rate *rate, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	if (digits == 0 || *unit != '/')
		return "expected COUNT/UNIT per source, such as 50/second per source";
	unsigned long count = digits > 7 ? RATE_MAX + 1 : strtoul(text, NULL, 10);
	if (count == 0 || count > RATE_MAX)
		return "a rate is a number from 1 to 1000000";
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		size_t length = strlen(units[i].name);
		if (strncmp(unit + 1, units[i].name, length) != 0 || strcmp(unit + 1 + length, " per source") != 0)
			continue;
		*rate = (struct rate){(uint32_t)count, units[i].seconds};
		return NULL;
	}
	return "the unit is second, minute or hour, followed by `per source`";
}

char *rate_format(const struct rate *rate, char *text)
{
	for (size_t i = 0; i < UNIT_COUNT; i++)
		if (units[i].seconds == rate->seconds)
			snprintf(text, 48, "%u/%s per source", rate->count, units[i].name);
	return text;
}
