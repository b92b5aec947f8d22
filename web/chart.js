// chart.js - candles, volume and indicators on the chart. Shows what it is given; knows no network.
import { amount, decimalsOf, minute, price } from './format.js';

// A name keeps its colour, whatever else is shown; both themes can carry these.
const COLOR = [
	[/^SMA\(20\)/, '#e09422'], [/^SMA\(50\)/, '#b565d8'], [/^SMA\(200\)/, '#e0588f'], [/^EMA\(12\)/, '#3d8bfd'], [/^EMA\(26\)/, '#1fae9f'],
	[/^RSI/, '#b565d8'], [/^MACD_?SIGNAL/, '#e09422'], [/^MACD/, '#3d8bfd'],
];
const OTHERS = ['#7f8c1f', '#2f9bd8', '#c06a3a', '#8a7be0'];

function colorOf(name, i) {
	return COLOR.find(([re]) => re.test(name))?.[1] ?? OTHERS[i % OTHERS.length];
}

/** The order of chips, lines and panes: averages by period, bands, RSI, MACD. */
const RANK = [/^SMA/, /^EMA/, /MA\(/, /^(BB|Boll)/, /^RSI/, /^MACD/];
function inOrder(names) {
	const rank = (n) => {
		const i = RANK.findIndex((re) => re.test(n));
		return i < 0 ? RANK.length : i;
	};
	return [...names].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, 'en', { numeric: true }));
}

/** Where a value belongs, by its name: a group (a chip switches it), a pane, a way to draw. */
function kindOf(name) {
	const n = name.toUpperCase();
	if (/^(SMA|EMA|WMA|DEMA|TEMA|KAMA|VWAP)\b/.test(n)) {
		return { group: name, pane: 'price', draw: 'line' };
	}
	if (/^(BB|BBANDS)[_. ]?(UPPER|MIDDLE|LOWER)/.test(n)) {
		return { group: 'Bollinger', pane: 'price', draw: /MIDDLE/.test(n) ? 'dash' : 'band' };
	}
	if (/^RSI\b/.test(n)) {
		return { group: 'RSI', pane: 'RSI', draw: 'line' };
	}
	if (/^MACD/.test(n) && !/^MACD(EXT|FIX)/.test(n)) {
		return { group: 'MACD', pane: 'MACD', draw: /HIST/.test(n) ? 'bars' : 'line' };
	}
	return null;
}

const OFF_AT_FIRST = /^(SMA\((50|200)\)|EMA\(26\))/;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
	/** on: groups([[name, shown]]) is told when the indicator groups change; shown(name): the reader's earlier choice or null */
	constructor(host, legend, on) {
		this.host = host;
		this.legend = legend;
		this.on = on;
		this.lib = globalThis.LightweightCharts;
		this.lines = new Map();   // indicator name -> series
		this.groups = new Map();  // group -> shown
		this.present = new Set(); // groups that this series has
		this.told = '';
		this.bars = new Map();    // open time (s) -> candle
		this.vals = new Map();    // open time (s) -> values
		this.signals = [];
		this.digits = 2;
		if (this.lib) {
			this.create();
		}
	}

	layout() {
		return {
			layout: { background: { color: css('--panel') }, textColor: css('--muted'), attributionLogo: false,
				fontFamily: css('--font'), fontSize: 11, panes: { separatorColor: css('--line'), separatorHoverColor: css('--hover') } },
			grid: { vertLines: { color: css('--grid') }, horzLines: { color: css('--grid') } },
			rightPriceScale: { borderColor: css('--line') },
			timeScale: { borderColor: css('--line'), timeVisible: true, secondsVisible: false, rightOffset: 6, barSpacing: 9 },
			crosshair: { mode: this.lib.CrosshairMode.Normal,
				vertLine: { color: css('--cross'), labelBackgroundColor: css('--chip') },
				horzLine: { color: css('--cross'), labelBackgroundColor: css('--chip') } },
			localization: { timeFormatter: (t) => `${minute(t * 1000)} UTC` },
		};
	}

	create() {
		this.chart = this.lib.createChart(this.host, { autoSize: true, ...this.layout() });
		this.candles = this.chart.addSeries(this.lib.CandlestickSeries, {});
		this.volume = this.chart.addSeries(this.lib.HistogramSeries, {
			priceScaleId: 'volume', priceFormat: { type: 'custom', formatter: amount, minMove: 1e-8 },
			lastValueVisible: false, priceLineVisible: false,
		});
		this.chart.priceScale('volume').applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
		this.chart.priceScale('right').applyOptions({ scaleMargins: { top: 0.08, bottom: 0.2 } });
		this.markers = this.lib.createSeriesMarkers(this.candles, []);
		this.chart.subscribeCrosshairMove((p) => this.hover(p.time));
		this.paint();
	}

	paint() {
		const up = css('--up');
		const down = css('--down');
		this.candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
	}

	restyle() {
		if (this.lib) {
			this.chart.applyOptions(this.layout());
			this.paint();
			this.redraw();
		}
	}

	clear() {
		this.bars.clear();
		this.vals.clear();
		this.signals = [];
		this.redraw();
		this.hover();
	}

	/** All there is about a series: arrays of candles, indicators and signals as the API gives them. */
	load(data) {
		this.bars.clear();
		this.vals.clear();
		for (const c of data.candles) {
			this.bars.set(Date.parse(c.open_time) / 1000, c);
		}
		for (const i of data.indicators) {
			this.vals.set(Date.parse(i.open_time) / 1000, i.values);
		}
		this.forget();
		this.signals = data.signals.slice();
		this.digits = decimalsOf(data.candles);
		this.redraw();
		if (this.lib && data.candles.length > 0) {
			this.chart.timeScale().applyOptions({ barSpacing: 9 });
			this.chart.timeScale().scrollToRealTime();
		}
		this.hover();
	}

	order() {
		return [...this.bars.keys()].sort((a, b) => a - b);
	}

	bar(t) {
		const c = this.bars.get(t);
		return { time: t, open: c.open, high: c.high, low: c.low, close: c.close };
	}

	volumeBar(t) {
		const c = this.bars.get(t);
		return { time: t, value: c.volume, color: `${c.close >= c.open ? css('--up') : css('--down')}55` };
	}

	redraw() {
		if (!this.lib) {
			return;
		}
		const times = this.order();
		this.candles.applyOptions({ priceFormat: { type: 'price', precision: this.digits, minMove: 10 ** -this.digits } });
		this.candles.setData(times.map((t) => this.bar(t)));
		this.volume.setData(times.map((t) => this.volumeBar(t)));
		this.learn();
		for (const [name, s] of this.lines) {
			s.series.setData(times.filter((t) => this.vals.get(t)?.[name] !== undefined).map((t) => this.point(name, s, t)));
		}
		this.mark();
	}

	point(name, s, t) {
		const value = this.vals.get(t)[name];
		return s.draw === 'bars' ? { time: t, value, color: `${value >= 0 ? css('--up') : css('--down')}99` } : { time: t, value };
	}

	/** Names seen for the first time get a group and, if that is shown, a line. */
	learn() {
		const names = new Set();
		for (const values of this.vals.values()) {
			Object.keys(values).forEach((name) => names.add(name));
		}
		for (const name of inOrder(names)) {
			const kind = kindOf(name);
			if (!kind) {
				continue;
			}
			if (!this.groups.has(kind.group)) {
				this.groups.set(kind.group, this.on.shown(kind.group) ?? !OFF_AT_FIRST.test(kind.group));
			}
			this.present.add(kind.group);
			if (this.groups.get(kind.group) && !this.lines.has(name)) {
				this.addLine(name, kind);
			}
		}
		const list = inOrder(this.present);
		if (list.join() !== this.told) {
			this.told = list.join();
			this.on.groups(list.map((group) => [group, this.groups.get(group)]));
		}
	}

	/** Another series may have other indicators: its panes are made anew. */
	forget() {
		for (const s of this.lines.values()) {
			this.chart?.removeSeries(s.series);
		}
		this.lines.clear();
		this.present.clear();
	}

	/** Panes below the price, in order, as long as something is drawn in them. */
	paneIndex(pane) {
		if (pane === 'price') {
			return 0;
		}
		const used = [];
		for (const s of this.lines.values()) {
			if (s.pane !== 'price' && !used.includes(s.pane)) {
				used.push(s.pane);
			}
		}
		return used.includes(pane) ? used.indexOf(pane) + 1 : used.length + 1;
	}

	addLine(name, kind) {
		const color = kind.draw === 'band' || kind.draw === 'dash' ? css('--band') : colorOf(name.toUpperCase(), this.lines.size);
		const common = { color, lastValueVisible: kind.pane !== 'price', priceLineVisible: false, crosshairMarkerVisible: false };
		const pane = this.paneIndex(kind.pane);
		const series = kind.draw === 'bars'
			? this.chart.addSeries(this.lib.HistogramSeries, { ...common, lastValueVisible: false }, pane)
			: this.chart.addSeries(this.lib.LineSeries, { ...common, lineWidth: kind.draw === 'line' ? 1.5 : 1,
				lineStyle: kind.draw === 'dash' ? 2 : 0 }, pane);
		if (kind.pane === 'RSI') {
			for (const level of [30, 70]) {
				series.createPriceLine({ price: level, color: css('--line'), lineWidth: 1, lineStyle: 2, axisLabelVisible: false });
			}
		}
		if (kind.pane === 'price') {
			series.applyOptions({ priceFormat: { type: 'price', precision: this.digits, minMove: 10 ** -this.digits } });
		}
		this.lines.set(name, { series, color, ...kind });
		this.chart.panes().forEach((p, i) => p.setStretchFactor(i === 0 ? 4 : 1));
	}

	toggle(group, shown) {
		this.groups.set(group, shown);
		if (!this.lib) {
			return;
		}
		for (const [name, s] of [...this.lines]) {
			if (s.group === group && !shown) {
				this.chart.removeSeries(s.series);
				this.lines.delete(name);
			}
		}
		this.redraw();
		this.chart.panes().forEach((p, i) => p.setStretchFactor(i === 0 ? 4 : 1));
		this.hover();
	}

	/** One candle came: the newest, a new one, or (a revision) an old one. */
	candle(c) {
		const t = Date.parse(c.open_time) / 1000;
		const old = this.bars.get(t);
		if (old && old.state !== 'forming' && (c.state === 'forming' || c.revision < old.revision)) {
			return;
		}
		const last = Math.max(...this.bars.keys(), -Infinity);
		this.bars.set(t, c);
		if (!this.lib) {
			return;
		}
		if (!old && t < last) {
			this.redraw();
		} else {
			this.candles.update(this.bar(t), t < last);
			this.volume.update(this.volumeBar(t), t < last);
		}
		this.hover();
	}

	values(i) {
		const t = Date.parse(i.open_time) / 1000;
		this.vals.set(t, i.values);
		if (!this.lib) {
			return;
		}
		const known = this.lines.size;
		this.learn();
		if (this.lines.size !== known) {
			this.redraw();
			return;
		}
		for (const [name, s] of this.lines) {
			if (i.values[name] === undefined) {
				continue;
			}
			const data = s.series.data();
			const last = data.length > 0 ? data[data.length - 1].time : -Infinity;
			s.series.update(this.point(name, s, t), t < last);
		}
		this.hover();
	}

	signal(g) {
		this.signals = this.signals.filter((o) => o.open_time !== g.open_time || o.name !== g.name || o.kind !== g.kind);
		if (g.direction !== 'none')     // none: what was told before is withdrawn
			this.signals.push(g);
		this.mark();
	}

	mark() {
		if (!this.lib) {
			return;
		}
		// One arrow a candle and direction, however many patterns it makes; a rule's signal is drawn larger than a pattern.
		const one = new Map();
		for (const g of this.signals) {
			const key = `${g.open_time} ${g.direction}`;
			if (this.bars.has(Date.parse(g.open_time) / 1000) && (!one.has(key) || g.kind === 'signal')) {
				one.set(key, g);
			}
		}
		const shown = [...one.values()];
		shown.sort((a, b) => Date.parse(a.open_time) - Date.parse(b.open_time));
		this.markers.setMarkers(shown.map((g) => {
			const long = g.direction === 'long';
			const none = g.direction === 'none';
			return { time: Date.parse(g.open_time) / 1000, position: long ? 'belowBar' : 'aboveBar', size: g.kind === 'signal' ? 1.4 : 0.7,
				shape: none ? 'circle' : long ? 'arrowUp' : 'arrowDown', color: none ? css('--muted') : long ? css('--up') : css('--down') };
		}));
	}

	goTo(ms) {
		const times = this.order();
		const i = times.indexOf(ms / 1000);
		if (this.lib && i >= 0) {
			this.chart.timeScale().setVisibleLogicalRange({ from: i - 40, to: i + 40 });
		}
	}

	newest() {
		const times = this.order();
		return times.length > 0 ? this.bars.get(times[times.length - 1]) : null;
	}

	/** The legend: values at the crosshair, else the newest. */
	hover(time) {
		const t = time ?? Math.max(...this.bars.keys(), -Infinity);
		const c = this.bars.get(t);
		this.legend.replaceChildren();
		if (!c) {
			return;
		}
		const add = (text, color) => {
			const s = document.createElement('span');
			s.textContent = text;
			if (color) {
				s.style.color = color;
			}
			this.legend.append(s);
		};
		const tone = c.close >= c.open ? css('--up') : css('--down');
		add(`${minute(t * 1000)} UTC`);
		for (const [k, v] of [['O', c.open], ['H', c.high], ['L', c.low], ['C', c.close]]) {
			add(`${k} ${price(v, this.digits)}`, tone);
		}
		add(`V ${amount(c.volume)}`);
		if (c.state !== 'final' || c.quality !== 'full') {
			add(c.quality === 'full' ? c.state : `${c.state}, ${c.quality}`);
		}
		// a forming candle may have no values yet: then those of the one before, as the lines on the chart end there
		const values = this.vals.get(t) ?? (time === undefined ? this.vals.get(this.order().filter((x) => this.vals.has(x)).pop()) : null);
		for (const [name, s] of this.lines) {
			const v = values?.[name];
			if (v !== undefined && s.pane === 'price' && s.draw !== 'dash') {
				add(`${name.replace(/^BBANDS_/, 'BB ')} ${price(v, this.digits)}`, s.color);
			}
		}
	}

	/** What stands on the chart, for tests. */
	shown() {
		return this.lib ? this.candles.data().map((d, i) => ({ ...d, volume: this.volume.data()[i].value })) : [];
	}
}
