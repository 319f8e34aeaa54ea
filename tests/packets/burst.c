/* Opens as many TCP connections as are asked for, as fast as one thread can: a scan, each SYN from another source and
 * to another port than the one before. For burst.sh; it prints how many packets the interface took. */
#include "tests/lab/packet.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOGETHER = 64, EPHEMERAL = 32768 };

struct burst {
	int fd;
	struct sockaddr_ll router;
	struct prefix from;
	struct address to;
	uint8_t bytes[TOGETHER][PACKET_ROOM];
	struct iovec parts[TOGETHER];
	struct mmsghdr messages[TOGETHER];
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "burst: %s: %s\n", what, why);
	return 2;
}

static int open_interface(struct burst *burst, const char *interface, const char *mac)
{
	struct sockaddr_ll *router = &burst->router;
	uint8_t *b = router->sll_addr;
	*router = (struct sockaddr_ll){.sll_family = AF_PACKET,
				       .sll_protocol = htons(burst->to.family == 6 ? ETH_P_IPV6 : ETH_P_IP),
				       .sll_ifindex = (int)if_nametoindex(interface),
				       .sll_halen = ETH_ALEN};
	if (router->sll_ifindex == 0)
		return fail(interface, strerror(errno));
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		return fail(mac, "no hardware address");
	burst->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return burst->fd < 0 ? fail("packet socket", strerror(errno)) : 0;
}

/* Packet `number`: its bits in the host bits of the source and in both ports, so that neighbours share none of them. */
static size_t write_packet(uint8_t bytes[PACKET_ROOM], const struct burst *burst, unsigned long number)
{
	const uint32_t spread = (uint32_t)number * 2654435761u; /* Knuth: an odd number, so that none comes twice */
	const size_t size = address_size(burst->from.address.family), hosts = size * 8 - burst->from.length;
	struct packet packet = {.source = burst->from.address,
				.destination = burst->to,
				.protocol = IPPROTO_TCP,
				.source_port = (uint16_t)(EPHEMERAL + (spread & 0x7fff)),
				.destination_port = (uint16_t)(1 + number % 65535)};
	for (size_t bit = 0; bit < hosts && bit < 16; bit++)
		packet.source.bytes[size - 1 - bit / 8] |= (uint8_t)((spread >> (16 + bit) & 1) << bit % 8);
	return packet_write(bytes, PACKET_OPEN, &packet);
}

/* Returns how many of `count` packets from `number` on the interface took. */
static unsigned send_some(struct burst *burst, unsigned long number, unsigned count)
{
	unsigned sent = 0;
	for (unsigned i = 0; i < count; i++) {
		burst->parts[i] = (struct iovec){burst->bytes[i], write_packet(burst->bytes[i], burst, number + i)};
		burst->messages[i].msg_hdr = (struct msghdr){.msg_name = &burst->router,
							     .msg_namelen = sizeof burst->router,
							     .msg_iov = &burst->parts[i],
							     .msg_iovlen = 1};
	}
	while (sent < count) {
		int result = sendmmsg(burst->fd, burst->messages + sent, count - sent, 0);
		if (result > 0)
			sent += (unsigned)result;
		else if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
			break;
	}
	return sent;
}

int main(int argc, char **argv)
{
	static struct burst burst;
	if (argc != 6)
		return fail("usage", "burst INTERFACE MAC FROM_PREFIX TO COUNT");
	const char *wrong = prefix_parse(&burst.from, argv[3]);
	if (wrong == NULL)
		wrong = address_parse(&burst.to, argv[4]);
	if (wrong == NULL && burst.from.address.family != burst.to.family)
		wrong = "of two families";
	if (wrong != NULL)
		return fail("addresses", wrong);
	int result = open_interface(&burst, argv[1], argv[2]);
	if (result != 0)
		return result;
	const unsigned long count = strtoul(argv[5], NULL, 10);
	for (unsigned long done = 0; done < count;) {
		unsigned some = count - done < TOGETHER ? (unsigned)(count - done) : TOGETHER;
		if (send_some(&burst, done, some) != some)
			return fail("send", strerror(errno));
		done += some;
	}
	close(burst.fd);
	printf("sent %lu\n", count);
	return 0;
}
