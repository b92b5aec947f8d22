/*
 * ind_kernel.c - the table of operations: kernel, name, words of state.
 */
#include <assert.h>
#include "stages/ap-indicators/ind_kernel.h"

/* The queue's capacity is a power of two, m is that less one. */
static uint32_t words_queue(const struct ind_op *o)
{
	return 3 + o->m;
}

/* A fixed number of words, or what `words` says of the operation. */
static const struct { ind_kernel *run; const char *name; uint32_t n; uint32_t (*words)(const struct ind_op *o); }
table[OP_N_CODES] = {
	[OP_RING] = { ind_k_ring, "ring", 0, NULL },
	[OP_MOMENTS] = { ind_k_moments, "moments", 5, NULL },
	[OP_EMA] = { ind_k_ema, "ema", 1, NULL },
	[OP_RSI] = { ind_k_rsi, "rsi", 4, NULL },
	[OP_MACD] = { ind_k_macd, "macd", 3, NULL },
	[OP_BANDS] = { ind_k_bands, "bands", 0, NULL },
	[OP_LIN2] = { ind_k_lin2, "lin2", 0, NULL },
	[OP_LAG] = { ind_k_lag, "lag", 0, NULL },
	[OP_SUM] = { ind_k_sum, "sum", 2, NULL },
	[OP_LINEAR] = { ind_k_linear, "linear", 4, NULL },
	[OP_HIGH] = { ind_k_high, "high", 0, words_queue },
	[OP_LOW] = { ind_k_low, "low", 0, words_queue },
	[OP_EXT_PAIR] = { ind_k_ext_pair, "ext_pair", 0, words_queue },
	[OP_MAD] = { ind_k_mad, "mad", 0, NULL },
	[OP_RANK] = { ind_k_rank, "rank", 0, NULL },
	[OP_COMOMENTS] = { ind_k_comoments, "comoments", 10, NULL },
	[OP_WILDER] = { ind_k_wilder, "wilder", 1, NULL },
	[OP_DX] = { ind_k_dx, "dx", 1, NULL },
	[OP_ADX] = { ind_k_adx, "adx", 1, NULL },
	[OP_KAMA] = { ind_k_kama, "kama", 1, NULL },
	[OP_SAR] = { ind_k_sar, "sar", 4, NULL },
	[OP_TREND] = { ind_k_trend, "trend", 3, NULL },
	[OP_CUM] = { ind_k_cum, "cum", 2, NULL },
	[OP_SESSION] = { ind_k_session, "session", 5, NULL },
	[OP_FISHER] = { ind_k_fisher, "fisher", 2, NULL },
	[OP_TRUE_RANGE] = { ind_k_true_range, "true_range", 0, NULL },
	[OP_TYPICAL] = { ind_k_typical, "typical", 0, NULL },
	[OP_DM] = { ind_k_dm, "dm", 0, NULL },
	[OP_LIN4] = { ind_k_lin4, "lin4", 0, NULL },
	[OP_POS] = { ind_k_pos, "pos", 0, NULL },
	[OP_RATIO] = { ind_k_ratio, "ratio", 0, NULL },
	[OP_CHANGE] = { ind_k_change, "change", 0, NULL },
	[OP_MUL] = { ind_k_mul, "mul", 0, NULL },
	[OP_ABSDIFF] = { ind_k_absdiff, "absdiff", 0, NULL },
	[OP_LESSER] = { ind_k_lesser, "lesser", 0, NULL },
	[OP_SIGNED] = { ind_k_signed, "signed", 0, NULL },
	[OP_FLOW] = { ind_k_flow, "flow", 0, NULL },
	[OP_MFI] = { ind_k_mfi, "mfi", 0, NULL },
	[OP_CLV] = { ind_k_clv, "clv", 0, NULL },
	[OP_GAP] = { ind_k_gap, "gap", 4, NULL },
	[OP_CCI] = { ind_k_cci, "cci", 2, NULL },
	[OP_STOCHRSI] = { ind_k_stochrsi, "stochrsi", 0, NULL },
	[OP_SUM3] = { ind_k_sum3, "sum3", 0, NULL },
	[OP_RSI_PAIR] = { ind_k_rsi_pair, "rsi_pair", 7, NULL },
	[OP_LINREG] = { ind_k_linreg, "linreg", 0, NULL },
	[OP_ANGLE] = { ind_k_angle, "angle", 0, NULL },
	[OP_AROON] = { ind_k_aroon, "aroon", 0, NULL },
	[OP_PERCENT_B] = { ind_k_percent_b, "percent_b", 0, NULL },
	[OP_SQRT] = { ind_k_sqrt, "sqrt", 0, NULL },
	[OP_LOGVAR] = { ind_k_logvar, "logvar", 0, NULL },
	[OP_CORREL] = { ind_k_correl, "correl", 0, NULL },
	[OP_GAIN] = { ind_k_gain, "gain", 0, NULL },
	[OP_HILBERT] = { ind_k_hilbert, "hilbert", 37, NULL },
	[OP_PHASE] = { ind_k_phase, "phase", 1, NULL },
	[OP_TRENDLINE] = { ind_k_trendline, "trendline", 3, NULL },
	[OP_TRENDMODE] = { ind_k_trendmode, "trendmode", 4, NULL },
	[OP_MAMA] = { ind_k_mama, "mama", 3, NULL },
};

ind_kernel *ind_op_run(const struct ind_op *op)
{
	assert(op->code < OP_N_CODES && table[op->code].run != NULL);
	return table[op->code].run;
}

uint32_t ind_op_words(const struct ind_op *op)
{
	return table[op->code].words != NULL ? table[op->code].words(op) : table[op->code].n;
}
