/* Stands between browser and server, and does what networks do: loses requests and answers, and
 * answers itself. */
'use strict';

const http = require('node:http');

class Proxy {
    constructor(server) {
        this.server = server;
        this.rules = [];
        this.seen = []; /* "METHOD path?query" of every request */
        this.down = false;
        this.http = http.createServer((request, response) => this.pass(request, response));
    }

    async start() {
        await new Promise((resolve) => this.http.listen(0, '127.0.0.1', resolve));
        this.url = `http://127.0.0.1:${this.http.address().port}`;
        return this;
    }

    stop() {
        this.http.closeAllConnections();
        return new Promise((resolve) => this.http.close(resolve));
    }

    /* The next request of this method to a collection meets: 'refuse', 'lose' (the answer), a function
     * that is called when the server has answered and before the browser is, or {status, headers}. */
    next(method, rule, times = 1) {
        for (let i = 0; i < times; i++) this.rules.push({ method, rule });
    }

    collected(method) {
        return this.seen.filter((line) => line.startsWith(`${method} /127.0.0.1/`));
    }

    pass(request, response) {
        const line = `${request.method} ${request.url}`;
        this.seen.push(line);
        if (this.down) return void request.socket.destroy();
        const index = line.includes('/127.0.0.1/')
            ? this.rules.findIndex(({ method }) => method === request.method) : -1;
        const rule = index < 0 ? null : this.rules.splice(index, 1)[0].rule;
        if (rule === 'refuse') return void request.socket.destroy();
        if (rule && rule.status) {
            request.resume();
            response.writeHead(rule.status, rule.headers);
            return void response.end(JSON.stringify({ error: 'made_up', message: 'made up' }));
        }
        this.forward(request, response, rule);
    }

    forward(request, response, rule) {
        const upstream = http.request({ host: '127.0.0.1', port: this.server.port, path: request.url,
            method: request.method, headers: request.headers, agent: false });
        upstream.on('error', () => request.socket.destroy());
        response.on('close', () => upstream.destroy());
        upstream.on('response', async (answer) => {
            if (typeof rule === 'function') await rule();
            if (rule === 'lose' || typeof rule === 'function') return void request.socket.destroy();
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        request.pipe(upstream);
    }
}

module.exports = { startProxy: (server) => new Proxy(server).start() };
