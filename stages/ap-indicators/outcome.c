/*
 * outcome.c - follows signals through the candles after them.
 *
 * All prices are turned so that up is good (a short is a long in a mirror);
 * then there is one set of rules. Knows nothing of rules and where signals go.
 */
#include "stages/ap-indicators/outcome.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <xxhash.h>

/* A candle and a signal as a long sees them: a short's prices negated, its high and low swapped. */
struct view {
	double o, h, l, c;
	double entry, stop, target;
};

enum fate { GOES_ON, ENDS };

static double turn(uint8_t side, double price)
{
	return side == RULE_LONG ? price : -price;
}

static struct view view_of(const struct outcome_open *p, const struct ind_bar *bar)
{
	const uint8_t side = p->side;
	const bool up = side == RULE_LONG;

	return (struct view){
		.o = turn(side, bar->o), .c = turn(side, bar->c),
		.h = turn(side, up ? bar->h : bar->l), .l = turn(side, up ? bar->l : bar->h),
		.entry = turn(side, p->entry), .stop = turn(side, p->stop), .target = turn(side, p->target)
	};
}

const char *outcome_end_name(enum outcome_end end)
{
	static const char *const names[OUTCOME_END_N] = {
		[OUTCOME_TARGET] = "target", [OUTCOME_STOP] = "stop", [OUTCOME_EXPIRY] = "expiry",
		[OUTCOME_LAPSED] = "lapsed", [OUTCOME_CROWDED] = "crowded"
	};

	assert((unsigned)end < OUTCOME_END_N);
	return names[end];
}

void outcome_init(struct outcome_state *s)
{
	memset(s, 0, sizeof *s);
}

static struct outcome report(const struct outcome_open *p, int64_t now_ms)
{
	return (struct outcome){
		.rule = p->rule, .side = (enum rule_side)p->side, .signal_ms = p->signal_ms, .end_ms = now_ms,
		.revision = p->revision, .candles = p->candles, .entry = p->entry, .stop = p->stop, .target = p->target, .in = p->in
	};
}

/* Left at a price of the turned world. */
static enum fate leave(struct outcome *out, const struct outcome_open *p, const struct view *v,
		       enum outcome_end end, double price)
{
	out->end = end;
	out->in = p->in;
	out->out = turn(p->side, price);
	out->r = (price - turn(p->side, p->in)) / (v->entry - v->stop);
	return ENDS;
}

/* Not entered yet: does this candle reach the entry? A pullback comes from above, a breakout from below. */
static bool reach_entry(struct outcome_open *p, const struct view *v)
{
	const bool down = (p->from_above != 0) == (p->side == RULE_LONG);

	if (down ? v->l > v->entry : v->h < v->entry)
		return false;
	if (down)
		p->in = v->o < v->entry ? v->o : v->entry;
	else
		p->in = v->o > v->entry ? v->o : v->entry;
	p->in = turn(p->side, p->in);
	return true;
}

static enum fate follow(struct outcome_open *p, const struct ind_bar *bar, struct outcome *out)
{
	const struct view v = view_of(p, bar);
	bool fresh = false;

	p->candles++;
	*out = report(p, bar->open_ms);
	if (p->in == 0) {
		fresh = reach_entry(p, &v);
		if (!fresh && p->candles < p->expiry)
			return GOES_ON;
		if (!fresh) {
			out->end = OUTCOME_LAPSED;
			return ENDS;
		}
	}
	if (v.l <= v.stop) {
		out->ambiguous = v.h >= v.target;
		return leave(out, p, &v, OUTCOME_STOP, v.o < v.stop ? v.o : v.stop);
	}
	if (!fresh && v.h >= v.target)
		return leave(out, p, &v, OUTCOME_TARGET, v.o > v.target ? v.o : v.target);
	return p->candles < p->expiry ? GOES_ON : leave(out, p, &v, OUTCOME_EXPIRY, v.c);
}

size_t outcome_step(struct outcome_state *s, const struct ind_bar *bar, struct outcome *out)
{
	size_t ended = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (follow(&s->open[i], bar, &out[ended]) == ENDS)
			ended++;
		else
			s->open[kept++] = s->open[i];
	}
	/* Unused places stay zero, so that equal states are equal bytes. */
	memset(&s->open[kept], 0, (s->n - kept) * sizeof s->open[0]);
	s->n = kept;
	return ended;
}

bool outcome_add(struct outcome_state *s, const struct rule_signal *signal, const struct ind_bar *bar,
		 uint32_t revision, unsigned expiry, struct outcome *gone)
{
	const bool crowded = s->n == OUTCOME_OPEN_MAX;

	assert(expiry > 0);
	if (crowded) {
		*gone = report(&s->open[0], bar->open_ms);
		gone->end = OUTCOME_CROWDED;
		s->n--;
		memmove(&s->open[0], &s->open[1], s->n * sizeof s->open[0]);
	}
	s->open[s->n++] = (struct outcome_open){
		.signal_ms = bar->open_ms,
		.entry = signal->entry, .stop = signal->stop, .target = signal->target,
		.in = signal->entry == bar->c ? signal->entry : 0,
		.expiry = expiry, .rule = signal->rule, .side = (uint8_t)signal->side,
		.from_above = signal->entry < bar->c, .revision = revision
	};
	return crowded;
}

void outcome_json(const struct outcome *o, struct ap_buf *out)
{
	ap_buf_printf(out, "{\"end\":\"%s\",\"in\":", outcome_end_name(o->end));
	rule_json_number(out, o->in);
	ap_buf_puts(out, ",\"out\":");
	rule_json_number(out, o->out);
	ap_buf_printf(out, ",\"candles\":%u,\"end_ms\":%" PRId64 ",\"ambiguous\":%s}", o->candles, o->end_ms,
		      o->ambiguous ? "true" : "false");
}

/* --- image ------------------------------------------------------------------------------------------------ */

enum { IMAGE_VERSION = 1, IMAGE_ROW = 56 };

static const char magic[4] = { 'A', 'P', 'O', '1' };

static uint8_t *put(uint8_t *p, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint8_t *put_double(uint8_t *p, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return put(p, bits, 8);
}

static uint64_t get(const uint8_t **p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)*(*p)++ << (8 * i);
	return v;
}

static double get_double(const uint8_t **p)
{
	const uint64_t bits = get(p, 8);
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

size_t outcome_save(const struct outcome_state *s, uint8_t image[OUTCOME_IMAGE_MAX])
{
	uint8_t *p = image;

	memcpy(p, magic, sizeof magic);
	p = put(p + sizeof magic, IMAGE_VERSION, 2);
	p = put(p, s->n, 2);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct outcome_open *o = &s->open[i];

		p = put(p, (uint64_t)o->signal_ms, 8);
		p = put_double(p, o->entry);
		p = put_double(p, o->stop);
		p = put_double(p, o->target);
		p = put_double(p, o->in);
		p = put(p, o->candles, 4);
		p = put(p, o->expiry, 4);
		p = put(p, o->rule, 2);
		p = put(p, o->side, 1);
		p = put(p, o->from_above, 1);
		p = put(p, o->revision, 4);
	}
	p = put(p, XXH64(image, (size_t)(p - image), 0), 8);
	return (size_t)(p - image);
}

static bool image_is_good(const uint8_t *image, size_t size)
{
	const uint8_t *p, *tail;
	uint64_t version, n;

	if (size < 16 || size > OUTCOME_IMAGE_MAX || memcmp(image, magic, sizeof magic) != 0)
		return false;
	p = image + sizeof magic;
	version = get(&p, 2);
	n = get(&p, 2);
	if (version != IMAGE_VERSION || n > OUTCOME_OPEN_MAX || size != 16 + n * IMAGE_ROW)
		return false;
	tail = image + size - 8;
	return get(&tail, 8) == XXH64(image, size - 8, 0);
}

size_t outcome_rules_end(const struct outcome_state *s)
{
	size_t end = 0;

	for (uint32_t i = 0; i < s->n; i++)
		end = s->open[i].rule < end ? end : (size_t)s->open[i].rule + 1;
	return end;
}

/* A signal as rules give them (rule.c, in_order), and entered, if it was, at a price: what is told of it are numbers. */
static bool open_is_good(const struct outcome_open *o)
{
	const double least = fmin(o->entry, fmin(o->stop, o->target)), most = fmax(o->entry, fmax(o->stop, o->target));

	if (!(least > 0) || !(most <= 1e36) || !(o->in >= 0) || !(o->in <= 1e36) || o->signal_ms < 0)
		return false;
	if (o->side == RULE_LONG)
		return o->stop < o->entry && o->entry < o->target;
	return o->side == RULE_SHORT && o->target < o->entry && o->entry < o->stop;
}

bool outcome_load(struct outcome_state *s, const uint8_t *image, size_t size)
{
	const uint8_t *p;

	outcome_init(s);
	if (!image_is_good(image, size))
		return false;
	p = image + 6;
	s->n = (uint32_t)get(&p, 2);
	for (uint32_t i = 0; i < s->n; i++) {
		struct outcome_open *o = &s->open[i];

		o->signal_ms = (int64_t)get(&p, 8);
		o->entry = get_double(&p);
		o->stop = get_double(&p);
		o->target = get_double(&p);
		o->in = get_double(&p);
		o->candles = (uint32_t)get(&p, 4);
		o->expiry = (uint32_t)get(&p, 4);
		o->rule = (uint16_t)get(&p, 2);
		o->side = (uint8_t)get(&p, 1);
		o->from_above = (uint8_t)get(&p, 1);
		o->revision = (uint32_t)get(&p, 4);
		if (!open_is_good(o)) {
			outcome_init(s);
			return false;
		}
	}
	return true;
}
