// Builds what ships: one ESM file for the service and the command line, one for the workbench, the native serial
// binding and the licences of what was bundled. The result runs from any folder, with no node_modules beside it.
//
//   dist/fieldpost.mjs     src/main.ts and all it needs; the package's `bin`
//   dist/systeminformation.mjs  figures of the machine: loaded when the first is due, and only where `host` is configured
//   dist/websocket.mjs     the WebSocket client: loaded when a URL of the broker is ws:// or wss://
//   dist/workbench.mjs     src/workbench/index.ts: demo broker and certificate making; the service never loads it
//   dist/prebuilds/        the serial binding for the machines fieldpost runs on
//   dist/LICENSES.txt      licence texts of the bundled packages
//
// usage: node .ci/build.mjs [--out DIR] [--version V]
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { argv, exit, pid, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

// linux-x64 for gateways and developers; linux-arm64 for Raspberry Pi 3 and later (64 bit); linux-arm holds armv6 (Pi
// Zero, Pi 1) and armv7 (Pi 2 and later on 32 bit). Each is there for glibc, and for musl except armv6. The package's
// macOS, Windows and Android builds are left out: the agent runs on Linux.
const PREBUILDS = ['linux-x64', 'linux-arm64', 'linux-arm'];

/** Packages that are files of their own, for devices that never need them: asked for by `import()` only. */
const APART = {
  systeminformation: { entry: 'systeminformation/lib/index.js', file: 'systeminformation.mjs' },
  ws: { entry: 'ws/wrapper.mjs', file: 'websocket.mjs' },
};

/**
 * @typedef {object} BuildOptions
 * @property {string} out folder the files are put in
 * @property {string} [main] entry of the service
 * @property {string} [workbench] entry of the workbench
 * @property {string} [version] what the built files say they are; default: the version of package.json
 */

/** @param {BuildOptions} options */
export async function build(options) {
  const out = resolve(options.out);
  const main = options.main ?? join(root, 'src/main.ts');
  const workbench = options.workbench ?? join(root, 'src/workbench/index.ts');
  const version = options.version ?? JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  mkdirSync(out, { recursive: true });
  const results = await Promise.all([
    bundle(main, join(out, 'fieldpost.mjs'), '#!/usr/bin/env node\n', workbench, version),
    bundle(workbench, join(out, 'workbench.mjs'), '', workbench, version),
    ...Object.values(APART).map(({ entry, file }) =>
      bundle(join(root, 'node_modules', entry), join(out, file), '', workbench, version),
    ),
  ]);
  copyPrebuilds(join(out, 'prebuilds'));
  put(join(out, 'LICENSES.txt'), licences(results.flatMap((result) => Object.keys(result.metafile.inputs))), 0o644);
  return results.map((result) => ({
    file: Object.keys(result.metafile.outputs)[0] ?? '',
    bytes: Object.values(result.metafile.outputs)[0]?.bytes ?? 0,
  }));
}

async function bundle(entry, outfile, firstLine, workbench, version) {
  const result = await esbuild.build({
    entryPoints: [entry],
    outfile,
    write: false,
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    metafile: true,
    logLevel: 'warning',
    legalComments: 'none', // LICENSES.txt has them whole
    minifySyntax: true, // names stay: a stack trace from the field must be readable without a source map
    define: { FIELDPOST_VERSION: JSON.stringify(version) },
    // CommonJS packages call require() for node's own modules, which an ESM file does not have.
    banner: {
      js: `${firstLine}import { createRequire as nodeCreateRequire } from 'node:module';\nconst require = nodeCreateRequire(import.meta.url);`,
    },
    plugins: [workbenchApart(entry, workbench), packagesApart(), serialBinding(), slimSerial(), slimMqtt()],
  });
  put(outfile, result.outputFiles[0]?.contents ?? '', 0o755);
  return result;
}

/** Replaces a file whole, so that an agent that starts while a build runs finds the old file or the new one. */
function put(path, contents, mode) {
  const fresh = `${path}.${pid}.new`;
  writeFileSync(fresh, contents, { mode });
  renameSync(fresh, path);
}

/** Leaves binaries alone that are there already: a running process may have them mapped. */
function copyPrebuilds(to) {
  const from = join(root, 'node_modules/@serialport/bindings-cpp/prebuilds');
  for (const platform of PREBUILDS) {
    mkdirSync(join(to, platform), { recursive: true });
    for (const name of readdirSync(join(from, platform))) {
      const contents = readFileSync(join(from, platform, name));
      const target = join(to, platform, name);
      if (!existsSync(target) || !readFileSync(target).equals(contents)) put(target, contents, 0o755);
    }
  }
}

/**
 * `import('../workbench/index.ts')` in the service becomes `import('./workbench.mjs')`: loaded only when asked for. Any other
 * way into that folder would bring brokers and fault makers into the service, so it fails the build.
 */
function workbenchApart(entry, workbench) {
  return {
    name: 'workbench-apart',
    setup(builder) {
      if (entry === workbench) return;
      builder.onResolve({ filter: /^\./ }, (found) => {
        const path = resolve(found.resolveDir, found.path);
        if (path === workbench && found.kind === 'dynamic-import') return { path: './workbench.mjs', external: true };
        if (!path.startsWith(dirname(workbench) + sep)) return undefined;
        return { errors: [{ text: `the service reaches the workbench only by import('../workbench/index.ts')` }] };
      });
    },
  };
}

/** Their own files import nothing of that kind, so the one rule is good for every bundle. */
function packagesApart() {
  return {
    name: 'packages-apart',
    setup(builder) {
      builder.onResolve({ filter: new RegExp(`^(${Object.keys(APART).join('|')})$`) }, (found) =>
        found.kind === 'dynamic-import' ? { path: `./${APART[found.path].file}`, external: true } : undefined,
      );
    },
  };
}

/** node-gyp-build looks for `prebuilds/` beside the package's own file; in the bundle that is beside the bundle. */
function serialBinding() {
  return {
    name: 'serial-binding',
    setup(builder) {
      builder.onLoad({ filter: /@serialport\/bindings-cpp\/dist\/serialport-bindings\.js$/ }, () => ({
        contents: `
          import load from 'node-gyp-build';
          import { dirname } from 'node:path';
          import { fileURLToPath } from 'node:url';
          export const binding = load(dirname(fileURLToPath(import.meta.url)));`,
        loader: 'js',
        resolveDir: join(root, 'node_modules/@serialport/bindings-cpp/dist'),
      }));
    },
  };
}

/** serialport brings ten parsers and a mock of the binding; fieldpost frames by itself and tests on ptys. */
function slimSerial() {
  return without('slim-serial', /^@serialport\/(parser-.+|binding-mock)$/, /node_modules\/serialport\//);
}

/**
 * MQTT.js brings WebSocket and SOCKS clients, web-worker timers and a copy of node's streams. fieldpost hands it an open
 * socket and node's own timers, so none of them is ever reached; without them the service is a few MiB smaller in memory.
 */
function slimMqtt() {
  const plugin = without('slim-mqtt', /^(ws|socks|\.\/socks|worker-timers)$/, /node_modules\/mqtt\//);
  return {
    name: plugin.name,
    setup(builder) {
      plugin.setup(builder);
      builder.onResolve({ filter: /^readable-stream$/ }, () => ({ path: 'node:stream', external: true }));
    },
  };
}

/** Leaves packages out where `importer` asks for them: whoever uses one all the same gets an error that names it. */
function without(name, unused, importer) {
  return {
    name,
    setup(builder) {
      builder.onResolve({ filter: unused }, (found) =>
        importer.test(found.importer) ? { path: found.path, namespace: name } : undefined,
      );
      builder.onLoad({ filter: unused, namespace: name }, (found) => ({
        contents: `module.exports = new Proxy({}, { get(_, name) {
          if (name === '__esModule') return true;
          return function missing() { throw new Error('${found.path} is not part of this build'); };
        } });`,
        loader: 'js',
      }));
    },
  };
}

/** The licence file of every package that any of the inputs came from. */
function licences(inputs) {
  const packages = new Set();
  for (const input of inputs) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found?.[1] !== undefined) packages.add(found[1]);
  }
  let text = 'fieldpost is under the MIT licence. The files beside this one also hold code of these packages.\n';
  for (const folder of [...packages].sort((a, b) => (a < b ? -1 : 1))) {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const file = readdirSync(join(root, folder)).find((candidate) => /^licen[cs]e(\.|$)/i.test(candidate));
    text += `\n${'-'.repeat(80)}\n${name} ${version} (${license})\n\n`;
    text += file === undefined ? '' : `${readFileSync(join(root, folder, file), 'utf8').trim()}\n`;
  }
  return text;
}

if (argv[1] !== undefined && resolve(argv[1]) === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: join(root, 'dist') }, version: { type: 'string' } },
  });
  const startedMs = performance.now();
  const built = await build({ out: values.out, version: values.version }).catch((error) => {
    if (!Array.isArray(error.errors)) stderr.write(`${error.stack}\n`); // esbuild has said its own
    exit(1);
  });
  for (const { file, bytes } of built) {
    stdout.write(`${relative(root, resolve(root, file))}  ${Math.round(bytes / 1024)} KiB\n`);
  }
  stdout.write(`built in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`);
}
