/* Packets to flows: a table of whole ones, each of them cut at every length, and mutated. */
#include "enforcer/observe/packet.h"

#include <ringfence/policy.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MOST = 256, MUTATIONS = 200000 };

#define IP4(protocol, fragment)                            \
	"\x45\0\0\x54\0\1" fragment "\x40" protocol "\0\0" \
	"\x0a\0\1\x0b"                                     \
	"\x0a\0\1\x0c"
#define IP6(next)                              \
	"\x60\0\0\0\0\x40" next "\x40"         \
	"\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x11" \
	"\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x12"
#define PORTS "\x9c\x40\x1f\x90" /* 40000, 8080 */

static const struct {
	const char *true_is;
	uint16_t ethertype;
	const char *bytes;
	size_t length;
	const char *says; /* FROM TO PROTOCOL [PORT [SOURCE_PORT]] [later] [error], or why there is no flow */
} cases[] = {
#define CASE(true_is, ethertype, bytes, says)                      \
	{                                                          \
		true_is, ethertype, bytes, sizeof(bytes) - 1, says \
	}
    CASE("TCP", ETH_P_IP, IP4("\6", "\0\0") PORTS, "10.0.1.11 10.0.1.12 6 8080 40000"),
    CASE("UDP", ETH_P_IP, IP4("\x11", "\0\0") PORTS, "10.0.1.11 10.0.1.12 17 8080 40000"),
    CASE("SCTP", ETH_P_IP, IP4("\x84", "\0\0") PORTS, "10.0.1.11 10.0.1.12 132 8080 40000"),
    CASE("an echo request", ETH_P_IP, IP4("\1", "\0\0") "\x08\0\0\0", "10.0.1.11 10.0.1.12 1 2048 0"),
    CASE("unreachable is an error", ETH_P_IP, IP4("\1", "\0\0") "\3\1\0\0", "10.0.1.11 10.0.1.12 1 769 0 error"),
    CASE("GRE has no port", ETH_P_IP, IP4("\x2f", "\0\0") PORTS, "10.0.1.11 10.0.1.12 47"),
    CASE("the first fragment has a port", ETH_P_IP, IP4("\x11", "\x20\0") PORTS, "10.0.1.11 10.0.1.12 17 8080 40000"),
    CASE("a later one has none", ETH_P_IP, IP4("\x11", "\0\x10") PORTS, "10.0.1.11 10.0.1.12 17 later"),
    CASE("options are stepped over", ETH_P_IP,
	 "\x47\0\0\x54\0\1\0\0\x40\6\0\0\x0a\0\1\x0b\x0a\0\1\x0c\1\1\1\1\1\1\1\1" PORTS,
	 "10.0.1.11 10.0.1.12 6 8080 40000"),
    CASE("options that are cut short hide the port", ETH_P_IP,
	 "\x4f\0\0\x54\0\1\0\0\x40\6\0\0\x0a\0\1\x0b\x0a\0\1\x0c" PORTS, "10.0.1.11 10.0.1.12 6"),
    CASE("a header of less than 20 bytes", ETH_P_IP, "\x44\0\0\x54\0\1\0\0\x40\6\0\0\x0a\0\1\x0b\x0a\0\1\x0c" PORTS,
	 "no header of IPv4"),
    CASE("IPv6 where IPv4 is said", ETH_P_IP, IP6("\6") PORTS, "no header of IPv4"),
    CASE("IPv4 where IPv6 is said", ETH_P_IPV6, IP4("\6", "\0\0") IP4("\6", "\0\0") PORTS, "no header of IPv6"),
    CASE("nothing", ETH_P_IP, "", "the header of IPv4 is cut short"),
    CASE("ARP", ETH_P_ARP, "\0\1\x08\0\6\4\0\1", "neither IPv4 nor IPv6"),
    CASE("IPv6", ETH_P_IPV6, IP6("\6") PORTS, "fd00:1::11 fd00:1::12 6 8080 40000"),
    CASE("an echo request of IPv6", ETH_P_IPV6, IP6("\x3a") "\x80\0\0\0", "fd00:1::11 fd00:1::12 58 32768 0"),
    CASE("too big is an error", ETH_P_IPV6, IP6("\x3a") "\2\0\0\0", "fd00:1::11 fd00:1::12 58 512 0 error"),
    CASE("extension headers", ETH_P_IPV6,
	 IP6("\0") "\x2b\0\0\0\0\0\0\0"
		   "\x3c\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		   "\x33\0\0\0\0\0\0\0"
		   "\x11\1\0\0\0\0\0\0\0\0\0\0" PORTS,
	 "fd00:1::11 fd00:1::12 17 8080 40000"),
    CASE("the first fragment of IPv6", ETH_P_IPV6, IP6("\x2c") "\6\0\0\1\0\0\0\1" PORTS,
	 "fd00:1::11 fd00:1::12 6 8080 40000"),
    CASE("a later one of IPv6", ETH_P_IPV6, IP6("\x2c") "\6\0\0\x08\0\0\0\1" PORTS, "fd00:1::11 fd00:1::12 6 later"),
    CASE("an extension that goes beyond the end", ETH_P_IPV6, IP6("\0") "\6\xff\0\0\0\0\0\0" PORTS,
	 "fd00:1::11 fd00:1::12 6"),
    CASE("more extensions than there may be", ETH_P_IPV6,
	 IP6("\0") "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\0\0\0\0\0\0\0\0"
		   "\6\0\0\0\0\0\0\0" PORTS,
	 "fd00:1::11 fd00:1::12 0"),
    CASE("nothing behind the header", ETH_P_IPV6, IP6("\x3b"), "fd00:1::11 fd00:1::12 59"),
    CASE("a VLAN", ETH_P_8021Q, "\0\5\x08\0" IP4("\6", "\0\0") PORTS, "10.0.1.11 10.0.1.12 6 8080 40000"),
    CASE("a VLAN in a VLAN", ETH_P_8021AD, "\0\5\x81\0\0\6\x86\xdd" IP6("\6") PORTS,
	 "fd00:1::11 fd00:1::12 6 8080 40000"),
    CASE("too many VLANs", ETH_P_8021Q, "\0\5\x81\0\0\5\x81\0\0\5\x08\0" IP4("\6", "\0\0") PORTS,
	 "neither IPv4 nor IPv6"),
    CASE("a tag that is cut short", ETH_P_8021Q, "\0\5\x08", "the tag of a VLAN is cut short"),
};
enum { CASES = sizeof cases / sizeof *cases };

/* Decodes a copy that ends where its memory does, so that a sanitizer sees a byte too many. */
static const char *decode(struct packet *packet, uint16_t ethertype, const void *bytes, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);
	memcpy(copy, bytes, length);
	const char *problem = packet_decode(packet, ethertype, copy, length);
	free(copy);
	return problem;
}

static void says(const struct packet *packet, const char *problem, char *text, size_t size)
{
	char from[ADDRESS_TEXT_SIZE], to[ADDRESS_TEXT_SIZE], ports[32] = "";
	if (problem != NULL) {
		snprintf(text, size, "%s", problem);
		return;
	}
	if (packet->has_port)
		snprintf(ports, sizeof ports, " %u %u", packet->port, packet->source_port);
	snprintf(text, size, "%s %s %u%s%s%s", address_format(&packet->source, from),
		 address_format(&packet->destination, to), packet->protocol, ports, packet->later ? " later" : "",
		 packet_is_error(packet) ? " error" : "");
}

static void each_packet_is_decoded(void **state)
{
	struct packet packet;
	char text[256];
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		says(&packet, decode(&packet, cases[i].ethertype, cases[i].bytes, cases[i].length), text, sizeof text);
		if (strcmp(text, cases[i].says) != 0)
			fail_msg("%s: want %s, got %s", cases[i].true_is, cases[i].says, text);
	}
}

/* What is left of a packet never says anything else than the whole. */
static void a_packet_that_is_cut_says_less(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct packet whole, part;
		if (decode(&whole, cases[i].ethertype, cases[i].bytes, cases[i].length) != NULL)
			continue;
		for (size_t length = 0; length < cases[i].length; length++) {
			if (decode(&part, cases[i].ethertype, cases[i].bytes, length) != NULL)
				continue;
			assert_memory_equal(&part.source, &whole.source, sizeof whole.source);
			assert_memory_equal(&part.destination, &whole.destination, sizeof whole.destination);
			if (!part.has_port)
				continue;
			assert_int_equal(part.protocol, whole.protocol);
			assert_int_equal(part.port, whole.port);
			assert_int_equal(part.source_port, whole.source_port);
		}
	}
}

static void no_mutation_is_read_beyond_its_end(void **state)
{
	static const uint16_t types[] = {ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD};
	(void)state;
	srandom(20261126);
	for (size_t i = 0; i < MUTATIONS; i++) {
		struct packet packet;
		uint8_t bytes[BYTES_MOST];
		size_t which = (size_t)random() % CASES, length = cases[which].length;
		memcpy(bytes, cases[which].bytes, length);
		for (long changes = random() % 6; changes > 0 && length > 0; changes--)
			bytes[(size_t)random() % length] = (uint8_t)random();
		length -= length > 0 ? (size_t)random() % length : 0;
		if (decode(&packet, types[random() % 4], bytes, length) == NULL)
			assert_true(packet.source.family == 4 || packet.source.family == 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_packet_is_decoded),
	    cmocka_unit_test(a_packet_that_is_cut_says_less),
	    cmocka_unit_test(no_mutation_is_read_beyond_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
