/* Sends and receives: flows of small datagrams, connections that come and go, and one that carries much. */
#include "tests/bench/packets/traffic.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	FLOWS = 500,
	BURST = 4, /* datagrams of one flow at a time */
	DATAGRAM = 32,
	REQUEST = 64,
	AT_ONCE = 16, /* connections */
	SERVICES = 16,
	ATTEMPTS = 30,
	LATE_MICROSECONDS = 10000,
	CHUNK = 1 << 18,
	BUFFER = 1 << 22
};
static const uint64_t slot_most = 40000000; /* nanoseconds */

/* A connection's end, or a listening socket. */
struct end {
	enum { LISTENER, CLIENT, SERVER } kind;
	int fd;
};

struct traffic {
	struct path path;
	struct load load;
	int flows[FLOWS];    /* connected UDP sockets of the client */
	int sinks[SERVICES]; /* UDP sockets of the server that drop everything */
	int events;
	struct end listeners[SERVICES];
	uint64_t started, answered, ended; /* connections */
};

static int complain(const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
	return -1;
}

static uint64_t cpu_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static socklen_t size_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* ---- opening ---- */

/* A socket at an address of its own, with one option set before. */
static int open_at(int name_space, struct sockaddr_storage address, int type, int level, int option)
{
	const int yes = 1;
	int fd = path_socket(name_space, address.ss_family, type);
	if (fd < 0)
		return -1;
	setsockopt(fd, level, option, &yes, sizeof yes);
	if (bind(fd, (struct sockaddr *)&address, size_of(&address)) == 0)
		return fd;
	complain("bind");
	close(fd);
	return -1;
}

/* The kernel chooses the port when it connects. */
static int open_peer(const struct traffic *t, uint32_t peer, int type)
{
	return open_at(t->path.client, path_peer(t->load.family, peer), type, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
}

static int open_service(const struct traffic *t, uint32_t service, int type)
{
	return open_at(t->path.server, path_service(t->load.family, service, SERVICE_PORT), type, SOL_SOCKET,
		       SO_REUSEADDR);
}

static int connect_service(const struct traffic *t, int fd, uint32_t service)
{
	struct sockaddr_storage address = path_service(t->load.family, service, SERVICE_PORT);
	return connect(fd, (struct sockaddr *)&address, size_of(&address));
}

/* The flow's first packet and its answer, so that conntrack takes it as established. */
static bool exchange(const struct traffic *t, size_t flow)
{
	char byte = 0;
	struct sockaddr_storage from;
	socklen_t size = sizeof from;
	int client = t->flows[flow], sink = t->sinks[flow % t->load.services];
	while (recv(sink, &byte, 1, MSG_DONTWAIT) == 1)
		; /* of an attempt that was late */
	return send(client, &byte, 1, 0) == 1 && recvfrom(sink, &byte, 1, 0, (struct sockaddr *)&from, &size) == 1 &&
	       sendto(sink, &byte, 1, 0, (struct sockaddr *)&from, size) == 1 && recv(client, &byte, 1, 0) == 1;
}

/* A new wire carries nothing until the kernel has noticed that it is up, which it looks for once a second. */
static int establish(const struct traffic *t, size_t flow)
{
	for (size_t i = 0; i < ATTEMPTS; i++)
		if (exchange(t, flow))
			return 0;
	return complain("a flow and its answer");
}

/* From now on a sink drops, which costs nobody a wake-up. */
static int drop_all(int fd)
{
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog program = {.len = 1, .filter = &drop};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : complain("filter");
}

static int open_datagrams(struct traffic *t)
{
	const struct timeval patience = {.tv_usec = 100000};
	for (uint32_t i = 0; i < t->load.services; i++) {
		if ((t->sinks[i] = open_service(t, i, SOCK_DGRAM)) < 0)
			return -1;
		setsockopt(t->sinks[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	}
	/* Peers far from each other: with many entries each flow meets elements of its own. */
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t peer = (uint32_t)((uint64_t)i * t->load.peers / FLOWS);
		if ((t->flows[i] = open_peer(t, peer, SOCK_DGRAM)) < 0)
			return -1;
		setsockopt(t->flows[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		if (connect_service(t, t->flows[i], i % t->load.services) != 0)
			return complain("connect a flow");
		if (establish(t, i) != 0)
			return -1;
	}
	for (uint32_t i = 0; i < t->load.services; i++)
		if (drop_all(t->sinks[i]) != 0)
			return -1;
	return 0;
}

static int watch(const struct traffic *t, struct end *end, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = end};
	return epoll_ctl(t->events, EPOLL_CTL_ADD, end->fd, &event) == 0 ? 0 : complain("epoll_ctl");
}

static int open_listeners(struct traffic *t)
{
	const int buffer = BUFFER;
	if ((t->events = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return complain("epoll_create1");
	for (uint32_t i = 0; i < t->load.services; i++) {
		struct end *end = &t->listeners[i];
		if ((end->fd = open_service(t, i, SOCK_STREAM | SOCK_NONBLOCK)) < 0)
			return -1;
		setsockopt(end->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
		if (listen(end->fd, 4 * AT_ONCE) != 0)
			return complain("listen");
		if (watch(t, end, EPOLLIN) != 0)
			return -1;
	}
	return 0;
}

struct traffic *traffic_create(const struct path *path, const struct load *load)
{
	struct traffic *t = calloc(1, sizeof *t);
	if (t == NULL)
		abort();
	t->path = *path;
	t->load = *load;
	t->events = -1;
	memset(t->flows, -1, sizeof t->flows);
	memset(t->sinks, -1, sizeof t->sinks);
	for (size_t i = 0; i < SERVICES; i++)
		t->listeners[i].fd = -1;
	if (open_datagrams(t) == 0 && open_listeners(t) == 0)
		return t;
	traffic_destroy(t);
	return NULL;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void traffic_destroy(struct traffic *t)
{
	if (t == NULL)
		return;
	close_all(t->flows, FLOWS);
	close_all(t->sinks, SERVICES);
	close_all(&t->events, 1);
	for (size_t i = 0; i < SERVICES; i++)
		close_all(&t->listeners[i].fd, 1);
	free(t);
}

/* ---- small packets ---- */

/* What the sinks have dropped, which is what arrived. A counter of 32 bits each. */
static uint32_t arrived(const struct traffic *t)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < t->load.services; i++) {
		uint32_t numbers[SK_MEMINFO_VARS] = {0};
		socklen_t size = sizeof numbers;
		getsockopt(t->sinks[i], SOL_SOCKET, SO_MEMINFO, numbers, &size);
		sum += numbers[SK_MEMINFO_DROPS];
	}
	return sum;
}

static int send_bursts(const struct traffic *t, uint64_t packets, struct amount *amount)
{
	char bytes[DATAGRAM] = {0};
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
	struct mmsghdr burst[BURST] = {0};
	for (size_t i = 0; i < BURST; i++)
		burst[i].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
	uint64_t begin = cpu_time(), now = begin;
	amount->count = 0;
	for (size_t flow = 0; amount->count < packets && now - begin < slot_most; flow++) {
		int sent = sendmmsg(t->flows[flow % FLOWS], burst, BURST, 0);
		if (sent < 0)
			return complain("sendmmsg");
		amount->count += (uint64_t)sent;
		if (flow % 16 == 0)
			now = cpu_time();
	}
	amount->nanoseconds = cpu_time() - begin;
	return 0;
}

/* What has not arrived by now is carried by a thread of the kernel's, whose time we do not see, or lost: once more. */
int traffic_packets(struct traffic *t, uint64_t packets, struct amount *amount)
{
	uint32_t missing = 0;
	for (size_t i = 0; i < ATTEMPTS; i++) {
		uint32_t before = arrived(t);
		if (send_bursts(t, packets, amount) != 0)
			return -1;
		missing = (uint32_t)amount->count - (arrived(t) - before);
		if (missing == 0)
			return 0;
		usleep(LATE_MICROSECONDS);
	}
	fprintf(stderr, "packets: %u of %llu datagrams did not arrive\n", missing, (unsigned long long)amount->count);
	return -1;
}

/* ---- connections ---- */

static int start_connection(struct traffic *t)
{
	uint32_t number = (uint32_t)(t->started++ * 7919); /* a prime, so that neighbours are of different peers */
	struct end *end = malloc(sizeof *end);
	if (end == NULL)
		abort();
	*end = (struct end){CLIENT, open_peer(t, number % t->load.peers, SOCK_STREAM | SOCK_NONBLOCK)};
	if (end->fd < 0)
		return -1;
	if (connect_service(t, end->fd, number % t->load.services) != 0 && errno != EINPROGRESS)
		return complain("connect");
	return watch(t, end, EPOLLOUT);
}

static void end_connection(struct traffic *t, struct end *end)
{
	if (end->kind == SERVER)
		t->ended++;
	close(end->fd);
	free(end);
}

static int accept_connections(struct traffic *t, const struct end *listener)
{
	int fd;
	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct end *end = malloc(sizeof *end);
		if (end == NULL)
			abort();
		*end = (struct end){SERVER, fd};
		if (watch(t, end, EPOLLIN) != 0)
			return -1;
	}
	return errno == EAGAIN ? 0 : complain("accept");
}

static int serve(struct traffic *t, struct end *end)
{
	char bytes[REQUEST];
	ssize_t got = read(end->fd, bytes, sizeof bytes);
	if (got < 0)
		return errno == EAGAIN ? 0 : complain("read a request");
	if (got == 0)
		end_connection(t, end);
	else if (write(end->fd, bytes, sizeof bytes) != sizeof bytes)
		return complain("answer");
	return 0;
}

/* Sends the request as soon as it is connected, and ends the connection once it is answered. */
static int call(struct traffic *t, struct end *end, uint32_t events)
{
	char bytes[REQUEST] = {0};
	if ((events & EPOLLOUT) != 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};
		if (write(end->fd, bytes, sizeof bytes) != sizeof bytes)
			return complain("send a request");
		epoll_ctl(t->events, EPOLL_CTL_MOD, end->fd, &event);
		return 0;
	}
	if (read(end->fd, bytes, sizeof bytes) <= 0)
		return complain("read an answer");
	t->answered++;
	end_connection(t, end);
	return 0;
}

/* Waits for events and handles them. An event that does not come for a second never will. */
static int step(struct traffic *t)
{
	struct epoll_event events[64];
	int count = epoll_wait(t->events, events, 64, 1000);
	if (count <= 0) {
		errno = count == 0 ? ETIMEDOUT : errno;
		return complain("connections");
	}
	for (int i = 0; i < count; i++) {
		struct end *end = events[i].data.ptr;
		int result = end->kind == LISTENER ? accept_connections(t, end)
			     : end->kind == SERVER ? serve(t, end)
						   : call(t, end, events[i].events);
		if (result != 0)
			return -1;
	}
	return 0;
}

int traffic_connections(struct traffic *t, uint64_t connections, struct amount *amount)
{
	t->started = t->answered = t->ended = 0;
	uint64_t begin = cpu_time();
	while (t->ended < connections) {
		while (t->started < connections && t->started - t->ended < AT_ONCE)
			if (start_connection(t) != 0)
				return -1;
		if (cpu_time() - begin > slot_most)
			connections = t->started;
		if (t->ended < connections && step(t) != 0)
			return -1;
	}
	*amount = (struct amount){t->answered, cpu_time() - begin};
	return 0;
}

/* ---- bulk ---- */

/* Both ends of a stream. */
struct stream {
	int out, in;
};

/* To a peer whose rules come neither first nor last. A new connection each time: what an old one has learnt of delays
 * while nothing was sent makes its segments small. */
static int open_stream(const struct traffic *t, struct stream *stream)
{
	const int buffer = BUFFER;
	if ((stream->out = open_peer(t, t->load.peers / 2, SOCK_STREAM)) < 0)
		return -1;
	setsockopt(stream->out, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
	if (connect_service(t, stream->out, 0) != 0)
		return complain("connect a stream");
	stream->in = accept4(t->listeners[0].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return stream->in >= 0 ? 0 : complain("accept a stream");
}

/* Waits without using the CPU: on a busy machine a thread of the kernel's may have taken over what is under way. */
static int wait_for(const struct stream *stream, bool sending)
{
	struct pollfd ends[2] = {{.fd = stream->in, .events = POLLIN},
				 {.fd = sending ? stream->out : -1, .events = POLLOUT}};
	int ready = poll(ends, 2, 1000);
	errno = ready == 0 ? ETIMEDOUT : errno;
	return ready > 0 ? 0 : complain("a stream");
}

static int carry(const struct stream *stream, uint64_t bytes)
{
	static char out[CHUNK], in[CHUNK];
	for (uint64_t sent = 0, got = 0; got < bytes;) {
		ssize_t size = sent < bytes ? send(stream->out, out, sizeof out, MSG_DONTWAIT) : 0;
		if (size < 0 && errno != EAGAIN)
			return complain("send");
		uint64_t before = sent + got;
		sent += size > 0 ? (uint64_t)size : 0;
		while ((size = read(stream->in, in, sizeof in)) > 0)
			got += (uint64_t)size;
		if (size == 0 || errno != EAGAIN)
			return complain("receive");
		if (sent + got == before && wait_for(stream, sent < bytes) != 0)
			return -1;
	}
	return 0;
}

int traffic_bulk(struct traffic *t, uint64_t bytes, struct amount *amount)
{
	struct stream stream = {-1, -1};
	uint64_t begin = cpu_time();
	int result = open_stream(t, &stream) == 0 ? carry(&stream, bytes) : -1;
	close_all((const int[]){stream.out, stream.in}, 2);
	*amount = (struct amount){bytes, cpu_time() - begin};
	return result;
}
