/* Sends, answers and watches packets for the scenarios in this directory; see `usage` at the end for the subcommands.
 *
 * Exit status of `try`: 0 an answer came, 1 none came in time, 2 the question could not be asked (no such source,
 * nothing listens there). All times are CLOCK_MONOTONIC nanoseconds, which every namespace of a machine shares, so a
 * time printed by one process can be compared with that of another. */
#include "tests/packets/clock.h"
#include "tests/packets/commits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXIT_ALLOWED 0
#define EXIT_DENIED 1
#define EXIT_UNASKED 2

#define MESSAGE_MAGIC 0x52464e43u
#define SERVER_MAX 256 /* sockets of one `serve` */
#define DATAGRAM_MAX 65536

/* What a stream carries, in host order: both ends are on one machine. */
struct message {
	uint32_t magic;
	uint32_t push_ms; /* client to server: send me one message a millisecond for so long */
	uint64_t sequence;
	uint64_t sent_ns;
};

static int fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	return EXIT_UNASKED;
}

/* Reads a numeric address; false when it is none. */
static bool address_parse(const char *text, uint16_t port, struct sockaddr_storage *address, socklen_t *size)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		*size = sizeof *v4;
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*size = sizeof *v6;
		return true;
	}
	errno = EINVAL;
	return false;
}

static const char *address_text(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
	const void *bytes = address->ss_family == AF_INET
				? (const void *)&((const struct sockaddr_in *)address)->sin_addr
				: &((const struct sockaddr_in6 *)address)->sin6_addr;
	return inet_ntop(address->ss_family, bytes, text, INET6_ADDRSTRLEN) ? text : "?";
}

static int socket_type(const char *protocol)
{
	return strcmp(protocol, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
}

/* ---- messages: written one a millisecond, read whole ---- */

struct sender {
	int fd;
	struct sockaddr_storage to;
	socklen_t to_size; /* 0: the socket is connected */
	uint32_t push_ms;
	uint64_t sequence, next_ns, until_ns;
	uint64_t most;	     /* messages to send; 0: no end of them */
	struct message rest; /* what a full TCP buffer did not take of the last message */
	size_t rest_size;
};

/* Sends the next message when it is due. */
static void sender_run(struct sender *sender, uint64_t now)
{
	if (now < sender->next_ns || now >= sender->until_ns)
		return;
	sender->next_ns = sender->next_ns + MILLISECOND > now ? sender->next_ns + MILLISECOND : now + MILLISECOND;
	if (sender->most > 0 && sender->sequence == sender->most && sender->rest_size == 0)
		return;
	if (sender->rest_size) {
		const char *bytes = (const char *)(&sender->rest + 1) - sender->rest_size;
		ssize_t sent = send(sender->fd, bytes, sender->rest_size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			sender->rest_size -= (size_t)sent;
		return;
	}
	struct message message = {MESSAGE_MAGIC, sender->push_ms, sender->sequence, now_ns()};
	ssize_t sent = sendto(sender->fd, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL,
			      sender->to_size ? (struct sockaddr *)&sender->to : NULL, sender->to_size);
	if (sent < 0)
		return;
	sender->sequence++;
	if ((size_t)sent < sizeof message) {
		sender->rest = message;
		sender->rest_size = sizeof message - (size_t)sent;
	}
}

static void message_log(const char *protocol, const struct sockaddr_storage *from, const struct message *message)
{
	char text[INET6_ADDRSTRLEN];
	printf("in %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", protocol, address_text(from, text), message->sequence,
	       message->sent_ns, now_ns());
}

/* ---- serve ---- */

enum endpoint_kind { ENDPOINT_LISTENER, ENDPOINT_CONNECTION, ENDPOINT_DATAGRAM };

struct endpoint {
	enum endpoint_kind kind;
	struct sockaddr_storage peer;
	struct message partial;
	size_t partial_size;
};

struct server {
	struct pollfd polls[SERVER_MAX];
	struct endpoint endpoints[SERVER_MAX];
	size_t count;
	struct sender senders[SERVER_MAX];
	size_t sender_count;
};

static bool server_add(struct server *server, int fd, enum endpoint_kind kind)
{
	if (server->count == SERVER_MAX) {
		close(fd);
		return false;
	}
	server->polls[server->count] = (struct pollfd){.fd = fd, .events = POLLIN};
	server->endpoints[server->count] = (struct endpoint){.kind = kind};
	server->count++;
	return true;
}

static int server_listen(struct server *server, const char *address, uint16_t port, int type)
{
	struct sockaddr_storage local;
	socklen_t size;
	if (!address_parse(address, port, &local, &size))
		return fail(address);
	int fd = socket(local.ss_family, type | SOCK_CLOEXEC, 0);
	int on = 1;
	if (fd < 0)
		return fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (local.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&local, size) < 0 || (type == SOCK_STREAM && listen(fd, 64) < 0)) {
		close(fd);
		return fail(address);
	}
	return server_add(server, fd, type == SOCK_STREAM ? ENDPOINT_LISTENER : ENDPOINT_DATAGRAM) ? 0 : EXIT_UNASKED;
}

/* Begins to push to a peer that asks for it with the first message of its stream. */
static void server_push(struct server *server, int fd, const struct sockaddr_storage *to, socklen_t to_size,
			const struct message *message)
{
	uint64_t now = now_ns();
	size_t i = 0;
	if (message->push_ms == 0 || message->sequence != 0)
		return;
	while (i < server->sender_count && server->senders[i].until_ns > now)
		i++;
	if (i == SERVER_MAX)
		return;
	if (i == server->sender_count)
		server->sender_count++;
	server->senders[i] = (struct sender){
	    .fd = fd, .next_ns = now, .until_ns = now + message->push_ms * MILLISECOND, .to_size = to_size};
	if (to_size)
		server->senders[i].to = *to;
}

static void server_datagram(struct server *server, size_t index)
{
	static char buffer[DATAGRAM_MAX];
	struct sockaddr_storage from;
	socklen_t from_size = sizeof from;
	int fd = server->polls[index].fd;
	ssize_t size = recvfrom(fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
	if (size < 0)
		return;
	struct message message;
	if ((size_t)size == sizeof message) {
		memcpy(&message, buffer, sizeof message);
		if (message.magic == MESSAGE_MAGIC) {
			message_log("udp", &from, &message);
			server_push(server, fd, &from, from_size, &message);
			return;
		}
	}
	sendto(fd, buffer, (size_t)size, MSG_DONTWAIT, (struct sockaddr *)&from, from_size);
}

/* Returns false when the connection is over. */
static bool server_connection(struct server *server, size_t index)
{
	struct endpoint *endpoint = &server->endpoints[index];
	int fd = server->polls[index].fd;
	char buffer[4096];
	ssize_t size = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
	if (size <= 0)
		return size < 0 && errno == EAGAIN;
	uint32_t magic = 0;
	memcpy(&magic, buffer, (size_t)size < sizeof magic ? (size_t)size : sizeof magic);
	if (endpoint->partial.magic != MESSAGE_MAGIC && magic != MESSAGE_MAGIC)
		return send(fd, buffer, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	for (ssize_t i = 0; i < size; i++) {
		((char *)&endpoint->partial)[endpoint->partial_size++] = buffer[i];
		if (endpoint->partial_size < sizeof endpoint->partial)
			continue;
		endpoint->partial_size = 0;
		message_log("tcp", &endpoint->peer, &endpoint->partial);
		server_push(server, fd, NULL, 0, &endpoint->partial);
	}
	return true;
}

static void server_accept(struct server *server, size_t index)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof peer;
	int on = 1;
	int fd = accept4(server->polls[index].fd, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
	if (fd < 0 || !server_add(server, fd, ENDPOINT_CONNECTION))
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	server->endpoints[server->count - 1].peer = peer;
}

static void server_close(struct server *server, size_t index)
{
	for (size_t i = 0; i < server->sender_count; i++)
		if (server->senders[i].fd == server->polls[index].fd)
			server->senders[i].until_ns = 0;
	close(server->polls[index].fd);
	server->count--;
	server->polls[index] = server->polls[server->count];
	server->endpoints[index] = server->endpoints[server->count];
}

static void server_turn(struct server *server)
{
	uint64_t now = now_ns(), wake = UINT64_MAX;
	for (size_t i = 0; i < server->sender_count; i++) {
		sender_run(&server->senders[i], now);
		if (server->senders[i].until_ns > now && server->senders[i].next_ns < wake)
			wake = server->senders[i].next_ns;
	}
	now = now_ns();
	uint64_t wait = wake > now ? wake - now : 0;
	struct timespec timeout = {.tv_nsec = (long)(wait < MILLISECOND ? wait : MILLISECOND)};
	if (ppoll(server->polls, server->count, wake == UINT64_MAX ? NULL : &timeout, NULL) <= 0)
		return;
	for (size_t i = server->count; i-- > 0;) { /* downwards: closing moves the last one here */
		if (server->polls[i].revents == 0)
			continue;
		switch (server->endpoints[i].kind) {
		case ENDPOINT_LISTENER:
			server_accept(server, i);
			break;
		case ENDPOINT_DATAGRAM:
			server_datagram(server, i);
			break;
		case ENDPOINT_CONNECTION:
			if (!server_connection(server, i))
				server_close(server, i);
			break;
		}
	}
}

static int serve(int argc, char **argv)
{
	static struct server server;
	char *addresses_end, *ports_end;
	bool tcp = strcmp(argv[2], "udp") != 0, udp = strcmp(argv[2], "tcp") != 0;
	(void)argc;
	for (char *address = strtok_r(argv[0], ",", &addresses_end); address;
	     address = strtok_r(NULL, ",", &addresses_end)) {
		char *ports = strdup(argv[1]);
		if (ports == NULL)
			return fail("strdup");
		for (char *port = strtok_r(ports, ",", &ports_end); port; port = strtok_r(NULL, ",", &ports_end)) {
			uint16_t number = (uint16_t)atoi(port);
			if ((tcp && server_listen(&server, address, number, SOCK_STREAM)) ||
			    (udp && server_listen(&server, address, number, SOCK_DGRAM))) {
				free(ports);
				return EXIT_UNASKED;
			}
		}
		free(ports);
	}
	puts("ready");
	for (;;)
		server_turn(&server);
}

/* ---- try ---- */

/* Waits until `fd` is ready for `events`; false when `deadline` comes first. */
static bool await(int fd, short events, uint64_t deadline)
{
	uint64_t now = now_ns();
	struct pollfd poll_fd = {.fd = fd, .events = events};
	if (now >= deadline)
		return false;
	return poll(&poll_fd, 1, (int)((deadline - now + MILLISECOND - 1) / MILLISECOND)) > 0;
}

/* What an error of a socket says about the flow: only silence is a denial. */
static int exit_of_error(int error)
{
	if (error == ETIMEDOUT || error == EAGAIN)
		return EXIT_DENIED;
	errno = error;
	return fail("answer");
}

static uint16_t checksum(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Sends an echo request and waits for the reply. A raw socket sees every reply of the namespace: the identifier tells.
 */
static int try_echo(int fd, bool v6, uint64_t deadline)
{
	struct icmphdr request = {.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
	uint8_t reply_type = v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	request.un.echo.id = htons((uint16_t)getpid());
	if (!v6)
		request.checksum = checksum(&request, sizeof request, 0);
	if (send(fd, &request, sizeof request, 0) < 0)
		return fail("send");
	while (await(fd, POLLIN, deadline)) {
		uint8_t buffer[256];
		struct icmphdr reply;
		ssize_t size = recv(fd, buffer, sizeof buffer, 0);
		size_t skip = v6 ? 0 : (size_t)(buffer[0] & 15) * 4;
		if (size < 0 || (size_t)size < skip + sizeof reply)
			continue;
		memcpy(&reply, buffer + skip, sizeof reply);
		if (reply.type == reply_type && reply.un.echo.id == request.un.echo.id)
			return EXIT_ALLOWED;
	}
	return EXIT_DENIED;
}

static int try_exchange(int fd, size_t size, uint64_t deadline)
{
	static char buffer[DATAGRAM_MAX];
	size_t received = 0;
	memset(buffer, 'x', size);
	if (send(fd, buffer, size, MSG_NOSIGNAL) < 0)
		return fail("send");
	while (received < size) {
		if (!await(fd, POLLIN, deadline))
			return EXIT_DENIED;
		ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
		if (got < 0)
			return exit_of_error(errno);
		if (got == 0)
			return EXIT_DENIED;
		received += (size_t)got;
	}
	return EXIT_ALLOWED;
}

static int try_flow(int argc, char **argv)
{
	const char *protocol = argv[3];
	uint64_t deadline = now_ns() + (argc > 4 ? strtoull(argv[4], NULL, 10) : 300) * MILLISECOND;
	size_t bytes = argc > 5 ? strtoul(argv[5], NULL, 10) : 5;
	bool echo = strcmp(protocol, "icmp") == 0;
	struct sockaddr_storage from, to;
	socklen_t from_size, to_size;
	if (!address_parse(argv[1], echo ? 0 : (uint16_t)atoi(argv[2]), &to, &to_size) || bytes > DATAGRAM_MAX)
		return fail(argv[1]);
	int icmp = to.ss_family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int fd = socket(to.ss_family, (echo ? SOCK_RAW : socket_type(protocol)) | SOCK_CLOEXEC | SOCK_NONBLOCK,
			echo ? icmp : 0);
	if (fd < 0)
		return fail("socket");
	if (strcmp(argv[0], "-") != 0 &&
	    (!address_parse(argv[0], 0, &from, &from_size) || bind(fd, (struct sockaddr *)&from, from_size) < 0))
		return fail(argv[0]);
	if (connect(fd, (struct sockaddr *)&to, to_size) < 0 && errno != EINPROGRESS)
		return exit_of_error(errno);
	if (echo)
		return try_echo(fd, to.ss_family == AF_INET6, deadline);
	if (!await(fd, POLLOUT, deadline))
		return EXIT_DENIED;
	int error = 0;
	socklen_t error_size = sizeof error;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
	return error ? exit_of_error(error) : try_exchange(fd, bytes, deadline);
}

/* ---- stream ---- */

/* Opens the connection of a stream, from `local_port` when that is not 0. Returns the socket, or -1 with errno. */
static int stream_open(const struct sockaddr_storage *to, socklen_t to_size, int type, uint16_t local_port)
{
	struct timeval second = {.tv_sec = 1};
	struct sockaddr_storage local;
	socklen_t local_size;
	int on = 1;
	int fd = socket(to->ss_family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
	if ((local_port &&
	     (!address_parse(to->ss_family == AF_INET ? "0.0.0.0" : "::", local_port, &local, &local_size) ||
	      bind(fd, (struct sockaddr *)&local, local_size) < 0)) ||
	    connect(fd, (const struct sockaddr *)to, to_size) < 0) {
		close(fd);
		return -1;
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static int stream(int argc, char **argv)
{
	const char *protocol = argv[2];
	uint64_t duration = (uint64_t)(atof(argv[3]) * 1000) * MILLISECOND, received = 0, last = 0;
	struct sockaddr_storage to;
	socklen_t to_size;
	struct message message;
	size_t size = 0;
	if (!address_parse(argv[0], (uint16_t)atoi(argv[1]), &to, &to_size))
		return fail(argv[0]);
	int fd = stream_open(&to, to_size, socket_type(protocol), argc > 4 ? (uint16_t)atoi(argv[4]) : 0);
	if (fd < 0)
		return fail("connect");
	uint64_t start = now_ns();
	struct sender sender = {
	    .fd = fd, .next_ns = start, .until_ns = start + duration, .push_ms = (uint32_t)(duration / MILLISECOND)};
	sender.most = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	puts("ready");
	for (uint64_t now = start; now < sender.until_ns; now = now_ns()) {
		sender_run(&sender, now);
		if (!await(fd, POLLIN, sender.next_ns))
			continue;
		ssize_t got = recv(fd, (char *)&message + size, sizeof message - size, MSG_DONTWAIT);
		if (got == 0)
			break;
		size += got > 0 ? (size_t)got : 0;
		if (size < sizeof message)
			continue;
		size = 0;
		last = now_ns();
		received++;
		message_log(protocol, &to, &message);
	}
	printf("sent %" PRIu64 " received %" PRIu64 " last %" PRIu64 "\n", sender.sequence, received, last);
	return EXIT_ALLOWED;
}

/* ---- flood ---- */

/* UDP to PORTS ports in turn, as fast as one thread can. */
static int flood(int argc, char **argv)
{
	uint16_t first = (uint16_t)atoi(argv[1]), ports = (uint16_t)atoi(argv[2]);
	uint64_t until = now_ns() + (uint64_t)(atof(argv[3]) * 1000) * MILLISECOND, sent = 0;
	struct sockaddr_storage to;
	socklen_t to_size;
	(void)argc;
	if (ports == 0 || !address_parse(argv[0], first, &to, &to_size))
		return fail(argv[0]);
	in_port_t *port =
	    to.ss_family == AF_INET ? &((struct sockaddr_in *)&to)->sin_port : &((struct sockaddr_in6 *)&to)->sin6_port;
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail("socket");
	uint64_t i = 0;
	do { /* a look at the clock for every so many */
		*port = htons((uint16_t)(first + i % ports));
		sent += sendto(fd, "flood", 5, 0, (struct sockaddr *)&to, to_size) == 5;
	} while (++i % 256 != 0 || now_ns() < until);
	close(fd);
	printf("sent %" PRIu64 "\n", sent);
	return EXIT_ALLOWED;
}

/* ---- packets that no honest host would send ---- */

/* The header of either family, then a payload: 64 bytes are enough for what is built here. */
struct packet {
	uint8_t bytes[256];
	size_t size;
	bool v6;
};

/* Starts a packet with an IP header for `payload` bytes. */
static bool packet_begin(struct packet *packet, const char *from, const char *to, uint8_t protocol, size_t payload)
{
	struct sockaddr_storage source, destination;
	socklen_t size;
	if (!address_parse(from, 0, &source, &size) || !address_parse(to, 0, &destination, &size) ||
	    source.ss_family != destination.ss_family)
		return false;
	memset(packet, 0, sizeof *packet);
	packet->v6 = source.ss_family == AF_INET6;
	if (packet->v6) {
		struct ip6_hdr header = {.ip6_src = ((struct sockaddr_in6 *)&source)->sin6_addr,
					 .ip6_dst = ((struct sockaddr_in6 *)&destination)->sin6_addr};
		header.ip6_flow = htonl(6u << 28);
		header.ip6_plen = htons((uint16_t)payload);
		header.ip6_nxt = protocol;
		header.ip6_hlim = 255;
		memcpy(packet->bytes, &header, packet->size = sizeof header);
	} else {
		struct iphdr header = {.version = 4,
				       .ihl = 5,
				       .ttl = 64,
				       .protocol = protocol,
				       .saddr = ((struct sockaddr_in *)&source)->sin_addr.s_addr,
				       .daddr = ((struct sockaddr_in *)&destination)->sin_addr.s_addr};
		header.tot_len = htons((uint16_t)(sizeof header + payload));
		header.check = checksum(&header, sizeof header, 0);
		memcpy(packet->bytes, &header, packet->size = sizeof header);
	}
	return true;
}

/* The checksum of a payload that counts addresses, length and protocol in (RFC 768, RFC 8200 section 8.1). */
static uint16_t packet_checksum(const struct packet *packet, const void *payload, size_t size, uint8_t protocol)
{
	size_t offset = packet->v6 ? offsetof(struct ip6_hdr, ip6_src) : offsetof(struct iphdr, saddr);
	size_t bytes = packet->v6 ? 32 : 8;
	uint32_t sum = protocol + (uint32_t)size;
	for (size_t i = 0; i < bytes; i += 2)
		sum += (uint32_t)packet->bytes[offset + i] << 8 | packet->bytes[offset + i + 1];
	return checksum(payload, size, sum);
}

static void packet_append(struct packet *packet, const void *payload, size_t size)
{
	memcpy(packet->bytes + packet->size, payload, size);
	packet->size += size;
}

/* Sends from `interface` to the neighbour with address `mac`, past the routing and the addresses of this host. */
static int packet_send(const struct packet *packet, const char *interface, const char *mac)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(packet->v6 ? ETH_P_IPV6 : ETH_P_IP),
				 .sll_ifindex = (int)if_nametoindex(interface),
				 .sll_halen = ETH_ALEN};
	uint8_t *b = to.sll_addr;
	if (to.sll_ifindex == 0)
		return fail(interface);
	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6) {
		errno = EINVAL;
		return fail(mac);
	}
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, packet->bytes, packet->size, 0, (struct sockaddr *)&to, sizeof to) < 0)
		return fail("packet socket");
	close(fd);
	return EXIT_ALLOWED;
}

static int spoof(int argc, char **argv)
{
	struct packet packet;
	struct {
		struct udphdr udp;
		struct message message;
	} payload = {.udp = {.source = htons((uint16_t)(argc > 5 ? atoi(argv[5]) : 40000)),
			     .dest = htons((uint16_t)atoi(argv[4])),
			     .len = htons(sizeof payload)},
		     .message = {.magic = MESSAGE_MAGIC, .sent_ns = now_ns()}};
	if (!packet_begin(&packet, argv[2], argv[3], IPPROTO_UDP, sizeof payload))
		return fail("addresses");
	payload.udp.check = packet_checksum(&packet, &payload, sizeof payload, IPPROTO_UDP);
	packet_append(&packet, &payload, sizeof payload);
	return packet_send(&packet, argv[0], argv[1]);
}

static int advert(int argc, char **argv)
{
	struct packet packet;
	struct nd_router_advert payload = {.nd_ra_hdr = {.icmp6_type = ND_ROUTER_ADVERT}};
	(void)argc;
	payload.nd_ra_router_lifetime = htons(1800);
	if (!packet_begin(&packet, argv[1], "ff02::1", IPPROTO_ICMPV6, sizeof payload))
		return fail(argv[1]);
	payload.nd_ra_cksum = packet_checksum(&packet, &payload, sizeof payload, IPPROTO_ICMPV6);
	packet_append(&packet, &payload, sizeof payload);
	return packet_send(&packet, argv[0], "33:33:00:00:00:01");
}

static int too_big(int argc, char **argv)
{
	const char *interface = argv[0], *mac = argv[1], *from = argv[2], *mtu = argv[3];
	const char *client = argv[4], *client_port = argv[5], *server = argv[6], *server_port = argv[7];
	struct packet packet, quoted;
	struct udphdr udp = {.source = htons((uint16_t)atoi(client_port)),
			     .dest = htons((uint16_t)atoi(server_port)),
			     .len = htons(sizeof udp + sizeof(struct message))};
	uint8_t payload[128];
	(void)argc;
	if (!packet_begin(&quoted, client, server, IPPROTO_UDP, sizeof udp + sizeof(struct message)))
		return fail(client);
	packet_append(&quoted, &udp, sizeof udp);
	uint8_t protocol = quoted.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	size_t size = sizeof(struct icmphdr) + quoted.size;
	if (!packet_begin(&packet, from, client, protocol, size))
		return fail(from);
	if (quoted.v6) {
		struct icmp6_hdr icmp = {.icmp6_type = ICMP6_PACKET_TOO_BIG};
		icmp.icmp6_mtu = htonl((uint32_t)atoi(mtu));
		memcpy(payload, &icmp, sizeof icmp);
		memcpy(payload + sizeof icmp, quoted.bytes, quoted.size);
		icmp.icmp6_cksum = packet_checksum(&packet, payload, size, protocol);
		memcpy(payload, &icmp, sizeof icmp);
	} else {
		struct icmphdr icmp = {.type = ICMP_DEST_UNREACH, .code = ICMP_FRAG_NEEDED};
		icmp.un.frag.mtu = htons((uint16_t)atoi(mtu));
		memcpy(payload, &icmp, sizeof icmp);
		memcpy(payload + sizeof icmp, quoted.bytes, quoted.size);
		icmp.checksum = checksum(payload, size, 0);
		memcpy(payload, &icmp, sizeof icmp);
	}
	packet_append(&packet, payload, size);
	return packet_send(&packet, interface, mac);
}

/* ---- netlink: deny records ---- */

/* The attributes of a message of nfnetlink, by type; the kernel made them, so their sizes are trusted to be whole. */
struct attributes {
	const struct nlattr *of[64];
};

static int attribute_keep(const struct nlattr *attribute, void *data)
{
	struct attributes *attributes = data;
	if (mnl_attr_get_type(attribute) < 64)
		attributes->of[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static struct attributes attributes_of(const struct nlmsghdr *message)
{
	struct attributes attributes = {{NULL}};
	mnl_attr_parse(message, sizeof(struct nfgenmsg), attribute_keep, &attributes);
	return attributes;
}

static int record_print(const struct nlmsghdr *message, void *data)
{
	(void)data;
	if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return MNL_CB_OK;
	struct attributes attributes = attributes_of(message);
	const struct nlattr *prefix = attributes.of[NFULA_PREFIX], *payload = attributes.of[NFULA_PAYLOAD];
	if (payload == NULL || mnl_attr_get_payload_len(payload) < sizeof(struct iphdr))
		return MNL_CB_OK;
	const uint8_t *bytes = mnl_attr_get_payload(payload);
	bool v6 = bytes[0] >> 4 == 6;
	size_t header = v6 ? sizeof(struct ip6_hdr) : (size_t)(bytes[0] & 15) * 4;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	uint16_t port = 0;
	if (mnl_attr_get_payload_len(payload) < header)
		return MNL_CB_OK;
	inet_ntop(v6 ? AF_INET6 : AF_INET, bytes + (v6 ? 8 : 12), from, sizeof from);
	inet_ntop(v6 ? AF_INET6 : AF_INET, bytes + (v6 ? 24 : 16), to, sizeof to);
	uint8_t protocol = bytes[v6 ? 6 : 9];
	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && mnl_attr_get_payload_len(payload) >= header + 4)
		memcpy(&port, bytes + header + 2, sizeof port);
	printf("%s\t%s\t%s\t%u\t%u\n", prefix ? mnl_attr_get_str(prefix) : "", from, to, protocol, ntohs(port));
	return MNL_CB_OK;
}

/* Returns a netlink socket of netfilter with a buffer that holds a flood of records, or NULL. */
static struct mnl_socket *netfilter_open(void)
{
	int size = 16 << 20;
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (socket == NULL || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return NULL;
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	return socket;
}

static struct nlmsghdr *log_config(char *buffer, uint16_t group)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	message->nlmsg_flags = NLM_F_REQUEST;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(group);
	return message;
}

static int nflog(int argc, char **argv)
{
	char buffer[65536];
	uint16_t group = (uint16_t)atoi(argv[0]);
	uint64_t deadline = now_ns() + (uint64_t)(atof(argv[1]) * 1000) * MILLISECOND;
	struct mnl_socket *socket = netfilter_open();
	struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(128), .copy_mode = NFULNL_COPY_PACKET};
	(void)argc;
	if (socket == NULL)
		return fail("netlink");
	struct nlmsghdr *message = log_config(buffer, group);
	mnl_attr_put(message, NFULA_CFG_CMD, sizeof command, &command);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return fail("bind to the group");
	message = log_config(buffer, group);
	mnl_attr_put(message, NFULA_CFG_MODE, sizeof mode, &mode);
	mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(1)); /* hundredths of a second */
	mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(1));
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return fail("configure the group");
	puts("ready");
	while (await(mnl_socket_get_fd(socket), POLLIN, deadline)) {
		ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
		if (size > 0 && mnl_cb_run(buffer, (size_t)size, 0, 0, record_print, NULL) < 0)
			return fail("record");
	}
	mnl_socket_close(socket);
	return EXIT_ALLOWED;
}

/* ---- watch ---- */

static void commit_print(void *context, const struct commit *commit)
{
	(void)context;
	printf("commit %" PRIu64 " generation=%u process=%s pid=%u messages=%u deletes=%d chains=%s\n", commit->ns,
	       commit->generation, commit->process, commit->pid, commit->messages, commit->deletes, commit->chains);
}

static int watch(int argc, char **argv)
{
	struct commits *commits = commits_open((struct commits_calls){.commit = commit_print});
	(void)argc;
	(void)argv;
	if (commits == NULL)
		return fail("netlink");
	puts("ready");
	for (;;) {
		int result = commits_read(commits, now_ns() + 1000 * MILLISECOND);
		if (result < 0)
			printf("overrun %s\n", strerror(-result));
	}
}

static int print_now(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("%" PRIu64 "\n", now_ns());
	return EXIT_ALLOWED;
}

static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
	int required;
	const char *arguments;
} subcommands[] = {
    {"serve", serve, 3, "ADDRESS[,...] PORT[,...] tcp|udp|both    echo, and log the messages of streams"},
    {"try", try_flow, 4, "FROM|- TO PORT tcp|udp|icmp [MS [BYTES]]   is there an answer?"},
    {"stream", stream, 4,
     "TO PORT tcp|udp SECONDS [LOCAL_PORT|0 [MOST]]   a message each millisecond, both ways,"
     " or so many there"},
    {"flood", flood, 4, "TO PORT PORTS SECONDS                      UDP to so many ports, as fast as it goes"},
    {"spoof", spoof, 5, "INTERFACE MAC FROM TO PORT [FROM_PORT]     one UDP packet with any source"},
    {"advert", advert, 2, "INTERFACE FROM                            one IPv6 router advertisement"},
    {"too-big", too_big, 8, "INTERFACE MAC FROM MTU CLIENT PORT SERVER PORT   a path-MTU error about a UDP flow"},
    {"nflog", nflog, 2, "GROUP SECONDS                              prefix, source, destination, protocol, port"},
    {"watch", watch, 0, "                                           each nftables commit: when, who, what"},
    {"now", print_now, 0, "                                             the time on the clock of the other outputs"},
};

static int usage(void)
{
	for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
		fprintf(stderr, "probe %s %s\n", subcommands[i].name, subcommands[i].arguments);
	return EXIT_UNASKED;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof subcommands / sizeof *subcommands; i++)
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return argc - 2 < subcommands[i].required ? usage() : subcommands[i].run(argc - 2, argv + 2);
	return usage();
}
