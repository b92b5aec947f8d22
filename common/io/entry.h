/*
 * entry.h - stream entries as they come out of replies of XREADGROUP, XREAD, XRANGE.
 */
#ifndef AP_IO_ENTRY_H
#define AP_IO_ENTRY_H

#include <hiredis/hiredis.h>

#include "../core/wire.h"

/* Texts are views into the reply. */
struct ap_entry {
	ap_id id;
	ap_str id_text;
	bool gone;              /* trimmed while pending: only the id is left */
	bool foreign;           /* no sequence number: nothing of ours wrote it */
	const char *bad;        /* why its body cannot be read (wrong version, kind ...); NULL: it can */
	uint64_t q;
	uint32_t n;
	uint64_t t_ms;
	ap_str kind, body;
};

/* Reads one [id, [field, value ...]]. False: not even that. want: the kind it must have; NULL: any. */
bool ap_entry_read(const redisReply *reply, const char *want, struct ap_entry *out);
/* The entries of the one stream in a reply of XREADGROUP or XREAD; NULL when there is none (n = 0). */
const redisReply *ap_entries_of(const redisReply *reply, size_t *n);

#endif
