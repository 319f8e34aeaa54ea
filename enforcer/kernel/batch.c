/* A plan to netlink batches, sent one transaction at a time; the kernel takes each whole or refuses it whole.
 *
 * nf_tables works inside sendmsg, so when that returns, every error is in our queue already and nothing has to be
 * waited for. No acks are asked for, so there are errors only; of more than the queue holds the last are lost, and the
 * first is the one that counts. */
#include "enforcer/kernel/socket.h"

#include "compiler/ruleset/netlink.h"

#include <ringfence/plan.h>

#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#include <linux/membarrier.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

enum {
	MESSAGE_ROOM = 1 << 17, /* bytes kept free for the message that is being written */
	CHUNK_FIRST = 1 << 18,
	CHUNK_NEXT = 1 << 21,
	CHUNKS_MAX = 1024, /* UIO_MAXIOV: what one sendmsg takes */
	SEND_BUFFER_LEAST = 1 << 21,
};

/* A batch while it is written. Messages never move and none lies across chunks: growing copies nothing, and one
 * sendmsg gathers the chunks into the one skb that the kernel takes as a transaction. */
struct batch {
	struct iovec chunks[CHUNKS_MAX];
	size_t chunk_count;
	size_t room; /* left in the last chunk */
	size_t size; /* of all messages */
	int error;
	uint32_t first; /* sequence number of the first message */
	uint32_t next;
	struct origin { /* of each message, by sequence number */
		const struct operation *operation;
		size_t index; /* of the rule, or the first element */
		const struct nlmsghdr *message;
	} * origins;
	size_t origin_room;
};

/* ---- writing ---- */

/* A small one first, for the many small transactions; then whole huge pages, since faulting in small pages costs ten
 * times what writing the messages does. */
static void add_chunk(struct batch *batch)
{
	bool first = batch->chunk_count == 0;
	batch->room = first ? CHUNK_FIRST : CHUNK_NEXT;
	void *bytes = first ? malloc(CHUNK_FIRST) : aligned_alloc(CHUNK_NEXT, CHUNK_NEXT);
	if (bytes == NULL)
		abort();
	if (!first)
		madvise(bytes, CHUNK_NEXT, MADV_HUGEPAGE);
	batch->chunks[batch->chunk_count++] = (struct iovec){bytes, 0};
}

/* Returns room for a message. A batch that has too many chunks goes on in its last one, and is never sent. */
static void *reserve(struct batch *batch)
{
	if (batch->room < MESSAGE_ROOM && batch->chunk_count < CHUNKS_MAX)
		add_chunk(batch);
	struct iovec *last = &batch->chunks[batch->chunk_count - 1];
	if (batch->room < MESSAGE_ROOM) {
		batch->error = -E2BIG;
		batch->room += last->iov_len;
		last->iov_len = 0;
	}
	return (char *)last->iov_base + last->iov_len;
}

/* Notes what the next message is for, and returns the room for it. */
static void *note(struct batch *batch, const struct operation *operation, size_t index)
{
	size_t order = batch->next - batch->first;
	void *message = reserve(batch);
	if (order >= batch->origin_room) {
		batch->origin_room = batch->origin_room * 2 + 64;
		batch->origins = realloc(batch->origins, batch->origin_room * sizeof *batch->origins);
		if (batch->origins == NULL)
			abort();
	}
	batch->origins[order] = (struct origin){operation, index, message};
	return message;
}

static struct nlmsghdr *begin(struct batch *batch, uint16_t type, uint16_t flags, const struct operation *operation,
			      size_t index)
{
	void *room = note(batch, operation, index);
	return nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags, batch->next++);
}

static void end(struct batch *batch, const struct nlmsghdr *message)
{
	batch->chunks[batch->chunk_count - 1].iov_len += message->nlmsg_len;
	batch->room -= message->nlmsg_len;
	batch->size += message->nlmsg_len;
}

static void finish(struct batch *batch)
{
	for (size_t i = 0; i < batch->chunk_count; i++)
		free(batch->chunks[i].iov_base);
	free(batch->origins);
}

static void write_mark(struct batch *batch, uint16_t type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(note(batch, NULL, 0));
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = batch->next++;
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof *general);
	*general = (struct nfgenmsg){
	    .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
	end(batch, message);
}

static void write_table(struct batch *batch, const struct operation *operation)
{
	struct nlmsghdr *message = begin(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, operation, 0);
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, RULESET_TABLE);
	mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0);
	end(batch, message);
}

static void write_set(struct batch *batch, const struct operation *operation)
{
	struct nlmsghdr *message = begin(batch, NFT_MSG_NEWSET, NLM_F_CREATE, operation, 0);
	struct nftnl_set *set = netlink_set(operation->set, batch->next);
	nftnl_set_nlmsg_build_payload(message, set);
	nftnl_set_free(set);
	end(batch, message);
}

static void write_chain(struct batch *batch, const struct operation *operation)
{
	const struct chain *chain = operation->chain;
	struct nlmsghdr *message = begin(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, operation, 0);
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	if (chain->base) {
		struct nlattr *hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(chain->hook));
		mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl(0));
		mnl_attr_nest_end(message, hook);
		mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
		mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
	}
	end(batch, message);
}

static void write_rules(struct batch *batch, const struct operation *operation)
{
	for (size_t i = 0; i < operation->chain->rule_count; i++) {
		struct nlmsghdr *message = begin(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, operation, i);
		struct nftnl_rule *rule = netlink_rule(operation->chain->name, &operation->chain->rules[i]);
		nftnl_rule_nlmsg_build_payload(message, rule);
		nftnl_rule_free(rule);
		end(batch, message);
	}
}

/* A message that names a table and an object of it: NFTA_*_TABLE is 1 everywhere, the name attribute is given. */
static void write_named(struct batch *batch, const struct operation *operation, uint16_t type, uint16_t attribute)
{
	struct nlmsghdr *message = begin(batch, type, 0, operation, 0);
	mnl_attr_put_strz(message, NFTA_SET_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(message, attribute, operation->name);
	end(batch, message);
}

/* Without NLM_F_EXCL: one that is there counts on (nf_tables_newobj in net/netfilter/nf_tables_api.c). */
static void write_counter(struct batch *batch, const struct operation *operation)
{
	struct nlmsghdr *message = begin(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, operation, 0);
	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(message, NFTA_OBJ_NAME, operation->name);
	mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_OBJ_DATA);
	mnl_attr_put_u64(message, NFTA_COUNTER_BYTES, htobe64(COUNTER_BYTES_FIRST));
	mnl_attr_nest_end(message, data);
	end(batch, message);
}

static void delete_counter(struct batch *batch, const struct operation *operation)
{
	struct nlmsghdr *message = begin(batch, NFT_MSG_DELOBJ, 0, operation, 0);
	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(message, NFTA_OBJ_NAME, operation->name);
	mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	end(batch, message);
}

static void write_elements(struct batch *batch, const struct operation *operation, int64_t at)
{
	bool add = operation->kind == OPERATION_ADD_ELEMENTS;
	for (size_t i = 0; i < operation->element_count;) {
		struct nlmsghdr *message =
		    begin(batch, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0, operation, i);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, RULESET_TABLE);
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, operation->name);
		i += netlink_elements(message, operation->set, &operation->elements[i], operation->element_count - i,
				      at, !add);
		end(batch, message);
	}
}

static void write_operation(struct batch *batch, const struct operation *operation, int64_t at)
{
	switch (operation->kind) {
	case OPERATION_ADD_TABLE:
		write_table(batch, operation);
		break;
	case OPERATION_ADD_SET:
		write_set(batch, operation);
		break;
	case OPERATION_ADD_CHAIN:
		write_chain(batch, operation);
		break;
	case OPERATION_ADD_RULES:
		write_rules(batch, operation);
		break;
	case OPERATION_FLUSH_CHAIN:
		write_named(batch, operation, NFT_MSG_DELRULE, NFTA_RULE_CHAIN);
		break;
	case OPERATION_DELETE_CHAIN:
		write_named(batch, operation, NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME);
		break;
	case OPERATION_DELETE_SET:
		write_named(batch, operation, NFT_MSG_DELSET, NFTA_SET_NAME);
		break;
	case OPERATION_ADD_COUNTER:
		write_counter(batch, operation);
		break;
	case OPERATION_DELETE_COUNTER:
		delete_counter(batch, operation);
		break;
	case OPERATION_ADD_ELEMENTS:
	case OPERATION_DELETE_ELEMENTS:
		write_elements(batch, operation, at);
		break;
	}
}

/* ---- sending and the answer ---- */

/* The place, counted from the message's first, of the element whose attribute stands `offset` bytes into the message.
 * An interval's end is no element of its own. */
static size_t element_at(const struct nlmsghdr *message, uint32_t offset)
{
	const struct nlattr *attribute, *item, *part;
	size_t count = 0;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(item, attribute)
		{
			bool is_end = false;
			mnl_attr_for_each_nested(part, item) is_end =
			    is_end || mnl_attr_get_type(part) == NFTA_SET_ELEM_FLAGS;
			count += !is_end;
			if ((uint32_t)((const char *)item - (const char *)message) >= offset)
				return count > 0 ? count - 1 : 0;
		}
	}
	return 0;
}

/* Writes which object the message with this number was about. `offset` of the attribute in it; 0: not known. */
static void describe(char *text, size_t size, const struct batch *batch, uint32_t sequence, uint32_t offset)
{
	static const char *const words[] = {[OPERATION_ADD_TABLE] = "table",
					    [OPERATION_ADD_SET] = "set",
					    [OPERATION_ADD_CHAIN] = "chain",
					    [OPERATION_ADD_RULES] = "rule",
					    [OPERATION_FLUSH_CHAIN] = "rules of chain",
					    [OPERATION_DELETE_CHAIN] = "the deletion of chain",
					    [OPERATION_DELETE_SET] = "the deletion of set",
					    [OPERATION_ADD_COUNTER] = "counter",
					    [OPERATION_DELETE_COUNTER] = "the deletion of counter",
					    [OPERATION_ADD_ELEMENTS] = "element",
					    [OPERATION_DELETE_ELEMENTS] = "the deletion of element"};
	const struct origin *origin = &batch->origins[sequence - batch->first];
	const struct operation *operation = origin->operation;
	if (operation == NULL) {
		snprintf(text, size, "the batch");
	} else if (operation->kind == OPERATION_ADD_RULES) {
		snprintf(text, size, "rule %zu of chain %s", origin->index + 1, operation->name);
	} else if (operation->element_count > 0) {
		size_t index = origin->index + (offset > 0 ? element_at(origin->message, offset) : 0);
		FILE *stream = fmemopen(text, size, "w");
		if (stream == NULL)
			return;
		fprintf(stream, "%s ", words[operation->kind]);
		element_print(stream, operation->set, &operation->elements[index]);
		fprintf(stream, "%s of set %s", offset == 0 && operation->element_count > 1 ? " (or a later one)" : "",
			operation->name);
		fclose(stream);
	} else {
		snprintf(text, size, "%s %s", words[operation->kind], operation->name);
	}
}

/* Where in the refused message the attribute stands that was refused, or 0 (nlmsgerr of linux/netlink.h). */
static uint32_t refused_offset(const struct nlmsghdr *m)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(m);
	const struct nlattr *attribute;
	size_t skip = sizeof *error;
	if ((m->nlmsg_flags & NLM_F_ACK_TLVS) == 0)
		return 0;
	if ((m->nlmsg_flags & NLM_F_CAPPED) == 0)
		skip += error->msg.nlmsg_len - sizeof error->msg;
	mnl_attr_for_each(attribute, m, skip) if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_OFFS &&
						  mnl_attr_get_payload_len(attribute) ==
						      sizeof(uint32_t)) return mnl_attr_get_u32(attribute);
	return 0;
}

static void note_error(const struct nlmsghdr *m, const struct batch *batch, struct answer *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(m);
	bool ours = m->nlmsg_seq - batch->first < batch->next - batch->first;
	if (m->nlmsg_type != NLMSG_ERROR || !ours || error->error == 0 || answer->error != 0)
		return;
	answer->error = error->error;
	describe(answer->object, sizeof answer->object, batch, m->nlmsg_seq, refused_offset(m));
}

/* Reads the errors that are there; the first one counts. Lost ones are an error only when none is left to tell. */
static void read_errors(struct kernel *kernel, const struct batch *batch, struct answer *answer)
{
	char buffer[1 << 16];
	int lost = 0;
	ssize_t got;
	while ((got = kernel_receive(kernel, buffer, sizeof buffer)) != -EAGAIN) {
		if (got < 0)
			lost = (int)got;
		if (got < 0 && got != -ENOBUFS)
			break;
		int left = (int)got;
		for (struct nlmsghdr *m = (struct nlmsghdr *)(void *)buffer; mnl_nlmsg_ok(m, left);
		     m = mnl_nlmsg_next(m, &left))
			note_error(m, batch, answer);
	}
	if (answer->error == 0 && lost != 0) {
		answer->error = lost;
		snprintf(answer->object, sizeof answer->object, "the batch, whose answer was lost");
	}
}

/* The kernel doubles what is asked for, up to 2^31 - 2 bytes, and takes a message of 32 bytes less (netlink_sendmsg).
 */
static int widen_send_buffer(struct kernel *kernel, size_t bytes)
{
	int fd = mnl_socket_get_fd(kernel->socket);
	size_t wanted = bytes / 2 + 64;
	if (wanted > INT32_MAX / 2)
		return -E2BIG;
	if (wanted < SEND_BUFFER_LEAST)
		wanted = SEND_BUFFER_LEAST;
	if ((int)wanted > kernel->send_buffer) {
		int size = (int)wanted;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		kernel->send_buffer = size;
	}
	return 0;
}

static int send_batch(struct kernel *kernel, struct batch *batch)
{
	int error = batch->error != 0 ? batch->error : widen_send_buffer(kernel, batch->size);
	return error == 0 ? kernel_send(kernel, batch->chunks, batch->chunk_count) : error;
}

/* No set has such a name. */
static const struct operation impossible = {.kind = OPERATION_DELETE_SET, .name = "none such"};

static void write_transaction(struct batch *batch, const struct transaction *transaction, int64_t at, bool trial)
{
	write_mark(batch, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < transaction->count; i++)
		write_operation(batch, &transaction->operations[i], at);
	if (trial)
		write_operation(batch, &impossible, at);
	write_mark(batch, NFNL_MSG_BATCH_END);
}

static int apply_transaction(struct kernel *kernel, const struct transaction *transaction, int64_t at, bool trial,
			     struct answer *answer)
{
	struct batch batch = {.first = kernel->sequence, .next = kernel->sequence};
	write_transaction(&batch, transaction, at, trial);
	kernel->sequence = batch.next;
	answer->error = send_batch(kernel, &batch);
	if (answer->error != 0)
		snprintf(answer->object, sizeof answer->object, "a batch of %zu bytes", batch.size);
	else
		read_errors(kernel, &batch, answer);
	answer->bytes += batch.size;
	finish(&batch);
	return answer->error;
}

/* Returns when every packet that was on its way through the rules has left them: packets are read-side critical
 * sections of RCU, and this waits for a grace period (membarrier(2)). Some kernels refuse; then a time longer than any.
 */
static void wait_for_packets(void)
{
	const struct timespec long_enough = {.tv_nsec = 50 * 1000 * 1000};
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
		nanosleep(&long_enough, NULL);
}

struct answer kernel_apply(struct kernel *kernel, const struct plan *plan, int64_t at)
{
	struct answer answer = {0};
	size_t operations = 0;
	if (kernel->agent != NULL)
		return kernel->agent->apply(kernel->agent->context, plan, at);
	for (size_t i = 0; i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++)
			operations += 1 + plan->transactions[i].operations[j].element_count;
	if (operations > PLAN_OPERATIONS_MAX) {
		answer.error = -E2BIG;
		snprintf(answer.object, sizeof answer.object, "a plan of %zu operations", operations);
		return answer;
	}
	for (size_t i = 0; i < plan->count && answer.error == 0; i++) {
		answer.transaction = i;
		if (plan->transactions[i].settled)
			wait_for_packets();
		apply_transaction(kernel, &plan->transactions[i], at, false, &answer);
	}
	return answer;
}

/* Errors come in the order of messages, and the first counts: that of the impossible one, where all else is well. */
struct answer kernel_try(struct kernel *kernel, const struct transaction *transaction, int64_t at)
{
	struct answer answer = {0};
	if (kernel->agent != NULL)
		return (struct answer){.error = -EOPNOTSUPP, .object = "a trial"};
	apply_transaction(kernel, transaction, at, true, &answer);
	if (answer.error == 0)
		answer.error = -EPROTO;
	else if (answer.error == -ENOENT && strstr(answer.object, impossible.name) != NULL)
		answer.error = 0;
	return answer;
}

uint64_t plan_bytes(const struct plan *plan, int64_t at)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < plan->count; i++) {
		struct batch batch = {0};
		write_transaction(&batch, &plan->transactions[i], at, false);
		bytes += batch.size;
		finish(&batch);
	}
	return bytes;
}
