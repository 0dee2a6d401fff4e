import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

test('each invariant stands once, has its number, in order, and names tests that are there', () => {
  const rows = read('docs/INVARIANTS.md')
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line));
  assert.ok(rows.length >= 20);
  assert.equal(new Set(rows.map((row) => row.split(' | ')[1])).size, rows.length, 'a promise stands twice');
  for (const [at, row] of rows.entries()) {
    assert.ok(row.startsWith(`| ${at + 1} |`), row);
    const named = [...row.matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1] as string);
    assert.ok(named.length > 0, `names no test: ${row}`);
    assert.deepEqual(
      named.filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
  }
});

test('links between the documents lead somewhere', () => {
  for (const page of [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'docs/ARCHITECTURE.md',
    'docs/CONFIGURATION.md',
    'docs/CONTRACT.md',
    'docs/COMMANDS.md',
    'docs/DEPLOYMENT.md',
    'docs/OPERATIONS.md',
    'docs/MANAGING.md',
    'docs/SENSORS.md',
    'docs/CONSUMING.md',
    'docs/PROOF.md',
    'docs/DEMANDS.md',
  ]) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(join(ROOT, dirname(page), target as string)), `${page} links to ${target}`);
    }
  }
});

test('every word of the connection and of `degraded` is explained to operators, and no other', () => {
  const page = read('docs/OPERATIONS.md');
  const [, union = ''] = /export type LinkWord =([^;]+);/.exec(read('src/ports-broker.ts')) ?? [];
  const linkWords = [...union.matchAll(/'([^']+)'/g)].map((found) => found[1] as string);
  const status = read('src/status/status.ts') + read('src/remote/remote-config.ts');
  const degraded = [...status.matchAll(/(?:push\(|return \[|\? \[)[`']([a-z.-]+)/g)].map((found) => found[1] as string);
  const [, , more = ''] = /(## Words in `degraded`)([\s\S]*)$/.exec(page) ?? [];
  const explained = new Set(
    [...more.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-z.-]+)/g)].map((found) => found[1] as string),
    ),
  );
  assert.ok(linkWords.length > 25 && degraded.length > 8);
  // The ledger's own refusal codes, and `sensor.<state>`, are made at run time.
  const [, words = ''] = /export type GuaranteeWord =([^;]+);/.exec(read('src/delivery/guarantee.ts')) ?? [];
  const guarantees = [...words.matchAll(/'([^']+)'/g)].map((found) => found[1] as string);
  const made = [
    'ledger.full',
    'ledger.disk',
    'ledger.fragmented',
    'sensor.absent',
    'sensor.error',
    'broker.no-retain',
    'broker.no-session',
  ];
  const wanted = [...linkWords, ...degraded, ...guarantees, ...made];
  assert.deepEqual(
    [...explained].sort(),
    [...new Set(wanted.filter((word) => !['sensor.', 'broker.no-'].includes(word)))].sort(),
  );
});

test('each of the 33 demands names tests that are there, by file and name', () => {
  const rows = read('docs/DEMANDS.md')
    .split('\n')
    .filter((line) => /^\| (?:\d+b?)? \| /.test(line))
    .map((line) => line.split(' | '));
  const numbers = rows.map(([number = '']) => number.replace('|', '').trim()).filter((number) => number !== '');
  const wanted = [1, 2, 3, '3b', ...Array.from({ length: 29 }, (_, at) => at + 4)].map(String);
  assert.deepEqual(numbers, wanted);
  for (const row of rows) {
    const place = row[2] ?? '';
    const [, file, name] = /^`(test\/[^`]+)`: (.+)$/.exec(place) ?? [];
    if (file === undefined || name === undefined) {
      assert.equal(place, 'none yet', row.join(' | '));
      continue;
    }
    const text = read(file).replaceAll('\\', '');
    assert.ok(
      ["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`)),
      `${file}: ${name}`,
    );
  }
});
