/* A bounded list of addresses that nobody names. One that neighbours show is worth more than one that only denials do:
 * packets may carry any source. */
#include "enforcer/service/strangers.h"

#include "enforcer/kernel/bypass.h"

#include <stdio.h>
#include <string.h>

static bool is_special(const struct address *address)
{
	const uint8_t *bytes = address->bytes;
	if (address->family == 4)
		return bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 224 || (bytes[0] == 169 && bytes[1] == 254);
	static const uint8_t none[15];
	return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) ||
	       (memcmp(bytes, none, sizeof none) == 0 && bytes[15] <= 1);
}

bool is_stranger(const struct inventory *inventory, const struct address *address)
{
	return !is_special(address) && inventory_claimant(inventory, address) == NULL &&
	       inventory_node_at(inventory, address) == NULL;
}

static struct stranger *find(struct strangers *strangers, const struct address *address)
{
	for (size_t i = 0; i < strangers->count; i++)
		if (address_compare(&strangers->items[i].address, address) == 0)
			return &strangers->items[i];
	return NULL;
}

static size_t count_denied(const struct strangers *strangers)
{
	size_t count = 0;
	for (size_t i = 0; i < strangers->count; i++)
		count += !strangers->items[i].neighbour;
	return count;
}

/* The one with this address, new where there is room; NULL: there is none. */
static struct stranger *get(struct strangers *strangers, const struct address *address, int64_t at)
{
	struct stranger *stranger = find(strangers, address);
	if (stranger != NULL)
		return stranger;
	if (strangers->count == STRANGERS_MOST) {
		strangers->left_out++;
		return NULL;
	}
	stranger = &strangers->items[strangers->count++];
	*stranger = (struct stranger){.address = *address, .first = at, .last = at};
	return stranger;
}

void strangers_begin(struct strangers *strangers)
{
	strangers->scan++;
	strangers->left_out = strangers->told = 0;
}

/* On stderr: the first of them, since addresses can be made up. */
static void tell(const struct stranger *stranger)
{
	char text[ADDRESS_TEXT_SIZE];
	fprintf(stderr, "ringfenced: drift: %s is seen on %s, and no source names it\n",
		address_format(&stranger->address, text), stranger->interface);
}

void strangers_see(struct strangers *strangers, const struct neighbour *neighbour, const char *interface, int64_t at)
{
	struct stranger *stranger = get(strangers, &neighbour->address, at);
	if (stranger == NULL)
		return;
	bool new = !stranger->neighbour;
	stranger->neighbour = true;
	stranger->scan = strangers->scan;
	name_print(stranger->interface, sizeof stranger->interface, interface, strlen(interface));
	stranger->has_hardware = neighbour->has_hardware;
	memcpy(stranger->hardware, neighbour->hardware, sizeof stranger->hardware);
	if (stranger->last < at - (int64_t)neighbour->age || new)
		stranger->last = at - (int64_t)neighbour->age;
	if (new && strangers->told++ < STRANGERS_TOLD_MOST)
		tell(stranger);
}

void strangers_end(struct strangers *strangers, const struct inventory *inventory, int64_t at)
{
	size_t kept = 0;
	for (size_t i = 0; i < strangers->count; i++) {
		struct stranger *stranger = &strangers->items[i];
		stranger->neighbour = stranger->neighbour && stranger->scan == strangers->scan;
		bool denied = stranger->denied != 0 && stranger->denied > at - STRANGER_SECONDS;
		if ((stranger->neighbour || denied) && is_stranger(inventory, &stranger->address))
			strangers->items[kept++] = *stranger;
	}
	strangers->count = kept;
}

void strangers_deny(struct strangers *strangers, const struct address *address, uint64_t count, int64_t at)
{
	if (find(strangers, address) == NULL && count_denied(strangers) >= STRANGERS_DENIED_MOST) {
		strangers->left_out++;
		return;
	}
	struct stranger *stranger = get(strangers, address, at);
	if (stranger == NULL)
		return;
	stranger->last = stranger->denied = at;
	stranger->denials += count;
}

json_t *strangers_json(const struct strangers *strangers)
{
	json_t *list = json_array();
	for (size_t i = 0; i < strangers->count; i++) {
		const struct stranger *stranger = &strangers->items[i];
		char address[ADDRESS_TEXT_SIZE], first[32], last[32];
		const uint8_t *h = stranger->hardware;
		json_t *object = json_pack(
		    "{s:s, s:s, s:s, s:I, s:b}", "address", address_format(&stranger->address, address), "first_seen",
		    time_print(stranger->first, first), "last_seen", time_print(stranger->last, last), "denials",
		    (json_int_t)stranger->denials, "neighbour", stranger->neighbour);
		if (stranger->interface[0] != 0)
			json_object_set_new(object, "interface", json_string(stranger->interface));
		if (stranger->has_hardware)
			json_object_set_new(
			    object, "hardware",
			    json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4], h[5]));
		json_array_append_new(list, object);
	}
	return list;
}
