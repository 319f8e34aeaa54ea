/* Senders, each a thread with a packet socket of its own in every host: windows out, windows in, and the difference. */
#include "tests/lab/load.h"

#include "tests/lab/packet.h"

#include <linux/filter.h>

#include <errno.h>
#include <net/ethernet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	PACKETS_MAX = 2 * LOAD_FLOWS_MAX + 1,
	HOSTS_MAX = 16,
	FIRST_PORT = 30000,
	MARK_PORT = 9,
	MARK_WAIT = 1000, /* milliseconds */
	READ_AT_ONCE = 64,
	FRAME_ROOM = 128,
	PAYLOAD = 8,  /* bytes, which packet_write fills with x */
	SUM = 0xf0f0, /* of two words of them */
	INDEX_BITS = 12,
};

/* A packet that is sent in each window. */
struct shot {
	size_t flow, host; /* host: index in the sender's `ends` */
	uint8_t bytes[PACKET_ROOM];
	size_t length;
};

/* A host, as one sender speaks for it. */
struct end {
	size_t host;
	int fd;
	struct sockaddr_ll router[2]; /* by family */
};

struct sender {
	struct load *load;
	size_t number;
	pthread_t thread;
	int processor;
	struct end ends[HOSTS_MAX];
	size_t end_count;
	struct shot shots[PACKETS_MAX]; /* requests by host, replies by host, the mark */
	struct mmsghdr messages[PACKETS_MAX];
	struct iovec parts[PACKETS_MAX];
	size_t shot_count;
	bool arrived[PACKETS_MAX];
	uint64_t flow_sent[LOAD_FLOWS_MAX], flow_arrived[LOAD_FLOWS_MAX];
	uint16_t window;
	/* Read by others while it runs. */
	atomic_uint_fast64_t windows, sent, lost, leaked, marks_lost, longest;
};

struct load {
	struct load_flow *flows;
	size_t flow_count;
	struct sender *senders;
	size_t sender_count;
	atomic_bool stop;
};

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- the packets ---- */

static size_t header_length(const uint8_t *bytes)
{
	return (bytes[0] >> 4 == 6 ? 40 : 20) + 8;
}

static void put_word(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint16_t word_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* The payload is the window and what makes its sum that of the payload packet_write made, so that the checksum stays
 * right; then the same of sender and packet. */
static void put_number(uint8_t *payload, uint16_t number)
{
	put_word(payload, number);
	put_word(payload + 2, (uint16_t)(SUM - number));
}

static uint16_t own_number(const struct sender *sender, size_t shot)
{
	return (uint16_t)(sender->number << INDEX_BITS | shot);
}

/* The sender's end of a host, opened when it is new; HOSTS_MAX when it cannot be. */
static size_t end_of(struct sender *sender, struct lab *lab, size_t host)
{
	/* Only what this sender sent: the upper bits of the third word. A packet that is shorter is dropped. */
	struct sock_filter mine[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 2),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40 + 8 + 4),
	    BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20 + 8 + 4),
	    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, INDEX_BITS - 8),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)sender->number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, FRAME_ROOM),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {sizeof mine / sizeof *mine, mine};
	for (size_t i = 0; i < sender->end_count; i++)
		if (sender->ends[i].host == host)
			return i;
	if (sender->end_count == HOSTS_MAX)
		return HOSTS_MAX;
	struct end *end = &sender->ends[sender->end_count];
	end->host = host;
	end->fd = lab_open(lab, host, &end->router[0]);
	if (end->fd < 0 || setsockopt(end->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
		return HOSTS_MAX;
	end->router[1] = end->router[0];
	end->router[0].sll_protocol = htons(ETH_P_IP);
	end->router[1].sll_protocol = htons(ETH_P_IPV6);
	return sender->end_count++;
}

static bool add_shot(struct sender *sender, struct lab *lab, size_t host, size_t flow, enum packet_kind kind,
		     const struct packet *packet)
{
	size_t index = sender->shot_count++;
	struct shot *shot = &sender->shots[index];
	shot->flow = flow;
	shot->host = end_of(sender, lab, host);
	if (shot->host == HOSTS_MAX)
		return false;
	shot->length = packet_write(shot->bytes, kind, packet);
	put_number(shot->bytes + header_length(shot->bytes) + 4, own_number(sender, index));
	sender->parts[index] = (struct iovec){shot->bytes, shot->length};
	sender->messages[index].msg_hdr = (struct msghdr){
	    .msg_name = &sender->ends[shot->host].router[packet->source.family == 6],
	    .msg_namelen = sizeof(struct sockaddr_ll),
	    .msg_iov = &sender->parts[index],
	    .msg_iovlen = 1,
	};
	return true;
}

/* Requests or replies, those of one host side by side. */
static bool add_shots(struct sender *sender, struct lab *lab, bool replies)
{
	const struct load *load = sender->load;
	const uint16_t port = (uint16_t)(FIRST_PORT + sender->number);
	bool good = true, done[LOAD_FLOWS_MAX] = {false};
	for (size_t i = 0; i < load->flow_count; i++)
		for (size_t j = i; j < load->flow_count && good; j++) {
			const struct load_flow *first = &load->flows[i], *flow = &load->flows[j];
			if (done[j] || (replies ? first->to != flow->to : first->from != flow->from) ||
			    (replies && !flow->replies))
				continue;
			done[j] = true;
			const struct packet there = {.source = flow->source,
						     .destination = flow->destination,
						     .protocol = IPPROTO_UDP,
						     .source_port = port,
						     .destination_port = flow->port},
					    back = {.source = flow->destination,
						    .destination = flow->source,
						    .protocol = IPPROTO_UDP,
						    .source_port = flow->port,
						    .destination_port = port};
			good = end_of(sender, lab, flow->to) != HOSTS_MAX &&
			       add_shot(sender, lab, replies ? flow->to : flow->from, j,
					replies ? PACKET_ANSWER : PACKET_OPEN, replies ? &back : &there);
		}
	return good;
}

static bool add_mark(struct sender *sender, struct lab *lab, size_t mark)
{
	struct packet packet = {.protocol = IPPROTO_UDP, .source_port = MARK_PORT, .destination_port = MARK_PORT};
	return address_parse(&packet.source, "192.0.2.251") == NULL &&
	       address_parse(&packet.destination, "192.0.2.252") == NULL &&
	       lab_add_address(lab, mark, &packet.source) == 0 &&
	       lab_add_address(lab, LAB_OUTSIDE, &packet.destination) == 0 &&
	       end_of(sender, lab, LAB_OUTSIDE) != HOSTS_MAX &&
	       add_shot(sender, lab, mark, LOAD_FLOWS_MAX, PACKET_OPEN, &packet);
}

/* ---- a window ---- */

/* Takes what has arrived at an end. Returns whether anything has. */
static bool read_end(struct sender *sender, const struct end *end)
{
	uint8_t frames[READ_AT_ONCE][FRAME_ROOM];
	struct iovec parts[READ_AT_ONCE];
	struct mmsghdr messages[READ_AT_ONCE];
	for (size_t i = 0; i < READ_AT_ONCE; i++) {
		parts[i] = (struct iovec){frames[i], FRAME_ROOM};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	int count = recvmmsg(end->fd, messages, READ_AT_ONCE, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++) {
		const uint8_t *payload = frames[i] + header_length(frames[i]);
		uint16_t index = word_at(payload + 4) & ((1 << INDEX_BITS) - 1);
		bool whole = messages[i].msg_len >= header_length(frames[i]) + PAYLOAD;
		bool ours = whole && (uint16_t)(word_at(payload + 4) + word_at(payload + 6)) == SUM;
		if (ours && index < sender->shot_count && word_at(payload) == sender->window)
			sender->arrived[index] = true;
	}
	return count > 0;
}

static void read_ends(struct sender *sender)
{
	for (size_t i = 0; i < sender->end_count; i++)
		while (read_end(sender, &sender->ends[i]))
			;
}

static void send_window(struct sender *sender)
{
	for (size_t i = 0; i < sender->shot_count; i++)
		put_number(sender->shots[i].bytes + header_length(sender->shots[i].bytes), sender->window);
	for (size_t first = 0, next; first < sender->shot_count; first = next) {
		size_t host = sender->shots[first].host;
		for (next = first; next < sender->shot_count && sender->shots[next].host == host;)
			next++;
		for (size_t i = first; i < next;) {
			int sent = sendmmsg(sender->ends[host].fd, &sender->messages[i], (unsigned)(next - i), 0);
			if (sent > 0)
				i += (size_t)sent;
			else if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS)
				abort();
		}
	}
}

/* Whether the mark arrives. */
static bool await_mark(struct sender *sender)
{
	size_t mark = sender->shot_count - 1;
	struct pollfd outside = {.events = POLLIN};
	for (size_t i = 0; i < sender->end_count; i++)
		if (sender->ends[i].host == LAB_OUTSIDE)
			outside.fd = sender->ends[i].fd;
	for (;;) {
		read_ends(sender);
		if (sender->arrived[mark])
			break;
		if (poll(&outside, 1, MARK_WAIT) == 0)
			return false;
	}
	read_ends(sender); /* what came before the mark, at ends that were read before it */
	return true;
}

static void count_window(struct sender *sender)
{
	size_t lost = 0, leaked = 0, count = sender->shot_count - 1;
	for (size_t i = 0; i < count; i++) {
		const struct load_flow *flow = &sender->load->flows[sender->shots[i].flow];
		sender->flow_sent[sender->shots[i].flow]++;
		sender->flow_arrived[sender->shots[i].flow] += sender->arrived[i];
		lost += flow->must_pass && !sender->arrived[i];
		leaked += flow->must_not_pass && sender->arrived[i];
	}
	sender->sent += count;
	sender->lost += lost;
	sender->leaked += leaked;
}

static void *run(void *context)
{
	struct sender *sender = context;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(sender->processor, &set);
	sched_setaffinity(0, sizeof set, &set);
	while (!sender->load->stop) {
		uint64_t start = now_ns();
		sender->window = (uint16_t)((sender->window + 1) % SUM);
		memset(sender->arrived, 0, sizeof sender->arrived);
		send_window(sender);
		bool marked = await_mark(sender);
		sender->marks_lost += !marked;
		count_window(sender);
		uint64_t took = now_ns() - start;
		if (took > sender->longest)
			sender->longest = took;
		sender->windows++;
	}
	return NULL;
}

/* ---- start and end ---- */

/* The processor of sender `number`: they take turns. */
static int processor_of(size_t number)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 0;
	number %= (size_t)CPU_COUNT(&set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set) && number-- == 0)
			return i;
	return 0;
}

static void free_load(struct load *load)
{
	for (size_t i = 0; i < load->sender_count; i++)
		for (size_t j = 0; j < load->senders[i].end_count; j++)
			close(load->senders[i].ends[j].fd);
	free(load->senders);
	free(load);
}

struct load *load_start(struct lab *lab, struct load_flow *flows, size_t count, size_t senders, size_t mark)
{
	struct load *load = calloc(1, sizeof *load);
	if (load == NULL || count > LOAD_FLOWS_MAX || senders > LOAD_SENDERS_MAX ||
	    (load->senders = calloc(senders, sizeof *load->senders)) == NULL)
		abort();
	*load = (struct load){flows, count, load->senders, senders, false};
	for (size_t i = 0; i < senders; i++) {
		struct sender *sender = &load->senders[i];
		sender->load = load;
		sender->number = i;
		sender->processor = processor_of(i);
		if (!add_shots(sender, lab, false) || !add_shots(sender, lab, true) || !add_mark(sender, lab, mark)) {
			fprintf(stderr, "load: cannot send: %s\n", strerror(errno));
			free_load(load);
			return NULL;
		}
	}
	for (size_t i = 0; i < senders; i++)
		if (pthread_create(&load->senders[i].thread, NULL, run, &load->senders[i]) != 0)
			abort();
	return load;
}

void load_wait(struct load *load)
{
	uint64_t start[LOAD_SENDERS_MAX];
	for (size_t i = 0; i < load->sender_count; i++)
		start[i] = load->senders[i].windows;
	for (size_t i = 0; i < load->sender_count; i++)
		while (load->senders[i].windows < start[i] + 2) /* the running one, and one that begins after it */
			usleep(50);
}

struct load_counts load_counts(const struct load *load)
{
	struct load_counts counts = {0};
	for (size_t i = 0; i < load->sender_count; i++) {
		const struct sender *sender = &load->senders[i];
		counts.sent += sender->sent;
		counts.lost += sender->lost;
		counts.leaked += sender->leaked;
		counts.marks_lost += sender->marks_lost;
		if (sender->longest > counts.longest)
			counts.longest = sender->longest;
	}
	return counts;
}

void load_restart_longest(struct load *load)
{
	for (size_t i = 0; i < load->sender_count; i++)
		load->senders[i].longest = 0;
}

struct load_counts load_stop(struct load *load)
{
	load->stop = true;
	for (size_t i = 0; i < load->sender_count; i++)
		pthread_join(load->senders[i].thread, NULL);
	struct load_counts counts = load_counts(load);
	for (size_t i = 0; i < load->flow_count; i++) {
		load->flows[i].sent = load->flows[i].arrived = 0;
		for (size_t j = 0; j < load->sender_count; j++) {
			load->flows[i].sent += load->senders[j].flow_sent[i];
			load->flows[i].arrived += load->senders[j].flow_arrived[i];
		}
	}
	free_load(load);
	return counts;
}
