// Two machines share two seats of one licence: three programs, of which the third waits, until the machine of one of the others is
// killed. A real EVM node, real etcd, two real daemons, all on this machine; nothing is left behind.
//
// Every step says what happened and how long it took. A step that is not as it should be ends the demonstration with its reason
// and exit code 1.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';

import { getAddress } from 'viem';

import {
  PATIENCE_MS, PRODUCT, environment, home, must, person, program, root, run, start, startNode, step, until,
} from './stage.mjs';

const TTL_S = 3;

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

async function startEtcd() {
  const packaged = path.join(root, 'tests/.etcd/usr/bin/etcd');
  const binary = [packaged, '/usr/bin/etcd'].find((it) => fs.existsSync(it));
  must(binary, 'etcd is missing: run it as `make demo FLEET=etcd`, or install etcd-server');
  const members = await Promise.all([0, 1, 2].map(async (it) => ({
    name: `m${it}`, client: `http://127.0.0.1:${await freePort()}`, peer: `http://127.0.0.1:${await freePort()}`,
  })));
  for (const it of members) {
    start(binary, ['--name', it.name, '--data-dir', path.join(home, it.name), '--log-level', 'error',
      '--listen-client-urls', it.client, '--advertise-client-urls', it.client,
      '--listen-peer-urls', it.peer, '--initial-advertise-peer-urls', it.peer,
      '--initial-cluster', members.map((one) => `${one.name}=${one.peer}`).join(','),
      '--heartbeat-interval', '50', '--election-timeout', '500']);
  }
  await until('etcd is healthy', async () => {
    const text = await fetch(`${members[0].client}/health`).then((it) => it.text(), String);
    return { found: text.includes('"true"'), last: text };
  });
  return members.map((it) => it.client);
}

async function buy(url) {
  const [vendor, customer] = [person(url, 0), person(url, 1)];
  const { abi, bytecode } = JSON.parse(fs.readFileSync(path.join(root, 'tests/contracts/out/Licence.json'), 'utf8'));
  const deployed = await vendor.waitForTransactionReceipt({ hash: await vendor.deployContract({ abi, bytecode }) });
  const address = getAddress(deployed.contractAddress);
  const args = [customer.account.address, 7n];
  await vendor.waitForTransactionReceipt({ hash: await vendor.writeContract({ address, abi, functionName: 'mint', args }) });
  return { address, customer };
}

/** A machine of its own: sockets, ledger, daemon. */
class Machine {
  constructor(name) {
    this.name = name;
    this.home = path.join(home, name);
    this.socket = path.join(this.home, 'entitled.sock');
    this.admin = path.join(this.home, 'admin.sock');
    this.environment = { ENTITLED_SOCKET: this.socket, ENTITLED_ADMIN_SOCKET: this.admin };
  }

  async start(rpc, licence, etcd) {
    fs.mkdirSync(path.join(this.home, 'products.d'), { recursive: true });
    fs.writeFileSync(path.join(this.home, 'products.d', `${PRODUCT}.toml`), `product = "${PRODUCT}"
name = "Acme CAD"
version = 1
trust = "single"
finality = "latest"
refresh = "1s"
grace = "14d"

[tiers.pro]
rank = 20
seats = 2
features = { export = true }

[[grants]]
tier = "pro"
token = "eip155:31337/erc721:${licence.address}"
tokens_of = "enumerable"
`);
    fs.writeFileSync(path.join(this.home, 'entitled.toml'), `[socket]
path = "${this.socket}"
admin_path = "${this.admin}"
[store]
path = "${this.home}/ledger.redb"
[keys]
source = "file:${this.home}/kek"
[products]
dirs = ["${this.home}/products.d"]
[seats]
dirs = []
[log]
level = "warn"
format = "text"
[[chain]]
id = "eip155:31337"
rpc = ["${rpc}"]
trust = "single"
poll = "100ms"
[fleet]
engine = "etcd"
machine = "${this.name}"
ttl = "${TTL_S}s"
endpoints = ${JSON.stringify(etcd)}
`);
    this.daemon = start(program('entitled'), ['--config', path.join(this.home, 'entitled.toml')]);
    await until(`${this.name} is in the fleet`, async () => {
      const status = await this.ask('fleet_status', {}, this.admin).catch((error) => ({ why: String(error) }));
      return { found: status.standing === 'in', last: `${status.why}; ${this.daemon.said}` };
    });
    const { message } = await this.ask('wallet_challenge', { address: licence.customer.account.address, chain: 'eip155:31337' });
    await this.ask('wallet_link', { message, signature: await licence.customer.signMessage({ message }) });
    await until(`${this.name} has proven the licence`, async () => {
      const verdict = await this.ask('entitlement_check', { product: PRODUCT, wait_ms: 2000 });
      return { found: verdict.valid, last: verdict.detail };
    });
  }

  ask(method, params = {}, socket = this.socket) {
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

  /** A program that knows nothing of seats, and runs while it has one. */
  run(name) {
    const child = start(program('entitlectl'), ['run', PRODUCT, '--seat', '--wait', '10m', '--',
      'sh', '-c', `echo ${name} runs; exec sleep 600`], this.environment);
    return until(`${name} runs`, async () => ({ found: child.said.includes(`${name} runs`) && child, last: child.said }));
  }
}

async function demonstrate() {
  for (const name of ['entitled', 'entitlectl']) must(fs.existsSync(program(name)), `${program(name)} is missing`);
  const [one, other] = [new Machine('render-1'), new Machine('render-2')];
  let etcd, rpc, licence, third;
  let runs = false;
  await step('etcd, of three members', async () => {
    etcd = await startEtcd();
    return etcd.join(' ');
  });
  await step('a chain of our own, and a licence that is good for two seats', async () => {
    rpc = (await startNode()).url;
    licence = await buy(rpc);
    return licence.address;
  });
  await step('two machines of one fleet, each of which proves the licence itself', async () => {
    await Promise.all([one, other].map((it) => it.start(rpc, licence, etcd)));
    const status = await one.ask('fleet_status', {}, one.admin);
    return status.machines.map((it) => it.name).join(', ') || status.machine;
  });
  await step('a program on each takes a seat', async () => {
    await one.run('first');
    await other.run('second');
    await until('both seats are known', async () => {
      const { places } = await one.ask('fleet_status', {}, one.admin);
      return { found: places === 2, last: `${places} places` };
    });
    return 'both run';
  });
  await step('a third, on the first machine, waits', async () => {
    third = one.run('third').then((child) => { runs = true; return child; });
    await until('it is in the queue', async () => {
      const { pools } = await one.ask('seat_list', { product: PRODUCT });
      return { found: pools.some((it) => it.waiting === 1), last: JSON.stringify(pools) };
    });
    must(!runs, 'the third runs, and there are two seats');
    return 'it is in the queue';
  });
  await step(`the daemon of the second machine is killed with -9, and nothing is heard of it for ${TTL_S} s`, async () => {
    other.daemon.kill('SIGKILL');
    await third;
    return 'the third runs';
  });
  await step('`entitlectl fleet status` on the first', async () => {
    const { stdout } = spawnSync(program('entitlectl'), ['fleet', 'status'], {
      env: { ...environment, ...one.environment }, encoding: 'utf8', timeout: PATIENCE_MS,
    });
    must(stdout.includes('render-1'), stdout);
    const { places } = await one.ask('fleet_status', {}, one.admin);
    must(places === 2, `${places} places are taken`);
    return 'two places, both of render-1';
  });
}

await run(demonstrate);
