/* Ports: 8080/tcp, 8000-8100/tcp, any. */
#include <ringfence/policy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint16_t protocol;
} protocols[] = {{"tcp", PROTOCOL_TCP}, {"udp", PROTOCOL_UDP}};

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

const char *port_range_parse(struct port_range *port, const char *text)
{
	if (strcmp(text, "any") == 0) {
		*port = (struct port_range){PROTOCOL_ANY, 0, 65535};
		return NULL;
	}
	const char *at = text, *problem = parse_number(&port->first, &at, "/-");
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
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
		if (strcmp(at + 1, protocols[i].name) == 0) {
			port->protocol = protocols[i].protocol;
			return NULL;
		}
	}
	return "the protocol is not one of tcp, udp";
}

char *port_range_format(const struct port_range *port, char *text)
{
	const char *protocol = "";
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
		if (protocols[i].protocol == port->protocol)
			protocol = protocols[i].name;
	if (port->protocol == PROTOCOL_ANY)
		snprintf(text, 32, "any");
	else if (port->first == port->last)
		snprintf(text, 32, "%u/%s", port->first, protocol);
	else
		snprintf(text, 32, "%u-%u/%s", port->first, port->last, protocol);
	return text;
}
