'use strict';
// A verifier that takes each question and sends a byte a second for an answer, and people who go on
// trying to log in by it. Prints its address, then "busy" when as many as may are under way; asks
// SERVER_URL once that has been written to standard input. Ends when it is told to.
// usage: hostile.js LOGINS
const http = require('http');
const readline = require('readline');

const logins = Number(process.argv[2]);
let asked = 0;

const verifier = http.createServer((request, response) => {
  if (++asked === Math.min(logins, 64)) console.log('busy'); // max_login_requests
  response.writeHead(200, {'Content-Type': 'application/json'});
  const timer = setInterval(() => response.write(' '), 1000);
  response.on('close', () => clearInterval(timer));
});

async function logInAgainAndAgain(url) {
  const body = new URLSearchParams({assertion: 'ann@example.org~x', audience: 'https://notes.example'});
  for (;;) await fetch(`${url}/verify`, {method: 'POST', body}).then((answer) => answer.text());
}

verifier.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${verifier.address().port}`));
readline.createInterface({input: process.stdin}).once('line', (url) => {
  for (let i = 0; i < logins; i++) logInAgainAndAgain(url).catch(() => process.exit());
});
