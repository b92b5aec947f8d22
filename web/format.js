// format.js - numbers and times as people read them. No state.

const two = (n) => String(n).padStart(2, '0');

/** Digits after the point that prices of this series need, from what was sent. */
export function decimalsOf(candles) {
	let most = 0;
	for (const c of candles.slice(-80)) {
		for (const v of [c.open, c.high, c.low, c.close]) {
			const text = v < 1e-6 ? v.toFixed(12).replace(/0+$/, '') : String(v);
			const point = text.indexOf('.');
			if (point >= 0) {
				most = Math.max(most, text.length - point - 1);
			}
		}
	}
	return Math.min(Math.max(most, 2), 10);
}

export const price = (v, digits) =>
	v === null || v === undefined ? '–' : v.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Amounts: four figures that matter. */
export function amount(v) {
	if (v === null || v === undefined) {
		return '–';
	}
	const units = [[1e9, 'B'], [1e6, 'M'], [1e4, 'k']];
	for (const [size, unit] of units) {
		if (Math.abs(v) >= size) {
			return `${(v / (unit === 'k' ? 1e3 : size)).toLocaleString('en-US', { maximumSignificantDigits: 4 })}${unit}`;
		}
	}
	return v.toLocaleString('en-US', { maximumSignificantDigits: 5 });
}

export const whole = (v) => (v === null || v === undefined ? '–' : Math.round(v).toLocaleString('en-US'));

export function rate(v) {
	if (v === null || v === undefined) {
		return '–';
	}
	return v >= 10000 ? amount(v) : v >= 100 ? whole(v) : v.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

export function millis(v) {
	if (v === null || v === undefined) {
		return '–';
	}
	if (v >= 10000) {
		return `${(v / 1000).toLocaleString('en-US', { maximumFractionDigits: 1 })} s`;
	}
	return `${v >= 100 ? Math.round(v) : v >= 10 ? v.toFixed(1) : v.toFixed(2)} ms`;
}

export const clock = (ms) => {
	const d = new Date(ms);
	return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
};

/** Day and minute, UTC. */
export const minute = (ms) => {
	const d = new Date(ms);
	return `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
};

export function age(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	if (s < 120) {
		return `${s} s`;
	}
	return s < 7200 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}
