/* Turns nf_tables notifications into one report per transaction of table inet ringfence.
 *
 * The kernel sends a transaction's changes first and NEWGEN, with the process, last (nf_tables_commit in
 * net/netfilter/nf_tables_api.c). What is gathered until then has a fixed size: a transaction of a million elements is
 * counted in full and described in part. */
#include "enforcer/kernel/monitor.h"

#include "enforcer/kernel/bypass.h"

#include <ringfence/ruleset.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (64 * 1024 * 1024)
#define READ_SIZE 65536	  /* the kernel packs at most a page or two of messages, and one message is at most 64 KB */
#define READS_MAX 1024	  /* datagrams in one call */
#define INTERFACE_SIZE 16 /* IFNAMSIZ, the length of nft's ifname */

struct monitor {
	struct mnl_socket *socket;
	struct monitor_change change; /* the transaction whose end has not come yet */
	struct monitor_other other;   /* the same, as far as it is about other tables */
	void (*others)(void *context, const struct monitor_other *other);
	void *others_context;
	uint16_t mark; /* the low half of its generation id, which each of its messages carries (res_id) */
	union {
		char bytes[READ_SIZE];
		struct nlmsghdr aligned;
	} buffer;
};

/* A text that is being written, always with a NUL, cut at its size. */
struct text {
	char *to;
	size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void text_printf(struct text *text, const char *format, ...)
{
	size_t room = text->size - text->length;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->to + text->length, room, format, args);
	va_end(args);
	if (n > 0)
		text->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void text_escaped(struct text *text, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length && bytes[i] != '\0'; i++) {
		unsigned char c = (unsigned char)bytes[i];

		text_printf(text, c > 0x1f && c < 0x7f && c != '\\' ? "%c" : "\\x%02x", c);
	}
}

static void text_attr(struct text *text, const struct nlattr *attr)
{
	text_escaped(text, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

/* The parts of a key as they stand, each padded to four bytes. */
enum part { PART_END, PART_IP4, PART_IP6, PART_NAME, PART_PROTO, PART_INET_SERVICE, PART_NUMBER };

static uint64_t cgroup_number(const uint8_t *bytes)
{
	uint64_t number;
	memcpy(&number, bytes, sizeof number);
	return number;
}

static bool part_fits(enum part part, const uint8_t *bytes)
{
	size_t length;

	switch (part) {
	case PART_NUMBER: /* they are counted from 1; as a pair of addresses, one would be 0.0.0.0 */
		return cgroup_number(bytes) <= UINT32_MAX;
	case PART_PROTO:
		return bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0;
	case PART_INET_SERVICE:
		return bytes[2] == 0 && bytes[3] == 0;
	case PART_NAME:
		length = strnlen((const char *)bytes, INTERFACE_SIZE);
		for (size_t i = 0; i < length; i++)
			if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
				return false;
		for (size_t i = length; i < INTERFACE_SIZE; i++)
			if (bytes[i] != 0)
				return false;
		return length > 0 && length < INTERFACE_SIZE;
	case PART_END:
	case PART_IP4:
	case PART_IP6:
		break;
	}
	return true;
}

static void part_print(struct text *text, enum part part, const uint8_t *bytes)
{
	char address[INET6_ADDRSTRLEN];

	switch (part) {
	case PART_IP4:
		text_printf(text, "%s", inet_ntop(AF_INET, bytes, address, sizeof address));
		break;
	case PART_IP6:
		text_printf(text, "%s", inet_ntop(AF_INET6, bytes, address, sizeof address));
		break;
	case PART_NAME:
		text_printf(text, "\"");
		text_escaped(text, (const char *)bytes, INTERFACE_SIZE);
		text_printf(text, "\"");
		break;
	case PART_PROTO:
		if (bytes[0] == IPPROTO_TCP || bytes[0] == IPPROTO_UDP)
			text_printf(text, "%s", bytes[0] == IPPROTO_TCP ? "tcp" : "udp");
		else
			text_printf(text, "%u", bytes[0]);
		break;
	case PART_INET_SERVICE:
		text_printf(text, "%u", bytes[0] << 8 | bytes[1]);
		break;
	case PART_NUMBER:
		text_printf(text, "cgroup %" PRIu64, cgroup_number(bytes));
		break;
	case PART_END:
		break;
	}
}

static size_t part_size(enum part part)
{
	return part == PART_IP6 || part == PART_NAME ? 16 : part == PART_NUMBER ? 8 : 4;
}

/* A notification names the set but not its type, so the type is the first form, by length and content, that fits: a
 * name before an address of the same length, since a printable IPv6 address is none that is in use. */
static const struct key_guess {
	size_t length;
	enum part parts[4];
} key_guesses[] = {
    {4, {PART_IP4}},
    {8, {PART_NUMBER}},
    {8, {PART_IP4, PART_IP4}},
    {12, {PART_IP4, PART_PROTO, PART_INET_SERVICE}},
    {16, {PART_NAME}},
    {16, {PART_IP6}},
    {20, {PART_NAME, PART_IP4}},
    {24, {PART_IP6, PART_PROTO, PART_INET_SERVICE}},
    {32, {PART_NAME, PART_IP6}},
    {32, {PART_IP6, PART_IP6}},
};

static bool guess_fits(const struct key_guess *guess, const uint8_t *key, size_t length)
{
	if (guess->length != length)
		return false;
	for (const enum part *part = guess->parts; *part != PART_END; key += part_size(*part), part++)
		if (!part_fits(*part, key))
			return false;
	return true;
}

static void key_print(struct text *text, const uint8_t *key, size_t length)
{
	for (size_t i = 0; i < sizeof key_guesses / sizeof key_guesses[0]; i++) {
		const struct key_guess *guess = &key_guesses[i];

		if (!guess_fits(guess, key, length))
			continue;
		for (const enum part *part = guess->parts; *part != PART_END; key += part_size(*part), part++) {
			text_printf(text, "%s", part == guess->parts ? "" : " . ");
			part_print(text, *part, key);
		}
		return;
	}
	text_printf(text, "0x");
	for (size_t i = 0; i < length; i++)
		text_printf(text, "%02x", key[i]);
}

/* Returns the attribute of `type` in a nest, or NULL. */
static const struct nlattr *nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) if (mnl_attr_get_type(attr) == type) return attr;
	return NULL;
}

static const struct nlattr *message_attr(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) == type) return attr;
	return NULL;
}

/* The key of `type` in an element: NFTA_SET_ELEM_KEY { NFTA_DATA_VALUE }. Returns whether there is one. */
static bool element_key_print(struct text *text, const struct nlattr *element, uint16_t type, const char *before)
{
	const struct nlattr *key = nested(element, type);
	const struct nlattr *value = key != NULL ? nested(key, NFTA_DATA_VALUE) : NULL;

	if (value == NULL)
		return false;
	text_printf(text, "%s", before);
	key_print(text, mnl_attr_get_payload(value), mnl_attr_get_payload_len(value));
	return true;
}

static uint32_t attr_u32(const struct nlattr *attr)
{
	return attr != NULL && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static void element_print_change(struct text *text, const struct nlattr *element)
{
	bool end = (attr_u32(nested(element, NFTA_SET_ELEM_FLAGS)) & NFT_SET_ELEM_INTERVAL_END) != 0;

	text_printf(text, end ? "interval end" : "element");
	if (!element_key_print(text, element, NFTA_SET_ELEM_KEY, " "))
		text_printf(text, " *");
	element_key_print(text, element, NFTA_SET_ELEM_KEY_END, " - ");
}

/* What a message says. All of them carry the table's name in attribute 1; `name` is the attribute of the chain or set,
 * 0: none. */
static const struct form {
	bool known;
	uint16_t name;
	const char *before, *after;
} forms[NFT_MSG_MAX] = {
    [NFT_MSG_NEWTABLE] = {true, 0, "table added or changed", ""},
    [NFT_MSG_DELTABLE] = {true, 0, "table deleted", ""},
    [NFT_MSG_NEWCHAIN] = {true, NFTA_CHAIN_NAME, "chain ", " added or changed"},
    [NFT_MSG_DELCHAIN] = {true, NFTA_CHAIN_NAME, "chain ", " deleted"},
    [NFT_MSG_NEWRULE] = {true, NFTA_RULE_CHAIN, "rule added to chain ", ""},
    [NFT_MSG_DELRULE] = {true, NFTA_RULE_CHAIN, "rule deleted from chain ", ""},
    [NFT_MSG_NEWSET] = {true, NFTA_SET_NAME, "set ", " added or changed"},
    [NFT_MSG_DELSET] = {true, NFTA_SET_NAME, "set ", " deleted"},
    [NFT_MSG_NEWSETELEM] = {true, NFTA_SET_ELEM_LIST_SET, " added to set ", ""},
    [NFT_MSG_DELSETELEM] = {true, NFTA_SET_ELEM_LIST_SET, " deleted from set ", ""},
    [NFT_MSG_NEWOBJ] = {true, NFTA_OBJ_NAME, "object ", " added or changed"},
    [NFT_MSG_DELOBJ] = {true, NFTA_OBJ_NAME, "object ", " deleted"},
    [NFT_MSG_NEWFLOWTABLE] = {true, NFTA_FLOWTABLE_NAME, "flowtable ", " added or changed"},
    [NFT_MSG_DELFLOWTABLE] = {true, NFTA_FLOWTABLE_NAME, "flowtable ", " deleted"},
};

static bool is_ours(const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *table = message_attr(message, NFTA_TABLE_NAME);
	size_t length = sizeof RULESET_TABLE;

	return header->nfgen_family == NFPROTO_INET && table != NULL && mnl_attr_get_payload_len(table) == length &&
	       memcmp(mnl_attr_get_payload(table), RULESET_TABLE, length) == 0;
}

/* Counts one change and describes it while there is room. `element`: NULL for other things than elements. */
static void gather_one(struct monitor_change *change, const struct form *form, const struct nlmsghdr *message,
		       const struct nlattr *element)
{
	const struct nlattr *name = form->name != 0 ? message_attr(message, form->name) : NULL;
	struct text text = {.size = MONITOR_TEXT_SIZE};

	change->count++;
	if (change->description_count == MONITOR_DESCRIPTIONS_MAX)
		return;
	text.to = change->descriptions[change->description_count++];
	text.to[0] = '\0';
	if (element != NULL)
		element_print_change(&text, element);
	text_printf(&text, "%s", form->before);
	if (name != NULL)
		text_attr(&text, name);
	text_printf(&text, "%s", form->after);
}

static void forget(struct monitor *monitor)
{
	monitor->change.count = monitor->change.description_count = 0;
	monitor->other.table_count = 0;
	monitor->other.more = false;
}

/* Notes the table of another, once. */
static void gather_other(struct monitor *monitor, const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *name = message_attr(message, NFTA_TABLE_NAME);
	struct monitor_other *other = &monitor->other;
	struct monitor_table table = {.family = header->nfgen_family};

	if (name == NULL)
		return;
	name_print(table.name, sizeof table.name, mnl_attr_get_payload(name), mnl_attr_get_payload_len(name));
	for (size_t i = 0; i < other->table_count; i++)
		if (other->tables[i].family == table.family && strcmp(other->tables[i].name, table.name) == 0)
			return;
	if (other->table_count < MONITOR_TABLES_MAX)
		other->tables[other->table_count++] = table;
	else
		other->more = true;
}

static uint16_t message_mark(const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	return ntohs(header->res_id);
}

static void gather(struct monitor *monitor, unsigned type, const struct nlmsghdr *message)
{
	struct monitor_change *change = &monitor->change;
	const struct nlattr *list, *element;

	if (type >= NFT_MSG_MAX || !forms[type].known)
		return;
	if (message_mark(message) != monitor->mark) /* the end of the transaction before was lost */
		forget(monitor);
	monitor->mark = message_mark(message);
	if (!is_ours(message)) {
		gather_other(monitor, message);
		return;
	}
	if (type != NFT_MSG_NEWSETELEM && type != NFT_MSG_DELSETELEM) {
		gather_one(change, &forms[type], message, NULL);
		return;
	}
	list = message_attr(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	if (list == NULL)
		return;
	mnl_attr_for_each_nested(element, list) gather_one(change, &forms[type], message, element);
}

/* ENOBUFS is reported before the messages that came ahead of the loss, so these may lack their own NEWGEN: without the
 * mark they would be laid at the door of whoever comes next. */
static void finish(struct monitor *monitor, const struct nlmsghdr *message,
		   void (*changed)(void *context, const struct monitor_change *change), void *context)
{
	struct monitor_change *change = &monitor->change;
	const struct nlattr *name = message_attr(message, NFTA_GEN_PROC_NAME);
	struct text process = {.to = change->process, .size = sizeof change->process};

	change->generation = attr_u32(message_attr(message, NFTA_GEN_ID));
	if ((change->generation & 0xffff) != monitor->mark)
		forget(monitor);
	if (change->count + monitor->other.table_count == 0)
		return;
	change->pid = attr_u32(message_attr(message, NFTA_GEN_PROC_PID));
	change->port_id = message->nlmsg_pid;
	change->process[0] = '\0';
	if (name != NULL)
		text_attr(&process, name);
	monitor->other.pid = change->pid;
	memcpy(monitor->other.process, change->process, sizeof monitor->other.process);
	if (change->count > 0)
		changed(context, change);
	if (monitor->other.table_count > 0 && monitor->others != NULL)
		monitor->others(monitor->others_context, &monitor->other);
	forget(monitor);
}

static void take(struct monitor *monitor, int length,
		 void (*changed)(void *context, const struct monitor_change *change), void *context)
{
	const struct nlmsghdr *message = &monitor->buffer.aligned;

	for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
		unsigned type = message->nlmsg_type & 0xff;

		if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
		    message->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg))
			continue;
		if (type == NFT_MSG_NEWGEN)
			finish(monitor, message, changed, context);
		else
			gather(monitor, type, message);
	}
}

int monitor_read(struct monitor *monitor, void (*changed)(void *context, const struct monitor_change *change),
		 void *context)
{
	for (unsigned i = 0; i < READS_MAX; i++) {
		struct sockaddr_nl from = {0};
		struct iovec space = {monitor->buffer.bytes, sizeof monitor->buffer.bytes};
		struct msghdr header = {
		    .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &space, .msg_iovlen = 1};
		ssize_t length = recvmsg(monitor_fd(monitor), &header, MSG_DONTWAIT);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
			return 0;
		if (length < 0 || (header.msg_flags & MSG_TRUNC) != 0)
			return length < 0 ? -errno : -ENOBUFS;
		if (from.nl_pid == 0) /* the kernel, and not another process */
			take(monitor, (int)length, changed, context);
	}
	return 0;
}

void monitor_hear_others(struct monitor *monitor, void (*others)(void *context, const struct monitor_other *other),
			 void *context)
{
	monitor->others = others;
	monitor->others_context = context;
}

int monitor_fd(const struct monitor *monitor)
{
	return mnl_socket_get_fd(monitor->socket);
}

static int subscribe(struct monitor *monitor)
{
	int group = NFNLGRP_NFTABLES, size = RECEIVE_BUFFER, fd;

	monitor->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (monitor->socket == NULL)
		return -errno;
	fd = monitor_fd(monitor);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* cut to net.core.rmem_max */
	if (mnl_socket_bind(monitor->socket, 0, MNL_SOCKET_AUTOPID) != 0 ||
	    mnl_socket_setsockopt(monitor->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
		return -errno;
	return 0;
}

int monitor_create(struct monitor **monitor)
{
	struct monitor *made = calloc(1, sizeof *made);
	int error;

	*monitor = NULL;
	if (made == NULL)
		return -ENOMEM;
	error = subscribe(made);
	if (error != 0) {
		monitor_destroy(made);
		return error;
	}
	*monitor = made;
	return 0;
}

void monitor_destroy(struct monitor *monitor)
{
	if (monitor == NULL)
		return;
	if (monitor->socket != NULL)
		mnl_socket_close(monitor->socket);
	free(monitor);
}
