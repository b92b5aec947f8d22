// pipeline.js - the stages in a row, the feeds, and the throughput of the last minutes.
import { age, amount, millis, rate, whole } from './format.js';

const KEEP_S = 300;
const LABEL = {
	'ap-ingest': ['Ingest', 'takes in and journals'],
	'ap-normalize': ['Normalize', 'validates, removes duplicates'],
	'ap-candle': ['Candles', 'builds exact OHLCV'],
	'ap-indicators': ['Indicators', 'computes values and signals'],
	'ap-persist': ['Store', 'writes to PostgreSQL'],
};

function el(tag, className, text) {
	const e = document.createElement(tag);
	if (className) {
		e.className = className;
	}
	if (text !== undefined) {
		e.textContent = text;
	}
	return e;
}

function figure(name, value, title) {
	const d = el('div', 'figure');
	d.append(el('dt', '', name), el('dd', '', value));
	if (title) {
		d.title = title;
	}
	return d;
}

export class Pipeline {
	constructor() {
		this.stages = document.getElementById('stages');
		this.feeds = document.getElementById('feeds');
		this.none = document.getElementById('feeds-none');
		this.now = document.getElementById('rate-now');
		this.host = document.getElementById('rate');
		this.times = [];
		this.rates = [];
		this.plot = null;
		addEventListener('resize', () => this.plot && this.plot.setSize({ width: this.host.clientWidth, height: 110 }));
	}

	/** p: the "pipeline" object of the API. */
	show(p) {
		this.stages.replaceChildren(...p.stages.map((s, i) => this.stage(s, i, p)));
		this.feeds.replaceChildren(...p.feeds.map((f) => this.feed(f)));
		this.none.hidden = p.feeds.length > 0;
		const normalize = p.stages.find((s) => s.name === 'ap-normalize');
		const ingest = p.stages.find((s) => s.name === 'ap-ingest');
		this.push((normalize && normalize.rate_per_s) ?? (ingest && ingest.rate_per_s) ?? null);
	}

	stage(s, i, p) {
		const [label, what] = LABEL[s.name] ?? [s.name, ''];
		const li = el('li', 'stage-card');
		const head = el('div', 'stage-head');
		const state = el('span', 'state', s.state);
		li.dataset.state = s.state;
		li.title = `${s.name}: ${what}`;
		head.append(el('i', 'dot'), el('strong', '', label), state);
		const dl = el('dl', 'figures');
		const lat = s.latency;
		dl.append(
			figure('rate', s.rate_per_s === null ? '–' : `${rate(s.rate_per_s)}/s`),
			figure('lag', s.lag_records === null ? '–' : whole(s.lag_records), 'records in front of it'),
			figure('latency', lat ? millis(lat.p50_ms) : '–',
				lat ? `from the raw record: half within ${millis(lat.p50_ms)}, 99 % within ${millis(lat.p99_ms)}` : 'not measured here'),
		);
		li.append(head, dl, el('div', 'total', s.records_total === null ? ' ' : `${amount(s.records_total)} records`));
		if (i + 1 === p.stages.length && p.postgresql !== 'up') {
			li.dataset.state = 'absent';
			state.textContent = 'PostgreSQL away';
		}
		return li;
	}

	feed(f) {
		const li = el('li');
		li.dataset.state = f.alive ? 'running' : f.ended ? 'ended' : 'silent';
		const text = f.ended ? 'ended' : f.alive ? 'up' : 'silent';
		const last = f.trade_age_ms === null ? 'no trade yet' : `last trade ${age(f.trade_age_ms)} ago`;
		li.append(el('i', 'dot'), el('strong', '', f.source), el('span', '', text), el('small', '', last));
		return li;
	}

	/** What was before the page was opened, one value a second. */
	seed(history) {
		const now = Date.now() / 1000;
		const first = this.times[0] ?? now;
		this.times.unshift(...history.map((_, i) => first - (history.length - i)));
		this.rates.unshift(...history);
		if (globalThis.uPlot && this.plot) {
			this.draw();
		}
	}

	push(v) {
		this.now.textContent = v === null ? '' : `${rate(v)}/s`;
		this.times.push(Date.now() / 1000);
		this.rates.push(v);
		while (this.times.length > KEEP_S) {
			this.times.shift();
			this.rates.shift();
		}
		if (globalThis.uPlot) {
			this.draw();
		}
	}

	/** Colours come from the style sheet: make anew when the theme changes. */
	restyle() {
		if (this.plot) {
			this.plot.destroy();
			this.plot = null;
			this.draw();
		}
	}

	draw() {
		if (this.plot) {
			this.plot.setData([this.times, this.rates]);
			return;
		}
		const css = getComputedStyle(document.documentElement);
		const ink = css.getPropertyValue('--accent').trim();
		const axis = { stroke: css.getPropertyValue('--muted').trim(), font: '10px system-ui', ticks: { show: false }, size: 40,
			grid: { stroke: css.getPropertyValue('--line').trim(), width: 1 }, values: (u, vs) => vs.map((v) => rate(v)) };
		this.plot = new globalThis.uPlot({
			width: this.host.clientWidth, height: 110, legend: { show: false }, cursor: { show: false }, padding: [8, 4, 8, 0],
			scales: { x: { time: true }, y: { range: (u, lo, hi) => [0, Math.max(1, hi * 1.15)] } },
			axes: [{ show: false }, axis],
			series: [{}, { stroke: ink, width: 1.6, fill: `${ink}22`, spanGaps: false, points: { show: false } }],
		}, [this.times, this.rates], this.host);
	}
}
