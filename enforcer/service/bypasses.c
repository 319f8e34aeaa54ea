/* One list of findings from scan to scan, with the process that the kernel named when it told of the change. */
#include "enforcer/service/bypasses.h"

#include <ringfence/policy.h>

#include <stdio.h>
#include <string.h>

void bypasses_hear(struct bypasses *bypasses, const struct monitor_other *other, int64_t at)
{
	bypasses->others[bypasses->next_other++ % OTHERS_MOST] = (struct changed_by){*other, at};
}

static bool is_same(const struct bypassing *a, const struct bypassing *b)
{
	return a->found.kind == b->found.kind && a->found.family == b->found.family &&
	       strcmp(a->found.table, b->found.table) == 0 && strcmp(a->found.object, b->found.object) == 0;
}

static const struct bypassing *find(const struct bypassing *items, size_t count, const struct bypassing *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(&items[i], wanted))
			return &items[i];
	return NULL;
}

/* The newest change of the table that the finding is in, or NULL. */
static const struct changed_by *find_change(const struct bypasses *bypasses, const struct bypass_finding *found)
{
	for (size_t i = 0; i < OTHERS_MOST && i < bypasses->next_other; i++) {
		const struct changed_by *change = &bypasses->others[(bypasses->next_other - 1 - i) % OTHERS_MOST];
		for (size_t j = 0; j < change->other.table_count; j++)
			if (change->other.tables[j].family == found->family &&
			    strcmp(change->other.tables[j].name, found->table) == 0)
				return change;
	}
	return NULL;
}

static void print_object(const struct bypassing *item, char *text, size_t size)
{
	const struct bypass_finding *found = &item->found;
	if (found->table[0] == 0)
		snprintf(text, size, "%s", found->object);
	else
		snprintf(text, size, "%s %s in table %s %s", found->kind == BYPASS_FLOWTABLE ? "flowtable" : "chain",
			 found->object, family_word(found->family), found->table);
}

static void tell(const struct bypassing *item, bool gone)
{
	char object[256], maker[MONITOR_PROCESS_SIZE + 32] = "";
	print_object(item, object, sizeof object);
	if (item->process[0] != 0)
		snprintf(maker, sizeof maker, "; by %s (pid %u)", item->process, item->pid);
	if (gone)
		fprintf(stderr, "ringfenced: drift: gone: %s: %s\n", bypass_words[item->found.kind], object);
	else
		fprintf(stderr, "ringfenced: drift: %s: %s: %s%s%s%s\n", bypass_words[item->found.kind], object,
			bypass_texts[item->found.kind], item->detail[0] != 0 ? "; " : "", item->detail, maker);
}

static void attribute(const struct bypasses *bypasses, struct bypassing *item, int64_t at)
{
	const struct changed_by *change = item->found.family != 0 ? find_change(bypasses, &item->found) : NULL;
	item->since = change != NULL ? change->at : at;
	item->pid = change != NULL ? change->other.pid : 0;
	snprintf(item->process, sizeof item->process, "%s", change != NULL ? change->other.process : "");
}

void bypasses_update(struct bypasses *bypasses, const struct bypassing *found, size_t count, size_t left_out,
		     int64_t at)
{
	struct bypassing now[BYPASSES_MOST];
	count = count < BYPASSES_MOST ? count : BYPASSES_MOST;
	for (size_t i = 0; i < count; i++) {
		const struct bypassing *before = find(bypasses->items, bypasses->count, &found[i]);
		now[i] = found[i];
		if (before == NULL) {
			attribute(bypasses, &now[i], at);
			tell(&now[i], false);
			continue;
		}
		now[i].since = before->since;
		now[i].pid = before->pid;
		memcpy(now[i].process, before->process, sizeof now[i].process);
	}
	for (size_t i = 0; i < bypasses->count; i++)
		if (find(now, count, &bypasses->items[i]) == NULL)
			tell(&bypasses->items[i], true);
	memcpy(bypasses->items, now, count * sizeof *now);
	bypasses->count = count;
	bypasses->left_out = left_out;
}

size_t bypasses_count(const struct bypasses *bypasses, enum bypass_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < bypasses->count; i++)
		count += bypasses->items[i].found.kind == kind;
	return count;
}

json_t *bypasses_json(const struct bypasses *bypasses)
{
	json_t *list = json_array();
	for (size_t i = 0; i < bypasses->count; i++) {
		const struct bypassing *item = &bypasses->items[i];
		char object[256], since[32];
		print_object(item, object, sizeof object);
		json_t *entry =
		    json_pack("{s:s, s:s, s:s, s:s}", "kind", bypass_words[item->found.kind], "object", object, "text",
			      bypass_texts[item->found.kind], "since", time_print(item->since, since));
		if (item->detail[0] != 0)
			json_object_set_new(entry, "detail", json_string(item->detail));
		if (item->process[0] != 0)
			json_object_update_new(
			    entry, json_pack("{s:I, s:s}", "pid", (json_int_t)item->pid, "process", item->process));
		json_array_append_new(list, entry);
	}
	return list;
}
