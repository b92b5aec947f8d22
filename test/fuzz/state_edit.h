/*
 * state_edit.h - a stage's saved state with some of its bytes changed and the sums made good again, as a hand in the store
 * could leave it: refused, or loaded and gone on with. Everything is stepped through common/core/fold.c, as a real runtime
 * does it, so that what cannot be told as a record, or is more than a commit holds, is found too.
 */
#ifndef TEST_FUZZ_STATE_EDIT_H
#define TEST_FUZZ_STATE_EDIT_H

#include <stdlib.h>
#include <xxhash.h>

#include "common/core/fold.h"
#include "common/core/le.h"
#include "test/lib/laws.h"

enum { STATE_EDIT = 6, STATE_EDITS = 3, STATE_SUM = 8 };

struct state_field {
	uint8_t *name, *value;
	size_t name_len, len;
};

struct state_rig {
	const struct ap_stage *stage;
	struct ap_conf conf;
	struct laws_tape *tape;
	size_t warm;                    /* entries before the state was saved */
	struct state_field *field;
	size_t n;
	/* Makes the sums of a changed field good again. */
	void (*mend)(struct state_field *f);
};

static inline void state_need(bool ok)
{
	if (!ok)
		abort();
}

static inline struct state_field state_field_of(const void *name, size_t name_len, const void *value, size_t len)
{
	struct state_field f = { malloc(name_len + 1), malloc(len + 1), name_len, len };

	state_need(f.name != NULL && f.value != NULL);
	memcpy(f.name, name, name_len);
	memcpy(f.value, value, len);
	return f;
}

/* XXH3 of name and value at the value's end, which most stages have. */
static inline void state_mend_xxh3(struct state_field *f)
{
	const size_t n = f->len - STATE_SUM;

	ap_le_put(f->value + n, XXH3_64bits_withSeed(f->value, n, XXH3_64bits(f->name, f->name_len)), STATE_SUM);
}

static inline void state_set(struct state_rig *r, const char *key, const char *value)
{
	char err[300];

	state_need(ap_conf_set(&r->conf, ap_opt_find(ap_str_c(key)), ap_str_c(value), err, sizeof err));
}

static inline void state_steps(struct ap_fold *f, const struct laws_tape *tape, size_t from, size_t to)
{
	const char *why;

	for (size_t i = from; i < to; i++) {
		const struct laws_entry *e = &tape->entry[i];

		state_need(ap_fold_entry(f, e->id, e->n, ap_buf_view(&e->body), &why));
		ap_fold_save(f, false);
		ap_fold_clear(f);
	}
}

/* Steps the first entries and keeps what is saved then: values of equal bytes for ever. */
static inline void state_warm(struct state_rig *r, size_t warm)
{
	ap_str name, value;
	struct ap_fold f;
	char err[300];
	size_t pos = 0;

	state_need(ap_fold_init(&f, r->stage, &r->conf, err, sizeof err));
	state_steps(&f, r->tape, 0, warm);
	ap_fold_save(&f, true);
	r->warm = warm;
	r->field = calloc(f.n_sets, sizeof *r->field);
	state_need(r->field != NULL);
	/* The fold writes two letters before each name; the stage does not see them. */
	while (ap_fold_text(&f.sets, &pos, &name) && ap_fold_text(&f.sets, &pos, &value))
		r->field[r->n++] = state_field_of(name.p + 2, name.len - 2, value.p, value.len);
	ap_fold_done(&f);
}

/* One change: which field (u16), where in it (u16), what, and by how much. */
static inline void state_change(const struct state_rig *r, struct state_field *f, const uint8_t *d)
{
	static const uint64_t edge[] = { 0, 1, UINT64_MAX, INT64_MAX, UINT64_C(1) << 63, INT64_MAX / 1000000, UINT64_C(1) << 62, 60000 };
	const size_t room = f->len - STATE_SUM, at = ((size_t)d[2] << 8 | d[3]) % room;
	const size_t word = at - at % 8 + 1 + (d[4] >> 7);      /* where values mostly have one: behind a byte or two */

	switch (d[4] % 8) {
	case 0:                         /* a byte of its name */
		f->name[at % f->name_len] ^= d[5];
		break;
	case 1:                         /* another one's value */
		free(f->value);
		*f = (struct state_field){ f->name, NULL, f->name_len, r->field[d[5] % r->n].len };
		f->value = malloc(f->len);
		state_need(f->value != NULL);
		memcpy(f->value, r->field[d[5] % r->n].value, f->len);
		break;
	case 2:                         /* shorter */
		f->len = at + STATE_SUM;
		break;
	case 3:
	case 4:
		f->value[at] ^= d[5];
		break;
	default:
		if (word + 8 <= room)
			ap_le_put(f->value + word, edge[d[5] % (sizeof edge / sizeof edge[0])], 8);
		break;
	}
	r->mend(f);
}

/* The fields one by one, each a block of its own size; a field without bytes is gone. False: refused. */
static inline bool state_load(const struct state_rig *r, struct ap_fold *f, const struct state_field *field)
{
	char err[300];
	bool ok = true;

	for (size_t i = 0; ok && i < r->n; i++) {
		uint8_t *exact = malloc(field[i].len);

		state_need(exact != NULL);
		memcpy(exact, field[i].value, field[i].len);
		ok = field[i].len <= STATE_SUM ||
		     r->stage->load(f->st, ap_str_n((const char *)field[i].name, field[i].name_len), ap_str_n((const char *)exact, field[i].len));
		free(exact);
	}
	return ok && (r->stage->loaded == NULL || r->stage->loaded(f->st, err, sizeof err));
}

static inline void state_go_on(const struct state_rig *r, struct ap_fold *f)
{
	struct ap_past want;

	while (r->stage->past_wanted != NULL && r->stage->past_wanted(f->st, &want))
		r->stage->past_end(f->st);
	state_steps(f, r->tape, r->warm, r->tape->n);
	ap_fold_save(f, true);
}

/* The first byte says how many changes follow: one more than enough is refused. True: it was loaded. */
static inline bool state_run(const struct state_rig *r, const uint8_t *data, size_t size)
{
	const size_t edits = size > 0 ? 1 + data[0] % STATE_EDITS : 0;
	struct state_field *field = calloc(r->n, sizeof *field);
	struct ap_fold f;
	char err[300];
	bool loaded;

	state_need(field != NULL && ap_fold_init(&f, r->stage, &r->conf, err, sizeof err));
	for (size_t i = 0; i < r->n; i++)
		field[i] = state_field_of(r->field[i].name, r->field[i].name_len, r->field[i].value, r->field[i].len);
	for (size_t i = 1; i + STATE_EDIT <= size && i < 1 + edits * STATE_EDIT; i += STATE_EDIT) {
		struct state_field *one = &field[((size_t)data[i] << 8 | data[i + 1]) % r->n];

		if (one->len > STATE_SUM)
			state_change(r, one, data + i);
	}
	loaded = state_load(r, &f, field);
	if (loaded)
		state_go_on(r, &f);
	for (size_t i = 0; i < r->n; i++) {
		free(field[i].name);
		free(field[i].value);
	}
	free(field);
	ap_fold_done(&f);
	return loaded;
}

#endif
