// The whole of `entitled` in one screenful: a licence is bought, used, given away, got back, and the chain goes
// away. A real EVM node, a real ERC-721, the real daemon, all on this machine; nothing is left behind.
//
// With TRUST=consensus the chain has validators: 512 keys that sign its blocks, which the daemon follows from a
// checkpoint that the product file names. Then it believes nobody else about which block is the chain's.
//
// Every step says what happened and how long it took. A step that is not as it should be ends the
// demonstration with its reason and exit code 1.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

import { getAddress } from 'viem';

import {
  PATIENCE_MS, PRODUCT, environment, home, must, person, program, root, run, start, startNode, step, took, until,
} from './stage.mjs';

const TOKEN = 7n;
const TRUST = process.env.TRUST || 'single';

// ---- the chain

function startChain() {
  // With validators, its blocks are a second apart, and there have to be some before anything is final.
  const past = TRUST === 'consensus' ? ['--timestamp', String(Math.floor(Date.now() / 1000) - 120)] : [];
  return startNode(['--slots-in-an-epoch', '1', ...past]);
}

/** Validators that sign the chain's blocks, and what a vendor says of them in a product file. */
async function startValidators(chainUrl) {
  const folder = path.join(home, 'beacon');
  const execution = new URL(chainUrl).host;
  const child = start(program('examples/beacon_chain'), ['--execution', execution, '--folder', folder]);
  const url = await until('the validators sign', async () => ({
    found: /serving (http:\/\/\S+)/.exec(child.said)?.[1],
    last: child.said,
  }));
  const file = path.join(folder, 'specification.toml');
  const specification = fs.readFileSync(file, 'utf8');
  const root = /^root = "(0x[0-9a-f]+)"/m.exec(specification)[1];
  const digest = createHash('sha256').update(specification).digest('hex');
  return {
    root,
    // A minute behind the clock is nothing to be silent about.
    configuration: `spec = "${file}"\nbeacon = ["${url}"]\nsilence = "10m"\n`,
    checkpoint: `\n[[checkpoint]]\nchain = "eip155:31337"\nroot = "${root}"\nspec = "sha256:${digest}"\n`,
  };
}

async function deploy(vendor) {
  const { abi, bytecode } = JSON.parse(fs.readFileSync(path.join(root, 'tests/contracts/out/Licence.json'), 'utf8'));
  const hash = await vendor.deployContract({ abi, bytecode });
  const { contractAddress: lowercase } = await vendor.waitForTransactionReceipt({ hash });
  const contractAddress = getAddress(lowercase);
  const send = async (who, functionName, args) => {
    const sent = await who.writeContract({ address: contractAddress, abi, functionName, args });
    const receipt = await who.waitForTransactionReceipt({ hash: sent });
    must(receipt.status === 'success', `${functionName} was reverted`);
  };
  return { address: contractAddress, send };
}

// ---- the daemon

const socket = path.join(home, 'run/entitled.sock');
const adminSocket = path.join(home, 'run/admin.sock');

function writeFiles(rpc, licence, validators) {
  for (const folder of ['run', 'state', 'products.d']) fs.mkdirSync(path.join(home, folder), { mode: 0o700 });
  fs.writeFileSync(path.join(home, 'entitled.toml'), `[socket]
path = "${socket}"
admin_path = "${adminSocket}"
[store]
path = "${home}/state/ledger.redb"
[keys]
source = "file:${home}/state/kek"
[products]
dirs = ["${home}/products.d"]
[log]
level = "warn"
format = "text"
[[chain]]
id = "eip155:31337"
rpc = ["${rpc}"]
trust = "${TRUST}"
poll = "100ms"
${validators?.configuration ?? ''}`);
  fs.writeFileSync(path.join(home, 'products.d', `${PRODUCT}.toml`), `product = "${PRODUCT}"
name = "Acme CAD"
version = 1
trust = "${TRUST}"
finality = "latest"
refresh = "1s"
grace = "14d"

[tiers.pro]
rank = 20
seats = 2
price = { amount = "49.00", currency = "USD", per = "month" }
features = { export = true, max_projects = 50 }

[[grants]]
tier = "pro"
token = "eip155:31337/erc721:${licence.address}"
tokens_of = "enumerable"
${validators?.checkpoint ?? ''}`);
}

async function startDaemon() {
  const daemon = start(program('entitled'), ['--config', path.join(home, 'entitled.toml')]);
  let ended;
  daemon.ended.then((how) => { ended = how; });
  await until('the daemon answers', async () => {
    must(ended === undefined, `the daemon ended (${ended}):\n${daemon.said}`);
    const found = await ask('system_version').catch(() => undefined);
    return { found, last: daemon.said };
  });
  return daemon;
}

/** One request on the socket: what installed software does, in any language. */
function ask(method, params = {}) {
  return new Promise((resolve, reject) => {
    const line = net.connect(socket);
    line.setTimeout(PATIENCE_MS, () => line.destroy(new Error(`${method}: no answer`)));
    line.on('error', reject);
    line.on('close', () => reject(new Error(`${method}: closed without an answer`)));
    line.on('connect', () => line.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })}\n`));
    readline.createInterface({ input: line }).on('error', () => {}).once('line', (text) => {
      const { result, error } = JSON.parse(text);
      if (error) reject(new Error(`${method}: ${JSON.stringify(error)}`));
      else resolve(result);
      line.destroy();
    });
  });
}

const clientEnvironment = { ENTITLED_SOCKET: socket, ENTITLED_ADMIN_SOCKET: adminSocket };

/** `entitlectl check`: its exit code and first line. */
function check() {
  const done = spawnSync(program('entitlectl'), ['check', PRODUCT], {
    env: { ...environment, ...clientEnvironment }, encoding: 'utf8', timeout: PATIENCE_MS,
  });
  must(!done.error, `entitlectl: ${done.error?.message}`);
  return { code: done.status, line: (done.stdout.split('\n')[0] || done.stderr).trim() };
}

/** Asks until `entitlectl check` ends with this code and the verdict has this one. */
function checkUntil(code, verdictCode) {
  return until(`entitlectl check ${PRODUCT} ends with ${code} (${verdictCode})`, async () => {
    const said = check();
    const verdict = await ask('entitlement_check', { product: PRODUCT });
    const last = `exit code ${said.code}: ${said.line}; verdict ${verdict.code}: ${verdict.detail}`;
    return { found: said.code === code && verdict.code === verdictCode ? said.line : undefined, last };
  });
}

/** `entitlectl watch`: every verdict it prints, as it comes. */
function watch() {
  const child = start(program('entitlectl'), ['--json', 'watch', PRODUCT], clientEnvironment);
  const told = [];
  readline.createInterface({ input: child.stdout }).on('line', (line) => told.push(JSON.parse(line)));
  return (code) => until(`the watch prints ${code}`, async () => ({
    found: told.find((it, at) => it.code === code && told.splice(0, at + 1)),
    last: `it printed ${JSON.stringify(told.map((it) => it.code))}; ${child.said.slice(-300)}`,
  }));
}

/** `entitlectl run --seat`: a program that holds a seat as long as it runs, and says its process id when it has one. */
async function runWithSeat() {
  const child = start(program('entitlectl'), [
    'run', PRODUCT, '--seat', '--wait', '1m', '--', 'sh', '-c', 'echo "runs $$"; exec sleep 600',
  ], clientEnvironment);
  child.runs = () => /runs (\d+)/.exec(child.said)?.[1];
  return child;
}

/** The pool of the customer, as anybody of it may see it. */
async function pool() {
  const { pools } = await ask('seat_list', { product: PRODUCT });
  return pools.find((it) => it.customer !== 'machine') ?? {};
}

// ---- the story

async function demonstrate() {
  must(['single', 'consensus'].includes(TRUST), `TRUST is ${TRUST}; here it can be single or consensus`);
  const programs = ['entitled', 'entitlectl', ...(TRUST === 'consensus' ? ['examples/beacon_chain'] : [])];
  for (const name of programs) {
    must(fs.existsSync(program(name)), `${program(name)} is missing: run it as \`make demo\``);
  }
  let chain, validators, licence, vendor, customer, friend, next, daemon;

  if (TRUST === 'consensus') {
    await step('a chain of our own, and 512 validators who sign its blocks', async () => {
      chain = await startChain();
      validators = await startValidators(chain.url);
      return `checkpoint ${validators.root.slice(0, 10)}…`;
    });
  }
  await step(`${TRUST === 'consensus' ? 'on it' : 'a chain of our own, and on it'} a licence contract (ERC-721)`, async () => {
    chain ??= await startChain();
    [vendor, customer, friend] = [0, 1, 2].map((index) => person(chain.url, index));
    licence = await deploy(vendor);
    return licence.address;
  });
  await step(`the daemon starts as ${os.userInfo().username}, with a product file that names the contract`, async () => {
    writeFiles(chain.url, licence, validators);
    daemon = await startDaemon();
    return `version ${(await ask('system_version')).version}`;
  });
  await step('the customer links a wallet by signing a challenge', async () => {
    const { message } = await ask('wallet_challenge', { address: customer.account.address, chain: 'eip155:31337' });
    const wallet = await ask('wallet_link', { message, signature: await customer.signMessage({ message }) });
    must(wallet.address === customer.account.address, `linked ${wallet.address}`);
    return `${wallet.address.slice(0, 10)}… belongs to ${wallet.customer}`;
  });
  await step('`entitlectl check acme-cad`, before anything is bought', () => checkUntil(1, 'NOT_HELD'));
  await step('the vendor mints token 7 to that wallet; check', async () => {
    await licence.send(vendor, 'mint', [customer.account.address, TOKEN]);
    const line = await checkUntil(0, 'VALID');
    must(line.startsWith('entitled: pro'), line);
    return line;
  });
  if (TRUST === 'consensus') {
    await step('`entitlectl why acme-cad` leads down to who signed', async () => {
      const { stdout } = spawnSync(program('entitlectl'), ['why', PRODUCT], {
        env: { ...environment, ...clientEnvironment }, encoding: 'utf8', timeout: PATIENCE_MS,
      });
      must(stdout.includes(validators.root), stdout);
      return /\d+ of 512 signed/.exec(stdout)?.[0] ?? stdout;
    });
  }
  await step('the same question on the socket, 1,000 times over one connection', async () => {
    const times = await askOften(1000);
    return `half of them within ${times[500].toFixed(0)} µs, seen from Node`;
  });
  await step('`entitlectl watch acme-cad` runs; the customer gives the token away', async () => {
    next = watch();
    await next('VALID');
    await licence.send(customer, 'transferFrom', [customer.account.address, friend.account.address, TOKEN]);
    const verdict = await next('NOT_HELD');
    must(verdict.valid === false, JSON.stringify(verdict));
    return 'the watch prints NOT_HELD';
  });
  await step('and gets it back', async () => {
    await licence.send(friend, 'transferFrom', [friend.account.address, customer.account.address, TOKEN]);
    await next('VALID');
    return checkUntil(0, 'VALID');
  });
  await step('two seats, three programs: the third waits, one is killed with -9, the third runs', async () => {
    const programs = [await runWithSeat(), await runWithSeat()];
    await until('two run', async () => ({ found: programs.every((it) => it.runs()) || undefined, last: programs[0].said + programs[1].said }));
    const third = await runWithSeat();
    const full = await until('the third waits', async () => {
      const found = await pool();
      return { found: found.waiting === 1 ? found : undefined, last: JSON.stringify(found) + third.said };
    });
    must(full.used === 2 && full.capacity === 2 && !third.runs(), JSON.stringify(full));
    const killed = performance.now();
    process.kill(Number(programs[0].runs()), 'SIGKILL');
    await until('the third runs', async () => ({ found: third.runs(), last: third.said }));
    const after = took(performance.now() - killed);
    for (const it of [programs[1], third]) process.kill(Number(it.runs()), 'SIGKILL');
    return `2 of 2 used, 1 waited, and ran ${after} after the kill`;
  });
  await step('the chain goes away; what was proven holds for a while', async () => {
    chain.child.kill('SIGKILL');
    await chain.child.ended;
    const line = await checkUntil(0, 'GRACE');
    const { grace_until: end } = await ask('entitlement_check', { product: PRODUCT });
    return `${line} (grace until ${end.slice(0, 10)})`;
  });
  await step('the daemon is told to stop', async () => {
    daemon.kill('SIGTERM');
    const how = await daemon.ended;
    must(how === 0, `it ended with ${how}:\n${daemon.said}`);
    must(!fs.existsSync(socket), `${socket} was left behind`);
    return 'exit code 0, its sockets are gone';
  });
}

/** Round trips on one connection, in microseconds, sorted. */
function askOften(count) {
  return new Promise((resolve, reject) => {
    const line = net.connect(socket).on('error', reject);
    const request = `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'entitlement_check', params: { product: PRODUCT } })}\n`;
    const times = [];
    let from = 0;
    const send = () => { from = performance.now(); line.write(request); };
    readline.createInterface({ input: line }).on('line', (text) => {
      times.push((performance.now() - from) * 1000);
      if (!text.includes('"VALID"')) reject(new Error(text));
      if (times.length < count) send();
      else { line.destroy(); resolve(times.sort((a, b) => a - b)); }
    });
    line.on('connect', send);
  });
}

await run(demonstrate);
