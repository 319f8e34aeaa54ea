/* Where the addresses of all cases are, and which flows a case is asked about.
 *
 * The lab stays as it is from case to case: an address has its place by its number, whoever the documents say it
 * belongs to. */
#include "tests/agreement/flows.h"
#include "tests/agreement/generate.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* Addresses outside: the first half of IPv4, the second of IPv6. */
static const char *const far_addresses[] = {"192.0.2.1",   "192.0.2.130",   "198.51.100.7",
					    "2001:db8::1", "2001:db8::130", "2001:db8:1::7"};
enum { FAR_COUNT = sizeof far_addresses / sizeof *far_addresses };

static struct address parse(const char *text)
{
	struct address address;
	if (address_parse(&address, text) != NULL)
		abort();
	return address;
}

static struct address address_of(unsigned family, unsigned number)
{
	char text[ADDRESS_TEXT_SIZE];
	snprintf(text, sizeof text, family == 4 ? "10.77.0.%u" : "fd77::%x", number);
	return parse(text);
}

static size_t place_of(unsigned number)
{
	return number == NODE_NUMBER ? (size_t)LAB_ROUTER : number;
}

int flows_place(struct lab *lab)
{
	int error = 0;
	for (unsigned family = 4; family <= 6; family += 2) {
		for (unsigned i = 0; i < NUMBERS && error == 0; i++) {
			struct address address = address_of(family, i);
			error = lab_add_address(lab, place_of(i), &address);
		}
	}
	for (unsigned i = 0; i < FAR_COUNT && error == 0; i++) {
		struct address address = parse(far_addresses[i]);
		error = lab_add_address(lab, LAB_OUTSIDE, &address);
	}
	return error;
}

/* ---- drawing ---- */

/* Mostly workloads; the rest is nodes, addresses that nobody has, and addresses outside. */
static struct address draw_end(struct random *random, const struct inventory *inventory, unsigned family, size_t *place)
{
	size_t count;
	const struct place *places = inventory_places(inventory, &count);
	for (unsigned i = 0; count > 0 && i < 4 && !one_in(random, 4); i++) {
		struct address address = places[roll(random, (unsigned)count)].address;
		if (address.family != family)
			continue;
		*place = place_of(address.bytes[address_size((uint8_t)family) - 1]);
		return address;
	}
	unsigned number = roll(random, NUMBERS + 6);
	if (number >= NUMBERS + 3) {
		*place = LAB_OUTSIDE;
		return parse(far_addresses[roll(random, FAR_COUNT / 2) + (family == 4 ? 0 : FAR_COUNT / 2)]);
	}
	number = number < NUMBERS ? number : NODE_NUMBER;
	*place = place_of(number);
	return address_of(family, number);
}

/* The router's kernel answers echoes and timestamps only. */
static uint16_t draw_request(struct random *random, unsigned family, bool of_router)
{
	static const uint8_t types[2][4] = {{8, 13, 15, 17}, {128, 139, 128, 139}};
	unsigned one = one_in(random, 2) ? roll(random, 4) : 0;
	return (uint16_t)(types[family == 6][of_router ? 0 : one] << 8);
}

/* One of the ports that the destination names; false when it names none. */
static bool draw_named_port(struct random *random, const struct workload *workload, struct lab_probe *probe)
{
	if (workload == NULL || workload->port_count == 0)
		return false;
	const struct port_range *range = &workload->ports[roll(random, (unsigned)workload->port_count)].port;
	probe->protocol = range->protocol;
	probe->port = one_in(random, 2) ? range->first : range->last;
	return true;
}

static void draw_port(struct random *random, unsigned family, struct lab_probe *probe)
{
	unsigned kind = roll(random, 20);
	probe->protocol = kind < 9 ? IPPROTO_TCP : kind < 15 ? IPPROTO_UDP : IPPROTO_SCTP;
	probe->port = (uint16_t)(PORT_FIRST - 1 + roll(random, PORT_COUNT + 3));
	if (one_in(random, 20))
		probe->port = one_in(random, 2) ? 1 : 65535;
	if (kind < 17)
		return;
	probe->protocol = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	probe->port = draw_request(random, family, probe->to == LAB_ROUTER);
}

size_t flows_draw(struct random *random, const struct stage *stage, struct lab_probe *probes)
{
	const struct inventory *inventory = stage->world.inventory;
	size_t count = 0;
	for (unsigned i = 0; i < FLOWS_MOST; i++) {
		unsigned family = one_in(random, 2) ? 4 : 6, other = roll(random, NUMBERS);
		struct lab_probe probe = {0};
		probe.source = draw_end(random, inventory, family, &probe.from);
		probe.destination = draw_end(random, inventory, family, &probe.to);
		if (!one_in(random, 4) || !draw_named_port(random, inventory_at(inventory, &probe.destination), &probe))
			draw_port(random, family, &probe);
		if (!stage->world.policy->audit && one_in(random, 8) && other != NODE_NUMBER &&
		    stage_guards(stage, other, &probe.source))
			probe.from = other; /* with an address that is not its own */
		if (probe.from != probe.to) /* else no packet passes the router */
			probes[count++] = probe;
	}
	return count;
}
