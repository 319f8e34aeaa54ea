/* Packets as bytes, with the checksums that conntrack wants to see (RFC 791, 8200, 9293, 768, 792, 4443, 9260). */
#include "tests/lab/packet.h"

#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

/* Where both sides of a TCP connection begin to count, and what they carry. */
enum { CLIENT_SEQUENCE = 1000, SERVER_SEQUENCE = 2000, DATA_LENGTH = 8 };
/* SCTP chunks (RFC 9260, 3.2), and the tags by which the two sides know each other. */
enum {
	SCTP_DATA = 0,
	SCTP_INIT = 1,
	SCTP_INIT_ACK = 2,
	SCTP_HEADER = 12,
	CLIENT_TAG = 0x11111111,
	SERVER_TAG = 0x22222222
};

static uint32_t sum(const void *bytes, size_t length, uint32_t start)
{
	const uint8_t *at = bytes;
	for (size_t i = 0; i + 1 < length; i += 2)
		start += (uint32_t)(at[i] << 8 | at[i + 1]);
	return length % 2 != 0 ? start + (uint32_t)(at[length - 1] << 8) : start;
}

static uint16_t fold(uint32_t value)
{
	while (value >> 16 != 0)
		value = (value & 0xffff) + (value >> 16);
	return htons((uint16_t)~value);
}

/* The sum of the pseudo header of either family. */
static uint32_t pseudo(const struct packet *packet, size_t length)
{
	size_t size = address_size(packet->source.family);
	uint32_t value = sum(packet->source.bytes, size, 0);
	value = sum(packet->destination.bytes, size, value);
	return value + packet->protocol + (uint32_t)length;
}

/* CRC32c, reflected (RFC 9260, appendix A). */
static uint32_t crc32c(const uint8_t *bytes, size_t length)
{
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0x82f63b78 & (uint32_t) - (int32_t)(crc & 1));
	}
	return ~crc;
}

static size_t write_tcp(uint8_t *bytes, enum packet_kind kind, const struct packet *packet)
{
	static const struct {
		uint8_t flags;
		uint32_t sequence, acknowledges;
		size_t data;
	} forms[] = {
	    [PACKET_OPEN] = {TH_SYN, CLIENT_SEQUENCE, 0, 0},
	    [PACKET_ANSWER] = {TH_SYN | TH_ACK, SERVER_SEQUENCE, CLIENT_SEQUENCE + 1, 0},
	    [PACKET_FINISH] = {TH_ACK, CLIENT_SEQUENCE + 1, SERVER_SEQUENCE + 1, 0},
	    [PACKET_DATA] = {TH_PUSH | TH_ACK, CLIENT_SEQUENCE + 1, SERVER_SEQUENCE + 1, DATA_LENGTH},
	    [PACKET_DATA_ANSWER] = {TH_PUSH | TH_ACK, SERVER_SEQUENCE + 1, CLIENT_SEQUENCE + 1 + DATA_LENGTH,
				    DATA_LENGTH},
	    [PACKET_PUSH] = {TH_PUSH | TH_ACK, SERVER_SEQUENCE + 1, CLIENT_SEQUENCE + 1, DATA_LENGTH},
	};
	struct tcphdr header = {.th_sport = htons(packet->source_port),
				.th_dport = htons(packet->destination_port),
				.th_seq = htonl(forms[kind].sequence),
				.th_ack = htonl(forms[kind].acknowledges),
				.th_off = sizeof header / 4,
				.th_flags = forms[kind].flags,
				.th_win = htons(65535)};
	size_t length = sizeof header + forms[kind].data;
	memset(bytes, 'x', length);
	memcpy(bytes, &header, sizeof header);
	header.th_sum = fold(sum(bytes, length, pseudo(packet, length)));
	memcpy(bytes, &header, sizeof header);
	return length;
}

static size_t write_udp(uint8_t *bytes, const struct packet *packet)
{
	size_t length = sizeof(struct udphdr) + DATA_LENGTH;
	struct udphdr header = {.uh_sport = htons(packet->source_port),
				.uh_dport = htons(packet->destination_port),
				.uh_ulen = htons((uint16_t)length)};
	memset(bytes, 'x', length);
	memcpy(bytes, &header, sizeof header);
	header.uh_sum = fold(sum(bytes, length, pseudo(packet, length)));
	memcpy(bytes, &header, sizeof header);
	return length;
}

static void put16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof value);
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof value);
}

/* A common header and one chunk: INIT, INIT-ACK (with its cookie left out: nobody reads it), or DATA. */
static size_t write_sctp(uint8_t *bytes, enum packet_kind kind, const struct packet *packet)
{
	bool first = kind == PACKET_OPEN, answer = kind == PACKET_ANSWER, client = kind == PACKET_DATA;
	size_t chunk = first || answer ? 20 : 16 + DATA_LENGTH, length = SCTP_HEADER + chunk;
	memset(bytes, 0, length);
	put16(bytes, packet->source_port);
	put16(bytes + 2, packet->destination_port);
	put32(bytes + 4, first ? 0 : client ? SERVER_TAG : CLIENT_TAG);
	bytes[SCTP_HEADER] = first ? SCTP_INIT : answer ? SCTP_INIT_ACK : SCTP_DATA;
	bytes[SCTP_HEADER + 1] = first || answer ? 0 : 3; /* a whole message */
	put16(bytes + SCTP_HEADER + 2, (uint16_t)chunk);
	put32(bytes + SCTP_HEADER + 4, first ? CLIENT_TAG : SERVER_TAG);
	put32(bytes + SCTP_HEADER + 8, 65535); /* a_rwnd */
	put16(bytes + SCTP_HEADER + 12, 1);
	put16(bytes + SCTP_HEADER + 14, 1);
	uint32_t crc = crc32c(bytes, length);
	for (size_t i = 0; i < 4; i++)
		bytes[8 + i] = (uint8_t)(crc >> 8 * i);
	return length;
}

static bool is_request(enum packet_kind kind)
{
	return kind == PACKET_OPEN || kind == PACKET_DATA;
}

/* Requests of conntrack's table and their answers (net/netfilter/nf_conntrack_proto_icmp.c, _icmpv6.c). */
static const struct {
	uint8_t protocol, request, answer;
} icmp_types[] = {{IPPROTO_ICMP, 8, 0},	  {IPPROTO_ICMP, 13, 14},     {IPPROTO_ICMP, 15, 16},
		  {IPPROTO_ICMP, 17, 18}, {IPPROTO_ICMPV6, 128, 129}, {IPPROTO_ICMPV6, 139, 140}};
enum { ICMP_TYPES = sizeof icmp_types / sizeof *icmp_types };

static size_t write_icmp(uint8_t *bytes, enum packet_kind kind, const struct packet *packet)
{
	size_t length = 8 + 12; /* as long as a timestamp */
	uint8_t type = (uint8_t)(packet->destination_port >> 8);
	for (size_t i = 0; i < ICMP_TYPES && !is_request(kind); i++) {
		if (icmp_types[i].protocol != packet->protocol || icmp_types[i].request != type)
			continue;
		type = icmp_types[i].answer;
		break;
	}
	memset(bytes, 0, length);
	bytes[0] = type;
	bytes[1] = (uint8_t)packet->destination_port;
	put16(bytes + 4, packet->source_port);
	put16(bytes + 6, 1);
	uint16_t check = fold(sum(bytes, length, packet->protocol == IPPROTO_ICMPV6 ? pseudo(packet, length) : 0));
	memcpy(bytes + 2, &check, sizeof check);
	return length;
}

static size_t write_payload(uint8_t *bytes, enum packet_kind kind, const struct packet *packet)
{
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return write_tcp(bytes, kind, packet);
	case IPPROTO_UDP:
		return write_udp(bytes, packet);
	case IPPROTO_SCTP:
		return write_sctp(bytes, kind, packet);
	default:
		return write_icmp(bytes, kind, packet);
	}
}

size_t packet_write(uint8_t bytes[PACKET_ROOM], enum packet_kind kind, const struct packet *packet)
{
	if (packet->source.family == 4) {
		size_t length = write_payload(bytes + sizeof(struct iphdr), kind, packet);
		struct iphdr header = {.version = 4,
				       .ihl = sizeof header / 4,
				       .tot_len = htons((uint16_t)(sizeof header + length)),
				       .ttl = 64,
				       .protocol = packet->protocol};
		memcpy(&header.saddr, packet->source.bytes, 4);
		memcpy(&header.daddr, packet->destination.bytes, 4);
		header.check = fold(sum(&header, sizeof header, 0));
		memcpy(bytes, &header, sizeof header);
		return sizeof header + length;
	}
	size_t length = write_payload(bytes + sizeof(struct ip6_hdr), kind, packet);
	struct ip6_hdr header = {.ip6_plen = htons((uint16_t)length), .ip6_nxt = packet->protocol, .ip6_hlim = 64};
	header.ip6_vfc = 6 << 4;
	memcpy(&header.ip6_src, packet->source.bytes, 16);
	memcpy(&header.ip6_dst, packet->destination.bytes, 16);
	memcpy(bytes, &header, sizeof header);
	return sizeof header + length;
}

bool packet_read_payload(struct packet *packet, const uint8_t *bytes, size_t length)
{
	if (length < 8)
		return false;
	packet->source_port = (uint16_t)(bytes[0] << 8 | bytes[1]);
	packet->destination_port = (uint16_t)(bytes[2] << 8 | bytes[3]);
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
		packet->destination_port = packet->source_port;
		packet->source_port = (uint16_t)(bytes[4] << 8 | bytes[5]);
		for (size_t i = 0; i < ICMP_TYPES; i++)
			if (icmp_types[i].protocol == packet->protocol && icmp_types[i].request == bytes[0])
				packet->opens = true;
		return true;
	}
	if (packet->protocol == IPPROTO_TCP && length >= sizeof(struct tcphdr)) {
		struct tcphdr header;
		memcpy(&header, bytes, sizeof header);
		packet->opens = (header.th_flags & TH_SYN) != 0;
		packet->acknowledges = (header.th_flags & TH_ACK) != 0;
		packet->carries_data = length > sizeof header;
	}
	return packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP || packet->protocol == IPPROTO_SCTP;
}

bool packet_read(struct packet *packet, const uint8_t *bytes, size_t length)
{
	*packet = (struct packet){0};
	if (length >= sizeof(struct iphdr) && bytes[0] >> 4 == 4) {
		struct iphdr header;
		memcpy(&header, bytes, sizeof header);
		size_t begin = header.ihl * 4U, end = ntohs(header.tot_len);
		if (begin < sizeof header || end < begin || end > length)
			return false;
		packet->source.family = packet->destination.family = 4;
		memcpy(packet->source.bytes, &header.saddr, 4);
		memcpy(packet->destination.bytes, &header.daddr, 4);
		packet->protocol = header.protocol;
		return packet_read_payload(packet, bytes + begin, end - begin);
	}
	if (length < sizeof(struct ip6_hdr) || bytes[0] >> 4 != 6)
		return false;
	struct ip6_hdr header;
	memcpy(&header, bytes, sizeof header);
	packet->source.family = packet->destination.family = 6;
	memcpy(packet->source.bytes, &header.ip6_src, 16);
	memcpy(packet->destination.bytes, &header.ip6_dst, 16);
	packet->protocol = header.ip6_nxt;
	size_t rest = length - sizeof header, said = ntohs(header.ip6_plen);
	return said <= rest && packet_read_payload(packet, bytes + sizeof header, said);
}
