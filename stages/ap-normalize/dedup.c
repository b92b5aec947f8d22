/*
 * dedup.c - keys in pages, pages in one queue per source, one hash table over all of them.
 *
 *   queue of a source    [page 7: 32 keys] [page 8: 32 keys] [page 9: 11 keys]
 *                         oldest                              keys are added here
 *   table                slots of (low half of the key, place + 1); linear probing, at most half full
 *                        place: page x 32 + index. A foreign key is told by its half alone, without a look at its page.
 *
 * Only whole pages are forgotten, so forgetting changes the saved state by deleting fields, never by rewriting
 * them. Pages are allocated by demand, and used again.
 */
#include "dedup.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common/core/le.h"
#include "common/core/symbol.h"

enum {
	PAGE = 32,              /* keys of a page; a lone trade's commit writes one page, 400 bytes on average */
	QUEUES = 256,           /* sources with a queue of their own; the rest share the last one */
	STATE_V = 1,
	KEY_BYTES = 24,         /* of a saved key: lo, hi, ms, little-endian */
	SUM_BYTES = 8,          /* XXH3 of field name and value, at the end of every value */
	VALUE_MAX = 1 + PAGE * KEY_BYTES + SUM_BYTES,
	FIELD_MAX = 2 + AP_SOURCE_MAX + 1 + 20,
};

#define NONE UINT32_MAX
static const char shared_name[] = "*";

struct page {
	struct dedup_key key[PAGE];
	int64_t ms[PAGE];
	int64_t ms_max;
	uint64_t no;            /* its number in its queue */
	uint32_t n;             /* keys in it */
	uint32_t prev, next;    /* pages of the queue; NONE at its ends */
	bool dirty;             /* got keys since the last save */
};

struct queue {
	char name[AP_SOURCE_MAX];
	uint8_t name_len;
	uint32_t head, tail;    /* oldest, newest page; NONE: empty */
	uint32_t pages;
	uint64_t head_no;       /* number of the oldest page; 0 when empty, whenever that came about */
	uint64_t saved_lo, saved_hi;    /* fields of pages lo .. hi-1 stand in the saved state */
};

struct slot {
	uint32_t half;          /* low 32 bits of the key's lo: where it would like to stand, and who it is */
	uint32_t place;         /* + 1; 0: free */
};

struct dedup {
	int64_t window_ms;
	uint32_t pages_max;     /* 0: nothing is remembered */
	struct page **page;
	uint32_t pages, pages_cap;      /* allocated; room for pointers */
	uint32_t used;          /* pages in queues */
	uint32_t *spare;        /* allocated pages in no queue; room for pages_cap */
	uint32_t spares;
	struct slot *slot;
	uint32_t slots;         /* a power of two */
	uint32_t keys;
	struct queue queue[QUEUES];
	uint32_t queues;
	uint32_t last;          /* queue of the last call: sources come in runs */
};

struct dedup_key dedup_key(ap_str source, ap_str symbol, ap_str id)
{
	char text[AP_SOURCE_MAX + AP_SYMBOL_MAX + AP_TRADE_ID_MAX + 2];
	XXH128_hash_t h;
	size_t n = 0;
	assert(source.len <= AP_SOURCE_MAX && symbol.len <= AP_SYMBOL_MAX && id.len <= AP_TRADE_ID_MAX);
	memcpy(text, source.p, source.len);
	n = source.len;
	text[n++] = '\0';
	memcpy(text + n, symbol.p, symbol.len);
	n += symbol.len;
	text[n++] = '\0';
	memcpy(text + n, id.p, id.len);
	n += id.len;
	h = XXH3_128bits(text, n);
	return (struct dedup_key){ h.low64, h.high64 };
}

struct dedup *dedup_new(uint64_t ids, int64_t window_ms)
{
	struct dedup *d = calloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->window_ms = window_ms;
	if (ids > 0 && window_ms > 0)
		d->pages_max = (uint32_t)((ids + PAGE - 1) / PAGE);
	d->slots = 1024;
	d->slot = calloc(d->slots, sizeof *d->slot);
	if (d->slot == NULL) {
		free(d);
		return NULL;
	}
	return d;
}

void dedup_free(struct dedup *d)
{
	if (d == NULL)
		return;
	for (uint32_t i = 0; i < d->pages; i++)
		free(d->page[i]);
	free(d->page);
	free(d->spare);
	free(d->slot);
	free(d);
}

uint64_t dedup_count(const struct dedup *d)
{
	return d->keys;
}

/* ---- the table ----------------------------------------------------------- */

static const struct dedup_key *key_at(const struct dedup *d, uint32_t place)
{
	return &d->page[place / PAGE]->key[place % PAGE];
}

static void slot_put(struct slot *slot, uint32_t slots, struct slot s)
{
	uint32_t i = s.half & (slots - 1);
	while (slot[i].place != 0)
		i = (i + 1) & (slots - 1);
	slot[i] = s;
}

static bool slots_double(struct dedup *d)
{
	uint32_t more = d->slots * 2;
	struct slot *slot = calloc(more, sizeof *slot);
	if (slot == NULL)
		return false;
	for (uint32_t i = 0; i < d->slots; i++)
		if (d->slot[i].place != 0)
			slot_put(slot, more, d->slot[i]);
	free(d->slot);
	d->slot = slot;
	d->slots = more;
	return true;
}

/* Takes a place out, and moves back what stood behind it because of it. */
static void slot_del(struct dedup *d, uint32_t place)
{
	uint32_t mask = d->slots - 1, i = (uint32_t)key_at(d, place)->lo & mask, hole;
	while (d->slot[i].place != place + 1) {
		assert(d->slot[i].place != 0);
		i = (i + 1) & mask;
	}
	for (hole = i, i = (i + 1) & mask; d->slot[i].place != 0; i = (i + 1) & mask) {
		uint32_t home = d->slot[i].half & mask;
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		d->slot[hole] = d->slot[i];
		hole = i;
	}
	d->slot[hole].place = 0;
}

bool dedup_seen(const struct dedup *d, struct dedup_key k, int64_t ms)
{
	uint32_t mask = d->slots - 1;
	for (uint32_t i = (uint32_t)k.lo & mask; d->slot[i].place != 0; i = (i + 1) & mask) {
		uint32_t place = d->slot[i].place - 1;
		int64_t apart;
		if (d->slot[i].half != (uint32_t)k.lo)
			continue;
		apart = d->page[place / PAGE]->ms[place % PAGE] - ms;
		if (key_at(d, place)->lo == k.lo && key_at(d, place)->hi == k.hi &&
		    (apart < 0 ? -apart : apart) <= d->window_ms)
			return true;
	}
	return false;
}

/* ---- pages and queues ---------------------------------------------------- */

static void drop_oldest(struct dedup *d, struct queue *q)
{
	uint32_t at = q->head;
	struct page *p = d->page[at];
	for (uint32_t i = 0; i < p->n; i++)
		slot_del(d, at * PAGE + i);
	d->keys -= p->n;
	q->head = p->next;
	if (q->head == NONE)
		q->tail = NONE;
	else
		d->page[q->head]->prev = NONE;
	q->pages--;
	q->head_no = q->pages == 0 ? 0 : p->no + 1;
	d->used--;
	d->spare[d->spares++] = at;
}

static int name_cmp(const struct queue *a, const struct queue *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->name, b->name, n);
	return c != 0 ? c : (int)a->name_len - (int)b->name_len;
}

/* The source with most pages; among equals the first by name, so that a restart does not change the choice. */
static struct queue *richest(struct dedup *d)
{
	struct queue *best = NULL;
	for (uint32_t i = 0; i < d->queues; i++) {
		struct queue *q = &d->queue[i];
		if (best == NULL || q->pages > best->pages || (q->pages == best->pages && name_cmp(q, best) < 0))
			best = q;
	}
	return best != NULL && best->pages > 0 ? best : NULL;
}

static bool page_alloc(struct dedup *d)
{
	if (d->pages == d->pages_cap) {
		uint32_t cap = d->pages_cap == 0 ? 64 : d->pages_cap * 2, *spare;
		struct page **page = realloc(d->page, cap * sizeof(void *));
		if (page == NULL)
			return false;
		d->page = page;
		spare = realloc(d->spare, cap * sizeof *spare);
		if (spare == NULL)
			return false;
		d->spare = spare;
		d->pages_cap = cap;
	}
	d->page[d->pages] = malloc(sizeof **d->page);
	if (d->page[d->pages] == NULL)
		return false;
	d->spare[d->spares++] = d->pages++;
	return true;
}

/* An empty page that is in no queue, or NONE: no memory and nothing to give away. */
static uint32_t page_take(struct dedup *d)
{
	uint32_t at;
	if (d->used >= d->pages_max || (d->spares == 0 && !page_alloc(d))) {
		struct queue *q = richest(d);
		if (q == NULL)
			return NONE;
		drop_oldest(d, q);
	}
	at = d->spare[--d->spares];
	*d->page[at] = (struct page){ .prev = NONE, .next = NONE, .ms_max = INT64_MIN };
	d->used++;
	return at;
}

static void append_page(struct dedup *d, struct queue *q, uint32_t at, uint64_t no)
{
	struct page *p = d->page[at];
	p->no = no;
	p->prev = q->tail;
	if (q->tail == NONE)
		q->head = at;
	else
		d->page[q->tail]->next = at;
	q->tail = at;
	q->pages++;
}

static struct queue *queue_find(struct dedup *d, ap_str name)
{
	for (uint32_t k = 0; k < d->queues; k++) {
		uint32_t i = d->last + k < d->queues ? d->last + k : d->last + k - d->queues;
		struct queue *q = &d->queue[i];
		if (ap_str_eq(ap_str_n(q->name, q->name_len), name)) {
			d->last = i;
			return q;
		}
	}
	return NULL;
}

/* The queue of that name and no other; NULL: there is no room for it. */
static struct queue *queue_named(struct dedup *d, ap_str name)
{
	struct queue *q = queue_find(d, name);
	if (q != NULL || d->queues == QUEUES)
		return q;
	d->last = d->queues;
	q = &d->queue[d->queues++];
	*q = (struct queue){ .head = NONE, .tail = NONE, .name_len = (uint8_t)name.len };
	memcpy(q->name, name.p, name.len);
	return q;
}

/* Where a source's keys go: the last queue that there is room for is the shared one, if it is not there yet. */
static struct queue *queue_of(struct dedup *d, ap_str name)
{
	struct queue *q = queue_find(d, name);
	if (q != NULL)
		return q;
	return queue_named(d, d->queues >= QUEUES - 1 ? ap_str_c(shared_name) : name);
}

static void page_add(struct dedup *d, uint32_t at, struct dedup_key k, int64_t ms)
{
	struct page *p = d->page[at];
	p->key[p->n] = k;
	p->ms[p->n] = ms;
	if (ms > p->ms_max)
		p->ms_max = ms;
	slot_put(d->slot, d->slots, (struct slot){ (uint32_t)k.lo, at * PAGE + p->n + 1 });
	p->n++;
	d->keys++;
}

void dedup_add(struct dedup *d, ap_str source, struct dedup_key k, int64_t ms)
{
	struct queue *q;
	if (d->pages_max == 0)
		return;
	if ((d->keys + 1) > d->slots / 2 && !slots_double(d)) {
		/* No memory to grow the table: as with pages, the oldest give way. */
		q = richest(d);
		if (q != NULL)
			drop_oldest(d, q);
	}
	q = queue_of(d, source);
	if (q->tail == NONE || d->page[q->tail]->n == PAGE) {
		uint32_t at = page_take(d);
		if (at == NONE)
			return;
		append_page(d, q, at, q->head_no + q->pages);
	}
	d->page[q->tail]->dirty = true;
	page_add(d, q->tail, k, ms);
}

void dedup_reached(struct dedup *d, ap_str source, int64_t ms)
{
	struct queue *q = queue_find(d, source);
	if (q == NULL)
		return;
	while (q->head != NONE && d->page[q->head]->ms_max < ms - d->window_ms)
		drop_oldest(d, q);
}

/* ---- state --------------------------------------------------------------- */

static size_t field_name(const struct queue *q, uint64_t no, char out[FIELD_MAX + 1])
{
	return (size_t)snprintf(out, FIELD_MAX + 1, "d/%.*s/%llu", q->name_len, q->name, (unsigned long long)no);
}

/* Detects a value that stands under another's name as well. */
static uint64_t checksum(const char *field, size_t flen, const uint8_t *value, size_t vlen)
{
	return XXH3_64bits_withSeed(value, vlen, XXH3_64bits(field, flen));
}

static void page_save(const struct queue *q, const struct page *p, struct ap_saver *s)
{
	char field[FIELD_MAX + 1];
	uint8_t v[VALUE_MAX] = { STATE_V };
	size_t flen = field_name(q, p->no, field), n = 1;
	for (uint32_t i = 0; i < p->n; i++, n += KEY_BYTES) {
		ap_le_put(v + n, p->key[i].lo, 8);
		ap_le_put(v + n + 8, p->key[i].hi, 8);
		ap_le_put(v + n + 16, (uint64_t)p->ms[i], 8);
	}
	ap_le_put(v + n, checksum(field, flen, v, n), 8);
	s->put(s, ap_str_n(field, flen), ap_str_n((const char *)v, n + SUM_BYTES));
}

static void save_all(const struct dedup *d, struct ap_saver *s)
{
	for (uint32_t i = 0; i < d->queues; i++)
		for (uint32_t at = d->queue[i].head; at != NONE; at = d->page[at]->next)
			page_save(&d->queue[i], d->page[at], s);
}

static void queue_save(struct dedup *d, struct queue *q, struct ap_saver *s)
{
	for (uint64_t no = q->saved_lo; no < q->saved_hi; no++) {
		char field[FIELD_MAX + 1];
		if (no < q->head_no || no >= q->head_no + q->pages)
			s->del(s, ap_str_n(field, field_name(q, no, field)));
	}
	q->saved_lo = q->head_no;
	q->saved_hi = q->head_no + q->pages;
	for (uint32_t at = q->tail; at != NONE && d->page[at]->dirty; at = d->page[at]->prev) {
		page_save(q, d->page[at], s);
		d->page[at]->dirty = false;
	}
}

void dedup_save(struct dedup *d, struct ap_saver *s, bool all)
{
	if (all) {
		save_all(d, s);
		return;
	}
	for (uint32_t i = 0; i < d->queues;) {
		queue_save(d, &d->queue[i], s);
		/* A source without keys is forgotten: a restart would not know it either. */
		if (d->queue[i].pages == 0)
			d->queue[i] = d->queue[--d->queues];
		else
			i++;
	}
	d->last = 0;
}

/* "d/SOURCE/NUMBER" */
static bool field_parse(ap_str f, ap_str *name, uint64_t *no)
{
	const char *cut;
	size_t at;
	if (f.len < 5 || f.len > FIELD_MAX || f.p[0] != 'd' || f.p[1] != '/')
		return false;
	cut = memchr(f.p + 2, '/', f.len - 2);
	if (cut == NULL)
		return false;
	*name = ap_str_n(f.p + 2, (size_t)(cut - f.p) - 2);
	at = (size_t)(cut - f.p) + 1;
	if (name->len == 0 || name->len > AP_SOURCE_MAX || at == f.len || f.len - at > 18)
		return false;
	for (*no = 0; at < f.len; at++) {
		if (f.p[at] < '0' || f.p[at] > '9')
			return false;
		*no = *no * 10 + (uint64_t)(f.p[at] - '0');
	}
	return true;
}

/* Every key is of a time that a trade can have: differences of two stay numbers. */
static bool times_fine(const uint8_t *v, size_t n)
{
	for (size_t i = 1; i < n; i += KEY_BYTES)
		if (ap_le_get(v + i + 16, 8) > INT64_MAX / 1000000)
			return false;
	return true;
}

bool dedup_load(struct dedup *d, ap_str field, ap_str value)
{
	const uint8_t *v = (const uint8_t *)value.p;
	size_t n = value.len;
	struct queue *q;
	ap_str name;
	uint64_t no;
	uint32_t at;
	if (!field_parse(field, &name, &no) || n < 1 + KEY_BYTES + SUM_BYTES || n > VALUE_MAX || v[0] != STATE_V ||
	    (n - 1 - SUM_BYTES) % KEY_BYTES != 0)
		return false;
	n -= SUM_BYTES;
	if (ap_le_get(v + n, 8) != checksum(field.p, field.len, v, n) || !times_fine(v, n) || (d->spares == 0 && !page_alloc(d)))
		return false;
	/* Saved under the name it has here, whatever was loaded before it. */
	q = queue_named(d, name);
	if (q == NULL)
		return false;
	/* The bounds may have been lowered since; dedup_loaded sees to that. */
	at = d->spare[--d->spares];
	*d->page[at] = (struct page){ .prev = NONE, .next = NONE, .ms_max = INT64_MIN };
	d->used++;
	append_page(d, q, at, no);
	for (size_t i = 1; i < n; i += KEY_BYTES) {
		if (d->keys + 1 > d->slots / 2 && !slots_double(d))
			return false;
		page_add(d, at, (struct dedup_key){ ap_le_get(v + i, 8), ap_le_get(v + i + 8, 8) }, (int64_t)ap_le_get(v + i + 16, 8));
	}
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct page *const *x = a, *const *y = b;
	return (*x)->no < (*y)->no ? -1 : (*x)->no > (*y)->no;
}

/* Fields come back in any order: links the queue's pages by number. `order` has room for them. */
static bool queue_sort(struct dedup *d, struct queue *q, uint32_t *at, struct page **order)
{
	uint32_t n = 0;
	for (uint32_t i = q->head; i != NONE; i = d->page[i]->next) {
		order[n] = d->page[i];
		order[n++]->prev = i;   /* where it lies, while it is unlinked */
	}
	qsort(order, n, sizeof(struct page *), by_number);
	for (uint32_t i = 0; i < n; i++)
		at[i] = order[i]->prev;
	q->head = q->tail = NONE;
	q->pages = 0;
	q->head_no = q->saved_lo = order[0]->no;
	for (uint32_t i = 0; i < n; i++) {
		if (order[i]->no != q->head_no + i || (order[i]->n != PAGE && i + 1 < n))
			return false;
		order[i]->next = NONE;
		append_page(d, q, at[i], order[i]->no);
	}
	q->saved_hi = q->head_no + n;
	return true;
}

bool dedup_loaded(struct dedup *d)
{
	uint32_t *at = calloc(d->pages + 1, sizeof *at);
	struct page **order = calloc(d->pages + 1, sizeof(void *));
	bool ok = at != NULL && order != NULL && (d->queues < QUEUES || queue_find(d, ap_str_c(shared_name)) != NULL);
	for (uint32_t i = 0; ok && i < d->queues; i++)
		ok = queue_sort(d, &d->queue[i], at, order);
	free(at);
	free(order);
	while (ok && d->used > d->pages_max)
		drop_oldest(d, richest(d));
	return ok;
}
