// app.js - what the page is about: one series, its chart, and how fresh all of it is.
import { Chart } from './chart.js';
import { Feed } from './feed.js';
import { Pipeline } from './pipeline.js';
import { age, amount, clock, minute, price, whole } from './format.js';

const STALE_MS = 15000;
const USUAL = ['1m', '5m', '15m', '1h', '4h', '1d'];
const UNIT_S = { s: 1, m: 60, h: 3600, d: 86400, w: 604800, M: 2678400 };
const byId = (id) => document.getElementById(id);

const state = {
	series: [],           // [{source, symbol, timeframes}]
	symbol: null, source: null, timeframe: '1m',
	link: 'connecting', why: '',
	updated: 0,           // when the shown series last changed here
	loaded: false,
	pipeline: null,
	stale: false,
};

const stored = {
	get(key) {
		try {
			return localStorage.getItem(key);
		} catch {
			return null;
		}
	},
	set(key, value) {
		try {
			localStorage.setItem(key, value);
		} catch {
			// storage may be forbidden; then nothing is remembered
		}
	},
};

const chart = new Chart(byId('chart'), byId('legend'), {
	groups: showTools,
	shown(group) {
		const kept = stored.get(`show ${group}`);
		return kept === null ? null : kept === 'yes';
	},
});
const pipeline = new Pipeline();
const feed = new Feed(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/streaming`, {
	state(name, why) {
		state.link = name;
		state.why = why ?? '';
		freshness();
	},
	message: take,
});

// ---- messages

const mine = (m) => m.symbol === state.symbol && m.source === state.source && m.timeframe === state.timeframe;

const handlers = {
	snapshot(m) {
		if (m.list) {
			pipeline.show(m.pipeline);
			state.pipeline = m.pipeline;
			know(m.list.series);
		} else if (m.symbol === state.symbol && m.timeframe === state.timeframe && (m.source === state.source || m.source === null)) {
			state.loaded = true;
			chart.load(m);
			quote();
			signals();
			if (m.candles.length > 0) {
				state.updated = Math.max(state.updated, lastKnown(m));
			}
		}
	},
	candle(m) {
		if (mine(m)) {
			chart.candle(m.candle);
			state.updated = Date.now();
			quote();
		} else if (!state.series.some((s) => s.symbol === m.symbol && s.source === m.source)) {
			know([...state.series, { symbol: m.symbol, source: m.source, timeframes: [m.timeframe] }]);
		}
	},
	indicator(m) {
		if (mine(m)) {
			chart.values(m.indicator);
		}
	},
	signal(m) {
		if (mine(m)) {
			chart.signal(m.signal);
			signals();
		}
	},
	streaming_update(m) {
		state.pipeline = m.pipeline;
		pipeline.show(m.pipeline);
	},
};

function take(m) {
	const handle = handlers[m.type];
	if (handle) {
		handle(m);
	}
	if (m.type !== 'candle') {
		freshness();
	}
}

/** A snapshot is as fresh as its newest candle can be: a closed one is as old as its end. */
function lastKnown(m) {
	const c = m.candles[m.candles.length - 1];
	return Math.min(Date.now(), c.state === 'forming' ? Date.now() - STALE_MS + 3000 : Date.parse(c.close_time));
}

// ---- choosing a series

function know(series) {
	state.series = series.filter((s) => s.timeframes.length > 0)
		.sort((a, b) => a.symbol.localeCompare(b.symbol) || a.source.localeCompare(b.source));
	const has = (symbol, source) => state.series.some((s) => s.symbol === symbol && (!source || s.source === source));
	if (state.series.length > 0 && !has(state.symbol)) {
		const [symbol, source, tf] = decodeURIComponent(location.hash.slice(1)).split('/');
		const [wasSymbol, wasSource, wasTf] = (stored.get('series') ?? '').split('/');
		const newest = [...series].sort((a, b) => Date.parse(b.last_trade?.timestamp ?? 0) - Date.parse(a.last_trade?.timestamp ?? 0))[0];
		const pick = has(symbol, source) ? [symbol, source, tf] : has(wasSymbol, wasSource) ? [wasSymbol, wasSource, wasTf]
			: [state.series.find((s) => s.symbol.startsWith('BTC-'))?.symbol ?? newest.symbol, null, '1m'];
		choose(pick[0], pick[1], pick[2]);
	}
	pickers();
}

// How long an interval is, in s; bars that do not follow the clock come last.
function span(timeframe) {
	const [, n, unit] = /^(\d+)([smhdwM])$/.exec(timeframe) ?? [];
	return unit ? Number(n) * UNIT_S[unit] : Infinity;
}

// The usual ones, and what else the series has.
function timeframes() {
	const own = state.series.find((s) => s.symbol === state.symbol && s.source === state.source)?.timeframes ?? [];
	return [...new Set([...USUAL, ...own])].sort((a, b) => (span(a) === span(b) ? a.localeCompare(b) : span(a) - span(b)));
}

function choose(symbol, source, timeframe) {
	const sources = state.series.filter((s) => s.symbol === symbol);
	state.symbol = symbol;
	state.source = (sources.find((s) => s.source === source) ?? sources[0])?.source ?? null;
	state.timeframe = [timeframe, state.timeframe, '1m'].find((tf) => timeframes().includes(tf));
	state.loaded = false;
	state.updated = 0;
	chart.clear();
	feed.want({ symbol: state.symbol, source: state.source, timeframe: state.timeframe });
	const name = `${state.symbol}/${state.source}/${state.timeframe}`;
	stored.set('series', name);
	history.replaceState(null, '', `#${name}`);
	pickers();
	quote();
	signals();
	freshness();
}

function options(select, values, value) {
	const same = select.options.length === values.length && values.every((v, i) => select.options[i].value === v);
	if (!same) {
		select.replaceChildren(...values.map((v) => new Option(v, v)));
	}
	select.value = value;
	select.disabled = values.length === 0;
}

function pickers() {
	options(byId('symbol'), [...new Set(state.series.map((s) => s.symbol))], state.symbol);
	options(byId('source'), state.series.filter((s) => s.symbol === state.symbol).map((s) => s.source), state.source);
	const wanted = timeframes();
	const buttons = byId('timeframes');
	if ([...buttons.children].map((b) => b.value).join() !== wanted.join()) {
		buttons.replaceChildren(...wanted.map(timeframeButton));
	}
	for (const b of buttons.children) {
		b.setAttribute('aria-pressed', String(b.value === state.timeframe));
	}
}

function timeframeButton(tf, i) {
	const b = document.createElement('button');
	b.type = 'button';
	b.value = tf;
	b.textContent = tf;
	b.title = `${tf} candles${i < 9 ? ` (key ${i + 1})` : ''}`;
	b.addEventListener('click', () => choose(state.symbol, state.source, tf));
	return b;
}

byId('symbol').addEventListener('change', (e) => choose(e.target.value, state.source, state.timeframe));
byId('source').addEventListener('change', (e) => choose(state.symbol, e.target.value, state.timeframe));
byId('timeframes').append(...USUAL.map(timeframeButton));
addEventListener('hashchange', () => {
	const [symbol, source, tf] = decodeURIComponent(location.hash.slice(1)).split('/');
	if (symbol && (symbol !== state.symbol || source !== state.source || tf !== state.timeframe)) {
		choose(symbol, source, tf);
	}
});
addEventListener('keydown', (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('select, input')) {
		return;
	}
	if (e.key === '/') {
		e.preventDefault();
		byId('symbol').focus();
	} else if (e.key >= '1' && e.key <= '9' && state.symbol) {
		choose(state.symbol, state.source, timeframes()[Number(e.key) - 1]);
	}
});

// ---- the head of the chart

function fact(name, value) {
	const d = document.createElement('div');
	const dt = document.createElement('dt');
	const dd = document.createElement('dd');
	dt.textContent = name;
	dd.textContent = value;
	d.append(dt, dd);
	return d;
}

function quote() {
	const c = chart.newest();
	byId('quote-symbol').textContent = state.symbol ?? '–';
	byId('empty').hidden = c !== null;
	if (!globalThis.LightweightCharts) {
		byId('empty').hidden = false;
		byId('empty').textContent = 'This build has no chart library: run make again where npm can fetch it.';
	} else {
		byId('empty').textContent = state.loaded ? `No ${state.timeframe} candles of ${state.symbol} yet.` : 'Waiting for the first candles.';
	}
	if (!c) {
		byId('price').textContent = '–';
		byId('change').textContent = '';
		byId('facts').replaceChildren();
		return;
	}
	const up = c.close >= c.open;
	const percent = ((c.close - c.open) / c.open) * 100;
	byId('price').textContent = price(c.close, chart.digits);
	byId('price').dataset.tone = up ? 'up' : 'down';
	byId('change').dataset.tone = up ? 'up' : 'down';
	byId('change').textContent = `${up ? '+' : '−'}${Math.abs(percent).toFixed(2)} % in this ${state.timeframe}`;
	byId('facts').replaceChildren(fact('VWAP', price(c.vwap, chart.digits)), fact('Volume', amount(c.volume)),
		fact('Trades', whole(c.trade_count)), fact('Candle', c.quality === 'full' ? c.state : `${c.state}, ${c.quality}`));
	document.title = `${price(c.close, chart.digits)} ${state.symbol} · AlphaPulse`;
}

function showTools(groups) {
	byId('tools').replaceChildren(...groups.map(([group, shown]) => {
		const b = document.createElement('button');
		b.type = 'button';
		b.className = 'chip';
		b.textContent = group;
		b.setAttribute('aria-pressed', String(shown));
		b.addEventListener('click', () => {
			const now = b.getAttribute('aria-pressed') !== 'true';
			b.setAttribute('aria-pressed', String(now));
			stored.set(`show ${group}`, now ? 'yes' : 'no');
			chart.toggle(group, now);
		});
		return b;
	}));
}

function signals() {
	const list = [...chart.signals].sort((a, b) => Date.parse(b.open_time) - Date.parse(a.open_time)).slice(0, 40);
	byId('signals-none').hidden = list.length > 0;
	byId('signals').replaceChildren(...list.map((g) => {
		const li = document.createElement('li');
		const b = document.createElement('button');
		const arrow = document.createElement('span');
		const name = document.createElement('strong');
		const when = document.createElement('small');
		b.type = 'button';
		arrow.className = 'arrow';
		arrow.dataset.tone = g.direction === 'long' ? 'up' : g.direction === 'short' ? 'down' : 'flat';
		arrow.textContent = g.direction === 'long' ? '▲' : g.direction === 'short' ? '▼' : '●';
		name.textContent = g.name.replace(/^CDL/, '').replaceAll('_', ' ').toLowerCase();
		when.textContent = minute(Date.parse(g.open_time));
		b.append(arrow, name, when);
		b.setAttribute('aria-label', `${name.textContent}, ${g.direction}, ${when.textContent}: show it on the chart`);
		b.addEventListener('click', () => chart.goTo(Date.parse(g.open_time)));
		li.append(b);
		return li;
	}));
}

// ---- how fresh it is: said plainly, once a second

function verdict() {
	const now = Date.now();
	const since = state.updated > 0 ? `What you see is from ${clock(state.updated)} UTC.` : '';
	if (state.link !== 'open') {
		const wait = feed.retryAt > now ? `Next try in ${Math.ceil((feed.retryAt - now) / 1000)} s.` : 'Trying again.';
		return state.updated === 0 && state.link === 'connecting' && feed.attempt === 0 ? ['connecting', 'Connecting', '']
			: ['lost', 'Connection lost', `Connection lost (${state.why || 'no answer'}). ${wait} ${since}`];
	}
	const p = state.pipeline;
	if (p && p.redis === 'wrong_dataset') {
		return ['stale', 'Stopped', `Redis does not hold this data set: run apctl status. ${since}`];
	}
	if (p && p.redis !== 'up') {
		return ['stale', 'Stale', `Redis is away: nothing new arrives. ${since}`];
	}
	const f = p?.feeds.find((x) => x.source === state.source);
	const quiet = state.updated > 0 && now - state.updated > STALE_MS;
	if (quiet && f && f.ended) {
		return ['ended', 'Recording', `This is recorded data: its feed has ended. The newest candle is from ${minute(state.updated)} UTC.`];
	}
	if (quiet && f && f.alive) {
		return ['idle', 'No trades', `No trades for ${age(now - state.updated)}; the feed of ${state.source} is up.`];
	}
	if (quiet) {
		return ['stale', 'Stale', `Stale: nothing from ${state.source} for ${age(now - state.updated)}. ${since}`];
	}
	if (p && p.postgresql !== 'up') {
		return ['degraded', 'Live', 'PostgreSQL is away: live data goes on, history is not available.'];
	}
	return state.updated === 0 ? ['connecting', 'Waiting', ''] : ['live', 'Live', ''];
}

function freshness() {
	const [name, word, text] = verdict();
	const banner = byId('banner');
	state.stale = name === 'stale' || name === 'lost';
	state.verdict = name;
	byId('link').dataset.state = name;
	byId('link-text').textContent = word;
	banner.dataset.state = name;
	banner.hidden = text === '';
	if (banner.textContent !== text) {
		banner.textContent = text;
	}
	document.body.dataset.stale = String(state.stale);
	byId('footer-state').textContent = state.updated > 0 ? `Updated ${clock(state.updated)} UTC${feed.gaps > 0 ? `, ${feed.gaps} gaps repaired` : ''}` : '';
}
setInterval(freshness, 1000);

// ---- before anything is traded there is no series: ask until there is one

async function ask() {
	if (state.link === 'open' && state.series.length === 0) {
		try {
			const r = await fetch('/api/streaming/series');
			if (r.ok) {
				know((await r.json()).series);
			}
		} catch {
			// the connection's own state says it
		}
	}
	setTimeout(ask, 2000);
}
setTimeout(ask, 2000);

byId('theme').addEventListener('click', () => {
	const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
	document.documentElement.dataset.theme = theme;
	stored.set('theme', theme);
	chart.restyle();
	pipeline.restyle();
});

fetch('/api/streaming/metrics').then((r) => (r.ok ? r.json() : null)).then((m) => m && pipeline.seed(m.performance_metrics.messages_per_s_history))
	.catch(() => {
		// the history of the throughput is a nicety; what comes now is shown in any case
	});
feed.start();

// For tests: what is shown, not what was meant.
globalThis.__alphapulse = { state, feed, candles: () => chart.shown(), indicators: () => [...chart.lines.keys()] };
