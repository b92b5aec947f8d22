/*
 * ind_impl.h - how an indicator is described to the compiler of sets.
 *
 * An indicator is a small graph of operations. Each operation reads values computed earlier in the same
 * candle (registers), may read older values of one register (a ring), keeps a few words of state and
 * writes up to four registers. Equal operations are computed once, whoever asked for them. Operations
 * of one kind stand next to each other where they can, so that one call runs them all.
 */
#ifndef AP_IND_IMPL_H
#define AP_IND_IMPL_H

#include <stdint.h>
#include "stages/ap-indicators/ind.h"

union ind_word { double d; uint64_t u; int64_t i; };

/* Registers of the candle itself. */
enum ind_input {
	IN_O, IN_H, IN_L, IN_C, IN_V, IN_QV, IN_N, IN_BUY, IN_SELL, IN_N_INPUTS
};

/* The operations; each is described where it is written, in ind_hot.h and ind_kernel_*.c. */
enum ind_code {
	OP_RING, OP_MOMENTS, OP_EMA, OP_RSI, OP_MACD, OP_BANDS, OP_LIN2,                 /* ind_hot.h */
	OP_LAG, OP_HIGHER, OP_LOWER, OP_FEW, OP_SUM, OP_LINEAR, OP_HIGH, OP_LOW, OP_HIGH_AGE, OP_LOW_AGE, OP_MAD, OP_RANK, OP_COMOMENTS,
	OP_GAP, OP_CCI, OP_STOCHRSI,                                                     /* windows */
	OP_WILDER, OP_DX, OP_ADX, OP_KAMA, OP_SAR, OP_TREND, OP_CUM, OP_SESSION, OP_FISHER,  /* recursions */
	OP_TRUE_RANGE, OP_TYPICAL, OP_DM, OP_LIN4, OP_POS, OP_RATIO, OP_CHANGE, OP_MUL, OP_ABSDIFF, OP_LESSER,
	OP_SIGNED, OP_FLOW, OP_MFI, OP_CLV, OP_LINREG, OP_ANGLE, OP_AROON, OP_PERCENT_B,
	OP_SQRT, OP_LOGVAR, OP_CORREL, OP_GAIN,                                                                       /* maps */
	OP_HILBERT, OP_PHASE, OP_TRENDLINE, OP_TRENDMODE, OP_MAMA,                       /* cycles */
	OP_N_CODES
};

/* One operation as it is described. */
struct ind_op {
	uint32_t start;       /* bar index of its first input; it sleeps before */
	uint32_t n, m;        /* windows */
	uint32_t ring[2];     /* its rings: number + 1 (0: none) */
	uint16_t in[4], out[4];
	uint8_t code, n_in, n_out, level;
	int8_t front;         /* its place up front (ind_set.h), or -1 */
	uint8_t five;         /* 1: one of the everyday five that run in a straight line */
	double k[4];
};

/*
 * The same as it is run: no longer than it must be, for all of a set's are read with every candle, and the nearest cache
 * holds 32 KB. Behind it come as many constants as its kind has.
 */
enum { IND_REGS = 6 };
/* Where the past of a value is: that of candle t in word at + (t & mask). */
struct ind_past { uint32_t at, mask; };
struct ind_insn {
	uint32_t start, core;     /* core: its words there */
	uint16_t reg[IND_REGS];   /* registers: what it writes from the front on, what it reads from the end */
	uint16_t n, m;
	struct ind_past past[2];
	double k[];
};

struct ind_ctx {
	uint64_t t;               /* index of this candle */
	int64_t open_ms;
	double *r;                /* registers */
	union ind_word *ring, *core;
	const double *turn;       /* sines and cosines of whole turns, ind_turn() */
};

/*
 * Sines and cosines of i/n of a turn for n = 1 to 50: ind_turn(t, n) is sine, cosine, sine, cosine ... for i = 0 to
 * n - 1. A set that needs them holds one table.
 */
enum { IND_TURN_MAX = 50 };
static inline const double *ind_turn(const double *table, uint64_t n)
{
	return table + (n > 0 ? n * (n - 1) : 0);
}

/* Runs operations [o, end), all of one kind. */
typedef void ind_kernel(const struct ind_insn *o, const struct ind_insn *end, const struct ind_ctx *x);
/*
 * A run of operations of one kind stands behind its head in the program. The warm kernel calls that of the run behind it: one
 * call site a kind, which is foreseen better than one for all. The last run has no operations, and its kernels do nothing.
 */
struct ind_run;
typedef void ind_kernel_warm(const struct ind_run *run, const struct ind_ctx *x);
struct ind_run {
	ind_kernel_warm *warm, *any;  /* any: the warm one for every processor */
	ind_kernel *kernel;
	struct ind_run *next;         /* where its operations end; NULL: the last */
};
static inline const struct ind_insn *ind_run_first(const struct ind_run *run)
{
	return (const struct ind_insn *)(const void *)(run + 1);
}

/* warm: for candles behind the start-up of every operation of the set. */
ind_kernel *ind_op_run(const struct ind_op *op);
ind_kernel_warm *ind_op_warm(const struct ind_op *op, bool avx);
uint32_t ind_op_words(const struct ind_op *op);       /* words of state */
uint32_t ind_op_constants(const struct ind_op *op);
/*
 * A word of state that is a place in memory, and must be below `below`: a loaded image may say anything. Gives how many there are
 * of an operation whose words begin at `core`.
 */
struct ind_bound { uint32_t word, below; };
enum { IND_BOUNDS_MAX = 2 };
unsigned ind_op_bounds(const struct ind_op *op, uint32_t core, struct ind_bound to[IND_BOUNDS_MAX]);

/* --- what a build function may use ------------------------------------------------------------ */

struct ind_ref ind_in(struct ind_build *b, enum ind_input in);
/* The real-valued input chosen by a parameter of kind IND_CHOICE with the words IND_SOURCES. */
#define IND_SOURCES "close|open|high|low|hl2|hlc3|ohlc4|volume"
struct ind_ref ind_source(struct ind_build *b, double choice);
/* The same value, taken only from bar `first` on. */
struct ind_ref ind_from(struct ind_ref r, uint32_t first);
uint32_t ind_later(uint32_t a, uint32_t b);

/*
 * Adds an operation, or finds an equal one. Only code, n, m, k (and start if it is above what the
 * inputs demand) of `op` matter. The refs of its n_out outputs all begin at `first` bars after the
 * operation's start. Returns the first output; the others are got with ind_out().
 */
struct ind_ref ind_op(struct ind_build *b, struct ind_op op, const struct ind_ref *in, unsigned n_in,
		      unsigned n_out, uint32_t first);
struct ind_ref ind_out(struct ind_ref r, unsigned i);
/* Says that r may be NaN inside, meaning "no value": its slot is then checked every time. No operation
 * may read such a register. */
void ind_absent(struct ind_build *b, struct ind_ref r);
/* The ring of r, good for reading n values back; the number to put into op.ring. */
uint32_t ind_ring(struct ind_build *b, struct ind_ref r, uint32_t n);

/* Common pieces, ind_pieces.c. Windows are in candles; `first` of what they return says when it begins. */
enum ind_ma { MA_SMA, MA_EMA, MA_WMA, MA_DEMA, MA_TEMA, MA_TRIMA, MA_KAMA, MA_T3, MA_RMA };
#define IND_MA_WORDS "sma|ema|wma|dema|tema|trima|kama|t3|rma"
struct ind_ref ind_lag(struct ind_build *b, struct ind_ref x, uint32_t n);
/* k x + m y */
struct ind_ref ind_lin(struct ind_build *b, double k, struct ind_ref x, double m, struct ind_ref y);
struct ind_ref ind_sub(struct ind_build *b, struct ind_ref x, struct ind_ref y);
struct ind_ref ind_lin4(struct ind_build *b, const double k[4], const struct ind_ref in[4]);
/* k (x - from) / (hi - lo), 0 when hi == lo */
struct ind_ref ind_pos(struct ind_build *b, double k, const struct ind_ref in[4]);
/* k x / y; at_zero when y == 0, NaN meaning "no value" */
struct ind_ref ind_ratio(struct ind_build *b, double k, struct ind_ref x, struct ind_ref y, double at_zero);
/* k (x - y) / y, 0 when y == 0 */
struct ind_ref ind_change(struct ind_build *b, double k, struct ind_ref x, struct ind_ref y);
struct ind_ref ind_mul(struct ind_build *b, struct ind_ref x, struct ind_ref y);
struct ind_ref ind_absdiff(struct ind_build *b, struct ind_ref x, struct ind_ref y);
/* k sqrt(m x) */
struct ind_ref ind_sqrt(struct ind_build *b, double k, double m, struct ind_ref x);
struct ind_ref ind_sum(struct ind_build *b, struct ind_ref x, uint32_t n);      /* for values of any sign */
struct ind_ref ind_mean(struct ind_build *b, struct ind_ref x, uint32_t n);     /* the same over n */
struct ind_ref ind_moments(struct ind_build *b, struct ind_ref x, uint32_t n);  /* mean, variance */
struct ind_ref ind_ema(struct ind_build *b, struct ind_ref x, uint32_t seed, double k);
struct ind_ref ind_ema_n(struct ind_build *b, struct ind_ref x, uint32_t n, bool tv);
struct ind_ref ind_rma(struct ind_build *b, struct ind_ref x, uint32_t n);
struct ind_ref ind_linear(struct ind_build *b, struct ind_ref x, uint32_t n);   /* WMA, n cov with time; n > 1 */
struct ind_ref ind_wma(struct ind_build *b, struct ind_ref x, uint32_t n);
struct ind_ref ind_high(struct ind_build *b, struct ind_ref x, uint32_t n);     /* value */
struct ind_ref ind_low(struct ind_build *b, struct ind_ref x, uint32_t n);
struct ind_ref ind_high_age(struct ind_build *b, struct ind_ref x, uint32_t n); /* how many candles ago */
struct ind_ref ind_low_age(struct ind_build *b, struct ind_ref x, uint32_t n);
/* From bar 1 on, or with tv from bar 0, where it is high - low. */
struct ind_ref ind_true_range(struct ind_build *b, bool tv);
struct ind_ref ind_atr(struct ind_build *b, uint32_t n, bool tv);
struct ind_ref ind_typical(struct ind_build *b);
struct ind_ref ind_median(struct ind_build *b);
struct ind_ref ind_cum(struct ind_build *b, struct ind_ref x);
struct ind_ref ind_kama(struct ind_build *b, struct ind_ref x, uint32_t n, double fast, double slow);
struct ind_ref ind_t3(struct ind_build *b, struct ind_ref x, uint32_t n, double v);
struct ind_ref ind_ma(struct ind_build *b, struct ind_ref x, uint32_t n, enum ind_ma kind);

/* Rows of parameters. */
#define P_PERIOD(name, def, min) { name, IND_INT, def, min, IND_PERIOD_MAX, NULL, false }
#define P_REAL(name, def, min, max) { name, IND_REAL, def, min, max, NULL, false }
#define P_WORD(name, def, words, n) { name, IND_CHOICE, def, 0, (n) - 1, words, true }
#define P_SEED P_WORD("seed", 0, "talib|tv", 2)
#define P_SOURCE P_WORD("source", 0, IND_SOURCES, 8)
#define P_MA(name, def) P_WORD(name, def, IND_MA_WORDS, 9)

/* The registry in parts, ind_def_*.c. */
struct ind_group { const char *title; const struct ind_def *defs; size_t n; };
extern const struct ind_group ind_group_average, ind_group_momentum, ind_group_direction, ind_group_range,
	ind_group_volume, ind_group_stat, ind_group_cycle;
#define GROUP(name, title, defs) const struct ind_group name = { title, defs, sizeof (defs) / sizeof (defs)[0] }

static inline uint32_t ind_u32(double p)
{
	return (uint32_t)p;
}

#endif
