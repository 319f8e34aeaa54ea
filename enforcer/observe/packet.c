/* Decodes what the kernel copied of a packet. A cursor that only moves forward and never past the end is all that reads
 * the bytes; whatever does not fit leaves the packet without a port, or without a flow.
 *
 *     [VLAN tags] IPv4 | IPv6 + extension headers, TCP | UDP | SCTP | ICMP | ICMPv6 */
#include "enforcer/observe/packet.h"

#include <ringfence/policy.h>

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

enum {
	TAGS_MOST = 2,	     /* of VLANs, as 802.1ad stacks them */
	EXTENSIONS_MOST = 8, /* headers; RFC 8200, 4.1 lets each stand once, and destination options twice */
	FRAGMENT_OFFSET4 = 0x1fff,
	FRAGMENT_OFFSET6 = 0xfff8
};

struct cursor {
	const uint8_t *at;
	size_t left;
};

/* The next `size` bytes, which the cursor steps over; NULL where there are fewer. */
static const uint8_t *take(struct cursor *cursor, size_t size)
{
	const uint8_t *bytes = cursor->at;
	if (size > cursor->left)
		return NULL;
	cursor->at += size;
	cursor->left -= size;
	return bytes;
}

static uint16_t number(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static struct address address_of(uint8_t family, const uint8_t *bytes)
{
	struct address address = {.family = family};
	memcpy(address.bytes, bytes, address_size(family));
	return address;
}

/* What follows the headers of IP. */
static void read_port(struct packet *packet, struct cursor cursor)
{
	const uint8_t *bytes = packet->later ? NULL : take(&cursor, 4);
	if (bytes == NULL)
		return;
	switch (packet->protocol) {
	case PROTOCOL_TCP:
	case PROTOCOL_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
	case PROTOCOL_SCTP:
		packet->source_port = number(bytes);
		packet->port = number(bytes + 2);
		packet->has_port = true;
		break;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
		packet->port = number(bytes);
		packet->has_port = true;
		break;
	default:
		break;
	}
}

static const char *read4(struct packet *packet, struct cursor cursor)
{
	const uint8_t *header = take(&cursor, 20);
	if (header == NULL)
		return "the header of IPv4 is cut short";
	size_t options = (size_t)(header[0] & 15) * 4;
	if (header[0] >> 4 != 4 || options < 20)
		return "no header of IPv4";
	packet->protocol = header[9];
	packet->later = (number(header + 6) & FRAGMENT_OFFSET4) != 0;
	packet->source = address_of(4, header + 12);
	packet->destination = address_of(4, header + 16);
	if (take(&cursor, options - 20) != NULL)
		read_port(packet, cursor);
	return NULL;
}

/* Steps over one extension header. Returns false at what is none, or where it is cut short. */
static bool step(struct packet *packet, struct cursor *cursor)
{
	struct cursor behind = *cursor;
	const uint8_t *header = take(&behind, 8); /* the least that any of them has */
	if (header == NULL)
		return false;
	size_t more;
	switch (packet->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case 139: /* HIP (RFC 7401) */
	case 140: /* shim6 (RFC 5533) */
		more = (size_t)header[1] * 8;
		break;
	case IPPROTO_FRAGMENT:
		packet->later = packet->later || (number(header + 2) & FRAGMENT_OFFSET6) != 0;
		more = 0;
		break;
	case IPPROTO_AH: /* in words of four bytes, less two (RFC 4302, 2.2) */
		more = header[1] > 0 ? ((size_t)header[1] + 2) * 4 - 8 : 0;
		break;
	default:
		return false;
	}
	packet->protocol = header[0];
	if (take(&behind, more) == NULL)
		behind.left = 0;
	*cursor = behind;
	return behind.left > 0 && !packet->later;
}

static const char *read6(struct packet *packet, struct cursor cursor)
{
	const uint8_t *header = take(&cursor, 40);
	if (header == NULL)
		return "the header of IPv6 is cut short";
	if (header[0] >> 4 != 6)
		return "no header of IPv6";
	packet->protocol = header[6];
	packet->source = address_of(6, header + 8);
	packet->destination = address_of(6, header + 24);
	for (size_t i = 0; i < EXTENSIONS_MOST && step(packet, &cursor); i++)
		;
	read_port(packet, cursor);
	return NULL;
}

const char *packet_decode(struct packet *packet, uint16_t ethertype, const uint8_t *bytes, size_t length)
{
	struct cursor cursor = {bytes, length};
	memset(packet, 0, sizeof *packet);
	for (size_t i = 0; i < TAGS_MOST && (ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD); i++) {
		const uint8_t *tag = take(&cursor, 4);
		if (tag == NULL)
			return "the tag of a VLAN is cut short";
		ethertype = number(tag + 2);
	}
	return ethertype == ETH_P_IP	 ? read4(packet, cursor)
	       : ethertype == ETH_P_IPV6 ? read6(packet, cursor)
					 : "neither IPv4 nor IPv6";
}

bool packet_is_error(const struct packet *packet)
{
	unsigned type = packet->port >> 8;
	if (!packet->has_port)
		return false;
	if (packet->protocol == PROTOCOL_ICMPV6) /* RFC 4443, 2.1 */
		return type < 128;
	/* unreachable, source quench, redirect, time exceeded, parameter problem */
	return packet->protocol == PROTOCOL_ICMP && (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}
