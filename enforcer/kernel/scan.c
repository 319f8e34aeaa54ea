/* The kernel's table to a ruleset, in slices: chains, rules, the list of sets, then set by set.
 *
 * Dumps are several, so the kernel's generation id is asked after each: a change since it was asked before means
 * reading that part again. Only one request is on its way at a time, and nf_tables works inside of sendmsg and recvmsg,
 * so there is always something to read until the request has been answered. */
#include <ringfence/scan.h>

#include "enforcer/kernel/elements.h"
#include "enforcer/kernel/objects.h"
#include "enforcer/kernel/socket.h"

#include "compiler/ruleset/netlink.h"

#include <libnftnl/common.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

enum {
	TRIES = 20,			/* to read the whole, or the objects, unchanged */
	SET_TRIES = 5,			/* to read a set */
	ASK_MOST = KERNEL_RECEIVE_MOST, /* elements in one question: 0.1 ms */
	WAIT_MILLISECONDS = 10000,	/* for what should be there at once */
	SET_COUNT_ATTRIBUTE = 20, /* NFTA_SET_COUNT: Linux 6.18 tells it, 6.1 and the headers of Debian 12 do not */
	ANSWER_SIZE = 1 << 16,	  /* dumps come in 32 KiB (netlink_recvmsg) */
	ANSWER_OF_ONE = ANSWER_SIZE / KERNEL_RECEIVE_MOST, /* one element with all that can be on it */
};

enum phase { CHAINS, RULES, COUNTERS, SETS, ELEMENTS, FINISHED };

struct scan {
	struct kernel *kernel;
	struct scan_reader reader;
	struct objects objects;
	int64_t at;
	enum phase phase;
	bool dumping; /* a request was sent whose answer has not ended */
	bool changed; /* while it was answered */
	uint32_t sequence;
	uint32_t generation;	     /* the kernel's id when what is being read was begun */
	uint32_t objects_generation; /* and when the objects had been read */
	unsigned tries;

	size_t set; /* the place of the one that is being read */
	struct scanned scanned;
	size_t room; /* for elements of it */
	bool asked;  /* about some element */
	uint64_t cursor;
	size_t ask_most;

	_Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
};

static struct set *current_set(const struct scan *scan)
{
	return scan->phase == ELEMENTS && scan->set < scan->objects.ruleset->set_count
		   ? scan->objects.ruleset->sets[scan->set]
		   : NULL;
}

/* ---- requests and their answers ---- */

static int send_request(struct scan *scan, struct nlmsghdr *message)
{
	struct iovec whole = {message, message->nlmsg_len};
	return kernel_send(scan->kernel, &whole, 1);
}

static struct nlmsghdr *request(struct scan *scan, void *room, uint16_t type, uint16_t flags, const struct set *set)
{
	scan->sequence = scan->kernel->sequence++;
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags, scan->sequence);
	mnl_attr_put_strz(message, NFTA_SET_TABLE, RULESET_TABLE); /* 1 in every kind of request */
	if (set != NULL)
		mnl_attr_put_strz(message, NFTA_SET_NAME, set->name); /* 2 in those about sets and their elements */
	return message;
}

/* What the message ends the answer with: 1, or a negative errno; 0 when it is a part of the answer. */
static int ending(const struct nlmsghdr *message)
{
	const int *error = mnl_nlmsg_get_payload(message);
	bool carries = mnl_nlmsg_get_payload_len(message) >= sizeof *error;
	if (message->nlmsg_type == NLMSG_ERROR)
		return !carries ? -EBADMSG : *error < 0 ? *error : 1;
	if (message->nlmsg_type == NLMSG_DONE)
		return carries && *error < 0 ? *error : 1;
	return mnl_nlmsg_get_payload_len(message) >= sizeof(struct nfgenmsg) ? 0 : -EBADMSG;
}

/* Reads one datagram and calls `take` for each part of the answer in it. Returns 0 while the answer goes on, 1 at its
 * end, or a negative errno: -EAGAIN when there is nothing to read. */
static int receive(struct scan *scan, int (*take)(struct scan *scan, const struct nlmsghdr *message))
{
	ssize_t got = kernel_receive(scan->kernel, scan->answer, sizeof scan->answer);
	if (got < 0)
		return (int)got;
	int left = (int)got, error = 0;
	const struct nlmsghdr *message = (const void *)scan->answer;
	for (; error == 0 && mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != scan->sequence)
			continue;
		scan->changed = scan->changed || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		error = ending(message);
		if (error == 0)
			error = take != NULL ? take(scan, message) : -EPROTO;
	}
	return error == 0 && left > 0 ? -EBADMSG : error;
}

static const struct nlattr *attribute_of(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) == type &&
									   mnl_attr_get_payload_len(attribute) ==
									       sizeof(uint32_t)) return attribute;
	return NULL;
}

/* Sends a request that has one message as answer, and finds a number in it. Returns 0 or a negative errno; -ENODATA:
 * there is no such number. */
static int ask_number(struct scan *scan, struct nlmsghdr *message, uint16_t attribute, uint32_t *number)
{
	int error = send_request(scan, message);
	while (error == 0) {
		ssize_t got = kernel_receive(scan->kernel, scan->answer, sizeof scan->answer);
		int left = (int)got;
		const struct nlmsghdr *answer = (const void *)scan->answer;
		if (got < 0)
			return got == -EAGAIN ? -EPROTO : (int)got;
		if (!mnl_nlmsg_ok(answer, left) || answer->nlmsg_seq != message->nlmsg_seq)
			continue;
		error = ending(answer);
		const struct nlattr *found = error == 0 ? attribute_of(answer, attribute) : NULL;
		if (error == 0 && found == NULL)
			return -ENODATA;
		if (error == 0)
			*number = ntohl(mnl_attr_get_u32(found));
		return error;
	}
	return error;
}

static int ask_generation(struct scan *scan, uint32_t *generation)
{
	_Alignas(struct nlmsghdr) char room[256];
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(room, NFT_MSG_GETGEN, AF_UNSPEC, 0, scan->kernel->sequence++);
	return ask_number(scan, message, NFTA_GEN_ID, generation);
}

/* Whether the ruleset is still that of scan->generation: 0, 1 when it is not, or a negative errno.
 *
 * The id alone does not tell: a transaction shifts the places that a dump goes on from while it is prepared, before the
 * id changes, and while it removes what it deleted, after. So an empty transaction is made, on condition of the id: it
 * waits for one that is under way, and then changes nothing, is told to nobody, and does not count
 * (nf_tables_valid_genid and nf_tables_commit in net/netfilter/nf_tables_api.c). A transaction under way that is
 * refused in the end escapes this. */
static int has_changed(struct scan *scan)
{
	static const uint16_t types[] = {NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END};
	_Alignas(struct nlmsghdr) char room[256];
	char *to = room;
	scan->sequence = scan->kernel->sequence++;
	for (size_t i = 0; i < 2; i++) {
		struct nlmsghdr *message = nftnl_nlmsg_build_hdr(to, 0, AF_UNSPEC, 0, scan->sequence);
		message->nlmsg_type = types[i];
		((struct nfgenmsg *)mnl_nlmsg_get_payload(message))->res_id = htons(NFNL_SUBSYS_NFTABLES);
		if (types[i] == NFNL_MSG_BATCH_BEGIN)
			mnl_attr_put_u32(message, NFNL_BATCH_GENID, htonl(scan->generation));
		to += message->nlmsg_len;
	}
	struct iovec whole = {room, (size_t)(to - room)};
	int error = kernel_send(scan->kernel, &whole, 1);
	if (error == 0)
		error = receive(scan, NULL);
	return error == -EAGAIN ? 0 : error == -ERESTART ? 1 : error < 0 ? error : -EPROTO;
}

/* Brings scan->generation up to date, at a moment when nobody is changing anything. `*changed`: whether it was not. */
static int settle(struct scan *scan, bool *changed)
{
	int error = 1;
	*changed = false;
	if (scan->generation != 0) /* which would be no condition */
		error = has_changed(scan);
	while (error == 1) {
		*changed = true;
		error = ask_generation(scan, &scan->generation);
		if (error == 0)
			error = has_changed(scan);
	}
	return error;
}

/* How many elements the set has, one that stands for all others left out. */
static int ask_count(struct scan *scan, const struct set *set, uint32_t *count)
{
	_Alignas(struct nlmsghdr) char room[256];
	return ask_number(scan, request(scan, room, NFT_MSG_GETSET, 0, set), SET_COUNT_ATTRIBUTE, count);
}

/* ---- elements that are dumped ---- */

static bool is_kept(const struct scan *scan, const struct set *set)
{
	const char *const *name = scan->reader.keep;
	if (set->interval || set->timeout || name == NULL)
		return true;
	while (*name != NULL && strcmp(*name, set->name) != 0)
		name++;
	return *name != NULL;
}

static void keep(struct scan *scan, struct set *set, const struct told *told)
{
	struct arena *arena = scan->objects.arena;
	if (set->element_count == scan->room) {
		size_t room = scan->room == 0 ? 16 : scan->room * 2;
		struct element *grown = arena_alloc(arena, room * sizeof *grown);
		if (set->element_count > 0)
			memcpy(grown, set->elements, set->element_count * sizeof *grown);
		set->elements = grown;
		scan->room = room;
	}
	struct element *element = &set->elements[set->element_count++];
	*element = told->element;
	if (told->element.chain != NULL)
		element->chain = arena_copy(arena, told->element.chain, strlen(told->element.chain));
	if (told->end)
		element->expires = -1; /* marks an end until pair_intervals */
}

static int take_told(void *context, const struct told *told)
{
	struct scan *scan = context;
	struct set *set = current_set(scan);
	if (told->catch_all)
		scan->scanned.how = SCANNED_NOTHING;
	else if (scan->scanned.how == SCANNED_DIGEST)
		digest_add(&scan->scanned.digest, set, &told->element);
	else if (scan->scanned.how == SCANNED_ELEMENTS)
		keep(scan, set, told);
	return 0;
}

static int compare_bounds(const void *left, const void *right)
{
	const struct element *a = left, *b = right;
	int order = memcmp(a->key, b->key, sizeof a->key);
	return order != 0 ? order : (b->expires == -1) - (a->expires == -1);
}

/* Intervals of one field come as a start and an exclusive end each; they become one element. */
static void pair_intervals(struct set *set)
{
	size_t count = 0;
	uint8_t family = key_forms[set->key].sizes[0] == 4 ? 4 : 6;
	if (set->element_count > 1)
		qsort(set->elements, set->element_count, sizeof *set->elements, compare_bounds);
	for (size_t i = 0; i < set->element_count; i++) {
		if (set->elements[i].expires == -1)
			continue;
		struct element element = set->elements[i];
		struct address last = {.family = family};
		memset(last.bytes, 0xff, address_size(family));
		if (i + 1 < set->element_count) {
			memcpy(last.bytes, set->elements[i + 1].key, address_size(family));
			address_previous(&last);
		}
		memcpy(element.end, last.bytes, address_size(family));
		set->elements[count++] = element;
	}
	set->element_count = count;
}

/* ---- going on from one part to the next ---- */

static int begin_objects(struct scan *scan)
{
	if (++scan->tries > TRIES)
		return -EAGAIN;
	scan->phase = CHAINS;
	scan->objects.ruleset = arena_alloc(scan->objects.arena, sizeof *scan->objects.ruleset);
	scan->objects.ruleset->at = scan->at;
	scan->objects.chain = 0;
	return 0;
}

/* Goes to the next set, and chooses how to read it. Dumps are all there is where the kernel does not tell counts. */
static void begin_set(struct scan *scan, size_t place)
{
	scan->set = place;
	scan->tries = 0;
	scan->room = 0;
	scan->cursor = 0;
	scan->asked = false;
	scan->ask_most = ASK_MOST;
	scan->scanned = (struct scanned){.how = SCANNED_NOTHING};
	const struct set *set = current_set(scan);
	uint32_t count = 0;
	if (set == NULL)
		scan->phase = FINISHED;
	else if (!set_is_ours(set) || set->dynamic)
		scan->scanned.how = SCANNED_NOTHING;
	else if (is_kept(scan, set))
		scan->scanned.how = SCANNED_ELEMENTS;
	else if (scan->reader.wanted != NULL && set->size >= SCAN_ASK_LEAST && ask_count(scan, set, &count) == 0 &&
		 count >= SCAN_ASK_LEAST)
		scan->scanned.how = SCANNED_ASKED;
	else
		scan->scanned.how = SCANNED_DIGEST;
}

static void end_set(struct scan *scan)
{
	struct set *set = current_set(scan);
	if (scan->scanned.how == SCANNED_ELEMENTS && !scan->scanned.changing) {
		struct ruleset alone = {.sets = &set, .set_count = 1};
		if (set->interval && key_forms[set->key].parts == 1)
			pair_intervals(set);
		ruleset_sort(&alone);
		scan->scanned.count = set->element_count;
	} else {
		set->element_count = 0;
	}
	if (scan->scanned.how == SCANNED_DIGEST)
		scan->scanned.count = scan->scanned.digest.count;
	if (scan->reader.set != NULL)
		scan->reader.set(scan->reader.context, set, &scan->scanned);
	begin_set(scan, scan->set + 1);
}

/* Forgets what has been read of the set: it was not one set. */
static void drop_set(struct scan *scan, enum scanned_how how)
{
	current_set(scan)->element_count = 0;
	scan->scanned = (struct scanned){.how = how};
}

static void end_dump_of_set(struct scan *scan, bool changed)
{
	enum scanned_how how = is_kept(scan, current_set(scan)) ? SCANNED_ELEMENTS : SCANNED_DIGEST;
	if (!changed && scan->scanned.how == SCANNED_NOTHING) {
		drop_set(scan, SCANNED_NOTHING);
		set_disown(current_set(scan));
		end_set(scan);
	} else if (!changed) {
		end_set(scan);
	} else {
		drop_set(scan, how);
		scan->scanned.changing = ++scan->tries >= SET_TRIES;
		if (scan->scanned.changing)
			end_set(scan);
	}
}

static int end_objects(struct scan *scan, bool changed)
{
	if (changed)
		return begin_objects(scan);
	scan->objects_generation = scan->generation;
	ruleset_sort_counters(scan->objects.ruleset);
	objects_find_generation(scan->objects.ruleset);
	if (scan->reader.objects != NULL)
		scan->reader.objects(scan->reader.context, scan->objects.ruleset);
	scan->phase = ELEMENTS;
	begin_set(scan, 0);
	return 0;
}

static int end_dump(struct scan *scan)
{
	bool changed, interrupted = scan->changed;
	scan->dumping = false;
	if (scan->phase < SETS) {
		scan->phase++;
		return 0;
	}
	int error = settle(scan, &changed);
	scan->changed = false;
	if (error != 0)
		return error;
	if (scan->phase == SETS)
		return end_objects(scan, changed || interrupted);
	end_dump_of_set(scan, changed || interrupted);
	return 0;
}

static int begin_dump(struct scan *scan)
{
	static const uint16_t types[] = {NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETOBJ, NFT_MSG_GETSET,
					 NFT_MSG_GETSETELEM};
	_Alignas(struct nlmsghdr) char room[256];
	int error = send_request(scan, request(scan, room, types[scan->phase], NLM_F_DUMP, current_set(scan)));
	scan->dumping = error == 0;
	return error;
}

static int take_dumped(struct scan *scan, const struct nlmsghdr *message)
{
	switch (scan->phase) {
	case CHAINS:
		return objects_add_chain(&scan->objects, message);
	case RULES:
		return objects_add_rule(&scan->objects, message);
	case COUNTERS:
		return objects_add_counter(&scan->objects, message);
	case SETS:
		return objects_add_set(&scan->objects, message);
	case ELEMENTS:
		return elements_read(message, current_set(scan), scan->at, take_told, scan);
	case FINISHED:
		break;
	}
	return -EBADMSG;
}

/* Where the table is not there, no more is there than nothing; a set that is gone was changed. */
static int go_on_dumping(struct scan *scan)
{
	int error = receive(scan, take_dumped);
	if (error == -ENOENT)
		scan->changed = scan->changed || scan->phase == ELEMENTS;
	return error == 1 || error == -ENOENT ? end_dump(scan) : error;
}

/* ---- elements that are asked about ---- */

/* A question on its way: `found` is how many of its elements have been answered. */
struct question {
	struct scan *scan;
	const struct element *elements;
	size_t count, found;
};

static int take_found(void *context, const struct told *told)
{
	struct question *question = context;
	struct scan *scan = question->scan;
	const struct set *set = current_set(scan);
	const struct element *wanted = &question->elements[question->found];
	if (question->found == question->count || memcmp(told->element.key, wanted->key, key_size(set->key)) != 0)
		return -EBADMSG;
	question->found++;
	const char *chain = told->element.chain;
	if ((chain == NULL) == (wanted->chain == NULL) && (chain == NULL || strcmp(chain, wanted->chain) == 0))
		return 0;
	scan->scanned.missing++;
	if (scan->reader.missing != NULL)
		scan->reader.missing(scan->reader.context, set, wanted);
	return 0;
}

static int read_answer(struct question *question, const struct iovec *datagram)
{
	const struct scan *scan = question->scan;
	const struct nlmsghdr *m = datagram->iov_base;
	int left = (int)datagram->iov_len, error = 0;
	for (; error >= 0 && mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		if (m->nlmsg_seq != scan->sequence)
			continue;
		error = ending(m);
		if (error == 0)
			error = elements_read(m, current_set(scan), scan->at, take_found, question);
	}
	return error < 0 ? error : 0;
}

/* Reads all answers that are there: one element each. Returns 0, -ENOENT when the element behind those found is
 * missing, -ENOBUFS when answers were lost, which can only be the last ones, or another negative errno. */
static int read_answers(struct question *question)
{
	struct scan *scan = question->scan;
	struct iovec datagrams[KERNEL_RECEIVE_MOST];
	int result = 0;
	for (;;) {
		for (size_t i = 0; i < KERNEL_RECEIVE_MOST; i++)
			datagrams[i] = (struct iovec){scan->answer + i * ANSWER_OF_ONE, ANSWER_OF_ONE};
		int got = kernel_receive_many(scan->kernel, datagrams, KERNEL_RECEIVE_MOST);
		if (got == -EAGAIN)
			return result;
		if (got < 0 && got != -ENOBUFS)
			return got;
		if (got == -ENOBUFS && result == 0)
			result = got;
		for (int i = 0; i < got; i++) {
			int error = read_answer(question, &datagrams[i]);
			result = error < 0 ? error : result;
		}
	}
}

/* Asks about the elements, up to the first that is missing. Returns how many were answered, or a negative errno. */
static int ask(struct scan *scan, const struct element *elements, size_t count)
{
	_Alignas(struct nlmsghdr) static _Thread_local char room[256 + NETLINK_LIST_MAX];
	const struct set *set = current_set(scan);
	struct question question = {scan, elements, count < scan->ask_most ? count : scan->ask_most, 0};
	struct nlmsghdr *message = request(scan, room, NFT_MSG_GETSETELEM, 0, set);
	netlink_elements(message, set, elements, question.count, 0, true);
	int error = send_request(scan, message);
	if (error == 0)
		error = read_answers(&question);
	if (error == -ENOBUFS && scan->ask_most > 1) {
		scan->ask_most /= 2;
		error = 0;
	} else if (error == 0 && question.found < question.count) {
		error = -EBADMSG;
	}
	if (error != -ENOENT)
		return error == 0 ? (int)question.found : error;
	uint32_t there;
	error = ask_count(scan, set, &there); /* or is it the set that is missing? */
	if (error != 0)
		return error;
	scan->scanned.missing++;
	if (scan->reader.missing != NULL)
		scan->reader.missing(scan->reader.context, set, &elements[question.found]);
	return (int)question.found + 1;
}

/* Whether the set has an element that stands for all others: none of ours has. */
static int ask_catch_all(struct scan *scan)
{
	_Alignas(struct nlmsghdr) char room[512];
	uint32_t unused;
	struct nlmsghdr *message = request(scan, room, NFT_MSG_GETSETELEM, 0, current_set(scan));
	struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *item = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_CATCHALL));
	mnl_attr_nest_end(message, item);
	mnl_attr_nest_end(message, list);
	int error = ask_number(scan, message, NFTA_SET_ELEM_LIST_UNSPEC, &unused);
	return error == -ENODATA ? 1 : error == -ENOENT ? 0 : error;
}

static int end_asking(struct scan *scan)
{
	uint32_t count = 0;
	bool changed;
	int error = settle(scan, &changed); /* an element that is being added counts already */
	if (error == 0)
		error = ask_catch_all(scan);
	if (error == 1) {
		set_disown(current_set(scan));
		drop_set(scan, SCANNED_NOTHING);
	}
	if (error >= 0)
		error = ask_count(scan, current_set(scan), &count);
	scan->scanned.count = count;
	return error;
}

/* One question and its answers. A set that is gone is told as changing. */
static int go_on_asking(struct scan *scan)
{
	struct element elements[ASK_MOST];
	size_t count =
	    scan->reader.wanted(scan->reader.context, current_set(scan), &scan->cursor, elements, scan->ask_most);
	int error = 0;
	if (count == 0 && !scan->asked) {
		scan->scanned.how = SCANNED_DIGEST;
		return 0;
	}
	scan->asked = true;
	for (size_t done = 0; done < count && error >= 0; done += error >= 0 ? (size_t)error : 0)
		error = ask(scan, elements + done, count - done);
	if (error >= 0 && count == 0)
		error = end_asking(scan);
	scan->scanned.changing = error == -ENOENT;
	if (error == -ENOENT || (error >= 0 && count == 0))
		end_set(scan);
	return error == -ENOENT || error >= 0 ? 0 : error;
}

/* ---- steps ---- */

static int go_on(struct scan *scan)
{
	if (scan->dumping)
		return go_on_dumping(scan);
	if (scan->phase == ELEMENTS && scan->scanned.how == SCANNED_ASKED)
		return go_on_asking(scan);
	if (scan->phase == ELEMENTS && scan->scanned.how == SCANNED_NOTHING) {
		end_set(scan);
		return 0;
	}
	return begin_dump(scan);
}

static int wait(const struct scan *scan)
{
	struct pollfd ready = {.fd = kernel_scan_fd(scan), .events = POLLIN};
	int count = poll(&ready, 1, WAIT_MILLISECONDS);
	return count < 0 && errno != EINTR ? -errno : count == 0 ? -ETIMEDOUT : 0;
}

/* Changes that were made between the steps are no reason to read again what is begun now. */
static int refresh(struct scan *scan)
{
	bool changed;
	if (scan->objects.ruleset == NULL)
		begin_objects(scan);
	bool begun = scan->dumping || (scan->phase != CHAINS && scan->phase != ELEMENTS);
	return begun || scan->scanned.how == SCANNED_ASKED ? 0 : settle(scan, &changed);
}

int kernel_scan_step(struct scan *scan, uint64_t budget)
{
	uint64_t begin = kernel_microseconds();
	int error = scan->phase == FINISHED ? 0 : refresh(scan);
	while (error == 0 && scan->phase != FINISHED) {
		error = go_on(scan);
		if (error == -EAGAIN && scan->dumping)
			error = budget == UINT64_MAX ? wait(scan) : 0;
		if (kernel_microseconds() - begin >= budget)
			break;
	}
	return error != 0 ? error : scan->phase == FINISHED;
}

struct scan *kernel_scan_start(struct kernel *kernel, struct arena *arena, int64_t at, const struct scan_reader *reader)
{
	struct scan *scan = calloc(1, sizeof *scan);
	if (scan == NULL)
		return NULL;
	scan->kernel = kernel;
	scan->reader = *reader;
	scan->objects.arena = arena;
	scan->at = at;
	return scan;
}

int kernel_scan_fd(const struct scan *scan)
{
	return mnl_socket_get_fd(scan->kernel->socket);
}

struct ruleset *kernel_scan_ruleset(const struct scan *scan)
{
	return scan->objects.ruleset;
}

bool kernel_scan_unchanged(const struct scan *scan)
{
	return scan->phase == FINISHED && scan->generation == scan->objects_generation;
}

void kernel_scan_finish(struct scan *scan)
{
	if (scan != NULL && scan->dumping)
		kernel_reopen(scan->kernel);
	free(scan);
}

int kernel_read(struct kernel *kernel, struct arena *arena, int64_t at, struct ruleset **actual)
{
	const struct scan_reader reader = {0};
	for (int i = 0; i < TRIES; i++) {
		struct scan *scan = kernel_scan_start(kernel, arena, at, &reader);
		if (scan == NULL)
			return -ENOMEM;
		int result = kernel_scan_step(scan, UINT64_MAX);
		bool whole = kernel_scan_unchanged(scan);
		*actual = kernel_scan_ruleset(scan);
		kernel_scan_finish(scan);
		if (result < 0)
			return result;
		if (whole)
			return 0;
	}
	return -EAGAIN;
}
