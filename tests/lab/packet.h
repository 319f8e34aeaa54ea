/* Packets as bytes: made with right checksums, and taken apart. For the lab. */
#ifndef TESTS_LAB_PACKET_H
#define TESTS_LAB_PACKET_H

#include <ringfence/address.h>

#include <netinet/in.h>

enum { PACKET_ROOM = 256 };

/* What a packet of the lab says. */
enum packet_kind {
	PACKET_OPEN,   /* SYN, the first datagram, INIT, an ICMP request */
	PACKET_ANSWER, /* SYN-ACK, the echo, INIT-ACK, an ICMP reply */
	PACKET_FINISH, /* the ACK of a handshake: TCP only */
	PACKET_DATA,   /* one more on the same connection, and its answer */
	PACKET_DATA_ANSWER,
	PACKET_PUSH, /* the server speaks first on it */
};

struct packet {
	struct address source, destination;
	uint8_t protocol;
	uint16_t source_port, destination_port; /* ICMP: the number of the echo in `source_port`, type << 8 | code in
						 * the other */
	bool opens, acknowledges, carries_data; /* TCP */
};

/* Writes an IP packet and returns its length. Ports are those of this packet; for ICMP see struct packet, with the type
 * of the request also in an answer. */
size_t packet_write(uint8_t bytes[PACKET_ROOM], enum packet_kind kind, const struct packet *packet);

/* Takes an IP packet apart. Returns false when it is none that the lab sends. */
bool packet_read(struct packet *packet, const uint8_t *bytes, size_t length);

/* Takes apart what stands behind the IP header. */
bool packet_read_payload(struct packet *packet, const uint8_t *bytes, size_t length);

#endif
