// Pages of two origins in a real Chromium ask the gateway through TLS: what their scripts may know, the browser decides.
//
// Prints what the page of the allowed origin was answered.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import { once } from 'node:events';

import { chromium } from 'playwright-core';

import { given } from './browser.mjs';

const [allowed, foreign] = ['https://app.example', 'https://evil.example'];
const pages = https.createServer({ key: fs.readFileSync(given.page.key), cert: fs.readFileSync(given.page.certificate) }, (_, reply) => {
  reply.setHeader('Content-Type', 'text/html');
  reply.end('<!doctype html><title>A page</title>');
});
pages.listen(0, '127.0.0.1');
await once(pages, 'listening');

/** By which the browser knows a certificate of the tests' own authority, and no other. */
function pin(file) {
  const key = new crypto.X509Certificate(fs.readFileSync(file)).publicKey.export({ type: 'spki', format: 'der' });
  return crypto.createHash('sha256').update(key).digest('base64');
}

const browser = await chromium.launch({
  executablePath: given.chromium,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
    `--host-resolver-rules=MAP *.example 127.0.0.1:${pages.address().port}`,
    `--ignore-certificate-errors-spki-list=${[given.gateway, given.page.certificate].map(pin).join(',')}`,
  ],
});

/** What a script of the page comes to know when it asks. Without a token where `token` is empty. */
const ask = (page, [verb, path, body], token, more = {}) => page.evaluate(async ({ url, options, more }) => {
  try {
    const reply = await fetch(url, { ...options, ...more });
    if (reply.type === 'opaque') return { opaque: true };
    return { status: reply.status, id: reply.headers.get('x-request-id'), body: await reply.json() };
  } catch (error) {
    return { refused: `${error}` };
  }
}, {
  url: given.url + path,
  options: {
    method: verb,
    headers: { ...(token && { Authorization: `Bearer ${token}` }), ...(body && { 'Content-Type': 'application/json' }) },
    body: body ? JSON.stringify(body) : undefined,
  },
  more,
});

async function visit(origin, act) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const told = [];
  page.on('console', (message) => told.push(message.text()));
  await page.goto(`${origin}/`);
  assert.equal(await page.evaluate(() => window.origin), origin);
  await act(page, told);
  await context.close();
}

try {
  await visit(foreign, async (page, told) => {
    for (const token of [given.token, '']) {
      for (const call of given.calls) {
        told.length = 0;
        const known = await ask(page, call, token);
        assert.match(known.refused ?? JSON.stringify(known), /Failed to fetch/, `${call[1]}: a page of another origin knows`);
        assert.match(told.join('\n'), /blocked by CORS policy/, call[1]);
      }
    }
    // Sent without asking whether it may be: nobody reads the answer, and the gateway does nothing for it.
    const blind = { mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } };
    assert.deepEqual(await ask(page, ['POST', '/api/v1/wallets', { label: 'made by a foreign page' }], '', blind), { opaque: true });
  });

  await visit(allowed, async (page) => {
    for (const token of ['', 'wrong']) {
      for (const call of given.calls) {
        const { status, body } = await ask(page, call, token);
        assert.deepEqual([status, body.code], [401, 'UNAUTHENTICATED'], `${call[1]} with the token '${token}'`);
      }
    }
    const [first] = given.calls;
    const withCookies = await ask(page, first, given.token, { credentials: 'include' });
    assert.match(withCookies.refused ?? JSON.stringify(withCookies), /Failed to fetch/, 'credentials of the browser are not for this gateway');
    const answers = [];
    for (const call of given.calls) {
      const known = await ask(page, call, given.token);
      assert.ok(known.status >= 200 && known.status < 300 && known.id, `${call[1]}: ${JSON.stringify(known)}`);
      answers.push(known.body);
    }
    console.log(JSON.stringify(answers));
  });
} finally {
  await browser.close();
  pages.close();
}
