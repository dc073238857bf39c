// The command behind a page has ended, and somebody else has its port: the page has nothing to do with them.
import assert from 'node:assert/strict';
import http from 'node:http';

import { Wallet, browse, given, press, says } from './browser.mjs';

const wallet = new Wallet('Fern Wallet', given.key);
const { port } = new URL(given.url);
const challenge = { message: 'somebody.else wants you to sign', expires_at: new Date(Date.now() + 600_000).toISOString() };

/** Somebody who answers as the command does, but for what only that knows. */
function taker() {
  const heard = [];
  const server = http.createServer((request, answer) => {
    heard.push(request.url);
    if (request.url === '/live') {
      answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
      answer.write('event: begun\ndata: guessed\n\nevent: there\ndata: []\n\n');
      return;
    }
    const result = request.url === '/opened' ? { page: '/link', admin: false, chain: null, seconds: 900, key: 'guessed' } : { jsonrpc: '2.0', id: 1, result: challenge };
    answer.writeHead(200, { 'Content-Type': 'application/json' });
    answer.end(JSON.stringify(result));
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(Number(port), '127.0.0.1', () => resolve({ heard, server }));
  });
}

await browse([wallet], async (page) => {
  await page.goto(given.url);
  await says(page, 'Choose your wallet');
  if (given.silently) {
    // It is taken between two questions, before the page finds out.
    await page.route('**/rpc', (route) => route.fulfill({ json: { jsonrpc: '2.0', id: 1, result: challenge } }));
    await press(page, 'Fern Wallet');
    await says(page, 'This page is closed');
    return;
  }
  process.kill(given.pid, 'SIGTERM');
  await says(page, 'This page is closed');
  const { heard, server } = await taker();
  // By itself a browser would ask anew after three seconds.
  await new Promise((resolve) => { setTimeout(resolve, 5_000); });
  await press(page, 'Fern Wallet');
  await says(page, 'This page is closed');
  assert.deepEqual(heard, []);
  server.close();
}, 780);
