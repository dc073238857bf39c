// What the end of `make test` says of the report that nextest wrote: what was skipped for want of a program or of
// recordings, and the ten tests that took longest. A test says that it skips something in a line `skipped: …`.
//
//   node tests/summary.mjs target/nextest/default/junit.xml

import { readFileSync } from 'node:fs';

const SLOWEST = 10;

let report;
try {
    report = readFileSync(process.argv[2], 'utf8');
} catch {
    console.log('skipped tests and slow tests are not known: cargo-nextest is not installed, or wrote no report');
    process.exit(0);
}

const ENTITIES = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'", '&amp;': '&' };
const plain = (text) => text.replace(/&(lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity]);
const attribute = (tag, name) => plain(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '');

const tests = [...report.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(([, tag, body = '']) => ({
    name: `${attribute(` ${tag}`, 'classname')} ${attribute(` ${tag}`, 'name')}`,
    seconds: Number(attribute(` ${tag}`, 'time')),
    skipped: [...new Set([...plain(body).matchAll(/^(?:.*>)?skipped: (.*)$/gm)].map(([, what]) => what))],
}));

const skipped = tests.filter((test) => test.skipped.length > 0);
console.log(`\nskipped, wholly or in part: ${skipped.length} of ${tests.length} tests`);
for (const test of skipped) {
    console.log(`  ${test.name}\n    ${test.skipped.join('\n    ')}`);
}
console.log(`\nthe ${SLOWEST} slowest tests:`);
for (const test of tests.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST)) {
    console.log(`  ${test.seconds.toFixed(1).padStart(6)} s  ${test.name}`);
}
