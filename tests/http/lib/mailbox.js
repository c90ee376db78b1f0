/* Mail servers: a real one that keeps what it gets, and ones that misbehave. */
'use strict';

const net = require('node:net');
const { SMTPServer } = require('smtp-server');
const { withDeadline } = require('./server.js');

const listen = (server, host) => new Promise((resolve) => server.listen(0, host, resolve));

/* options are those of smtp-server. mails: { from, to, text, user, secure } of each; next() resolves
 * with the first that was not asked for yet. */
class Mailbox {
    constructor(options) {
        this.mails = [];
        this.given = 0;
        this.waiting = [];
        this.smtp = new SMTPServer({
            authOptional: true, disableReverseLookup: true, disabledCommands: ['STARTTLS'],
            logger: false, onData: (stream, session, done) => this.take(stream, session, done),
            ...options,
        });
        this.smtp.on('error', () => {}); /* a client that hangs up */
    }

    take(stream, session, done) {
        const chunks = [];
        stream.on('data', (chunk) => chunks.push(chunk));
        stream.on('end', () => {
            const { mailFrom, rcptTo } = session.envelope;
            this.mails.push({ from: mailFrom.address, to: rcptTo.map(({ address }) => address),
                text: Buffer.concat(chunks).toString('latin1'), user: session.user, secure: session.secure });
            for (const wake of this.waiting.splice(0)) wake();
            done();
        });
    }

    async next() {
        const index = this.given++;
        while (this.mails.length <= index) {
            await withDeadline(new Promise((resolve) => this.waiting.push(resolve)), 'waiting for mail');
        }
        return this.mails[index];
    }

    close() {
        return new Promise((resolve) => this.smtp.close(resolve));
    }
}

async function startMailbox(options = {}, host = '127.0.0.1') {
    const mailbox = new Mailbox(options);
    await listen(mailbox.smtp, host);
    mailbox.port = mailbox.smtp.server.address().port;
    mailbox.url = `smtp${options.secure ? 's' : ''}://${host}:${mailbox.port}`;
    return mailbox;
}

const ANSWERS = { EHLO: '250 here\r\n', MAIL: '250 ok\r\n', RCPT: '250 ok\r\n', DATA: '354 go on\r\n',
    TEXT: '250 taken\r\n', QUIT: '221 bye\r\n' };

/* Speaks the least SMTP there is. changes: command (or HELLO, TEXT) -> another answer, or a function of
 * the socket that does something else. */
async function startOddServer(changes = {}) {
    const sockets = new Set();
    const said = []; /* commands, and the lines they came in */
    const lines = [];
    const server = net.createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
        socket.setEncoding('latin1');
        const answer = (command) => {
            const what = changes[command] ?? { HELLO: '220 hello\r\n', ...ANSWERS }[command] ?? '500 what\r\n';
            if (typeof what === 'string') socket.write(what);
            else what(socket);
        };
        let rest = '';
        let inText = false;
        socket.on('data', (chunk) => {
            rest += chunk;
            for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
                const line = rest.slice(0, end);
                rest = rest.slice(end + 2);
                if (inText && line !== '.') continue;
                const command = inText ? 'TEXT' : line.slice(0, 4).toUpperCase();
                said.push(command);
                lines.push(line);
                answer(command);
                inText = command === 'DATA';
            }
        });
        answer('HELLO');
    });
    await listen(server, '127.0.0.1');
    return { server, said, lines, sockets, url: `smtp://127.0.0.1:${server.address().port}`,
        close: () => {
            for (const socket of sockets) socket.destroy();
            return new Promise((resolve) => server.close(resolve));
        } };
}

module.exports = { startMailbox, startOddServer };
