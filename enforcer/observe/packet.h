/* The bytes of a packet to its flow: who sends to whom, and on which port. */
#ifndef ENFORCER_OBSERVE_PACKET_H
#define ENFORCER_OBSERVE_PACKET_H

#include <ringfence/address.h>

/* As the packet has it. Its padding is zeroed, so that two of them compare as bytes. */
struct packet {
	struct address source, destination;
	uint8_t protocol; /* behind all extension headers */
	bool later;	  /* a fragment that is not the first: what is behind its header is no port */
	bool has_port;	  /* the packet, and what was copied of it, reached so far */
	uint16_t source_port,
	    port; /* host order. Of ICMP `port` is type << 8 | code, as in policy.h, and the other 0 */
};

/* Decodes the first `length` bytes of a packet, from the header that `ethertype` (ETH_P_IP, ETH_P_IPV6, or a VLAN tag
 * before one) names. Bytes come from anybody: nothing is read beyond them, and a packet that ends early is decoded as
 * far as it goes. Returns NULL, or why there is no flow in it. */
const char *packet_decode(struct packet *packet, uint16_t ethertype, const uint8_t *bytes, size_t length);

/* Whether it is an ICMP error, which is judged as the flow that it quotes and not by its own ends. */
bool packet_is_error(const struct packet *packet);

#endif
