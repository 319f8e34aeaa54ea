/* RTM_GETNSID and RTM_GETLINK (rtnetlink(7), net/core/net_namespace.c).
 *
 * In the hooks of IP a packet that came in by a port of a bridge comes from the bridge, both where it is routed and
 * where it is bridged (br_nf_forward_ip in net/bridge/br_netfilter_hooks.c): so the port's own name guards nothing. */
#include "enforcer/kernel/host_ends.h"

#include "enforcer/kernel/socket.h"

#include <ringfence/arena.h>

#include <libmnl/libmnl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>

enum { ANSWER_SIZE = 1 << 16, LINKS_MOST = 1 << 16, TRIES = 3 };

static const struct link *find_link(const struct link *links, size_t count, int index)
{
	for (size_t i = 0; i < count; i++)
		if (links[i].index == index)
			return &links[i];
	return NULL;
}

static bool is_closed(const struct link *links, size_t count, const struct link *bridge)
{
	bool closed = bridge->bridge;
	for (size_t i = 0; i < count && closed; i++)
		closed = links[i].master != bridge->index || links[i].space >= 0;
	return closed;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct interfaces host_ends_choose(struct arena *arena, const struct link *links, size_t count, int space)
{
	struct interfaces found = {0};
	for (size_t i = 0; i < count && space >= 0; i++) {
		const struct link *seen = &links[i];
		if (seen->space != space)
			continue;
		if (seen->master != 0)
			seen = find_link(links, count, seen->master);
		if (seen == NULL || (seen != &links[i] && !is_closed(links, count, seen)))
			continue;
		bool twice = false;
		for (size_t j = 0; j < found.count && !twice; j++)
			twice = strcmp(found.names[j], seen->name) == 0;
		if (!twice)
			*arena_push(arena, found.names, found.count) =
			    arena_copy(arena, seen->name, strlen(seen->name));
	}
	if (found.count > 1)
		qsort(found.names, found.count, sizeof *found.names, compare_texts);
	return found;
}

/* ---- the kernel ---- */

struct host_ends {
	struct mnl_socket *socket;
	struct arena *arena;
	uint32_t sequence;
	bool changed; /* while it was read */
	int space;
	struct link *links;
	size_t link_count;
	_Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
};

static void take_link(void *context, const struct link *link)
{
	struct host_ends *ends = context;
	if (ends->link_count < LINKS_MOST)
		*arena_push(ends->arena, ends->links, ends->link_count) = *link;
}

static void read_space(struct host_ends *ends, const struct nlmsghdr *message)
{
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, message, sizeof(struct rtgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NETNSA_NSID &&
		    mnl_attr_get_payload_len(attribute) >= sizeof(int32_t))
			ends->space = (int)mnl_attr_get_u32(attribute);
	}
}

static void take(void *context, const struct nlmsghdr *message)
{
	const struct neighbours_reader reader = {.context = context, .link = take_link};
	if (message->nlmsg_type == RTM_NEWNSID)
		read_space(context, message);
	else if (message->nlmsg_type == RTM_NEWLINK)
		neighbours_take(message, &reader);
}

/* Reads the answer to what was sent last, to its end. */
static int receive(struct host_ends *ends)
{
	struct hearing hearing = {.sequence = ends->sequence, .context = ends, .take = take};
	for (int step = 0; step == 0;) {
		ssize_t got = mnl_socket_recvfrom(ends->socket, ends->answer, sizeof ends->answer);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		step = kernel_hear(&hearing, ends->answer, (size_t)got);
		if (step < 0)
			return step;
	}
	ends->changed = hearing.changed;
	return 0;
}

static int ask(struct host_ends *ends, struct nlmsghdr *message)
{
	message->nlmsg_seq = ++ends->sequence;
	ends->changed = false;
	if (mnl_socket_sendto(ends->socket, message, message->nlmsg_len) < 0)
		return -errno;
	return receive(ends);
}

static int ask_space(struct host_ends *ends, uint32_t pid)
{
	_Alignas(struct nlmsghdr) char room[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = RTM_GETNSID;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	mnl_nlmsg_put_extra_header(message, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(message, NETNSA_PID, pid);
	ends->space = -1;
	return ask(ends, message);
}

static int ask_links(struct host_ends *ends)
{
	_Alignas(struct nlmsghdr) char room[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	ends->link_count = 0;
	ends->links = NULL;
	return ask(ends, message);
}

int host_ends_open(struct host_ends **ends)
{
	struct host_ends *made = calloc(1, sizeof *made);
	*ends = NULL;
	if (made == NULL)
		return -ENOMEM;
	made->arena = arena_create();
	made->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int error = made->socket == NULL || mnl_socket_bind(made->socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	for (unsigned i = 0; error == 0 && (i == 0 || made->changed) && i < TRIES; i++)
		error = ask_links(made);
	if (error == 0 && made->changed)
		error = -EAGAIN;
	if (error != 0)
		host_ends_close(made);
	else
		*ends = made;
	return error;
}

void host_ends_close(struct host_ends *ends)
{
	if (ends == NULL)
		return;
	if (ends->socket != NULL)
		mnl_socket_close(ends->socket);
	arena_free(ends->arena);
	free(ends);
}

int host_ends_of(struct host_ends *ends, uint32_t pid, struct arena *arena, struct interfaces *interfaces)
{
	*interfaces = (struct interfaces){0};
	int error = ask_space(ends, pid);
	if (error == 0)
		*interfaces = host_ends_choose(arena, ends->links, ends->link_count, ends->space);
	return error == -ESRCH ? 0 : error;
}
