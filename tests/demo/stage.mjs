// What both demonstrations stand on: children that go away again whatever happens, and the telling of steps.
//
// Every step says what happened and how long it took. A step that is not as it should be ends the demonstration with its reason
// and exit code 1.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { createWalletClient, http, publicActions } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { foundry } from 'viem/chains';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const target = path.resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
export const program = (name) => path.join(target, 'debug', name);
export const PRODUCT = 'acme-cad';
export const PATIENCE_MS = 20_000;

// ---- what has to go away again, whatever happens

export const home = fs.mkdtempSync(path.join(os.tmpdir(), 'entitled-demo-'));
const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(home, { recursive: true, force: true });
});
for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]]) {
  process.on(signal, () => process.exit(128 + number));
}

/** What children are given of our own. */
export const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(
    ([name]) => !/^(ENTITLED|LISTEN_|NOTIFY_SOCKET|JOURNAL_STREAM)/.test(name),
  )),
  NO_COLOR: '1',
};

export function start(command, args, env = {}) {
  const child = spawn(command, args, { env: { ...environment, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  child.said = '';
  child.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)));
  child.on('error', (error) => { child.said += error.message; });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => { child.said = (child.said + bytes).slice(-100_000); });
  }
  return child;
}

// ---- telling

const bold = (text) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[1m${text}\x1b[0m` : text);
const begun = performance.now();
let number = 0;

/** Does one step and tells it; `act` returns what happened, in a few words. */
export async function step(what, act) {
  number += 1;
  const from = performance.now();
  process.stdout.write(`${String(number).padStart(2)}. ${what} … `);
  const happened = await act();
  console.log(`${bold(happened)}  (${took(performance.now() - from)})`);
}

export function took(ms) {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function must(condition, what) {
  if (!condition) throw new Error(what);
}

/** Asks `probe` until it is content; its last complaint is the error. */
export async function until(what, probe) {
  const from = performance.now();
  for (;;) {
    const { found, last } = await probe();
    if (found !== undefined && found !== false) return found;
    must(performance.now() - from < PATIENCE_MS, `${what}: not within ${PATIENCE_MS / 1000} s; ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Does all of it, and ends the process. */
export async function run(demonstrate) {
  try {
    await demonstrate();
    console.log(`\nAll as it should be, in ${took(performance.now() - begun)}. Nothing is left behind.`);
    process.exit(0);
  } catch (error) {
    console.log(`\n\nNot as it should be: ${error.message}`);
    process.exit(1);
  }
}

// ---- the chain

/** Starts a real EVM node, with these arguments besides. */
export async function startNode(more = []) {
  const packaged = path.join(root, 'tests/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil');
  const anvil = process.env.ANVIL ?? packaged;
  must(fs.existsSync(anvil), `${anvil} is missing: run it as \`make demo\``);
  const child = start(anvil, ['--port', '0', '--cache-path', path.join(home, 'chain'), ...more]);
  const port = await until('anvil listens', async () => ({
    found: /Listening on 127\.0\.0\.1:(\d+)/.exec(child.said)?.[1],
    last: child.said,
  }));
  return { child, url: `http://127.0.0.1:${port}` };
}

/** Somebody whose key everybody knows. */
export function person(url, index) {
  const account = mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex: index });
  return createWalletClient({ account, chain: foundry, transport: http(url), pollingInterval: 50 }).extend(publicActions);
}
