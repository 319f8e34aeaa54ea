/* One batch of one message, NFT_MSG_DELTABLE; the kernel works inside sendmsg, so its answer is there after that (as in
 * batch.c). */
#include <ringfence/remove.h>

#include "enforcer/kernel/socket.h"

#include <libnftnl/common.h>

#include <arpa/inet.h>
#include <errno.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

static struct nlmsghdr *put_mark(char *room, uint16_t type, uint32_t sequence)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = sequence;
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof *general);
	*general = (struct nfgenmsg){
	    .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
	return message;
}

/* The answer to the message with this number: an acknowledgement is an error of 0. */
static int answer_of(struct kernel *kernel, uint32_t sequence)
{
	char buffer[1 << 13];
	ssize_t got;
	int error = -EIO;
	while ((got = kernel_receive(kernel, buffer, sizeof buffer)) > 0) {
		int left = (int)got;
		for (struct nlmsghdr *m = (struct nlmsghdr *)(void *)buffer; mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left))
			if (m->nlmsg_type == NLMSG_ERROR && (m->nlmsg_seq == sequence || error == -EIO))
				error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(m))->error;
	}
	return error;
}

int kernel_remove_table(struct kernel *kernel)
{
	char room[3][256];
	uint32_t sequence = kernel->sequence;
	kernel->sequence += 3;
	struct nlmsghdr *messages[3] = {
	    put_mark(room[0], NFNL_MSG_BATCH_BEGIN, sequence),
	    nftnl_nlmsg_build_hdr(room[1], NFT_MSG_DELTABLE, NFPROTO_INET, NLM_F_ACK, sequence + 1),
	    put_mark(room[2], NFNL_MSG_BATCH_END, sequence + 2),
	};
	mnl_attr_put_strz(messages[1], NFTA_TABLE_NAME, RULESET_TABLE);
	struct iovec pieces[3];
	for (size_t i = 0; i < 3; i++)
		pieces[i] = (struct iovec){messages[i], messages[i]->nlmsg_len};
	int error = kernel_send(kernel, pieces, 3);
	return error != 0 ? error : answer_of(kernel, sequence + 1);
}
