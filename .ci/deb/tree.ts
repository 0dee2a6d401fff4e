/** Lays out what a package installs, from the built files of dist/ and the repository. */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { copyrightText, debianChangelog, documents, type Maintainer, manuals } from './documents.ts';
import { put, putCompressed } from './files.ts';
import type { BundledNode } from './node.ts';
import { type PackagePlan, PREBUILDS } from './plan.ts';
import { BUNDLED_NODE, type SystemFile } from './units.ts';

export interface TreeOptions {
  readonly root: string;
  /** What `npm run build` made. */
  readonly built: string;
  /** Takes the files. */
  readonly tree: string;
  readonly plan: PackagePlan;
  readonly node: BundledNode | undefined;
  readonly system: readonly SystemFile[];
  readonly maintainer: Maintainer;
  readonly epochSeconds: number;
}

/** Where dh_compress begins to compress a document, bytes. */
const COMPRESSED_FROM = 4096;
/** Settings, schema and ready-made sensors, as they are in config/. */
const SHARED = ['sensors', 'mosquitto', 'emqx'];

export function layOut(options: TreeOptions): void {
  layOutProgram(options);
  layOutConfiguration(options);
  for (const { to, text, mode } of options.system) put(join(options.tree, to), text, mode);
  layOutDocuments(options);
}

function layOutProgram({ root, built, tree, plan, node }: TreeOptions): void {
  const library = join(tree, 'usr/lib/fieldpost');
  const { from, to } = PREBUILDS[plan.architecture];
  const binding = join(root, 'node_modules/@serialport/bindings-cpp/prebuilds', from);
  put(join(library, 'prebuilds', to), readFileSync(binding), 0o644);
  for (const name of readdirSync(built).filter((each) => each.endsWith('.mjs'))) {
    // Started by the unit and by /usr/bin/fieldpost, which say with which Node.js.
    const text = readFileSync(join(built, name), 'utf8').replace(/^#!.*\n/, '');
    put(join(library, name), text, 0o644);
  }
  if (node !== undefined) {
    copyFileSync(node.program, join(library, basename(BUNDLED_NODE)));
    chmodSync(join(library, basename(BUNDLED_NODE)), 0o755);
  }
  const interpreter = node === undefined ? '/usr/bin/node' : BUNDLED_NODE;
  put(
    join(tree, 'usr/bin/fieldpost'),
    `#!/bin/sh\n# The command line of fieldpost; see fieldpost(1).\nexec ${interpreter} /usr/lib/fieldpost/fieldpost.mjs "$@"\n`,
    0o755,
  );
}

function layOutConfiguration({ root, tree }: TreeOptions): void {
  const shared = join(tree, 'usr/share/fieldpost');
  const example = readFileSync(join(root, 'device.json'), 'utf8');
  const schema = '"./config/device.schema.json"';
  if (!example.includes(schema)) throw new Error(`device.json: must name its schema as ${schema}`);
  const text = example.replace(schema, '"/usr/share/fieldpost/device.schema.json"');
  put(join(shared, 'device.json'), text, 0o644);
  put(join(tree, 'etc/fieldpost/device.json'), text, 0o644);
  mkdirSync(join(tree, 'etc/fieldpost/tls'));
  for (const folder of ['etc/fieldpost/tls', 'etc/fieldpost']) chmodSync(join(tree, folder), 0o750);
  put(join(shared, 'device.schema.json'), readFileSync(join(root, 'config/device.schema.json')), 0o644);
  for (const folder of SHARED) {
    for (const name of readdirSync(join(root, 'config', folder))) {
      put(join(shared, folder, name), readFileSync(join(root, 'config', folder, name)), 0o644);
    }
  }
}

function layOutDocuments({ root, built, tree, plan, node, maintainer, epochSeconds }: TreeOptions): void {
  const folder = join(tree, 'usr/share/doc/fieldpost');
  for (const path of documents(root)) {
    const contents = readFileSync(join(root, path));
    const to = join(folder, basename(path));
    if (contents.length < COMPRESSED_FROM) put(to, contents, 0o644);
    else putCompressed(to, contents);
  }
  putCompressed(join(folder, 'changelog'), readFileSync(join(root, 'CHANGELOG.md')));
  putCompressed(join(folder, 'changelog.Debian'), debianChangelog(plan, maintainer, epochSeconds));
  const licence = (path: string): string => readFileSync(path, 'utf8');
  const text = copyrightText(
    licence(join(root, 'LICENSE')),
    licence(join(built, 'LICENSES.txt')),
    node === undefined ? undefined : licence(node.licence),
  );
  put(join(folder, 'copyright'), text, 0o644);
  const { command, file } = manuals(root, { version: plan.version, epochSeconds });
  putCompressed(join(tree, 'usr/share/man/man1/fieldpost.1'), command);
  putCompressed(join(tree, 'usr/share/man/man5/device.json.5'), file);
  const overrides = overridesFor(licence(join(root, 'packaging/lintian-overrides')), plan);
  if (overrides !== '') put(join(tree, 'usr/share/lintian/overrides/fieldpost'), overrides, 0o644);
}

/** Those behind `[distribution]` and `[bundled]` are for such packages alone: lintian faults an override without a use. */
function overridesFor(text: string, plan: PackagePlan): string {
  const [all = '', ...sections] = text.split(/^(?=\[[a-z]+\]$)/m);
  const head = `[${plan.node}]\n`;
  return all + (sections.find((section) => section.startsWith(head))?.slice(head.length) ?? '');
}
