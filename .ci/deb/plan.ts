/** Which packages there are: one for each processor and each way to come by Node.js, and what they are called. */
import { Fault } from '../../src/fault.ts';

export const ARCHITECTURES = ['amd64', 'arm64', 'armhf'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** From the distribution (Debian 13 and later have one that is new enough), or inside the package. */
export const NODES = ['distribution', 'bundled'] as const;
export type NodeSource = (typeof NODES)[number];

/** As `engines` in package.json, in Debian's words. */
export const NODE_DEPENDS = 'nodejs (>= 20.19)';

export interface Flavour {
  readonly architecture: Architecture;
  readonly node: NodeSource;
}

export interface PackagePlan extends Flavour {
  /** Of fieldpost, such as 1.2.0. */
  readonly version: string;
  /** Of the package. */
  readonly debianVersion: string;
  readonly file: string;
  /** The most that it may weigh, bytes. */
  readonly bytesMax: number;
}

/**
 * The prebuilt serial binding of each processor, below node_modules/@serialport/bindings-cpp/prebuilds, and its name in the
 * package. armhf takes the one for ARMv6 with hardware floating point and drops the version from its name: it runs on
 * Debian's armhf (ARMv7) and on Raspberry Pi OS, whose armhf is ARMv6; node-gyp-build would take it on neither for the other.
 */
export const PREBUILDS: Readonly<Record<Architecture, { readonly from: string; readonly to: string }>> = {
  amd64: {
    from: 'linux-x64/@serialport+bindings-cpp.glibc.node',
    to: 'linux-x64/@serialport+bindings-cpp.glibc.node',
  },
  arm64: {
    from: 'linux-arm64/@serialport+bindings-cpp.armv8.glibc.node',
    to: 'linux-arm64/@serialport+bindings-cpp.armv8.glibc.node',
  },
  armhf: {
    from: 'linux-arm/@serialport+bindings-cpp.armv6.glibc.node',
    to: 'linux-arm/@serialport+bindings-cpp.glibc.node',
  },
};

const MIB = 1024 * 1024;
const BYTES_MAX: Readonly<Record<NodeSource, number>> = { distribution: 2 * MIB, bundled: 32 * MIB };

/** Node.js for ARMv7 ended at 20.11.0 where it can be had prebuilt, older than what fieldpost needs. */
const NOT_BUNDLED: readonly Architecture[] = ['armhf'];

export interface Wanted {
  readonly architectures: readonly string[];
  readonly nodes: readonly string[];
  readonly version: string;
  readonly nodeVersion: string;
}

/** Throws a Fault `usage` for what can not be had; what was not asked for by name is left out. */
export function planPackages(wanted: Wanted): readonly PackagePlan[] {
  const architectures = named(ARCHITECTURES, wanted.architectures, '--arch');
  const nodes = named(NODES, wanted.nodes, '--node');
  const plans = architectures.flatMap((architecture) =>
    nodes
      .filter((node) => node !== 'bundled' || !NOT_BUNDLED.includes(architecture))
      .map((node) => planOf({ architecture, node }, wanted)),
  );
  if (plans.length > 0) return plans;
  throw new Fault(
    'usage',
    `--node bundled: no Node.js 20.19 or newer can be had prebuilt for ${architectures.join(', ')}`,
  );
}

function planOf(flavour: Flavour, { version, nodeVersion }: Wanted): PackagePlan {
  const debianVersion = debianVersionOf(version, flavour.node, nodeVersion);
  const file = `fieldpost_${debianVersion}_${flavour.architecture}.deb`;
  return { ...flavour, version, debianVersion, file, bytesMax: BYTES_MAX[flavour.node] };
}

/**
 * `1.2.0` is 1.2.0-1, and 1.2.0-1~node22 with Node.js inside: a little older than the same with the distribution's, so that a
 * machine that is upgraded to a newer Debian changes over. `1.2.0-rc.1` comes before both.
 */
export function debianVersionOf(version: string, node: NodeSource, nodeVersion: string): string {
  if (!/^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.]+)?$/.test(version)) {
    throw new Fault(
      'usage',
      `--version: must be a version such as 1.2.0 or 1.2.0-rc.1, got ${JSON.stringify(version)}`,
    );
  }
  const inside = node === 'bundled' ? `~node${nodeVersion.split('.')[0] ?? ''}` : '';
  return `${version.replace('-', '~')}-1${inside}`;
}

function named<Name extends string>(known: readonly Name[], asked: readonly string[], option: string): readonly Name[] {
  const wrong = asked.find((each) => !known.some((name) => name === each));
  if (wrong !== undefined) {
    throw new Fault('usage', `${option}: must be ${known.join(', ')}, got ${JSON.stringify(wrong)}`);
  }
  return asked.length === 0 ? known : known.filter((name) => asked.includes(name));
}
