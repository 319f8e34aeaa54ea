/* Hears of every transaction of nftables: its messages, then NEWGEN, which says who made it.
 *
 * The kernel made the messages, so their attributes are trusted to be whole. */
#include "tests/packets/commits.h"

#include "tests/packets/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	RECEIVE_BUFFER = 64 << 20, /* what a large transaction announces */
	READ_SIZE = 1 << 18,
};

struct commits {
	struct mnl_socket *socket;
	struct commits_calls calls;
	struct commit commit; /* the one that the next NEWGEN ends */
	int ended;	      /* in this call of commits_read */
	char buffer[READ_SIZE];
};

static const struct nlattr *attribute_in(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == type)
			return attribute;
	}
	return NULL;
}

static const struct nlattr *attribute_of(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attribute;
	if (nest != NULL)
		mnl_attr_for_each_nested(attribute, nest)
		{
			if (mnl_attr_get_type(attribute) == type)
				return attribute;
		}
	return NULL;
}

static void note_chain(struct commit *commit, const struct nlmsghdr *message)
{
	const struct nlattr *name = attribute_in(message, NFTA_RULE_CHAIN);
	size_t used = strlen(commit->chains);
	if (name == NULL)
		return;
	const char *chain = mnl_attr_get_str(name), *found = strstr(commit->chains, chain);
	if (found && (found == commit->chains || found[-1] == ',') && strchr(",", found[strlen(chain)]))
		return;
	snprintf(commit->chains + used, sizeof commit->chains - used, "%s%s", used ? "," : "", chain);
}

static void tell_elements(const struct commits *commits, const struct nlmsghdr *message)
{
	const struct nlattr *list = attribute_in(message, NFTA_SET_ELEM_LIST_ELEMENTS), *element;
	if (list == NULL || commits->calls.element == NULL)
		return;
	mnl_attr_for_each_nested(element, list)
	{
		const struct nlattr *key = attribute_of(attribute_of(element, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
		if (key != NULL)
			commits->calls.element(commits->calls.context, mnl_attr_get_payload(key),
					       mnl_attr_get_payload_len(key));
	}
}

static void end_commit(struct commits *commits, const struct nlmsghdr *message)
{
	struct commit *commit = &commits->commit;
	commit->ns = now_ns();
	commit->generation = ntohl(mnl_attr_get_u32(attribute_in(message, NFTA_GEN_ID)));
	commit->pid = ntohl(mnl_attr_get_u32(attribute_in(message, NFTA_GEN_PROC_PID)));
	snprintf(commit->process, sizeof commit->process, "%s",
		 mnl_attr_get_str(attribute_in(message, NFTA_GEN_PROC_NAME)));
	if (commits->calls.commit != NULL)
		commits->calls.commit(commits->calls.context, commit);
	commits->ended++;
	*commit = (struct commit){0};
}

static int take_message(const struct nlmsghdr *message, void *data)
{
	struct commits *commits = data;
	unsigned type = message->nlmsg_type & 0xff;
	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
		return MNL_CB_OK;
	if (type == NFT_MSG_NEWGEN) {
		end_commit(commits, message);
		return MNL_CB_OK;
	}
	commits->commit.messages++;
	commits->commit.builds = commits->commit.builds || type == NFT_MSG_NEWCHAIN;
	commits->commit.deletes = commits->commit.deletes || type == NFT_MSG_DELCHAIN;
	if (type == NFT_MSG_NEWRULE || type == NFT_MSG_DELRULE)
		note_chain(&commits->commit, message);
	if (type == NFT_MSG_NEWSETELEM)
		tell_elements(commits, message);
	return MNL_CB_OK;
}

struct commits *commits_open(struct commits_calls calls)
{
	struct commits *commits = calloc(1, sizeof *commits);
	int group = NFNLGRP_NFTABLES, size = RECEIVE_BUFFER;
	if (commits == NULL)
		return NULL;
	commits->calls = calls;
	commits->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (commits->socket == NULL || mnl_socket_bind(commits->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(commits->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
		commits_close(commits);
		return NULL;
	}
	setsockopt(mnl_socket_get_fd(commits->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	return commits;
}

void commits_close(struct commits *commits)
{
	if (commits == NULL)
		return;
	if (commits->socket != NULL)
		mnl_socket_close(commits->socket);
	free(commits);
}

int commits_read(struct commits *commits, uint64_t deadline)
{
	struct pollfd poll_fd = {.fd = mnl_socket_get_fd(commits->socket), .events = POLLIN};
	uint64_t now = now_ns(), wait = deadline > now ? deadline - now : 0;
	struct timespec timeout = {(time_t)(wait / (1000 * MILLISECOND)), (long)(wait % (1000 * MILLISECOND))};
	if (ppoll(&poll_fd, 1, &timeout, NULL) <= 0)
		return 0;
	ssize_t size = mnl_socket_recvfrom(commits->socket, commits->buffer, sizeof commits->buffer);
	if (size < 0)
		return -errno;
	commits->ended = 0;
	mnl_cb_run(commits->buffer, (size_t)size, 0, 0, take_message, commits);
	return commits->ended;
}
