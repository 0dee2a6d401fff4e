/** The texts of a package: man pages, documents, changelogs, and who holds which rights. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../../src/cli/commands.ts';
import { examplesOf } from '../reference/examples.ts';
import { sectionsOf } from '../reference/keys.ts';
import { commandManual, configurationManual, type ManualOptions } from '../reference/manual.ts';
import type { SchemaNode } from '../reference/schema-node.ts';
import type { PackagePlan } from './plan.ts';

export interface Maintainer {
  readonly name: string;
  readonly email: string;
}

export function manuals(root: string, options: ManualOptions): { readonly command: string; readonly file: string } {
  const schema = JSON.parse(readFileSync(join(root, 'config/device.schema.json'), 'utf8')) as SchemaNode;
  return {
    command: commandManual(COMMANDS, options),
    file: configurationManual(sectionsOf(schema, examplesOf(root)), options),
  };
}

/** Names below the root of the repository. */
export function documents(root: string): readonly string[] {
  const pages = readdirSync(join(root, 'docs')).filter((name) => /\.(?:md|svg)$/.test(name));
  return ['README.md', ...pages.sort().map((name) => `docs/${name}`)];
}

export function debianChangelog(plan: PackagePlan, maintainer: Maintainer, epochSeconds: number): string {
  const inside = plan.node === 'bundled' ? ', with Node.js inside' : '';
  return [
    `fieldpost (${plan.debianVersion}) unstable; urgency=medium`,
    '',
    `  * fieldpost ${plan.version}${inside}. What is new in it is in changelog.gz.`,
    '',
    ` -- ${maintainer.name} <${maintainer.email}>  ${mailDate(epochSeconds)}`,
    '',
  ].join('\n');
}

/** As in a mail, RFC 5322, in UTC. */
function mailDate(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toUTCString().replace('GMT', '+0000');
}

/** `bundled` is the licence text of what dist/ holds, `node` that of Node.js where the package brings it. */
export function copyrightText(own: string, bundled: string, node: string | undefined): string {
  const rule = '='.repeat(80);
  const parts = [
    'Upstream-Name: fieldpost',
    own.trim(),
    `${rule}\nPackages that the files in /usr/lib/fieldpost hold\n${rule}\n\n${bundled.trim()}`,
  ];
  if (node !== undefined) parts.push(`${rule}\nNode.js, /usr/lib/fieldpost/node\n${rule}\n\n${node.trim()}`);
  return `${parts.join('\n\n').replaceAll(APACHE, APACHE_HERE)}\n`;
}

/** Every Debian has this text once; the policy (12.5) wants it named there and not copied. */
const APACHE = / *Apache License\s+Version 2\.0, January 2004[\s\S]*?END OF TERMS AND CONDITIONS/g;
const APACHE_HERE = 'Apache License, Version 2.0: on Debian in /usr/share/common-licenses/Apache-2.0';
