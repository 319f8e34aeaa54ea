/* What others changed in our table: a ring of the newest records. */
#include "enforcer/service/drift_log.h"

#include "enforcer/service/counters.h"

#include <ringfence/policy.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

static void record_finish(struct drift_record *record)
{
	json_decref(record->process);
	json_decref(record->changes);
	json_decref(record->meaning);
	*record = (struct drift_record){0};
}

struct drift_record *drift_log_add(struct drift_log *log, const struct monitor_change *change, double received)
{
	struct drift_record *record = &log->records[log->next++ % DRIFT_RECORDS_MAX];
	record_finish(record);
	record->time = (int64_t)time(NULL);
	record->received = received;
	record->pid = change->pid;
	record->count = change->count;
	record->process = json_string(change->process);
	record->changes = json_array();
	fprintf(stderr, "ringfenced: drift: %zu change%s in our table by process %s (pid %u)\n", change->count,
		change->count == 1 ? "" : "s", change->process, change->pid);
	for (size_t i = 0; i < change->description_count; i++) {
		json_array_append_new(record->changes, json_string(change->descriptions[i]));
		fprintf(stderr, "ringfenced: drift:   %s\n", change->descriptions[i]);
	}
	record->reported = monotonic_seconds();
	return record;
}

void drift_log_explain(struct drift_log *log, json_t *meaning)
{
	for (size_t i = 0; i < DRIFT_RECORDS_MAX && i < log->next; i++)
		if (log->records[i].meaning == NULL && log->records[i].repaired == 0)
			log->records[i].meaning = json_incref(meaning);
}

void drift_log_repaired(struct drift_log *log, double now)
{
	for (size_t i = 0; i < DRIFT_RECORDS_MAX && i < log->next; i++) {
		if (log->records[i].repaired != 0)
			continue;
		log->records[i].repaired = now;
		log->repaired++;
	}
}

json_t *drift_log_json(const struct drift_log *log)
{
	json_t *list = json_array();
	size_t first = log->next > DRIFT_RECORDS_MAX ? log->next - DRIFT_RECORDS_MAX : 0;
	for (size_t i = first; i < log->next; i++) {
		const struct drift_record *record = &log->records[i % DRIFT_RECORDS_MAX];
		char when[32];
		json_t *object =
		    json_pack("{s:s, s:I, s:O, s:I, s:O, s:b, s:f}", "time", time_print(record->time, when), "pid",
			      (json_int_t)record->pid, "process", record->process, "count", (json_int_t)record->count,
			      "changes", record->changes, "repaired", record->repaired != 0, "report_ms",
			      (record->reported - record->received) * 1e3);
		if (record->meaning != NULL)
			json_object_set(object, "meaning", record->meaning);
		if (record->repaired != 0)
			json_object_set_new(object, "repair_ms",
					    json_real((record->repaired - record->received) * 1e3));
		json_array_append_new(list, object);
	}
	return list;
}

void drift_log_finish(struct drift_log *log)
{
	for (size_t i = 0; i < DRIFT_RECORDS_MAX; i++)
		record_finish(&log->records[i]);
}
