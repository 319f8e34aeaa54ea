/* Ports: 8080/tcp, 8000-8100/udp, icmp/echo-request, any. And rates: 50/second per source. */
#include <ringfence/policy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The protocols that have ports. */
static const struct {
	const char *name;
	uint16_t protocol;
} protocols[] = {{"tcp", PROTOCOL_TCP}, {"udp", PROTOCOL_UDP}, {"sctp", PROTOCOL_SCTP}};
enum { PROTOCOL_COUNT = sizeof protocols / sizeof *protocols };

/* Of ICMP the requests: what can start a flow. Everything else is an answer, an error about a flow, or neighbour
 * discovery, none of which needs an allow (net/netfilter/nf_conntrack_proto_icmp.c, icmp_new; ..._icmpv6.c). */
#define REQUEST(protocol, type)                      \
	{                                            \
		(protocol), (type) << 8, (type) << 8 \
	}
const struct port_word port_words[PORT_WORDS] = {
    {"any", {PROTOCOL_ANY, 0, 65535}},
    {"icmp", {PROTOCOL_ICMP, 0, 65535}},
    {"icmp/echo-request", REQUEST(PROTOCOL_ICMP, 8)},
    {"icmp/timestamp-request", REQUEST(PROTOCOL_ICMP, 13)},
    {"icmp/info-request", REQUEST(PROTOCOL_ICMP, 15)},
    {"icmp/address-mask-request", REQUEST(PROTOCOL_ICMP, 17)},
    {"icmpv6", {PROTOCOL_ICMPV6, 0, 65535}},
    {"icmpv6/echo-request", REQUEST(PROTOCOL_ICMPV6, 128)},
    {"icmpv6/node-information-request", REQUEST(PROTOCOL_ICMPV6, 139)},
};

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
	for (size_t i = 0; i < PORT_WORDS; i++)
		if (strcmp(port_words[i].text, name) == 0 && strchr(name, '/') == NULL) {
			*protocol = port_words[i].range.protocol;
			return *protocol != PROTOCOL_ANY;
		}
	return false;
}

/* Why a text that no word is cannot mean ICMP, or NULL where it does not try. */
static const char *wrong_request(const char *text)
{
	if (strncmp(text, "icmp/", 5) == 0)
		return "the requests are echo-request, timestamp-request, info-request and address-mask-request; "
		       "answers and "
		       "errors about a flow pass with it";
	if (strncmp(text, "icmpv6/", 7) == 0)
		return "the requests are echo-request and node-information-request; answers and errors about a flow, "
		       "and "
		       "neighbour discovery, pass by themselves";
	return NULL;
}

const char *port_range_parse(struct port_range *port, const char *text)
{
	const char *at = text, *problem = wrong_request(text);
	for (size_t i = 0; i < PORT_WORDS; i++) {
		if (strcmp(text, port_words[i].text) == 0) {
			*port = port_words[i].range;
			return NULL;
		}
	}
	if (problem != NULL)
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
		if (strcmp(at + 1, protocols[i].name) == 0) {
			port->protocol = protocols[i].protocol;
			return NULL;
		}
	}
	return "the protocol is not one of tcp, udp, sctp; ICMP is written icmp or icmp/echo-request";
}

/* A piece of ICMP that no word says, as diff cuts them, is told by its protocol, or by the number of its type. */
static void format_icmp(const struct port_range *port, char *text)
{
	const char *protocol = port->protocol == PROTOCOL_ICMP ? "icmp" : "icmpv6";
	if (port->first == port->last)
		snprintf(text, 48, "%s/%u", protocol, port->first >> 8);
	else
		snprintf(text, 48, "%s", protocol);
	for (size_t i = 0; i < PORT_WORDS; i++)
		if (port_words[i].range.protocol == port->protocol && port_words[i].range.first == port->first &&
		    port_words[i].range.last == port->last)
			snprintf(text, 48, "%s", port_words[i].text);
}

char *port_range_format(const struct port_range *port, char *text)
{
	const char *protocol = NULL;
	for (size_t i = 0; i < PROTOCOL_COUNT; i++)
		if (protocols[i].protocol == port->protocol)
			protocol = protocols[i].name;
	if (port->protocol == PROTOCOL_ANY)
		snprintf(text, 48, "any");
	else if (port->protocol == PROTOCOL_ICMP || port->protocol == PROTOCOL_ICMPV6)
		format_icmp(port, text);
	else if (protocol == NULL) /* of a flow that was observed: no statement names it */
		snprintf(text, 48, "protocol %u", port->protocol);
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
	for (size_t i = 0; i < PORT_WORDS && !known; i++)
		known = port_words[i].range.protocol == protocol && port_words[i].range.first == port &&
			port_words[i].range.last == port;
	return known;
}

size_t icmp_requests(const struct port_range *range, uint16_t *ports)
{
	size_t count = 0;
	for (size_t i = 0; i < PORT_WORDS; i++) {
		const struct port_range *word = &port_words[i].range;
		if (word->protocol == range->protocol && word->first == word->last && range->first <= word->first &&
		    word->first <= range->last)
			ports[count++] = word->first;
	}
	return count;
}

void port_pattern(FILE *stream)
{
	/* Up to five digits, zeros in front among them, from 1 to 65535. */
	static const char number[] = "(?=[0-9]*[1-9])([0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|"
				     "6553[0-5])";
	fprintf(stream, "%s(-%s)?/(", number, number);
	for (size_t i = 0; i < PROTOCOL_COUNT; i++)
		fprintf(stream, "%s%s", i > 0 ? "|" : "", protocols[i].name);
	fputc(')', stream);
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

void rate_pattern(FILE *stream)
{
	fputs("(?=[0-9]*[1-9])(0?[0-9]{1,6}|1000000)/(", stream);
	for (size_t i = 0; i < UNIT_COUNT; i++)
		fprintf(stream, "%s%s", i > 0 ? "|" : "", units[i].name);
	fputs(") per source", stream);
}
