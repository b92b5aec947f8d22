// feed.js - the WebSocket: connects, subscribes, notices gaps and silence, connects again with a growing pause.
// Knows messages, not what they mean.

const SILENCE_MS = 15000; // the server says something every second
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 15000;

export class Feed {
	/** on: { message(m), state(name, detail) }; states: connecting, open, lost */
	constructor(url, on) {
		this.url = url;
		this.on = on;
		this.wanted = null;
		this.attempt = 0;
		this.gaps = 0;
		this.heard = 0;
		this.retryAt = 0;
	}

	start() {
		setInterval(() => this.watch(), 1000);
		addEventListener('online', () => this.hurry());
		document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && this.hurry());
		this.connect();
	}

	connect() {
		this.retryAt = 0;
		this.on.state('connecting');
		const ws = new WebSocket(this.url);
		this.ws = ws;
		this.seq = 0;
		this.heard = Date.now();
		this.sent = null;
		ws.onopen = () => {
			this.attempt = 0;
			this.on.state('open');
			this.flush();
		};
		ws.onmessage = (e) => ws === this.ws && this.take(e.data);
		ws.onclose = (e) => ws === this.ws && this.lost(e.reason || `code ${e.code}`);
	}

	lost(why) {
		this.ws = null;
		const pause = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** this.attempt) * (0.75 + Math.random() / 2);
		this.attempt += 1;
		this.retryAt = Date.now() + pause;
		this.on.state('lost', why);
		this.timer = setTimeout(() => this.connect(), pause);
	}

	/** The network is back or somebody looks: no reason to wait any longer. */
	hurry() {
		if (this.retryAt > 0) {
			clearTimeout(this.timer);
			this.connect();
		}
	}

	watch() {
		if (this.ws && Date.now() - this.heard > SILENCE_MS) {
			const ws = this.ws;
			this.lost('silent');
			ws.close();
		}
	}

	take(text) {
		this.heard = Date.now();
		const m = JSON.parse(text);
		const missed = this.seq > 0 && m.seq !== this.seq + 1;
		this.seq = m.seq;
		if (missed) {
			this.gaps += 1;
			this.sent = null;
			this.flush();
		}
		this.on.message(m);
	}

	/** The one series that is looked at. */
	want(sub) {
		this.wanted = sub;
		this.flush();
	}

	flush() {
		if (!this.wanted || !this.ws || this.ws.readyState !== WebSocket.OPEN) {
			return;
		}
		const same = this.sent && JSON.stringify(this.sent) === JSON.stringify(this.wanted);
		if (same) {
			return;
		}
		// first the new one: a client without any subscription is sent everything
		if (!this.sent) {
			this.say('unsubscribe', this.wanted);
		}
		this.say('subscribe', this.wanted);
		if (this.sent) {
			this.say('unsubscribe', this.sent);
		}
		this.sent = { ...this.wanted };
	}

	say(action, sub) {
		this.ws.send(JSON.stringify({ action, ...sub }));
	}
}
