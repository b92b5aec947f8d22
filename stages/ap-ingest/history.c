/*
 * history.c - the simulated market's past. Does not know when "now" is, nor what has been sent of it already.
 */
#include "history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/timefmt.h"
#include "sim.h"

enum { MINUTE_MS = 60000 };

struct ap_history {
	struct ap_sim *sim;
	int64_t beat_ms, last_ms, base_ms;      /* the next beat, the one before it (0: none), the last one */
	uint64_t place;
	struct ap_trade trade;
	struct ap_rec rec;
	char text[AP_SIM_TEXT];
};

/* --- the plan as text ------------------------------------------------------------------ */

void ap_history_write(const struct ap_history_plan *plan, struct ap_buf *out)
{
	ap_buf_printf(out, "%s %" PRIu64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %s", plan->done ? "done" : "open", plan->minutes, plan->base_ms,
		      plan->rate, plan->seed, plan->symbols);
}

/* Cuts the word before the first blank off. */
static ap_str word(ap_str *text)
{
	const char *blank = text->len == 0 ? NULL : memchr(text->p, ' ', text->len);
	ap_str w = { text->p, blank == NULL ? text->len : (size_t)(blank - text->p) };

	*text = ap_str_n(text->p + w.len + (blank != NULL), text->len - w.len - (blank != NULL));
	return w;
}

static bool number(ap_str *text, uint64_t most, uint64_t *out)
{
	ap_str w = word(text);

	*out = 0;
	for (size_t i = 0; i < w.len; i++) {
		if (w.p[i] < '0' || w.p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(w.p[i] - '0');
		if (*out > most)
			return false;
	}
	return w.len > 0;
}

bool ap_history_read(ap_str text, struct ap_history_plan *plan)
{
	const uint64_t most = (uint64_t)1 << 53;
	ap_str state = word(&text);
	uint64_t base;

	*plan = (struct ap_history_plan){ .done = ap_str_is(state, "done") };
	if (!plan->done && !ap_str_is(state, "open"))
		return false;
	if (!number(&text, 1000000, &plan->minutes) || !number(&text, most / 1000, &base) || !number(&text, 1000000, &plan->rate) ||
	    !number(&text, most, &plan->seed) || plan->rate == 0 || text.len == 0 || text.len > AP_HISTORY_SYMBOLS ||
	    base < (plan->minutes + 1) * MINUTE_MS)
		return false;
	plan->base_ms = (int64_t)base;
	memcpy(plan->symbols, text.p, text.len);
	return true;
}

/* --- its items -------------------------------------------------------------------------- */

struct ap_history *ap_history_new(const struct ap_history_plan *plan, char *err, size_t errlen)
{
	struct ap_history *h = calloc(1, sizeof *h);
	int64_t start_ms = (plan->base_ms - (int64_t)plan->minutes * MINUTE_MS) / MINUTE_MS * MINUTE_MS;
	double rate = (double)plan->rate, most = AP_HISTORY_TRADES / ((double)(plan->base_ms - start_ms) / 1000);

	if (h == NULL) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	assert(plan->minutes > 0 && start_ms > 0);
	if (most > rate)
		most = rate;
	h->sim = ap_sim_new(plan->seed, most, plan->symbols, (ap_ts){ start_ms * 1000000 }, err, errlen);
	if (h->sim == NULL) {
		free(h);
		return NULL;
	}
	ap_sim_enlarge(h->sim, rate / most);
	h->beat_ms = start_ms;
	h->base_ms = plan->base_ms;
	return h;
}

void ap_history_free(struct ap_history *h)
{
	if (h == NULL)
		return;
	ap_sim_free(h->sim);
	free(h);
}

/* Each beat vouches for the time since the one before it; the first only says where time begins. */
static void beat(struct ap_history *h)
{
	int64_t next_ms = h->beat_ms + AP_HISTORY_BEAT_MS;

	h->rec = (struct ap_rec){ .kind = AP_BEAT };
	h->rec.u.beat = (struct ap_beat){ .source = ap_str_c("sim"), .ts = { h->beat_ms * 1000000 }, .alive = true,
					  .covers_ms = h->last_ms == 0 ? 0 : (uint32_t)(h->beat_ms - h->last_ms) };
	h->last_ms = h->beat_ms;
	h->beat_ms = next_ms > h->base_ms && h->last_ms < h->base_ms ? h->base_ms : next_ms;
}

bool ap_history_next(struct ap_history *h, struct ap_tape_item *out)
{
	bool trade = ap_sim_when(h->sim).ns < h->beat_ms * 1000000;

	if (h->last_ms == h->base_ms)
		return false;
	*out = (struct ap_tape_item){ &h->rec, ++h->place, h->beat_ms, !trade };
	if (trade) {
		ap_sim_next(h->sim, &h->trade);
		ap_sim_raw(&h->trade, h->text, &h->rec);
		h->rec.u.raw.seq = out->place;
		out->t_ms = ap_ts_ms(h->trade.ts);
	} else {
		beat(h);
	}
	return true;
}
